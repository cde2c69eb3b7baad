/* datagrams.c: the datagrams question for the ev API: a UDP server that sends every message back to where it came from.
 * One event is one message. The load comes from a child process (see work.c). */
#include "bench.h"
#include "loop.h"
#include "work.h"

static struct echo work;

static void on_datagram (EV_P_ ev_io *w, int revents)
{
    (void) w;
    (void) revents;
    if (datagrams_ready (&work))
        ev_break (EV_A_ EVBREAK_ALL);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct ev_loop *loop;
    ev_io watcher;

    datagrams_open (&work, &o);
    loop = bench_loop (o.backend);
    ev_io_init (&watcher, on_datagram, work.listener, EV_READ);
    ev_io_start (EV_A_ & watcher);
    ev_run (EV_A_ 0);
    echo_close (&work);
    echo_report (&work, bench_loop_library ());
    return 0;
}
