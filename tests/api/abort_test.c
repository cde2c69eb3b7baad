/* abort_test.c: misuse of timers, periodics and of the loop itself (contract AB). What the original aborts
 * on is refused here: the watcher is not active, its callback gets EV_ERROR, standard error says which rule
 * was broken, and the rest of the loop goes on. Where there is nobody to tell, we abort as well. Bad
 * descriptors, signals, children and embedded loops are with their kinds. */
#include "trace.h"

#include <math.h>
#include <sys/resource.h>

static const char *const neighbour_name = "neighbour";

/* A healthy timer beside the refused watcher must fire as if nothing had happened. */
static void child_neighbours_live (struct ev_loop *loop)
{
    ev_timer neighbour;

    ev_timer_init (&neighbour, trace_timer, -1., 0.);
    neighbour.data = (void *) neighbour_name;
    ev_timer_start (loop, &neighbour);
    trace_clear ();
    child_must (ev_run (loop, EVRUN_NOWAIT) == 0);
    child_must (!strcmp (trace, neighbour_name));
    ev_verify (loop);
}

/* ---- timers ---- */

static ev_timer timer;

static void start_with_repeat (void *repeat)
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&timer, trace_timer, 0., *(ev_tstamp *) repeat);
    timer.data = "timer";
    ev_timer_start (loop, &timer);
    child_must_be_refused (loop, &timer, EV_TIMER);
    child_neighbours_live (loop);
    timer.repeat = 0.; /* a watcher that is set right can be started */
    ev_timer_start (loop, &timer);
    child_must (ev_is_active (&timer));
    ev_run (loop, EVRUN_NOWAIT);
    child_must (trace_events == EV_TIMER);
}

TEST_BACKENDS (a_timer_with_a_negative_or_nan_repeat_is_refused) // AB-1, TI-9
{
    static ev_tstamp repeats[] = { -1., -1e-300, -HUGE_VAL, NAN };

    for (int i = 0; i < 4; i++)
        check_refused (start_with_repeat, &repeats[i], "ev_timer_start");
}

static void again_with_repeat (void *repeat)
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&timer, trace_timer, 0., *(ev_tstamp *) repeat);
    timer.data = "timer";
    ev_timer_again (loop, &timer);
    child_must_be_refused (loop, &timer, EV_TIMER);
    child_neighbours_live (loop);
}

TEST_BACKENDS (again_refuses_an_inactive_timer_with_a_negative_repeat) // AB-1, TI-6, TI-9
{
    static ev_tstamp repeat = -1.;

    check_refused (again_with_repeat, &repeat, "ev_timer_start");
}

static void repeat_turns_negative (void *again)
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&timer, trace_timer, -1., 1.);
    timer.data = "timer";
    ev_timer_start (loop, &timer);
    timer.repeat = -5.;
    if (again) /* accepted while active: it moves into the past */
        ev_timer_again (loop, &timer);
    child_must (ev_is_active (&timer));
    trace_clear ();
    child_must (ev_run (loop, EVRUN_NOWAIT) == 0);
    child_must (!ev_is_active (&timer));
    child_must (trace_count == 1);
    child_must (trace_events == (EV_ERROR | EV_TIMER));
    child_neighbours_live (loop);
}

TEST_BACKENDS (a_repeat_that_has_become_negative_at_expiry_stops_the_timer) // AB-1, TI-9
{
    check_refused (repeat_turns_negative, NULL, "repeat");
    check_refused (repeat_turns_negative, "again", "repeat");
}

/* ---- periodics ---- */

static ev_periodic periodic;

static void start_with_interval (void *interval)
{
    struct ev_loop *loop = test_loop (0);

    ev_periodic_init (&periodic, trace_periodic, 0., *(ev_tstamp *) interval, NULL);
    periodic.data = "periodic";
    ev_periodic_start (loop, &periodic);
    child_must_be_refused (loop, &periodic, EV_PERIODIC);
    child_neighbours_live (loop);
}

TEST_BACKENDS (a_periodic_with_a_negative_interval_is_refused) // AB-1
{
    static ev_tstamp intervals[] = { -1., -1e-300, -HUGE_VAL };

    for (int i = 0; i < 3; i++)
        check_refused (start_with_interval, &intervals[i], "ev_periodic_start");
}

static ev_tstamp in_an_hour (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    return now + 3600.;
}

TEST_BACKENDS (a_negative_interval_does_not_matter_where_a_callback_decides) // AB-1, PE-1
{
    struct ev_loop *loop = test_loop (0);

    ev_periodic_init (&periodic, trace_periodic, 0., -1., in_an_hour);
    ev_periodic_start (loop, &periodic);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ev_periodic_stop (loop, &periodic);
}

static ev_tstamp before_now (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    return now - 1.;
}

static void reschedule_into_the_past (void *arg)
{
    struct ev_loop *loop = test_loop (0);

    ev_periodic_init (&periodic, trace_periodic, 0., 0., before_now);
    periodic.data = "periodic";
    ev_periodic_start (loop, &periodic); /* accepted here (PE-3) */
    child_must (ev_is_active (&periodic));
    trace_clear ();
    child_must (ev_run (loop, EVRUN_NOWAIT) == 0);
    child_must (!ev_is_active (&periodic));
    child_must (trace_count == 1);
    child_must (trace_events == (EV_ERROR | EV_PERIODIC));
    child_neighbours_live (loop);
}

TEST_BACKENDS (a_reschedule_callback_that_answers_with_the_past_stops_the_periodic) // AB-1, PE-3
{
    check_refused (reschedule_into_the_past, NULL, "reschedule");
}

/* ---- the loop: nobody to tell ---- */

/* body must end by abort, with a message of at least a word. */
static void check_aborts (void (*body) (void *arg), void *arg, const char *word)
{
    char said[1000];
    int status = test_child (body, arg, said, sizeof said);

    ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT, "status 0x%x: %s", (unsigned) status,
                   said);
#ifndef STOCK_LIBEV
    ck_assert_msg (strstr (said, word) != NULL, "the message does not mention %s: %s", word, said);
#endif
}

static void hook_runs (struct ev_loop *loop) EV_NOEXCEPT
{
    ev_run (loop, EVRUN_NOWAIT);
}

static void run_in_hook (void *acquire)
{
    struct ev_loop *loop = test_loop (0);

    ev_set_loop_release_cb (loop, acquire ? NULL : hook_runs, acquire ? hook_runs : NULL);
    ev_timer_init (&timer, trace_timer, 0.01, 0.);
    timer.data = "timer";
    ev_timer_start (loop, &timer);
    ev_run (loop, 0);
}

TEST_BACKENDS (running_a_loop_from_its_own_hooks_aborts) // AB-1, HK-4
{
    check_aborts (run_in_hook, NULL, "ev_run");
    check_aborts (run_in_hook, "acquire", "ev_run");
}

static void change_at (void *arg)
{
    static ev_timer timers[10];
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < 10; i++) {
        ev_timer_init (&timers[i], trace_timer, 100. + i, 0.);
        ev_timer_start (loop, &timers[i]);
    }
    ev_verify (loop);
    ev_timer_set (&timers[5], 1., 0.);
    ev_verify (loop);
}

static void lose_references (void *arg)
{
    struct ev_loop *loop = test_loop (0);

    ev_unref (loop);
    ev_verify (loop); /* one less is legal */
    ev_unref (loop);
    ev_verify (loop);
}

static void init_while_active (void *arg)
{
    static ev_timer timers[2];
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < 2; i++) {
        ev_timer_init (&timers[i], trace_timer, 100. + i, 0.);
        ev_timer_start (loop, &timers[i]);
    }
    ev_init (&timers[1], trace_timer);
    ev_verify (loop);
}

static void init_prepare_while_active (void *arg)
{
    static ev_prepare prepare;
    struct ev_loop *loop = test_loop (0);

    ev_prepare_init (&prepare, trace_prepare);
    ev_prepare_start (loop, &prepare);
    ev_prepare_init (&prepare, trace_prepare);
    ev_verify (loop);
}

static void priority_while_active (void *arg)
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&timer, trace_timer, 0., 0.);
    ev_timer_start (loop, &timer);
    ev_set_priority (&timer, 100);
    ev_verify (loop);
}

TEST_BACKENDS (verify_finds_a_timer_that_was_changed_or_initialised_while_active) // AB-1, HK-6
{
    check_aborts (change_at, NULL, "ev_verify");
    check_aborts (init_while_active, NULL, "ev_verify");
    check_aborts (init_prepare_while_active, NULL, "ev_verify");
}

TEST_BACKENDS (verify_finds_a_reference_count_below_minus_one) // AB-1, HK-6
{
    check_aborts (lose_references, NULL, "ev_verify");
}

TEST_BACKENDS (verify_finds_a_priority_out_of_range) // AB-1, HK-6
{
    check_aborts (priority_while_active, NULL, "ev_verify");
}

static void *allocate_nothing (void *memory, long size) EV_NOEXCEPT
{
    return NULL;
}

static void make_a_loop_of_nothing (void *arg)
{
    ev_set_allocator (allocate_nothing);
    test_loop (0);
}

TEST_BACKENDS (an_allocator_without_memory_ends_the_program) // AB-1, GL-7
{
    char said[1000];
    int status = test_child (make_a_loop_of_nothing, NULL, said, sizeof said);

    ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT, "status 0x%x: %s", (unsigned) status,
                   said);
    ck_assert_ptr_nonnull (strpbrk (said, "0123456789")); /* it says how many bytes */
}

/* ---- system calls that fail ---- */

static int pipe_fd[2];

/* poll refuses more descriptors than the process may open. */
static void poll_fails (void *arg)
{
    struct rlimit limit;
    struct ev_loop *loop = test_loop (0);
    ev_io io;

    test_pipe (pipe_fd);
    ev_io_init (&io, trace_io, pipe_fd[0], EV_READ);
    io.data = "io";
    ev_io_start (loop, &io);
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 0;
    setrlimit (RLIMIT_NOFILE, &limit);
    ev_run (loop, EVRUN_NOWAIT);
    child_must (trace_count == 0);
    child_must (ev_is_active (&io));
}

static const char limits_are_its_own[] = "valgrind does not let poll fail for want of descriptors";

static int syserr_errno;
static char syserr_message[200];

static void note_syserr (const char *message) EV_NOEXCEPT
{
    syserr_errno = errno;
    snprintf (syserr_message, sizeof syserr_message, "%s", message);
}

static void poll_fails_and_the_callback_is_told (void *arg)
{
    ev_set_syserr_cb (note_syserr);
    poll_fails (NULL);
    child_must (syserr_errno == EINVAL);
    child_must (strstr (syserr_message, "poll") != NULL);
    child_must (syserr_message[0] == '(');
}

/* What else may fail, and ends it: tests/fault/syserr_test.c. */
TEST (without_syserr_callback_poll_under_a_lowered_limit_ends_no_program) // AB-2
{
    test_needs_no_valgrind (limits_are_its_own);
    test_backend = EVBACKEND_POLL;
#ifdef STOCK_LIBEV
    check_aborts (poll_fails, NULL, "poll");
#else
    check_in_child (poll_fails, NULL);
#endif
}

TEST (with_a_syserr_callback_a_failing_poll_is_reported_and_the_loop_goes_on) // AB-2, GL-8
{
    test_needs_no_valgrind (limits_are_its_own);
    test_backend = EVBACKEND_POLL;
    check_in_child (poll_fails_and_the_callback_is_told, NULL);
}

static void epoll_descriptor_is_gone (void *arg)
{
    struct ev_loop *loop = test_loop (0);
    int fd = -1;

    ck_assert_int_eq (fds_of ("[eventpoll]", &fd), 1);
    close (fd);
    ev_set_syserr_cb (note_syserr);
    child_must (ev_run (loop, EVRUN_NOWAIT) == 0);
    child_must (syserr_errno == EBADF);
    child_must (strstr (syserr_message, "epoll") != NULL);
}

TEST (an_epoll_descriptor_closed_behind_the_loops_back_is_reported) // GL-8
{
    test_backend = EVBACKEND_EPOLL;
    check_in_child (epoll_descriptor_is_gone, NULL);
}
