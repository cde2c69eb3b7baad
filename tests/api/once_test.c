/* once_test.c: ev_once (contract ON). */
#include "line.h"

#include <math.h>
#include <unistd.h>

static int calls, told;
static void *given;

static void note (int revents, void *arg)
{
    calls++;
    told = revents;
    given = arg;
}

static struct pipe_ends {
    int fd[2];
} ends;

static void open_ends (void)
{
    test_pipe (ends.fd);
}

static void close_ends (void)
{
    close (ends.fd[0]);
    close (ends.fd[1]);
}

TEST_BACKENDS (once_tells_of_a_ready_descriptor_once) // ON-1
{
    struct ev_loop *loop = test_loop (0);

    open_ends ();
    ev_once (loop, ends.fd[1], EV_WRITE, 3600., note, &ends);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* the timer is gone as well, else the deadline */
    ck_assert_int_eq (told, EV_WRITE);
    ck_assert_ptr_eq (given, &ends);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    close_ends ();
}

TEST_BACKENDS (once_tells_of_a_timeout) // ON-1
{
    struct ev_loop *loop = test_loop (0);
    double start;

    open_ends ();
    ev_now_update (loop);
    start = test_clock ();
    ev_once (loop, ends.fd[0], EV_READ, 0.03, note, NULL);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_double_ge (test_clock () - start, 0.025);
    ck_assert_int_eq (told, EV_TIMER);
    ck_assert_int_eq (write (ends.fd[1], "x", 1), 1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    close_ends ();
}

TEST_BACKENDS (once_tells_of_both_in_one_call) // ON-1
{
    struct ev_loop *loop = test_loop (0);

    open_ends ();
    ck_assert_int_eq (write (ends.fd[1], "x", 1), 1);
    ev_once (loop, ends.fd[0], EV_READ, 0., note, NULL);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (told, EV_READ | EV_TIMER);
    close_ends ();
}

TEST_BACKENDS (once_without_timeout_waits_for_the_descriptor_alone) // ON-1
{
    struct ev_loop *loop = test_loop (0);
    static const ev_tstamp none[] = { -1., -1e-9, NAN };

    open_ends ();
    for (int i = 0; i < 3; i++) {
        ev_once (loop, ends.fd[1], EV_WRITE, none[i], note, NULL);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
        ck_assert_int_eq (calls, i + 1);
        ck_assert_int_eq (told, EV_WRITE);
    }
    close_ends ();
}

TEST_BACKENDS (once_without_descriptor_is_a_timer) // ON-1
{
    struct ev_loop *loop = test_loop (0);

    ev_once (loop, -1, EV_READ | EV_WRITE, 0., note, NULL);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (told, EV_TIMER);
}

TEST_BACKENDS (once_without_anything_never_fires_and_holds_nothing) // ON-1
{
    struct ev_loop *loop = test_loop (0);

    ev_once (loop, -1, 0, -1., note, NULL);
    ev_once (loop, -1, EV_READ, NAN, note, NULL);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 0);
}

TEST_BACKENDS (each_part_of_once_holds_a_reference) // ON-2
{
    struct ev_loop *loop = test_loop (0);

    open_ends ();
    ev_once (loop, ends.fd[0], EV_READ, 3600., note, NULL);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 2);
    ev_once (loop, ends.fd[0], EV_READ, -1., note, NULL);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3);
    ck_assert_int_eq (write (ends.fd[1], "x", 1), 1);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (calls, 2);
    close_ends ();
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (once_tells_of_an_invalid_descriptor) // ON-2, AB-3, decision 26.1
{
    struct ev_loop *loop = test_loop (0);
    int fd = dup (0);

    ck_assert_int_ge (fd, 0);
    close (fd);
    ev_once (loop, fd, EV_READ, 3600., note, NULL);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* else the deadline */
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (told, EV_ERROR | EV_READ | EV_WRITE);
}
#endif

static struct ev_loop *loop_of_chain;
static int chain_left;

static void chain (int revents, void *arg)
{
    if (--chain_left)
        ev_once (loop_of_chain, -1, 0, 0., chain, NULL);
}

TEST_BACKENDS (once_may_be_called_from_its_own_callback) // ON-1: freed before the call
{
    loop_of_chain = test_loop (0);
    chain_left = 1000;
    ev_once (loop_of_chain, -1, 0, 0., chain, NULL);
    ck_assert_int_eq (ev_run (loop_of_chain, 0), 0);
    ck_assert_int_eq (chain_left, 0);
}

TEST_BACKENDS (many_onces_on_one_descriptor_are_all_told) // ON-1, IO-4
{
    struct ev_loop *loop = test_loop (0);

    open_ends ();
    for (int i = 0; i < 500; i++)
        ev_once (loop, ends.fd[1], EV_WRITE, 3600. + i, note, NULL);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_assert_int_eq (calls, 500);
    close_ends ();
}
