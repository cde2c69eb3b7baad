/* ops_echo.c: the echo question by operations: one accept for all connections, one receive for all messages of a
 * connection, into buffers of a pool, and one send per message, out of the very buffer it came in. */
#include "bench.h"
#include "loop.h"
#include "ops.h"
#include "work.h"

#include <stdlib.h>
#include <sys/socket.h>

/* A send under way. They are kept for the next message: as many as were ever needed at once. */
struct answer {
    ev_op sending;
    struct answer *next;
};

static struct echo work;
static ev_pool *pool;
static struct answer *idle;

static void on_sent (EV_P_ ev_op *op, int revents)
{
    struct answer *answer = (struct answer *) op;

    (void) revents;
    echo_count (&work, op->result);
    ev_pool_give (pool, op->buf);
    answer->next = idle;
    idle = answer;
}

static struct answer *answer_take (void)
{
    struct answer *answer = idle;

    if (answer) {
        idle = answer->next;
        return answer;
    }
    answer = calloc (1, sizeof *answer);
    if (!answer)
        bench_die ("calloc");
    ev_init (&answer->sending, on_sent);
    return answer;
}

static void send_back (EV_P_ ev_op *message)
{
    struct answer *answer = answer_take ();

    ev_pool_keep (pool, message->buf);
    ev_send_set (&answer->sending, message->fd, message->buf, (size_t) message->result, 0);
    ev_op_start (EV_A_ & answer->sending);
}

static void on_message (EV_P_ ev_op *op, int revents)
{
    if (op->result > 0)
        send_back (EV_A_ op);
    if (revents & EV_OP_MORE)
        return;
    close (op->fd);
    free (op);
    if (echo_over (&work) == ECHO_FINISHED)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void on_connection (EV_P_ ev_op *op, int revents)
{
    ev_op *connection;

    (void) revents;
    if (op->result < 0)
        bench_die ("accept");
    connection = malloc (sizeof *connection);
    echo_set_up (&work, (int) op->result);
    ev_recv_pool_init (connection, on_message, (int) op->result, pool, 0);
    ev_op_start (EV_A_ connection);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct ev_loop *loop;
    ev_op accepting;

    echo_open (&work, &o);
    loop = ops_loop (&o);
    pool = ev_pool_new (loop, ECHO_SIZE_MAX, (unsigned) echo_buffers (&work));
    if (!pool)
        bench_die ("ev_pool_new");
    ev_accept_init (&accepting, on_connection, work.listener, SOCK_CLOEXEC);
    ev_op_start (loop, &accepting);
    ev_run (loop, 0);
    ev_op_stop (loop, &accepting);
    echo_close (&work);
    ops_check (loop, &o);
    echo_report (&work, bench_loop_library ());
    return 0;
}
