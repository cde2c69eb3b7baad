/* pause.c: repeating operations that rest for a while: because the program wants it, because an accept has as many connections as
 * it may have, or because descriptors have run out. No engine has one meanwhile, so that what comes stays in the kernel, where its
 * sender is held up. */
#include "op.h"

#if EV_OP_ENABLE

/* Seconds until those that lack something try again: the double each time, up to the most. */
#define PAUSE_LEAST 0.1
#define PAUSE_MOST 1.

EVI void evi_pause_rest (struct ev_loop *loop, ev_op *op)
{
    evi_ready_unwait (loop, op);
    op->state = EVI_STATE_PAUSED;
}

EVI int evi_pause_explains (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    if (!op->side || !op->side->recalled || result != -ECANCELED || op->wish)
        return 0;
    op->side->recalled = 0;
    evi_op_again (loop, op);
    return 1;
}

EVI void evi_pause_lift (struct ev_loop *loop, ev_op *op)
{
    op->side->paused = 0;
    evi_side_go_on (loop, op);
}

/* One reason less to rest. */
static void pause_over (struct ev_loop *loop, ev_op *op, unsigned reason)
{
    op->side->paused &= (uint8_t) ~reason;
    if (!op->side->paused && op->state == EVI_STATE_PAUSED)
        evi_op_again (loop, op);
}

/* ---- the program wants it ---- */

/* Who waits for its turn finds it paused when that has come. */
static void pause_begin (struct ev_loop *loop, ev_op *op)
{
    if (op->state != EVI_STATE_RING && op->state != EVI_STATE_WAITING && op->state != EVI_STATE_STARVED)
        return;
    if (evi_op_take_out (loop, op)) {
        evi_pause_rest (loop, op);
        return;
    }
    op->side->recalled = 1;
    evi_on_ring.cancel (loop, op);
}

void ev_op_pause (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!evi_op_reach (loop, op, "ev_op_pause"))
        return;
    if (EVI_UNLIKELY (!(evi_op_kind (op)->traits & EVI_TRAIT_REPEATS))) {
        evi_complain ("ev_op_pause", "only an operation that repeats can be paused");
        return;
    }
    evi_side_hold (loop, op);
    op->side->paused |= EVI_PAUSE_CALL;
    pause_begin (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

void ev_op_resume (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!evi_op_reach (loop, op, "ev_op_resume") || !evi_is_paused (op))
        return;
    pause_over (loop, op, EVI_PAUSE_CALL);
    evi_side_go_on (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

/* ---- it has enough ---- */

EVI void evi_accept_taken (struct ev_loop *loop, ev_op *op)
{
    if (EVI_LIKELY (!op->size))
        return;
    op->offset++;
    if (evi_accept_room (op))
        return;
    op->side->paused |= EVI_PAUSE_FULL;
    evi_pause_rest (loop, op);
}

void ev_accept_gone (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (EVI_UNLIKELY (!evi_op_accepts (op))) {
        evi_complain ("ev_accept_gone", "this is no ev_accept");
        return;
    }
    op->offset -= op->offset > 0;
    if (evi_op_reach (loop, op, "ev_accept_gone") && evi_is_paused (op))
        pause_over (loop, op, EVI_PAUSE_FULL);
    EVI_VERIFY_CHANGE (loop);
}

/* ---- it lacks something ---- */

static void pause_stop_timer (struct ev_loop *loop)
{
    if (!ev_is_active (&loop->ops->relief))
        return;
    evi_ref (loop);
    ev_timer_stop (EV_A_ & loop->ops->relief);
}

/* All try, and some may succeed. */
static void pause_relieve (EV_P_ ev_timer *w, int revents)
{
    struct evi_ops *ops;
    EVI_DOOR;

    (void) w, (void) revents;
    ops = loop->ops;
    pause_stop_timer (loop);
    ops->relieved_at = ev_now (EV_A);
    for (unsigned at = 0; at < ops->slot_count; at++)
        if (ops->slots[at].op && evi_is_paused (ops->slots[at].op))
            pause_over (loop, ops->slots[at].op, EVI_PAUSE_LACK);
}

/* Who fails again right after a try waits longer. */
static void pause_start_timer (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (ev_is_active (&ops->relief))
        return;
    if (ev_now (EV_A) - ops->relieved_at > ops->patience)
        ops->patience = PAUSE_LEAST;
    else if (ops->patience < PAUSE_MOST)
        ops->patience = ops->patience * 2 < PAUSE_MOST ? ops->patience * 2 : PAUSE_MOST;
    ev_timer_init (&ops->relief, pause_relieve, ops->patience, ops->patience);
    ev_timer_start (EV_A_ & ops->relief);
    evi_unref (loop);
}

EVI_COLD EVI void evi_pause_lacking (struct ev_loop *loop, ev_op *op)
{
    op->side->paused |= EVI_PAUSE_LACK;
    evi_pause_rest (loop, op);
    pause_start_timer (loop);
}

EVI void evi_pause_close (struct ev_loop *loop)
{
    pause_stop_timer (loop);
}

EVI int evi_pause_helps (void *w)
{
    return ev_cb ((ev_timer *) w) == pause_relieve;
}

#endif
