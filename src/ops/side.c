/* side.c: what only some operations need: a chain they are linked in, results that are told one by one, a timer if
 * deadlines of too many lengths are there.
 * Owns the sides, which are made when they are wanted and used again. */
#include "op.h"

#if EV_OP_ENABLE

#include <string.h>

static void side_deliver (EV_P_ ev_watcher *w, int revents);
static void side_late (EV_P_ ev_timer *w, int revents);

static struct evi_side *side_make (void)
{
    struct evi_side *side = evi_resize (NULL, sizeof *side);

    memset (side, 0, sizeof *side);
    ev_init (&side->deliver, side_deliver);
    ev_init (&side->timer, side_late);
    return side;
}

EVI struct evi_side *evi_op_side (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    struct evi_side *side = op->side;

    if (side)
        return side;
    side = ops->sides ? ops->sides : side_make ();
    ops->sides = side->next;
    side->op = op;
    side->pidfd = -1;
    side->names = NULL;
    side->paused = side->recalled = 0;
    side->next = NULL;
    op->side = side;
    return side;
}

static void side_stop_timer (struct ev_loop *loop, struct evi_side *side)
{
    if (EVI_LIKELY (!ev_is_active (&side->timer)))
        return;
    evi_ref (loop);
    ev_timer_stop (EV_A_ & side->timer);
}

EVI_APART EVI void evi_side_free (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = op->side;

    side_stop_timer (loop, side);
    evi_ready_unwait (loop, op);
    side->op = NULL;
    side->next = loop->ops->sides;
    loop->ops->sides = side;
    op->side = NULL;
}

EVI void evi_side_free_all (struct evi_ops *ops)
{
    while (ops->sides) {
        struct evi_side *side = ops->sides;

        ops->sides = side->next;
        evi_resize (side->arrivals, 0);
        evi_resize (side, 0);
    }
}

/* ---- deadlines ---- */

EVI_COLD EVI void evi_side_start_timer (struct ev_loop *loop, ev_op *op, ev_tstamp seconds)
{
    struct evi_side *side = evi_op_side (loop, op);

    side_stop_timer (loop, side);
    ev_timer_set (&side->timer, seconds, seconds); /* one that does not repeat gives back a reference */
    evi_set_priority (&side->timer, ev_priority (op));
    ev_timer_start (EV_A_ & side->timer);
    evi_unref (loop);
}

static void side_late (EV_P_ ev_timer *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, timer);
    EVI_DOOR;

    (void) revents;
    evi_op_must (side->op->side == side);
    side_stop_timer (loop, side);
    evi_op_end_early (loop, side->op, side->op->wish ? side->op->wish : EVI_WISH_TIMEOUT);
}

EVI int evi_side_helps (void *w)
{
    return ev_cb ((ev_timer *) w) == side_late;
}

/* ---- chains ---- */

EVI_COLD EVI void evi_link_activate (struct ev_loop *loop, ev_op *op)
{
    for (ev_op *next = op->link; next; op = next, next = next->link) {
        if (ev_is_active (next) || ev_is_pending (next)) {
            evi_complain ("ev_op_link", "a linked operation was started already");
            op->hint |= EVI_HINT_CUT;
            return;
        }
        evi_op_activate (loop, next);
        next->state = EVI_STATE_LINKED;
        next->prev = op;
    }
}

/* The next one behind op, which waits for it. */
static ev_op *link_next (const ev_op *op)
{
    ev_op *next = op->link;

    evi_op_must (ev_is_active (next) && next->state == EVI_STATE_LINKED && next->prev == op);
    return next;
}

/* The last is fed first, to be called last. */
static void link_cancel (struct ev_loop *loop, ev_op *op)
{
    ev_op *last = op;

    while (last->link && !(last->hint & EVI_HINT_CUT))
        last = link_next (last);
    while (last != op) {
        ev_op *before = last->prev;

        last->result = -ECANCELED;
        evi_op_deactivate (loop, last);
        evi_op_tell (loop, last);
        last = before;
    }
}

EVI_COLD EVI void evi_link_follow (struct ev_loop *loop, ev_op *op, int succeeded)
{
    ev_op *next;

    if (op->hint & EVI_HINT_CUT)
        return;
    if (!succeeded) {
        link_cancel (loop, op);
        return;
    }
    next = link_next (op);
    next->state = EVI_STATE_IDLE;
    evi_op_enter (loop, next, 1);
}

/* ---- results one by one ---- */

static void side_drop (struct ev_loop *loop, ev_op *op, const struct evi_arrival *arrival)
{
    if (evi_op_kind (op)->traits & EVI_TRAIT_MAKES_FD && arrival->result >= 0)
        evi_sys_close ((int) arrival->result);
    if (arrival->buf && arrival->shown)
        evi_bufs_unshow (loop, op->more, arrival->buf);
    else if (arrival->buf)
        evi_bufs_unneeded (op->more, arrival->buf);
}

EVI void evi_side_drop_all (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = op->side;

    evi_pending_clear (loop, &side->deliver);
    while (side->first < side->count)
        side_drop (loop, op, &side->arrivals[side->first++]);
    side->first = side->count = 0;
}

EVI void evi_side_feed (struct ev_loop *loop, struct evi_side *side)
{
    loop->op_told = 1;
    if (ev_is_pending (&side->deliver))
        return;
    evi_set_priority (&side->deliver, ev_priority (side->op));
    evi_feed (loop, &side->deliver, EV_OP);
}

static void side_keep (struct evi_side *side, struct evi_arrival arrival)
{
    EVI_FIT (side->arrivals, side->room, side->count + 1);
    side->arrivals[side->count++] = arrival;
}

/* The first is in the operation itself, and waits to be told: in its turn, but now one of several. */
static void side_take_first (struct ev_loop *loop, ev_op *op, struct evi_side *side)
{
    side_keep (side, (struct evi_arrival){ op->result, op->buf, op->moved, .shown = 1 });
    evi_set_priority (&side->deliver, ev_priority (op));
    evi_pending_pass (loop, (ev_watcher *) op, &side->deliver, EV_OP);
}

EVI void evi_side_arrive (struct ev_loop *loop, ev_op *op, struct evi_arrival arrival)
{
    struct evi_side *side = evi_op_side (loop, op);

    if (EVI_UNLIKELY (op->wish & EVI_WISH_STOP)) {
        side_drop (loop, op, &arrival);
        return;
    }
    if (ev_is_pending (op))
        side_take_first (loop, op, side);
    side_keep (side, arrival);
    if (EVI_LIKELY (!(side->paused & EVI_PAUSE_CALL)))
        evi_side_feed (loop, side);
}

EVI void evi_side_hold (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = evi_op_side (loop, op);

    if (ev_is_pending (op))
        side_take_first (loop, op, side);
    evi_pending_clear (loop, &side->deliver);
    for (unsigned at = side->first; at < side->count; at++)
        if (side->arrivals[at].shown) {
            evi_bufs_hide (loop, op->more, side->arrivals[at].buf);
            side->arrivals[at].shown = 0;
        }
}

EVI void evi_side_go_on (struct ev_loop *loop, ev_op *op)
{
    if (op->side->first < op->side->count)
        evi_side_feed (loop, op->side);
}

/* The end of evi_op_done_active. */
static void side_deliver_end (struct ev_loop *loop, ev_op *op)
{
    evi_op_deactivate (loop, op);
    if (op->link)
        evi_link_follow (loop, op, op->result >= 0);
    ev_invoke (EV_A_ op, EV_OP);
}

/* One result, one callback; the next is fed again before, in case the callback does not return. */
static void side_deliver_next (struct ev_loop *loop, struct evi_side *side)
{
    ev_op *op = side->op;
    struct evi_arrival arrival = side->arrivals[side->first++];

    if (side->first < side->count)
        evi_feed (loop, &side->deliver, EV_OP);
    else
        side->first = side->count = 0;
    if (arrival.buf && !arrival.shown)
        evi_bufs_show (loop, op->more, arrival.buf);
    op->result = arrival.result;
    op->moved = arrival.moved;
    /* elsewhere it is what init said, and the next start needs it */
    if (evi_op_kind (op)->touches & EVI_TOUCHES_POOL)
        op->buf = arrival.buf;
    if (arrival.last) {
        evi_op_deactivate (loop, op);
        if (op->link)
            evi_link_follow (loop, op, op->result >= 0);
    }
    ev_invoke (EV_A_ op, arrival.last ? EV_OP : EV_OP | EV_OP_MORE);
}

static void side_deliver (EV_P_ ev_watcher *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, deliver);
    EVI_DOOR;

    (void) revents;
    evi_op_must (side->op->side == side);
    if (side->count)
        side_deliver_next (loop, side);
    else
        side_deliver_end (loop, side->op);
}

#endif
