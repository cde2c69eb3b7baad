/* guests.c: rows in an epoll set that the ring watches: what the ring refuses or should not hold, and whom it would hold
 * too many of.
 *
 * The kernel finds a request to take back in one of at most 256 chains, so a ring with very many requests makes each
 * removal slow; a guest costs nothing to stop, and holds no file. Where the kernel can, one request reads the set
 * (EVI_OP_EPOLL_WAIT); else one tells that it is readable, and a call more reads it. Both are asked for anew only after
 * the callbacks have run: what the set says is level-triggered then. */
#include "uring.h"

#if EV_USE_IOURING

enum {
    GUESTS_BATCH = 1024,   /* reports at once, to begin with */
    GUESTS_HAND_STEPS = 32 /* rows looked at for the sake of one */
};

/* Before anybody needs it: the number it gets shall not be one that the program has just closed. */
EVI int evi_guests_open (struct evi_uring *self)
{
    return evi_epollset_open (&self->guests, GUESTS_BATCH);
}

EVI void evi_guests_close (struct evi_uring *self)
{
    evi_epollset_close (&self->guests);
    self->has_guests = self->guests_asked = 0;
    self->guests_epoch++;
}

EVI int evi_guests_take (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    int err = self->guests.fd < 0 ? evi_guests_open (self) : 0; /* the last try to have one may have failed */

    if (err >= 0)
        err = evi_epollset_tell (loop, &self->guests, fd, 0, want, EVI_WHY_FRESH);
    if (err < 0)
        return err;
    self->has_guests = 1;
    evi_uring_move (&loop->fds.rows[fd], EVI_URING_GUEST);
    loop->stats.parked++;
    return 0;
}

/* What the set did not have under this number is another file than before, of which nothing is known. */
EVI int evi_guests_modify (struct ev_loop *loop, struct evi_uring *self, int fd, int want, int why)
{
    struct evi_row *row = &loop->fds.rows[fd];
    int added = evi_epollset_tell (loop, &self->guests, fd, row->told, want, why);

    if (added > 0 && why & EVI_WHY_FRESH)
        row->kind &= (uint8_t) ~(EVI_URING_STAYS | EVI_URING_REFUSED);
    return added;
}

EVI int evi_guests_leave (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];
    int err = evi_epollset_drop (loop, &self->guests, fd);

    row->gen++;
    row->mark &= EVI_EPOLLSET_HISTORY;
    evi_uring_move (row, EVI_URING_NONE);
    return err;
}

/* ---- the hand ---- */

static void guests_take_idle (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];

    evi_polls_disarm (loop, self, fd);
    if (evi_guests_take (loop, self, fd, row->told) < 0)
        evi_polls_arm (loop, self, fd, row->told);
    else
        loop->stats.parked_idle++;
}

/* Nonzero: a row that has not answered since the hand was here last. */
static int guests_finds_idle (struct evi_row *row)
{
    if (evi_uring_state (row) != EVI_URING_ONCE || row->why)
        return 0;
    if (row->kind & EVI_URING_UNSEEN)
        return 1;
    row->kind |= EVI_URING_UNSEEN;
    return 0;
}

EVI void evi_guests_make_room (struct ev_loop *loop, struct evi_uring *self)
{
    for (int step = 0; step < GUESTS_HAND_STEPS; step++) {
        self->hand = self->hand + 1 < loop->fds.count ? self->hand + 1 : 0;
        if (guests_finds_idle (&loop->fds.rows[self->hand])) {
            guests_take_idle (loop, self, (int) self->hand);
            return;
        }
    }
}

/* ---- asking, and the answer ---- */

EVI void evi_guests_ask (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, &self->loopring);

    if (!sqe)
        return;
    sqe->fd = self->guests.fd;
    sqe->user_data = evi_guests_name (self);
    if (self->guests_polled) {
        sqe->opcode = EVI_OP_POLL_ADD;
        sqe->op_flags = evi_poll_mask (POLLIN);
    } else {
        sqe->opcode = EVI_OP_EPOLL_WAIT;
        sqe->addr = (uintptr_t) self->guests.events;
        sqe->len = self->guests.room;
    }
    self->guests_asked = 1;
}

/* Whatever went wrong with the request, the set can be read by a call. */
EVI void evi_guests_reap (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe)
{
    if (cqe->user_data != evi_guests_name (self))
        return;
    self->guests_asked = 0;
    if (cqe->res == -EINVAL)
        self->guests_polled = 1;
    if (self->guests_polled || cqe->res < 0)
        evi_epollset_fetch (&self->guests, 0, 0);
    else
        self->guests.count = cqe->res;
    evi_epollset_reap (loop, &self->guests);
}

/* ---- a new set ---- */

EVI void evi_guests_renew (struct ev_loop *loop, struct evi_uring *self)
{
    EVI_ASSERT (!self->guests_asked); /* found out by its answer */
    evi_epollset_renew (&self->guests);
    self->guests_epoch++;
    self->has_guests = 0;
    for (unsigned fd = 0; fd < loop->fds.count; fd++) {
        struct evi_row *row = &loop->fds.rows[fd];

        if (evi_uring_state (row) != EVI_URING_GUEST)
            continue;
        row->gen++;
        row->mark = 0;
        evi_uring_move (row, EVI_URING_NONE);
        if (row->told && evi_guests_take (loop, self, (int) fd, row->told) < 0)
            evi_polls_arm (loop, self, (int) fd, row->told);
    }
}

#endif
