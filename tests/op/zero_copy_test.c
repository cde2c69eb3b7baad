/* zero_copy_test.c: what a send without copying promises while the network still reads the memory: others go on, and a peer
 * that does not read hangs nothing. On TCP; elsewhere it is an ordinary send, which net_test.c looks at. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/ioctl.h>

enum { PART = 17000, MUCH = 16 << 20 };

/* What the peer has not read the sender still holds. */
static void pair_with_window (int fd[2], int window)
{
    struct sockaddr_in address;
    int listener = op_bound (&address);

    ck_assert_int_eq (setsockopt (listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    ck_assert_int_eq (listen (listener, 1), 0);
    fd[0] = op_client (&address);
    fd[1] = accept (listener, NULL, NULL);
    ck_assert_int_ge (fd[1], 0);
    close (listener);
}

static void narrow_pair (int fd[2])
{
    pair_with_window (fd, 8192);
}

static unsigned char *some_data (size_t size)
{
    unsigned char *data = op_memory (size);

    op_data (data, size, 0);
    return data;
}

/* Not told: the peer has not said yes. Where it was copied after all there is nothing to see. */
static int begin_held (struct ev_loop *loop, struct op *op, int fd, unsigned char *data, size_t size)
{
    op_begin (loop, op, send_zc, fd, data, size, 0);
    op_settle (loop);
    return !op->ends;
}

/* Reads so many of the stream of op_data, which is at `at`. */
static void read_all (int fd, size_t at, size_t size)
{
    char buf[4096];

    for (size_t end = at + size; at < end;) {
        ssize_t got = read (fd, buf, end - at < sizeof buf ? end - at : sizeof buf);

        ck_assert_int_gt (got, 0);
        ck_assert (op_data_is (buf, (size_t) got, at));
        at += (size_t) got;
    }
}

static int bytes_at (int fd)
{
    int count = 0;

    ck_assert_int_eq (ioctl (fd, FIONREAD, &count), 0);
    return count;
}

TEST_ENGINES (zero_copy_sends_do_not_wait_for_each_others_acknowledgement)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = some_data (4 * PART);
    struct op line[4];
    int fd[2];

    pair_with_window (fd, 1 << 20);
    for (int i = 0; i < 4; i++)
        op_begin (loop, &line[i], send_zc, fd[0], data + i * PART, PART, 0);
    for (int i = 0; i < 1000 && bytes_at (fd[1]) < 4 * PART; i++)
        op_settle (loop);
    ck_assert_int_eq (bytes_at (fd[1]), 4 * PART); /* nobody has read, so the network holds the first still */
    read_all (fd[1], 0, 4 * PART);
    for (int i = 0; i < 4; i++)
        ck_result (op_end (loop, &line[i]), PART);
    op_all_over (loop);
    op_close_both (fd);
    free (data);
}

/* The memory is the program's again, and nothing goes on. */
static void check_over (struct ev_loop *loop, const int fd[2], unsigned char *data, size_t size)
{
    memset (data, 0xdb, size);
    op_all_over (loop);
    op_close_both (fd);
    free (data);
}

static void check_stop (struct ev_loop *loop, size_t size)
{
    unsigned char *data = some_data (size);
    struct op op;
    int fd[2];

    narrow_pair (fd);
    begin_held (loop, &op, fd[0], data, size);
    op_stop (loop, &op);
    check_over (loop, fd, data, size);
}

TEST_ENGINES (zero_copy_send_to_a_peer_that_does_not_read_can_be_stopped)
{
    struct ev_loop *loop = test_loop (0);

    check_stop (loop, PART);
    check_stop (loop, MUCH);
}

static void check_deadline (struct ev_loop *loop, size_t size)
{
    unsigned char *data = some_data (size);
    struct op op;
    int fd[2];

    narrow_pair (fd);
    ev_send_zc_set (op_new (&op), fd[0], data, size, 0);
    ev_op_deadline (&op.w, 0.2);
    op_start (loop, &op);
    op_end (loop, &op);
    ck_assert_msg (op.result == -ETIMEDOUT || (op.result == PART && size == PART), "result %zd", op.result);
    ck_assert_uint_le (op.moved, size);
    check_over (loop, fd, data, size);
}

TEST_ENGINES (deadline_of_a_zero_copy_send_is_told_whether_or_not_the_peer_reads)
{
    struct ev_loop *loop = test_loop (0);

    check_deadline (loop, PART);
    check_deadline (loop, MUCH);
}

TEST_ENGINES (loop_with_zero_copy_sends_to_a_peer_that_does_not_read_can_be_destroyed)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = some_data (MUCH);
    struct op op[2];
    int fd[2];

    narrow_pair (fd);
    begin_held (loop, &op[0], fd[0], data, PART);
    op_begin (loop, &op[1], send_zc, fd[0], data, MUCH, 0);
    op_settle (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    op_close_both (fd);
    free (data);
}

TEST_ENGINES (cancelled_zero_copy_send_is_told_when_the_peer_has_read_it)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = some_data (PART);
    struct op op;
    int fd[2];

    narrow_pair (fd);
    if (begin_held (loop, &op, fd[0], data, PART))
        op_cancel (loop, &op);
    read_all (fd[1], 0, PART);
    ck_result (op_end (loop, &op), PART);
    op_close_both (fd);
    free (data);
}

static void *read_later (void *arg)
{
    usleep (50000);
    read_all (*(const int *) arg, 0, PART);
    return NULL;
}

/* Stopping resets the connection, but only that one: its number may have gone to another. */
TEST_ENGINES (stop_of_a_zero_copy_send_leaves_the_socket_alone_that_has_its_number_now)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = some_data (PART);
    pthread_t reader;
    struct op op;
    int fd[2], other[2];

    narrow_pair (fd);
    op_tcp_pair (other);
    begin_held (loop, &op, fd[0], data, PART);
    ck_assert_int_eq (dup2 (other[0], fd[0]), fd[0]);
    pthread_create (&reader, NULL, read_later, &fd[1]);
    op_stop (loop, &op);
    pthread_join (reader, NULL);
    kit_put (fd[0]);
    kit_get (other[1]);
    op_close_both (fd);
    op_close_both (other);
    free (data);
}

/* Two that were copied after all (as on the loopback device) say so, and the next is an ordinary send: done at once. */
TEST_ENGINES (where_the_network_copies_it_is_an_ordinary_send_from_the_third_on)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = some_data (PART);
    int fd[2];

    op_tcp_pair (fd);
    for (int i = 0; i < 2; i++) {
        struct op op;

        op_begin (loop, &op, send_zc, fd[0], data, PART, 0);
        op_settle (loop);
        read_all (fd[1], 0, PART);
        ck_result (op_end (loop, &op), PART);
    }
    ck_result (op_do (loop, send_zc, fd[0], data, PART, 0), PART); /* nobody reads */
    read_all (fd[1], 0, PART);
    op_close_both (fd);
    free (data);
}
