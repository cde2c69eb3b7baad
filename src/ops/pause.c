/* pause.c: repeating operations that the program lets rest for a while. What has arrived is kept in the side, and told first
 * afterwards; no engine has it meanwhile, so that what comes later stays in the kernel, where its sender is held up. */
#include "op.h"

#if EV_OP_ENABLE

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

    if (!evi_op_reach (loop, op, "ev_op_pause") || evi_is_paused (op))
        return;
    if (EVI_UNLIKELY (!(evi_op_kind (op)->traits & EVI_TRAIT_REPEATS))) {
        evi_complain ("ev_op_pause", "only an operation that repeats can be paused");
        return;
    }
    evi_side_hold (loop, op);
    op->side->paused = 1;
    pause_begin (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

void ev_op_resume (EV_P_ ev_op *op) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!evi_op_reach (loop, op, "ev_op_resume") || !evi_is_paused (op))
        return;
    evi_pause_lift (loop, op);
    if (op->state == EVI_STATE_PAUSED)
        evi_op_again (loop, op);
    EVI_VERIFY_CHANGE (loop);
}

#endif
