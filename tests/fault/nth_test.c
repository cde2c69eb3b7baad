/* nth_test.c: the n-th system call of a loop's life fails, for n = 1, 2, 3 … until it has lived undisturbed.
 * Promises that every event is delivered all the same, or its watcher told, and that no descriptor leaks.
 * Built with a library of its own, in which each system call asks evi_sys_fault first. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

extern int (*evi_sys_fault) (const char *call);

static struct {
    int n, error, from_there_on; /* the plan */
    const char *only;            /* calls whose name begins so; NULL: all */
    int calls;                   /* so far */
    char call[32];               /* the one that failed */
} fault;

static int inject (const char *call)
{
    if (fault.only && strncmp (call, fault.only, strlen (fault.only)))
        return 0;
    fault.calls++;
    if (fault.calls != fault.n && !(fault.from_there_on && fault.calls > fault.n))
        return 0;
    snprintf (fault.call, sizeof fault.call, "%s", call);
    return -fault.error;
}

static void note_syserr (const char *message) EV_NOEXCEPT
{
}

/* ---- a life ------------------------------------------------------------------------------------- */

static struct {
    struct ev_loop *loop;
    struct kit_io in, out;
    int fd[2];
    ev_timer timer;
    ev_periodic periodic;
    ev_signal usr1;
    ev_async async;
    ev_stat stat;
    int timers, periodics, signals, asyncs;
} life;

static void count_timer (EV_P_ ev_timer *w, int revents)
{
    life.timers++;
}

static void count_periodic (EV_P_ ev_periodic *w, int revents)
{
    life.periodics++;
}

static void count_signal (EV_P_ ev_signal *w, int revents)
{
    life.signals++;
}

static void count_async (EV_P_ ev_async *w, int revents)
{
    life.asyncs++;
}

static void nothing_stat (EV_P_ ev_stat *w, int revents)
{
}

static void life_begin (void)
{
    test_socketpair (life.fd);
    kit_start (life.loop, &life.in, life.fd[0], EV_READ);
    kit_start (life.loop, &life.out, life.fd[1], EV_WRITE);
    ev_timer_init (&life.timer, count_timer, 0.001, 0.);
    ev_timer_start (life.loop, &life.timer);
    ev_periodic_init (&life.periodic, count_periodic, ev_now (life.loop), 0., NULL);
    ev_periodic_start (life.loop, &life.periodic);
    ev_signal_init (&life.usr1, count_signal, SIGUSR1);
    ev_signal_start (life.loop, &life.usr1);
    ev_async_init (&life.async, count_async);
    ev_async_start (life.loop, &life.async);
    ev_stat_init (&life.stat, nothing_stat, "/tmp", 0.);
    ev_stat_start (life.loop, &life.stat);
}

static int told (const struct kit_io *io)
{
    return io->calls > 0 || !ev_is_active (&io->w);
}

static const char *missing (void)
{
    return !told (&life.in)                    ? "what was readable"
           : !told (&life.out)                 ? "what was writable"
           : !life.timers                      ? "a timer"
           : !life.periodics                   ? "a periodic"
           : !life.signals                     ? "a signal"
           : !life.asyncs                      ? "an async"
           : life.in.calls && !life.in.revents ? "its bits"
                                               : NULL;
}

/* Makes everything happen and waits for the news. What is missing, or NULL. */
static const char *life_happens (void)
{
    kit_put (life.fd[1]);
    raise (SIGUSR1);
    ev_async_send (life.loop, &life.async);
    for (int i = 0; i < 200 && missing (); i++) {
        ev_run (life.loop, EVRUN_NOWAIT);
        if (i > 2)
            usleep (1000);
    }
    return missing ();
}

/* The same again after a fork mark, with watchers that were refused started once more. */
static const char *life_happens_again (void)
{
    life.in.calls = life.out.calls = life.signals = life.asyncs = 0;
    ev_io_start (life.loop, &life.in.w);
    ev_io_start (life.loop, &life.out.w);
    ev_loop_fork (life.loop);
    return life_happens ();
}

static void life_end (void)
{
    ev_stat_stop (life.loop, &life.stat);
    ev_signal_stop (life.loop, &life.usr1);
    ev_async_stop (life.loop, &life.async);
    ev_periodic_stop (life.loop, &life.periodic);
    ev_timer_stop (life.loop, &life.timer);
    kit_stop_close (life.loop, &life.in);
    kit_stop_close (life.loop, &life.out);
}

static void lament (const char *what, const char *which)
{
    dprintf (2, "%s%s, call %d: %s", what, which, fault.n, fault.call);
    _exit (2);
}

/* Exits with 0 when the fault came and was survived, with 1 when all was over before the n-th call. */
static void live (void *flags)
{
    const char *lost;
    int before = test_fd_count ();

    alarm (8);
    ev_set_syserr_cb (note_syserr);
    evi_sys_fault = inject;
    life.loop = ev_loop_new (*(unsigned *) flags | EVFLAG_NOENV);
    if (!life.loop && fault.calls < fault.n)
        lament ("no loop", "");
    if (life.loop) {
        life_begin ();
        if ((lost = life_happens ()) || (lost = life_happens_again ()))
            lament ("lost: ", lost);
        life_end ();
        if (ev_run (life.loop, EVRUN_NOWAIT) != 0)
            lament ("a reference is left", "");
        ev_verify (life.loop);
        ev_loop_destroy (life.loop);
    }
    if (test_fd_count () != before)
        lament ("a descriptor is left", "");
    _exit (fault.calls < fault.n);
}

/* Fails call 1, 2, 3 … with that error, until a life ends before its turn comes. How many there were. */
static int check_each (unsigned flags)
{
    char message[256];

    for (fault.n = 1;; fault.n++) {
        int status = test_child (live, &flags, message, sizeof message);

        ck_assert_msg (WIFEXITED (status) && WEXITSTATUS (status) < 2, "%s fails call %d: %s (status 0x%x)",
                       strerror (fault.error), fault.n, message, status);
        if (WEXITSTATUS (status) == 1)
            return fault.n - 1;
        ck_assert_int_lt (fault.n, 2000);
    }
}

static const int passing[] = { EPERM, ENOMEM, EMFILE, EINVAL, EINTR, EAGAIN, EBUSY, EBADF };
static const int lasting[] = { EPERM, ENOSYS, EMFILE, EINVAL, EBADF, ENXIO };

TEST_BACKENDS (nth_system_call_may_fail_once) // GL-8, IO-14, LP-11
{
    TEST_SECONDS (100);
    for (unsigned i = 0; i < sizeof passing / sizeof *passing; i++) {
        fault.error = passing[i];
        ck_assert_int_gt (check_each (test_backend), 5);
    }
}

TEST (nth_io_uring_call_may_fail_and_all_later_ones_too) // rule 11
{
    TEST_SECONDS (100);
    fault.only = "io_uring";
    fault.from_there_on = 1;
    for (unsigned i = 0; i < sizeof lasting / sizeof *lasting; i++) {
        fault.error = lasting[i];
        ck_assert_int_gt (check_each (EVBACKEND_IOURING | EVBACKEND_EPOLL), 5);
    }
}

TEST (nth_helper_may_be_refused_and_all_later_ones_too) // LP-11: eventfd by a pipe, the others not at all
{
    static const char *const helpers[] = { "eventfd", "timerfd", "inotify", "signalfd" };

    TEST_SECONDS (100);
    fault.error = EMFILE;
    fault.from_there_on = 1;
    for (unsigned i = 0; i < sizeof helpers / sizeof *helpers; i++) {
        fault.only = helpers[i];
        ck_assert_int_gt (check_each (EVBACKEND_EPOLL | EVFLAG_SIGNALFD), 0);
    }
}

static void *send_later (void *nobody)
{
    usleep (20000);
    ev_async_send (life.loop, &life.async);
    return NULL;
}

/* An async sent while the loop sleeps, with nothing else to end its sleep. */
static void check_wakes (void)
{
    pthread_t thread;

    life.asyncs = 0;
    ck_assert_int_eq (pthread_create (&thread, NULL, send_later, NULL), 0);
    while (!life.asyncs)
        ev_run (life.loop, EVRUN_ONCE);
    pthread_join (thread, NULL);
}

TEST_BACKENDS (
    helper_of_another_kind_after_a_fork_still_wakes_the_loop) // FK-3: an eventfd before, a pipe after
{
    life.loop = test_loop (0);
    ev_async_init (&life.async, count_async);
    ev_async_start (life.loop, &life.async);
    check_wakes ();
    evi_sys_fault = inject;
    fault.only = "eventfd";
    fault.error = EMFILE;
    fault.n = 1;
    ev_loop_fork (life.loop);
    ev_run (life.loop, EVRUN_NOWAIT);
    ck_assert_str_eq (fault.call, "eventfd");
    check_wakes (); /* by a pipe */
    ev_loop_fork (life.loop);
    ev_run (life.loop, EVRUN_NOWAIT);
    check_wakes (); /* by an eventfd again */
    ev_async_stop (life.loop, &life.async);
}

static void refused_for_good (void *error)
{
    ev_timer timer;

    alarm (8);
    life.loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    evi_sys_fault = inject;
    fault.only = "epoll_ctl";
    fault.error = *(const int *) error;
    fault.n = 1;
    fault.from_there_on = 1;
    ev_async_init (&life.async, count_async);
    ev_async_start (life.loop, &life.async);
    ev_timer_init (&timer, count_timer, 0.001, 0.001);
    ev_timer_start (life.loop, &timer);
    while (life.timers < 20)
        ev_run (life.loop, EVRUN_ONCE);
    check_wakes ();
    _exit (ev_backend (life.loop) == EVBACKEND_EPOLL);
}

TEST (
    descriptor_of_the_loop_that_epoll_refuses_for_good_moves_it_to_another_backend) // no end, where nobody asked to be told
{
    static const int errors[] = { ENOSPC, EBADF, EINVAL };

    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        int error = errors[i];

        ck_assert_int_eq (test_child (refused_for_good, &error, NULL, 0), 0);
    }
}
