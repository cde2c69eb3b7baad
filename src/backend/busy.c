/* busy.c: rows that are ready again and again: their request stays, and they are asked for their level.
 *
 * When many rows are ready in every iteration, arming a request for each costs more than anything else the ring
 * does. The request of a row that is always among them becomes a multishot one and stays. That reports edges, so
 * the level is asked for, of all rows that were ready last in one poll(2), before the loop sleeps. What the ring has
 * said by then is no more than a hint: the program has read meanwhile. What it says later is news (decision 0007). */
#include "uring.h"

#if EV_USE_IOURING

#include <errno.h>

enum { BUSY_HINT_TRIES = 1 << 16 }; /* enters until the kernel must have told all it knew */

static int busy_allowed (const struct evi_uring *self)
{
    return self->loopring.busy_batch && self->loopring.ring.setup & EVI_SETUP_DEFER_TASKRUN
           && self->loopring.event_fd < 0;
}

EVI void evi_busy_count (struct ev_loop *loop, struct evi_uring *self, int fd, int why)
{
    struct evi_row *row = &loop->fds.rows[fd];

    /* started, stopped or changed: a request that stays would be in the way */
    if (EVI_UNLIKELY (why != EVI_WHY_AGAIN))
        row->mark &= (uint8_t) ~EVI_URING_OFTEN;
    else if (EVI_UNLIKELY ((row->mark & EVI_URING_OFTEN) / EVI_URING_ONCE < self->loopring.busy_streak))
        row->mark += EVI_URING_ONCE;
    else if (EVI_UNLIKELY (self->batch >= self->loopring.busy_batch) && busy_allowed (self)) {
        row->mark |= EVI_URING_BUSY;
        loop->fds.unsure = 1;
    }
}

/* Its level is to be asked for before the next sleep. */
static void busy_look (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];

    if (row->mark & EVI_URING_LOOKED)
        return;
    row->mark |= EVI_URING_LOOKED;
    evi_looks_add (&self->looks, fd, evi_bits_asked (row->told), evi_name_row (loop, fd));
}

static int busy_look_is_stale (const struct ev_loop *loop, const struct evi_uring *self, unsigned at)
{
    int fd = self->looks.fds[at].fd;

    return (unsigned) fd >= loop->fds.count || self->looks.names[at] != evi_name_row (loop, fd);
}

/* The program has stopped or changed some of them. */
static void busy_drop_stale (const struct ev_loop *loop, struct evi_uring *self)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < self->looks.count; i++)
        if (!busy_look_is_stale (loop, self, i))
            evi_looks_move (&self->looks, i, kept++);
    self->looks.count = kept;
    self->has_stale_looks = 0;
}

/* A look for the sake of few rows costs more than arming them: then their requests are one-shot ones again. */
static void busy_end (struct ev_loop *loop, struct evi_uring *self)
{
    for (unsigned i = 0; i < self->looks.count; i++) {
        int fd = self->looks.fds[i].fd;

        if (busy_look_is_stale (loop, self, i))
            continue;
        evi_polls_disarm (loop, self, fd);
        evi_polls_arm (loop, self, fd, loop->fds.rows[fd].told);
    }
    evi_looks_clear (&self->looks);
}

/* What has come while the callbacks ran: rows that are not to be asked about yet, are. A request that has ended is
 * told at the reap, too. */
static void busy_follow_hints (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_loopring *it = &self->loopring;
    unsigned kept = 0;

    for (unsigned i = 0; i < it->stash_count; i++) {
        struct evi_cqe cqe = it->stash[i];
        int fd = (int) (uint32_t) cqe.user_data, busy;

        busy = evi_name_tag (cqe.user_data) == EVI_NAME_POLL && loop->fds.rows[fd].mark & EVI_URING_BUSY;
        if (busy)
            busy_look (loop, self, fd);
        if (!busy || !(cqe.flags & EVI_CQE_F_MORE))
            it->stash[kept++] = cqe;
    }
    it->stash_count = kept;
}

/* Fetches all there is, also what the kernel holds back: what comes afterwards is news. */
static void busy_collect_hints (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_loopring *it = &self->loopring;
    int err = 0;

    for (unsigned tries = 0; tries < BUSY_HINT_TRIES; tries++) {
        if (evi_ring_ready (&it->ring))
            evi_loopring_set_aside (loop, it, 0);
        if (err || !(evi_ring_flags (&it->ring) & (EVI_SQ_TASKRUN | EVI_SQ_CQ_OVERFLOW)))
            break;
        err = evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
    }
    if (EVI_UNLIKELY (err < 0 && err != -EINTR))
        it->verdict = err;
    busy_follow_hints (loop, self);
}

EVI void evi_busy_ask (struct ev_loop *loop, struct evi_uring *self)
{
    int err;

    if (EVI_UNLIKELY (self->batch < self->loopring.busy_batch / 4 || !busy_allowed (self)))
        busy_end (loop, self);
    busy_collect_hints (loop, self);
    if (EVI_UNLIKELY (self->has_stale_looks))
        busy_drop_stale (loop, self);
    loop->stats.looks += self->looks.count;
    err = evi_looks_ask (&self->looks);
    if (EVI_UNLIKELY (err < 0 && err != -EINTR)) /* more than it may be asked of: one-shot for all of them */
        self->loopring.busy_batch = 0;
}

/* Nonzero: it was ready, and is to be looked at again. */
static int busy_looked (struct ev_loop *loop, struct evi_uring *self, int fd, int found)
{
    if (EVI_LIKELY (found && !(found & POLLNVAL))) {
        self->batch++;
        evi_fd_ready (loop, fd, evi_bits_got ((unsigned) found));
        return 1;
    }
    loop->fds.rows[fd].mark &= (uint8_t) ~EVI_URING_LOOKED;
    if (EVI_UNLIKELY (found)) {
        evi_polls_disarm (loop, self, fd);
        loop->fds.rows[fd].told = 0;
        evi_fd_broken (loop, fd, -EBADF);
    }
    return 0;
}

EVI_APART EVI void evi_busy_reap (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_looks *looks = &self->looks;
    unsigned kept = 0;

    for (unsigned i = 0; i < looks->count; i++)
        if (EVI_LIKELY (!busy_look_is_stale (loop, self, i))
            && (EVI_UNLIKELY (looks->found < 0)
                || busy_looked (loop, self, looks->fds[i].fd, looks->fds[i].revents)))
            evi_looks_move (looks, i, kept++);
    looks->count = kept;
}

/* What was set aside is from before the look, and so a hint only. */
EVI void evi_busy_polled (struct ev_loop *loop, struct evi_uring *self, int fd, const struct evi_cqe *cqe)
{
    int got = evi_bits_got ((unsigned) cqe->res) & loop->fds.rows[fd].told;

    if (got && !self->loopring.stash_count) { /* not RDHUP alone (U-5) */
        self->batch++;
        evi_fd_ready (loop, fd, got);
    }
    if (!(cqe->flags & EVI_CQE_F_MORE))
        evi_fd_again (loop, fd);
    else if (got)
        busy_look (loop, self, fd);
}

#endif
