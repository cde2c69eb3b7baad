/* peer.c: the main program of every peer: the same questions, options and output as the programs in the folder
 * above. --mode pipes, toggle (or modify, which are one by hand), echo, churn, datagrams,
 * ping or flood (wake), life or files. */
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
    echo_report (&work, peer.version ());
}

static void ask_churn (const struct bench_options *o)
{
    struct echo work;

    churn_open (&work, o);
    peer.open ();
    peer.churn_run (&work);
    echo_close (&work);
    echo_report (&work, peer.version ());
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

static void ask_datagrams (const struct bench_options *o)
{
    struct echo work;

    datagrams_open (&work, o);
    peer.open ();
    peer.datagrams_run (&work);
    echo_close (&work);
    echo_report (&work, peer.version ());
}

static void ask_wake (const struct bench_options *o)
{
    static struct wake work;

    wake_open (&work, o, peer.wake_send);
    peer.open ();
    peer.wake_run (&work);
    wake_report (&work, peer.version ());
}

static void ask_life (const struct bench_options *o)
{
    struct bench_span span;

    peer.life ();
    bench_begin (&span);
    for (long i = 0; i < o->events; i++)
        peer.life ();
    bench_end (&span);
    bench_report (&span, o->events, peer.version ());
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
    else if (!strcmp (o.mode, "datagrams") && peer.datagrams_run)
        ask_datagrams (&o);
    else if ((!strcmp (o.mode, "ping") || !strcmp (o.mode, "flood")) && peer.wake_run)
        ask_wake (&o);
    else if (!strcmp (o.mode, "life") && peer.life)
        ask_life (&o);
    else
        bench_skip ("this peer has no answer to that");
    return 0;
}
