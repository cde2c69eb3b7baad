/* world.h: a world in which time passes only when we say so. Owns the clocks, the sleeping system calls, the
 * clock-change notice (timerfd), the children a process can wait for, and the times and file system type that
 * files seem to have: the libraries' calls of these come here, because this program defines functions of the
 * same names. Promises that the same calls in the same order give the same answers, whatever the machine does.
 *
 * Time is a lattice: it rests on multiples of WORLD_STEP, a sleep ends on the first one not before its end
 * (3.5 ms of tolerance: libraries round their sleeps up, one to milliseconds, another to nanoseconds), and each
 * look at the clock takes one nanosecond, so that "strictly later" means what it means in life. */
#ifndef AGREE_WORLD_H
#define AGREE_WORLD_H

#include <stdint.h>

/* Nanoseconds. No whole part of 0.5 s, after which a loop reads the wall clock again (TM-2). */
#define WORLD_STEP 300000000LL
#define WORLD_STEP_SECONDS 0.3
#define WORLD_FOREVER \
    (160 * WORLD_STEP) /* the longest sleep: longer ones differ between libraries and end here */
#define WORLD_MONOTONIC (3333 * WORLD_STEP)
#define WORLD_WALL_SECONDS \
    2000000000.0 /* wall clock at the beginning; real time never gets there in a test */

/* What the inhabitants must supply. */
struct world_hooks {
    int64_t (*next) (void); /* when something is going to happen by itself, nanoseconds; INT64_MAX: never */
    void (*happen) (void);  /* it does */
    void (*looks) (void);   /* a library looks at the monotonic clock */
    /* Nobody watches this descriptor (-1: another epoll) for these epoll bits any more. See epoll_ctl in
     * world.c. */
    int (*stale) (int fd, unsigned bits);
};

void world_begin (const struct world_hooks *hooks, int remote_files);
void world_end (void); /* the real world again */

int64_t world_now (void);               /* monotonic nanoseconds since world_begin */
void world_pass (int steps);            /* time passes; things happen */
void world_set_wall (int steps);        /* somebody sets the wall clock forward (or back) */
void world_child (int pid, int status); /* a child has something to report; the caller raises SIGCHLD */

#endif
