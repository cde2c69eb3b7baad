/* io_kit.h: what the readiness tests share: an io watcher that counts, bounded waiting, skips for the
 * reference. Promises that no wait here is endless, and that nothing here depends on how fast the machine is. */
#ifndef IO_KIT_H
#define IO_KIT_H

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIT_UNUSED __attribute__ ((unused))
#define KIT_BAD_FD (EV_ERROR | EV_READ | EV_WRITE) /* what a watcher of an invalid descriptor is told */

/* Is this kernel that one, or a later one? */
static KIT_UNUSED int kit_kernel_from (int major, int minor)
{
    struct utsname kernel;
    int its_major = 0, its_minor = 0;

    uname (&kernel);
    sscanf (kernel.release, "%d.%d", &its_major, &its_minor);
    return its_major > major || (its_major == major && its_minor >= minor);
}

struct kit_io {
    ev_io w; /* first, so that the watcher is the kit_io */
    int calls;
    int revents; /* of the last call */
    int active_in_callback;
};

static KIT_UNUSED void kit_count (EV_P_ ev_io *w, int revents)
{
    struct kit_io *io = (struct kit_io *) w;

    io->calls++;
    io->revents = revents;
    io->active_in_callback = ev_is_active (w);
}

/* Starts a counting watcher; its counters begin at 0. */
static KIT_UNUSED void kit_start (struct ev_loop *loop, struct kit_io *io, int fd, int events)
{
    *io = (struct kit_io){ .calls = 0 };
    ev_io_init (&io->w, kit_count, fd, events);
    ev_io_start (loop, &io->w);
}

static KIT_UNUSED void kit_stop_close (struct ev_loop *loop, struct kit_io *io)
{
    ev_io_stop (loop, &io->w);
    close (io->w.fd);
}

/* A loop that has quietly moved to another backend proves nothing about the one in turn. */
static KIT_UNUSED void kit_same_backend (struct ev_loop *loop)
{
    if (test_backend)
        ck_assert_msg (ev_backend (loop) == test_backend, "the loop has moved to backend 0x%x",
                       ev_backend (loop));
}

static KIT_UNUSED void kit_nowait (struct ev_loop *loop, int times)
{
    while (times--)
        ev_run (loop, EVRUN_NOWAIT);
    kit_same_backend (loop);
}

static KIT_UNUSED void kit_nothing (EV_P_ ev_timer *w, int revents)
{
}

/* Runs until *count has reached wanted; 0 when it has not within so many seconds. */
static KIT_UNUSED int kit_until (struct ev_loop *loop, const int *count, int wanted, double seconds)
{
    double end = test_clock () + seconds;
    ev_timer tick;

    ev_timer_init (&tick, kit_nothing, 0.02, 0.02);
    ev_timer_start (loop, &tick);
    while (*count < wanted && test_clock () < end)
        ev_run (loop, EVRUN_ONCE);
    ev_timer_stop (loop, &tick);
    kit_same_backend (loop);
    return *count >= wanted;
}

static KIT_UNUSED void kit_over (EV_P_ ev_timer *w, int revents)
{
    *(int *) w->data = 1;
}

/* Runs one iteration, which a timer is to end. Nonzero: nothing else did before. */
static KIT_UNUSED int kit_sleeps (struct ev_loop *loop, double seconds)
{
    int over = 0;
    ev_timer timer;

    ev_now_update (loop);
    ev_timer_init (&timer, kit_over, seconds, 0.);
    timer.data = &over;
    ev_timer_start (loop, &timer);
    ev_run (loop, EVRUN_ONCE);
    ev_timer_stop (loop, &timer);
    return over;
}

static KIT_UNUSED void kit_break (EV_P_ ev_timer *w, int revents)
{
    ev_break (EV_A_ EVBREAK_ALL);
}

/* Runs the loop for about so many seconds; returns how many iterations that took. */
static KIT_UNUSED unsigned kit_run_for (struct ev_loop *loop, double seconds)
{
    unsigned before = ev_iteration (loop);
    ev_timer end;

    ev_now_update (loop);
    ev_timer_init (&end, kit_break, seconds, 0.);
    ev_timer_start (loop, &end);
    ev_run (loop, 0);
    ev_timer_stop (loop, &end);
    kit_same_backend (loop);
    return ev_iteration (loop) - before;
}

static KIT_UNUSED int kit_polls_within (int fd, short events, int milliseconds)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll (&p, 1, milliseconds) == 1 ? p.revents : 0;
}

static KIT_UNUSED int kit_polls (int fd, short events)
{
    return kit_polls_within (fd, events, 0);
}

/* Does this end see that the other one is closed, without any run of the loop? Not always at once: over TCP it takes
 * its time, and whoever reads /proc/PID/fd holds what is in there, on a busy machine for some milliseconds. */
static KIT_UNUSED int kit_eof (int fd)
{
    char byte;

    return (kit_polls_within (fd, POLLIN, 1000) & (POLLIN | POLLHUP)) && read (fd, &byte, 1) <= 0;
}

static KIT_UNUSED void kit_put (int fd)
{
    ck_assert_int_eq (write (fd, "x", 1), 1);
}

static KIT_UNUSED void kit_get (int fd)
{
    char byte;

    ck_assert_int_eq (read (fd, &byte, 1), 1);
}

/* Callbacks that count, and then take a byte, or stop and close. */
static KIT_UNUSED void kit_take (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    kit_get (w->fd);
}

static KIT_UNUSED void kit_leave (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    kit_stop_close (EV_A_ (struct kit_io *) w);
}

/* Fills a stream until it takes no more. TCP moves data to the peer meanwhile: look again after a while. */
static KIT_UNUSED void kit_fill (int fd)
{
    static const char page[65536];

    for (int still = 0; still < 6; still++) {
        if (kit_polls (fd, POLLOUT))
            still = 0;
        while (write (fd, page, sizeof page) > 0)
            ;
        ck_assert_int_eq (errno, EAGAIN);
        usleep (10000);
    }
}

/* A descriptor number that is not open, and that no open will give out soon. */
static KIT_UNUSED int kit_closed_fd (void)
{
    int fd = fcntl (0, F_DUPFD, 150);

    ck_assert_int_ge (fd, 0);
    close (fd);
    return fd;
}

/* Ends the test as skipped unless so many descriptors may be open. */
static KIT_UNUSED void kit_need_fds (rlim_t count)
{
    struct rlimit limit;

    ck_assert_int_eq (getrlimit (RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= count)
        return;
    if (limit.rlim_max < count)
        test_skip ("the hard limit on descriptors is too low");
    limit.rlim_cur = count;
    ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

static KIT_UNUSED int kit_uring (void)
{
    return test_backend == EVBACKEND_IOURING;
}

/* What follows is a promise of evring that the reference is known to break. */
static KIT_UNUSED void kit_not_stock (unsigned backends, const char *why)
{
#ifdef STOCK_LIBEV
    if (!test_backend || (backends & test_backend))
        test_skip (why);
#else
    (void) backends;
    (void) why;
#endif
}

#endif
