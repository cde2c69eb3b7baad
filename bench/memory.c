/* memory.c: what a loop keeps, and whether it allocates while it works. --mode says which number is printed:
 *   loop    bytes of a new loop; fds     bytes per idle descriptor; timers  bytes per waiting timer
 *   kernel  slab bytes per idle descriptor, read from /proc/meminfo: the machine's number, so a rough one
 *   warm    requests for memory per thousand events once warm: must be 0
 * Bytes are counted where the library asks for them (ev_set_allocator), as malloc really gives them away, plus what the
 * loop maps by itself. */
#define _GNU_SOURCE
#include "bench.h"
#include "loop.h"
#include "work.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library's memory, counted --------------------------------------------------------------- */

static long heap_calls;
static long heap_bytes; /* usable sizes, as handed out */

static void *heap_count (void *memory, long size)
{
    heap_calls++;
    heap_bytes -= (long) malloc_usable_size (memory);
    if (size == 0) {
        free (memory);
        return 0;
    }
    memory = realloc (memory, (size_t) size);
    if (!memory)
        bench_die ("realloc");
    heap_bytes += (long) malloc_usable_size (memory);
    return memory;
}

/* ---- other places memory may hide -------------------------------------------------------------- */

static long proc_value (const char *file, const char *name)
{
    char line[256];
    long value = -1;
    FILE *f = fopen (file, "r");

    while (f && fgets (line, sizeof line, f))
        if (!strncmp (line, name, strlen (name))) {
            value = atol (line + strlen (name)) * 1024;
            break;
        }
    if (f)
        fclose (f);
    return value;
}

static long mapped_bytes (void)
{
    return proc_value ("/proc/self/status", "VmSize:") - proc_value ("/proc/self/status", "VmData:");
}

/* ---- the questions ------------------------------------------------------------------------------ */

static struct pipes work;
static ev_io *watchers;
static ev_timer *timers;

static void on_ready (EV_P_ ev_io *w, int revents)
{
    (void) revents;
    if (pipes_ready (&work, (int) (w - watchers)))
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_timer (EV_P_ ev_timer *w, int revents)
{
    (void) revents;
    ev_timer_again (EV_A_ w);
}

static void watch_all (EV_P_ int count)
{
    pipes_open (&work, count, 1);
    watchers = calloc ((size_t) count, sizeof *watchers);
    for (int i = 0; i < count; i++)
        ev_io_init (&watchers[i], on_ready, work.pairs[i][0], EV_READ);
}

static void start_watchers (EV_P)
{
    for (int i = 0; i < work.count; i++)
        ev_io_start (EV_A_ & watchers[i]);
    ev_run (EV_A_ EVRUN_NOWAIT);
}

static double ask_loop (const struct bench_options *o)
{
    long heap = heap_bytes;
    long mapped = mapped_bytes ();
    EV_P = bench_loop (o->backend);

    ev_run (EV_A_ EVRUN_NOWAIT);
    heap = heap_bytes - heap;
    return (double) (heap + mapped_bytes () - mapped);
}

static double ask_fds (const struct bench_options *o)
{
    EV_P = bench_loop (o->backend);
    long heap;

    watch_all (EV_A_ o->fds);
    heap = heap_bytes;
    start_watchers (EV_A);
    return (double) (heap_bytes - heap) / o->fds;
}

static double ask_kernel (const struct bench_options *o)
{
    EV_P = bench_loop (o->backend);
    long slab;

    watch_all (EV_A_ o->fds);
    slab = proc_value ("/proc/meminfo", "Slab:");
    start_watchers (EV_A);
    return (double) (proc_value ("/proc/meminfo", "Slab:") - slab) / o->fds;
}

static double ask_timers (const struct bench_options *o)
{
    EV_P = bench_loop (o->backend);
    long heap;

    timers = calloc ((size_t) o->timers, sizeof *timers);
    heap = heap_bytes;
    for (int i = 0; i < o->timers; i++) {
        ev_timer_init (&timers[i], on_timer, 1000. + i, 0.);
        ev_timer_start (EV_A_ & timers[i]);
    }
    ev_run (EV_A_ EVRUN_NOWAIT);
    return (double) (heap_bytes - heap) / o->timers;
}

static double ask_warm (const struct bench_options *o)
{
    ev_timer tick;
    EV_P = bench_loop (o->backend);
    long calls;

    watch_all (EV_A_ o->fds);
    start_watchers (EV_A);
    ev_init (&tick, on_timer);
    tick.repeat = 1e-4;
    ev_timer_again (EV_A_ & tick);
    pipes_seed (&work, o->active, o->events);
    ev_run (EV_A_ 0);
    calls = heap_calls;
    pipes_seed (&work, o->active, o->events);
    ev_run (EV_A_ 0);
    return (double) (heap_calls - calls) * 1000. / (double) o->events;
}

static const struct {
    const char *mode;
    double (*ask) (const struct bench_options *o);
} questions[] = {
    { "loop", ask_loop },     { "fds", ask_fds },   { "timers", ask_timers },
    { "kernel", ask_kernel }, { "warm", ask_warm },
};

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);

    ev_set_allocator (heap_count);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        if (!strcmp (o.mode, questions[i].mode)) {
            double value = questions[i].ask (&o);

            bench_value (o.mode, value, bench_loop_library ());
            return 0;
        }
    bench_skip ("unknown mode");
}
