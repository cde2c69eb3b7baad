/* polls.c: poll requests: arming them, changing them, taking them back. Says nothing about when. */
#include "uring.h"

#if EV_USE_IOURING

static uint32_t polls_mask (int want)
{
    return evi_poll_mask ((uint32_t) evi_bits_asked (want));
}

/* Those of the library, and quiet ones, stay. */
EVI_INLINE_HOT void polls_fill (struct evi_uring *self, struct evi_sqe *sqe, struct evi_row *row, int fd,
                                int want)
{
    int good = row->kind & (EVI_ROW_OURS | EVI_URING_QUIET);

    sqe->opcode = EVI_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->len = good ? EVI_POLL_ADD_MULTI : 0;
    sqe->op_flags = polls_mask (want);
    sqe->user_data = evi_name (EVI_NAME_POLL, row->gen, (uint32_t) fd);
    evi_uring_move (row, good ? EVI_URING_GOOD : EVI_URING_ONCE);
    self->asked += !good;
}

EVI void evi_polls_arm (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, &self->loopring);

    if (EVI_UNLIKELY (!sqe))
        return;
    polls_fill (self, sqe, &loop->fds.rows[fd], fd, want);
    loop->stats.polls_armed++;
}

/* In NONE and told: nobody has touched it since it answered. */
EVI void evi_polls_arm_answered (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_row *rows = loop->fds.rows;
    const int *fds = self->answered;
    unsigned count = self->answered_count, armed = 0;

    for (unsigned i = 0; i < count; i++) {
        struct evi_row *row = &rows[fds[i]];
        struct evi_sqe *sqe;

        if (EVI_UNLIKELY (evi_uring_state (row) || !row->told))
            continue;
        sqe = evi_loopring_sqe (loop, &self->loopring);
        if (EVI_UNLIKELY (!sqe))
            break;
        polls_fill (self, sqe, row, fds[i], row->told);
        armed++;
    }
    loop->stats.polls_armed += armed;
    loop->stats.polls_rearmed += armed;
    self->answered_count = 0;
}

/* ---- about those that the kernel has ---- */

/* A request that is about another one, and called like that but for the tag. */
static struct evi_sqe *polls_about (struct ev_loop *loop, struct evi_uring *self, uint64_t poll, int tag)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, &self->loopring);

    if (!sqe)
        return NULL;
    sqe->fd = -1;
    sqe->addr = poll;
    evi_loopring_mute (&self->loopring, sqe);
    sqe->user_data = evi_name (tag, (uint32_t) (poll >> 32), (uint32_t) poll);
    return sqe;
}

/* Not POLL_REMOVE: that misses a request which has been woken, and the kernel may then arm it once more. */
EVI void evi_polls_take_back (struct ev_loop *loop, struct evi_uring *self, uint64_t poll)
{
    struct evi_sqe *sqe = polls_about (loop, self, poll, EVI_NAME_TAKEN);

    if (!sqe)
        return;
    sqe->opcode = EVI_OP_ASYNC_CANCEL;
    loop->stats.polls_removed++;
}

EVI void evi_polls_change (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    struct evi_sqe *sqe = polls_about (loop, self, evi_name_row (loop, fd), EVI_NAME_CHANGED);

    if (!sqe)
        return;
    sqe->opcode = EVI_OP_POLL_REMOVE;
    sqe->len = EVI_POLL_UPDATE_EVENTS;
    sqe->op_flags = polls_mask (want);
}

EVI void evi_polls_disarm (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];

    evi_polls_take_back (loop, self, evi_name_row (loop, fd));
    row->gen++;
    self->asked -= evi_uring_state (row) == EVI_URING_ONCE;
    evi_uring_move (row, EVI_URING_NONE);
}

#endif
