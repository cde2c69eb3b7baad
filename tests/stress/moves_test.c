/* moves_test.c: a loop is run by one thread after the other, told of forks that were none, and its process forks, with all
 * kinds of operations in flight on streams whose every byte is known. Promises that no byte is lost or told twice, and that
 * no memory is written to that is not lent: beside a buffer, or in one that was given back. MOVES=n: so many moves (120);
 * SEED=n repeats the choices. Also meant for the sanitizers. */
#define _GNU_SOURCE
#include "../op/op_kit.h"

#include <sys/syscall.h>
#include <sys/wait.h>

enum { FLOWS = 6, PIECE = 512, GUARD = 64, BUFFERS = 8, FULL = 0x5a, NO_MMAP = 1 << 14 };

struct flow {
    ev_op w; /* first */
    struct ev_loop *loop;
    ev_pool *pool;
    int own, peer; /* descriptors: the operation's, and the test's end */
    int gives, turn, stopping, pipe;
    size_t told,
        peered;  /* bytes of the stream: that the operation has told, that the test has put or taken */
    size_t size; /* of the operation under way */
    unsigned char room[2][GUARD + PIECE + GUARD];
    struct iovec vec;
    struct msghdr message;
    void (*set) (struct flow *flow, unsigned char *data);
};

static struct flow flows[FLOWS];
static unsigned state;
static unsigned long long cancelled;
static int exact; /* a ring that is lost says what it has done: from 6.12 on. Else only memory is looked at */

static unsigned below (unsigned limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

static unsigned char byte_of (size_t at)
{
    return (unsigned char) (at * 7 + at / 251);
}

/* ---- one operation ------------------------------------------------------------------------------- */

static void all_is (const unsigned char *from, size_t count, unsigned char what, const char *where)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg (from[i] == what, "%s: byte %zu was written to", where, i);
}

static unsigned char *lend (struct flow *flow)
{
    unsigned char *room = flow->room[flow->turn ^= 1];

    all_is (room, sizeof flow->room[0], FULL, "memory that was given back");
    for (size_t i = 0; flow->gives && i < PIECE; i++)
        room[GUARD + i] = byte_of (flow->told + i);
    return room + GUARD;
}

static void give_back (struct flow *flow)
{
    unsigned char *room = flow->room[flow->turn];

    all_is (room, GUARD, FULL, "before the buffer");
    all_is (room + GUARD + PIECE, GUARD, FULL, "behind the buffer");
    memset (room + GUARD, FULL, PIECE);
}

static void start (struct flow *flow)
{
    flow->size = 1 + below (PIECE);
    flow->set (flow, flow->pool ? NULL : lend (flow));
    ev_op_start (flow->loop, &flow->w);
}

static void took (struct flow *flow, const unsigned char *data, size_t count)
{
    for (size_t i = 0; exact && i < count; i++)
        ck_assert_msg (data[i] == byte_of (flow->told + i), "flow %d: byte %zu is another",
                       (int) (flow - flows), flow->told + i);
    flow->told += count;
}

static size_t moved_by (const struct flow *flow)
{
    return flow->w.result > 0 ? (size_t) flow->w.result : flow->w.moved;
}

static void ended (struct flow *flow)
{
    if (flow->gives)
        flow->told += moved_by (flow);
    else if (!flow->pool)
        took (flow, flow->w.buf, moved_by (flow));
    if (!flow->pool)
        give_back (flow);
}

static void on_end (EV_P_ ev_op *w, int revents)
{
    struct flow *flow = (struct flow *) w;

    ck_assert_msg (w->result > 0 || w->result == -ECANCELED, "flow %d: result %zd", (int) (flow - flows),
                   w->result);
    cancelled += w->result == -ECANCELED;
    if (flow->pool && w->result > 0)
        took (flow, w->buf, (size_t) w->result);
    if (revents & EV_OP_MORE)
        return;
    flow->w.buf = flow->pool ? NULL : flow->room[flow->turn] + GUARD;
    ended (flow);
    if (!flow->stopping)
        start (flow);
}

static void set_recv (struct flow *flow, unsigned char *data)
{
    ev_recv_set (&flow->w, flow->own, data, flow->size, below (2) ? MSG_WAITALL : 0);
}

static void set_recvmsg (struct flow *flow, unsigned char *data)
{
    flow->vec = (struct iovec){ data, flow->size };
    flow->message = (struct msghdr){ .msg_iov = &flow->vec, .msg_iovlen = 1 };
    ev_recvmsg_set (&flow->w, flow->own, &flow->message, 0);
}

static void set_pool (struct flow *flow, unsigned char *data)
{
    (void) data;
    ev_recv_pool_set (&flow->w, flow->own, flow->pool, 0);
}

static void set_read (struct flow *flow, unsigned char *data)
{
    ev_read_set (&flow->w, flow->own, data, flow->size, -1);
}

static void set_send (struct flow *flow, unsigned char *data)
{
    ev_send_set (&flow->w, flow->own, data, flow->size, 0);
}

static void set_write (struct flow *flow, unsigned char *data)
{
    ev_write_set (&flow->w, flow->own, data, flow->size, -1);
}

static void (*const sets[FLOWS]) (struct flow *flow,
                                  unsigned char *data) = { set_recv, set_recvmsg, set_pool,
                                                           set_read, set_send,    set_write };

/* ---- the other ends ------------------------------------------------------------------------------- */

static void peer_puts (struct flow *flow)
{
    unsigned char data[PIECE];
    size_t size = 1 + below (PIECE);
    ssize_t put;

    for (size_t i = 0; i < size; i++)
        data[i] = byte_of (flow->peered + i);
    put = write (flow->peer, data, size);
    flow->peered += put > 0 ? (size_t) put : 0;
}

static void peer_takes (struct flow *flow)
{
    unsigned char data[PIECE];
    ssize_t got = read (flow->peer, data, 1 + below (PIECE));

    for (ssize_t i = 0; exact && i < got; i++)
        ck_assert_msg (data[i] == byte_of (flow->peered + (size_t) i), "flow %d: sent byte %zu is another",
                       (int) (flow - flows), flow->peered + (size_t) i);
    flow->peered += got > 0 ? (size_t) got : 0;
}

static void peers_move (void)
{
    for (int i = 0; i < FLOWS; i++)
        if (below (3) == 0)
            flows[i].gives ? peer_takes (&flows[i]) : peer_puts (&flows[i]);
}

/* ---- who runs the loop ----------------------------------------------------------------------------- */

static void *run (void *arg)
{
    struct ev_loop *loop = arg;

    for (unsigned i = 0; i < 3; i++) {
        peers_move ();
        ev_run (loop, EVRUN_NOWAIT);
    }
    return NULL;
}

static void run_elsewhere (struct ev_loop *loop)
{
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, run, loop), 0);
    ck_assert_int_eq (pthread_join (thread, NULL), 0);
}

/* raw: born without handlers, so that it keeps the ring. */
static void have_child (int raw)
{
    pid_t child = raw ? (pid_t) syscall (SYS_fork) : fork ();

    if (child == 0) {
        usleep (1000 * below (20));
        _exit (0);
    }
}

static void move (struct ev_loop *loop)
{
    switch (below (8)) {
    case 0:
        ev_loop_fork (loop);
        break;
    case 1:
        have_child (below (2));
        break;
    case 2:
        run (loop);
        break;
    default:
        run_elsewhere (loop);
    }
    run (loop);
    while (waitpid (-1, NULL, WNOHANG) > 0)
        ;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static void flow_begin (struct ev_loop *loop, int i)
{
    struct flow *flow = &flows[i];
    int fd[2];

    memset (flow, 0, sizeof *flow);
    memset (flow->room, FULL, sizeof flow->room);
    flow->loop = loop;
    flow->set = sets[i];
    flow->gives = flow->set == set_send || flow->set == set_write;
    flow->pipe = flow->set == set_read || flow->set == set_write;
    if (flow->pipe)
        ck_assert_int_eq (pipe (fd), 0);
    else
        op_pair (fd);
    flow->own = fd[flow->pipe && flow->gives];
    flow->peer = fd[!(flow->pipe && flow->gives)];
    ck_assert_int_eq (fcntl (flow->peer, F_SETFL, O_NONBLOCK), 0);
    if (flow->set == set_pool)
        flow->pool = ev_pool_new (loop, PIECE, BUFFERS);
    ev_init (&flow->w, on_end);
    start (flow);
}

static int is_behind (const struct flow *flow)
{
    return !flow->gives && flow->told < flow->peered;
}

static void flow_end (struct flow *flow)
{
    for (int i = 0; is_behind (flow) && i < 500; i++) { /* one that wants all of a buffer may wait for more */
        ev_run (flow->loop, EVRUN_NOWAIT);
        usleep (1000);
    }
    flow->stopping = 1;
    ev_op_stop (flow->loop, &flow->w);
    ended (flow);
    for (size_t before = flow->peered + 1; flow->gives && flow->peered != before;) {
        before = flow->peered;
        peer_takes (flow);
    }
    ck_assert_msg (!exact || flow->told == flow->peered, "flow %d has told %zu bytes, and %zu have come",
                   (int) (flow - flows), flow->told, flow->peered);
    if (flow->pool)
        ev_pool_free (flow->loop, flow->pool);
    close (flow->own);
    close (flow->peer);
}

TEST_ENGINES (
    loop_that_moves_and_moves_loses_no_byte_and_writes_to_no_memory_that_was_given_back) // decision 0012
{
    struct ev_loop *loop = test_loop (0);
    int moves = getenv ("MOVES") ? atoi (getenv ("MOVES")) : 120;
    unsigned seed = getenv ("SEED") ? (unsigned) atoi (getenv ("SEED")) : (unsigned) time (NULL);
    struct ev_stats stats;

    TEST_SECONDS (60 + moves / 10);
    ck_result (op_do (loop, recv, -1, NULL, 1, 0),
               -EBADF); /* from now on there is a ring, if there is to be one */
    stats = op_stats (loop);
    exact = !stats.ring_flags || stats.ring_flags & NO_MMAP;
    signal (SIGPIPE, SIG_IGN);
    printf ("SEED=%u\n", state = seed);
    cancelled = 0;
    for (int i = 0; i < FLOWS; i++)
        flow_begin (loop, i);
    for (int i = 0; i < moves; i++)
        move (loop);
    for (int i = 0; i < FLOWS; i++)
        flow_end (&flows[i]);
    while (waitpid (-1, NULL, 0) > 0)
        ;
    stats = op_stats (loop);
    ck_assert_uint_le (cancelled, stats.ops_lost);
    printf ("%d moves, %llu rings lost with operations, %llu operations of which nothing was known\n", moves,
            stats.rings_lost, stats.ops_lost);
}
