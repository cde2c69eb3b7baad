/* order_test.c: what runs after what. Promises first in, first out per descriptor and direction, that nothing else
 * waits for anything else, and that callbacks are called by priority. */
#define _GNU_SOURCE
#include "op_kit.h"

enum { LINE = 50 };

static struct op line[LINE];

static void check_in_line (int count)
{
    for (int i = 1; i < count; i++)
        ck_assert_msg (line[i].turn > line[i - 1].turn, "number %d was told before number %d", i, i - 1);
}

TEST_ENGINES (receives_on_one_socket_complete_in_the_order_they_were_started)
{
    struct ev_loop *loop = test_loop (0);
    char buf[LINE], bytes[LINE];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < LINE; i++)
        op_begin (loop, &line[i], recv, fd[0], &buf[i], 1, 0);
    op_settle (loop);
    for (int i = 0; i < LINE; i++)
        bytes[i] = (char) i;
    for (int i = 0; i < LINE; i += 10) { /* in several heaps */
        ck_assert_int_eq (write (fd[1], bytes + i, 10), 10);
        op_until (loop, &line[i + 9].ends, 1);
    }
    check_in_line (LINE);
    ck_assert_int_eq (memcmp (buf, bytes, LINE), 0);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (receives_of_different_kinds_share_one_line)
{
    struct ev_loop *loop = test_loop (0);
    char buf[LINE], bytes[LINE];
    struct iovec vec[LINE];
    struct msghdr message[LINE];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < LINE; i++) {
        ev_op *w = op_new (&line[i]);

        bytes[i] = (char) i;
        vec[i] = (struct iovec){ &buf[i], 1 };
        message[i] = (struct msghdr){ .msg_iov = &vec[i], .msg_iovlen = 1 };
        if (i % 4 == 0)
            ev_recv_set (w, fd[0], &buf[i], 1, 0);
        else if (i % 4 == 1)
            ev_read_set (w, fd[0], &buf[i], 1, -1);
        else if (i % 4 == 2)
            ev_recvmsg_set (w, fd[0], &message[i], 0);
        else
            ev_readv_set (w, fd[0], &vec[i], 1, -1);
        op_start (loop, &line[i]);
    }
    ck_assert_int_eq (write (fd[1], bytes, LINE), LINE);
    op_until (loop, &line[LINE - 1].ends, 1);
    check_in_line (LINE);
    ck_assert_int_eq (memcmp (buf, bytes, LINE), 0);
    op_close_both (fd);
}

TEST_ENGINES (sends_on_one_socket_go_out_in_the_order_they_were_started)
{
    enum { SENDS = 20, SIZE = 100000 };
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (SENDS * SIZE), *got = op_memory (SENDS * SIZE);
    struct iovec vec;
    size_t at = 0;
    int fd[2];

    op_data (data, SENDS * SIZE, 0);
    op_tcp_pair (fd);
    for (int i = 0; i < SENDS; i++) {
        vec = (struct iovec){ data + i * SIZE, SIZE };
        if (i % 2)
            op_begin (loop, &line[i], send, fd[0], vec.iov_base, SIZE, 0);
        else
            op_begin (loop, &line[i], send_zc, fd[0], vec.iov_base, SIZE, 0);
    }
    for (double end = test_clock () + OP_PATIENCE; at < SENDS * SIZE && test_clock () < end;) {
        ev_run (loop, EVRUN_NOWAIT);
        while (at < SENDS * SIZE && kit_polls (fd[1], POLLIN)) {
            ssize_t size = read (fd[1], got + at, SENDS * SIZE - at);
            ck_assert_int_gt ((int) size, 0);
            at += (size_t) size;
        }
    }
    ck_assert_uint_eq (at, SENDS * SIZE);
    ck_assert (op_data_is (got, SENDS * SIZE, 0));
    for (int i = 0; i < SENDS; i++)
        ck_result (op_end (loop, &line[i]), SIZE);
    check_in_line (SENDS);
    op_close_both (fd);
    free (data);
    free (got);
}

static int pair[2];

static void start_line (struct ev_loop *loop, struct op *first)
{
    (void) first;
    for (int i = 1; i < LINE; i++) {
        op_begin (loop, &line[i], send, pair[0], "x", 1, 0);
        ck_assert_msg (ev_is_active (&line[i].w), "number %d has not been told and is not active", i);
    }
}

/* A loop without a ring sends on the spot, and may tell of it at once, but not before those that were first. */
TEST_ENGINES (sends_started_in_a_callback_are_active_until_they_are_told_in_order)
{
    struct ev_loop *loop = test_loop (0);

    op_pair (pair);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LINE; i++)
            op_new (&line[i]);
        line[0].then = start_line;
        ev_send_set (&line[0].w, pair[0], "x", 1, 0);
        op_start (loop, &line[0]);
        op_until (loop, &line[LINE - 1].ends, 1);
        check_in_line (LINE);
    }
    ck_assert_int_eq (recv (pair[1], (char[4 * LINE]){ 0 }, 4 * LINE, 0), 3 * LINE);
    op_close_both (pair);
    op_all_over (loop);
}

static void start_and_stop (struct ev_loop *loop, struct op *first)
{
    op_begin (loop, first->arg, send, pair[0], "y", 1, 0);
    op_stop (loop, first->arg);
}

/* What became of it is in its result: gone out, or not. */
TEST_ENGINES (send_stopped_in_the_callback_that_started_it_is_not_told)
{
    struct ev_loop *loop = test_loop (0);
    struct op other;
    char bytes[8];

    op_pair (pair);
    op_new (&other);
    for (int round = 0; round < 3; round++) {
        ssize_t came;

        op_new (&line[0]);
        line[0].then = start_and_stop;
        line[0].arg = &other;
        ev_send_set (&line[0].w, pair[0], "x", 1, 0);
        op_start (loop, &line[0]);
        op_until (loop, &line[0].ends, 1);
        op_settle (loop);
        ck_assert_int_eq (other.calls, 0);
        came = recv (pair[1], bytes, sizeof bytes, MSG_DONTWAIT);
        ck_result (other.w.result, came == 2 ? 1 : -ECANCELED);
    }
    op_close_both (pair);
    op_all_over (loop);
}

TEST_ENGINES (connect_send_and_shutdown_may_be_started_together)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 5), fd = socket (AF_INET, SOCK_STREAM, 0), peer;
    struct op connect, send[2], down;
    char buf[16];

    op_begin (loop, &connect, connect, fd, (struct sockaddr *) &address, sizeof address);
    op_begin (loop, &send[0], send, fd, "hello ", 6, 0);
    op_begin (loop, &send[1], send, fd, "world", 5, 0);
    op_begin (loop, &down, shutdown, fd, SHUT_WR);
    ck_result (op_end (loop, &down), 0);
    ck_result (connect.result, 0);
    ck_result (send[0].result, 6);
    ck_result (send[1].result, 5);
    ck_assert (connect.turn < send[0].turn && send[0].turn < send[1].turn && send[1].turn < down.turn);
    peer = accept (listener, NULL, NULL);
    ck_assert_int_eq (recv (peer, buf, sizeof buf, MSG_WAITALL), 11);
    ck_assert_int_eq (memcmp (buf, "hello world", 11), 0);
    close (peer);
    close (fd);
    close (listener);
}

TEST_ENGINES (failure_of_one_does_not_stop_the_line)
{
    struct ev_loop *loop = test_loop (0);
    struct op first, second, third;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &first, recv, fd[0], buf, 1,
              MSG_OOB | MSG_ERRQUEUE | MSG_DONTWAIT); /* there is no such thing */
    op_begin (loop, &second, recv, fd[0], buf, 1, MSG_DONTWAIT);
    op_begin (loop, &third, recv, fd[0], buf, 1, 0);
    op_settle (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &third), 1);
    ck_assert_int_lt ((int) first.result, 0);
    ck_result (second.result, -EAGAIN);
    ck_assert (first.turn < second.turn && second.turn < third.turn);
    op_close_both (fd);
}

TEST_ENGINES (directions_do_not_wait_for_each_other)
{
    struct ev_loop *loop = test_loop (0);
    struct op recv, send;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &recv, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    ck_result (op_do (loop, send, fd[0], "x", 1, 0), 1);
    kit_get (fd[1]);
    op_fill (fd[0]);
    op_begin (loop, &send, send, fd[0], "y", 1, 0);
    op_settle (loop);
    ck_assert_int_eq (send.calls + recv.calls, 0);
    kit_put (fd[1]);
    ck_result (op_end (loop, &recv), 1);
    ck_assert_int_eq (send.calls, 0);
    op_drain (fd[1]);
    ck_result (op_end (loop, &send), 1);
    op_close_both (fd);
}

TEST_ENGINES (descriptors_do_not_wait_for_each_other)
{
    struct ev_loop *loop = test_loop (0);
    char buf[16];
    struct op first, second;
    int a[2], b[2], again;

    op_pair (a);
    op_pair (b);
    again = dup (a[0]); /* the same socket, another descriptor */
    op_begin (loop, &first, recv, a[0], buf, 8, 0);
    op_begin (loop, &second, recv, b[0], buf + 8, 8, 0);
    op_settle (loop);
    kit_put (b[1]);
    ck_result (op_end (loop, &second), 1);
    ck_result (op_do (loop, recv, again, buf + 8, 8, MSG_DONTWAIT), -EAGAIN);
    ck_assert_int_eq (first.calls, 0);
    kit_put (a[1]);
    ck_result (op_end (loop, &first), 1);
    close (again);
    op_close_both (a);
    op_close_both (b);
}

TEST_ENGINES (reads_at_the_current_position_follow_each_other)
{
    enum { SIZE = 1000 };
    struct ev_loop *loop = test_loop (0);
    unsigned char *buf = op_memory (LINE * SIZE);
    int fd = op_file (LINE * SIZE);

    for (int round = 0; round < 20; round++) {
        lseek (fd, 0, SEEK_SET);
        memset (buf, 0, LINE * SIZE);
        for (int i = 0; i < LINE; i++)
            op_begin (loop, &line[i], read, fd, buf + i * SIZE, SIZE, -1);
        op_until (loop, &line[LINE - 1].ends, 1);
        check_in_line (LINE);
        for (int i = 0; i < LINE; i++)
            ck_result (line[i].result, SIZE);
        ck_assert (op_data_is (buf, LINE * SIZE, 0));
    }
    close (fd);
    free (buf);
}

TEST_ENGINES (writes_at_the_current_position_follow_each_other)
{
    enum { SIZE = 1000 };
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (LINE * SIZE), *buf = op_memory (LINE * SIZE);
    int fd = op_file (0);

    op_data (data, LINE * SIZE, 0);
    for (int round = 0; round < 20; round++) {
        ck_assert_int_eq (ftruncate (fd, 0), 0);
        lseek (fd, 0, SEEK_SET);
        for (int i = 0; i < LINE; i++)
            op_begin (loop, &line[i], write, fd, data + i * SIZE, SIZE, -1);
        op_until (loop, &line[LINE - 1].ends, 1);
        check_in_line (LINE);
        ck_assert_int_eq (pread (fd, buf, LINE * SIZE, 0), LINE * SIZE);
        ck_assert (op_data_is (buf, LINE * SIZE, 0));
    }
    close (fd);
    free (data);
    free (buf);
}

TEST_ENGINES (reads_at_an_offset_do_not_wait_in_line)
{
    struct ev_loop *loop = test_loop (0);
    struct op waits;
    char byte, buf[100];
    int fd[2], file = op_file (100);

    op_pair (fd);
    op_begin (loop, &waits, recv, fd[0], &byte, 1, 0);
    for (int i = 0; i < LINE; i++)
        op_begin (loop, &line[i], read, file, &buf[i], 1, i);
    for (int i = 0; i < LINE; i++)
        ck_result (op_end (loop, &line[i]), 1);
    ck_assert (op_data_is (buf, LINE, 0));
    ck_assert_int_eq (waits.calls, 0);
    op_stop (loop, &waits);
    op_close_both (fd);
    close (file);
}

TEST_ENGINES (callbacks_come_by_priority)
{
    struct ev_loop *loop = test_loop (0);
    char buf[5];
    int fd[5][2];

    for (int i = 0; i < 5; i++) {
        op_pair (fd[i]);
        kit_put (fd[i][1]);
        ev_recv_set (op_new (&line[i]), fd[i][0], &buf[i], 1, 0);
        ev_set_priority (&line[i].w, (i * 3) % 5 - 2); /* -2 1 -1 2 0 */
        op_start (loop, &line[i]);
    }
    for (int i = 0; i < 5; i++)
        ck_result (op_end (loop, &line[i]), 1);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq (line[i].during, line[0].during);
        ck_assert_int_eq (line[i].turn, 3 - ev_priority (&line[i].w));
        op_close_both (fd[i]);
    }
}

static void start_the_next (struct ev_loop *loop, struct op *op)
{
    int at = (int) (op - line);

    if (at + 1 < LINE)
        op_start (loop, &line[at + 1]);
}

TEST_ENGINES (operation_started_in_a_callback_goes_behind_those_in_line)
{
    struct ev_loop *loop = test_loop (0);
    struct op third;
    char buf[3];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&line[1]), fd[0], &buf[2], 1, 0); /* started by the callback of line[0] */
    ev_recv_set (op_new (&line[0]), fd[0], &buf[0], 1, 0);
    line[0].then = start_the_next;
    op_start (loop, &line[0]);
    op_begin (loop, &third, recv, fd[0], &buf[1], 1, 0);
    op_settle (loop);
    ck_assert_int_eq (write (fd[1], "abc", 3), 3);
    ck_result (op_end (loop, &line[1]), 1);
    ck_result (op_end (loop, &third), 1);
    ck_assert_int_eq (memcmp (buf, "abc", 3), 0);
    op_close_both (fd);
}

TEST_ENGINES (callback_never_comes_inside_the_call_that_starts)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8];
    struct op op;
    int fd[2];

    op_pair (fd);
    kit_put (fd[1]);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ck_assert_int_eq (op.calls, 0);
    ck_assert (ev_is_active (&op.w));
    ck_result (op_end (loop, &op), 1);
    op_begin (loop, &op, recv, -1, buf, sizeof buf, 0); /* an error known at once */
    ck_assert_int_eq (op.calls, 0);
    ck_result (op_end (loop, &op), -EBADF);
    op_close_both (fd);
}
