/* whole_test.c: EV_OP_WHOLE. Promises that a read or write so marked moves all its bytes or says why not, and how far it came,
 * whatever the single calls leave over, and that what is linked behind it starts only after all of it. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/ioctl.h>
#include <sys/resource.h>

enum { PIECES = 7, BIG = 300000 };

static unsigned char data[BIG], room[BIG];
static struct iovec vec[PIECES];

/* Pieces of many sizes, one of them empty. */
static struct iovec *pieces (unsigned char *from)
{
    static const size_t sizes[PIECES] = { 1, 70000, 0, 4096, 100003, 7, BIG - 1 - 70000 - 4096 - 100003 - 7 };

    for (size_t i = 0, at = 0; i < PIECES; at += sizes[i++])
        vec[i] = (struct iovec){ from + at, sizes[i] };
    return vec;
}

static void whole (struct ev_loop *loop, struct op *op)
{
    ev_op_flags (&op->w, EV_OP_WHOLE);
    op_start (loop, op);
}

/* ---- through a pipe, which takes and gives pieces ---- */

struct far {
    int fd;
    size_t done;
};

/* The other end of a pipe: a little in each iteration. */
static void far_reads (struct far *far)
{
    unsigned char some[5000];
    ssize_t got;

    if (!kit_polls (far->fd, POLLIN))
        return;
    got = read (far->fd, some, sizeof some);
    ck_assert_int_gt (got, 0);
    ck_assert (op_data_is (some, (size_t) got, far->done));
    far->done += (size_t) got;
}

static void far_writes (struct far *far)
{
    size_t size = BIG - far->done < 3001 ? BIG - far->done : 3001;

    if (!size || !kit_polls (far->fd, POLLOUT))
        return;
    ck_assert_int_eq (write (far->fd, data + far->done, size), (ssize_t) size);
    far->done += size;
}

static ssize_t end_with (struct ev_loop *loop, struct op *op, struct far *far, void (*step) (struct far *far))
{
    for (double until = test_clock () + OP_PATIENCE; !op->ends && test_clock () < until;) {
        ev_run (loop, EVRUN_NOWAIT);
        step (far);
    }
    ck_assert_int_eq (op->ends, 1);
    return op->result;
}

TEST_ENGINES (write_to_a_pipe_that_is_read_slowly_is_whole)
{
    struct ev_loop *loop = test_loop (0);

    op_data (data, BIG, 0);
    for (int vectors = 0; vectors < 2; vectors++) {
        struct far far = { 0, 0 };
        struct op op;
        int fd[2];

        test_pipe (fd);
        far.fd = fd[0];
        if (vectors)
            ev_writev_set (op_new (&op), fd[1], pieces (data), PIECES, -1);
        else
            ev_write_set (op_new (&op), fd[1], data, BIG, -1);
        whole (loop, &op);
        ck_result (end_with (loop, &op, &far, far_reads), BIG);
        ck_assert_uint_eq (op.moved, BIG);
        while (far.done < BIG)
            far_reads (&far);
        ck_assert_uint_eq (vec[0].iov_len, vectors); /* the program's vectors are as they were */
        op_close_both (fd);
    }
}

TEST_ENGINES (read_from_a_pipe_that_is_written_slowly_is_whole)
{
    struct ev_loop *loop = test_loop (0);

    op_data (data, BIG, 0);
    for (int vectors = 0; vectors < 2; vectors++) {
        struct far far = { 0, 0 };
        struct op op;
        int fd[2];

        test_pipe (fd);
        far.fd = fd[1];
        memset (room, 0, BIG);
        if (vectors)
            ev_readv_set (op_new (&op), fd[0], pieces (room), PIECES, -1);
        else
            ev_read_set (op_new (&op), fd[0], room, BIG, -1);
        whole (loop, &op);
        ck_result (end_with (loop, &op, &far, far_writes), BIG);
        ck_assert (op_data_is (room, BIG, 0));
        op_close_both (fd);
    }
}

TEST_ENGINES (read_that_meets_the_end_first_says_so_and_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], file = op_memory_file (1000);
    struct op op;

    test_pipe (fd);
    ck_assert_int_eq (write (fd[1], "123", 3), 3);
    close (fd[1]);
    ev_read_set (op_new (&op), fd[0], room, 5, -1);
    whole (loop, &op);
    ck_result (op_end (loop, &op), -ENODATA);
    ck_assert_uint_eq (op.moved, 3);
    close (fd[0]);
    ev_read_set (op_new (&op), file, room, 600, 500);
    whole (loop, &op);
    ck_result (op_end (loop, &op), -ENODATA);
    ck_assert_uint_eq (op.moved, 500);
    ck_assert (op_data_is (room, 500, 500));
    ev_read_set (op_new (&op), file, room, 600, 400);
    whole (loop, &op);
    ck_result (op_end (loop, &op), 600);
    ck_assert_uint_eq (op.moved, 600);
    ck_assert (op_data_is (room, 600, 400));
    close (file);
}

TEST_ENGINES (write_that_is_cancelled_in_the_middle_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int fd[2], waiting = 0;

    op_data (data, BIG, 0);
    test_pipe (fd);
    ev_write_set (op_new (&op), fd[1], data, BIG, -1);
    whole (loop, &op);
    op_settle (loop);
    op_cancel (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    ck_assert_int_eq (ioctl (fd[0], FIONREAD, &waiting), 0);
    ck_assert_uint_eq (op.moved, (size_t) waiting);
    ck_assert_uint_gt (op.moved, 0);
    ev_op_deadline (&op.w, 0.01); /* the pipe is full */
    op.ends = 0;
    op_start (loop, &op);
    ck_result (op_end (loop, &op), -ETIMEDOUT);
    ck_assert_uint_eq (op.moved, 0);
    op_close_both (fd);
}

TEST_ENGINES (write_and_read_of_a_socket_are_whole)
{
    struct ev_loop *loop = test_loop (0);
    struct op in, out;
    int fd[2];

    op_pair (fd);
    op_data (data, BIG, 0);
    ev_writev_set (op_new (&out), fd[0], pieces (data), PIECES, -1);
    ev_read_set (op_new (&in), fd[1], room, BIG, -1);
    whole (loop, &out);
    whole (loop, &in);
    ck_result (op_end (loop, &out), BIG);
    ck_result (op_end (loop, &in), BIG);
    ck_assert (op_data_is (room, BIG, 0));
    op_close_both (fd);
}

/* ---- a file that takes less than it is given ---- */

static rlim_t sizes_end (rlim_t most)
{
    struct rlimit limit;
    rlim_t before;

    signal (SIGXFSZ, SIG_IGN);
    getrlimit (RLIMIT_FSIZE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = most;
    ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
    return before;
}

static ssize_t limited (struct ev_loop *loop, struct op *op)
{
    rlim_t before = sizes_end (50000);
    ssize_t result;

    op_start (loop, op);
    result = op_end (loop, op);
    sizes_end (before);
    return result;
}

TEST_ENGINES (write_that_a_file_takes_a_part_of_fails_and_says_how_far_it_came)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_file (0);
    struct op op;

    op_data (data, BIG, 0);
    ev_write_set (op_new (&op), file, data, 60000, 0);
    ck_result (limited (loop, &op), 50000); /* so it is without the flag */
    for (int vectors = 0; vectors < 2; vectors++) {
        ck_assert_int_eq (ftruncate (file, 0), 0);
        if (vectors)
            ev_writev_set (op_new (&op), file, pieces (data), PIECES, 0);
        else
            ev_write_set (op_new (&op), file, data, 60000, 0);
        ev_op_flags (&op.w, EV_OP_WHOLE);
        ck_result (limited (loop, &op), -EFBIG);
        ck_assert_uint_eq (op.moved, 50000);
        ck_assert_int_eq (pread (file, room, BIG, 0), 50000);
        ck_assert (op_data_is (room, 50000, 0));
    }
    close (file);
}

TEST_ENGINES (what_is_linked_behind_a_write_starts_only_when_all_is_written)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_file (0);
    struct op written, synced;

    op_data (data, BIG, 0);
    for (int fails = 0; fails < 2; fails++) {
        ev_writev_set (op_new (&written), file, pieces (data), PIECES, 0);
        ev_fsync_set (op_new (&synced), file, 1);
        ev_op_flags (&written.w, EV_OP_WHOLE);
        ev_op_link (&written.w, &synced.w);
        synced.started = 1;
        if (fails)
            ck_result (limited (loop, &written), -EFBIG);
        else
            ck_result (op_started_end (loop, &written), BIG);
        ck_result (op_end (loop, &synced), fails ? -ECANCELED : 0);
        ck_assert_int_eq (ftruncate (file, 0), 0);
    }
    close (file);
}

/* ---- the flag ---- */

TEST_ENGINES (operation_with_the_flag_starts_again_and_set_or_no_flags_take_it_away)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_memory_file (100);
    struct op op;

    ev_read_set (op_new (&op), file, room, 200, 0);
    for (int i = 0; i < 2; i++) { /* twice is once */
        op.ends = 0;
        whole (loop, &op);
        ck_result (op_end (loop, &op), -ENODATA);
        ck_assert_uint_eq (op.moved, 100);
    }
    ev_op_flags (&op.w, 0);
    op.ends = 0;
    op_start (loop, &op);
    ck_result (op_end (loop, &op), 100);
    ev_op_flags (&op.w, EV_OP_WHOLE);
    ev_read_set (&op.w, file, room, 200, 0);
    op.ends = 0;
    op_start (loop, &op);
    ck_result (op_end (loop, &op), 100);
    close (file);
}

TEST_ENGINES (nothing_to_move_is_moved_and_vectors_that_are_nowhere_are_an_error)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_memory_file (10);
    struct op op;

    ev_read_set (op_new (&op), file, room, 0, 0);
    whole (loop, &op);
    ck_result (op_end (loop, &op), 0);
    ev_writev_set (op_new (&op), file, pieces (data), 0, 0);
    whole (loop, &op);
    ck_result (op_end (loop, &op), 0);
    ev_readv_set (op_new (&op), file, NULL, 3, 0);
    whole (loop, &op);
    ck_result (op_end (loop, &op), -EFAULT);
    ev_read_set (op_new (&op), kit_closed_fd (), room, 3, 0);
    whole (loop, &op);
    ck_result (op_end (loop, &op), -EBADF);
    close (file);
}
