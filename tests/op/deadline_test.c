/* deadline_test.c: operations that must not take longer. Promises -ETIMEDOUT exactly once when time is over, the
 * real result when it is not, and that no deadline outlives its operation. */
#define _GNU_SOURCE
#define EV_WALK_ENABLE 1
#include "waiting.h"

enum { NEVER = 1000 };

TEST_ENGINES (every_kind_that_waits_ends_with_etimedout)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];

    for (int i = 0; i < WAITINGS; i++) {
        if (!waiting_works (&waitings[i]))
            continue;
        place_begin (&places[i], loop, &waitings[i]);
        ev_op_deadline (&places[i].luggage->op.w, 0.01 + 0.001 * i);
        place_start (&places[i]);
    }
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            ck_assert_msg (op_is_over (loop, &places[i].luggage->op.ends, 1), "%s is never over",
                           waitings[i].name);
            ck_assert_msg (op_end (loop, &places[i].luggage->op) == -ETIMEDOUT, "%s: result %zd",
                           waitings[i].name, places[i].luggage->op.result);
            ck_assert_int_eq (places[i].luggage->op.calls, 1);
        }
    op_all_over (loop);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what)
            place_end (&places[i]);
}

TEST_ENGINES (every_kind_that_is_in_time_gives_its_result_and_no_more)
{
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < WAITINGS; i++) {
        const struct waiting *what = &waitings[i];
        struct place place;

        if (!waiting_works (what) || !what->release || what->repeats)
            continue;
        place_begin (&place, loop, what);
        ev_op_deadline (&place.luggage->op.w, NEVER);
        place_start (&place);
        op_settle (loop);
        what->release (&place);
        ssize_t result = op_end (loop, &place.luggage->op);
        ck_assert_msg (place_result_is_right (&place, result), "%s: result %zd", what->name, result);
        place_scribble (&place);
        op_all_over (loop); /* no timer holds the loop */
        place_end (&place);
    }
}

TEST_ENGINES (repeating_one_ends_with_etimedout_after_its_results)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 16, 4);
    struct op op;
    int fd[2];

    op_pair (fd);
    ev_recv_pool_set (op_new (&op), fd[0], pool, 0);
    ev_op_deadline (&op.w, 0.1);
    op_start (loop, &op);
    for (int i = 1; i <= 3; i++) {
        kit_put (fd[1]);
        op_until (loop, &op.calls, i);
        if (op.ends)
            test_skip ("this machine is too slow");
    }
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    ck_assert_ptr_null (op.buf);
    op_all_over (loop);
    op_close_both (fd);
}

TEST_ENGINES (deadline_is_not_early)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    double begin;
    int fd[2];

    op_pair (fd);
    begin = test_clock (); /* before the loop's time, from which it counts */
    ev_now_update (loop);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    ev_op_deadline (&op.w, 0.1);
    op_start (loop, &op);
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    ck_assert_double_ge (test_clock () - begin, 0.099);
    op_close_both (fd);
}

TEST_ENGINES (deadline_counts_from_the_time_of_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_now_update (loop);
    usleep (60000); /* ev_now does not know */
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    ev_op_deadline (&op.w, 0.05);
    op_start (loop, &op);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    op_close_both (fd);
}

TEST_ENGINES (deadline_holds_for_every_start_until_it_is_set_anew)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    ev_op_deadline (&op.w, 0.02);
    for (int i = 1; i <= 3; i++) {
        op_start (loop, &op);
        op_until (loop, &op.ends, i);
        ck_result (op.result, -ETIMEDOUT);
    }
    ev_recv_set (&op.w, fd[0], buf, sizeof buf, 0); /* clears it */
    op_start (loop, &op);
    kit_until (loop, &op.ends, 4, 0.1);
    ck_assert_int_eq (op.ends, 3);
    kit_put (fd[1]);
    op_until (loop, &op.ends, 4);
    ck_result (op.result, 1);
    ev_op_deadline (&op.w, 0.02);
    ev_op_deadline (&op.w, 0.);
    op_start (loop, &op);
    kit_until (loop, &op.ends, 5, 0.1);
    ck_assert_int_eq (op.ends, 4);
    op_stop (loop, &op);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (deadline_ends_one_that_waits_in_line)
{
    struct ev_loop *loop = test_loop (0);
    struct op head, next, last;
    char buf[3];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &head, recv, fd[0], &buf[0], 1, 0);
    ev_recv_set (op_new (&next), fd[0], &buf[1], 1, 0);
    ev_op_deadline (&next.w, 0.02);
    op_start (loop, &next);
    op_begin (loop, &last, recv, fd[0], &buf[2], 1, 0);
    ck_result (op_end (loop, &next), -ETIMEDOUT);
    ck_assert_int_eq (head.calls + last.calls, 0);
    ck_assert_int_eq (write (fd[1], "ab", 2), 2);
    ck_result (op_end (loop, &head), 1);
    ck_result (op_end (loop, &last), 1);
    ck_assert (buf[0] == 'a' && buf[2] == 'b');
    op_close_both (fd);
}

TEST_ENGINES (deadline_of_the_head_lets_the_next_one_have_its_turn)
{
    struct ev_loop *loop = test_loop (0);
    struct op head, next;
    char buf[2];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&head), fd[0], &buf[0], 1, 0);
    ev_op_deadline (&head.w, 0.02);
    op_start (loop, &head);
    op_begin (loop, &next, recv, fd[0], &buf[1], 1, 0);
    ck_result (op_end (loop, &head), -ETIMEDOUT);
    op_settle (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &next), 1);
    ck_assert_int_eq (buf[1], 'x');
    op_close_both (fd);
}

TEST_ENGINES (timed_out_send_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    char *data = op_memory (PLACE_BIG);
    struct op op;
    int fd[2];

    op_pair (fd);
    ev_send_set (op_new (&op), fd[0], data, PLACE_BIG, 0);
    ev_op_deadline (&op.w, 0.03);
    op_start (loop, &op);
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    ck_assert_uint_gt (op.moved, 0);
    ck_assert_uint_lt (op.moved, PLACE_BIG);
    free (data);
    ck_assert_uint_eq (op_drain (fd[1]), op.moved);
    op_close_both (fd);
}

TEST_ENGINES (cancelled_before_its_deadline_is_cancelled)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    ev_op_deadline (&op.w, NEVER);
    op_start (loop, &op);
    op_settle (loop);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    op_all_over (loop);
    op_start (loop, &op);
    op_stop (loop, &op);
    op_all_over (loop);
    op_close_both (fd);
}

static int others;

static void count_walked (struct ev_loop *loop, int type, void *w)
{
    others += type != EV_OP;
}

TEST_ENGINES (deadlines_are_not_watchers_of_the_program)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    ev_op_deadline (&op.w, NEVER);
    op_start (loop, &op);
    op_settle (loop);
    ev_walk (loop, -1, count_walked);
    ck_assert_int_eq (others, 0);
    op_stop (loop, &op);
    op_close_both (fd);
}

TEST_ENGINES (files_within_their_deadline_are_done)
{
    enum { OPS = 64 };
    static struct op ops[OPS];
    struct ev_loop *loop = test_loop (0);
    char *buf = op_memory (OPS * 100);
    int fd = op_file (OPS * 100);

    for (int i = 0; i < OPS; i++) {
        ev_read_set (op_new (&ops[i]), fd, buf + i * 100, 100, i * 100);
        ev_op_deadline (&ops[i].w, 1000. + i % 7);
        op_start (loop, &ops[i]);
    }
    for (int i = 0; i < OPS; i++)
        ck_result (op_end (loop, &ops[i]), 100);
    ck_assert (op_data_is (buf, OPS * 100, 0));
    op_all_over (loop);
    close (fd);
    free (buf);
}

/* Deadlines about to pass race with data about to come: one completion each, whoever wins. */
TEST_ENGINES (deadline_and_data_at_the_same_time_give_one_completion)
{
    struct ev_loop *loop = test_loop (0);
    int in_time = 0;

    for (int i = 0; i < 100; i++) {
        struct op op;
        char buf[8] = "";
        int fd[2];

        op_pair (fd);
        ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
        ev_op_deadline (&op.w, 0.001);
        ev_now_update (loop);
        op_start (loop, &op);
        if (i % 2)
            ev_run (loop, EVRUN_NOWAIT);
        usleep ((unsigned) (i % 10) * 200);
        kit_put (fd[1]);
        op_end (loop, &op);
        ck_assert_msg (op.result == 1 || op.result == -ETIMEDOUT, "result %zd", op.result);
        ck_assert_int_eq (op_drain (fd[0]), op.result == 1 ? 0 : 1);
        in_time += op.result == 1;
        op_all_over (loop);
        op_close_both (fd);
    }
    ck_assert_int_gt (in_time, 0);
}

static void hold_back (struct ev_loop *loop)
{
}

/* A program may call its callbacks when it likes. Until then nobody has been told of the deadline either. */
static void check_held_back (struct ev_loop *loop, int stop)
{
    struct op op;
    char byte;
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], &byte, 1, 0);
    ev_op_deadline (&op.w, 0.01);
    op_start (loop, &op);
    ev_set_invoke_pending_cb (loop, hold_back);
    for (int i = 0; i < 3; i++) {
        kit_sleeps (loop, 0.02);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
        ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1); /* it does not sleep for ever either */
        ck_assert (ev_is_active (&op.w));
    }
    ev_set_invoke_pending_cb (loop, ev_invoke_pending);
    ck_result (stop ? op_stop (loop, &op) : op_end (loop, &op), stop ? -ECANCELED : -ETIMEDOUT);
    op_all_over (loop);
    op_close_both (fd);
}

TEST_ENGINES (deadline_that_has_passed_leaves_the_operation_its_reference)
{
    struct ev_loop *loop = test_loop (0);

    check_held_back (loop, 0);
    check_held_back (loop, 1);
}
