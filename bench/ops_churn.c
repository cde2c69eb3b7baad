/* ops_churn.c: the churn question by operations: one accept for all connections, one receive and one send for each. */
#include "bench.h"
#include "loop.h"
#include "ops.h"
#include "work.h"

#include <stdlib.h>
#include <sys/socket.h>

struct connection {
    ev_op op; /* first the receive, then the send */
    char request[CHURN_SIZE_MAX];
};

static struct echo work;

static void on_sent (EV_P_ ev_op *op, int revents)
{
    ssize_t size = op->result;

    (void) revents;
    close (op->fd);
    free (op);
    if (churn_count (&work, size))
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_request (EV_P_ ev_op *op, int revents)
{
    (void) revents;
    if (op->result <= 0)
        bench_die ("receive");
    ev_send_init (op, on_sent, op->fd, op->buf, (size_t) op->result, 0);
    ev_op_start (EV_A_ op);
}

static void on_connection (EV_P_ ev_op *op, int revents)
{
    struct connection *connection;

    (void) revents;
    if (op->result < 0)
        bench_die ("accept");
    connection = malloc (sizeof *connection);
    ev_recv_init (&connection->op, on_request, (int) op->result, connection->request,
                  sizeof connection->request, 0);
    ev_op_start (EV_A_ & connection->op);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct ev_loop *loop;
    ev_op accepting;

    churn_open (&work, &o);
    loop = ops_loop (&o);
    ev_accept_init (&accepting, on_connection, work.listener, SOCK_CLOEXEC);
    ev_op_start (loop, &accepting);
    ev_run (loop, 0);
    ev_op_stop (loop, &accepting);
    echo_close (&work);
    ops_check (loop, &o);
    echo_report (&work, bench_loop_library ());
    return 0;
}
