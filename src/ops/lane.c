/* lane.c: on each descriptor, and in each direction, operations run first in, first out, one at a time: two receives on
 * one socket complete swapped, if the kernel has both. Owns ops->lanes. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

enum { LANE_KNOWN = 64 }; /* operations until a file is asked again */

/* As for ev_io: a number far beyond any open file must not cost its weight in memory. */
EVI int evi_lane_fit (struct ev_loop *loop, int fd)
{
    struct evi_ops *ops = loop->ops;

    if (EVI_LIKELY ((unsigned) fd < ops->lane_count))
        return 0;
    if (fd < 0 || evi_sys_fd_valid (fd) == -EBADF)
        return -EBADF;
    EVI_FIT_ZEROED (ops->lanes, ops->lane_count, fd + 1);
    return 0;
}

EVI int evi_lane_join (struct ev_loop *loop, ev_op *op)
{
    struct evi_lane *lane = evi_op_lane (loop, op);
    ev_op *head = lane->head;

    evi_op_must (!head || head->hint & EVI_HINT_LANE);
    op->hint |= EVI_HINT_LANE;
    op->next = NULL;
    if (EVI_LIKELY (!head)) {
        lane->head = op->prev = op;
        return 1;
    }
    op->state = EVI_STATE_LANED;
    op->prev = head->prev;
    head->prev->next = op;
    head->prev = op;
    return 0;
}

/* One that has not had its turn. */
static void lane_leave_queue (struct evi_lane *lane, ev_op *op)
{
    op->prev->next = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        lane->head->prev = op->prev;
}

EVI ev_op *evi_lane_leave (struct ev_loop *loop, ev_op *op)
{
    struct evi_lane *lane = evi_op_lane (loop, op);

    lane->told = loop->op_tellings;
    op->hint &= (uint8_t) ~EVI_HINT_LANE;
    if (EVI_UNLIKELY (lane->head != op)) {
        lane_leave_queue (lane, op);
        return NULL;
    }
    lane->head = op->next;
    if (EVI_UNLIKELY (op->next != NULL))
        op->next->prev = op->prev;
    return op->next;
}

/* ---- what is known of a file ---- */

/* A number may stand for another file one day. */
EVI int evi_lane_fact (struct evi_fact *fact, int fd, int (*ask) (int fd))
{
    if (EVI_UNLIKELY (!fact->known)) {
        fact->is = ask (fd) != 0;
        fact->known = LANE_KNOWN;
    }
    fact->known--;
    return fact->is;
}

/* Is it worth while to send without copying there? Where it is not, the file is not asked again for a while who it is. */
EVI int evi_lane_sends_uncopied (struct ev_loop *loop, ev_op *op)
{
    struct evi_lane *lane = evi_op_lane (loop, op);

    if (lane->copied > EVI_ZERO_COPY_COPIED) {
        lane->copied--;
        return 0;
    }
    op->offset_to = (int64_t) evi_sys_socket_id (op->fd);
    if (lane->socket != (uint64_t) op->offset_to) {
        lane->socket = (uint64_t) op->offset_to;
        lane->copied = 0;
    }
    if (lane->copied < EVI_ZERO_COPY_COPIED)
        return 1;
    lane->copied += LANE_KNOWN - 1;
    return 0;
}

EVI void evi_lane_copied (struct ev_loop *loop, const ev_op *op, int copied)
{
    struct evi_lane *lane = evi_op_lane (loop, op);

    if (lane->socket != (uint64_t) op->offset_to)
        return;
    if (!copied)
        lane->copied = 0;
    else if (lane->copied < EVI_ZERO_COPY_COPIED)
        lane->copied++;
}

static void lane_verify (const struct evi_lane *lane)
{
    for (const ev_op *op = lane->head; op; op = op->next)
        if (!ev_is_active (op) || !(op->hint & EVI_HINT_LANE)
            || (op != lane->head) != (op->state == EVI_STATE_LANED)
            || (op->next ? op->next->prev != op : lane->head->prev != op))
            evi_op_spoilt ();
}

EVI void evi_lane_verify (const struct evi_ops *ops)
{
    for (unsigned fd = 0; fd < ops->lane_count; fd++)
        for (int lane = 0; lane < EVI_LANES; lane++)
            lane_verify (&ops->lanes[fd][lane]);
}

#endif
