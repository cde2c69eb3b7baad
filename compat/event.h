/* event.h: the event API of libevent 1.4, on top of ev.h.
 *
 * For programs written for that API, to be compiled against this header: the structures differ from
 * libevent's, so binaries and objects of the two do not mix. Meant to get programs running; new ones should
 * use ev.h, which can do all this and more. Differences from libevent:
 *   - Any timeout deletes its event, EV_PERSIST or not. Priorities and EV_ET are accepted and ignored.
 *   - event_pending reports the time of the loop, not the time of the expiry.
 *   - Members of struct event beyond ev_fd, ev_callback, ev_arg and ev_flags are the library's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EVENT_H_
#define EVENT_H_

#ifdef EV_H
#include EV_H
#else
#include "ev.h"
#endif

#include <sys/time.h> /* struct timeval */

EV_CPP (extern "C" {)

/* ev_flags: what an event is up to. */
#define EVLIST_TIMEOUT 0x01  /* its timer runs */
#define EVLIST_INSERTED 0x02 /* it waits for its descriptor */
#define EVLIST_SIGNAL 0x04   /* it waits for its signal */
#define EVLIST_ACTIVE 0x08   /* event_add'ed, not yet deleted */
#define EVLIST_INTERNAL 0x10
#define EVLIST_INIT 0x80     /* event_set */

/* Event bits beside EV_READ, EV_WRITE, EV_SIGNAL and EV_TIMEOUT, which are those of ev.h. */
#define EV_PERSIST 0x10 /* stays until event_del */
#define EV_ET 0x20
#if !EV_COMPAT3
#define EV_TIMEOUT EV_TIMER
#endif

/* For programs that look with #ifdef. */
#define EV_READ EV_READ
#define EV_WRITE EV_WRITE

/* Flags of event_loop. */
#ifndef EVLOOP_NONBLOCK
#define EVLOOP_NONBLOCK EVRUN_NOWAIT
#endif
#ifndef EVLOOP_ONESHOT
#define EVLOOP_ONESHOT EVRUN_ONCE
#endif
#define EVLOOP_ONCE EVLOOP_ONESHOT

struct event_base; /* an event loop: the same pointer as struct ev_loop */

typedef void (*event_callback_fn) (int fd, short events, void *arg);

struct event {
    union {
        struct ev_io io;
        struct ev_signal sig;
    } iosig;            /* private */
    struct ev_timer to; /* private */

    struct event_base *ev_base;
    event_callback_fn ev_callback;
    void *ev_arg;
    int ev_fd; /* descriptor or signal number */
    int ev_pri;
    int ev_res; /* the events the callback is told */
    int ev_flags;
    short ev_events; /* as given to event_set */
};

#define EVENT_SIGNAL(ev) ((ev)->ev_fd)
#define EVENT_FD(ev) ((ev)->ev_fd)
#define event_initialized(ev) ((ev)->ev_flags & EVLIST_INIT)

/* An event that is only a timeout. */
#define evtimer_set(ev, cb, arg) event_set ((ev), -1, 0, (cb), (arg))
#define evtimer_add(ev, tv) event_add ((ev), (tv))
#define evtimer_del(ev) event_del (ev)
#define evtimer_pending(ev, tv) event_pending ((ev), EV_TIMEOUT, (tv))
#define evtimer_initialized(ev) event_initialized (ev)

#define timeout_set(ev, cb, arg) evtimer_set ((ev), (cb), (arg))
#define timeout_add(ev, tv) evtimer_add ((ev), (tv))
#define timeout_del(ev) evtimer_del (ev)
#define timeout_pending(ev, tv) evtimer_pending ((ev), (tv))
#define timeout_initialized(ev) evtimer_initialized (ev)

/* An event that is a signal. */
#define signal_set(ev, signum, cb, arg) event_set ((ev), (signum), EV_SIGNAL | EV_PERSIST, (cb), (arg))
#define signal_add(ev, tv) event_add ((ev), (tv))
#define signal_del(ev) event_del (ev)
#define signal_pending(ev, tv) event_pending ((ev), EV_SIGNAL, (tv))
#define signal_initialized(ev) event_initialized (ev)

const char *event_get_version (void);
const char *event_get_method (void);

/* Severities of log messages. The library writes none: the callback is never called. It can be set only
 * where the emulation is compiled into the program, not in the shared library (contract LE-8). */
#define _EVENT_LOG_DEBUG 0
#define _EVENT_LOG_MSG 1
#define _EVENT_LOG_WARN 2
#define _EVENT_LOG_ERR 3
typedef void (*event_log_cb) (int severity, const char *msg);
void event_set_log_callback (event_log_cb cb);

/* The first call takes the default loop, each later one makes another; either becomes the current base, which
 * the functions without a base argument use, and which event_set gives to events. NULL when it fails. */
void *event_init (void);
int event_loop (int flags); /* 1: nothing is left to wait for, 0 otherwise */
int event_dispatch (void);
int event_loopexit (struct timeval *tv); /* ends the loop in tv; NULL: at once */
int event_priority_init (int priorities);

void event_set (struct event *ev, int fd, short events, event_callback_fn cb, void *arg);
int event_add (struct event *ev, struct timeval *tv); /* tv may be NULL: no timeout */
int event_del (struct event *ev);
void event_active (struct event *ev, int res, short ncalls); /* as if res had happened */
int event_pending (struct event *ev, short events, struct timeval *tv); /* which it still waits for */
int event_priority_set (struct event *ev, int priority);
event_callback_fn event_get_callback (const struct event *ev);

/* cb once, for events of fd or after tv (NULL: no timeout). -1 when there is no memory. */
int event_once (int fd, short events, event_callback_fn cb, void *arg, struct timeval *tv);

/* The same with a base of your own, which does not become the current one. */
struct event_base *event_base_new (void);
const char *event_base_get_method (const struct event_base *base);
int event_base_set (struct event_base *base, struct event *ev);
int event_base_loop (struct event_base *base, int flags);
int event_base_dispatch (struct event_base *base);
int event_base_loopexit (struct event_base *base, struct timeval *tv);
int event_base_once (struct event_base *base, int fd, short events, event_callback_fn cb, void *arg,
                     struct timeval *tv);
int event_base_priority_init (struct event_base *base, int priorities);
void event_base_free (struct event_base *base); /* the default loop stays */

EV_CPP (})

#endif
