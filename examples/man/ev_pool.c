/* ev_pool.c: sends back what it receives, without copying it.
 * cc ev_pool.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char text[10000], back[sizeof text];
static ev_pool *pool;

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    ev_pool_give (pool, op->buf); /* to be received into again */
    if (op->result < 0)
        printf ("cannot send: %d\n", (int) -op->result);
    free (op);
}

static void on_data (struct ev_loop *loop, ev_op *op, int revents)
{
    ev_op *sending;

    if (op->result <= 0) { /* the end, or an error: no buffer */
        printf ("%s\n", op->result ? "broken" : "the end");
        return;
    }
    sending = malloc (sizeof *sending);
    if (!sending)
        return;                   /* the buffer goes back by itself */
    ev_pool_keep (pool, op->buf); /* it stays ours until it is sent */
    ev_send_init (sending, on_sent, op->fd, op->buf,
                  (size_t) op->result, 0);
    ev_op_start (loop, sending);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_op receiving;
    int pair[2];

    if (!loop || socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    pool = ev_pool_new (loop, 1000, 4); /* less than comes in */
    if (!pool)
        return 1;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char) ('a' + i % 26);
    if (write (pair[1], text, sizeof text) != sizeof text
        || shutdown (pair[1], SHUT_WR))
        return 1;
    ev_recv_pool_init (&receiving, on_data, pair[0], pool, 0);
    ev_op_start (loop, &receiving);
    ev_run (loop, 0);
    ev_pool_free (loop, pool);
    close (pair[0]);
    if (recv (pair[1], back, sizeof back, MSG_WAITALL) == sizeof back
        && !memcmp (back, text, sizeof text))
        printf ("the same came back\n");
    return 0;
}
