/* uring_test.c: what the io_uring backend in particular owes its user: threads, forks, full queues, embedding,
 * a ring that dies (contract section 27, TH-1, TH-4, HK-5, FK-3; rules 3 and 5 to 13 of the design). Thread and
 * fork tests run on every backend, since a program that works on one has to work on all. */
#define _GNU_SOURCE
#include "io_kit.h"
#ifndef STOCK_LIBEV
#include <ev_op.h>
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void stock_breaks (const char *why)
{
    kit_not_stock (EVBACKEND_IOURING, why);
}

static void read_one (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    if (revents == EV_READ)
        kit_get (w->fd);
}

static void stop_after_count (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    ev_io_stop (EV_A_ w);
}

/* A pipe watched by a callback that reads it. Its write end is data. */
static void start_reader (struct ev_loop *loop, struct kit_io *io)
{
    int fd[2];

    test_pipe (fd);
    kit_start (loop, io, fd[0], EV_READ);
    ev_set_cb (&io->w, read_one);
    io->w.data = (void *) (intptr_t) fd[1];
}

static void write_to (struct kit_io *io)
{
    kit_put ((int) (intptr_t) io->w.data);
}

static void end_reader (struct ev_loop *loop, struct kit_io *io)
{
    kit_stop_close (loop, io);
    close ((int) (intptr_t) io->w.data);
}

#ifndef STOCK_LIBEV
static struct ev_stats stats_of (struct ev_loop *loop)
{
    struct ev_stats stats;

    ck_assert_uint_ge (ev_stats (loop, &stats, sizeof stats), sizeof stats);
    return stats;
}

static unsigned rebuilds_of (struct ev_loop *loop)
{
    return (unsigned) stats_of (loop).rebuilds;
}
#else
static unsigned rebuilds_of (struct ev_loop *loop)
{
    return 0;
}
#endif

/* ---- threads (TH-1, U-8, U-10, rule 9) ---------------------------------------------------------- */

/* Runs body (arg) in a thread of its own that has ended when this returns. */
static void in_thread (void *(*body) (void *), void *arg)
{
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, body, arg), 0);
    ck_assert_int_eq (pthread_join (thread, NULL), 0);
}

static void *run_nowait (void *loop)
{
    kit_nowait (loop, 2);
    return NULL;
}

TEST_BACKENDS (thread_that_armed_may_exit_before_the_event) // TH-1, U-10
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    stock_breaks ("the reference's io_uring aborts (TH-1)");
    start_reader (loop, &io);
    for (int i = 1; i <= 10; i++) {
        in_thread (run_nowait, loop);
        write_to (&io);
        ck_assert (kit_until (loop, &io.calls, i, 5.));
        ck_assert_int_eq (io.revents, EV_READ);
    }
    end_reader (loop, &io);
}

static struct kit_io *served;

static void *run_until_served (void *loop)
{
    while (!served->calls)
        ev_run (loop, EVRUN_ONCE);
    return NULL;
}

TEST_BACKENDS (thread_may_hand_a_loop_over_and_sleep_in_it_elsewhere) // TH-1: no tick hides a lost wake-up
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    stock_breaks ("the reference's io_uring aborts (TH-1)");
    start_reader (loop, &io);
    served = &io;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;

        kit_nowait (loop, 1 + i % 2); /* armed here */
        io.calls = 0;
        ck_assert_int_eq (pthread_create (&thread, NULL, run_until_served, loop), 0);
        usleep (i % 4 * 1000); /* before, while or after it falls asleep */
        write_to (&io);
        pthread_join (thread, NULL);
    }
    end_reader (loop, &io);
}

static void *make_loop (void *made)
{
    *(struct ev_loop **) made = ev_loop_new (test_backend | EVFLAG_NOENV);
    return NULL;
}

static void *destroy_loop (void *loop)
{
    ev_loop_destroy (loop);
    return NULL;
}

TEST_BACKENDS (thread_that_made_the_loop_need_not_run_or_destroy_it) // LP-5, TH-1, rule 9
{
    struct ev_loop *loop = NULL;
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    for (int i = 0; i < 10; i++) {
        in_thread (make_loop, &loop);
        ck_assert_ptr_nonnull (loop);
        kit_start (loop, &io, fd[1], EV_WRITE);
        kit_nowait (loop, 2);
        ck_assert_int_eq (io.calls, 2);
        ck_assert_uint_eq (rebuilds_of (loop), 0); /* a ring belongs to whoever runs it first */
        in_thread (destroy_loop, loop);
    }
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (thread_that_destroys_a_loop_lets_go_of_what_another_armed) // U-2 with TH-1
{
    struct kit_io io;
    int fd[2];

    for (int i = 0; i < 10; i++) {
        struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);

        test_socketpair (fd);
        kit_start (loop, &io, fd[0], EV_READ);
        kit_nowait (loop, 2);
        in_thread (destroy_loop, loop);
        close (fd[0]);
        ck_assert (kit_eof (fd[1]));
        close (fd[1]);
    }
}

struct handed {
    struct ev_loop *loop;
    struct kit_io *io;
};

static void *stop_and_close (void *arg)
{
    struct handed *handed = arg;

    kit_stop_close (handed->loop, handed->io);
    return NULL;
}

TEST_BACKENDS (thread_that_stops_and_closes_lets_go_of_what_another_armed) // U-2 with TH-1
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io, keeper;
    struct handed handed = { loop, &io };
    int fd[2];

    stock_breaks ("the reference's io_uring keeps files open");
    start_reader (loop, &keeper);
    for (int i = 1; i <= 20; i++) {
        test_socketpair (fd);
        kit_start (loop, &io, fd[0], EV_READ);
        kit_nowait (loop, 1 + i % 2);
        in_thread (stop_and_close, &handed);
        ck_assert_msg (kit_eof (fd[1]), "round %d: the peer waits for ever", i);
        write_to (&keeper);
        ck_assert (kit_until (loop, &keeper.calls, i, 5.));
        close (fd[1]);
    }
    end_reader (loop, &keeper);
}

enum { TAKERS = 10, TURNS = 200 };

static struct {
    pthread_mutex_t lock;
    struct ev_loop *loop;
    struct kit_io io;
    int put, served;
} turns = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void take_one_turn (void)
{
    turns.put++;
    write_to (&turns.io);
    for (int i = 0; i < 2000 && turns.io.calls < turns.put; i++)
        ev_run (turns.loop, EVRUN_NOWAIT);
    turns.served += turns.io.calls == turns.put;
}

/* Each turn arms again what the thread before has armed, and must hear what was written in between. */
static void *take_turns (void *nobody)
{
    for (int more = 1; more;) {
        pthread_mutex_lock (&turns.lock);
        more = turns.put < TURNS;
        if (more)
            take_one_turn ();
        pthread_mutex_unlock (&turns.lock);
        sched_yield ();
    }
    return NULL;
}

TEST_BACKENDS (threads_may_take_turns_running_one_loop) // TH-1, U-8, U-10
{
    pthread_t thread[TAKERS];

    stock_breaks ("the reference's io_uring aborts (TH-1)");
    TEST_SECONDS (30);
    turns.loop = test_loop (0);
    start_reader (turns.loop, &turns.io);
    for (int i = 0; i < TAKERS; i++)
        ck_assert_int_eq (pthread_create (&thread[i], NULL, take_turns, NULL), 0);
    for (int i = 0; i < TAKERS; i++)
        pthread_join (thread[i], NULL);
    ck_assert_int_eq (turns.served, TURNS);
    end_reader (turns.loop, &turns.io);
}

/* ---- a loop under a lock, changed by others while it sleeps (HK-5, U-15) ------------------------ */

static struct {
    pthread_mutex_t lock;
    struct ev_loop *loop;
    pthread_t runner;
    ev_async wake;
    ev_prepare end;
    int ended;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock_shared (void)
{
    pthread_mutex_lock (&shared.lock);
}

static void unlock_shared (void)
{
    pthread_mutex_unlock (&shared.lock);
}

static void release_shared (EV_P) EV_NOEXCEPT
{
    unlock_shared ();
}

static void acquire_shared (EV_P) EV_NOEXCEPT
{
    lock_shared ();
}

static void nothing_async (EV_P_ ev_async *w, int revents)
{
}

static void break_when_ended (EV_P_ ev_prepare *w, int revents)
{
    if (shared.ended)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void *run_shared (void *nobody)
{
    lock_shared ();
    ev_run (shared.loop, 0);
    unlock_shared ();
    return NULL;
}

static void share_begin (void)
{
    shared.loop = test_loop (0);
    ev_set_loop_release_cb (shared.loop, release_shared, acquire_shared);
    ev_async_init (&shared.wake, nothing_async);
    ev_async_start (shared.loop, &shared.wake);
    ev_prepare_init (&shared.end, break_when_ended);
    ev_prepare_start (shared.loop, &shared.end);
    ck_assert_int_eq (pthread_create (&shared.runner, NULL, run_shared, NULL), 0);
}

static void share_end (void)
{
    lock_shared ();
    shared.ended = 1;
    ev_async_send (shared.loop, &shared.wake);
    unlock_shared ();
    pthread_join (shared.runner, NULL);
    ev_async_stop (shared.loop, &shared.wake);
    ev_prepare_stop (shared.loop, &shared.end);
    ev_set_loop_release_cb (shared.loop, NULL, NULL);
}

static int shared_until (const int *count, int wanted)
{
    for (double end = test_clock () + 5.; test_clock () < end; usleep (1000)) {
        lock_shared ();
        int reached = *count >= wanted;
        unlock_shared ();
        if (reached)
            return 1;
    }
    return 0;
}

TEST_BACKENDS (threads_may_start_watchers_while_the_loop_sleeps) // HK-5, U-15
{
    enum { COUNT = 400 }; /* more than a submission queue has room for */
    static struct kit_io io[COUNT];

    stock_breaks ("the reference's io_uring keeps state across the hooks");
    kit_need_fds (COUNT + 50);
    share_begin ();
    usleep (10000); /* it sleeps now, most likely; the other case has to work, too */
    lock_shared ();
    for (int i = 0; i < COUNT; i++) {
        kit_start (shared.loop, &io[i], eventfd (1, EFD_NONBLOCK), EV_READ);
        ev_set_cb (&io[i].w, stop_after_count);
    }
    ev_async_send (shared.loop, &shared.wake);
    unlock_shared ();
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg (shared_until (&io[i].calls, 1), "watcher %d was never called", i);
    share_end ();
    for (int i = 0; i < COUNT; i++)
        kit_stop_close (shared.loop, &io[i]);
}

TEST_BACKENDS (threads_may_stop_and_close_while_the_loop_sleeps) // HK-5, U-2, rule 4 with 9
{
    struct kit_io io, keeper;
    int fd[2];

    kit_not_stock (EVBACKEND_IOURING | EVBACKEND_POLL, "the reference aborts, or keeps files open");
    share_begin ();
    lock_shared ();
    start_reader (shared.loop, &keeper);
    unlock_shared ();
    for (int i = 1; i <= 20; i++) {
        test_socketpair (fd);
        lock_shared ();
        kit_start (shared.loop, &io, fd[0], EV_READ);
        ev_async_send (shared.loop, &shared.wake);
        unlock_shared ();
        usleep (2000); /* armed, asleep */
        lock_shared ();
        kit_stop_close (shared.loop, &io);
        unlock_shared ();
        write_to (&keeper); /* wakes the sleeper by itself, whatever the stop did to the ring */
        ck_assert_msg (shared_until (&keeper.calls, i), "round %d: the sleeper did not wake", i);
        ck_assert_msg (kit_eof (fd[1]), "round %d: the peer waits for ever", i);
        close (fd[1]);
    }
    share_end ();
    end_reader (shared.loop, &keeper);
}

/* ---- fork (U-12, FK-3, FK-6, rule 10) ----------------------------------------------------------- */

static struct {
    struct ev_loop *loop;
    struct kit_io io;
} family;

static void child_does_nothing (void *nobody)
{
}

static void child_execs (void *nobody)
{
    execl ("/bin/sh", "sh", "-c", ":", (char *) NULL);
    _exit (99);
}

static void child_destroys (void *nobody)
{
    ev_loop_destroy (family.loop);
}

static void child_is_told_and_destroys (void *nobody)
{
    ev_loop_fork (family.loop);
    ev_loop_destroy (family.loop);
}

static void child_stops_and_closes (void *nobody)
{
    ev_loop_fork (family.loop);
    kit_stop_close (family.loop, &family.io);
    _exit (ev_run (family.loop, 0));
}

static void child_is_told_and_runs (void *nobody)
{
    struct kit_io own;

    ev_loop_fork (family.loop);
    kit_nowait (family.loop, 2);
    start_reader (family.loop, &own);
    for (int i = 1; i <= 10; i++) {
        write_to (&own);
        if (!kit_until (family.loop, &own.calls, i, 5.))
            _exit (1);
    }
    end_reader (family.loop, &own);
    if (ev_run (family.loop, EVRUN_NOWAIT) != 1) /* family.io, and nothing leaked */
        _exit (2);
    _exit (ev_backend (family.loop) == test_backend ? 0 : 3);
}

static void child_forks_again (void *nobody)
{
    ev_loop_fork (family.loop);
    kit_nowait (family.loop, 2);
    _exit (test_child (child_is_told_and_runs, NULL, NULL, 0) ? 4 : 0);
}

static void child_runs_untold (void *nobody)
{
    kit_nowait (family.loop,
                5); /* a mistake: it may or may not hear anything, but its parent must not suffer */
}

static void check_family (void (*child) (void *), int fresh)
{
    family.loop = test_loop (0);
    start_reader (family.loop, &family.io);
    kit_nowait (family.loop, fresh ? 0 : 2);
    for (int i = 1; i <= 5; i++) {
        ck_assert_int_eq (test_child (child, NULL, NULL, 0), 0);
        kit_nowait (family.loop, i % 2);
        ck_assert_int_eq (family.io.calls, i - 1);
        write_to (&family.io);
        ck_assert (kit_until (family.loop, &family.io.calls, i, 5.));
        ck_assert_int_eq (ev_run (family.loop, EVRUN_NOWAIT), 1);
    }
    ck_assert_uint_eq (ev_backend (family.loop), test_backend);
    end_reader (family.loop, &family.io);
}

TEST_BACKENDS (fork_whose_child_exits_leaves_the_parent_alone) // U-12
{
    check_family (child_does_nothing, 0);
}

TEST_BACKENDS (fork_whose_child_execs_leaves_the_parent_alone) // U-12
{
    check_family (child_execs, 0);
}

TEST_BACKENDS (fork_whose_child_rebuilds_and_runs_works_in_both) // U-12, FK-3, FK-6
{
    stock_breaks ("the reference leaks a reference per rebuild (FK-6)");
    check_family (child_is_told_and_runs, 0);
}

TEST_BACKENDS (fork_before_the_first_run_works_in_both) // U-12, rule 9 with 10
{
    stock_breaks ("the reference leaks a reference per rebuild (FK-6)");
    check_family (child_is_told_and_runs, 1);
}

TEST_BACKENDS (fork_in_the_child_of_a_fork_works_in_all) // U-12
{
    stock_breaks ("the reference leaks a reference per rebuild (FK-6)");
    check_family (child_forks_again, 0);
}

TEST_BACKENDS (fork_whose_child_destroys_the_loop_leaves_the_parent_alone) // U-12
{
    stock_breaks ("the reference's child takes the parent's requests away");
    check_family (child_destroys, 0);
    check_family (child_is_told_and_destroys, 0);
}

TEST_BACKENDS (fork_whose_child_stops_a_watcher_leaves_the_parent_alone) // U-12: of epoll the contract warns
{
    stock_breaks ("the reference leaks a reference per rebuild (FK-6)");
    check_family (child_stops_and_closes, 0);
}

TEST_BACKENDS (fork_whose_child_runs_the_loop_untold_leaves_the_parent_alone) // U-12
{
    stock_breaks ("the reference submits to the parent's ring");
    check_family (child_runs_untold, 0);
}

static void wait_for_close (const int fd[2])
{
    char byte;

    close (fd[1]);
    (void) !read (fd[0], &byte, 1);
}

/* A child that inherits the ring, has closed its copy of what is watched, and lives until end is closed. */
static pid_t fork_sleeper (int watched, int *end)
{
    int fd[2];
    pid_t pid;

    ck_assert_int_eq (pipe (fd), 0);
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (!pid) {
        close (watched);
        wait_for_close (fd);
        _exit (0);
    }
    close (fd[0]);
    *end = fd[1];
    return pid;
}

static void check_child_pins_nothing (int by_destroy)
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2], end;

    stock_breaks ("the reference's io_uring keeps files open");
    test_socketpair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_nowait (loop, 2);
    pid_t pid = fork_sleeper (fd[0], &end);
    if (by_destroy) {
        test_loop_gone (loop);
        ev_loop_destroy (loop);
        close (fd[0]);
    } else
        kit_stop_close (loop, &io);
    ck_assert (kit_eof (fd[1])); /* as soon as the child has closed its copy */
    close (end);
    close (fd[1]);
    ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}

TEST_BACKENDS (fork_child_that_neither_execs_nor_rebuilds_pins_nothing_the_parent_stops) // U-2, U-12
{
    check_child_pins_nothing (0);
}

TEST_BACKENDS (fork_child_that_neither_execs_nor_rebuilds_pins_nothing_after_destroy) // U-2, U-12
{
    check_child_pins_nothing (1);
}

TEST_BACKENDS (fork_in_the_parent_too_rebuilds_and_keeps_what_is_watched) // FK-1, FK-3
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    stock_breaks ("the reference leaks a reference per rebuild (FK-6)");
    start_reader (loop, &io);
    for (int i = 1; i <= 10; i++) {
        kit_nowait (loop, i % 3);
        ev_loop_fork (loop);
        write_to (&io);
        ck_assert (kit_until (loop, &io.calls, i, 5.));
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    }
    end_reader (loop, &io);
}

TEST_BACKENDS (fork_rebuild_lets_go_of_what_was_armed) // U-2, FK-3
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    int fd[2];

    stock_breaks ("the reference's io_uring keeps files open");
    for (int i = 0; i < 20; i++) {
        test_socketpair (fd);
        kit_start (loop, &io, fd[0], EV_READ);
        kit_nowait (loop, 2);
        ev_loop_fork (loop);
        kit_nowait (loop, i % 2);
        kit_stop_close (loop, &io);
        ck_assert (kit_eof (fd[1]));
        close (fd[1]);
    }
}

/* ---- only on a ring ----------------------------------------------------------------------------- */

static struct ev_loop *ring_loop (void)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_IOURING | EVFLAG_NOENV);

#ifdef STOCK_LIBEV
    ev_loop_destroy (loop);
    test_skip ("the reference's io_uring is not the reference");
#endif
    if (!loop)
        test_skip ("no io_uring here");
    return loop;
}

#ifndef STOCK_LIBEV
TEST (ring_costs_one_system_call_per_iteration) // rule 3, rule 6
{
    struct ev_loop *loop = ring_loop ();
    struct kit_io io;
    ev_timer far;

    ev_timer_init (&far, kit_nothing, 100., 0.);
    ev_timer_start (loop, &far);
    start_reader (loop, &io);
    kit_nowait (loop, 3);
    struct ev_stats before = stats_of (loop), after;
    for (int i = 0; i < 300; i++) {
        write_to (&io);
        ev_run (loop, EVRUN_ONCE);
    }
    after = stats_of (loop);
    ck_assert_int_eq (io.calls, 300);
    ck_assert_uint_le (after.enters - before.enters, 310);
    ck_assert_uint_le (after.submissions - before.submissions, 310);
    end_reader (loop, &io);
    ev_loop_destroy (loop);
}
/* Rings of lesser kernels (EVRING_RING), and of little memory. */
static const char *const flavours[] = { "coop", "plain", "sq=8,cq=16", "plain,sq=8,cq=16" };

TEST (ring_of_any_flavour_survives_the_thread_that_armed_it) // U-10: re-armed, not parked
{
    for (unsigned i = 0; i < sizeof flavours / sizeof *flavours; i++) {
        struct ev_loop *loop = (setenv ("EVRING_RING", flavours[i], 1), ring_loop ());
        struct kit_io io;

        start_reader (loop, &io);
        for (int round = 1; round <= 5; round++) {
            in_thread (run_nowait, loop);
            write_to (&io);
            ck_assert (kit_until (loop, &io.calls, round, 5.));
        }
        ck_assert_uint_eq (ev_backend (loop), EVBACKEND_IOURING);
        ck_assert_uint_eq (stats_of (loop).parked, 0);
        end_reader (loop, &io);
        ev_loop_destroy (loop);
    }
}

TEST (ring_of_any_flavour_lets_go_when_a_watcher_stops) // U-2
{
    for (unsigned i = 0; i < sizeof flavours / sizeof *flavours; i++) {
        struct ev_loop *loop = (setenv ("EVRING_RING", flavours[i], 1), ring_loop ());
        struct kit_io io[40];
        int fd[40][2];

        for (int at = 0; at < 40; at++) {
            test_socketpair (fd[at]);
            kit_start (loop, &io[at], fd[at][0], EV_READ);
        }
        kit_nowait (loop, 2);
        for (int at = 0; at < 40; at++) {
            kit_stop_close (loop, &io[at]);
            ck_assert_msg (kit_eof (fd[at][1]), "%s: number %d", flavours[i], at);
            close (fd[at][1]);
        }
        ev_loop_destroy (loop);
    }
}

static void full_start (struct ev_loop *loop, int count, unsigned value);
static void full_make_ready (int count);
static void full_end (struct ev_loop *loop, int count);

TEST (ring_of_any_flavour_loses_nothing) // rule 7, U-6
{
    for (unsigned i = 0; i < sizeof flavours / sizeof *flavours; i++) {
        struct ev_loop *loop = (setenv ("EVRING_RING", flavours[i], 1), ring_loop ());

        full_start (loop, 500, 0);
        kit_nowait (loop, 2);
        full_make_ready (500);
        kit_nowait (loop, 100);
        full_end (loop, 500);
    }
}

static void exit_if_mapped (void *nobody)
{
    char line[512];
    FILE *maps = fopen ("/proc/self/maps", "r");
    int mapped = 0;

    while (fgets (line, sizeof line, maps))
        mapped += strstr (line, "io_uring") != NULL;
    _exit (mapped);
}

TEST (ring_is_not_mapped_in_a_fork_child) // rule 10
{
    struct ev_loop *loop = ring_loop ();

    kit_nowait (loop, 1);
    ck_assert_int_eq (test_child (exit_if_mapped, NULL, NULL, 0), 0);
    ev_loop_destroy (loop);
}
#endif

enum { FULL = 6000 };
static struct kit_io full[FULL];

static void full_start (struct ev_loop *loop, int count, unsigned value)
{
    kit_need_fds ((rlim_t) count + 50);
    for (int i = 0; i < count; i++) {
        kit_start (loop, &full[i], eventfd (value, EFD_NONBLOCK), EV_READ);
        ev_set_cb (&full[i].w, stop_after_count);
    }
}

static void full_make_ready (int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq (eventfd_write (full[i].w.fd, 1), 0);
}

/* Each was called, and called once: a stopped watcher hears nothing more. */
static void full_end (struct ev_loop *loop, int count)
{
    ck_assert_uint_eq (ev_backend (loop), EVBACKEND_IOURING);
    for (int i = 0; i < count; i++) {
        ck_assert_msg (full[i].calls == 1, "number %d of %d: %d calls", i, count, full[i].calls);
        kit_stop_close (loop, &full[i]);
    }
    ev_loop_destroy (loop);
}

TEST (ring_takes_more_new_watchers_in_one_run_than_its_queue_has_entries) // rule 7, U-7
{
    struct ev_loop *loop = ring_loop ();

    full_start (loop, 1000, 1);
    kit_nowait (loop, 1);
    full_end (loop, 1000);
}

TEST (ring_hands_out_200_events_in_one_run) // rule 7: DEFER_TASKRUN gives 20 per call
{
    struct ev_loop *loop = ring_loop ();

    full_start (loop, 200, 0);
    kit_nowait (loop, 2);
    full_make_ready (200);
    kit_nowait (loop, 1);
    full_end (loop, 200);
}

TEST (ring_loses_nothing_when_more_happens_than_its_queue_holds) // rule 7, U-6, remark i
{
    struct ev_loop *loop = ring_loop ();

    TEST_SECONDS (30);
    full_start (loop, FULL, 0);
    kit_nowait (loop, 2);
    full_make_ready (FULL);
    kit_nowait (loop, 10);
    full_end (loop, FULL);
}

TEST (ring_loses_nothing_when_all_new_watchers_are_ready_at_once) // rule 7, U-6
{
    struct ev_loop *loop = ring_loop ();

    TEST_SECONDS (30);
    full_start (loop, FULL, 1);
    kit_nowait (loop, 10);
    full_end (loop, FULL);
}

/* What a long sleep puts into the queue besides finds it full, and so finds what is ready. */
TEST (ring_does_not_sleep_when_its_queue_is_just_full_of_ready_descriptors) // rule 7, rule 6
{
    static const int queues[] = { 1, 2, 8, 256 };

    for (unsigned i = 0; i < sizeof queues / sizeof *queues; i++) {
        char setting[32];
        struct ev_loop *loop;

        snprintf (setting, sizeof setting, "sq=%d", queues[i]);
        loop = (setenv ("EVRING_RING", setting, 1), ring_loop ());
        full_start (loop, queues[i], 1);
        ev_run (loop, EVRUN_ONCE);
        full_end (loop, queues[i]);
    }
}

TEST (ring_loses_nothing_when_removals_meet_events) // rule 4 with 7, U-3
{
    enum { COUNT = 1000 };
    struct ev_loop *loop = ring_loop ();

    full_start (loop, COUNT, 0);
    kit_nowait (loop, 2);
    full_make_ready (COUNT); /* reported nowhere yet */
    for (int i = 0; i < COUNT; i += 2)
        ev_io_stop (loop, &full[i].w);
    kit_nowait (loop, 5);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq (full[i].calls, i % 2);
    for (int i = 0; i < COUNT; i += 2)
        ev_io_start (loop, &full[i].w);
    kit_nowait (loop, 5);
    full_end (loop, COUNT);
}

static int signals;

static void count_signal (EV_P_ ev_signal *w, int revents)
{
    signals++;
}

static void *send_usr1 (void *target)
{
    usleep (3000);
    pthread_kill (*(pthread_t *) target, SIGUSR1);
    return NULL;
}

TEST_BACKENDS (signal_is_not_hidden_by_what_the_same_call_submits) // rule 6: no tick helps here
{
    struct ev_loop *loop = test_loop (0);
    pthread_t self = pthread_self (), thread;
    struct kit_io io;
    ev_signal usr1;

    stock_breaks ("the reference's io_uring reuses requests uncleared and aborts");
    ev_signal_init (&usr1, count_signal, SIGUSR1);
    ev_signal_start (loop, &usr1);
    start_reader (loop, &io);
    for (int i = 1; i <= 30; i++) {
        ev_io_stop (loop, &io.w);
        ev_io_set (&io.w, io.w.fd, EV_READ);
        ev_io_start (loop, &io.w); /* something to submit in the call that will sleep */
        ck_assert_int_eq (pthread_create (&thread, NULL, send_usr1, &self), 0);
        while (signals < i)
            ev_run (loop, EVRUN_ONCE);
        pthread_join (thread, NULL);
    }
    end_reader (loop, &io);
    ev_signal_stop (loop, &usr1);
}

TEST_BACKENDS (timeout_is_not_hidden_by_what_the_same_call_submits) // rule 6
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;

    stock_breaks ("the reference's io_uring reuses requests uncleared and aborts");
    start_reader (loop, &io);
    for (int i = 0; i < 30; i++) {
        ev_io_stop (loop, &io.w);
        ev_io_set (&io.w, io.w.fd, EV_READ);
        ev_io_start (loop, &io.w);
        double begun = test_clock ();
        ck_assert_uint_lt (kit_run_for (loop, 0.003), 10);
        ck_assert_double_ge (test_clock () - begun, 0.002);
    }
    end_reader (loop, &io);
}

static void *write_later (void *io)
{
    usleep (10000);
    write_to (io);
    return NULL;
}

TEST_BACKENDS (loop_does_not_interrupt_other_waits_of_its_thread) // U-9, TH-4
{
    struct ev_loop *loop = test_loop (0);
    struct epoll_event event;
    struct kit_io io;
    pthread_t thread;
    int own = epoll_create1 (EPOLL_CLOEXEC);

    stock_breaks ("the reference's io_uring does (TH-4)");
#ifndef STOCK_LIBEV
    if (kit_uring () && !(stats_of (loop).ring_flags & 1u << 13))
        test_skip ("only IORING_SETUP_DEFER_TASKRUN prevents it");
#endif
    start_reader (loop, &io);
    kit_nowait (loop, 2);
    ck_assert_int_eq (pthread_create (&thread, NULL, write_later, &io), 0);
    ck_assert_int_eq (epoll_wait (own, &event, 1, 50), 0);
    pthread_join (thread, NULL);
    ck_assert (kit_until (loop, &io.calls, 1, 5.));
    end_reader (loop, &io);
    close (own);
}

TEST (ring_does_not_ask_for_what_nobody_wants) // rule 5: mask 0 is not armed
{
    struct ev_loop *loop = ring_loop ();
    struct kit_io io;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &io, fd[0], 0);
    kit_nowait (loop, 2);
    close (fd[1]);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    ck_assert_int_eq (io.calls, 0);
    kit_stop_close (loop, &io);
    ev_loop_destroy (loop);
}

/* ---- embedding (rule 12) ------------------------------------------------------------------------ */

#ifndef STOCK_LIBEV
TEST_BACKENDS (ring_embedded_in_another_loop_wakes_it) // rule 12, EM-1 to EM-3; no tick hides a lost wake-up
{
    struct ev_loop *outer = test_loop (0), *inner = ring_loop ();
    struct kit_io io;
    ev_embed embed;
    pthread_t thread;

    ck_assert (ev_embeddable_backends () & ev_backend (inner));
    start_reader (inner, &io);
    ev_embed_init (&embed, NULL, inner);
    ev_embed_start (outer, &embed);
    for (int i = 1; i <= 20; i++) {
        ck_assert_int_eq (pthread_create (&thread, NULL, write_later, &io), 0);
        while (io.calls < i)
            ev_run (outer, EVRUN_ONCE);
        pthread_join (thread, NULL);
    }
    ck_assert_uint_lt (kit_run_for (outer, 0.05), 20); /* and does not spin */
    ev_embed_stop (outer, &embed);
    end_reader (inner, &io);
    ev_loop_destroy (inner);
}

/* ---- a ring that dies (rule 11) ----------------------------------------------------------------- */

static int ring_fd (void)
{
    for (int fd = 0; fd < 200; fd++) {
        char path[64], link[64] = "";

        snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink (path, link, sizeof link - 1) > 0 && strstr (link, "io_uring"))
            return fd;
    }
    return -1;
}

/* Closed by a program that closes descriptors it does not own, and perhaps replaced by something else. */
static void check_ring_death (int replacement)
{
    struct ev_loop *loop = ring_loop ();
    struct kit_io io, ready;
    int fd[2], victim = ring_fd ();

    ck_assert_int_ge (victim, 0);
    test_pipe (fd);
    start_reader (loop, &io);
    kit_start (loop, &ready, fd[1], EV_WRITE);
    kit_nowait (loop, 2);
    if (replacement >= 0)
        ck_assert_int_eq (dup2 (replacement, victim), victim);
    else
        close (victim);
    kit_nowait (loop, 2); /* may be spent on the move */
    ready.calls = 0;
    kit_nowait (loop, 5);
    ck_assert_int_ge (ready.calls, 4);
    for (int i = 1; i <= 5; i++) {
        write_to (&io);
        ck_assert (kit_until (loop, &io.calls, i, 5.));
    }
    kit_stop_close (loop, &ready);
    close (fd[0]);
    end_reader (loop, &io);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ev_loop_destroy (loop);
    if (replacement >= 0) /* it is the program's, and nobody has closed it */
        ck_assert_int_eq (close (victim), 0);
}

TEST (ring_closed_under_the_loop_costs_nobody_an_event) // rule 11
{
    check_ring_death (-1);
}

TEST (ring_replaced_under_the_loop_costs_nobody_an_event) // rule 11
{
    int null = open ("/dev/null", O_RDWR);

    check_ring_death (null);
    close (null);
}

/* ---- no iowait (rule 13) ------------------------------------------------------------------------ */

/* Threads of the whole machine that wait for a device right now, the least of many looks. */
static int blocked_at_least (void)
{
    int least = 1000, blocked;

    for (int i = 0; i < 30; i++) {
        char line[256];
        FILE *stat = fopen ("/proc/stat", "r");

        while (fgets (line, sizeof line, stat))
            if (sscanf (line, "procs_blocked %d", &blocked) == 1 && blocked < least)
                least = blocked;
        fclose (stat);
        usleep (1000);
    }
    return least;
}

static void *watch_blocked (void *least)
{
    usleep (5000);
    *(int *) least = blocked_at_least ();
    return NULL;
}

TEST (ring_that_sleeps_is_not_counted_as_waiting_for_a_device) // rule 13
{
    struct ev_loop *loop;
    struct kit_io io;
    pthread_t thread;
    int counted = 0;

    if (!kit_kernel_from (6, 15))
        test_skip ("only kernels from 6.15 on let us say so (NO_IOWAIT)");
    loop = ring_loop ();

    start_reader (loop, &io);
    for (int i = 0; i < 5; i++) { /* others' devices may disturb a look or two, not all */
        int before = blocked_at_least (), asleep = -1;

        ck_assert_int_eq (pthread_create (&thread, NULL, watch_blocked, &asleep), 0);
        kit_run_for (loop, 0.08);
        pthread_join (thread, NULL);
        counted += asleep > before;
    }
    ck_assert_int_lt (counted, 5);
    end_reader (loop, &io);
    ev_loop_destroy (loop);
}
#endif
