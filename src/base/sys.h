/* sys.h: every system call we make, one thin call each, answering -errno.
 * This is the seam: with EVI_TEST a test may make any of them fail (evi_sys_fault). */
#ifndef EVI_SYS_H
#define EVI_SYS_H

#include "base.h"

#include <sys/types.h>
#include <time.h>

#include <errno.h>

#ifdef EVI_TEST
/* Asked before each call, with its name: 0 to let it happen, -errno to answer that instead. */
extern int (*evi_sys_fault) (const char *call);
#define EVI_SYS_FAULT_AS(call, answer)                        \
    do {                                                      \
        int fault = evi_sys_fault ? evi_sys_fault (call) : 0; \
        if (fault)                                            \
            return answer;                                    \
    } while (0)
#else
#define EVI_SYS_FAULT_AS(call, answer) ((void) 0)
#endif
#define EVI_SYS_FAULT(call) EVI_SYS_FAULT_AS (call, fault)

/* The answer of a call in the C convention, as -errno. */
EVI_INLINE int evi_sys_result (long result)
{
    return result < 0 ? -errno : (int) result;
}

/* Descriptors we make are close-on-exec, and non-blocking where they are read. */
EVI int evi_sys_close (int fd);
EVI int evi_sys_option (int fd, int option); /* of SOL_SOCKET, one that is a number; or -errno */
EVI int evi_sys_serves (
    int fd); /* nonzero: a socket that waits for strangers: it listens, or takes datagrams from all */
EVI int evi_sys_fd_valid (
    int fd); /* 0 or -EBADF; O_PATH descriptors count as invalid: nothing can wait for them; else it cannot tell */
/* Nonzero: the number stands for another kind of file now ("[eventpoll]", "[io_uring]"): it is somebody else's, who got it
 * when the program had closed ours. 0 also where nobody can tell. */
EVI_COLD EVI int evi_sys_is_strange (int fd, const char *kind);
EVI ssize_t evi_sys_read (int fd, void *data, size_t size);
EVI ssize_t evi_sys_write (int fd, const void *data, size_t size);
EVI int evi_sys_eventfd (void);
EVI int evi_sys_pipe (int fd[2]);
EVI int evi_sys_dup_onto (int from, int to); /* dup2, close-on-exec kept */

EVI ev_tstamp evi_sys_monotonic (void);
EVI ev_tstamp evi_sys_wall (void);
EVI void evi_sys_sleep (ev_tstamp delay);
EVI struct timespec evi_sys_timespec (ev_tstamp seconds); /* rounded up to the next nanosecond */

EVI_DATA unsigned *evi_sys_birth;                             /* a page that a fork child finds zeroed */
EVI_COLD EVI unsigned evi_sys_process_first (unsigned *page); /* the page, or the number, has to be made */

/* A number that differs between a process and the children it forks. Costs one load where the kernel has
 * MADV_WIPEONFORK (4.14), else a getpid. Works in a child whose program forgot to tell us of the fork. */
EVI_INLINE_HOT unsigned evi_sys_process (void)
{
    unsigned *page = __atomic_load_n (&evi_sys_birth, __ATOMIC_ACQUIRE);
    unsigned number = EVI_LIKELY (page != NULL) ? __atomic_load_n (page, __ATOMIC_RELAXED) : 0;

    return EVI_LIKELY (number) ? number : evi_sys_process_first (page);
}

/* Nonzero: this is the process with that number. Zero: probably not; ask evi_sys_process. */
EVI_INLINE_HOT int evi_sys_same_process (unsigned number)
{
    unsigned *page = __atomic_load_n (&evi_sys_birth, __ATOMIC_ACQUIRE);

    return EVI_LIKELY (page && __atomic_load_n (page, __ATOMIC_RELAXED) == number);
}

/* Called in each child that fork makes, not in those of vfork and clone. For good. */
EVI void evi_sys_at_fork (void (*in_child) (void));

/* An environment variable. NULL: it is not set, or was chosen by somebody who has fewer rights than the program. */
EVI const char *evi_sys_environment (const char *name);
EVI int evi_sys_in_disguise (void); /* nonzero: real and effective user or group differ */

EVI uintptr_t evi_sys_thread (void); /* which thread this is */

/* 1: a seccomp filter watches this process; 0: none; -errno: cannot tell. */
EVI int evi_sys_seccomp (void);
/* 1: a filter is to be expected: one stands already, rights cannot be gained any more (without that few may install one), or
 * the library that makes them is loaded; 0: no sign of that; -errno: cannot tell. */
EVI_COLD EVI int evi_sys_sandboxed (void);

/* The next child that ended, stopped or went on: its pid; 0 or -errno when there is none. */
EVI int evi_sys_wait_child (int *status);

#if EV_USE_SELECT
struct timeval;
EVI int evi_sys_select (int count, void *reads, void *writes, struct timeval *limit);
#endif
#if EV_USE_POLL || EV_USE_IOURING
struct pollfd;
EVI int evi_sys_poll (struct pollfd *fds, unsigned count, int limit_ms);
#endif
#if EVI_LINUX
struct epoll_event;
EVI int evi_sys_epoll_create (void);
EVI int evi_sys_epoll_ctl (int epoll, int action, int fd, struct epoll_event *event);
/* limit NULL: forever. fine: nanosecond precision where the kernel has epoll_pwait2 (5.11), else milliseconds, rounded up. */
EVI int evi_sys_epoll_wait (int epoll, struct epoll_event *events, int room, const struct timespec *limit,
                            int fine);
#endif
#if EV_USE_SIGNALFD
EVI int evi_sys_signalfd (int fd, const sigset_t *set);
#endif
#if EV_USE_TIMERFD
EVI int evi_sys_timerfd_wall (void);                       /* CLOCK_REALTIME */
EVI int evi_sys_timerfd_arm_cancel (int fd, ev_tstamp at); /* readable when the wall clock is set */
#endif
#if EV_USE_INOTIFY
EVI int evi_sys_inotify (void);
EVI int evi_sys_inotify_add (int fd, const char *path, unsigned mask);
EVI int evi_sys_inotify_remove (int fd, int wd);
#endif
#if EV_USE_IOURING
struct io_uring_params;
EVI int evi_sys_uring_setup (unsigned entries, void *params);
EVI int evi_sys_uring_enter (int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg,
                             size_t size);
EVI int evi_sys_uring_register (int fd, unsigned opcode, const void *arg, unsigned count);
EVI void *evi_sys_uring_map (int fd, size_t size,
                             uint64_t offset); /* NULL on failure; not inherited by fork children */
EVI void *evi_sys_ring_memory (size_t size);   /* the same, without a ring: zeroed pages */
#endif
EVI void evi_sys_unmap (void *memory, size_t size);

#endif
