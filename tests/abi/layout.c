/* layout.c: prints every number of ev.h that is compiled into programs.
 * The output must equal layout.txt, which was written by this program, compiled against libev 4.33's header:
 * structures (S size alignment), members (F offset size), types (T), constants (C), the bytes each macro
 * writes (W) or reads (R). Contract: libev-abi.json. */
#include <ev.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define STRUCT(type) printf ("S %s %zu %zu\n", #type, sizeof (type), _Alignof(type))
#define FIELD(type, field) \
    printf ("F %s.%s %zu %zu\n", #type, #field, offsetof (type, field), sizeof (((type *) 0)->field))
#define TYPE(type) printf ("T %s %zu %zu\n", #type, sizeof (type), _Alignof(type))
#define CONSTANT(name) printf ("C %s %lld\n", #name, (long long) (name))

#define HEAD(type)          \
    STRUCT (type);          \
    FIELD (type, active);   \
    FIELD (type, pending);  \
    FIELD (type, priority); \
    FIELD (type, data);     \
    FIELD (type, cb)
#define HEAD_LIST(type) \
    HEAD (type);        \
    FIELD (type, next)
#define HEAD_TIME(type) \
    HEAD (type);        \
    FIELD (type, at)

static void heads (void)
{
    HEAD (ev_watcher);
    HEAD_LIST (ev_watcher_list);
    HEAD_TIME (ev_watcher_time);
}

static void kinds_in_lists (void)
{
    HEAD_LIST (ev_io);
    FIELD (ev_io, fd);
    FIELD (ev_io, events);
    HEAD_LIST (ev_signal);
    FIELD (ev_signal, signum);
    HEAD_LIST (ev_child);
    FIELD (ev_child, flags);
    FIELD (ev_child, pid);
    FIELD (ev_child, rpid);
    FIELD (ev_child, rstatus);
    HEAD_LIST (ev_stat);
    FIELD (ev_stat, timer);
    FIELD (ev_stat, interval);
    FIELD (ev_stat, path);
    FIELD (ev_stat, prev);
    FIELD (ev_stat, attr);
    FIELD (ev_stat, wd);
}

static void kinds_in_heaps (void)
{
    HEAD_TIME (ev_timer);
    FIELD (ev_timer, repeat);
    HEAD_TIME (ev_periodic);
    FIELD (ev_periodic, offset);
    FIELD (ev_periodic, interval);
    FIELD (ev_periodic, reschedule_cb);
}

static void other_kinds (void)
{
    HEAD (ev_idle);
    HEAD (ev_prepare);
    HEAD (ev_check);
    HEAD (ev_fork);
    HEAD (ev_cleanup);
    HEAD (ev_embed);
    FIELD (ev_embed, other);
    FIELD (ev_embed, io);
    FIELD (ev_embed, prepare);
    FIELD (ev_embed, check);
    FIELD (ev_embed, timer);
    FIELD (ev_embed, periodic);
    FIELD (ev_embed, idle);
    FIELD (ev_embed, fork);
    FIELD (ev_embed, cleanup);
    HEAD (ev_async);
    FIELD (ev_async, sent);
}

typedef union ev_any_watcher ev_any_watcher;

static void any_watcher (void)
{
    STRUCT (ev_any_watcher);
    FIELD (ev_any_watcher, w);
    FIELD (ev_any_watcher, wl);
    FIELD (ev_any_watcher, io);
    FIELD (ev_any_watcher, timer);
    FIELD (ev_any_watcher, periodic);
    FIELD (ev_any_watcher, signal);
    FIELD (ev_any_watcher, child);
    FIELD (ev_any_watcher, stat);
    FIELD (ev_any_watcher, idle);
    FIELD (ev_any_watcher, prepare);
    FIELD (ev_any_watcher, check);
    FIELD (ev_any_watcher, fork);
    FIELD (ev_any_watcher, cleanup);
    FIELD (ev_any_watcher, embed);
    FIELD (ev_any_watcher, async);
}

static void types (void)
{
    TYPE (ev_tstamp);
    TYPE (ev_statdata);
    TYPE (ev_loop_callback);
    TYPE (sig_atomic_t);
}

static void constants_of_events (void)
{
    CONSTANT (EV_UNDEF);
    CONSTANT (EV_NONE);
    CONSTANT (EV_READ);
    CONSTANT (EV_WRITE);
    CONSTANT (EV__IOFDSET);
    CONSTANT (EV_IO);
    CONSTANT (EV_TIMER);
    CONSTANT (EV_TIMEOUT);
    CONSTANT (EV_PERIODIC);
    CONSTANT (EV_SIGNAL);
    CONSTANT (EV_CHILD);
    CONSTANT (EV_STAT);
    CONSTANT (EV_IDLE);
    CONSTANT (EV_PREPARE);
    CONSTANT (EV_CHECK);
    CONSTANT (EV_EMBED);
    CONSTANT (EV_FORK);
    CONSTANT (EV_CLEANUP);
    CONSTANT (EV_ASYNC);
    CONSTANT (EV_CUSTOM);
    CONSTANT (EV_ERROR);
}

static void constants_of_loops (void)
{
    CONSTANT (EVFLAG_AUTO);
    CONSTANT (EVFLAG_NOENV);
    CONSTANT (EVFLAG_FORKCHECK);
    CONSTANT (EVFLAG_NOINOTIFY);
    CONSTANT (EVFLAG_NOSIGFD);
    CONSTANT (EVFLAG_SIGNALFD);
    CONSTANT (EVFLAG_NOSIGMASK);
    CONSTANT (EVFLAG_NOTIMERFD);
    CONSTANT (EVBACKEND_SELECT);
    CONSTANT (EVBACKEND_POLL);
    CONSTANT (EVBACKEND_EPOLL);
    CONSTANT (EVBACKEND_KQUEUE);
    CONSTANT (EVBACKEND_DEVPOLL);
    CONSTANT (EVBACKEND_PORT);
    CONSTANT (EVBACKEND_LINUXAIO);
    CONSTANT (EVBACKEND_IOURING);
    CONSTANT (EVBACKEND_ALL);
    CONSTANT (EVBACKEND_MASK);
    CONSTANT (EVRUN_NOWAIT);
    CONSTANT (EVRUN_ONCE);
    CONSTANT (EVLOOP_NONBLOCK);
    CONSTANT (EVLOOP_ONESHOT);
    CONSTANT (EVBREAK_CANCEL);
    CONSTANT (EVBREAK_ONE);
    CONSTANT (EVBREAK_ALL);
    CONSTANT (EVUNLOOP_CANCEL);
    CONSTANT (EVUNLOOP_ONE);
    CONSTANT (EVUNLOOP_ALL);
}

static void constants_of_options (void)
{
    CONSTANT (EV_VERSION_MAJOR);
    CONSTANT (EV_VERSION_MINOR);
    CONSTANT (EV_MINPRI);
    CONSTANT (EV_MAXPRI);
    CONSTANT (EV_FEATURES);
    CONSTANT (EV_FEATURE_CODE);
    CONSTANT (EV_FEATURE_DATA);
    CONSTANT (EV_FEATURE_CONFIG);
    CONSTANT (EV_FEATURE_API);
    CONSTANT (EV_FEATURE_WATCHERS);
    CONSTANT (EV_FEATURE_BACKENDS);
    CONSTANT (EV_FEATURE_OS);
    CONSTANT (EV_COMPAT3);
    CONSTANT (EV_MULTIPLICITY);
    CONSTANT (EV_PROTOTYPES);
    CONSTANT (EV_PERIODIC_ENABLE);
    CONSTANT (EV_STAT_ENABLE);
    CONSTANT (EV_PREPARE_ENABLE);
    CONSTANT (EV_CHECK_ENABLE);
    CONSTANT (EV_IDLE_ENABLE);
    CONSTANT (EV_FORK_ENABLE);
    CONSTANT (EV_CLEANUP_ENABLE);
    CONSTANT (EV_SIGNAL_ENABLE);
    CONSTANT (EV_CHILD_ENABLE);
    CONSTANT (EV_ASYNC_ENABLE);
    CONSTANT (EV_EMBED_ENABLE);
    CONSTANT (EV_WALK_ENABLE);
    CONSTANT (EV_IO_ENABLE);
}

/* ---- what macros do ---- */

/* A watcher made of zero bits and one of one bits. A bit that a macro writes is the same in both then. */
static union {
    union ev_any_watcher align;
    unsigned char bytes[sizeof (union ev_any_watcher)];
} zeros, ones;

static unsigned char written (size_t at)
{
    return (unsigned char) ~(zeros.bytes[at] ^ ones.bytes[at]);
}

/* Runs of bytes wholly written as FROM-TO, bytes partly written as AT:MASK. */
static void show_written (const char *macro, size_t size)
{
    printf ("W %s", macro);
    for (size_t at = 0; at < size; at++) {
        size_t from = at;

        if (!written (at))
            continue;
        if (written (at) != 0xff) {
            printf (" %zu:%02x", at, written (at));
            continue;
        }
        while (at + 1 < size && written (at + 1) == 0xff)
            at++;
        printf (" %zu-%zu", from, at);
    }
    putchar ('\n');
}

#define WRITES(type, macro, ...)                        \
    do {                                                \
        type *ev;                                       \
        memset (&zeros, 0, sizeof zeros);               \
        memset (&ones, 0xff, sizeof ones);              \
        ev = (type *) &zeros;                           \
        macro (__VA_ARGS__);                            \
        ev = (type *) &ones;                            \
        macro (__VA_ARGS__);                            \
        (void) ev;                                      \
        show_written (#type " " #macro, sizeof (type)); \
    } while (0)

/* Values whose bytes all differ from one another, so that nothing is written by accident only. */
#define CALLBACK(type) ((void (*) (struct ev_loop *, type *, int)) (uintptr_t) 0x1122334455667788)
#define LOOP ((struct ev_loop *) (uintptr_t) 0x1122334455667788)

static void setters_write (void)
{
    WRITES (ev_io, ev_init, ev, CALLBACK (ev_io));
    WRITES (ev_io, ev_set_priority, ev, 1);
    WRITES (ev_io, ev_set_cb, ev, CALLBACK (ev_io));
    WRITES (ev_io, ev_io_set, ev, 5, EV_READ);
    WRITES (ev_io, ev_io_modify, ev, EV_READ);
    WRITES (ev_timer, ev_timer_set, ev, 1.5, 2.5);
    WRITES (ev_periodic, ev_periodic_set, ev, 1.5, 2.5, NULL);
    WRITES (ev_signal, ev_signal_set, ev, 7);
    WRITES (ev_child, ev_child_set, ev, 7, 9);
    WRITES (ev_stat, ev_stat_set, ev, "x", 2.5);
    WRITES (ev_idle, ev_idle_set, ev);
    WRITES (ev_prepare, ev_prepare_set, ev);
    WRITES (ev_check, ev_check_set, ev);
    WRITES (ev_embed, ev_embed_set, ev, LOOP);
    WRITES (ev_fork, ev_fork_set, ev);
    WRITES (ev_cleanup, ev_cleanup_set, ev);
    WRITES (ev_async, ev_async_set, ev);
}

static void initialisers_write (void)
{
    WRITES (ev_io, ev_io_init, ev, CALLBACK (ev_io), 5, EV_READ);
    WRITES (ev_timer, ev_timer_init, ev, CALLBACK (ev_timer), 1.5, 2.5);
    WRITES (ev_periodic, ev_periodic_init, ev, CALLBACK (ev_periodic), 1.5, 2.5, NULL);
    WRITES (ev_signal, ev_signal_init, ev, CALLBACK (ev_signal), 7);
    WRITES (ev_child, ev_child_init, ev, CALLBACK (ev_child), 7, 9);
    WRITES (ev_stat, ev_stat_init, ev, CALLBACK (ev_stat), "x", 2.5);
    WRITES (ev_idle, ev_idle_init, ev, CALLBACK (ev_idle));
    WRITES (ev_prepare, ev_prepare_init, ev, CALLBACK (ev_prepare));
    WRITES (ev_check, ev_check_init, ev, CALLBACK (ev_check));
    WRITES (ev_embed, ev_embed_init, ev, CALLBACK (ev_embed), LOOP);
    WRITES (ev_fork, ev_fork_init, ev, CALLBACK (ev_fork));
    WRITES (ev_cleanup, ev_cleanup_init, ev, CALLBACK (ev_cleanup));
    WRITES (ev_async, ev_async_init, ev, CALLBACK (ev_async));
}

/* A byte is read if changing it changes the value. */
#define READS(type, macro, as)                                \
    do {                                                      \
        printf ("R %s %s", #type, #macro);                    \
        for (size_t at = 0; at < sizeof (type); at++) {       \
            type *ev = (type *) &zeros;                       \
            as before, after;                                 \
            memset (&zeros, 0, sizeof zeros);                 \
            before = (as) macro (ev);                         \
            zeros.bytes[at] = 1;                              \
            after = (as) macro (ev);                          \
            if (memcmp (&before, &after, sizeof before) != 0) \
                printf (" %zu", at);                          \
        }                                                     \
        putchar ('\n');                                       \
    } while (0)

static void accessors_read (void)
{
    READS (ev_io, ev_is_active, int);
    READS (ev_io, ev_is_pending, int);
    READS (ev_io, ev_cb, uintptr_t);
    READS (ev_io, ev_cb_, uintptr_t);
    READS (ev_io, ev_priority, int);
    READS (ev_periodic, ev_periodic_at, double);
    READS (ev_async, ev_async_pending, int);
}

/* What is written, not only where: ev_io_set adds its mark, ev_io_modify keeps it, trace becomes 0 or 1. */
static void values (void)
{
    ev_io io;
    ev_child child;
    ev_stat stat;

    ev_io_set (&io, 3, EV_READ);
    CONSTANT (io.events);
    ev_io_modify (&io, EV_WRITE);
    CONSTANT (io.events);
    io.events = EV_READ;
    ev_io_modify (&io, EV_WRITE);
    CONSTANT (io.events);
    ev_child_set (&child, 3, 77);
    CONSTANT (child.flags);
    ev_stat_set (&stat, "x", 0.);
    CONSTANT (stat.wd);
}

int main (void)
{
    heads ();
    kinds_in_lists ();
    kinds_in_heaps ();
    other_kinds ();
    any_watcher ();
    types ();
    constants_of_events ();
    constants_of_loops ();
    constants_of_options ();
    setters_write ();
    initialisers_write ();
    accessors_read ();
    values ();
    return 0;
}
