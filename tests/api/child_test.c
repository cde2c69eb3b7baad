/* child_test.c: ev_child seen from outside, contract section 13.
 * Promises a test for each of CH-1 to CH-8. A child counts as ended when the kernel shows it as a zombie: its
 * SIGCHLD has then been delivered, and nothing has to be waited for. */
#include "trace.h"

#include <sys/prctl.h>

static pid_t child_exits (int code)
{
    pid_t pid = fork ();

    ck_assert_int_ge (pid, 0);
    if (!pid)
        _exit (code);
    return pid;
}

static pid_t child_waits (void)
{
    pid_t pid = fork ();

    ck_assert_int_ge (pid, 0);
    if (!pid) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause ();
    }
    return pid;
}

static int is_zombie (pid_t pid, int flags)
{
    siginfo_t info = { .si_pid = 0 };

    return !waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT | flags) && info.si_pid == pid;
}

static void wait_for_zombie (pid_t pid)
{
    ck_assert (is_zombie (pid, 0));
}

static void child_begin (struct ev_loop *loop, ev_child *w, pid_t pid, int traced, const char *name)
{
    ev_child_init (w, trace_child, pid, traced);
    w->data = (void *) name;
    ev_child_start (loop, w);
}

/* CH-1 */
TEST_BACKENDS (children_nobody_watches_are_reaped_by_the_default_loop)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_exits (0);

    wait_for_zombie (pid);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (waitpid (pid, NULL, WNOHANG), -1);
    ck_assert_int_eq (errno, ECHILD);
}

/* CH-1: other loops leave children alone */
TEST_BACKENDS (without_a_default_loop_children_belong_to_the_program)
{
    struct ev_loop *loop = test_loop (0);
    int status;
    pid_t pid = child_exits (3);

    wait_for_zombie (pid);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (waitpid (pid, &status, 0), pid);
    ck_assert_int_eq (WEXITSTATUS (status), 3);
}

/* LP-4, LP-6 */
TEST_BACKENDS (sigchld_has_a_handler_while_the_default_loop_lives)
{
    struct ev_loop *loop = test_default_loop (0);
    struct sigaction now;

    ck_assert_int_eq (sigaction (SIGCHLD, NULL, &now), 0);
    ck_assert (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_assert_int_eq (sigaction (SIGCHLD, NULL, &now), 0);
    ck_assert (now.sa_handler == SIG_DFL);
}

/* CH-2, CH-3 */
TEST_BACKENDS (exit_status_reaches_the_watcher_and_it_stays_active)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_exits (42);
    ev_child w;

    child_begin (loop, &w, pid, 0, "child");
    ck_run_until (loop, 1);
    ck_trace ("child");
    ck_assert_int_eq (trace_events, EV_CHILD);
    ck_assert_int_eq (w.rpid, pid);
    ck_assert_int_eq (w.pid, pid);
    ck_assert (WIFEXITED (w.rstatus));
    ck_assert_int_eq (WEXITSTATUS (w.rstatus), 42);
    ck_assert (ev_is_active (&w));
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ev_child_stop (loop, &w);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("child");
}

/* CH-2: stops and continues are for those who asked; the status is the kernel's */
TEST_BACKENDS (only_trace_watchers_see_stop_and_continue)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_waits ();
    ev_child plain, traced, any;

    child_begin (loop, &plain, pid, 0, "plain");
    child_begin (loop, &traced, pid, 1, "traced");
    kill (pid, SIGSTOP);
    ck_run_until (loop, 1);
    ck_trace ("traced");
    ck_assert_int_eq (traced.rstatus, 0x137f);
    kill (pid, SIGCONT);
    ck_run_until (loop, 2);
    ck_trace ("traced traced");
    ck_assert_int_eq (traced.rstatus, 0xffff);
    child_begin (loop, &any, 0, 0, "any");
    kill (pid, SIGKILL);
    ck_run_until (loop, 5);
    ck_assert_int_eq (trace_count, 5);
    ck_assert_int_eq (plain.rstatus, SIGKILL);
    ck_assert_int_eq (traced.rstatus, SIGKILL);
    ck_assert_int_eq (any.rstatus, SIGKILL);
    ck_assert_int_eq (any.rpid, pid);
    ev_child_stop (loop, &plain);
    ev_child_stop (loop, &traced);
    ev_child_stop (loop, &any);
}

static void trace_priority (EV_P_ ev_child *w, int revents)
{
    trace_add (ev_priority (w) == EV_MAXPRI ? "high" : "low", revents);
}

/* CH-4 */
TEST_BACKENDS (child_events_come_at_the_highest_priority)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_exits (0);
    ev_child w;

    ev_child_init (&w, trace_priority, pid, 0);
    ev_set_priority (&w, -2);
    ev_child_start (loop, &w);
    ck_assert_int_eq (ev_priority (&w), -2);
    ck_run_until (loop, 1);
    ck_trace ("high");
    ev_child_stop (loop, &w);
}

enum { CROWD = 4 };
static pid_t crowd[CROWD];
static int codes_seen, zombies_seen[CROWD];

static void count_zombies (EV_P_ ev_child *w, int revents)
{
    int at = trace_count;

    trace_add ("child", revents);
    if (at >= CROWD)
        return;
    codes_seen |= 1 << WEXITSTATUS (w->rstatus);
    for (int i = 0; i < CROWD; i++) {
        zombies_seen[at] += is_zombie (crowd[i], WNOHANG);
        codes_seen |= (crowd[i] == w->rpid && WEXITSTATUS (w->rstatus) == i) << (CROWD + i);
    }
}

/* CH-5: one child at a time, its callbacks before the next is reaped, all of them in one iteration */
TEST_BACKENDS (children_that_ended_together_are_reported_one_by_one_in_one_iteration)
{
    struct ev_loop *loop = test_default_loop (0);
    ev_child any;

    ev_child_init (&any, count_zombies, 0, 0);
    ev_child_start (loop, &any);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = child_exits (i);
    for (int i = 0; i < CROWD; i++)
        wait_for_zombie (crowd[i]);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (trace_count, CROWD);
    ck_assert_int_eq (codes_seen, (1 << 2 * CROWD) - 1);
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq (zombies_seen[i], CROWD - 1 - i);
    ev_child_stop (loop, &any);
}

/* CH-6, CH-2: in whatever order, both are called, and nobody else */
TEST_BACKENDS (watchers_of_the_child_and_of_all_children_are_called_others_are_not)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t alive = child_waits (), pid = child_exits (0);
    ev_child one, any, other;

    child_begin (loop, &one, pid, 0, "x");
    child_begin (loop, &any, 0, 0, "x");
    child_begin (loop, &other, alive, 0, "other");
    ck_run_until (loop, 2);
    run_for (loop, 0.02);
    ck_trace ("x x");
    kill (alive, SIGKILL);
    ck_run_until (loop, 4);
    ck_assert_int_eq (other.rpid, alive);
    ev_child_stop (loop, &one);
    ev_child_stop (loop, &any);
    ev_child_stop (loop, &other);
}

/* CH-7 */
TEST_BACKENDS (watcher_may_start_after_its_child_has_ended)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_exits (7);
    ev_child w;

    wait_for_zombie (pid);
    child_begin (loop, &w, pid, 0, "child");
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("child");
    ck_assert_int_eq (WEXITSTATUS (w.rstatus), 7);
    ev_child_stop (loop, &w);
}

static void respawn (EV_P_ ev_child *w, int revents)
{
    trace_add ("child", revents);
    ev_child_stop (EV_A_ w);
    if (trace_count == 5)
        return;
    ev_child_set (w, child_exits (trace_count), 0);
    ev_child_start (EV_A_ w);
}

/* CH-7, WA-3: the supervisor's loop: a callback that forks the next child and watches it with the same watcher */
TEST_BACKENDS (callback_may_start_the_next_child)
{
    struct ev_loop *loop = test_default_loop (0);
    ev_child w;

    ev_child_init (&w, respawn, child_exits (0), 0);
    ev_child_start (loop, &w);
    ck_run_until (loop, 5);
    ck_assert_int_eq (WEXITSTATUS (w.rstatus), 4);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
}

static void kill_child (void *pid)
{
    kill (*(pid_t *) pid, SIGHUP);
}

/* CH-1: the wait ends */
TEST_BACKENDS (child_that_ends_while_the_loop_waits_is_reported)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_waits ();
    struct later later;
    ev_child w;

    child_begin (loop, &w, pid, 0, "child");
    later_start (&later, kill_child, &pid);
    ck_run_until (loop, 1);
    later_join (&later);
    ck_assert_int_eq (WTERMSIG (w.rstatus), SIGHUP);
    ev_child_stop (loop, &w);
}

/* CH-2: more children than any table of pids has slots */
TEST_BACKENDS (each_of_many_children_reaches_its_own_watcher_once)
{
    enum { MANY = 60 };
    struct ev_loop *loop = test_default_loop (0);
    ev_child w[MANY];

    for (int i = 0; i < MANY; i++)
        child_begin (loop, &w[i], child_exits (i), 0, "x");
    ck_run_until (loop, MANY);
    run_for (loop, 0.02);
    ck_assert_int_eq (trace_count, MANY);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq (w[i].rpid, w[i].pid);
        ck_assert_int_eq (WEXITSTATUS (w[i].rstatus), i);
        ev_child_stop (loop, &w[i]);
    }
}

/* CH-1, SG-6: a program may watch SIGCHLD in the default loop as well */
TEST_BACKENDS (sigchld_may_be_watched_beside_children)
{
    struct ev_loop *loop = test_default_loop (0);
    pid_t pid = child_exits (0);
    ev_child child;
    ev_signal sigchld;

    ev_signal_init (&sigchld, trace_signal, SIGCHLD);
    sigchld.data = (void *) "x";
    ev_signal_start (loop, &sigchld);
    child_begin (loop, &child, pid, 0, "x");
    kill (getpid (), SIGCHLD); /* the child may have been faster than the watcher */
    ck_run_until (loop, 2);
    ck_assert_int_eq (child.rpid, pid);
    ev_child_stop (loop, &child);
    ev_signal_stop (loop, &sigchld);
}

static void sigchld_is_blocked (void *arg)
{
    sigset_t set;

    sigprocmask (SIG_SETMASK, NULL, &set);
    child_must (sigismember (&set, SIGCHLD));
}

static int mask_has_sigchld (void)
{
    sigset_t set;

    sigprocmask (SIG_SETMASK, NULL, &set);
    return sigismember (&set, SIGCHLD);
}

/* CH-8, LP-6 */
TEST_BACKENDS (with_signalfd_sigchld_is_blocked_here_and_in_children_and_children_are_reported)
{
    struct ev_loop *loop = test_default_loop (EVFLAG_SIGNALFD);
    ev_child w;

    ck_assert (mask_has_sigchld ());
    check_in_child (sigchld_is_blocked, NULL);
    child_begin (loop, &w, child_exits (9), 0, "child");
    ck_run_until (loop, 1);
    ck_assert_int_eq (WEXITSTATUS (w.rstatus), 9);
    ev_child_stop (loop, &w);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_assert (!mask_has_sigchld ());
}

static void start_elsewhere (void *arg)
{
    struct ev_loop *loop = test_loop (0);
    ev_child w;

    test_default_loop (0);
    child_begin (loop, &w, 0, 0, "child");
    child_must_be_refused (loop, &w, EV_CHILD);
}

/* CH-1, AB-1 */
TEST_BACKENDS (child_watcher_is_refused_by_other_loops_than_the_default_one)
{
    check_refused (start_elsewhere, NULL, "ev_child_start");
}

/* LP-6, LP-4: children of the loop's second life are reported too */
TEST_BACKENDS (children_are_reported_after_the_default_loop_was_made_again)
{
    struct ev_loop *loop = test_default_loop (0);
    ev_child w;

    test_loop_gone (loop);
    ev_loop_destroy (loop);
    loop = test_default_loop (0);
    child_begin (loop, &w, child_exits (5), 0, "child");
    ck_run_until (loop, 1);
    ck_assert_int_eq (WEXITSTATUS (w.rstatus), 5);
    ev_child_stop (loop, &w);
}
