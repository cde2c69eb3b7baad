/* scale.c: what a call costs as descriptors grow. --fds eventfds are watched and nearly all are idle; --mode says
 * what happens to them. One event is one descriptor (quiet: one word), so that a cost which does not depend on how many
 * others are watched stays the same:
 *   restart    one is stopped and started, with no run in between
 *   stop       all are stopped for good
 *   timeouts   each has a timer; all expire, and the callback stops and closes
 *   reconnect  all are stopped and closed, and as many are opened and started
 *   quiet      one at a time says something, any of them
 *   destroy    the loop is destroyed
 *   exit       the process returns from main, on its default loop, and leaves the rest to the kernel
 * Which comes first is at random, in the same order for everybody, as it is after hours of traffic. */
#define _GNU_SOURCE
#include "bench.h"
#include "loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    FDS_SPARE = 64,
    RUN_EVERY = 16, /* restart: so many calls go into one iteration */
    WARM_UP = 1000, /* quiet: words before the span */
};

static int count;
static int *order;
static ev_io *watchers;
static ev_timer *timers;
static long words_left; /* quiet */
static struct bench_span total;

static ev_io *any (void)
{
    return &watchers[bench_random () % (uint32_t) count];
}

static void speak (ev_io *w)
{
    uint64_t word = 1;

    if (write (w->fd, &word, sizeof word) != sizeof word)
        bench_die ("eventfd: write");
}

static void on_word (EV_P_ ev_io *w, int revents)
{
    uint64_t word;

    (void) revents;
    if (read (w->fd, &word, sizeof word) != sizeof word)
        bench_die ("eventfd: a callback without a word");
    if (--words_left)
        speak (any ());
    else
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_timeout (EV_P_ ev_timer *w, int revents)
{
    ev_io *idle = &watchers[w - timers];

    (void) revents;
    ev_io_stop (EV_A_ idle);
    close (idle->fd);
}

static void open_one (ev_io *w)
{
    int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        bench_die ("eventfd");
    ev_io_init (w, on_word, fd, EV_READ);
}

/* Everybody is there, and the kernel knows. */
static void gather (EV_P)
{
    for (int i = 0; i < count; i++) {
        open_one (&watchers[i]);
        ev_io_start (EV_A_ & watchers[i]);
    }
    ev_run (EV_A_ EVRUN_NOWAIT);
}

static void leave (EV_P_ struct bench_span *span)
{
    bench_end (span);
    bench_add (&total, span);
    ev_loop_destroy (EV_A);
}

static void close_all (void)
{
    for (int i = 0; i < count; i++)
        close (watchers[i].fd);
}

/* ---- the questions: each gathers a crowd, measures once, and says how many events that was ----------------------- */

static long ask_restart (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    bench_begin (&span);
    for (long i = 1; i <= o->events; i++) {
        ev_io *w = any ();

        ev_io_stop (EV_A_ w);
        ev_io_start (EV_A_ w);
        if (i % RUN_EVERY == 0)
            ev_run (EV_A_ EVRUN_NOWAIT);
    }
    leave (EV_A_ & span);
    close_all ();
    return o->events;
}

static long ask_stop (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    bench_begin (&span);
    for (int i = 0; i < count; i++)
        ev_io_stop (EV_A_ & watchers[order[i]]);
    ev_run (EV_A_ EVRUN_NOWAIT);
    leave (EV_A_ & span);
    close_all ();
    return count;
}

static long ask_timeouts (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    for (int i = 0; i < count; i++) {
        ev_timer_init (&timers[order[i]], on_timeout, 1e-3, 0.);
        ev_timer_start (EV_A_ & timers[order[i]]);
    }
    bench_begin (&span);
    ev_run (EV_A_ 0); /* until nobody is left */
    leave (EV_A_ & span);
    return count;
}

static long ask_reconnect (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    bench_begin (&span);
    for (int i = 0; i < count; i++) {
        ev_io_stop (EV_A_ & watchers[order[i]]);
        close (watchers[order[i]].fd);
    }
    gather (EV_A);
    leave (EV_A_ & span);
    close_all ();
    return count;
}

static void converse (EV_P_ long words)
{
    words_left = words;
    speak (any ());
    ev_run (EV_A_ 0);
}

static long ask_quiet (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    converse (EV_A_ WARM_UP);
    bench_begin (&span);
    converse (EV_A_ o->events);
    leave (EV_A_ & span);
    close_all ();
    return o->events;
}

static long ask_destroy (const struct bench_options *o)
{
    struct bench_span span;
    EV_P = bench_loop (o->backend);

    gather (EV_A);
    bench_begin (&span);
    ev_loop_destroy (EV_A);
    bench_end (&span);
    bench_add (&total, &span);
    close_all ();
    return count;
}

static _Noreturn void exit_child (const struct bench_options *o, int to)
{
    struct bench_span span;
    EV_P = bench_loop_default (o->backend);

    gather (EV_A);
    bench_begin (&span);
    if (write (to, &span, sizeof span) != sizeof span)
        bench_die ("exit: write");
    exit (0);
}

static long ask_exit (const struct bench_options *o)
{
    struct bench_span span;
    int ends[2], child;

    if (pipe (ends))
        bench_die ("pipe");
    child = fork ();
    if (child < 0)
        bench_die ("fork");
    if (child == 0)
        exit_child (o, ends[1]);
    close (ends[1]);
    if (read (ends[0], &span, sizeof span) != sizeof span)
        bench_skip ("exit: the child did not get that far");
    bench_end_child (&span, child);
    bench_add (&total, &span);
    close (ends[0]);
    return count;
}

typedef long ask_function (const struct bench_options *o);

static ask_function *question (const char *mode)
{
    static const struct {
        const char *mode;
        ask_function *ask;
    } known[] = {
        { "restart", ask_restart },     { "stop", ask_stop },   { "timeouts", ask_timeouts },
        { "reconnect", ask_reconnect }, { "quiet", ask_quiet }, { "destroy", ask_destroy },
        { "exit", ask_exit },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp (mode, known[i].mode))
            return known[i].ask;
    bench_skip ("unknown mode");
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    ask_function *ask = question (o.mode);
    long events = 0;

    bench_need_fds (o.fds + FDS_SPARE);
    count = o.fds;
    order = calloc ((size_t) count, sizeof *order);
    watchers = calloc ((size_t) count, sizeof *watchers);
    timers = calloc ((size_t) count, sizeof *timers);
    if (!order || !watchers || !timers)
        bench_die ("calloc");
    bench_shuffle (order, count);
    while (events < o.events)
        events += ask (&o);
    bench_report (&total, events, bench_loop_library ());
    return 0;
}
