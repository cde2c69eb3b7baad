/* ops_pairs.c: what a message costs by operations, without a network and without a second process: --connections socket
 * pairs, each with one message of --size bytes under way, received from a pool, sent back, read and sent off again at the
 * other end. Nothing depends on the clock, so that instructions can be counted (budgets.py). --mode:
 *   plain     the message is copied, and the buffer goes back to the pool by itself
 *   deadline  the same, and each send has a deadline, as the manual advises
 *   kept      sent out of the pool's buffer, which is kept until then; each send has a deadline */
#include "bench.h"
#include "loop.h"
#include "ops.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIR_SIZE_MAX = 4096, FDS_SPARE = 64, BUFFERS_PER_PAIR = 2 };

struct pair {
    ev_op receiving;
    ev_op sending; /* one message is under way in each pair, so there is never a second answer */
    int ends[2];   /* [0] is served, [1] is the client's */
    char message[PAIR_SIZE_MAX];
};

static struct bench_options options;
static bool kept;
static ev_tstamp deadline;
static ev_pool *pool;
static struct bench_span span;
static long first, last; /* the span: begins when `first` messages were served, ends with `last` */
static long served, sent_off;

/* The client's part. */
static void send_off (struct pair *p)
{
    static const char message[PAIR_SIZE_MAX] = "echo";

    if (sent_off == last)
        return;
    sent_off++;
    if (write (p->ends[1], message, (size_t) options.size) != options.size)
        bench_die ("pairs: write");
}

static void take_answer (struct pair *p)
{
    char answer[PAIR_SIZE_MAX];

    if (read (p->ends[1], answer, sizeof answer) != options.size || strcmp (answer, "echo"))
        bench_die ("pairs: not the answer that was expected");
    send_off (p);
}

static void count (EV_P)
{
    served++;
    if (served == first)
        bench_begin (&span);
    if (served == last) {
        bench_end (&span);
        ev_break (EV_A_ EVBREAK_ALL);
    }
}

static void on_sent (EV_P_ ev_op *op, int revents)
{
    struct pair *p = op->data;

    (void) revents;
    if (op->result != options.size)
        bench_die ("pairs: send");
    if (kept)
        ev_pool_give (pool, op->buf);
    take_answer (p);
    count (EV_A);
}

static void on_message (EV_P_ ev_op *op, int revents)
{
    struct pair *p = op->data;
    char *answer = kept ? op->buf : p->message;

    (void) revents;
    if (op->result != options.size)
        bench_die ("pairs: receive");
    if (kept)
        ev_pool_keep (pool, op->buf);
    else
        memcpy (p->message, op->buf, (size_t) op->result);
    ev_send_set (&p->sending, op->fd, answer, (size_t) op->result, 0);
    if (deadline > 0.)
        ev_op_deadline (&p->sending, deadline);
    ev_op_start (EV_A_ & p->sending);
}

static void pair_open (EV_P_ struct pair *p)
{
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->ends))
        bench_die ("socketpair");
    ev_init (&p->sending, on_sent);
    ev_recv_pool_init (&p->receiving, on_message, p->ends[0], pool, 0);
    p->receiving.data = p->sending.data = p;
    ev_op_start (EV_A_ & p->receiving);
    send_off (p);
}

int main (int argc, char **argv)
{
    struct pair *pairs;
    struct ev_loop *loop;

    options = bench_options (argc, argv);
    kept = !strcmp (options.mode, "kept");
    deadline = strcmp (options.mode, "plain") ? 60. : 0.;
    if (options.size < (int) sizeof "echo" || options.size > PAIR_SIZE_MAX)
        bench_skip ("messages of that size cannot be told from others");
    bench_need_fds (2 * options.connections + FDS_SPARE);
    first = options.events / 10;
    last = first + options.events;
    loop = ops_loop (&options);
    pool = ev_pool_new (loop, PAIR_SIZE_MAX, (unsigned) (BUFFERS_PER_PAIR * options.connections));
    pairs = calloc ((size_t) options.connections, sizeof *pairs);
    if (!pool || !pairs)
        bench_die ("no memory");
    for (int i = 0; i < options.connections; i++)
        pair_open (loop, &pairs[i]);
    ev_run (loop, 0);
    ops_check (loop, &options);
    bench_report (&span, options.events, bench_loop_library ());
    return 0;
}
