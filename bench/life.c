/* life.c: the start and the end of a loop, for the ev API. --mode:
 *   life      one event is a loop that is made, looks once whether anything has happened, and is destroyed
 *   process   one event is a process that makes its default loop, waits for a timer that is due, and returns from main */
#include "bench.h"
#include "loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void life (const struct bench_options *o)
{
    struct ev_loop *loop = bench_loop (o->backend);

    ev_run (EV_A_ EVRUN_NOWAIT);
    ev_loop_destroy (EV_A);
}

static void on_timer (EV_P_ ev_timer *w, int revents)
{
    (void) w;
    (void) revents;
    ev_break (EV_A_ EVBREAK_ALL);
}

static _Noreturn void child (const struct bench_options *o)
{
    struct ev_loop *loop = bench_loop_default (o->backend);
    ev_timer timer;

    ev_timer_init (&timer, on_timer, 0., 0.);
    ev_timer_start (EV_A_ & timer);
    ev_run (EV_A_ 0);
    exit (0);
}

/* What its last child costs is counted when it is gone: bench_end_child. */
static void process (const struct bench_options *o, struct bench_span *span)
{
    pid_t pid;

    *span = (struct bench_span){ .wall_ns = latency_now () }; /* its other clocks begin with it */
    pid = fork ();
    if (pid < 0)
        bench_die ("fork");
    if (pid == 0)
        child (o);
    bench_end_child (span, pid);
}

/* The child finds out whether there is such a loop: this process is to know nothing that its children would have to ask. */
static void try_one (const struct bench_options *o)
{
    int status;
    pid_t pid = fork ();

    if (pid == 0)
        child (o);
    if (pid < 0 || waitpid (pid, &status, 0) != pid)
        bench_die ("fork");
    if (WIFEXITED (status) && WEXITSTATUS (status) == 77)
        exit (77);
}

static void all_processes (const struct bench_options *o, struct bench_span *sum)
{
    struct bench_span one;

    try_one (o);
    memset (sum, 0, sizeof *sum);
    for (long i = 0; i < o->events; i++) {
        process (o, &one);
        bench_add (sum, &one);
    }
}

static void all_loops (const struct bench_options *o, struct bench_span *span)
{
    life (o); /* the first one asks the kernel what it can */
    bench_begin (span);
    for (long i = 0; i < o->events; i++)
        life (o);
    bench_end (span);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct bench_span span;

    if (!strcmp (o.mode, "process"))
        all_processes (&o, &span);
    else
        all_loops (&o, &span);
    bench_report (&span, o.events, bench_loop_library ());
    return 0;
}
