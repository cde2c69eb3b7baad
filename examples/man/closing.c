/* closing.c: stop, then close: the peer sees the end at once.
 * cc closing.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_data (struct ev_loop *loop, ev_io *w, int revents)
{
}

static int sees_end (int fd)
{
    struct pollfd peer = { .fd = fd, .events = POLLIN };

    return poll (&peer, 1, 0) == 1 && peer.revents & POLLHUP;
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int pair[2], copy;
    ev_io io;

    if (!loop || socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    ev_io_init (&io, on_data, pair[0], EV_READ);
    ev_io_start (loop, &io);
    ev_run (loop, EVRUN_NOWAIT); /* now the kernel knows of it */
    copy = dup (pair[0]);
    ev_io_stop (loop, &io);
    close (pair[0]);
    printf ("a copy is open: %s\n",
            sees_end (pair[1]) ? "end" : "open");
    close (copy);
    printf ("all are closed: %s\n",
            sees_end (pair[1]) ? "end" : "open");
    return 0;
}
