/* process_test.c: waiting for children. Promises what waitid(2) answers, on any loop, without SIGCHLD. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { MANY = 64 };

/* A child that ends with code when a byte comes, or at once when there is no pipe to wait for. */
static pid_t child_begin (int code, const int *go)
{
    pid_t pid;
    char byte;

    fflush (NULL);
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (pid)
        return pid;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (go && read (go[0], &byte, 1) != 1)
        _exit (99);
    _exit (code);
}

/* Check has plans for SIGTERM and SIGINT: not in the child, from its first moment. */
static pid_t sleeper_begin (void)
{
    sigset_t plans, before;
    pid_t pid;

    sigemptyset (&plans);
    sigaddset (&plans, SIGTERM);
    sigaddset (&plans, SIGINT);
    sigprocmask (SIG_BLOCK, &plans, &before);
    fflush (NULL);
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (pid) {
        sigprocmask (SIG_SETMASK, &before, NULL);
        return pid;
    }
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    signal (SIGTERM, SIG_DFL);
    signal (SIGINT, SIG_DFL);
    sigprocmask (SIG_SETMASK, &before, NULL);
    for (;;)
        pause ();
}

static void check_info (const siginfo_t *info, pid_t pid, int code, int status)
{
    ck_assert_int_eq (info->si_signo, SIGCHLD);
    ck_assert_int_eq (info->si_pid, pid);
    ck_assert_int_eq (info->si_code, code);
    ck_assert_int_eq (info->si_status, status);
}

static int is_child (pid_t pid)
{
    siginfo_t info;

    return !waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

TEST_ENGINES (waitid_waits_for_the_end_of_a_child)
{
    struct ev_loop *loop = test_loop (0);
    siginfo_t info;
    struct op op;
    int go[2];

    ck_assert_int_eq (pipe (go), 0);
    pid_t pid = child_begin (7, go);
    op_begin (loop, &op, waitid, P_PID, pid, &info, WEXITED);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    kit_put (go[1]);
    ck_result (op_end (loop, &op), 0);
    check_info (&info, pid, CLD_EXITED, 7);
    ck_assert (!is_child (pid));
    op_close_both (go);
    op_all_over (loop);
}

TEST_ENGINES (waitid_finds_a_child_that_has_ended_before)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = child_begin (3, NULL);
    siginfo_t info;

    waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT);
    memset (&info, 0, sizeof info);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WEXITED), 0);
    check_info (&info, pid, CLD_EXITED, 3);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WEXITED), -ECHILD);
}

TEST_ENGINES (waitid_tells_which_signal_killed_a_child)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = sleeper_begin ();
    siginfo_t info;
    struct op op;

    op_begin (loop, &op, waitid, P_PID, pid, &info, WEXITED);
    op_settle (loop);
    kill (pid, SIGTERM);
    ck_result (op_end (loop, &op), 0);
    check_info (&info, pid, CLD_KILLED, SIGTERM);
}

TEST_ENGINES (waitid_with_nowait_leaves_the_child)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = sleeper_begin ();
    siginfo_t info;
    struct op op;
    int status;

    op_begin (loop, &op, waitid, P_PID, pid, &info, WEXITED | WNOWAIT);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    kill (pid, SIGKILL);
    ck_result (op_end (loop, &op), 0);
    check_info (&info, pid, CLD_KILLED, SIGKILL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq (waitpid (pid, &status, WNOHANG), pid);
    ck_assert (WIFSIGNALED (status));
}

TEST_ENGINES (waitid_takes_a_pidfd)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = sleeper_begin ();
    int fd = (int) syscall (SYS_pidfd_open, pid, 0);
    siginfo_t info;
    struct op op;

    if (fd < 0)
        test_skip ("this kernel has no pidfds");
    op_begin (loop, &op, waitid, P_PIDFD, fd, &info, WEXITED);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    kill (pid, SIGINT);
    ck_result (op_end (loop, &op), 0);
    check_info (&info, pid, CLD_KILLED, SIGINT);
    close (fd);
    ck_result (op_do (loop, waitid, P_PIDFD, fd, &info, WEXITED), -EBADF);
}

TEST_ENGINES (waitid_needs_no_info)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = child_begin (0, NULL);

    ck_result (op_do (loop, waitid, P_PID, pid, NULL, WEXITED), 0);
    ck_assert (!is_child (pid));
}

TEST_ENGINES (waitid_for_nobody_is_an_error)
{
    struct ev_loop *loop = test_loop (0);
    siginfo_t info;

    ck_result (op_do (loop, waitid, P_PID, getppid (), &info, WEXITED), -ECHILD);
    ck_result (op_do (loop, waitid, P_PID, 1, &info, WEXITED), -ECHILD);
    ck_result (op_do (loop, waitid, P_PID, 0x3fffffff, &info, WEXITED), -ECHILD);
}

TEST_ENGINES (waitid_refuses_other_kinds_and_options)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = child_begin (0, NULL);
    siginfo_t info;

    ck_result (op_do (loop, waitid, P_ALL, 0, &info, WEXITED), -EINVAL);
    ck_result (op_do (loop, waitid, P_PGID, 0, &info, WEXITED), -EINVAL);
    ck_result (op_do (loop, waitid, 77, pid, &info, WEXITED), -EINVAL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, 0), -EINVAL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WNOWAIT), -EINVAL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WSTOPPED), -EINVAL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WEXITED | WCONTINUED), -EINVAL);
    ck_result (op_do (loop, waitid, P_PID, pid, &info, WEXITED | WNOHANG), -EINVAL);
    ck_assert_int_eq (waitpid (pid, NULL, 0), pid); /* nobody has touched it */
}

TEST_ENGINES (many_children_have_one_completion_each)
{
    static struct op ops[MANY];
    static siginfo_t infos[MANY];
    struct ev_loop *loop = test_loop (0);
    pid_t pids[MANY];
    int go[2];

    kit_need_fds (MANY + 50);
    ck_assert_int_eq (pipe (go), 0);
    for (int i = 0; i < MANY; i++) {
        pids[i] = child_begin (i, go);
        op_begin (loop, &ops[i], waitid, P_PID, pids[i], &infos[i], WEXITED);
    }
    op_settle (loop);
    for (int i = 0; i < MANY; i++)
        kit_put (go[1]);
    for (int i = 0; i < MANY; i++) {
        ck_result (op_end (loop, &ops[i]), 0);
        check_info (&infos[i], pids[i], CLD_EXITED, i);
    }
    ck_assert_int_eq (waitpid (-1, NULL, WNOHANG), -1); /* none is left */
    op_all_over (loop);
    op_close_both (go);
}

TEST_ENGINES (stopped_waitid_leaves_the_child)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = sleeper_begin ();
    siginfo_t info;
    struct op op;

    op_begin (loop, &op, waitid, P_PID, pid, &info, WEXITED);
    op_settle (loop);
    ck_result (op_stop (loop, &op), -ECANCELED);
    kill (pid, SIGKILL);
    op_settle (loop);
    ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
    op_all_over (loop);
}

TEST_ENGINES (child_that_another_waits_for_gives_echild)
{
    struct ev_loop *loop = test_loop (0);
    pid_t pid = sleeper_begin ();
    siginfo_t info[2];
    struct op op[2];

    for (int i = 0; i < 2; i++)
        op_begin (loop, &op[i], waitid, P_PID, pid, &info[i], WEXITED);
    op_settle (loop);
    kill (pid, SIGKILL);
    for (int i = 0; i < 2; i++)
        op_end (loop, &op[i]);
    ck_assert_msg ((!op[0].result && op[1].result == -ECHILD) || (!op[1].result && op[0].result == -ECHILD),
                   "results %zd and %zd", op[0].result, op[1].result);
    op_all_over (loop);
}

TEST_ENGINES (sigchld_of_the_program_is_left_alone)
{
    struct ev_loop *loop = test_loop (0);
    struct sigaction before, after;
    pid_t pid = child_begin (0, NULL);

    sigaction (SIGCHLD, NULL, &before);
    ck_result (op_do (loop, waitid, P_PID, pid, NULL, WEXITED), 0);
    sigaction (SIGCHLD, NULL, &after);
    ck_assert (before.sa_handler == after.sa_handler);
}
