/* ops_test.c: ops/ with a kernel that lacks operations, and that answers what it seldom answers. Promises that what
 * the ring cannot do is done on the other road with the same result, and that no code of the kernel's own comes out. */
#include "unit.h"

#define op_stop kit_stop_op /* the kit speaks of the same things as ops/op.c */
#include "../op/work.h"

static struct ev_loop *ring_loop (void)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_IOURING | EVFLAG_NOENV);
    char byte;

    if (!loop)
        test_skip ("no io_uring here");
    ck_result (op_do (loop, recv, -1, &byte, 1, 0), -EBADF); /* from now on it knows what the ring can do */
    ck_result (op_do (loop, read, AT_FDCWD, &byte, 1, 0), -EBADF);
    return loop;
}

/* The kernel lacks the operations of this mask. */
static void forget (struct ev_loop *loop, uint64_t opcodes)
{
    uint32_t lost = 0;

    for (unsigned code = 0; code < EVI_CODES; code++)
        if (evi_op_kinds[code].needs & opcodes)
            lost |= (uint32_t) 1 << code;
    loop->ops->knows &= ~opcodes;
    loop->ops->able &= ~lost;
    loop->ops->straight = 0;
}

static void end (struct ev_loop *loop)
{
    ev_verify (loop);
    ev_loop_destroy (loop);
}

static const unsigned opcodes[] = {
    EVI_OP_READV,   EVI_OP_WRITEV,    EVI_OP_FSYNC,      EVI_OP_SENDMSG,  EVI_OP_RECVMSG,
    EVI_OP_CONNECT, EVI_OP_FALLOCATE, EVI_OP_OPENAT,     EVI_OP_READ,     EVI_OP_WRITE,
    EVI_OP_SEND,    EVI_OP_RECV,      EVI_OP_SPLICE,     EVI_OP_RENAMEAT, EVI_OP_UNLINKAT,
    EVI_OP_MKDIRAT, EVI_OP_FTRUNCATE, EVI_OP_SENDMSG_ZC, /* the sign of a kernel whose close is good */
};

TEST (operation_the_kernel_lacks_is_done_on_the_other_road)
{
    struct ev_loop *loop = ring_loop ();
    unsigned long long usual;
    uint64_t had;

    TEST_SECONDS (30);
    work (loop);
    usual = loop->stats.ops_ready;
    had = loop->ops->knows;
    end (loop);
    for (unsigned i = 0; i < EVI_COUNT (opcodes); i++) {
        if (!(had >> opcodes[i] & 1)) /* so it was in the usual count */
            continue;
        loop = ring_loop ();
        forget (loop, UINT64_C (1) << opcodes[i]);
        work (loop);
        ck_assert_msg (loop->stats.ops_ready > usual, "operation %u of the ring was done there", opcodes[i]);
        end (loop);
    }
}

/* Signs of what else a kernel can do: repeat a receive, send without copying. */
TEST (kernel_that_cannot_repeat_is_asked_again_and_again)
{
    static const unsigned signs[] = { EVI_OP_SEND_ZC };

    for (unsigned i = 0; i < EVI_COUNT (signs); i++) {
        struct ev_loop *loop = ring_loop ();

        forget (loop, UINT64_C (1) << signs[i]);
        work (loop);
        end (loop);
    }
}

TEST (kernel_that_lacks_them_all_is_not_asked_for_any)
{
    struct ev_loop *loop = ring_loop ();
    unsigned long long before = loop->stats.ops_ring;

    forget (loop, UINT64_MAX);
    work (loop);
    ck_assert_uint_eq (loop->stats.ops_ring, before);
    ck_assert_uint_gt (loop->stats.ops_ready, 20);
    end (loop);
}

static void check_send_zc (struct ev_loop *loop, int fd, size_t size, unsigned opcode)
{
    static const char data[EVI_ZERO_COPY_BYTES];
    struct op op;

    op_begin (loop, &op, send_zc, fd, data, size, 0);
    evi_ops_reify (loop);
    ck_assert_uint_eq (evi_ring_unsent (&loop->ring->ring, 0)->opcode, opcode);
    ck_result (op_end (loop, &op), size);
}

TEST (send_without_copying_is_asked_for_where_the_kernel_has_it_and_it_is_worth_while)
{
    const uint64_t zero_copy = UINT64_C (1) << EVI_OP_SEND_ZC;
    struct ev_loop *loop = ring_loop ();
    int fd[2];

    test_socketpair (fd);
    forget (loop, 0);
    check_send_zc (loop, fd[0], EVI_ZERO_COPY_BYTES - 1, EVI_OP_SEND);
    if (loop->ops->knows & zero_copy)
        for (int i = 0; i < EVI_ZERO_COPY_COPIED; i++) /* a unix socket refuses */
            check_send_zc (loop, fd[0], EVI_ZERO_COPY_BYTES, EVI_OP_SEND_ZC);
    check_send_zc (loop, fd[0], EVI_ZERO_COPY_BYTES, EVI_OP_SEND);
    op_close_both (fd);
    test_socketpair (fd);
    forget (loop, zero_copy);
    check_send_zc (loop, fd[0], EVI_ZERO_COPY_BYTES, EVI_OP_SEND);
    op_close_both (fd);
    end (loop);
}

/* So many operations without sleep, whose completions on the ring say res instead. What the first one said. */
static int32_t answer_all (struct ev_loop *loop, unsigned count, int32_t res)
{
    struct evi_loopring *it = loop->ring;
    struct evi_ring *ring = &it->ring;
    int32_t said;

    evi_ops_reify (loop);
    ck_assert_int_eq (loop->backend->wait (loop, 0), 0);
    ck_assert_uint_eq (it->stash_count + evi_ring_ready (ring), count);
    said = it->stash_count ? it->stash[0].res : evi_ring_peek (ring, 0)->res;
    for (unsigned i = 0; i < it->stash_count; i++) /* 5.10 stops at what it refuses, and is called again */
        it->stash[i].res = res;
    for (unsigned i = 0; i < evi_ring_ready (ring); i++)
        ring->cqes[(*ring->cq_head + i) & (ring->cq_entries - 1)].res = res;
    loop->backend->reap (loop);
    return said;
}

static int32_t answer (struct ev_loop *loop, int32_t res)
{
    return answer_all (loop, 1, res);
}

TEST (codes_of_the_kernels_own_come_out_as_eintr)
{
    struct ev_loop *loop = ring_loop ();
    static const int32_t codes[] = { -512, -513, -514, -516 };
    struct op op;
    char byte;
    int fd[2];

    op_pair (fd);
    for (unsigned i = 0; i < EVI_COUNT (codes); i++) {
        op_begin (loop, &op, recv, fd[0], &byte, 1, 0);
        kit_put (fd[1]);
        answer (loop, codes[i]);
        ck_result (op_end (loop, &op), -EINTR);
    }
    op_close_both (fd);
    end (loop);
}

/* Before 6.18 a write to a pipe cannot be asked to spare us the signal. */
TEST (quiet_write_the_kernel_does_not_know_is_done_on_the_other_road)
{
    struct ev_loop *loop = ring_loop ();
    struct op op;
    char buf[8];
    int fd[2];

    signal (SIGPIPE, SIG_DFL);
    ck_assert_int_eq (pipe (fd), 0);
    op_begin (loop, &op, write, fd[1], "hello", 5, -1);
    if (answer (loop, -EOPNOTSUPP) == 5)
        ck_assert_int_eq (read (fd[0], buf, sizeof buf), 5); /* the kernel has done it all the same */
    ck_result (op_end (loop, &op), 5);
    ck_assert_int_eq (read (fd[0], buf, sizeof buf), 5);
    close (fd[0]);
    ck_result (op_do (loop, write, fd[1], "hello", 5, -1), -EPIPE);
    close (fd[1]);
    work (loop);
    end (loop);
}

TEST (several_quiet_writes_at_once_are_all_done_on_the_other_road)
{
    enum { WRITES = 3 };
    struct ev_loop *loop = ring_loop ();
    struct op ops[WRITES];
    char buf[8];
    int fd[WRITES][2], knows;

    for (int i = 0; i < WRITES; i++) {
        ck_assert_int_eq (pipe (fd[i]), 0);
        op_begin (loop, &ops[i], write, fd[i][1], "hello", 5, -1);
    }
    knows = answer_all (loop, WRITES, -EOPNOTSUPP) == 5;
    for (int i = 0; i < WRITES; i++) {
        ck_result (op_end (loop, &ops[i]), 5);
        if (knows) /* the kernel has done it all the same */
            ck_assert_int_eq (read (fd[i][0], buf, 5), 5);
        ck_assert_int_eq (read (fd[i][0], buf, 5), 5);
        op_close_both (fd[i]);
    }
    end (loop);
}

static int no_memory_left; /* calls that it is for */

static int no_memory (const char *call)
{
    return !strcmp (call, "io_uring_enter") && no_memory_left && no_memory_left-- ? EAGAIN : 0;
}

/* The loop sleeps in another call, which does not submit. */
TEST (submission_that_the_kernel_has_no_memory_for_is_not_slept_over)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    struct op op;
    char byte;
    int fd[2];

    if (ev_op_ring (loop) < 0)
        test_skip ("no io_uring here");
    op_pair (fd);
    kit_put (fd[1]);
    op_begin (loop, &op, recv, fd[0], &byte, 1, 0);
    no_memory_left = 1;
    evi_sys_fault = no_memory;
    loop->op_told = 0;
    ck_assert_int_ne (evi_ops_reify (loop), 0);
    evi_sys_fault = NULL;
    ck_assert_int_eq (no_memory_left, 0);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
    end (loop);
}

/* Kernels that cannot read a pipe without sleeping wait there for data that nobody wants. */
TEST (nothing_to_read_is_not_asked_of_the_ring)
{
    struct ev_loop *loop = ring_loop ();
    unsigned long long before = loop->stats.ops_ring;
    char byte;
    int fd[2];

    ck_assert_int_eq (pipe (fd), 0);
    ck_result (op_do (loop, read, fd[0], &byte, 0, -1), 0);
    ck_result (op_do (loop, readv, fd[0], NULL, 0, -1), 0);
    ck_result (op_do (loop, read, -1, &byte, 0, -1), -EBADF);
    ck_assert_uint_eq (loop->stats.ops_ring, before);
    op_close_both (fd);
    end (loop);
}

/* A kernel that does not say how far it came is not asked to go on by itself. */
TEST (kernel_that_keeps_no_count_loses_none)
{
    struct ev_loop *loop = ring_loop ();
    unsigned char *data = op_memory (PLACE_BIG);
    struct op op;
    int fd[2];

    forget (loop, UINT64_C (1) << EVI_OP_SENDMSG_ZC);
    op_pair (fd);
    op_begin (loop, &op, send, fd[0], data, PLACE_BIG, 0);
    evi_ops_reify (loop);
    ck_assert_int_eq (loop->backend->wait (loop, 0), 0);
    ck_assert_msg (evi_ring_ready (&loop->ring->ring), "the kernel keeps a part to itself");
    op_settle (loop);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_uint_gt (op.moved, 0);
    ck_assert_uint_eq (op_drain (fd[1]), op.moved);
    op_close_both (fd);
    free (data);
    end (loop);
}

TEST (receive_the_kernel_cancelled_by_itself_tells_the_program)
{
    struct ev_loop *loop = ring_loop ();
    struct op op;
    char byte;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], &byte, 1, 0);
    kit_put (fd[1]);
    answer (loop, -ECANCELED);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_int_eq (op.calls, 1);
    op_close_both (fd);
    end (loop);
}

/* What would be submitted next for an operation of which so much is done. */
static ev_op rest_after (ev_op *op, size_t moved)
{
    ev_op rest;

    op->moved = moved;
    evi_whole_rest (op, &rest);
    return rest;
}

TEST (rest_of_a_whole_operation_begins_where_it_has_come_to)
{
    static char data[100];
    struct iovec vec[] = { { data, 10 }, { data + 10, 0 }, { data + 10, 20 }, { data + 30, 70 } };
    struct op op;
    ev_op rest;

    ev_write_set (op_new (&op), 3, data, 100, 1000);
    ev_op_flags (&op.w, EV_OP_WHOLE);
    rest = rest_after (&op.w, 60);
    ck_assert_str_eq (evi_op_kind (&rest)->name, "write");
    ck_assert_ptr_eq (rest.buf, data + 60);
    ck_assert_uint_eq (rest.size, 40);
    ck_assert_int_eq (rest.offset, 1060);
    ev_readv_set (op_new (&op), 3, vec, 4, 1000);
    ev_op_flags (&op.w, EV_OP_WHOLE);
    rest = rest_after (&op.w, 10); /* between two */
    ck_assert_str_eq (evi_op_kind (&rest)->name, "readv");
    ck_assert_ptr_eq (rest.buf, vec + 2);
    ck_assert_uint_eq (rest.size, 2);
    ck_assert_int_eq (rest.offset, 1010);
    rest = rest_after (&op.w, 15); /* inside one */
    ck_assert_str_eq (evi_op_kind (&rest)->name, "read");
    ck_assert_ptr_eq (rest.buf, data + 15);
    ck_assert_uint_eq (rest.size, 15);
    ck_assert_int_eq (rest.offset, 1015);
    ev_readv_set (op_new (&op), 3, vec, 4, -1);
    ev_op_flags (&op.w, EV_OP_WHOLE);
    ck_assert_int_eq (rest_after (&op.w, 15).offset, -1);
}

TEST (whole_operation_is_not_cut_to_what_one_call_can_move)
{
    const size_t most = (size_t) EVI_BYTES_MAX, size = most + 4096;
    static char data[1];
    struct op op;

    ev_write_set (op_new (&op), 3, data, size, 0);
    ck_assert_uint_eq (op.w.size, most);
    ev_op_flags (&op.w, EV_OP_WHOLE);
    ck_assert_uint_eq (rest_after (&op.w, 0).size, most);
    ck_assert_uint_eq (rest_after (&op.w, most).size, 4096);
    ck_assert_int_eq (rest_after (&op.w, most).offset, (int64_t) most);
}
