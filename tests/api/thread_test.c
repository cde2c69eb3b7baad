/* thread_test.c: loops and threads seen from outside: contract section 23, HK-4, HK-5, U-9, U-10, U-15.
 * Promises tests of loops that move between threads, threads that end while their requests are in the kernel,
 * other threads that change a loop while it sleeps, and callbacks left by longjmp. */
#include "trace.h"

#include <fcntl.h>
#ifndef STOCK_LIBEV
#include <ev_op.h>
#endif
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/time.h>

static void io_begin (struct ev_loop *loop, ev_io *w, int fd, const char *name)
{
    ev_io_init (w, trace_read, fd, EV_READ);
    w->data = (void *) name;
    ev_io_start (loop, w);
}

static void in_thread (void *(*body) (void *arg), void *arg)
{
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, body, arg), 0);
    ck_assert_int_eq (pthread_join (thread, NULL), 0);
}

static void *run_nowait (void *loop)
{
    ev_run (loop, EVRUN_NOWAIT);
    return NULL;
}

static void skip_stock_uring (void)
{
#ifdef STOCK_LIBEV
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the original's io_uring is bound to a thread");
#endif
}

/* It aborts, or serves the wrong watcher. */
static void skip_stock (void)
{
#ifdef STOCK_LIBEV
    test_skip ("the original cannot do this");
#endif
}

/* ---- one loop, several threads ---- */

/* TH-1, U-8, U-10: what a thread armed is served after the thread has ended */
TEST_BACKENDS (loop_survives_the_thread_that_ran_it)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];
    ev_io io;

    skip_stock_uring ();
    test_pipe (fd);
    io_begin (loop, &io, fd[0], "io");
    for (int i = 1; i <= 3; i++) {
        in_thread (run_nowait, loop);
        if (i == 2)
            sleep_ms (30); /* the kernel takes its time to notice that a thread has ended */
        put_byte (fd[1]);
        ck_run_until (loop, i);
        ck_assert_int_eq (trace_events, EV_READ);
    }
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

/* TH-1: the event happens first */
TEST_BACKENDS (event_between_two_threads_is_not_lost)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];
    ev_io io;

    skip_stock_uring ();
    test_pipe (fd);
    io_begin (loop, &io, fd[0], "io");
    for (int i = 1; i <= 3; i++) {
        in_thread (run_nowait, loop);
        put_byte (fd[1]);
        for (int tries = 0; tries < 200 && trace_count < i;
             tries++) { /* what is cancelled may be so late (U-10) */
            sleep_ms (5);
            in_thread (run_nowait, loop);
        }
        ck_assert_int_eq (trace_count, i);
    }
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

/* A ring whose thread has ended is closed by the kernel at leisure: soon is good enough. */
static int sees_the_end (int fd)
{
    char byte;

    for (int tries = 0; tries < 200; tries++) {
        if (read (fd, &byte, 1) == 0)
            return 1;
        sleep_ms (5);
    }
    return 0;
}

/* TH-1, U-2: stopping in a thread that never ran the loop */
TEST_BACKENDS (descriptor_armed_by_a_thread_that_ended_can_be_stopped_and_closed)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];
    ev_io io;

    skip_stock_uring ();
    for (int i = 0; i < 3; i++) {
        test_socketpair (fd);
        io_begin (loop, &io, fd[0], "io");
        in_thread (run_nowait, loop);
        ev_io_stop (loop, &io);
        close (fd[0]);
        ck_assert (sees_the_end (fd[1]));
        close (fd[1]);
        ev_run (loop, EVRUN_NOWAIT);
    }
    ck_trace ("");
}

static void *destroy (void *loop)
{
    ev_loop_destroy (loop);
    return NULL;
}

/* TH-1, LP-6: made here, run there, destroyed elsewhere */
TEST_BACKENDS (loop_may_be_destroyed_by_another_thread)
{
    struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    int before = test_fd_count (), fd[2];
    ev_io io;

    test_socketpair (fd);
    io_begin (loop, &io, fd[0], "io");
    in_thread (run_nowait, loop);
    in_thread (destroy, loop);
    ck_assert_int_lt (test_fd_count (), before + 3);
    close (fd[0]);
    ck_assert (sees_the_end (fd[1]));
    close (fd[1]);
}

enum { CREW = 10, ROUNDS = 30 };

static struct {
    struct ev_loop *loop;
    pthread_mutex_t turn;
    int fd[2], served, mistakes;
    ev_io io;
} crew;

static void serve_and_go (EV_P_ ev_io *w, int revents)
{
    char byte;

    crew.mistakes += read (w->fd, &byte, 1) != 1;
    crew.served++;
    ev_break (EV_A_ EVBREAK_ONE);
}

/* The leader serves one event, writes the next, and hands the loop on. */
static void *take_turns (void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock (&crew.turn);
        crew.mistakes += write (crew.fd[1], "x", 1) != 1;
        ev_run (crew.loop, 0);
        pthread_mutex_unlock (&crew.turn);
    }
    return NULL;
}

/* TH-1, U-8, U-10: leader and followers */
TEST_BACKENDS (ten_threads_take_turns_running_one_loop)
{
    pthread_t threads[CREW];

    skip_stock_uring ();
    crew.loop = test_loop (0);
    pthread_mutex_init (&crew.turn, NULL);
    test_pipe (crew.fd);
    ev_io_init (&crew.io, serve_and_go, crew.fd[0], EV_READ);
    ev_io_start (crew.loop, &crew.io);
    for (int i = 0; i < CREW; i++)
        ck_assert_int_eq (pthread_create (&threads[i], NULL, take_turns, NULL), 0);
    for (int i = 0; i < CREW; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_eq (crew.served, CREW * ROUNDS);
    ck_assert_int_eq (crew.mistakes, 0);
    ev_io_stop (crew.loop, &crew.io);
    close (crew.fd[0]);
    close (crew.fd[1]);
}

/* ---- several loops, several threads ---- */

struct own {
    unsigned backend;
    int rounds, wrong, fd[2];
};

static void bounce (EV_P_ ev_io *w, int revents)
{
    struct own *own = w->data;
    char byte;

    own->wrong += read (w->fd, &byte, 1) != 1;
    if (!own->rounds--)
        ev_break (EV_A_ EVBREAK_ONE);
    else
        own->wrong += write (own->fd[1], "x", 1) != 1;
}

/* A loop from cradle to grave. */
static void *own_loop (void *arg)
{
    struct own *own = arg;
    struct ev_loop *loop = ev_loop_new (own->backend | EVFLAG_NOENV);
    ev_io io;

    own->wrong += !loop || pipe (own->fd) < 0;
    if (own->wrong)
        return NULL;
    ev_io_init (&io, bounce, own->fd[0], EV_READ);
    io.data = own;
    ev_io_start (loop, &io);
    own->wrong += write (own->fd[1], "x", 1) != 1;
    ev_run (loop, 0);
    ev_io_stop (loop, &io);
    close (own->fd[0]);
    close (own->fd[1]);
    ev_loop_destroy (loop);
    return NULL;
}

/* TH-1, LP-5: loops are made, run and destroyed side by side */
TEST_BACKENDS (threads_have_loops_of_their_own)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct own own[THREADS];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < THREADS; i++) {
            own[i] = (struct own){ .backend = test_backend, .rounds = 100 };
            ck_assert_int_eq (pthread_create (&threads[i], NULL, own_loop, &own[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join (threads[i], NULL);
            ck_assert_int_eq (own[i].wrong, 0);
        }
    }
}

/* ---- a loop behind a lock ---- */

static struct {
    struct ev_loop *loop;
    pthread_mutex_t lock;
    int held, unbalanced, releases;
    ev_async async;
} guarded;

static void guard_release (EV_P) EV_NOEXCEPT
{
    guarded.unbalanced += guarded.held-- != 1;
    guarded.releases++;
    pthread_mutex_unlock (&guarded.lock);
}

static void guard_acquire (EV_P) EV_NOEXCEPT
{
    pthread_mutex_lock (&guarded.lock);
    guarded.unbalanced += guarded.held++ != 0;
}

static void guard_enter (void)
{
    pthread_mutex_lock (&guarded.lock);
    guarded.held = 1;
}

static void guard_leave (void)
{
    guarded.held = 0;
    pthread_mutex_unlock (&guarded.lock);
}

static void wake_only (EV_P_ ev_async *w, int revents)
{
}

static struct ev_loop *guard_begin (void)
{
    guarded.loop = test_loop (0);
    pthread_mutex_init (&guarded.lock, NULL);
    ev_async_init (&guarded.async, wake_only);
    ev_async_start (guarded.loop, &guarded.async);
    guard_enter ();
    ev_set_loop_release_cb (guarded.loop, guard_release, guard_acquire);
    return guarded.loop;
}

static void guard_end (void)
{
    ck_assert_int_eq (guarded.unbalanced, 0);
    ev_async_stop (guarded.loop, &guarded.async);
    ev_set_loop_release_cb (guarded.loop, NULL, NULL);
    guard_leave ();
}

/* HK-4 */
TEST_BACKENDS (release_and_acquire_come_in_pairs_around_each_wait)
{
    struct ev_loop *loop = guard_begin ();
    int rounds = 5;

    for (int i = 1; i <= rounds; i++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (guarded.unbalanced, 0);
    ck_assert_int_eq (guarded.held, 1);
#ifdef STOCK_LIBEV
    if (test_backend != EVBACKEND_IOURING)
#endif
        ck_assert_int_ge (guarded.releases, rounds);
    run_for (loop, 0.02);
    ck_assert_int_eq (guarded.held, 1);
    guard_end ();
}

struct change {
    int fd[2], passed;
    ev_io io;
    ev_timer timer;
};

static void start_under_lock (void *arg)
{
    struct change *change = arg;

    guard_enter ();
    io_begin (guarded.loop, &change->io, change->fd[0], "io");
    ev_async_send (guarded.loop, &guarded.async);
    guard_leave ();
}

/* HK-5, U-15: another thread starts a watcher while the loop sleeps */
TEST_BACKENDS (watcher_started_by_another_thread_during_the_wait_is_served)
{
    struct ev_loop *loop = guard_begin ();
    struct change change = { .passed = 0 };
    struct later later;

    test_pipe (change.fd);
    for (int i = 1; i <= 3; i++) {
        put_byte (change.fd[1]);
        later_start (&later, start_under_lock, &change);
        ck_run_until (loop, i);
        later_join (&later);
        ev_io_stop (loop, &change.io);
    }
    close (change.fd[0]);
    close (change.fd[1]);
    guard_end ();
}

static void stop_under_lock (void *arg)
{
    struct change *change = arg;

    guard_enter ();
    ev_io_stop (guarded.loop, &change->io);
    close (change->fd[0]);
    change->passed = 1;
    ev_async_send (guarded.loop, &guarded.async);
    guard_leave ();
}

/* HK-5, U-15, U-2: another thread stops and closes while the loop sleeps: closed when the loop has woken */
TEST_BACKENDS (descriptor_closed_by_another_thread_during_the_wait_is_closed_after_the_wakeup)
{
    struct ev_loop *loop = guard_begin ();
    struct change change = { .passed = 0 };
    struct later later;
    char byte;

    if (test_backend == EVBACKEND_POLL)
        skip_stock ();
    for (int i = 0; i < 3; i++) {
        test_socketpair (change.fd);
        io_begin (loop, &change.io, change.fd[0], "io");
        ev_run (loop, EVRUN_NOWAIT);
        later_start (&later, stop_under_lock, &change);
        for (change.passed = 0; !change.passed;)
            ev_run (loop, EVRUN_ONCE); /* the deadline of the test is the guard */
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (read (change.fd[1], &byte, 1), 0);
        later_join (&later);
        close (change.fd[1]);
    }
    ck_trace ("");
    guard_end ();
}

static void shorten_under_lock (void *arg)
{
    struct change *change = arg;

    guard_enter ();
    ev_timer_init (&change->timer, trace_timer, 0., 0.);
    change->timer.data = (void *) "timer";
    ev_timer_start (guarded.loop, &change->timer);
    ev_async_send (guarded.loop, &guarded.async);
    guard_leave ();
}

/* HK-5: a timer that is due earlier than the loop meant to sleep */
TEST_BACKENDS (timer_started_by_another_thread_during_the_wait_fires)
{
    struct ev_loop *loop = guard_begin ();
    struct change change = { .passed = 0 };
    struct later later;

    for (int i = 1; i <= 3; i++) {
        later_start (&later, shorten_under_lock, &change);
        ck_run_until (loop, i);
        later_join (&later);
    }
    guard_end ();
}

enum { TABLE = 300 };

static struct {
    int fd[TABLE][2];
    ev_io io[TABLE];
} table;

static void start_all_under_lock (void *arg)
{
    guard_enter ();
    for (int i = 0; i < TABLE; i++)
        io_begin (guarded.loop, &table.io[i], table.fd[i][0], "x");
    ev_async_send (guarded.loop, &guarded.async);
    guard_leave ();
}

static void stop_half_under_lock (void *arg)
{
    guard_enter ();
    for (int i = 0; i < TABLE; i += 2)
        ev_io_stop (guarded.loop, &table.io[i]);
    ev_async_send (guarded.loop, &guarded.async);
    guard_leave ();
}

/* HK-5, U-15: tables grow under a sleeping loop */
TEST_BACKENDS (three_hundred_watchers_come_and_go_during_the_wait)
{
    struct ev_loop *loop = guard_begin ();
    struct later later;

    skip_stock_uring ();
    for (int i = 0; i < TABLE; i++) {
        test_pipe (table.fd[i]);
        put_byte (table.fd[i][1]);
    }
    later_start (&later, start_all_under_lock, NULL);
    ck_run_until (loop, TABLE);
    later_join (&later);
    later_start (&later, stop_half_under_lock, NULL);
    run_for (loop, 0.06);
    guard_leave ();
    later_join (&later);
    guard_enter ();
    ck_assert_int_eq (trace_count, TABLE);
    for (int i = 0; i < TABLE; i++)
        put_byte (table.fd[i][1]);
    ck_run_until (loop, TABLE + TABLE / 2);
    run_for (loop, 0.01);
    ck_assert_int_eq (trace_count, TABLE + TABLE / 2);
    for (int i = 0; i < TABLE; i++) {
        ev_io_stop (loop, &table.io[i]);
        close (table.fd[i][0]);
        close (table.fd[i][1]);
    }
    guard_end ();
}

static struct change hook_change;

static void start_in_release (EV_P) EV_NOEXCEPT
{
    if (!ev_is_active (&hook_change.io))
        ev_io_start (EV_A_ & hook_change.io);
}

/* HK-5: a change in the release hook itself is at the latest seen by the next wait */
TEST_BACKENDS (watcher_started_in_the_release_hook_is_served_by_the_next_wait)
{
    struct ev_loop *loop = test_loop (0);

    test_pipe (hook_change.fd);
    put_byte (hook_change.fd[1]);
    ev_io_init (&hook_change.io, trace_read, hook_change.fd[0], EV_READ);
    hook_change.io.data = (void *) "io";
    ev_set_loop_release_cb (loop, start_in_release, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("io");
    ev_set_loop_release_cb (loop, NULL, NULL);
    ev_io_stop (loop, &hook_change.io);
    close (hook_change.fd[0]);
    close (hook_change.fd[1]);
}

/* The fd of change is one file before the wait and another one after it. */
static struct {
    int fd, quiet, told;
    ev_io old, new;
} swapped;

static void take_away (EV_P) EV_NOEXCEPT
{
    if (!ev_is_active (&swapped.old))
        return;
    ev_io_stop (EV_A_ & swapped.old);
    close (swapped.fd);
}

static void leave_open (EV_P) EV_NOEXCEPT
{
    ev_io_stop (EV_A_ & swapped.old);
}

static void put_in_place (EV_P) EV_NOEXCEPT
{
    if (ev_is_active (&swapped.new) || ev_is_active (&swapped.old) || swapped.told++)
        return;
    dup2 (swapped.quiet, swapped.fd);
    ev_io_start (EV_A_ & swapped.new);
}

/* What the wait reports about the old file is nothing to the new one. */
static void check_swapped (void (*in_release) (EV_P), int written)
{
    struct ev_loop *loop = test_loop (0);
    int old[2], quiet[2];

    trace_clear ();
    test_pipe (old);
    test_pipe (quiet);
    swapped.fd = old[0];
    swapped.quiet = quiet[0];
    swapped.told = 0;
    ev_io_init (&swapped.old, trace_io, old[0], EV_READ);
    swapped.old.data = (void *) "old";
    ev_io_init (&swapped.new, trace_io, old[0], EV_READ);
    swapped.new.data = (void *) "new";
    ev_io_start (loop, &swapped.old);
    ev_run (loop, EVRUN_NOWAIT);
    if (written)
        put_byte (old[1]);
    ev_set_loop_release_cb (loop, in_release, put_in_place);
    for (int i = 0; i < 3; i++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    ck_assert (ev_is_active (&swapped.new));
    ev_set_cb (&swapped.new, trace_read);
    put_byte (quiet[1]);
    ck_run_until (loop, 1);
    ck_trace ("new");
    ev_set_loop_release_cb (loop, NULL, NULL);
    ev_io_stop (loop, &swapped.new);
    for (int i = 0; i < 2; i++) {
        close (old[i]);
        close (quiet[i]);
    }
}

/* HK-5, U-15, U-3: stopped and closed during the wait, replaced before the loop looks at the reports */
TEST_BACKENDS (descriptor_replaced_during_the_wait_is_not_taken_for_the_old_one)
{
    skip_stock ();
    check_swapped (take_away, 0);
    check_swapped (take_away, 1);
}

/* HK-5, U-15, IO-8: the old file was ready */
TEST_BACKENDS (report_about_a_descriptor_replaced_during_the_wait_is_dropped)
{
    skip_stock ();
    check_swapped (leave_open, 1);
}

/* ---- what a loop does to its thread ---- */

static void write_later (void *fd)
{
    put_byte (*(int *) fd);
}

/* Rings that do not defer their work interrupt their thread: nothing the library can change. */
static void skip_interrupting_ring (struct ev_loop *loop)
{
#ifndef STOCK_LIBEV
    struct ev_stats stats;

    ev_stats (loop, &stats, sizeof stats);
    if (stats.backend == EVBACKEND_IOURING && !(stats.ring_flags & 1u << 13)) /* DEFER_TASKRUN */
        test_skip ("a ring of this kind interrupts its thread (U-9)");
#endif
}

/* U-9, TH-4: the program's own blocking calls are not interrupted by what the loop has asked for */
TEST_BACKENDS (blocking_calls_of_the_program_are_not_interrupted_by_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    int set = epoll_create1 (EPOLL_CLOEXEC), fd[2], answer, error;
    struct epoll_event event;
    struct later later;
    ev_io io;

    skip_stock_uring ();
    skip_interrupting_ring (loop);
    test_pipe (fd);
    io_begin (loop, &io, fd[0], "io");
    ev_run (loop, EVRUN_NOWAIT);
    later_start (&later, write_later, &fd[1]);
    errno = 0;
    answer = epoll_wait (set, &event, 1, 100);
    error = errno;
    later_join (&later);
    ck_assert_msg (answer == 0, "epoll_wait answers %d: %s", answer, strerror (error));
    ck_run_until (loop, 1);
    ck_trace ("io");
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
    close (set);
}

/* ---- from signal handlers ---- */

static ev_async *handlers_async;
static struct ev_loop *handlers_loop;

static void send_and_feed (int signum)
{
    ev_async_send (handlers_loop, handlers_async);
    ev_feed_signal (SIGUSR2);
}

/* TH-2 */
TEST_BACKENDS (handlers_may_send_and_feed_while_the_loop_waits)
{
    struct ev_loop *loop = test_loop (0);
    struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
    ev_async async;
    ev_signal usr2;

    ev_async_init (&async, trace_async);
    async.data = (void *) "async";
    ev_async_start (loop, &async);
    ev_signal_init (&usr2, trace_signal, SIGUSR2);
    usr2.data = (void *) "usr2";
    ev_signal_start (loop, &usr2);
    handlers_loop = loop;
    handlers_async = &async;
    signal (SIGALRM, send_and_feed);
    ck_assert_int_eq (setitimer (ITIMER_REAL, &soon, NULL), 0);
    ck_run_until (loop, 2);
    ck_trace ("async usr2");
    ev_async_stop (loop, &async);
    ev_signal_stop (loop, &usr2);
}

/* ---- leaving by longjmp ---- */

static jmp_buf out;

static void jump_out (EV_P_ ev_timer *w, int revents)
{
    trace_add ("jump", revents);
    longjmp (out, 1);
}

static void trace_depth (EV_P_ ev_timer *w, int revents)
{
    trace_add (ev_depth (EV_A) == 2 ? "second at depth 2" : "second", revents);
}

/* TH-3 */
TEST_BACKENDS (longjmp_out_of_a_callback_leaves_the_rest_pending)
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer first, second; /* static: longjmp forgets what registers held */

    ev_timer_init (&second, trace_depth, 0., 0.);
    ev_timer_init (&first, jump_out, 0., 0.);
    ev_feed_event (loop, &second, EV_TIMER);
    ev_feed_event (loop, &first, EV_TIMER);
    if (!setjmp (out)) {
        ev_run (loop, EVRUN_NOWAIT);
        ck_abort_msg ("no jump");
    }
    ck_trace ("jump");
    ck_assert_uint_eq (ev_depth (loop), 1);
    ck_assert_uint_eq (ev_pending_count (loop), 1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("jump second at depth 2");
    ck_assert_uint_eq (ev_pending_count (loop), 0);
}

static void read_and_jump (EV_P_ ev_io *w, int revents)
{
    trace_read (EV_A_ w, revents);
    longjmp (out, 1);
}

/* TH-3: the kernel side is whole after many jumps out of io callbacks */
TEST_BACKENDS (loop_works_after_jumps_out_of_io_callbacks)
{
    static struct ev_loop *loop;
    static ev_io io;
    static int fd[2], i;

    loop = test_loop (0);
    test_pipe (fd);
    io_begin (loop, &io, fd[0], "io");
    ev_set_cb (&io, read_and_jump);
    for (i = 1; i <= 20; i++) {
        put_byte (fd[1]);
        if (!setjmp (out))
            for (;;) /* the deadline of the test is the guard */
                ev_run (loop, EVRUN_ONCE);
        ck_assert_int_eq (trace_count, i);
    }
    ck_assert_uint_eq (ev_depth (loop), 20);
    ev_set_cb (&io, trace_read);
    put_byte (fd[1]);
    ck_run_until (loop, i);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}
