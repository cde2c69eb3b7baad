/* signal_test.c: ev_signal seen from outside, contract section 12.
 * Promises a test for each of SG-1 to SG-13, for LP-8, and for signals that arrive while each backend waits.
 * Signals are raised in the thread itself, so that "has been delivered" needs no waiting. */
#include "trace.h"

static void signal_begin (struct ev_loop *loop, ev_signal *w, int signum, const char *name)
{
    ev_signal_init (w, trace_signal, signum);
    w->data = (void *) name;
    ev_signal_start (loop, w);
}

static void block (int how, int signum)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, signum);
    ck_assert_int_eq (pthread_sigmask (how, &set, NULL), 0);
}

static int blocked (int signum)
{
    sigset_t set;

    ck_assert_int_eq (pthread_sigmask (SIG_SETMASK, NULL, &set), 0);
    return sigismember (&set, signum);
}

static struct sigaction disposition (int signum)
{
    struct sigaction now;

    ck_assert_int_eq (sigaction (signum, NULL, &now), 0);
    return now;
}

/* ---- delivery ---- */

/* SG-1, SG-6: coalesced; every watcher of the signal, in start order */
TEST_BACKENDS (two_raises_call_each_watcher_of_the_signal_once_in_start_order)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal a, b, c;

    signal_begin (loop, &a, SIGUSR1, "a");
    signal_begin (loop, &b, SIGUSR1, "b");
    signal_begin (loop, &c, SIGUSR1, "c");
    raise (SIGUSR1);
    raise (SIGUSR1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3);
    ck_trace ("a b c");
    ck_assert_int_eq (trace_events, EV_SIGNAL);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b c");
    ev_signal_stop (loop, &a);
    ev_signal_stop (loop, &b);
    ev_signal_stop (loop, &c);
}

/* SG-7: asynchronous watchers first, then signals, lower numbers first, all in one iteration */
TEST_BACKENDS (asyncs_come_before_signals_and_low_signals_before_high_ones)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal one, two;
    ev_async async;

    ev_async_init (&async, trace_async);
    async.data = "async";
    ev_async_start (loop, &async);
    signal_begin (loop, &two, SIGUSR2, "usr2");
    signal_begin (loop, &one, SIGUSR1, "usr1");
    raise (SIGUSR2);
    raise (SIGUSR1);
    ev_async_send (loop, &async);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async usr1 usr2");
    ev_async_stop (loop, &async);
    ev_signal_stop (loop, &one);
    ev_signal_stop (loop, &two);
}

/* SG-7: noticed at the highest priority, queued at their own */
TEST_BACKENDS (signal_watchers_of_all_priorities_run_in_the_iteration_that_notices)
{
    struct ev_loop *loop = test_loop (0);
    const char *names[] = { "low", "middle", "high" };
    ev_signal w[3];

    for (int i = 0; i < 3; i++) {
        ev_signal_init (&w[i], trace_signal, SIGUSR1);
        ev_set_priority (&w[i], EV_MINPRI + 2 * i);
        w[i].data = (void *) names[i];
        ev_signal_start (loop, &w[i]);
    }
    raise (SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("high middle low");
    for (int i = 0; i < 3; i++)
        ev_signal_stop (loop, &w[i]);
}

/* SG-8: what arrived before the poll ends it at once; no descriptor is written to */
TEST_BACKENDS (signal_before_the_wait_ends_it_without_a_write)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;
    long writes;

    test_needs_no_valgrind ("valgrind writes, too");
    signal_begin (loop, &w, SIGUSR1, "usr1");
    ev_run (loop, EVRUN_NOWAIT);
    writes = write_calls ("/proc/self/io");
    raise (SIGUSR1);
    ev_run (loop, EVRUN_ONCE);
    writes = write_calls ("/proc/self/io") - writes;
    ck_trace ("usr1");
    ck_assert_int_eq (writes, 0);
    ev_signal_stop (loop, &w);
}

static void interrupt_main (void *thread)
{
    pthread_kill (*(pthread_t *) thread, SIGUSR1);
}

/* SG-1, RN-4: the loop's thread is hit while its backend waits */
TEST_BACKENDS (signal_that_interrupts_the_wait_is_delivered)
{
    struct ev_loop *loop = test_loop (0);
    pthread_t self = pthread_self ();
    struct later later;
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, interrupt_main, &self);
        ck_run_until (loop, 1);
        later_join (&later);
        ck_trace ("usr1");
    }
    ev_signal_stop (loop, &w);
}

struct victim {
    int errno_after, writes;
};

static void raise_here (void *arg)
{
    struct victim *victim = arg;
    long writes;

    block (SIG_UNBLOCK, SIGUSR1);
    writes = write_calls ("/proc/thread-self/io");
    errno = 4711;
    raise (SIGUSR1);
    victim->errno_after = errno;
    victim->writes = (int) (write_calls ("/proc/thread-self/io") - writes);
}

/* SG-9, TH-2: the handler runs in a thread that is not the loop's, wakes it with one write, and leaves no trace */
TEST_BACKENDS (signal_in_another_thread_wakes_the_loop_and_leaves_errno_alone)
{
    struct ev_loop *loop = test_loop (0);
    struct victim victim = { 0, 0 };
    struct later later;
    ev_signal w;

    test_needs_no_valgrind ("valgrind writes, too");
    signal_begin (loop, &w, SIGUSR1, "usr1");
    block (SIG_BLOCK, SIGUSR1);
    later_start (&later, raise_here, &victim);
    ck_run_until (loop, 1);
    later_join (&later);
    ck_trace ("usr1");
    ck_assert_int_eq (victim.errno_after, 4711);
    ck_assert_int_le (victim.writes, 1);
    ev_signal_stop (loop, &w);
}

/* SG-9 */
TEST_BACKENDS (the_handler_leaves_errno_alone_while_the_loop_does_not_wait)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    errno = 4711;
    raise (SIGUSR1);
    ck_assert_int_eq (errno, 4711);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("usr1");
    ev_signal_stop (loop, &w);
}

/* RF-1, LP-11: a watcher is a reference, the first one makes one descriptor, none of it remains */
TEST_BACKENDS (signal_watchers_are_references_and_share_one_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    int before = test_fd_count ();
    ev_signal a, b;

    signal_begin (loop, &a, SIGUSR1, "a");
    ck_assert_int_eq (test_fd_count (), before + 1);
    signal_begin (loop, &b, SIGUSR2, "b");
    ck_assert_int_eq (test_fd_count (), before + 1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 2);
    ev_signal_stop (loop, &a);
    ev_signal_stop (loop, &b);
    ck_assert_int_eq (ev_run (loop, 0), 0);
}

static void stop_the_other (EV_P_ ev_signal *w, int revents)
{
    trace_add ("stopper", revents);
    ev_signal_stop (EV_A_ w);
    ev_signal_stop (EV_A_ (ev_signal *) w->data);
}

/* WA-1, PQ-4: stopping takes a pending call back, also from a callback of the same signal */
TEST_BACKENDS (signal_watcher_stopped_while_pending_is_not_called)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal first, second;

    ev_signal_init (&first, stop_the_other, SIGUSR1);
    first.data = &second;
    ev_signal_start (loop, &first);
    signal_begin (loop, &second, SIGUSR1, "second");
    raise (SIGUSR1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_trace ("stopper");
    ck_assert (disposition (SIGUSR1).sa_handler == SIG_DFL);
}

static void raise_again (EV_P_ ev_signal *w, int revents)
{
    trace_add ("raise", revents);
    if (trace_count < 3)
        raise (w->signum);
}

/* SG-6, SG-7: a signal raised by a signal's callback comes one iteration later, and comes */
TEST_BACKENDS (signal_raised_in_its_own_callback_comes_in_the_next_iteration)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    ev_signal_init (&w, raise_again, SIGUSR1);
    ev_signal_start (loop, &w);
    raise (SIGUSR1);
    for (int i = 1; i <= 3; i++) {
        ev_run (loop, EVRUN_ONCE);
        ck_assert_int_eq (trace_count, i);
    }
    ev_signal_stop (loop, &w);
}

/* ---- ownership ---- */

/* SG-1 */
TEST_BACKENDS (signal_moves_to_another_loop_after_its_last_watcher_stopped)
{
    struct ev_loop *here = test_loop (0), *there = test_loop (0);
    ev_signal a, b;

    signal_begin (here, &a, SIGUSR1, "here");
    ev_signal_stop (here, &a);
    signal_begin (there, &b, SIGUSR1, "there");
    raise (SIGUSR1);
    ev_run (here, EVRUN_NOWAIT);
    ck_trace ("");
    ev_run (there, EVRUN_NOWAIT);
    ck_trace ("there");
    ev_signal_stop (there, &b);
    signal_begin (here, &a, SIGUSR1, "here");
    raise (SIGUSR1);
    ev_run (here, EVRUN_NOWAIT);
    ck_trace ("there here");
    ev_signal_stop (here, &a);
}

/* SG-1: different signals may live in different loops at the same time */
TEST_BACKENDS (two_loops_share_the_signals_between_them)
{
    struct ev_loop *here = test_loop (0), *there = test_loop (0);
    ev_signal a, b;

    signal_begin (here, &a, SIGUSR1, "usr1");
    signal_begin (there, &b, SIGUSR2, "usr2");
    raise (SIGUSR2);
    raise (SIGUSR1);
    ev_run (here, EVRUN_NOWAIT);
    ck_trace ("usr1");
    ev_run (there, EVRUN_NOWAIT);
    ck_trace ("usr1 usr2");
    ev_signal_stop (here, &a);
    ev_signal_stop (there, &b);
}

static void start_in_two_loops (void *arg)
{
    struct ev_loop *here = test_loop (0), *there = test_loop (0);
    ev_signal a, b;

    signal_begin (here, &a, SIGUSR1, "a");
    signal_begin (there, &b, SIGUSR1, "b");
    child_must_be_refused (there, &b, EV_SIGNAL);
    child_must (ev_is_active (&a));
    raise (SIGUSR1);
    trace_clear ();
    ev_run (here, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "a"));
}

/* SG-1, AB-1 */
TEST_BACKENDS (signal_that_another_loop_has_is_refused)
{
    check_refused (start_in_two_loops, NULL, "ev_signal_start");
}

static void start_sigchld_elsewhere (void *arg)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    test_default_loop (0);
    signal_begin (loop, &w, SIGCHLD, "chld");
    child_must_be_refused (loop, &w, EV_SIGNAL);
}

/* AB-1: once there is a default loop, SIGCHLD is its own */
TEST_BACKENDS (sigchld_is_refused_to_other_loops_than_the_default_one)
{
    check_refused (start_sigchld_elsewhere, NULL, "ev_signal_start");
}

static void start_bad_number (void *signum)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    signal_begin (loop, &w, *(int *) signum, "bad");
    child_must_be_refused (loop, &w, EV_SIGNAL);
}

/* SG-13, AB-1 */
TEST_BACKENDS (signal_numbers_outside_1_to_64_are_refused)
{
    int bad[] = { 0, -1, 65, 1000000 };

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused (start_bad_number, &bad[i], "ev_signal_start");
}

/* SG-13: the highest number works, those nobody can catch are accepted in silence */
TEST_BACKENDS (signal_64_works_and_sigkill_is_accepted)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal last, unused;

    test_needs_no_valgrind ("valgrind keeps signal 64 for itself");
    signal_begin (loop, &last, 64, "64");
    signal_begin (loop, &unused, SIGKILL, "kill");
    ck_assert (ev_is_active (&unused));
    raise (64);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 2);
    ck_trace ("64");
    ev_signal_stop (loop, &last);
    ev_signal_stop (loop, &unused);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

static void use_after_destroy (void *arg)
{
    struct ev_loop *dead = ev_loop_new (test_backend | EVFLAG_NOENV), *heir;
    ev_signal a, b;

    signal_begin (dead, &a, SIGUSR1, "dead");
    ev_loop_destroy (dead);
    child_must (ev_is_active (&a));
#ifndef STOCK_LIBEV /* the original's handler would touch freed memory */
    raise (SIGUSR1);
#endif
    heir = ev_loop_new (test_backend | EVFLAG_NOENV);
    signal_begin (heir, &b, SIGUSR1, "heir");
    if (ev_is_active (&b))
        raise (SIGUSR1);
    ev_run (heir, EVRUN_NOWAIT);
    child_must (trace_count == 1);
    child_must (trace_events & EV_SIGNAL);
}

/* LP-8: destroying a loop leaves its signal watchers active and the process whole; another loop's watcher for
 * the signal is either served or told that it is not. */
TEST_BACKENDS (signal_of_a_destroyed_loop_harms_nobody)
{
#ifdef STOCK_LIBEV
    check_refused (use_after_destroy, NULL, "");
#else
    check_in_child (use_after_destroy, NULL);
#endif
}

/* ---- dispositions and masks ---- */

/* SG-2 */
TEST_BACKENDS (the_handler_restarts_calls_and_blocks_all_signals_and_stop_means_default)
{
    struct ev_loop *loop = test_loop (0);
    struct sigaction now;
    ev_signal a, b;

    signal (SIGUSR1, SIG_IGN);
    signal_begin (loop, &a, SIGUSR1, "a");
    signal_begin (loop, &b, SIGUSR1, "b");
    now = disposition (SIGUSR1);
    ck_assert (now.sa_handler != SIG_IGN && now.sa_handler != SIG_DFL);
    ck_assert (now.sa_flags & SA_RESTART);
    ck_assert (sigismember (&now.sa_mask, SIGUSR2) && sigismember (&now.sa_mask, SIGTERM));
    ev_signal_stop (loop, &a);
    ck_assert (disposition (SIGUSR1).sa_handler == now.sa_handler);
    ev_signal_stop (loop, &b);
    ck_assert (disposition (SIGUSR1).sa_handler == SIG_DFL);
}

/* SG-3 */
TEST_BACKENDS (blocked_signal_stays_blocked_until_the_program_unblocks_it)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    block (SIG_BLOCK, SIGUSR1);
    signal_begin (loop, &w, SIGUSR1, "usr1");
    ck_assert (blocked (SIGUSR1));
    raise (SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    block (SIG_UNBLOCK, SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("usr1");
    ev_signal_stop (loop, &w);
    ck_assert (!blocked (SIGUSR1));
}

/* SG-4: at the first watcher of the signal, not at later ones */
TEST_BACKENDS (nosigmask_unblocks_the_signal_at_its_first_watcher)
{
    struct ev_loop *loop = test_loop (EVFLAG_NOSIGMASK);
    ev_signal a, b;

    block (SIG_BLOCK, SIGUSR1);
    block (SIG_BLOCK, SIGUSR2);
    signal_begin (loop, &a, SIGUSR1, "a");
    ck_assert (!blocked (SIGUSR1));
    ck_assert (blocked (SIGUSR2));
    block (SIG_BLOCK, SIGUSR1);
    signal_begin (loop, &b, SIGUSR1, "b");
    ck_assert (blocked (SIGUSR1));
    block (SIG_UNBLOCK, SIGUSR1);
    raise (SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b");
    ev_signal_stop (loop, &a);
    ev_signal_stop (loop, &b);
}

/* ---- signalfd ---- */

/* SG-5: blocked while watched, whatever NOSIGMASK says; the disposition is not touched */
TEST_BACKENDS (signalfd_blocks_the_signal_and_installs_no_handler)
{
    struct ev_loop *loop = test_loop (EVFLAG_SIGNALFD | EVFLAG_NOSIGMASK);
    ev_signal a, b;

    signal (SIGUSR1, SIG_IGN);
    signal_begin (loop, &a, SIGUSR1, "a");
    signal_begin (loop, &b, SIGUSR1, "b");
    ck_assert (blocked (SIGUSR1));
    ck_assert (disposition (SIGUSR1).sa_handler == SIG_IGN);
    raise (SIGUSR1);
    ck_run_until (loop, 2);
    ck_trace ("a b");
    ck_assert_int_eq (trace_events, EV_SIGNAL);
    ev_signal_stop (loop, &a);
    ck_assert (blocked (SIGUSR1));
    ev_signal_stop (loop, &b);
    ck_assert (!blocked (SIGUSR1));
    ck_assert (disposition (SIGUSR1).sa_handler == SIG_IGN);
}

/* SG-5, SG-6, LP-11: one descriptor for all signals of the loop, none for waking it */
TEST_BACKENDS (signalfd_is_one_descriptor_and_coalesces)
{
    struct ev_loop *loop = test_loop (EVFLAG_SIGNALFD);
    int before = test_fd_count (), last = 64;
    ev_signal a, b;

    test_needs_no_valgrind ("valgrind keeps signal 64 for itself");
    signal_begin (loop, &a, SIGUSR1, "usr1");
    signal_begin (loop, &b, last, "64");
    ck_assert_int_eq (fds_of ("signalfd", NULL), 1);
    ck_assert_int_eq (test_fd_count (), before + 1);
    for (int i = 0; i < 5; i++)
        raise (last); /* real-time signals queue */
    raise (SIGUSR1);
    ck_run_until (loop, 2);
    run_for (loop, 0.02);
    ck_assert_int_eq (trace_count, 2);
    ev_signal_stop (loop, &a);
    ev_signal_stop (loop, &b);
}

/* SG-5: the wait ends */
TEST_BACKENDS (signalfd_ends_the_wait)
{
    struct ev_loop *loop = test_loop (EVFLAG_SIGNALFD);
    pthread_t self = pthread_self ();
    struct later later;
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, interrupt_main, &self);
        ck_run_until (loop, 1);
        later_join (&later);
        ck_trace ("usr1");
    }
    ev_signal_stop (loop, &w);
}

/* SG-5: stop, then start again: the descriptor learns the new set */
TEST_BACKENDS (signalfd_follows_watchers_that_come_and_go)
{
    struct ev_loop *loop = test_loop (EVFLAG_SIGNALFD);
    ev_signal a, b;

    signal_begin (loop, &a, SIGUSR1, "usr1");
    signal_begin (loop, &b, SIGUSR2, "usr2");
    ev_run (loop, EVRUN_NOWAIT);
    ev_signal_stop (loop, &a);
    raise (SIGUSR2);
    ck_run_until (loop, 1);
    signal_begin (loop, &a, SIGUSR1, "usr1");
    raise (SIGUSR1);
    ck_run_until (loop, 2);
    ck_trace ("usr2 usr1");
    ev_signal_stop (loop, &a);
    ev_signal_stop (loop, &b);
    ck_assert (!blocked (SIGUSR1) && !blocked (SIGUSR2));
}

static void feed_to_signalfd (void *arg)
{
    struct ev_loop *loop = test_loop (EVFLAG_SIGNALFD);
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    ev_feed_signal (SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "usr1"));
}

/* SG-12: the original aborts; a signal that was fed is delivered */
TEST_BACKENDS (signal_fed_to_a_loop_with_signalfd_is_delivered)
{
#ifdef STOCK_LIBEV
    check_refused (feed_to_signalfd, NULL, "");
#else
    check_in_child (feed_to_signalfd, NULL);
#endif
}

/* ---- feeding ---- */

/* SG-10 */
TEST_BACKENDS (ev_feed_signal_is_like_a_delivery_and_nothing_without_a_watcher)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal w;

    ev_feed_signal (SIGUSR1);
    ev_run (loop, EVRUN_NOWAIT);
    signal_begin (loop, &w, SIGUSR1, "usr1");
    ev_feed_signal (SIGUSR2);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    ev_feed_signal (SIGUSR1);
    ev_feed_signal (SIGUSR1);
    ck_assert (!ev_is_pending (&w));
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("usr1");
    ck_assert_int_eq (trace_events, EV_SIGNAL);
    ev_signal_stop (loop, &w);
    ev_feed_signal (SIGUSR1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_trace ("usr1");
}

static void feed_usr1 (void *arg)
{
    ev_feed_signal (SIGUSR1);
}

/* SG-10, TH-2 */
TEST_BACKENDS (ev_feed_signal_from_another_thread_ends_the_wait)
{
    struct ev_loop *loop = test_loop (0);
    struct later later;
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    later_start (&later, feed_usr1, NULL);
    ck_run_until (loop, 1);
    later_join (&later);
    ck_trace ("usr1");
    ev_signal_stop (loop, &w);
}

#ifndef STOCK_LIBEV /* which does not look */
/* SG-10: numbers that are no signals are nobody's */
TEST_BACKENDS (ev_feed_signal_ignores_numbers_that_are_no_signals)
{
    struct ev_loop *loop = test_loop (0);
    int bad[] = { 0, -1, 65, 66, 100000, -100000 };
    ev_signal w;

    signal_begin (loop, &w, SIGUSR1, "usr1");
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ev_feed_signal (bad[i]);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    ev_signal_stop (loop, &w);
}
#endif

/* SG-11 */
TEST_BACKENDS (ev_feed_signal_event_queues_at_once_in_the_loop_that_owns_the_signal)
{
    struct ev_loop *owner = test_loop (0), *other = test_loop (0);
    ev_signal w;

    signal_begin (owner, &w, SIGUSR1, "usr1");
    ev_feed_signal_event (other, SIGUSR1);
    ev_feed_signal_event (owner, 0);
    ev_feed_signal_event (owner, -7);
    ev_feed_signal_event (owner, 65);
    ev_feed_signal_event (owner, 1000000);
    ck_assert (!ev_is_pending (&w));
    ev_feed_signal_event (owner, SIGUSR1);
    ck_assert (ev_is_pending (&w));
    ck_assert_uint_eq (ev_pending_count (owner), 1);
    ev_invoke_pending (owner);
    ck_trace ("usr1");
    ev_signal_stop (owner, &w);
}
