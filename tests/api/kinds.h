/* kinds.h: every watcher kind behind one face, for tests of what all kinds have in common. Owns the
 * descriptors and the inner loop that make them fire. Cleanup, child and stat are not here: they fire at the
 * end of a loop, in the default loop only, and on a file. */
#ifndef KINDS_H
#define KINDS_H

#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

typedef void kind_callback (struct ev_loop *loop, ev_watcher *w, int revents);

struct kind {
    const char *name;
    int bit;        /* what its callback is told */
    int references; /* what it holds while active (RF-1, RF-3) */
    int stays;      /* active inside its callback (WA-4) */
    void (*set) (void *w);
    void (*start) (struct ev_loop *loop, void *w);
    void (*stop) (struct ev_loop *loop, void *w);
    void (*fire) (struct ev_loop *loop,
                  void *w); /* a started one will be called by the next NOWAIT run or two */
};

static int kinds_pipe[2] = { -1, -1 };
static struct ev_loop *kinds_inner; /* what embed watchers embed: always has an event */
static ev_io kinds_inner_io;

#define KIND_DOORS(kind)                                             \
    static inline void kind##_starts (struct ev_loop *loop, void *w) \
    {                                                                \
        ev_##kind##_start (loop, w);                                 \
    }                                                                \
    static inline void kind##_stops (struct ev_loop *loop, void *w)  \
    {                                                                \
        ev_##kind##_stop (loop, w);                                  \
    }
KIND_DOORS (io)
KIND_DOORS (timer)
KIND_DOORS (periodic)
KIND_DOORS (signal)
KIND_DOORS (idle)
KIND_DOORS (prepare)
KIND_DOORS (check)
KIND_DOORS (fork)
KIND_DOORS (async)
KIND_DOORS (embed)

static inline void io_sets (void *w)
{
    ev_io_set ((ev_io *) w, kinds_pipe[1], EV_WRITE);
}

static inline void timer_sets (void *w)
{
    ev_timer_set ((ev_timer *) w, -1., 0.);
}

static inline void tick_sets (void *w)
{
    ev_timer_set ((ev_timer *) w, -1., 1e-6);
}

static inline void date_sets (void *w)
{
    ev_periodic_set ((ev_periodic *) w, 1., 0., NULL);
}

static inline void period_sets (void *w)
{
    ev_periodic_set ((ev_periodic *) w, 0., 1e-9, NULL);
}

static inline void signal_sets (void *w)
{
    ev_signal_set ((ev_signal *) w, SIGUSR1);
}

static inline void embed_sets (void *w)
{
    ev_embed_set ((ev_embed *) w, kinds_inner);
}

static inline void nothing_sets (void *w)
{
}

static inline void fires_by_itself (struct ev_loop *loop, void *w)
{
}

static inline void signal_fires (struct ev_loop *loop, void *w)
{
    raise (SIGUSR1);
}

static inline void async_fires (struct ev_loop *loop, void *w)
{
    ev_async_send (loop, w);
}

static inline void fork_fires (struct ev_loop *loop, void *w)
{
    ev_loop_fork (loop);
}

static const struct kind kinds[] = {
    { "io", EV_WRITE, 1, 1, io_sets, io_starts, io_stops, fires_by_itself },
    { "timer", EV_TIMER, 1, 0, timer_sets, timer_starts, timer_stops, fires_by_itself },
    { "repeating timer", EV_TIMER, 1, 1, tick_sets, timer_starts, timer_stops, fires_by_itself },
    { "absolute periodic", EV_PERIODIC, 1, 0, date_sets, periodic_starts, periodic_stops, fires_by_itself },
    { "interval periodic", EV_PERIODIC, 1, 1, period_sets, periodic_starts, periodic_stops, fires_by_itself },
    { "signal", EV_SIGNAL, 1, 1, signal_sets, signal_starts, signal_stops, signal_fires },
    { "idle", EV_IDLE, 1, 1, nothing_sets, idle_starts, idle_stops, fires_by_itself },
    { "prepare", EV_PREPARE, 1, 1, nothing_sets, prepare_starts, prepare_stops, fires_by_itself },
    { "check", EV_CHECK, 1, 1, nothing_sets, check_starts, check_stops, fires_by_itself },
    { "fork", EV_FORK, 1, 1, nothing_sets, fork_starts, fork_stops, fork_fires },
    { "async", EV_ASYNC, 1, 1, nothing_sets, async_starts, async_stops, async_fires },
    { "embed", EV_EMBED, 4, 1, embed_sets, embed_starts, embed_stops, fires_by_itself },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static inline void kinds_inner_event (struct ev_loop *loop, ev_io *w, int revents)
{
}

/* Makes what the kinds need to fire. */
static inline void kinds_open (void)
{
    test_pipe (kinds_pipe);
    kinds_inner = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    ck_assert_ptr_nonnull (kinds_inner);
    ev_io_init (&kinds_inner_io, kinds_inner_event, kinds_pipe[1], EV_WRITE);
    ev_io_start (kinds_inner, &kinds_inner_io);
    ev_run (kinds_inner, EVRUN_NOWAIT); /* now its epoll set is readable for ever */
}

static inline void kinds_close (void)
{
    ev_loop_destroy (kinds_inner);
    close (kinds_pipe[0]);
    close (kinds_pipe[1]);
}

static inline void kind_init (const struct kind *kind, void *w, kind_callback *cb)
{
    ev_init ((ev_watcher *) w, cb);
    kind->set (w);
}

#endif
