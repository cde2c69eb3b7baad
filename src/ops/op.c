/* op.c: the life of an operation: idle, queued, in flight, done; and what surrounds it: lanes, links, deadlines,
 * results that arrive one by one.
 * Owns loop->ops, its queue and lanes. Promises that an operation completes exactly once, from the pending queue,
 * and that nothing of ours points to it afterwards. Calls the engines; they call back evi_op_done and its sisters. */
#include "op.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Seconds until an end that was asked for is asked for again: kernels have lost a cancel that met a request on its
 * way to a worker (before 6.12.115; seen on 6.18 with splice). */
#define OP_ASK_AGAIN 0.1

#define OP_KIND(lane, traits, name)   \
    {                                 \
        name, EVI_LANE_##lane, traits \
    }
EVI_HOME const struct evi_op_kind evi_op_kinds[EVI_CODES] = {
    [EVI_CODE_NONE] = OP_KIND (NONE, EVI_TRAIT_DIRECT, "not set"),
    [EVI_CODE_ACCEPT] = OP_KIND (RECV, EVI_TRAIT_ARRIVES | EVI_TRAIT_MAKES_FD, "accept"),
    [EVI_CODE_CONNECT] = OP_KIND (SEND, 0, "connect"),
    [EVI_CODE_RECV] = OP_KIND (RECV, 0, "recv"),
    [EVI_CODE_RECV_POOL] = OP_KIND (RECV, EVI_TRAIT_ARRIVES, "recv_pool"),
    [EVI_CODE_SEND] = OP_KIND (SEND, 0, "send"),
    [EVI_CODE_SEND_ZC] = OP_KIND (SEND, 0, "send_zc"),
    [EVI_CODE_RECVMSG] = OP_KIND (RECV, 0, "recvmsg"),
    [EVI_CODE_SENDMSG] = OP_KIND (SEND, 0, "sendmsg"),
    [EVI_CODE_SHUTDOWN] = OP_KIND (SEND, EVI_TRAIT_DIRECT, "shutdown"),
    [EVI_CODE_SOCKET] = OP_KIND (NONE, EVI_TRAIT_DIRECT | EVI_TRAIT_ARRIVES | EVI_TRAIT_MAKES_FD, "socket"),
    [EVI_CODE_OPENAT] = OP_KIND (NONE, EVI_TRAIT_FILE | EVI_TRAIT_ARRIVES | EVI_TRAIT_MAKES_FD, "openat"),
    [EVI_CODE_CLOSE] = OP_KIND (NONE, EVI_TRAIT_FILE, "close"),
    [EVI_CODE_READ] = OP_KIND (RECV, EVI_TRAIT_POSITION, "read"),
    [EVI_CODE_WRITE] = OP_KIND (SEND, EVI_TRAIT_POSITION, "write"),
    [EVI_CODE_READV] = OP_KIND (RECV, EVI_TRAIT_POSITION, "readv"),
    [EVI_CODE_WRITEV] = OP_KIND (SEND, EVI_TRAIT_POSITION, "writev"),
    [EVI_CODE_FSYNC] = OP_KIND (NONE, EVI_TRAIT_FILE, "fsync"),
    [EVI_CODE_FALLOCATE] = OP_KIND (NONE, EVI_TRAIT_FILE, "fallocate"),
    [EVI_CODE_FTRUNCATE] = OP_KIND (NONE, EVI_TRAIT_FILE, "ftruncate"),
    [EVI_CODE_STATX] = OP_KIND (NONE, EVI_TRAIT_FILE, "statx"),
    [EVI_CODE_UNLINKAT] = OP_KIND (NONE, EVI_TRAIT_FILE, "unlinkat"),
    [EVI_CODE_RENAMEAT] = OP_KIND (NONE, EVI_TRAIT_FILE, "renameat"),
    [EVI_CODE_MKDIRAT] = OP_KIND (NONE, EVI_TRAIT_FILE, "mkdirat"),
    [EVI_CODE_SPLICE] = OP_KIND (NONE, EVI_TRAIT_FILE, "splice"),
    [EVI_CODE_WAITID] = OP_KIND (NONE, 0, "waitid"),
    [EVI_CODE_SQE] = OP_KIND (NONE, EVI_TRAIT_ARRIVES, "sqe"),
};

/* ---- misuse ---- */

EVI void evi_op_not_now (const char *call)
{
    evi_complain (call, "not while the operation is active or pending");
}

EVI void evi_op_spoilt (void)
{
    evi_misuse ("ev_init", "an active ev_op was initialised or overwritten");
}

/* An active operation: of this loop? */
static int op_is_here (const struct ev_loop *loop, const ev_op *op)
{
    const struct evi_list *active = loop->ops ? &loop->ops->active : NULL;
    unsigned at = (unsigned) ev_is_active (op);

    return active && at <= active->count && active->items[at - 1] == (const ev_watcher *) op;
}

static const char op_elsewhere[] = "the operation is active or pending on another loop";

/* ---- what only some need ---- */

static void op_deliver (EV_P_ ev_watcher *w, int revents);
static void op_late (EV_P_ ev_timer *w, int revents);

EVI struct evi_side *evi_op_side (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    struct evi_side *side = op->side;

    if (side)
        return side;
    side = ops->sides;
    if (side)
        ops->sides = side->next;
    else {
        side = evi_resize (NULL, sizeof *side);
        memset (side, 0, sizeof *side);
        ev_init (&side->deliver, op_deliver);
        ev_init (&side->timer, op_late);
    }
    side->op = op;
    side->pidfd = -1;
    side->next = NULL;
    op->side = side;
    return side;
}

static void op_side_stop_timer (struct ev_loop *loop, struct evi_side *side)
{
    if (EVI_LIKELY (!ev_is_active (&side->timer)))
        return;
    evi_ref (loop);
    ev_timer_stop (EV_A_ & side->timer);
}

EVI_APART static void op_side_free (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = op->side;

    op_side_stop_timer (loop, side);
    side->op = NULL;
    side->next = loop->ops->sides;
    loop->ops->sides = side;
    op->side = NULL;
}

/* ---- queue and lanes ---- */

static void op_queue (struct ev_loop *loop, ev_op *op);

EVI_COLD static void op_grow_and_queue (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;

    EVI_FIT (ops->queue, ops->queue_room, ops->queued + 1);
    op_queue (loop, op);
}

static void op_queue (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;

    if (EVI_UNLIKELY (ops->queued == ops->queue_room)) {
        op_grow_and_queue (loop, op);
        return;
    }
    op->slot = ops->queued;
    op->state = EVI_STATE_QUEUED;
    ops->queue[ops->queued++] = op;
    loop->op_started = 1;
}

/* To the ring on the spot, if nothing stands before it. Not what follows another operation: it could be done, and
 * told, before the other one's callback has run. */
EVI_INLINE void op_dispatch (struct ev_loop *loop, ev_op *op, int follows)
{
    if (EVI_UNLIKELY (follows || loop->ops->queued))
        op_queue (loop, op);
    else
        evi_op_uring_dispatch (loop, op);
}

EVI void evi_op_again (struct ev_loop *loop, ev_op *op)
{
    op_queue (loop, op);
}

EVI void evi_op_unqueue (struct ev_loop *loop, ev_op *op)
{
    loop->ops->queue[op->slot] = NULL;
}

/* As for ev_io: a number far beyond any open file must not cost its weight in memory. */
EVI int evi_op_lane_fit (struct ev_loop *loop, int fd)
{
    struct evi_ops *ops = loop->ops;

    if (EVI_LIKELY ((unsigned) fd < ops->lane_count))
        return 0;
    if (fd < 0 || evi_sys_fd_valid (fd) < 0)
        return -EBADF;
    EVI_FIT_ZEROED (ops->lanes, ops->lane_count, fd + 1);
    return 0;
}

static int op_wants_lane (const ev_op *op)
{
    return evi_op_kind (op)->lane != EVI_LANE_NONE && !evi_op_at_offset (op);
}

/* First in, first out, one at a time: two receives on one socket complete swapped, if the kernel has both. */
EVI_APART static void op_lane_join (struct ev_loop *loop, ev_op *op, int follows)
{
    struct evi_lane *lane;
    ev_op *head;

    if (EVI_UNLIKELY (evi_op_lane_fit (loop, op->fd) < 0)) {
        op->hint |= EVI_HINT_BAD_FD;
        op_queue (loop, op);
        return;
    }
    lane = evi_op_lane (loop, op);
    head = lane->head;
    evi_op_must (!head || head->hint & EVI_HINT_LANE);
    op->hint |= EVI_HINT_LANE;
    op->next = NULL;
    if (EVI_LIKELY (!head)) {
        lane->head = op->prev = op;
        if (!evi_op_ready_send_now (loop, op))
            op_dispatch (loop, op, follows);
        return;
    }
    op->state = EVI_STATE_LANED;
    op->prev = head->prev;
    head->prev->next = op;
    head->prev = op;
}

static void op_lane_leave (struct ev_loop *loop, ev_op *op)
{
    struct evi_lane *lane = evi_op_lane (loop, op);
    ev_op *next = op->next;

    lane->told = loop->op_tellings;
    op->hint &= (uint8_t) ~EVI_HINT_LANE;
    if (lane->head != op) {
        op->prev->next = next;
        if (next)
            next->prev = op->prev;
        else
            lane->head->prev = op->prev;
        return;
    }
    lane->head = next;
    if (EVI_LIKELY (!next))
        return;
    next->prev = op->prev;
    op_queue (loop, next);
}

/* ---- starting ---- */

/* One by one: to clear them all at once, compilers take a string instruction, which is slow to start. */
EVI void evi_op_begin (ev_op *op, int code)
{
    op->result = 0;
    op->moved = op->size = 0;
    op->buf = op->more = NULL;
    op->fd = -1;
    op->fd_to = 0;
    op->offset = op->offset_to = 0;
    op->flags = op->mode = 0;
    op->limit = 0;
    op->link = op->prev = op->next = NULL;
    op->side = NULL;
    op->slot = 0;
    op->code = (unsigned char) code;
    op->state = op->wish = op->hint = 0;
}

/* Its deadline, or the next time to ask for its end. */
EVI_COLD static void op_start_timer (struct ev_loop *loop, ev_op *op, ev_tstamp seconds)
{
    struct evi_side *side = evi_op_side (loop, op);

    op_side_stop_timer (loop, side);
    ev_timer_set (&side->timer, seconds, OP_ASK_AGAIN); /* one that does not repeat gives back a reference */
    evi_set_priority (&side->timer, ev_priority (op));
    ev_timer_start (EV_A_ & side->timer);
    evi_unref (loop);
}

/* Its turn has come: nothing it is linked to stands before it any more. */
EVI_INLINE void op_enter_untimed (struct ev_loop *loop, ev_op *op, int follows)
{
    if (op_wants_lane (op))
        op_lane_join (loop, op, follows);
    else
        op_dispatch (loop, op, follows);
}

static void op_enter (struct ev_loop *loop, ev_op *op, int follows)
{
    if (EVI_UNLIKELY (op->limit > 0))
        op_start_timer (loop, op, op->limit);
    op_enter_untimed (loop, op, follows);
}

/* The list of those that are active has room. */
EVI_INLINE_HOT void op_activate_here (struct ev_loop *loop, ev_op *op)
{
    op->result = 0;
    op->moved = 0;
    op->wish = op->hint = 0;
    evi_list_put (loop, &loop->ops->active, op);
    loop->stats.op_starts++;
}

static void op_activate (struct ev_loop *loop, ev_op *op)
{
    struct evi_list *active = &loop->ops->active;

    EVI_FIT (active->items, active->room, active->count + 1);
    op_activate_here (loop, op);
}

/* Everything that is linked behind op waits from now on. */
EVI_COLD static void op_activate_links (struct ev_loop *loop, ev_op *op)
{
    for (ev_op *next = op->link; next; op = next, next = next->link) {
        if (ev_is_active (next) || ev_is_pending (next)) {
            evi_complain ("ev_op_link", "a linked operation was started already");
            op->hint |= EVI_HINT_CUT;
            return;
        }
        op_activate (loop, next);
        next->state = EVI_STATE_LINKED;
        next->prev = op;
    }
}

EVI_APART static void op_start_special (struct ev_loop *loop, ev_op *op)
{
    if (EVI_UNLIKELY (ev_is_pending (op))) {
        evi_complain ("ev_op_start", "its last completion has not been told yet");
        return;
    }
    if (EVI_UNLIKELY (!loop->ops))
        evi_ops_open (loop);
    evi_ops_reborn (loop);
    op_activate (loop, op);
    if (EVI_UNLIKELY (op->link))
        op_activate_links (loop, op);
    op_enter (loop, op, 0);
}

/* Mostly there is nothing to be seen to before it. */
static int op_starts_plainly (const struct ev_loop *loop, const ev_op *op)
{
    const struct evi_ops *ops = loop->ops;

    return !ev_is_pending (op) && ops && evi_sys_same_process (ops->process)
           && ops->active.count < ops->active.room && !op->link && !(op->limit > 0);
}

void ev_op_start (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (EVI_UNLIKELY (ev_is_active (op))) {
        if (!op_is_here (loop, op))
            evi_complain ("ev_op_start", op_elsewhere);
        return;
    }
    if (EVI_LIKELY (op_starts_plainly (loop, op))) {
        op_activate_here (loop, op);
        op_enter_untimed (loop, op, 0);
    } else
        op_start_special (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

static void op_hand_over (struct ev_loop *loop, ev_op *op)
{
    evi_op_must (op->state == EVI_STATE_QUEUED);
    op->state = EVI_STATE_IDLE;
    if (EVI_UNLIKELY (op->hint & (EVI_HINT_BAD_FD | EVI_HINT_TRIED)))
        evi_op_done (loop, op, -EBADF);
    else if (!evi_op_uring_start (loop, op))
        evi_op_ready_start (loop, op);
}

/* Only what is in the queue now: an operation that gets its turn because its predecessor was done at once waits
 * for the next time, behind the predecessor's callback. */
EVI_APART static void ops_hand_over (struct ev_loop *loop, struct evi_ops *ops, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (EVI_LIKELY (ops->queue[i] != NULL))
            op_hand_over (loop, ops->queue[i]);
    ops->queued -= count;
    for (unsigned i = 0; i < ops->queued; i++) {
        ops->queue[i] = ops->queue[i + count];
        if (ops->queue[i])
            ops->queue[i]->slot = i;
    }
}

EVI int evi_ops_reify (struct ev_loop *loop)
{
    unsigned count = loop->ops->queued;

    loop->op_started = 0;
    evi_ops_reborn (loop);
    evi_op_uring_turn (loop);
    if (count)
        ops_hand_over (loop, loop->ops, count);
    evi_bufs_resume (loop);
    evi_op_uring_flush (loop);
    return loop->op_told;
}

/* ---- ending ---- */

static ssize_t op_judge (const ev_op *op, ssize_t result)
{
    if (EVI_LIKELY (result >= 0))
        return result;
    if (EVI_UNLIKELY (evi_op_interrupted (result)))
        result = -EINTR;
    if (result != -ECANCELED && result != -EINTR)
        return result;
    if (op->wish & EVI_WISH_TIMEOUT)
        return -ETIMEDOUT;
    return op->wish & EVI_WISH_CANCEL ? -ECANCELED : result;
}

static void op_deactivate (struct ev_loop *loop, ev_op *op)
{
    evi_op_must (op_is_here (loop, op));
    if (EVI_UNLIKELY (op->side != NULL))
        op_side_free (loop, op);
    op->state = EVI_STATE_IDLE;
    evi_list_stop (loop, &loop->ops->active, op);
}

static void op_tell (struct ev_loop *loop, ev_op *op)
{
    loop->op_told = 1;
    evi_feed (loop, op, EV_OP);
}

/* The next in the chain may start, or all of them are off. The last is fed first, to be called last. */
EVI_COLD static void op_follow_link (struct ev_loop *loop, ev_op *op, int succeeded)
{
    ev_op *last = op;

    if (op->hint & EVI_HINT_CUT)
        return;
    if (succeeded) {
        op->link->state = EVI_STATE_IDLE;
        op_enter (loop, op->link, 1);
        return;
    }
    while (last->link && !(last->hint & EVI_HINT_CUT))
        last = last->link;
    while (last != op) {
        ev_op *before = last->prev;

        last->result = -ECANCELED;
        op_deactivate (loop, last);
        op_tell (loop, last);
        last = before;
    }
}

static void op_follow (struct ev_loop *loop, ev_op *op, int succeeded)
{
    if (EVI_UNLIKELY (op->link != NULL))
        op_follow_link (loop, op, succeeded);
}

/* The program will not be told of it: what it has made must go. */
static void op_drop_arrival (ev_op *op, const struct evi_arrival *arrival)
{
    if (evi_op_kind (op)->traits & EVI_TRAIT_MAKES_FD && arrival->result >= 0)
        evi_sys_close ((int) arrival->result);
    if (arrival->buf)
        evi_bufs_unneeded (op->more, arrival->buf);
}

static void op_drop_arrivals (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = op->side;

    if (!side)
        return;
    evi_pending_clear (loop, &side->deliver);
    while (side->first < side->count)
        op_drop_arrival (op, &side->arrivals[side->first++]);
    side->first = side->count = 0;
}

/* The engine is finished with it; its last result is yet to be told. */
static void op_over (struct ev_loop *loop, ev_op *op)
{
    if (op->hint & EVI_HINT_LANE)
        op_lane_leave (loop, op);
    op_side_stop_timer (loop, op->side);
    op->state = EVI_STATE_OVER;
}

static void op_feed_deliver (struct ev_loop *loop, struct evi_side *side)
{
    loop->op_told = 1;
    if (ev_is_pending (&side->deliver))
        return;
    evi_set_priority (&side->deliver, ev_priority (side->op));
    evi_feed (loop, &side->deliver, EV_OP);
}

EVI void evi_op_arrive (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf, int last)
{
    struct evi_side *side = evi_op_side (loop, op);
    struct evi_arrival arrival = { result, buf, op->moved, last };

    if (last)
        op_over (loop, op);
    if (EVI_UNLIKELY (op->wish & EVI_WISH_STOP)) {
        op_drop_arrival (op, &arrival);
        return;
    }
    EVI_FIT (side->arrivals, side->room, side->count + 1);
    side->arrivals[side->count++] = arrival;
    op_feed_deliver (loop, side);
}

static void op_call (struct ev_loop *loop, ev_op *op, int revents, struct ev_pool *pool, void *buf)
{
    (void) loop; /* if it is the only one */
    if (pool)
        evi_bufs_show (pool);
    ev_invoke (EV_A_ op, revents);
    if (pool)
        evi_bufs_shown (pool, buf);
}

EVI void evi_op_arrive_here (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf)
{
    if (EVI_UNLIKELY (ev_is_pending (&op->side->deliver))) { /* others were first */
        evi_op_arrive (loop, op, result, buf, 0);
        return;
    }
    op->result = result;
    op->buf = buf;
    op_call (loop, op, EV_OP | EV_OP_MORE, op->more, buf);
}

EVI void evi_op_done_active (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    struct evi_side *side = evi_op_side (loop, op);

    op_over (loop, op);
    op->result = result;
    op_feed_deliver (loop, side);
}

/* The end of evi_op_done_active. */
static void op_deliver_end (struct ev_loop *loop, ev_op *op)
{
    op_deactivate (loop, op);
    op_follow (loop, op, op->result >= 0);
    ev_invoke (EV_A_ op, EV_OP);
}

/* One result, one callback; the next is fed again before, in case the callback does not return. */
static void op_deliver_next (struct ev_loop *loop, struct evi_side *side)
{
    ev_op *op = side->op;
    struct evi_arrival arrival = side->arrivals[side->first++];
    struct ev_pool *pool = arrival.buf ? op->more : NULL;

    if (side->first < side->count)
        evi_feed (loop, &side->deliver, EV_OP);
    else
        side->first = side->count = 0;
    op->result = arrival.result;
    op->moved = arrival.moved;
    if (op->code == EVI_CODE_RECV_POOL) /* elsewhere it is what init said, and the next start needs it */
        op->buf = arrival.buf;
    if (arrival.last) {
        op_deactivate (loop, op);
        op_follow (loop, op, op->result >= 0);
    }
    op_call (loop, op, arrival.last ? EV_OP : EV_OP | EV_OP_MORE, pool, arrival.buf);
}

static void op_deliver (EV_P_ ev_watcher *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, deliver);
    EVI_DOOR;

    (void) revents;
    evi_op_must (side->op->side == side);
    if (side->count)
        op_deliver_next (loop, side);
    else
        op_deliver_end (loop, side->op);
}

/* With all that an operation may have about it. */
EVI_APART static void op_done_special (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    result = EVI_UNLIKELY (op->hint & EVI_HINT_TRIED) ? op->result : op_judge (op, result);
    if (evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES) {
        evi_op_arrive (loop, op, result, NULL, 1);
        return;
    }
    if (op->hint & EVI_HINT_LANE)
        op_lane_leave (loop, op);
    op->result = result;
    if (EVI_UNLIKELY (op->wish & EVI_WISH_STOP)) {
        op->state = EVI_STATE_OVER;
        return;
    }
    op_deactivate (loop, op);
    op_follow (loop, op, result >= 0);
    op_tell (loop, op);
}

/* Mostly there is nothing about it. */
EVI void evi_op_done (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    if (op->hint | op->wish || op->side || op->link || result < 0
        || evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES) {
        op_done_special (loop, op, result);
        return;
    }
    op->state = EVI_STATE_IDLE;
    evi_list_stop (loop, &loop->ops->active, op);
    op->result = result;
    op_tell (loop, op);
}

/* ---- ending early ---- */

/* Takes an operation that is not under way out of where it waits. Nonzero: so it was. */
static int op_take_out (struct ev_loop *loop, ev_op *op)
{
    switch (op->state) {
    case EVI_STATE_QUEUED:
        evi_op_unqueue (loop, op);
        return 1;
    case EVI_STATE_RING:
        return evi_op_uring_take_back (loop, op);
    case EVI_STATE_PAUSED:
        evi_bufs_unpause (op);
        return 1;
    case EVI_STATE_LINKED:
        op->prev->hint |= EVI_HINT_CUT; /* it will not look here again */
        return 1;
    case EVI_STATE_LANED:
        return 1;
    default:
        return 0;
    }
}

/* Nonzero: it is over. */
static int op_end_waiting (struct ev_loop *loop, ev_op *op)
{
    if (!op_take_out (loop, op))
        return 0;
    evi_op_done (loop, op, -ECANCELED);
    return 1;
}

static void op_end_early (struct ev_loop *loop, ev_op *op, int wish)
{
    op->wish |= (uint8_t) wish;
    if (op->state == EVI_STATE_OVER || op_end_waiting (loop, op))
        return;
    if (op->state == EVI_STATE_RING) {
        evi_op_uring_cancel (loop, op);
        op_start_timer (loop, op, OP_ASK_AGAIN);
    } else if (evi_op_ready_cancel (loop, op))
        evi_op_done (loop, op, -ECANCELED);
}

static void op_late (EV_P_ ev_timer *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, timer);
    EVI_DOOR;

    (void) revents;
    evi_op_must (side->op->side == side);
    op_side_stop_timer (loop, side);
    op_end_early (loop, side->op, side->op->wish ? side->op->wish : EVI_WISH_TIMEOUT);
}

void ev_op_cancel (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!ev_is_active (op))
        return;
    if (EVI_UNLIKELY (!op_is_here (loop, op))) {
        evi_complain ("ev_op_cancel", op_elsewhere);
        return;
    }
    evi_ops_reborn (loop);
    if (ev_is_active (op))
        op_end_early (loop, op, EVI_WISH_CANCEL);
}

static void op_stop (struct ev_loop *loop, ev_op *op)
{
    op->wish |= EVI_WISH_STOP | EVI_WISH_CANCEL;
    if (!op_end_waiting (loop, op)) {
        if (op->state == EVI_STATE_RING)
            evi_op_uring_stop (loop, op);
        else if (op->state == EVI_STATE_WAITING || op->state == EVI_STATE_THREAD)
            evi_op_ready_stop (loop, op);
        op_end_waiting (loop, op); /* an engine has given it back meanwhile */
    }
    op_drop_arrivals (loop, op);
    if (evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES)
        op->result = -ECANCELED;
    op_deactivate (loop, op);
}

/* On another loop there is no stopping it, and the program would think that the memory is its own again. */
static int op_may_stop (const struct ev_loop *loop, const ev_op *op)
{
    const struct evi_stack *stack = &loop->pending.level[evi_level ((const ev_watcher *) op)];
    unsigned at = (unsigned) ev_is_pending (op);

    if (at && (at > stack->count || stack->items[at - 1].w != (const ev_watcher *) op))
        return 0;
    return !ev_is_active (op) || op_is_here (loop, op);
}

void ev_op_stop (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (EVI_UNLIKELY (!op_may_stop (loop, op)))
        evi_misuse ("ev_op_stop", op_elsewhere);
    evi_ops_reborn (loop);
    evi_pending_clear (loop, (ev_watcher *) op);
    if (!ev_is_active (op))
        return;
    op_stop (loop, op);
    op_follow (loop, op, 0);
    EVI_VERIFY_CHANGE (loop);
}

void ev_op_deadline (ev_op *op, ev_tstamp seconds) EV_NOEXCEPT
{
    if (EVI_UNLIKELY (!evi_op_idle (op)))
        evi_op_not_now ("ev_op_deadline");
    else
        op->limit = seconds > 0 ? seconds : 0; /* also: NaN is none */
}

void ev_op_link (ev_op *op, ev_op *next) EV_NOEXCEPT
{
    if (EVI_UNLIKELY (!evi_op_idle (op) || (next && !evi_op_idle (next))))
        evi_op_not_now ("ev_op_link");
    else
        op->link = next;
}

/* ---- looked at from outside ---- */

static int op_helps (void *w)
{
    return ev_cb ((ev_timer *) w) == op_late || evi_op_ready_helps (w);
}

/* From the end: the callback may stop the operation it is given. */
static void op_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    for (unsigned i = loop->ops ? loop->ops->active.count : 0; i-- > 0;)
        if (loop->ops && i < loop->ops->active.count)
            cb (EV_A_ EV_OP, loop->ops->active.items[i]);
}

/* ---- the room as a whole ---- */

static void op_knock (struct evi_home *home)
{
    struct evi_ops *ops = (struct evi_ops *) (void *) ((char *) home - offsetof (struct evi_ops, home));

    evi_wake_rouse (ops->loop);
}

EVI void evi_ops_open (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (ops)
        return;
    ops = evi_resize (NULL, sizeof *ops);
    memset (ops, 0, sizeof *ops);
    ops->loop = loop;
    ops->home.knock = op_knock;
    ops->process = evi_sys_process ();
    ops->leash = -1;
    loop->ops = ops;
    loop->riders.reaped = evi_op_ready_reaped;
    loop->riders.helps = op_helps;
    loop->riders.walk = op_walk;
    evi_op_uring_open (loop);
}

EVI void evi_ops_answer (struct ev_loop *loop)
{
    if (loop->ops)
        evi_op_ready_collect (loop);
}

/* What was started is the parent's, in flight or not: two processes must not do the same. From the end, where
 * nothing moves that is still to come. */
EVI_COLD static void ops_disown (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->process = evi_sys_process ();
    evi_op_uring_reborn (loop);
    ops->home.done = NULL;
    for (unsigned i = ops->active.count; i-- > 0;) {
        ev_op *op = i < ops->active.count ? (ev_op *) ops->active.items[i] : NULL;

        if (!op || op->state == EVI_STATE_OVER || op->state == EVI_STATE_RING)
            continue;
        if (!op_take_out (loop, op))
            evi_op_ready_orphan (loop, op);
        evi_op_done (loop, op, -ECANCELED);
    }
}

EVI void evi_ops_reborn (struct ev_loop *loop)
{
    if (EVI_LIKELY (!loop->ops || evi_sys_same_process (loop->ops->process)))
        return;
    if (loop->ops->process != evi_sys_process ())
        ops_disown (loop);
}

static void op_free_sides (struct evi_ops *ops)
{
    while (ops->sides) {
        struct evi_side *side = ops->sides;

        ops->sides = side->next;
        evi_resize (side->arrivals, 0);
        evi_resize (side, 0);
    }
}

EVI void evi_ops_close (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops)
        return;
    evi_ops_reborn (loop);
    for (unsigned i = 0; i < ops->active.count; i++) {
        evi_op_must (ops->active.items[i]->active == (int) i + 1);
        ((ev_op *) ops->active.items[i])->wish |= EVI_WISH_STOP | EVI_WISH_CANCEL;
    }
    if (loop->riders.recall)
        loop->riders.recall (loop);
    while (ops->active.count)
        op_stop (loop, (ev_op *) ops->active.items[ops->active.count - 1]);
    evi_op_uring_close (loop);
    evi_bufs_close (loop);
    evi_pool_leave (&ops->home);
    op_free_sides (ops);
    evi_resize (ops->active.items, 0);
    evi_resize (ops->queue, 0);
    evi_resize (ops->lanes, 0);
    evi_resize (ops->slots, 0);
    evi_resize (ops, 0);
    memset (&loop->riders, 0, sizeof loop->riders);
    loop->ops = NULL;
    loop->op_started = 0;
}

/* ---- looking ---- */

static void op_verify_lane (const struct evi_lane *lane)
{
    for (const ev_op *op = lane->head; op; op = op->next)
        if (!ev_is_active (op) || !(op->hint & EVI_HINT_LANE)
            || (op != lane->head) != (op->state == EVI_STATE_LANED)
            || (op->next ? op->next->prev != op : lane->head->prev != op))
            evi_misuse ("ev_verify", "an active ev_op was initialised or overwritten");
}

EVI void evi_ops_verify (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops)
        return;
    for (unsigned i = 0; i < ops->active.count; i++)
        evi_watcher_verify (ops->active.items[i], (int) i + 1);
    for (unsigned fd = 0; fd < ops->lane_count; fd++) {
        op_verify_lane (&ops->lanes[fd][EVI_LANE_RECV]);
        op_verify_lane (&ops->lanes[fd][EVI_LANE_SEND]);
    }
}

EVI void evi_ops_dump (struct ev_loop *loop, FILE *out)
{
    static const char *const states[] = { "idle",
                                          "waits for its link",
                                          "waits for its turn",
                                          "is to be started",
                                          "is with the ring",
                                          "waits for readiness",
                                          "is with a thread",
                                          "waits for a buffer",
                                          "has a result to be told" };

    for (unsigned i = 0; loop->ops && i < loop->ops->active.count; i++) {
        const ev_op *op = (const ev_op *) loop->ops->active.items[i];

        fprintf (out, "op %s on fd %d %s\n", evi_op_kind (op)->name, op->fd, states[op->state]);
    }
}

#endif
