/* peer.c: the main program of every peer: the same questions, options and output as pipes.c and echo.c.
 * --mode pipes or --mode echo. */
#include "peer.h"

#include <string.h>

static void ask_pipes (const struct bench_options *o)
{
    struct pipes work;
    struct bench_span span;

    peer_open ();
    pipes_open (&work, o->fds);
    peer_pipes_watch (&work);
    pipes_seed (&work, o->active, o->active + o->events / 10);
    peer_pipes_run ();
    bench_begin (&span);
    pipes_seed (&work, o->active, o->events);
    peer_pipes_run ();
    bench_end (&span);
    bench_report (&span, o->events, peer_version ());
}

static void ask_echo (const struct bench_options *o)
{
    struct echo work;

    echo_open (&work, o);
    peer_open ();
    peer_echo_run (&work);
    echo_close (&work);
    bench_report (&work.span, o->events, peer_version ());
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);

    if (!strcmp (o.mode, "pipes"))
        ask_pipes (&o);
    else if (!strcmp (o.mode, "echo"))
        ask_echo (&o);
    else
        bench_skip ("peers answer pipes and echo");
    return 0;
}
