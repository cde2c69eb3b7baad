/* syserr_test.c: system calls that fail under a running loop, and who is told (contract GL-8, AB-2, IO-15).
 * Failures are real ones: limits, descriptors closed behind the loop's back, seccomp filters. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static struct {
    int calls, error;
    char message[128];
} syserr;

static void note_syserr (const char *message) EV_NOEXCEPT
{
    syserr.error = errno;
    syserr.calls++;
    snprintf (syserr.message, sizeof syserr.message, "%s", message);
}

static void closes_epoll_fd (struct ev_loop *loop)
{
    for (int fd = 3; fd < 200; fd++) {
        char path[64], link[64] = "";

        snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink (path, link, sizeof link - 1) > 0 && strstr (link, "[eventpoll]"))
            close (fd);
    }
}

TEST (syserr_is_told_when_the_epoll_descriptor_is_gone_and_the_loop_returns) // GL-8
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    struct kit_io io;
    int fd[2];

    ev_set_syserr_cb (note_syserr);
    test_pipe (fd);
    kit_start (loop, &io, fd[1], EV_WRITE);
    ev_run (loop, EVRUN_NOWAIT);
    closes_epoll_fd (loop);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_ge (syserr.calls, 1);
    ck_assert_int_eq (syserr.error, EBADF);
    ck_assert_str_ne (syserr.message, "");
    ck_assert (ev_is_active (&io.w));
    kit_stop_close (loop, &io);
    close (fd[0]);
    ev_loop_destroy (loop);
}

static void starve (const int calls[2], int error);
static const int poll_calls[] = { SYS_poll, SYS_ppoll };

static void poll_that_is_forbidden (void *watched)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_POLL | EVFLAG_NOENV);
    struct kit_io io;
    int *fd = watched;

    kit_start (loop, &io, fd[1], EV_WRITE);
    ev_run (loop, EVRUN_NOWAIT);
    starve (poll_calls, EPERM);
    ev_run (loop, EVRUN_NOWAIT);
    _exit (syserr.calls && syserr.error == EPERM && ev_is_active (&io.w) ? 0 : 1);
}

TEST (syserr_without_a_callback_prints_and_aborts) // AB-2
{
    char message[256];
    int fd[2];

    test_pipe (fd);
    int status = test_child (poll_that_is_forbidden, fd, message, sizeof message);
    ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT, "status 0x%x", status);
    ck_assert_msg (strstr (message, "poll"), "stderr: %s", message);
    close (fd[0]);
    close (fd[1]);
}

TEST (syserr_with_a_callback_goes_on) // AB-2
{
    int fd[2];

    test_pipe (fd);
    ev_set_syserr_cb (note_syserr);
    ck_assert_int_eq (test_child (poll_that_is_forbidden, fd, NULL, 0), 0);
    ev_set_syserr_cb (NULL); /* back to print and abort (GL-8) */
    int status = test_child (poll_that_is_forbidden, fd, NULL, 0);
    ck_assert (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT);
    close (fd[0]);
    close (fd[1]);
}

/* ---- out of memory in the polling call (IO-15) -------------------------------------------------- */

static const int select_calls[] = { SYS_select, SYS_pselect6 };

/* From now on both calls answer that. */
static void starve (const int calls[2], int error)
{
    struct sock_filter code[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[0], 1, 0),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[1], 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned) error),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip ("seccomp filters are not available here");
}

static struct {
    struct ev_loop *loop;
    struct kit_io low, high;
    int fd[2];
} hungry;

static void hungry_begin (unsigned backend)
{
    hungry.loop = ev_loop_new (backend | EVFLAG_NOENV);
    test_pipe (hungry.fd);
    kit_start (hungry.loop, &hungry.low, hungry.fd[0], EV_READ);
    kit_start (hungry.loop, &hungry.high, hungry.fd[1], EV_READ); /* not ready either */
    ev_run (hungry.loop, EVRUN_NOWAIT);
    starve (backend == EVBACKEND_POLL ? poll_calls : select_calls, ENOMEM);
}

static void hungry_end (void)
{
    kit_stop_close (hungry.loop, &hungry.low);
    kit_stop_close (hungry.loop, &hungry.high);
    ev_loop_destroy (hungry.loop);
}

/* Without anybody to ask, descriptors are given up one per failing call, highest first. */
static void check_gives_up_highest (unsigned backend)
{
    hungry_begin (backend);
    ev_run (hungry.loop, EVRUN_NOWAIT);
    ck_assert_int_eq (hungry.high.calls, 1);
    ck_assert_int_eq (hungry.high.revents, KIT_BAD_FD);
    ck_assert (!ev_is_active (&hungry.high.w));
    ck_assert (ev_is_active (&hungry.low.w));
    ev_run (hungry.loop, EVRUN_NOWAIT);
    ck_assert_int_eq (hungry.low.calls, 1);
    ck_assert_int_eq (hungry.low.revents, KIT_BAD_FD);
    ck_assert_int_eq (ev_run (hungry.loop, EVRUN_NOWAIT), 0);
    hungry_end ();
}

/* With a callback, it is told, and no descriptor is touched. */
static void check_tells (unsigned backend)
{
    ev_set_syserr_cb (note_syserr);
    hungry_begin (backend);
    ev_run (hungry.loop, EVRUN_NOWAIT);
    ck_assert_int_eq (syserr.calls, 1);
    ck_assert_int_eq (syserr.error, ENOMEM);
    ck_assert_int_eq (hungry.high.calls + hungry.low.calls, 0);
    ck_assert_int_eq (ev_run (hungry.loop, EVRUN_NOWAIT), 2);
    hungry_end ();
}

TEST (poll_without_memory_gives_up_the_highest_descriptor) // IO-15
{
    check_gives_up_highest (EVBACKEND_POLL);
}

TEST (select_without_memory_gives_up_the_highest_descriptor) // IO-15
{
    check_gives_up_highest (EVBACKEND_SELECT);
}

TEST (poll_without_memory_tells_the_callback_if_there_is_one) // IO-15
{
    check_tells (EVBACKEND_POLL);
}

TEST (select_without_memory_tells_the_callback_if_there_is_one) // IO-15
{
    check_tells (EVBACKEND_SELECT);
}

#ifndef STOCK_LIBEV
static void check_survives (unsigned backend, unsigned then, int (*harm) (struct ev_loop *loop))
{
    struct ev_loop *loop = ev_loop_new (backend | EVFLAG_NOENV);
    struct kit_io in, out;
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &in, fd[0], EV_READ);
    kit_start (loop, &out, fd[1], EV_WRITE);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (harm (loop), 0);
    ev_io_stop (loop, &out.w); /* a change, which is told where nobody hears it */
    ev_io_set (&out.w, fd[1], EV_READ | EV_WRITE);
    ev_io_start (loop, &out.w);
    kit_put (fd[1]);
    for (int i = 0; i < 5; i++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_eq (ev_backend (loop), then);
    ck_assert_int_ge (in.calls, 3);
    ck_assert_int_ge (out.calls, 3);
    ck_assert_int_eq (in.revents, EV_READ);
    kit_stop_close (loop, &in);
    kit_stop_close (loop, &out);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ev_loop_destroy (loop);
}

static int harm_epoll (struct ev_loop *loop)
{
    closes_epoll_fd (loop);
    return 0;
}

TEST (
    epoll_descriptor_that_was_closed_is_made_anew_where_nobody_wants_to_be_told) // not an end, as it is in libev
{
    check_survives (EVBACKEND_EPOLL, EVBACKEND_EPOLL, harm_epoll);
}

static int harm_limit (struct ev_loop *loop)
{
    struct rlimit limit;

    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 0; /* poll(2) then answers EINVAL */
    return setrlimit (RLIMIT_NOFILE, &limit);
}

TEST (poll_with_a_lowered_limit_becomes_select) // likewise
{
    check_survives (EVBACKEND_POLL, EVBACKEND_SELECT, harm_limit);
}

static int harm_both (struct ev_loop *loop)
{
    closes_epoll_fd (loop);
    return harm_limit (loop);
}

TEST (epoll_descriptor_that_cannot_be_made_anew_becomes_select) // likewise
{
    check_survives (EVBACKEND_EPOLL, EVBACKEND_SELECT, harm_both);
}
#endif
