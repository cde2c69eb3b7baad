/* order_test.c: the phases of one iteration, seen through the order of callbacks (contract RN-3, PC-2, ID-1,
 * PQ-7). One watcher of each kind, all due at once. */
#include "line.h"

#include <unistd.h>

static struct all {
    ev_fork fork;
    ev_prepare prepare;
    ev_check check;
    ev_periodic periodic;
    ev_timer early, late;
    ev_io io;
    ev_idle idle;
    int fd[2];
} all;

static void start_all (struct ev_loop *loop)
{
    test_pipe (all.fd);
    LINE_START (idle, &all.idle, "idle");
    LINE_START (io, &all.io, "io", all.fd[1], EV_WRITE);
    LINE_START (timer, &all.late, "T-1", -1., 0.);
    LINE_START (timer, &all.early, "T-2", -2., 0.);
    LINE_START (periodic, &all.periodic, "periodic", 1., 0., NULL);
    LINE_START (check, &all.check, "check");
    LINE_START (prepare, &all.prepare, "prepare");
    LINE_START (fork, &all.fork, "fork");
}

static void stop_all (struct ev_loop *loop)
{
    ev_idle_stop (loop, &all.idle);
    ev_io_stop (loop, &all.io);
    ev_timer_stop (loop, &all.late);
    ev_timer_stop (loop, &all.early);
    ev_periodic_stop (loop, &all.periodic);
    ev_check_stop (loop, &all.check);
    ev_prepare_stop (loop, &all.prepare);
    ev_fork_stop (loop, &all.fork);
    close (all.fd[0]);
    close (all.fd[1]);
}

TEST_BACKENDS (one_iteration_calls_the_kinds_in_their_order) // RN-3, PQ-7, PC-2, ID-1
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    ev_loop_fork (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("fork prepare check periodic T-2 T-1 io");
    ck_assert_uint_eq (ev_iteration (loop), 1);
    ev_run (loop, EVRUN_NOWAIT); /* the level-type ones once more */
    LINE_IS ("prepare check io");
    stop_all (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("");
}

TEST_BACKENDS (idle_watchers_run_after_the_last_event) // RN-3, ID-1, ID-2
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("prepare check periodic T-2 T-1 io");
    ev_io_stop (loop, &all.io);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("prepare check idle");
    stop_all (loop);
}

TEST_BACKENDS (a_higher_priority_goes_before_check) // PC-2, PQ-1
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    stop_all (loop);
    ev_timer_set (&all.early, -2., 0.);
    ev_timer_set (&all.late, -1., 0.);
    test_pipe (all.fd);
    ev_io_set (&all.io, all.fd[1], EV_WRITE);
    ev_set_priority (&all.io, 2);
    ev_set_priority (&all.late, 1);
    ev_set_priority (&all.periodic, -1);
    ev_set_priority (&all.early, -2);
    ev_io_start (loop, &all.io);
    ev_check_start (loop, &all.check);
    ev_timer_start (loop, &all.early);
    ev_timer_start (loop, &all.late);
    ev_periodic_start (loop, &all.periodic);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("io T-1 check periodic T-2");
    stop_all (loop);
}

static void feed_the_late_timer (struct ev_loop *loop, ev_prepare *w, int revents)
{
    line_prepare (loop, w, revents);
    ev_feed_event (loop, &all.late, EV_CUSTOM);
}

TEST_BACKENDS (what_prepare_feeds_is_called_before_the_poll) // PC-1, RN-3
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    ev_timer_stop (loop, &all.late);
    ev_set_cb (&all.prepare, feed_the_late_timer);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("prepare T-1 check periodic T-2 io");
    stop_all (loop);
}

static void start_early (struct ev_loop *loop, ev_fork *w, int revents)
{
    line_fork (loop, w, revents);
    ev_timer_set (&all.early, -2., 0.);
    ev_timer_start (loop, &all.early);
}

TEST_BACKENDS (what_a_fork_watcher_starts_takes_part_in_this_iteration) // RN-3, FK-1
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    ev_timer_stop (loop, &all.early);
    ev_set_cb (&all.fork, start_early);
    ev_loop_fork (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("fork prepare check periodic T-2 T-1 io");
    stop_all (loop);
}

static unsigned iterations[3];

static void note_iteration (struct ev_loop *loop, ev_prepare *w, int revents)
{
    iterations[0] = ev_iteration (loop);
}

static void note_iteration_check (struct ev_loop *loop, ev_check *w, int revents)
{
    iterations[1] = ev_iteration (loop);
}

TEST_BACKENDS (the_iteration_is_counted_between_prepare_and_check) // RN-3 step 9, RN-8
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;
    ev_check check;

    ev_prepare_init (&prepare, note_iteration);
    ev_prepare_start (loop, &prepare);
    ev_check_init (&check, note_iteration_check);
    ev_check_start (loop, &check);
    for (unsigned i = 1; i <= 3; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_uint_eq (iterations[0], i - 1);
        ck_assert_uint_eq (iterations[1], i);
    }
    ev_prepare_stop (loop, &prepare);
    ev_check_stop (loop, &check);
}

static void stop_everything (struct ev_loop *loop, ev_check *w, int revents)
{
    line_check (loop, w, revents);
    stop_all (loop);
}

TEST_BACKENDS (what_check_stops_is_not_called_in_this_iteration) // PC-4, PQ-4
{
    struct ev_loop *loop = test_loop (0);

    start_all (loop);
    ev_set_cb (&all.check, stop_everything);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("prepare check");
}
