/* uring.c: the io_uring backend: readiness on a ring. Poll requests in, rows out.
 *
 * What io_uring does badly for a level-triggered loop, and what we do about it (doc/IOURING.md has the list):
 *  - A multishot poll reports edges. So each row is armed with a one-shot request and armed again after its
 *    event, together with the next wait: exactly level-triggered, one submission per event, one system call per
 *    iteration. Multishot is for our own descriptors, which we always drain.
 *  - An armed request holds the open file: close would not close. So when the last watcher of a row stops, its
 *    request is taken back and reaped at once. A row whose request has just answered holds nothing.
 *  - The kernel adds RDHUP to every mask: a half-closed socket would answer at once, forever, with nothing the
 *    program asked for. Such a row waits with a multishot request, which answers that once and then is quiet.
 *  - Some files it refuses to poll. They are parked in an epoll set, which the ring watches.
 *  - A ring belongs to one thread and one process. It is made anew, silently, when the loop runs elsewhere.
 *
 * A report carries a name, not a pointer: descriptor and generation. One that is about an earlier use of the
 * number falls to the floor. */
#include "../core/loop.h"
#include "bits.h"
#include "ring.h"

#if EV_USE_IOURING

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    URING_SUBMISSIONS = 256,
    URING_COMPLETIONS = 4096, /* also sizes the kernel's hash of requests that can be taken back */
    URING_FETCH_TRIES = 64,   /* enters until a request taken back must have answered */
    URING_STALLS_MAX = 1000,  /* enters in a row that moved nothing: the ring is as good as dead */
    URING_PARK_BATCH = 64
};

/* row->mark */
enum {
    URING_ARMED = 1,  /* the kernel holds a request with the row's present generation */
    URING_MULTI = 2,  /* … a multishot one */
    URING_QUIET = 4,  /* answered with RDHUP alone: the next request is multishot */
    URING_PARKED = 8, /* lives in the epoll set */
    URING_FIRED = 16  /* its last request has answered: the next one is "again" */
};

/* user_data: [63:60] tag, [59:32] generation, [31:0] id. The tag tells names from slots (operations). */
enum { URING_IGNORE = 0, URING_POLL = 1, URING_PARK = 3 };
#define URING_GENERATION 0x0fffffffu

struct uring {
    struct evi_ring ring;
    unsigned exclude; /* set-up flags that shall not be tried */
    unsigned submissions, completions;
    int absolute;          /* time limits may be points in time */
    int no_absolute;       /* the kernel says it can, and cannot */
    int stalls;            /* enters in a row that were refused for want of memory and moved nothing */
    int verdict;           /* EVI_REBUILD or EVI_FALL, found out where it could not be said */
    struct evi_cqe *stash; /* completions set aside outside of reap, in order */
    unsigned stash_count, stash_room;
    uint64_t *late; /* requests to take back, from another thread while the owner slept */
    unsigned late_count, late_room;
    int park_fd, park_armed; /* the epoll set; the ring watches it */
    int event_fd;            /* tells an outer loop that there are completions; -1: no outer loop */
};

static const struct evi_ring_timespec uring_at_once;

static uint64_t uring_name (int tag, uint32_t generation, uint32_t id)
{
    return (uint64_t) (unsigned) tag << 60 | (uint64_t) (generation & URING_GENERATION) << 32 | id;
}

static uint64_t uring_row_name (const struct ev_loop *loop, int fd)
{
    return uring_name (URING_POLL, loop->fds.rows[fd].gen, (uint32_t) fd);
}

/* ---- entering ---- */

/* 0, -EINTR, or what is to become of the ring. */
static int uring_judge (struct ev_loop *loop, struct uring *self, int answer)
{
    if (answer >= 0 || answer == -ETIME) { /* done, or the limit is over */
        self->stalls = 0;
        return 0;
    }
    switch (answer) {
    case -EAGAIN: /* no memory for requests: what was not taken stays queued; reap, come again */
    case -ENOMEM:
    case -EBUSY: /* before 6.12: completions are parked in the kernel: reap first */
        if (evi_ring_ready (&self->ring) || ++self->stalls < URING_STALLS_MAX)
            return 0;
        loop->stats.fallback_error = -answer;
        return EVI_FALL;
    case -EINTR:
        return -EINTR;
    case -EEXIST: /* the ring belongs to another thread: the loop has moved (TH-1) */
    case -EBADR:  /* the kernel had to drop a completion, and does not say whose */
        return EVI_REBUILD;
    default: /* EPERM and ENOSYS: a filter was installed; EBADFD, EBADF, ENXIO: the ring is dead */
        loop->stats.fallback_error = -answer;
        return EVI_FALL;
    }
}

static int uring_enter (struct ev_loop *loop, struct uring *self, unsigned wait,
                        const struct evi_ring_timespec *limit, int absolute)
{
    unsigned queued = evi_ring_queued (&self->ring);
    int answer = EVI_LIKELY (self->ring.enabled) ? 0 : evi_ring_enable (&self->ring);

    if (EVI_UNLIKELY (answer < 0))
        return uring_judge (loop, self, answer);
    answer = evi_ring_enter (&self->ring, wait, limit, absolute);
    loop->stats.enters++;
    loop->stats.submissions += queued - evi_ring_queued (&self->ring);
    if (EVI_UNLIKELY (answer == -EINVAL && absolute)) { /* an old kernel with new features ported back */
        self->no_absolute = 1;
        return EVI_REBUILD;
    }
    return uring_judge (loop, self, answer);
}

/* About an earlier use of a descriptor, or about a request of ours that nobody waits for. Behind a release hook
 * the rows may belong to another thread: what cannot be looked up there is left to the reap (U-15). */
static int uring_stale (const struct ev_loop *loop, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;

    switch (cqe->user_data >> 60) {
    case URING_IGNORE:
        return 1;
    case URING_POLL:
        if (EVI_UNLIKELY (loop->waiting && loop->release))
            return 0;
        return fd >= loop->fds.count || cqe->user_data != uring_row_name (loop, (int) fd);
    default:
        return 0;
    }
}

/* Moves all completions that mean something to the stash, for the next reap. Nonzero: the last one of a given
 * request was there. */
static int uring_set_aside (struct ev_loop *loop, struct uring *self, uint64_t wanted)
{
    unsigned count = evi_ring_ready (&self->ring);
    int found = 0;

    EVI_FIT (self->stash, self->stash_room, self->stash_count + count);
    for (unsigned i = 0; i < count; i++) {
        struct evi_cqe cqe = *evi_ring_peek (&self->ring, i);

        if (cqe.user_data == wanted && !(cqe.flags & EVI_CQE_F_MORE))
            found = 1;
        if (!uring_stale (loop, &cqe))
            self->stash[self->stash_count++] = cqe;
    }
    evi_ring_advance (&self->ring, count);
    return found;
}

/* A submission to fill in. NULL: the ring can take no more; a verdict says what is to become of it, and
 * whoever carries it out tells every row again. */
static struct evi_sqe *uring_sqe (struct ev_loop *loop, struct uring *self)
{
    struct evi_sqe *sqe;

    while (!(sqe = evi_ring_sqe (&self->ring))) {
        int err = self->verdict ? self->verdict : uring_enter (loop, self, 0, &uring_at_once, 0);

        if (err < 0 && err != -EINTR) {
            self->verdict = err;
            return NULL;
        }
        uring_set_aside (loop, self, 0);
    }
    return sqe;
}

/* ---- arming and taking back ---- */

static uint32_t uring_mask (int want)
{
    return evi_poll_mask ((uint32_t) evi_bits_asked (want));
}

static void uring_arm (struct ev_loop *loop, struct uring *self, int fd, int want)
{
    struct evi_row *row = &loop->fds.rows[fd];
    struct evi_sqe *sqe = uring_sqe (loop, self);
    int multi = row->ours || row->mark & URING_QUIET;

    if (!sqe)
        return;
    sqe->opcode = EVI_OP_POLL_ADD;
    sqe->fd = fd;
    sqe->len = multi ? EVI_POLL_ADD_MULTI : 0;
    sqe->op_flags = uring_mask (want);
    sqe->user_data = uring_row_name (loop, fd);
    loop->stats.polls_armed++;
    loop->stats.polls_rearmed += (row->mark & URING_FIRED) != 0;
    row->mark = (uint8_t) ((row->mark & URING_QUIET) | URING_ARMED | (multi ? URING_MULTI : 0));
}

/* A request that is about a poll request: taking it back, or (with len set) changing it. */
static struct evi_sqe *uring_about (struct ev_loop *loop, struct uring *self, uint64_t poll)
{
    struct evi_sqe *sqe = uring_sqe (loop, self);

    if (!sqe)
        return NULL;
    sqe->opcode = EVI_OP_POLL_REMOVE;
    sqe->fd = -1;
    sqe->addr = poll;
    sqe->user_data = uring_name (URING_IGNORE, 0, 0);
    if (self->ring.features & EVI_FEAT_CQE_SKIP)
        sqe->flags = EVI_SQE_CQE_SKIP_SUCCESS;
    return sqe;
}

static void uring_take_back (struct ev_loop *loop, struct uring *self, uint64_t poll)
{
    if (uring_about (loop, self, poll))
        loop->stats.polls_removed++;
}

/* The request keeps its name. If it answers first, the change misses it, and the row is armed anew anyway. */
static void uring_change (struct ev_loop *loop, struct uring *self, int fd, int want)
{
    struct evi_sqe *sqe = uring_about (loop, self, uring_row_name (loop, fd));

    if (!sqe)
        return;
    sqe->len = EVI_POLL_UPDATE_EVENTS;
    sqe->op_flags = uring_mask (want);
}

static void uring_disarm (struct ev_loop *loop, struct uring *self, int fd)
{
    struct evi_row *row = &loop->fds.rows[fd];

    uring_take_back (loop, self, uring_row_name (loop, fd));
    row->gen++;
    row->mark &= (uint8_t) ~(URING_ARMED | URING_MULTI);
}

/* ---- parking: files the ring refuses ---- */

static int uring_park_tell (struct ev_loop *loop, struct uring *self, int fd, int want)
{
    struct epoll_event event = { .events = (uint32_t) evi_bits_asked (want) };
    int err;

    event.data.u64 = uring_row_name (loop, fd);
    if (!want)
        return evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_DEL, fd, &event), 0;
    err = evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_ADD, fd, &event);
    return err == -EEXIST ? evi_sys_epoll_ctl (self->park_fd, EPOLL_CTL_MOD, fd, &event) : err;
}

static void uring_park (struct ev_loop *loop, struct uring *self, int fd)
{
    if (self->park_fd < 0)
        self->park_fd = evi_sys_epoll_create ();
    if (self->park_fd < 0) {
        evi_fd_broken (loop, fd, self->park_fd);
        self->park_fd = -1;
        return;
    }
    loop->fds.rows[fd].mark = URING_PARKED;
    loop->stats.parked++;
    evi_fd_again (loop, fd);
}

static void uring_park_arm (struct ev_loop *loop, struct uring *self)
{
    struct evi_sqe *sqe;

    if (EVI_LIKELY (self->park_fd < 0 || self->park_armed) || !(sqe = uring_sqe (loop, self)))
        return;
    sqe->opcode = EVI_OP_POLL_ADD;
    sqe->fd = self->park_fd;
    sqe->op_flags = uring_mask (EV_READ);
    sqe->user_data = uring_name (URING_PARK, 0, 0);
    self->park_armed = 1;
}

static void uring_park_reap (struct ev_loop *loop, struct uring *self)
{
    struct epoll_event events[URING_PARK_BATCH];
    struct timespec at_once = { 0 };
    int count = evi_sys_epoll_wait (self->park_fd, events, URING_PARK_BATCH, &at_once);

    self->park_armed = 0;
    for (int i = 0; i < count; i++) {
        int fd = (int) (uint32_t) events[i].data.u64;

        if (events[i].data.u64 == uring_row_name (loop, fd))
            evi_fd_ready (loop, fd, evi_bits_got (events[i].events));
    }
}

/* ---- life ---- */

/* EVRING_RING, for tests and trouble: "coop" or "plain" leave out the better set-up flags, "sq=N" and "cq=N"
 * choose sizes. Example: EVRING_RING=plain,cq=16 */
static void uring_configure (struct uring *self)
{
    const char *text = getuid () == geteuid () ? getenv ("EVRING_RING") : NULL, *size;

    self->submissions = URING_SUBMISSIONS;
    self->completions = URING_COMPLETIONS;
    if (!text)
        return;
    if (strstr (text, "coop"))
        self->exclude = EVI_SETUP_DEFER_TASKRUN;
    if (strstr (text, "plain"))
        self->exclude = EVI_SETUP_DEFER_TASKRUN | EVI_SETUP_COOP_TASKRUN;
    if ((size = strstr (text, "sq=")))
        self->submissions = (unsigned) atoi (size + 3);
    if ((size = strstr (text, "cq=")))
        self->completions = (unsigned) atoi (size + 3);
    if (self->submissions > self->completions) /* the kernel refuses that */
        self->submissions = self->completions;
}

static int uring_event_fd_register (const struct uring *self)
{
    return evi_sys_uring_register (self->ring.fd, EVI_REGISTER_EVENTFD, &self->event_fd, 1);
}

static int uring_ring_open (struct ev_loop *loop, struct uring *self)
{
    int err = evi_ring_open (&self->ring, self->submissions, self->completions, self->exclude);

    if (err < 0)
        return err;
    self->absolute = self->ring.features & EVI_FEAT_MIN_TIMEOUT && !self->no_absolute;
    self->verdict = 0;
    self->stash_count = self->late_count = 0;
    loop->stats.ring_flags = self->ring.setup;
    if (self->event_fd >= 0)
        uring_event_fd_register (self);
    return 0;
}

static int uring_open (struct ev_loop *loop)
{
    struct uring *self = evi_resize (NULL, sizeof *self);
    int err;

    memset (self, 0, sizeof *self);
    self->park_fd = self->event_fd = -1;
    uring_configure (self);
    err = uring_ring_open (loop, self);
    if (err < 0) {
        evi_resize (self, 0);
        return err;
    }
    loop->backend_data = self;
    return 0;
}

static void uring_park_close (struct uring *self)
{
    if (self->park_fd >= 0)
        evi_sys_close (self->park_fd);
    self->park_fd = -1;
    self->park_armed = 0;
}

/* Closing a ring gives files back some time later; a program that ends its loop and opens its port again
 * cannot wait for that. So every request is taken back first. */
static void uring_take_back_all (struct ev_loop *loop, struct uring *self)
{
    for (unsigned fd = 0; fd < loop->fds.count; fd++)
        if (loop->fds.rows[fd].mark & URING_ARMED)
            uring_disarm (loop, self, (int) fd);
    for (int tries = 0; tries < URING_FETCH_TRIES && !self->verdict; tries++) {
        if (!evi_ring_queued (&self->ring) && !(evi_ring_flags (&self->ring) & EVI_SQ_TASKRUN))
            return;
        if (uring_enter (loop, self, tries ? self->ring.cq_entries : 0, &uring_at_once, 0) < 0)
            return;
        evi_ring_advance (&self->ring, evi_ring_ready (&self->ring));
    }
}

/* In a fork child, or in a thread the ring does not belong to, only the descriptor is closed. */
static void uring_give_up (struct ev_loop *loop, struct uring *self)
{
    if (self->ring.enabled && evi_ring_mine (&self->ring) && !evi_ring_foreign (&self->ring))
        uring_take_back_all (loop, self);
    evi_ring_close (&self->ring);
    uring_park_close (self);
}

static void uring_close (struct ev_loop *loop)
{
    struct uring *self = loop->backend_data;

    uring_give_up (loop, self);
    if (self->event_fd >= 0)
        evi_sys_close (self->event_fd);
    evi_resize (self->stash, 0);
    evi_resize (self->late, 0);
    evi_resize (self, 0);
}

static int uring_reopen (struct ev_loop *loop)
{
    struct uring *self = loop->backend_data;

    uring_give_up (loop, self);
    return uring_ring_open (loop, self);
}

/* ---- the way out ---- */

static int uring_modify (struct ev_loop *loop, int fd, int told, int want, int fresh)
{
    struct uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];

    (void) told;
    if (row->mark & URING_PARKED) {
        if (!fresh)
            return uring_park_tell (loop, self, fd, want);
        uring_park_tell (loop, self, fd, 0); /* it may be another file now, which the ring takes */
        row->mark = 0;
    }
    if (row->mark & URING_ARMED) {
        if (want && !fresh && !(row->mark & URING_MULTI)) {
            uring_change (loop, self, fd, want);
            return 0;
        }
        uring_disarm (loop, self, fd);
    }
    if (want)
        uring_arm (loop, self, fd, want);
    return 0;
}

/* Takes the request back and enters until it has given its file back. What else arrives waits for the next reap.
 * Nonzero: the ring is another thread's, or dead. */
static int uring_fetch (struct ev_loop *loop, struct uring *self, uint64_t poll)
{
    if (evi_ring_foreign (&self->ring))
        return EVI_REBUILD;
    uring_take_back (loop, self, poll);
    for (int tries = 0; tries < URING_FETCH_TRIES; tries++) {
        int err = self->verdict ? self->verdict : uring_enter (loop, self, 0, &uring_at_once, 0);

        if (err < 0 && err != -EINTR)
            return err;
        if (uring_set_aside (loop, self, poll))
            break;
    }
    return 0;
}

static void uring_release (struct ev_loop *loop, int fd)
{
    struct uring *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];
    uint64_t poll = uring_row_name (loop, fd);
    int armed = row->mark & URING_ARMED;

    if (row->mark & URING_PARKED)
        uring_park_tell (loop, self, fd, 0);
    row->gen++;
    row->mark = row->told = 0;
    if (!armed || !evi_ring_mine (&self->ring)) /* a fork child lets the parent's requests be */
        return;
    if (loop->waiting) { /* the ring's thread is in the kernel: it takes the request back when it wakes (HK-5) */
        EVI_FIT (self->late, self->late_room, self->late_count + 1);
        self->late[self->late_count++] = poll;
        return;
    }
    uring_take_back (loop, self, poll);
    if (uring_fetch (loop, self, poll)
        < 0) { /* another thread's ring, or a dead one: closing it gives all back */
        if (uring_reopen (loop) < 0)
            self->verdict = EVI_FALL;
        loop->stats.rebuilds++;
        evi_fd_retell_all (loop);
    }
}

/* ---- sleeping ---- */

/* On a ring that defers its work, a completion caused by another eventfd is signalled in a roundabout way, and
 * that only once for each registration (seen on 6.18; doc/IOURING.md). So there it is registered anew after each
 * signal. Whatever arrives in between is found by the enter that follows. */
static void uring_event_fd_drain (const struct uring *self)
{
    uint64_t count;

    if (EVI_LIKELY (self->event_fd < 0) || evi_sys_read (self->event_fd, &count, sizeof count) <= 0)
        return;
    if (!(self->ring.setup & EVI_SETUP_DEFER_TASKRUN))
        return;
    evi_sys_uring_register (self->ring.fd, EVI_UNREGISTER_EVENTFD, NULL, 0);
    uring_event_fd_register (self);
}

/* What has to be in order before the ring is entered. 0, or what is to become of it. */
static int uring_prepare (struct ev_loop *loop, struct uring *self)
{
    if (EVI_UNLIKELY (self->verdict))
        return self->verdict;
    if (EVI_UNLIKELY (!evi_ring_mine (&self->ring) || evi_ring_foreign (&self->ring)))
        return EVI_REBUILD;
    uring_park_arm (loop, self);
    return self->verdict;
}

static struct evi_ring_timespec uring_timespec (ev_tstamp seconds)
{
    struct timespec ts = evi_sys_timespec (seconds);

    return (struct evi_ring_timespec){ ts.tv_sec, ts.tv_nsec };
}

static ev_tstamp uring_time_left (const struct ev_loop *loop)
{
    ev_tstamp left = loop->deadline - evi_sys_monotonic ();

    return left > 0 ? left : 0;
}

/* Drops stale completions from the front. Nonzero: there is one that means something. */
static int uring_news (struct ev_loop *loop, struct uring *self)
{
    while (evi_ring_ready (&self->ring) && uring_stale (loop, evi_ring_peek (&self->ring, 0))) {
        evi_ring_advance (&self->ring, 1);
        loop->stats.stale++;
    }
    return evi_ring_ready (&self->ring) != 0;
}

/* Goes on sleeping when all that came was the end of requests taken back. */
static int uring_sleep (struct ev_loop *loop, struct uring *self)
{
    int err, came;

    do {
        struct evi_ring_timespec until =
            uring_timespec (self->absolute ? loop->deadline : uring_time_left (loop));

        err = uring_enter (loop, self, 1, &until, self->absolute);
        came = evi_ring_ready (&self->ring) != 0;
    } while (!err && came && !uring_news (loop, self));
    return err;
}

/* Is there anything to be told or fetched without sleeping? If not, a look at shared memory was enough. */
static int uring_idle (const struct uring *self)
{
    return !evi_ring_queued (&self->ring)
           && !(evi_ring_flags (&self->ring) & (EVI_SQ_TASKRUN | EVI_SQ_CQ_OVERFLOW));
}

/* A ring that defers its work hands out twenty completions per call (6.13 and later), and one that is short of
 * memory or met a bad submission may not have taken all: come back until it has. Without asking for a number of
 * them: a call that finds fewer would sleep, if only for a moment, and give the processor away. */
static int uring_sweep (struct ev_loop *loop, struct uring *self)
{
    int err = 0;

    for (unsigned tries = 0; !err && tries < self->ring.cq_entries; tries++) {
        if (EVI_LIKELY (!evi_ring_queued (&self->ring) && !(evi_ring_flags (&self->ring) & EVI_SQ_TASKRUN)))
            break;
        if (evi_ring_queued (&self->ring))
            uring_set_aside (loop, self, 0);
        loop->stats.sweeps++;
        err = uring_enter (loop, self, 0, &uring_at_once, 0);
    }
    return err;
}

static int uring_wait (struct ev_loop *loop, ev_tstamp limit)
{
    struct uring *self = loop->backend_data;
    int err = uring_prepare (loop, self);

    if (err < 0)
        return err;
    uring_event_fd_drain (self);
    if (limit > 0 && !self->stash_count && !uring_news (loop, self))
        err = uring_sleep (loop, self);
    else if (!uring_idle (self))
        err = uring_enter (loop, self, 0, &uring_at_once, 0);
    return err ? err : uring_sweep (loop, self);
}

/* ---- the way in ---- */

static void uring_refused (struct ev_loop *loop, struct uring *self, int fd, int err)
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
        uring_park (loop, self, fd);
    }
}

static void uring_polled (struct ev_loop *loop, struct uring *self, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;
    struct evi_row *row = fd < loop->fds.count ? &loop->fds.rows[fd] : NULL;
    int more = cqe->flags & EVI_CQE_F_MORE, got;

    if (!row || !(row->mark & URING_ARMED) || cqe->user_data != uring_row_name (loop, (int) fd)) {
        loop->stats.stale++;
        return;
    }
    if (!more)
        row->mark = (uint8_t) ((row->mark & URING_QUIET) | URING_FIRED);
    if (EVI_UNLIKELY (cqe->res < 0 || cqe->res & POLLNVAL)) {
        uring_refused (loop, self, (int) fd, cqe->res < 0 ? cqe->res : -EBADF);
        return;
    }
    got = evi_bits_got ((unsigned) cqe->res);
    if (EVI_UNLIKELY (!(got & row->told))) { /* RDHUP alone (U-5) */
        row->mark |= URING_QUIET;
        if (!more)
            evi_fd_again (loop, (int) fd);
        return;
    }
    row->mark &= (uint8_t) ~URING_QUIET;
    evi_fd_ready (loop, (int) fd, got);
    if (!more || !row->ours) /* also: a quiet row has news, so back to one-shot */
        evi_fd_again (loop, (int) fd);
}

static void uring_complete (struct ev_loop *loop, struct uring *self, const struct evi_cqe *cqe)
{
    switch (cqe->user_data >> 60) {
    case URING_POLL:
        uring_polled (loop, self, cqe);
        break;
    case URING_PARK:
        uring_park_reap (loop, self);
        break;
    default: /* a removal that came too late: its request has answered, or is about to */
        break;
    }
}

static void uring_reap_ring (struct ev_loop *loop, struct uring *self)
{
    unsigned count = evi_ring_ready (&self->ring);

    for (unsigned i = 0; i < count; i++) {
        struct evi_cqe cqe = *evi_ring_peek (&self->ring, i);

        uring_complete (loop, self, &cqe);
    }
    evi_ring_advance (&self->ring, count);
    loop->stats.completions += count;
}

/* Stopped by other threads while the loop slept: their files are given back before any callback runs. Here, not
 * before the sleep: the program's lock is held again. */
static void uring_take_back_late (struct ev_loop *loop, struct uring *self)
{
    for (unsigned i = 0; i < self->late_count; i++)
        uring_take_back (loop, self, self->late[i]);
    self->late_count = 0;
    uring_enter (loop, self, 0, &uring_at_once, 0);
}

/* When the queue was full, the surplus waits in the kernel and comes only when asked for. It is finite: nothing
 * is armed in here, so no row can answer twice (U-6, U-17). */
static void uring_reap (struct ev_loop *loop)
{
    struct uring *self = loop->backend_data;

    if (EVI_UNLIKELY (self->ring.fd < 0 || !evi_ring_mine (&self->ring)))
        return;
    if (EVI_UNLIKELY (self->late_count))
        uring_take_back_late (loop, self);
    for (unsigned i = 0; i < self->stash_count; i++) {
        struct evi_cqe cqe = self->stash[i];

        uring_complete (loop, self, &cqe);
    }
    loop->stats.completions += self->stash_count;
    self->stash_count = 0;
    uring_reap_ring (loop, self);
    while (EVI_UNLIKELY (evi_ring_flags (&self->ring) & EVI_SQ_CQ_OVERFLOW)) {
        loop->stats.overflows++;
        if (uring_enter (loop, self, 0, &uring_at_once, 0) < 0 || !evi_ring_ready (&self->ring))
            break;
        uring_reap_ring (loop, self);
    }
}

/* ---- inside another loop ---- */

static void uring_flush (struct ev_loop *loop)
{
    struct uring *self = loop->backend_data;

    if (uring_prepare (loop, self) == 0 && !uring_idle (self))
        uring_enter (loop, self, 0, &uring_at_once, 0);
}

/* Before 5.17 registering waits until no request is pending, and armed polls never end: a new ring has none. */
static int uring_event_fd_attach (struct ev_loop *loop, struct uring *self)
{
    int err;

    if (self->ring.features & EVI_FEAT_CQE_SKIP)
        return uring_event_fd_register (self);
    err = uring_reopen (loop);
    if (err < 0) {
        self->verdict = EVI_FALL;
        return err;
    }
    evi_fd_retell_all (loop);
    return 0;
}

/* Not the ring's own descriptor: whoever sleeps on that of a ring that defers its work is not woken by it on
 * all kernels (6.18 before 6.18.45). */
static int uring_expose (struct ev_loop *loop)
{
    struct uring *self = loop->backend_data;
    uint64_t one = 1;
    int err;

    if (self->event_fd >= 0)
        return self->event_fd;
    self->event_fd = evi_sys_eventfd ();
    if (self->event_fd < 0) {
        err = self->event_fd;
        self->event_fd = -1;
        return err;
    }
    err = uring_event_fd_attach (loop, self);
    if (err < 0) {
        evi_sys_close (self->event_fd);
        self->event_fd = -1;
        return err;
    }
    evi_sys_write (self->event_fd, &one, sizeof one); /* what has completed already counts too */
    return self->event_fd;
}

static void uring_dump (struct ev_loop *loop, FILE *out)
{
    const struct uring *self = loop->backend_data;
    const struct evi_ring *ring = &self->ring;

    if (ring->fd < 0 || !evi_ring_mine (ring))
        return;
    fprintf (out, "ring: fd %d, set-up 0x%x, features 0x%x, %s\n", ring->fd, ring->setup, ring->features,
             ring->enabled ? "enabled" : "not enabled yet");
    fprintf (out, "ring: submissions %u of %u queued, head %u, tail %u, flags 0x%x\n", evi_ring_queued (ring),
             ring->sq_entries, *ring->sq_head, *ring->sq_tail, *ring->sq_flags);
    fprintf (out, "ring: completions %u of %u ready, head %u, tail %u, overflow %u, %u set aside\n",
             evi_ring_ready (ring), ring->cq_entries, *ring->cq_head, *ring->cq_tail, *ring->cq_overflow,
             self->stash_count);
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
    .wait = uring_wait,
    .reap = uring_reap,
    .release = uring_release,
    .flush = uring_flush,
    .expose = uring_expose,
    .dump = uring_dump,
};

#endif
