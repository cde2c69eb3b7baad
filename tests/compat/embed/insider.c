/* insider.c: a program that has the library inside and uses names that nobody promised it: those of libev that perl's EV
 * and gevent read, and the knobs as they were resolved. */
#define EV_STANDALONE 1
#define EV_CONFIG_H error /* standalone: nobody reads it (perl's EV sets it to this) */
#define EV_API_STATIC 1
#define EV_RECOMMEND_IOURING 0
#include "ev.c"

#include <stdio.h>

#define KNOB(name) _Static_assert((name) == 0 || (name) == 1, #name)
KNOB (EV_USE_SELECT);
KNOB (EV_USE_POLL);
KNOB (EV_USE_EPOLL);
KNOB (EV_USE_IOURING);
KNOB (EV_USE_EVENTFD);
KNOB (EV_USE_SIGNALFD);
KNOB (EV_USE_TIMERFD);
KNOB (EV_USE_INOTIFY);
KNOB (EV_USE_LINUXAIO);
KNOB (EV_USE_KQUEUE);
KNOB (EV_USE_PORT);
KNOB (EV_USE_IOCP);
KNOB (EV_USE_REALTIME);
KNOB (EV_USE_MONOTONIC);
KNOB (EV_USE_CLOCK_SYSCALL);
KNOB (EV_USE_NANOSLEEP);
KNOB (EV_USE_FLOOR);
KNOB (EV_USE_4HEAP);
KNOB (EV_SELECT_IS_WINSOCKET);
KNOB (EV_NO_THREADS);
KNOB (EV_NO_SMP);
_Static_assert(EV_HEAP_CACHE_AT >= 0, "a number");

static int failures;

static void expect (int good, const char *what)
{
    if (ecb_expect_true (good))
        return;
    printf ("not so: %s\n", what);
    failures++;
}

static void on_signal (EV_P_ ev_signal *w, int revents)
{
    (void) w, (void) revents;
    expect (!loop->sig_pending, "a signal that is being told is not pending any more");
}

static void look_inside (struct ev_loop *loop)
{
    ev_signal usr1;

    expect (loop->activecnt == 0, "no watcher is active");
    expect ((loop->backend_fd >= 0) == (ev_backend (loop) == EVBACKEND_EPOLL), "epoll has a descriptor");
    expect (loop->origflags & EVFLAG_NOENV, "the flags are there");
    expect (loop->sigfd < 0, "there is no signalfd yet");
    ev_signal_init (&usr1, on_signal, SIGUSR1);
    ev_signal_start (loop, &usr1);
    expect (loop->activecnt == 1, "one watcher is active");
    expect (signals[SIGUSR1 - 1].loop == loop, "the signal is this loop's");
    expect ((loop->sigfd >= 0) == !!(loop->origflags & EVFLAG_SIGNALFD), "there is a signalfd if asked for");
    ev_feed_signal (SIGUSR1);
    expect (loop->sig_pending, "a signal is pending");
    ev_run (loop, EVRUN_NOWAIT);
    ev_signal_stop (loop, &usr1);
    expect (!signals[SIGUSR1 - 1].loop, "the signal is nobody's");
    expect (ecb_expect_false (loop->activecnt) == 0, "no watcher is active any more");
}

int main (void)
{
    static const unsigned backends[] = { EVBACKEND_SELECT, EVBACKEND_POLL, EVBACKEND_EPOLL, EVBACKEND_IOURING,
                                         EVBACKEND_EPOLL | EVFLAG_SIGNALFD };

    expect (!(ev_recommended_backends () & EVBACKEND_IOURING), "an embedder may not recommend io_uring");
    for (unsigned i = 0; i < sizeof backends / sizeof *backends; i++) {
        struct ev_loop *loop = ev_loop_new (backends[i] | EVFLAG_NOENV);

        if (!loop) /* a kernel without io_uring */
            continue;
        look_inside (loop);
        ev_loop_destroy (loop);
    }
    return failures != 0;
}
