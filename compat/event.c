/* event.c: the event API of libevent 1.4 on top of ev.h, for programs written for it.
 * I own the current base and nothing else: all state of an event is in its struct event. I promise to use
 * only what ev.h offers to everybody, and to stay a translation unit of my own, so that a program that links us
 * statically beside libevent gets these names only if it uses them. Contract LE-1 to LE-8.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifdef EV_EVENT_H
#include EV_EVENT_H
#else
#include "event.h"
#endif

#include <stddef.h>
#include <stdlib.h>

/* A base is a loop. Without EV_MULTIPLICITY there is one, and any pointer that is not NULL means it. */
#if EV_MULTIPLICITY
#define EVENT_LOOP(base) struct ev_loop *loop = (struct ev_loop *) (base)
#define EVENT_IGNORE_LOOP (void) loop
#else
#define EVENT_LOOP(base) (void) (base)
#define EVENT_IGNORE_LOOP (void) 0
#endif

#define EVENT_IO_BITS (EV_READ | EV_WRITE)
#define EVENT_BITS (EVENT_IO_BITS | EV_TIMEOUT | EV_SIGNAL)

enum { EVENT_NO_FD = -1 };

#define EVENT_TEXT(x) #x
#define EVENT_TEXT_OF(x) EVENT_TEXT (x)

static struct event_base *event_current; /* NULL before event_init */

const char *event_get_version (void)
{
    return EVENT_TEXT_OF (EV_VERSION_MAJOR) "." EVENT_TEXT_OF (EV_VERSION_MINOR);
}

const char *event_get_method (void)
{
    return "libev";
}

const char *event_base_get_method (const struct event_base *base)
{
    (void) base;
    return event_get_method ();
}

/* For programs that compile us in. Hidden, so that a shared library has it for itself only: libev's does not
 * export it either (LE-8). */
#ifdef EV_STANDALONE
#ifdef __GNUC__
__attribute__ ((visibility ("hidden")))
#endif
void event_set_log_callback (event_log_cb cb)
{
    (void) cb; /* nothing is ever logged */
}
#endif

/* ---- bases -------------------------------------------------------------------------------- */

static struct event_base *event_default (void)
{
#if EV_MULTIPLICITY
    return (struct event_base *) ev_default_loop (EVFLAG_AUTO);
#else
    static char there_is_one;
    return ev_default_loop (EVFLAG_AUTO) ? (struct event_base *) (void *) &there_is_one : NULL;
#endif
}

struct event_base *event_base_new (void)
{
#if EV_MULTIPLICITY
    return (struct event_base *) ev_loop_new (EVFLAG_AUTO);
#else
    return event_default ();
#endif
}

void *event_init (void)
{
    struct event_base *base = event_current ? event_base_new () : event_default ();

    if (base)
        event_current = base;
    return base;
}

void event_base_free (struct event_base *base)
{
#if EV_MULTIPLICITY
    struct ev_loop *loop = (struct ev_loop *) base;

    if (ev_is_default_loop (loop))
        return;
    if (event_current == base) /* not to be left dangling: events set from now on go to the default loop */
        event_current = (struct event_base *) EV_DEFAULT_UC;
    ev_loop_destroy (loop);
#else
    (void) base;
#endif
}

int event_base_loop (struct event_base *base, int flags)
{
    EVENT_LOOP (base);
    return !ev_run (EV_A_ flags);
}

int event_base_dispatch (struct event_base *base)
{
    return event_base_loop (base, 0);
}

int event_loop (int flags)
{
    return event_base_loop (event_current, flags);
}

int event_dispatch (void)
{
    return event_base_dispatch (event_current);
}

int event_base_priority_init (struct event_base *base, int priorities)
{
    (void) base, (void) priorities;
    return 0;
}

int event_priority_init (int priorities)
{
    return event_base_priority_init (event_current, priorities);
}

/* ---- times -------------------------------------------------------------------------------- */

/* Never 0 or less: it becomes the repeat of a timer, where 0 means never. */
static ev_tstamp event_seconds (const struct timeval *tv)
{
    ev_tstamp seconds = (ev_tstamp) tv->tv_sec + (ev_tstamp) tv->tv_usec * 1e-6;

    return seconds > 1e-6 ? seconds : (ev_tstamp) 1e-6;
}

static void event_time_of_loop (struct event_base *base, struct timeval *tv)
{
    EVENT_LOOP (base);
    ev_tstamp now = ev_now (EV_A);

    tv->tv_sec = (long) now;
    tv->tv_usec = (long) ((now - (ev_tstamp) tv->tv_sec) * 1e6);
}

/* ---- once --------------------------------------------------------------------------------- */

struct event_once_record {
    int fd;
    event_callback_fn cb;
    void *arg;
};

static void event_once_happened (int revents, void *arg)
{
    struct event_once_record record = *(struct event_once_record *) arg;

    free (arg);
    record.cb (record.fd, (short) (revents & EVENT_BITS), record.arg);
}

int event_base_once (struct event_base *base, int fd, short events, event_callback_fn cb, void *arg,
                     struct timeval *tv)
{
    EVENT_LOOP (base);
    struct event_once_record *record;
    int bits = events & EVENT_IO_BITS;

    if (!bits && !tv) /* will never happen: nobody would free the record */
        return 0;
    record = (struct event_once_record *) malloc (sizeof *record);
    if (!record)
        return -1;
    record->fd = fd;
    record->cb = cb;
    record->arg = arg;
    ev_once (EV_A_ bits ? fd : EVENT_NO_FD, bits, tv ? event_seconds (tv) : (ev_tstamp) -1,
             event_once_happened, record);
    return 0;
}

int event_once (int fd, short events, event_callback_fn cb, void *arg, struct timeval *tv)
{
    return event_base_once (event_current, fd, events, cb, arg, tv);
}

static void event_exit (int revents, void *base)
{
    EVENT_LOOP (base);

    (void) revents;
    ev_break (EV_A_ EVBREAK_ONE);
}

/* Through the loop also when it is to be at once: a break asked for before the loop runs is forgotten. */
int event_base_loopexit (struct event_base *base, struct timeval *tv)
{
    EVENT_LOOP (base);

    ev_once (EV_A_ EVENT_NO_FD, 0, tv ? event_seconds (tv) : (ev_tstamp) 0, event_exit, base);
    return 0;
}

int event_loopexit (struct timeval *tv)
{
    return event_base_loopexit (event_current, tv);
}

/* ---- events ------------------------------------------------------------------------------- */

/* The event a watcher is part of. */
static struct event *event_of (void *w, size_t offset)
{
    char *bytes = (char *) w;
    return (struct event *) (void *) (bytes - offset);
}

static void event_happened (struct event *ev, int revents)
{
    ev->ev_res = revents & EVENT_BITS;
    ev->ev_callback (ev->ev_fd, (short) ev->ev_res, ev->ev_arg); /* may free ev */
}

static void event_on_fd (EV_P_ ev_io *w, int revents)
{
    struct event *ev = event_of (w, offsetof (struct event, iosig.io));

    EVENT_IGNORE_LOOP;
    if (!(ev->ev_events & EV_PERSIST) || (revents & EV_ERROR)) /* after an error nothing is left to persist */
        event_del (ev);
    event_happened (ev, revents);
}

#if EV_SIGNAL_ENABLE
static void event_on_signal (EV_P_ ev_signal *w, int revents)
{
    struct event *ev = event_of (w, offsetof (struct event, iosig.sig));

    EVENT_IGNORE_LOOP;
    if (revents & EV_ERROR)
        event_del (ev);
    event_happened (ev, revents);
}
#endif

static void event_on_timeout (EV_P_ ev_timer *w, int revents)
{
    struct event *ev = event_of (w, offsetof (struct event, to));

    EVENT_IGNORE_LOOP;
    event_del (ev);
    event_happened (ev, revents);
}

void event_set (struct event *ev, int fd, short events, event_callback_fn cb, void *arg)
{
#if EV_SIGNAL_ENABLE
    if (events & EV_SIGNAL)
        ev_signal_init (&ev->iosig.sig, event_on_signal, fd);
    else
#endif
        ev_io_init (&ev->iosig.io, event_on_fd, fd, events & EVENT_IO_BITS);
    ev_init (&ev->to, event_on_timeout);

    ev->ev_base = event_current;
    ev->ev_fd = fd;
    ev->ev_events = events;
    ev->ev_pri = 0;
    ev->ev_res = 0;
    ev->ev_flags = EVLIST_INIT;
    ev->ev_callback = cb;
    ev->ev_arg = arg;
}

static int event_busy (const void *w)
{
    return ev_is_active (w) || ev_is_pending (w);
}

int event_base_set (struct event_base *base, struct event *ev)
{
    if (base != ev->ev_base && (event_busy (&ev->iosig) || event_busy (&ev->to)))
        return -1; /* its watchers live in the old one */
    ev->ev_base = base;
    return 0;
}

/* What ev_fd and ev_events say now; and the number may stand for another file than when it was watched last. */
static void event_watch (struct event *ev)
{
    EVENT_LOOP (ev->ev_base);
    ev_io *io = &ev->iosig.io;
#if EV_SIGNAL_ENABLE
    ev_signal *sig = &ev->iosig.sig;

    if (ev->ev_events & EV_SIGNAL) {
        if (!ev_is_active (sig))
            ev_signal_set (sig, ev->ev_fd);
        ev_signal_start (EV_A_ sig);
        ev->ev_flags |= EVLIST_SIGNAL;
        return;
    }
#endif
    if (ev->ev_events & EVENT_IO_BITS) {
        if (!ev_is_active (io))
            ev_io_set (io, ev->ev_fd, ev->ev_events & EVENT_IO_BITS);
        ev_io_start (EV_A_ io);
        ev->ev_flags |= EVLIST_INSERTED;
    }
}

/* A watcher that is neither active nor pending is left alone: its event may have no base yet. */
static void event_unwatch (struct event *ev)
{
    EVENT_LOOP (ev->ev_base);
    ev_io *io = &ev->iosig.io;
#if EV_SIGNAL_ENABLE
    ev_signal *sig = &ev->iosig.sig;
#endif

    if (!event_busy (io))
        return;
#if EV_SIGNAL_ENABLE
    if (ev->ev_events & EV_SIGNAL) {
        ev_signal_stop (EV_A_ sig);
        return;
    }
#endif
    ev_io_stop (EV_A_ io);
}

static void event_untime (struct event *ev)
{
    EVENT_LOOP (ev->ev_base);
    ev_timer *timer = &ev->to;

    if (event_busy (timer))
        ev_timer_stop (EV_A_ timer);
    ev->ev_flags &= ~EVLIST_TIMEOUT;
}

static void event_time (struct event *ev, const struct timeval *tv)
{
    EVENT_LOOP (ev->ev_base);
    ev_timer *timer = &ev->to;

    timer->repeat = event_seconds (tv);
    ev_timer_again (EV_A_ timer);
    ev->ev_flags |= EVLIST_TIMEOUT;
}

int event_add (struct event *ev, struct timeval *tv)
{
    event_watch (ev);
    if (tv)
        event_time (ev, tv);
    else
        event_untime (ev);
    ev->ev_flags |= EVLIST_ACTIVE;
    return 0;
}

int event_del (struct event *ev)
{
    event_unwatch (ev);
    event_untime (ev);
    ev->ev_flags &= EVLIST_INIT;
    return 0;
}

void event_active (struct event *ev, int res, short ncalls)
{
    EVENT_LOOP (ev->ev_base);
    ev_timer *timer = &ev->to;
    ev_io *io = &ev->iosig.io; /* or signal */

    (void) ncalls;
    if (res & EV_TIMEOUT)
        ev_feed_event (EV_A_ timer, EV_TIMEOUT);
    if (res & (EVENT_IO_BITS | EV_SIGNAL))
        ev_feed_event (EV_A_ io, res & (EVENT_IO_BITS | EV_SIGNAL));
}

/* What an event that waits for its descriptor or signal is waiting for. */
static int event_awaited (const struct event *ev)
{
    if (!event_busy (&ev->iosig))
        return 0;
    return ev->ev_events & EV_SIGNAL ? EV_SIGNAL : ev->ev_events & EVENT_IO_BITS;
}

int event_pending (struct event *ev, short events, struct timeval *tv)
{
    int awaited = event_awaited (ev);

    if ((ev->ev_events & EV_TIMEOUT) || event_busy (&ev->to)) {
        awaited |= EV_TIMEOUT;
        if (tv)
            event_time_of_loop (ev->ev_base, tv);
    }
    return awaited & events;
}

int event_priority_set (struct event *ev, int priority)
{
    ev->ev_pri = priority;
    return 0;
}

event_callback_fn event_get_callback (const struct event *ev)
{
    return ev->ev_callback;
}
