/* accept_test.c: what a server asks of ev_accept beyond connections. Promises that a limit is kept to the last connection while
 * others wait in the backlog, that running out of descriptors is survived without a busy loop, and that the peer is known. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/resource.h>
#include <sys/un.h>

enum { CLIENTS = 12 };

static struct sockaddr_in address;
static int listener, clients[CLIENTS], connections[CLIENTS], connection_count;

static void take (struct ev_loop *loop, struct op *op)
{
    (void) loop;
    if (op->result < 0)
        return;
    ck_assert_int_lt (connection_count, CLIENTS);
    connections[connection_count++] = (int) op->result;
}

static void begin (struct ev_loop *loop, struct op *op, unsigned most)
{
    connection_count = 0;
    listener = op_listen (&address, CLIENTS);
    ev_accept_set (op_new (op), listener, SOCK_CLOEXEC);
    ev_accept_limit (&op->w, most);
    op->then = take;
    op_start (loop, op);
}

static void connect_some (int from, int to)
{
    for (int i = from; i < to; i++)
        clients[i] = op_client (&address);
}

static void close_one (struct ev_loop *loop, struct op *op)
{
    close (connections[--connection_count]);
    ev_accept_gone (loop, &op->w);
}

static void end (struct ev_loop *loop, struct op *op)
{
    if (op->started)
        op_stop (loop, op);
    while (connection_count > 0)
        close (connections[--connection_count]);
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i] > 0)
            close (clients[i]);
    memset (clients, 0, sizeof clients);
    close (listener);
    op_all_over (loop);
}

/* ---- a limit ---- */

TEST_ENGINES (accept_takes_as_many_as_its_limit_and_leaves_the_others_in_the_backlog)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 3);
    connect_some (0, CLIENTS);
    op_until (loop, &op.calls, 3);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 3);
    ck_assert (kit_polls (listener, POLLIN));
    ck_assert (ev_is_active (&op.w));
    end (loop, &op);
}

TEST_ENGINES (crowd_is_taken_up_to_the_limit)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 8);
    op_settle (loop);
    connect_some (0, 4);
    op_until (loop, &op.calls, 4);
    op_settle (loop);
    connect_some (4, CLIENTS);
    op_until (loop, &op.calls, 8);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 8);
    end (loop, &op);
}

TEST_ENGINES (each_connection_that_is_gone_makes_room_for_one)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 2);
    connect_some (0, CLIENTS);
    op_until (loop, &op.calls, 2);
    for (int calls = 3; calls <= CLIENTS; calls++) {
        close_one (loop, &op);
        op_until (loop, &op.calls, calls);
        op_settle (loop);
        ck_assert_int_eq (op.calls, calls);
        ck_assert_int_eq (connection_count, 2);
    }
    end (loop, &op);
}

static void take_and_close (struct ev_loop *loop, struct op *op)
{
    take (loop, op);
    close_one (loop, op);
}

TEST_ENGINES (connection_that_is_gone_in_the_callback_makes_room_at_once)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 1);
    op.then = take_and_close;
    connect_some (0, CLIENTS);
    op_until (loop, &op.calls, CLIENTS);
    end (loop, &op);
}

TEST_ENGINES (limit_counts_connections_of_earlier_starts_too)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 2);
    connect_some (0, 4);
    op_until (loop, &op.calls, 2);
    op_stop (loop, &op);
    op_start (loop, &op);
    op_settle (loop);
    ck_assert_uint_le (kit_run_for (loop, 0.1), 5); /* asleep */
    ck_assert_int_eq (op.calls, 2);
    op_stop (loop, &op);
    close_one (loop, &op);
    op_start (loop, &op);
    op_until (loop, &op.calls, 3);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 3);
    end (loop, &op);
}

TEST_ENGINES (accept_at_its_limit_can_be_paused_and_goes_on_when_both_reasons_are_gone)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 1);
    connect_some (0, 3);
    op_until (loop, &op.calls, 1);
    ev_op_pause (loop, &op.w);
    close_one (loop, &op);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 1);
    ev_op_resume (loop, &op.w);
    op_until (loop, &op.calls, 2);
    ev_op_pause (loop, &op.w);
    ev_op_resume (loop, &op.w);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 2);
    end (loop, &op);
}

TEST_ENGINES (accept_at_its_limit_can_be_cancelled)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 1);
    connect_some (0, 2);
    op_until (loop, &op.calls, 1);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    end (loop, &op);
}

TEST_ENGINES (more_gone_than_came_is_no_room_for_more_than_the_limit)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    begin (loop, &op, 2);
    for (int i = 0; i < 5; i++)
        ev_accept_gone (loop, &op.w);
    connect_some (0, 4);
    op_until (loop, &op.calls, 2);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 2);
    end (loop, &op);
}

/* ---- no descriptors ---- */

static int fillers[1000], filler_count;

static int highest_fd (void)
{
    int highest = 0;

    for (int fd = 0; fd < 1000; fd++)
        if (fcntl (fd, F_GETFD) >= 0)
            highest = fd;
    return highest;
}

static rlim_t fds_limit (rlim_t most)
{
    struct rlimit limit;
    rlim_t before;

    getrlimit (RLIMIT_NOFILE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = most;
    ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* No more descriptors from now on; the limit before. */
static rlim_t fds_end (void)
{
    rlim_t before = fds_limit ((rlim_t) highest_fd () + 1);
    int filler;

    while ((filler = dup (0)) >= 0) /* holes */
        fillers[filler_count++] = filler;
    return before;
}

static void fds_again (rlim_t before)
{
    fds_limit (before);
    while (filler_count > 0)
        close (fillers[--filler_count]);
}

TEST_ENGINES (accept_without_descriptors_waits_sleeping_and_goes_on_when_there_are_some)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    rlim_t before;

    begin (loop, &op, 0);
    connect_some (0, 1);
    op_until (loop, &op.calls, 1); /* all that is made on demand is there */
    connect_some (1, 4);
    before = fds_end ();
    ck_assert_uint_le (kit_run_for (loop, 1.), 20);
    ck_assert_int_eq (op.calls, 1);
    fds_again (before);
    op_until (loop, &op.calls, 4);
    end (loop, &op);
}

TEST_ENGINES (accept_that_waits_for_descriptors_can_be_stopped_cancelled_and_left_to_destroy)
{
    for (int how = 0; how < 3; how++) {
        struct ev_loop *loop = test_loop (0);
        struct op op;
        rlim_t before;

        begin (loop, &op, 0);
        connect_some (0, 1);
        op_until (loop, &op.calls, 1);
        connect_some (1, 2);
        before = fds_end ();
        op_settle (loop);
        if (how == 0)
            op_stop (loop, &op);
        if (how == 1) {
            op_cancel (loop, &op);
            ck_result (op_end (loop, &op), -ECANCELED);
        }
        fds_again (before);
        if (how == 2) {
            test_loop_gone (loop);
            ev_loop_destroy (loop);
            op.started = 0;
            ck_assert (!ev_is_active (&op.w));
            loop = test_loop (0);
        }
        end (loop, &op);
    }
}

/* ---- who is it? ---- */

TEST_ENGINES (peer_of_a_connection_is_told)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in peer, self;
    unsigned size = sizeof peer;
    socklen_t self_size = sizeof self;
    struct op op;

    begin (loop, &op, 0);
    connect_some (0, 1);
    op_until (loop, &op.calls, 1);
    ck_assert_int_eq (ev_accept_peer (&op.w, (struct sockaddr *) &peer, &size), 0);
    ck_assert_int_eq (getsockname (clients[0], (struct sockaddr *) &self, &self_size), 0);
    ck_assert_uint_eq (size, sizeof peer);
    ck_assert_int_eq (peer.sin_port, self.sin_port);
    size = 2; /* cut, as by the system call */
    ck_assert_int_eq (ev_accept_peer (&op.w, (struct sockaddr *) &peer, &size), 0);
    ck_assert_uint_eq (size, sizeof peer);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_int_eq (ev_accept_peer (&op.w, (struct sockaddr *) &peer, &size), -ENOTCONN);
    end (loop, &op);
}
