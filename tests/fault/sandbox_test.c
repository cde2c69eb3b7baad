/* sandbox_test.c: programs that sandbox themselves. Who allows what libev 4.33 needs on epoll, and has everything else
 * kill or be refused, lives on, whether the filter comes before the loop or after (rule 16 of the design).
 * Each test has a child whose filter it is. The same file runs on the reference, which shows that the list is right. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1 /* makes calls of its own */
#else
#define SANITIZED 0
#endif

/* What strace sees of libev 4.33 on epoll with a watcher of each kind, and what its memory comes from. */
static const int needed[] = {
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_fcntl,
    SYS_dup3,
    SYS_pipe2,
    SYS_exit_group,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    SYS_fstat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_wait4,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_getpid,
    SYS_gettid,
    SYS_tgkill,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_uname,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_futex,
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_getrandom,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
    SYS_dup2,
    SYS_lstat,
    SYS_stat,
#else
    SYS_epoll_pwait,
#endif
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
};
enum { NEEDED = sizeof needed / sizeof *needed };

/* Whatever is not needed gets that answer from now on. */
static void allow_needed (unsigned answer)
{
    struct sock_filter code[2 * NEEDED + 2];
    struct sock_fprog program = { .filter = code };
    unsigned at = 0;

    code[at++] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
    for (int i = 0; i < NEEDED; i++) {
        code[at++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) needed[i], 0, 1);
        code[at++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[at++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, answer);
    program.len = (unsigned short) at;
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit (77);
}

/* ---- a life with a watcher of each kind -------------------------------------------------------------- */

static struct {
    struct ev_loop *loop;
    struct kit_io in, out;
    int fd[2], gate[2], timers, periodics, signals, asyncs, children, idles, stats;
    pid_t pid;
    ev_timer timer;
    ev_periodic periodic;
    ev_signal usr1;
    ev_async async;
    ev_child child;
    ev_idle idle;
    ev_stat stat;
} life;

static void on_timer (EV_P_ ev_timer *w, int revents)
{
    life.timers++;
    ev_async_send (EV_A_ & life.async);
    raise (SIGUSR1);
}

static void on_periodic (EV_P_ ev_periodic *w, int revents)
{
    life.periodics++;
}

static void on_signal (EV_P_ ev_signal *w, int revents)
{
    life.signals++;
}

static void on_async (EV_P_ ev_async *w, int revents)
{
    life.asyncs++;
}

static void on_child (EV_P_ ev_child *w, int revents)
{
    life.children++;
}

static void on_idle (EV_P_ ev_idle *w, int revents)
{
    life.idles++;
    ev_idle_stop (EV_A_ w);
}

static void on_stat (EV_P_ ev_stat *w, int revents)
{
    life.stats++;
}

static void life_begin (void)
{
    kit_start (life.loop, &life.in, life.fd[0], EV_READ);
    kit_start (life.loop, &life.out, life.fd[1], EV_WRITE);
    ev_timer_init (&life.timer, on_timer, 0.0012, 0.0012);
    ev_timer_start (life.loop, &life.timer);
    ev_periodic_init (&life.periodic, on_periodic, 0., 0.003, NULL);
    ev_periodic_start (life.loop, &life.periodic);
    ev_signal_init (&life.usr1, on_signal, SIGUSR1);
    ev_signal_start (life.loop, &life.usr1);
    ev_async_init (&life.async, on_async);
    ev_async_start (life.loop, &life.async);
    ev_child_init (&life.child, on_child, life.pid, 0);
    ev_child_start (life.loop, &life.child);
    ev_idle_init (&life.idle, on_idle);
    ev_idle_start (life.loop, &life.idle);
    ev_stat_init (&life.stat, on_stat, "/tmp", 0.);
    ev_stat_start (life.loop, &life.stat);
}

static void life_happens (void)
{
    life.in.calls = life.out.calls = life.timers = life.periodics = life.signals = life.asyncs = 0;
    kit_put (life.fd[1]);
    kit_put (life.gate[1]); /* the child may end */
    while (!life.in.calls || !life.out.calls || life.timers < 3 || !life.periodics || !life.signals
           || !life.asyncs || !life.children)
        ev_run (life.loop, EVRUN_ONCE);
    kit_get (life.fd[0]);
    ev_io_stop (life.loop, &life.out.w);
    life.timers = 0;
    while (life.timers < 3) /* now it sleeps */
        ev_run (life.loop, EVRUN_ONCE);
    ev_io_start (life.loop, &life.out.w);
}

static void life_end (void)
{
    ev_stat_stop (life.loop, &life.stat);
    ev_idle_stop (life.loop, &life.idle);
    ev_child_stop (life.loop, &life.child);
    ev_async_stop (life.loop, &life.async);
    ev_signal_stop (life.loop, &life.usr1);
    ev_periodic_stop (life.loop, &life.periodic);
    ev_timer_stop (life.loop, &life.timer);
    kit_stop_close (life.loop, &life.in);
    kit_stop_close (life.loop, &life.out);
}

/* Not before the loop is there: who ends earlier is not told of. */
static void child_lives (void)
{
    char byte;

    _exit (read (life.gate[0], &byte, 1) == 1 ? 0 : 1);
}

struct plan {
    unsigned flags, answer;
    void (*sign) (void); /* how the program shows what it is up to; NULL: not at all */
    int late;            /* the filter comes when the loop is there */
};

static void live (void *given)
{
    const struct plan *plan = given;

    alarm (30);
    test_socketpair (life.fd);
    if (pipe (life.gate))
        _exit (1);
    life.pid = fork ();
    if (!life.pid)
        child_lives ();
    if (plan->sign)
        plan->sign ();
    if (!plan->late)
        allow_needed (plan->answer);
    life.loop = ev_default_loop (plan->flags | EVFLAG_NOENV);
    if (plan->late)
        allow_needed (plan->answer);
    if (!life.loop || ev_backend (life.loop) != EVBACKEND_EPOLL)
        _exit (2);
    life_begin ();
    life_happens ();
    ev_loop_fork (life.loop);
    life_happens ();
    life_end ();
    ev_loop_destroy (life.loop);
    _exit (0);
}

static void check (struct plan plan)
{
    char said[256];
    int status;

    if (SANITIZED)
        test_skip ("a sanitizer makes system calls of its own");
    TEST_SECONDS (60);
    status = test_child (live, &plan, said, sizeof said);
    if (WIFEXITED (status) && WEXITSTATUS (status) == 77)
        test_skip ("seccomp filters are not available here");
    ck_assert_msg (!status, "answer 0x%x: status 0x%x%s, %s", plan.answer, (unsigned) status,
                   WIFSIGNALED (status) && WTERMSIG (status) == SIGSYS ? " (killed by the filter)" : "",
                   said);
}

TEST (sandbox_that_kills_before_the_loop_is_made_leaves_epoll_by_name_alone) // rule 16
{
    check ((struct plan){ .flags = EVBACKEND_EPOLL, .answer = SECCOMP_RET_KILL_PROCESS });
}

TEST (sandbox_that_kills_when_the_loop_is_there_leaves_epoll_by_name_alone) // rule 16
{
    check ((struct plan){ .flags = EVBACKEND_EPOLL, .answer = SECCOMP_RET_KILL_PROCESS, .late = 1 });
}

/* ---- signs of what is to come ------------------------------------------------------------------------- */

static void set_no_new_privs (void)
{
    prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

TEST (sandbox_is_expected_of_a_process_without_new_privileges) // rule 16
{
    check ((struct plan){ .answer = SECCOMP_RET_KILL_PROCESS, .sign = set_no_new_privs, .late = 1 });
}

static void *library;

static void load_libseccomp (void)
{
    if (!library)
        library = dlopen ("libseccomp.so.2", RTLD_NOW);
}

TEST (sandbox_is_expected_of_a_program_with_libseccomp) // rule 16; before: not even /proc is read
{
    load_libseccomp ();
    if (!library)
        test_skip ("libseccomp is not installed");
    check ((struct plan){ .answer = SECCOMP_RET_KILL_PROCESS, .sign = load_libseccomp, .late = 1 });
    check ((struct plan){ .answer = SECCOMP_RET_KILL_PROCESS, .sign = load_libseccomp });
}

static void install_any_filter (void)
{
    struct sock_filter allow = BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { 1, &allow };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit (77);
}

TEST (sandbox_is_expected_to_become_narrower) // rule 16
{
    check ((struct plan){ .answer = SECCOMP_RET_KILL_PROCESS, .sign = install_any_filter, .late = 1 });
}

/* ---- refused, not killed: any errno of a newer call means "use the old one" ------------------------------- */

static const int errors[] = { EPERM,  ENOSYS, EACCES, EINVAL,     ENOMEM, EAGAIN,
                              EFAULT, EBADF,  ENODEV, EOPNOTSUPP, EIO,    EDOM };

static void check_errors (struct plan plan)
{
    for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
        plan.answer = SECCOMP_RET_ERRNO | (unsigned) errors[i];
        check (plan);
    }
}

TEST (sandbox_that_refuses_with_any_error_before_the_loop_is_made) // rule 16
{
    check_errors ((struct plan){ 0 });
    check_errors ((struct plan){ .flags = EVBACKEND_EPOLL });
}

TEST (sandbox_that_refuses_with_any_error_when_the_loop_is_there) // rule 16
{
    check_errors ((struct plan){ .flags = EVBACKEND_EPOLL, .late = 1 });
}

static void forbid_rings (void)
{
    struct sock_filter code[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, 425, 0, 1), /* io_uring_setup, on all architectures */
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit (77);
}

/* Who names io_uring gets every new call there is, and loses them. */
TEST (sandbox_that_refuses_with_any_error_takes_exact_sleeps_away) // rule 16
{
    kit_not_stock (0, "the reference's io_uring is not the reference");
    check_errors (
        (struct plan){ .flags = EVBACKEND_IOURING | EVBACKEND_EPOLL, .sign = forbid_rings, .late = 1 });
}
