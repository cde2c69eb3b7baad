/* hooks_test.c: idle, prepare, check and cleanup watchers (contract ID, PC, CL). Where they stand among the
 * other kinds is in order_test.c, fork watchers are tested with fork. */
#include "line.h"

#include <unistd.h>

/* ---- idle ---- */

TEST_BACKENDS (only_the_highest_idle_level_runs) // ID-1
{
    struct ev_loop *loop = test_loop (0);
    static const char *const names[] = { "-2", "-1", "0", "1", "2" };
    ev_idle idle[5];

    not_stock (EVBACKEND_IOURING, "its own timer locks out the lowest idle level");
    for (int i = 0; i < 5; i++) {
        LINE_INIT (idle, &idle[i], names[i]);
        ev_set_priority (&idle[i], i + EV_MINPRI);
        ev_idle_start (loop, &idle[i]);
    }
    for (int i = 4; i >= 0; i--) {
        ev_run (loop, EVRUN_NOWAIT);
        LINE_IS (names[i]);
        ev_idle_stop (loop, &idle[i]);
    }
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    LINE_IS ("");
}

/* What one iteration calls when an idle watcher meets a ready descriptor. */
static void idle_meets_io (int idle_priority, int io_priority, const char *wanted)
{
    struct ev_loop *loop = test_loop (0);
    ev_idle idle;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    LINE_INIT (idle, &idle, "idle");
    LINE_INIT (io, &io, "io", fd[1], EV_WRITE);
    ev_set_priority (&idle, idle_priority);
    ev_set_priority (&io, io_priority);
    ev_idle_start (loop, &idle);
    ev_io_start (loop, &io);
    for (int i = 0; i < 3; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        LINE_IS (wanted);
    }
    ev_idle_stop (loop, &idle);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (idle_waits_for_events_of_its_own_and_higher_priorities) // ID-1
{
    idle_meets_io (0, 0, "io");
    idle_meets_io (0, 2, "io");
    idle_meets_io (-2, -1, "io");
    idle_meets_io (1, 0, "idle io");
    idle_meets_io (2, -2, "idle io");
}

TEST_BACKENDS (a_locked_out_idle_level_locks_out_those_below) // ID-1
{
    struct ev_loop *loop = test_loop (0);
    ev_idle high, low;
    ev_timer timer;

    LINE_INIT (idle, &high, "high");
    ev_set_priority (&high, 1);
    ev_idle_start (loop, &high);
    LINE_START (idle, &low, "low");
    LINE_INIT (timer, &timer, "timer", -1., 0.);
    ev_set_priority (&timer, 1);
    ev_timer_start (loop, &timer);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("timer");
    ev_idle_stop (loop, &high);
    ev_idle_stop (loop, &low);
}

TEST_BACKENDS (check_does_not_count_as_pending_for_idle) // ID-2
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;

    LINE_START (idle, &idle, "idle");
    LINE_START (check, &check, "check");
    LINE_START (prepare, &prepare, "prepare");
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("prepare check idle");
    ev_idle_stop (loop, &idle);
    ev_check_stop (loop, &check);
    ev_prepare_stop (loop, &prepare);
}

static ev_timer fed;

static void feed_in_poll (struct ev_loop *loop) EV_NOEXCEPT
{
    ev_feed_event (loop, &fed, EV_CUSTOM);
}

TEST_BACKENDS (a_loop_with_idle_watchers_never_blocks_even_if_they_are_locked_out) // ID-3
{
    struct ev_loop *loop = test_loop (0);
    ev_idle idle;

    not_stock (EVBACKEND_IOURING, "its own timer locks out the lowest idle level");
    LINE_INIT (timer, &fed, "fed", 0., 0.);
    LINE_INIT (idle, &idle, "idle");
    ev_set_priority (&idle, EV_MINPRI);
    ev_idle_start (loop, &idle);
    ev_run (loop, EVRUN_ONCE); /* each of these would end at the deadline */
    LINE_IS ("idle");
    ev_set_loop_release_cb (loop, NULL, feed_in_poll);
    for (int i = 0; i < 3; i++)
        ev_run (loop, EVRUN_ONCE);
    ev_set_loop_release_cb (loop, NULL, NULL);
    ev_idle_stop (loop, &idle);
    if (test_backend != EVBACKEND_IOURING) /* a ring may look without entering the kernel */
        LINE_IS ("fed fed fed");
}

TEST_BACKENDS (idle_watchers_of_a_level_run_in_reverse_start_order) // ID-4
{
    struct ev_loop *loop = test_loop (0);
    static const char *const names[] = { "I1", "I2", "I3", "I4" };
    ev_idle idle[4];

    for (int i = 0; i < 4; i++)
        LINE_START (idle, &idle[i], names[i]);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("I4 I3 I2 I1");
    ev_idle_stop (loop, &idle[1]);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("I3 I4 I1");
    ev_idle_stop (loop, &idle[0]);
    ev_idle_stop (loop, &idle[2]);
    ev_idle_stop (loop, &idle[3]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (an_idle_watcher_may_be_started_again_at_another_priority) // ID-1, WA-3
{
    struct ev_loop *loop = test_loop (0);
    ev_idle moving, fixed;

    LINE_INIT (idle, &moving, "moving");
    LINE_START (idle, &fixed, "fixed");
    for (int priority = EV_MINPRI; priority <= EV_MAXPRI; priority++) {
        ev_set_priority (&moving, priority);
        ev_idle_start (loop, &moving);
        ev_run (loop, EVRUN_NOWAIT);
        LINE_IS (priority < 0 ? "fixed" : priority ? "moving" : "moving fixed");
        ev_idle_stop (loop, &moving);
    }
    ev_idle_stop (loop, &fixed);
}

/* ---- prepare and check ---- */

TEST_BACKENDS (prepare_and_check_run_in_every_iteration) // PC-3, RN-5
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;
    ev_check check;

    LINE_START (prepare, &prepare, "P");
    LINE_START (check, &check, "C");
    ev_unref (loop);
    ev_unref (loop);
    ev_run (loop, 0); /* nothing keeps it alive: one iteration */
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("P C P C");
    ev_ref (loop);
    ev_ref (loop);
    ev_prepare_stop (loop, &prepare);
    ev_check_stop (loop, &check);
}

static ev_timer mark;
static unsigned marked_at;

static void note_iteration (struct ev_loop *loop, ev_timer *w, int revents)
{
    marked_at = ev_iteration (loop);
}

static void feed_mark (struct ev_loop *loop, ev_prepare *w, int revents)
{
    ev_feed_event (loop, &mark, EV_CUSTOM);
}

TEST_BACKENDS (work_made_by_prepare_is_done_before_the_poll) // PC-1
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;

    ev_timer_init (&mark, note_iteration, 0., 0.);
    ev_prepare_init (&prepare, feed_mark);
    ev_prepare_start (loop, &prepare);
    for (unsigned i = 0; i < 3; i++) {
        marked_at = 99;
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_uint_eq (marked_at, i);
    }
    ev_prepare_stop (loop, &prepare);
}

static ev_idle idle_of_prepare;

static void start_idle (struct ev_loop *loop, ev_prepare *w, int revents)
{
    ev_idle_start (loop, &idle_of_prepare);
}

TEST_BACKENDS (an_idle_watcher_started_in_prepare_keeps_this_iteration_from_blocking) // PC-4
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;

    LINE_INIT (idle, &idle_of_prepare, "idle");
    ev_prepare_init (&prepare, start_idle);
    ev_prepare_start (loop, &prepare);
    ev_run (loop, EVRUN_ONCE); /* else the deadline */
    LINE_IS ("idle");
    ev_prepare_stop (loop, &prepare);
    ev_idle_stop (loop, &idle_of_prepare);
}

static void start_timer_now (struct ev_loop *loop, ev_prepare *w, int revents)
{
    ev_timer_set (&mark, 0.01, 0.);
    ev_timer_start (loop, &mark);
    ev_prepare_stop (loop, w);
}

TEST_BACKENDS (a_timer_started_in_prepare_limits_this_wait) // PC-4, RN-4
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;

    LINE_INIT (timer, &mark, "timer", 0., 0.);
    ev_prepare_init (&prepare, start_timer_now);
    ev_prepare_start (loop, &prepare);
    ev_run (loop, 0); /* else the deadline */
    LINE_IS ("timer");
}

static ev_prepare two_prepares[2];

static void stop_the_other (struct ev_loop *loop, ev_prepare *w, int revents)
{
    line_prepare (loop, w, revents);
    ev_prepare_stop (loop, &two_prepares[w == &two_prepares[0]]);
}

TEST_BACKENDS (a_prepare_may_stop_another_that_is_already_queued) // PQ-4, PC-4
{
    struct ev_loop *loop = test_loop (0);

    LINE_INIT (prepare, &two_prepares[0], "P1");
    LINE_INIT (prepare, &two_prepares[1], "P2");
    for (int i = 0; i < 2; i++) {
        ev_set_cb (&two_prepares[i], stop_the_other);
        ev_prepare_start (loop, &two_prepares[i]);
    }
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    LINE_IS ("P2");
    ev_prepare_stop (loop, &two_prepares[1]);
}

/* ---- cleanup ---- */

TEST_BACKENDS (cleanup_holds_no_reference) // CL-1
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup[2];

    LINE_START (cleanup, &cleanup[0], "K1");
    LINE_START (cleanup, &cleanup[1], "K2");
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ev_cleanup_stop (loop, &cleanup[0]);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ev_cleanup_start (loop, &cleanup[0]);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("");
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    LINE_IS ("K1 K2"); /* started last, invoked first */
}

static void destroy (struct ev_loop *loop)
{
    test_loop_gone (loop);
    ev_loop_destroy (loop);
}

TEST_BACKENDS (destroy_with_cleanup_watchers_delivers_everything_pending) // CL-2
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup;

    LINE_START (cleanup, &cleanup, "cleanup");
    LINE_INIT (timer, &mark, "fed", 0., 0.);
    ev_feed_event (loop, &mark, EV_CUSTOM);
    destroy (loop);
    LINE_IS ("cleanup fed");
    ck_assert_int_ne (ev_is_active (&cleanup), 0); /* LP-6 */
}

TEST_BACKENDS (destroy_without_cleanup_watchers_drops_what_is_pending) // CL-2
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup;

    LINE_START (cleanup, &cleanup, "cleanup");
    LINE_INIT (timer, &mark, "fed", 0., 0.);
    ev_feed_event (loop, &mark, EV_CUSTOM);
    ev_cleanup_stop (loop, &cleanup);
    destroy (loop);
    LINE_IS ("");
}

static void invoke_and_tell (struct ev_loop *loop)
{
    line_add ("hook");
    ev_invoke_pending (loop);
}

TEST_BACKENDS (cleanup_runs_through_the_invoke_hook) // CL-2, HK-3
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup;

    LINE_START (cleanup, &cleanup, "cleanup");
    ev_set_invoke_pending_cb (loop, invoke_and_tell);
    destroy (loop);
    LINE_IS ("hook cleanup");
}

static ev_timer running;
static ev_io watching;

static void stop_all_in_cleanup (struct ev_loop *loop, ev_cleanup *w, int revents)
{
    line_cleanup (loop, w, revents);
    ev_timer_stop (loop, &running);
    ev_io_stop (loop, &watching);
    ev_cleanup_stop (loop, w);
    ev_run (loop, EVRUN_NOWAIT);
}

TEST_BACKENDS (a_cleanup_callback_may_stop_watchers_and_run_the_loop) // CL-3
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup;
    int fd[2];

    test_pipe (fd);
    LINE_START (timer, &running, "timer", 100., 0.);
    LINE_START (io, &watching, "io", fd[0], EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_INIT (cleanup, &cleanup, "cleanup");
    ev_set_cb (&cleanup, stop_all_in_cleanup);
    ev_cleanup_start (loop, &cleanup);
    destroy (loop);
    LINE_IS ("cleanup");
    ck_assert_int_eq (line_revents, EV_CLEANUP);
    ck_assert_int_eq (ev_is_active (&running), 0);
    close (fd[0]);
    close (fd[1]);
}
