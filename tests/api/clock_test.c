/* clock_test.c: which clock counts for what, and what happens when somebody sets the wall clock (contract
 * TM). The clocks of this program are the system's plus two shifts that the tests turn; a loop is only run
 * without waiting while the monotonic clock is shifted, for the kernel knows nothing of it. */
#define _GNU_SOURCE
#include "line.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* ---- the clocks ---- */

static double mono_shift, wall_shift; /* seconds */
static double wall_glitch;            /* added to the next reading of the wall clock only */
static int wall_reads;

static struct timespec shifted (clockid_t id, double shift)
{
    struct timespec now;
    long long ns;

    syscall (SYS_clock_gettime, id, &now);
    ns = now.tv_sec * 1000000000LL + now.tv_nsec + (long long) (shift * 1e9);
    return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

static struct timespec wall_now (void)
{
    double glitch = wall_glitch;

    wall_glitch = 0;
    wall_reads++;
    return shifted (CLOCK_REALTIME, wall_shift + glitch);
}

int clock_gettime (clockid_t id, struct timespec *now)
{
    *now = id == CLOCK_REALTIME ? wall_now () : shifted (id, id == CLOCK_MONOTONIC ? mono_shift : 0);
    return 0;
}

int gettimeofday (struct timeval *restrict now, void *restrict zone)
{
    struct timespec ts = wall_now ();

    *now = (struct timeval){ ts.tv_sec, ts.tv_nsec / 1000 };
    return 0;
}

/* Time goes by for both clocks. */
static void pass (double seconds)
{
    mono_shift += seconds;
    wall_shift += seconds;
}

/* Enough of it for the loop to really read the wall clock again. */
static void look (struct ev_loop *loop)
{
    pass (0.7);
    ev_run (loop, EVRUN_NOWAIT);
}

static double wall (void)
{
    struct timespec now = shifted (CLOCK_REALTIME, wall_shift);

    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

#define NEAR(value, wanted) \
    ck_assert_double_eq_tol ((value), (wanted), 0.3) /* a busy machine may pause here */

/* ---- reading ---- */

TEST_BACKENDS (now_is_the_wall_clock_at_the_last_look) // TM-1
{
    double before = wall ();
    struct ev_loop *loop = test_loop (0);
    ev_tstamp now = ev_now (loop);

    ck_assert_double_ge (now, before - 1e-5);
    ck_assert_double_le (now, wall () + 1e-5);
    usleep (20000);
    ck_assert (ev_now (loop) == now);
    ev_now_update (loop);
    ck_assert_double_ge (ev_now (loop), now + 0.0199);
    now = ev_now (loop);
    usleep (20000);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_double_ge (ev_now (loop), now + 0.0199);
}

TEST_BACKENDS (the_wall_clock_is_really_read_twice_a_second_only) // TM-2
{
    struct ev_loop *loop = test_loop (0);
    int before = wall_reads;
    double start = wall ();

    for (int i = 0; i < 40; i++) { /* 1.2 seconds */
        pass (0.03);
        ev_run (loop, EVRUN_NOWAIT);
        NEAR (ev_now (loop), wall ());
    }
    ck_assert_int_ge (wall_reads - before, 1);
    ck_assert_int_le (wall_reads - before, 2 + (int) ((wall () - start - 1.2) * 2 + 1));
}

TEST_BACKENDS (in_between_now_follows_the_monotonic_clock) // TM-2
{
    struct ev_loop *loop = test_loop (0);
    ev_tstamp now;

    look (loop);
    now = ev_now (loop);
    mono_shift += 0.1; /* the wall clock is slow: nobody looks */
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_double_ge (ev_now (loop), now + 0.1);
    look (loop);
    NEAR (ev_now (loop), wall ());
}

TEST_BACKENDS (time_is_microseconds) // GL-5
{
    for (int i = 0; i < 50; i++) {
        double now = ev_time (), micro = (now - floor (now)) * 1e6;

        ck_assert_double_eq_tol (micro, rint (micro), 0.3); /* what a double can hold today */
        usleep (13);
    }
    wall_shift = -1000;
    ck_assert_double_le (ev_time (), wall () + 1e-5);
}

/* ---- ev_sleep ---- */

static void on_alarm (int signum)
{
}

TEST (sleep_sleeps_and_a_signal_ends_it) // GL-6
{
    struct itimerspec when = { { 0, 30000000 }, { 0, 30000000 } };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    double start = test_clock ();
    timer_t timer;

    ev_sleep (0.03);
    ck_assert_double_ge (test_clock () - start, 0.03);
    ev_sleep (0.);
    ev_sleep (-1000.);
    ev_sleep (NAN);
    signal (SIGUSR1, on_alarm);
    ck_assert_int_eq (timer_create (CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq (timer_settime (timer, 0, &when, NULL), 0);
    ev_sleep (1000.); /* else the deadline */
    timer_delete (timer);
}

/* ---- the wall clock jumps ---- */

static void nothing (struct ev_loop *loop, ev_timer *w, int revents)
{
}

static int reschedules;

static ev_tstamp in_an_hour (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    reschedules++;
    return now + 3600.;
}

static struct jumpers {
    ev_periodic soon;     /* absolute, in 50 s */
    ev_periodic later;    /* absolute, in 500 s */
    ev_periodic interval; /* every 60 s */
    ev_periodic asks;
    ev_timer timer; /* in 1000 s */
    double left;
} jumpers;

static void start_jumpers (struct ev_loop *loop)
{
    look (loop);
    LINE_START (periodic, &jumpers.soon, "soon", ev_now (loop) + 50., 0., NULL);
    LINE_START (periodic, &jumpers.later, "later", ev_now (loop) + 500., 0., NULL);
    LINE_START (periodic, &jumpers.interval, "interval", ev_now (loop) - 1., 60., NULL);
    LINE_START (periodic, &jumpers.asks, "asks", 0., 0., in_an_hour);
    ev_timer_init (&jumpers.timer, nothing, 1000., 0.);
    ev_timer_start (loop, &jumpers.timer);
    jumpers.left = mono_shift + 1000.;
    reschedules = 0;
    ev_run (loop, EVRUN_NOWAIT);
}

/* Whatever the wall clock does. */
static void timer_is_unchanged (struct ev_loop *loop)
{
    NEAR (ev_timer_remaining (loop, &jumpers.timer), jumpers.left - mono_shift);
}

TEST_BACKENDS (a_jump_ahead_moves_intervals_without_firing_them_and_fires_what_is_past) // TM-2, TM-3, PE-6
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    wall_shift += 100;
    look (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("soon");
    NEAR (ev_now (loop), wall ());
    ck_assert_double_gt (ev_periodic_at (&jumpers.interval), ev_now (loop));
    ck_assert_double_le (ev_periodic_at (&jumpers.interval), ev_now (loop) + 60.);
    ck_assert_int_eq (reschedules, 1);
    NEAR (ev_periodic_at (&jumpers.asks), ev_now (loop) + 3600.);
    ck_assert_int_ne (ev_is_active (&jumpers.later), 0);
    timer_is_unchanged (loop);
    ev_verify (loop);
}

TEST_BACKENDS (a_jump_back_moves_intervals_back_and_leaves_absolute_times) // TM-2, TM-3, PE-6
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    ev_tstamp at = ev_periodic_at (&jumpers.soon);
    wall_shift -= 100000;
    look (loop);
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("");
    NEAR (ev_now (loop), wall ());
    ck_assert (ev_periodic_at (&jumpers.soon) == at);
    ck_assert_double_gt (ev_periodic_at (&jumpers.interval), ev_now (loop));
    ck_assert_double_le (ev_periodic_at (&jumpers.interval), ev_now (loop) + 60.);
    ck_assert_int_eq (reschedules, 1);
    timer_is_unchanged (loop);
    ev_verify (loop);
}

TEST_BACKENDS (a_small_step_is_absorbed) // TM-3, section 25
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    ev_tstamp at = ev_periodic_at (&jumpers.interval);
    for (int i = 0; i < 4; i++) {
        wall_shift += i % 2 ? 0.5 : -0.5;
        look (loop);
        NEAR (ev_now (loop), wall ());
    }
    ck_assert (ev_periodic_at (&jumpers.interval) == at);
    ck_assert_int_eq (reschedules, 0);
    LINE_IS ("");
    timer_is_unchanged (loop);
}

TEST_BACKENDS (a_step_of_more_than_a_second_is_a_jump) // TM-3, section 25
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    wall_shift += 1.5;
    look (loop);
    ck_assert_int_eq (reschedules, 1);
    wall_shift -= 1.5;
    look (loop);
    ck_assert_int_eq (reschedules, 2);
    LINE_IS ("");
}

TEST_BACKENDS (one_odd_reading_is_not_a_jump) // TM-3
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    wall_glitch = 100;
    look (loop);
    ck_assert (wall_glitch == 0); /* it was read */
    ck_assert_int_eq (reschedules, 0);
    NEAR (ev_now (loop), wall ());
    LINE_IS ("");
}

TEST_BACKENDS (a_jump_is_noticed_by_now_update_too) // TM-1, TM-3
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    pass (0.7);
    wall_shift += 100;
    ev_now_update (loop);
    ck_assert_int_eq (reschedules, 1);
    LINE_IS ("");
    ev_run (loop, EVRUN_NOWAIT);
    LINE_IS ("soon");
}

TEST_BACKENDS (a_pending_periodic_stays_pending_when_the_clock_jumps) // PE-6
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    start_jumpers (loop);
    ev_feed_event (loop, &jumpers.interval, EV_PERIODIC);
    pass (0.7);
    wall_shift += 100;
    ev_now_update (loop);
    ev_invoke_pending (loop);
    LINE_IS ("interval");
}

TEST_BACKENDS (many_periodics_keep_their_order_through_jumps) // PE-6, HK-6
{
    enum { MANY = 500 };
    static ev_periodic many[MANY];
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);

    look (loop);
    for (int i = 0; i < MANY; i++)
        LINE_START (periodic, &many[i], "x", i * 7 % MANY + 0.5, 5000. + i * 7919 % 5000, NULL);
    for (int i = 0; i < 6; i++) {
        wall_shift += i % 2 ? 40000. * i : -70000. * i;
        look (loop);
        ev_verify (loop);
        for (int j = 0; j < MANY; j++)
            ck_assert_double_gt (ev_periodic_at (&many[j]), ev_now (loop));
    }
    ck_assert_uint_lt (strlen (line), MANY / 10); /* one or the other may really have come */
    for (int j = 0; j < MANY; j++)
        ev_periodic_stop (loop, &many[j]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (timers_do_not_care_about_the_wall_clock) // TM-2
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    double start = test_clock (); /* before the loop's own look: it may be some time in between */

    ev_now_update (loop);
    LINE_START (timer, &timer, "timer", 0.04, 0.);
    wall_shift = -1e6;
    ev_run (loop, 0);
    LINE_IS ("timer");
    LINE_START (timer, &timer, "timer", 0.04, 0.);
    wall_shift = 1e6;
    ev_run (loop, 0);
    ck_assert_double_ge (test_clock () - start, 0.079);
}

/* ---- being told: the timerfd ---- */

/* The descriptor that is to tell of clock changes, or -1; what the kernel says of it. */
static int wall_timerfd (char *info, size_t size)
{
    char path[60], target[60];

    for (int fd = 0; fd < 100; fd++) {
        snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink (path, target, sizeof target - 1);
        if (length < 0 || (target[length] = 0, !strstr (target, "[timerfd]")))
            continue;
        snprintf (path, sizeof path, "/proc/self/fdinfo/%d", fd);
        FILE *file = fopen (path, "r");
        info[file ? fread (info, 1, size - 1, file) : 0] = 0;
        if (file)
            fclose (file);
        if (strstr (info, "clockid: 0\n")) /* CLOCK_REALTIME */
            return fd;
    }
    return -1;
}

TEST_BACKENDS (the_first_periodic_makes_the_loop_hear_of_clock_changes) // PE-7, LP-11, TM-4
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic periodic;
    char info[1000];
    int fd;

    ck_assert_int_eq (wall_timerfd (info, sizeof info), -1);
    LINE_START (periodic, &periodic, "periodic", 0., 1e6, NULL);
    fd = wall_timerfd (info, sizeof info);
    ck_assert_int_ge (fd, 0);
    ck_assert_msg (strstr (info, "settime flags: 03"), "not absolute and cancelled on set: %s", info);
    ck_assert_ptr_nonnull (strstr (info, "it_value: ("));
    ck_assert_ptr_null (strstr (info, "it_value: (0, 0)"));
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1); /* it holds no reference */
    ev_periodic_stop (loop, &periodic);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

TEST_BACKENDS (without_timerfd_the_loop_looks_itself) // PE-7
{
    struct ev_loop *loop = test_loop (EVFLAG_NOTIMERFD);
    char info[1000];

    start_jumpers (loop);
    ck_assert_int_eq (wall_timerfd (info, sizeof info), -1);
}

static ev_timer calls_off;

static void end_of_patience (struct ev_loop *loop, ev_timer *w, int revents)
{
    line_add ("nobody told");
    ev_break (loop, EVBREAK_ALL);
}

/* A clock change as the loop hears of it: its descriptor becomes readable while it sleeps. The reference needs
 * half a second to believe it. */
static void knock (int fd)
{
#ifdef STOCK_LIBEV
    struct itimerspec soon = { { 0, 0 }, { 0, 700000000 } };
#else
    struct itimerspec soon = { { 0, 0 }, { 0, 30000000 } };
#endif

    ck_assert_int_eq (timerfd_settime (fd, 0, &soon, NULL), 0);
}

TEST_BACKENDS (a_clock_change_wakes_a_sleeping_loop) // TM-4, PE-6
{
    struct ev_loop *loop = test_loop (0);
    ev_periodic interval, absolute;
    char info[1000];

    ev_timer_init (&calls_off, end_of_patience, 5., 0.);
    for (int i = 0; i < 2; i++) { /* it is armed again after the first */
        LINE_START (periodic, &absolute, "absolute", ev_now (loop) + 50., 0., NULL);
        LINE_START (periodic, &interval, "interval", ev_now (loop) - 1., 60., NULL);
        ev_unref (loop); /* interval does not count */
        ev_timer_start (loop, &calls_off);
        ev_unref (loop);
        int fd = wall_timerfd (info, sizeof info);
        ck_assert_int_ge (fd, 0);
        wall_shift += 100;
        knock (fd);
        ck_assert_int_eq (ev_run (loop, 0), 0);
        LINE_IS ("absolute");
        NEAR (ev_now (loop), wall ());
        ck_assert_double_gt (ev_periodic_at (&interval), ev_now (loop));
        ck_assert_double_le (ev_periodic_at (&interval), ev_now (loop) + 60.);
        ev_ref (loop);
        ev_ref (loop);
        ev_periodic_stop (loop, &interval);
        ev_timer_stop (loop, &calls_off);
        ev_timer_set (&calls_off, 5., 0.);
    }
}
