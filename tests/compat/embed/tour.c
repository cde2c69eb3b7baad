/* tour.c: a program that embeds the library and uses every watcher kind its options leave, on every backend
 * they leave. It adapts to the options as programs do: with EV_P and EV_A, and #if EV_X_ENABLE. A recipe may
 * say with -DTOUR_BACKENDS=MASK which backends it means to leave. Exits with 0 if all went well. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif

#ifdef EV_CONFIG_H
#include EV_CONFIG_H
#endif
#ifdef EV_H
#include EV_H
#else
#include "ev.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* It takes the & after EV_A_ for an operator. */
/* clang-format off */

#if EV_MULTIPLICITY
#define IGNORE_LOOP (void) loop
#else
#define IGNORE_LOOP (void) 0
#endif

/* ---- bookkeeping ---- */

enum { ORDER_MAX = 8 };

static int failures, calls, seen;
static const void *order[ORDER_MAX]; /* who was called, first to last */
static unsigned backend;             /* the one in turn */

static void expect (int holds, const char *what)
{
    if (holds)
        return;
    printf ("backend %#x: does not hold: %s\n", backend, what);
    failures++;
}

static void called (const void *w, int revents)
{
    if (calls < ORDER_MAX)
        order[calls] = w;
    calls++;
    seen |= revents;
}

static void expect_calls (int wanted, int revents, const char *what)
{
    if (calls != wanted || seen != revents)
        printf ("%d calls with %#x: ", calls, (unsigned) seen);
    expect (calls == wanted && seen == revents, what);
    calls = seen = 0;
}

#define ON(kind)                                                                                            \
    static void on_##kind (EV_P_ ev_##kind *w, int revents)                                                 \
    {                                                                                                       \
        IGNORE_LOOP;                                                                                        \
        called (w, revents);                                                                                \
    }

ON (timer)

static void on_guard (EV_P_ ev_timer *w, int revents)
{
    IGNORE_LOOP;
    (void) w, (void) revents;
}

/* Runs until a callback has been called; gives up after a while that is long enough for slow machines. */
static void run_until_called (EV_P)
{
    ev_timer guard;

    ev_timer_init (&guard, on_guard, 10., 0.);
    ev_timer_start (EV_A_ &guard);
    while (!calls && ev_is_active (&guard))
        ev_run (EV_A_ EVRUN_ONCE);
    ev_timer_stop (EV_A_ &guard);
}

/* ---- one stop per kind ---- */

static void timers (EV_P)
{
    ev_timer once, again;

    ev_timer_init (&once, on_timer, 0.001, 0.);
    ev_timer_start (EV_A_ &once);
    ev_run (EV_A_ 0);
    expect_calls (1, EV_TIMER, "a timer fires once, and then the loop has nothing to wait for");
    ev_init (&again, on_timer);
    again.repeat = 0.001;
    ev_timer_again (EV_A_ &again);
    run_until_called (EV_A);
    expect (ev_is_active (&again), "a repeating timer goes on");
    ev_timer_stop (EV_A_ &again);
    expect_calls (1, EV_TIMER, "a repeating timer fires");
}

ON (io)

static void descriptors (EV_P)
{
    ev_io in, out;
    int fd[2];

    if (pipe (fd))
        exit (99);
    ev_io_init (&in, on_io, fd[0], EV_READ);
    ev_io_init (&out, on_io, fd[1], EV_WRITE);
    ev_io_start (EV_A_ &in);
    ev_run (EV_A_ EVRUN_NOWAIT);
    expect_calls (0, 0, "an empty pipe is not readable");
    ev_io_start (EV_A_ &out);
    run_until_called (EV_A);
    ev_io_stop (EV_A_ &out);
    expect_calls (1, EV_WRITE, "an empty pipe is writable");
    expect (write (fd[1], "x", 1) == 1, "a pipe takes a byte");
    run_until_called (EV_A);
    ev_io_stop (EV_A_ &in);
    expect_calls (1, EV_READ, "a pipe with a byte in it is readable");
    close (fd[0]);
    close (fd[1]);
}

static int once_events;

static void on_once (int revents, void *arg)
{
    once_events = revents;
    called (arg, revents);
}

static void once (EV_P)
{
    ev_once (EV_A_ -1, 0, 0., on_once, &once_events);
    run_until_called (EV_A);
    expect (order[0] == &once_events, "ev_once passes its argument on");
    expect_calls (1, EV_TIMER, "ev_once calls once");
}

static void feeding (EV_P)
{
    ev_timer w;

    ev_init (&w, on_timer);
    ev_feed_event (EV_A_ &w, EV_CUSTOM);
    expect (ev_is_pending (&w), "a fed watcher is pending");
    ev_invoke_pending (EV_A);
    expect_calls (1, EV_CUSTOM, "a fed event is delivered");
    ev_feed_event (EV_A_ &w, EV_CUSTOM);
    expect (ev_clear_pending (EV_A_ &w) == EV_CUSTOM, "a pending event is taken back");
    ev_invoke (EV_A_ &w, EV_READ);
    expect_calls (1, EV_READ, "ev_invoke calls at once");
}

static void priorities (EV_P)
{
    ev_timer low, high;

    ev_init (&low, on_timer);
    ev_init (&high, on_timer);
    ev_set_priority (&low, EV_MINPRI);
    ev_set_priority (&high, EV_MAXPRI);
    expect (ev_priority (&low) == EV_MINPRI && ev_priority (&high) == EV_MAXPRI, "priorities are kept");
    ev_feed_event (EV_A_ &high, EV_CUSTOM);
    ev_feed_event (EV_A_ &low, EV_CUSTOM);
    ev_invoke_pending (EV_A);
    if (EV_MINPRI < EV_MAXPRI)
        expect (order[0] == &high && order[1] == &low, "the higher priority comes first");
    expect_calls (2, EV_CUSTOM, "both priorities are called");
}

#if EV_PERIODIC_ENABLE
ON (periodic)

static void periodics (EV_P)
{
    ev_periodic w;

    ev_periodic_init (&w, on_periodic, ev_now (EV_A) + 0.001, 0., 0);
    ev_periodic_start (EV_A_ &w);
    run_until_called (EV_A);
    expect (!ev_is_active (&w), "a periodic without interval is stopped when its time has come");
    expect_calls (1, EV_PERIODIC, "a periodic fires when its time has come");
}
#endif

#if EV_SIGNAL_ENABLE
ON (signal)

static void tour_signals (EV_P)
{
    ev_signal w;

    ev_signal_init (&w, on_signal, SIGUSR1);
    ev_signal_start (EV_A_ &w);
    raise (SIGUSR1);
    run_until_called (EV_A);
    expect_calls (1, EV_SIGNAL, "a signal is noticed");
    ev_feed_signal (SIGUSR1);
    run_until_called (EV_A);
    expect_calls (1, EV_SIGNAL, "a fed signal is noticed");
    ev_signal_stop (EV_A_ &w);
}
#endif

#if EV_CHILD_ENABLE || EV_FORK_ENABLE
static pid_t forked (void)
{
    pid_t pid;

    fflush (stdout);
    pid = fork ();
    if (pid < 0)
        exit (99);
    return pid;
}
#endif

#if EV_CHILD_ENABLE
ON (child)

static void children (EV_P)
{
    ev_child w;
    pid_t pid = forked ();

    if (!pid)
        _exit (7);
    ev_child_init (&w, on_child, pid, 0);
    ev_child_start (EV_A_ &w);
    run_until_called (EV_A);
    ev_child_stop (EV_A_ &w);
    expect (w.rpid == pid, "a child says who ended");
    expect (WIFEXITED (w.rstatus) && WEXITSTATUS (w.rstatus) == 7, "a child says how it ended");
    expect_calls (1, EV_CHILD, "a child that ended is noticed");
}
#endif

#if EV_STAT_ENABLE
ON (stat)

/* Slow where the loop polls: once per program is enough. */
static void paths (EV_P)
{
    char path[] = "/tmp/evring-tour-XXXXXX";
    int fd = mkstemp (path);
    ev_stat w;

    ev_stat_init (&w, on_stat, path, 0.11);
    ev_stat_start (EV_A_ &w);
    expect (w.attr.st_nlink == 1 && w.attr.st_size == 0, "a path is looked at from the start");
    expect (write (fd, "x", 1) == 1, "a file takes a byte");
    run_until_called (EV_A);
    expect (w.attr.st_size == 1 && w.prev.st_size == 0, "the attributes are those before and after");
    ev_stat_stop (EV_A_ &w);
    expect_calls (1, EV_STAT, "a path that changes is noticed");
    close (fd);
    unlink (path);
}
#endif

#if EV_IDLE_ENABLE
ON (idle)

static void idles (EV_P)
{
    ev_idle w;

    ev_idle_init (&w, on_idle);
    ev_idle_start (EV_A_ &w);
    run_until_called (EV_A);
    ev_idle_stop (EV_A_ &w);
    expect_calls (1, EV_IDLE, "an idle watcher is called when there is nothing else");
}
#endif

#if EV_PREPARE_ENABLE
ON (prepare)

static void prepares (EV_P)
{
    ev_prepare w;

    ev_prepare_init (&w, on_prepare);
    ev_prepare_start (EV_A_ &w);
    ev_run (EV_A_ EVRUN_NOWAIT);
    ev_prepare_stop (EV_A_ &w);
    expect_calls (1, EV_PREPARE, "a prepare watcher is called in each iteration");
}
#endif

#if EV_CHECK_ENABLE
ON (check)

static void checks (EV_P)
{
    ev_check w;

    ev_check_init (&w, on_check);
    ev_check_start (EV_A_ &w);
    ev_run (EV_A_ EVRUN_NOWAIT);
    ev_check_stop (EV_A_ &w);
    expect_calls (1, EV_CHECK, "a check watcher is called in each iteration");
}
#endif

#if EV_ASYNC_ENABLE
ON (async)

static void asyncs (EV_P)
{
    ev_async w;

    ev_async_init (&w, on_async);
    ev_async_start (EV_A_ &w);
    ev_async_send (EV_A_ &w);
    expect (ev_async_pending (&w), "what was sent is pending until the loop sees it");
    run_until_called (EV_A);
    ev_async_stop (EV_A_ &w);
    expect_calls (1, EV_ASYNC, "an async watcher is called when something was sent");
}
#endif

#if EV_FORK_ENABLE
ON (fork)

static int fork_watcher_works (EV_P)
{
    ev_fork w;
    ev_timer timer;

    ev_fork_init (&w, on_fork);
    ev_fork_start (EV_A_ &w);
    ev_timer_init (&timer, on_timer, 0.001, 0.);
    ev_timer_start (EV_A_ &timer);
    ev_loop_fork (EV_A);
    ev_run (EV_A_ EVRUN_NOWAIT);
    if (calls < 1 || order[0] != &w)
        return 0;
    ev_fork_stop (EV_A_ &w);
    ev_run (EV_A_ 0);
    return calls == 2 && seen == (EV_FORK | EV_TIMER);
}

static void forks (EV_P)
{
    int status = -1;
    pid_t pid = forked ();

    if (!pid)
        _exit (fork_watcher_works (EV_A) ? 0 : 1);
    waitpid (pid, &status, 0);
    expect (status == 0, "in a forked process fork watchers are called, and the loop goes on");
}
#endif

#if EV_EMBED_ENABLE
/* Another loop, of a backend that can be embedded, inside this one; NULL if the options leave none. */
static struct ev_loop *embed (EV_P_ ev_embed *w)
{
    unsigned backends = ev_embeddable_backends () & ev_supported_backends ();
    struct ev_loop *inner;

    if (backends & EVBACKEND_EPOLL)
        backends = EVBACKEND_EPOLL;
    inner = backends ? ev_loop_new (backends | EVFLAG_NOENV) : NULL;
    if (inner) {
        ev_embed_init (w, 0, inner); /* no callback: swept by itself */
        ev_embed_start (EV_A_ w);
    }
    return inner;
}

static void embeds (EV_P)
{
    ev_embed w;
    ev_io io;
    ev_timer timer;
    int fd[2];
    struct ev_loop *inner = embed (EV_A_ &w);

    if (!inner || pipe (fd))
        return;
    ev_init (&timer, on_timer);
    ev_feed_event (inner, &timer, EV_CUSTOM);
    ev_embed_sweep (EV_A_ &w);
    expect_calls (1, EV_CUSTOM, "the inner loop runs when it is swept");

    ev_io_init (&io, on_io, fd[1], EV_WRITE);
    ev_io_start (inner, &io);
    run_until_called (EV_A);
    ev_io_stop (inner, &io);
    expect (calls >= 1 && seen == EV_WRITE, "what happens to the inner loop wakes the outer one");
    calls = seen = 0;
    ev_embed_stop (EV_A_ &w);
    ev_loop_destroy (inner);
    close (fd[0]);
    close (fd[1]);
}
#endif

#if EV_WALK_ENABLE
static void on_walk (EV_P_ int type, void *w)
{
    IGNORE_LOOP;
    called (w, type);
}

static void walks (EV_P)
{
    ev_timer w;

    ev_timer_init (&w, on_timer, 100., 0.);
    ev_timer_start (EV_A_ &w);
    ev_walk (EV_A_ EV_TIMER, on_walk);
    expect (order[0] == &w, "a walk meets the watcher");
    expect_calls (1, EV_TIMER, "a walk meets every watcher once");
    ev_timer_stop (EV_A_ &w);
}
#endif

static int count;

static void breaks_out (EV_P_ ev_timer *w, int revents)
{
    (void) w, (void) revents;
    count++;
    ev_break (EV_A_ EVBREAK_ALL);
}

static void settings (EV_P)
{
    ev_timer w;
    unsigned iteration = ev_iteration (EV_A);

    ev_timer_init (&w, breaks_out, 0., 0.001);
    ev_timer_start (EV_A_ &w);
    ev_set_userdata (EV_A_ &count);
    ev_run (EV_A_ 0);
    expect (count >= 1, "a callback breaks out of the loop");
    expect (ev_iteration (EV_A) > iteration, "iterations are counted");
    expect (ev_depth (EV_A) == 0, "outside of ev_run the depth is 0");
    expect (ev_userdata (EV_A) == &count, "user data is kept");
    expect (ev_now (EV_A) > 1e9, "the loop knows what time it is");
    ev_unref (EV_A);
    expect (ev_run (EV_A_ EVRUN_NOWAIT) == 0, "an unref'ed watcher does not keep the loop alive");
    ev_ref (EV_A);
    ev_timer_stop (EV_A_ &w);
    ev_verify (EV_A);
}

/* ---- the tour ---- */

static void stops (EV_P)
{
    timers (EV_A);
    descriptors (EV_A);
    once (EV_A);
    feeding (EV_A);
    priorities (EV_A);
    settings (EV_A);
#if EV_PERIODIC_ENABLE
    periodics (EV_A);
#endif
#if EV_SIGNAL_ENABLE
    tour_signals (EV_A);
#endif
#if EV_CHILD_ENABLE
    children (EV_A);
#endif
#if EV_IDLE_ENABLE
    idles (EV_A);
#endif
#if EV_PREPARE_ENABLE
    prepares (EV_A);
#endif
#if EV_CHECK_ENABLE
    checks (EV_A);
#endif
#if EV_ASYNC_ENABLE
    asyncs (EV_A);
#endif
#if EV_FORK_ENABLE
    forks (EV_A);
#endif
#if EV_EMBED_ENABLE
    embeds (EV_A);
#endif
#if EV_WALK_ENABLE
    walks (EV_A);
#endif
}

#if EV_CLEANUP_ENABLE
ON (cleanup)
#endif

static void tour (unsigned bit, int slow)
{
#if EV_CLEANUP_ENABLE
    ev_cleanup cleanup;
#endif

    backend = bit;
    if (!ev_default_loop (bit | EVFLAG_NOENV)) {
        printf ("backend %#x: not available here\n", bit);
        return;
    }
    expect (ev_backend (EV_DEFAULT_UC) == bit, "the backend is the one asked for");
    stops (EV_DEFAULT_UC);
#if EV_STAT_ENABLE
    if (slow)
        paths (EV_DEFAULT_UC);
#endif
    (void) slow;
#if EV_CLEANUP_ENABLE
    ev_cleanup_init (&cleanup, on_cleanup);
    ev_cleanup_start (EV_DEFAULT_UC_ &cleanup);
#endif
    ev_loop_destroy (EV_DEFAULT_UC);
#if EV_CLEANUP_ENABLE
    expect_calls (1, EV_CLEANUP, "a cleanup watcher is called at the end of the loop");
#endif
}

int main (void)
{
    const unsigned supported = ev_supported_backends ();
    int toured = 0;

#ifdef TOUR_BACKENDS
    expect (!(supported & ~(TOUR_BACKENDS)), "no backend is left that was to be switched off");
    expect (!((TOUR_BACKENDS) & ~supported & ~EVBACKEND_IOURING), "all others are left");
#endif
    for (unsigned bit = 1; bit & EVBACKEND_MASK; bit <<= 1)
        if (supported & bit)
            tour (bit, !toured++);
    expect (toured > 0, "there is a backend");
    printf ("%d backends toured, %d failures\n", toured, failures);
    return failures != 0;
}
