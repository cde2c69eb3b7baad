/* timers.c: the timer question for the ev API: --timers of them, one kind of operation (--mode) measured.
 *   start     every timer is started, in random order of expiry
 *   stop      every timer is stopped, in random order
 *   cycle     all are started and all are stopped, over and over
 *   again     ev_timer_again on running timers, each with a new delay, in random order
 *   rewind    the same with one common time-out (a connection was heard from): each timer moves to the very end
 *   fire      all timers are due at once and called, in one iteration
 *   tick      a repeating timer fires, alone among --timers that wait: one loop iteration per event
 *   periodic  every ev_periodic is started
 * One event is one operation on one timer. cycle, again, rewind and tick go on for --events, the others do what
 * --timers says, once. */
#include "bench.h"
#include "loop.h"

#include <stdlib.h>
#include <string.h>

enum { LATE = 1000 /* seconds: more than any run takes, so that nothing fires by accident */ };

static ev_timer *timers;
static ev_periodic *periodics;
static int *order;
static int count;
static long calls_left;

static double random_delay (void)
{
    return LATE + (double) bench_random () / 1e6;
}

static void on_timer (EV_P_ ev_timer *w, int revents)
{
    (void) w;
    (void) revents;
    if (--calls_left == 0)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_periodic (EV_P_ ev_periodic *w, int revents)
{
    (void) loop;
    (void) w;
    (void) revents;
}

static void start_all (EV_P)
{
    for (int i = 0; i < count; i++)
        ev_timer_start (EV_A_ & timers[i]);
}

static void stop_all (EV_P)
{
    for (int i = 0; i < count; i++)
        ev_timer_stop (EV_A_ & timers[order[i]]);
}

static long ask_start (EV_P_ long events, struct bench_span *span)
{
    (void) events;
    bench_begin (span);
    start_all (EV_A);
    bench_end (span);
    return count;
}

static long ask_stop (EV_P_ long events, struct bench_span *span)
{
    (void) events;
    start_all (EV_A);
    bench_begin (span);
    stop_all (EV_A);
    bench_end (span);
    return count;
}

static long ask_cycle (EV_P_ long events, struct bench_span *span)
{
    long done = 0;

    bench_begin (span);
    for (; done < events; done += 2L * count) {
        start_all (EV_A);
        stop_all (EV_A);
    }
    bench_end (span);
    return done;
}

/* Every pass moves all timers; `delays`, as many as there are timers, is read from another place each time. */
static long again_passes (EV_P_ long events, const double *delays, struct bench_span *span)
{
    long done = 0;

    bench_begin (span);
    for (int shift = 1; done < events; done += count, shift++) {
        ev_now_update (EV_A);
        for (int i = 0; i < count; i++) {
            ev_timer *w = &timers[order[i]];

            w->repeat = delays[(i + shift) % count];
            ev_timer_again (EV_A_ w);
        }
    }
    bench_end (span);
    return done;
}

static long ask_again (EV_P_ long events, struct bench_span *span)
{
    double *delays = calloc ((size_t) count, sizeof *delays);

    for (int i = 0; i < count; i++)
        delays[i] = random_delay ();
    start_all (EV_A);
    return again_passes (EV_A_ events, delays, span);
}

static long ask_rewind (EV_P_ long events, struct bench_span *span)
{
    double *delays = calloc ((size_t) count, sizeof *delays);

    for (int i = 0; i < count; i++) {
        delays[i] = LATE;
        ev_timer_set (&timers[order[i]], LATE, LATE);
        ev_timer_start (EV_A_ & timers[order[i]]);
    }
    return again_passes (EV_A_ events, delays, span);
}

static long ask_fire (EV_P_ long events, struct bench_span *span)
{
    (void) events;
    for (int i = 0; i < count; i++)
        ev_timer_set (&timers[i], (double) bench_random () / 1e13, 0.);
    start_all (EV_A);
    ev_sleep (0.002);
    calls_left = count;
    bench_begin (span);
    ev_run (EV_A_ 0);
    bench_end (span);
    return count;
}

static long ask_tick (EV_P_ long events, struct bench_span *span)
{
    ev_timer tick;

    start_all (EV_A);
    ev_timer_init (&tick, on_timer, 0., 1e-9);
    ev_timer_start (EV_A_ & tick);
    calls_left = events / 10 + 1;
    ev_run (EV_A_ 0);
    calls_left = events;
    bench_begin (span);
    ev_run (EV_A_ 0);
    bench_end (span);
    return events;
}

static long ask_periodic (EV_P_ long events, struct bench_span *span)
{
    (void) events;
    periodics = calloc ((size_t) count, sizeof *periodics);
    for (int i = 0; i < count; i++)
        ev_periodic_init (&periodics[i], on_periodic, (double) bench_random () / 1e6, 3600., 0);
    bench_begin (span);
    for (int i = 0; i < count; i++)
        ev_periodic_start (EV_A_ & periodics[i]);
    bench_end (span);
    return count;
}

static const struct {
    const char *mode;
    long (*ask) (EV_P_ long events, struct bench_span *span); /* returns how many operations it did */
} questions[] = {
    { "start", ask_start },   { "stop", ask_stop }, { "cycle", ask_cycle }, { "again", ask_again },
    { "rewind", ask_rewind }, { "fire", ask_fire }, { "tick", ask_tick },   { "periodic", ask_periodic },
};

static void ask (EV_P_ const struct bench_options *o)
{
    struct bench_span span;

    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        if (!strcmp (o->mode, questions[i].mode)) {
            long events = questions[i].ask (EV_A_ o->events, &span);

            bench_report (&span, events, bench_loop_library ());
            return;
        }
    bench_skip ("unknown mode");
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    EV_P = bench_loop (o.backend);

    count = o.timers;
    timers = calloc ((size_t) count, sizeof *timers);
    order = calloc ((size_t) count, sizeof *order);
    bench_shuffle (order, count);
    for (int i = 0; i < count; i++)
        ev_timer_init (&timers[i], on_timer, random_delay (), 0.);
    ask (EV_A_ & o);
    return 0;
}
