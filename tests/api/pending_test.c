/* pending_test.c: the queue between event and callback, and what all watcher kinds have in common: start and
 * stop twice, stop and free inside the callback, feeding, clearing, leaving by longjmp (contract PQ, WA, FE,
 * TH-3). */
#include "kinds.h"
#include "line.h"

#include <setjmp.h>

static ev_timer a, b, c; /* fed watchers are never active, so their kind does not matter */

static void name_abc (void)
{
    LINE_INIT (timer, &a, "A", 0., 0.);
    LINE_INIT (timer, &b, "B", 0., 0.);
    LINE_INIT (timer, &c, "C", 0., 0.);
}

static void feed_abc (struct ev_loop *loop)
{
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_feed_event (loop, &b, EV_CUSTOM);
    ev_feed_event (loop, &c, EV_CUSTOM);
}

/* ---- order ---- */

TEST_BACKENDS (last_fed_is_first_invoked) // PQ-1, WA-2
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    feed_abc (loop);
    ck_assert_uint_eq (ev_pending_count (loop), 3);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("C B A");
    ck_assert_uint_eq (ev_pending_count (loop), 0);
}

TEST_BACKENDS (higher_priority_is_invoked_first) // PQ-1, section 25
{
    struct ev_loop *loop = test_loop (0);
    static const char *const names[] = { "-2", "-1", "0", "1", "2" };
    ev_timer w[5];

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            int at = round ? i * 2 % 5 : i;

            LINE_INIT (timer, &w[at], names[at], 0., 0.);
            ev_set_priority (&w[at], at + EV_MINPRI);
            ev_feed_event (loop, &w[at], EV_CUSTOM);
        }
        ev_invoke_pending (loop);
        LINE_IS ("2 1 0 -1 -2");
    }
}

TEST_BACKENDS (feeding_a_pending_watcher_joins_the_bits_and_keeps_its_place) // PQ-2
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_feed_event (loop, &a, EV_READ);
    ev_feed_event (loop, &b, EV_CUSTOM);
    ev_feed_event (loop, &a, EV_TIMER);
    ck_assert_uint_eq (ev_pending_count (loop), 2);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("B A");
    ck_assert_int_eq (line_revents, EV_READ | EV_TIMER);
}

static void name_and_feed_b (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_timer (loop, w, revents);
    ev_feed_event (loop, &b, EV_CUSTOM);
}

/* Three are pending, the first of them feeds B of the given priority. */
static void feed_inside (int priority, const char *wanted)
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_set_cb (&c, name_and_feed_b);
    ev_set_priority (&b, priority);
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_feed_event (loop, &c, EV_CUSTOM);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS (wanted);
}

TEST_BACKENDS (an_event_fed_by_a_callback_is_invoked_in_the_same_pass) // PQ-3
{
    feed_inside (0, "C B A");
    feed_inside (2, "C B A");
    feed_inside (-1, "C A B");
}

static int feeds_left;

static void feed_itself (struct ev_loop *loop, ev_timer *w, int revents)
{
    if (--feeds_left)
        ev_feed_event (loop, w, EV_CUSTOM);
}

TEST_BACKENDS (a_callback_that_feeds_itself_keeps_the_pass_going) // PQ-3
{
    struct ev_loop *loop = test_loop (0);

    feeds_left = 1000;
    ev_timer_init (&a, feed_itself, 0., 0.);
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_invoke_pending (loop);
    ck_assert_int_eq (feeds_left, 0);
}

TEST_BACKENDS (hooks_are_invoked_in_reverse_start_order) // PQ-6
{
    struct ev_loop *loop = test_loop (0);
    static ev_prepare prepare[3];
    static ev_check check[3];
    static const char *const names[][2] = { { "P1", "C1" }, { "P2", "C2" }, { "P3", "C3" } };

    for (int i = 0; i < 3; i++) {
        LINE_START (prepare, &prepare[i], names[i][0]);
        LINE_START (check, &check[i], names[i][1]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("P3 P2 P1 C3 C2 C1");
    ev_prepare_stop (loop, &prepare[0]); /* the last moves into its place */
    ev_check_stop (loop, &check[0]);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("P2 P3 C2 C3");
}

TEST_BACKENDS (fork_watchers_are_invoked_in_reverse_start_order) // PQ-6, FK-1
{
    struct ev_loop *loop = test_loop (0);
    static ev_fork forks[3];
    static const char *const names[] = { "F1", "F2", "F3" };

    for (int i = 0; i < 3; i++)
        LINE_START (fork, &forks[i], names[i]);
    ev_loop_fork (loop);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("F3 F2 F1");
}

TEST_BACKENDS (expired_timers_and_periodics_are_invoked_earliest_first) // PQ-7
{
    struct ev_loop *loop = test_loop (0);
    static const char *const names[] = { "T3", "T1", "T2", "high" };
    static const ev_tstamp delays[] = { -1., -3., -2., -0.5 };
    static const char *const dates[] = { "P2", "P1", "P3" };
    static const ev_tstamp times[] = { 2000., 1000., 3000. };
    ev_periodic periodics[3];
    ev_timer timers[4];

    for (int i = 0; i < 4; i++) {
        LINE_INIT (timer, &timers[i], names[i], delays[i], 0.);
        ev_set_priority (&timers[i], i == 3);
        ev_timer_start (loop, &timers[i]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("high T1 T2 T3");
    for (int i = 0; i < 3; i++)
        LINE_START (periodic, &periodics[i], dates[i], times[i], 0., NULL);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("P1 P2 P3");
}

/* ---- clearing ---- */

TEST_BACKENDS (clear_pending_takes_the_event_back) // PQ-4
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ck_assert_int_eq (ev_clear_pending (loop, &b), 0);
    feed_abc (loop);
    ck_assert_int_eq (ev_is_pending (&b) != 0, 1);
    ck_assert_int_eq (ev_clear_pending (loop, &b), EV_CUSTOM);
    ck_assert_int_eq (ev_is_pending (&b), 0);
    ck_assert_int_eq (ev_clear_pending (loop, &b), 0);
    ck_assert_uint_eq (ev_pending_count (loop), 3); /* the place is still counted */
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("C A");
    ck_assert_uint_eq (ev_pending_count (loop), 0);
}

TEST_BACKENDS (a_cleared_watcher_can_be_fed_again) // PQ-4
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    feed_abc (loop);
    ev_clear_pending (loop, &a);
    ev_feed_event (loop, &a, EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("A C B");
    ck_assert_int_eq (ev_clear_pending (loop, &a), 0);
}

static void name_and_stop_a (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_timer (loop, w, revents);
    ev_timer_stop (loop, &a);
    memset (&a, 0xee, sizeof a); /* as free would */
}

TEST_BACKENDS (a_callback_may_stop_and_free_another_pending_watcher) // PQ-4, PQ-5
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_set_cb (&c, name_and_stop_a);
    feed_abc (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("C B");
}

/* ---- priorities ---- */

TEST_BACKENDS (priorities_out_of_range_are_clamped_by_start) // PQ-8
{
    struct ev_loop *loop = test_loop (0);
    union ev_any_watcher w;

    kinds_open ();
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++)
        for (int extreme = -100; extreme <= 100; extreme += 200) {
            kind_init (kind, &w, (kind_callback *) line_timer);
            ev_set_priority (&w, extreme);
            kind->start (loop, &w);
            ck_assert_int_eq (ev_priority (&w), extreme < 0 ? EV_MINPRI : EV_MAXPRI);
            kind->stop (loop, &w);
            ck_assert_int_eq (ev_priority (&w), extreme < 0 ? EV_MINPRI : EV_MAXPRI);
        }
    kinds_close ();
}

/* ---- invoking by hand ---- */

static void invoke_pending_inside (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_add ("begin");
    ev_invoke_pending (loop);
    line_add ("end");
}

TEST_BACKENDS (invoke_pending_empties_the_queue_also_from_a_callback) // PQ-9
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_set_cb (&c, invoke_pending_inside);
    feed_abc (loop);
    ev_invoke_pending (loop);
    LINE_IS ("begin B A end");
    ck_assert_uint_eq (ev_pending_count (loop), 0);
    ev_invoke_pending (loop);
    LINE_IS ("");
}

TEST_BACKENDS (invoke_calls_the_callback_at_once) // PQ-9
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_feed_event (loop, &a, EV_READ);
    ev_invoke (loop, &a, EV_WRITE | EV_CUSTOM);
    LINE_IS ("A");
    ck_assert_int_eq (line_revents, EV_WRITE | EV_CUSTOM);
    ev_run (loop, EVRUN_NOWAIT); /* what was pending still is */
    LINE_IS ("A");
    ck_assert_int_eq (line_revents, EV_READ);
}

TEST_BACKENDS (custom_events_pass_unchanged) // FE-2, FE-1
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("A");
    ck_assert_int_eq (line_revents, 0x01000000);
}

/* ---- life of a watcher ---- */

static void kind_nothing (struct ev_loop *loop, ev_watcher *w, int revents)
{
}

TEST_BACKENDS (starting_twice_is_starting_once) // WA-1, AB: double start
{
    struct ev_loop *loop = test_loop (0);
    union ev_any_watcher w, before;

    kinds_open ();
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        memset (&w, 0, sizeof w);
        kind_init (kind, &w, kind_nothing);
        kind->start (loop, &w);
        memcpy (&before, &w, sizeof w);
        kind->start (loop, &w);
        ck_assert_msg (!memcmp (&before, &w, sizeof w), "%s changed when started again", kind->name);
        kind->stop (loop, &w);
        ck_assert_msg (!ev_is_active (&w), "%s must be stopped twice", kind->name);
        ck_assert_msg (ev_run (loop, EVRUN_NOWAIT) == 0, "%s leaves a reference", kind->name);
    }
    kinds_close ();
}

TEST_BACKENDS (stopping_the_never_started_does_nothing_but_clear) // WA-1, AB: stop of never started
{
    struct ev_loop *loop = test_loop (0);
    union ev_any_watcher w;

    kinds_open ();
    for (const struct kind *kind = kinds; kind < kinds + KINDS; kind++) {
        memset (&w, 0, sizeof w);
        kind_init (kind, &w, kind_nothing);
        kind->stop (loop, &w);
        ck_assert_msg (ev_run (loop, EVRUN_NOWAIT) == 0, "%s took a reference away", kind->name);
        ev_feed_event (loop, &w, EV_CUSTOM);
        kind->stop (loop, &w);
        ck_assert_msg (!ev_is_pending (&w), "stop leaves a fed %s pending", kind->name);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
        ev_verify (loop);
    }
    kinds_close ();
}

TEST_BACKENDS (a_pending_watcher_calls_the_callback_set_last) // WA-3
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&a, feed_itself, 0., 0.); /* would not name itself */
    feeds_left = 1;
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_set_cb (&a, line_timer);
    a.data = "changed";
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("changed");
    ck_assert (ev_cb (&a) == line_timer);
}

TEST_BACKENDS (a_pending_inactive_watcher_can_be_set_and_started) // WA-3
{
    struct ev_loop *loop = test_loop (0);

    LINE_INIT (timer, &a, "A", 0., 0.);
    ev_feed_event (loop, &a, EV_CUSTOM);
    ev_timer_set (&a, 0.01, 0.);
    ev_timer_start (loop, &a);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("A A");
}

static const struct kind *seen_kind;
static int seen_calls, seen_revents, seen_active, seen_pending;

static void look_and_stop (struct ev_loop *loop, ev_watcher *w, int revents)
{
    seen_calls++;
    seen_revents = revents;
    seen_active = ev_is_active (w);
    seen_pending = ev_is_pending (w);
    seen_kind->stop (loop, w);
}

TEST_BACKENDS (each_kind_fires_with_its_bit_and_may_be_stopped_by_its_callback) // WA-4, PQ-5
{
    struct ev_loop *loop = test_loop (0);
    union ev_any_watcher w;

    not_stock (EVBACKEND_IOURING, "each rebuild leaks a reference (FK-6)");
    kinds_open ();
    for (seen_kind = kinds; seen_kind < kinds + KINDS; seen_kind++) {
        kind_init (seen_kind, &w, look_and_stop);
        seen_calls = 0;
        seen_kind->start (loop, &w);
        seen_kind->fire (loop, &w);
        for (int i = 0; i < 100 && !seen_calls; i++)
            ev_run (loop, EVRUN_NOWAIT);
        ck_assert_msg (seen_calls == 1, "%s was called %d times", seen_kind->name, seen_calls);
        ck_assert_msg (seen_revents == seen_kind->bit, "%s was told 0x%x", seen_kind->name,
                       (unsigned) seen_revents);
        ck_assert_msg (!seen_active == !seen_kind->stays, "%s active: %d", seen_kind->name, seen_active);
        ck_assert_msg (!seen_pending, "%s is pending inside its callback", seen_kind->name);
        for (int i = 0; i < 3; i++)
            ev_run (loop, EVRUN_NOWAIT);
        ck_assert_msg (seen_calls == 1, "a stopped %s was called", seen_kind->name);
        ck_assert_msg (ev_run (loop, EVRUN_NOWAIT) == 0, "%s leaves references", seen_kind->name);
    }
    kinds_close ();
}

static void stop_and_free (struct ev_loop *loop, ev_watcher *w, int revents)
{
    seen_calls++;
    seen_kind->stop (loop, w);
    memset (w, 0xee,
            sizeof (union ev_any_watcher)); /* whoever reads it now goes astray, with ASan or without */
    free (w);
}

TEST_BACKENDS (each_kind_may_be_stopped_and_freed_by_its_callback) // PQ-5
{
    struct ev_loop *loop = test_loop (0);

    not_stock (EVBACKEND_IOURING, "each rebuild leaks a reference (FK-6)");
    kinds_open ();
    for (int count = 1; count <= 3; count++)
        for (seen_kind = kinds; seen_kind < kinds + KINDS; seen_kind++) {
            if (seen_kind->bit == EV_EMBED && count > 1)
                continue; /* a loop is embedded once */
            seen_calls = 0;
            for (int i = 0; i < count; i++) {
                union ev_any_watcher *w = calloc (1, sizeof *w);

                kind_init (seen_kind, w, stop_and_free);
                seen_kind->start (loop, w);
                seen_kind->fire (loop, w);
            }
            for (int i = 0; i < 100 && seen_calls < count; i++)
                ev_run (loop, EVRUN_NOWAIT);
            ck_assert_msg (seen_calls == count, "%d of %d calls of %s", seen_calls, count, seen_kind->name);
            ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
            ev_verify (loop);
        }
    kinds_close ();
}

static union ev_any_watcher *siblings[4];

static void free_all_siblings (struct ev_loop *loop, ev_watcher *w, int revents)
{
    seen_calls++;
    for (int i = 0; i < 4; i++) {
        seen_kind->stop (loop, siblings[i]);
        memset (siblings[i], 0xee, sizeof *siblings[i]);
        free (siblings[i]);
    }
}

TEST_BACKENDS (a_callback_may_stop_and_free_all_watchers_of_its_kind) // PQ-4, PQ-5
{
    struct ev_loop *loop = test_loop (0);

    not_stock (EVBACKEND_IOURING, "each rebuild leaks a reference (FK-6)");
    kinds_open ();
    for (seen_kind = kinds; seen_kind < kinds + KINDS; seen_kind++) {
        if (seen_kind->bit == EV_EMBED)
            continue;
        seen_calls = 0;
        for (int i = 0; i < 4; i++) {
            siblings[i] = calloc (1, sizeof *siblings[i]);
            kind_init (seen_kind, siblings[i], free_all_siblings);
            seen_kind->start (loop, siblings[i]);
            seen_kind->fire (loop, siblings[i]);
        }
        for (int i = 0; i < 100 && !seen_calls; i++)
            ev_run (loop, EVRUN_NOWAIT);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_msg (seen_calls == 1, "%s was called %d times", seen_kind->name, seen_calls);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
        ev_verify (loop);
    }
    kinds_close ();
}

static ev_io late_io;
static ev_prepare late_prepare;
static int late_pipe[2];

static void start_more (struct ev_loop *loop, ev_prepare *w, int revents)
{
    line_prepare (loop, w, revents);
    if (!ev_is_active (&late_io)) {
        LINE_START (io, &late_io, "io", late_pipe[1], EV_WRITE);
        LINE_START (prepare, &late_prepare, "later");
    }
}

TEST_BACKENDS (what_prepare_starts_takes_part_in_this_poll_but_prepare_itself_waits) // WA-5
{
    struct ev_loop *loop = test_loop (0);
    static ev_prepare prepare;

    test_pipe (late_pipe);
    LINE_INIT (prepare, &prepare, "first");
    ev_set_cb (&prepare, start_more);
    ev_prepare_start (loop, &prepare);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("first io");
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("later first io");
    ev_io_stop (loop, &late_io);
    close (late_pipe[0]);
    close (late_pipe[1]);
}

/* ---- feeding descriptors and signals ---- */

TEST_BACKENDS (feeding_a_descriptor_masks_the_bits_and_ignores_unknown_numbers) // IO-17
{
    struct ev_loop *loop = test_loop (0);
    ev_io in, out;
    int fd[2];

    test_pipe (fd);
    LINE_START (io, &in, "in", fd[0], EV_READ);
    LINE_START (io, &out, "out", fd[0], EV_WRITE);
    ev_feed_fd_event (loop, fd[0], EV_READ);
    ev_feed_fd_event (loop, -1, EV_READ);
    ev_feed_fd_event (loop, 100000, EV_READ);
    ev_invoke_pending (loop);
    LINE_IS ("in");
    ck_assert_int_eq (line_revents, EV_READ);
    ev_io_stop (loop, &in);
    ev_io_stop (loop, &out);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (a_fed_event_does_not_wake_or_shorten_the_wait) // FE-1
{
    struct ev_loop *loop = test_loop (0);
    double end;
    ev_timer timer;

    name_abc ();
    ev_now_update (loop);
    end = test_clock () + 0.04;
    LINE_START (timer, &timer, "timer", 0.04, 0.);
    feed_abc (loop);
    ev_run (loop, EVRUN_ONCE);
    ck_assert_double_ge (test_clock (), end - 0.005);
    ev_timer_stop (loop, &timer);
}

/* ---- leaving a callback by longjmp ---- */

typedef void timer_callback (struct ev_loop *loop, ev_timer *w, int revents);

static jmp_buf way_out;

static void jump_out (struct ev_loop *loop, ev_watcher *w, int revents)
{
    longjmp (way_out, 1);
}

TEST_BACKENDS (a_callback_may_leave_by_longjmp) // TH-3
{
    struct ev_loop *loop = test_loop (0);

    name_abc ();
    ev_set_cb (&c, (timer_callback *) jump_out);
    feed_abc (loop);
    if (!setjmp (way_out)) {
        ev_run (loop, 0);
        ck_abort_msg ("nobody jumped");
    }
    ck_assert_uint_eq (ev_depth (loop), 1);
    ck_assert_uint_eq (ev_pending_count (loop), 2);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    LINE_IS ("B A");
}

static int kind_calls;

static void count_and_jump (struct ev_loop *loop, ev_watcher *w, int revents)
{
    if (++kind_calls % 2)
        longjmp (way_out, 1);
}

/* Every other call of each kind jumps; nothing gets lost, nothing is damaged. */
static void jump_from (struct ev_loop *loop, const struct kind *kind)
{
    union ev_any_watcher *w = calloc (1, sizeof *w);
    volatile int jumps = 0;

    kind_init (kind, w, count_and_jump);
    kind->start (loop, w);
    for (kind_calls = 0; kind_calls < 6;) {
        if (setjmp (way_out))
            jumps++;
        if (!ev_is_active (w)) {
            kind->set (w);
            kind->start (loop, w);
        }
        kind->fire (loop, w);
        ev_run (loop, EVRUN_NOWAIT);
        ev_verify (loop);
    }
    ck_assert_msg (jumps == 3, "%s: %d jumps", kind->name, jumps);
    kind->stop (loop, w);
    free (w);
}

TEST_BACKENDS (callbacks_of_each_kind_may_leave_by_longjmp) // TH-3
{
    struct ev_loop *loop = test_loop (0);

    not_stock (EVBACKEND_IOURING, "each rebuild leaks a reference (FK-6)");
    kinds_open ();
    for (const struct kind *volatile kind = kinds; kind < kinds + KINDS; kind++)
        jump_from (loop, kind);
    ck_assert_uint_eq (ev_depth (loop), 3 * KINDS);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    kinds_close ();
}

static void break_and_jump (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_break (loop, EVBREAK_ALL);
    longjmp (way_out, 1);
}

TEST_BACKENDS (a_break_left_behind_by_longjmp_does_not_end_the_next_run) // TH-3, RN-2
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer breaker, later;

    ev_timer_init (&breaker, break_and_jump, 0., 0.);
    ev_timer_start (loop, &breaker);
    LINE_START (timer, &later, "later", 0.02, 0.);
    if (!setjmp (way_out))
        ev_run (loop, 0);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    LINE_IS ("later");
}

static void jump_from_ev_invoke (struct ev_loop *loop)
{
    if (!setjmp (way_out)) {
        ev_invoke (loop, &a, EV_CUSTOM);
        ck_abort_msg ("nobody jumped");
    }
}

TEST_BACKENDS (invoke_and_invoke_pending_let_a_jump_through) // TH-3
{
    struct ev_loop *loop = test_loop (0);

    ev_timer_init (&a, (timer_callback *) jump_out, 0., 0.);
    jump_from_ev_invoke (loop);
    ev_feed_event (loop, &a, EV_CUSTOM);
    if (!setjmp (way_out)) {
        ev_invoke_pending (loop);
        ck_abort_msg ("nobody jumped");
    }
    ck_assert_uint_eq (ev_depth (loop), 0);
    ck_assert_uint_eq (ev_pending_count (loop), 0);
}

/* ---- many ---- */

TEST_BACKENDS (a_hundred_thousand_pending_watchers_are_all_invoked) // PQ-1, PQ-4
{
    enum { MANY = 100000 };
    struct ev_loop *loop = test_loop (0);
    ev_watcher *w = calloc (MANY, sizeof *w);

    for (int i = 0; i < MANY; i++) {
        ev_init (&w[i], look_and_stop);
        ev_set_cb (&w[i], kind_nothing);
        ev_set_priority (&w[i], i % 5 + EV_MINPRI);
        ev_feed_event (loop, &w[i], EV_CUSTOM);
    }
    ck_assert_uint_eq (ev_pending_count (loop), MANY);
    for (int i = 0; i < MANY; i += 3)
        ck_assert_int_eq (ev_clear_pending (loop, &w[i]), EV_CUSTOM);
    ev_verify (loop);
    ev_run (loop, EVRUN_NOWAIT);
    for (int i = 0; i < MANY; i++)
        if (ev_is_pending (&w[i]))
            ck_abort_msg ("number %d is still pending", i);
    ck_assert_uint_eq (ev_pending_count (loop), 0);
    free (w);
}
