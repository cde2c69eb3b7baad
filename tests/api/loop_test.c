/* loop_test.c: running a loop: what ev_run returns, when it waits, how it is broken, what keeps it alive,
 * and the hooks around its phases (contract RN, BR, RF, RE, HK). The order of phases is in order_test.c.
 * Where a wait is shown to be short, the other outcome is the test's deadline, not a measured time. */
#define _GNU_SOURCE
#include "kinds.h"
#include "line.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#define LONG_TIME 3600. /* longer than any deadline: who waits for it has failed */

static void nothing (struct ev_loop *loop, ev_timer *w, int revents)
{
}

/* ---- a signal that comes again and again, so that one of them meets the loop in its poll ---- */

static volatile int tickles;

static void tickle_notice (int signum)
{
    tickles++;
}

static timer_t tickle (void (*handler) (int signum))
{
    struct itimerspec when = { { 0, 20000000 }, { 0, 20000000 } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
    timer_t timer;

    ck_assert_int_eq (sigaction (SIGUSR2, &action, NULL), 0);
    ck_assert_int_eq (timer_create (CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq (timer_settime (timer, 0, &when, NULL), 0);
    return timer;
}

/* ---- ev_run ---- */

TEST_BACKENDS (run_returns_the_number_of_references) // RN-1
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer timers[3];

    for (int i = 0; i < 3; i++) {
        ev_timer_init (&timers[i], nothing, LONG_TIME, 0.);
        ev_timer_start (loop, &timers[i]);
    }
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3);
    for (int i = 0; i < 4; i++)
        ev_unref (loop);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), -1);
    for (int i = 0; i < 4; i++)
        ev_ref (loop);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3);
}

static double fed_at;

static void note_time (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_timer (loop, w, revents);
    fed_at = test_clock ();
}

TEST_BACKENDS (run_invokes_what_is_pending_before_it_waits_and_waits_all_the_same) // RN-2, FE-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer fed, timer;
    double end;

    LINE_INIT (timer, &fed, "fed", 0., 0.);
    ev_set_cb (&fed, note_time);
    LINE_INIT (timer, &timer, "timer", 0.06, 0.);
    ev_now_update (loop);
    end = test_clock () + 0.06;
    ev_timer_start (loop, &timer);
    ev_feed_event (loop, &fed, EV_CUSTOM);
    ev_run (loop, EVRUN_ONCE);
    ck_assert_double_ge (test_clock (), end - 0.005);
    ck_assert_double_lt (fed_at, test_clock ());
    ev_run (loop, 0);
    LINE_IS ("fed timer");
    ck_assert_int_eq (ev_pending_count (loop), 0);
}

static void break_then_run_again (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_break (loop, EVBREAK_ALL);
    ev_run (loop, EVRUN_NOWAIT);
}

TEST_BACKENDS (entering_run_wipes_an_earlier_break) // RN-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer breaker, later;

    LINE_INIT (timer, &breaker, "breaker", 0., 0.);
    ev_set_cb (&breaker, break_then_run_again);
    ev_timer_start (loop, &breaker);
    LINE_START (timer, &later, "later", 0.03, 0.);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("later");
}

TEST_BACKENDS (an_empty_loop_makes_one_iteration) // RN-5
{
    struct ev_loop *loop = test_loop (0);

    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq (ev_run (loop, 0), 0);
        ck_assert_uint_eq (ev_iteration (loop), i);
    }
}

TEST_BACKENDS (run_once_ends_when_a_signal_ends_the_poll) // RN-6, RF-2
{
    struct ev_loop *loop = test_loop (0);
    timer_t timer;

    ev_ref (loop);
    timer = tickle (tickle_notice);
    ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1);
    timer_delete (timer);
    ck_assert_int_ge (tickles, 1);
    ck_assert_uint_eq (ev_iteration (loop), 1);
    ev_unref (loop);
}

static unsigned depths[2];

static void note_depth_inside (struct ev_loop *loop, ev_timer *w, int revents)
{
    depths[1] = ev_depth (loop);
}

static void note_depth (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_timer inside;

    depths[0] = ev_depth (loop);
    ev_timer_init (&inside, note_depth_inside, 0., 0.);
    ev_feed_event (loop, &inside, EV_TIMER);
    ev_run (loop, EVRUN_NOWAIT);
}

TEST_BACKENDS (depth_counts_nested_runs) // RN-7
{
    struct ev_loop *loop = test_loop (0);
    ev_timer outer;

    ev_timer_init (&outer, note_depth, 0., 0.);
    ev_timer_start (loop, &outer);
    ck_assert_uint_eq (ev_depth (loop), 0);
    ev_run (loop, 0);
    ck_assert_uint_eq (depths[0], 1);
    ck_assert_uint_eq (depths[1], 2);
    ck_assert_uint_eq (ev_depth (loop), 0);
}

static void break_from_prepare (struct ev_loop *loop, ev_prepare *w, int revents)
{
    line_prepare (loop, w, revents);
    ev_break (loop, EVBREAK_ONE);
}

TEST_BACKENDS (a_break_in_prepare_suppresses_the_poll_and_check) // RN-8, RN-3 step 4, PC-3
{
    struct ev_loop *loop = test_loop (0);
    static ev_prepare prepare;
    static ev_check check;

    LINE_INIT (prepare, &prepare, "prepare");
    ev_set_cb (&prepare, break_from_prepare);
    ev_prepare_start (loop, &prepare);
    LINE_START (check, &check, "check");
    ev_run (loop, 0);
    LINE_IS ("prepare");
    ck_assert_uint_eq (ev_iteration (loop), 0);
    ev_prepare_stop (loop, &prepare);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("check");
    ck_assert_uint_eq (ev_iteration (loop), 1);
}

static ev_tstamp seen_now[3];
static int seen_count;

static void look_and_linger (struct ev_loop *loop, ev_timer *w, int revents)
{
    seen_now[seen_count++] = ev_now (loop);
    usleep (5000);
}

TEST_BACKENDS (now_stands_still_while_callbacks_run) // RN-9, TM-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timers[3];

    for (int i = 0; i < 3; i++) {
        ev_timer_init (&timers[i], look_and_linger, -1. - i, 0.);
        ev_timer_start (loop, &timers[i]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (seen_count, 3);
    ck_assert (seen_now[0] == seen_now[1] && seen_now[1] == seen_now[2]);
    ck_assert (ev_now (loop) == seen_now[0]);
    ev_now_update (loop);
    ck_assert_double_gt (ev_now (loop), seen_now[0] + 0.01);
}

static void sleep_a_little (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_timer (loop, w, revents);
    usleep (20000);
}

TEST_BACKENDS (a_timer_that_expires_during_callbacks_waits_for_the_next_iteration) // RN-9
{
    struct ev_loop *loop = test_loop (0);
    ev_timer slow, next;

    LINE_INIT (timer, &slow, "slow", -1., 0.);
    ev_set_cb (&slow, sleep_a_little);
    ev_timer_start (loop, &slow);
    ev_now_update (loop);
    LINE_START (timer, &next, "next", 0.01, 0.);
    ev_run (loop, EVRUN_NOWAIT);
    if (!strcmp (line, "slow")) { /* else the machine was so slow that both were due at once */
        ev_run (loop, EVRUN_NOWAIT);
        LINE_IS ("slow next");
    }
}

/* ---- how long it waits (RN-4): the poll backend, because its call can be watched from here ---- */

static int poll_watched, poll_timeout;

int poll (struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec limit = { .tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L };

    poll_timeout = timeout;
    if (poll_watched && timeout > 1000)
        limit = (struct timespec){ .tv_nsec = 1000000 };
    return ppoll (fds, count, timeout < 0 ? NULL : &limit, NULL);
}

static struct ev_loop *watched_loop (void)
{
    poll_watched = 1;
    test_backend = EVBACKEND_POLL;
    return test_loop (0);
}

static int wait_of (struct ev_loop *loop, int flags)
{
    poll_timeout = -2;
    ev_run (loop, flags);
    return poll_timeout;
}

TEST (a_loop_waits_a_minute_at_most_until_it_can_be_told_of_clock_changes) // RN-4, PE-7, section 25
{
    struct ev_loop *loop = watched_loop ();
    static ev_periodic periodic;

    ev_ref (loop);
    ck_assert_int_eq (wait_of (loop, EVRUN_ONCE), 59743);
    LINE_START (periodic, &periodic, "periodic", 0., 1e8, NULL);
    ck_assert_int_ge (wait_of (loop, EVRUN_ONCE), 1500001070);
    ck_assert_int_le (wait_of (loop, EVRUN_ONCE), 1500001071);
    ev_unref (loop);
}

TEST (a_loop_does_not_wait_when_there_is_no_reason_to) // RN-4, ID-3
{
    struct ev_loop *loop = watched_loop ();
    ev_timer timer;
    ev_idle idle;

    ck_assert_int_eq (wait_of (loop, 0), 0); /* no references */
    ev_ref (loop);
    ck_assert_int_eq (wait_of (loop, EVRUN_NOWAIT), 0);
    LINE_START (timer, &timer, "due", 0., 0.);
    ck_assert_int_eq (wait_of (loop, EVRUN_ONCE), 0);
    LINE_START (idle, &idle, "idle");
    ck_assert_int_eq (wait_of (loop, EVRUN_ONCE), 0);
    ev_idle_stop (loop, &idle);
    ck_assert_int_gt (wait_of (loop, EVRUN_ONCE), 0);
    ev_unref (loop);
}

TEST (a_loop_waits_for_the_nearest_expiry_and_never_ends_before_it) // RN-4, TI-1, IO-18
{
    struct ev_loop *loop = watched_loop ();
    ev_timer near, far;

    ev_now_update (loop);
    LINE_START (timer, &far, "far", 9., 0.);
    LINE_START (timer, &near, "near", 5., 0.);
    ck_assert_int_le (wait_of (loop, EVRUN_ONCE | 0x100), 5001); /* other bits of flags mean nothing */
    ev_timer_stop (loop, &near);
    ev_timer_stop (loop, &far);
    ev_timer_set (&near, 0.0305, 0.);
    ev_now_update (loop);
    ev_timer_start (loop, &near);
    line[0] = 0;
    ev_run (loop, 0);
    LINE_IS ("near");
}

TEST_BACKENDS (a_signal_caught_before_the_run_makes_the_poll_not_wait) // RN-4, SG-8
{
    struct ev_loop *loop = test_loop (0);
    ev_signal signal;

    LINE_START (signal, &signal, "signal", SIGUSR1);
    raise (SIGUSR1);
    ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1); /* else the deadline */
    LINE_IS ("signal");
    ev_signal_stop (loop, &signal);
}

/* ---- ev_break ---- */

static void check_breaks (struct ev_loop *loop, ev_check *w, int revents)
{
    line_check (loop, w, revents);
    ev_break (loop, EVBREAK_ONE);
}

TEST_BACKENDS (break_lets_pending_callbacks_run) // BR-1
{
    struct ev_loop *loop = test_loop (0);
    static ev_check check;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    LINE_INIT (check, &check, "check");
    ev_set_cb (&check, check_breaks);
    ev_check_start (loop, &check);
    LINE_START (io, &io, "io", fd[1], EV_WRITE);
    ck_assert_int_eq (ev_run (loop, 0), 2);
    LINE_IS ("check io");
    ck_assert_uint_eq (ev_iteration (loop), 1);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

static int inner_how;

static void break_as_told (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_timer (loop, w, revents);
    ev_break (loop, inner_how);
}

static void run_inside (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_timer breaker;

    LINE_INIT (timer, &breaker, "inner", 0., 0.);
    ev_set_cb (&breaker, break_as_told);
    ev_timer_start (loop, &breaker);
    ev_run (loop, 0);
}

/* Three runs in each other, the innermost is broken; then only the still running outer ones see "later". */
static void nest (struct ev_loop *loop)
{
    ev_timer outer, later;

    ev_timer_init (&outer, run_inside, 0., 0.);
    ev_timer_start (loop, &outer);
    LINE_START (timer, &later, "later", 0.03, 0.);
    ev_run (loop, 0);
    line_add ("end");
    ev_timer_stop (loop, &later);
}

TEST_BACKENDS (break_one_ends_the_innermost_run) // BR-1
{
    inner_how = EVBREAK_ONE;
    nest (test_loop (0));
    LINE_IS ("inner later end");
}

TEST_BACKENDS (break_all_ends_all_nested_runs) // BR-1
{
    inner_how = EVBREAK_ALL;
    nest (test_loop (0));
    LINE_IS ("inner end");
}

static void break_and_take_back (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_break (loop, EVBREAK_ALL);
    ev_break (loop, EVBREAK_CANCEL);
}

TEST_BACKENDS (break_can_be_taken_back) // BR-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer breaker, later;

    ev_timer_init (&breaker, break_and_take_back, 0., 0.);
    ev_timer_start (loop, &breaker);
    LINE_START (timer, &later, "later", 0.03, 0.);
    ev_run (loop, 0);
    LINE_IS ("later");
}

TEST_BACKENDS (break_outside_a_run_does_nothing) // BR-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    LINE_START (timer, &timer, "timer", 0.02, 0.);
    ev_break (loop, EVBREAK_ALL);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("timer");
}

TEST_BACKENDS (a_broken_run_can_be_run_again) // BR-1, RN-7
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer breaker;

    inner_how = EVBREAK_ALL;
    LINE_INIT (timer, &breaker, "tick", 0.005, 0.005);
    ev_set_cb (&breaker, break_as_told);
    ev_timer_start (loop, &breaker);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq (ev_run (loop, 0), 1);
    LINE_IS ("tick tick tick");
}

#ifndef STOCK_LIBEV
static struct ev_loop *tickled_loop;

static void tickle_break (int signum)
{
    ev_break (tickled_loop, EVBREAK_ONE);
}

TEST_BACKENDS (break_from_a_signal_handler_during_the_poll_is_honoured) // BR-3, decision 26.4
{
    timer_t timer;

    tickled_loop = test_loop (0);
    ev_ref (tickled_loop);
    timer = tickle (tickle_break);
    ck_assert_int_eq (ev_run (tickled_loop, 0), 1); /* else the deadline */
    timer_delete (timer);
    ev_unref (tickled_loop);
}

static void hook_breaks (struct ev_loop *loop) EV_NOEXCEPT
{
    ev_break (loop, EVBREAK_ONE);
}

static void break_in_hooks (void (*release) (struct ev_loop *loop), void (*acquire) (struct ev_loop *loop))
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_set_loop_release_cb (loop, release, acquire);
    ev_timer_init (&timer, nothing, 0.01, 0.01);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 1); /* else the deadline */
    ev_set_loop_release_cb (loop, NULL, NULL);
    ev_timer_stop (loop, &timer);
}

TEST_BACKENDS (break_from_the_release_or_acquire_hook_is_honoured) // BR-3, decision 26.4
{
    break_in_hooks (hook_breaks, NULL);
    break_in_hooks (NULL, hook_breaks);
}
#endif

/* ---- references ---- */

static void kind_nothing (struct ev_loop *loop, ev_watcher *w, int revents)
{
}

TEST_BACKENDS (every_kind_holds_its_references_while_active) // RF-1, RF-3
{
    struct ev_loop *loop = test_loop (0);
    union ev_any_watcher w;

    kinds_open ();
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        kind_init (kind, &w, kind_nothing);
        if (w.w.cb == kind_nothing && kind->bit == EV_TIMER)
            ev_timer_set (&w.timer, LONG_TIME, LONG_TIME);
        if (kind->bit == EV_PERIODIC)
            ev_periodic_set (&w.periodic, 0., 1e9, NULL);
        kind->start (loop, &w);
        ck_assert_msg (ev_run (loop, EVRUN_NOWAIT) == kind->references, "%s holds another number",
                       kind->name);
        ck_assert_msg (ev_is_active (&w), "%s did not stay active", kind->name);
        kind->stop (loop, &w);
        ck_assert_msg (ev_run (loop, EVRUN_NOWAIT) == 0, "%s does not give its references back", kind->name);
    }
    kinds_close ();
}

static void stat_nothing (struct ev_loop *loop, ev_stat *w, int revents)
{
}

TEST_BACKENDS (a_stat_watcher_holds_one_reference_and_a_cleanup_watcher_none) // RF-1, RF-3, CL-1
{
    struct ev_loop *loop = test_loop (0);
    ev_cleanup cleanup;
    ev_stat stat;

    LINE_START (cleanup, &cleanup, "cleanup");
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ev_stat_init (&stat, stat_nothing, "/proc/version", 0.);
    ev_stat_start (loop, &stat);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ev_stat_stop (loop, &stat);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ev_cleanup_stop (loop, &cleanup);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (an_unreferenced_watcher_does_not_keep_the_loop_alive) // RF-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer background, last;

    ev_timer_init (&background, nothing, LONG_TIME, 0.);
    ev_timer_start (loop, &background);
    ev_unref (loop);
    LINE_START (timer, &last, "last", 0.01, 0.);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("last");
    ev_ref (loop);
    ev_timer_stop (loop, &background);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

static int ticks_left;

static void tick_and_break (struct ev_loop *loop, ev_timer *w, int revents)
{
    if (!--ticks_left)
        ev_break (loop, EVBREAK_ONE);
}

TEST_BACKENDS (a_negative_count_does_not_end_the_loop) // RF-2
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer timer;

    ticks_left = 4;
    ev_timer_init (&timer, tick_and_break, 0.005, 0.005);
    ev_timer_start (loop, &timer);
    ev_unref (loop);
    ev_unref (loop);
    ck_assert_int_eq (ev_run (loop, 0), -1);
    ck_assert_int_eq (ticks_left, 0);
    ev_ref (loop);
    ev_ref (loop);
}

/* ---- recursion ---- */

static void run_from_callback (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_add ("begin");
    ev_run (loop, EVRUN_NOWAIT);
    line_add ("end");
}

TEST_BACKENDS (a_nested_run_invokes_what_the_outer_one_has_pending) // RE-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer a, b;

    ev_timer_init (&a, run_from_callback, 0., 0.);
    LINE_INIT (timer, &b, "B", 0., 0.);
    ev_feed_event (loop, &b, EV_TIMER);
    ev_feed_event (loop, &a, EV_TIMER);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("begin B end");
}

static int levels_left;

static void run_deeper (struct ev_loop *loop, ev_timer *w, int revents)
{
    ck_assert_uint_eq (ev_depth (loop), (unsigned) (50 - levels_left + 1));
    if (--levels_left) {
        ev_timer_set (w, 0., 0.);
        ev_timer_start (loop, w);
        ev_run (loop, EVRUN_ONCE);
    }
}

TEST_BACKENDS (runs_nest_deeply) // RE-1, RN-7
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    levels_left = 50;
    ev_timer_init (&timer, run_deeper, 0., 0.);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (levels_left, 0);
    ck_assert_uint_eq (ev_depth (loop), 0);
}

/* ---- collect intervals ---- */

TEST_BACKENDS (the_timeout_collect_interval_makes_timers_late) // HK-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    double start;

    ev_set_timeout_collect_interval (loop, 0.08);
    ev_now_update (loop);
    start = test_clock ();
    LINE_START (timer, &timer, "timer", 0.01, 0.);
    ev_run (loop, 0);
    LINE_IS ("timer");
    ck_assert_double_ge (test_clock () - start, 0.075);
    ev_set_timeout_collect_interval (loop, 0.);
}

TEST_BACKENDS (the_timeout_collect_interval_does_not_delay_io) // HK-1
{
    struct ev_loop *loop = test_loop (0);
    ev_io io;
    int fd[2];

    test_pipe (fd);
    ev_set_timeout_collect_interval (loop, LONG_TIME);
    LINE_START (io, &io, "io", fd[1], EV_WRITE);
    ev_run (loop, EVRUN_ONCE); /* else the deadline */
    LINE_IS ("io");
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (the_io_collect_interval_keeps_polls_apart) // HK-2
{
    struct ev_loop *loop = test_loop (0);
    double start;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    LINE_START (io, &io, "io", fd[1], EV_WRITE);
    ev_set_io_collect_interval (loop, 0.05);
    start = test_clock ();
    for (int i = 0; i < 3; i++)
        ev_run (loop, EVRUN_ONCE);
    ck_assert_double_ge (test_clock () - start, 0.09);
    LINE_IS ("io io io");
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (the_io_collect_interval_delays_neither_nowait_nor_idle_nor_timers) // HK-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    ev_idle idle;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    LINE_START (io, &io, "io", fd[1], EV_WRITE);
    ev_set_io_collect_interval (loop, LONG_TIME); /* each of these runs could end at the deadline */
    ev_run (loop, EVRUN_NOWAIT);
    LINE_START (idle, &idle, "idle");
    ev_run (loop, EVRUN_ONCE);
    ev_idle_stop (loop, &idle);
    LINE_IS ("io io");
    LINE_START (timer, &timer, "timer", 0.02, 0.);
    while (ev_is_active (&timer))
        ev_run (loop, EVRUN_ONCE);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

/* ---- hooks ---- */

static unsigned hook_saw[16];
static int hook_calls;

static void hook_counts (struct ev_loop *loop)
{
    hook_saw[hook_calls++] = ev_pending_count (loop);
    ev_invoke_pending (loop);
}

TEST_BACKENDS (the_invoke_hook_replaces_every_pass_of_a_run) // HK-3
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    not_stock (EVBACKEND_IOURING, "its own timer shows among the pending");
    LINE_START (timer, &timer, "timer", -1., 0.);
    ev_set_invoke_pending_cb (loop, hook_counts);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (hook_calls, 2);
    ck_assert_uint_eq (hook_saw[0], 0);
    ck_assert_uint_eq (hook_saw[1], 1);
    LINE_IS ("timer");
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (hook_calls, 4);
    ck_assert_uint_eq (hook_saw[3], 0);
    ev_set_invoke_pending_cb (loop, ev_invoke_pending);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (hook_calls, 4);
}

static void hook_leaves_all (struct ev_loop *loop)
{
}

TEST_BACKENDS (events_the_invoke_hook_leaves_stay_pending_and_merge) // HK-3, PQ-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    not_stock (EVBACKEND_IOURING, "its own timer shows among the pending");
    ev_set_invoke_pending_cb (loop, hook_leaves_all);
    LINE_START (timer, &timer, "timer", -1., 0.);
    ev_run (loop, EVRUN_NOWAIT);
    ev_feed_event (loop, &timer, EV_CUSTOM);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("");
    ck_assert_uint_eq (ev_pending_count (loop), 1);
    ev_set_invoke_pending_cb (loop, ev_invoke_pending);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("timer");
    ck_assert_int_eq (line_revents, EV_TIMER | EV_CUSTOM);
}

static int released, acquired;

static void hook_releases (struct ev_loop *loop) EV_NOEXCEPT
{
    ck_assert_int_eq (released, acquired); /* strictly in turn */
    released++;
}

static void hook_acquires (struct ev_loop *loop) EV_NOEXCEPT
{
    acquired++;
    ck_assert_int_eq (released, acquired);
}

TEST_BACKENDS (release_and_acquire_stand_around_the_poll) // HK-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_set_loop_release_cb (loop, hook_releases, hook_acquires);
    ev_run (loop, EVRUN_NOWAIT);
    if (test_backend != EVBACKEND_IOURING) /* a ring need not enter the kernel to look */
        ck_assert_int_eq (released, 1);
    released = acquired = 0;
    ev_now_update (loop);
    LINE_START (timer, &timer, "timer", 0.02, 0.);
    ev_run (loop, 0);
    ck_assert_int_ge (released, 1);
    ck_assert_int_eq (released, acquired);
    ev_set_loop_release_cb (loop, NULL, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("timer");
}

TEST_BACKENDS (either_hook_may_be_absent) // HK-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_set_loop_release_cb (loop, NULL, hook_leaves_all);
    LINE_START (timer, &timer, "one", 0.01, 0.);
    ev_run (loop, 0);
    ev_set_loop_release_cb (loop, hook_leaves_all, NULL);
    LINE_START (timer, &timer, "two", 0.01, 0.);
    ev_run (loop, 0);
    LINE_IS ("one two");
}

static ev_io hook_io;

static void hook_starts_io (struct ev_loop *loop) EV_NOEXCEPT
{
    if (!ev_is_active (&hook_io) && !acquired++)
        ev_io_start (loop, &hook_io);
}

static void io_ends (struct ev_loop *loop, ev_io *w, int revents)
{
    line_io (loop, w, revents);
    ev_io_stop (loop, w);
}

TEST_BACKENDS (a_watcher_started_between_release_and_acquire_is_served) // HK-5, U-15
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    int fd[2];

    test_pipe (fd);
    LINE_INIT (io, &hook_io, "io", fd[1], EV_WRITE);
    ev_set_cb (&hook_io, io_ends);
    ev_set_loop_release_cb (loop, hook_starts_io, NULL);
    ev_timer_init (&timer, nothing, 0.03, 0.);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("io");
    ev_set_loop_release_cb (loop, NULL, NULL);
    close (fd[0]);
    close (fd[1]);
}

static struct ev_loop *hook_inner_loop;

static void hook_stops_and_starts (struct ev_loop *loop) EV_NOEXCEPT
{
    ev_timer *w = ev_userdata (loop);

    ev_timer_stop (loop, w);
    ev_timer_set (w, 0.01, 0.);
    if (ticks_left-- > 0)
        ev_timer_start (loop, w);
}

TEST_BACKENDS (timers_may_change_between_release_and_acquire) // HK-5
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ticks_left = 3;
    ev_set_userdata (loop, &timer);
    ev_timer_init (&timer, nothing, 0.02, 0.);
    ev_timer_start (loop, &timer);
    ev_set_loop_release_cb (loop, NULL, hook_stops_and_starts);
    for (int i = 0; i < 200 && ticks_left >= 0; i++)
        ev_run (loop, EVRUN_ONCE);
    ev_set_loop_release_cb (loop, NULL, NULL);
    ck_assert_int_lt (ticks_left, 0);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

static void run_another (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_add ("outer");
    ev_run (hook_inner_loop, 0);
    line_add ("outer end");
}

TEST_BACKENDS (a_loop_can_run_inside_a_callback_of_another) // RE-1, TH-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer outer, inner;

    ev_timer_init (&outer, run_another, 0., 0.);
    ev_timer_start (loop, &outer);
    hook_inner_loop = test_loop (0);
    LINE_INIT (timer, &inner, "inner", 0.01, 0.);
    ev_timer_start (hook_inner_loop, &inner);
    ev_run (loop, 0);
    LINE_IS ("outer inner outer end");
    ck_assert_uint_eq (ev_depth (hook_inner_loop), 0);
}
