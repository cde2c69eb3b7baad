/* pool_test.c: receiving into buffers of a pool. Promises that every byte comes once and in order, that a kept
 * buffer stays as it is, that an exhausted pool only pauses, and that no buffer is ever lost. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <netinet/tcp.h>

/* A stream that is received: what has come of it, and whether each byte was the right one. */
struct stream {
    struct op op;
    ev_pool *pool;
    size_t size; /* of its buffers */
    int fd[2];
    size_t sent, got;
    int wrong, keep; /* keep: how many of the next buffers to keep */
    void *kept[64];
    size_t kept_at[64], kept_size[64];
    int kept_count;
};

static void take (struct ev_loop *loop, struct op *op)
{
    struct stream *stream = op->arg;

    if (op->result <= 0) {
        ck_assert_int_eq (op->revents, EV_OP);
        ck_assert_ptr_null (op->buf);
        return;
    }
    ck_assert_int_eq (op->revents, EV_OP | EV_OP_MORE);
    ck_assert_ptr_nonnull (op->buf);
    ck_assert_uint_le ((size_t) op->result, stream->size);
    stream->wrong += !op_data_is (op->buf, (size_t) op->result, stream->got);
    if (stream->keep > 0) {
        stream->keep--;
        ev_pool_keep (stream->pool, op->buf);
        stream->kept[stream->kept_count] = op->buf;
        stream->kept_at[stream->kept_count] = stream->got;
        stream->kept_size[stream->kept_count++] = (size_t) op->result;
    }
    stream->got += (size_t) op->result;
}

static void receive (struct ev_loop *loop, struct stream *stream)
{
    ev_recv_pool_set (op_new (&stream->op), stream->fd[0], stream->pool, 0);
    stream->op.then = take;
    stream->op.arg = stream;
    op_start (loop, &stream->op);
}

static void stream_begin (struct ev_loop *loop, struct stream *stream, ev_pool *pool, size_t size)
{
    memset (stream, 0, sizeof *stream);
    ck_assert_ptr_nonnull (pool);
    stream->pool = pool;
    stream->size = size;
    op_pair (stream->fd);
    receive (loop, stream);
}

static void stream_send (struct stream *stream, size_t size)
{
    unsigned char *data = op_memory (size);

    op_data (data, size, stream->sent);
    ck_assert_int_eq (send (stream->fd[1], data, size, MSG_DONTWAIT), (ssize_t) size);
    stream->sent += size;
    free (data);
}

static void got_all (struct ev_loop *loop, struct stream *stream)
{
    for (double end = test_clock () + OP_PATIENCE; stream->got < stream->sent && test_clock () < end;)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_eq (stream->got, stream->sent);
    ck_assert_int_eq (stream->wrong, 0);
}

/* The buffers that are kept still hold what they were given with. */
static void kept_are_whole (const struct stream *stream)
{
    for (int i = 0; i < stream->kept_count; i++)
        ck_assert_msg (op_data_is (stream->kept[i], stream->kept_size[i], stream->kept_at[i]),
                       "kept buffer %d has changed", i);
}

static void give_all (struct stream *stream)
{
    while (stream->kept_count)
        ev_pool_give (stream->pool, stream->kept[--stream->kept_count]);
}

static void stream_end (struct ev_loop *loop, struct stream *stream)
{
    op_stop (loop, &stream->op);
    op_close_both (stream->fd);
}

TEST_ENGINES (received_data_comes_in_buffers_of_the_pool)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 256, 4), 256);
    for (int i = 1; i <= 20; i++) {
        stream_send (&s, 100);
        op_until (loop, &s.op.calls, i);
        ck_result (s.op.result, 100);
    }
    got_all (loop, &s);
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (stream_longer_than_the_pool_comes_whole)
{
    static const struct {
        size_t size;
        unsigned count;
    } pools[] = { { 1, 1 }, { 100, 1 }, { 7, 3 }, { 100, 2 }, { 4096, 5 }, { 1000, 1000 }, { 16, 32768 } };
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (unsigned i = 0; i < sizeof pools / sizeof *pools; i++) {
        ev_pool *pool = ev_pool_new (loop, pools[i].size, pools[i].count);
        struct stream s;

        stream_begin (loop, &s, pool, pools[i].size);
        for (int k = 0; k < 30; k++) {
            stream_send (&s, pools[i].size < 100 ? 200 : 20000);
            got_all (loop, &s);
        }
        stream_end (loop, &s);
        ev_pool_free (loop, pool);
    }
    op_all_over (loop);
}

TEST_ENGINES (end_of_the_stream_is_the_last_call)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 64, 4), 64);
    stream_send (&s, 1000);
    ck_assert_int_eq (shutdown (s.fd[1], SHUT_WR), 0);
    ck_result (op_end (loop, &s.op), 0);
    got_all (loop, &s);
    op_settle (loop);
    ck_assert_int_eq (s.op.ends, 1);
    receive (loop, &s); /* and again */
    ck_result (op_end (loop, &s.op), 0);
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (reset_is_the_last_call)
{
    struct ev_loop *loop = test_loop (0);
    struct linger now = { 1, 0 };
    struct stream s = { .pool = ev_pool_new (loop, 64, 4), .size = 64 };

    op_tcp_pair (s.fd);
    receive (loop, &s);
    op_settle (loop);
    setsockopt (s.fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close (s.fd[1]);
    ck_result (op_end (loop, &s.op), -ECONNRESET);
    close (s.fd[0]);
    op_all_over (loop);
}

TEST_ENGINES (errors_are_the_last_call)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 4);
    int fd[2];

    test_pipe (fd);
    ck_result (op_do (loop, recv_pool, kit_closed_fd (), pool, 0), -EBADF);
    ck_assert_ptr_null (op_one.buf);
    ck_result (op_do (loop, recv_pool, fd[0], pool, 0), -ENOTSOCK);
    ck_assert_ptr_null (op_one.buf);
    ck_assert_int_eq (op_one.calls, 1);
    op_close_both (fd);
}

TEST_ENGINES (cancelled_one_has_no_buffer_in_its_last_call)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 64, 4), 64);
    stream_send (&s, 10);
    got_all (loop, &s);
    op_cancel (loop, &s.op);
    ck_result (op_end (loop, &s.op), -ECANCELED);
    ck_assert_ptr_null (s.op.buf);
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (kept_buffers_stay_as_they_are)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 100, 8), 100);
    s.keep = 7;
    for (int i = 0; i < 50; i++) {
        stream_send (&s, 100);
        got_all (loop, &s); /* the last buffer goes round and round */
        kept_are_whole (&s);
    }
    ck_assert_int_eq (s.kept_count, 7);
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < i; k++)
            ck_assert_msg (labs ((long) ((char *) s.kept[i] - (char *) s.kept[k])) >= 100,
                           "two buffers overlap");
    give_all (&s);
    stream_send (&s, 5000);
    got_all (loop, &s);
    stream_end (loop, &s);
    op_all_over (loop);
}

/* Nothing comes while all buffers are kept; the loop sleeps meanwhile, and does other things. */
TEST_ENGINES (exhausted_pool_pauses_and_goes_on_when_a_buffer_is_given)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;
    int fd[2], calls;
    unsigned iterations;

    stream_begin (loop, &s, ev_pool_new (loop, 100, 4), 100);
    s.keep = 4;
    stream_send (&s, 1000);
    op_until (loop, &s.kept_count, 4);
    calls = s.op.calls;
    iterations = kit_run_for (loop, 0.1);
    ck_assert_msg (iterations < 20, "%u iterations about nothing", iterations);
    ck_assert_int_eq (s.op.calls, calls);
    ck_assert (ev_is_active (&s.op.w));
    op_pair (fd);
    ck_result (op_do (loop, send, fd[0], "x", 1, 0), 1);
    op_close_both (fd);
    ev_pool_give (s.pool, (char *) s.kept[--s.kept_count] + 57); /* any address inside */
    got_all (loop, &s);
    kept_are_whole (&s);
    give_all (&s);
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (exhausted_pool_that_is_refilled_again_and_again)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 10, 3), 10);
    for (int i = 0; i < 100; i++) {
        s.keep = 3;
        stream_send (&s, 50);
        op_until (loop, &s.kept_count, 3);
        if (i % 3 == 0)
            op_settle (loop);
        kept_are_whole (&s);
        ck_assert_uint_eq (s.got, s.sent - 20);
        give_all (&s);
        got_all (loop, &s);
    }
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (end_of_the_stream_is_told_although_the_pool_is_exhausted_before)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 10, 2), 10);
    s.keep = 2;
    stream_send (&s, 30);
    shutdown (s.fd[1], SHUT_WR);
    op_until (loop, &s.kept_count, 2);
    op_settle (loop);
    give_all (&s);
    ck_result (op_end (loop, &s.op), 0);
    ck_assert_uint_eq (s.got, 30);
    stream_end (loop, &s);
    op_all_over (loop);
}

TEST_ENGINES (paused_one_can_be_cancelled_and_stopped)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 10, 2);

    for (int stop = 0; stop < 2; stop++) {
        struct stream s;

        stream_begin (loop, &s, pool, 10);
        s.keep = 2;
        stream_send (&s, 50);
        op_until (loop, &s.kept_count, 2);
        op_settle (loop);
        if (stop)
            op_stop (loop, &s.op);
        else
            op_cancel (loop, &s.op);
        if (!stop)
            ck_result (op_end (loop, &s.op), -ECANCELED);
        kept_are_whole (&s);
        give_all (&s);
        op_settle (loop);
        op_all_over (loop);
        stream_end (loop, &s);
    }
    ev_pool_free (loop, pool);
}

TEST_ENGINES (several_receivers_share_one_pool)
{
    enum { STREAMS = 20 };
    static struct stream s[STREAMS];
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 50, 8);

    for (int i = 0; i < STREAMS; i++)
        stream_begin (loop, &s[i], pool, 50);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < STREAMS; i++)
            stream_send (&s[i], (size_t) (1 + (round * 37 + i * 11) % 300));
        for (int i = 0; i < STREAMS; i++)
            got_all (loop, &s[i]);
    }
    for (int i = 0; i < STREAMS; i++)
        stream_end (loop, &s[i]);
    op_all_over (loop);
}

/* Every receiver is paused, and every one of them goes on. */
TEST_ENGINES (several_receivers_wait_for_the_same_buffers)
{
    enum { STREAMS = 10 };
    static struct stream s[STREAMS];
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 50, 2);

    stream_begin (loop, &s[0], pool, 50);
    s[0].keep = 2;
    stream_send (&s[0], 200);
    op_until (loop, &s[0].kept_count, 2);
    for (int i = 1; i < STREAMS; i++) {
        stream_begin (loop, &s[i], pool, 50);
        stream_send (&s[i], 200);
    }
    op_settle (loop);
    for (int i = 1; i < STREAMS; i++)
        ck_assert_uint_eq (s[i].got, 0);
    ev_pool_give (pool, s[0].kept[--s[0].kept_count]); /* one is enough for all */
    for (int i = 0; i < STREAMS; i++)
        got_all (loop, &s[i]);
    kept_are_whole (&s[0]);
    give_all (&s[0]);
    for (int i = 0; i < STREAMS; i++)
        stream_end (loop, &s[i]);
    op_all_over (loop);
}

/* Both wait for the one buffer, the idle one first; only the other has data. */
static void check_idle_receiver (int is_stopped)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 50, 1);
    struct stream first, idle, other;

    stream_begin (loop, &first, pool, 50);
    first.keep = 1;
    stream_send (&first, 50);
    got_all (loop, &first);
    op_stop (loop, &first.op);
    stream_begin (loop, &idle, pool, 50);
    op_settle (loop);
    stream_begin (loop, &other, pool, 50);
    stream_send (&other, 200);
    op_settle (loop);
    ck_assert_uint_eq (other.got, 0);
    give_all (&first);
    if (is_stopped)
        op_stop (loop, &idle.op);
    got_all (loop, &other);
    if (!is_stopped) {
        stream_send (&idle, 200);
        got_all (loop, &idle);
    }
    stream_end (loop, &first);
    stream_end (loop, &idle);
    stream_end (loop, &other);
    op_all_over (loop);
}

TEST_ENGINES (receiver_without_data_does_not_keep_the_buffer_from_others)
{
    check_idle_receiver (0);
}

TEST_ENGINES (receiver_that_is_stopped_does_not_keep_the_buffer_from_others)
{
    check_idle_receiver (1);
}

TEST_ENGINES (two_pools_on_one_loop_are_two)
{
    struct ev_loop *loop = test_loop (0);
    struct stream a, b;

    stream_begin (loop, &a, ev_pool_new (loop, 100, 2), 100);
    stream_begin (loop, &b, ev_pool_new (loop, 30, 2), 30);
    a.keep = 2;
    stream_send (&a, 1000);
    op_until (loop, &a.kept_count, 2);
    for (int i = 0; i < 20; i++) {
        stream_send (&b, 100);
        got_all (loop, &b);
    }
    kept_are_whole (&a);
    give_all (&a);
    got_all (loop, &a);
    stream_end (loop, &a);
    stream_end (loop, &b);
    ev_pool_free (loop, a.pool);
    stream_begin (loop, &a, b.pool, b.size);
    stream_send (&a, 100);
    got_all (loop, &a);
    stream_end (loop, &a);
    op_all_over (loop);
}

/* However often a receiver is stopped with results that were not told: all buffers are there afterwards. */
TEST_ENGINES (buffers_of_a_stopped_receiver_go_back)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 10, 4);
    struct stream s;

    for (int i = 0; i < 50; i++) {
        stream_begin (loop, &s, pool, 10);
        if (i % 3)
            ev_run (loop, EVRUN_NOWAIT);
        stream_send (&s, 35);
        for (int k = 0; k < i % 2; k++)
            ev_run (loop, EVRUN_NOWAIT);
        stream_end (loop, &s);
    }
    stream_begin (loop, &s, pool, 10);
    s.keep = 4;
    stream_send (&s, 40);
    op_until (loop, &s.kept_count, 4);
    kept_are_whole (&s);
    give_all (&s);
    stream_end (loop, &s);
    op_all_over (loop);
}

static void give_at_once (struct ev_loop *loop, struct op *op)
{
    struct stream *stream = op->arg;

    take (loop, op);
    if (op->result > 0)
        give_all (stream); /* kept and given in the same callback */
    stream->keep = 1;
}

TEST_ENGINES (buffer_kept_and_given_in_its_callback_is_given_once)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s, ev_pool_new (loop, 10, 3), 10);
    s.op.then = give_at_once;
    s.keep = 1;
    for (int i = 0; i < 50; i++) {
        stream_send (&s, 100);
        got_all (loop, &s);
    }
    s.op.then = take;
    s.keep = 3;
    stream_send (&s, 30);
    op_until (loop, &s.kept_count, 3);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < i; k++)
            ck_assert_ptr_ne (s.kept[i], s.kept[k]); /* none is in the pool twice */
    kept_are_whole (&s);
    stream_end (loop, &s);
}

/* What arrives outside of ev_run, since a stop enters the kernel, is told in the next run, and its buffer goes back behind it. */
TEST_ENGINES (buffer_that_arrives_during_a_stop_goes_back_when_it_was_seen)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 8, 1);
    struct op receiver, other;
    char byte;
    int fd[2], another[2];

    op_pair (fd);
    op_pair (another);
    op_begin (loop, &receiver, recv_pool, fd[0], pool, 0);
    for (int i = 1; i <= 20; i++) {
        op_begin (loop, &other, recv, another[0], &byte, 1, 0);
        op_settle (loop);
        kit_put (fd[1]);
        usleep (1000);
        op_stop (loop, &other);
        op_until (loop, &receiver.calls, i);
    }
    op_stop (loop, &receiver);
    ev_pool_free (loop, pool);
    op_close_both (fd);
    op_close_both (another);
}

/* What was written to just now lies in the processor's cache. */
TEST_ENGINES (buffers_that_were_used_last_are_used_again)
{
    enum { SIZE = 4096, COUNT = 1000, FEW = 100, MESSAGES = 400 };
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, SIZE, COUNT);
    unsigned char used[COUNT] = { 0 };
    char *first = NULL;
    int distinct = 0, fd[2];
    struct op op;

    op_pair (fd);
    op_begin (loop, &op, recv_pool, fd[0], pool, 0);
    for (int i = 1; i <= MESSAGES; i++) {
        kit_put (fd[1]);
        op_until (loop, &op.calls, i);
        first = first ? first : op.buf;
        ck_assert_uint_lt ((size_t) ((char *) op.buf - first), (size_t) SIZE * COUNT);
        distinct += !used[((char *) op.buf - first) / SIZE]++;
    }
    ck_assert_int_le (distinct, FEW);
    op_stop (loop, &op);
    ev_pool_free (loop, pool);
    op_close_both (fd);
}

/* More sockets than buffers that a ring has at first: each has its own in the end, and none waits for long. */
TEST_ENGINES (a_crowd_of_receivers_has_as_many_buffers_as_it_needs)
{
    enum { SIZE = 65536, CROWD = 60, ROUNDS = 5 };
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, SIZE, CROWD);
    struct op op[CROWD];
    int fd[CROWD][2];

    for (int i = 0; i < CROWD; i++) {
        op_pair (fd[i]);
        op_begin (loop, &op[i], recv_pool, fd[i][0], pool, 0);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < CROWD; i++)
            kit_put (fd[i][1]);
        for (int i = 0; i < CROWD; i++)
            op_until (loop, &op[i].calls, round);
    }
    ev_verify (loop);
    for (int i = 0; i < CROWD; i++) {
        op_stop (loop, &op[i]);
        op_close_both (fd[i]);
    }
    ev_pool_free (loop, pool);
}

TEST_ENGINES (datagrams_have_a_buffer_each)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 100, 4);
    struct op op;
    int fd[2];

    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    ev_recv_pool_set (op_new (&op), fd[0], pool, 0);
    op_start (loop, &op);
    for (int i = 1; i <= 8; i++) /* all at once, more than there are buffers */
        ck_assert_int_eq (send (fd[1], "0123456789", (size_t) i, 0), i);
    op_until (loop, &op.calls, 8);
    ck_assert_int_eq ((int) op.total, 36);
    ck_result (op.result, 8);
    op_stop (loop, &op);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (receiver_that_does_not_want_to_wait_takes_all_there_is_and_ends)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 16, 4);
    int fd[2];
    struct op op;

    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    ck_assert_int_eq (write (fd[1], "one", 3), 3);
    ck_assert_int_eq (write (fd[1], "four", 4), 4);
    op_begin (loop, &op, recv_pool, fd[0], pool, MSG_DONTWAIT);
    ck_result (op_end (loop, &op), -EAGAIN);
    ck_assert_int_eq (op.calls, 3);
    ck_result (op.total, 7);
    op_close_both (fd);
    ev_pool_free (loop, pool);
}

TEST_ENGINES (pool_that_is_not_freed_ends_with_its_loop)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    for (int i = 0; i < 10; i++)
        ck_assert_ptr_nonnull (ev_pool_new (loop, 1000, 16));
    stream_begin (loop, &s, ev_pool_new (loop, 10, 2), 10);
    s.keep = 2;
    stream_send (&s, 100);
    op_until (loop, &s.kept_count, 2);
    test_loop_gone (loop);
    ev_loop_destroy (loop); /* paused receiver, kept buffers and all */
    op_close_both (s.fd);
}

TEST_ENGINES (pool_is_freed_with_kept_buffers)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    for (int i = 0; i < 20; i++) {
        ev_pool *pool = ev_pool_new (loop, 10, 4);

        stream_begin (loop, &s, pool, 10);
        s.keep = i % 5;
        stream_send (&s, 50);
        op_settle (loop);
        stream_end (loop, &s);
        ev_pool_free (loop, pool);
    }
    op_all_over (loop);
}

/* Random keeping, giving, pausing, stopping: the data is right all the time. */
TEST_ENGINES (storm_of_keeping_and_giving_loses_nothing)
{
    enum { STREAMS = 6, STEPS = 4000 };
    static struct stream s[STREAMS];
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 32, 16);
    unsigned seed = getenv ("SEED") ? (unsigned) atoi (getenv ("SEED")) : (unsigned) time (NULL),
             state = seed;

    TEST_SECONDS (30);
    for (int i = 0; i < STREAMS; i++)
        stream_begin (loop, &s[i], pool, 32);
    for (int step = 0; step < STEPS; step++) {
        state = state * 1664525u + 1013904223u;
        struct stream *one = &s[(state >> 8) % STREAMS];

        switch ((state >> 16) % 8) {
        case 0:
        case 1:
            if (one->sent - one->got < 10000)
                stream_send (one, 1 + (state >> 20) % 200);
            break;
        case 2:
            if (one->kept_count < 8)
                one->keep = 1 + (int) ((state >> 20) % 3);
            break;
        case 3:
            kept_are_whole (one);
            give_all (one);
            break;
        case 4:
            if (one->kept_count)
                ev_pool_give (pool, one->kept[--one->kept_count]);
            break;
        default:
            ev_run (loop, EVRUN_NOWAIT);
        }
        ck_assert_msg (!one->wrong, "SEED=%u, step %d: wrong data", seed, step);
    }
    for (int i = 0; i < STREAMS; i++) {
        s[i].keep = 0;
        kept_are_whole (&s[i]);
        give_all (&s[i]);
    }
    for (int i = 0; i < STREAMS; i++)
        got_all (loop, &s[i]);
    for (int i = 0; i < STREAMS; i++)
        stream_end (loop, &s[i]);
    op_all_over (loop);
}
