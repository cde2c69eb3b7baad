/* embed_test.c: ev_embed seen from outside, contract section 20.
 * Promises a test for each of EM-1 to EM-5, every outer backend against every inner loop that can be embedded:
 * epoll, and here also io_uring (the original's cannot). */
#include "trace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>

/* Once for each pair of backends. */
#define TEST_PAIRS(name)                                             \
    static void name (struct ev_loop *outer, struct ev_loop *inner); \
    TEST_BACKENDS (name##_epoll)                                     \
    {                                                                \
        struct ev_loop *outer = test_loop (0);                       \
        name (outer, loop_of (EVBACKEND_EPOLL, 0));                  \
    }                                                                \
    TEST_URING_INSIDE (name)                                         \
    static void name (struct ev_loop *outer, struct ev_loop *inner)

#ifdef STOCK_LIBEV
#define TEST_URING_INSIDE(name)
#else
#define TEST_URING_INSIDE(name)                \
    TEST_BACKENDS (name##_uring)               \
    {                                          \
        struct ev_loop *outer = test_loop (0); \
        name (outer, uring_inside ());         \
    }

static struct ev_loop *uring_inside (void)
{
    struct ev_loop *probe = ev_loop_new (EVBACKEND_IOURING | EVFLAG_NOENV);

    if (!probe)
        test_skip ("no io_uring here");
    ev_loop_destroy (probe);
    return loop_of (EVBACKEND_IOURING, 0);
}
#endif

/* What is inside: a pipe whose read end is watched. */
struct inside {
    int fd[2];
    ev_io io;
};

static void inside_begin (struct ev_loop *inner, struct inside *in, const char *name)
{
    test_pipe (in->fd);
    ev_io_init (&in->io, trace_read, in->fd[0], EV_READ);
    in->io.data = (void *) name;
    ev_io_start (inner, &in->io);
}

static void inside_end (struct ev_loop *inner, struct inside *in)
{
    ev_io_stop (inner, &in->io);
    close (in->fd[0]);
    close (in->fd[1]);
}

/* An embed that sweeps by itself. */
static void embed_begin (struct ev_loop *outer, ev_embed *w, struct ev_loop *inner)
{
    ev_embed_init (w, 0, inner);
    ev_embed_start (outer, w);
}

/* ---- EM-1 ---- */

static void embed_what_cannot_be (void *backend)
{
    struct ev_loop *outer = test_loop (0);
    ev_embed w;

    ev_embed_init (&w, trace_embed, loop_of (*(unsigned *) backend, 0));
    w.data = (void *) "embed";
    ev_embed_start (outer, &w);
    child_must_be_refused (outer, &w, EV_EMBED);
}

/* EM-1, AB-1 */
TEST_BACKENDS (loops_without_a_descriptor_are_refused)
{
    unsigned poll = EVBACKEND_POLL, select = EVBACKEND_SELECT;

    check_refused (embed_what_cannot_be, &poll, "ev_embed_start");
    check_refused (embed_what_cannot_be, &select, "ev_embed_start");
}

#ifdef STOCK_LIBEV
/* AB-1: in the original io_uring claims to be embeddable and is not */
TEST_BACKENDS (stock_io_uring_is_refused)
{
    unsigned uring = EVBACKEND_IOURING;

    check_refused (embed_what_cannot_be, &uring, "");
}
#endif

/* ---- EM-2: with and without a callback ---- */

/* EM-2 */
TEST_PAIRS (inner_events_are_served_without_a_callback)
{
    struct inside in;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("");
    for (int i = 1; i <= 3; i++) {
        put_byte (in.fd[1]);
        ck_run_until (outer, i);
        run_for (outer, 0.01);
        ck_assert_int_eq (trace_count, i);
    }
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

/* EM-2: told in each iteration until the program sweeps */
TEST_PAIRS (callback_is_called_in_every_iteration_until_the_sweep)
{
    struct inside in;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    ev_embed_init (&w, trace_embed, inner);
    w.data = (void *) "embed";
    ev_embed_start (outer, &w);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("");
    put_byte (in.fd[1]);
    ck_run_until (outer, 1);
    ck_assert_int_eq (trace_events, EV_EMBED);
    ck_run_until (outer, 2);
    ck_run_until (outer, 3);
    ck_trace ("embed embed embed");
    ev_embed_sweep (outer, &w);
    ck_trace ("embed embed embed inner");
    run_for (outer, 0.02);
    ck_trace ("embed embed embed inner");
    put_byte (in.fd[1]);
    ck_run_until (outer, 5);
    ck_trace ("embed embed embed inner embed");
    ev_embed_sweep (outer, &w);
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

#ifndef STOCK_LIBEV
static void signal_about_nothing_calls_no_callback (struct ev_loop *outer, struct ev_loop *inner);

/* EM-2: the kernel signals late (7.3) what the inner loop has dealt with */
TEST_URING_INSIDE (signal_about_nothing_calls_no_callback)

static void signal_about_nothing_calls_no_callback (struct ev_loop *outer, struct ev_loop *inner)
{
    struct inside in;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    ev_embed_init (&w, trace_embed, inner);
    w.data = (void *) "embed";
    ev_embed_start (outer, &w);
    ev_run (outer, EVRUN_NOWAIT);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        ck_assert_int_eq (eventfd_write (w.io.fd, 1), 0);
        run_for (outer, 0.01);
        ck_trace ("");
        put_byte (in.fd[1]); /* what is about something still does */
        ck_assert_int_eq (eventfd_write (w.io.fd, 1), 0);
        ck_run_until (outer, 2);
        ck_trace ("embed embed");
        ev_embed_sweep (outer, &w);
        ck_trace ("embed embed inner");
    }
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}
#endif

static void write_later (void *fd)
{
    put_byte (*(int *) fd);
}

/* EM-2: the outer loop sleeps */
TEST_PAIRS (inner_event_ends_the_outer_wait)
{
    struct inside in;
    struct later later;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    embed_begin (outer, &w, inner);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, write_later, &in.fd[1]);
        ck_run_until (outer, 1);
        later_join (&later);
        ck_trace ("inner");
    }
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

static void write_eventfd (void *fd)
{
    uint64_t one = 1;

    if (write (*(int *) fd, &one, sizeof one) != sizeof one)
        ck_abort_msg ("write to an eventfd: %s", strerror (errno));
}

/* EM-2: an eventfd inside, time after time. (A ring that defers its work and tells of it through a registered
 * eventfd does so once only, if what happened was a write to an eventfd: Linux 6.18.) */
TEST_PAIRS (inner_eventfd_ends_the_outer_wait_every_time)
{
    int fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct later later;
    ev_embed w;
    ev_io io;

    ev_io_init (&io, trace_read, fd, EV_READ);
    io.data = (void *) "inner";
    ev_io_start (inner, &io);
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    for (int i = 1; i <= 4; i++) {
        later_start (&later, write_eventfd, &fd);
        ck_run_until (outer, i);
        later_join (&later);
    }
    ev_embed_stop (outer, &w);
    ev_io_stop (inner, &io);
    close (fd);
}

/* EM-2, IO-1: level-triggered through both loops */
TEST_PAIRS (inner_event_nobody_consumes_comes_in_every_outer_iteration)
{
    struct inside in;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    ev_set_cb (&in.io, trace_io);
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    put_byte (in.fd[1]);
    for (int i = 1; i <= 10; i++)
        ck_run_until (outer, i);
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

/* EM-2: more inner events than one wait hands out */
TEST_PAIRS (each_of_many_inner_descriptors_is_served)
{
    enum { MANY = 150 };
    static struct inside in[MANY];
    ev_embed w;

    embed_begin (outer, &w, inner);
    for (int i = 0; i < MANY; i++)
        inside_begin (inner, &in[i], "x");
    ev_run (outer, EVRUN_NOWAIT);
    for (int round = 1; round <= 3; round++) {
        trace_clear ();
        for (int i = 0; i < MANY; i++)
            put_byte (in[i].fd[1]);
        ck_run_until (outer, MANY);
        run_for (outer, 0.01);
        ck_assert_int_eq (trace_count, MANY);
    }
    ev_embed_stop (outer, &w);
    for (int i = 0; i < MANY; i++)
        inside_end (inner, &in[i]);
}

/* ---- RF-3 and the life of the watcher ---- */

/* RF-3 */
TEST_PAIRS (embed_counts_four_references_while_active)
{
    ev_embed w;

    embed_begin (outer, &w, inner);
    ck_assert (ev_is_active (&w));
    ck_assert_int_eq (ev_run (outer, EVRUN_NOWAIT), 4);
    ev_embed_start (outer, &w);
    ck_assert_int_eq (ev_run (outer, EVRUN_NOWAIT), 4);
    ev_embed_stop (outer, &w);
    ck_assert (!ev_is_active (&w));
    ck_assert_int_eq (ev_run (outer, 0), 0);
    ck_assert_int_eq (ev_run (inner, 0), 0);
}

/* EM-2, WA-1: after stop each loop is on its own; start takes up what is waiting */
TEST_PAIRS (stop_parts_the_loops_and_start_joins_them_again)
{
    struct inside in;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    ev_embed_stop (outer, &w);
    put_byte (in.fd[1]);
    run_for (outer, 0.02);
    ck_trace ("");
    ev_run (inner, EVRUN_ONCE);
    ck_trace ("inner");
    put_byte (in.fd[1]);
    ev_embed_start (outer, &w);
    ev_run (outer, EVRUN_NOWAIT);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("inner inner");
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

static void outer_stays_usable (struct ev_loop *outer, unsigned backend)
{
    struct inside in, out;
    struct ev_loop *inner = ev_loop_new (backend | EVFLAG_NOENV);
    ev_embed w;

    inside_begin (inner, &in, "inner");
    inside_begin (outer, &out, "outer");
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    put_byte (in.fd[1]);
    ck_run_until (outer, 1);
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
    ev_loop_destroy (inner);
    put_byte (out.fd[1]);
    ck_run_until (outer, 2);
    ck_trace ("inner outer");
    inside_end (outer, &out);
}

/* EM-2, LP-6: loops may be embedded one after the other, descriptors of earlier ones being reused */
TEST_PAIRS (outer_loop_survives_the_inner_one)
{
    for (int i = 0; i < 5; i++) {
        outer_stays_usable (outer, ev_backend (inner));
        trace_clear ();
    }
}

/* EM-4: the helper that waits has the embed's priority */
TEST_PAIRS (embed_event_has_the_priority_of_the_embed)
{
    struct inside in, out;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    inside_begin (outer, &out, "outer");
    ev_embed_init (&w, trace_embed, inner);
    w.data = (void *) "embed";
    ev_set_priority (&w, 1);
    ev_embed_start (outer, &w);
    ev_run (outer, EVRUN_NOWAIT);
    put_byte (out.fd[1]);
    put_byte (in.fd[1]);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("embed outer");
    ev_embed_sweep (outer, &w);
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
    inside_end (outer, &out);
}

/* ---- EM-3: what does not wake ---- */

/* EM-3 */
TEST_PAIRS (inner_timers_and_asyncs_wait_for_a_sweep)
{
    ev_embed w;
    ev_timer timer;
    ev_async async;

    embed_begin (outer, &w, inner);
    ev_async_init (&async, trace_async);
    async.data = (void *) "async";
    ev_async_start (inner, &async);
    run_for (outer, 0.01);
    ev_timer_init (&timer, trace_timer, 0.01, 0.);
    timer.data = (void *) "timer";
    ev_timer_start (inner, &timer);
    ev_async_send (inner, &async);
    run_for (outer, 0.05);
    ck_trace ("");
    ev_embed_sweep (outer, &w);
    ck_assert_int_eq (trace_count, 2);
    ev_embed_stop (outer, &w);
    ev_async_stop (inner, &async);
}

/* ---- EM-4: changes to the inner loop ---- */

struct start_inside {
    struct ev_loop *inner;
    ev_io *io;
};

static void start_inside (EV_P_ ev_prepare *w, int revents)
{
    struct start_inside *what = w->data;

    ev_prepare_stop (EV_A_ w);
    ev_io_start (what->inner, what->io);
}

/* EM-4: a watcher started from an outer callback on a descriptor that is ready */
TEST_PAIRS (inner_watcher_started_in_an_outer_callback_is_served_within_two_iterations)
{
    struct inside in;
    struct start_inside what = { inner, &in.io };
    ev_prepare prepare;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    ev_io_stop (inner, &in.io);
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    put_byte (in.fd[1]);
    ev_prepare_init (&prepare, start_inside);
    prepare.data = &what;
    ev_prepare_start (outer, &prepare);
    ev_run (outer, EVRUN_NOWAIT);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("inner");
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

/* EM-4, IO-6: stop and mask changes of inner watchers reach the kernel before the outer wait */
TEST_PAIRS (inner_watcher_that_was_stopped_does_not_wake_the_outer_loop)
{
    struct inside in;
    unsigned before;
    ev_embed w;

    inside_begin (inner, &in, "inner");
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    ev_io_stop (inner, &in.io);
    put_byte (in.fd[1]);
    run_for (outer, 0.01);
    before = ev_iteration (outer);
    run_for (outer, 0.05);
    ck_trace ("");
    ck_assert_uint_le (ev_iteration (outer) - before, 5); /* it sleeps */
    ev_io_start (inner, &in.io);
    ev_run (outer, EVRUN_NOWAIT);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("inner");
    ev_embed_stop (outer, &w);
    inside_end (inner, &in);
}

/* U-2 through two loops: stopping and closing an inner descriptor closes it */
TEST_PAIRS (peer_of_a_closed_inner_descriptor_sees_the_end)
{
    char byte;
    int fd[2];
    ev_embed w;
    ev_io io;

    embed_begin (outer, &w, inner);
    for (int i = 0; i < 20; i++) {
        test_socketpair (fd);
        ev_io_init (&io, trace_io, fd[0], EV_READ);
        io.data = (void *) "io";
        ev_io_start (inner, &io);
        ev_run (outer, EVRUN_NOWAIT);
        ev_io_stop (inner, &io);
        close (fd[0]);
        ck_assert_int_eq (read (fd[1], &byte, 1), 0);
        close (fd[1]);
        ev_run (outer, EVRUN_NOWAIT);
    }
    ck_trace ("");
    ev_embed_stop (outer, &w);
}

/* ---- EM-5: fork ---- */

/* EM-5, FK-1: what is inside is rebuilt as well, and served afterwards */
TEST_PAIRS (ev_loop_fork_reaches_the_inner_loop)
{
    struct inside in;
    ev_fork forked;
    ev_embed w;

#ifdef STOCK_LIBEV
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the original leaks a reference per fork (FK-6)");
#endif
    inside_begin (inner, &in, "inner");
    ev_fork_init (&forked, trace_fork);
    forked.data = (void *) "fork";
    ev_fork_start (inner, &forked);
    embed_begin (outer, &w, inner);
    ev_run (outer, EVRUN_NOWAIT);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        ev_loop_fork (outer);
        ck_assert_int_eq (ev_run (outer, EVRUN_NOWAIT), 4);
        ck_trace ("fork");
        put_byte (in.fd[1]);
        ck_run_until (outer, 2);
        ck_trace ("fork inner");
    }
    ev_embed_stop (outer, &w);
    ev_fork_stop (inner, &forked);
    inside_end (inner, &in);
}

/* Two loops that a child takes along, and what is inside. */
static struct {
    struct ev_loop *outer, *inner;
    struct inside in;
    ev_embed embed;
} family;

static void family_begin (struct ev_loop *outer, struct ev_loop *inner)
{
    if (ev_backend (inner) == EVBACKEND_IOURING)
        test_needs_no_valgrind ("valgrind's io_uring does not survive a fork");
    family.outer = outer;
    family.inner = inner;
    inside_begin (inner, &family.in, "inner");
    embed_begin (outer, &family.embed, inner);
    ev_run (outer, EVRUN_NOWAIT);
}

static void family_hears_and_ends (void)
{
    ck_run_until (family.outer, 1);
    ck_trace ("inner");
    ev_embed_stop (family.outer, &family.embed);
    inside_end (family.inner, &family.in);
}

/* With a pipe of its own: what is read there can have been told to the parent already. */
static void resume_in_child (void *arg)
{
    struct inside own;

    ev_loop_fork (family.outer);
    inside_begin (family.inner, &own, "own");
    ev_run (family.outer, EVRUN_NOWAIT);
    child_must (!trace_count);
    put_byte (own.fd[1]);
    child_must (run_until (family.outer, 1));
    child_must (!strcmp (trace, "own"));
}

/* EM-5, FK-3: a real child takes both loops along; the parent's go on */
TEST_PAIRS (child_resumes_both_loops_and_the_parent_keeps_its_own)
{
    family_begin (outer, inner);
    check_in_child (resume_in_child, NULL);
    run_for (outer, 0.01);
    ck_trace ("");
    put_byte (family.in.fd[1]);
    family_hears_and_ends ();
}

static void look_in_child (void *arg)
{
    ev_io_stop (family.inner, &family.in.io); /* the data are the parent's */
    ev_loop_fork (family.outer);
    ev_run (family.outer, EVRUN_NOWAIT);
    ev_run (family.inner, EVRUN_NOWAIT);
}

/* EM-5: what has come before the fork is told in the parent, whatever the child does */
TEST_PAIRS (child_takes_no_event_away_from_its_parent)
{
    family_begin (outer, inner);
    put_byte (family.in.fd[1]);
    check_in_child (look_in_child, NULL);
    family_hears_and_ends ();
}

/* ---- what the inner loop is told by others ---- */

/* EM-4: it was awake when the signal came, so nothing of it is readable; it is told when it is run */
TEST_PAIRS (signal_fed_to_an_awake_inner_loop_waits_for_its_run_when_the_embed_starts_again)
{
    ev_signal signal;
    ev_embed w;

    embed_begin (outer, &w, inner);
    ev_signal_init (&signal, trace_signal, SIGUSR1);
    signal.data = (void *) "signal";
    ev_signal_start (inner, &signal);
    ev_run (outer, EVRUN_NOWAIT);
    ev_feed_signal (SIGUSR1);
    ev_embed_stop (outer, &w);
    ev_embed_start (outer, &w);
    ev_run (outer, EVRUN_NOWAIT);
    ev_run (outer, EVRUN_NOWAIT);
    ck_trace ("");
    ev_embed_sweep (outer, &w);
    ck_trace ("signal");
    ev_signal_stop (inner, &signal);
    ev_embed_stop (outer, &w);
}

/* ---- deeper ---- */

/* EM-2: a loop in a loop in a loop */
TEST_PAIRS (embedded_loop_may_itself_embed)
{
    struct ev_loop *middle = loop_of (ev_backend (inner), 0);
    struct inside in;
    struct later later;
    ev_embed low, high;

    inside_begin (inner, &in, "inner");
    embed_begin (middle, &low, inner);
    embed_begin (outer, &high, middle);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, write_later, &in.fd[1]);
        ck_run_until (outer, 1);
        later_join (&later);
        ck_trace ("inner");
    }
    ev_embed_stop (outer, &high);
    ev_embed_stop (middle, &low);
    inside_end (inner, &in);
}

/* EM-2: several inner loops side by side */
TEST_PAIRS (two_loops_in_one_are_served_both)
{
    struct ev_loop *second = loop_of (EVBACKEND_EPOLL, 0);
    struct inside a, b;
    ev_embed one, two;

    inside_begin (inner, &a, "x");
    inside_begin (second, &b, "x");
    embed_begin (outer, &one, inner);
    embed_begin (outer, &two, second);
    ev_run (outer, EVRUN_NOWAIT);
    put_byte (a.fd[1]);
    put_byte (b.fd[1]);
    ck_run_until (outer, 2);
    put_byte (b.fd[1]);
    ck_run_until (outer, 3);
    ev_embed_stop (outer, &one);
    ev_embed_stop (outer, &two);
    inside_end (inner, &a);
    inside_end (second, &b);
}
