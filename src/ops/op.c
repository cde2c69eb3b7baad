/* op.c: the life of an operation: idle, queued, in flight, done.
 * Owns loop->ops, the slots and the queue. Promises that an operation completes exactly once, from the pending queue,
 * and that nothing of ours points to it afterwards. Calls the engines; they call back evi_op_done and its sisters. */
#include "op.h"

#if EV_OP_ENABLE

#include <stdio.h>
#include <string.h>

/* Seconds until an end that was asked for is asked for again: kernels have lost a cancel that met a request on its
 * way to a worker (before 6.12.115; seen on 6.18 with splice). */
#define OP_ASK_AGAIN 0.1

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
    unsigned at = (unsigned) ev_is_active (op);

    return loop->ops && at - 1 < loop->ops->slot_count && loop->ops->slots[at - 1].op == op;
}

static const char op_elsewhere[] = "the operation is active or pending on another loop";

/* ---- active, and not ---- */

EVI_COLD static void op_grow_slots (struct evi_ops *ops)
{
    unsigned from = ops->slot_count;

    EVI_FIT_ZEROED (ops->slots, ops->slot_count, from + 1);
    for (unsigned at = from; at < ops->slot_count; at++)
        ops->slots[at].next = at + 1;
}

/* There is a free slot. */
EVI_INLINE_HOT void op_activate_here (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    unsigned at = ops->slot_free;

    op->result = 0;
    op->moved = 0;
    op->wish = op->hint = 0;
    ops->slot_free = ops->slots[at].next;
    ops->slots[at].op = op;
    evi_watcher_start (loop, op, (int) at + 1);
    loop->stats.op_starts++;
}

EVI void evi_op_activate (struct ev_loop *loop, ev_op *op)
{
    if (EVI_UNLIKELY (loop->ops->slot_free == loop->ops->slot_count))
        op_grow_slots (loop->ops);
    op_activate_here (loop, op);
}

EVI_INLINE_HOT void op_deactivate_here (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    unsigned at = (unsigned) op->active - 1;
    struct evi_slot *slot = &ops->slots[at];

    EVI_ASSERT (slot->op == op && !(op->hint & EVI_HINT_LANE) && !evi_op_flies (op));
    evi_deadline_stop (loop, op);
    slot->op = NULL;
    slot->generation = (slot->generation + 1) & EVI_GENERATION;
    slot->next = ops->slot_free;
    ops->slot_free = at;
    op->state = EVI_STATE_IDLE;
    evi_watcher_stop (loop, op);
}

EVI void evi_op_deactivate (struct ev_loop *loop, ev_op *op)
{
    evi_op_must (op_is_here (loop, op));
    if (EVI_UNLIKELY (op->side != NULL))
        evi_side_free (loop, op);
    op_deactivate_here (loop, op);
}

/* ---- the queue ---- */

static void op_queue (struct ev_loop *loop, ev_op *op, int state)
{
    struct evi_ops *ops = loop->ops;

    EVI_ASSERT (ev_is_active (op) && !evi_op_flies (op) && op->state != EVI_STATE_ORPHAN);
    EVI_FIT (ops->queue, ops->queue_room, ops->queued + 1);
    op->slot = ops->queued;
    op->state = (unsigned char) state;
    ops->queue[ops->queued++] = op;
    ops->straight = 0; /* nobody passes it */
    loop->op_started = 1;
}

EVI void evi_op_again (struct ev_loop *loop, ev_op *op)
{
    op_queue (loop, op, EVI_STATE_QUEUED);
}

EVI void evi_op_follow (struct ev_loop *loop, ev_op *op)
{
    evi_op_must (op_is_here (loop, op));
    op->epoch = loop->op_tellings;
    op_queue (loop, op, EVI_STATE_FOLLOWS);
}

EVI void evi_op_unqueue (struct ev_loop *loop, ev_op *op)
{
    loop->ops->queue[op->slot] = NULL;
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
    op->flags = op->epoch = 0;
    op->limit = op->due = 0;
    op->link = op->prev = op->next = op->sooner = op->later = NULL;
    op->queue = 0;
    op->side = NULL;
    op->slot = 0;
    op->code = (unsigned char) code;
    op->state = op->wish = op->hint = 0;
}

static int op_wants_lane (const ev_op *op)
{
    return evi_op_kind (op)->lane != EVI_LANE_NONE && !evi_op_at_offset (op);
}

/* To the ring on the spot, if nothing stands before it. Not what follows another operation: it could be done, and
 * told, before the other one's callback has run. */
EVI_INLINE void op_dispatch (struct ev_loop *loop, ev_op *op, int follows)
{
    if (EVI_UNLIKELY (follows))
        evi_op_follow (loop, op);
    else if (EVI_UNLIKELY (loop->ops->queued) || !evi_on_ring_start_now (loop, op))
        evi_op_again (loop, op);
}

EVI_COLD static void op_enter_bad (struct ev_loop *loop, ev_op *op, int follows)
{
    op->hint |= EVI_HINT_BAD_FD;
    op_dispatch (loop, op, follows);
}

EVI_INLINE void op_enter_untimed (struct ev_loop *loop, ev_op *op, int follows)
{
    if (op_wants_lane (op)) {
        if (EVI_UNLIKELY (evi_lane_fit (loop, op->fd) < 0)) {
            op_enter_bad (loop, op, follows);
            return;
        }
        if (EVI_UNLIKELY (!evi_lane_join (loop, op)) || (!follows && evi_ready_send_now (loop, op)))
            return;
    }
    op_dispatch (loop, op, follows);
}

static void op_end_in (struct ev_loop *loop, ev_op *op, ev_tstamp seconds)
{
    if (EVI_UNLIKELY (!evi_deadline_start (loop, op, seconds)))
        evi_side_start_timer (loop, op, seconds);
}

EVI void evi_op_enter (struct ev_loop *loop, ev_op *op, int follows)
{
    if (op->limit > 0)
        op_end_in (loop, op, op->limit);
    op_enter_untimed (loop, op, follows);
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
    evi_op_activate (loop, op);
    if (EVI_UNLIKELY (op->link))
        evi_link_activate (loop, op);
    evi_op_enter (loop, op, 0);
}

/* Mostly there is a ring that takes it, and nothing to be seen to before. */
EVI_INLINE_HOT int op_starts_straight (const struct ev_loop *loop, const ev_op *op)
{
    const struct evi_ops *ops = loop->ops;

    return ops && ops->straight >> op->code & 1 && !ev_is_pending (op) && !op->link
           && (unsigned) op->fd < ops->lane_count && ops->slot_free < ops->slot_count && !loop->waiting
           && evi_sys_same_process (ops->process);
}

EVI_APART static void op_start_straight (struct ev_loop *loop, ev_op *op)
{
    op_activate_here (loop, op);
    if (op->limit > 0)
        op_end_in (loop, op, op->limit);
    if (EVI_UNLIKELY (op_wants_lane (op) && !evi_lane_join (loop, op)))
        return;
    if (EVI_UNLIKELY (!evi_on_ring_submit (loop, op)))
        evi_op_again (loop, op);
}

void ev_op_start (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (EVI_UNLIKELY (ev_is_active (op))) {
        if (!op_is_here (loop, op))
            evi_complain ("ev_op_start", op_elsewhere);
        return;
    }
    if (EVI_LIKELY (op_starts_straight (loop, op)))
        op_start_straight (loop, op);
    else
        op_start_special (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

/* ---- handing over ---- */

static int op_waits_in_queue (const struct ev_loop *loop, const ev_op *op)
{
    evi_op_must (op->state == EVI_STATE_QUEUED || op->state == EVI_STATE_FOLLOWS);
    return op->state == EVI_STATE_FOLLOWS && op->epoch == loop->op_tellings;
}

static void op_hand_over (struct ev_loop *loop, ev_op *op)
{
    if (EVI_UNLIKELY (op_waits_in_queue (loop, op))) {
        op_queue (loop, op, EVI_STATE_FOLLOWS);
        return;
    }
    op->state = EVI_STATE_IDLE;
    if (EVI_UNLIKELY (op->hint & (EVI_HINT_BAD_FD | EVI_HINT_TRIED)))
        evi_op_done (loop, op, -EBADF);
    else if (!evi_on_ring.start (loop, op))
        evi_on_ready.start (loop, op);
}

/* Only what is in the queue now. */
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
    if (loop->ops->shown_count)
        evi_bufs_seen (loop);
    evi_on_ring_turn (loop);
    if (count)
        ops_hand_over (loop, loop->ops, count);
    evi_bufs_resume (loop);
    evi_attached_flush (loop);
    loop->ops->straight = loop->ops->queued || loop->ops->road != EVI_ROAD_RING ? 0 : loop->ops->able;
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

EVI void evi_op_tell (struct ev_loop *loop, ev_op *op)
{
    loop->op_told = 1;
    evi_feed (loop, op, EV_OP);
}

EVI_APART static void op_leave_queue (struct ev_loop *loop, ev_op *op)
{
    ev_op *next = evi_lane_leave (loop, op);

    if (next)
        evi_op_follow (loop, next);
}

/* Mostly nobody waits behind it. */
EVI_INLINE_HOT void op_leave_lane (struct ev_loop *loop, ev_op *op)
{
    if (!(op->hint & EVI_HINT_LANE))
        return;
    if (EVI_LIKELY (op->prev == op))
        evi_lane_empty (loop, op);
    else
        op_leave_queue (loop, op);
}

EVI void evi_op_leave_lane (struct ev_loop *loop, ev_op *op)
{
    op_leave_lane (loop, op);
}

/* The engine is finished with it; its last result is yet to be told. What helps it rests from then on. */
EVI_INLINE void op_over (struct ev_loop *loop, ev_op *op)
{
    op_leave_lane (loop, op);
    op->state = EVI_STATE_OVER;
}

EVI void evi_op_arrive (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf, int last)
{
    if (last)
        op_over (loop, op);
    evi_side_arrive (loop, op, (struct evi_arrival){ result, buf, op->moved, .last = last });
}

EVI void evi_op_receive (struct ev_loop *loop, ev_op *op, ssize_t result, unsigned index)
{
    op->result = result;
    op->buf = evi_bufs_lent (op->more, index);
    evi_bufs_show_here (loop, op->more, index);
    loop->op_told = 1;
    evi_feed (loop, op, EV_OP | EV_OP_MORE);
}

EVI void evi_op_arrive_here (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf)
{
    if (EVI_UNLIKELY (ev_is_pending (&op->side->deliver))) { /* others were first */
        evi_op_arrive (loop, op, result, buf, 0);
        return;
    }
    if (buf)
        evi_bufs_show (loop, op->more, buf);
    op->result = result;
    op->buf = buf;
    ev_invoke (EV_A_ op, EV_OP | EV_OP_MORE);
}

EVI void evi_op_done_active (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    struct evi_side *side = evi_op_side (loop, op);

    op_over (loop, op);
    op->result = result;
    evi_side_feed (loop, side);
}

/* With all that an operation may have about it. */
EVI_APART static void op_done_special (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    result = EVI_UNLIKELY (op->hint & EVI_HINT_TRIED) ? op->result : op_judge (op, result);
    if (evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES) {
        if (!evi_pause_explains (loop, op, result))
            evi_op_arrive (loop, op, result, NULL, 1);
        return;
    }
    op_leave_lane (loop, op);
    op->result = result;
    if (EVI_UNLIKELY (op->wish & EVI_WISH_STOP)) {
        op->state = EVI_STATE_OVER;
        return;
    }
    evi_op_deactivate (loop, op);
    if (op->link)
        evi_link_follow (loop, op, result >= 0);
    evi_op_tell (loop, op);
}

/* Mostly there is nothing about it. */
EVI void evi_op_done (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    if (EVI_UNLIKELY ((op->hint & ~EVI_HINT_LANE) | op->wish || op->side || op->link || result < 0
                      || evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES)) {
        op_done_special (loop, op, result);
        return;
    }
    op_leave_lane (loop, op);
    op_deactivate_here (loop, op);
    op->result = result;
    evi_op_tell (loop, op);
}

/* ---- ending early ---- */

/* Who has it in this state. NULL: nobody, it waits for something of ours. */
static const struct evi_engine *op_engine (const ev_op *op)
{
    static const struct evi_engine *const engines[EVI_STATES] = { [EVI_STATE_RING] = &evi_on_ring,
                                                                  [EVI_STATE_HELD] = &evi_held,
                                                                  [EVI_STATE_ORPHAN] = &evi_orphaned,
                                                                  [EVI_STATE_WAITING] = &evi_on_ready,
                                                                  [EVI_STATE_THREAD] = &evi_on_ready };

    return engines[op->state];
}

EVI int evi_op_take_out (struct ev_loop *loop, ev_op *op)
{
    const struct evi_engine *engine = op_engine (op);

    if (engine)
        return engine->take_back && engine->take_back (loop, op);
    switch (op->state) {
    case EVI_STATE_QUEUED:
    case EVI_STATE_FOLLOWS:
        evi_op_unqueue (loop, op);
        return 1;
    case EVI_STATE_STARVED:
        evi_bufs_unstarve (op);
        return 1;
    case EVI_STATE_LINKED:
        op->prev->hint |= EVI_HINT_CUT; /* it will not look here again */
        return 1;
    default:
        return op->state == EVI_STATE_LANED || op->state == EVI_STATE_PAUSED;
    }
}

/* Nonzero: it is over. */
static int op_end_waiting (struct ev_loop *loop, ev_op *op)
{
    if (!evi_op_take_out (loop, op))
        return 0;
    evi_op_done (loop, op, -ECANCELED);
    return 1;
}

/* A ring may lose that it was asked. */
EVI void evi_op_end_early (struct ev_loop *loop, ev_op *op, int wish)
{
    if (EVI_UNLIKELY (evi_is_paused (op)))
        evi_pause_lift (loop, op);
    if (op->state == EVI_STATE_OVER)
        return;
    op->wish |= (uint8_t) wish;
    if (op_end_waiting (loop, op))
        return;
    op_engine (op)->cancel (loop, op);
    if (op->state == EVI_STATE_RING)
        op_end_in (loop, op, OP_ASK_AGAIN);
}

EVI int evi_op_reach (struct ev_loop *loop, const ev_op *op, const char *call)
{
    if (!ev_is_active (op))
        return 0;
    if (EVI_UNLIKELY (!op_is_here (loop, op))) {
        evi_complain (call, op_elsewhere);
        return 0;
    }
    evi_ops_reborn (loop);
    return ev_is_active (op);
}

void ev_op_cancel (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_op_reach (loop, op, "ev_op_cancel"))
        evi_op_end_early (loop, op, EVI_WISH_CANCEL);
}

/* A ring may be lost while it is stopped there, and an engine may give it back. */
static void op_stop (struct ev_loop *loop, ev_op *op)
{
    op->wish |= EVI_WISH_STOP | EVI_WISH_CANCEL;
    while (op->state != EVI_STATE_OVER && !op_end_waiting (loop, op))
        op_engine (op)->stop (loop, op);
    if (op->side)
        evi_side_drop_all (loop, op);
    if (evi_op_kind (op)->traits & EVI_TRAIT_ARRIVES)
        op->result = -ECANCELED;
    evi_op_deactivate (loop, op);
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
    if (evi_pending_clear (loop, (ev_watcher *) op) & EV_OP_MORE)
        evi_bufs_unshow (loop, op->more, op->buf);
    if (!ev_is_active (op))
        return;
    op_stop (loop, op);
    if (op->link)
        evi_link_follow (loop, op, 0);
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

int ev_work_asked (void) EV_NOEXCEPT
{
    return evi_pool_asked ();
}

int ev_op_threads (EV_P_ int threads, int most) EV_NOEXCEPT
{
    EVI_DOOR;

    if (threads < 0 || threads >= EVI_THREADS_KINDS)
        return -EINVAL;
    evi_ops_open (loop);
    evi_ops_reborn (loop);
    evi_pool_enter (&loop->ops->home);
    return evi_pool_limit (threads, most);
}

static int op_helps (void *w)
{
    return evi_deadline_helps (w) || evi_side_helps (w) || evi_pause_helps (w) || evi_ready_helps (w);
}

/* From the end: the callback may stop the operation it is given, and any other. */
static void op_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    for (unsigned at = loop->ops ? loop->ops->slot_count : 0; at-- > 0;)
        if (loop->ops && at < loop->ops->slot_count && loop->ops->slots[at].op)
            cb (EV_A_ EV_OP, loop->ops->slots[at].op);
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
    loop->riders.reaped = evi_ready_reaped;
    loop->riders.helps = op_helps;
    loop->riders.walk = op_walk;
    evi_on_ring_open (loop);
}

EVI void evi_ops_shift (struct ev_loop *loop, ev_tstamp seconds)
{
    if (loop->ops)
        evi_deadline_shift (loop->ops, seconds);
}

EVI void evi_ops_answer (struct ev_loop *loop)
{
    if (loop->ops)
        evi_ready_collect (loop);
}

/* What was started is the parent's, in flight or not: two processes must not do the same. */
static void op_disown (struct ev_loop *loop, ev_op *op)
{
    const struct evi_engine *engine = op_engine (op);

    if (evi_is_paused (op))
        evi_pause_lift (loop, op);
    if (op->state == EVI_STATE_OVER)
        return;
    if (engine)
        engine->disown (loop, op);
    else
        evi_op_take_out (loop, op);
    evi_op_done (loop, op, -ECANCELED);
}

EVI_COLD static void ops_disown (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->process = evi_sys_process ();
    ops->home.done = NULL;
    for (unsigned at = ops->slot_count; at-- > 0;)
        if (ops->slots[at].op)
            op_disown (loop, ops->slots[at].op);
    evi_on_ring_reborn (loop);
}

EVI void evi_ops_reborn (struct ev_loop *loop)
{
    if (EVI_LIKELY (!loop->ops || evi_sys_same_process (loop->ops->process)))
        return;
    if (loop->ops->process != evi_sys_process ())
        ops_disown (loop);
}

/* All are asked to end before the first is waited for. */
static void ops_stop_all (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    for (unsigned at = 0; at < ops->slot_count; at++)
        if (ops->slots[at].op) {
            evi_op_must (ops->slots[at].op->active == (int) at + 1);
            ops->slots[at].op->wish |= EVI_WISH_STOP | EVI_WISH_CANCEL;
            if (ops->slots[at].op->state == EVI_STATE_THREAD)
                evi_ready_ask (ops->slots[at].op);
        }
    if (loop->riders.recall)
        loop->riders.recall (loop);
    for (unsigned at = ops->slot_count; at-- > 0;)
        if (ops->slots[at].op)
            op_stop (loop, ops->slots[at].op);
}

EVI void evi_ops_close (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops)
        return;
    evi_ops_reborn (loop);
    ops_stop_all (loop);
    evi_pending_clear_all (loop, EV_OP); /* those that are done */
    evi_deadline_close (loop);
    evi_pause_close (loop);
    evi_on_ring_close (loop);
    evi_bufs_close (loop);
    evi_pool_leave (&ops->home);
    evi_side_free_all (ops);
    evi_resize (ops->slots, 0);
    evi_resize (ops->shown, 0);
    evi_resize (ops->queue, 0);
    evi_resize (ops->lanes, 0);
    evi_resize (ops, 0);
    memset (&loop->riders, 0, sizeof loop->riders);
    loop->ops = NULL;
    loop->op_started = 0;
}

/* ---- looking ---- */

static void ops_verify_slots (const struct evi_ops *ops)
{
    unsigned vacant = 0, active = 0, flying = 0;

    for (unsigned at = ops->slot_free; at < ops->slot_count && vacant < ops->slot_count;
         at = ops->slots[at].next)
        vacant++;
    for (unsigned at = 0; at < ops->slot_count; at++) {
        const ev_op *op = ops->slots[at].op;

        if (!op)
            continue;
        evi_watcher_verify ((const ev_watcher *) op, (int) at + 1);
        if (op->side && op->side->op != op)
            evi_op_spoilt ();
        if ((op->state == EVI_STATE_QUEUED || op->state == EVI_STATE_FOLLOWS)
            && (op->slot >= ops->queued || ops->queue[op->slot] != op))
            evi_op_spoilt ();
        active++;
        flying += evi_op_flies (op);
    }
    if (active + vacant != ops->slot_count || flying != ops->flying)
        evi_broken ("ev_verify", "the operations are miscounted");
}

EVI void evi_ops_verify (struct ev_loop *loop)
{
    if (!loop->ops)
        return;
    ops_verify_slots (loop->ops);
    evi_lane_verify (loop->ops);
    evi_deadline_verify (loop->ops);
    evi_bufs_verify (loop->ops);
}

/* Of one that the kernel has. */
static const char *ops_touched (const ev_op *op)
{
    unsigned touches = evi_op_kind (op)->touches;

    if (op->state != EVI_STATE_RING && op->state != EVI_STATE_ORPHAN)
        return "";
    if (touches & EVI_TOUCHES_ANYTHING)
        return ", which may write where its entry says";
    if (touches & EVI_TOUCHES_POOL)
        return ", which may write to its pool";
    if (touches & EVI_TOUCHES_MESSAGE)
        return ", which may write to its message";
    return touches & EVI_TOUCHES_DATA ? ", which may write to its buffer" : "";
}

EVI void evi_ops_dump (struct ev_loop *loop, FILE *out)
{
    static const char *const states[] = { "idle",
                                          "waits for its link",
                                          "waits for its turn",
                                          "is to be started",
                                          "is to be started when the one before it is told",
                                          "is with the ring",
                                          "is sent, and its memory still read",
                                          "is with a ring that is lost",
                                          "waits for readiness",
                                          "is with a thread",
                                          "waits for a buffer",
                                          "is paused",
                                          "has a result to be told" };

    _Static_assert(EVI_COUNT (states) == EVI_STATES, "each state has a name");
    for (unsigned at = 0; loop->ops && at < loop->ops->slot_count; at++) {
        const ev_op *op = loop->ops->slots[at].op;

        if (op)
            fprintf (out, "op %s on fd %d %s%s\n", evi_op_kind (op)->name, op->fd, states[op->state],
                     ops_touched (op));
    }
}

#endif
