/* periodic_test.c: ev_periodic: its three modes, what again and stop keep, and tiny intervals (contract PE).
 * What happens when the clock is set is in clock_test.c. */
#include "line.h"

#include <math.h>
#include <unistd.h>

static int calls, asked;
static ev_tstamp asked_now;

static void count (struct ev_loop *loop, ev_periodic *w, int revents)
{
    ck_assert_int_eq (revents, EV_PERIODIC);
    calls++;
}

static int on_the_grid (ev_tstamp at, ev_tstamp offset, ev_tstamp interval)
{
    ev_tstamp steps = (at - offset) / interval;

    return fabs (steps - rint (steps)) < 1e-5;
}

/* ---- absolute ---- */

static void look (struct ev_loop *loop, ev_periodic *w, int revents)
{
    count (loop, w, revents);
    ck_assert_int_eq (ev_is_active (w), 0);
    ck_assert_int_eq (ev_is_pending (w), 0);
    ck_assert_double_gt (ev_now (loop), ev_periodic_at (w));
}

TEST_BACKENDS (an_absolute_periodic_in_the_past_fires_once_in_the_next_iteration) // PE-2, PE-8
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, look, ev_now (loop) - 100., 0., NULL);
    ev_periodic_start (loop, &periodic);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_assert_int_eq (calls, 1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
}

TEST_BACKENDS (an_absolute_periodic_fires_when_its_time_has_passed) // PE-2, PE-8
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;
    ev_tstamp at;

    ev_now_update (loop);
    at = ev_now (loop) + 0.05;
    ev_periodic_init (&periodic, look, at, 0., NULL);
    ev_periodic_start (loop, &periodic);
    ck_assert (ev_periodic_at (&periodic) == at);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 1);
}

TEST_BACKENDS (far_and_infinite_times_never_come) // PE-2
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic far[2];
    ev_timer soon;
    int left;

    ev_periodic_init (&far[0], count, 1e300, 0., NULL);
    ev_periodic_start (loop, &far[0]);
    ev_periodic_init (&far[1], count, HUGE_VAL, 0., NULL);
    ev_periodic_start (loop, &far[1]);
    LINE_START (timer, &soon, "soon", 0.02, 0.);
    left = ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (left, 2 + !!ev_is_active (&soon)); /* on a slow machine it has fired already */
    while (ev_is_active (&soon))
        ev_run (loop, EVRUN_ONCE);
    ck_assert_int_eq (calls, 0);
    ev_periodic_stop (loop, &far[0]);
    ev_periodic_stop (loop, &far[1]);
}

/* ---- intervals ---- */

TEST_BACKENDS (an_interval_periodic_stays_on_its_grid) // PE-1
{
    struct ev_loop *loop = test_loop (0);
    static const struct {
        ev_tstamp offset, interval;
    } cases[] = { { 0., 3600. }, { 17., 60. }, { -5., 7. }, { 1e9, 86400. }, { 4e9, 10. }, { 0.25, 1. } };
    ev_periodic periodic;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        ev_periodic_init (&periodic, count, cases[i].offset, cases[i].interval, NULL);
        ev_periodic_start (loop, &periodic);
        ck_assert (on_the_grid (ev_periodic_at (&periodic), cases[i].offset, cases[i].interval));
        ck_assert_double_gt (ev_periodic_at (&periodic), ev_now (loop));
        ck_assert_double_le (ev_periodic_at (&periodic), ev_now (loop) + cases[i].interval);
        ev_periodic_stop (loop, &periodic);
    }
    ck_assert_int_eq (calls, 0);
}

static ev_tstamp ticks[5];

static void note_tick (struct ev_loop *loop, ev_periodic *w, int revents)
{
    ticks[calls] = ev_periodic_at (w);
    count (loop, w, revents);
    ck_assert_int_ne (ev_is_active (w), 0);
    ck_assert_double_gt (ev_periodic_at (w), ev_now (loop));
    if (calls == 5)
        ev_periodic_stop (loop, w);
}

TEST_BACKENDS (an_interval_periodic_fires_again_and_again) // PE-1
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, note_tick, 0.003, 0.015, NULL);
    ev_periodic_start (loop, &periodic);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_double_eq_tol (fmod (ticks[i] - 0.003 + 0.0075, 0.015), 0.0075, 1e-5);
        if (i)
            ck_assert_double_gt (ticks[i], ticks[i - 1]);
    }
}

TEST_BACKENDS (missed_intervals_fire_once) // PE-1
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_now_update (loop);
    ev_periodic_init (&periodic, count, 0., 0.01, NULL);
    ev_periodic_start (loop, &periodic);
    usleep (60000);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ck_assert_double_gt (ev_periodic_at (&periodic), ev_now (loop));
    ev_periodic_stop (loop, &periodic);
}

TEST_BACKENDS (a_tiny_interval_fires_once_per_iteration) // PE-4, section 25
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, count, 0., 1e-9, NULL);
    ev_periodic_start (loop, &periodic);
    for (int i = 1; i <= 20; i++) {
        usleep (10); /* two looks at the wall clock may see the same time */
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, i);
    }
    ev_periodic_stop (loop, &periodic);
}

TEST_BACKENDS (a_small_interval_keeps_its_grid_while_the_clock_can_tell) // PE-1, PE-4
{
    struct ev_loop *loop = test_loop (0);
    static const ev_tstamp intervals[] = { 1. / 8000., 1. / 9000., 1e-4, 1e-5 };
    ev_periodic periodic;

    for (unsigned i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        int later = 0;

        for (int j = 0; j < 10; j++) { /* at one time of ten it may be rounded to now */
            usleep (13);
            ev_now_update (loop);
            ev_periodic_init (&periodic, count, 0., intervals[i], NULL);
            ev_periodic_start (loop, &periodic);
            later += ev_periodic_at (&periodic) > ev_now (loop);
            ck_assert_double_le (ev_periodic_at (&periodic), ev_now (loop) + intervals[i] + 1e-6);
            ev_periodic_stop (loop, &periodic);
        }
        ck_assert_msg (later >= 5, "an interval of %g s means now", intervals[i]);
    }
}

TEST_BACKENDS (an_interval_as_small_as_it_may_be_ends_as_well) // PE-4, section 25
{
    struct ev_loop *loop = test_loop (0);
    static const ev_tstamp intervals[] = { 1. / 8192., 1.5 / 8192., 1e-300, 1e300 };
    ev_periodic periodic;

    for (unsigned i = 0; i < sizeof intervals / sizeof *intervals; i++)
        for (int sign = -1; sign <= 1; sign++) {
            ev_periodic_init (&periodic, count, sign * 1e12, intervals[i], NULL);
            ev_periodic_start (loop, &periodic);
            ev_run (loop, EVRUN_NOWAIT); /* else the deadline */
            ev_verify (loop);
            ev_periodic_stop (loop, &periodic);
        }
}

/* ---- a callback decides ---- */

static ev_tstamp in_an_hour (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    asked++;
    asked_now = now;
    return now + 3600.;
}

static ev_tstamp in_a_moment (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    line_add ("ask");
    return now + (calls ? 3600. : 0.01);
}

static void name_it (struct ev_loop *loop, ev_periodic *w, int revents)
{
    count (loop, w, revents);
    line_add ("fire");
}

TEST_BACKENDS (a_reschedule_callback_is_asked_at_start_and_just_before_each_call) // PE-3
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_now_update (loop);
    ev_periodic_init (&periodic, name_it, 0., 0., in_a_moment);
    ev_periodic_start (loop, &periodic);
    LINE_IS ("ask");
    while (!calls)
        ev_run (loop, EVRUN_ONCE);
    LINE_IS ("ask fire");
    ck_assert_int_ne (ev_is_active (&periodic), 0);
    ev_periodic_stop (loop, &periodic);
}

TEST_BACKENDS (a_reschedule_callback_goes_before_interval_and_offset) // PE-1, PE-3
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, count, 1., 1., in_an_hour);
    ev_periodic_start (loop, &periodic);
    ck_assert_int_eq (asked, 1);
    ck_assert (asked_now == ev_now (loop));
    ck_assert (ev_periodic_at (&periodic) == asked_now + 3600.);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (asked, 1);
    ev_periodic_again (loop, &periodic);
    ck_assert_int_eq (asked, 2);
    ev_resume (loop); /* PE-6 */
    ck_assert_int_eq (asked, 3);
    ck_assert_int_eq (calls, 0);
    ev_periodic_stop (loop, &periodic);
}

static ev_tstamp now_itself (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    asked++;
    return now;
}

TEST_BACKENDS (a_reschedule_callback_may_answer_now) // PE-3, PE-8
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, count, 0., 0., now_itself);
    ev_periodic_start (loop, &periodic);
    for (int i = 1; i <= 5; i++) {
        usleep (10);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, i);
        ck_assert_int_eq (asked, i + 1);
    }
    ev_periodic_stop (loop, &periodic);
}

static ev_tstamp long_ago (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    return ++asked == 1 ? now - 1000. : now + 1000.;
}

TEST_BACKENDS (at_start_a_reschedule_callback_may_answer_with_the_past) // PE-3
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, count, 0., 0., long_ago);
    ev_periodic_start (loop, &periodic);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_ne (ev_is_active (&periodic), 0);
    ev_periodic_stop (loop, &periodic);
}

/* ---- stop, again, changes ---- */

TEST_BACKENDS (stop_keeps_the_time_and_again_decides_anew) // PE-5
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;
    ev_tstamp at;

    ev_periodic_init (&periodic, count, 0., 1000., NULL);
    ev_periodic_start (loop, &periodic);
    at = ev_periodic_at (&periodic);
    ev_periodic_stop (loop, &periodic);
    ck_assert (ev_periodic_at (&periodic) == at);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    periodic.interval = 77.;
    periodic.offset = 5.;
    ev_periodic_again (loop, &periodic);
    ck_assert_int_ne (ev_is_active (&periodic), 0);
    ck_assert (on_the_grid (ev_periodic_at (&periodic), 5., 77.));
    ev_periodic_stop (loop, &periodic);
}

TEST_BACKENDS (changes_of_an_active_periodic_count_from_its_next_expiry) // PE-5
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;
    ev_tstamp at;

    ev_now_update (loop);
    ev_periodic_init (&periodic, count, 0., 0.02, NULL);
    ev_periodic_start (loop, &periodic);
    at = ev_periodic_at (&periodic);
    periodic.interval = 1000.;
    periodic.offset = 3.;
    ck_assert (ev_periodic_at (&periodic) == at);
    while (!calls)
        ev_run (loop, EVRUN_ONCE);
    ck_assert (on_the_grid (ev_periodic_at (&periodic), 3., 1000.));
    ev_periodic_stop (loop, &periodic);
}

TEST_BACKENDS (an_interval_set_to_zero_while_active_makes_the_next_expiry_the_last) // PE-1, PE-5
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_now_update (loop);
    ev_periodic_init (&periodic, count, 0., 0.02, NULL);
    ev_periodic_start (loop, &periodic);
    periodic.interval = 0.;
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 1);
}

TEST_BACKENDS (again_starts_an_inactive_periodic_and_takes_a_pending_event_back) // PE-5, WA-1
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, count, 0., 1000., NULL);
    ev_feed_event (loop, &periodic, EV_PERIODIC);
    ev_periodic_again (loop, &periodic);
    ck_assert_int_eq (ev_is_pending (&periodic), 0);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ck_assert_int_eq (calls, 0);
    ev_periodic_stop (loop, &periodic);
}

static void again_inside (struct ev_loop *loop, ev_periodic *w, int revents)
{
    count (loop, w, revents);
    if (calls < 5) {
        ev_periodic_set (w, 1. + calls, 0., NULL);
        ev_periodic_again (loop, w);
    }
}

TEST_BACKENDS (a_periodic_may_start_itself_again_in_its_callback) // PE-2, PE-5
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;

    ev_periodic_init (&periodic, again_inside, 1., 0., NULL);
    ev_periodic_start (loop, &periodic);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 5);
}

/* ---- many ---- */

enum { MANY = 2000 };

static ev_periodic many[MANY];
static ev_tstamp last_at;

static void must_be_later (struct ev_loop *loop, ev_periodic *w, int revents)
{
    ck_assert_double_ge (w->offset, last_at);
    last_at = w->offset;
    calls++;
}

TEST_BACKENDS (many_periodics_fire_in_order_after_random_stops) // PQ-7, HK-6
{
    struct ev_loop *loop = test_loop (0);
    unsigned dice = 4711;

    for (int i = 0; i < MANY; i++) {
        dice = dice * 1664525 + 1013904223;
        ev_periodic_init (&many[i], must_be_later, 1. + (dice >> 4), 0., NULL);
        if (dice >> 31)
            many[i].offset += 1e11; /* these will not come */
        ev_periodic_start (loop, &many[i]);
    }
    for (int i = 0; i < MANY; i += 3)
        ev_periodic_stop (loop, &many[i * 7 % MANY]);
    ev_verify (loop);
    int due = 0, left = 0;
    for (int i = 0; i < MANY; i++) {
        left += ev_is_active (&many[i]) != 0;
        due += ev_is_active (&many[i]) && many[i].offset < ev_now (loop);
    }
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), left - due);
    ck_assert_int_eq (calls, due);
    ck_assert_int_gt (due, MANY / 5);
    for (int i = 0; i < MANY; i++)
        ev_periodic_stop (loop, &many[i]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}
