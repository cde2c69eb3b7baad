/* op_stream.c: the echo server of op_echo.c by streams: the queue, the slow client who is not read from, the time-outs and the
 * one end are the library's.
 *
 * Build:  cc op_stream.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out 7000      (port 0, or none: any free one; it is printed)      then: nc 127.0.0.1 7000
 */
#include <ev_stream.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 10000 };                /* the others wait in the backlog */
enum { BUFFER_SIZE = 4096, BUFFERS = 4096 }; /* shared by all clients */
#define PATIENCE 60.                         /* seconds without anything, and for what is written to leave */

static ev_pool *pool;
static ev_op acceptor;

static void on_stream (struct ev_loop *loop, ev_stream *s, int revents)
{
    if (revents & EV_DATA)
        ev_stream_give (loop, s, s->buf, s->size);
    if (revents & EV_EOF)
        ev_stream_close (loop, s); /* behind what is written */
    if (revents & EV_END) {
        free (s);
        ev_accept_gone (loop, &acceptor);
    }
}

static void on_connection (struct ev_loop *loop, ev_op *op, int revents)
{
    ev_stream *s;

    if (op->result < 0) {
        errno = (int) -op->result;
        perror ("accept");
        return;
    }
    s = malloc (sizeof *s);
    if (!s) {
        close ((int) op->result);
        ev_accept_gone (loop, op);
        return;
    }
    ev_stream_init (s, on_stream, (int) op->result, pool);
    ev_stream_feeds (s, s); /* who does not take his answers is not read from */
    ev_stream_patience (s, PATIENCE, 0., PATIENCE);
    ev_stream_start (loop, s);
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct ev_loop *loop = ev_default_loop (0);
    socklen_t size = sizeof address;

    address.sin_port = htons ((unsigned short) (argc > 1 ? atoi (argv[1]) : 0));
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!loop || !(pool = ev_pool_new (loop, BUFFER_SIZE, BUFFERS))
        || bind (fd, (struct sockaddr *) &address, size) || listen (fd, SOMAXCONN)
        || getsockname (fd, (struct sockaddr *) &address, &size)) {
        perror ("op_stream");
        return 1;
    }
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    ev_accept_init (&acceptor, on_connection, fd, SOCK_CLOEXEC);
    ev_accept_limit (&acceptor, CLIENTS_MAX);
    ev_op_start (loop, &acceptor);
    return ev_run (loop, 0);
}
