/* world.c: see world.h. Every function at the end stands in for one of the C library's; outside of
 * world_begin … world_end they only pass calls on. */
#undef _FILE_OFFSET_BITS /* both names of fstatat, lstat and statfs are defined here */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "world.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOTICES_MAX = 16, CHILDREN_MAX = 64, REGISTERED_MAX = 256, TOLERANCE = 3500000 };

static const struct world_hooks *hooks; /* NULL: the real world */
static int64_t now;                     /* monotonic, nanoseconds */
static int64_t wall_ahead;              /* wall clock minus monotonic clock */
static int remote;
static int notices[NOTICES_MAX], notices_count; /* eventfds that pose as timerfds */
static struct {
    int pid, status;
} children[CHILDREN_MAX];
static int children_first, children_last;
static struct {
    int epoll, fd;
    uint64_t data;
} registered[REGISTERED_MAX]; /* what epoll was told, oldest overwritten */
static unsigned registered_count;

#define REAL(type, name) ((type) (uintptr_t) real (#name)) /* not even POSIX makes functions objects */
static void *real (const char *name)
{
    void *function = dlsym (RTLD_NEXT, name);

    if (!function)
        abort ();
    return function;
}

/* The libc functions behind ours, looked up once. */
static struct {
    long (*syscall) (long, ...);
    int (*clock_gettime) (clockid_t, struct timespec *);
    int (*gettimeofday) (struct timeval *, void *);
    int (*nanosleep) (const struct timespec *, struct timespec *);
    int (*clock_nanosleep) (clockid_t, int, const struct timespec *, struct timespec *);
    int (*epoll_wait) (int, struct epoll_event *, int, int);
    int (*epoll_ctl) (int, int, int, struct epoll_event *);
    int (*poll) (struct pollfd *, nfds_t, int);
    int (*select) (int, fd_set *, fd_set *, fd_set *, struct timeval *);
    int (*timerfd_create) (int, int);
    int (*timerfd_settime) (int, int, const struct itimerspec *, struct itimerspec *);
    ssize_t (*read) (int, void *, size_t);
    int (*close) (int);
    pid_t (*waitpid) (pid_t, int *, int);
    int (*statfs) (const char *, struct statfs *);
    int (*fstatat) (int, const char *, struct stat *, int);
} libc;

static void world_find (void)
{
    if (libc.syscall)
        return;
#define FIND(name) *(void **) &libc.name = real (#name)
    FIND (clock_gettime);
    FIND (gettimeofday);
    FIND (nanosleep);
    FIND (clock_nanosleep);
    FIND (epoll_wait);
    FIND (epoll_ctl);
    FIND (poll);
    FIND (select);
    FIND (timerfd_create);
    FIND (timerfd_settime);
    FIND (read);
    FIND (close);
    FIND (waitpid);
    FIND (statfs);
    FIND (fstatat);
    FIND (syscall);
}

/* Somebody may call before any constructor has run. */
#define LIBC(name) (world_find (), libc.name)

void world_begin (const struct world_hooks *new_hooks, int remote_files)
{
    now = WORLD_MONOTONIC;
    wall_ahead = (int64_t) WORLD_WALL_SECONDS * 1000000000 - WORLD_MONOTONIC;
    remote = remote_files;
    notices_count = children_first = children_last = 0;
    registered_count = 0;
    hooks = new_hooks;
}

void world_end (void)
{
    hooks = NULL;
}

int64_t world_now (void)
{
    return now - WORLD_MONOTONIC;
}

/* ---- time passes ---- */

/* The first lattice point not before t (with tolerance), and after now. */
static int64_t world_lattice (int64_t t)
{
    int64_t step = (t - TOLERANCE + WORLD_STEP - 1) / WORLD_STEP;
    int64_t next = now / WORLD_STEP + 1;

    return (step > next ? step : next) * WORLD_STEP;
}

/* To the next thing that happens, at most until end. */
static void world_advance (int64_t end)
{
    int64_t next = hooks->next ();

    if (next != INT64_MAX)
        next += WORLD_MONOTONIC;
    if (next > end) {
        now = end;
        return;
    }
    if (now < next)
        now = next;
    hooks->happen ();
}

/* Between two polls a loop may sleep (HK-2), nearly as long as it may and then poll for the rest, about a
 * millisecond or a microsecond, which another library may do its own way: the sleep has used up the step. */
static enum { AWAKE, SLEPT, SLEPT_AND_POLLED } slept;

static void world_sleep (int64_t length)
{
    int64_t end = world_lattice (now + (length < WORLD_FOREVER ? length : WORLD_FOREVER));

    while (now < end)
        world_advance (end);
    slept = SLEPT;
}

void world_pass (int steps)
{
    int64_t end = (now / WORLD_STEP + steps) * WORLD_STEP;

    while (now < end)
        world_advance (end);
}

/* What a sleeping system call does: look, and while there is nothing, let time pass. look answers like the
 * call, 0 for "nothing yet". length < 0: forever. Signals come as if another thread had caught them, without
 * EINTR: whether a signal is seen in the iteration it interrupts or in the next is a difference (README.md). */
static int world_wait (int64_t length, int (*look) (void *), void *arg)
{
    int64_t end;
    int found;

    if (slept && length > 0 && length < TOLERANCE) {
        slept = SLEPT_AND_POLLED;
        length = 0;
    } else {
        slept = AWAKE;
    }
    found = look (arg);
    if (found || !length)
        return found;
    end = world_lattice (now + (length >= 0 && length < WORLD_FOREVER ? length : WORLD_FOREVER));
    while (now < end) {
        world_advance (end);
        found = look (arg);
        if (found)
            return found;
    }
    return 0;
}

void world_set_wall (int steps)
{
    const uint64_t one = 1;

    wall_ahead += steps * WORLD_STEP;
    for (int i = 0; i < notices_count; i++)
        if (write (notices[i], &one, sizeof one) < 0)
            abort ();
}

void world_child (int pid, int status)
{
    if (children_last == CHILDREN_MAX)
        return;
    children[children_last].pid = pid;
    children[children_last].status = status;
    children_last++;
}

/* ---- units ---- */

static int64_t from_timespec (const struct timespec *t)
{
    return t->tv_sec > 1000000 ? 1000000000000000LL : t->tv_sec * 1000000000LL + t->tv_nsec;
}

static struct timespec to_timespec (int64_t t)
{
    struct timespec ts = { .tv_sec = (time_t) (t / 1000000000), .tv_nsec = (long) (t % 1000000000) };

    return ts;
}

static int64_t from_ms (int ms)
{
    return ms < 0 ? -1 : ms * 1000000LL;
}

/* ---- clocks and sleeps ---- */

static struct timespec world_look_at_clock (void)
{
    if (slept == SLEPT_AND_POLLED)
        slept = AWAKE;
    hooks->looks ();
    return to_timespec (now++);
}

int clock_gettime (clockid_t clock, struct timespec *ts)
{
    if (hooks && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *ts = to_timespec (now + wall_ahead);
    else if (hooks
             && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME
                 || clock == CLOCK_MONOTONIC_RAW))
        *ts = world_look_at_clock ();
    else
        return LIBC (clock_gettime) (clock, ts);
    return 0;
}

int gettimeofday (struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    if (!hooks)
        return LIBC (gettimeofday) (tv, zone);
    ts = to_timespec (now + wall_ahead);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

int nanosleep (const struct timespec *length, struct timespec *rest)
{
    if (!hooks)
        return LIBC (nanosleep) (length, rest);
    world_sleep (from_timespec (length));
    return 0;
}

int clock_nanosleep (clockid_t clock, int flags, const struct timespec *time, struct timespec *rest)
{
    if (!hooks)
        return LIBC (clock_nanosleep) (clock, flags, time, rest);
    world_sleep (from_timespec (time) - (flags & TIMER_ABSTIME ? now : 0));
    return 0;
}

/* ---- select, poll, epoll ---- */

/* libev does not tell epoll that nobody is left to watch a descriptor: its next event ends a sleep, and only
 * then it is removed (IO-9). How often a loop wakes up for nothing is its own affair, so such an
 * event is kept from it. */
int epoll_ctl (int epoll, int action, int fd, struct epoll_event *event)
{
    if (hooks && action != EPOLL_CTL_DEL) {
        unsigned i = registered_count++ % REGISTERED_MAX;

        registered[i].epoll = epoll;
        registered[i].fd = fd;
        registered[i].data = event->data.u64;
    }
    return LIBC (epoll_ctl) (epoll, action, fd, event);
}

static int known_epoll (int fd)
{
    for (unsigned i = 0; i < REGISTERED_MAX && i < registered_count; i++)
        if (registered[i].epoll == fd)
            return 1;
    return 0;
}

static int event_stale (int epoll, const struct epoll_event *event)
{
    unsigned known = registered_count < REGISTERED_MAX ? registered_count : REGISTERED_MAX;

    for (unsigned i = 1; i <= known; i++) {
        unsigned at = (registered_count - i) % REGISTERED_MAX;

        int fd = registered[at].fd;

        if (registered[at].epoll == epoll && registered[at].data == event->data.u64)
            return hooks->stale (known_epoll (fd) ? -1 : fd, event->events);
    }
    return 0;
}

static int drop_stale (int epoll, struct epoll_event *events, int count)
{
    int kept = 0;

    for (int i = 0; i < count; i++)
        if (!event_stale (epoll, &events[i]))
            events[kept++] = events[i];
    return kept;
}

struct look_epoll {
    int fd, room;
    struct epoll_event *events;
};

static int look_epoll (void *arg)
{
    struct look_epoll *look = arg;
    int count = LIBC (epoll_wait) (look->fd, look->events, look->room, 0);

    return count > 0 && hooks->stale ? drop_stale (look->fd, look->events, count) : count;
}

int epoll_wait (int fd, struct epoll_event *events, int room, int ms)
{
    struct look_epoll look = { fd, room, events };

    if (!hooks)
        return LIBC (epoll_wait) (fd, events, room, ms);
    return world_wait (from_ms (ms), look_epoll, &look);
}

static int world_epoll_pwait2 (int fd, struct epoll_event *events, int room, const struct timespec *limit)
{
    struct look_epoll look = { fd, room, events };

    return world_wait (limit ? from_timespec (limit) : -1, look_epoll, &look);
}

struct look_poll {
    struct pollfd *fds;
    nfds_t count;
};

static int look_poll (void *arg)
{
    struct look_poll *look = arg;

    return LIBC (poll) (look->fds, look->count, 0);
}

int poll (struct pollfd *fds, nfds_t count, int ms)
{
    struct look_poll look = { fds, count };

    if (!hooks)
        return LIBC (poll) (fds, count, ms);
    return world_wait (from_ms (ms), look_poll, &look);
}

int ppoll (struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask)
{
    struct look_poll look = { fds, count };

    if (!hooks || mask)
        return REAL (int (*) (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *),
                     ppoll) (fds, count, limit, mask);
    return world_wait (limit ? from_timespec (limit) : -1, look_poll, &look);
}

struct look_select {
    int count;
    size_t size;
    void *given[2], *asked[2]; /* the caller's sets, and copies of what they asked for */
};

static int look_select (void *arg)
{
    struct look_select *look = arg;
    struct timeval none = { 0, 0 };

    for (int i = 0; i < 2; i++)
        if (look->given[i])
            memcpy (look->given[i], look->asked[i], look->size);
    return LIBC (select) (look->count, look->given[0], look->given[1], NULL, &none);
}

int select (int count, fd_set *restrict reads, fd_set *restrict writes, fd_set *restrict excepts,
            struct timeval *restrict limit)
{
    char copies[2][8192];
    struct look_select look = { .count = count,
                                .given = { reads, writes },
                                .asked = { copies[0], copies[1] } };

    if (!hooks)
        return LIBC (select) (count, reads, writes, excepts, limit);
    look.size = ((size_t) count + 63) / 64 * 8;
    if (excepts || look.size > sizeof copies[0])
        abort ();
    for (int i = 0; i < 2; i++)
        if (look.given[i])
            memcpy (look.asked[i], look.given[i], look.size);
    return world_wait (limit ? limit->tv_sec * 1000000000LL + limit->tv_usec * 1000LL : -1, look_select,
                       &look);
}

/* ---- io_uring ---- */

enum {
    URING_ENTER = 426,
    GETEVENTS = 1 << 0,
    EXT_ARG = 1 << 3,
    ABS_TIMER = 1 << 5,
    EXT_ARG_REG = 1 << 6,
};

struct ring_arg { /* of an enter with EXT_ARG */
    uint64_t sigmask;
    uint32_t sigmask_size, min_wait;
    uint64_t ts;
};

struct look_ring {
    int fd;
    unsigned submit, flags;
    int submitted; /* what the first call answered */
};

/* Submits, then asks whether there is a completion: waiting for one no time at all ends with ETIME if not. The
 * descriptor's own readiness would not do: the first poll of a ring disturbs it. */
static int look_ring (void *arg)
{
    struct look_ring *look = arg;
    struct timespec none = { 0, 0 };
    struct ring_arg at_once = { .ts = (uintptr_t) &none };
    unsigned flags = look->flags & ~(EXT_ARG | ABS_TIMER);
    int got = (int) LIBC (syscall) (URING_ENTER, look->fd, look->submit, 0, flags, NULL, 0);

    if (got < 0)
        return -1;
    look->submitted += got;
    look->submit = 0;
    return !LIBC (syscall) (URING_ENTER, look->fd, 0, 1, flags | EXT_ARG, &at_once, sizeof at_once);
}

static int64_t ring_limit (unsigned flags, const void *arg)
{
    const struct ring_arg *ext = arg;

    if (flags & EXT_ARG_REG)
        abort (); /* not known here */
    if (!(flags & EXT_ARG) || !ext || !ext->ts)
        return -1;
    int64_t length = from_timespec ((const struct timespec *) (uintptr_t) ext->ts);
    if (flags & ABS_TIMER)
        length = length > now ? length - now : 0;
    return length;
}

static long world_ring_enter (int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg,
                              size_t size)
{
    struct look_ring look = { .fd = fd, .submit = submit, .flags = flags };
    int found;

    if (!wait || !(flags & GETEVENTS))
        return LIBC (syscall) (URING_ENTER, fd, submit, wait, flags, arg, size);
    found = world_wait (ring_limit (flags, arg), look_ring, &look);
    if (look.submitted || found > 0)
        return look.submitted; /* a positive answer hides ETIME and EINTR, as in life */
    if (!found)
        errno = ETIME;
    return -1;
}

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* Under a name of our own, since we read all six arguments however many were given. */
long world_syscall (long number, long a, long b, long c, long d, long e, long f) __asm__("syscall");
long world_syscall (long number, long a, long b, long c, long d, long e, long f)
{
    if (hooks && number == SYS_epoll_pwait2)
        return world_epoll_pwait2 ((int) a, (struct epoll_event *) b, (int) c, (struct timespec *) d);
    if (hooks && number == URING_ENTER)
        return world_ring_enter ((int) a, (unsigned) b, (unsigned) c, (unsigned) d, (void *) e, (size_t) f);
    return LIBC (syscall) (number, a, b, c, d, e, f);
}

/* ---- the notice that somebody set the clock ---- */

static int notice_find (int fd)
{
    for (int i = 0; i < notices_count; i++)
        if (notices[i] == fd)
            return i;
    return -1;
}

int timerfd_create (int clock, int flags)
{
    int fd;

    if (!hooks)
        return LIBC (timerfd_create) (clock, flags);
    fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd >= 0 && notices_count < NOTICES_MAX)
        notices[notices_count++] = fd;
    return fd;
}

int timerfd_settime (int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    uint64_t count;

    if (!hooks || notice_find (fd) < 0)
        return LIBC (timerfd_settime) (fd, flags, new, old);
    if (LIBC (read) (fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return -1;
    return 0;
}

ssize_t read (int fd, void *data, size_t size)
{
    ssize_t got;

    got = LIBC (read) (fd, data, size);
    if (hooks && got > 0 && notice_find (fd) >= 0) {
        errno = ECANCELED;
        return -1;
    }
    return got;
}

int close (int fd)
{
    int notice = hooks ? notice_find (fd) : -1;

    if (notice >= 0)
        notices[notice] = notices[--notices_count];
    return LIBC (close) (fd);
}

/* ---- children ---- */

pid_t waitpid (pid_t pid, int *status, int options)
{
    if (!hooks)
        return LIBC (waitpid) (pid, status, options);
    if (children_first == children_last) {
        errno = ECHILD;
        return -1;
    }
    if (status)
        *status = children[children_first].status;
    return children[children_first++].pid;
}

pid_t wait4 (pid_t pid, int *status, int options, struct rusage *usage)
{
    (void) usage;
    return waitpid (pid, status, options);
}

/* ---- files: no clock but ours writes into them, and where they live is our choice ---- */

/* Whether a file that is made anew gets its old number again depends on what else the machine does. */
static int world_stat (int result, struct stat *st)
{
    if (hooks && !result) {
        st->st_ino = 1;
        memset (&st->st_atim, 0, sizeof st->st_atim);
        memset (&st->st_ctim, 0, sizeof st->st_ctim);
        memset (&st->st_mtim, 0, sizeof st->st_mtim);
    }
    return result;
}

int fstatat (int at, const char *restrict path, struct stat *restrict st, int flags)
{
    return world_stat (LIBC (fstatat) (at, path, st, flags), st);
}

int lstat (const char *restrict path, struct stat *restrict st)
{
    return fstatat (-100 /* AT_FDCWD */, path, st, 0x100 /* AT_SYMLINK_NOFOLLOW */);
}

int __lxstat (int version, const char *path, struct stat *st);
int __lxstat (int version, const char *path, struct stat *st)
{
    (void) version;
    return lstat (path, st);
}

int statfs (const char *path, struct statfs *fs)
{
    int result = LIBC (statfs) (path, fs);

    if (hooks && !result)
        fs->f_type = remote ? NFS_SUPER_MAGIC : TMPFS_MAGIC;
    return result;
}

#define TWIN(name) __attribute__ ((alias (#name)))
int fstatat64 (int, const char *restrict, struct stat64 *restrict, int) TWIN (fstatat);
int lstat64 (const char *restrict, struct stat64 *restrict) TWIN (lstat);
int statfs64 (const char *, struct statfs64 *) TWIN (statfs);
