/* again_test.c: operations that are started again as they are, without init or set. Promises that every start finds
 * what init has said, in the callback and later, whatever became of the start before: a result, an error, a cancel, a
 * deadline, a stop, a failed chain. */
#define _GNU_SOURCE
#include "waiting.h"

/* ---- those that are done at once -------------------------------------------------------------------- */

enum { ROUNDS = 6, ANY = 1 << 20 }; /* ANY: a result that is no error */

static struct {
    int file, bad, folder, pair[2], pipe[2], refusing, client;
    char buf[8];
    struct iovec vec[2];
    struct msghdr message;
    struct statx stat;
    struct sockaddr_in address;
    siginfo_t info;
    struct io_uring_sqe sqe;
    ev_pool *pool;
} world;

struct deed {
    const char *name;
    void (*set) (ev_op *w);
    ssize_t wanted;
    int makes_fd, ring;
};

#define DEED(name, ...)         \
    static void name (ev_op *w) \
    {                           \
        __VA_ARGS__;            \
    }

DEED (openat_good, ev_openat_set (w, world.folder, "file", O_RDWR | O_CREAT, 0600))
DEED (openat_bad, ev_openat_set (w, world.folder, "none/file", O_RDWR, 0))
DEED (socket_good, ev_socket_set (w, AF_INET, SOCK_STREAM, 0))
DEED (socket_bad, ev_socket_set (w, AF_INET, SOCK_STREAM, 200))
DEED (accept_bad, ev_accept_set (w, world.bad, 0))
DEED (connect_bad, ev_connect_set (w, world.bad, (struct sockaddr *) &world.address, sizeof world.address))
DEED (connect_refused,
      ev_connect_set (w, world.client, (struct sockaddr *) &world.address, sizeof world.address))
DEED (recv_good, ev_recv_set (w, world.pair[0], world.buf, 2, 0))
DEED (recv_bad, ev_recv_set (w, world.bad, world.buf, 2, 0))
DEED (recv_pool_bad, ev_recv_pool_set (w, world.bad, world.pool, 0))
DEED (recvmsg_good, ev_recvmsg_set (w, world.pair[0], &world.message, 0))
DEED (send_good, ev_send_set (w, world.pair[1], world.buf, 4, 0))
DEED (send_bad, ev_send_set (w, world.bad, world.buf, 4, 0))
DEED (send_zc_good, ev_send_zc_set (w, world.pair[1], world.buf, 4, 0))
DEED (sendmsg_good, ev_sendmsg_set (w, world.pair[1], &world.message, 0))
DEED (shutdown_good, ev_shutdown_set (w, world.pair[0], SHUT_WR))
DEED (close_bad, ev_close_set (w, world.bad))
DEED (read_good, ev_read_set (w, world.file, world.buf, 4, 1))
DEED (read_bad, ev_read_set (w, world.file, NULL, 4, 1))
DEED (write_good, ev_write_set (w, world.file, world.buf, 4, 1))
DEED (readv_good, ev_readv_set (w, world.file, world.vec, 2, 1))
DEED (writev_good, ev_writev_set (w, world.file, world.vec, 2, 1))
DEED (fsync_good, ev_fsync_set (w, world.file, 1))
DEED (fallocate_good, ev_fallocate_set (w, world.file, 0, 0, 4096))
DEED (ftruncate_good, ev_ftruncate_set (w, world.file, 77))
DEED (statx_good, ev_statx_set (w, world.folder, "inner", 0, STATX_MODE, &world.stat))
DEED (unlinkat_bad, ev_unlinkat_set (w, world.folder, "none", 0))
DEED (renameat_good, ev_renameat_set (w, world.folder, "inner", world.folder, "inner", 0))
DEED (mkdirat_bad, ev_mkdirat_set (w, world.folder, "inner", 0700))
DEED (splice_good, ev_splice_set (w, world.file, 1, world.pipe[1], -1, 3, 0))
DEED (waitid_bad, ev_waitid_set (w, P_PID, 1, &world.info, WEXITED))
DEED (sqe_good, ev_sqe_set (w, &world.sqe))
DEED (not_set, ev_read_set (w, world.file, world.buf, 4, -7))

static const struct deed deeds[] = {
    { "openat", openat_good, ANY, 1, 0 },
    { "openat of nothing", openat_bad, -ENOENT, 0, 0 },
    { "socket", socket_good, ANY, 1, 0 },
    { "socket of no kind", socket_bad, -EPROTONOSUPPORT, 0, 0 },
    { "accept on nothing", accept_bad, -EBADF, 0, 0 },
    { "connect on nothing", connect_bad, -EBADF, 0, 0 },
    { "connect that is refused", connect_refused, -ECONNREFUSED, 0, 0 },
    { "recv", recv_good, 2, 0, 0 },
    { "recv on nothing", recv_bad, -EBADF, 0, 0 },
    { "recv_pool on nothing", recv_pool_bad, -EBADF, 0, 0 },
    { "recvmsg", recvmsg_good, 4, 0, 0 },
    { "send", send_good, 4, 0, 0 },
    { "send on nothing", send_bad, -EBADF, 0, 0 },
    { "send_zc", send_zc_good, 4, 0, 0 },
    { "sendmsg", sendmsg_good, 4, 0, 0 },
    { "shutdown", shutdown_good, 0, 0, 0 },
    { "close of nothing", close_bad, -EBADF, 0, 0 },
    { "read", read_good, 4, 0, 0 },
    { "read to nowhere", read_bad, -EFAULT, 0, 0 },
    { "write", write_good, 4, 0, 0 },
    { "readv", readv_good, 4, 0, 0 },
    { "writev", writev_good, 4, 0, 0 },
    { "fsync", fsync_good, 0, 0, 0 },
    { "fallocate", fallocate_good, 0, 0, 0 },
    { "ftruncate", ftruncate_good, 0, 0, 0 },
    { "statx", statx_good, 0, 0, 0 },
    { "unlinkat of nothing", unlinkat_bad, -ENOENT, 0, 0 },
    { "renameat", renameat_good, 0, 0, 0 },
    { "mkdirat of what is there", mkdirat_bad, -EEXIST, 0, 0 },
    { "splice", splice_good, 3, 0, 0 },
    { "waitid of a stranger", waitid_bad, -ECHILD, 0, 0 },
    { "sqe", sqe_good, 0, 0, 1 },
    { "none, since its offset is none", not_set, -EINVAL, 0, 0 },
};
enum { DEEDS = sizeof deeds / sizeof *deeds };

static void world_begin (struct ev_loop *loop)
{
    memset (&world, 0, sizeof world);
    world.folder = op_folder_begin ();
    world.file = op_file (100);
    world.bad = kit_closed_fd ();
    ck_assert_int_eq (mkdirat (world.folder, "inner", 0700), 0);
    op_pair (world.pair);
    ck_assert_int_eq (pipe (world.pipe), 0);
    for (int i = 0; i < 100; i++)
        kit_put (world.pair[1]);
    world.vec[0] = (struct iovec){ world.buf, 1 };
    world.vec[1] = (struct iovec){ world.buf + 1, 3 };
    world.message.msg_iov = world.vec;
    world.message.msg_iovlen = 2;
    world.sqe.opcode = IORING_OP_NOP;
    world.sqe.fd = -1;
    world.pool = ev_pool_new (loop, 16, 2);
    world.refusing = op_bound (&world.address);
    world.client = socket (AF_INET, SOCK_STREAM, 0);
}

static void world_end (void)
{
    unlinkat (world.folder, "file", 0);
    ck_assert_int_eq (unlinkat (world.folder, "inner", AT_REMOVEDIR), 0);
    op_close_both (world.pair);
    op_close_both (world.pipe);
    close (world.refusing);
    close (world.client);
    close (world.file);
    op_folder_end (world.folder);
}

static int deed_works (const struct deed *deed)
{
    return !deed->ring || test_engine_ring ();
}

static void deed_check (const struct deed *deed, const struct op *op)
{
    ck_assert_msg (deed->wanted == ANY ? op->result >= 0 : op->result == deed->wanted,
                   "%s, start %d: result %zd", deed->name, op->calls, op->result);
    if (deed->makes_fd)
        close ((int) op->result);
}

/* In the callback, and now and then not: then the test starts it. */
static void deed_again (struct ev_loop *loop, struct op *op)
{
    deed_check (op->arg, op);
    if (op->calls < ROUNDS && op->calls % 3)
        op_start (loop, op);
}

TEST_ENGINES (every_operation_does_the_same_when_it_is_started_again)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    world_begin (loop);
    for (int i = 0; i < DEEDS; i++) {
        if (!deed_works (&deeds[i]))
            continue;
        deeds[i].set (op_new (&op));
        op.then = deed_again;
        op.arg = (void *) &deeds[i];
        for (int calls = 3; calls <= ROUNDS; calls += 3) {
            op_start (loop, &op);
            op_until (loop, &op.calls, calls);
        }
        op_settle (loop);
        ck_assert_int_eq (op.ends, ROUNDS);
    }
    op_all_over (loop);
    world_end ();
}

/* ---- ended before they have begun ------------------------------------------------------------------- */

TEST_ENGINES (every_operation_that_was_cancelled_or_stopped_unsent_does_its_work_later)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;

    world_begin (loop);
    for (int i = 0; i < DEEDS; i++) {
        if (!deed_works (&deeds[i]))
            continue;
        deeds[i].set (op_new (&op));
        for (int round = 1; round <= 3; round++) {
            op_start (loop, &op);
            op_stop (loop, &op);
            op_start (loop, &op);
            op_cancel (loop, &op);
            op_until (loop, &op.ends, 2 * round - 1);
            if (op.result != -ECANCELED) /* it was faster */
                deed_check (&deeds[i], &op);
            op_start (loop, &op);
            op_until (loop, &op.ends, 2 * round);
            deed_check (&deeds[i], &op);
        }
    }
    op_all_over (loop);
    world_end ();
}

/* ---- those that wait ---------------------------------------------------------------------------------- */

static void want_to_end (struct ev_loop *loop, struct op *op)
{
    if (op->revents & EV_OP_MORE) {
        place_result_is_right (op->arg, op->result);
        op_cancel (loop, op);
    }
}

static void place_await (struct place *place, ssize_t wanted)
{
    struct op *op = &place->luggage->op;

    op_until (place->loop, &op->ends, 1);
    op->ends = 0;
    ck_assert_msg (op->result == wanted, "%s: result %zd instead of %zd", place->what->name, op->result,
                   wanted);
}

static void place_again_cancelled (struct place *place)
{
    place_start (place);
    op_settle (place->loop);
    op_cancel (place->loop, &place->luggage->op);
    place_await (place, -ECANCELED);
}

static void place_again_late (struct place *place)
{
    ev_op_deadline (&place->luggage->op.w, 0.005);
    for (int i = 0; i < 2; i++) {
        place_start (place);
        place_await (place, -ETIMEDOUT);
    }
    ev_op_deadline (&place->luggage->op.w, 0.);
}

static void place_again_stopped (struct place *place)
{
    place_start (place);
    op_settle (place->loop);
    ck_result (op_stop (place->loop, &place->luggage->op), -ECANCELED);
}

/* The world lets it go on, and is made as it was. */
static void place_again_released (struct place *place)
{
    struct op *op = &place->luggage->op;
    int first = op->calls + 1;

    place_start (place);
    op_settle (place->loop);
    place->what->release (place);
    op_until (place->loop, &op->calls, first);
    if (place->what->repeats)
        place_await (place, -ECANCELED);
    else
        ck_assert_msg (place_result_is_right (place, op->result), "%s: result %zd", place->what->name,
                       op->result);
    op->ends = 0;
    if (place->what->release == take_all)
        op_fill (place->fd[0]);
}

/* A child ends once, and what was asked of the kernel as a level is still there. */
static int place_waits_once (const struct place *place)
{
    return place->what->set == set_waitid || place->what->set == set_sqe;
}

static void check_again (struct ev_loop *loop, const struct waiting *what)
{
    struct place place;

    place_begin (&place, loop, what);
    place.luggage->op.then = want_to_end;
    place.luggage->op.arg = &place;
    for (int round = 0; round < 2; round++) {
        place_again_cancelled (&place);
        place_again_late (&place);
        if (!place_waits_once (&place))
            place_again_released (&place);
        place_again_stopped (&place);
        if (!place_waits_once (&place))
            place_again_released (&place);
    }
    place_again_released (&place);
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (every_operation_that_waits_waits_again_whatever_ended_it)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i]) && waitings[i].set != set_connect) /* a socket goes on connecting */
            check_again (loop, &waitings[i]);
}

/* ---- chains ------------------------------------------------------------------------------------------- */

static struct op chain[DEEDS];
static int chain_length;

static void close_made (struct ev_loop *loop, struct op *op)
{
    if (op->result >= 0)
        close ((int) op->result);
}

static void chain_add (const struct deed *deed)
{
    struct op *op = &chain[chain_length];

    deed->set (op_new (op));
    op->arg = (void *) deed;
    op->then = deed->makes_fd ? close_made : NULL;
    if (chain_length++)
        ev_op_link (&op[-1].w, &op->w);
}

static void chain_start (struct ev_loop *loop)
{
    for (int i = 0; i < chain_length; i++)
        chain[i].started = 1;
    op_start (loop, &chain[0]);
}

/* In the callback of the last. */
static void chain_again (struct ev_loop *loop, struct op *op)
{
    if (op->calls < ROUNDS && op->calls % 3)
        chain_start (loop);
}

/* The first `good` of them succeed, the next one fails. */
static void chain_run (struct ev_loop *loop, int good)
{
    chain[chain_length - 1].then = chain_again;
    for (int rounds = 3; rounds <= ROUNDS; rounds += 3) {
        chain_start (loop);
        op_until (loop, &chain[chain_length - 1].ends, rounds);
    }
    for (int i = 0; i < chain_length; i++) {
        const struct deed *deed = chain[i].arg;

        ck_assert_int_eq (chain[i].ends, ROUNDS);
        if (i > good)
            ck_result (chain[i].result, -ECANCELED);
        else
            ck_assert_msg (deed->wanted == ANY ? chain[i].result >= 0 : chain[i].result == deed->wanted,
                           "%s: result %zd", deed->name, chain[i].result);
    }
    chain_length = 0;
    op_settle (loop);
}

TEST_ENGINES (chain_of_all_that_succeed_runs_again)
{
    struct ev_loop *loop = test_loop (0);

    world_begin (loop);
    for (int i = 0; i < DEEDS; i++)
        if (deed_works (&deeds[i]) && deeds[i].wanted >= 0)
            chain_add (&deeds[i]);
    chain_run (loop, chain_length);
    op_all_over (loop);
    world_end ();
}

TEST_ENGINES (chain_that_failed_runs_again)
{
    struct ev_loop *loop = test_loop (0);

    world_begin (loop);
    for (int i = 0; i < DEEDS; i++)
        if (deeds[i].wanted < 0) {
            chain_add (&deeds[0]);
            chain_add (&deeds[i]);
            chain_add (&deeds[1]);
            chain_add (&deeds[2]);
            chain_run (loop, 1);
        }
    op_all_over (loop);
    world_end ();
}

/* ---- chains whose first waits ----------------------------------------------------------------------- */

static struct op follower;

/* Each of these starts the chain once, and ends its first. */
static void chain_ended (struct place *place, void (*end) (struct place *place), int succeeds)
{
    int ends = follower.ends;

    follower.started = 1;
    end (place);
    op_until (place->loop, &follower.ends, ends + 1);
    if (succeeds)
        ck_assert_msg (follower.result >= 0, "%s: behind it %zd", place->what->name, follower.result);
    else
        ck_result (follower.result, -ECANCELED);
}

static void place_again_late_once (struct place *place)
{
    ev_op_deadline (&place->luggage->op.w, 0.005);
    place_start (place);
    place_await (place, -ETIMEDOUT);
    ev_op_deadline (&place->luggage->op.w, 0.);
}

static void check_chain_again (struct ev_loop *loop, const struct waiting *what)
{
    struct place place;

    place_begin (&place, loop, what);
    ev_socket_set (op_new (&follower), AF_UNIX, SOCK_STREAM, 0);
    follower.then = close_made;
    ev_op_link (&place.luggage->op.w, &follower.w);
    place.luggage->op.then = want_to_end;
    place.luggage->op.arg = &place;
    for (int round = 0; round < 2; round++) {
        chain_ended (&place, place_again_cancelled, 0);
        chain_ended (&place, place_again_late_once, 0);
        chain_ended (&place, place_again_stopped, 0);
        if (!place_waits_once (&place) || round == 1)
            chain_ended (&place, place_again_released, !what->repeats); /* those end by a cancel */
    }
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (chain_whose_first_waits_runs_again_whatever_ended_it)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i]) && waitings[i].set != set_connect)
            check_chain_again (loop, &waitings[i]);
}
