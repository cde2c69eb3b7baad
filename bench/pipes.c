/* pipes.c: the pipes question for the ev API: --fds socket pairs watched, --active bytes running in a circle.
 * One event is one byte: a callback reads it and writes it to the next pair. --mode:
 *   churn   every callback also stops and starts its watcher, as programs do that read only when they have room
 *   toggle  the byte is sent on by a second callback, when the descriptor is writable: interest changes from read to
 *           write and back for every byte, by ev_io_stop, ev_io_set, ev_io_start, as the manual teaches
 *   modify  the same by ev_io_modify */
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

static void set (EV_P_ ev_io *w, int events)
{
    ev_io_stop (EV_A_ w);
    ev_io_set (w, w->fd, events);
    ev_io_start (EV_A_ w);
}

static void modify (EV_P_ ev_io *w, int events)
{
    ev_io_stop (EV_A_ w);
    ev_io_modify (w, events);
    ev_io_start (EV_A_ w);
}

typedef void change_function (EV_P_ ev_io *w, int events);

static inline void turn (EV_P_ ev_io *w, int revents, change_function *change)
{
    int at = (int) (w - watchers);

    if (revents & EV_READ) {
        pipes_take (&work, at);
        change (EV_A_ w, EV_WRITE);
        return;
    }
    change (EV_A_ w, EV_READ);
    if (pipes_pass (&work, at))
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_ready_toggle (EV_P_ ev_io *w, int revents)
{
    turn (EV_A_ w, revents, set);
}

static void on_ready_modify (EV_P_ ev_io *w, int revents)
{
    turn (EV_A_ w, revents, modify);
}

typedef void callback_function (EV_P_ ev_io *w, int revents);

static callback_function *callback_of (const char *mode)
{
    if (!strcmp (mode, "churn"))
        return on_ready_churn;
    if (!strcmp (mode, "toggle"))
        return on_ready_toggle;
    return strcmp (mode, "modify") ? on_ready : on_ready_modify;
}

static void run (EV_P_ int active, long events)
{
    pipes_seed (&work, active, events);
    ev_run (EV_A_ 0);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    callback_function *callback = callback_of (o.mode);
    struct bench_span span;
    EV_P = bench_loop (o.backend);

    pipes_open (&work, o.fds, o.ends);
    watchers = calloc ((size_t) o.fds, sizeof *watchers);
    for (int i = 0; i < o.fds; i++) {
        ev_io_init (&watchers[i], callback, work.pairs[i][0], EV_READ);
        ev_io_start (EV_A_ & watchers[i]);
    }
    run (EV_A_ o.active, o.active + o.events / 10);
    bench_begin (&span);
    run (EV_A_ o.active, o.events);
    bench_end (&span);
    bench_report (&span, o.events, bench_loop_library ());
    return 0;
}
