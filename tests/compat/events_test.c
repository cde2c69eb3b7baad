/* events_test.c: the event.h emulation does what libev's does. Contract LE-1 to LE-7 (LE-8: tests/abi).
 * STOCK_LIBEV: compiled to run on the reference, which lacks the few things we do better. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#include <event.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct event ev;
static int calls, seen, seen_fd, seen_flags;
static void *seen_arg;

static void on_event (int fd, short events, void *arg)
{
    calls++;
    seen = events;
    seen_fd = fd;
    seen_arg = arg;
    seen_flags = ev.ev_flags;
}

/* The first base: the default loop, of the backend in turn. */
static void *begin (void)
{
    char flags[16];
    void *base;

    snprintf (flags, sizeof flags, "%u", test_backend);
    setenv ("LIBEV_FLAGS", flags, 1);
    base = event_init ();
    ck_assert_ptr_nonnull (base);
    ck_assert_ptr_eq (base, EV_DEFAULT_UC);
    memset (&ev, 0xee, sizeof ev); /* event_set is to leave nothing to chance */
    return base;
}

static void end (void)
{
    event_del (&ev);
    ck_assert_int_eq (event_loop (EVLOOP_NONBLOCK), 1);
    ev_loop_destroy (EV_DEFAULT_UC);
}

static struct timeval *in_ms (long ms)
{
    static struct timeval tv;

    tv.tv_sec = ms / 1000;
    tv.tv_usec = ms % 1000 * 1000;
    return &tv;
}

static void readable_pipe (int fd[2])
{
    test_pipe (fd);
    ck_assert_int_eq (write (fd[1], "x", 1), 1);
}

static void close_pipe (const int fd[2])
{
    close (fd[0]);
    close (fd[1]);
}

/* ---- LE-1, LE-2: bases ---- */

TEST (event_says_it_is_libev) /* LE-1 */
{
    ck_assert_str_eq (event_get_version (), "4.33");
    ck_assert_str_eq (event_get_method (), "libev");
    ck_assert_str_eq (event_base_get_method (NULL), "libev");
}

TEST_BACKENDS (event_base_is_the_default_loop_first_and_then_others) /* LE-2 */
{
    struct event_base *first = begin (), *second = event_init (), *third = event_base_new ();

    ck_assert_ptr_ne (second, first);
    ck_assert_ptr_nonnull (second);
    ck_assert_ptr_nonnull (third);
    event_set (&ev, -1, 0, on_event, NULL);
    ck_assert_ptr_eq (ev.ev_base, second); /* event_init makes a base current, event_base_new does not */
    ck_assert_int_eq (event_base_set (first, &ev), 0);
    ck_assert_ptr_eq (ev.ev_base, first);
    event_base_free (third);
    event_base_free (second);
    event_base_free (first); /* stays: it is the default loop */
    ck_assert_ptr_eq (EV_DEFAULT_UC, first);
    event_base_set (first, &ev);
    ev_loop_destroy (EV_DEFAULT_UC);
}

TEST (event_base_fails_when_no_loop_can_be_made_and_may_be_tried_again) /* LE-2 */
{
    setenv ("LIBEV_FLAGS", "8", 1); /* kqueue */
    ck_assert_ptr_null (event_init ());
    ck_assert_ptr_null (event_base_new ());
    unsetenv ("LIBEV_FLAGS");
    ck_assert_ptr_nonnull (event_init ());
    ck_assert_ptr_nonnull (EV_DEFAULT_UC);
    ev_loop_destroy (EV_DEFAULT_UC);
}

#ifndef STOCK_LIBEV
TEST (event_base_that_was_current_when_freed_is_not_used_any_more)
{
    struct event_base *first = begin (), *second = event_init ();

    event_base_free (second);
    event_set (&ev, -1, 0, on_event, NULL);
    ck_assert_ptr_eq (ev.ev_base, first);
    end ();
}

TEST (event_base_is_not_changed_under_an_event_that_waits)
{
    struct event_base *first = begin (), *other = event_base_new ();

    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, in_ms (60000));
    ck_assert_int_eq (event_base_set (other, &ev), -1);
    ck_assert_int_eq (event_base_set (first, &ev), 0);
    evtimer_del (&ev);
    ck_assert_int_eq (event_base_set (other, &ev), 0);
    event_base_set (first, &ev);
    event_base_free (other);
    end ();
}
#endif

/* ---- LE-3: adding ---- */

TEST_BACKENDS (event_set_initialises_everything) /* LE-3 */
{
    begin ();
    event_set (&ev, 5, EV_READ | EV_PERSIST, on_event, &calls);
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT);
    ck_assert_int_eq (event_initialized (&ev), EVLIST_INIT);
    ck_assert_int_eq (ev.ev_events, EV_READ | EV_PERSIST);
    ck_assert_int_eq (EVENT_FD (&ev), 5);
    ck_assert_int_eq (ev.ev_pri, 0);
    ck_assert_int_eq (ev.ev_res, 0);
    ck_assert_ptr_eq (ev.ev_arg, &calls);
    ck_assert (event_get_callback (&ev) == on_event);
    ck_assert_int_eq (event_pending (&ev, EV_READ | EV_WRITE | EV_SIGNAL | EV_TIMEOUT, NULL), 0);
    end ();
}

TEST_BACKENDS (event_flags_follow_add_and_del) /* LE-3 */
{
    int fd[2];

    begin ();
    test_pipe (fd);
    event_set (&ev, fd[0], EV_READ, on_event, NULL);
    ck_assert_int_eq (event_add (&ev, NULL), 0);
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_INSERTED);
    event_add (&ev, in_ms (60000));
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_INSERTED | EVLIST_TIMEOUT);
    event_add (&ev, NULL); /* takes the timeout away */
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_INSERTED);
    ck_assert_int_eq (event_del (&ev), 0);
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT);
    signal_set (&ev, SIGUSR1, on_event, NULL);
    ck_assert_int_eq (ev.ev_events, EV_SIGNAL | EV_PERSIST);
    signal_add (&ev, NULL);
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_SIGNAL);
    signal_del (&ev);
    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, in_ms (60000));
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_TIMEOUT);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_timeout_of_zero_becomes_a_microsecond) /* LE-3 */
{
    begin ();
    evtimer_set (&ev, on_event, &ev);
    evtimer_add (&ev, in_ms (0));
    ck_assert_double_eq (ev.to.repeat, 1e-6);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_TIMEOUT);
    ck_assert_ptr_eq (seen_arg, &ev);
    end ();
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (event_timeout_in_the_past_is_due_at_once)
{
    struct timeval past = { -5, 0 };

    begin ();
    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, &past);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (seen, EV_TIMEOUT);
    end ();
}
#endif

TEST_BACKENDS (event_added_again_counts_its_timeout_anew) /* LE-3 */
{
    begin ();
    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, in_ms (1));
    evtimer_add (&ev, in_ms (60000));
    ev_sleep (0.003);
    ck_assert_int_eq (event_loop (EVLOOP_NONBLOCK), 0);
    ck_assert_int_eq (calls, 0);
    end ();
}

/* ---- LE-4: what callbacks are told, and what is deleted before them ---- */

TEST_BACKENDS (event_without_persist_is_deleted_before_its_callback) /* LE-4 */
{
    int fd[2];

    begin ();
    readable_pipe (fd);
    event_set (&ev, fd[0], EV_READ, on_event, &calls);
    event_add (&ev, in_ms (60000));
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_READ);
    ck_assert_int_eq (seen_fd, fd[0]);
    ck_assert_ptr_eq (seen_arg, &calls);
    ck_assert_int_eq (seen_flags, EVLIST_INIT);
    ck_assert_int_eq (ev.ev_res, EV_READ);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_with_persist_stays) /* LE-4 */
{
    int fd[2];

    begin ();
    readable_pipe (fd);
    event_set (&ev, fd[0], EV_READ | EV_PERSIST, on_event, NULL);
    event_add (&ev, NULL);
    ck_assert_int_eq (event_loop (EVLOOP_ONCE), 0);
    ck_assert_int_eq (event_loop (EVLOOP_ONCE), 0);
    ck_assert_int_eq (calls, 2);
    ck_assert_int_eq (seen_flags, EVLIST_INIT | EVLIST_ACTIVE | EVLIST_INSERTED);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_timeout_deletes_even_persistent_events) /* LE-4 */
{
    int fd[2];

    begin ();
    test_pipe (fd);
    event_set (&ev, fd[0], EV_READ | EV_PERSIST, on_event, NULL);
    event_add (&ev, in_ms (2));
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_TIMEOUT);
    ck_assert_int_eq (seen_flags, EVLIST_INIT);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_of_a_signal_is_told_of_each_and_stays) /* LE-4 */
{
    begin ();
    event_set (&ev, SIGUSR1, EV_SIGNAL, on_event, NULL); /* signals stay without EV_PERSIST, too */
    event_add (&ev, NULL);
    for (int i = 1; i <= 2; i++) {
        raise (SIGUSR1);
        ck_assert_int_eq (event_loop (EVLOOP_ONCE), 0);
        ck_assert_int_eq (calls, i);
        ck_assert_int_eq (seen, EV_SIGNAL);
        ck_assert_int_eq (seen_fd, SIGUSR1);
    }
    end ();
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (event_of_a_closed_descriptor_is_told_and_deleted) /* the reference aborts: AB-1 */
{
    int fd[2];

    begin ();
    test_pipe (fd);
    event_set (&ev, fd[0], EV_READ | EV_PERSIST, on_event, NULL);
    close_pipe (fd);
    event_add (&ev, NULL);
    ck_assert_int_eq (event_loop (EVLOOP_NONBLOCK), 1);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_ne (seen & EV_READ, 0);
    ck_assert_int_eq (ev.ev_flags, EVLIST_INIT);
    end ();
}
#endif

static void del_and_free (int fd, short events, void *arg)
{
    struct event *mine = arg;

    on_event (fd, events, arg);
    event_del (mine);
    memset (mine, 0xdd, sizeof *mine);
    free (mine);
}

TEST_BACKENDS (event_may_be_freed_in_its_callback)
{
    struct event *mine = malloc (sizeof *mine);
    int fd[2];

    begin ();
    event_set (&ev, -1, 0, on_event, NULL);
    readable_pipe (fd);
    event_set (mine, fd[0], EV_READ | EV_PERSIST, del_and_free, mine);
    event_add (mine, in_ms (60000));
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    end ();
    close_pipe (fd);
}

/* ---- LE-5: running ---- */

TEST_BACKENDS (event_loop_says_whether_anything_is_left) /* LE-5 */
{
    struct event_base *base = begin ();

    evtimer_set (&ev, on_event, NULL);
    ck_assert_int_eq (event_loop (EVLOOP_NONBLOCK), 1);
    evtimer_add (&ev, in_ms (60000));
    ck_assert_int_eq (event_loop (EVLOOP_NONBLOCK), 0);
    ck_assert_int_eq (event_base_loop (base, EVLOOP_NONBLOCK), 0);
    event_del (&ev);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (event_base_dispatch (base), 1);
    end ();
}

TEST_BACKENDS (event_loopexit_ends_the_loop_after_a_while) /* LE-5 */
{
    double before = test_clock (); /* the loop's clock may not have been looked at later */
    struct event_base *base = begin ();

    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, in_ms (60000));
    ck_assert_int_eq (event_loopexit (in_ms (20)), 0);
    ck_assert_int_eq (event_dispatch (), 0);
    ck_assert_double_ge (test_clock () - before, 0.0199);
    ck_assert_int_eq (event_base_loopexit (base, NULL), 0); /* at once: also when asked for before it runs */
    ck_assert_int_eq (event_base_dispatch (base), 0);
    ck_assert_double_lt (test_clock () - before, 30.);
    end ();
}

static void leave (int fd, short events, void *arg)
{
    on_event (fd, events, arg);
    event_loopexit (NULL);
}

TEST_BACKENDS (event_loopexit_from_a_callback_ends_the_loop) /* LE-5 */
{
    int fd[2];

    begin ();
    readable_pipe (fd);
    event_set (&ev, fd[0], EV_READ, leave, NULL);
    event_add (&ev, NULL);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    end ();
    close_pipe (fd);
}

/* ---- LE-6: asking ---- */

TEST_BACKENDS (event_pending_says_what_is_awaited) /* LE-6 */
{
    int fd[2];

    begin ();
    test_pipe (fd);
    event_set (&ev, fd[1], EV_WRITE, on_event, NULL);
    event_add (&ev, in_ms (60000));
    ck_assert_int_eq (event_pending (&ev, EV_READ | EV_WRITE | EV_TIMEOUT, NULL), EV_WRITE | EV_TIMEOUT);
    ck_assert_int_eq (event_pending (&ev, EV_READ, NULL), 0);
    ck_assert_int_eq (evtimer_pending (&ev, NULL), EV_TIMEOUT);
    event_del (&ev);
    signal_set (&ev, SIGUSR1, on_event, NULL);
    signal_add (&ev, NULL);
    ck_assert_int_eq (signal_pending (&ev, NULL), EV_SIGNAL);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_pending_gives_the_time_of_the_loop_not_of_the_expiry) /* LE-6 */
{
    struct timeval tv = { 7, 0 };

    begin ();
    evtimer_set (&ev, on_event, NULL);
    evtimer_pending (&ev, &tv);
    ck_assert_int_eq (tv.tv_sec, 7); /* no timeout: left alone */
    evtimer_add (&ev, in_ms (60000));
    ev_now_update (EV_DEFAULT_UC);
    evtimer_pending (&ev, &tv);
    ck_assert_double_eq_tol ((double) tv.tv_sec + (double) tv.tv_usec * 1e-6, ev_now (EV_DEFAULT_UC), 3e-6);
    end ();
}

/* ---- LE-7: feeding, once, priorities ---- */

TEST_BACKENDS (event_active_feeds_the_event) /* LE-7 */
{
    begin ();
    event_set (&ev, 0, EV_READ | EV_PERSIST, on_event, NULL);
    event_active (&ev, EV_READ | EV_SIGNAL | 0x40, 3); /* other bits and the number of calls do not matter */
    ck_assert_int_eq (event_pending (&ev, EV_READ, NULL), EV_READ);
    event_loop (EVLOOP_NONBLOCK);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_READ | EV_SIGNAL);
    event_active (&ev, EV_TIMEOUT, 1);
    event_loop (EVLOOP_NONBLOCK);
    ck_assert_int_eq (calls, 2);
    ck_assert_int_eq (seen, EV_TIMEOUT);
    end ();
}

TEST_BACKENDS (event_deleted_while_pending_is_not_called)
{
    begin ();
    event_set (&ev, 0, EV_READ | EV_PERSIST, on_event, NULL);
    event_active (&ev, EV_READ, 1);
#ifndef STOCK_LIBEV
    event_active (&ev, EV_TIMEOUT, 1);
#endif
    event_del (&ev);
    event_loop (EVLOOP_NONBLOCK);
    ck_assert_int_eq (calls, 0);
    end ();
}

TEST_BACKENDS (event_once_calls_once) /* LE-7 */
{
    struct event_base *base = begin ();
    int fd[2];

    evtimer_set (&ev, on_event, NULL);
    readable_pipe (fd);
    ck_assert_int_eq (event_once (fd[0], EV_READ | EV_PERSIST, on_event, fd, NULL), 0);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_READ);
    ck_assert_int_eq (seen_fd, fd[0]);
    ck_assert_ptr_eq (seen_arg, fd);
    ck_assert_int_eq (event_base_once (base, -1, EV_TIMEOUT, on_event, NULL, in_ms (1)), 0);
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 2);
    ck_assert_int_eq (seen, EV_TIMEOUT);
    ck_assert_int_eq (seen_fd, -1);
    ck_assert_int_eq (event_once (-1, EV_TIMEOUT, on_event, NULL, NULL), 0); /* for nothing: never called */
    ck_assert_int_eq (event_dispatch (), 1);
    ck_assert_int_eq (calls, 2);
    end ();
    close_pipe (fd);
}

TEST_BACKENDS (event_priorities_are_accepted_and_ignored) /* LE-7 */
{
    struct event_base *base = begin ();

    ck_assert_int_eq (event_priority_init (5), 0);
    ck_assert_int_eq (event_base_priority_init (base, 5), 0);
    evtimer_set (&ev, on_event, NULL);
    ck_assert_int_eq (event_priority_set (&ev, 3), 0);
    ck_assert_int_eq (ev.ev_pri, 3);
    ck_assert_int_eq (ev_priority (&ev.to), 0);
    end ();
}

static int next_pipe[2];

/* As programs do that try the next address of a host. */
static void on_event_another_file (int fd, short events, void *arg)
{
    on_event (fd, events, arg);
    if (calls == 3)
        return;
    event_del (&ev);
    close_pipe (next_pipe);
    readable_pipe (next_pipe);
    ck_assert_int_eq (next_pipe[0], fd);
    event_add (&ev, NULL);
}

TEST_BACKENDS (event_added_again_may_be_about_another_file_under_the_same_number) /* LE-1, IO-7 */
{
    begin ();
    readable_pipe (next_pipe);
    event_set (&ev, next_pipe[0], EV_READ | EV_PERSIST, on_event_another_file, NULL);
    event_add (&ev, NULL);
    for (int i = 0; i < 3; i++)
        event_loop (EVLOOP_NONBLOCK);
    ck_assert_int_eq (calls, 3);
    end ();
    close_pipe (next_pipe);
}

TEST_BACKENDS (event_is_about_what_its_members_say_when_it_is_added) /* LE-1 */
{
    int fd[2], other[2];

    begin ();
    readable_pipe (fd);
    readable_pipe (other);
    event_set (&ev, fd[0], EV_READ, on_event, NULL);
    ev.ev_fd = other[1];
    ev.ev_events = EV_WRITE;
    event_add (&ev, NULL);
    event_loop (EVLOOP_NONBLOCK);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (seen, EV_WRITE);
    ck_assert_int_eq (seen_fd, other[1]);
    end ();
    close_pipe (fd);
    close_pipe (other);
}

/* ---- the ev.h underneath ---- */

TEST_BACKENDS (event_and_ev_watchers_share_a_loop)
{
    struct event_base *base = begin ();

    evtimer_set (&ev, on_event, NULL);
    evtimer_add (&ev, in_ms (1));
    ev_run ((struct ev_loop *) base, 0);
    ck_assert_int_eq (calls, 1);
    end ();
}

TEST_BACKENDS (event_that_was_never_added_may_be_deleted)
{
    event_set (&ev, 3, EV_READ, on_event, NULL); /* not even a base exists */
    ck_assert_int_eq (event_del (&ev), 0);
    ck_assert_int_eq (event_pending (&ev, EV_READ | EV_TIMEOUT, NULL), 0);
    begin ();
    event_set (&ev, 3, EV_READ, on_event, NULL);
    ck_assert_int_eq (event_del (&ev), 0);
    end ();
}
