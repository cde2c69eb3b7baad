/* pause_test.c: operations that rest. Promises that between ev_op_pause and ev_op_resume no callback comes, that what arrived is
 * kept and told first, in order, that what comes later is left where its sender is held up, and that every way to end still ends
 * them. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/ioctl.h>
#include <sys/wait.h>

enum { SIZE = 256, COUNT = 8 };

/* A stream that is received, byte by byte. */
struct stream {
    struct op op;
    ev_pool *pool;
    int fd[2];
    size_t sent, got;
    int pauses; /* in its own callback, so many times to come */
};

static void take (struct ev_loop *loop, struct op *op)
{
    struct stream *stream = op->arg;

    if (op->result <= 0)
        return;
    ck_assert (op_data_is (op->buf, (size_t) op->result, stream->got));
    stream->got += (size_t) op->result;
    if (stream->pauses > 0) {
        stream->pauses--;
        ev_op_pause (loop, &op->w);
    }
}

static void stream_begin (struct ev_loop *loop, struct stream *stream)
{
    memset (stream, 0, sizeof *stream);
    stream->pool = ev_pool_new (loop, SIZE, COUNT);
    op_pair (stream->fd);
    ev_recv_pool_set (op_new (&stream->op), stream->fd[0], stream->pool, 0);
    stream->op.then = take;
    stream->op.arg = stream;
    op_start (loop, &stream->op);
}

/* How much of it went. */
static size_t stream_send (struct stream *stream, size_t size)
{
    unsigned char *data = op_memory (size);
    ssize_t went;

    op_data (data, size, stream->sent);
    went = send (stream->fd[1], data, size, MSG_DONTWAIT);
    free (data);
    stream->sent += went > 0 ? (size_t) went : 0;
    return went > 0 ? (size_t) went : 0;
}

static void got_all (struct ev_loop *loop, const struct stream *stream)
{
    for (double end = test_clock () + OP_PATIENCE; stream->got < stream->sent && test_clock () < end;)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_eq (stream->got, stream->sent);
}

/* Every buffer is free: the pool can go. */
static void stream_end (struct ev_loop *loop, struct stream *stream)
{
    if (stream->op.started)
        op_stop (loop, &stream->op);
    ev_run (loop, EVRUN_NOWAIT); /* what callbacks have seen is theirs no more */
    for (int i = 0; i < COUNT; i++)
        if (test_engine_ring ())
            break; /* the ring has them */
        else
            ck_assert_ptr_nonnull (ev_pool_take (stream->pool));
    ev_pool_free (loop, stream->pool);
    op_close_both (stream->fd);
    ev_verify (loop);
}

/* So much lies in the kernel, for anybody to read. */
static int waits (int fd)
{
    int size = 0;

    ck_assert_int_eq (ioctl (fd, FIONREAD, &size), 0);
    return size;
}

TEST_ENGINES (paused_receiver_leaves_what_comes_in_the_kernel_and_tells_it_when_resumed)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    stream_send (&s, 100);
    got_all (loop, &s);
    ev_op_pause (loop, &s.op.w);
    op_settle (loop);
    stream_send (&s, 1000);
    op_settle (loop);
    ck_assert_uint_eq (s.got, 100);
    ck_assert_int_eq (waits (s.fd[0]), 1000);
    ck_assert (ev_is_active (&s.op.w));
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

TEST_ENGINES (receiver_paused_in_its_own_callback_tells_the_rest_later_and_in_order)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    s.pauses = 1;
    stream_send (&s, 5 * SIZE);
    op_until (loop, &s.op.calls, 1);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 1);
    stream_send (&s, 50);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 1);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

TEST_ENGINES (receiver_that_rests_and_goes_on_all_the_time_loses_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned pick = (i * 2654435761u) >> 16;

        if (pick % 3 == 0)
            stream_send (&s, 1 + pick % 700);
        if (pick % 5 < 2)
            ev_op_pause (loop, &s.op.w);
        if (pick % 7 < 3)
            ev_op_resume (loop, &s.op.w);
        if (pick % 11 == 0)
            s.pauses = 1;
        if (pick % 2)
            ev_run (loop, EVRUN_NOWAIT);
    }
    s.pauses = 0;
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

TEST_ENGINES (pausing_or_resuming_twice_or_what_is_not_active_changes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;
    struct op op;

    ev_recv_pool_set (op_new (&op), 0, NULL, 0);
    ev_op_pause (loop, &op.w);
    ev_op_resume (loop, &op.w);
    ck_assert (!ev_is_active (&op.w));
    stream_begin (loop, &s);
    ev_op_resume (loop, &s.op.w);
    stream_send (&s, 10);
    got_all (loop, &s);
    for (int i = 0; i < 2; i++)
        ev_op_pause (loop, &s.op.w);
    for (int i = 0; i < 2; i++)
        ev_op_resume (loop, &s.op.w);
    stream_send (&s, 10);
    got_all (loop, &s);
    stream_end (loop, &s);
}

TEST_ENGINES (what_the_kernel_hands_over_when_it_is_paused_is_kept)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    op_settle (loop);
    stream_send (&s, 3 * SIZE);
    ev_op_pause (loop, &s.op.w);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 0);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

/* Two on one pool: the first one's callback pauses the second, whose data is there already. */
struct two {
    struct stream first, second;
};

static void take_and_pause_other (struct ev_loop *loop, struct op *op)
{
    struct stream *first = op->arg;
    struct two *two = (struct two *) first;

    take (loop, op);
    ev_op_pause (loop, &two->second.op.w);
}

TEST_ENGINES (buffer_of_one_that_is_paused_before_it_is_told_is_nobody_elses)
{
    struct ev_loop *loop = test_loop (0);
    struct two two;

    stream_begin (loop, &two.first);
    op_stop (loop, &two.first.op);
    two.first.op.then = take_and_pause_other;
    ev_set_priority (&two.first.op.w, EV_MAXPRI);
    memset (&two.second, 0, sizeof two.second);
    op_pair (two.second.fd);
    two.second.pool = two.first.pool;
    ev_recv_pool_set (op_new (&two.second.op), two.second.fd[0], two.second.pool, 0);
    two.second.op.then = take;
    two.second.op.arg = &two.second;
    op_start (loop, &two.second.op);
    op_start (loop, &two.first.op);
    op_settle (loop);
    two.second.sent = two.second.got = 7; /* other bytes */
    stream_send (&two.second, 100);
    for (int i = 1; i <= 3 * COUNT; i++) {
        stream_send (&two.first, 100);
        op_until (loop, &two.first.op.calls, i);
    }
    got_all (loop, &two.first);
    ck_assert_int_eq (two.second.op.calls, 0);
    ev_op_resume (loop, &two.second.op.w);
    got_all (loop, &two.second);
    op_stop (loop, &two.second.op);
    op_close_both (two.second.fd);
    stream_end (loop, &two.first);
}

TEST_ENGINES (receiver_paused_before_it_has_begun_does_not_begin)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    ev_op_pause (loop, &s.op.w);
    stream_send (&s, 300);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 0);
    ck_assert_int_eq (waits (s.fd[0]), 300);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

TEST_ENGINES (end_of_a_stream_that_came_during_a_pause_is_told_after_it)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    s.pauses = 1;
    stream_send (&s, 3 * SIZE);
    shutdown (s.fd[1], SHUT_WR);
    op_until (loop, &s.op.calls, 1);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 1);
    ev_op_resume (loop, &s.op.w);
    ck_result (op_end (loop, &s.op), 0);
    ck_assert_uint_eq (s.got, s.sent);
    stream_end (loop, &s);
}

TEST_ENGINES (paused_receiver_that_is_cancelled_tells_what_it_kept_and_then_its_end)
{
    struct ev_loop *loop = test_loop (0);

    for (int late = 0; late < 2; late++) {
        struct stream s;

        stream_begin (loop, &s);
        s.pauses = 1;
        stream_send (&s, 3 * SIZE);
        op_until (loop, &s.op.calls, 1);
        if (late)
            op_settle (loop);
        op_cancel (loop, &s.op);
        ck_result (op_end (loop, &s.op), -ECANCELED);
        ck_assert_uint_eq (s.got + (size_t) waits (s.fd[0]), s.sent);
        stream_end (loop, &s);
    }
}

TEST_ENGINES (deadline_of_a_paused_receiver_runs_on)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;

    stream_begin (loop, &s);
    op_stop (loop, &s.op);
    ev_op_deadline (&s.op.w, 0.02);
    op_start (loop, &s.op);
    ev_op_pause (loop, &s.op.w);
    ck_result (op_end (loop, &s.op), -ETIMEDOUT);
    ck_assert_int_eq (s.op.calls, 1);
    stream_end (loop, &s);
}

TEST_ENGINES (paused_receiver_can_be_stopped_with_buffers_it_has_not_told_of)
{
    struct ev_loop *loop = test_loop (0);

    for (int late = 0; late < 2; late++) {
        struct stream s;

        stream_begin (loop, &s);
        s.pauses = 1;
        stream_send (&s, COUNT * SIZE);
        op_until (loop, &s.op.calls, 1);
        if (late)
            op_settle (loop);
        stream_end (loop, &s);
    }
    op_all_over (loop);
}

TEST_ENGINES (pause_of_a_receiver_whose_pool_is_empty_holds_when_buffers_come_back)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;
    void *taken[COUNT];
    int count = 0;

    stream_begin (loop, &s);
    op_stop (loop, &s.op);
    while (count < COUNT && (taken[count] = ev_pool_take (s.pool)))
        count++;
    op_start (loop, &s.op);
    stream_send (&s, 100);
    op_settle (loop);
    ev_op_pause (loop, &s.op.w);
    while (count > 0)
        ev_pool_give (s.pool, taken[--count]);
    op_settle (loop);
    ck_assert_uint_eq (s.got, 0);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

/* ---- connections ---- */

static int accepted[16], accepted_count;

static void keep (struct ev_loop *loop, struct op *op)
{
    (void) loop;
    if (op->result >= 0)
        accepted[accepted_count++] = (int) op->result;
}

static void close_accepted (void)
{
    while (accepted_count > 0)
        close (accepted[--accepted_count]);
}

TEST_ENGINES (paused_accept_leaves_connections_in_the_backlog)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 8), client[3];
    struct op op;

    ev_accept_set (op_new (&op), listener, SOCK_CLOEXEC);
    op.then = keep;
    op_start (loop, &op);
    op_settle (loop);
    ev_op_pause (loop, &op.w);
    for (int i = 0; i < 3; i++)
        client[i] = op_client (&address);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_assert (kit_polls (listener, POLLIN));
    ev_op_resume (loop, &op.w);
    op_until (loop, &op.calls, 3);
    op_stop (loop, &op);
    close_accepted ();
    for (int i = 0; i < 3; i++)
        close (client[i]);
    close (listener);
}

static void keep_and_pause (struct ev_loop *loop, struct op *op)
{
    keep (loop, op);
    ev_op_pause (loop, &op->w);
}

TEST_ENGINES (accept_paused_in_its_callback_keeps_who_came_with_that_one)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 8), client[5];
    struct op op;

    ev_accept_set (op_new (&op), listener, 0);
    op.then = keep_and_pause;
    op_start (loop, &op);
    for (int i = 0; i < 5; i++)
        client[i] = op_client (&address);
    for (int i = 1; i <= 5; i++) {
        op_until (loop, &op.calls, i);
        op_settle (loop);
        ck_assert_int_eq (op.calls, i);
        ev_op_resume (loop, &op.w);
    }
    op_stop (loop, &op);
    close_accepted ();
    for (int i = 0; i < 5; i++)
        close (client[i]);
    close (listener);
}

TEST_ENGINES (stop_of_a_paused_accept_closes_connections_nobody_was_told_of)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 8), client[4];
    struct op op;

    ev_accept_set (op_new (&op), listener, 0);
    op.then = keep_and_pause;
    op_start (loop, &op);
    for (int i = 0; i < 4; i++)
        client[i] = op_client (&address);
    op_until (loop, &op.calls, 1);
    op_settle (loop);
    op_stop (loop, &op);
    close (listener); /* and who is in the backlog */
    close_accepted ();
    for (int i = 0; i < 4; i++) {
        char byte;

        ck_assert (kit_polls (client[i], POLLIN));
        ck_assert_int_le (recv (client[i], &byte, 1, 0), 0);
        close (client[i]);
    }
}

/* ---- among others ---- */

TEST_ENGINES (paused_receiver_keeps_its_turn_before_others_on_its_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;
    struct op after;
    char byte;

    stream_begin (loop, &s);
    op_begin (loop, &after, recv, s.fd[0], &byte, 1, 0);
    ev_op_pause (loop, &s.op.w);
    stream_send (&s, 10);
    op_settle (loop);
    ck_assert_int_eq (after.ends, 0);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    ck_assert_int_eq (after.ends, 0);
    op_stop (loop, &s.op);
    stream_send (&s, 1);
    ck_result (op_end (loop, &after), 1);
    stream_end (loop, &s);
}

TEST_ENGINES (receiver_paused_behind_another_waits_until_it_is_resumed)
{
    struct ev_loop *loop = test_loop (0);
    struct stream s;
    struct op before;
    char byte;

    memset (&s, 0, sizeof s);
    s.pool = ev_pool_new (loop, SIZE, COUNT);
    op_pair (s.fd);
    op_begin (loop, &before, recv, s.fd[0], &byte, 1, 0);
    ev_recv_pool_set (op_new (&s.op), s.fd[0], s.pool, 0);
    s.op.then = take;
    s.op.arg = &s;
    op_start (loop, &s.op);
    ev_op_pause (loop, &s.op.w);
    stream_send (&s, 20);
    s.got = 1;
    ck_result (op_end (loop, &before), 1);
    op_settle (loop);
    ck_assert_int_eq (s.op.calls, 0);
    ev_op_resume (loop, &s.op.w);
    got_all (loop, &s);
    stream_end (loop, &s);
}

struct family {
    struct ev_loop *loop;
    struct stream stream;
};

static void in_child (void *arg)
{
    struct family *family = arg;

    ev_loop_fork (family->loop);
    if (op_end (family->loop, &family->stream.op) != -ECANCELED)
        abort ();
}

TEST_ENGINES (fork_child_is_told_the_end_of_a_paused_receiver)
{
    struct family family = { .loop = test_loop (0) };
    struct ev_loop *loop = family.loop;
    struct stream *s = &family.stream;
    char line[1000];

    stream_begin (loop, s);
    s->pauses = 1;
    stream_send (s, 3 * SIZE);
    op_until (loop, &s->op.calls, 1);
    op_settle (loop);
    ck_assert_int_eq (test_child (in_child, &family, line, sizeof line), 0);
    ev_op_resume (loop, &s->op.w);
    got_all (loop, s);
    stream_end (loop, s);
}
