/* polls.c: poll requests: arming them, changing them, taking them back. Says nothing about when. */
#include "uring.h"

#if EV_USE_IOURING

static uint32_t polls_mask (int want)
{
    return evi_poll_mask ((uint32_t) evi_bits_asked (want));
}

static void polls_ask (struct evi_sqe *sqe, int fd, int want, uint64_t poll)
{
    sqe->opcode = EVI_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->op_flags = polls_mask (want);
    sqe->user_data = poll;
}

static void polls_fill (struct ev_loop *loop, struct evi_sqe *sqe, int fd, int want)
{
    struct evi_row *row = &loop->fds.rows[fd];
    unsigned mark = row->mark;

    polls_ask (sqe, fd, want, evi_name_row (loop, fd));
    loop->stats.polls_armed++;
    mark |= EVI_URING_ARMED;
    if (EVI_UNLIKELY (mark & (EVI_URING_QUIET | EVI_URING_BUSY) || row->kind & EVI_ROW_OURS)) {
        sqe->len = EVI_POLL_ADD_MULTI;
        mark |= EVI_URING_MULTI;
    }
    row->mark = (uint8_t) mark;
}

EVI_COLD static void polls_arm_hard (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, &self->loopring);

    if (sqe)
        polls_fill (loop, sqe, fd, want);
}

EVI void evi_polls_arm (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    struct evi_sqe *sqe = evi_loopring_sqe_at_hand (&self->loopring);

    if (EVI_LIKELY (sqe != NULL))
        polls_fill (loop, sqe, fd, want);
    else
        polls_arm_hard (loop, self, fd, want);
}

/* ---- early ----
 *
 * A row whose watchers stay as they are is armed again as it was, after each of its events. Where few rows have
 * answered, that is done at once, and spares them the change list. But such a request would answer with what the
 * callbacks are about to read, so it stays in our queue until they have run. */

EVI int evi_polls_arm_early (struct ev_loop *loop, struct evi_uring *self, uint64_t poll)
{
    struct evi_sqe *sqe = evi_ring_sqe (&self->loopring.ring);
    int fd = (int) (uint32_t) poll;

    if (EVI_UNLIKELY (!sqe))
        return 0;
    polls_ask (sqe, fd, loop->fds.rows[fd].told, poll);
    loop->fds.early++;
    return 1;
}

/* The request itself while it is in our queue, where early ones come first. NULL: it is not. */
static struct evi_sqe *polls_unsent (const struct evi_uring *self, uint64_t poll)
{
    const struct evi_ring *ring = &self->loopring.ring;
    unsigned queued = evi_ring_queued (ring), few = self->loopring.busy_batch;

    for (unsigned i = 0; i < queued && i < few; i++)
        if (evi_ring_unsent (ring, i)->user_data == poll)
            return evi_ring_unsent (ring, i);
    return NULL;
}

EVI_COLD EVI void evi_polls_withdraw (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_ring *ring = &self->loopring.ring;

    loop->fds.early = 0;
    for (unsigned i = 0; i < evi_ring_queued (ring); i++) {
        struct evi_sqe *sqe = evi_ring_unsent (ring, i);
        int fd = (int) (uint32_t) sqe->user_data;

        if (sqe->opcode != EVI_OP_POLL_ADD || evi_name_tag (sqe->user_data) != EVI_NAME_POLL)
            continue;
        if (sqe->user_data == evi_name_row (loop, fd)) {
            loop->fds.rows[fd].mark &= (uint8_t) ~EVI_URING_ARMED;
            evi_fd_again (loop, fd);
        }
        evi_loopring_unsend (&self->loopring, sqe);
    }
}

EVI int evi_polls_drop (struct ev_loop *loop, struct evi_uring *self, uint64_t poll)
{
    struct evi_sqe *sqe = loop->fds.early ? polls_unsent (self, poll) : NULL;

    if (!sqe)
        return 0;
    loop->fds.rows[sqe->fd].kind |= EVI_ROW_RESTLESS;
    evi_loopring_unsend (&self->loopring, sqe);
    loop->fds.early--;
    return 1;
}

/* ---- about those that the kernel has ---- */

/* A request that is about a poll request: taking it back, or (with len set) changing it. */
static struct evi_sqe *polls_about (struct ev_loop *loop, struct evi_uring *self, uint64_t poll)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, &self->loopring);

    if (!sqe)
        return NULL;
    sqe->opcode = EVI_OP_POLL_REMOVE;
    sqe->fd = -1;
    sqe->addr = poll;
    evi_loopring_mute (&self->loopring, sqe);
    return sqe;
}

/* POLL_REMOVE misses a multishot request whose next answer is on its way already, which then stays in the ring;
 * ASYNC_CANCEL does not. A one-shot request in that state ends anyway, and is found faster by the former. */
EVI void evi_polls_take_back (struct ev_loop *loop, struct evi_uring *self, uint64_t poll, int multi)
{
    struct evi_sqe *sqe = polls_about (loop, self, poll);

    if (!sqe)
        return;
    if (multi)
        sqe->opcode = EVI_OP_ASYNC_CANCEL;
    loop->stats.polls_removed++;
}

EVI void evi_polls_change (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    uint64_t poll = evi_name_row (loop, fd);
    struct evi_sqe *sqe = polls_unsent (self, poll);

    if (sqe) {
        loop->fds.rows[fd].kind |= EVI_ROW_RESTLESS;
        sqe->op_flags = polls_mask (want);
        return;
    }
    sqe = polls_about (loop, self, poll);
    if (!sqe)
        return;
    sqe->len = EVI_POLL_UPDATE_EVENTS;
    sqe->op_flags = polls_mask (want);
}

EVI void evi_polls_disarm (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];

    evi_polls_take_back (loop, self, evi_name_row (loop, fd), row->mark & EVI_URING_MULTI);
    evi_busy_forget (self, row);
    row->gen++;
    row->mark &= EVI_URING_QUIET | EVI_URING_PARKED;
}

#endif
