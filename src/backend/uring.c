/* uring.c: the io_uring backend: readiness on a ring. Poll requests in, rows out.
 *
 * What io_uring does badly for a level-triggered loop, and what we do about it (doc/IOURING.md has the list):
 *  - A multishot poll reports edges. So each row is armed with a one-shot request, and armed again after its event,
 *    when all callbacks have run, together with the next wait: exactly level-triggered, one submission per event, one
 *    system call per iteration. Multishot is for our own descriptors, which we always drain.
 *  - An armed request holds the open file: close would not close. So when the last watcher of a row stops, its
 *    request is taken back and reaped at once. A row whose request has just answered holds nothing.
 *  - The kernel adds RDHUP to every mask: a half-closed socket would answer at once, forever, with nothing the
 *    program asked for. Such a row waits with a multishot request, which answers that once and then is quiet.
 *  - Some files it refuses to poll, some it should not hold (a listener's port would stay taken when the process has been
 *    killed), and of very many it makes each removal slow. These are guests in an epoll set, which the ring watches.
 *  - A ring belongs to one thread and one process. It is made anew, silently, when the loop runs elsewhere.
 *
 * A row's life is a table of four states: uring.h. A report carries a name, not a pointer: descriptor and generation.
 * One that is about an earlier use of the number falls to the floor; one that is found while callbacks run says no more
 * than that it must be asked for again. */
#include "uring.h"

#if EV_USE_IOURING

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define URING_LONG 1. /* seconds from which on a sleep is long */

enum {
    URING_FETCH_TRIES = 64,  /* enters until a request taken back must have answered */
    URING_ASKED_NEW = 1024,  /* rows with a request: eight in each chain in which the kernel looks for one */
    URING_ASKED_MOST = 8192, /* … with those whose interest has changed */
    URING_TURNED_AWAY = 8    /* of so many that find the ring full, one takes the place of another row */
};

/* ---- life ---- */

static int uring_aside (struct ev_loop *loop, const struct evi_cqe *cqe);

/* The ring and the set. Only a ring that works when it is entered may write reports into our memory: another one might
 * after it was lost. */
static int uring_open_both (struct ev_loop *loop, struct evi_uring *self)
{
    int err = evi_guests_open (self);

    if (err >= 0)
        err = evi_loopring_open (loop, &self->loopring);
    self->guests_polled = self->polls_guests || !(self->loopring.ring.setup & EVI_SETUP_DEFER_TASKRUN);
    if (err < 0)
        evi_guests_close (self);
    return err;
}

static void uring_names (struct ev_loop *loop, void (*each) (const struct evi_ring *ring, uint64_t name))
{
    struct evi_uring *self = loop->backend_data;

    for (unsigned fd = loop->fds.count; fd-- > 0;)
        if (evi_uring_is_asked (&loop->fds.rows[fd]))
            each (&self->loopring.ring, evi_name_row (loop, (int) fd));
    if (self->guests_asked)
        each (&self->loopring.ring, evi_guests_name (self));
}

static int uring_open (struct ev_loop *loop)
{
    struct evi_uring *self = evi_resize (NULL, sizeof *self);
    int err;

    memset (self, 0, sizeof *self);
    self->asked_new = evi_loopring_setting ("guests=", URING_ASKED_NEW);
    self->asked_most = evi_loopring_setting ("guests=", URING_ASKED_MOST);
    self->polls_guests = evi_loopring_wants ("polled");
    self->keeps_idle = evi_loopring_wants ("alone");
    evi_loopring_configure (loop, &self->loopring, 0);
    self->loopring.aside = uring_aside;
    self->loopring.names = uring_names;
    err = uring_open_both (loop, self);
    if (err < 0) {
        evi_resize (self, 0);
        return err;
    }
    loop->backend_data = self;
    loop->ring = &self->loopring;
    return 0;
}

/* Closing a ring gives files back some time later; a program that ends its loop and opens its port again
 * cannot wait for that. So every request is taken back first: the newest first, which the kernel finds fastest. */
static void uring_take_back_all (struct ev_loop *loop, struct evi_uring *self)
{
    struct evi_loopring *it = &self->loopring;

    for (unsigned fd = loop->fds.count; fd-- > 0;)
        if (evi_uring_is_asked (&loop->fds.rows[fd]))
            evi_polls_disarm (loop, self, (int) fd);
    if (self->guests_asked)
        evi_polls_take_back (loop, self, evi_guests_name (self));
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
    if (self->loopring.ring.enabled && evi_loopring_ours (loop))
        uring_take_back_all (loop, self);
    evi_loopring_close (loop, &self->loopring);
    evi_guests_close (self);
    self->asked = self->answered_count = self->late_count = 0;
}

static void uring_close (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    uring_give_up (loop, self);
    evi_loopring_free (&self->loopring);
    evi_resize (self->answered, 0);
    evi_resize (self->late, 0);
    evi_resize (self, 0);
    loop->ring = NULL;
}

static int uring_reopen (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    uring_give_up (loop, self);
    return uring_open_both (loop, self);
}

/* ---- the way out ---- */

/* Whether it serves is asked of a new number only: one that has just answered does not. */
static int uring_is_guest (struct ev_loop *loop, const struct evi_uring *self, int fd, int why)
{
    struct evi_row *row = &loop->fds.rows[fd];

    if (row->kind & (EVI_URING_STAYS | EVI_URING_REFUSED))
        return 1;
    if (row->kind & EVI_ROW_OURS)
        return 0;
    if (self->asked >= self->asked_new) {
        loop->stats.parked_many++;
        return 1;
    }
    if (why & EVI_WHY_FRESH && !row->told && evi_sys_serves (fd))
        row->kind |= EVI_URING_STAYS;
    return row->kind & EVI_URING_STAYS;
}

/* Nonzero: the ring does not take this file. What may be another one it is asked about again. */
static int uring_is_refused (struct evi_row *row, int why)
{
    if (why & EVI_WHY_FRESH)
        row->kind &= (uint8_t) ~EVI_URING_REFUSED;
    return row->kind & EVI_URING_REFUSED;
}

/* From NONE. What the set cannot take, the ring does. */
static int uring_place (struct ev_loop *loop, struct evi_uring *self, int fd, int want, int why)
{
    if (EVI_UNLIKELY (uring_is_guest (loop, self, fd, why))) {
        int err = evi_guests_take (loop, self, fd, want);

        if (err >= 0 || uring_is_refused (&loop->fds.rows[fd], why))
            return err;
    }
    evi_polls_arm (loop, self, fd, want);
    return 0;
}

/* What the set refuses, the ring may take. */
static int uring_tell_guest (struct ev_loop *loop, struct evi_uring *self, int fd, int want, int why)
{
    int err = evi_guests_modify (loop, self, fd, want, why);

    if (EVI_LIKELY (err >= 0) || uring_is_refused (&loop->fds.rows[fd], why))
        return err;
    evi_guests_leave (loop, self, fd);
    evi_polls_arm (loop, self, fd, want);
    return 0;
}

/* There is room, or one has to go for it. */
static int uring_lets_in (struct evi_uring *self)
{
    return self->asked < self->asked_most || ++self->turned_away % URING_TURNED_AWAY == 0;
}

/* A program that changes the interest of a row changes it again: on the ring that costs no call. */
EVI_APART static int uring_modify_guest (struct ev_loop *loop, struct evi_uring *self, int fd, int want,
                                         int why)
{
    struct evi_row *row = &loop->fds.rows[fd];

    if (!want)
        return 0;
    if (row->kind & (EVI_URING_STAYS | EVI_URING_REFUSED) || (row->mark & EVI_IO_BITS) == want
        || row->mark & EVI_EPOLLSET_ALWAYS || !uring_lets_in (self))
        return uring_tell_guest (loop, self, fd, want, why);
    if (evi_sys_serves (fd)) { /* it was not asked when there were too many */
        row->kind |= EVI_URING_STAYS;
        return uring_tell_guest (loop, self, fd, want, why);
    }
    if (evi_guests_leave (loop, self, fd) < 0) { /* another file, of which nothing is known */
        row->told = 0;
        return uring_place (loop, self, fd, want, why);
    }
    if (self->asked >= self->asked_most)
        evi_guests_make_room (loop, self);
    evi_polls_arm (loop, self, fd, want);
    loop->stats.unparked++;
    return 0;
}

EVI_APART static int uring_modify_asked (struct ev_loop *loop, struct evi_uring *self, int fd, int want,
                                         int why)
{
    struct evi_row *row = &loop->fds.rows[fd];

    if (want && why == EVI_WHY_EVENTS && evi_uring_state (row) == EVI_URING_ONCE) {
        evi_polls_change (loop, self, fd, want);
        return 0;
    }
    evi_polls_disarm (loop, self, fd);
    row->told = 0;
    return want ? uring_place (loop, self, fd, want, why) : 0;
}

/* It may be another file now, whose next request is an ordinary one. */
static void uring_forget_quiet (struct evi_row *row)
{
    row->kind &= (uint8_t) ~EVI_URING_QUIET;
    if (evi_uring_state (row) == EVI_URING_NONE)
        row->told = 0;
}

static int uring_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];

    (void) told;
    if (EVI_UNLIKELY (
            !evi_loopring_ours (loop))) /* it is made anew before it is needed, and all is told again */
        return 0;
    if (EVI_UNLIKELY (why & EVI_WHY_FRESH && row->kind & EVI_URING_QUIET))
        uring_forget_quiet (row);
    switch (evi_uring_state (row)) {
    case EVI_URING_NONE:
        if (EVI_LIKELY (want && row->told)) /* it has just answered, so it is at home on the ring */
            evi_polls_arm (loop, self, fd, want);
        else if (want)
            return uring_place (loop, self, fd, want, why);
        return 0;
    case EVI_URING_GUEST:
        return uring_modify_guest (loop, self, fd, want, why);
    default:
        return uring_modify_asked (loop, self, fd, want, why);
    }
}

EVI_APART static void uring_commit_guests (struct ev_loop *loop, struct evi_uring *self)
{
    if (EVI_UNLIKELY (self->guests.poisoned))
        evi_guests_renew (loop, self);
    if (EVI_UNLIKELY (self->asked > self->asked_most))
        evi_guests_make_room (loop, self);
    if (self->has_guests && !self->guests_asked)
        evi_guests_ask (loop, self);
}

/* All callbacks have run, and all changes are told: what has answered is asked for again. */
static void uring_commit (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (EVI_UNLIKELY (evi_loopring_check (&self->loopring)))
        return;
    EVI_FIT (self->answered, self->answered_room, 2 * loop->fds.count);
    if (EVI_UNLIKELY (
            evi_ring_ready (&self->loopring.ring))) /* told without being asked: out of date by now */
        evi_loopring_set_aside (loop, &self->loopring, 0);
    if (self->answered_count)
        evi_polls_arm_answered (loop, self);
    if (EVI_UNLIKELY (self->has_guests | (self->asked > self->asked_most)))
        uring_commit_guests (loop, self);
}

static int uring_uncommitted (struct ev_loop *loop)
{
    const struct evi_uring *self = loop->backend_data;

    return self->answered_count || (self->has_guests && !self->guests_asked);
}

/* Takes the request back and enters until it has given its file back. What else arrives waits for the next reap.
 * Nonzero: the ring is another thread's, or dead. */
static int uring_fetch (struct ev_loop *loop, struct evi_uring *self, uint64_t poll)
{
    if (!evi_loopring_ours (loop))
        return EVI_REBUILD;
    evi_polls_take_back (loop, self, poll);
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

/* One that was idle when it was stopped may be stopped again: then it shall cost nothing. */
static void uring_release (struct ev_loop *loop, int fd)
{
    struct evi_uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];
    uint64_t poll = evi_name_row (loop, fd);

    if (!evi_uring_is_asked (row))
        return;
    self->asked -= evi_uring_state (row) == EVI_URING_ONCE;
    row->gen++;
    row->told = 0;
    evi_uring_move (row, EVI_URING_NONE);
    if (!(row->kind & EVI_ROW_OURS) && !self->keeps_idle)
        row->kind |= EVI_URING_STAYS;
    if (evi_loopring_parents (loop)) /* a fork child lets its parent's requests be */
        return;
    if (loop->waiting) { /* the ring's thread is in the kernel: it takes the request back when it wakes (HK-5) */
        EVI_FIT (self->late, self->late_room, self->late_count + 1);
        self->late[self->late_count++] = poll;
        return;
    }
    if (uring_fetch (loop, self, poll) < 0) {
        if (uring_reopen (loop) < 0) /* another thread's ring, or a dead one: closing it gives all back */
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
    int sleepy = limit > 0 && !it->stash_count && !evi_loopring_news (loop, it), err = 0;

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
EVI_INLINE_HOT int uring_wait_usually (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit)
{
    struct evi_loopring *it = &self->loopring;
    int err;

    if (EVI_UNLIKELY (limit < URING_LONG || evi_ring_ready (&it->ring)
                      || !evi_loopring_alarm_serves (it, loop->deadline)))
        return uring_wait_carefully (loop, self, limit);
    err = evi_loopring_enter_here (loop, it, 1, NULL, 0);
    if (EVI_UNLIKELY (err || !evi_ring_ready (&it->ring) || !evi_loopring_row_answers (loop, it)))
        return uring_sleep_on (loop, self, limit, err);
    return evi_loopring_sweep (loop, it);
}

EVI_APART static int uring_wait_specially (struct ev_loop *loop, struct evi_uring *self, ev_tstamp limit)
{
    struct evi_loopring *it = &self->loopring;

    if (it->verdict) /* found out at commit */
        return it->verdict;
    if (it->event_fd >= 0)
        evi_loopring_drain_event_fd (it);
    if (it->stash_count || self->guests.always_count)
        return uring_wait_carefully (loop, self, 0);
    return uring_wait_usually (loop, self, limit);
}

static int uring_wait (struct ev_loop *loop, ev_tstamp limit)
{
    struct evi_uring *self = loop->backend_data;
    const struct evi_loopring *it = &self->loopring;

    if (EVI_UNLIKELY ((unsigned) it->verdict | (unsigned) (it->event_fd + 1) | it->stash_count
                      | self->guests.always_count))
        return uring_wait_specially (loop, self, limit);
    return uring_wait_usually (loop, self, limit);
}

/* ---- the way in ---- */

/* The kernel will not watch a row, or not now. */
static void uring_refused (struct ev_loop *loop, int fd, int err)
{
    struct evi_row *row = &loop->fds.rows[fd];

    switch (err) {
    case -ECANCELED: /* the thread that armed it has ended (U-10): arm it from this one */
    case -ENOMEM:
    case -EAGAIN:
    case -EINTR:
        break;
    case -EBADF:
        row->told = 0;
        evi_fd_broken (loop, fd, err);
        break;
    default: /* EINVAL, EOPNOTSUPP: not this kind of file */
        row->kind |= EVI_URING_REFUSED;
        evi_fd_again (loop, fd);
    }
}

/* RDHUP alone (U-5), or what was not to be told any more. */
static void uring_polled_nothing (struct evi_row *row, const struct evi_cqe *cqe)
{
    if ((uint32_t) cqe->res & EPOLLRDHUP)
        row->kind |= EVI_URING_QUIET;
}

/* An answer that needs more thought than one of a one-shot request that makes a row ready. */
EVI_APART static void uring_polled_oddly (struct ev_loop *loop, struct evi_uring *self,
                                          const struct evi_cqe *cqe)
{
    int fd = (int) (uint32_t) cqe->user_data, got;
    struct evi_row *row = &loop->fds.rows[fd];

    if (!(cqe->flags & EVI_CQE_F_MORE))
        evi_polls_over (self, row, fd);
    if (EVI_UNLIKELY (cqe->res < 0 || cqe->res & POLLNVAL)) {
        uring_refused (loop, fd, cqe->res < 0 ? cqe->res : -EBADF);
        return;
    }
    got = evi_bits_got ((unsigned) cqe->res);
    if (EVI_UNLIKELY (!(got & row->told))) {
        uring_polled_nothing (row, cqe);
        return;
    }
    row->kind &= (uint8_t) ~EVI_URING_QUIET;
    evi_fd_ready (loop, fd, got);
    if (evi_uring_state (row) == EVI_URING_GOOD && !(row->kind & EVI_ROW_OURS))
        evi_fd_change (loop, fd,
                       EVI_WHY_AGAIN); /* a quiet row has news: back to one-shot, before the next sleep */
}

static void uring_polled (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;
    struct evi_row *row = &loop->fds.rows[fd];
    int got = evi_bits_plain ((unsigned) cqe->res);

    if (EVI_UNLIKELY (fd >= loop->fds.count || cqe->user_data != evi_name_row (loop, (int) fd))) {
        loop->stats.stale++;
        return;
    }
    if (EVI_UNLIKELY (evi_uring_state (row) != EVI_URING_ONCE || cqe->res & ~(POLLIN | POLLOUT)
                      || !(got & row->told))) {
        uring_polled_oddly (loop, self, cqe);
        return;
    }
    evi_polls_over (self, row, (int) fd);
    evi_fd_ready (loop, (int) fd, got);
}

/* The request was just being woken, and is asked for again by the kernel as it was: it is replaced. */
static void uring_not_changed (struct ev_loop *loop, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;

    if (cqe->res == -EALREADY && fd < loop->fds.count
        && cqe->user_data == evi_name (EVI_NAME_CHANGED, loop->fds.rows[fd].gen, fd)
        && evi_uring_state (&loop->fds.rows[fd]) == EVI_URING_ONCE)
        evi_fd_change (loop, (int) fd, EVI_WHY_AGAIN);
}

/* Found while callbacks run, when what it says may be read by one of them: it is asked for again. Not so our own, which
 * nobody else reads, and those that stay for good, which have said it once and for all. */
static int uring_aside (struct ev_loop *loop, const struct evi_cqe *cqe)
{
    struct evi_uring *self = loop->backend_data;
    int fd = (int) (uint32_t) cqe->user_data;

    switch (evi_name_tag (cqe->user_data)) {
    case EVI_NAME_SET:
        self->guests_asked &= cqe->user_data != evi_guests_name (self);
        return 1;
    case EVI_NAME_POLL:
        if (evi_uring_state (&loop->fds.rows[fd]) != EVI_URING_ONCE)
            return 0;
        evi_polls_over (self, &loop->fds.rows[fd], fd);
        if (cqe->res >= 0 && !(evi_bits_got ((unsigned) cqe->res) & loop->fds.rows[fd].told))
            uring_polled_nothing (&loop->fds.rows[fd], cqe);
        return 1;
    default:
        return 0;
    }
}

static void uring_complete_own (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe)
{
    switch (evi_name_tag (cqe->user_data)) {
    case EVI_NAME_SET:
        evi_guests_reap (loop, self, cqe);
        break;
    case EVI_NAME_ALARM:
        evi_loopring_alarm_over (&self->loopring, cqe);
        break;
    case EVI_NAME_CHANGED:
        uring_not_changed (loop, cqe);
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
        evi_polls_take_back (loop, self, self->late[i]);
    self->late_count = 0;
    evi_loopring_enter (loop, &self->loopring, 0, &evi_at_once, 0);
}

EVI_APART static void uring_reap_specially (struct ev_loop *loop, struct evi_uring *self)
{
    if (self->late_count)
        uring_take_back_late (loop, self);
    if (self->guests.always_count)
        evi_epollset_reap_always (loop, &self->guests);
    evi_loopring_reap_stash (loop, &self->loopring, uring_complete);
}

static void uring_reap (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (EVI_UNLIKELY (self->late_count | self->loopring.stash_count | self->guests.always_count))
        uring_reap_specially (loop, self);
    evi_loopring_reap (loop, &self->loopring, uring_complete);
}

/* ---- inside another loop ---- */

static void uring_flush (struct ev_loop *loop)
{
    struct evi_uring *self = loop->backend_data;

    if (evi_loopring_check (&self->loopring) == 0 && !evi_loopring_idle (&self->loopring))
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

/* ---- is it true? ---- */

static const char *uring_row_fault (const struct evi_row *row)
{
    int state = evi_uring_state (row), ours = row->kind & EVI_ROW_OURS;

    if (state != EVI_URING_GUEST && row->mark & ~EVI_EPOLLSET_HISTORY)
        return "a row that is no guest is in the set";
    if (row->why) /* what follows may change */
        return NULL;
    if (state == EVI_URING_ONCE && (ours || row->kind & EVI_URING_QUIET))
        return "a row that should stay asked for is asked once";
    if (state == EVI_URING_GOOD && !ours && !(row->kind & EVI_URING_QUIET))
        return "a row that should be asked once stays asked for";
    if (state == EVI_URING_GUEST && row->told & ~row->mark && !(row->mark & EVI_EPOLLSET_ALWAYS))
        return "the set does not know what a guest wants";
    if (evi_uring_is_asked (row) && !row->told)
        return "a row is asked for that nobody wants";
    return NULL;
}

static int uring_has_answered (const struct evi_uring *self, int fd)
{
    for (unsigned i = 0; i < self->answered_count; i++)
        if (self->answered[i] == fd)
            return 1;
    return 0;
}

/* Each row that is wanted is asked for, or going to be; and there are as many as we think. */
static void uring_verify (struct ev_loop *loop)
{
    const struct evi_uring *self = loop->backend_data;
    unsigned asked = 0;

    if (self->loopring.verdict || !evi_loopring_ours (loop))
        return;
    for (unsigned fd = 0; fd < loop->fds.count; fd++) {
        const struct evi_row *row = &loop->fds.rows[fd];
        const char *fault = uring_row_fault (row);

        asked += evi_uring_state (row) == EVI_URING_ONCE;
        if (!fault && evi_uring_state (row) == EVI_URING_NONE && row->told && !row->why
            && !uring_has_answered (self, (int) fd))
            fault = "a row that is wanted is not asked for";
        if (fault)
            evi_broken ("ev_verify", fault);
    }
    if (asked != self->asked)
        evi_broken ("ev_verify", "the rows that are asked for are miscounted");
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
    .commit = uring_commit,
    .uncommitted = uring_uncommitted,
    .wait = uring_wait,
    .reap = uring_reap,
    .release = uring_release,
    .flush = uring_flush,
    .expose = uring_expose,
    .confirm = uring_confirm,
    .verify = uring_verify,
};

#endif
