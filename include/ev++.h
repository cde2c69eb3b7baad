/* ev++.h: the C++ face of the event loop, source and binary compatible with the wrapper of libev 4.33.
 *
 *     struct connection {
 *         ev::io readable;                        // stops itself when the connection goes
 *         connection (int fd)
 *         {
 *             readable.set<connection, &connection::on_data> (this);
 *             readable.start (fd, ev::READ);
 *         }
 *         void on_data (ev::io &w, int revents);
 *     };
 *
 * Everything is inline: no C++ symbol is in the library. Every watcher class is the C watcher of the same
 * kind, so ev_* functions and macros work on it too. Rules that hold for every class:
 *   - A watcher belongs to a loop (the default one, unless the constructor is told another) and uses its data
 *     member for the object or pointer given to set.
 *   - set (…) and start (…) with arguments may be called at any time: an active watcher is stopped, changed
 *     and started again. The callback is kept.
 *   - The destructor stops the watcher. Watchers cannot be copied.
 *
 * Operations have a class too, ev::op, in programs that include <ev_op.h>, before this header or after it;
 * others keep the name for themselves. So it is with ev::mailbox and ev::post, and <ev_mailbox.h>.
 *
 * Needs C++11. Define EV_H to include another header than "ev.h", EV_USE_STDEXCEPT as 0 to do without
 * <exception>.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#if !defined(EVPP_H__) || (defined(EV_OP_H_) && !defined(EVPP_OP_H__)) \
    || (defined(EV_MAILBOX_H_) && !defined(EVPP_MAILBOX_H__)) || (defined(EV_STREAM_H_) && !defined(EVPP_STREAM_H__))

/* Some callbacks are noexcept by type, which C++17 writes into mangled names. Before C++17 compilers announce
 * that of each function that takes such a callback; nothing here is ever called by its mangled name. */
#if defined(__GNUC__) && __cplusplus < 201703L
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wc++1z-compat-mangling"
#else
#pragma GCC diagnostic ignored "-Wnoexcept-type"
#endif
#endif

#ifdef EV_H
#include EV_H
#else
#include "ev.h"
#endif

#ifndef EV_USE_STDEXCEPT
#define EV_USE_STDEXCEPT 1
#endif

#if EV_USE_STDEXCEPT
#include <exception>
#endif

/* The loop as an argument: EVPP_A_ in a loop_ref, EVPP_W_ in a watcher; EVPP_P_ as a parameter nobody looks
 * at. Undefined again below. */
#if EV_MULTIPLICITY
#define EVPP_P_ struct ev_loop *,
#define EVPP_A raw_loop
#define EVPP_A_ raw_loop,
#define EVPP_W_ this->loop.raw_loop,
#else
#define EVPP_P_
#define EVPP_A
#define EVPP_A_
#define EVPP_W_
#endif

/* The members every kind has, as members of the class itself: programs take their addresses. */
#if EV_MULTIPLICITY
#define EVPP_CONSTRUCTOR(name, kind)                                          \
    name (loop_ref of = get_default_loop ()) EV_NOEXCEPT : base<kind, name> (of) \
    {                                                                         \
    }
#else
#define EVPP_CONSTRUCTOR(name, kind)                                          \
    name () EV_NOEXCEPT                                                       \
    {                                                                         \
    }
#endif
#define EVPP_WATCHER(name, kind)                                              \
    EVPP_CONSTRUCTOR (name, kind)                                             \
    EVPP_LIFE (name, kind)
#define EVPP_LIFE(name, kind)                                                 \
    ~name ()                                                                  \
    {                                                                         \
        stop ();                                                              \
    }                                                                         \
    using base<kind, name>::set;                                              \
    void start () EV_NOEXCEPT                                                 \
    {                                                                         \
        kind##_start (EVPP_W_ this);                    \
    }                                                                         \
    void stop () EV_NOEXCEPT                                                  \
    {                                                                         \
        kind##_stop (EVPP_W_ this);                     \
    }

#ifndef EVPP_H__
#define EVPP_H__
#define EVPP_OPS_ "ev++.h" /* ev_op.h and ev_mailbox.h ask for their classes, if they come later */

namespace ev
{

typedef ev_tstamp tstamp;

/* ---- constants ---------------------------------------------------------------------------- */

enum {
    UNDEF = EV_UNDEF,
    NONE = EV_NONE,
    READ = EV_READ,
    WRITE = EV_WRITE,
#if EV_COMPAT3
    TIMEOUT = EV_TIMEOUT,
#endif
    TIMER = EV_TIMER,
    PERIODIC = EV_PERIODIC,
    SIGNAL = EV_SIGNAL,
    CHILD = EV_CHILD,
    STAT = EV_STAT,
    IDLE = EV_IDLE,
    CHECK = EV_CHECK,
    PREPARE = EV_PREPARE,
    FORK = EV_FORK,
    ASYNC = EV_ASYNC,
    EMBED = EV_EMBED,
    ERROR = EV_ERROR
};

/* Backends and flags that have no name here are used by their C names: EVBACKEND_IOURING, EVFLAG_SIGNALFD. */
enum {
    AUTO = EVFLAG_AUTO,
    NOENV = EVFLAG_NOENV,
    FORKCHECK = EVFLAG_FORKCHECK,

    SELECT = EVBACKEND_SELECT,
    POLL = EVBACKEND_POLL,
    EPOLL = EVBACKEND_EPOLL,
    KQUEUE = EVBACKEND_KQUEUE,
    DEVPOLL = EVBACKEND_DEVPOLL,
    PORT = EVBACKEND_PORT
};

enum {
#if EV_COMPAT3
    NONBLOCK = EVLOOP_NONBLOCK,
    ONESHOT = EVLOOP_ONESHOT,
#endif
    NOWAIT = EVRUN_NOWAIT,
    ONCE = EVRUN_ONCE
};

enum how_t {
    ONE = EVBREAK_ONE,
    ALL = EVBREAK_ALL
};

/* ---- loops -------------------------------------------------------------------------------- */

/* Thrown when no loop can be made. */
struct bad_loop
#if EV_USE_STDEXCEPT
    : std::exception
#endif
{
#if EV_USE_STDEXCEPT
    const char *what () const EV_NOEXCEPT override
    {
        return "no event loop could be made: no wanted backend works here (is LIBEV_FLAGS set?)";
    }
#endif
};

/* A loop by reference: copying it does not copy the loop, destroying it does nothing to the loop. */
struct loop_ref {
#if EV_MULTIPLICITY
    loop_ref (struct ev_loop *loop) EV_NOEXCEPT : raw_loop (loop)
    {
    }

    bool operator== (const loop_ref &other) const EV_NOEXCEPT
    {
        return raw_loop == other.raw_loop;
    }
    bool operator!= (const loop_ref &other) const EV_NOEXCEPT
    {
        return raw_loop != other.raw_loop;
    }
    bool operator== (const struct ev_loop *other) const EV_NOEXCEPT
    {
        return raw_loop == other;
    }
    bool operator!= (const struct ev_loop *other) const EV_NOEXCEPT
    {
        return raw_loop != other;
    }
    /* Pointers exactly as they come: otherwise comparing two plain pointers would be as good a match. */
    template <class P>
    bool operator== (P *other) const EV_NOEXCEPT
    {
        return raw_loop == other;
    }
    template <class P>
    bool operator!= (P *other) const EV_NOEXCEPT
    {
        return raw_loop != other;
    }

    operator struct ev_loop * () const EV_NOEXCEPT
    {
        return raw_loop;
    }
    operator const struct ev_loop * () const EV_NOEXCEPT
    {
        return raw_loop;
    }

    /* Makes the default loop if there is none. */
    bool is_default () const EV_NOEXCEPT
    {
        return raw_loop == ev_default_loop (0);
    }
#else
    bool operator== (const loop_ref &) const EV_NOEXCEPT
    {
        return true;
    }
    bool operator!= (const loop_ref &) const EV_NOEXCEPT
    {
        return false;
    }
#endif

#if EV_COMPAT3
    void loop (int flags = 0)
    {
        ev_run (EVPP_A_ flags);
    }
    void unloop (how_t how = ONE) EV_NOEXCEPT
    {
        ev_break (EVPP_A_ how);
    }
#endif

    void run (int flags = 0)
    {
        ev_run (EVPP_A_ flags);
    }
    void break_loop (how_t how = ONE) EV_NOEXCEPT
    {
        ev_break (EVPP_A_ how);
    }
    void post_fork () EV_NOEXCEPT
    {
        ev_loop_fork (EVPP_A);
    }
    unsigned int backend () const EV_NOEXCEPT
    {
        return ev_backend (EVPP_A);
    }
    tstamp now () const EV_NOEXCEPT
    {
        return ev_now (EVPP_A);
    }
    void ref () EV_NOEXCEPT
    {
        ev_ref (EVPP_A);
    }
    void unref () EV_NOEXCEPT
    {
        ev_unref (EVPP_A);
    }
    unsigned int iteration () const EV_NOEXCEPT
    {
        return ev_iteration (EVPP_A);
    }
    unsigned int depth () const EV_NOEXCEPT
    {
        return ev_depth (EVPP_A);
    }
    void set_io_collect_interval (tstamp interval) EV_NOEXCEPT
    {
        ev_set_io_collect_interval (EVPP_A_ interval);
    }
    void set_timeout_collect_interval (tstamp interval) EV_NOEXCEPT
    {
        ev_set_timeout_collect_interval (EVPP_A_ interval);
    }

    /* ev_once with a function and its argument; an object and a method, with or without revents; a functor; a
     * function known at compile time, with or without revents. */
    void once (int fd, int events, tstamp timeout, void (*cb) (int revents, void *arg),
               void *arg = 0) EV_NOEXCEPT
    {
        ev_once (EVPP_A_ fd, events, timeout, cb, arg);
    }
    template <class K, void (K::*method) (int revents)>
    void once (int fd, int events, tstamp timeout, K *object) EV_NOEXCEPT
    {
        once (fd, events, timeout, once_method<K, method>, object);
    }
    template <class K, void (K::*method) ()>
    void once (int fd, int events, tstamp timeout, K *object) EV_NOEXCEPT
    {
        once (fd, events, timeout, once_method<K, method>, object);
    }
    template <class K>
    void once (int fd, int events, tstamp timeout, K *functor) EV_NOEXCEPT
    {
        once (fd, events, timeout, once_functor<K>, const_cast<void *> (static_cast<const void *> (functor)));
    }
    template <void (*function) (int revents)>
    void once (int fd, int events, tstamp timeout) EV_NOEXCEPT
    {
        once (fd, events, timeout, once_function<function>);
    }
    template <void (*function) ()>
    void once (int fd, int events, tstamp timeout) EV_NOEXCEPT
    {
        once (fd, events, timeout, once_function<function>);
    }

    void feed_fd_event (int fd, int revents) EV_NOEXCEPT
    {
        ev_feed_fd_event (EVPP_A_ fd, revents);
    }
#if EV_SIGNAL_ENABLE
    void feed_signal_event (int signum) EV_NOEXCEPT
    {
        ev_feed_signal_event (EVPP_A_ signum);
    }
#endif

#if EV_MULTIPLICITY
    struct ev_loop *raw_loop;
#endif

  private:
    template <class K, void (K::*method) (int)>
    static void once_method (int revents, void *object)
    {
        (static_cast<K *> (object)->*method) (revents);
    }
    template <class K, void (K::*method) ()>
    static void once_method (int, void *object)
    {
        (static_cast<K *> (object)->*method) ();
    }
    template <class K>
    static void once_functor (int revents, void *functor)
    {
        (*static_cast<K *> (functor)) (revents);
    }
    template <void (*function) (int)>
    static void once_function (int revents, void *)
    {
        function (revents);
    }
    template <void (*function) ()>
    static void once_function (int, void *)
    {
        function ();
    }
};

#if EV_MULTIPLICITY
/* A loop of its own, which ends with this object. */
struct dynamic_loop : loop_ref {
    dynamic_loop (unsigned int flags = AUTO) : loop_ref (ev_loop_new (flags))
    {
        if (!raw_loop)
            throw bad_loop ();
    }
    ~dynamic_loop ()
    {
        ev_loop_destroy (raw_loop);
    }
    dynamic_loop (const dynamic_loop &) = delete;
    dynamic_loop &operator= (const dynamic_loop &) = delete;
};
#endif

/* The default loop. It goes on to exist when this object ends. */
struct default_loop : loop_ref {
    default_loop (unsigned int flags = AUTO)
#if EV_MULTIPLICITY
        : loop_ref (ev_default_loop (flags))
    {
        if (!raw_loop)
            throw bad_loop ();
    }
#else
    {
        if (!ev_default_loop (flags))
            throw bad_loop ();
    }
#endif
    default_loop (const default_loop &) = delete;
    default_loop &operator= (const default_loop &) = delete;
};

inline loop_ref get_default_loop () EV_NOEXCEPT
{
#if EV_MULTIPLICITY
    return ev_default_loop (0);
#else
    return loop_ref ();
#endif
}

/* ---- functions of the library -------------------------------------------------------------- */

inline tstamp now (EV_P) EV_NOEXCEPT
{
    return ev_now (EV_A);
}
inline void delay (tstamp interval) EV_NOEXCEPT
{
    ev_sleep (interval);
}
inline int version_major () EV_NOEXCEPT
{
    return ev_version_major ();
}
inline int version_minor () EV_NOEXCEPT
{
    return ev_version_minor ();
}
inline unsigned int supported_backends () EV_NOEXCEPT
{
    return ev_supported_backends ();
}
inline unsigned int recommended_backends () EV_NOEXCEPT
{
    return ev_recommended_backends ();
}
inline unsigned int embeddable_backends () EV_NOEXCEPT
{
    return ev_embeddable_backends ();
}
inline void set_allocator (void *(*cb) (void *ptr, long size) EV_NOEXCEPT) EV_NOEXCEPT
{
    ev_set_allocator (cb);
}
inline void set_syserr_cb (void (*cb) (const char *msg) EV_NOEXCEPT) EV_NOEXCEPT
{
    ev_set_syserr_cb (cb);
}

/* ---- what all watchers have ---------------------------------------------------------------- */

/* kind is the C structure, watcher the class derived from this one. The layout (the C structure, then the
 * loop) is compiled into programs. */
template <class kind, class watcher>
struct base : kind {
#if EV_MULTIPLICITY
    loop_ref loop;

    base (loop_ref of = get_default_loop ()) EV_NOEXCEPT : loop (of)
    {
        ev_init (this, 0);
    }

    /* Another loop. An active watcher moves there, and so does the call of one that has ended: stop would look
     * for it in the wrong queue. */
    void set (struct ev_loop *other) EV_NOEXCEPT
    {
        if (loop == other)
            return;
        freeze_guard still (static_cast<watcher *> (this));
        const int revents = ev_clear_pending (loop.raw_loop, this);
        loop = other;
        if (revents)
            feed_event (revents);
    }
#else
    base () EV_NOEXCEPT
    {
        ev_init (this, 0);
    }
#endif
    base (const base &) = delete;
    base &operator= (const base &) = delete;

    /* The plain way: what to store in data, and a C callback. */
    void set_ (const void *data, void (*cb) (EV_P_ kind *w, int revents)) EV_NOEXCEPT
    {
        this->data = const_cast<void *> (data);
        ev_set_cb (this, cb);
    }

    /* A function; data is for its use. */
    template <void (*function) (watcher &w, int revents)>
    void set (void *data = 0) EV_NOEXCEPT
    {
        set_ (data, call_function<function>);
    }
    /* A method of object, with arguments or without. */
    template <class K, void (K::*method) (watcher &w, int revents)>
    void set (K *object) EV_NOEXCEPT
    {
        set_ (object, call_method<K, method>);
    }
    template <class K, void (K::*method) ()>
    void set (K *object) EV_NOEXCEPT
    {
        set_ (object, call_method<K, method>);
    }
    /* Whatever can be called as (*functor) (w, revents). */
    template <class K>
    void set (K *functor) EV_NOEXCEPT
    {
        set_ (functor, call_functor<K>);
    }

    /* Calls the callback now. */
    void operator() (int events = UNDEF)
    {
        ev_invoke (EVPP_W_ this, events);
    }

    bool is_active () const EV_NOEXCEPT
    {
        return ev_is_active (this);
    }
    bool is_pending () const EV_NOEXCEPT
    {
        return ev_is_pending (this);
    }
    void feed_event (int revents) EV_NOEXCEPT
    {
        ev_feed_event (EVPP_W_ this, revents);
    }

    /* Stops an active watcher and starts it again at the end of the scope. */
    struct freeze_guard {
        watcher &w;
        bool active;

        freeze_guard (watcher *frozen) EV_NOEXCEPT : w (*frozen), active (frozen->is_active ())
        {
            if (active)
                w.stop ();
        }
        ~freeze_guard ()
        {
            if (active)
                w.start ();
        }
    };

  private:
    template <void (*function) (watcher &, int)>
    static void call_function (EVPP_P_ kind *w, int revents)
    {
        function (*static_cast<watcher *> (w), revents);
    }
    template <class K, void (K::*method) (watcher &, int)>
    static void call_method (EVPP_P_ kind *w, int revents)
    {
        (static_cast<K *> (w->data)->*method) (*static_cast<watcher *> (w), revents);
    }
    template <class K, void (K::*method) ()>
    static void call_method (EVPP_P_ kind *w, int)
    {
        (static_cast<K *> (w->data)->*method) ();
    }
    template <class K>
    static void call_functor (EVPP_P_ kind *w, int revents)
    {
        (*static_cast<K *> (w->data)) (*static_cast<watcher *> (w), revents);
    }
};

/* ---- the kinds ----------------------------------------------------------------------------- */

/* A descriptor is ready. */
struct io : base<ev_io, io> {
    EVPP_WATCHER (io, ev_io)

    void set (int fd, int events) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_io_set (this, fd, events);
    }
    /* Other events on the same open file. */
    void set (int events) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_io_modify (this, events);
    }
    void start (int fd, int events) EV_NOEXCEPT
    {
        set (fd, events);
        start ();
    }
};

/* Some time has passed, once or again and again. */
struct timer : base<ev_timer, timer> {
    EVPP_WATCHER (timer, ev_timer)

    void set (ev_tstamp after, ev_tstamp repeat = 0.) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_timer_set (this, after, repeat);
    }
    void start (ev_tstamp after, ev_tstamp repeat = 0.) EV_NOEXCEPT
    {
        set (after, repeat);
        start ();
    }
    void again () EV_NOEXCEPT
    {
        ev_timer_again (EVPP_W_ this);
    }
    ev_tstamp remaining ()
    {
        return ev_timer_remaining (EVPP_W_ this);
    }
};

#if EV_PERIODIC_ENABLE
/* A wall-clock time has come. With a reschedule callback: ev_periodic_set. */
struct periodic : base<ev_periodic, periodic> {
    EVPP_WATCHER (periodic, ev_periodic)

    void set (ev_tstamp at, ev_tstamp interval = 0.) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_periodic_set (this, at, interval, 0);
    }
    void start (ev_tstamp at, ev_tstamp interval = 0.) EV_NOEXCEPT
    {
        set (at, interval);
        start ();
    }
    void again () EV_NOEXCEPT
    {
        ev_periodic_again (EVPP_W_ this);
    }
};
#endif

#if EV_SIGNAL_ENABLE
/* A signal arrived. */
struct sig : base<ev_signal, sig> {
    EVPP_WATCHER (sig, ev_signal)

    void set (int signum) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_signal_set (this, signum);
    }
    void start (int signum) EV_NOEXCEPT
    {
        set (signum);
        start ();
    }
};
#endif

#if EV_CHILD_ENABLE
/* A child process ended (or, with trace, stopped or went on). Default loop only. */
struct child : base<ev_child, child> {
    EVPP_WATCHER (child, ev_child)

    void set (int pid, int trace = 0) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_child_set (this, pid, trace);
    }
    void start (int pid, int trace = 0) EV_NOEXCEPT
    {
        set (pid, trace);
        start ();
    }
};
#endif

#if EV_STAT_ENABLE
/* What lstat says of a path changed. */
struct stat : base<ev_stat, stat> {
    EVPP_WATCHER (stat, ev_stat)

    void set (const char *path, ev_tstamp interval = 0.) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_stat_set (this, path, interval);
    }
    /* Always begins with a fresh look at the path. */
    void start (const char *path, ev_tstamp interval = 0.) EV_NOEXCEPT
    {
        stop ();
        set (path, interval);
        start ();
    }
    void update () EV_NOEXCEPT
    {
        ev_stat_stat (EVPP_W_ this);
    }
};
#endif

#if EV_IDLE_ENABLE
/* Nothing of this or a higher priority is pending. */
struct idle : base<ev_idle, idle> {
    EVPP_WATCHER (idle, ev_idle)
    void set () EV_NOEXCEPT
    {
    }
};
#endif

#if EV_PREPARE_ENABLE
/* The loop is about to sleep. */
struct prepare : base<ev_prepare, prepare> {
    EVPP_WATCHER (prepare, ev_prepare)
    void set () EV_NOEXCEPT
    {
    }
};
#endif

#if EV_CHECK_ENABLE
/* The loop has collected new events. */
struct check : base<ev_check, check> {
    EVPP_WATCHER (check, ev_check)
    void set () EV_NOEXCEPT
    {
    }
};
#endif

#if EV_EMBED_ENABLE
/* Another loop has events. */
struct embed : base<ev_embed, embed> {
    EVPP_WATCHER (embed, ev_embed)

    /* The loop to put inside. */
    void set_embed (struct ev_loop *embedded_loop) EV_NOEXCEPT
    {
        freeze_guard still (this);
        ev_embed_set (this, embedded_loop);
    }
    /* Beware: as in libev this names the loop to embed INTO, like set (loop). Say set_embed (inner), then
     * start (). */
    void start (struct ev_loop *outer_loop) EV_NOEXCEPT
    {
        set (outer_loop);
        start ();
    }
    void sweep ()
    {
        ev_embed_sweep (EVPP_W_ this);
    }
};
#endif

#if EV_FORK_ENABLE
/* The loop resumes in a forked child. */
struct fork : base<ev_fork, fork> {
    EVPP_WATCHER (fork, ev_fork)
    void set () EV_NOEXCEPT
    {
    }
};
#endif

#if EV_ASYNC_ENABLE
/* Someone called send. */
struct async : base<ev_async, async> {
    EVPP_WATCHER (async, ev_async)

    /* From any thread, from signal handlers. */
    void send () EV_NOEXCEPT
    {
        ev_async_send (EVPP_W_ this);
    }
    bool async_pending () EV_NOEXCEPT
    {
        return ev_async_pending (this);
    }
};
#endif

} /* namespace ev */
#endif /* EVPP_H__ */

#if defined(EV_OP_H_) && !defined(EVPP_OP_H__)
#define EVPP_OP_H__
#if EV_OP_ENABLE
extern "C++" { /* ev_op.h may have been included into something else */
namespace ev
{

/* ---- operations ---------------------------------------------------------------------------- */

enum {
    OP = EV_OP,
    OP_MORE = EV_OP_MORE
};

/* An operation has a result: result, moved and buf are members. One of the set functions says what it is;
 * without flags and offsets they mean no flags, and the current position. */
struct op : base<ev_op, op> {
#if EV_MULTIPLICITY
    op (loop_ref of = get_default_loop ()) EV_NOEXCEPT : base<ev_op, op> (of)
#else
    op () EV_NOEXCEPT
#endif
    {
        static_cast<ev_op &> (*this) = ev_op (); /* started like this it ends with -EINVAL */
    }
    EVPP_LIFE (op, ev_op)

    /* Asks it to end early: the callback comes. stop insists. */
    void cancel () EV_NOEXCEPT
    {
        ev_op_cancel (EVPP_W_ this);
    }
    /* Of one that repeats: no callback comes, and nothing more is taken from the kernel. */
    void pause () EV_NOEXCEPT
    {
        ev_op_pause (EVPP_W_ this);
    }
    void resume () EV_NOEXCEPT
    {
        ev_op_resume (EVPP_W_ this);
    }
    /* Both are for an inactive operation, and cleared by the set functions. */
    void deadline (ev_tstamp seconds) EV_NOEXCEPT
    {
        ev_op_deadline (this, seconds);
    }
    void link (ev_op *next) EV_NOEXCEPT
    {
        ev_op_link (this, next);
    }
    void flags (unsigned flags) EV_NOEXCEPT
    {
        ev_op_flags (this, flags);
    }

/* A completion that was not told yet is about the earlier operation: it goes too. */
#define EVPP_OP(name, parameters, arguments)                                  \
    void set_##name parameters EV_NOEXCEPT                                    \
    {                                                                         \
        const bool active = this->is_active ();                               \
        stop ();                                                              \
        ev_##name##_set arguments;                                            \
        if (active)                                                           \
            start ();                                                         \
    }
    EVPP_OP (accept, (int fd, int flags = 0), (this, fd, flags))
    void accept_limit (unsigned most) EV_NOEXCEPT
    {
        ev_accept_limit (this, most);
    }
    void accept_gone () EV_NOEXCEPT
    {
        ev_accept_gone (EVPP_W_ this);
    }
    int accept_peer (struct sockaddr *address, unsigned *size) const EV_NOEXCEPT
    {
        return ev_accept_peer (this, address, size);
    }
    EVPP_OP (connect, (int fd, const struct ::sockaddr *address, unsigned size), (this, fd, address, size))
    EVPP_OP (recv, (int fd, void *buf, size_t size, int flags = 0), (this, fd, buf, size, flags))
    EVPP_OP (recv_pool, (int fd, ev_pool *pool, int flags = 0), (this, fd, pool, flags))
    EVPP_OP (send, (int fd, const void *buf, size_t size, int flags = 0), (this, fd, buf, size, flags))
    EVPP_OP (send_zc, (int fd, const void *buf, size_t size, int flags = 0), (this, fd, buf, size, flags))
    EVPP_OP (recvmsg, (int fd, struct ::msghdr *message, int flags = 0), (this, fd, message, flags))
    EVPP_OP (sendmsg, (int fd, const struct ::msghdr *message, int flags = 0), (this, fd, message, flags))
    EVPP_OP (shutdown, (int fd, int how), (this, fd, how))
    EVPP_OP (socket, (int domain, int type, int protocol = 0), (this, domain, type, protocol))
    EVPP_OP (openat, (int dirfd, const char *path, int flags, unsigned mode = 0),
             (this, dirfd, path, flags, mode))
    EVPP_OP (close, (int fd), (this, fd))
    EVPP_OP (read, (int fd, void *buf, size_t size, int64_t offset = -1), (this, fd, buf, size, offset))
    EVPP_OP (write, (int fd, const void *buf, size_t size, int64_t offset = -1),
             (this, fd, buf, size, offset))
    EVPP_OP (readv, (int fd, const struct ::iovec *vec, int count, int64_t offset = -1),
             (this, fd, vec, count, offset))
    EVPP_OP (writev, (int fd, const struct ::iovec *vec, int count, int64_t offset = -1),
             (this, fd, vec, count, offset))
    EVPP_OP (fsync, (int fd, int datasync = 0), (this, fd, datasync))
    EVPP_OP (fallocate, (int fd, int mode, int64_t offset, int64_t size), (this, fd, mode, offset, size))
    EVPP_OP (ftruncate, (int fd, int64_t size), (this, fd, size))
    EVPP_OP (statx, (int dirfd, const char *path, int flags, unsigned mask, struct ::statx *stat),
             (this, dirfd, path, flags, mask, stat))
    EVPP_OP (unlinkat, (int dirfd, const char *path, int flags = 0), (this, dirfd, path, flags))
    EVPP_OP (renameat, (int dirfd, const char *path, int dirfd_to, const char *path_to, unsigned flags = 0),
             (this, dirfd, path, dirfd_to, path_to, flags))
    EVPP_OP (mkdirat, (int dirfd, const char *path, unsigned mode), (this, dirfd, path, mode))
    EVPP_OP (splice, (int fd, int64_t offset, int fd_to, int64_t offset_to, size_t size, unsigned flags = 0),
             (this, fd, offset, fd_to, offset_to, size, flags))
    EVPP_OP (waitid, (int idtype, int id, void *info, int options), (this, idtype, id, info, options))
    EVPP_OP (work, (ev_work_call *call, void *arg = 0), (this, call, arg))
    EVPP_OP (getaddrinfo,
             (const char *node, const char *service, const struct ::addrinfo *hints, struct ::addrinfo **list),
             (this, node, service, hints, list))
    EVPP_OP (getnameinfo,
             (const struct ::sockaddr *address, unsigned size, char *host, unsigned host_size, char *service = 0,
              unsigned service_size = 0, int flags = 0),
             (this, address, size, host, host_size, service, service_size, flags))
    EVPP_OP (sqe, (const void *entry), (this, entry))
#undef EVPP_OP
};

} /* namespace ev */
}
#endif
#endif /* EVPP_OP_H__ */

#if defined(EV_MAILBOX_H_) && !defined(EVPP_MAILBOX_H__)
#define EVPP_MAILBOX_H__
#if EV_MAILBOX_ENABLE
extern "C++" {
namespace ev
{

/* ---- mailboxes ----------------------------------------------------------------------------- */

/* A function to be called in a loop, once for each time it is sent. It has no destructor: from send to the call it is the
 * mailbox's, and must stay. */
struct post : ev_post {
    post () EV_NOEXCEPT
    {
        static_cast<ev_post &> (*this) = ev_post ();
    }
    template <class K, void (K::*method) (post &p, int revents)>
    void set (K *object) EV_NOEXCEPT
    {
        this->cb = call_method<K, method>;
        this->data = static_cast<void *> (object);
    }
    template <void (*function) (post &p, int revents)>
    void set (void *pointer = 0) EV_NOEXCEPT
    {
        this->cb = call_function<function>;
        this->data = pointer;
    }

private:
    template <class K, void (K::*method) (post &p, int revents)>
    static void call_method (EVPP_P_ ev_post *p, int revents)
    {
        (static_cast<K *> (p->data)->*method) (static_cast<post &> (*p), revents);
    }
    template <void (*function) (post &p, int revents)>
    static void call_function (EVPP_P_ ev_post *p, int revents)
    {
        function (static_cast<post &> (*p), revents);
    }
};

/* A reference to a loop's mailbox: a copy is one more. Made in the loop's thread, used and copied in any. */
struct mailbox {
#if EV_MULTIPLICITY
    explicit mailbox (loop_ref of) EV_NOEXCEPT : raw_mailbox (ev_mailbox_of (of))
#else
    mailbox () EV_NOEXCEPT : raw_mailbox (ev_mailbox_of ())
#endif
    {
    }
    mailbox (const mailbox &other) EV_NOEXCEPT : raw_mailbox (ev_mailbox_ref (other.raw_mailbox))
    {
    }
    mailbox &operator= (const mailbox &other) EV_NOEXCEPT
    {
        ev_mailbox *before = raw_mailbox;

        raw_mailbox = ev_mailbox_ref (other.raw_mailbox);
        ev_mailbox_free (before);
        return *this;
    }
    ~mailbox ()
    {
        ev_mailbox_free (raw_mailbox);
    }
    int send (ev_post &p) EV_NOEXCEPT
    {
        return ev_mailbox_send (raw_mailbox, &p);
    }
    void hold () EV_NOEXCEPT
    {
        ev_mailbox_hold (raw_mailbox);
    }
    void unhold () EV_NOEXCEPT
    {
        ev_mailbox_unhold (raw_mailbox);
    }

    ev_mailbox *raw_mailbox;
};

} /* namespace ev */
}
#endif
#endif /* EVPP_MAILBOX_H__ */

#if defined(EV_STREAM_H_) && !defined(EVPP_STREAM_H__)
#define EVPP_STREAM_H__
#if EV_STREAM_ENABLE
extern "C++" {
namespace ev
{

/* ---- streams -------------------------------------------------------------------------------- */

enum {
    DATA = EV_DATA,
    END_OF_FILE = EV_EOF, /* EOF is a macro of stdio.h */
    DRAIN = EV_DRAIN,
    END = EV_END
};

/* A connection as one watcher. buf, size, left, fd and error are members. It stops when its object ends; with END the object
 * may be deleted. */
struct stream : base<ev_stream, stream> {
#if EV_MULTIPLICITY
    stream (loop_ref of = get_default_loop ()) EV_NOEXCEPT : base<ev_stream, stream> (of)
#else
    stream () EV_NOEXCEPT
#endif
    {
        static_cast<ev_stream &> (*this) = ev_stream ();
    }
    EVPP_LIFE (stream, ev_stream)

    /* Of one that is not active. */
    void set (int descriptor, ev_pool *pool_or_none = 0) EV_NOEXCEPT
    {
        ev_stream_set (this, descriptor, pool_or_none);
    }
    void set_pair (int in, int out) EV_NOEXCEPT
    {
        ev_stream_set_pair (this, in, out);
    }
    void water (size_t high_mark, size_t low_mark) EV_NOEXCEPT
    {
        ev_stream_water (this, high_mark, low_mark);
    }
    void patience (tstamp idle_for, tstamp first_byte, tstamp writing) EV_NOEXCEPT
    {
        ev_stream_patience (this, idle_for, first_byte, writing);
    }
    void linger_for (tstamp seconds) EV_NOEXCEPT
    {
        ev_stream_linger (this, seconds);
    }
    void feed_to (ev_stream *to) EV_NOEXCEPT
    {
        ev_stream_feeds (this, to);
    }
    void pause () EV_NOEXCEPT
    {
        ev_stream_pause (EVPP_W_ this);
    }
    void resume () EV_NOEXCEPT
    {
        ev_stream_resume (EVPP_W_ this);
    }
    ssize_t write_copy (const void *data_to_copy, size_t bytes) EV_NOEXCEPT
    {
        return ev_stream_write (EVPP_W_ this, data_to_copy, bytes);
    }
    ssize_t give (void *in_pool, size_t bytes) EV_NOEXCEPT
    {
        return ev_stream_give (EVPP_W_ this, in_pool, bytes);
    }
    ssize_t chunk (ev_chunk *of_mine) EV_NOEXCEPT
    {
        return ev_stream_chunk (EVPP_W_ this, of_mine);
    }
    size_t backlog () const EV_NOEXCEPT
    {
        return ev_stream_backlog (this);
    }
    void shutdown () EV_NOEXCEPT
    {
        ev_stream_shutdown (EVPP_W_ this);
    }
    void close () EV_NOEXCEPT
    {
        ev_stream_close (EVPP_W_ this);
    }
    void abort (int why = 0) EV_NOEXCEPT
    {
        ev_stream_abort (EVPP_W_ this, why);
    }
};

} /* namespace ev */
}
#endif
#endif /* EVPP_STREAM_H__ */

#if defined(__GNUC__) && __cplusplus < 201703L
#pragma GCC diagnostic pop
#endif

#undef EVPP_WATCHER
#undef EVPP_LIFE
#undef EVPP_CONSTRUCTOR
#undef EVPP_P_
#undef EVPP_A
#undef EVPP_A_
#undef EVPP_W_

#endif
