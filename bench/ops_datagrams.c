/* ops_datagrams.c: the datagrams question by operations: so many receives wait at once, each with a buffer of its own, which goes
 * back as it came. No check of the engine: what waits on a bound socket does so outside the ring, by intention, so that a
 * process that is killed holds no port. */
#include "bench.h"
#include "loop.h"
#include "ops.h"
#include "work.h"

enum { WAITING = DATAGRAMS_BATCH };

struct datagram {
    ev_op op; /* first: a pointer to one points to both */
    struct msghdr message;
    struct iovec part;
    struct sockaddr_in who;
    char bytes[ECHO_SIZE_MAX];
};

static struct echo work;
static struct datagram datagrams[WAITING];

static void on_received (EV_P_ ev_op *op, int revents);

static void receive (EV_P_ struct datagram *d)
{
    d->part = (struct iovec){ .iov_base = d->bytes, .iov_len = sizeof d->bytes };
    d->message = (struct msghdr){
        .msg_name = &d->who, .msg_namelen = sizeof d->who, .msg_iov = &d->part, .msg_iovlen = 1
    };
    ev_recvmsg_init (&d->op, on_received, work.listener, &d->message, 0);
    ev_op_start (EV_A_ & d->op);
}

static void on_sent (EV_P_ ev_op *op, int revents)
{
    (void) revents;
    echo_count (&work, op->result);
    if (work.served == work.last)
        ev_break (EV_A_ EVBREAK_ALL);
    else
        receive (EV_A_ (struct datagram *) op);
}

static void on_received (EV_P_ ev_op *op, int revents)
{
    struct datagram *d = (struct datagram *) op;

    (void) revents;
    if (op->result < 0)
        bench_die ("recvmsg");
    d->part.iov_len = (size_t) op->result;
    ev_sendmsg_init (op, on_sent, work.listener, &d->message, 0);
    ev_op_start (EV_A_ op);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct ev_loop *loop;

    datagrams_open (&work, &o);
    loop = ops_loop (&o);
    for (int i = 0; i < WAITING; i++)
        receive (EV_A_ & datagrams[i]);
    ev_run (EV_A_ 0);
    for (int i = 0; i < WAITING; i++)
        ev_op_stop (EV_A_ & datagrams[i].op);
    echo_close (&work);
    echo_report (&work, bench_loop_library ());
    return 0;
}
