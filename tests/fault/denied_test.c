/* denied_test.c: kernels, sandboxes and limits that refuse io_uring, at start and in mid-life (contract GL-2,
 * GL-3, LP-1, U-14; rules 1, 2 and 11 of the design). A filter cannot be taken off again: each test process
 * installs its own. */
#define _GNU_SOURCE
#include "filter.h"
#include "io_kit.h"
#ifndef STOCK_LIBEV
#include <ev_op.h>
#endif

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define ANSWER(err) (SECCOMP_RET_ERRNO | (unsigned) (err))

static void filter_call (int call, unsigned answer)
{
    filter_calls (&call, 1, answer);
}

static struct ev_loop *try_loop (unsigned flags)
{
    return ev_loop_new (flags | EVFLAG_NOENV);
}

static void need_ring (void)
{
    struct ev_loop *loop = try_loop (EVBACKEND_IOURING);

    if (!loop)
        test_skip ("no io_uring here, even before it is denied");
    ev_loop_destroy (loop);
}

/* A full working day for a loop: readiness, undrained data, timers, another thread, stop and close. */
static void nothing_async (EV_P_ ev_async *w, int revents)
{
    *(int *) w->data += 1;
}

static void *send_async (void *loop_and_async)
{
    void **both = loop_and_async;

    usleep (3000);
    ev_async_send (both[0], both[1]);
    return NULL;
}

static void loop_works (struct ev_loop *loop)
{
    struct kit_io out, in;
    int fd[2], asyncs = 0;
    ev_async async;
    pthread_t thread;
    void *both[2] = { loop, &async };

    test_socketpair (fd);
    kit_start (loop, &out, fd[0], EV_WRITE);
    kit_start (loop, &in, fd[1], EV_READ);
    kit_nowait (loop, 5);
    ck_assert_int_ge (out.calls, 4); /* one may be spent on moving */
    ck_assert_int_eq (in.calls, 0);
    ev_io_stop (loop, &out.w);
    kit_put (fd[0]);
    ck_assert (kit_until (loop, &in.calls, 3, 5.)); /* level-triggered */
    ev_io_stop (loop, &in.w);
    ev_async_init (&async, nothing_async);
    async.data = &asyncs;
    ev_async_start (loop, &async);
    ck_assert_int_eq (pthread_create (&thread, NULL, send_async, both), 0);
    ck_assert (kit_until (loop, &asyncs, 1, 5.));
    pthread_join (thread, NULL);
    ev_async_stop (loop, &async);
    kit_get (fd[1]);
    kit_start (loop, &in, fd[1], EV_READ);
    kit_nowait (loop, 2);
    kit_stop_close (loop, &in);
    ck_assert (kit_eof (fd[0]));
    close (fd[0]);
    ck_assert_int_eq (ev_run (loop, 0), 0);
}

static void check_loop (unsigned flags, unsigned backend)
{
    struct ev_loop *loop = try_loop (flags);

    ck_assert_ptr_nonnull (loop);
    ck_assert_uint_eq (ev_backend (loop), backend);
    loop_works (loop);
    ck_assert_uint_eq (ev_backend (loop), backend);
    ev_loop_destroy (loop);
}

/* io_uring cannot be had: by its own name nothing, beside others the next best, by default epoll. */
static void check_denied (void)
{
    int before = test_fd_count ();

    ck_assert_uint_eq (ev_supported_backends (), 0x87); /* compiled in all the same (GL-2) */
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    ck_assert_ptr_null (try_loop (EVBACKEND_IOURING));
    check_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL, EVBACKEND_EPOLL);
    check_loop (EVBACKEND_IOURING | EVBACKEND_POLL, EVBACKEND_POLL);
    check_loop (0, EVBACKEND_EPOLL);
    check_loop (EVBACKEND_ALL, EVBACKEND_EPOLL);
    ck_assert_int_eq (test_fd_count (), before);
}

/* ---- denied from the start ---------------------------------------------------------------------- */

TEST (denied_with_eperm_gives_epoll) // U-14; containers
{
    filter_call (RING_SETUP, ANSWER (EPERM));
    check_denied ();
}

TEST (denied_with_enosys_gives_epoll) // U-14; kernels without io_uring
{
    filter_call (RING_SETUP, ANSWER (ENOSYS));
    check_denied ();
}

TEST (denied_with_enomem_gives_epoll) // U-14; memlock
{
    filter_call (RING_SETUP, ANSWER (ENOMEM));
    check_denied ();
}

TEST (denied_with_emfile_gives_epoll) // U-14
{
    filter_call (RING_SETUP, ANSWER (EMFILE));
    check_denied ();
}

TEST (denied_with_eopnotsupp_gives_epoll) // U-14; managed sandboxes
{
    filter_call (RING_SETUP, ANSWER (EOPNOTSUPP));
    check_denied ();
}

TEST (denied_with_einval_gives_epoll) // U-14: every rung of the ladder breaks
{
    filter_call (RING_SETUP, ANSWER (EINVAL));
    check_denied ();
}

TEST (
    denied_by_an_answer_of_zero_gives_epoll_and_spares_descriptor_0) // U-14: "success", and nothing behind it
{
    int fd = open ("/dev/null", O_RDONLY);

    kit_not_stock (0, "the reference closes descriptor 0");
    ck_assert_int_eq (dup2 (fd, 0), 0);
    close (fd);
    filter_call (RING_SETUP, ANSWER (0));
    check_denied ();
    ck_assert_int_ge (fcntl (0, F_GETFD), 0);
}

TEST (denied_all_three_calls_gives_epoll) // U-14
{
    static const int calls[] = { RING_SETUP, RING_ENTER, RING_REGISTER };

    filter_calls (calls, 3, ANSWER (EPERM));
    check_denied ();
}

TEST (denied_register_still_leaves_a_loop_that_works) // rule 2: setup succeeds, the ring cannot be enabled
{
    struct ev_loop *loop;

    need_ring ();
    kit_not_stock (0, "the reference's io_uring is not the reference");
    filter_call (RING_REGISTER, ANSWER (EPERM));
    loop = try_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL);
    ck_assert_ptr_nonnull (loop);
    loop_works (loop);
    ev_loop_destroy (loop);
}

TEST (denied_enter_still_leaves_a_loop_that_works) // rule 11 at the first run
{
    struct ev_loop *loop;

    need_ring ();
    kit_not_stock (0, "the reference's io_uring is not the reference");
    filter_call (RING_ENTER, ANSWER (EPERM));
    loop = try_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL);
    ck_assert_ptr_nonnull (loop);
    loop_works (loop);
    ev_loop_destroy (loop);
}

TEST (denied_epoll_as_well_gives_poll) // LP-1: down to the next
{
    static const int calls[] = { RING_SETUP, SYS_epoll_create1,
#ifdef SYS_epoll_create
                                 SYS_epoll_create
#endif
    };

    filter_calls (calls, sizeof calls / sizeof *calls, ANSWER (EPERM));
    ck_assert_ptr_null (try_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL));
    check_loop (0, EVBACKEND_POLL);
    check_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL | EVBACKEND_SELECT, EVBACKEND_SELECT);
}

/* ---- a filter that says nothing of io_uring ----------------------------------------------------- */

TEST (filtered_process_is_not_given_io_uring_unasked) // rule 1, GL-3
{
    filter_call (SYS_uname, ANSWER (EPERM)); /* anything: that there is a filter is what counts */
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    check_loop (0, EVBACKEND_EPOLL);
}

TEST (filtered_process_may_ask_for_io_uring_by_name) // rule 1
{
    need_ring ();
    kit_not_stock (0, "the reference's io_uring is not the reference");
    filter_call (SYS_swapon, ANSWER (EPERM));
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    check_loop (EVBACKEND_IOURING, EVBACKEND_IOURING);
    check_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL, EVBACKEND_IOURING);
}

TEST (filtered_after_the_first_loop_counts_for_the_second) // rule 1
{
    ev_loop_destroy (try_loop (0)); /* whatever that found is not to be remembered */
    filter_call (SYS_swapon, ANSWER (EPERM));
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    check_loop (0, EVBACKEND_EPOLL);
}

TEST (killing_filter_finds_nothing_to_kill) // rule 1: a surprise system call would end a sandboxed daemon
{
    static const int calls[] = { RING_SETUP, RING_ENTER, RING_REGISTER };

    filter_calls (calls, 3, SECCOMP_RET_KILL_PROCESS);
    ck_assert_uint_eq (ev_supported_backends (), 0x87);
    ck_assert_uint_eq (ev_embeddable_backends (), 0xac);
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    check_loop (0, EVBACKEND_EPOLL);
    ev_loop_destroy (ev_default_loop (EVFLAG_NOENV));
}

/* ---- limits ------------------------------------------------------------------------------------- */

static void limit_fds (rlim_t count)
{
    struct rlimit limit;

    ck_assert_int_eq (getrlimit (RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &limit), 0);
}

/* The lowest number that is free. */
static int next_fd (void)
{
    int fd = dup (0);

    close (fd);
    return fd;
}

TEST (no_descriptor_left_gives_poll) // U-14: EMFILE from the kernel itself
{
    struct rlimit before;
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    getrlimit (RLIMIT_NOFILE, &before);
    limit_fds ((rlim_t) next_fd ());
    ck_assert_ptr_null (try_loop (EVBACKEND_IOURING));
    ck_assert_ptr_null (try_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL));
    struct ev_loop *loop = try_loop (0);
    ck_assert_ptr_nonnull (loop);
    ck_assert_uint_eq (ev_backend (loop), EVBACKEND_POLL);
    kit_start (loop, &io, fd[1], EV_WRITE);
    kit_nowait (loop, 3);
    ck_assert_int_eq (io.calls, 3);
    kit_stop_close (loop, &io);
    close (fd[0]);
    ev_loop_destroy (loop);
    ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &before), 0);
#ifndef STOCK_LIBEV
    loop = try_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL); /* the refusal was not for life */
    ck_assert_ptr_nonnull (loop);
    loop_works (loop);
    ev_loop_destroy (loop);
#endif
}

TEST (one_descriptor_left_is_enough_for_readiness) // U-14
{
    struct rlimit before;
    struct kit_io io;
    int fd[2];

    test_pipe (fd);
    getrlimit (RLIMIT_NOFILE, &before);
    limit_fds ((rlim_t) next_fd () + 1);
    for (int i = 0; i < 20; i++) {
        struct ev_loop *loop = try_loop (EVBACKEND_EPOLL | (i & 1 ? EVBACKEND_IOURING : 0));

        ck_assert_ptr_nonnull (loop);
        kit_start (loop, &io, fd[1], EV_WRITE);
        kit_nowait (loop, 3);
        ck_assert_int_ge (io.calls, i & 1 ? 2 : 3);
        ev_io_stop (loop, &io.w);
        ev_loop_destroy (loop);
    }
    close (fd[0]);
    close (fd[1]);
    ck_assert_int_eq (setrlimit (RLIMIT_NOFILE, &before), 0);
}

/* Somebody nobody else is: ring memory is counted per user, over all processes. */
static void become_nobody (rlim_t memlock)
{
    struct rlimit limit = { memlock, memlock };
    uid_t uid = 300000 + (uid_t) getpid ();

    if (geteuid () != 0)
        test_skip ("needs root to become somebody else");
    ck_assert_int_eq (setrlimit (RLIMIT_MEMLOCK, &limit), 0);
    ck_assert_int_eq (setresgid (uid, uid, uid), 0);
    ck_assert_int_eq (setresuid (uid, uid, uid), 0);
    prctl (PR_SET_DUMPABLE, 1, 0, 0, 0); /* the harness counts descriptors in /proc */
}

TEST (no_memory_to_lock_gives_epoll) // U-14, rule 2
{
    need_ring ();
    become_nobody (0);
    struct ev_loop *loop = try_loop (EVBACKEND_IOURING);
    ev_loop_destroy (loop);
    if (loop)
        test_skip ("this kernel does not count rings as locked memory");
    ck_assert_uint_eq (ev_recommended_backends (), 0x07);
    check_loop (EVBACKEND_IOURING | EVBACKEND_EPOLL, EVBACKEND_EPOLL);
    check_loop (0, EVBACKEND_EPOLL);
}

#ifndef STOCK_LIBEV
TEST (little_memory_to_lock_gives_a_small_ring) // rule 2: halves until it fits
{
    enum { MANY = 500 };
    static struct kit_io io[MANY];
    struct ev_loop *loop;
    int fd[2];

    need_ring ();
    become_nobody (16384);
    loop = try_loop (EVBACKEND_IOURING);
    ck_assert_ptr_nonnull (loop);
    loop_works (loop);
    test_pipe (fd);
    for (int i = 0; i < MANY; i++) /* more than a small ring can hold */
        kit_start (loop, &io[i], dup (fd[1]), EV_WRITE);
    kit_nowait (loop, 40);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_gt (io[i].calls, 0);
        kit_stop_close (loop, &io[i]);
    }
    ck_assert_uint_eq (ev_backend (loop), EVBACKEND_IOURING);
    ev_loop_destroy (loop);
    close (fd[0]);
    close (fd[1]);
}

/* ---- denied in mid-life (rule 11) --------------------------------------------------------------- */

enum { LIVES = 300 };

static struct {
    struct ev_loop *loop;
    struct kit_io quiet[LIVES]; /* armed, nothing there yet */
    struct kit_io ready, file;
    int fd[2], timers, asyncs;
    ev_timer timer;
    ev_async async;
} life;

static void count_timer (EV_P_ ev_timer *w, int revents)
{
    life.timers++;
}

/* A loop on a ring in the middle of everything. */
static void life_begin (void)
{
    need_ring ();
    life.loop = try_loop (EVBACKEND_IOURING);
    for (int i = 0; i < LIVES; i++)
        kit_start (life.loop, &life.quiet[i], eventfd (0, EFD_NONBLOCK), EV_READ);
    test_pipe (life.fd);
    kit_start (life.loop, &life.ready, life.fd[1], EV_WRITE);
    kit_start (life.loop, &life.file, open ("/etc/passwd", O_RDONLY), EV_READ);
    ev_timer_init (&life.timer, count_timer, 0.01, 0.01);
    ev_timer_start (life.loop, &life.timer);
    ev_async_init (&life.async, nothing_async);
    life.async.data = &life.asyncs;
    ev_async_start (life.loop, &life.async);
    kit_nowait (life.loop, 3);
    ck_assert_uint_eq (ev_backend (life.loop), EVBACKEND_IOURING);
    ck_assert_int_eq (life.ready.calls, 3);
}

static void life_goes_on (void)
{
    struct ev_stats stats;

    kit_nowait (life.loop, 2); /* the move */
    ck_assert_uint_eq (ev_backend (life.loop), EVBACKEND_EPOLL);
    life.ready.calls = life.file.calls = life.timers = 0;
    kit_nowait (life.loop, 5);
    ck_assert_int_eq (life.ready.calls, 5);
    ck_assert_int_eq (life.file.calls, 5);
    for (int i = 0; i < LIVES; i++)
        eventfd_write (life.quiet[i].w.fd, 1);
    ev_async_send (life.loop, &life.async);
    kit_nowait (life.loop, 30);
    ck_assert_int_eq (life.asyncs, 1);
    ck_assert (kit_until (life.loop, &life.timers, 2, 5.));
    ck_assert_uint_ge (ev_stats (life.loop, &stats, sizeof stats), sizeof stats);
    ck_assert_uint_eq (stats.fallbacks, 1);
    ck_assert_uint_eq (stats.backend, EVBACKEND_EPOLL);
}

static void life_ends (void)
{
    for (int i = 0; i < LIVES; i++) {
        ck_assert_msg (life.quiet[i].calls > 0, "watcher %d was lost", i);
        kit_stop_close (life.loop, &life.quiet[i]);
    }
    kit_stop_close (life.loop, &life.ready);
    kit_stop_close (life.loop, &life.file);
    ev_timer_stop (life.loop, &life.timer);
    ev_async_stop (life.loop, &life.async);
    close (life.fd[0]);
    ck_assert_int_eq (ev_run (life.loop, 0), 0); /* references are what they were */
    loop_works (life.loop);
    ev_loop_destroy (life.loop);
}

static void check_life (int call, unsigned answer)
{
    life_begin ();
    filter_call (call, answer);
    life_goes_on ();
    life_ends ();
}

TEST (ring_denied_with_eperm_in_mid_life_moves_to_epoll) // rule 11
{
    check_life (RING_ENTER, ANSWER (EPERM));
}

TEST (ring_denied_with_enosys_in_mid_life_moves_to_epoll) // rule 11
{
    check_life (RING_ENTER, ANSWER (ENOSYS));
}

TEST (ring_denied_altogether_in_mid_life_moves_to_epoll) // rule 11
{
    static const int calls[] = { RING_SETUP, RING_ENTER, RING_REGISTER };

    life_begin ();
    filter_calls (calls, 3, ANSWER (EPERM));
    life_goes_on ();
    life_ends ();
}

TEST (ring_denied_before_a_stop_lets_go_of_the_file) // rule 11 with rule 4
{
    struct ev_loop *loop;
    struct kit_io io, other;
    int fd[2], rest[2];

    need_ring ();
    loop = try_loop (EVBACKEND_IOURING);
    test_socketpair (fd);
    test_pipe (rest);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_start (loop, &other, rest[0], EV_READ);
    kit_nowait (loop, 2);
    filter_call (RING_ENTER, ANSWER (EPERM));
    kit_stop_close (loop, &io); /* cannot be taken back by entering any more */
    kit_put (rest[1]);
    ck_assert (kit_until (loop, &other.calls, 1, 5.));
    ck_assert (kit_eof (fd[1])); /* closing the ring gives the file back, some time later */
    close (fd[1]);
    kit_stop_close (loop, &other);
    close (rest[1]);
    ev_loop_destroy (loop);
}

TEST (ring_denied_before_destroy_does_not_hang_it) // rule 11
{
    life_begin ();
    filter_call (RING_ENTER, ANSWER (EPERM));
    ev_loop_destroy (life.loop);
    for (int i = 0; i < LIVES; i++)
        close (life.quiet[i].w.fd);
    close (life.ready.w.fd);
    close (life.file.w.fd);
    close (life.fd[0]);
}

TEST (ring_that_cannot_be_rebuilt_after_a_fork_becomes_epoll) // rule 11, rule 10
{
    life_begin ();
    filter_call (RING_SETUP, ANSWER (EPERM));
    ev_loop_fork (life.loop);
    life_goes_on ();
    life_ends ();
}

static void *run_in_thread (void *loop)
{
    kit_nowait (loop, 3);
    return NULL;
}

TEST (ring_that_cannot_be_rebuilt_for_another_thread_becomes_epoll) // rule 11, rule 9
{
    pthread_t thread;

    life_begin ();
    filter_call (RING_SETUP, ANSWER (EPERM));
    ck_assert_int_eq (pthread_create (&thread, NULL, run_in_thread, life.loop), 0);
    pthread_join (thread, NULL);
    life_goes_on ();
    life_ends ();
}

TEST (ring_denied_while_the_loop_is_embedded_keeps_the_outer_loop_informed) // rule 11 with rule 12
{
    struct ev_loop *outer, *inner;
    struct kit_io io;
    ev_embed embed;
    int fd[2];

    need_ring ();
    outer = try_loop (EVBACKEND_EPOLL);
    inner = try_loop (EVBACKEND_IOURING);
    test_pipe (fd);
    kit_start (inner, &io, fd[0], EV_READ);
    ev_embed_init (&embed, NULL, inner);
    ev_embed_start (outer, &embed);
    kit_nowait (outer, 3);
    filter_call (RING_ENTER, ANSWER (EPERM));
    kit_put (fd[1]);
    ev_embed_sweep (outer, &embed);
    ck_assert (kit_until (outer, &io.calls, 1, 5.));
    ck_assert (kit_until (outer, &io.calls, 3, 5.));
    ev_embed_stop (outer, &embed);
    kit_stop_close (inner, &io);
    close (fd[1]);
    ev_loop_destroy (inner);
    ev_loop_destroy (outer);
}
#endif
