/* fork_test.c: operations in flight when the process forks, and when the loop moves to another thread. Promises
 * that in the child each ends once with -ECANCELED, that the parent notices nothing, and that after a change of
 * threads each ends once, with its result or with -ECANCELED. */
#define _GNU_SOURCE
#include "waiting.h"

static struct place places[WAITINGS];

/* In a child Check does not listen. */
#define child_must(condition)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf (stderr, "child, line %d: %s\n", __LINE__, #condition); \
            _exit (1);                                                      \
        }                                                                   \
    } while (0)

static void all_begin (struct ev_loop *loop)
{
    for (int i = 0; i < WAITINGS; i++) {
        places[i].what = NULL;
        if (!waiting_works (&waitings[i]))
            continue;
        place_begin (&places[i], loop, &waitings[i]);
        place_start (&places[i]);
    }
}

static void all_end (void)
{
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what)
            place_end (&places[i]);
}

/* The world goes on: each has its result. */
static void all_complete (struct ev_loop *loop)
{
    for (int i = 0; i < WAITINGS; i++) {
        struct place *place = &places[i];
        struct op *op;

        if (!place->what)
            continue;
        op = &place->luggage->op;
        if (!place->what->release) {
            op_stop (loop, op);
            continue;
        }
        ck_assert_msg (!op->calls, "%s has ended", place->what->name);
        place->what->release (place);
        op_until (loop, &op->calls, 1);
        ck_assert_msg (place_result_is_right (place, op->result), "%s: result %zd", place->what->name,
                       op->result);
        if (place->what->repeats)
            op_stop (loop, op);
    }
    op_all_over (loop);
}

static int ended_in_child (void)
{
    int ended = 0;

    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            child_must (places[i].luggage->op.calls <= 1);
            child_must (places[i].luggage->op.ends == places[i].luggage->op.calls);
            if (places[i].luggage->op.ends && places[i].luggage->op.result != -ECANCELED) {
                fprintf (stderr, "child: %s has result %zd\n", waitings[i].name,
                         places[i].luggage->op.result);
                _exit (1);
            }
            ended += places[i].luggage->op.ends;
        }
    return ended;
}

static int all_count (void)
{
    int count = 0;

    for (int i = 0; i < WAITINGS; i++)
        count += places[i].what != NULL;
    return count;
}

/* New operations work in the child. */
static void child_works (struct ev_loop *loop)
{
    char buf[8];
    struct op op;
    int fd[2], file;

    child_must (!socketpair (AF_UNIX, SOCK_STREAM, 0, fd));
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    op.started = 1;
    ev_op_start (loop, &op.w);
    child_must (write (fd[1], "x", 1) == 1);
    for (int i = 0; i < 2000 && !op.ends; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        usleep (1000);
    }
    child_must (op.ends == 1 && op.result == 1);
    file = open ("/dev/zero", O_RDONLY);
    ev_read_set (op_new (&op), file, buf, sizeof buf, 0);
    op.started = 1;
    ev_op_start (loop, &op.w);
    for (int i = 0; i < 2000 && !op.ends; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        usleep (1000);
    }
    child_must (op.ends == 1 && op.result == 8);
}

struct in_child {
    struct ev_loop *loop;
    int tells, runs, stops, destroys;
};

static void child_body (void *arg)
{
    struct in_child *in = arg;

    alarm (20);
    if (in->tells)
        ev_loop_fork (in->loop);
    for (int i = 0; in->stops && i < WAITINGS; i++)
        if (places[i].what) {
            ev_op_stop (in->loop, &places[i].luggage->op.w);
            child_must (places[i].luggage->op.w.result == -ECANCELED);
            places[i].luggage->op.started = 0;
            memset (places[i].luggage, 0xdb, sizeof *places[i].luggage);
            places[i].what = NULL;
        }
    if (in->runs) {
        for (int i = 0; i < 20; i++)
            ev_run (in->loop, EVRUN_NOWAIT);
        child_must (ended_in_child () == all_count ());
        child_must (ev_run (in->loop, EVRUN_NOWAIT) == 0);
        child_works (in->loop);
    }
    if (in->destroys)
        ev_loop_destroy (in->loop);
}

static void try_fork (struct ev_loop *loop, struct in_child in, int flight)
{
    char said[500];
    int status;

    all_begin (loop);
    if (flight)
        op_settle (loop);
    in.loop = loop;
    status = test_child (child_body, &in, said, sizeof said);
    ck_assert_msg (status == 0, "the child ends with status 0x%x: %s", (unsigned) status, said);
    op_settle (loop);
    all_complete (loop);
    all_end ();
}

TEST_ENGINES (in_a_fork_child_all_in_flight_is_cancelled)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    try_fork (loop, (struct in_child){ .tells = 1, .runs = 1 }, 1);
    try_fork (loop, (struct in_child){ .tells = 1, .runs = 1 }, 0); /* started, not yet submitted */
}

TEST_ENGINES (in_a_fork_child_with_forkcheck_all_is_cancelled_too)
{
    struct ev_loop *loop = test_loop (EVFLAG_FORKCHECK);

    TEST_SECONDS (30);
    try_fork (loop, (struct in_child){ .runs = 1 }, 1);
}

TEST_ENGINES (fork_child_that_does_nothing_disturbs_nobody)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    try_fork (loop, (struct in_child){ .runs = 0 }, 1);
}

TEST_ENGINES (fork_child_stops_what_is_the_parents)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    try_fork (loop, (struct in_child){ .tells = 1, .stops = 1, .runs = 1 }, 1);
    try_fork (loop, (struct in_child){ .stops = 1 }, 1);
}

TEST_ENGINES (fork_child_destroys_its_copy)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    try_fork (loop, (struct in_child){ .destroys = 1 }, 1);
    try_fork (loop, (struct in_child){ .tells = 1, .runs = 1, .destroys = 1 }, 1);
}

/* Threads of the pool exist in the parent only. */
static void child_reads_files (void *arg)
{
    struct ev_loop *loop = arg;

    alarm (20);
    ev_loop_fork (loop);
    child_works (loop);
    ev_loop_destroy (loop);
}

TEST_ENGINES (fork_child_has_threads_of_its_own)
{
    enum { OPS = 64 };
    static struct op ops[OPS];
    struct ev_loop *loop = test_loop (0);
    char said[500], *buf = op_memory (OPS * 65536);
    int fd = op_file (OPS * 65536), status;

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < OPS; i++)
            op_begin (loop, &ops[i], read, fd, buf + i * 65536, 65536, i * 65536);
        if (round)
            ev_run (loop, EVRUN_NOWAIT); /* some are done, some being done */
        status = test_child (child_reads_files, loop, said, sizeof said);
        ck_assert_msg (status == 0, "the child ends with status 0x%x: %s", (unsigned) status, said);
        for (int i = 0; i < OPS; i++)
            ck_result (op_end (loop, &ops[i]), 65536);
        ck_assert (op_data_is (buf, OPS * 65536, 0));
    }
    close (fd);
    free (buf);
}

/* ---- threads ------------------------------------------------------------------------------------- */

static void *run_a_while (void *loop)
{
    op_settle (loop);
    return NULL;
}

static void in_thread (void *(*body) (void *arg), void *arg)
{
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, body, arg), 0);
    ck_assert_int_eq (pthread_join (thread, NULL), 0);
}

/* Each ends once: cancelled by the move, or it lives on and has its result. */
static void each_ends_once (struct ev_loop *loop)
{
    for (int i = 0; i < WAITINGS; i++) {
        struct place *place = &places[i];
        struct op *op;

        if (!place->what)
            continue;
        op = &place->luggage->op;
        if (!op->ends && place->what->release) {
            place->what->release (place);
            op_until (loop, &op->calls, 1);
        }
        if (op->ends && op->result == -ECANCELED)
            ck_assert_int_eq (op->calls, 1);
        else if (place->what->release)
            ck_assert_msg (place_result_is_right (place, op->result), "%s: result %zd", place->what->name,
                           op->result);
        if (!op->ends)
            op_stop (loop, op);
    }
    op_all_over (loop);
}

TEST_ENGINES (loop_that_moves_to_another_thread_ends_each_once)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int round = 0; round < 3; round++) {
        all_begin (loop);
        in_thread (run_a_while, loop);
        op_settle (loop);
        each_ends_once (loop);
        all_end ();
    }
}

TEST_ENGINES (loop_made_here_and_run_there_completes)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    kit_put (fd[1]);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    in_thread (run_a_while, loop);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
}

/* It need not end with the ring that the kernel has not seen it on. */
TEST_ENGINES (operation_started_just_before_the_loop_moves_is_done_there)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 3; i++) {
        kit_put (fd[1]);
        ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 1);
        kit_put (fd[1]);
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
        in_thread (run_a_while, loop);
        ck_result (op_end (loop, &op), 1);
    }
    op_close_both (fd);
}

static int accepted;

static void note_accepted (struct ev_loop *loop, struct op *op)
{
    if (op->result < 0)
        return;
    close ((int) op->result);
    accepted++;
}

/* On some rings the kernel puts a connection into the queue at once, and nobody has looked when the loop moves. */
TEST_ENGINES (connection_that_was_accepted_before_the_loop_moved_is_told)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 5);
    struct op op;

    for (int i = 1; i <= 10; i++) {
        int client;

        op_begin (loop, &op, accept, listener, SOCK_CLOEXEC);
        op.then = note_accepted;
        op_settle (loop);
        client = op_client (&address);
        usleep (1000);
        in_thread (run_a_while, loop);
        if (op.ends) { /* its ring is gone: the connection has been told, or waits for the next one */
            op_begin (loop, &op, accept, listener, SOCK_CLOEXEC);
            op.then = note_accepted;
        }
        op_until (loop, &accepted, i);
        op_stop (loop, &op);
        close (client);
    }
    op_all_over (loop);
    close (listener);
}

/* Likewise data. */
TEST_ENGINES (data_that_was_received_before_the_loop_moved_is_told)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    for (int stop = 0; stop < 2; stop++)
        for (int i = 0; i < 10; i++) {
            op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
            op_settle (loop);
            kit_put (fd[1]);
            usleep (1000);
            in_thread (run_a_while, loop);
            if (stop && op_stop (loop, &op) == 1)
                continue;
            if (stop)
                op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
            if (op_end (loop, &op)
                == -ECANCELED) { /* before 6.12 the ring does not say what it has done: nothing */
                op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
                op_end (loop, &op);
            }
            ck_result (op.result, 1);
        }
    op_all_over (loop);
    op_close_both (fd);
}

TEST_ENGINES (operations_stopped_in_another_thread_are_over)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    all_begin (loop);
    in_thread (run_a_while, loop);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            op_stop (loop, &places[i].luggage->op);
            place_scribble (&places[i]);
        }
    op_settle (loop);
    op_all_over (loop);
    all_end ();
}

TEST_ENGINES (loop_destroyed_in_another_thread_ends_its_operations)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    all_begin (loop);
    in_thread (run_a_while, loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    for (int i = 0; i < WAITINGS; i++)
        places[i].pool = NULL;
    all_end ();
}

enum { BLOCKS = 32, BLOCK = 1 << 20, ROUNDS = 6, MINE = 0x5a };

static char *blocks; /* BLOCKS of them */
static struct op block_reads[BLOCKS];

static void block_is_mine (struct ev_loop *loop, struct op *op)
{
    if (op->result < 0)
        memset (blocks + (op - block_reads) * BLOCK, MINE, BLOCK);
}

static void *run_out (void *loop)
{
    for (int i = 0; i < BLOCKS; i++)
        op_until (loop, &block_reads[i].ends, 1);
    return NULL;
}

static unsigned bytes_not_mine (const char *block)
{
    unsigned count = 0;

    for (int at = 0; at < BLOCK; at++)
        count += block[at] != MINE;
    return count;
}

/* The disk writes into buffers by itself, also when the ring is closed already. How many reads were cancelled. */
static int move_while_the_disk_writes (struct ev_loop *loop, int fd)
{
    int cancelled = 0;

    for (int i = 0; i < BLOCKS; i++) {
        op_begin (loop, &block_reads[i], read, fd, blocks + i * BLOCK, BLOCK, (int64_t) i * BLOCK);
        block_reads[i].then = block_is_mine;
    }
    ev_run (loop, EVRUN_NOWAIT);
    in_thread (run_out, loop);
    usleep (20000);
    for (int i = 0; i < BLOCKS; i++)
        if (block_reads[i].result < 0) {
            cancelled++;
            ck_assert_uint_eq (bytes_not_mine (blocks + i * BLOCK), 0);
        }
    return cancelled;
}

TEST_ENGINES (buffers_of_a_ring_lost_to_another_thread_are_not_written_to_any_more)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (BLOCKS * BLOCK), cancelled = 0;

    TEST_SECONDS (60);
    ck_assert_int_eq (posix_memalign ((void **) &blocks, 4096, BLOCKS * BLOCK), 0);
    if (fcntl (fd, F_SETFL, O_DIRECT) < 0)
        test_skip ("no O_DIRECT on this file system");
    for (int round = 0; round < ROUNDS; round++)
        cancelled += move_while_the_disk_writes (loop, fd);
    printf ("%d reads were cancelled by the move\n", cancelled);
    free (blocks);
    close (fd);
}

/* ---- a thread that starts operations while the loop sleeps ---------------------------------------- */

static struct {
    struct ev_loop *loop;
    pthread_mutex_t lock;
    ev_async wake;
    struct op op;
    char buf[8];
    int fd[2];
} office;

static void office_release (EV_P) EV_NOEXCEPT
{
    pthread_mutex_unlock (&office.lock);
}

static void office_acquire (EV_P) EV_NOEXCEPT
{
    pthread_mutex_lock (&office.lock);
}

static void nothing_async (EV_P_ ev_async *w, int revents)
{
}

static void *start_from_outside (void *nobody)
{
    usleep (20000);
    pthread_mutex_lock (&office.lock);
    op_begin (office.loop, &office.op, recv, office.fd[0], office.buf, sizeof office.buf, 0);
    ev_async_send (office.loop, &office.wake);
    pthread_mutex_unlock (&office.lock);
    kit_put (office.fd[1]);
    return NULL;
}

TEST_ENGINES (operation_started_by_another_thread_that_holds_the_lock_runs)
{
    pthread_t thread;

    office.loop = test_loop (0);
    pthread_mutex_init (&office.lock, NULL);
    op_pair (office.fd);
    op_new (&office.op);
    ev_async_init (&office.wake, nothing_async);
    ev_async_start (office.loop, &office.wake);
    ev_set_loop_release_cb (office.loop, office_release, office_acquire);
    pthread_mutex_lock (&office.lock);
    ck_assert_int_eq (pthread_create (&thread, NULL, start_from_outside, NULL), 0);
    op_until (office.loop, &office.op.ends, 1);
    ck_result (office.op.result, 1);
    pthread_mutex_unlock (&office.lock);
    pthread_join (thread, NULL);
    ev_set_loop_release_cb (office.loop, NULL, NULL);
    ev_async_stop (office.loop, &office.wake);
    op_close_both (office.fd);
}
