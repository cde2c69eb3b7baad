/* ev.h: the public API of the event loop, source and binary compatible with libev 4.33.
 *
 * A loop waits for events; a watcher says which event interests you and which function to call.
 * Every watcher kind has the same life: ev_KIND_init (once), ev_KIND_start, your callback, ev_KIND_stop.
 *
 * Rules that hold for every call, unless it says otherwise:
 *   - A loop and its watchers may be used by one thread at a time, not always the same one.
 *     Only ev_async_send and ev_feed_signal may be called from any thread and from signal handlers
 *     (and what ev_mailbox.h says so of).
 *   - Watchers are your memory. The loop refers to them while they are active or pending, never after.
 *   - Times are seconds, in double precision. File descriptors and signals are the system's numbers.
 *   - Functions marked EV_NOEXCEPT do not call user code and do not throw.
 *
 * What this library offers beyond libev is declared in ev_op.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EV_H_
#define EV_H_

/* ---- language glue ------------------------------------------------------------------------ */

#ifdef __cplusplus
#define EV_CPP(x) x
#if __cplusplus >= 201103L
#define EV_NOEXCEPT noexcept
#else
#define EV_NOEXCEPT
#endif
#else
#define EV_CPP(x)
#define EV_NOEXCEPT
#endif
#define EV_THROW EV_NOEXCEPT

#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define EV_INLINE static inline
#elif defined(__GNUC__)
#define EV_INLINE static __inline__
#else
#define EV_INLINE static
#endif

/* EV_API_STATIC: every prototype becomes static, for programs that include ev.c into a file of theirs. */
#if defined(EV_API_STATIC) && defined(__GNUC__)
#define EV_API_DECL static __attribute__ ((__unused__))
#elif defined(EV_API_STATIC)
#define EV_API_DECL static
#else
#define EV_API_DECL extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- compile-time options ------------------------------------------------------------------
 * Predefine any of them, the same way for ev.c and for every file that includes this header.
 * Those that change structures or prototypes are for programs that embed ev.c; the shared library
 * is built with the defaults. */

#ifndef EV_COMPAT3 /* names of libev 3 */
#define EV_COMPAT3 1
#endif

#ifndef EV_FEATURES
#ifdef __OPTIMIZE_SIZE__
#define EV_FEATURES 0x7c
#else
#define EV_FEATURES 0x7f
#endif
#endif

#define EV_FEATURE_CODE ((EV_FEATURES) &1)
#define EV_FEATURE_DATA ((EV_FEATURES) &2)
#define EV_FEATURE_CONFIG ((EV_FEATURES) &4)
#define EV_FEATURE_API ((EV_FEATURES) &8)
#define EV_FEATURE_WATCHERS ((EV_FEATURES) &16)
#define EV_FEATURE_BACKENDS ((EV_FEATURES) &32)
#define EV_FEATURE_OS ((EV_FEATURES) &64)

#ifndef EV_MINPRI /* priorities a watcher may have; equal values remove the priority member */
#define EV_MINPRI (EV_FEATURE_CONFIG ? -2 : 0)
#endif
#ifndef EV_MAXPRI
#define EV_MAXPRI (EV_FEATURE_CONFIG ? +2 : 0)
#endif

#ifndef EV_MULTIPLICITY /* 0: there is one loop only, and no loop argument anywhere */
#define EV_MULTIPLICITY EV_FEATURE_CONFIG
#endif

#ifndef EV_PERIODIC_ENABLE
#define EV_PERIODIC_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_STAT_ENABLE
#define EV_STAT_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_PREPARE_ENABLE
#define EV_PREPARE_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_CHECK_ENABLE
#define EV_CHECK_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_IDLE_ENABLE
#define EV_IDLE_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_FORK_ENABLE
#define EV_FORK_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_CLEANUP_ENABLE
#define EV_CLEANUP_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_SIGNAL_ENABLE
#define EV_SIGNAL_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_CHILD_ENABLE
#define EV_CHILD_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_ASYNC_ENABLE
#define EV_ASYNC_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_EMBED_ENABLE
#define EV_EMBED_ENABLE EV_FEATURE_WATCHERS
#endif
#ifndef EV_WALK_ENABLE
#define EV_WALK_ENABLE 0
#endif
#ifndef EV_PROTOTYPES /* 0: types and macros only */
#define EV_PROTOTYPES 1
#endif

#if EV_CHILD_ENABLE && !EV_SIGNAL_ENABLE /* children are noticed through SIGCHLD */
#undef EV_SIGNAL_ENABLE
#define EV_SIGNAL_ENABLE 1
#endif

#if EV_EMBED_ENABLE && !EV_MULTIPLICITY /* one loop cannot contain another */
#undef EV_EMBED_ENABLE
#define EV_EMBED_ENABLE 0
#endif

#if EV_EMBED_ENABLE /* an embed watcher is made of these */
#undef EV_PREPARE_ENABLE
#undef EV_IO_ENABLE
#define EV_PREPARE_ENABLE 1
#define EV_IO_ENABLE 1
#endif

#ifndef EV_TSTAMP_T
#define EV_TSTAMP_T double
#endif
typedef EV_TSTAMP_T ev_tstamp; /* seconds: a point in time or a duration */

#include <string.h> /* memmove, for ev_set_cb */

#ifndef EV_ATOMIC_T /* what a signal handler may store and the loop may read */
#include <signal.h>
#define EV_ATOMIC_T sig_atomic_t volatile
#endif

#if EV_STAT_ENABLE
#include <sys/stat.h>
#endif

/* ---- the loop argument -------------------------------------------------------------------- */

struct ev_loop; /* opaque */

#if EV_MULTIPLICITY
#define EV_P struct ev_loop *loop /* as a parameter */
#define EV_P_ EV_P,
#define EV_A loop /* as an argument */
#define EV_A_ EV_A,
#define EV_DEFAULT_UC ev_default_loop_uc_ () /* the default loop, which must exist already */
#define EV_DEFAULT_UC_ EV_DEFAULT_UC,
#define EV_DEFAULT ev_default_loop (0) /* the default loop, made if needed */
#define EV_DEFAULT_ EV_DEFAULT,
#else
#define EV_P void
#define EV_P_
#define EV_A
#define EV_A_
#define EV_DEFAULT
#define EV_DEFAULT_
#define EV_DEFAULT_UC
#define EV_DEFAULT_UC_
#endif

/* ---- constants ---------------------------------------------------------------------------- */

#define EV_VERSION_MAJOR 4 /* of the API and ABI, as libev counts them */
#define EV_VERSION_MINOR 33

/* Event bits: what a watcher asks for (EV_READ, EV_WRITE) and what a callback is told. */
enum {
    EV_UNDEF = (int) 0xFFFFFFFF, /* never a valid set */
    EV_NONE = 0x00,
    EV_READ = 0x01,
    EV_WRITE = 0x02,
    EV__IOFDSET = 0x80, /* internal: the descriptor of an ev_io was set anew */
    EV_IO = EV_READ,    /* type tag, for ev_walk */
    EV_TIMER = 0x00000100,
#if EV_COMPAT3
    EV_TIMEOUT = EV_TIMER,
#endif
    EV_PERIODIC = 0x00000200,
    EV_SIGNAL = 0x00000400,
    EV_CHILD = 0x00000800,
    EV_STAT = 0x00001000,
    EV_IDLE = 0x00002000,
    EV_PREPARE = 0x00004000,
    EV_CHECK = 0x00008000,
    EV_EMBED = 0x00010000,
    EV_FORK = 0x00020000,
    EV_CLEANUP = 0x00040000,
    EV_ASYNC = 0x00080000,
    EV_CUSTOM = 0x01000000,     /* for programs, with ev_feed_event */
    EV_ERROR = (int) 0x80000000 /* the watcher could not go on and has been stopped */
};

/* Flags of ev_loop_new and ev_default_loop. */
enum {
    EVFLAG_AUTO = 0x00000000U,
    EVFLAG_NOENV = 0x01000000U,     /* do not look at LIBEV_FLAGS */
    EVFLAG_FORKCHECK = 0x02000000U, /* notice a fork by itself */
    EVFLAG_NOINOTIFY = 0x00100000U, /* ev_stat only polls */
#if EV_COMPAT3
    EVFLAG_NOSIGFD = 0,
#endif
    EVFLAG_SIGNALFD = 0x00200000U,  /* read signals from a signalfd; blocks them in the calling thread */
    EVFLAG_NOSIGMASK = 0x00400000U, /* ev_signal_start unblocks its signal (contract SG-4) */
    EVFLAG_NOTIMERFD = 0x00800000U  /* do not use a timerfd to notice clock changes */
};

/* Backends: the kernel interface a loop waits with. */
enum {
    EVBACKEND_SELECT = 0x00000001U,
    EVBACKEND_POLL = 0x00000002U,
    EVBACKEND_EPOLL = 0x00000004U,
    EVBACKEND_KQUEUE = 0x00000008U, /* not supported here, like DEVPOLL, PORT and LINUXAIO */
    EVBACKEND_DEVPOLL = 0x00000010U,
    EVBACKEND_PORT = 0x00000020U,
    EVBACKEND_LINUXAIO = 0x00000040U,
    EVBACKEND_IOURING = 0x00000080U,
    EVBACKEND_ALL = 0x000000FFU, /* all known to this version */
    EVBACKEND_MASK = 0x0000FFFFU /* all that will ever be backends */
};

/* Flags of ev_run. */
enum {
    EVRUN_NOWAIT = 1, /* one iteration that does not sleep */
    EVRUN_ONCE = 2    /* one iteration that may sleep */
};

/* How ev_break ends ev_run. */
enum {
    EVBREAK_CANCEL = 0, /* take a request back */
    EVBREAK_ONE = 1,    /* leave the innermost ev_run */
    EVBREAK_ALL = 2     /* leave all nested ones */
};

#if EV_COMPAT3
#define EVLOOP_NONBLOCK EVRUN_NOWAIT
#define EVLOOP_ONESHOT EVRUN_ONCE
#define EVUNLOOP_CANCEL EVBREAK_CANCEL
#define EVUNLOOP_ONE EVBREAK_ONE
#define EVUNLOOP_ALL EVBREAK_ALL
#endif

/* ---- watchers ------------------------------------------------------------------------------
 * Members marked "private" belong to the library, "read" may be read, "yours" may be written at any
 * time. The layout is binary interface: programs contain it. */

#if EV_MINPRI == EV_MAXPRI
#undef EV_DECL_PRIORITY
#define EV_DECL_PRIORITY
#elif !defined(EV_DECL_PRIORITY)
#define EV_DECL_PRIORITY int priority; /* private: ev_priority, ev_set_priority */
#endif

#ifndef EV_COMMON             /* what every watcher carries for its owner */
#define EV_COMMON void *data; /* yours */
#endif

#ifndef EV_CB_DECLARE
#define EV_CB_DECLARE(type) void (*cb) (EV_P_ struct type * w, int revents); /* private: ev_cb, ev_set_cb */
#endif
#ifndef EV_CB_INVOKE
#define EV_CB_INVOKE(watcher, revents) (watcher)->cb (EV_A_ (watcher), (revents))
#endif

/* The head of a callback for watchers of kind ev_TYPE. */
#define EV_CB(type, name) void name (EV_P_ struct ev_##type *w, int revents)

/* clang-format off */
#define EV_WATCHER(type)              \
    int active;      /* private */    \
    int pending;     /* private */    \
    EV_DECL_PRIORITY                  \
    EV_COMMON                         \
    EV_CB_DECLARE (type)

#define EV_WATCHER_LIST(type)                              \
    EV_WATCHER (type)                                      \
    struct ev_watcher_list *next; /* private */

#define EV_WATCHER_TIME(type)                              \
    EV_WATCHER (type)                                      \
    ev_tstamp at; /* private */

/* Every watcher is also looked at as one of these three: compilers are told so. */
#ifdef __GNUC__
#define EV_MAY_ALIAS __attribute__ ((__may_alias__))
#else
#define EV_MAY_ALIAS
#endif

/* clang-format on */

typedef struct EV_MAY_ALIAS ev_watcher { /* what all kinds begin with */
    EV_WATCHER (ev_watcher)
} ev_watcher;

typedef struct EV_MAY_ALIAS ev_watcher_list { /* what kinds kept in lists begin with */
    EV_WATCHER_LIST (ev_watcher_list)
} ev_watcher_list;

typedef struct EV_MAY_ALIAS ev_watcher_time { /* what kinds kept in heaps begin with */
    EV_WATCHER_TIME (ev_watcher_time)
} ev_watcher_time;

/* A descriptor is ready. revents: EV_READ, EV_WRITE; EV_ERROR with both when the descriptor is invalid. */
typedef struct ev_io {
    EV_WATCHER_LIST (ev_io)
    int fd;     /* read; ev_io_set */
    int events; /* read; ev_io_set, ev_io_modify */
} ev_io;

/* Some time has passed, once or again and again. revents: EV_TIMER. */
typedef struct ev_timer {
    EV_WATCHER_TIME (ev_timer)
    ev_tstamp repeat; /* yours: seconds between expiries, 0 for one */
} ev_timer;

/* A wall-clock time has come. revents: EV_PERIODIC. */
typedef struct ev_periodic {
    EV_WATCHER_TIME (ev_periodic)
    ev_tstamp offset;   /* yours: the time, or the phase within interval */
    ev_tstamp interval; /* yours: 0 for one absolute time */
    ev_tstamp (*reschedule_cb) (struct ev_periodic *w, ev_tstamp now) EV_NOEXCEPT; /* yours, may be NULL */
} ev_periodic;

/* A signal arrived. revents: EV_SIGNAL. */
typedef struct ev_signal {
    EV_WATCHER_LIST (ev_signal)
    int signum; /* read */
} ev_signal;

/* A child process ended (or, with trace, stopped or went on). Default loop only. revents: EV_CHILD. */
typedef struct ev_child {
    EV_WATCHER_LIST (ev_child)
    int flags;   /* private */
    int pid;     /* read: 0 for any child */
    int rpid;    /* yours: the child the event is about */
    int rstatus; /* yours: its status, as waitpid gives it */
} ev_child;

#if EV_STAT_ENABLE
typedef struct stat ev_statdata;

/* What lstat says of a path changed. revents: EV_STAT. */
typedef struct ev_stat {
    EV_WATCHER_LIST (ev_stat)
    ev_timer timer;     /* private */
    ev_tstamp interval; /* read: polling interval, seconds; 0 lets the library choose */
    const char *path;   /* read: your memory, needed while active */
    ev_statdata prev;   /* read: the previous attributes */
    ev_statdata attr;   /* read: the latest; st_nlink is 0 when the path does not exist */
    int wd;             /* private */
} ev_stat;
#endif

/* Nothing of this or a higher priority is pending. revents: EV_IDLE. */
typedef struct ev_idle {
    EV_WATCHER (ev_idle)
} ev_idle;

/* The loop is about to sleep. revents: EV_PREPARE. */
typedef struct ev_prepare {
    EV_WATCHER (ev_prepare)
} ev_prepare;

/* The loop has collected new events. revents: EV_CHECK. */
typedef struct ev_check {
    EV_WATCHER (ev_check)
} ev_check;

/* The loop resumes in a forked child. revents: EV_FORK. */
typedef struct ev_fork {
    EV_WATCHER (ev_fork)
} ev_fork;

/* The loop is about to be destroyed. revents: EV_CLEANUP. */
typedef struct ev_cleanup {
    EV_WATCHER (ev_cleanup)
} ev_cleanup;

#if EV_EMBED_ENABLE
/* Another loop has events. revents: EV_EMBED. */
typedef struct ev_embed {
    EV_WATCHER (ev_embed)
    struct ev_loop *other; /* read */
    ev_io io;              /* private, down to the end */
    ev_prepare prepare;
    ev_check check; /* this and the next three keep the layout, nothing else */
    ev_timer timer;
    ev_periodic periodic;
    ev_idle idle;
    ev_fork fork;
    ev_cleanup cleanup;
} ev_embed;
#endif

#if EV_ASYNC_ENABLE
/* Someone called ev_async_send. revents: EV_ASYNC. */
typedef struct ev_async {
    EV_WATCHER (ev_async)
    EV_ATOMIC_T sent; /* private: ev_async_pending */
} ev_async;
#define ev_async_pending(w) (+(w)->sent) /* sent, and not yet noticed by the loop */
#endif

/* Memory for any kind of watcher. */
union ev_any_watcher {
    struct ev_watcher w;
    struct ev_watcher_list wl;
    struct ev_io io;
    struct ev_timer timer;
    struct ev_periodic periodic;
    struct ev_signal signal;
    struct ev_child child;
#if EV_STAT_ENABLE
    struct ev_stat stat;
#endif
#if EV_IDLE_ENABLE
    struct ev_idle idle;
#endif
    struct ev_prepare prepare;
    struct ev_check check;
#if EV_FORK_ENABLE
    struct ev_fork fork;
#endif
#if EV_CLEANUP_ENABLE
    struct ev_cleanup cleanup;
#endif
#if EV_EMBED_ENABLE
    struct ev_embed embed;
#endif
#if EV_ASYNC_ENABLE
    struct ev_async async;
#endif
};

/* ---- preparing a watcher: macros -----------------------------------------------------------
 * They evaluate the watcher argument several times. ev_init and ev_KIND_init: only while the watcher is
 * neither active nor pending. ev_KIND_set: only while it is not active. */

/* Any watcher: not active, not pending, priority 0, this callback. Leaves data alone. */
#define ev_init(ev, cb_)                             \
    do {                                             \
        ((ev_watcher *) (void *) (ev))->active = 0;  \
        ((ev_watcher *) (void *) (ev))->pending = 0; \
        ev_set_priority ((ev), 0);                   \
        ev_set_cb ((ev), cb_);                       \
    } while (0)

#define ev_io_set(ev, fd_, events_)             \
    do {                                        \
        (ev)->fd = (fd_);                       \
        (ev)->events = (events_) | EV__IOFDSET; \
    } while (0)
/* Other events on the same open file. */
#define ev_io_modify(ev, events_)                                \
    do {                                                         \
        (ev)->events = ((ev)->events & EV__IOFDSET) | (events_); \
    } while (0)
#define ev_timer_set(ev, after_, repeat_)          \
    do {                                           \
        ((ev_watcher_time *) (ev))->at = (after_); \
        (ev)->repeat = (repeat_);                  \
    } while (0)
#define ev_periodic_set(ev, offset_, interval_, reschedule_cb_) \
    do {                                                        \
        (ev)->offset = (offset_);                               \
        (ev)->interval = (interval_);                           \
        (ev)->reschedule_cb = (reschedule_cb_);                 \
    } while (0)
#define ev_signal_set(ev, signum_) \
    do {                           \
        (ev)->signum = (signum_);  \
    } while (0)
#define ev_child_set(ev, pid_, trace_) \
    do {                               \
        (ev)->pid = (pid_);            \
        (ev)->flags = !!(trace_);      \
    } while (0)
#define ev_stat_set(ev, path_, interval_) \
    do {                                  \
        (ev)->path = (path_);             \
        (ev)->interval = (interval_);     \
        (ev)->wd = -2;                    \
    } while (0)
#define ev_idle_set(ev)    /* nothing to set */
#define ev_prepare_set(ev) /* nothing to set */
#define ev_check_set(ev)   /* nothing to set */
#define ev_embed_set(ev, other_) \
    do {                         \
        (ev)->other = (other_);  \
    } while (0)
#define ev_fork_set(ev)    /* nothing to set */
#define ev_cleanup_set(ev) /* nothing to set */
#define ev_async_set(ev)   /* nothing to set */

/* clang-format off */
#define ev_io_init(ev, cb, fd, events)          do { ev_init ((ev), (cb)); ev_io_set ((ev), (fd), (events)); } while (0)
#define ev_timer_init(ev, cb, after, repeat)    do { ev_init ((ev), (cb)); ev_timer_set ((ev), (after), (repeat)); } while (0)
#define ev_periodic_init(ev, cb, offset, interval, reschedule_cb) \
    do { ev_init ((ev), (cb)); ev_periodic_set ((ev), (offset), (interval), (reschedule_cb)); } while (0)
#define ev_signal_init(ev, cb, signum)          do { ev_init ((ev), (cb)); ev_signal_set ((ev), (signum)); } while (0)
#define ev_child_init(ev, cb, pid, trace)       do { ev_init ((ev), (cb)); ev_child_set ((ev), (pid), (trace)); } while (0)
#define ev_stat_init(ev, cb, path, interval)    do { ev_init ((ev), (cb)); ev_stat_set ((ev), (path), (interval)); } while (0)
#define ev_idle_init(ev, cb)                    do { ev_init ((ev), (cb)); ev_idle_set ((ev)); } while (0)
#define ev_prepare_init(ev, cb)                 do { ev_init ((ev), (cb)); ev_prepare_set ((ev)); } while (0)
#define ev_check_init(ev, cb)                   do { ev_init ((ev), (cb)); ev_check_set ((ev)); } while (0)
#define ev_embed_init(ev, cb, other)            do { ev_init ((ev), (cb)); ev_embed_set ((ev), (other)); } while (0)
#define ev_fork_init(ev, cb)                    do { ev_init ((ev), (cb)); ev_fork_set ((ev)); } while (0)
#define ev_cleanup_init(ev, cb)                 do { ev_init ((ev), (cb)); ev_cleanup_set ((ev)); } while (0)
#define ev_async_init(ev, cb)                   do { ev_init ((ev), (cb)); ev_async_set ((ev)); } while (0)
/* clang-format on */

/* ---- asking and telling a watcher ---------------------------------------------------------- */

#define ev_is_pending(ev) (0 + ((ev_watcher *) (void *) (ev))->pending) /* nonzero: its callback is queued */
#define ev_is_active(ev) (0 + ((ev_watcher *) (void *) (ev))->active)   /* nonzero: it has been started */

/* The library reads the callback through ev_watcher, you wrote it through your type: the copies below
 * make both see the same, whatever the compiler assumes about aliasing. */
#define ev_cb_(ev) (ev)->cb
#define ev_cb(ev) (memmove (&ev_cb_ (ev), &((ev_watcher *) (ev))->cb, sizeof (ev_cb_ (ev))), (ev)->cb)
#ifndef ev_set_cb /* at any time; a pending watcher will call the new one */
#define ev_set_cb(ev, cb_) \
    (ev_cb_ (ev) = (cb_), memmove (&((ev_watcher *) (ev))->cb, &ev_cb_ (ev), sizeof (ev_cb_ (ev))))
#endif

/* EV_MINPRI to EV_MAXPRI; values beyond are clamped by start. Only while neither active nor pending. */
#if EV_MINPRI == EV_MAXPRI
#define ev_priority(ev) ((void) (ev), EV_MINPRI)
#define ev_set_priority(ev, pri) ((void) (ev), (void) (pri))
#else
#define ev_priority(ev) (+(((ev_watcher *) (void *) (ev))->priority))
#define ev_set_priority(ev, pri) (((ev_watcher *) (void *) (ev))->priority = (pri))
#endif

#define ev_periodic_at(ev) (+((ev_watcher_time *) (ev))->at) /* wall-clock time of the next trigger */

/* ---- functions ------------------------------------------------------------------------------ */

typedef void (*ev_loop_callback) (EV_P);

#if EV_PROTOTYPES

/* EV_VERSION_* of the library that runs, to compare with those compiled in. Any thread. */
EV_API_DECL int ev_version_major (void) EV_NOEXCEPT;
EV_API_DECL int ev_version_minor (void) EV_NOEXCEPT;

/* EVBACKEND_* bits. Supported: compiled in. Recommended: taken when nobody chooses; io_uring is among them
 * on kernels where it is good (doc/IOURING.md). Embeddable: usable inside an ev_embed. Any thread. */
EV_API_DECL unsigned int ev_supported_backends (void) EV_NOEXCEPT;
EV_API_DECL unsigned int ev_recommended_backends (void) EV_NOEXCEPT;
EV_API_DECL unsigned int ev_embeddable_backends (void) EV_NOEXCEPT;

/* The wall clock now, microsecond resolution. Any thread. */
EV_API_DECL ev_tstamp ev_time (void) EV_NOEXCEPT;
/* Sleeps up to delay seconds; a signal ends it early. Nothing for delay <= 0 or NaN. Any thread. */
EV_API_DECL void ev_sleep (ev_tstamp delay) EV_NOEXCEPT;

/* Memory for all loops: cb (NULL, n) allocates, cb (p, n) resizes, cb (p, 0) frees. It must not return NULL
 * for n > 0: the library then prints a message and aborts. Set it before the first loop. */
EV_API_DECL void ev_set_allocator (void *(*cb) (void *ptr, long size) EV_NOEXCEPT) EV_NOEXCEPT;
/* Called, errno set, when a system call fails that the loop cannot do without; when it returns the loop goes
 * on. NULL (the default): print the message and abort. */
EV_API_DECL void ev_set_syserr_cb (void (*cb) (const char *msg) EV_NOEXCEPT) EV_NOEXCEPT;

#if EV_MULTIPLICITY
/* The default loop: made by the first call, found by later ones, which ignore flags. NULL when no wanted
 * backend works. It is the one that can watch children. Not thread-safe. */
EV_API_DECL struct ev_loop *ev_default_loop (unsigned int flags EV_CPP (= 0)) EV_NOEXCEPT;

#ifdef EV_API_STATIC
EV_API_DECL struct ev_loop *ev_default_loop_ptr;
#endif
EV_INLINE struct ev_loop *ev_default_loop_uc_ (void) EV_NOEXCEPT
{
#ifndef EV_API_STATIC
    extern struct ev_loop *ev_default_loop_ptr;
#endif
    return ev_default_loop_ptr;
}
EV_INLINE int ev_is_default_loop (EV_P) EV_NOEXCEPT
{
    return loop == ev_default_loop_uc_ ();
}

/* Another loop, from EVFLAG_* and EVBACKEND_* bits (no backend bits: the recommended ones). The environment
 * variable LIBEV_FLAGS, a decimal number, replaces flags unless EVFLAG_NOENV is given or the process changed
 * identity. NULL when no wanted backend works. Free it with ev_loop_destroy. Thread-safe. */
EV_API_DECL struct ev_loop *ev_loop_new (unsigned int flags EV_CPP (= 0)) EV_NOEXCEPT;
/* The time the loop believes it is: the wall clock when it last looked. */
EV_API_DECL ev_tstamp ev_now (EV_P) EV_NOEXCEPT;
#else
/* Nonzero when the one loop exists or could be made. */
EV_API_DECL int ev_default_loop (unsigned int flags EV_CPP (= 0)) EV_NOEXCEPT;
EV_API_DECL ev_tstamp ev_rt_now;
EV_INLINE ev_tstamp ev_now (void) EV_NOEXCEPT
{
    return ev_rt_now;
}
EV_INLINE int ev_is_default_loop (void) EV_NOEXCEPT
{
    return 1;
}
#endif

/* Ends a loop: cleanup watchers run, descriptors close, memory is freed. Watchers are left as they are;
 * stop signal watchers first. NULL is allowed. May throw what a cleanup callback throws. */
EV_API_DECL void ev_loop_destroy (EV_P);
/* To be called in a forked child before it runs the loop again: kernel objects are made anew. */
EV_API_DECL void ev_loop_fork (EV_P) EV_NOEXCEPT;
/* The EVBACKEND_* bit in use. It changes when a loop has to move to another backend. */
EV_API_DECL unsigned int ev_backend (EV_P) EV_NOEXCEPT;
/* Looks at the clock again; for callbacks that take long and then start timers. */
EV_API_DECL void ev_now_update (EV_P) EV_NOEXCEPT;

/* Runs the loop until nothing is active, ev_break, or as the EVRUN_* flag says. Returns the number of
 * references left. May throw what a callback throws. Not from release or acquire hooks. */
EV_API_DECL int ev_run (EV_P_ int flags EV_CPP (= 0));
/* Asks ev_run to return after the callbacks that are pending now. No effect outside ev_run. */
EV_API_DECL void ev_break (EV_P_ int how EV_CPP (= EVBREAK_ONE)) EV_NOEXCEPT;
/* One reference more or less: a started watcher that shall not keep the loop alive is unref'ed after start
 * and ref'ed before stop. */
EV_API_DECL void ev_ref (EV_P) EV_NOEXCEPT;
EV_API_DECL void ev_unref (EV_P) EV_NOEXCEPT;

/* cb once, when fd is ready for events (fd < 0: no descriptor) or after timeout seconds (< 0: no timeout). */
EV_API_DECL void ev_once (EV_P_ int fd, int events, ev_tstamp timeout, void (*cb) (int revents, void *arg),
                          void *arg) EV_NOEXCEPT;

EV_API_DECL void ev_invoke_pending (EV_P);                    /* calls all pending callbacks */
EV_API_DECL unsigned int ev_pending_count (EV_P) EV_NOEXCEPT; /* how many there are */
EV_API_DECL unsigned int ev_iteration (EV_P) EV_NOEXCEPT;     /* how often the loop has polled */
EV_API_DECL unsigned int ev_depth (EV_P) EV_NOEXCEPT;         /* how deep ev_run is nested: 0 outside */
EV_API_DECL void ev_verify (EV_P) EV_NOEXCEPT;                /* aborts if the loop's data is damaged */

/* Seconds the loop may wait to collect more events: 0 (default) for no delay. Larger: fewer wake-ups. */
EV_API_DECL void ev_set_io_collect_interval (EV_P_ ev_tstamp interval) EV_NOEXCEPT;
EV_API_DECL void ev_set_timeout_collect_interval (EV_P_ ev_tstamp interval) EV_NOEXCEPT;

EV_API_DECL void ev_set_userdata (EV_P_ void *data) EV_NOEXCEPT;
EV_API_DECL void *ev_userdata (EV_P) EV_NOEXCEPT;
/* Called instead of ev_invoke_pending by ev_run and ev_loop_destroy; not NULL. */
EV_API_DECL void ev_set_invoke_pending_cb (EV_P_ ev_loop_callback invoke_pending_cb) EV_NOEXCEPT;
/* Called right before and right after the polling system call, for programs that guard a loop with a lock:
 * in between, other threads that hold the lock may change the loop. Either may be NULL. */
EV_API_DECL void ev_set_loop_release_cb (EV_P_ void (*release) (EV_P) EV_NOEXCEPT,
                                         void (*acquire) (EV_P) EV_NOEXCEPT) EV_NOEXCEPT;

/* Before and after a time in which the process did not run and timers shall not count. */
EV_API_DECL void ev_suspend (EV_P) EV_NOEXCEPT;
EV_API_DECL void ev_resume (EV_P) EV_NOEXCEPT;

/* As if the event had happened. The watcher need not be active. */
EV_API_DECL void ev_feed_event (EV_P_ void *w, int revents) EV_NOEXCEPT;
EV_API_DECL void ev_feed_fd_event (EV_P_ int fd, int revents) EV_NOEXCEPT;
#if EV_SIGNAL_ENABLE
EV_API_DECL void ev_feed_signal (int signum) EV_NOEXCEPT; /* any thread, any signal handler */
EV_API_DECL void ev_feed_signal_event (EV_P_ int signum) EV_NOEXCEPT;
#endif
EV_API_DECL void ev_invoke (EV_P_ void *w, int revents); /* calls the callback now */
/* Takes back a pending event: its bits, or 0 if there was none. */
EV_API_DECL int ev_clear_pending (EV_P_ void *w) EV_NOEXCEPT;

#if EV_WALK_ENABLE
/* cb for each active watcher whose kind is among the types (EV_IO, EV_TIMER …). */
EV_API_DECL void ev_walk (EV_P_ int types, void (*cb) (EV_P_ int type, void *w)) EV_NOEXCEPT;
#endif

/* Start and stop. Starting an active watcher and stopping an inactive one do nothing, except that stop takes
 * back a pending event. A watcher that cannot be started (invalid descriptor, bad number) stays inactive and
 * gets its callback with EV_ERROR. */
EV_API_DECL void ev_io_start (EV_P_ ev_io *w) EV_NOEXCEPT;
EV_API_DECL void ev_io_stop (EV_P_ ev_io *w) EV_NOEXCEPT;

EV_API_DECL void ev_timer_start (EV_P_ ev_timer *w) EV_NOEXCEPT;
EV_API_DECL void ev_timer_stop (EV_P_ ev_timer *w) EV_NOEXCEPT;
EV_API_DECL void ev_timer_again (EV_P_ ev_timer *w)
    EV_NOEXCEPT; /* restart with repeat, or stop if that is 0 */
EV_API_DECL ev_tstamp ev_timer_remaining (EV_P_ ev_timer *w) EV_NOEXCEPT; /* seconds until it expires */

#if EV_PERIODIC_ENABLE
EV_API_DECL void ev_periodic_start (EV_P_ ev_periodic *w) EV_NOEXCEPT;
EV_API_DECL void ev_periodic_stop (EV_P_ ev_periodic *w) EV_NOEXCEPT;
EV_API_DECL void ev_periodic_again (EV_P_ ev_periodic *w) EV_NOEXCEPT; /* stop and start */
#endif

#if EV_SIGNAL_ENABLE /* one loop at a time per signal */
EV_API_DECL void ev_signal_start (EV_P_ ev_signal *w) EV_NOEXCEPT;
EV_API_DECL void ev_signal_stop (EV_P_ ev_signal *w) EV_NOEXCEPT;
#endif

#if EV_CHILD_ENABLE /* default loop only */
EV_API_DECL void ev_child_start (EV_P_ ev_child *w) EV_NOEXCEPT;
EV_API_DECL void ev_child_stop (EV_P_ ev_child *w) EV_NOEXCEPT;
#endif

#if EV_STAT_ENABLE
EV_API_DECL void ev_stat_start (EV_P_ ev_stat *w) EV_NOEXCEPT;
EV_API_DECL void ev_stat_stop (EV_P_ ev_stat *w) EV_NOEXCEPT;
EV_API_DECL void ev_stat_stat (EV_P_ ev_stat *w)
    EV_NOEXCEPT; /* attr now: changes so far will not be reported */
#endif

#if EV_IDLE_ENABLE
EV_API_DECL void ev_idle_start (EV_P_ ev_idle *w) EV_NOEXCEPT;
EV_API_DECL void ev_idle_stop (EV_P_ ev_idle *w) EV_NOEXCEPT;
#endif

#if EV_PREPARE_ENABLE
EV_API_DECL void ev_prepare_start (EV_P_ ev_prepare *w) EV_NOEXCEPT;
EV_API_DECL void ev_prepare_stop (EV_P_ ev_prepare *w) EV_NOEXCEPT;
#endif

#if EV_CHECK_ENABLE
EV_API_DECL void ev_check_start (EV_P_ ev_check *w) EV_NOEXCEPT;
EV_API_DECL void ev_check_stop (EV_P_ ev_check *w) EV_NOEXCEPT;
#endif

#if EV_FORK_ENABLE
EV_API_DECL void ev_fork_start (EV_P_ ev_fork *w) EV_NOEXCEPT;
EV_API_DECL void ev_fork_stop (EV_P_ ev_fork *w) EV_NOEXCEPT;
#endif

#if EV_CLEANUP_ENABLE /* holds no reference */
EV_API_DECL void ev_cleanup_start (EV_P_ ev_cleanup *w) EV_NOEXCEPT;
EV_API_DECL void ev_cleanup_stop (EV_P_ ev_cleanup *w) EV_NOEXCEPT;
#endif

#if EV_EMBED_ENABLE
EV_API_DECL void ev_embed_start (EV_P_ ev_embed *w) EV_NOEXCEPT;
EV_API_DECL void ev_embed_stop (EV_P_ ev_embed *w) EV_NOEXCEPT;
EV_API_DECL void ev_embed_sweep (EV_P_ ev_embed *w)
    EV_NOEXCEPT; /* one iteration of the inner loop, without sleep */
#endif

#if EV_ASYNC_ENABLE
EV_API_DECL void ev_async_start (EV_P_ ev_async *w) EV_NOEXCEPT;
EV_API_DECL void ev_async_stop (EV_P_ ev_async *w) EV_NOEXCEPT;
EV_API_DECL void ev_async_send (EV_P_ ev_async *w) EV_NOEXCEPT; /* any thread, any signal handler */
#endif

#if EV_COMPAT3
EV_INLINE void ev_loop (EV_P_ int flags)
{
    ev_run (EV_A_ flags);
}
EV_INLINE void ev_unloop (EV_P_ int how)
{
    ev_break (EV_A_ how);
}
EV_INLINE void ev_default_destroy (void)
{
#if !EV_MULTIPLICITY
    ev_default_loop (0);
#endif
    ev_loop_destroy (EV_DEFAULT);
}
EV_INLINE void ev_default_fork (void)
{
#if !EV_MULTIPLICITY
    ev_default_loop (0);
#endif
    ev_loop_fork (EV_DEFAULT);
}
#if EV_FEATURE_API
EV_INLINE unsigned int ev_loop_count (EV_P)
{
    return ev_iteration (EV_A);
}
EV_INLINE unsigned int ev_loop_depth (EV_P)
{
    return ev_depth (EV_A);
}
EV_INLINE void ev_loop_verify (EV_P)
{
    ev_verify (EV_A);
}
#endif
#else
typedef struct ev_loop ev_loop;
#endif

#endif /* EV_PROTOTYPES */

#ifdef __cplusplus
}
#endif

#endif
