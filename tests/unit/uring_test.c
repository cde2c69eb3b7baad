/* uring_test.c: backend/uring.c with a kernel that answers what it seldom answers: completions are rewritten
 * between the wait and the reap, system calls are made to fail. */
#include "unit.h"

#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

static int calls, last_revents;

static void count (struct ev_loop *loop, ev_io *w, int revents)
{
    (void) loop, (void) w;
    calls++;
    last_revents = revents;
}

static struct ev_loop *ring_loop (void)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_IOURING | EVFLAG_NOENV);

    if (!loop)
        test_skip ("no io_uring here");
    calls = last_revents = 0;
    return loop;
}

static struct evi_uring *uring_of (struct ev_loop *loop)
{
    return loop->backend_data;
}

static void watch (struct ev_loop *loop, ev_io *w, int fd, int events)
{
    ev_io_init (w, count, fd, events);
    ev_io_start (loop, w);
}

/* One poll without sleep, in which the completion of the only ready descriptor says res instead. */
static void poll_with_answer (struct ev_loop *loop, int32_t res)
{
    evi_fd_reify (loop);
    ck_assert_int_eq (loop->backend->wait (loop, 0), 0);
    ck_assert_uint_eq (evi_ring_ready (&uring_of (loop)->loopring.ring), 1);
    uring_of (loop)
        ->loopring.ring
        .cqes[*uring_of (loop)->loopring.ring.cq_head & (uring_of (loop)->loopring.ring.cq_entries - 1)]
        .res = res;
    loop->backend->reap (loop);
    ev_invoke_pending (loop);
}

/* A pipe with a byte in it, watched. */
static struct ev_loop *ready_pipe (ev_io *w, int fd[2])
{
    struct ev_loop *loop = ring_loop ();

    test_pipe (fd);
    ck_assert_int_eq (write (fd[1], "x", 1), 1);
    watch (loop, w, fd[0], EV_READ);
    return loop;
}

static void end (struct ev_loop *loop, ev_io *w, int fd[2])
{
    ev_verify (loop);
    ev_io_stop (loop, w);
    ev_loop_destroy (loop);
    close (fd[0]);
    close (fd[1]);
}

TEST (
    file_the_ring_refuses_is_served_through_epoll_and_stays_level_triggered) // remark j, TODO EINVAL, rule 5
{
    static const int refusals[] = { -EINVAL, -EOPNOTSUPP };

    for (unsigned i = 0; i < EVI_COUNT (refusals); i++) {
        int fd[2];
        ev_io w;
        struct ev_loop *loop = ready_pipe (&w, fd);

        poll_with_answer (loop, refusals[i]);
        ck_assert_int_eq (calls, 0);
        for (int run = 1; run <= 5; run++) {
            ev_run (loop, EVRUN_NOWAIT);
            ck_assert_int_eq (calls, run);
        }
        ck_assert_uint_eq (loop->stats.parked, 1);
        ck_assert_int_eq (last_revents, EV_READ);
        end (loop, &w, fd);
    }
}

TEST (parked_file_closes_when_it_is_stopped_and_its_number_may_be_another_file) // U-2, U-3
{
    int fd[2], other[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    poll_with_answer (loop, -EINVAL);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ev_io_stop (loop, &w);
    test_pipe (other);
    ck_assert_int_eq (dup2 (other[0], fd[0]), fd[0]);
    ev_io_set (&w, fd[0], EV_READ);
    ev_io_start (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (write (other[1], "x", 1), 1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 2);
    close (other[0]);
    close (other[1]);
    end (loop, &w, fd);
}

static int no_room_in_epoll (const char *call)
{
    return strcmp (call, "epoll_ctl") ? 0 : -ENOSPC; /* fs.epoll.max_user_watches */
}

TEST (listener_that_epoll_refuses_is_served_by_the_ring) // decision 0010
{
    struct ev_loop *loop = ring_loop ();
    struct sockaddr_un nameless = { .sun_family = AF_UNIX };
    socklen_t size = sizeof nameless;
    int fd = socket (AF_UNIX, SOCK_STREAM, 0), peer = socket (AF_UNIX, SOCK_STREAM, 0);
    ev_io w;

    ck_assert_int_eq (bind (fd, (struct sockaddr *) &nameless, sizeof (sa_family_t)), 0);
    ck_assert_int_eq (listen (fd, 1), 0);
    getsockname (fd, (struct sockaddr *) &nameless, &size);
    evi_sys_fault = no_room_in_epoll;
    watch (loop, &w, fd, EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert (evi_uring_state (&loop->fds.rows[fd]) == EVI_URING_ONCE);
    ck_assert_int_eq (connect (peer, (struct sockaddr *) &nameless, size), 0);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (last_revents, EV_READ);
    end (loop, &w, (int[]){ fd, peer });
}

TEST (request_the_kernel_cancelled_is_armed_again_silently) // U-10, rule 5
{
    static const int passing[] = { -ECANCELED, -ENOMEM, -EAGAIN, -EINTR };

    for (unsigned i = 0; i < EVI_COUNT (passing); i++) {
        int fd[2];
        ev_io w;
        struct ev_loop *loop = ready_pipe (&w, fd);

        poll_with_answer (loop, passing[i]);
        ck_assert_int_eq (calls, 0);
        ck_assert (ev_is_active (&w));
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, 1);
        end (loop, &w, fd);
    }
}

TEST (descriptor_found_invalid_late_is_told_like_any_other) // IO-14, U-14
{
    static const int answers[] = { -EBADF, POLLNVAL };

    for (unsigned i = 0; i < EVI_COUNT (answers); i++) {
        int fd[2];
        ev_io w;
        struct ev_loop *loop = ready_pipe (&w, fd);

        poll_with_answer (loop, answers[i]);
        ck_assert_int_eq (calls, 1);
        ck_assert_int_eq (last_revents, EV_ERROR | EV_READ | EV_WRITE);
        ck_assert (!ev_is_active (&w));
        end (loop, &w, fd);
    }
}

TEST (answer_with_rdhup_alone_is_not_an_event_and_arms_a_quiet_request) // U-5
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    poll_with_answer (loop, 0x2000);
    ck_assert_int_eq (calls, 0);
    evi_fd_reify (loop);
    ck_assert_int_eq (evi_uring_state (&loop->fds.rows[fd[0]]), EVI_URING_GOOD);
    ev_run (loop, EVRUN_NOWAIT); /* a real event ends the quiet, and the row is one-shot again */
    ck_assert_int_eq (calls, 1);
    evi_fd_reify (loop);
    ck_assert_int_eq (evi_uring_state (&loop->fds.rows[fd[0]]), EVI_URING_ONCE);
    end (loop, &w, fd);
}

TEST (answer_of_a_request_that_was_changed_too_late_is_not_an_event_and_arms_an_ordinary_one) // IO-5, U-5
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    poll_with_answer (loop, POLLOUT);
    ck_assert_int_eq (calls, 0);
    evi_fd_reify (loop);
    ck_assert_int_eq (evi_uring_state (&loop->fds.rows[fd[0]]), EVI_URING_ONCE);
    end (loop, &w, fd);
}

TEST (report_under_another_generation_is_dropped) // U-3, rule "readiness carries a name"
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    evi_fd_reify (loop);
    loop->backend->wait (loop, 0);
    loop->fds.rows[fd[0]].gen++;
    loop->backend->reap (loop);
    ck_assert_uint_eq (loop->stats.stale, 1);
    ck_assert (!ev_is_pending (&w));
    evi_loop_rebuild (loop);
    end (loop, &w, fd);
}

/* A sleep of a loop without timers (deadline 0), or with one that is due then. How long it took, seconds. */
static double long_sleep (struct ev_loop *loop, ev_tstamp limit, ev_tstamp deadline)
{
    double begin = test_clock ();

    evi_fd_reify (loop);
    loop->exact = deadline > 0;
    loop->deadline = loop->exact ? deadline : loop->clock.mono + limit;
    ck_assert_int_eq (loop->backend->wait (loop, limit), 0);
    loop->backend->reap (loop);
    ev_invoke_pending (loop);
    return test_clock () - begin;
}

/* Nothing is ready any more. */
static void take_the_byte (struct ev_loop *loop, int fd)
{
    ck_assert_int_eq (read (fd, &(char){ 0 }, 1), 1);
    loop->backend->wait (loop, 0); /* the event that is still on its way */
    loop->backend->reap (loop);
    ev_invoke_pending (loop);
}

enum { EVENTS = 20 };

TEST (sleep_that_no_timer_ends_ends_by_itself_and_never_early) // RN-4
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    for (int i = 1; i <= EVENTS; i++) {
        ck_assert_int_eq (uring_of (loop)->loopring.alarm == EVI_ALARM_ARMED, i > 1);
        long_sleep (loop, URING_LONG, 0);
        ck_assert_int_eq (calls, i);
    }
    ck_assert_uint_lt (loop->stats.submissions, 2 * EVENTS); /* one alarm for many sleeps */
    take_the_byte (loop, fd[0]);
    usleep (100000); /* the alarm of the first sleep comes within the next */
    ck_assert_double_ge (long_sleep (loop, URING_LONG, 0), URING_LONG);
    end (loop, &w, fd);
}

TEST (long_sleep_ends_when_its_timer_is_due_whatever_alarm_was_armed) // RN-4, IO-18
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);
    ev_tstamp now = evi_sys_monotonic ();

    for (int i = 1; i <= EVENTS; i++) /* as when peers are watched that never are idle for long */
        long_sleep (loop, URING_LONG, now + URING_LONG + i / 1000.);
    ck_assert_uint_lt (loop->stats.submissions, 2 * EVENTS);
    take_the_byte (loop, fd[0]);
    long_sleep (loop, URING_LONG, now + URING_LONG + .1); /* later than the alarm */
    ck_assert_double_ge (evi_sys_monotonic (), now + URING_LONG + .1);
    now = evi_sys_monotonic ();
    ck_assert (
        evi_loopring_arm_alarm (loop, &uring_of (loop)->loopring, now + 600)); /* far later than wanted */
    long_sleep (loop, URING_LONG, now + URING_LONG);
    ck_assert_double_ge (evi_sys_monotonic (), now + URING_LONG);
    ck_assert_double_lt (evi_sys_monotonic (), now + 60);
    end (loop, &w, fd);
}

TEST (alarm_that_the_kernel_refuses_is_not_asked_for_again)
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);
    struct evi_cqe refusal = { .user_data = evi_name (EVI_NAME_ALARM, 0, 0), .res = -EINVAL };

    long_sleep (loop, URING_LONG, 0);
    uring_complete (loop, &refusal);
    ck_assert_int_eq (evi_loopring_arm_alarm (loop, &uring_of (loop)->loopring, 1e9), 0);
    take_the_byte (loop, fd[0]);
    ck_assert_double_ge (long_sleep (loop, URING_LONG, 0), URING_LONG); /* by a limit, then */
    end (loop, &w, fd);
}

TEST (generation_wraps_within_its_bits)
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    loop->fds.rows[fd[0]].gen = UINT32_MAX;
    for (int i = 0; i < 3; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, i + 1);
        ev_io_stop (loop, &w);
        ev_io_set (&w, fd[0], EV_READ);
        ev_io_start (loop, &w);
    }
    end (loop, &w, fd);
}

/* ---- enter fails ---- */

static int enter_error, enter_failures;

static int fail_enter (const char *call)
{
    return strcmp (call, "io_uring_enter") || enter_failures-- <= 0 ? 0 : enter_error;
}

static void fail_enters (int error, int how_often)
{
    enter_error = error;
    enter_failures = how_often;
    evi_sys_fault = fail_enter;
}

static int run_until_called (struct ev_loop *loop)
{
    int runs = 0;

    while (!calls && ++runs < 20)
        ev_run (loop, EVRUN_NOWAIT);
    return calls;
}

TEST (enter_that_fails_in_passing_loses_nothing) // rule 7, TODO EBUSY
{
    static const int passing[] = { -EBUSY, -EAGAIN, -ENOMEM, -EINTR, -ETIME };

    for (unsigned i = 0; i < EVI_COUNT (passing); i++)
        for (int failures = 1; failures <= 3; failures++) {
            int fd[2];
            ev_io w;
            struct ev_loop *loop = ready_pipe (&w, fd);

            fail_enters (passing[i], failures);
            ck_assert_msg (run_until_called (loop), "errno %d, %d times", -passing[i], failures);
            ck_assert_int_eq (ev_backend (loop), EVBACKEND_IOURING);
            evi_sys_fault = NULL;
            end (loop, &w, fd);
        }
}

/* The kernel sets it behind the work, which may be done by then: seen under load from another core. */
TEST (flag_of_work_that_is_left_over_is_not_swept_after) // rule 8
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = ready_pipe (&w, fd);

    take_the_byte (loop, fd[0]);
    ev_run (loop, EVRUN_NOWAIT);
    loop->stats.sweeps = 0;
    __atomic_or_fetch (uring_of (loop)->loopring.ring.sq_flags, EVI_SQ_TASKRUN, __ATOMIC_RELAXED);
    ck_assert_int_eq (evi_loopring_sweep (loop, loop->ring), 0);
    ck_assert_uint_eq (loop->stats.sweeps, 1);
    end (loop, &w, fd);
}

TEST (ring_that_lost_completions_or_its_thread_is_made_anew) // U-8, rule 9
{
    static const int strange[] = { -EBADR, -EEXIST };

    for (unsigned i = 0; i < EVI_COUNT (strange); i++) {
        int fd[2];
        ev_io w;
        struct ev_loop *loop = ready_pipe (&w, fd);

        fail_enters (strange[i], 1);
        ev_run (loop, EVRUN_NOWAIT); /* within this very run (U-7) */
        ck_assert_int_eq (calls, 1);
        ck_assert_uint_eq (loop->stats.rebuilds, 1);
        ck_assert_int_eq (ev_backend (loop), EVBACKEND_IOURING);
        evi_sys_fault = NULL;
        end (loop, &w, fd);
    }
}

static void tick (struct ev_loop *loop, ev_timer *w, int revents)
{
    (void) loop, (void) w, (void) revents;
    calls++;
}

TEST (ring_whose_kernel_knows_no_points_in_time_sleeps_for_a_while_instead) // rule 6
{
    struct ev_loop *loop = ring_loop ();
    ev_timer timer;

    if (!uring_of (loop)->loopring.absolute)
        test_skip ("this kernel really has no absolute time limits");
    ev_timer_init (&timer, tick, 0.05, 0.);
    ev_timer_start (loop, &timer);
    fail_enters (-EINVAL, 1);
    ev_run (loop, 0);
    ck_assert_int_eq (calls, 1);
    ck_assert_uint_eq (loop->stats.rebuilds, 1);
    ck_assert_int_eq (uring_of (loop)->loopring.absolute, 0);
    ck_assert_uint_le (loop->iteration, 5); /* it slept */
    evi_sys_fault = NULL;
    ev_loop_destroy (loop);
}

TEST (ring_that_died_hands_everything_to_epoll) // rule 11
{
    static const int fatal[] = { -EPERM, -ENOSYS, -EBADFD, -ENXIO, -EFAULT };

    for (unsigned i = 0; i < EVI_COUNT (fatal); i++) {
        int fd[2];
        ev_io w;
        struct ev_loop *loop = ready_pipe (&w, fd);

        ev_run (loop, EVRUN_NOWAIT);
        calls = 0;
        fail_enters (fatal[i], 1000);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, 1);
        ck_assert_int_eq (ev_backend (loop), EVBACKEND_EPOLL);
        ck_assert_int_eq (loop->stats.fallback_error, -fatal[i]);
        evi_sys_fault = NULL;
        end (loop, &w, fd);
    }
}

/* ---- more than fits ---- */

enum { CROWD = 500 };

TEST (
    every_ready_descriptor_is_served_in_every_run_through_a_tiny_ring) // U-6, U-17, remark h and i, rules 7 and 8
{
    static ev_io crowd[CROWD];
    struct ev_loop *loop;
    int fd[2];

    setenv ("EVRING_RING", "sq=8,cq=16", 1);
    loop = ring_loop ();
    ck_assert_uint_eq (uring_of (loop)->loopring.ring.cq_entries, 16);
    test_pipe (fd);
    for (int i = 0; i < CROWD; i++)
        watch (loop, &crowd[i], dup (fd[1]), EV_WRITE);
    for (int run = 1; run <= 5; run++) {
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, run * CROWD);
    }
    ck_assert_uint_eq (*uring_of (loop)->loopring.ring.cq_overflow, 0); /* the kernel kept what did not fit */
    for (int i = 0; i < CROWD; i++) {
        ev_io_stop (loop, &crowd[i]);
        close (crowd[i].fd);
    }
    ev_loop_destroy (loop);
    close (fd[0]);
    close (fd[1]);
}

/* ---- guests ---- */

static struct ev_loop *crowded_loop (ev_io *crowd, int count, const char *setting)
{
    struct ev_loop *loop;

    setenv ("EVRING_RING", setting, 1);
    loop = ring_loop ();
    for (int i = 0; i < count; i++)
        watch (loop, &crowd[i], eventfd (0, EFD_NONBLOCK), EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    ev_verify (loop);
    return loop;
}

static void crowd_ends (struct ev_loop *loop, ev_io *crowd, int count)
{
    evi_sys_fault = NULL;
    ev_verify (loop);
    for (int i = 0; i < count; i++) {
        ev_io_stop (loop, &crowd[i]);
        close (crowd[i].fd);
    }
    ev_loop_destroy (loop);
}

static int calls_made;

static int count_calls (const char *call)
{
    (void) call;
    calls_made++;
    return 0;
}

TEST (ring_holds_no_more_requests_than_it_can_take_back_fast_and_the_rest_are_guests) // rule 15
{
    static ev_io crowd[CROWD];
    struct ev_loop *loop = crowded_loop (crowd, CROWD, "guests=100");

    ck_assert_uint_eq (uring_of (loop)->asked, 100);
    ck_assert_uint_eq (loop->stats.parked, CROWD - 100);
    ck_assert_uint_eq (loop->stats.parked_many, CROWD - 100);
    for (int i = 0; i < CROWD; i += 7)
        ck_assert_int_eq (eventfd_write (crowd[i].fd, 1), 0);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, (CROWD + 6) / 7);
    crowd_ends (loop, crowd, CROWD);
}

TEST (
    guest_is_stopped_and_started_without_a_call_and_a_row_becomes_one_when_it_was_stopped_idle) // rules 4, 15
{
    ev_io crowd[2];
    struct ev_loop *loop = crowded_loop (crowd, 2, "");

    ev_io_stop (loop, &crowd[0]); /* its request is fetched */
    ev_io_start (loop, &crowd[0]);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (evi_uring_state (&loop->fds.rows[crowd[0].fd]), EVI_URING_GUEST);
    evi_sys_fault = count_calls;
    calls_made = 0;
    for (int i = 0; i < 10; i++) {
        ev_io_stop (loop, &crowd[0]);
        ev_io_start (loop, &crowd[0]);
    }
    ck_assert_int_eq (calls_made, 0);
    crowd_ends (loop, crowd, 2);
}

static void take (struct ev_loop *loop, ev_io *w, int revents)
{
    eventfd_t value;

    count (loop, w, revents);
    ck_assert_int_eq (eventfd_read (w->fd, &value), 0);
}

TEST (eighth_guest_whose_interest_changes_moves_to_a_full_ring_and_an_idle_row_makes_room_for_it) // rule 15
{
    enum {
        MOST = 4,
        HAND = 32,
        ONE_OF = 8,
        TURNS = 2 * CROWD / HAND * ONE_OF
    }; /* the hand goes round twice */
    static ev_io crowd[CROWD];
    struct ev_loop *loop = crowded_loop (crowd, CROWD, "guests=4");
    struct evi_row *row = &loop->fds.rows[crowd[CROWD - 1].fd];

    ck_assert_int_eq (evi_uring_state (row), EVI_URING_GUEST);
    for (int turn = 0; turn < TURNS; turn++) {
        ev_io *w = &crowd[CROWD - 1 - turn];

        ev_io_stop (loop, w);
        ev_io_set (w, w->fd, EV_READ | EV_WRITE);
        ev_io_start (loop, w);
        ev_run (loop, EVRUN_NOWAIT);
        if (turn < ONE_OF - 1)
            ck_assert_int_eq (evi_uring_state (&loop->fds.rows[w->fd]), EVI_URING_GUEST);
        ev_io_stop (loop, w);
        ev_run (loop, EVRUN_NOWAIT);
        ev_verify (loop);
    }
    ck_assert_uint_ge (loop->stats.unparked, TURNS / ONE_OF);
    ck_assert_uint_ge (loop->stats.parked_idle, 1);
    ck_assert_uint_le (uring_of (loop)->asked, MOST);
    ev_set_cb (&crowd[0], take); /* wherever it lives now */
    calls = 0;
    ck_assert_int_eq (eventfd_write (crowd[0].fd, 1), 0);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    crowd_ends (loop, crowd, CROWD);
}

TEST (set_of_guests_that_holds_what_cannot_be_removed_is_made_anew_without_them_noticing) // IO-13
{
    ev_io crowd[3];
    struct ev_loop *loop = crowded_loop (crowd, 3, "guests=0");
    int fd[2], dup_fd;
    ev_io gone;

    test_pipe (fd);
    watch (loop, &gone, fd[0], EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    dup_fd = dup (fd[0]);
    close (fd[0]);
    ev_io_stop (loop, &gone);
    ck_assert_int_eq (write (fd[1], "x", 1), 1);
    for (int i = 0; i < 3; i++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_eq (uring_of (loop)->guests_epoch, 1);
    ck_assert_int_eq (calls, 0);
    ck_assert_int_eq (eventfd_write (crowd[2].fd, 1), 0);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    close (dup_fd);
    close (fd[1]);
    crowd_ends (loop, crowd, 3);
}

/* An idle socket, watched, and what the kernel says of a change that met a wake-up. */
static struct ev_loop *refused_change (ev_io *w, int fd[2], struct evi_cqe *refusal)
{
    struct ev_loop *loop = ring_loop ();

    test_socketpair (fd);
    watch (loop, w, fd[0], EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    *refusal = (struct evi_cqe){ .res = -EALREADY };
    refusal->user_data = evi_name (EVI_NAME_CHANGED, loop->fds.rows[fd[0]].gen, (uint32_t) fd[0]);
    return loop;
}

TEST (change_that_the_kernel_refuses_at_a_bad_moment_is_made_anew) // rule 3
{
    int fd[2];
    ev_io w, second;
    struct evi_cqe refusal;
    struct ev_loop *loop = refused_change (&w, fd, &refusal);

    uring_complete (loop, &refusal);
    ck_assert_int_eq (loop->fds.rows[fd[0]].why, EVI_WHY_AGAIN);
    watch (loop, &second, fd[0], EV_WRITE);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (calls, 1);
    ck_assert_int_eq (last_revents, EV_WRITE);
    ev_io_stop (loop, &second);
    end (loop, &w, fd);
}

/* ---- more changes than the queue holds ---- */

static void change_again (struct ev_loop *loop, ev_io *w, int revents)
{
    count (loop, w, revents);
    ev_io_stop (loop, w);
    ev_io_set (w, w->fd, w->events & EV_READ ? EV_WRITE : EV_READ | EV_WRITE);
    ev_io_start (loop, w);
}

TEST (rows_that_answer_while_more_are_changed_than_the_queue_holds_are_told_each_time) // rule 7
{
    static ev_io crowd[CROWD];
    struct ev_loop *loop = crowded_loop (crowd, CROWD, "sq=4");

    for (int i = 0; i < CROWD; i++) {
        ev_set_cb (&crowd[i], change_again);
        ck_assert_int_eq (eventfd_write (crowd[i].fd, 1), 0);
    }
    for (int run = 1; run <= 6; run++) {
        calls = 0;
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (calls, CROWD);
        ev_verify (loop);
    }
    crowd_ends (loop, crowd, CROWD);
}

TEST (refused_change_that_is_found_before_the_sleep_ends_it) // rule 3
{
    int fd[2];
    ev_io w;
    struct evi_cqe refusal;
    struct ev_loop *loop = refused_change (&w, fd, &refusal);

    ck_assert_int_eq (uring_aside (loop, &refusal), 0); /* kept: the next sleep is none */
    end (loop, &w, fd);
}

/* A number that was closed under its watcher, and that the library has got for a file of its own, for a while. */
TEST (row_that_was_the_librarys_meanwhile_is_asked_once_again)
{
    struct ev_loop *loop = ring_loop ();
    ev_io w, ours;
    int fd[2];

    test_pipe (fd);
    watch (loop, &w, fd[0], EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    evi_fd_own (loop, &ours, count, fd[0], 0);
    ev_run (loop, EVRUN_NOWAIT);
    evi_fd_disown (loop, &ours);
    ev_run (loop, EVRUN_NOWAIT);
    ev_verify (loop);
    ck_assert_int_eq (evi_uring_state (&loop->fds.rows[fd[0]]), EVI_URING_ONCE);
    ev_io_stop (loop, &w);
    close (fd[0]);
    close (fd[1]);
    ev_loop_destroy (loop);
}
