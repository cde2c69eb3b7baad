/* pipes.c: the pipes question for the ev API: --fds socket pairs watched, --active bytes running in a circle.
 * One event is one callback, which reads a byte and writes it to the next pair. Mode "churn" also stops and starts
 * the watcher in every callback, as programs do that read only when they have room. */
#include "bench.h"
#include "loop.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

static struct pipes work;
static ev_io *watchers;

static void on_ready (EV_P_ ev_io *w, int revents)
{
    (void) revents;
    if (pipes_ready (&work, (int) (w - watchers)))
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_ready_churn (EV_P_ ev_io *w, int revents)
{
    ev_io_stop (EV_A_ w);
    ev_io_start (EV_A_ w);
    on_ready (EV_A_ w, revents);
}

static void run (EV_P_ int active, long events)
{
    pipes_seed (&work, active, events);
    ev_run (EV_A_ 0);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct bench_span span;
    EV_P = bench_loop (o.backend);

    pipes_open (&work, o.fds);
    watchers = calloc ((size_t) o.fds, sizeof *watchers);
    for (int i = 0; i < o.fds; i++) {
        ev_io_init (&watchers[i], strcmp (o.mode, "churn") ? on_ready : on_ready_churn, work.pairs[i][0],
                    EV_READ);
        ev_io_start (EV_A_ & watchers[i]);
    }
    run (EV_A_ o.active, o.active + o.events / 10);
    bench_begin (&span);
    run (EV_A_ o.active, o.events);
    bench_end (&span);
    bench_report (&span, o.events, bench_loop_library ());
    return 0;
}
