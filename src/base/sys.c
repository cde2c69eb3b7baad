/* sys.c: the kernel, one thin call each. The only file that reads errno after a call.
 * Raw system call numbers where a C library may be older than the kernel. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#if EV_USE_SELECT
#include <sys/select.h>
#endif
#if EV_USE_POLL || EV_USE_IOURING
#include <poll.h>
#endif
#if EVI_LINUX
#include <link.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#endif
#if EV_USE_EVENTFD
#include <sys/eventfd.h>
#endif
#if EV_USE_SIGNALFD
#include <sys/signalfd.h>
#endif
#if EV_USE_TIMERFD
#include <sys/timerfd.h>
#endif
#if EV_USE_INOTIFY
#include <sys/inotify.h>
#endif

#ifdef EVI_TEST
int (*evi_sys_fault) (const char *call);
#endif

EVI int evi_sys_close (int fd)
{
    return evi_sys_result (close (fd));
}

EVI int evi_sys_option (int fd, int option)
{
    int value = 0;
    socklen_t size = sizeof value;

    EVI_SYS_FAULT ("getsockopt");
    return getsockopt (fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -errno;
}

/* One call for what is connected, or no socket. */
EVI int evi_sys_serves (int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;

    EVI_SYS_FAULT_AS ("getpeername", 0);
    if (getpeername (fd, (struct sockaddr *) &peer, &size) == 0 || errno != ENOTCONN)
        return 0;
    return evi_sys_option (fd, SO_ACCEPTCONN) > 0 || evi_sys_option (fd, SO_TYPE) == SOCK_DGRAM;
}

EVI int evi_sys_fd_valid (int fd)
{
    int flags;

    EVI_SYS_FAULT_AS ("fcntl", -ENOSYS); /* it cannot tell: EBADF would mean what it says */
    flags = fcntl (fd, F_GETFL);
    if (flags < 0)
        return -errno;
#ifdef O_PATH
    if (flags & O_PATH)
        return -EBADF;
#endif
    return 0;
}

EVI_COLD EVI int evi_sys_is_strange (int fd, const char *kind)
{
    char path[40], what[64];
    ssize_t size;

    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    EVI_SYS_FAULT_AS ("readlink", 0);
    size = readlink (path, what, sizeof what - 1);
    if (size < 0)
        return 0;
    what[size] = 0;
    return !strstr (what, kind);
}

EVI ssize_t evi_sys_read (int fd, void *data, size_t size)
{
    ssize_t got;

    EVI_SYS_FAULT ("read");
    got = read (fd, data, size);
    return got < 0 ? -errno : got;
}

EVI ssize_t evi_sys_write (int fd, const void *data, size_t size)
{
    ssize_t put;

    EVI_SYS_FAULT ("write");
    put = write (fd, data, size);
    return put < 0 ? -errno : put;
}

static int sys_quiet (int fd)
{
    EVI_SYS_FAULT ("fcntl");
    if (fcntl (fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl (fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

EVI int evi_sys_eventfd (void)
{
    EVI_SYS_FAULT ("eventfd");
#if EV_USE_EVENTFD
    return evi_sys_result (eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK));
#else
    return -ENOSYS;
#endif
}

EVI int evi_sys_pipe (int fd[2])
{
    int err;

    EVI_SYS_FAULT ("pipe");
    if (pipe (fd) < 0)
        return -errno;
    err = sys_quiet (fd[0]);
    if (!err)
        err = sys_quiet (fd[1]);
    if (err) {
        close (fd[0]);
        close (fd[1]);
    }
    return err;
}

EVI int evi_sys_dup_onto (int from, int to)
{
    EVI_SYS_FAULT ("dup2");
    if (dup2 (from, to) < 0)
        return -errno;
    return fcntl (to, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

EVI ev_tstamp evi_sys_monotonic (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return (ev_tstamp) now.tv_sec + (ev_tstamp) now.tv_nsec * 1e-9;
}

/* Microseconds, as programs have always seen from ev_time (GL-5). */
EVI ev_tstamp evi_sys_wall (void)
{
    struct timeval now;

    gettimeofday (&now, NULL);
    return (ev_tstamp) now.tv_sec + (ev_tstamp) now.tv_usec * 1e-6;
}

EVI struct timespec evi_sys_timespec (ev_tstamp seconds)
{
    struct timespec ts;

    ts.tv_sec = (time_t) seconds;
    ts.tv_nsec = (long) ((seconds - (ev_tstamp) ts.tv_sec) * 1e9) + 1;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return ts;
}

EVI void evi_sys_sleep (ev_tstamp delay)
{
    struct timespec ts = evi_sys_timespec (delay);

    nanosleep (&ts, NULL);
}

/* ---- which process is this? ---- */

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

EVI_HOME unsigned *evi_sys_birth;
static int sys_birth_refused;    /* an old kernel: ask for the pid instead */
static unsigned sys_generations; /* ids given out on the way to this process */

static unsigned *sys_birth_page (void)
{
    size_t size = (size_t) sysconf (_SC_PAGESIZE);
    unsigned *none = NULL;
    unsigned *page = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return NULL;
    if (madvise (page, size, MADV_WIPEONFORK) < 0) {
        __atomic_store_n (&sys_birth_refused, 1, __ATOMIC_RELAXED);
        munmap (page, size);
    } else if (!__atomic_compare_exchange_n (&evi_sys_birth, &none, page, 0, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE))
        munmap (page, size); /* another thread was first */
    return __atomic_load_n (&evi_sys_birth, __ATOMIC_ACQUIRE);
}

/* The first thread that asks gives the number. */
EVI_COLD EVI unsigned evi_sys_process_first (unsigned *page)
{
    unsigned none = 0, number;

    if (!page)
        page = __atomic_load_n (&sys_birth_refused, __ATOMIC_RELAXED) ? NULL : sys_birth_page ();
    if (!page)
        return (unsigned) getpid ();
    number = __atomic_add_fetch (&sys_generations, 1, __ATOMIC_RELAXED);
    __atomic_compare_exchange_n (page, &none, number, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return __atomic_load_n (page, __ATOMIC_RELAXED);
}

EVI int evi_sys_in_disguise (void)
{
    return getuid () != geteuid () || getgid () != getegid ();
}

/* The kernel says it of a program that gained rights when it was executed (by its owner, or by capabilities of its
 * file), whatever has become of its ids since. */
static int sys_secure (void)
{
#if EVI_LINUX
    return getauxval (AT_SECURE) != 0;
#else
    return evi_sys_in_disguise ();
#endif
}

EVI const char *evi_sys_environment (const char *name)
{
    return sys_secure () ? NULL : getenv (name);
}

EVI void evi_sys_at_fork (void (*in_child) (void))
{
    pthread_atfork (NULL, NULL, in_child);
}

EVI uintptr_t evi_sys_thread (void)
{
    return (uintptr_t) pthread_self ();
}

enum { SYS_STATUS = 4096 };

/* Read from /proc rather than asked with prctl: a filter may kill whoever calls prctl. 0 or -errno. */
static int sys_status (char text[SYS_STATUS])
{
    ssize_t size;
    int fd;

    EVI_SYS_FAULT ("open");
    fd = open ("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size = evi_sys_read (fd, text, SYS_STATUS - 1);
    close (fd);
    text[size < 0 ? 0 : size] = 0;
    return size < 0 ? (int) size : 0;
}

static int sys_status_says (const char *text, const char *label)
{
    const char *line = strstr (text, label);

    return line ? atoi (line + strlen (label)) != 0 : 0;
}

EVI int evi_sys_seccomp (void)
{
    char text[SYS_STATUS];
    int err = sys_status (text);

    return err < 0 ? err : sys_status_says (text, "\nSeccomp:");
}

#if EVI_LINUX
/* As <link.h> has it, which keeps it for _GNU_SOURCE. */
struct dl_phdr_info;
extern int dl_iterate_phdr (int (*each) (struct dl_phdr_info *info, size_t size, void *data), void *data);

/* What info begins with, on every C library. */
struct sys_object {
    uintptr_t at;
    const char *name;
};

static int sys_is_libseccomp (struct dl_phdr_info *info, size_t size, void *data)
{
    const struct sys_object *object = (const struct sys_object *) (const void *) info;

    (void) size;
    (void) data;
    return object->name && strstr (object->name, "/libseccomp.so") != NULL;
}
#endif

/* The library is looked for first: that takes no system call, which a filter might kill for. */
EVI_COLD EVI int evi_sys_sandboxed (void)
{
    char text[SYS_STATUS];
    int err;

#if EVI_LINUX
    if (dl_iterate_phdr (sys_is_libseccomp, NULL))
        return 1;
#endif
    err = sys_status (text);
    if (err < 0)
        return err;
    return sys_status_says (text, "\nSeccomp:") || sys_status_says (text, "\nNoNewPrivs:");
}

#ifndef WCONTINUED
#define WCONTINUED 0
#endif

EVI int evi_sys_wait_child (int *status)
{
    EVI_SYS_FAULT ("waitpid");
    return evi_sys_result (waitpid (-1, status, WNOHANG | WUNTRACED | WCONTINUED));
}

/* ---- waiting ---- */

#if EV_USE_SELECT
EVI int evi_sys_select (int count, void *reads, void *writes, struct timeval *limit)
{
    EVI_SYS_FAULT ("select");
    return evi_sys_result (select (count, (fd_set *) reads, (fd_set *) writes, NULL, limit));
}
#endif

#if EV_USE_POLL || EV_USE_IOURING
EVI int evi_sys_poll (struct pollfd *fds, unsigned count, int limit_ms)
{
    EVI_SYS_FAULT ("poll");
    return evi_sys_result (poll (fds, count, limit_ms));
}
#endif

#if EVI_LINUX
EVI int evi_sys_epoll_create (void)
{
    EVI_SYS_FAULT ("epoll_create");
    return evi_sys_result (epoll_create1 (EPOLL_CLOEXEC));
}

EVI int evi_sys_epoll_ctl (int epoll, int action, int fd, struct epoll_event *event)
{
    EVI_SYS_FAULT ("epoll_ctl");
    return evi_sys_result (epoll_ctl (epoll, action, fd, event));
}

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* the same on every architecture, alpha excepted */
#endif

static int sys_epoll_coarse; /* the kernel, or a filter, does not let us use epoll_pwait2: for good */

static int sys_epoll_ms (const struct timespec *limit)
{
    if (!limit)
        return -1;
    if (limit->tv_sec > 2000000)
        return 2000000 * 1000;
    return (int) (limit->tv_sec * 1000 + (limit->tv_nsec + 999999) / 1000000);
}

static int sys_epoll_wait_fine (int epoll, struct epoll_event *events, int room, const struct timespec *limit)
{
    /* the kernel's timespec is 64 bit here, whatever the C library's is */
    int64_t wide[2] = { limit->tv_sec, limit->tv_nsec };

    return evi_sys_result (syscall (SYS_epoll_pwait2, epoll, events, room, wide, NULL, 0));
}

static int sys_epoll_wait_coarse (int epoll, struct epoll_event *events, int room,
                                  const struct timespec *limit)
{
    return evi_sys_result (epoll_wait (epoll, events, room, sys_epoll_ms (limit)));
}

/* The new call was refused, by a filter with whatever error it likes, unless the old one has the same to say. */
EVI_COLD static int sys_epoll_doubt (int epoll, struct epoll_event *events, int room,
                                     const struct timespec *limit, int err)
{
    int count = sys_epoll_wait_coarse (epoll, events, room, limit);

    if (count != err)
        __atomic_store_n (&sys_epoll_coarse, 1, __ATOMIC_RELAXED);
    return count;
}

EVI int evi_sys_epoll_wait (int epoll, struct epoll_event *events, int room, const struct timespec *limit,
                            int fine)
{
    int count;

    EVI_SYS_FAULT ("epoll_wait");
    if (!fine || !limit || !(limit->tv_sec || limit->tv_nsec)
        || __atomic_load_n (&sys_epoll_coarse, __ATOMIC_RELAXED))
        return sys_epoll_wait_coarse (epoll, events, room, limit);
    count = sys_epoll_wait_fine (epoll, events, room, limit);
    return count >= 0 || count == -EINTR ? count : sys_epoll_doubt (epoll, events, room, limit, count);
}
#endif

/* ---- helpers of watchers ---- */

#if EV_USE_SIGNALFD
EVI int evi_sys_signalfd (int fd, const sigset_t *set)
{
    EVI_SYS_FAULT ("signalfd");
    return evi_sys_result (signalfd (fd, set, SFD_NONBLOCK | SFD_CLOEXEC));
}
#endif

#if EV_USE_TIMERFD
#ifndef TFD_TIMER_CANCEL_ON_SET
#define TFD_TIMER_CANCEL_ON_SET 2
#endif

EVI int evi_sys_timerfd_wall (void)
{
    EVI_SYS_FAULT ("timerfd_create");
    return evi_sys_result (timerfd_create (CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
}

EVI int evi_sys_timerfd_arm_cancel (int fd, ev_tstamp at)
{
    struct itimerspec spec = { .it_value.tv_sec = (time_t) at };

    EVI_SYS_FAULT ("timerfd_settime");
    return evi_sys_result (timerfd_settime (fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL));
}
#endif

#if EV_USE_INOTIFY
EVI int evi_sys_inotify (void)
{
    EVI_SYS_FAULT ("inotify_init");
    return evi_sys_result (inotify_init1 (IN_CLOEXEC | IN_NONBLOCK));
}

EVI int evi_sys_inotify_add (int fd, const char *path, unsigned mask)
{
    EVI_SYS_FAULT ("inotify_add_watch");
    return evi_sys_result (inotify_add_watch (fd, path, mask));
}

EVI int evi_sys_inotify_remove (int fd, int wd)
{
    EVI_SYS_FAULT ("inotify_rm_watch");
    return evi_sys_result (inotify_rm_watch (fd, wd));
}
#endif

/* ---- io_uring: the numbers are the same on every architecture, alpha excepted ---- */

#if EV_USE_IOURING
enum { SYS_URING_SETUP = 425, SYS_URING_ENTER = 426, SYS_URING_REGISTER = 427 };

EVI int evi_sys_uring_setup (unsigned entries, void *params)
{
    EVI_SYS_FAULT ("io_uring_setup");
    return evi_sys_result (syscall (SYS_URING_SETUP, entries, params));
}

EVI int evi_sys_uring_enter (int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg,
                             size_t size)
{
    EVI_SYS_FAULT ("io_uring_enter");
    return evi_sys_result (syscall (SYS_URING_ENTER, fd, submit, wait, flags, arg, size));
}

EVI int evi_sys_uring_register (int fd, unsigned opcode, const void *arg, unsigned count)
{
    EVI_SYS_FAULT ("io_uring_register");
    return evi_sys_result (syscall (SYS_URING_REGISTER, fd, opcode, arg, count));
}

static void *sys_map_ring (int fd, size_t size, uint64_t offset, int flags)
{
    void *memory;

    EVI_SYS_FAULT_AS ("mmap", NULL);
    memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | flags, fd, (off_t) offset);

    if (memory == MAP_FAILED)
        return NULL;
    madvise (memory, size, MADV_DONTFORK); /* a child that finds the parent's ring can only do harm */
    return memory;
}

EVI void *evi_sys_uring_map (int fd, size_t size, uint64_t offset)
{
    return sys_map_ring (fd, size, offset, 0);
}

EVI void *evi_sys_ring_memory (size_t size)
{
    return sys_map_ring (-1, size, 0, MAP_ANONYMOUS);
}
#endif

EVI void evi_sys_unmap (void *memory, size_t size)
{
    munmap (memory, size);
}
