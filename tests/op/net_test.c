/* net_test.c: operations on sockets. Promises that each answers what the system call of its name answers, on
 * blocking and non-blocking descriptors alike, that sends are whole or an error, and that nothing raises SIGPIPE. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/eventfd.h>

#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { MANY = 20, BIG = 3 << 20 };

/* ---- accept and connect ------------------------------------------------------------------------- */

enum { ACCEPTED_MAX = 1000 };
static int accepted[ACCEPTED_MAX], accepted_count;

static void collect (struct ev_loop *loop, struct op *op)
{
    if (op->result < 0)
        return;
    ck_assert_int_lt (accepted_count, ACCEPTED_MAX);
    accepted[accepted_count++] = (int) op->result;
}

static void close_accepted (void)
{
    while (accepted_count)
        close (accepted[--accepted_count]);
}

static void accept_begin (struct ev_loop *loop, struct op *op, int listener, int flags)
{
    ev_accept_set (op_new (op), listener, flags);
    op->then = collect;
    op_start (loop, op);
}

TEST_ENGINES (accept_gives_each_connection_and_goes_on)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    struct op op;
    int client[MANY], listener = op_listen (&address, MANY);

    accept_begin (loop, &op, listener, SOCK_CLOEXEC);
    for (int i = 0; i < MANY; i++) {
        client[i] = op_client (&address);
        op_until (loop, &op.calls, i + 1);
        ck_assert_int_eq (op.revents, EV_OP | EV_OP_MORE);
        kit_put (client[i]);
        kit_get (accepted[i]); /* it is that client */
    }
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_int_eq (op.calls, MANY + 1);
    for (int i = 0; i < MANY; i++)
        close (client[i]);
    close_accepted ();
    close (listener);
}

TEST_ENGINES (accept_finds_those_who_came_before_it)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    struct op op;
    int client[MANY], listener = op_listen (&address, MANY);

    for (int i = 0; i < MANY; i++)
        client[i] = op_client (&address);
    accept_begin (loop, &op, listener, 0);
    op_until (loop, &op.calls, MANY);
    ck_assert_int_eq (accepted_count, MANY);
    op_settle (loop);
    ck_assert_int_eq (op.calls, MANY);
    op_stop (loop, &op);
    for (int i = 0; i < MANY; i++)
        close (client[i]);
    close_accepted ();
    close (listener);
}

/* Linux 6.10 brought accepts that do not wait, and bundles. */
static int takes_crowds (void)
{
    uint32_t params[30] = { 0 }; /* struct io_uring_params */
    int fd = test_engine_ring () ? (int) syscall (SYS_io_uring_setup, 1, params) : -1;

    if (fd >= 0)
        close (fd);
    return fd >= 0 && (params[5] & 1u << 14); /* features */
}

TEST_ENGINES (a_ring_takes_a_crowd_of_connections_by_a_few_requests)
{
    enum { MANY = 30, FEW = 4 };
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    struct op op;
    int listener = op_listen (&address, MANY), client[MANY];
    unsigned before;

    accept_begin (loop, &op, listener, 0);
    op_settle (loop);
    before = (unsigned) op_stats (loop).ops_ring;
    for (int i = 0; i < MANY; i++)
        client[i] = op_client (&address);
    op_until (loop, &accepted_count, MANY);
    ck_assert_int_eq ((int) (op_stats (loop).ops_ring - before) > 0, takes_crowds ());
    ck_assert_uint_le (op_stats (loop).ops_ring - before, FEW);
    op_stop (loop, &op);
    for (int i = 0; i < MANY; i++)
        close (client[i]);
    close_accepted ();
    close (listener);
}

static void check_accept_flags (struct ev_loop *loop, int listener, const struct sockaddr_in *address,
                                int flags)
{
    struct op op;
    int client = op_client (address);

    accept_begin (loop, &op, listener, flags);
    op_until (loop, &op.calls, 1);
    ck_assert_int_eq (!!(fcntl (accepted[0], F_GETFD) & FD_CLOEXEC), !!(flags & SOCK_CLOEXEC));
    ck_assert_int_eq (!op_is_blocking (accepted[0]), !!(flags & SOCK_NONBLOCK));
    op_stop (loop, &op);
    close (client);
    close_accepted ();
}

TEST_ENGINES (accept_sets_the_flags_that_were_asked_for)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 5);

    check_accept_flags (loop, listener, &address, 0);
    check_accept_flags (loop, listener, &address, SOCK_CLOEXEC);
    check_accept_flags (loop, listener, &address, SOCK_NONBLOCK);
    check_accept_flags (loop, listener, &address, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close (listener);
}

TEST_ENGINES (accept_leaves_a_blocking_socket_blocking_in_the_end)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    struct op op;
    int listener = op_listen (&address, 5);

    accept_begin (loop, &op, listener, 0);
    op_settle (loop);
    op_stop (loop, &op);
    ck_assert (op_is_blocking (listener));
    accept_begin (loop, &op, listener, 0);
    op_settle (loop);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert (op_is_blocking (listener));
    close (listener);
}

TEST_ENGINES (accept_on_what_does_not_listen_is_an_error)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], plain = socket (AF_INET, SOCK_STREAM, 0);

    test_pipe (fd);
    ck_result (op_do (loop, accept, plain, 0), -EINVAL);
    ck_result (op_do (loop, accept, fd[0], 0), -ENOTSOCK);
    ck_result (op_do (loop, accept, kit_closed_fd (), 0), -EBADF);
    close (plain);
    op_close_both (fd);
}

TEST_ENGINES (connect_succeeds_on_blocking_and_other_sockets)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address, peer;
    int listener = op_listen (&address, 5);

    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        int fd = socket (AF_INET, SOCK_STREAM | flags, 0);
        socklen_t size = sizeof peer;

        ck_result (op_do (loop, connect, fd, (struct sockaddr *) &address, sizeof address), 0);
        ck_assert_int_eq (getpeername (fd, (struct sockaddr *) &peer, &size), 0);
        ck_assert_int_eq (peer.sin_port, address.sin_port);
        ck_assert_int_eq (!op_is_blocking (fd), !!flags);
        ck_result (op_do (loop, connect, fd, (struct sockaddr *) &address, sizeof address), -EISCONN);
        close (fd);
    }
    close (listener);
}

TEST_ENGINES (connect_is_refused_where_nobody_listens)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;

    close (op_listen (&address, 1));
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        int fd = socket (AF_INET, SOCK_STREAM | flags, 0);

        ck_result (op_do (loop, connect, fd, (struct sockaddr *) &address, sizeof address), -ECONNREFUSED);
        ck_assert_int_eq (!op_is_blocking (fd), !!flags);
        close (fd);
    }
}

TEST_ENGINES (connect_says_what_is_wrong_with_an_address)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_un nobody = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
    int unix_fd = socket (AF_UNIX, SOCK_STREAM, 0), tcp = socket (AF_INET, SOCK_STREAM, 0);

    ck_result (op_do (loop, connect, unix_fd, (struct sockaddr *) &nobody, sizeof nobody), -ENOENT);
    ck_result (op_do (loop, connect, tcp, (struct sockaddr *) &nobody, sizeof nobody), -EAFNOSUPPORT);
    ck_result (op_do (loop, connect, tcp, (struct sockaddr *) &nobody, 1), -EINVAL);
    ck_result (op_do (loop, connect, kit_closed_fd (), (struct sockaddr *) &nobody, sizeof nobody), -EBADF);
    close (unix_fd);
    close (tcp);
}

TEST_ENGINES (unix_sockets_connect_and_are_accepted)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int folder = op_folder_begin (), listener = socket (AF_UNIX, SOCK_STREAM, 0);
    int client = socket (AF_UNIX, SOCK_STREAM, 0);
    struct op op;

    snprintf (address.sun_path, sizeof address.sun_path, "%s/socket", op_folder);
    ck_assert_int_eq (bind (listener, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert_int_eq (listen (listener, 5), 0);
    accept_begin (loop, &op, listener, 0);
    ck_result (op_do (loop, connect, client, (struct sockaddr *) &address, sizeof address), 0);
    op_until (loop, &op.calls, 1);
    kit_put (client);
    kit_get (accepted[0]);
    op_stop (loop, &op);
    close_accepted ();
    close (client);
    close (listener);
    unlink (address.sun_path);
    op_folder_end (folder);
}

TEST_ENGINES (socket_gives_a_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    int fd = (int) op_do (loop, socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), type;
    socklen_t size = sizeof type;

    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    ck_assert_int_eq (type, SOCK_DGRAM);
    ck_assert (fcntl (fd, F_GETFD) & FD_CLOEXEC);
    ck_assert (!op_is_blocking (fd));
    close (fd);
    ck_result (op_do (loop, socket, 9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
    ck_result (op_do (loop, socket, AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
}

/* ---- receiving ---------------------------------------------------------------------------------- */

TEST_ENGINES (recv_waits_and_gives_what_there_is)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[64];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_assert_int_eq (write (fd[1], "hello", 5), 5);
    ck_result (op_end (loop, &op), 5);
    ck_assert_int_eq (memcmp (buf, "hello", 5), 0);
    ck_assert_ptr_eq (op.buf, buf);
    ck_assert_int_eq (op.w.fd, fd[0]);
    ck_assert_int_eq (op.revents, EV_OP);
    ck_assert (op_is_blocking (fd[0]));
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (recv_gives_the_end_of_the_stream_after_the_data)
{
    struct ev_loop *loop = test_loop (0);
    char buf[64];
    int fd[2];

    for (int tcp = 0; tcp < 2; tcp++) {
        (tcp ? op_tcp_pair : op_pair) (fd);
        kit_put (fd[1]);
        close (fd[1]);
        ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 1);
        ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 0);
        ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 0);
        close (fd[0]);
    }
}

TEST_ENGINES (recv_that_waits_hears_of_the_end)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[64];
    int fd[2];

    op_tcp_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    ck_assert_int_eq (shutdown (fd[1], SHUT_WR), 0);
    ck_result (op_end (loop, &op), 0);
    op_close_both (fd);
}

TEST_ENGINES (recv_with_waitall_waits_for_all_of_it)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char buf[1000];
    struct op op;
    int fd[2];

    op_tcp_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, MSG_WAITALL);
    for (size_t at = 0; at < sizeof buf; at += 100) {
        unsigned char part[100];

        op_data (part, sizeof part, at);
        ck_assert_int_eq (op.calls, 0);
        ck_assert_int_eq (write (fd[1], part, sizeof part), sizeof part);
        ev_run (loop, EVRUN_NOWAIT);
        usleep (1000);
    }
    ck_result (op_end (loop, &op), sizeof buf);
    ck_assert (op_data_is (buf, sizeof buf, 0));
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, MSG_WAITALL);
    ck_assert_int_eq (write (fd[1], "abc", 3), 3);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    close (fd[1]);
    ck_result (op_end (loop, &op), 3); /* the end comes first */
    close (fd[0]);
}

TEST_ENGINES (recv_with_waitall_that_is_cancelled_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    char buf[10];
    struct op op;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, MSG_WAITALL);
    ck_assert_int_eq (write (fd[1], "abc", 3), 3);
    op_settle (loop);
    op_cancel (loop, &op);
    op_until (loop, &op.ends, 1);
    ck_assert_uint_eq (op.moved, 3);
    ck_assert_int_eq (memcmp (buf, "abc", 3), 0);
    op_close_both (fd);
}

TEST_ENGINES (recv_with_waitall_of_a_datagram_takes_one)
{
    struct ev_loop *loop = test_loop (0);
    char buf[16];
    int fd[2];

    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    ck_assert_int_eq (write (fd[1], "one", 3), 3);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, MSG_WAITALL), 3);
    op_close_both (fd);
}

TEST_ENGINES (recv_with_peek_leaves_the_data)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8];
    int fd[2];

    op_pair (fd);
    ck_assert_int_eq (write (fd[1], "abc", 3), 3);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, MSG_PEEK), 3);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 3);
    ck_assert_int_eq (memcmp (buf, "abc", 3), 0);
    op_close_both (fd);
}

TEST_ENGINES (recv_with_peek_and_waitall_counts_nothing_twice)
{
    struct ev_loop *loop = test_loop (0);
    char buf[16];
    struct iovec vec = { buf, sizeof buf };
    struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };
    int fd[2];

    op_pair (fd);
    ck_assert_int_eq (write (fd[1], "three", 5), 5);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, MSG_WAITALL | MSG_PEEK), 5);
    ck_result (op_do (loop, recvmsg, fd[0], &message, MSG_WAITALL | MSG_PEEK), 5);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 5);
    op_close_both (fd);
}

TEST_ENGINES (recv_with_dontwait_does_not_wait)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8];
    int fd[2];

    op_pair (fd);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, MSG_DONTWAIT), -EAGAIN);
    kit_put (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, MSG_DONTWAIT), 1);
    op_close_both (fd);
}

TEST_ENGINES (recv_on_a_nonblocking_socket_waits)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    test_socketpair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    ck_assert (!op_is_blocking (fd[0]));
    op_close_both (fd);
}

TEST_ENGINES (recv_and_send_say_what_is_wrong_with_a_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8] = "";
    int fd[2], unconnected = socket (AF_INET, SOCK_STREAM, 0), bad = kit_closed_fd ();

    test_pipe (fd);
    ck_result (op_do (loop, recv, bad, buf, sizeof buf, 0), -EBADF);
    ck_result (op_do (loop, recv, -1, buf, sizeof buf, 0), -EBADF);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), -ENOTSOCK);
    ck_result (op_do (loop, recv, unconnected, buf, sizeof buf, 0), -ENOTCONN);
    ck_result (op_do (loop, send, bad, buf, sizeof buf, 0), -EBADF);
    ck_result (op_do (loop, send, fd[1], buf, sizeof buf, 0), -ENOTSOCK);
    ck_result (op_do (loop, send, unconnected, buf, sizeof buf, 0), -EPIPE);
    ck_assert_uint_eq (op_one.moved, 0);
    ck_result (op_do (loop, send_zc, bad, buf, sizeof buf, 0), -EBADF);
    ck_result (op_do (loop, shutdown, bad, SHUT_WR), -EBADF);
    ck_result (op_do (loop, shutdown, fd[0], SHUT_WR), -ENOTSOCK);
    ck_result (op_do (loop, shutdown, unconnected, SHUT_WR), -ENOTCONN);
    op_close_both (fd);
    close (unconnected);
}

/* ---- sending ------------------------------------------------------------------------------------ */

/* Reads a little now and then, and checks each byte. */
static struct reader {
    ev_timer timer;
    int fd;
    size_t got;
    int wrong, end;
} reader;

static void read_a_little (EV_P_ ev_timer *w, int revents)
{
    static unsigned char bytes[60000];
    ssize_t got;

    for (int i = 0; i < 4 && kit_polls (reader.fd, POLLIN); i++) {
        got = read (reader.fd, bytes, sizeof bytes);
        if (got > 0) {
            reader.wrong += !op_data_is (bytes, (size_t) got, reader.got);
            reader.got += (size_t) got;
        }
        reader.end |= got <= 0;
    }
}

static void reader_begin (struct ev_loop *loop, int fd)
{
    reader = (struct reader){ .fd = fd };
    ev_timer_init (&reader.timer, read_a_little, 0.001, 0.001);
    ev_timer_start (loop, &reader.timer);
}

/* All of it has come, and nothing else. */
static void reader_end (struct ev_loop *loop, size_t wanted)
{
    for (int i = 0; i < 2000 && reader.got < wanted; i++)
        ev_run (loop, EVRUN_ONCE);
    ev_timer_stop (loop, &reader.timer);
    ck_assert_uint_eq (reader.got, wanted);
    ck_assert_int_eq (reader.wrong, 0);
}

TEST_ENGINES (send_is_whole_however_slow_the_reader_is)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG);
    int fd[2];

    op_data (data, BIG, 0);
    for (int kind = 0; kind < 4; kind++) { /* both families, blocking and not */
        void (*const pair[]) (int fd[2]) = { op_pair, op_tcp_pair, test_socketpair, test_tcp_pair };

        pair[kind](fd);
        reader_begin (loop, fd[1]);
        ck_result (op_do (loop, send, fd[0], data, BIG, 0), BIG);
        ck_assert_uint_eq (op_one.moved, BIG);
        reader_end (loop, BIG);
        ck_assert_int_eq (op_is_blocking (fd[0]), kind < 2);
        op_close_both (fd);
    }
    free (data);
}

TEST_ENGINES (send_cut_short_is_an_error_and_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG), part[5000];
    struct op op;
    int fd[2];

    op_data (data, BIG, 0);
    for (int tcp = 0; tcp < 2; tcp++) {
        (tcp ? op_tcp_pair : op_pair) (fd);
        op_begin (loop, &op, send, fd[0], data, BIG, 0);
        op_settle (loop);
        ck_assert_int_eq (op.calls, 0);
        ck_assert_int_eq (read (fd[1], part, sizeof part), sizeof part);
        close (fd[1]);
        op_end (loop, &op);
        ck_assert_msg (op.result == -EPIPE || op.result == -ECONNRESET, "result %zd", op.result);
        ck_assert_uint_ge (op.moved, sizeof part);
        ck_assert_uint_lt (op.moved, BIG);
        close (fd[0]);
    }
    free (data);
}

TEST_ENGINES (send_of_nothing_succeeds)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    op_pair (fd);
    ck_result (op_do (loop, send, fd[0], "", 0, 0), 0);
    ck_assert (!kit_polls (fd[1], POLLIN));
    op_close_both (fd);
}

TEST_ENGINES (send_with_dontwait_does_not_wait)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    op_pair (fd);
    op_fill (fd[0]);
    ck_result (op_do (loop, send, fd[0], "x", 1, MSG_DONTWAIT), -EAGAIN);
    op_close_both (fd);
}

/* When it has completed, the buffer is the program's: what it does with it then is nobody's business. */
static void check_zero_copy (struct ev_loop *loop, size_t size, void (*pair) (int fd[2]))
{
    unsigned char *data = op_memory (size);
    int fd[2];

    op_data (data, size, 0);
    pair (fd);
    reader_begin (loop, fd[1]);
    if (size < 10000)
        ev_timer_stop (loop, &reader.timer); /* it is on its way, or waits at the other side */
    ck_result (op_do (loop, send_zc, fd[0], data, size, 0), size);
    ck_assert_uint_eq (op_one.moved, size);
    ck_assert_int_eq (op_one.calls, 1);
    memset (data, 0xdb, size);
    ev_timer_start (loop, &reader.timer);
    reader_end (loop, size);
    op_close_both (fd);
    free (data);
}

TEST_ENGINES (send_zc_is_done_with_the_buffer_when_it_completes)
{
    struct ev_loop *loop = test_loop (0);

    check_zero_copy (loop, 1, op_tcp_pair);
    check_zero_copy (loop, 5000, op_tcp_pair);
    check_zero_copy (loop, BIG, op_tcp_pair);
    check_zero_copy (loop, BIG, test_tcp_pair);
    op_all_over (loop);
}

TEST_ENGINES (send_zc_is_an_ordinary_send_where_it_cannot_be_done)
{
    struct ev_loop *loop = test_loop (0);

    check_zero_copy (loop, 5000, op_pair);
    check_zero_copy (loop, BIG, op_pair);
    check_zero_copy (loop, 5000, test_socketpair);
}

TEST_ENGINES (send_zc_to_a_peer_that_is_gone_is_an_error)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG);
    struct op op;
    int fd[2];

    op_tcp_pair (fd);
    op_begin (loop, &op, send_zc, fd[0], data, BIG, 0);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    close (fd[1]);
    op_end (loop, &op);
    ck_assert_msg (op.result == -EPIPE || op.result == -ECONNRESET, "result %zd", op.result);
    ck_assert_int_eq (op.calls, 1);
    ck_assert_uint_lt (op.moved, BIG);
    memset (data, 0xdb, BIG);
    op_settle (loop);
    close (fd[0]);
    free (data);
}

TEST_ENGINES (shutdown_waits_behind_the_sends)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG);
    struct op send[2], down;
    int fd[2];

    op_data (data, BIG, 0);
    op_tcp_pair (fd);
    op_begin (loop, &send[0], send, fd[0], data, BIG / 2, 0);
    op_begin (loop, &send[1], send, fd[0], data + BIG / 2, BIG / 2, 0);
    op_begin (loop, &down, shutdown, fd[0], SHUT_WR);
    op_settle (loop);
    ck_assert_int_eq (send[1].calls + down.calls, 0);
    reader_begin (loop, fd[1]);
    ck_result (op_end (loop, &down), 0);
    ck_result (send[0].result, BIG / 2);
    ck_result (send[1].result, BIG / 2);
    ck_assert_int_lt (send[1].turn, down.turn);
    reader_end (loop, BIG);
    ck_assert (kit_eof (fd[1]));
    op_close_both (fd);
    free (data);
}

TEST_ENGINES (shutdown_ends_a_receive_that_waits)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_tcp_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    ck_result (op_do (loop, shutdown, fd[0], SHUT_RDWR), 0);
    ck_result (op_end (loop, &op), 0);
    ck_result (op_do (loop, shutdown, fd[0], 77), -EINVAL);
    op_close_both (fd);
}

/* ---- peers that vanish -------------------------------------------------------------------------- */

static void reset (int fd)
{
    struct linger now = { 1, 0 };

    ck_assert_int_eq (setsockopt (fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close (fd);
}

TEST_ENGINES (reset_ends_a_receive_with_econnreset)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_tcp_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    reset (fd[1]);
    ck_result (op_end (loop, &op), -ECONNRESET);
    close (fd[0]);
    op_tcp_pair (fd);
    reset (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), -ECONNRESET); /* it came first */
    close (fd[0]);
}

TEST_ENGINES (reset_ends_all_that_wait_in_both_directions)
{
    struct ev_loop *loop = test_loop (0);
    char *data = op_memory (BIG);
    struct op recv[3], send[3];
    int fd[2];

    op_tcp_pair (fd);
    for (int i = 0; i < 3; i++) {
        op_begin (loop, &recv[i], recv, fd[0], data, 100, 0);
        op_begin (loop, &send[i], send, fd[0], data + 100, BIG - 100, 0);
    }
    op_settle (loop);
    reset (fd[1]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_le ((int) op_end (loop, &recv[i]), 0); /* one is told the reason, others find the end */
        ck_assert_int_lt ((int) op_end (loop, &send[i]), 0);
    }
    op_all_over (loop);
    close (fd[0]);
    free (data);
}

/* ---- messages ----------------------------------------------------------------------------------- */

union control {
    char bytes[CMSG_SPACE (4 * sizeof (int))];
    struct cmsghdr align;
};

static void message_set (struct msghdr *message, struct iovec *vec, int count, union control *control)
{
    memset (message, 0, sizeof *message);
    message->msg_iov = vec;
    message->msg_iovlen = (size_t) count;
    if (control) {
        memset (control, 0, sizeof *control);
        message->msg_control = control;
        message->msg_controllen = sizeof *control;
    }
}

static void put_fds (struct msghdr *message, const int *fds, int count)
{
    struct cmsghdr *header = CMSG_FIRSTHDR (message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (sizeof (int) * (size_t) count);
    memcpy (CMSG_DATA (header), fds, sizeof (int) * (size_t) count);
    message->msg_controllen = CMSG_SPACE (sizeof (int) * (size_t) count);
}

static int get_fds (const struct msghdr *message, int *fds)
{
    const struct cmsghdr *header = CMSG_FIRSTHDR (message);

    if (!header || header->cmsg_type != SCM_RIGHTS)
        return 0;
    memcpy (fds, CMSG_DATA (header), header->cmsg_len - CMSG_LEN (0));
    return (int) ((header->cmsg_len - CMSG_LEN (0)) / sizeof (int));
}

TEST_ENGINES (messages_carry_descriptors)
{
    struct ev_loop *loop = test_loop (0);
    union control sent, got;
    struct msghdr out, in;
    char byte = 'x', buf[8];
    struct iovec from = { &byte, 1 }, to = { buf, sizeof buf };
    struct op op;
    int fd[2], pass[2], passed[4];

    op_pair (fd);
    test_pipe (pass);
    message_set (&in, &to, 1, &got);
    op_begin (loop, &op, recvmsg, fd[1], &in, MSG_CMSG_CLOEXEC);
    op_settle (loop);
    message_set (&out, &from, 1, &sent);
    put_fds (&out, pass, 2);
    ck_result (op_do (loop, sendmsg, fd[0], &out, 0), 1);
    ck_result (op_end (loop, &op), 1);
    ck_assert_int_eq (buf[0], 'x');
    ck_assert_uint_eq (in.msg_controllen, CMSG_SPACE (2 * sizeof (int)));
    ck_assert_int_eq (get_fds (&in, passed), 2);
    ck_assert (fcntl (passed[0], F_GETFD) & FD_CLOEXEC);
    kit_put (passed[1]);
    kit_get (pass[0]);
    op_close_both (fd);
    op_close_both (pass);
    op_close_both (passed);
}

/* The descriptors go with the first part, and only with that. */
TEST_ENGINES (message_sent_in_parts_carries_its_descriptors_once)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG), *buf = op_memory (BIG);
    struct iovec vec[3] = { { data, 1000 }, { data + 1000, BIG - 2000 }, { data + BIG - 1000, 1000 } }, to;
    const struct iovec before[3] = { vec[0], vec[1], vec[2] };
    union control sent, got;
    struct msghdr out, in;
    int fd[2], pass[2], passed[4], count = 0;
    struct op op;

    op_data (data, BIG, 0);
    op_pair (fd);
    test_pipe (pass);
    message_set (&out, vec, 3, &sent);
    put_fds (&out, pass, 1);
    op_begin (loop, &op, sendmsg, fd[0], &out, 0);
    for (size_t at = 0; at < BIG; at += (size_t) op_one.result) {
        to = (struct iovec){ buf + at, BIG - at };
        message_set (&in, &to, 1, &got);
        ck_assert_int_gt ((int) op_do (loop, recvmsg, fd[1], &in, 0), 0);
        count += get_fds (&in, passed + count);
        ck_assert_int_le (count, 1);
    }
    ck_result (op_end (loop, &op), BIG);
    ck_assert_uint_eq (op.moved, BIG);
    ck_assert_int_eq (count, 1);
    ck_assert (op_data_is (buf, BIG, 0));
    ck_assert_int_eq (memcmp (before, vec, sizeof vec), 0); /* nobody has cut the program's own vectors */
    close (passed[0]);
    op_close_both (fd);
    op_close_both (pass);
    free (data);
    free (buf);
}

TEST_ENGINES (sendmsg_is_whole_with_many_vectors)
{
    enum { VECTORS = 1000, TOO_MANY = 1025, PIECE = 1777 };
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (VECTORS * PIECE);
    static struct iovec vec[TOO_MANY];
    struct msghdr out;
    int fd[2];

    op_data (data, VECTORS * PIECE, 0);
    for (int i = 0; i < VECTORS; i++)
        vec[i] = (struct iovec){ data + i * PIECE, PIECE };
    op_tcp_pair (fd);
    message_set (&out, vec, VECTORS, NULL);
    reader_begin (loop, fd[1]);
    ck_result (op_do (loop, sendmsg, fd[0], &out, 0), VECTORS * PIECE);
    reader_end (loop, VECTORS * PIECE);
    out.msg_iovlen = TOO_MANY;
    ck_result (op_do (loop, sendmsg, fd[0], &out, 0), -EMSGSIZE);
    op_close_both (fd);
    free (data);
}

TEST_ENGINES (messages_without_vectors_or_with_too_many_are_an_error)
{
    struct ev_loop *loop = test_loop (0);
    struct msghdr message = { .msg_iovlen = 2 };
    struct iovec vec = { "x", 1 };
    int fd[2];

    op_pair (fd);
    ck_result (op_do (loop, sendmsg, fd[0], &message, 0), -EFAULT);
    ck_result (op_do (loop, recvmsg, fd[0], &message, 0), -EFAULT);
    message = (struct msghdr){ .msg_iov = &vec, .msg_iovlen = SIZE_MAX >> 4 };
    ck_result (op_do (loop, sendmsg, fd[0], &message, 0), -EMSGSIZE);
    ck_result (op_do (loop, recvmsg, fd[0], &message, 0), -EMSGSIZE);
    op_close_both (fd);
}

/* The lane of a number remembers that a socket was empty. The next file of that number is another one. */
TEST_ENGINES (recv_on_a_number_that_was_an_empty_socket_says_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8];
    int fd[2], was;

    op_pair (fd);
    kit_put (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 1);
    was = fd[0];
    op_close_both (fd);
    op_settle (loop);
    fd[0] = eventfd (0, 0);
    ck_assert_int_eq (fd[0], was);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), -ENOTSOCK);
    close (fd[0]);
}

TEST_ENGINES (sendmsg_cut_short_is_an_error_and_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    unsigned char *data = op_memory (BIG);
    struct iovec vec[2] = { { data, 100 }, { data + 100, BIG - 100 } };
    struct msghdr out;
    struct op op;
    int fd[2];

    op_pair (fd);
    message_set (&out, vec, 2, NULL);
    op_begin (loop, &op, sendmsg, fd[0], &out, 0);
    op_settle (loop);
    close (fd[1]);
    op_end (loop, &op);
    ck_assert_msg (op.result == -EPIPE || op.result == -ECONNRESET, "result %zd", op.result);
    ck_assert_uint_ge (op.moved, 100);
    ck_assert_uint_lt (op.moved, BIG);
    close (fd[0]);
    free (data);
}

/* ---- datagrams ---------------------------------------------------------------------------------- */

static int udp_bound (struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);

    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    ck_assert_int_eq (bind (fd, (struct sockaddr *) address, sizeof *address), 0);
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) address, &size), 0);
    return fd;
}

TEST_ENGINES (datagrams_come_one_by_one_with_their_sender)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in here, there, from;
    int a = udp_bound (&here), b = udp_bound (&there);
    char buf[100];
    struct iovec to = { buf, 10 }, hello = { (void *) "hello", 5 },
                 longer = { (void *) "0123456789abcdef", 16 };
    struct msghdr in, out;

    message_set (&out, &hello, 1, NULL);
    out.msg_name = &there;
    out.msg_namelen = sizeof there;
    ck_result (op_do (loop, sendmsg, a, &out, 0), 5);
    out.msg_iov = &longer;
    ck_result (op_do (loop, sendmsg, a, &out, 0), 16);
    message_set (&in, &to, 1, NULL);
    in.msg_name = &from;
    in.msg_namelen = sizeof from;
    ck_result (op_do (loop, recvmsg, b, &in, 0), 5);
    ck_assert_int_eq (memcmp (buf, "hello", 5), 0);
    ck_assert_uint_eq (in.msg_namelen, sizeof from);
    ck_assert_int_eq (from.sin_port, here.sin_port);
    ck_assert (!(in.msg_flags & MSG_TRUNC));
    ck_result (op_do (loop, recvmsg, b, &in, 0), 10);
    ck_assert (in.msg_flags & MSG_TRUNC);
    close (a);
    close (b);
}

TEST_ENGINES (datagrams_too_long_are_refused_and_those_to_nobody_too)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in here, nobody;
    int fd = udp_bound (&here);
    char *data = op_memory (70000), buf[8];

    close (udp_bound (&nobody));
    ck_result (op_do (loop, send, fd, data, 10, 0), -EDESTADDRREQ);
    ck_result (op_do (loop, connect, fd, (struct sockaddr *) &nobody, sizeof nobody), 0);
    ck_result (op_do (loop, send, fd, data, 70000, 0), -EMSGSIZE);
    ck_result (op_do (loop, send, fd, data, 10, 0), 10);
    ck_result (op_do (loop, recv, fd, buf, sizeof buf, 0), -ECONNREFUSED);
    close (fd);
    free (data);
}

TEST_ENGINES (recv_with_trunc_tells_the_whole_size_of_a_datagram)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in here;
    int fd = udp_bound (&here), sender = socket (AF_INET, SOCK_DGRAM, 0);
    char buf[4];

    ck_assert_int_eq (connect (sender, (struct sockaddr *) &here, sizeof here), 0);
    ck_assert_int_eq (send (sender, "0123456789", 10, 0), 10);
    ck_assert_int_eq (send (sender, "", 0, 0), 0);
    ck_result (op_do (loop, recv, fd, buf, sizeof buf, MSG_TRUNC), 10);
    ck_result (op_do (loop, recv, fd, buf, sizeof buf, 0), 0); /* an empty one */
    close (fd);
    close (sender);
}

/* ---- SIGPIPE ------------------------------------------------------------------------------------ */

static volatile sig_atomic_t pipes_broken;

static void note_pipe (int signum)
{
    pipes_broken++;
}

static void check_no_sigpipe (struct ev_loop *loop)
{
    struct iovec vec = { (void *) "hello", 5 };
    struct msghdr out;
    int fd[2], in[2];

    message_set (&out, &vec, 1, NULL);
    op_pair (fd);
    close (fd[1]);
    ck_result (op_do (loop, send, fd[0], "hello", 5, 0), -EPIPE);
    ck_result (op_do (loop, send_zc, fd[0], "hello", 5, 0), -EPIPE);
    ck_result (op_do (loop, sendmsg, fd[0], &out, 0), -EPIPE);
    ck_result (op_do (loop, write, fd[0], "hello", 5, -1), -EPIPE);
    ck_result (op_do (loop, writev, fd[0], &vec, 1, -1), -EPIPE);
    ck_assert_int_eq (pipe (in), 0);
    ck_assert_int_eq (write (in[1], "hello", 5), 5);
    ck_result (op_do (loop, splice, in[0], -1, fd[0], -1, 5, 0), -EPIPE);
    close (fd[0]);
    ck_assert_int_eq (pipe (fd), 0);
    close (fd[0]);
    ck_result (op_do (loop, write, fd[1], "hello", 5, -1), -EPIPE);
    ck_result (op_do (loop, writev, fd[1], &vec, 1, -1), -EPIPE);
    ck_result (op_do (loop, splice, in[0], -1, fd[1], -1, 5, 0), -EPIPE);
    close (fd[1]);
    op_close_both (in);
}

TEST_ENGINES (sigpipe_is_never_raised)
{
    struct ev_loop *loop = test_loop (0);
    sigset_t waiting;

    signal (SIGPIPE, note_pipe);
    check_no_sigpipe (loop);
    ck_assert_int_eq (pipes_broken, 0);
    sigpending (&waiting);
    ck_assert (!sigismember (&waiting, SIGPIPE));
}

TEST_ENGINES (sigpipe_of_the_program_itself_is_left_alone)
{
    struct ev_loop *loop = test_loop (0);
    sigset_t pipe_only, waiting;

    sigemptyset (&pipe_only);
    sigaddset (&pipe_only, SIGPIPE);
    pthread_sigmask (SIG_BLOCK, &pipe_only, NULL);
    signal (SIGPIPE, note_pipe);
    raise (SIGPIPE);
    check_no_sigpipe (loop);
    sigpending (&waiting);
    ck_assert (sigismember (&waiting, SIGPIPE)); /* the one it raised before */
    pthread_sigmask (SIG_UNBLOCK, &pipe_only, NULL);
    ck_assert_int_eq (pipes_broken, 1);
}

/* ---- many at once ------------------------------------------------------------------------------- */

enum { TALKERS = 100, ROUNDS = 20 };

static struct talker {
    struct op op;
    int fd, sends, left; /* left: hops to do, sends and receives */
    unsigned char byte;
} talkers[2 * TALKERS];
static int talks_over;

static void talk (struct ev_loop *loop, struct op *op)
{
    struct talker *talker = op->arg;

    ck_result (op->result, 1);
    if (!--talker->left) {
        talks_over++;
        return;
    }
    talker->byte += (unsigned char) !talker->sends;
    talker->sends = !talker->sends;
    if (talker->sends)
        ev_send_set (&op->w, talker->fd, &talker->byte, 1, 0);
    else
        ev_recv_set (&op->w, talker->fd, &talker->byte, 1, 0);
    op_start (loop, op);
}

/* Each pair throws one byte to and fro; each hop adds one. */
TEST_ENGINES (hundreds_of_sockets_talk_at_the_same_time)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    kit_need_fds (2 * TALKERS + 50);
    for (int i = 0; i < 2 * TALKERS; i++) {
        struct talker *talker = &talkers[i];

        if (i % 2 == 0)
            op_pair (fd);
        talker->fd = fd[i % 2];
        talker->sends = i % 2;
        talker->left = 2 * ROUNDS - 1; /* whoever sends first sends last */
        if (talker->sends)
            ev_send_set (op_new (&talker->op), talker->fd, &talker->byte, 1, 0);
        else
            ev_recv_set (op_new (&talker->op), talker->fd, &talker->byte, 1, 0);
        talker->op.arg = talker;
        talker->op.then = talk;
        op_start (loop, &talker->op);
    }
    op_until (loop, &talks_over, 2 * TALKERS);
    for (int i = 0; i < 2 * TALKERS; i++) {
        ck_assert_int_ge (talkers[i].byte, ROUNDS - 1);
        close (talkers[i].fd);
    }
    op_all_over (loop);
}
