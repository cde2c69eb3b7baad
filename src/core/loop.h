/* loop.h: struct ev_loop, in sections, each written by one file only. */
#ifndef EVI_LOOP_H
#define EVI_LOOP_H

#include "../base/err.h"
#include "../base/mem.h"
#include "../base/sys.h"
#include "backend.h"
#include "clock.h"
#include "fd.h"
#include "heap.h"
#include "pending.h"
#include "wake.h"
#include "watcher.h"

struct evi_signalfd; /* watch/signal.c */
struct evi_inotify;  /* watch/stat.c */
struct evi_loopring; /* backend/loopring.h */
struct evi_ring;     /* backend/ring.h */
struct evi_ops;      /* ops/op.h */

/* Why kernel state is to be made anew. */
enum {
    EVI_FORKED = 1,    /* the program says that this is a child */
    EVI_FORKED_NOT = 2 /* a descriptor of the loop's own was refused */
};

struct ev_loop {
    struct evi_clock clock;     /* core/clock.c */
    struct evi_pending pending; /* core/pending.c */
    struct evi_fds fds;         /* core/fd.c */
    struct evi_wake wake;       /* core/wake.c */

    const struct evi_backend *backend; /* loop/life.c */
    void *backend_data;                /* the backend's own */
    struct evi_loopring *ring; /* what operations ride on: the backend's, or one attached; NULL: none */

    struct evi_ops *ops;  /* ops/; NULL until the first operation */
    int op_started;       /* operations were, since the engines last had a turn */
    unsigned op_tellings; /* how often all callbacks have run */
    int op_told;          /* operations have completed since callbacks last ran: the loop must not sleep */
    struct {              /* what rooms that do not know ops/ call of it; NULL: there is no operation yet */
        void (*landed) (struct ev_loop *loop, uint64_t name, int32_t result, uint32_t flags);
        void (*recall) (struct ev_loop *loop); /* it is about to be closed: take back what is in flight */
        void (*lost) (struct ev_loop *loop);   /* it is closed next, unless they do that */
        /* Calls back with the name of each of its requests that is in the ring. */
        void (*names) (struct ev_loop *loop, void (*each) (const struct evi_ring *ring, uint64_t name));
        void (*reaped) (struct ev_loop *loop, int pid, int status); /* the default loop has reaped a child */
        int (*helps) (void *w); /* a timer or io watcher of an operation, not of the program */
        void (*walk) (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w));
    } riders;

    struct evi_heap timers;    /* watch/timer.c */
    struct evi_heap periodics; /* watch/periodic.c */
    struct {
        ev_watcher **items; /* expired watchers of one iteration, until they are fed */
        unsigned count, room;
    } due;
    struct {
        ev_io io;
        int fd; /* timerfd that notices clock changes; -1: none */
    } jump;

    struct evi_list idle[EVI_LEVELS]; /* watch/hooks.c */
    unsigned idle_count;
    struct evi_list prepare, check, fork, cleanup;
    struct evi_list async; /* watch/async.c */

    struct ev_mailbox *mailbox; /* watch/mailbox.c; NULL: nobody has asked for it */

    struct evi_signalfd *signalfd; /* watch/signal.c */
    struct evi_inotify *inotify;   /* watch/stat.c */

    /* Names of libev's that programs look at which have ev.c inside (gevent). */
    int activecnt;      /* loop/: what keeps the loop alive: active watchers, ev_ref */
    unsigned origflags; /* loop/: EVFLAG_* */
    int backend_fd;     /* the backend's, if its descriptor may be waited for as it is: epoll's; else -1 */
    int sigfd;          /* watch/signal.c: of the signalfd; -1: none */
    int sig_pending;    /* watch/signal.c: a signal of this loop arrived and was not answered yet */

    /* loop/: running */
    unsigned iteration;
    unsigned depth;
    int breaking;                            /* EVBREAK_* */
    ev_tstamp deadline;                      /* when the present sleep ends, monotonic */
    int exact;                               /* … for a timer; else the clock was not looked at for it */
    int waiting;                             /* inside the polling call or its hooks */
    int forked;                              /* kernel state is to be made anew: EVI_FORKED … */
    int plain;                               /* makes no system call that libev 4.33 would not make */
    unsigned process;                        /* evi_sys_process when it was made; 0: nobody asks */
    unsigned checked;                        /* … when EVFLAG_FORKCHECK last found it changed */
    ev_tstamp io_interval, timeout_interval; /* collect intervals, seconds */
    int collects;                            /* one of them is set */
    void *userdata;
    ev_loop_callback invoke;
    void (*release) (EV_P) EV_NOEXCEPT;
    void (*acquire) (EV_P) EV_NOEXCEPT;

    struct ev_stats stats; /* each counter written where the thing happens */
};

/* A public function that takes EV_P begins with this: it names the loop, also when there is only one. */
#if EV_MULTIPLICITY
#define EVI_DOOR ((void) 0)
#else
EVI_DATA struct ev_loop evi_the_loop;
#define EVI_DOOR struct ev_loop *const loop = &evi_the_loop
#endif

/* Backends and watch/ reach the reference count through these. */
EVI_INLINE void evi_ref (struct ev_loop *loop)
{
    loop->activecnt++;
}

EVI_INLINE void evi_unref (struct ev_loop *loop)
{
    loop->activecnt--;
}

#if EV_VERIFY >= 3
#define EVI_VERIFY_CHANGE(loop) ev_verify (EV_A)
#else
#define EVI_VERIFY_CHANGE(loop) ((void) 0)
#endif

/* Active from now on: at is its place in the kind's own structure, counted from 1. Takes a reference. */
EVI_INLINE_HOT void evi_watcher_start (struct ev_loop *loop, void *w, int at)
{
    ev_watcher *watcher = w;

    evi_set_priority (watcher, evi_level (watcher) + EV_MINPRI); /* clamped, and written back (PQ-8) */
    watcher->active = at;
    loop->activecnt++;
}

/* Not active any more. Gives the reference back. */
EVI_INLINE_HOT void evi_watcher_stop (struct ev_loop *loop, void *w)
{
    ((ev_watcher *) w)->active = 0;
    loop->activecnt--;
}

/* evi_list_start where there is room. */
EVI_INLINE_HOT void evi_list_put (struct ev_loop *loop, struct evi_list *list, void *w)
{
    list->items[list->count++] = w;
    evi_watcher_start (loop, w, (int) list->count);
}

/* The last one takes the place of the one that leaves (PQ-6). */
EVI_INLINE_HOT void evi_list_stop (struct ev_loop *loop, struct evi_list *list, void *w)
{
    int at = evi_is_active (w);
    ev_watcher *last = list->items[--list->count];

    list->items[at - 1] = last;
    last->active = at;
    evi_watcher_stop (loop, w);
}

#endif
