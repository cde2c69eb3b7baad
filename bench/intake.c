/* intake.c: bulk data comes on --connections connections, and is received --size bytes at a time into the program's buffers, by
 * readiness. One event is 64 KiB. */
#include "flood.h"
#include "loop.h"

#include <ev.h>

#include <stdlib.h>
#include <sys/socket.h>

static int size;

static void on_readable (EV_P_ ev_io *w, int revents)
{
    ssize_t got = recv (w->fd, w->data, (size_t) size, 0);

    (void) revents;
    if (flood_take (w->data, got))
        ev_break (EV_A_ EVBREAK_ALL);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    ev_io *watchers = calloc ((size_t) o.connections, sizeof *watchers);
    int fds[o.connections];
    struct ev_loop *loop;

    size = o.size;
    flood_begin (&o, fds);
    loop = bench_loop (o.backend);
    for (int i = 0; i < o.connections; i++) {
        ev_io_init (&watchers[i], on_readable, fds[i], EV_READ);
        watchers[i].data = malloc ((size_t) size);
        ev_io_start (EV_A_ & watchers[i]);
    }
    ev_run (EV_A_ 0);
    flood_end (&o, bench_loop_library ());
    return 0;
}
