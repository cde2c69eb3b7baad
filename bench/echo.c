/* echo.c: the echo question for the ev API: a TCP server that sends every message back.
 * One event is one message. The load comes from a child process on another core (see work.c). Mode "idle" also has a
 * timer for each connection, which every message puts off, as servers have that hang up on the silent. */
#include "bench.h"
#include "loop.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

struct connection {
    ev_io io; /* first, so that the watcher is the connection */
    ev_timer idle;
};

static struct echo work;
static double patience; /* seconds; 0: for ever */

static void on_silence (EV_P_ ev_timer *w, int revents)
{
    (void) loop, (void) w, (void) revents;
    bench_die ("echo: a connection fell silent");
}

static void on_message (EV_P_ ev_io *w, int revents)
{
    struct connection *connection = (struct connection *) w;
    enum echo_outcome outcome = echo_serve (&work, w->fd);

    (void) revents;
    if (patience > 0)
        ev_timer_again (EV_A_ & connection->idle);
    if (outcome == ECHO_GOES_ON)
        return;
    ev_io_stop (EV_A_ w);
    ev_timer_stop (EV_A_ & connection->idle);
    close (w->fd);
    free (connection);
    if (outcome == ECHO_FINISHED)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_connection (EV_P_ ev_io *w, int revents)
{
    int fd;

    (void) w;
    (void) revents;
    while ((fd = echo_accept (&work)) >= 0) {
        struct connection *connection = malloc (sizeof *connection);

        ev_io_init (&connection->io, on_message, fd, EV_READ);
        ev_io_start (EV_A_ & connection->io);
        ev_timer_init (&connection->idle, on_silence, 0., patience);
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    ev_io listener;
    struct ev_loop *loop;

    patience = strcmp (o.mode, "idle") ? 0 : 60;
    echo_open (&work, &o);
    loop = bench_loop (o.backend);
    ev_io_init (&listener, on_connection, work.listener, EV_READ);
    ev_io_start (EV_A_ & listener);
    ev_run (EV_A_ 0);
    echo_close (&work);
    echo_report (&work, bench_loop_library ());
    return 0;
}
