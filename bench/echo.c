/* echo.c: the echo question for the ev API: a TCP server that sends every message back.
 * One event is one message. The load comes from a child process on another core (see work.c). */
#include "bench.h"
#include "loop.h"
#include "work.h"

#include <stdlib.h>

static struct echo work;

static void on_message (EV_P_ ev_io *w, int revents)
{
    enum echo_outcome outcome = echo_serve (&work, w->fd);

    (void) revents;
    if (outcome == ECHO_GOES_ON)
        return;
    ev_io_stop (EV_A_ w);
    close (w->fd);
    free (w);
    if (outcome == ECHO_FINISHED)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_connection (EV_P_ ev_io *w, int revents)
{
    int fd;

    (void) w;
    (void) revents;
    while ((fd = echo_accept (&work)) >= 0) {
        ev_io *connection = malloc (sizeof *connection);

        ev_io_init (connection, on_message, fd, EV_READ);
        ev_io_start (EV_A_ connection);
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    ev_io listener;
    struct ev_loop *loop;

    echo_open (&work, &o);
    loop = bench_loop (o.backend);
    ev_io_init (&listener, on_connection, work.listener, EV_READ);
    ev_io_start (EV_A_ & listener);
    ev_run (EV_A_ 0);
    echo_close (&work);
    bench_report (&work.span, o.events, bench_loop_library ());
    return 0;
}
