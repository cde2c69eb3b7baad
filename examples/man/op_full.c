/* op_full.c: a send to a peer that does not read.
 * cc op_full.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static char data[16 << 20]; /* more than any socket buffer takes */

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result == -ETIMEDOUT)
        printf ("given up in the middle\n");
    else
        printf ("result %zd\n", op->result);
    close (op->fd); /* a stream that was cut is of no use */
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    static char page[65536];
    size_t received = 0;
    ev_op sending;
    ssize_t n;
    int pair[2];

    if (!loop || socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    ev_send_init (&sending, on_sent, pair[0], data, sizeof data, 0);
    ev_op_deadline (&sending, 0.1);
    ev_op_start (loop, &sending);
    ev_run (loop, 0);
    while ((n = read (pair[1], page, sizeof page)) > 0)
        received += (size_t) n;
    if (received == sending.moved)
        printf ("the peer has what went through\n");
    return received != sending.moved || !received;
}
