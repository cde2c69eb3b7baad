/* peer.c: the main program of every peer: the same questions, options and output as the programs in the folder
 * above. --mode pipes, toggle (or modify, which are one by hand), echo, churn or files. */
#include "peer.h"

#include <string.h>

static void ask_pipes (const struct bench_options *o, void (*run) (void))
{
    struct pipes work;
    struct bench_span span;

    peer.open ();
    pipes_open (&work, o->fds, o->ends);
    peer.pipes_watch (&work);
    pipes_seed (&work, o->active, o->active + o->events / 10);
    run ();
    bench_begin (&span);
    pipes_seed (&work, o->active, o->events);
    run ();
    bench_end (&span);
    bench_report (&span, o->events, peer.version ());
}

static void ask_echo (const struct bench_options *o)
{
    struct echo work;

    echo_open (&work, o);
    peer.open ();
    peer.echo_run (&work);
    echo_close (&work);
    bench_report (&work.span, o->events, peer.version ());
}

static void ask_churn (const struct bench_options *o)
{
    struct echo work;

    churn_open (&work, o);
    peer.open ();
    peer.churn_run (&work);
    echo_close (&work);
    bench_report (&work.span, o->events, peer.version ());
}

static void ask_files (const struct bench_options *o)
{
    struct files work;

    files_open (&work, o);
    peer.open ();
    peer.files_run (&work);
    files_close (&work);
    bench_report (&work.span, o->events, peer.version ());
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);

    if (!strcmp (o.mode, "pipes") && peer.pipes_run)
        ask_pipes (&o, peer.pipes_run);
    else if ((!strcmp (o.mode, "toggle") || !strcmp (o.mode, "modify")) && peer.toggle_run)
        ask_pipes (&o, peer.toggle_run);
    else if (!strcmp (o.mode, "echo") && peer.echo_run)
        ask_echo (&o);
    else if (!strcmp (o.mode, "churn") && peer.churn_run)
        ask_churn (&o);
    else if (!strcmp (o.mode, "files") && peer.files_run)
        ask_files (&o);
    else
        bench_skip ("this peer has no answer to that");
    return 0;
}
