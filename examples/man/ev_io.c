/* ev_io.c: sends a megabyte through a socket pair, without waiting.
 * cc ev_io.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOTAL = 1 << 20 };
static size_t sent, received;
static char page[4096];

static void on_data (struct ev_loop *loop, ev_io *w, int revents)
{
    ssize_t n = read (w->fd, page, sizeof page);

    if (n > 0) {
        received += (size_t) n;
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;           /* ready means "probably": come again */
    ev_io_stop (loop, w); /* the end, or an error: stop, */
    close (w->fd);        /* then close */
}

/* Runs only while there is something to send. */
static void on_room (struct ev_loop *loop, ev_io *w, int revents)
{
    size_t left = TOTAL - sent;
    ssize_t n;

    n = send (w->fd, page, left < sizeof page ? left : sizeof page,
              MSG_NOSIGNAL);
    if (n > 0)
        sent += (size_t) n;
    else if (errno == EAGAIN || errno == EINTR)
        return;
    if (n > 0 && sent < TOTAL)
        return;
    ev_io_stop (loop, w);
    close (w->fd);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_io reader, writer;
    int pair[2];

    if (!loop
        || socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
        return 1;
    ev_io_init (&reader, on_data, pair[0], EV_READ);
    ev_io_init (&writer, on_room, pair[1], EV_WRITE);
    ev_io_start (loop, &reader);
    ev_io_start (loop, &writer);
    ev_run (loop, 0); /* returns when both have stopped */
    printf ("sent %zu, received %zu\n", sent, received);
    return sent != received;
}
