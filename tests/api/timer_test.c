/* timer_test.c: ev_timer: never early, no drift, stop and again, strange numbers, and very many of them
 * (contract TI). Delays in the past make most tests independent of how fast the machine is. */
#include "line.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static int calls;

static void count (struct ev_loop *loop, ev_timer *w, int revents)
{
    calls++;
}

static void start (struct ev_loop *loop, ev_timer *w, ev_tstamp after, ev_tstamp repeat)
{
    ev_timer_init (w, count, after, repeat);
    ev_timer_start (loop, w);
}

#define CLOSE_TO(value, wanted) \
    ck_assert_double_eq_tol ((value), (wanted), 1e-5) /* both were computed, not measured */

/* ---- expiry ---- */

TEST_BACKENDS (a_timer_is_never_early) // TI-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    for (int i = 0; i < 20; i++) {
        ev_tstamp delay = 0.0003 * i;
        double before = test_clock (); /* the loop looks at the same clock a moment later */

        calls = 0;
        ev_now_update (loop);
        start (loop, &timer, delay, 0.);
        while (!calls)
            ev_run (loop, EVRUN_ONCE);
        ck_assert_double_ge (test_clock (), before + delay - 1e-9);
    }
}

TEST_BACKENDS (a_delay_in_the_past_fires_without_blocking) // TI-1
{
    struct ev_loop *loop = test_loop (0);
    static const ev_tstamp delays[] = { -1., -1e9, -1e-9, 0. };
    ev_timer timer;

    for (unsigned i = 0; i < sizeof delays / sizeof *delays; i++) {
        start (loop, &timer, delays[i], 0.);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, (int) i + 1);
        ck_assert_int_eq (ev_is_active (&timer), 0);
    }
    start (loop, &timer, -HUGE_VAL, 0.);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 5);
}

TEST_BACKENDS (a_delay_counts_from_what_the_loop_believes_is_now) // TI-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_now_update (loop);
    usleep (60000);
    start (loop, &timer, 0.03, 0.);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 0.03);
    ev_now_update (loop);
    ck_assert_double_le (ev_timer_remaining (loop, &timer), -0.029);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
}

static ev_tstamp remaining_inside;

static void look (struct ev_loop *loop, ev_timer *w, int revents)
{
    calls++;
    ck_assert_int_eq (revents, EV_TIMER);
    ck_assert_int_eq (ev_is_active (w) != 0, w->repeat != 0);
    ck_assert_int_eq (ev_is_pending (w), 0);
    remaining_inside = ev_timer_remaining (loop, w);
}

TEST_BACKENDS (a_one_shot_timer_is_inactive_in_its_callback_and_fires_at_once_when_started_again) // TI-3
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, look, 0.01, 0.);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 1);
    ck_assert_double_le (remaining_inside, 0.);
    ev_timer_start (loop, &timer);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 2);
}

/* ---- repeating ---- */

TEST_BACKENDS (a_repeating_timer_does_not_drift) // TI-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_now_update (loop);
    start (loop, &timer, 0.02, 0.04);
    usleep (40000);
    ev_run (loop, EVRUN_NOWAIT); /* 0.02 late */
    ck_assert_int_eq (calls, 1);
    ck_assert_double_le (ev_timer_remaining (loop, &timer), 0.02001);
    ev_timer_stop (loop, &timer);
}

static void note_tick (struct ev_loop *loop, ev_timer *w, int revents)
{
    if (++calls == 5)
        ev_timer_stop (loop, w);
}

TEST_BACKENDS (a_repeating_timer_fires_until_it_is_stopped) // TI-4, TI-1
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    double before = test_clock ();

    ev_now_update (loop);
    ev_timer_init (&timer, note_tick, 0.01, 0.01);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 5);
    ck_assert_double_ge (test_clock (), before + 5 * 0.01 - 1e-9);
}

static void linger (struct ev_loop *loop, ev_timer *w, int revents)
{
    calls++;
    usleep (15000);
}

TEST_BACKENDS (missed_ticks_are_not_made_up) // TI-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, linger, 0.005, 0.005);
    ev_timer_start (loop, &timer);
    for (int i = 1; i <= 4; i++) {
        unsigned before = ev_iteration (loop);

        while (calls < i)
            ev_run (loop, EVRUN_ONCE);
        ck_assert_int_eq (calls, i);
        ck_assert_uint_ge (ev_iteration (loop), before + 1);
    }
    ev_timer_stop (loop, &timer);
}

TEST_BACKENDS (a_tick_that_is_long_past_is_due_now) // TI-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, look, -100., 1.);
    ev_timer_start (loop, &timer);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    CLOSE_TO (remaining_inside, 0.); /* not -99, and not 1 */
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 2);
    ck_assert_double_gt (remaining_inside, 0.5);
    ev_timer_stop (loop, &timer);
}

static void change_repeat (struct ev_loop *loop, ev_timer *w, int revents)
{
    w->repeat = calls++ ? 0. : 1e-6;
}

TEST_BACKENDS (repeat_is_read_at_each_expiry) // TI-4
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, change_repeat, -1., 1e-6);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* the third expiry finds 0: its last call */
    ck_assert_int_eq (calls, 3);
}

/* ---- stop, again, remaining ---- */

TEST_BACKENDS (stop_keeps_the_time_that_was_left) // TI-5, TI-7
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    ev_tstamp left;

    ev_now_update (loop);
    start (loop, &timer, 5., 0.);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 5.);
    usleep (30000);
    ev_now_update (loop);
    ev_timer_stop (loop, &timer);
    left = ev_timer_remaining (loop, &timer);
    ck_assert_double_le (left, 4.9701);
    ck_assert_double_gt (left, 1.);
    usleep (30000);
    ev_now_update (loop);
    CLOSE_TO (ev_timer_remaining (loop, &timer), left); /* it does not run on */
    ev_timer_start (loop, &timer);
    CLOSE_TO (ev_timer_remaining (loop, &timer), left);
    ev_timer_stop (loop, &timer);
}

TEST_BACKENDS (again_does_what_its_four_cases_say) // TI-6
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_now_update (loop);
    start (loop, &timer, 5., 7.); /* active, repeats: begins anew */
    ev_timer_again (loop, &timer);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 7.);
    timer.repeat = 0.; /* active, does not repeat: stops */
    ev_timer_again (loop, &timer);
    ck_assert_int_eq (ev_is_active (&timer), 0);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 7.);
    ev_timer_set (&timer, 5., 7.); /* inactive, repeats: starts, whatever after says */
    ev_timer_again (loop, &timer);
    ck_assert_int_ne (ev_is_active (&timer), 0);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 7.);
    ev_timer_stop (loop, &timer);
    ev_timer_set (&timer, 5., 0.); /* inactive, does not repeat: nothing */
    ev_timer_again (loop, &timer);
    ck_assert_int_eq (ev_is_active (&timer), 0);
    CLOSE_TO (ev_timer_remaining (loop, &timer), 5.);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (again_takes_a_pending_event_back) // TI-6
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    for (int repeat = 0; repeat <= 100; repeat += 100)
        for (int active = 0; active <= 1; active++) {
            ev_timer_init (&timer, count, 100., repeat);
            if (active)
                ev_timer_start (loop, &timer);
            ev_feed_event (loop, &timer, EV_CUSTOM);
            ev_timer_again (loop, &timer);
            ck_assert_int_eq (ev_is_pending (&timer), 0);
            ev_run (loop, EVRUN_NOWAIT);
            ev_timer_stop (loop, &timer);
        }
    ck_assert_int_eq (calls, 0);
}

TEST_BACKENDS (remaining_of_an_inactive_timer_is_its_delay) // TI-7
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, count, 5., 7.);
    ck_assert (ev_timer_remaining (loop, &timer) == 5.);
}

static void again_inside (struct ev_loop *loop, ev_timer *w, int revents)
{
    calls++;
    w->repeat = calls < 5 ? 0.001 : 0.;
    ev_timer_again (loop, w);
}

TEST_BACKENDS (a_timer_may_start_itself_again_in_its_callback) // TI-6, TI-3
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    ev_timer_init (&timer, again_inside, -1., 0.);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 5);
}

TEST_BACKENDS (resume_shifts_timers_by_the_time_suspended) // TM-6
{
    struct ev_loop *loop = test_loop (0);
    ev_tstamp before;
    ev_timer timer;

    ev_now_update (loop);
    start (loop, &timer, 5., 0.);
    ev_suspend (loop);
    before = ev_timer_remaining (loop, &timer);
    usleep (50000);
    ev_resume (loop);
    CLOSE_TO (ev_timer_remaining (loop, &timer), before);
    ev_timer_stop (loop, &timer);
}

/* ---- strange numbers ---- */

TEST_BACKENDS (an_infinite_delay_never_fires) // TI-8
{
    struct ev_loop *loop = test_loop (0);
    ev_timer never, huge, soon;

    start (loop, &never, HUGE_VAL, 0.);
    start (loop, &huge, 1e300, 1e300);
    LINE_START (timer, &soon, "soon", 0.01, 0.);
    while (ev_is_active (&soon))
        ev_run (loop, EVRUN_ONCE);
    LINE_IS ("soon");
    ck_assert_int_eq (calls, 0);
    ck_assert (isinf (ev_timer_remaining (loop, &never)));
    ev_timer_stop (loop, &never);
    ck_assert (isinf (ev_timer_remaining (loop, &never)));
    ev_timer_stop (loop, &huge);
}

TEST_BACKENDS (a_nan_delay_never_fires_and_harms_nobody) // TI-8, decision 26.3
{
    struct ev_loop *loop = test_loop (0);
    static const char *const names[] = { "T1", "T2", "T3", "T4", "T5" };
    ev_timer nans[3], soon[5];

    not_stock (EVBACKEND_ALL, "a NaN stalls the timers of the loop (TI-8)");
    for (int i = 0; i < 3; i++)
        start (loop, &nans[i], i % 2 ? -NAN : NAN, 0.);
    for (int i = 4; i >= 0; i--)
        LINE_START (timer, &soon[i], names[i], -9. + i, 0.);
    ev_verify (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("T1 T2 T3 T4 T5");
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3);
    ck_assert_int_eq (calls, 0);
    for (int i = 0; i < 3; i++)
        ev_timer_stop (loop, &nans[i]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (a_nan_repeat_given_to_a_running_timer_means_never) // TI-8, TI-9, decision 26.3
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer, soon;

    not_stock (EVBACKEND_ALL, "a NaN stalls the timers of the loop (TI-8)");
    start (loop, &timer, 100., 1.);
    timer.repeat = NAN;
    ev_timer_again (loop, &timer);
    ev_verify (loop);
    LINE_START (timer, &soon, "soon", -1., 0.);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("soon");
    ck_assert_int_eq (calls, 0);
    ev_timer_stop (loop, &timer);
}

/* ---- very many ---- */

static ev_tstamp last_at;

/* Called in the order of expiry, or it is a failure. data is where the expected order is written. */
static void must_be_later (struct ev_loop *loop, ev_timer *w, int revents)
{
    ev_tstamp at = *(ev_tstamp *) w->data;

    if (at < last_at - 1e-7) /* less is lost when it is added to now */
        ck_abort_msg ("%.9f after %.9f", at, last_at);
    last_at = at;
    calls++;
}

static unsigned random_state = 12345;

static unsigned dice (unsigned sides)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % sides;
}

enum { MILLION = 1000000 };

static ev_tstamp past (void)
{
    return -1. - dice (1 << 23) * 1e-6;
}

static void expect_all_in_order (struct ev_loop *loop, int wanted)
{
    last_at = -HUGE_VAL;
    calls = 0;
    ev_verify (loop);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, wanted);
}

TEST (a_million_timers_start_stop_and_fire_in_order) // TI-1, TI-5, TI-6, PQ-7
{
    struct ev_loop *loop = test_loop (0);
    ev_timer *timers = calloc (MILLION, sizeof *timers);
    ev_tstamp *order = calloc (MILLION, sizeof *order);

    TEST_SECONDS (60);
    for (int i = 0; i < MILLION; i++) {
        order[i] = past ();
        ev_timer_init (&timers[i], must_be_later, order[i], 0.);
        timers[i].data = &order[i];
        ev_timer_start (loop, &timers[i]);
    }
    for (int i = 0; i < MILLION; i += 2)
        ev_timer_stop (loop, &timers[i]);
    expect_all_in_order (loop, MILLION / 2);
    for (int i = 0; i < MILLION; i++) {
        ev_timer_stop (loop, &timers[i]);
        order[i] = past ();
        ev_timer_set (&timers[i], order[i], 0.);
        ev_timer_start (loop, &timers[i]);
    }
    for (int i = 0; i < MILLION; i += 3) {
        timers[i].repeat = 1000.;
        ev_timer_again (loop, &timers[i]);
    }
    expect_all_in_order (loop, MILLION - (MILLION + 2) / 3);
    for (int i = 0; i < MILLION; i += 3)
        ev_timer_stop (loop, &timers[i]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    free (timers);
    free (order);
}

enum { CROWD = 1500 };

static struct one {
    ev_timer timer; /* first */
    int active;     /* what must be so */
} crowd[CROWD];

static void crowd_fires (struct ev_loop *loop, ev_timer *w, int revents)
{
    struct one *one = (struct one *) w;

    calls++;
    ck_assert_int_eq (one->active, 1);
    one->active = w->repeat != 0;
}

static void change_one (struct ev_loop *loop, struct one *one)
{
    switch (dice (6)) {
    case 0:
        ev_timer_stop (loop, &one->timer);
        one->active = 0;
        break;
    case 1:
        one->timer.repeat = dice (3) ? 0.001 * dice (100) + 50 : 0;
        ev_timer_again (loop, &one->timer);
        one->active = one->timer.repeat != 0;
        break;
    default:
        if (!one->active) {
            ev_tstamp after =
                dice (10) ? 100. + dice (20) : 0.0001 * dice (10); /* many ties, few that fire */

            ev_timer_set (&one->timer, after, dice (2) ? 60. + dice (10) : 0.);
            ev_timer_start (loop, &one->timer);
            one->active = 1;
        }
    }
}

static int count_active (void)
{
    int active = 0;

    for (int i = 0; i < CROWD; i++) {
        if (!ev_is_active (&crowd[i].timer)
            != !crowd[i].active) /* an assertion that holds costs a system call */
            ck_abort_msg ("timer %d: active must be %d", i, crowd[i].active);
        active += crowd[i].active;
    }
    return active;
}

TEST_BACKENDS (random_changes_never_damage_the_heap) // TI-5, TI-6, HK-6
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < CROWD; i++)
        ev_timer_init (&crowd[i].timer, crowd_fires, 0., 0.);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 100; i++)
            change_one (loop, &crowd[dice (round < 20 ? 8 : CROWD)]);
        ev_verify (loop);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), count_active ());
    }
    ck_assert_int_gt (calls, 10);
    for (int i = 0; i < CROWD; i++)
        ev_timer_stop (loop, &crowd[i].timer);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (stopping_in_any_order_leaves_the_others_in_order) // TI-1, TI-5, PQ-7
{
    static ev_timer timers[CROWD];
    static ev_tstamp order[CROWD];
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < CROWD; i++) {
        order[i] = past ();
        ev_timer_init (&timers[i], must_be_later, order[i], 0.);
        timers[i].data = &order[i];
        ev_timer_start (loop, &timers[i]);
    }
    for (int i = 0; i < CROWD / 2; i++)
        ev_timer_stop (loop, &timers[i * 7 % CROWD]);
    int left = 0;
    for (int i = 0; i < CROWD; i++)
        left += ev_is_active (&timers[i]) != 0;
    expect_all_in_order (loop, left);
}
