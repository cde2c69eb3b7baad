/* seam.c: the calls by name, as the library makes them. Each is logged, takes a microsecond, and is a point at which the
 * world goes on and rings do their work. */
#include "kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

struct kernel k;
int trace;

/* ---- dice ---- */

static uint64_t dice_next (void)
{
    uint64_t z = k.dice + ++k.rolls * 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

int roll (int choices)
{
    return k.dice && !k.calm ? (int) (dice_next () % (unsigned) choices) : 0;
}

int trouble (unsigned kind, int once_in)
{
    return k.trouble & kind && !k.calm && roll (once_in) == 1;
}

/* ---- each call ---- */

void kernel_open (void)
{
    for (int ring = 0; ring < k.ring_top; ring++)
        k.rings[ring].used = 0;
    for (int file = 0; file < k.file_top; file++)
        k.files[file].kind = K_NONE;
    for (int i = 0; i < k.request_top; i++)
        k.requests[i].used = 0;
    for (int i = 0; i < k.item_top; i++)
        k.items[i].used = 0;
    memset (k.fds, -1, sizeof k.fds);
    memset (k.handlers, 0, sizeof k.handlers);
    k.file_top = k.ring_top = k.request_top = k.item_top = k.doing_count = k.at_exit_count = 0;
    k.doing_order = k.item_order = k.serials = k.wakes = k.wakes_of_requests = 0;
    k.call_count = k.hot_count = k.log_count = k.makings = 0;
    k.hash = 0;
    k.blocked = k.pending = 0;
    k.ring_refused = k.sets_refused = k.interrupted = k.entered = k.polls_one = k.calm = 0;
    k.dice = k.rolls = k.threads_gone = 0;
    k.thread = 1;
    k.children_until = 0;
    k.nofile = FDS;
    k.now = 1000 * SECOND;
    k.wall = INT64_C (1700000000) * SECOND;
    for (int fd = 0; fd < 3; fd++)
        fd_new (file_new (K_REGULAR));
    memory_open ();
}

void call_begin (void)
{
    k.call_count++;
    time_pass (MICRO);
}

void call_hot (void)
{
    k.hot_count++;
    call_begin ();
}

long call_end (const char *name, int64_t a, int64_t b, int64_t c, long result)
{
    k.calls[k.log_count++ % CALLS] = (struct call){ name, k.now, a, b, c, result };
    k.hash =
        (k.hash ^ (uint64_t) (result + a * 31 + b * 1009 + c * 70001) ^ (uint64_t) k.now) * 0x100000001b3;
    TRACE ("%10lld us  %s (%lld, %lld, %lld) = %ld\n", (long long) (k.now - 1000 * SECOND) / 1000, name,
           (long long) a, (long long) b, (long long) c, result);
    ring_switch ();
    if (result >= 0)
        return result;
    k.error = (int) -result;
    return -1;
}

/* ---- clocks ---- */

int sim_clock_gettime (clockid_t clock, struct timespec *ts)
{
    nanos at;

    k.now += 50;
    at = clock == CLOCK_REALTIME ? k.now + k.wall : k.now;
    ts->tv_sec = at / SECOND;
    ts->tv_nsec = at % SECOND;
    return 0;
}

int sim_gettimeofday (struct timeval *tv, void *zone)
{
    nanos at;

    (void) zone;
    k.now += 50;
    at = k.now + k.wall;
    tv->tv_sec = at / SECOND;
    tv->tv_usec = at % SECOND / 1000;
    return 0;
}

static int never (void *arg)
{
    (void) arg;
    return 0;
}

int sim_nanosleep (const struct timespec *ts, struct timespec *left)
{
    (void) left;
    call_begin ();
    time_sleep (k.now + ts->tv_sec * SECOND + ts->tv_nsec, never, NULL);
    return (int) call_end ("nanosleep", ts->tv_sec, ts->tv_nsec, 0, 0);
}

/* ---- memory ---- */

void *sim_mmap (void *wish, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory;

    (void) wish, (void) protection, (void) flags;
    call_begin ();
    memory = fd < 0 ? memory_map (size) : ring_map (fd, size, (uint64_t) offset);
    call_end ("mmap", (int64_t) size, fd, offset, memory ? 0 : -ENOMEM);
    if (fd < 0)
        memset (memory, 0, size);
    return memory ? memory : (void *) -1;
}

int sim_munmap (void *memory, size_t size)
{
    call_begin ();
    return (int) call_end ("munmap", (int64_t) size, 0, 0, memory_unmap (memory, size));
}

int sim_madvise (void *memory, size_t size, int advice)
{
    (void) memory;
    call_begin ();
    return (int) call_end ("madvise", (int64_t) size, advice, 0, 0);
}

/* ---- by number ---- */

enum {
    SYS_ACCEPT4 = 288,
    SYS_PREADV2 = 327,
    SYS_PWRITEV2 = 328,
    SYS_SETUP = 425,
    SYS_ENTER = 426,
    SYS_REGISTER = 427,
    SYS_PWAIT2 = 441,
    SYS_NOWAIT = 8 /* RWF_NOWAIT */
};

long sim_syscall (long number, ...)
{
    int64_t a[6];
    va_list arguments;

    va_start (arguments, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg (arguments, int64_t);
    va_end (arguments);
    if (number == SYS_ENTER || number == SYS_PWAIT2 || number < SYS_SETUP)
        call_hot ();
    else
        call_begin ();
    switch (number) {
    case SYS_ACCEPT4:
        return call_end ("accept4", (int) a[0], (int) a[3], 0, call_accept ((int) a[0], (int) a[3]));
    case SYS_PREADV2:
        return call_end ("preadv2", (int) a[0], (int) a[2], a[3],
                         call_readv ((int) a[0], (const void *) (uintptr_t) a[1], (int) a[2], a[3], 1));
    case SYS_PWRITEV2:
        return call_end ("pwritev2", (int) a[0], (int) a[2], a[3],
                         k.profile->bits & P_QUIET ? call_writev ((int) a[0], (const void *) (uintptr_t) a[1],
                                                                  (int) a[2], (int) a[5] & SYS_NOWAIT)
                                                   : -EOPNOTSUPP);
    case SYS_SETUP:
        return call_end ("io_uring_setup", (uint32_t) a[0], 0, 0,
                         ring_setup ((unsigned) a[0], (void *) (uintptr_t) a[1]));
    case SYS_ENTER:
        return call_end ("io_uring_enter", (uint32_t) a[1], (uint32_t) a[2], (uint32_t) a[3],
                         ring_enter ((int) a[0], (unsigned) a[1], (unsigned) a[2], (unsigned) a[3],
                                     (void *) (uintptr_t) a[4], (size_t) a[5]));
    case SYS_REGISTER:
        return call_end (
            "io_uring_register", (int) a[0], (uint32_t) a[1], 0,
            ring_register ((int) a[0], (unsigned) a[1], (void *) (uintptr_t) a[2], (unsigned) a[3]));
    case SYS_PWAIT2:
        return call_end (
            "epoll_pwait2", (int) a[0], (int) a[2], 0,
            call_pwait2 ((int) a[0], (void *) (uintptr_t) a[1], (int) a[2], (void *) (uintptr_t) a[3]));
    default:
        fail (0, "system call %ld is not in the model", number);
    }
}

/* ---- not in the model ---- */

#define MISSING(name)                               \
    void sim_##name (void);                         \
    void sim_##name (void)                          \
    {                                               \
        fail (0, #name " is not in the model yet"); \
    }
MISSING (connect)
MISSING (fdatasync)
MISSING (fstatfs)
MISSING (fsync)
MISSING (ftruncate)
MISSING (lstat)
MISSING (mkdirat)
MISSING (openat)
MISSING (pwritev)
MISSING (socket)
MISSING (statfs)
MISSING (unlinkat)
