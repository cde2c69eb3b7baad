/* backend_test.c: which backend a loop gets, by argument and by environment, what the flags do, what the loop
 * has open (contract sections 2 and 3, FK-6, U-13). Kernels that refuse are in tests/fault/denied_test.c. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>

/* ---- library-wide (section 2) ------------------------------------------------------------------- */

enum { CLASSIC = EVBACKEND_SELECT | EVBACKEND_POLL | EVBACKEND_EPOLL };

static void set_env (const char *value)
{
    if (value)
        ck_assert_int_eq (setenv ("LIBEV_FLAGS", value, 1), 0);
    else
        unsetenv ("LIBEV_FLAGS");
}

/* The backend bit of a loop made with these flags, 0 when none can be made. */
static unsigned backend_of (unsigned flags)
{
    struct ev_loop *loop = ev_loop_new (flags);
    unsigned backend = loop ? ev_backend (loop) : 0;

    ev_loop_destroy (loop);
    return backend;
}

static unsigned ring_or (unsigned other)
{
    return backend_of (EVBACKEND_IOURING | EVFLAG_NOENV) ? EVBACKEND_IOURING : other;
}

TEST (library_says_it_is_libev_4_33) // GL-1
{
    ck_assert_int_eq (ev_version_major (), 4);
    ck_assert_int_eq (ev_version_minor (), 33);
    ck_assert_int_eq (EV_VERSION_MAJOR, 4);
    ck_assert_int_eq (EV_VERSION_MINOR, 33);
}

TEST (library_supports_select_poll_epoll_and_io_uring) // GL-2
{
    ck_assert_uint_eq (ev_supported_backends (), 0x87);
}

TEST (library_recommends_what_a_loop_without_wishes_gets) // GL-3
{
    unsigned recommended = ev_recommended_backends ();

    ck_assert_uint_eq (recommended & CLASSIC, CLASSIC);
    ck_assert_uint_eq (recommended & ~(CLASSIC | EVBACKEND_IOURING), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV),
                       recommended & EVBACKEND_IOURING ? EVBACKEND_IOURING : EVBACKEND_EPOLL);
    ck_assert_uint_eq (ev_recommended_backends (), recommended);
#ifdef STOCK_LIBEV
    ck_assert_uint_eq (recommended, CLASSIC);
#endif
}

TEST (library_says_which_backends_can_be_embedded) // GL-4
{
    ck_assert_uint_eq (ev_embeddable_backends (), 0xac);
}

TEST (library_time_is_the_wall_clock_in_microseconds) // GL-5
{
    for (int i = 0; i < 20; i++) {
        struct timeval before, after;
        ev_tstamp now;

        gettimeofday (&before, NULL);
        now = ev_time ();
        gettimeofday (&after, NULL);
        ck_assert_double_ge (now, (double) before.tv_sec + (double) before.tv_usec * 1e-6 - 2e-6);
        ck_assert_double_le (now, (double) after.tv_sec + (double) after.tv_usec * 1e-6 + 2e-6);
        double micro = fmod (now, 1.) * 1e6;
        ck_assert_double_le (fabs (micro - nearbyint (micro)), 0.25); /* a double has no more */
    }
}

TEST (sleep_of_nothing_returns_at_once) // GL-6
{
    double begun = test_clock ();

    ev_sleep (0.);
    ev_sleep (-1000.);
    ev_sleep (NAN);
    ck_assert_double_lt (test_clock () - begun, 2.);
}

TEST (sleep_sleeps) // GL-6
{
    double begun = test_clock ();

    ev_sleep (0.03);
    ck_assert_double_ge (test_clock () - begun, 0.029);
}

static void on_signal (int signum)
{
}

TEST (sleep_is_not_resumed_after_a_signal) // GL-6
{
    struct sigaction action = { .sa_handler = on_signal };
    struct itimerval often = { { 0, 50000 }, { 0, 50000 } }; /* again, should the first one come too early */
    double begun = test_clock ();

    sigaction (SIGALRM, &action, NULL);
    setitimer (ITIMER_REAL, &often, NULL);
    ev_sleep (8.);
    setitimer (ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
    ck_assert_double_lt (test_clock () - begun, 6.);
}

static struct {
    long blocks, calls, frees_of_nothing;
    int negative;
} memory;

static void *counting_realloc (void *ptr, long size) EV_NOEXCEPT
{
    memory.calls++;
    memory.negative += size < 0;
    if (size)
        return memory.blocks += !ptr, realloc (ptr, (size_t) size);
    memory.blocks -= !!ptr;
    memory.frees_of_nothing += !ptr;
    free (ptr);
    return NULL;
}

static void nothing_once (int revents, void *arg)
{
    *(int *) arg += 1;
}

TEST_BACKENDS (library_takes_all_memory_of_loops_from_the_allocator_and_gives_it_back) // GL-7, GL-9
{
    struct ev_loop *loop[2];
    struct kit_io io;
    ev_timer timer;
    int fd[2], onces = 0;

    ev_set_allocator (counting_realloc);
    test_pipe (fd);
    for (int i = 0; i < 2; i++) {
        long before = memory.blocks;
        loop[i] = ev_loop_new (test_backend | EVFLAG_NOENV);
        ck_assert_int_gt (memory.blocks, before); /* the loop itself, and of each loop */
        kit_start (loop[i], &io, fd[1], EV_WRITE);
        before = memory.blocks;
        ev_once (loop[i], -1, 0, 0., nothing_once, &onces);
        ck_assert_int_gt (memory.blocks, before);
        ev_timer_init (&timer, kit_nothing, 0., 0.);
        ev_timer_start (loop[i], &timer);
        kit_nowait (loop[i], 3);
    }
    ck_assert_int_eq (onces, 2);
    for (int i = 0; i < 2; i++)
        ev_loop_destroy (loop[i]);
    ck_assert_int_eq (memory.blocks, 0);
    ck_assert_int_eq (memory.negative, 0);
    close (fd[0]);
    close (fd[1]);
}

/* ---- selection (LP-1) --------------------------------------------------------------------------- */

TEST (backend_is_the_best_of_those_asked_for) // LP-1
{
    unsigned with_ring = ring_or (EVBACKEND_EPOLL);

    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 1), EVBACKEND_SELECT);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 2), EVBACKEND_POLL);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 3), EVBACKEND_POLL);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 4), EVBACKEND_EPOLL);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 7), EVBACKEND_EPOLL);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 0x84), with_ring);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 0x87), with_ring);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_ALL), with_ring);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_MASK), with_ring);
}

TEST (backend_nobody_has_here_gives_no_loop) // LP-1
{
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_KQUEUE), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_DEVPOLL), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_PORT), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_LINUXAIO), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | 0x0100), 0);
    ck_assert_uint_eq (backend_of (EVFLAG_NOENV | EVBACKEND_KQUEUE | EVBACKEND_POLL), EVBACKEND_POLL);
}

TEST_BACKENDS (backend_of_a_loop_is_the_one_it_was_made_with) // LP-9
{
    struct ev_loop *loop = test_loop (0);

    ck_assert_uint_eq (ev_backend (loop), test_backend);
    ck_assert_ptr_null (ev_userdata (loop));
    ev_set_userdata (loop, &loop);
    ck_assert_ptr_eq (ev_userdata (loop), &loop);
    ck_assert (!ev_is_default_loop (loop));
}

/* ---- environment (LP-2, LP-3) ------------------------------------------------------------------- */

enum { RECOMMENDED = 0x10000, RING_OR_EPOLL };

static const struct {
    const char *env;
    unsigned flags, wanted;
} environments[] = {
    { NULL, 0, RECOMMENDED },
    { NULL, 1, 1 },
    { "", 1, RECOMMENDED }, /* exists, so it replaces the argument, backend bits included */
    { "junk", 1, RECOMMENDED },
    { "0", 1, RECOMMENDED },
    { "0x4", 1, RECOMMENDED }, /* decimal: reads as 0 */
    { "1", 4, 1 },
    { "2", 0, 2 },
    { " 2", 1, 2 },
    { "2junk", 1, 2 },
    { "4", 1, 4 },
    { "8", 1, 0 },
    { "8", 0, 0 },
    { "128", 1, RING_OR_EPOLL },
    { "135", 1, RING_OR_EPOLL },
    { "-1", 1, RING_OR_EPOLL },
    { "2", 1 | EVFLAG_NOENV, 1 },
    { "8", 4 | EVFLAG_NOENV, 4 },
    { "16777218", 1, 2 }, /* NOENV inside the environment means nothing */
};

TEST (environment_replaces_the_flags_of_a_loop) // LP-2
{
    unsigned ring = ring_or (0), recommended = backend_of (EVFLAG_NOENV);

    for (unsigned i = 0; i < sizeof environments / sizeof *environments; i++) {
        const char *env = environments[i].env;
        unsigned wanted = environments[i].wanted;

        if (wanted == RECOMMENDED)
            wanted = recommended;
        if (wanted == RING_OR_EPOLL)
            wanted = ring || !strcmp (env, "128") ? ring : EVBACKEND_EPOLL;
        set_env (env);
        unsigned got = backend_of (environments[i].flags);
        ck_assert_msg (got == wanted, "LIBEV_FLAGS=%s, flags 0x%x: backend 0x%x instead of 0x%x",
                       env ? env : "(unset)", environments[i].flags, got, wanted);
    }
}

TEST (environment_also_rules_the_default_loop) // LP-2, LP-4
{
    set_env ("8");
    ck_assert_ptr_null (ev_default_loop (1));
    set_env ("2");
    struct ev_loop *loop = ev_default_loop (1); /* may be tried again */
    ck_assert_ptr_nonnull (loop);
    ck_assert_uint_eq (ev_backend (loop), 2);
    ev_loop_destroy (loop);
}

TEST (environment_is_ignored_by_a_process_that_changed_identity) // LP-2
{
    if (geteuid () != 0)
        test_skip ("needs root");
    set_env ("2");
    ck_assert_uint_eq (backend_of (1), 2);
    ck_assert_int_eq (seteuid (65534), 0);
    ck_assert_uint_eq (backend_of (1), 1);
    ck_assert_int_eq (seteuid (0), 0);
    ck_assert_int_eq (setegid (65534), 0);
    ck_assert_uint_eq (backend_of (1), 1);
    ck_assert_int_eq (setegid (0), 0);
    ck_assert_uint_eq (backend_of (1), 2);
}

static int forks;

static void count_fork (EV_P_ ev_fork *w, int revents)
{
    forks++;
}

static void exit_with_forks (void *loop)
{
    forks = 0;
    ev_run (loop, EVRUN_NOWAIT);
    _exit (forks);
}

/* Does a forked child notice by itself? */
static int fork_is_noticed (unsigned flags)
{
    struct ev_loop *loop = ev_loop_new (flags | test_backend);
    ev_fork watcher;

    ck_assert_ptr_nonnull (loop);
    ev_fork_init (&watcher, count_fork);
    ev_fork_start (loop, &watcher);
    ev_run (loop, EVRUN_NOWAIT);
    int status = test_child (exit_with_forks, loop, NULL, 0);
    ck_assert (WIFEXITED (status));
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (forks, 0); /* the parent saw no fork */
    ev_fork_stop (loop, &watcher);
    ev_loop_destroy (loop);
    return WEXITSTATUS (status);
}

TEST_BACKENDS (flag_forkcheck_comes_from_the_argument_alone) // LP-3, FK-2
{
    set_env (NULL);
    ck_assert_int_eq (fork_is_noticed (EVFLAG_FORKCHECK), 1);
    ck_assert_int_eq (fork_is_noticed (0), 0);
    test_needs_no_valgrind ("valgrind's io_uring does not survive a fork");
    set_env ("0");
    test_backend = 0;
    ck_assert_int_eq (fork_is_noticed (EVFLAG_FORKCHECK), 1);
    set_env ("33554432");
    ck_assert_int_eq (fork_is_noticed (0), 0);
}

static void nothing_signal (EV_P_ ev_signal *w, int revents)
{
}

/* Is SIGUSR1, blocked or not before, blocked while a loop of these flags watches it? */
static int blocked_while_watched (unsigned flags, int blocked_before)
{
    struct ev_loop *loop = ev_loop_new (flags);
    ev_signal watcher;
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, SIGUSR1);
    sigprocmask (blocked_before ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
    ev_signal_init (&watcher, nothing_signal, SIGUSR1);
    ev_signal_start (loop, &watcher);
    sigprocmask (SIG_BLOCK, NULL, &set);
    ev_signal_stop (loop, &watcher);
    ev_loop_destroy (loop);
    return sigismember (&set, SIGUSR1);
}

TEST (flag_signalfd_comes_from_the_environment_if_there_is_one) // LP-3
{
    set_env (NULL);
    ck_assert (blocked_while_watched (EVFLAG_SIGNALFD, 0));
    ck_assert (!blocked_while_watched (0, 0));
    set_env ("2097152");
    ck_assert (blocked_while_watched (0, 0));
    ck_assert (!blocked_while_watched (EVFLAG_NOENV, 0));
    set_env ("4");
    ck_assert (!blocked_while_watched (EVFLAG_SIGNALFD, 0)); /* the caller's is lost */
}

TEST (flag_nosigmask_comes_from_the_argument_alone) // LP-3, SG-4
{
    set_env (NULL);
    ck_assert (blocked_while_watched (0, 1));
    ck_assert (!blocked_while_watched (EVFLAG_NOSIGMASK, 1));
    set_env ("4194304");
    ck_assert (blocked_while_watched (0, 1));
    set_env ("4");
    ck_assert (!blocked_while_watched (EVFLAG_NOSIGMASK, 1));
}

/* ---- what a loop has open (LP-5, LP-6, LP-11) --------------------------------------------------- */

enum { SEEN_MAX = 1024 };
static char seen[SEEN_MAX];

static void each_fd (void (*visit) (int fd))
{
    DIR *dir = opendir ("/proc/self/fd");
    struct dirent *entry;

    ck_assert_ptr_nonnull (dir);
    while ((entry = readdir (dir)))
        if (entry->d_name[0] != '.' && atoi (entry->d_name) != dirfd (dir) && atoi (entry->d_name) < SEEN_MAX)
            visit (atoi (entry->d_name));
    closedir (dir);
}

static void note_seen (int fd)
{
    seen[fd] = 1;
}

static char kinds[512];

static const struct {
    const char *link, *name;
} kind_names[] = {
    { "anon_inode:[eventpoll]", "epoll " },   { "anon_inode:[eventfd]", "eventfd " },
    { "anon_inode:[timerfd]", "timerfd " },   { "anon_inode:inotify", "inotify " },
    { "anon_inode:[signalfd]", "signalfd " }, { "anon_inode:[io_uring]", "ring " },
};

static void note_kind (int fd)
{
    char path[64], link[128] = "";
    const char *name = "other ";

    if (seen[fd])
        return;
    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    ck_assert_int_gt (readlink (path, link, sizeof link - 1), 0);
    for (unsigned i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (!strcmp (kind_names[i].link, link))
            name = kind_names[i].name;
    strcat (kinds, name);
    ck_assert_msg (fcntl (fd, F_GETFD) & FD_CLOEXEC, "%s is inherited by exec", link);
    if (!strcmp (name, "eventfd ") || !strcmp (name, "signalfd ") || !strcmp (name, "inotify "))
        ck_assert_msg (fcntl (fd, F_GETFL) & O_NONBLOCK, "%s blocks", link);
}

/* The kinds of descriptors opened since inventory_begin. */
static void inventory_begin (void)
{
    memset (seen, 0, sizeof seen);
    each_fd (note_seen);
}

static const char *inventory (void)
{
    kinds[0] = 0;
    each_fd (note_kind);
    return kinds;
}

static int inventory_has (const char *name)
{
    int count = 0;

    for (const char *at = inventory (); (at = strstr (at, name)); at++)
        count++;
    return count;
}

static void check_backend_fds (void)
{
    const char *got = inventory ();

    if (test_backend == EVBACKEND_EPOLL)
        ck_assert_str_eq (got, "epoll ");
    else if (!kit_uring ())
        ck_assert_str_eq (got, "");
    else
        ck_assert_int_eq (inventory_has ("ring "), 1);
}

TEST_BACKENDS (loop_opens_only_what_the_backend_needs) // LP-5, LP-11
{
    static struct sigaction before[65], after;

    inventory_begin ();
    for (int i = 1; i < 65; i++)
        sigaction (i, NULL, &before[i]);
    test_loop (0);
    check_backend_fds ();
    for (int i = 1; i < 65; i++) {
        if (sigaction (i, NULL, &after) < 0)
            continue; /* the C library's own */
        ck_assert (after.sa_handler == before[i].sa_handler);
    }
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (loop_on_io_uring_needs_no_timerfd) // rule 6
{
    struct ev_loop *loop;

    inventory_begin ();
    loop = test_loop (0);
    kit_run_for (loop, 0.01);
    ck_assert_int_eq (inventory_has ("timerfd "), 0);
}
#endif

static void nothing_async (EV_P_ ev_async *w, int revents)
{
}

static void nothing_periodic (EV_P_ ev_periodic *w, int revents)
{
}

static void nothing_stat (EV_P_ ev_stat *w, int revents)
{
}

/* Starts and stops one of each kind, noting after each how many helpers of its sort the loop has. */
static void helpers_of (struct ev_loop *loop, int found[4])
{
    ev_async async;
    ev_periodic periodic;
    ev_stat stat;
    ev_signal usr1;

    int timers = inventory_has ("timerfd ");
    ev_periodic_init (&periodic, nothing_periodic, ev_now (loop) + 1000., 0., NULL);
    ev_periodic_start (loop, &periodic);
    found[0] = inventory_has ("timerfd ") - timers;
    ev_stat_init (&stat, nothing_stat, "/", 0.);
    ev_stat_start (loop, &stat);
    found[1] = inventory_has ("inotify ");
    ev_signal_init (&usr1, nothing_signal, SIGUSR1);
    ev_signal_start (loop, &usr1);
    found[2] = inventory_has ("signalfd ");
    ev_async_init (&async, nothing_async);
    ev_async_start (loop, &async);
    found[3] = inventory_has ("eventfd ");
    ev_run (loop, EVRUN_NOWAIT);
    ev_async_stop (loop, &async);
    ev_signal_stop (loop, &usr1);
    ev_stat_stop (loop, &stat);
    ev_periodic_stop (loop, &periodic);
}

static void check_helpers (unsigned flags, int timerfds, int inotifies, int signalfds)
{
    struct ev_loop *loop;
    int found[4];

    inventory_begin ();
    loop = test_loop (flags);
    int eventfds = inventory_has ("eventfd ");
    helpers_of (loop, found);
    ck_assert_int_eq (found[0], timerfds);
    ck_assert_int_eq (found[1], inotifies);
    ck_assert_int_eq (found[2], signalfds);
    ck_assert_int_ge (found[3], 1);
    ck_assert_int_le (found[3] - eventfds, 1); /* one wakes for all */
    ck_assert_int_eq (ev_run (loop, 0), 0);    /* no helper holds a reference */
}

TEST_BACKENDS (loop_opens_helpers_when_they_are_needed_and_closes_them) // LP-11, LP-6, U-13
{
    check_helpers (0, 1, 1, 0);
}

TEST_BACKENDS (flag_notimerfd_noinotify_and_signalfd_change_what_is_open) // LP-11, LP-3
{
    check_helpers (EVFLAG_NOTIMERFD | EVFLAG_NOINOTIFY | EVFLAG_SIGNALFD, 0, 0, 1);
}

TEST (flag_notimerfd_and_noinotify_come_from_the_environment_if_there_is_one) // LP-3
{
    struct ev_loop *loop;
    int found[4];

    set_env ("9437188"); /* NOINOTIFY, NOTIMERFD, epoll */
    inventory_begin ();
    loop = ev_loop_new (0);
    helpers_of (loop, found);
    ck_assert_int_eq (found[0] + found[1], 0);
    ev_loop_destroy (loop);
    set_env ("4");
    loop = ev_loop_new (EVFLAG_NOTIMERFD | EVFLAG_NOINOTIFY);
    helpers_of (loop, found);
    ck_assert_int_eq (found[0] + found[1], 2); /* the caller's are lost */
    ev_loop_destroy (loop);
    ck_assert_str_eq (inventory (), "");
}

TEST_BACKENDS (loops_made_and_destroyed_many_times_leave_nothing_open) // LP-6
{
    int before = test_fd_count ();

    for (int i = 0; i < 60; i++) {
        struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);

        ck_assert_ptr_nonnull (loop);
        kit_nowait (loop, i % 3);
        ev_loop_destroy (loop);
    }
    ck_assert_int_eq (test_fd_count (), before);
}

TEST_BACKENDS (loops_live_side_by_side) // LP-5, TH-1
{
    enum { LOOPS = 40 };
    struct ev_loop *loop[LOOPS];
    struct kit_io io[LOOPS];
    int fd[LOOPS][2];

    for (int i = 0; i < LOOPS; i++) {
        loop[i] = ev_loop_new (test_backend | EVFLAG_NOENV);
        ck_assert_ptr_nonnull (loop[i]);
        test_pipe (fd[i]);
        kit_start (loop[i], &io[i], fd[i][0], EV_READ);
        kit_nowait (loop[i], 1);
    }
    for (int i = 0; i < LOOPS; i++) {
        kit_put (fd[i][1]);
        ck_assert (kit_until (loop[i], &io[i].calls, 1, 5.));
    }
    for (int i = 0; i < LOOPS; i++) {
        ev_loop_destroy (loop[i]);
        close (fd[i][0]);
        close (fd[i][1]);
    }
}

/* ---- the default loop, destroying (LP-4, LP-6 to LP-9) ------------------------------------------ */

TEST_BACKENDS (default_loop_is_made_once) // LP-4, LP-9
{
    ck_assert_ptr_null (EV_DEFAULT_UC);
    struct ev_loop *loop = test_default_loop (0);

    ck_assert_ptr_eq (ev_default_loop (EVBACKEND_KQUEUE), loop); /* flags are ignored now */
    ck_assert_ptr_eq (EV_DEFAULT_UC, loop);
    ck_assert (ev_is_default_loop (loop));
    ck_assert_uint_eq (ev_backend (loop), test_backend);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* the child watcher inside holds no reference */
}

TEST_BACKENDS (default_loop_handles_sigchld_from_the_beginning) // LP-4, LP-6, LP-11
{
    struct sigaction action;
    struct ev_loop *loop;

    inventory_begin ();
    loop = test_default_loop (0);
    sigaction (SIGCHLD, NULL, &action);
    ck_assert (action.sa_handler != SIG_DFL);
    ck_assert_int_eq (inventory_has ("eventfd "), 1);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    sigaction (SIGCHLD, NULL, &action);
    ck_assert (action.sa_handler == SIG_DFL);
    ck_assert_str_eq (inventory (), "");
    ck_assert_ptr_null (EV_DEFAULT_UC);
}

TEST (destroying_no_loop_does_nothing) // LP-6
{
    ev_loop_destroy (NULL);
}

TEST_BACKENDS (destroying_a_loop_leaves_its_watchers_alone) // LP-6
{
    struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    struct kit_io io;
    ev_timer timer;
    int fd[2];

    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    ev_timer_init (&timer, kit_nothing, 0., 0.);
    ev_timer_start (loop, &timer);
    ev_feed_event (loop, &timer, EV_CUSTOM);
    ev_loop_destroy (loop);
    ck_assert (ev_is_active (&io.w));
    ck_assert (ev_is_active (&timer));
    ck_assert_int_eq (io.calls, 0);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (default_loop_made_again_remembers_its_former_life) // LP-4, LP-7
{
    struct ev_loop *first = test_default_loop (0), *second;
    ev_timer timer;

    ev_timer_init (&timer, kit_nothing, 1000., 0.);
    ev_timer_start (first, &timer);
    ev_set_userdata (first, &timer);
    kit_nowait (first, 3);
    ck_assert_uint_eq (ev_iteration (first), 3);
    test_loop_gone (first);
    ev_loop_destroy (first);
    second = test_default_loop (0);
    ck_assert_ptr_eq (second, first); /* it always lives at the same address */
    ck_assert_int_eq (ev_run (second, EVRUN_NOWAIT), 1);
    ck_assert_uint_eq (ev_iteration (second), 4);
    ck_assert_ptr_eq (ev_userdata (second), &timer);
    ev_unref (second);
}

static int calls_of_timer;

static void count_timer (EV_P_ ev_timer *w, int revents)
{
    calls_of_timer++;
}

TEST_BACKENDS (default_loop_made_again_works) // LP-7
{
    struct kit_io io;
    ev_timer timer;
    int fd[2];

    test_pipe (fd);
    for (int life = 1; life <= 3; life++) {
        struct ev_loop *loop = ev_default_loop (test_backend | EVFLAG_NOENV);

        ck_assert_ptr_nonnull (loop);
        ck_assert_uint_eq (ev_backend (loop), test_backend);
        kit_start (loop, &io, fd[1], EV_WRITE);
        ev_timer_init (&timer, count_timer, 0.01, 0.);
        ev_timer_start (loop, &timer);
        ck_assert (kit_until (loop, &calls_of_timer, life, 5.));
        ck_assert_int_gt (io.calls, 0);
        ev_io_stop (loop, &io.w);
        ev_loop_destroy (loop);
    }
    close (fd[0]);
    close (fd[1]);
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (signal_of_a_dead_loop_does_no_harm) // LP-8
{
    struct ev_loop *dead = ev_loop_new (test_backend | EVFLAG_NOENV);
    struct sigaction action;
    ev_signal usr1;

    ev_signal_init (&usr1, nothing_signal, SIGUSR1);
    ev_signal_start (dead, &usr1);
    ev_loop_destroy (dead);
    sigaction (SIGUSR1, NULL, &action);
    if (action.sa_handler != SIG_DFL) /* the default action would end us */
        raise (SIGUSR1);
    ev_feed_signal (SIGUSR1); /* what the handler would do */
    kit_nowait (test_loop (0), 2);
}
#endif

/* ---- fork leaves the references alone (FK-6, U-13) ---------------------------------------------- */

static void exit_unless_empty (void *loop)
{
    for (int i = 0; i < 3; i++) {
        ev_loop_fork (loop);
        if (ev_run (loop, 0) != 0)
            _exit (1 + i);
    }
}

TEST_BACKENDS (loop_without_watchers_ends_by_itself_also_after_forks) // FK-6, U-13
{
    struct ev_loop *loop = test_loop (0);

    kit_not_stock (EVBACKEND_IOURING, "the reference leaks a reference per rebuild (FK-6)");
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert_int_eq (test_child (exit_unless_empty, loop, NULL, 0), 0);
    for (int i = 0; i < 3; i++) { /* it may be called in the parent, too */
        ev_loop_fork (loop);
        ck_assert_int_eq (ev_run (loop, 0), 0);
    }
}

static unsigned pending_seen;

static void note_pending (EV_P_ ev_check *w, int revents)
{
    pending_seen += ev_pending_count (EV_A);
}

TEST_BACKENDS (helpers_of_a_quiet_loop_are_never_seen_pending) // U-13
{
    struct ev_loop *loop = test_loop (0);
    ev_check check;

    kit_not_stock (EVBACKEND_IOURING, "the reference's timerfd watcher shows");
    ev_check_init (&check, note_pending);
    ev_set_priority (&check, EV_MAXPRI);
    ev_check_start (loop, &check);
    kit_nowait (loop, 5);
    kit_run_for (loop, 0.02);
    ck_assert_uint_le (pending_seen, 1); /* the timer that ended the last run */
    ev_check_stop (loop, &check);
}
