/* uring.c: the io_uring backend: readiness on a ring. Poll requests in, rows out.
 *
 * What io_uring does badly for a level-triggered loop, and what we do about it (doc/IOURING.md has the list):
 *  - A multishot poll reports edges. So each row is armed with a one-shot request and armed again after its
 *    event, together with the next wait: exactly level-triggered, one submission per event, one system call per
 *    iteration. Multishot is for our own descriptors, which we always drain.
 *  - That costs more than epoll where many rows are ready all the time. Their requests stay, as multishot ones, and
 *    before the loop sleeps they are asked for their level.
 *  - An armed request holds the open file: close would not close. So when the last watcher of a row stops, its
 *    request is taken back and reaped at once. A row whose request has just answered holds nothing.
 *  - The kernel adds RDHUP to every mask: a half-closed socket would answer at once, forever, with nothing the
 *    program asked for. Such a row waits with a multishot request, which answers that once and then is quiet.
 *  - Some files it refuses to poll. They are parked in an epoll set, which the ring watches. So are listening sockets: a
 *    request would keep their ports taken when the process has been killed.
 *  - A ring belongs to one thread and one process. It is made anew, silently, when the loop runs elsewhere.
 *
 * A report carries a name, not a pointer: descriptor and generation. One that is about an earlier use of the
 * number falls to the floor. */
#include "uring.h"

#if EV_USE_IOURING

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define URING_LONG 1. /* seconds from which on a sleep is long */

enum {
    URING_FETCH_TRIES = 64, /* enters until a request taken back must have answered */
    URING_PARK_BATCH = 64
};

/* ---- parking: files the ring refuses, or should not hold ---- */

static int uring_park_tell (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    struct epoll_event event = { .events = (uint32_t) evi_bits_asked (want) };
    int err;

    if (!evi_ring_mine (&self->loopring.ring)) /* a fork child: the set is its parent's */
        return 0;
    event.data.u64 = evi_name_row (loop, fd);
    if (!want)
        return evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_DEL, fd, &event), 0;
    err = evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_ADD, fd, &event);
    return err == -EEXIST ? evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_MOD, fd, &event) : err;
}

/* 0 or -errno */
static int uring_park (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    if (self->park_fd < 0) {
        int set = evi_sys_epoll_create ();

        if (set < 0)
            return set;
        self->park_fd = set;
    }
    loop->fds.rows[fd].mark = EVI_URING_PARKED;
    loop->stats.parked++;
    return 0;
}

static void uring_park_refused (struct ev_loop *loop, struct evi_uring *self, int fd)
{
    int err = uring_park (loop, self, fd);

    if (err < 0)
        evi_fd_broken (loop, fd, err);
    else
        evi_fd_again (loop, fd);
}

/* Nonzero: done. If not, better on the ring than not at all. */
EVI_APART static int uring_park_listener (struct ev_loop *loop, struct evi_uring *self, int fd, int want)
{
    if (uring_park (loop, self, fd) < 0)
        return 0;
    if (uring_park_tell (loop, self, fd, want) == 0)
        return 1;
    loop->fds.rows[fd].mark = 0;
    return 0;
}

EVI_APART static void uring_park_arm (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_sqe *sqe;

    if (!(sqe = evi_loopring_sqe (loop, &self->loopring)))
        return;
    sqe->opcode = EVI_OP_POLL_ADD;
    sqe->fd = self->park_fd;
    sqe->op_flags = evi_poll_mask (POLLIN);
    sqe->user_data = evi_name (EVI_NAME_PARK, 0, 0);
    self->park_armed = 1;
}

static void uring_park_reap (struct ev_loop *loop, struct evi_uring *self)
{
    struct epoll_event events[URING_PARK_BATCH];
    struct timespec at_once = { 0 };
    int count = evi_sys_epoll_wait (self->park_fd, events, URING_PARK_BATCH, &at_once);

    self->park_armed = 0;
    for (int i = 0; i < count; i++) {
        int fd = (int) (uint32_t) events[i].data.u64;

        if (events[i].data.u64 == evi_name_row (loop, fd))
            evi_fd_ready (loop, fd, evi_bits_got (events[i].events));
    }
}

/* ---- life ---- */

static int uring_open (struct ev_loop *loop)
{
    struct evi_uring *self = evi_resize (NULL, sizeof *self);
    int err;

    memset (self, 0, sizeof *self);
    self->park_fd = -1;
    evi_loopring_configure (&self->loopring, 0);
    self->loopring.withdraw = evi_polls_withdraw;
    err = evi_loopring_open (loop, &self->loopring);
    if (err < 0) {
        evi_resize (self, 0);
        return err;
    }
    loop->backend_data = self;
    loop->ring = &self->loopring;
    return 0;
}

static void uring_park_close (struct evi_uring *self)
{
    if (self->park_fd >= 0)
        evi_sys_close (self->park_fd);
    self->park_fd = -1;
    self->park_armed = 0;
}

/* Closing a ring gives files back some time later; a program that ends its loop and opens its port again
 * cannot wait for that. So every request is taken back first. */
static void uring_take_back_all (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_loopring *it = &self->loopring;

    for (unsigned fd = 0; fd < loop->fds.count; fd++)
        if (loop->fds.rows[fd].mark & EVI_URING_ARMED)
            evi_polls_disarm (loop, self, (int) fd);
    for (int tries = 0; tries < URING_FETCH_TRIES && !it->verdict; tries++) {
        if (evi_loopring_swept (it))
            return;
        if (evi_loopring_enter (loop, it, tries ? it->ring.cq_entries : 0, &evi_at_once, 0) < 0)
            return;
        evi_loopring_set_aside (loop, it, 0);
    }
}

/* In a fork child, or in a thread the ring does not belong to, only the descriptor is closed. */
static void uring_give_up (struct ev_loop *loop, struct evi_uring *self)
{
    if (self->loopring.ring.fd >= 0 && self->loopring.ring.enabled && evi_loopring_mine (&self->loopring))
        uring_take_back_all (loop, self);
    evi_loopring_close (loop, &self->loopring);
    uring_park_close (self);
    evi_looks_clear (&self->looks);
    self->late_count = 0;
    loop->fds.unsure = loop->fds.early = 0;
}

static void uring_close (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    uring_give_up (loop, self);
    evi_loopring_free (&self->loopring);
    evi_resize (self->late, 0);
    evi_looks_free (&self->looks);
    evi_resize (self, 0);
    loop->ring = NULL;
}

static int uring_reopen (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    uring_give_up (loop, self);
    return evi_loopring_open (loop, &self->loopring);
}

/* What the kernel says when it will not watch a row. */
static void uring_refused (struct ev_loop *loop, struct evi_uring *self, int fd, int err)
{
    switch (err) {
    case -ECANCELED: /* the thread that armed it has ended (U-10): arm it from this one */
    case -ENOMEM:
    case -EAGAIN:
    case -EINTR:
        evi_fd_again (loop, fd);
        break;
    case -EBADF:
        loop->fds.rows[fd].told = 0;
        evi_fd_broken (loop, fd, err);
        break;
    default: /* EINVAL, EOPNOTSUPP: not this kind of file */
        uring_park_refused (loop, self, fd);
    }
}

/* What has to be in order before the ring is entered. 0, or what is to become of it. */
EVI_INLINE_HOT int uring_prepare (struct ev_loop *loop, struct evi_uring *self)
{
    int err = evi_loopring_check (&self->loopring);

    if (EVI_LIKELY (err || self->park_fd < 0 || self->park_armed))
        return err;
    uring_park_arm (loop, self);
    return self->loopring.verdict;
}

/* ---- the way out ---- */

static void uring_look (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (uring_prepare (loop, self) == 0)
        evi_busy_ask (loop, self);
}

/* The kernel knows of this row. */
EVI_COLD static int uring_modify_known (struct ev_loop *loop, struct evi_uring *self, int fd, int want,
                                        int why)
{
    struct evi_row *row = &loop->fds.rows[fd];
    int fresh = why & EVI_WHY_FRESH;

    if (row->mark & EVI_URING_PARKED) {
        if (!fresh)
            return uring_park_tell (loop, self, fd, want);
        uring_park_tell (loop, self, fd, 0); /* it may be another file now, which the ring takes */
        row->mark = 0;
    }
    if (row->mark & EVI_URING_ARMED) {
        row->mark &= (uint8_t) ~EVI_URING_OFTEN;
        if (want && !fresh && !(row->mark & EVI_URING_MULTI)) {
            evi_polls_change (loop, self, fd, want);
            return 0;
        }
        evi_polls_disarm (loop, self, fd);
    }
    if (want)
        evi_polls_arm (loop, self, fd, want);
    return 0;
}

static int uring_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];

    (void) told;
    if (EVI_UNLIKELY (row->mark & (EVI_URING_PARKED | EVI_URING_ARMED)))
        return uring_modify_known (loop, self, fd, want, why);
    if (EVI_UNLIKELY (!want))
        return 0;
    if (why & EVI_WHY_FRESH && evi_sys_listens (fd) && uring_park_listener (loop, self, fd, want))
        return 0;
    loop->stats.polls_rearmed += (why & EVI_WHY_AGAIN) != 0;
    evi_busy_count (loop, self, fd, why);
    evi_polls_arm (loop, self, fd, want);
    return 0;
}

/* Takes the request back and enters until it has given its file back. What else arrives waits for the next reap.
 * Nonzero: the ring is another thread's, or dead. */
static int uring_fetch (struct ev_loop *loop, struct evi_uring *self, uint64_t poll, int multi)
{
    if (evi_ring_foreign (&self->loopring.ring))
        return EVI_REBUILD;
    evi_polls_take_back (loop, self, poll, multi);
    for (int tries = 0; tries < URING_FETCH_TRIES; tries++) {
        int err = self->loopring.verdict ? self->loopring.verdict
                                         : evi_loopring_enter (loop, &self->loopring, 0, &evi_at_once, 0);

        if (err < 0 && err != -EINTR)
            return err;
        if (evi_loopring_set_aside (loop, &self->loopring, poll))
            break;
    }
    return 0;
}

static void uring_release (struct ev_loop *loop, int fd)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];
    uint64_t poll = evi_name_row (loop, fd);
    int armed = row->mark & EVI_URING_ARMED, multi = row->mark & EVI_URING_MULTI;

    if (row->mark & EVI_URING_PARKED)
        uring_park_tell (loop, self, fd, 0);
    evi_busy_forget (self, row);
    row->gen++;
    row->mark = row->told = 0;
    if (!armed || !evi_ring_mine (&self->loopring.ring)) /* a fork child lets the parent's requests be */
        return;
    if (evi_polls_drop (loop, self, poll))
        return;
    if (loop->waiting) { /* the ring's thread is in the kernel: it takes the request back when it wakes (HK-5) */
        EVI_FIT (self->late, self->late_room, self->late_count + 1);
        self->late[self->late_count++] = poll;
        return;
    }
    if (uring_fetch (loop, self, poll, multi)
        < 0) { /* another thread's ring, or a dead one: closing it gives all back */
        if (uring_reopen (loop) < 0)
            self->loopring.verdict = EVI_FALL;
        loop->stats.rebuilds++;
        evi_fd_retell_all (loop);
    }
}

/* ---- sleeping ---- */

static ev_tstamp uring_time_left (const struct ev_loop *loop, ev_tstamp limit)
{
    ev_tstamp left = loop->exact ? loop->deadline - evi_sys_monotonic () : limit;

    return left > 0 ? left : 0;
}

static int uring_enter_until (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit)
{
    int absolute = self->loopring.absolute && loop->exact;
    struct evi_ring_timespec until =
        evi_loopring_time (absolute ? loop->deadline : uring_time_left (loop, limit));

    return evi_loopring_enter (loop, &self->loopring, 1, &until, absolute);
}

/* A long sleep ends by the alarm. Arming that one may find the queue full, and so what has happened meanwhile. */
static int uring_sleep_until (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit, ev_tstamp at)
{
    int alarmed = limit >= URING_LONG && evi_loopring_arm_alarm (loop, &self->loopring, at);

    if (EVI_UNLIKELY (self->loopring.stash_count || self->loopring.verdict))
        return self->loopring.verdict;
    return alarmed ? evi_loopring_enter (loop, &self->loopring, 1, NULL, 0)
                   : uring_enter_until (loop, self, limit);
}

/* Goes on sleeping when all that came was the end of requests taken back, or an alarm too early. The clock was not
 * looked at for a sleep that no timer ends: when an alarm comes that was armed by it, or for an earlier sleep, that is
 * made up for. err: what the sleep so far has come to. */
EVI_APART static int uring_sleep_on (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit, int err)
{
    struct evi_loopring *it = &self->loopring;

    it->sleep_until = loop->exact ? loop->deadline : EVI_LOOPRING_NEVER;
    while (!err && evi_ring_ready (&it->ring) && !evi_loopring_news (loop, it)) {
        if (it->sleep_until >= EVI_LOOPRING_NEVER)
            it->sleep_until = evi_sys_monotonic () + limit;
        err = uring_sleep_until (loop, self, limit, it->sleep_until);
    }
    it->sleep_until = EVI_LOOPRING_NEVER;
    return err ? err : evi_loopring_sweep (loop, it);
}

/* What has happened while the callbacks ran is fetched without a limit: reading one is a tenth of what an event
 * costs. */
EVI_APART static int uring_wait_carefully (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit)
{
    struct evi_loopring *it = &self->loopring;
    int sleepy = limit > 0 && !it->stash_count && !self->looks.found && !evi_loopring_news (loop, it),
        err = 0;

    if (sleepy ? limit < URING_LONG && evi_ring_flags (&it->ring) & EVI_SQ_TASKRUN
               : !evi_loopring_idle (it)) {
        err = evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
        sleepy = sleepy && !err && !evi_loopring_news (loop, it);
    }
    if (!sleepy)
        return err ? err : evi_loopring_sweep (loop, it);
    return uring_sleep_on (loop, self, limit, uring_sleep_until (loop, self, limit, loop->deadline));
}

/* Mostly no timer is near, nothing is there yet, and then a row answers. */
static int uring_wait (struct ev_loop *loop, ev_tstamp limit)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_loopring *it = &self->loopring;
    int err = uring_prepare (loop, self);

    if (EVI_UNLIKELY (err < 0))
        return err;
    if (EVI_UNLIKELY (it->event_fd >= 0))
        evi_loopring_drain_event_fd (it);
    if (EVI_UNLIKELY (limit < URING_LONG || it->stash_count || self->looks.found || evi_ring_ready (&it->ring)
                      || !evi_loopring_alarm_serves (it, loop->deadline)))
        return uring_wait_carefully (loop, self, limit);
    err = evi_loopring_enter_here (loop, it, 1, NULL, 0);
    if (EVI_UNLIKELY (err || !evi_ring_ready (&it->ring) || !evi_loopring_row_answers (loop, it)))
        return uring_sleep_on (loop, self, limit, err);
    return evi_loopring_sweep (loop, it);
}

/* ---- the way in ---- */

/* An answer that needs more thought than one that makes a row ready and is the last of its request. */
EVI_APART static void uring_polled_oddly (struct ev_loop *loop, struct evi_uring *self,
                                          const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;
    struct evi_row *row = &loop->fds.rows[fd];
    unsigned mark = row->mark;
    int more = cqe->flags & EVI_CQE_F_MORE, got;

    if (!more) {
        evi_busy_forget (self, row);
        row->gen += (mark & EVI_URING_LOOKED) != 0; /* it will be armed anew, perhaps for other events */
        row->mark = mark & (EVI_URING_QUIET | EVI_URING_OFTEN);
    }
    if (EVI_UNLIKELY (cqe->res < 0 || cqe->res & POLLNVAL)) {
        uring_refused (loop, self, (int) fd, cqe->res < 0 ? cqe->res : -EBADF);
        return;
    }
    if (mark & EVI_URING_BUSY) {
        evi_busy_polled (loop, self, (int) fd, cqe);
        return;
    }
    got = evi_bits_got ((unsigned) cqe->res);
    if (EVI_UNLIKELY (!(got & row->told))) { /* RDHUP alone (U-5), or what was not to be told any more */
        row->mark |= (uint32_t) cqe->res & EPOLLRDHUP ? EVI_URING_QUIET : 0;
        if (!more)
            evi_fd_again (loop, (int) fd);
        return;
    }
    if (EVI_UNLIKELY (mark & EVI_URING_QUIET))
        row->mark &= (uint8_t) ~EVI_URING_QUIET;
    self->batch++;
    evi_fd_ready (loop, (int) fd, got);
    if (!more)
        evi_fd_again (loop, (int) fd);
    else if (!(row->kind & EVI_ROW_OURS)) /* a quiet row has news: back to one-shot, before the next sleep */
        evi_fd_change (loop, (int) fd, EVI_WHY_AGAIN);
}

/* Is the row going to be armed again as it was? Most are, unless the peer is at its end, or the program has stopped or
 * changed it in a callback before and not let it be since. */
EVI_INLINE_HOT int uring_stays (const struct evi_uring *self, const struct evi_row *row,
                                const struct evi_cqe *cqe)
{
    return self->few && !((uint32_t) cqe->res & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
           && (!(row->kind & EVI_ROW_RESTLESS) || row->mark & EVI_URING_OFTEN || self->loopring.early);
}

EVI_APART static void uring_polled (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;
    struct evi_row *row = &loop->fds.rows[fd];
    unsigned mark;
    int got;

    if (EVI_UNLIKELY (fd >= loop->fds.count || cqe->user_data != evi_name_row (loop, (int) fd)
                      || !((mark = row->mark) & EVI_URING_ARMED))) {
        loop->stats.stale++;
        return;
    }
    got = evi_bits_got ((unsigned) cqe->res);
    if (EVI_UNLIKELY (mark & ~(EVI_URING_ARMED | EVI_URING_OFTEN) || cqe->res < 0 || cqe->res & POLLNVAL
                      || !(got & row->told))) {
        uring_polled_oddly (loop, self, cqe);
        return;
    }
    self->batch++;
    if (!uring_stays (self, row, cqe) || !evi_polls_arm_early (loop, self, cqe->user_data)) {
        row->mark = mark & EVI_URING_OFTEN;
        evi_fd_again (loop, (int) fd);
    }
    evi_fd_ready (loop, (int) fd, got);
}

static void uring_complete_own (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe)
{
    switch (evi_name_tag (cqe->user_data)) {
    case EVI_NAME_PARK:
        uring_park_reap (loop, self);
        break;
    case EVI_NAME_ALARM:
        evi_loopring_alarm_over (&self->loopring, cqe);
        break;
    default: /* a removal that came too late: its request has answered, or is about to */
        break;
    }
}

static void uring_complete (struct ev_loop *loop, const struct evi_cqe *cqe)
{
    int tag = evi_name_tag (cqe->user_data);

    if (EVI_LIKELY (tag == EVI_NAME_POLL))
        uring_polled (loop, loop->backend_data, cqe);
    else if (EVI_LIKELY (tag == EVI_NAME_OP))
        loop->riders.landed (loop, cqe->user_data, cqe->res, cqe->flags);
    else
        uring_complete_own (loop, loop->backend_data, cqe);
}

/* Stopped by other threads while the loop slept: their files are given back before any callback runs. Here, not
 * before the sleep: the program's lock is held again. */
EVI_COLD static void uring_take_back_late (struct ev_loop *loop, struct evi_uring *self)
{
    for (unsigned i = 0; i < self->late_count; i++)
        evi_polls_take_back (loop, self, self->late[i], 1); /* whatever kind it was */
    self->late_count = 0;
    evi_loopring_enter (loop, &self->loopring, 0, &evi_at_once, 0);
}

static void uring_reap (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (EVI_UNLIKELY (self->loopring.ring.fd < 0 || !evi_ring_mine (&self->loopring.ring)))
        return;
    if (EVI_UNLIKELY (self->late_count))
        uring_take_back_late (loop, self);
    self->batch = 0;
    self->few = evi_ring_ready (&self->loopring.ring) < self->loopring.busy_batch
                && !evi_ring_queued (&self->loopring.ring)
                && self->loopring.event_fd < 0; /* who sleeps on that asks for what is queued at any time */
    if (self->looks.count)
        evi_busy_reap (loop, self);
    evi_loopring_reap (loop, &self->loopring, uring_complete);
}

/* ---- inside another loop ---- */

static void uring_flush (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (uring_prepare (loop, self) == 0 && !evi_loopring_idle (&self->loopring))
        evi_loopring_enter (loop, &self->loopring, 0, &evi_at_once, 0);
}

/* Before 5.17 registering waits until no request is pending, and armed polls never end: a new ring has none. */
static int uring_event_fd_attach (struct ev_loop *loop, struct evi_uring *self)
{
    int err;

    if (self->loopring.ring.features & EVI_FEAT_CQE_SKIP)
        return evi_loopring_register_event_fd (&self->loopring);
    err = uring_reopen (loop);
    if (err < 0) {
        self->loopring.verdict = EVI_FALL;
        return err;
    }
    evi_fd_retell_all (loop);
    return 0;
}

static void uring_signal (const struct evi_loopring *it)
{
    uint64_t one = 1;

    evi_sys_write (it->event_fd, &one, sizeof one);
}

/* Not the ring's own descriptor: whoever sleeps on that of a ring that defers its work is not woken by it on
 * all kernels (6.18 before 6.18.45). */
static int uring_expose (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;
    int err;

    if (self->loopring.event_fd >= 0)
        return self->loopring.event_fd;
    self->loopring.event_fd = evi_sys_eventfd ();
    if (self->loopring.event_fd < 0) {
        err = self->loopring.event_fd;
        self->loopring.event_fd = -1;
        return err;
    }
    err = uring_event_fd_attach (loop, self);
    if (err < 0) {
        evi_sys_close (self->loopring.event_fd);
        self->loopring.event_fd = -1;
        return err;
    }
    uring_signal (&self->loopring); /* what has completed already counts too */
    return self->loopring.event_fd;
}

static int uring_has_news (struct ev_loop *loop, struct evi_loopring *it)
{
    return it->verdict || it->stash_count || evi_loopring_news (loop, it);
}

/* The kernel signals some completions late (7.3): the loop may have dealt with what it was about. */
static int uring_confirm (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_loopring *it = &self->loopring;

    uring_flush (loop);
    if (uring_has_news (loop, it))
        return 1;
    evi_loopring_drain_event_fd (it);
    uring_flush (loop);
    if (!uring_has_news (loop, it)) /* nor has anything come meanwhile */
        return 0;
    uring_signal (it);
    return 1;
}

EVI_HOME const struct evi_backend evi_uring = {
    .name = "io_uring",
    .call = "io_uring_enter",
    .bit = EVBACKEND_IOURING,
    .grain = 1e-6,
    .open = uring_open,
    .close = uring_close,
    .reopen = uring_reopen,
    .modify = uring_modify,
    .look = uring_look,
    .wait = uring_wait,
    .reap = uring_reap,
    .release = uring_release,
    .flush = uring_flush,
    .expose = uring_expose,
    .confirm = uring_confirm,
};

#endif
