/* restrict_test.c: EVFLAG_RESTRICT (rule 14 of the design): a ring that takes only requests about descriptors which the
 * program has. Everything works as on any other ring; what the ring must not do goes the other road, where a filter
 * sees it. */
#define _GNU_SOURCE
#include "op_kit.h"

static struct ev_loop *restricted_loop (void)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_IOURING | EVFLAG_RESTRICT | EVFLAG_NOENV);

    if (!loop)
        test_skip ("no io_uring here, or none that can be restricted");
    return loop;
}

static ssize_t result_of (struct ev_loop *loop, struct op *op)
{
    op_start (loop, op);
    op_until (loop, &op->ends, 1);
    return op->result;
}

static ssize_t raw_result (struct ev_loop *loop, uint8_t opcode)
{
    uint8_t entry[64] = { opcode, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
    struct op op = { 0 };

    op_new (&op);
    ev_sqe_set (&op.w, entry);
    return result_of (loop, &op);
}

TEST (restricted_ring_refuses_what_could_open_or_connect) // rule 14
{
    static const uint8_t refused[] = {
        16, 18, 21, 28, 35, 36, 37, 45
    }; /* connect, openat, statx, openat2 … socket */
    struct ev_loop *loop = restricted_loop ();

    ck_assert_int_eq (raw_result (loop, 0), 0); /* NOP */
    for (unsigned i = 0; i < sizeof refused; i++)
        ck_assert_msg (raw_result (loop, refused[i]) == -EACCES, "operation %d is taken", refused[i]);
    ev_loop_destroy (loop);
}

TEST (restricted_ring_does_everything_all_the_same) // rule 14: what it may not by the other road
{
    struct ev_loop *loop = restricted_loop ();
    struct op open = { 0 }, read = { 0 }, send = { 0 }, recv = { 0 };
    struct ev_stats stats;
    char in[4], byte;
    int pair[2];

    op_pair (pair);
    op_new (&open);
    ev_openat_set (&open.w, AT_FDCWD, "/dev/zero", O_RDONLY | O_CLOEXEC, 0);
    ck_assert_int_ge (result_of (loop, &open), 0);
    op_new (&read);
    ev_read_set (&read.w, (int) open.result, &byte, 1, -1);
    ck_assert_int_eq (result_of (loop, &read), 1);
    op_new (&recv);
    ev_recv_set (&recv.w, pair[0], in, sizeof in, 0);
    op_start (loop, &recv);
    op_new (&send);
    ev_send_set (&send.w, pair[1], "data", 4, 0);
    ck_assert_int_eq (result_of (loop, &send), 4);
    op_until (loop, &recv.ends, 1);
    ck_assert_int_eq (recv.result, 4);
    ev_stats (loop, &stats, sizeof stats);
    ck_assert_uint_eq (stats.backend, EVBACKEND_IOURING);
    close ((int) open.result);
    op_close_both (pair);
    ev_loop_destroy (loop);
}

TEST (restricted_ring_stays_restricted_when_it_is_made_anew) // rule 14, rule 10
{
    struct ev_loop *loop = restricted_loop ();

    ck_assert_int_eq (raw_result (loop, 18), -EACCES);
    ev_loop_fork (loop);
    ck_assert_int_eq (raw_result (loop, 18), -EACCES);
    ev_loop_destroy (loop);
}

TEST (restricted_ring_beside_epoll) // rule 14: attached
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_RESTRICT | EVFLAG_NOENV);

    if (ev_op_ring (loop) < 0)
        test_skip ("no io_uring here");
    ck_assert_int_eq (raw_result (loop, 0), 0);
    ck_assert_int_eq (raw_result (loop, 18), -EACCES);
    ev_loop_destroy (loop);
}

TEST (restriction_is_not_for_the_environment_to_take_away) // LP-3
{
    setenv ("LIBEV_FLAGS", "128", 1);
    struct ev_loop *loop = ev_loop_new (EVFLAG_RESTRICT);

    if (!loop)
        test_skip ("no io_uring here");
    ck_assert_int_eq (raw_result (loop, 18), -EACCES);
    ev_loop_destroy (loop);
}
