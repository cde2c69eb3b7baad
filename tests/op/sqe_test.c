/* sqe_test.c: raw submission entries. Promises that what the kernel answers is what the program is told, where there
 * is a ring, and -EOPNOTSUPP where there is none; that entries which would upset the loop are refused. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <linux/io_uring.h>

static void need_ring (void)
{
    if (!test_engine_ring ())
        test_skip ("no ring, no submission entries");
}

static struct io_uring_sqe sqe_of (unsigned char opcode, int fd)
{
    struct io_uring_sqe sqe;

    memset (&sqe, 0, sizeof sqe);
    sqe.opcode = opcode;
    sqe.fd = fd;
    return sqe;
}

static struct io_uring_sqe sqe_poll (int fd, int multi)
{
    struct io_uring_sqe sqe = sqe_of (IORING_OP_POLL_ADD, fd);

    sqe.poll32_events = POLLIN;
    sqe.len = multi ? IORING_POLL_ADD_MULTI : 0;
    return sqe;
}

TEST_ENGINES (entry_is_refused_where_there_is_no_ring)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe = sqe_of (IORING_OP_NOP, -1);

    ck_result (op_do (loop, sqe, &sqe), test_engine_ring () ? 0 : -EOPNOTSUPP);
    op_all_over (loop);
}

TEST_ENGINES (entry_reads_a_file)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    int fd = op_file (100);
    char buf[50];

    need_ring ();
    sqe = sqe_of (IORING_OP_READ, fd);
    sqe.addr = (uintptr_t) buf;
    sqe.len = sizeof buf;
    sqe.off = 50;
    ck_result (op_do (loop, sqe, &sqe), 50);
    ck_assert (op_data_is (buf, 50, 50));
    close (fd);
}

TEST_ENGINES (entry_with_an_error_tells_it)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    char buf[8];

    need_ring ();
    sqe = sqe_of (IORING_OP_READ, -1);
    sqe.addr = (uintptr_t) buf;
    sqe.len = sizeof buf;
    ck_result (op_do (loop, sqe, &sqe), -EBADF);
    sqe = sqe_of (255, -1); /* no kernel knows it */
    ck_result (op_do (loop, sqe, &sqe), -EINVAL);
    ck_result (op_do (loop, sqe, &sqe), -EINVAL);
    op_all_over (loop);
}

TEST_ENGINES (entry_that_would_upset_the_loop_is_refused)
{
    static const unsigned char flags[] = { IOSQE_IO_DRAIN, IOSQE_IO_LINK, IOSQE_IO_HARDLINK,
                                           IOSQE_BUFFER_SELECT, IOSQE_CQE_SKIP_SUCCESS };
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;

    need_ring ();
    for (unsigned i = 0; i < sizeof flags; i++) {
        sqe = sqe_of (IORING_OP_NOP, -1);
        sqe.flags = flags[i];
        ck_result (op_do (loop, sqe, &sqe), -EINVAL);
    }
    sqe = sqe_of (IORING_OP_NOP, -1);
    sqe.flags = IOSQE_ASYNC; /* this one does no harm */
    ck_result (op_do (loop, sqe, &sqe), 0);
}

/* The ring has a table of files, and the only one in it is ours. */
TEST_ENGINES (entry_does_not_reach_files_that_are_registered)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    int fd[2], before;
    char buf[8];

    need_ring ();
    op_pair (fd);
    ck_result (op_do (loop, sqe, &(struct io_uring_sqe){ .opcode = IORING_OP_NOP, .fd = -1 }), 0);
    before = test_fd_count ();
    for (int index = 0; index < 2; index++) {
        sqe = sqe_poll (index, 0);
        sqe.flags = IOSQE_FIXED_FILE;
        ck_result (op_do (loop, sqe, &sqe), -EBADF);
        sqe = sqe_of (IORING_OP_WRITE, index);
        sqe.flags = IOSQE_FIXED_FILE;
        sqe.addr = (uintptr_t) "x";
        sqe.len = 1;
        ck_result (op_do (loop, sqe, &sqe), -EBADF);
        sqe = sqe_of (IORING_OP_SPLICE, fd[0]);
        sqe.splice_fd_in = index;
        sqe.splice_flags = SPLICE_F_FD_IN_FIXED;
        sqe.off = sqe.splice_off_in = (uint64_t) -1;
        sqe.len = 1;
        ck_result (op_do (loop, sqe, &sqe), -EBADF);
    }
    sqe = sqe_of (IORING_OP_CLOSE, 0);
    sqe.file_index = 1;
    ck_result (op_do (loop, sqe, &sqe), -EBADF);
    sqe = sqe_of (IORING_OP_SOCKET, AF_INET);
    sqe.off = SOCK_STREAM;
    sqe.file_index = 1;
    ck_result (op_do (loop, sqe, &sqe), -EBADF);
    sqe = sqe_of (IORING_OP_OPENAT, AT_FDCWD);
    sqe.addr = (uintptr_t) "/";
    sqe.file_index = 1;
    ck_result (op_do (loop, sqe, &sqe), -EBADF);
    sqe = sqe_of (IORING_OP_FILES_UPDATE, -1);
    sqe.addr = (uintptr_t) fd;
    sqe.len = 1;
    ck_result (op_do (loop, sqe, &sqe), -EBADF);
    ck_assert_int_eq (test_fd_count (), before);
    sqe = sqe_of (IORING_OP_RECV, fd[0]); /* the kernel's own word: there is none */
    sqe.addr = (uintptr_t) buf;
    sqe.len = sizeof buf;
    kit_put (fd[1]);
    ck_result (op_do (loop, sqe, &sqe), 1);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (entry_keeps_its_user_data_to_itself)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe, before;

    need_ring ();
    for (uint64_t data = 1; data; data <<= 4) {
        sqe = sqe_of (IORING_OP_NOP, -1);
        sqe.user_data = data * 15;
        before = sqe;
        ck_result (op_do (loop, sqe, &sqe), 0);
        ck_assert_int_eq (memcmp (&sqe, &before, sizeof sqe), 0);
    }
}

TEST_ENGINES (entry_waits_and_is_cancelled_and_stopped)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    struct op op;
    int fd[2];

    need_ring ();
    op_pair (fd);
    sqe = sqe_poll (fd[0], 0);
    op_begin (loop, &op, sqe, &sqe);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    op_begin (loop, &op, sqe, &sqe);
    op_settle (loop);
    ck_result (op_stop (loop, &op), -ECANCELED);
    op_begin (loop, &op, sqe, &sqe);
    op_settle (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), POLLIN);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (entry_with_more_completions_tells_each)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    struct op op;
    int fd[2];

    need_ring ();
    op_pair (fd);
    sqe = sqe_poll (fd[0], 1);
    op_begin (loop, &op, sqe, &sqe);
    for (int i = 1; i <= 5; i++) {
        kit_put (fd[1]);
        op_until (loop, &op.calls, i);
        ck_assert_int_eq (op.revents, EV_OP | EV_OP_MORE);
        ck_assert_uint_eq (op.moved & IORING_CQE_F_MORE, IORING_CQE_F_MORE);
        kit_get (fd[0]);
    }
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_int_eq (op.calls, 6);
    op_begin (loop, &op, sqe, &sqe);
    op_settle (loop);
    op_stop (loop, &op);
    kit_put (fd[1]);
    op_settle (loop);
    op_all_over (loop);
    op_close_both (fd);
}

TEST_ENGINES (entry_that_sends_without_copying_has_its_notification_told)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    struct op op;
    char buf[16];
    int fd[2];

    need_ring ();
    op_tcp_pair (fd);
    sqe = sqe_of (IORING_OP_SEND_ZC, fd[0]);
    sqe.addr = (uintptr_t) "hello";
    sqe.len = 5;
    op_begin (loop, &op, sqe, &sqe);
    op_end (loop, &op);
    if (op.calls == 1 && op.result == -EINVAL)
        test_skip ("this kernel cannot send without copying");
    ck_assert_int_eq (op.calls, 2);
    ck_assert_int_eq ((int) op.total, 5);
    ck_assert (op.moved & IORING_CQE_F_NOTIF);
    ck_assert_int_eq (recv (fd[1], buf, sizeof buf, 0), 5);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (entry_with_a_timeout_ends_in_time)
{
    struct ev_loop *loop = test_loop (0);
    struct __kernel_timespec soon = { .tv_nsec = 20000000 };
    struct io_uring_sqe sqe;

    need_ring ();
    sqe = sqe_of (IORING_OP_TIMEOUT, -1);
    sqe.addr = (uintptr_t) &soon;
    sqe.len = 1;
    ck_result (op_do (loop, sqe, &sqe), -ETIME);
    op_all_over (loop);
}

TEST_ENGINES (entries_by_the_hundred_complete_each_once)
{
    enum { ENTRIES = 700 };
    static struct op ops[ENTRIES];
    static struct io_uring_sqe sqes[ENTRIES];
    struct ev_loop *loop = test_loop (0);

    need_ring ();
    for (int i = 0; i < ENTRIES; i++) {
        sqes[i] = sqe_of (IORING_OP_NOP, -1);
        op_begin (loop, &ops[i], sqe, &sqes[i]);
    }
    for (int i = 0; i < ENTRIES; i++)
        ck_result (op_end (loop, &ops[i]), 0);
    op_all_over (loop);
    for (int i = 0; i < ENTRIES; i++)
        ck_assert_int_eq (ops[i].calls, 1);
}

TEST_ENGINES (entry_with_a_deadline_times_out)
{
    struct ev_loop *loop = test_loop (0);
    struct io_uring_sqe sqe;
    struct op op;
    int fd[2];

    need_ring ();
    op_pair (fd);
    sqe = sqe_poll (fd[0], 0);
    ev_sqe_set (op_new (&op), &sqe);
    ev_op_deadline (&op.w, 0.02);
    op_start (loop, &op);
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    op_close_both (fd);
}
