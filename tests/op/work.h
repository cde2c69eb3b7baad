/* work.h: a bit of everything: each kind of operation once or more, and what must come of it whichever road it takes. */
#ifndef WORK_H
#define WORK_H

#include "waiting.h"

static void socket_work (struct ev_loop *loop)
{
    struct sockaddr_in address;
    int listener = op_listen (&address, 5), fd = (int) op_do (loop, socket, AF_INET, SOCK_STREAM, 0), peer;
    struct iovec vec = { (void *) "hello", 5 };
    struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };
    struct op accept;
    char buf[8];

    op_begin (loop, &accept, accept, listener, 0);
    ck_result (op_do (loop, connect, fd, (struct sockaddr *) &address, sizeof address), 0);
    op_until (loop, &accept.calls, 1);
    peer = (int) accept.result;
    ck_result (op_do (loop, send, fd, "hello", 5, 0), 5);
    ck_result (op_do (loop, recv, peer, buf, sizeof buf, 0), 5);
    ck_result (op_do (loop, send_zc, peer, "hello", 5, 0), 5);
    ck_result (op_do (loop, read, fd, buf, sizeof buf, -1), 5);
    ck_result (op_do (loop, sendmsg, peer, &message, 0), 5);
    vec.iov_base = buf;
    ck_result (op_do (loop, recvmsg, fd, &message, 0), 5);
    ck_result (op_do (loop, shutdown, fd, SHUT_WR), 0);
    ck_result (op_do (loop, recv, peer, buf, sizeof buf, 0), 0);
    ck_result (op_stop (loop, &accept), -ECANCELED);
    ck_result (op_do (loop, close, peer), 0);
    close (fd);
    close (listener);
}

static void file_work (struct ev_loop *loop)
{
    int folder = op_folder_begin (), fd, out[2];
    struct iovec vec = { (void *) "HELLO", 5 };
    struct statx stat;
    char buf[8];

    fd = (int) op_do (loop, openat, folder, "file", O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge (fd, 0);
    ck_result (op_do (loop, write, fd, "hello", 5, 0), 5);
    ck_result (op_do (loop, fsync, fd, 1), 0);
    ck_result (op_do (loop, fallocate, fd, 0, 0, 10), 0);
    ck_result (op_do (loop, ftruncate, fd, 4), 0);
    ck_result (op_do (loop, read, fd, buf, sizeof buf, 0), 4);
    ck_result (op_do (loop, writev, fd, &vec, 1, 0), 5);
    vec.iov_base = buf;
    ck_result (op_do (loop, readv, fd, &vec, 1, 1), 4);
    ck_assert_int_eq (memcmp (buf, "ELLO", 4), 0);
    ck_assert_int_eq (pipe (out), 0);
    ck_result (op_do (loop, splice, fd, 0, out[1], -1, 4, 0), 4);
    op_close_both (out);
    ck_result (op_do (loop, ftruncate, fd, 4), 0);
    ck_result (op_do (loop, statx, folder, "file", 0, STATX_SIZE, &stat), 0);
    ck_assert_uint_eq (stat.stx_size, 4);
    ck_result (op_do (loop, mkdirat, folder, "inner", 0700), 0);
    ck_result (op_do (loop, renameat, folder, "file", folder, "inner/file", 0), 0);
    ck_result (op_do (loop, unlinkat, folder, "inner/file", 0), 0);
    ck_result (op_do (loop, unlinkat, folder, "inner", AT_REMOVEDIR), 0);
    ck_result (op_do (loop, openat, folder, "file", O_RDONLY, 0), -ENOENT);
    ck_result (op_do (loop, close, fd), 0);
    op_folder_end (folder);
}

static void pool_work (struct ev_loop *loop)
{
    ev_pool *pool = ev_pool_new (loop, 16, 4);
    struct op op;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv_pool, fd[0], pool, 0);
    for (int i = 1; i <= 20; i++) {
        ck_assert_int_eq (write (fd[1], "hello", 5), 5);
        op_until (loop, &op.calls, i);
        ck_result (op.result, 5);
    }
    close (fd[1]);
    ck_result (op_end (loop, &op), 0);
    close (fd[0]);
    ev_pool_free (loop, pool);
}

static void child_work (struct ev_loop *loop)
{
    struct place place;
    struct op op;
    siginfo_t info;

    open_child (&place);
    op_begin (loop, &op, waitid, P_PID, place.pid, &info, WEXITED);
    op_settle (loop);
    kill_child (&place);
    ck_result (op_end (loop, &op), 0);
    ck_assert_int_eq (info.si_status, SIGKILL);
}

static KIT_UNUSED void work (struct ev_loop *loop)
{
    socket_work (loop);
    file_work (loop);
    pool_work (loop);
    child_work (loop);
    op_all_over (loop);
}

#endif
