/* midlife_test.c: disasters that come over a process in the middle of everything, one a row, on every backend and
 * engine. What may be lost by any of them is nothing: each byte, timer, signal and wake-up arrives as if nothing had
 * happened (rules 9 to 11, 16 and 17 of the design). The traffic and its law: traffic.h.
 *
 * Clocks that jump are in tests/sim, where they are the simulator's, and in tests/api/clock_test.c. */
#define _GNU_SOURCE
#include "filter.h"
#include "traffic.h"

#include <dirent.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>

static void (*strike) (void);

static void strikes (EV_P_ ev_timer *w, int revents)
{
    strike ();
}

/* In a callback, with everything under way. */
static void in_a_callback (void (*disaster) (void))
{
    ev_timer timer;

    strike = disaster;
    ev_timer_init (&timer, strikes, 0.002, 0.);
    ev_timer_start (traffic.loop, &timer);
    while (ev_is_active (&timer))
        ev_run (traffic.loop, EVRUN_ONCE);
}

static void between_runs (void (*disaster) (void))
{
    disaster ();
}

/* Twice over, and what comes must still come. */
static void survives (void (*disaster) (void), void (*when) (void (*disaster) (void)))
{
    TEST_SECONDS (60);
    traffic_begin ();
    traffic_flows (STREAM_ENOUGH / 4);
    when (disaster);
    traffic_flows (STREAM_ENOUGH);
    traffic_flows (STREAM_ENOUGH);
    traffic_end ();
}

#define DISASTER(name, disaster)            \
    TEST_ENGINES (name)                     \
    {                                       \
        survives (disaster, in_a_callback); \
    }

/* ---- io_uring is forbidden ---------------------------------------------------------------------------- */

static void forbid_ring (unsigned answer)
{
    static const int calls[] = { RING_SETUP, RING_ENTER, RING_REGISTER };

    filter_calls (calls, 3, answer);
}

#define FORBIDDEN(error)                                    \
    static void forbidden_##error (void)                    \
    {                                                       \
        forbid_ring (SECCOMP_RET_ERRNO | (unsigned) error); \
    }                                                       \
    DISASTER (io_uring_is_forbidden_with_##error, forbidden_##error)

FORBIDDEN (EPERM)
FORBIDDEN (EACCES)
FORBIDDEN (ENOSYS)
FORBIDDEN (EINVAL)
FORBIDDEN (EOPNOTSUPP)
FORBIDDEN (ENOMEM)
FORBIDDEN (EAGAIN)
FORBIDDEN (EBUSY)
FORBIDDEN (EBADF)
FORBIDDEN (EFAULT)

static void only_enter_forbidden (void)
{
    static const int enter = RING_ENTER;

    filter_calls (&enter, 1, SECCOMP_RET_ERRNO | EPERM);
}

DISASTER (io_uring_enter_alone_is_forbidden, only_enter_forbidden)

static void only_register_forbidden (void)
{
    static const int enter = RING_REGISTER;

    filter_calls (&enter, 1, SECCOMP_RET_ERRNO | EPERM);
}

DISASTER (io_uring_register_alone_is_forbidden, only_register_forbidden)

static void ring_kills (void)
{
    if (test_backend == EVBACKEND_IOURING || test_engine_ring ())
        test_skip ("who has a ring dies by such a filter: nobody can ask it first");
    forbid_ring (SECCOMP_RET_KILL_PROCESS);
}

DISASTER (io_uring_kills_and_the_loop_has_no_ring, ring_kills)

/* ---- descriptors of the library go away ---------------------------------------------------------------- */

static int is_file (const char *number, const char *what)
{
    char path[64], link[256] = "";

    snprintf (path, sizeof path, "/proc/self/fd/%s", number);
    return readlink (path, link, sizeof link - 1) > 0 && strstr (link, what);
}

/* Calls it with each open descriptor of that kind; how many there were. */
static int each_file (const char *what, void (*visit) (int fd))
{
    DIR *folder = opendir ("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir (folder)))
        if (is_file (entry->d_name, what)) {
            visit (atoi (entry->d_name));
            count++;
        }
    closedir (folder);
    return count;
}

static void close_it (int fd)
{
    close (fd);
}

static void rings_are_closed (void)
{
    if (!each_file ("[io_uring]", close_it))
        test_skip ("no ring, nothing to close");
}

DISASTER (the_descriptor_of_a_ring_is_closed, rings_are_closed)

static void sets_are_closed (void)
{
    if (!each_file ("[eventpoll]", close_it))
        test_skip ("no epoll set, nothing to close");
}

DISASTER (the_descriptor_of_an_epoll_set_is_closed, sets_are_closed)

static int strangers[64], stranger_count;

static void give_to_a_stranger (int fd)
{
    int file = memfd_create ("stranger", MFD_CLOEXEC);

    ck_assert_int_eq (dup2 (file, fd), fd);
    close (file);
    strangers[stranger_count++] = fd;
}

/* The numbers are somebody else's now, and nobody may close them. */
static void check_strangers (void)
{
    test_loop_gone (traffic.loop);
    ev_loop_destroy (traffic.loop);
    for (int i = 0; i < stranger_count; i++) {
        char number[16];

        snprintf (number, sizeof number, "%d", strangers[i]);
        ck_assert_msg (is_file (number, "stranger"), "descriptor %s was the program's, and was closed",
                       number);
        close (strangers[i]);
    }
}

static void rings_are_replaced (void)
{
    if (!each_file ("[io_uring]", give_to_a_stranger))
        test_skip ("no ring, nothing to replace");
}

TEST_ENGINES (the_number_of_a_ring_is_given_to_another_file)
{
    survives (rings_are_replaced, in_a_callback);
    check_strangers ();
}

static void sets_are_replaced (void)
{
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the ring's set has no guests, so nobody asks it");
    if (!each_file ("[eventpoll]", give_to_a_stranger))
        test_skip ("no epoll set, nothing to replace");
}

TEST_ENGINES (the_number_of_an_epoll_set_is_given_to_another_file)
{
    survives (sets_are_replaced, in_a_callback);
    check_strangers ();
}

static void wake_ups_are_closed (void)
{
    if (!each_file ("[eventfd]", close_it))
        test_skip ("no eventfd, nothing to close");
}

DISASTER (the_descriptors_that_end_a_sleep_are_closed, wake_ups_are_closed)

/* As daemons do that know their own descriptors only (the rest that is open here is Check's). They say so, as after a fork. Not with operations in flight: how
 * would anybody know when the kernel is finished with their memory? */
static void all_others_are_closed (void)
{
    traffic_ops_end ();
    each_file ("anon_inode:", close_it);
    each_file ("pipe:", close_it);
    ev_loop_fork (traffic.loop);
    traffic_ops_begin ();
}

TEST_ENGINES (everything_that_the_program_does_not_know_is_closed)
{
    survives (all_others_are_closed, between_runs);
}

/* ---- the process becomes another one ------------------------------------------------------------------- */

static void become_a_daemon (void)
{
    int status;
    pid_t child;

    traffic_ops_end (); /* those under way would be the parent's */
    child = fork ();
    if (child) {
        waitpid (child, &status, 0);
        ck_assert_msg (WIFEXITED (status) && !WEXITSTATUS (status), "the daemon ended with 0x%x",
                       (unsigned) status);
        _exit (0);
    }
    setsid ();
    ck_assert_int_eq (chdir ("/"), 0);
    ev_loop_fork (traffic.loop);
    traffic_ops_begin ();
}

static void daemon_lives (void *unused)
{
    survives (become_a_daemon, between_runs);
    _exit (0);
}

TEST_ENGINES (the_process_becomes_a_daemon)
{
    TEST_SECONDS (60);
    int status = test_child (daemon_lives, NULL, NULL, 0);
    ck_assert_msg (WIFEXITED (status) && !WEXITSTATUS (status), "status 0x%x", (unsigned) status);
}

static void need_root (void)
{
    if (geteuid () != 0)
        test_skip ("needs root to lose it");
}

static void become_nobody (void)
{
    need_root ();
    ck_assert_int_eq (setresgid (65534, 65534, 65534), 0);
    ck_assert_int_eq (setresuid (65534, 65534, 65534), 0);
    prctl (PR_SET_DUMPABLE, 1, 0, 0, 0); /* the harness counts descriptors in /proc */
}

DISASTER (root_becomes_nobody, become_nobody)

static void enter_an_empty_root (void)
{
    char path[] = "/tmp/evring-root-XXXXXX";
    int proc;

    need_root ();
    proc = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_ptr_nonnull (mkdtemp (path));
    ck_assert_int_eq (chroot (path), 0);
    ck_assert_int_eq (chdir ("/"), 0);
    ck_assert_int_eq (unlinkat (proc, path + 1, AT_REMOVEDIR), 0);
    close (proc);
}

/* In a child: the harness wants its own root back. */
static void imprisoned (void *unused)
{
    survives (enter_an_empty_root, in_a_callback);
    _exit (0);
}

TEST_ENGINES (the_root_becomes_an_empty_folder)
{
    TEST_SECONDS (60);
    need_root ();
    int status = test_child (imprisoned, NULL, NULL, 0);
    ck_assert_msg (WIFEXITED (status) && !WEXITSTATUS (status), "status 0x%x", (unsigned) status);
}

/* ---- limits --------------------------------------------------------------------------------------------- */

static void limit (int which, rlim_t to)
{
    struct rlimit it;

    ck_assert_int_eq (getrlimit (which, &it), 0);
    it.rlim_cur = to;
    ck_assert_int_eq (setrlimit (which, &it), 0);
}

static void no_more_descriptors (void)
{
    limit (RLIMIT_NOFILE, 3); /* below what is open */
}

DISASTER (the_limit_of_descriptors_falls_below_what_is_open, no_more_descriptors)

static void all_is_made_anew (void)
{
    ev_loop_fork (traffic.loop);
}

DISASTER (the_loop_is_told_of_a_fork_that_was_none, all_is_made_anew)

static void no_locked_memory (void)
{
    limit (RLIMIT_MEMLOCK, 0);
    ev_loop_fork (traffic.loop);
}

DISASTER (no_memory_may_be_locked, no_locked_memory)

static void no_more_threads (void)
{
    limit (RLIMIT_NPROC, 0);
}

DISASTER (no_more_threads_may_be_made, no_more_threads)

/* ---- stopped, traced, shaken ---------------------------------------------------------------------------- */

static void harass (void (*how) (pid_t victim), int times)
{
    pid_t victim = getpid (), helper = fork ();

    if (helper)
        return;
    for (int i = 0; i < times; i++)
        how (victim);
    _exit (0);
}

static void stop_and_continue (pid_t victim)
{
    kill (victim, SIGSTOP);
    usleep (3000);
    kill (victim, SIGCONT);
    usleep (2000);
}

static void stopped (void)
{
    harass (stop_and_continue, 30);
}

DISASTER (the_process_is_stopped_and_continued, stopped)

static void trace_for_a_while (pid_t victim)
{
    int status;

    if (ptrace (PTRACE_SEIZE, victim, 0, PTRACE_O_TRACESYSGOOD))
        return;
    ptrace (PTRACE_INTERRUPT, victim, 0, 0);
    for (int i = 0; i < 200 && waitpid (victim, &status, __WALL) == victim && WIFSTOPPED (status); i++) {
        int signum = status >> 16 || WSTOPSIG (status) & 0x80 ? 0 : WSTOPSIG (status);

        if (i == 199)
            ptrace (PTRACE_DETACH, victim, 0, signum);
        else
            ptrace (PTRACE_SYSCALL, victim, 0, signum);
    }
    usleep (1000);
}

static void traced (void)
{
    prctl (PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    harass (trace_for_a_while, 5);
}

DISASTER (the_process_is_traced_call_by_call, traced)

static int ticks;

static void tick (int signum)
{
    ticks++;
}

static void shaken (void)
{
    struct sigaction action = { .sa_handler = tick }; /* without SA_RESTART */
    struct itimerval often = { { 0, 100 }, { 0, 100 } };

    sigaction (SIGVTALRM, &action, NULL);
    sigaction (SIGPROF, &action, NULL);
    setitimer (ITIMER_PROF, &often, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM };
    struct itimerspec real = { { 0, 100000 }, { 0, 100000 } };
    timer_t timer;
    ck_assert_int_eq (timer_create (CLOCK_MONOTONIC, &event, &timer), 0);
    ck_assert_int_eq (timer_settime (timer, 0, &real, NULL), 0);
}

DISASTER (a_timer_interrupts_ten_thousand_times_a_second, shaken)

static void children_die (void)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = fork ();

        if (!child) {
            pause ();
            _exit (0);
        }
        kill (child, SIGKILL);
    }
}

DISASTER (its_children_are_killed, children_die)

/* ---- io_uring is switched off for everybody: only where everybody is the test (tests/kernels) -------------- */

static void switched_off (void)
{
    int fd = getenv ("EVRING_GUEST") ? open ("/proc/sys/kernel/io_uring_disabled", O_WRONLY) : -1;

    if (fd < 0)
        test_skip ("the machine is not the test's own, or has no such switch");
    ck_assert_int_eq (write (fd, "2", 1), 1);
    ev_loop_fork (traffic.loop); /* a ring that is there stays: another one cannot be had */
    ck_assert_int_eq (pwrite (fd, "0", 1, 0), 1);
    close (fd);
}

DISASTER (io_uring_is_switched_off_for_the_machine, switched_off)
