/* churn.c: the churn question for the ev API: a TCP server whose connections bring one message each.
 * One event is one connection: accepted, answered, closed. The load comes from a child process (see work.c). */
#include "bench.h"
#include "loop.h"
#include "work.h"

#include <stdlib.h>

static struct echo work;

static void on_request (EV_P_ ev_io *w, int revents)
{
    ssize_t size = churn_serve (w->fd);

    (void) revents;
    ev_io_stop (EV_A_ w);
    close (w->fd);
    free (w);
    if (churn_count (&work, size))
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_connection (EV_P_ ev_io *w, int revents)
{
    int fd;

    (void) w;
    (void) revents;
    while ((fd = echo_accept (&work)) >= 0) {
        ev_io *connection = malloc (sizeof *connection);

        ev_io_init (connection, on_request, fd, EV_READ);
        ev_io_start (EV_A_ connection);
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    ev_io listener;
    struct ev_loop *loop;

    churn_open (&work, &o);
    loop = bench_loop (o.backend);
    ev_io_init (&listener, on_connection, work.listener, EV_READ);
    ev_io_start (EV_A_ & listener);
    ev_run (EV_A_ 0);
    echo_close (&work);
    echo_report (&work, bench_loop_library ());
    return 0;
}
