/* ev_op.h: what evring offers beyond libev.
 *
 * The loop can speak: ev_stats counts what it did, ev_dump shows what it holds. The environment variable
 * EVRING_STATS does the same for programs nobody can change: see evring(1).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EV_OP_H_
#define EV_OP_H_

#include "ev.h"
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a loop has done since it was made. Counters only grow; those of a mechanism the backend does not have
 * stay 0. New members will be added at the end: ev_stats fills as many bytes as the caller knows. */
struct ev_stats {
    unsigned backend;                 /* the EVBACKEND_* bit in use */
    unsigned ring_flags;              /* io_uring: set-up flags of the ring, IORING_SETUP_* */
    unsigned long long iterations;    /* times the loop polled */
    unsigned long long waits;         /* system calls that waited: io_uring_enter, epoll_wait, poll, select */
    unsigned long long enters;        /* io_uring: all io_uring_enter calls */
    unsigned long long submissions;   /* io_uring: entries the kernel took */
    unsigned long long completions;   /* io_uring: entries the kernel gave back */
    unsigned long long events;        /* descriptors reported ready */
    unsigned long long changes;       /* rows told to the kernel (epoll_ctl calls, poll requests) */
    unsigned long long polls_armed;   /* io_uring: poll requests submitted */
    unsigned long long polls_rearmed; /* io_uring: of these, again after their event */
    unsigned long long polls_removed; /* io_uring: poll requests taken back */
    unsigned long long stale;         /* reports dropped because they were about an earlier use of the fd */
    unsigned long long overflows;     /* io_uring: times the completion queue was full */
    unsigned long long sweeps;        /* io_uring: extra calls to fetch what one call does not hand out */
    unsigned long long rebuilds;      /* kernel objects made anew: fork, another thread, repair */
    unsigned long long parked;        /* io_uring: descriptors the ring refuses, served through epoll */
    unsigned long long wakeups;       /* times another thread or a signal handler woke the loop */
    unsigned long long callbacks;     /* callbacks called */
    unsigned long long fallbacks;     /* times the loop moved to another backend */
    int fallback_error;               /* errno that made it move, or that denied a better backend; 0: none */
};

/* Fills at most size bytes of stats. Returns how many bytes this library knows of. Any time, from the
 * thread that owns the loop. */
EV_API_DECL size_t ev_stats (EV_P_ struct ev_stats *stats, size_t size) EV_NOEXCEPT;

/* Prints rows, watchers, timers and ring state for a person to read. The format is not an interface. */
EV_API_DECL void ev_dump (EV_P_ FILE *out) EV_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
