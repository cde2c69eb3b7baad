/* io_test.c: what an ev_io owes its user, whatever the backend (contract section 9, U-1 to U-7, U-11, U-16,
 * U-17). Owns no state; each test makes its loop. Bad descriptors are in badinput_test.c. */
#define _GNU_SOURCE
#include "io_kit.h"
#ifndef STOCK_LIBEV
#include <ev_op.h>
#endif

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <pthread.h>

/* ---- level triggering --------------------------------------------------------------------------- */

TEST_BACKENDS (io_calls_back_in_every_iteration_while_the_condition_holds) // IO-1, U-1
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io out, in;
    int fd[2], other[2];

    test_pipe (fd);
    test_pipe (other);
    kit_put (other[1]);
    kit_start (loop, &out, fd[1], EV_WRITE);
    kit_start (loop, &in, other[0], EV_READ);
    kit_nowait (loop, 100);
    ck_assert_int_eq (out.calls, 100);
    ck_assert_int_eq (in.calls, 100);
    ck_assert_int_eq (in.revents, EV_READ);
    kit_stop_close (loop, &out);
    kit_stop_close (loop, &in);
    close (fd[0]);
    close (other[1]);
}

static void read_one (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    kit_get (w->fd);
}

TEST_BACKENDS (io_is_told_again_of_data_it_left_behind) // U-1
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io in;
    int fd[2];

    test_socketpair (fd);
    ck_assert_int_eq (write (fd[1], "0123456789", 10), 10);
    kit_start (loop, &in, fd[0], EV_READ);
    ev_set_cb (&in.w, read_one);
    ck_assert (kit_until (loop, &in.calls, 10, 5.));
    kit_nowait (loop, 3);
    ck_assert_int_eq (in.calls, 10);
    kit_stop_close (loop, &in);
    close (fd[1]);
}

TEST_BACKENDS (io_is_told_of_data_that_arrives_while_it_waits) // IO-1
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io in;
    int fd[2];

    test_tcp_pair (fd);
    kit_start (loop, &in, fd[0], EV_READ);
    ev_set_cb (&in.w, read_one);
    for (int i = 1; i <= 50; i++) {
        kit_nowait (loop, 2);
        ck_assert_int_eq (in.calls, i - 1);
        kit_put (fd[1]);
        ck_assert (kit_until (loop, &in.calls, i, 5.));
    }
    kit_stop_close (loop, &in);
    close (fd[1]);
}

TEST_BACKENDS (io_hears_end_of_file_for_as_long_as_it_ignores_it) // IO-1, IO-2
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io in;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &in, fd[0], EV_READ);
    kit_nowait (loop, 2);
    close (fd[1]);
    ck_assert (kit_until (loop, &in.calls, 1, 5.));
    int calls = in.calls;
    kit_nowait (loop, 20);
    ck_assert_int_eq (in.calls, calls + 20);
    kit_stop_close (loop, &in);
}

TEST_BACKENDS (io_started_before_a_nowait_run_is_reported_by_that_run) // IO-5, U-7
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io both;
    int fd[2];

    test_socketpair (fd);
    kit_put (fd[1]);
    for (int i = 0; i < 50; i++) {
        kit_start (loop, &both, fd[0], EV_READ | EV_WRITE);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (both.calls, 1);
        ck_assert_int_eq (both.revents, EV_READ | EV_WRITE);
        ev_io_stop (loop, &both.w);
    }
    close (fd[0]);
    close (fd[1]);
}

/* ---- what is reported --------------------------------------------------------------------------- */

TEST_BACKENDS (io_reports_only_what_was_asked) // IO-2
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io read_end, write_end;
    int fd[2];

    test_socketpair (fd);
    kit_put (fd[1]);
    kit_start (loop, &read_end, fd[0], EV_READ);
    kit_start (loop, &write_end, fd[0], EV_WRITE);
    kit_nowait (loop, 3);
    ck_assert_int_eq (read_end.calls, 3);
    ck_assert_int_eq (read_end.revents, EV_READ);
    ck_assert_int_eq (write_end.calls, 3);
    ck_assert_int_eq (write_end.revents, EV_WRITE);
    ev_io_stop (loop, &read_end.w);
    kit_stop_close (loop, &write_end);
    close (fd[1]);
}

TEST_BACKENDS (io_hangup_counts_as_what_the_watcher_asked) // IO-2
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io read_end, write_end;
    int fd[2];

    test_socketpair (fd);
    close (fd[1]);
    kit_start (loop, &read_end, fd[0], EV_READ);
    kit_start (loop, &write_end, fd[0], EV_WRITE);
    kit_nowait (loop, 2);
    ck_assert_int_eq (read_end.revents, EV_READ);
    ck_assert_int_eq (write_end.revents, EV_WRITE);
    ev_io_stop (loop, &read_end.w);
    kit_stop_close (loop, &write_end);
}

TEST_BACKENDS (io_that_asks_for_nothing_hears_nothing) // IO-3
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io quiet, file, neighbour;
    int fd[2], null = open ("/dev/null", O_RDONLY);

    test_socketpair (fd);
    kit_start (loop, &quiet, fd[0], 0);
    kit_start (loop, &file, null, 0); /* io_uring answers EINVAL here if it is asked at all */
    kit_nowait (loop, 3);
    close (fd[1]);
    kit_nowait (loop, 3);
    ck_assert_int_eq (quiet.calls, 0);
    ck_assert_int_eq (file.calls, 0);
    ck_assert (ev_is_active (&quiet.w));
    ck_assert (ev_is_active (&file.w));
    kit_start (loop, &neighbour, fd[0], EV_READ); /* the same row wakes up when somebody asks */
    kit_nowait (loop, 1);
    ck_assert_int_eq (neighbour.calls, 1);
    ck_assert_int_eq (quiet.calls, 0);
    ev_io_stop (loop, &neighbour.w);
    kit_stop_close (loop, &quiet);
    kit_stop_close (loop, &file);
}

/* ---- several watchers of one descriptor --------------------------------------------------------- */

static char order_log[64];

static void note_order (EV_P_ ev_io *w, int revents)
{
    strncat (order_log, w->data, sizeof order_log - strlen (order_log) - 1);
}

static const char *order_of_one_run (struct ev_loop *loop)
{
    order_log[0] = 0;
    ev_run (loop, EVRUN_NOWAIT);
    return order_log;
}

TEST_BACKENDS (io_watchers_of_one_descriptor_run_in_start_order) // IO-4
{
    static char *const names[] = { "a", "b", "c" };
    struct ev_loop *loop = test_loop (0);
    ev_io w[3];
    int fd[2];

    test_socketpair (fd);
    kit_put (fd[1]);
    for (int i = 0; i < 3; i++) {
        ev_io_init (&w[i], note_order, fd[0], i == 1 ? EV_WRITE : EV_READ);
        w[i].data = names[i];
        ev_io_start (loop, &w[i]);
    }
    ck_assert_str_eq (order_of_one_run (loop), "abc");
    ev_io_stop (loop, &w[0]);
    ck_assert_str_eq (order_of_one_run (loop), "bc");
    ev_io_start (loop, &w[0]);
    ck_assert_str_eq (order_of_one_run (loop), "bca");
    ev_io_stop (loop, &w[2]); /* the middle one */
    ck_assert_str_eq (order_of_one_run (loop), "ba");
    ev_io_stop (loop, &w[1]);
    ev_io_stop (loop, &w[0]);
    ck_assert_str_eq (order_of_one_run (loop), "");
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (io_kernel_sees_the_union_of_the_masks) // IO-4
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io read_end, write_end;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &read_end, fd[0], EV_READ);
    kit_nowait (loop, 2);
    kit_start (loop, &write_end, fd[0], EV_WRITE); /* widens what is armed */
    kit_nowait (loop, 2);
    ck_assert_int_eq (write_end.calls, 2);
    ck_assert_int_eq (read_end.calls, 0);
    ev_io_stop (loop, &write_end.w); /* narrows it */
    kit_nowait (loop, 2);
    ck_assert_int_eq (write_end.calls, 2);
    kit_put (fd[1]);
    ck_assert (kit_until (loop, &read_end.calls, 1, 5.));
    ck_assert_int_eq (read_end.revents, EV_READ);
    kit_stop_close (loop, &read_end);
    close (fd[1]);
}

static void stop_data (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    ev_io_stop (EV_A_ w);
    if (w->data)
        ev_io_stop (EV_A_ w->data);
}

TEST_BACKENDS (io_stopped_in_its_callback_is_not_called_again) // IO-4, WA-4
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    ev_set_cb (&io.w, stop_data);
    kit_nowait (loop, 5);
    ck_assert_int_eq (io.calls, 1);
    ck_assert (io.active_in_callback);
    ev_io_start (loop, &io.w);
    kit_nowait (loop, 5);
    ck_assert_int_eq (io.calls, 2);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (io_pending_watcher_that_another_callback_stops_is_not_called) // PQ-4
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io first, second;
    int a[2], b[2];

    test_pipe (a);
    test_pipe (b);
    kit_start (loop, &first, a[1], EV_WRITE);
    kit_start (loop, &second, b[1], EV_WRITE);
    ev_set_cb (&first.w, stop_data);
    ev_set_cb (&second.w, stop_data);
    first.w.data = &second.w;
    second.w.data = &first.w;
    kit_nowait (loop, 3);
    ck_assert_int_eq (first.calls + second.calls, 1);
    for (int i = 0; i < 2; i++) {
        close (a[i]);
        close (b[i]);
    }
}

TEST_BACKENDS (io_stopped_on_a_ready_descriptor_does_not_make_the_loop_spin) // IO-9
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    kit_nowait (loop, 2);
    ev_io_stop (loop, &io.w);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    ck_assert_int_eq (io.calls, 2);
    close (fd[0]);
    close (fd[1]);
}

/* ---- telling the kernel ------------------------------------------------------------------------- */

#ifndef STOCK_LIBEV
static unsigned long long changes_of (struct ev_loop *loop)
{
    struct ev_stats stats;

    ck_assert_uint_ge (ev_stats (loop, &stats, sizeof stats), sizeof stats);
    return stats.changes;
}

TEST_BACKENDS (io_stop_and_start_with_an_unchanged_mask_is_not_told_to_the_kernel) // IO-6
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    if (kit_uring ())
        test_skip ("one-shot polls are removed by stop: close must close");
    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    kit_nowait (loop, 1);
    unsigned long long before = changes_of (loop);
    for (int i = 0; i < 10; i++) {
        ev_io_stop (loop, &io.w);
        ev_io_start (loop, &io.w);
        kit_nowait (loop, 1);
    }
    ck_assert_uint_eq (changes_of (loop), before);
    ck_assert_int_eq (io.calls, 11);
    kit_stop_close (loop, &io);
    close (fd[0]);
}
#endif

TEST_BACKENDS (io_changes_in_one_callback_count_only_as_their_sum) // IO-6
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    for (int i = 0; i < 2000; i++) { /* more changes than any queue has room for */
        ev_io_stop (loop, &io.w);
        ev_io_set (&io.w, fd[0], i & 1 ? EV_READ : EV_READ | EV_WRITE);
        ev_io_start (loop, &io.w);
        if (i % 500 == 0)
            kit_nowait (loop, 1);
    }
    int calls = io.calls;
    kit_nowait (loop, 3);
    ck_assert_int_eq (io.calls, calls); /* the last word was READ, and nothing is there */
    kit_put (fd[1]);
    ck_assert (kit_until (loop, &io.calls, calls + 1, 5.));
    kit_stop_close (loop, &io);
    close (fd[1]);
}

TEST_BACKENDS (io_set_again_after_dup2_hears_the_new_file) // IO-6, IO-7
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int old[2], fresh[2];

    test_pipe (old);
    test_pipe (fresh);
    kit_put (fresh[1]);
    kit_start (loop, &io, old[0], EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (dup2 (fresh[0], old[0]), old[0]);
    ev_io_stop (loop, &io.w);
    ev_io_set (&io.w, old[0], EV_READ); /* the same number and mask, another file */
    ev_io_start (loop, &io.w);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 2);
    kit_stop_close (loop, &io);
    close (old[1]);
    close (fresh[0]);
    close (fresh[1]);
}

TEST_BACKENDS (io_modify_changes_the_mask_of_the_same_file) // IO-7
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 0);
    ev_io_stop (loop, &io.w);
    ev_io_modify (&io.w, EV_WRITE);
    ev_io_start (loop, &io.w);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 2);
    ck_assert_int_eq (io.revents, EV_WRITE);
    ev_io_stop (loop, &io.w);
    ev_io_modify (&io.w, EV_READ);
    ev_io_start (loop, &io.w);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 2);
    kit_stop_close (loop, &io);
    close (fd[1]);
}

static struct reuse {
    struct kit_io io; /* watches the descriptor that is taken over */
    int quiet, fresh_calls;
} reuse;

static void count_fresh (EV_P_ ev_io *w, int revents)
{
    reuse.fresh_calls++;
}

/* Of two ready watchers of one priority one runs first: it takes the other's number for a quiet file. */
static void take_over (EV_P_ ev_io *w, int revents)
{
    int fd = reuse.io.w.fd;

    kit_count (EV_A_ w, revents);
    ev_io_stop (EV_A_ w);
    ev_io_stop (EV_A_ & reuse.io.w);
    close (fd);
    ck_assert_int_eq (dup2 (reuse.quiet, fd), fd);
    ev_io_init (&reuse.io.w, count_fresh, fd, EV_READ | EV_WRITE);
    ev_io_start (EV_A_ & reuse.io.w);
}

/* keeper: keeps the old open file alive under another number. */
static void check_reuse (int keep_old_file)
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io first;
    int old[2], other[2], quiet[2], keeper = -1;

    test_socketpair (old);
    test_pipe (other);
    test_pipe (quiet);
    if (keep_old_file)
        keeper = dup (old[0]);
    kit_put (old[1]);
    reuse.quiet = quiet[0];
    kit_start (loop, &reuse.io, old[0], EV_READ);
    kit_start (loop, &first, other[1], EV_WRITE);
    ev_set_priority (&first.w, 0);
    ev_io_stop (loop, &first.w);
    ev_set_priority (&first.w, 2);
    ev_set_cb (&first.w, take_over);
    ev_io_start (loop, &first.w);
    kit_nowait (loop, 1);
    ck_assert_int_eq (first.calls, 1);
    ck_assert_int_eq (reuse.io.calls, 0);
    kit_nowait (loop, 10);
    ck_assert_int_eq (reuse.fresh_calls, 0);
    kit_put (quiet[1]);
    ck_assert (kit_until (loop, &reuse.fresh_calls, 1, 5.));
    kit_stop_close (loop, &reuse.io);
    for (int i = 0; i < 2; i++) {
        close (other[i]);
        close (quiet[i]);
    }
    close (old[1]);
    if (keep_old_file)
        close (keeper);
}

TEST_BACKENDS (io_number_reused_in_a_callback_does_not_inherit_events) // IO-8, U-3
{
    check_reuse (0);
}

TEST_BACKENDS (io_number_reused_while_the_old_file_lives_on_does_not_inherit_events) // IO-13, U-3
{
    check_reuse (1);
}

TEST_BACKENDS (io_stale_registration_under_a_reused_number_is_harmless) // IO-13
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int old[2], quiet[2], number;

    test_pipe (old);
    test_pipe (quiet);
    number = dup (old[1]);
    kit_start (loop, &io, number, EV_WRITE);
    kit_nowait (loop, 1);
    ck_assert_int_eq (io.calls, 1);
    kit_stop_close (loop, &io); /* old[1] keeps the open file */
    ck_assert_int_eq (dup2 (quiet[0], number), number);
    kit_start (loop, &io, number, EV_READ);
    kit_nowait (loop, 4);
    ck_assert_int_eq (io.calls, 0);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 20);
    kit_put (quiet[1]);
    ck_assert (kit_until (loop, &io.calls, 1, 5.));
    kit_stop_close (loop, &io);
    for (int i = 0; i < 2; i++) {
        close (old[i]);
        close (quiet[i]);
    }
}

static struct {
    struct kit_io io;
    int quiet, done;
} swap;

/* Between the last word to the kernel and its answer, as another thread would. */
static void swap_file (EV_P) EV_NOEXCEPT
{
    int fd = swap.io.w.fd;

    if (swap.done++)
        return;
    ev_io_stop (EV_A_ & swap.io.w);
    close (fd);
    dup2 (swap.quiet, fd);
    kit_start (EV_A_ & swap.io, fd, EV_READ);
}

TEST_BACKENDS (io_number_reused_in_the_release_hook_does_not_inherit_events) // IO-8, HK-5
{
    struct ev_loop *loop = test_loop (0);
    int old[2], quiet[2], keeper;

    test_socketpair (old);
    test_pipe (quiet);
    keeper = dup (old[0]);
    swap.quiet = quiet[0];
    kit_start (loop, &swap.io, old[0], EV_READ);
    kit_nowait (loop, 2);
    kit_put (old[1]);
    ev_set_loop_release_cb (loop, swap_file, NULL);
    kit_nowait (loop, 5);
    ck_assert_int_ge (swap.done, 5);
    ck_assert_int_eq (swap.io.calls, 0);
    kit_put (quiet[1]);
    ck_assert (kit_until (loop, &swap.io.calls, 1, 5.));
    kit_stop_close (loop, &swap.io);
    close (keeper);
    close (old[1]);
    close (quiet[0]);
    close (quiet[1]);
}

static void hook_does_nothing (struct ev_loop *loop) EV_NOEXCEPT
{
}

TEST_BACKENDS (io_second_watcher_of_a_descriptor_ends_no_sleep_behind_a_release_hook) // RN-4, HK-4
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io one, two;
    int fd[2];

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring ends the sleep");
    test_socketpair (fd);
    ev_set_loop_release_cb (loop, hook_does_nothing, NULL);
    kit_start (loop, &one, fd[0], EV_READ);
    kit_nowait (loop, 2);
    kit_start (loop, &two, fd[0], EV_READ); /* another file, for all the loop knows: it is asked about anew */
    ck_assert (kit_sleeps (loop, 0.05));
    ck_assert_int_eq (one.calls + two.calls, 0);
    kit_put (fd[1]);
    kit_nowait (loop, 2);
    ck_assert_int_eq (one.calls, 2);
    ck_assert_int_eq (two.calls, 2);
    ev_io_stop (loop, &one.w);
    kit_stop_close (loop, &two);
    close (fd[1]);
}

/* ---- close closes (U-2) ------------------------------------------------------------------------- */

/* Armed by so many watchers, stopped and closed after so many runs: is the end of file there at once? */
static int eof_is_prompt (struct ev_loop *loop, int runs, int events, int watchers)
{
    struct kit_io io[3];
    int fd[2], prompt;

    test_socketpair (fd);
    for (int i = 0; i < watchers; i++)
        kit_start (loop, &io[i], fd[0], events);
    kit_nowait (loop, runs);
    for (int i = 0; i < watchers; i++)
        ev_io_stop (loop, &io[i].w);
    close (fd[0]);
    prompt = kit_eof (fd[1]);
    close (fd[1]);
    return prompt;
}

TEST_BACKENDS (io_peer_sees_the_end_of_file_as_soon_as_the_watcher_is_stopped_and_closed) // U-2
{
    struct ev_loop *loop = test_loop (0);
    int prompt = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps files open (contract 27.3)");
    TEST_SECONDS (30);
    for (int i = 0; i < 1000; i++)
        prompt += eof_is_prompt (loop, i % 4, i % 3 ? EV_READ : EV_READ | EV_WRITE, 1 + i % 3);
    ck_assert_int_eq (prompt, 1000);
}

TEST_BACKENDS (io_peer_sees_the_end_of_file_also_among_many_armed_descriptors) // U-2
{
    enum { OTHERS = 100 };
    struct ev_loop *loop = test_loop (0);
    struct kit_io io[OTHERS];
    int fd[OTHERS][2], prompt = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps files open (contract 27.3)");
    TEST_SECONDS (30);
    for (int i = 0; i < OTHERS; i++) {
        test_socketpair (fd[i]);
        kit_start (loop, &io[i], fd[i][0], EV_READ);
    }
    for (int i = 0; i < 1000; i++) {
        kit_put (fd[i % OTHERS][1]); /* traffic moves the ring's positions about */
        prompt += eof_is_prompt (loop, 1 + i % 3, EV_READ, 1);
        kit_get (fd[i % OTHERS][0]);
    }
    ck_assert_int_eq (prompt, 1000);
    for (int i = 0; i < OTHERS; i++) {
        kit_stop_close (loop, &io[i]);
        close (fd[i][1]);
    }
}

TEST_BACKENDS (io_all_peers_see_the_end_of_file_when_many_are_closed_together) // U-2
{
    enum { PAIRS = 600 }; /* more removals than a submission queue has entries */
    struct ev_loop *loop = test_loop (0);
    static struct kit_io io[PAIRS];
    static int fd[PAIRS][2];
    int prompt = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps files open (contract 27.3)");
    kit_need_fds (2 * PAIRS + 50);
    for (int i = 0; i < PAIRS; i++) {
        test_socketpair (fd[i]);
        kit_start (loop, &io[i], fd[i][0], EV_READ);
    }
    kit_nowait (loop, 2);
    for (int i = 0; i < PAIRS; i++)
        kit_stop_close (loop, &io[i]);
    for (int i = 0; i < PAIRS; i++) {
        prompt += kit_eof (fd[i][1]);
        close (fd[i][1]);
    }
    ck_assert_int_eq (prompt, PAIRS);
}

static void stop_close_data (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    ev_io_stop (EV_A_ w);
    kit_stop_close (EV_A_ w->data);
}

TEST_BACKENDS (io_peer_sees_the_end_of_file_when_another_callback_closes) // U-2
{
    struct ev_loop *loop = test_loop (0);
    int prompt = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps files open (contract 27.3)");
    for (int i = 0; i < 200; i++) {
        struct kit_io closer, victim;
        int fd[2], trigger[2];

        test_socketpair (fd);
        test_pipe (trigger);
        kit_start (loop, &victim, fd[0], EV_READ);
        kit_start (loop, &closer, trigger[0], EV_READ);
        ev_set_cb (&closer.w, stop_close_data);
        closer.w.data = &victim;
        kit_nowait (loop, i % 3);
        kit_put (trigger[1]);
        ck_assert (kit_until (loop, &closer.calls, 1, 5.));
        prompt += kit_eof (fd[1]);
        close (fd[1]);
        close (trigger[0]);
        close (trigger[1]);
    }
    ck_assert_int_eq (prompt, 200);
}

TEST_BACKENDS (io_peer_sees_the_end_of_file_after_stop_start_stop) // U-2
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int prompt = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps files open (contract 27.3)");
    for (int i = 0; i < 200; i++) {
        int fd[2];

        test_socketpair (fd);
        kit_start (loop, &io, fd[0], EV_READ);
        kit_nowait (loop, i % 3);
        ev_io_stop (loop, &io.w);
        if (i & 1)
            ev_io_set (&io.w, fd[0], i & 2 ? EV_READ : EV_WRITE);
        ev_io_start (loop, &io.w);
        kit_nowait (loop, i % 2);
        kit_stop_close (loop, &io);
        prompt += kit_eof (fd[1]);
        close (fd[1]);
    }
    ck_assert_int_eq (prompt, 200);
}

static struct sockaddr_in listener_address;

/* A port is free without any run of the loop, if not always at once (see kit_eof). */
static int listen_again (void)
{
    socklen_t size = sizeof listener_address;
    int fd = socket (AF_INET, SOCK_STREAM, 0), err, tries = 0;

    listener_address.sin_family = AF_INET;
    listener_address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    while ((err = bind (fd, (struct sockaddr *) &listener_address, size)) < 0 && tries++ < 200)
        usleep (5000);
    if (err < 0 || listen (fd, 5) < 0) {
        close (fd);
        return -1;
    }
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &listener_address, &size), 0);
    return fd;
}

static void rebind_listener (EV_P_ ev_io *w, int revents)
{
    struct kit_io *listener = w->data;

    kit_count (EV_A_ w, revents);
    kit_get (w->fd);
    kit_stop_close (EV_A_ listener);
    int fd = listen_again ();
    ck_assert_msg (fd >= 0, "bind after close: %s", strerror (errno));
    kit_start (EV_A_ listener, fd, EV_READ);
}

TEST_BACKENDS (io_listener_can_be_closed_and_bound_again_in_one_callback) // U-2
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io listener, trigger;
    int fd[2];

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring keeps the port bound");
    test_pipe (fd);
    kit_start (loop, &listener, listen_again (), EV_READ);
    kit_start (loop, &trigger, fd[0], EV_READ);
    ev_set_cb (&trigger.w, rebind_listener);
    trigger.w.data = &listener;
    for (int i = 1; i <= 20; i++) {
        kit_nowait (loop, i % 3);
        kit_put (fd[1]);
        ck_assert (kit_until (loop, &trigger.calls, i, 5.));
    }
    int client = socket (AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq (connect (client, (struct sockaddr *) &listener_address, sizeof listener_address), 0);
    ck_assert (kit_until (loop, &listener.calls, 1, 5.));
    close (client);
    kit_stop_close (loop, &listener);
    kit_stop_close (loop, &trigger);
    close (fd[1]);
}

TEST_BACKENDS (io_listener_closed_before_it_is_stopped_keeps_no_loop_awake) // IO-13, IO-9
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io listener, idle;
    int fd[2], other, client;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring holds the file");
    test_pipe (fd);
    kit_start (loop, &listener, listen_again (), EV_READ);
    kit_start (loop, &idle, fd[0], EV_READ);
    kit_nowait (loop, 1);
    other = dup (listener.w.fd);
    close (listener.w.fd);
    ev_io_stop (loop, &listener.w);
    client = socket (AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq (connect (client, (struct sockaddr *) &listener_address, sizeof listener_address), 0);
    kit_nowait (loop, 5); /* until it is rid of what it cannot take back */
    unsigned before = ev_iteration (loop);
    kit_run_for (loop, 0.1);
    ck_assert_uint_le (ev_iteration (loop) - before, 3);
    ck_assert_int_eq (listener.calls, 0);
    close (other);
    close (client);
    kit_stop_close (loop, &idle);
    close (fd[1]);
}

static struct kit_io *bystander;

/* What an ev_io_stop in a callback makes the loop find is read by the same callback. */
static void stop_idle_and_read (EV_P_ ev_io *w, int revents)
{
    kit_take (EV_A_ w, revents);
    kit_put (*(int *) w->data);
    ev_io_stop (EV_A_ & bystander->w);
    kit_get (bystander[1].w.fd);
}

TEST_BACKENDS (io_descriptor_read_by_the_callback_of_another_is_not_told_later) // IO-8
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io busy, others[2];
    int fd[2], idle[2], found[2];

    test_pipe (fd);
    test_pipe (idle);
    test_socketpair (found);
    kit_start (loop, &busy, fd[0], EV_READ);
    kit_start (loop, &others[0], idle[0], EV_READ);
    kit_start (loop, &others[1], found[0], EV_READ);
    ev_set_cb (&busy.w, stop_idle_and_read);
    busy.w.data = &found[1];
    bystander = others;
    kit_nowait (loop, 2);
    kit_put (fd[1]);
    ck_assert (kit_until (loop, &busy.calls, 1, 5.));
    kit_nowait (loop, 3);
    ck_assert_int_eq (others[1].calls, 0);
    kit_put (found[1]);
    ck_assert (kit_until (loop, &others[1].calls, 1, 5.));
    kit_stop_close (loop, &busy);
    kit_stop_close (loop, &others[0]);
    kit_stop_close (loop, &others[1]);
    close (fd[1]);
    close (idle[1]);
    close (found[1]);
}

TEST_BACKENDS (io_peers_see_the_end_of_file_when_the_loop_is_destroyed_and_the_ends_are_closed) // U-2, rule 4
{
    struct kit_io io;
    int prompt = 0;

    for (int i = 0; i < 50; i++) {
        struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);
        int fd[2];

        test_socketpair (fd);
        kit_start (loop, &io, fd[0], EV_READ);
        kit_nowait (loop, i % 3);
        ev_loop_destroy (loop);
        close (fd[0]);
        prompt += kit_polls (fd[1], POLLIN) & POLLHUP ? 1 : 0;
        close (fd[1]);
    }
#ifdef STOCK_LIBEV
    if (kit_uring ())
        test_skip ("the reference's io_uring lets go some time later");
#endif
    ck_assert_int_ge (prompt,
                      45); /* see kit_eof; a ring closed with requests in it lets go later each time */
}

/* ---- half-closed sockets (U-5) ------------------------------------------------------------------ */

static void take_all (int fd)
{
    char drop[65536];

    while (read (fd, drop, sizeof drop) > 0)
        ;
}

/* A full socket whose peer has shut down writing: nothing to report, until the peer reads. */
static void check_rdhup (int tcp)
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2], small = 16384;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring spins on RDHUP (contract U-5)");
    (tcp ? test_tcp_pair : test_socketpair) (fd);
    ck_assert_int_eq (setsockopt (fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                      0); /* no self-tuning */
    ck_assert_int_eq (setsockopt (fd[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    kit_start (loop, &io, fd[0], EV_WRITE);
    kit_nowait (loop, 1);
    kit_fill (fd[0]);
    io.calls = 0;
    ck_assert_int_eq (shutdown (fd[1], SHUT_WR), 0);
    ck_assert_uint_lt (kit_run_for (loop, 0.15), 10);
    ck_assert_int_eq (io.calls, 0);
    for (int i = 0; i < 2; i++) { /* a real event is still heard, more than once */
        take_all (fd[1]);
        int calls = io.calls;
        ck_assert (kit_until (loop, &io.calls, calls + 1, 5.));
        ck_assert_int_eq (io.revents, EV_WRITE);
    }
    kit_fill (fd[0]);
    kit_nowait (loop, 2);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10); /* and quiet again */
    kit_stop_close (loop, &io);
    close (fd[1]);
}

TEST_BACKENDS (io_half_closed_full_socket_does_not_make_the_loop_spin) // U-5
{
    check_rdhup (0);
}

TEST_BACKENDS (io_half_closed_full_tcp_socket_does_not_make_the_loop_spin) // U-5
{
    check_rdhup (1);
}

/* A watched full socket whose peer has shut down writing. */
static struct ev_loop *rdhup_loop (struct kit_io *io, int fd[2])
{
    struct ev_loop *loop = test_loop (0);

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring spins on RDHUP (contract U-5)");
    test_socketpair (fd);
    kit_fill (fd[0]);
    kit_start (loop, io, fd[0], EV_WRITE);
    shutdown (fd[1], SHUT_WR);
    kit_nowait (loop, 4);
    return loop;
}

/* It is stopped and closed: the peer gets what is left, and the end. */
static void check_rdhup_closes (int news)
{
    struct kit_io io;
    char drop[65536];
    int fd[2];
    struct ev_loop *loop = rdhup_loop (&io, fd);

    for (int i = 0; i < news; i++)
        ck_assert_int_gt (read (fd[1], drop, sizeof drop), 0);
    kit_stop_close (loop, &io);
    take_all (fd[1]);
    ck_assert (kit_eof (fd[1]));
    close (fd[1]);
}

TEST_BACKENDS (io_half_closed_socket_closes_when_it_is_stopped) // U-2 with U-5
{
    check_rdhup_closes (0);
}

TEST_BACKENDS (io_half_closed_socket_closes_when_it_is_stopped_with_news_on_their_way) // U-2 with U-5
{
    check_rdhup_closes (1);
    check_rdhup_closes (3);
}

TEST_BACKENDS (io_half_closed_socket_closes_when_its_callback_stops_it) // U-2 with U-5
{
    struct kit_io io;
    int fd[2];
    struct ev_loop *loop = rdhup_loop (&io, fd);

    ev_set_cb (&io.w, kit_leave);
    ck_assert_int_eq (io.calls, 0);
    take_all (fd[1]);
    ck_assert (kit_until (loop, &io.calls, 1, 5.));
    ck_assert (kit_eof (fd[1]));
    close (fd[1]);
}

/* ---- descriptor kinds (IO-19) ------------------------------------------------------------------- */

static int pair_first, pair_second;

static int first_of (void (*make) (int fd[2]), int which)
{
    int fd[2];

    make (fd);
    pair_second = fd[!which];
    return pair_first = fd[which];
}

static void close_second (void)
{
    close (pair_second);
    pair_second = -1;
}

static int pipe_read (void)
{
    return first_of (test_pipe, 0);
}

static int pipe_write (void)
{
    return first_of (test_pipe, 1);
}

static int unix_stream (void)
{
    return first_of (test_socketpair, 0);
}

static int tcp_connected (void)
{
    return first_of (test_tcp_pair, 0);
}

static int pipe_read_eof (void)
{
    int fd = pipe_read ();

    close_second ();
    return fd;
}

static int pipe_write_dead (void)
{
    int fd = pipe_write ();

    close_second ();
    return fd;
}

static int udp (void)
{
    return socket (AF_INET, SOCK_DGRAM, 0);
}

static int tcp_fresh (void)
{
    return socket (AF_INET, SOCK_STREAM, 0);
}

static int event_zero (void)
{
    return eventfd (0, 0);
}

static int timer_unarmed (void)
{
    return timerfd_create (CLOCK_MONOTONIC, 0);
}

static int inotify (void)
{
    return inotify_init1 (0);
}

static int epoll_empty (void)
{
    return epoll_create1 (0);
}

static int pid_alive (void)
{
    return (int) syscall (SYS_pidfd_open, getpid (), 0);
}

static int memory (void)
{
    return memfd_create ("evring", 0);
}

static int listening (void)
{
    int fd = tcp_fresh ();

    ck_assert_int_eq (listen (fd, 5), 0);
    return fd;
}

static int signals (void)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, SIGUSR1);
    return signalfd (-1, &set, 0);
}

static int pty_slave (void)
{
    int master = posix_openpt (O_RDWR | O_NOCTTY), fd;

    if (master < 0 || grantpt (master) || unlockpt (master))
        return -1;
    fd = open (ptsname (master), O_RDWR | O_NOCTTY);
    if (fd < 0)
        close (master);
    else
        pair_second = master;
    return fd;
}

static int pty_master (void)
{
    int slave = pty_slave (), master = pair_second;

    pair_second = slave;
    return slave < 0 ? -1 : master;
}

/* What a READ|WRITE watcher is told in each run: by select, and by the other three, which agree. */
static const struct kind {
    const char *name;
    int (*make) (void); /* NULL: the name is a path */
    int by_select, by_others;
} kinds[] = {
    { "pipe read end, empty", pipe_read, 0, 0 },
    { "pipe read end after the last writer closed", pipe_read_eof, 1, 3 },
    { "pipe write end", pipe_write, 2, 2 },
    { "pipe write end after the last reader closed", pipe_write_dead, 3, 3 },
    { "UNIX stream", unix_stream, 2, 2 },
    { "TCP connected", tcp_connected, 2, 2 },
    { "UDP", udp, 2, 2 },
    { "eventfd 0", event_zero, 2, 2 },
    { "pty slave", pty_slave, 2, 2 },
    { "pty master", pty_master, 2, 2 },
    { "TCP listening", listening, 0, 0 },
    { "timerfd unarmed", timer_unarmed, 0, 0 },
    { "inotify", inotify, 0, 0 },
    { "signalfd", signals, 0, 0 },
    { "epoll, empty", epoll_empty, 0, 0 },
    { "pidfd, alive", pid_alive, 0, 0 },
    { "TCP unconnected", tcp_fresh, 3, 3 },
    { "/etc/passwd", NULL, 3, 3 },
    { "/tmp", NULL, 3, 3 },
    { "memfd", memory, 3, 3 },
    { "/proc/self/status", NULL, 3, 3 },
    { "/dev/null", NULL, 3, 3 },
    { "/dev/zero", NULL, 3, 3 },
    { "/dev/urandom", NULL, 3, 3 },
    { "/dev/random", NULL, 1, 1 },
    { "/proc/self/mounts", NULL, 1, 1 },
};

static int regular (void)
{
    return open ("/etc/passwd", O_RDONLY);
}

/* -1 when this sandbox has no such thing. What else the kind needs open is pair_second, or -1. */
static int make_kind (const struct kind *kind)
{
    pair_second = -1;
    return kind->make ? kind->make () : open (kind->name, O_RDONLY);
}

static int wanted_of (const struct kind *kind)
{
    return test_backend == EVBACKEND_SELECT ? kind->by_select : kind->by_others;
}

static void check_kind (struct ev_loop *loop, const struct kind *kind)
{
    int wanted = wanted_of (kind), fd = make_kind (kind);
    struct kit_io io;

    if (fd < 0)
        return;
    kit_start (loop, &io, fd, EV_READ | EV_WRITE);
    for (int run = 0; run < 10; run++) {
        io.revents = 0;
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_msg (io.revents == wanted, "%s: 0x%x instead of %d in run %d", kind->name,
                       (unsigned) io.revents, wanted, run);
    }
    ck_assert_msg (io.calls == (wanted ? 10 : 0), "%s: %d calls", kind->name, io.calls);
    ck_assert_msg (ev_is_active (&io.w), "%s: was stopped", kind->name);
    kit_stop_close (loop, &io);
    if (pair_second >= 0)
        close_second ();
}

TEST_BACKENDS (io_reports_each_kind_of_descriptor_as_the_reference_does) // IO-19, IO-10, U-4, U-11
{
    struct ev_loop *loop = test_loop (0);

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring reuses requests uncleared and aborts");
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_kind (loop, &kinds[i]);
}

TEST_BACKENDS (io_reports_each_kind_of_descriptor_also_when_all_are_watched_at_once) // IO-19, U-16
{
    enum { KINDS = sizeof kinds / sizeof *kinds };
    struct ev_loop *loop = test_loop (0);
    struct kit_io io[KINDS];
    int second[KINDS];

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring reuses requests uncleared and aborts");
    for (int i = 0; i < KINDS; i++) {
        int fd = make_kind (&kinds[i]);
        second[i] = pair_second;
        io[i].w.fd = fd;
        if (fd >= 0)
            kit_start (loop, &io[i], fd, EV_READ | EV_WRITE);
    }
    kit_nowait (loop, 5);
    for (int i = 0; i < KINDS; i++) {
        if (io[i].w.fd < 0)
            continue;
        ck_assert_msg (io[i].calls == (wanted_of (&kinds[i]) ? 5 : 0), "%s: %d calls", kinds[i].name,
                       io[i].calls);
        kit_stop_close (loop, &io[i]);
        if (second[i] >= 0)
            close (second[i]);
    }
}

TEST_BACKENDS (io_on_a_regular_file_keeps_the_loop_from_blocking) // IO-10
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    ev_timer far;
    double begun = test_clock ();

    ev_timer_init (&far, kit_nothing, 30., 0.);
    ev_timer_start (loop, &far);
    kit_start (loop, &io, regular (), EV_READ);
    for (int i = 0; i < 10; i++)
        ev_run (loop, EVRUN_ONCE);
    ck_assert_int_eq (io.calls, 10);
    ck_assert_double_lt (test_clock () - begun, 8.);
    kit_stop_close (loop, &io);
    ev_timer_stop (loop, &far);
}

TEST_BACKENDS (io_on_a_regular_file_does_not_starve_timers) // U-11
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    kit_start (loop, &io, regular (), EV_READ);
    ck_assert_uint_gt (kit_run_for (loop, 0.02), 0); /* ends by a timer */
    ck_assert_int_gt (io.calls, 0);
    kit_stop_close (loop, &io);
}

TEST_BACKENDS (io_stopped_on_a_regular_file_lets_the_loop_sleep_again) // IO-10
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    kit_start (loop, &io, regular (), EV_READ);
    kit_nowait (loop, 3);
    ev_io_stop (loop, &io.w);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    close (io.w.fd);
}

TEST_BACKENDS (io_number_of_a_regular_file_reused_for_a_pipe_behaves_as_a_pipe) // IO-10 with IO-7
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2], number = regular ();

    test_pipe (fd);
    kit_start (loop, &io, number, EV_READ);
    kit_nowait (loop, 3);
    kit_stop_close (loop, &io);
    ck_assert_int_eq (dup2 (fd[0], number), number);
    kit_start (loop, &io, number, EV_READ);
    ck_assert_uint_lt (kit_run_for (loop, 0.05), 10);
    ck_assert_int_eq (io.calls, 0);
    kit_put (fd[1]);
    ck_assert (kit_until (loop, &io.calls, 1, 5.));
    kit_stop_close (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (io_pty_reports_a_line_and_the_hangup) // IO-19, remark j
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io slave, master;
    int fd = pty_master ();

    if (fd < 0)
        test_skip ("no pseudo-terminals here");
    kit_start (loop, &master, fd, EV_READ);
    kit_start (loop, &slave, pair_second, EV_READ);
    kit_nowait (loop, 3);
    ck_assert_int_eq (slave.calls + master.calls, 0);
    ck_assert_int_eq (write (fd, "line\n", 5), 5);
    ck_assert (kit_until (loop, &slave.calls, 1, 5.));
    kit_stop_close (loop, &slave);
    ck_assert (kit_until (loop, &master.calls, 1, 5.)); /* the echo, then the hangup */
    kit_stop_close (loop, &master);
}

TEST_BACKENDS (io_descriptor_beyond_1024_works) // IO-11
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    kit_need_fds (3100);
    test_pipe (fd);
    ck_assert_int_eq (dup2 (fd[0], 3000), 3000);
    kit_start (loop, &io, 3000, EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 0);
    kit_put (fd[1]);
    kit_nowait (loop, 1);
    ck_assert_int_eq (io.calls, 1);
    kit_stop_close (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

/* ---- fairness ----------------------------------------------------------------------------------- */

enum { MANY_MAX = 6000 };
static struct kit_io many[MANY_MAX];

static void many_start (struct ev_loop *loop, int count)
{
    kit_need_fds ((rlim_t) count + 50);
    for (int i = 0; i < count; i++) {
        int fd = eventfd (1, EFD_NONBLOCK);

        ck_assert_int_ge (fd, 0);
        kit_start (loop, &many[i], fd, EV_READ);
    }
}

static void many_stop (struct ev_loop *loop, int count)
{
    for (int i = 0; i < count; i++)
        kit_stop_close (loop, &many[i]);
}

/* Runs until each descriptor was served about so many times; each must have had its turn. */
static void check_fair (struct ev_loop *loop, int count, int rounds, int flags)
{
    long sum = 0, before;
    int least = 1 << 30, most = 0;

    for (int run = 0; sum < (long) rounds * count; run++) {
        ck_assert_msg (run < rounds * count, "no progress");
        ev_run (loop, flags);
        before = sum;
        sum = 0;
        for (int i = 0; i < count; i++)
            sum += many[i].calls;
        kit_same_backend (loop);
        ck_assert_msg (sum > before, "run %d served nobody after %ld calls", run, before);
    }
    for (int i = 0; i < count; i++) {
        least = many[i].calls < least ? many[i].calls : least;
        most = many[i].calls > most ? many[i].calls : most;
    }
    ck_assert_msg (least >= rounds - 4, "one of %d was served %d times, another %d times", count, least,
                   most);
}

static void check_fair_with (int count, int rounds, int flags, int with_idle)
{
    struct ev_loop *loop = test_loop (0);
    ev_idle idle;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring serves 64 and stalls (contract 27.3)");
    TEST_SECONDS (60);
    many_start (loop, count);
    if (with_idle) {
        ev_idle_init (&idle, (void (*) (EV_P_ ev_idle *, int)) kit_nothing);
        ev_idle_start (loop, &idle);
    }
    check_fair (loop, count, rounds, flags);
    if (with_idle)
        ev_idle_stop (loop, &idle);
    many_stop (loop, count);
}

TEST_BACKENDS (io_200_ready_descriptors_are_all_served_by_nowait_runs) // IO-16, U-6, U-17
{
    check_fair_with (200, 50, EVRUN_NOWAIT, 0);
}

TEST_BACKENDS (io_200_ready_descriptors_are_all_served_by_once_runs) // U-17
{
    check_fair_with (200, 50, EVRUN_ONCE, 0);
}

TEST_BACKENDS (io_200_ready_descriptors_are_all_served_beside_an_idle_watcher) // U-17
{
    check_fair_with (200, 50, EVRUN_ONCE, 1);
}

TEST_BACKENDS (io_2000_ready_descriptors_are_all_served_by_nowait_runs) // U-17
{
    check_fair_with (2000, 20, EVRUN_NOWAIT, 0);
}

TEST_BACKENDS (io_2000_ready_descriptors_are_all_served_by_once_runs) // U-17
{
    check_fair_with (2000, 20, EVRUN_ONCE, 0);
}

TEST_BACKENDS (io_2000_ready_descriptors_are_all_served_beside_an_idle_watcher) // U-17
{
    check_fair_with (2000, 20, EVRUN_ONCE, 1);
}

TEST_BACKENDS (io_6000_ready_descriptors_are_all_served) // U-17, rule 8: more than the ring has room for
{
    check_fair_with (6000, 8, EVRUN_NOWAIT, 0);
}

TEST_BACKENDS (io_timers_are_served_beside_2000_ready_descriptors) // U-17
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    many_start (loop, 2000);
    ck_assert_uint_lt (kit_run_for (loop, 0.05), 1000000); /* that it returns is the test */
    many_stop (loop, 2000);
}

TEST_BACKENDS (io_20000_descriptors_can_be_watched) // issue: many descriptors
{
    enum { COUNT = 19000 };
    struct ev_loop *loop = test_loop (0);
    struct kit_io *io = calloc (COUNT, sizeof *io);
    int calls = 0;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring drops completions");
    TEST_SECONDS (60);
    kit_need_fds (COUNT + 100);
    for (int i = 0; i < COUNT; i++) {
        int fd = eventfd (0, EFD_NONBLOCK);

        ck_assert_int_ge (fd, 0);
        kit_start (loop, &io[i], fd, EV_READ);
    }
    kit_nowait (loop, 2);
    for (int i = 0; i < COUNT; i += 1000)
        eventfd_write (io[i].w.fd, 1);
    kit_nowait (loop, 3);
    for (int i = 0; i < COUNT; i++) {
        calls += io[i].calls > 0;
        ck_assert (io[i].calls == 0 || i % 1000 == 0);
    }
    ck_assert_int_eq (calls, (COUNT + 999) / 1000);
    for (int i = 0; i < COUNT; i++)
        kit_stop_close (loop, &io[i]);
    free (io);
}

/* ---- feeding ------------------------------------------------------------------------------------ */

TEST_BACKENDS (io_feed_fd_event_queues_each_watcher_with_the_bits_it_asked_for) // IO-17
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io in, out, other;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &in, fd[0], EV_READ);
    kit_start (loop, &out, fd[0], EV_WRITE);
    kit_start (loop, &other, fd[1], EV_READ);
    ev_feed_fd_event (loop, fd[0], EV_READ);
    ck_assert_uint_eq (ev_pending_count (loop), 1);
    ev_invoke_pending (loop);
    ck_assert_int_eq (in.calls, 1);
    ck_assert_int_eq (in.revents, EV_READ);
    ev_feed_fd_event (loop, fd[0], EV_READ | EV_WRITE);
    ck_assert_uint_eq (ev_pending_count (loop), 2);
    ev_invoke_pending (loop);
    ck_assert_int_eq (in.calls, 2);
    ck_assert_int_eq (out.calls, 1);
    ck_assert_int_eq (out.revents, EV_WRITE);
    ck_assert_int_eq (other.calls, 0);
    ev_feed_fd_event (loop, -1, EV_READ);
    ev_feed_fd_event (loop, 100000, EV_READ);
    ev_feed_fd_event (loop, 1 << 30, EV_READ);
    ck_assert_uint_eq (ev_pending_count (loop), 0);
    ev_io_stop (loop, &in.w);
    kit_stop_close (loop, &out);
    kit_stop_close (loop, &other);
}

/* ---- waiting ------------------------------------------------------------------------------------ */

TEST_BACKENDS (io_a_short_wait_is_not_cut_into_many) // IO-18, LP-10
{
    struct ev_loop *loop = test_loop (0);

    ck_assert_uint_lt (kit_run_for (loop, 0.0155), 10); /* not a whole number of milliseconds */
    ck_assert_uint_lt (kit_run_for (loop, 0.0003), 10);
}

static volatile sig_atomic_t interruptions;

static void on_usr2 (int signum)
{
    interruptions++;
}

/* Without SA_RESTART. */
static void catch_usr2 (void)
{
    struct sigaction action = { .sa_handler = on_usr2 };

    ck_assert_int_eq (sigaction (SIGUSR2, &action, NULL), 0);
}

static volatile int disturber_end;

static void *disturber (void *target)
{
    while (!disturber_end) {
        pthread_kill (*(pthread_t *) target, SIGUSR2);
        usleep (500);
    }
    return NULL;
}

TEST_BACKENDS (io_and_timers_survive_a_storm_of_interruptions) // IO-15, rule 6: EINTR is ignored everywhere
{
    struct ev_loop *loop = test_loop (0);
    pthread_t self = pthread_self (), thread;
    struct kit_io in;
    int fd[2];

    catch_usr2 ();
    test_pipe (fd);
    kit_start (loop, &in, fd[0], EV_READ);
    ev_set_cb (&in.w, read_one);
    ck_assert_int_eq (pthread_create (&thread, NULL, disturber, &self), 0);
    for (int i = 1; i <= 20; i++) {
        double begun = test_clock ();
        kit_run_for (loop, 0.005);
        ck_assert_double_ge (test_clock () - begun, 0.004); /* never early */
        kit_put (fd[1]);
        ck_assert (kit_until (loop, &in.calls, i, 5.));
    }
    disturber_end = 1;
    pthread_join (thread, NULL);
    ck_assert_int_gt (interruptions, 0);
    kit_stop_close (loop, &in);
    close (fd[1]);
}

static void *interrupt_once (void *target)
{
    for (int i = 0; i < 200 && !disturber_end; i++) {
        usleep (20000);
        pthread_kill (*(pthread_t *) target, SIGUSR2);
    }
    return NULL;
}

TEST_BACKENDS (io_once_run_ends_when_a_signal_interrupts_its_wait) // RN-6
{
    struct ev_loop *loop = test_loop (0);
    pthread_t self = pthread_self (), thread;
    unsigned before = ev_iteration (loop);

    catch_usr2 ();
    ev_ref (loop);
    ck_assert_int_eq (pthread_create (&thread, NULL, interrupt_once, &self), 0);
    ev_run (loop, EVRUN_ONCE);
    disturber_end = 1;
    pthread_join (thread, NULL);
    ck_assert_uint_eq (ev_iteration (loop), before + 1);
    ev_unref (loop);
}

/* ---- life cycle --------------------------------------------------------------------------------- */

TEST_BACKENDS (io_start_twice_and_stop_twice_count_once) // WA-1
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    ev_io_start (loop, &io.w);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ck_assert_int_eq (io.calls, 1);
    ev_io_stop (loop, &io.w);
    ev_io_stop (loop, &io.w);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    close (fd[0]);
    close (fd[1]);
}

static void stop_free (EV_P_ ev_io *w, int revents)
{
    *(int *) w->data += 1;
    ev_io_stop (EV_A_ w);
    free (w);
}

TEST_BACKENDS (io_may_be_stopped_and_freed_in_its_callback) // PQ-5
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], calls = 0;

    test_pipe (fd);
    for (int i = 0; i < 20; i++) {
        ev_io *w = malloc (sizeof *w);

        ev_io_init (w, stop_free, fd[1], EV_WRITE);
        w->data = &calls;
        ev_io_start (loop, w);
    }
    kit_nowait (loop, 3);
    ck_assert_int_eq (calls, 20);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (io_memory_may_be_freed_after_stop) // rule 4: the kernel holds nothing of it
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    test_socketpair (fd);
    for (int i = 0; i < 100; i++) {
        struct kit_io *io = malloc (sizeof *io);

        kit_start (loop, io, fd[0], EV_READ);
        kit_nowait (loop, i % 3);
        if (i & 1)
            kit_put (fd[1]);
        ev_io_stop (loop, &io->w);
        memset (io, 0xa5, sizeof *io);
        free (io);
        kit_nowait (loop, 1);
        if (i & 1)
            kit_get (fd[0]);
    }
    close (fd[0]);
    close (fd[1]);
}
