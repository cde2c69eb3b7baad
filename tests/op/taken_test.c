/* taken_test.c: buffers of a pool that the program takes, to read files into and write them from. Promises that each
 * is in one place only, that a ring which knows their memory is used where there is one, and that nothing else changes:
 * with many pools, after a fork, after the loop has moved, and where the kernel refuses to hold the memory. */
#define _GNU_SOURCE
#include "op_kit.h"

enum { SIZE = 4096, COUNT = 8 };

struct blocks {
    ev_pool *pool;
    char *at[COUNT];
    struct op op[COUNT];
    int done;
};

static void blocks_begin (struct ev_loop *loop, struct blocks *blocks)
{
    memset (blocks, 0, sizeof *blocks);
    blocks->pool = ev_pool_new (loop, SIZE, COUNT);
    ck_assert_ptr_nonnull (blocks->pool);
    for (int i = 0; i < COUNT; i++) {
        blocks->at[i] = ev_pool_take (blocks->pool);
        ck_assert_ptr_nonnull (blocks->at[i]);
    }
}

static void block_done (struct ev_loop *loop, struct op *op)
{
    struct blocks *blocks = op->arg;

    ck_result (op->result, SIZE);
    blocks->done++;
}

static void block_start (struct ev_loop *loop, struct blocks *blocks, int i)
{
    blocks->op[i].then = block_done;
    blocks->op[i].arg = blocks;
    op_start (loop, &blocks->op[i]);
}

/* All at once: what is alone may be read on the spot. */
static void read_all (struct ev_loop *loop, struct blocks *blocks, int fd)
{
    blocks->done = 0;
    for (int i = 0; i < COUNT; i++) {
        memset (blocks->at[i], 0, SIZE);
        ev_read_set (op_new (&blocks->op[i]), fd, blocks->at[i], SIZE, (int64_t) i * SIZE);
        block_start (loop, blocks, i);
    }
    op_until (loop, &blocks->done, COUNT);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg (op_data_is (blocks->at[i], SIZE, (size_t) i * SIZE), "block %d is not what was read",
                       i);
}

static int may_lock_memory (void)
{
    struct rlimit limit;

    getrlimit (RLIMIT_MEMLOCK, &limit);
    return geteuid () == 0 || limit.rlim_cur >= 1 << 22;
}

/* Since 5.19 a ring can know memory. */
static int ring_knows_memory (void)
{
    return test_engine_ring () && may_lock_memory () && kit_kernel_from (5, 19);
}

/* How many of them came from memory that the ring knows. */
static unsigned long long write_all (struct ev_loop *loop, struct blocks *blocks, int fd)
{
    unsigned long long before = op_stats (loop).ops_pinned;

    blocks->done = 0;
    for (int i = 0; i < COUNT; i++) {
        op_data (blocks->at[i], SIZE, (size_t) i * SIZE);
        ev_write_set (op_new (&blocks->op[i]), fd, blocks->at[i], SIZE, (int64_t) i * SIZE);
        block_start (loop, blocks, i);
    }
    op_until (loop, &blocks->done, COUNT);
    return op_stats (loop).ops_pinned - before;
}

/* More are counted where a kernel before 6.18 refuses the first try (no signals). */
static void write_all_pinned (struct ev_loop *loop, struct blocks *blocks, int fd)
{
    unsigned long long count = write_all (loop, blocks, fd);

    if (ring_knows_memory ())
        ck_assert_uint_ge (count, COUNT);
    else
        ck_assert_uint_eq (count, 0);
}

TEST_ENGINES (each_buffer_is_taken_once)
{
    struct ev_loop *loop = test_loop (0);
    struct blocks b;

    blocks_begin (loop, &b);
    for (int i = 0; i < COUNT; i++)
        ck_assert_ptr_eq (b.at[i], b.at[0] + i * SIZE);
    ck_assert_uint_eq ((uintptr_t) b.at[0] % (uintptr_t) sysconf (_SC_PAGESIZE), 0);
    ck_assert_ptr_null (ev_pool_take (b.pool));
    ev_pool_give (b.pool, b.at[3] + 17); /* any address inside */
    ck_assert_ptr_eq (ev_pool_take (b.pool), b.at[3]);
    ck_assert_ptr_null (ev_pool_take (b.pool));
    ev_pool_free (loop, b.pool);
}

TEST_ENGINES (files_are_written_from_taken_buffers_and_read_into_them)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (0);
    struct blocks b;

    blocks_begin (loop, &b);
    write_all_pinned (loop, &b, fd);
    read_all (loop, &b, fd);
    ev_pool_free (loop, b.pool);
    close (fd);
    op_all_over (loop);
}

TEST_ENGINES (parts_of_taken_buffers_and_several_at_once_are_read_into)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (COUNT * SIZE);
    struct blocks b;

    blocks_begin (loop, &b);
    memset (b.at[0], 7, COUNT * SIZE);
    ck_result (op_do (loop, read, fd, b.at[1] + 100, 50, 1000), 50);
    ck_assert (op_data_is (b.at[1] + 100, 50, 1000));
    ck_assert_int_eq (b.at[1][99], 7);
    ck_assert_int_eq (b.at[1][150], 7);
    ck_result (op_do (loop, read, fd, b.at[0], COUNT * SIZE, 0), COUNT * SIZE);
    ck_assert (op_data_is (b.at[0], COUNT * SIZE, 0));
    ck_result (op_do (loop, read, fd, b.at[COUNT - 1] + SIZE - 1, 1, 3), 1);
    ck_assert (op_data_is (b.at[COUNT - 1] + SIZE - 1, 1, 3));
    ck_result (op_do (loop, read, fd, b.at[2], SIZE, -1), SIZE); /* at the current position */
    ck_result (op_do (loop, read, fd, b.at[3], SIZE, -1), SIZE);
    ck_assert (op_data_is (b.at[3], SIZE, SIZE));
    close (fd);
    op_all_over (loop);
}

TEST_ENGINES (pipes_and_sockets_are_read_into_taken_buffers_too)
{
    struct ev_loop *loop = test_loop (0);
    struct blocks b;
    int fd[2];

    blocks_begin (loop, &b);
    ck_assert_int_eq (pipe2 (fd, O_CLOEXEC), 0);
    op_data (b.at[0], 100, 0);
    ck_result (op_do (loop, write, fd[1], b.at[0], 100, -1), 100);
    ck_result (op_do (loop, read, fd[0], b.at[1], SIZE, -1), 100);
    ck_assert (op_data_is (b.at[1], 100, 0));
    op_close_both (fd);
    op_pair (fd);
    ck_result (op_do (loop, write, fd[1], b.at[1], 100, -1), 100);
    ck_result (op_do (loop, read, fd[0], b.at[2], SIZE, -1), 100);
    ck_assert (op_data_is (b.at[2], 100, 0));
    close (fd[0]);
    ck_result (op_do (loop, write, fd[1], b.at[1], 100, -1), -EPIPE); /* and no signal */
    close (fd[1]);
    op_all_over (loop);
}

/* More than the ring has places for, twice over: places come back with their pools. */
TEST_ENGINES (many_pools_come_and_go)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (COUNT * SIZE);
    struct blocks *b = op_memory (70 * sizeof *b);

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 70; i++) {
            blocks_begin (loop, &b[i]);
            read_all (loop, &b[i], fd);
        }
        for (int i = 0; i < 70; i += 2)
            read_all (loop, &b[i], fd);
        for (int i = 0; i < 70; i++)
            ev_pool_free (loop, b[(i * 31 + round) % 70].pool);
    }
    free (b);
    close (fd);
    op_all_over (loop);
}

TEST_ENGINES (pool_that_has_ended_leaves_its_place_to_the_next)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (0);
    struct blocks b;

    for (int i = 0; i < 100; i++) {
        blocks_begin (loop, &b);
        write_all_pinned (loop, &b, fd);
        ev_pool_free (loop, b.pool);
    }
    close (fd);
    op_all_over (loop);
}

/* ---- the ring is another one ---------------------------------------------------------------------- */

TEST_ENGINES (fork_child_reads_into_its_own_copies)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (COUNT * SIZE), status;
    struct blocks b;
    pid_t pid;

    blocks_begin (loop, &b);
    read_all (loop, &b, fd);
    memset (b.at[0], 7, COUNT * SIZE);
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (!pid) {
        ev_loop_fork (loop);
        read_all (loop, &b, fd);
        write_all_pinned (loop, &b, fd);
        _exit (0);
    }
    ck_assert_int_eq (waitpid (pid, &status, 0), pid);
    ck_assert_int_eq (status, 0);
    for (int i = 0; i < COUNT * SIZE; i++)
        ck_assert_int_eq (b.at[0][i], 7); /* nothing of the child's came here */
    read_all (loop, &b, fd);
    close (fd);
    op_all_over (loop);
}

struct elsewhere {
    struct ev_loop *loop;
    struct blocks *blocks;
    int fd;
};

static void *read_elsewhere (void *arg)
{
    struct elsewhere *e = arg;

    read_all (e->loop, e->blocks, e->fd);
    write_all_pinned (e->loop, e->blocks, e->fd);
    return NULL;
}

TEST_ENGINES (loop_that_has_moved_to_another_thread_reads_into_them_as_before)
{
    struct ev_loop *loop = test_loop (0);
    struct blocks b;
    struct elsewhere e = { loop, &b, op_file (COUNT * SIZE) };
    pthread_t thread;

    blocks_begin (loop, &b);
    read_all (loop, &b, e.fd);
    ck_assert_int_eq (pthread_create (&thread, NULL, read_elsewhere, &e), 0);
    pthread_join (thread, NULL);
    read_all (loop, &b, e.fd);
    close (e.fd);
    op_all_over (loop);
}

/* ---- refused, and in use already ------------------------------------------------------------------- */

/* Somebody who may lock this much, and no more; root may lock what it likes. */
static void limit_locked_memory (size_t size)
{
    struct rlimit limit = { size, size };

    ck_assert_int_eq (setrlimit (RLIMIT_MEMLOCK, &limit), 0);
    if (geteuid () == 0 && setresuid (65534, 65534, 65534))
        test_skip ("cannot become somebody else");
}

TEST_ENGINES (memory_the_kernel_will_not_hold_is_read_into_as_ever)
{
    enum { MEGABYTE = 1 << 20 };
    struct op ops[2];
    int fd = op_file (3 * SIZE);
    struct ev_loop *loop;
    char *big;

    limit_locked_memory (4 * MEGABYTE);
    loop = test_loop (0);
    big = ev_pool_take (ev_pool_new (loop, 8 * MEGABYTE, 1));
    ck_assert_ptr_nonnull (big);
    for (int i = 0; i < 2; i++)
        op_begin (loop, &ops[i], read, fd, big + i * MEGABYTE, SIZE, i * SIZE);
    for (int i = 0; i < 2; i++) {
        ck_result (op_end (loop, &ops[i]), SIZE);
        ck_assert (op_data_is (big + i * MEGABYTE, SIZE, (size_t) i * SIZE));
    }
    ck_result (op_do (loop, write, fd, big + MEGABYTE, SIZE, 2 * SIZE), SIZE);
    ck_assert_uint_eq (op_stats (loop).ops_pinned, 0);
    close (fd);
    op_all_over (loop);
}

TEST_ENGINES (pool_serves_receivers_and_the_program_at_the_same_time)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], file = op_file (COUNT * SIZE);
    struct blocks b;
    struct op receiver;
    char data[100];

    blocks_begin (loop, &b);
    for (int i = COUNT / 2; i < COUNT; i++)
        ev_pool_give (b.pool, b.at[i]);
    op_pair (fd);
    op_begin (loop, &receiver, recv_pool, fd[0], b.pool, 0);
    for (int i = 1; i <= 3 * COUNT; i++) {
        op_data (data, sizeof data, 0);
        ck_assert_int_eq (send (fd[1], data, sizeof data, 0), (ssize_t) sizeof data);
        op_until (loop, &receiver.calls, i);
        ck_result (receiver.result, sizeof data);
        ck_assert ((char *) receiver.buf >= b.at[COUNT / 2]); /* never one that was taken */
        ck_result (op_do (loop, read, file, b.at[i % (COUNT / 2)], SIZE, SIZE), SIZE);
        ck_assert (op_data_is (b.at[i % (COUNT / 2)], SIZE, SIZE));
    }
    if (ring_knows_memory ())
        ck_assert_ptr_null (ev_pool_take (b.pool)); /* the ring has them */
    op_stop (loop, &receiver);
    op_close_both (fd);
    close (file);
    op_all_over (loop);
}
