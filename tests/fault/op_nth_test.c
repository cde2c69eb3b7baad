/* op_nth_test.c: the n-th system call, or the n-th allocation, of a life full of operations fails, for n = 1, 2, 3 …
 * until a life was undisturbed. Promises that every operation ends exactly once, with its result or with an error,
 * that the loop goes on, and that no descriptor and no thread leaks. Built with a library of its own, in which each
 * system call asks evi_sys_fault first. */
#define _GNU_SOURCE
#include "op_kit.h"

extern int (*evi_sys_fault) (const char *call);

static struct {
    int n, error, from_there_on; /* the plan */
    const char *only;            /* calls whose name begins so; NULL: all */
    int calls;                   /* so far, of all threads */
    char call[32];               /* the one that failed */
} fault;

static int inject (const char *call)
{
    int number;

    if (fault.only && strncmp (call, fault.only, strlen (fault.only)))
        return 0;
    number = __atomic_add_fetch (&fault.calls, 1, __ATOMIC_SEQ_CST);
    if (number != fault.n && !(fault.from_there_on && number > fault.n))
        return 0;
    if (number == fault.n)
        snprintf (fault.call, sizeof fault.call, "%s", call);
    return -fault.error;
}

static void note_syserr (const char *message) EV_NOEXCEPT
{
}

_Noreturn static void lament (const char *what)
{
    dprintf (2, "%s; call %d: %s", what, fault.n, fault.call);
    _exit (2);
}

/* ---- a life -------------------------------------------------------------------------------------- */

enum {
    RECV,
    SEND,
    RECVMSG,
    SENDMSG,
    POOL,
    ACCEPT,
    CONNECT,
    READ,
    WRITE,
    PIPE_READ,
    PIPE_WRITE,
    FSYNC,
    OPEN,
    STATX,
    SPLICE,
    WAITS,
    WAITS_IN_LINE,
    LATE,
    OPS
};

static struct {
    struct ev_loop *loop;
    struct op op[OPS];
    int pair[2], other[2], pipe[2], out[2], waits[2], file, listener, client;
    struct sockaddr_in address;
    char buf[OPS][16];
    struct iovec in, from;
    struct msghdr get, put;
    struct statx stat;
    ev_pool *pool;
} life;

static void close_results (struct ev_loop *loop, struct op *op)
{
    if (op->result >= 0 && (op == &life.op[ACCEPT] || op == &life.op[OPEN]))
        close ((int) op->result);
}

static ev_op *life_op (int which)
{
    ev_op *w = op_new (&life.op[which]);

    life.op[which].then = close_results;
    return w;
}

static void life_open (void)
{
    op_pair (life.pair);
    op_pair (life.other);
    op_pair (life.waits);
    if (pipe (life.pipe) || pipe (life.out))
        lament ("no pipes");
    life.file = op_file (100);
    life.listener = op_listen (&life.address, 5);
    life.client = socket (AF_INET, SOCK_STREAM, 0);
    life.in = (struct iovec){ life.buf[RECVMSG], 2 };
    life.from = (struct iovec){ (void *) "ab", 2 };
    life.get = (struct msghdr){ .msg_iov = &life.in, .msg_iovlen = 1 };
    life.put = (struct msghdr){ .msg_iov = &life.from, .msg_iovlen = 1 };
}

static void life_set (void)
{
    ev_recv_set (life_op (RECV), life.pair[0], life.buf[RECV], 2, 0);
    ev_send_set (life_op (SEND), life.pair[1], "ab", 2, 0);
    ev_recvmsg_set (life_op (RECVMSG), life.pair[0], &life.get, 0);
    ev_sendmsg_set (life_op (SENDMSG), life.pair[1], &life.put, 0);
    if (life.pool)
        ev_recv_pool_set (life_op (POOL), life.other[0], life.pool, 0);
    else /* there was no memory for one */
        ev_recv_set (life_op (POOL), life.other[0], life.buf[POOL], 4, 0);
    ev_accept_set (life_op (ACCEPT), life.listener, SOCK_CLOEXEC);
    ev_connect_set (life_op (CONNECT), life.client, (struct sockaddr *) &life.address, sizeof life.address);
    ev_read_set (life_op (READ), life.file, life.buf[READ], 10, 5);
    ev_write_set (life_op (WRITE), life.file, "0123456789", 10, 50);
    ev_read_set (life_op (PIPE_READ), life.pipe[0], life.buf[PIPE_READ], 10, -1);
    ev_write_set (life_op (PIPE_WRITE), life.pipe[1], "hello", 5, -1);
    ev_fsync_set (life_op (FSYNC), life.file, 0);
    ev_openat_set (life_op (OPEN), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    ev_statx_set (life_op (STATX), AT_FDCWD, "/", 0, STATX_BASIC_STATS, &life.stat);
    ev_splice_set (life_op (SPLICE), life.file, 0, life.out[1], -1, 20, 0);
    ev_recv_set (life_op (WAITS), life.waits[0], life.buf[WAITS], 1, 0);
    ev_recv_set (life_op (WAITS_IN_LINE), life.waits[0], life.buf[WAITS_IN_LINE], 1, 0);
    ev_recv_set (life_op (LATE), life.waits[1], life.buf[LATE], 1, 0);
    ev_op_deadline (&life.op[LATE].w, 0.001);
}

/* What each gives when nothing is in its way; what waits is stopped. */
static const ssize_t wanted[OPS] = {
    [RECV] = 2,   [SEND] = 2,      [RECVMSG] = 2,    [SENDMSG] = 2, [READ] = 10,
    [WRITE] = 10, [PIPE_READ] = 5, [PIPE_WRITE] = 5, [SPLICE] = 20, [LATE] = -ETIMEDOUT
};

static int is_repeating (int which)
{
    return which == POOL || which == ACCEPT;
}

static int is_waiting (int which)
{
    return which == WAITS || which == WAITS_IN_LINE;
}

/* Nothing can still come of these: the other side has failed. */
static void give_up_partners (void)
{
    if (life.op[SEND].ends && life.op[SENDMSG].ends)
        shutdown (life.pair[1], SHUT_WR);
    if (life.op[PIPE_WRITE].ends && life.op[PIPE_WRITE].result < 0 && life.pipe[1] >= 0) {
        close (life.pipe[1]);
        life.pipe[1] = -1;
    }
}

static const char *missing (void)
{
    static const char *const names[OPS] = {
        "recv",    "send",  "recvmsg", "sendmsg",        "recv_pool",       "accept",
        "connect", "read",  "write",   "read of a pipe", "write to a pipe", "fsync",
        "openat",  "statx", "splice",  "one that waits", "one in line",     "one with a deadline"
    };

    for (int i = 0; i < OPS; i++) {
        const struct op *op = &life.op[i];

        if (is_waiting (i))
            continue;
        if (i == ACCEPT && life.op[CONNECT].ends && life.op[CONNECT].result < 0)
            continue;
        if (is_repeating (i) ? !op->calls : !op->ends)
            return names[i];
    }
    return NULL;
}

static void life_happens (void)
{
    life_set ();
    for (int i = 0; i < OPS; i++)
        op_start (life.loop, &life.op[i]);
    if (write (life.other[1], "pool", 4) != 4)
        lament ("the peer is gone");
    for (int i = 0; i < 600 && missing (); i++) {
        ev_run (life.loop, EVRUN_NOWAIT);
        give_up_partners ();
        if (i > 2)
            usleep (500);
    }
    if (missing ())
        lament (missing ());
    for (int i = 0; i < OPS; i++) {
        struct op *op = &life.op[i];

        if (op->ends > 1 || (!is_repeating (i) && op->calls > 1))
            lament ("told twice");
        if (op->ends && op->result > 0 && wanted[i] > 0 && op->result != wanted[i])
            lament ("a wrong result");
        if (op->ends && !op->result && wanted[i] > 0 && fault.calls < fault.n)
            lament ("an end that is none");
    }
}

static void life_end (void)
{
    for (int i = 0; i < OPS; i++)
        op_stop (life.loop, &life.op[i]);
    if (ev_run (life.loop, EVRUN_NOWAIT) != 0)
        lament ("a reference is left");
    ev_verify (life.loop);
    op_close_both (life.pair);
    op_close_both (life.other);
    op_close_both (life.out);
    op_close_both (life.waits);
    op_close_both (life.pipe);
    close (life.file);
    close (life.listener);
    close (life.client);
}

/* Exits with 0 when the fault came and was survived, with 42 when all was over before the n-th call. */
static void live (void *unused)
{
    int fds = test_fd_count (), threads = test_thread_count ();

    alarm (8);
    ev_set_syserr_cb (note_syserr);
    evi_sys_fault = inject;
    life.loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    if (!life.loop && fault.calls < fault.n)
        lament ("no loop");
    if (life.loop) {
        if (test_engine_ring ())
            ev_op_ring (life.loop);
        life.pool = ev_pool_new (life.loop, 16, 4);
        for (int round = 0; round < 2; round++) {
            life_open ();
            life_happens ();
            if (round)
                ev_loop_fork (life.loop); /* with some still waiting */
            life_end ();
        }
        ev_loop_destroy (life.loop);
    }
    if (test_fd_count () != fds)
        lament ("a descriptor is left");
    for (int i = 0; i < 1000 && test_thread_count () > threads; i++)
        usleep (1000);
    if (test_thread_count () > threads)
        lament ("a thread is left");
    _exit (fault.calls < fault.n ? 42 : 0);
}

/* Fails call 1, 2, 3 … with that error, until a life ends before its turn comes. How many there were. FIRST=n begins
 * there. */
static int check_each (void)
{
    char message[256];

    for (fault.n = getenv ("FIRST") ? atoi (getenv ("FIRST")) : 1;; fault.n++) {
        int status = test_child (live, NULL, message, sizeof message);

        ck_assert_msg (WIFEXITED (status) && (WEXITSTATUS (status) == 0 || WEXITSTATUS (status) == 42),
                       "%s fails call %d: %s (status 0x%x)", strerror (fault.error), fault.n, message,
                       (unsigned) status);
        if (WEXITSTATUS (status) == 42)
            return fault.n - 1;
        ck_assert_int_lt (fault.n, 3000);
    }
}

static const int passing[] = { EPERM, ENOMEM, EMFILE, EINVAL, EINTR, EAGAIN, EBUSY, EBADF };
static const int lasting[] = { EPERM, ENOSYS, EINVAL, EBADF, ENXIO };

TEST_ENGINES (nth_system_call_may_fail_once)
{
    TEST_SECONDS (200);
    for (unsigned i = 0; i < sizeof passing / sizeof *passing; i++) {
        fault.error = passing[i];
        ck_assert_int_gt (check_each (), 10);
    }
}

TEST_ENGINES (nth_io_uring_call_may_fail_and_all_later_ones_too)
{
    TEST_SECONDS (200);
    if (!test_engine_ring ())
        test_skip ("no ring, no calls to it");
    fault.only = "io_uring";
    fault.from_there_on = 1;
    test_backend |= EVBACKEND_EPOLL;
    for (unsigned i = 0; i < sizeof lasting / sizeof *lasting; i++) {
        fault.error = lasting[i];
        ck_assert_int_gt (check_each (), 5);
    }
}

TEST_ENGINES (thread_may_be_refused_and_all_later_ones_too)
{
    TEST_SECONDS (100);
    if (test_engine_ring ())
        test_skip ("a ring needs no threads");
    fault.only = "pthread_create";
    fault.from_there_on = 1;
    fault.error = EAGAIN;
    ck_assert_int_gt (check_each (), 0);
}

/* ---- memory --------------------------------------------------------------------------------------- */

static void *failing_allocator (void *memory, long size) EV_NOEXCEPT
{
    if (!size) {
        free (memory);
        return NULL;
    }
    return ++fault.calls == fault.n ? NULL : realloc (memory, (size_t) size);
}

static void live_with_little_memory (void *unused)
{
    int n = fault.n;

    alarm (8);
    ev_set_allocator (failing_allocator);
    fault.n = 0; /* system calls do not fail */
    life.loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    if (!life.loop)
        lament ("no loop");
    fault.n = n;
    fault.calls = 0;
    if (test_engine_ring ())
        ev_op_ring (life.loop);
    life.pool = ev_pool_new (life.loop, 16, 4);
    if (!life.pool)
        _exit (0); /* it says so */
    life_open ();
    life_happens ();
    life_end ();
    ev_loop_destroy (life.loop);
    _exit (fault.calls < fault.n ? 42 : 0);
}

TEST_ENGINES (nth_allocation_may_fail_and_the_program_ends_with_a_message_or_goes_on)
{
    char message[256];

    TEST_SECONDS (100);
    for (fault.n = 1; fault.n < 1000; fault.n++) {
        int status = test_child (live_with_little_memory, NULL, message, sizeof message);

        if (WIFEXITED (status) && WEXITSTATUS (status) == 42)
            break;
        if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
            continue;
        ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT
                           && strstr (message, "cannot allocate"),
                       "allocation %d: status 0x%x, %s", fault.n, (unsigned) status, message);
    }
    ck_assert_int_gt (fault.n, 5);
    ck_assert_int_lt (fault.n, 1000);
}
