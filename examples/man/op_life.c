/* op_life.c: an operation that succeeds, one that is too late, one
 * that is cancelled, and one that is stopped.
 * cc op_life.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h> /* includes ev.h */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static char buf[100];

/* Called once for each start, except the last. */
static void on_data (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result >= 0) {
        printf ("received %.*s\n", (int) op->result, buf);
        ev_op_deadline (op, 0.01);
        ev_op_start (loop, op); /* the same again, but nobody sends */
    } else if (op->result == -ETIMEDOUT) {
        printf ("nothing more in time\n");
        ev_op_deadline (op, 0.);
        ev_op_start (loop, op);
        ev_op_cancel (loop, op); /* asks: the callback still comes */
    } else if (op->result == -ECANCELED) {
        printf ("cancelled\n");
        ev_op_start (loop, op);
        ev_op_stop (loop, op); /* insists: buf is ours again */
        printf ("stopped\n");
    }
}

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    printf ("sent %zd bytes\n", op->result);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_op receiving, sending;
    int pair[2];

    if (!loop || socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        return 1;
    ev_send_init (&sending, on_sent, pair[1], "hello", 5, 0);
    ev_op_start (loop, &sending);
    ev_run (loop, 0); /* returns when nothing is active */
    ev_recv_init (&receiving, on_data, pair[0], buf, sizeof buf, 0);
    ev_op_start (loop, &receiving);
    return ev_run (loop, 0);
}
