/* misuse_test.c: calls that break a rule. Promises that each is answered, in every state of an operation, on every
 * engine: by a line that names the call and the rule, and then nothing has changed, or the operation ends with an error;
 * where neither would keep memory safe, by that line and an abort. */
#define _GNU_SOURCE
#include "waiting.h"

#include <math.h>

/* ---- what is said ----------------------------------------------------------------------------------- */

static char said[4000];
static int said_fd = -1, stderr_fd;

static void listen_begin (void)
{
    fflush (stderr);
    said_fd = memfd_create ("said", 0);
    stderr_fd = dup (2);
    dup2 (said_fd, 2);
}

static void listen_end (void)
{
    ssize_t size;

    fflush (stderr);
    size = pread (said_fd, said, sizeof said - 1, 0);
    said[size > 0 ? size : 0] = 0;
    dup2 (stderr_fd, 2);
    close (stderr_fd);
    close (said_fd);
}

static void ck_said (const char *call, const char *rule)
{
    char start[60];

    snprintf (start, sizeof start, "evring: %s: ", call);
    ck_assert_msg (!strncmp (said, start, strlen (start)), "no line about %s, but: \"%s\"", call, said);
    ck_assert_msg (strstr (said, rule) != NULL, "no word of \"%s\", but: \"%s\"", rule, said);
    ck_assert_msg (strchr (said, '\n') == said + strlen (said) - 1, "not one line: \"%s\"", said);
}

#define SAYS(call, rule, ...) \
    do {                      \
        listen_begin ();      \
        __VA_ARGS__;          \
        listen_end ();        \
        ck_said (call, rule); \
    } while (0)

#define SAYS_NOTHING(...)            \
    do {                             \
        listen_begin ();             \
        __VA_ARGS__;                 \
        listen_end ();               \
        ck_assert_str_eq (said, ""); \
    } while (0)

/* body ends by abort, after such a line. */
static void ck_aborts (void (*body) (void *arg), void *arg, const char *what, const char *call)
{
    char line[1000], start[60];
    int status = test_child (body, arg, line, sizeof line);

    snprintf (start, sizeof start, "evring: %s: ", call);
    ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT, "%s: status 0x%x: %s", what,
                   (unsigned) status, line);
    ck_assert_msg (!strncmp (line, start, strlen (start)), "%s: no line about %s, but: \"%s\"", what, call,
                   line);
}

/* ---- every set --------------------------------------------------------------------------------------- */

static char bytes[8];
static ev_pool *nowhere;

#define SETS(name, ...)                   \
    static void sets_##name (ev_op *w)    \
    {                                     \
        ev_##name##_set (w, __VA_ARGS__); \
    }
SETS (accept, 1, 0)
SETS (connect, 1, NULL, 0)
SETS (recv, 1, bytes, 1, 0)
SETS (recv_pool, 1, nowhere, 0)
SETS (send, 1, bytes, 1, 0)
SETS (send_zc, 1, bytes, 1, 0)
SETS (recvmsg, 1, NULL, 0)
SETS (sendmsg, 1, NULL, 0)
SETS (shutdown, 1, 0)
SETS (socket, 1, 1, 1)
SETS (openat, 1, "x", 0, 0)
SETS (close, 1)
SETS (read, 1, bytes, 1, 0)
SETS (write, 1, bytes, 1, -9)
SETS (readv, 1, NULL, -1, 0)
SETS (writev, 1, NULL, 0, 0)
SETS (fsync, 1, 0)
SETS (fallocate, 1, 0, 0, 1)
SETS (ftruncate, 1, 1)
SETS (statx, 1, "x", 0, 0, NULL)
SETS (unlinkat, 1, "x", 0)
SETS (renameat, 1, "x", 1, "y", 0)
SETS (mkdirat, 1, "x", 0)
SETS (splice, 1, -1, 1, -1, 1, 0)
SETS (waitid, P_PID, 1, NULL, WEXITED)
SETS (sqe, NULL)

#define SETTER(name)                    \
    {                                   \
        "ev_" #name "_set", sets_##name \
    }
static const struct setter {
    const char *call;
    void (*set) (ev_op *w);
} setters[] = { SETTER (accept),   SETTER (connect),  SETTER (recv),      SETTER (recv_pool), SETTER (send),
                SETTER (send_zc),  SETTER (recvmsg),  SETTER (sendmsg),   SETTER (shutdown),  SETTER (socket),
                SETTER (openat),   SETTER (close),    SETTER (read),      SETTER (write),     SETTER (readv),
                SETTER (writev),   SETTER (fsync),    SETTER (fallocate), SETTER (ftruncate), SETTER (statx),
                SETTER (unlinkat), SETTER (renameat), SETTER (mkdirat),   SETTER (splice),    SETTER (waitid),
                SETTER (sqe) };
enum { SETTERS = sizeof setters / sizeof *setters };

static const char not_now[] = "not while the operation is active or pending";

/* All that may be said to an operation that is idle is refused, and leaves no trace. */
static void changes_are_refused (ev_op *w, ev_op *idle)
{
    ev_op before = *w;

    for (int i = 0; i < SETTERS; i++)
        SAYS (setters[i].call, not_now, setters[i].set (w));
    SAYS ("ev_op_deadline", not_now, ev_op_deadline (w, 0.001));
    SAYS ("ev_op_deadline", not_now, ev_op_deadline (w, 0.));
    SAYS ("ev_op_link", not_now, ev_op_link (w, idle));
    SAYS ("ev_op_link", not_now, ev_op_link (w, NULL));
    SAYS ("ev_op_link", not_now, ev_op_link (idle, w));
    ck_assert_int_eq (memcmp (&before, w, sizeof before), 0);
}

static void hold_back (struct ev_loop *loop)
{
}

/* Until its result is here and nobody has been told. */
static void run_untold (struct ev_loop *loop)
{
    double end = test_clock () + OP_PATIENCE;

    ev_set_invoke_pending_cb (loop, hold_back);
    while (!ev_pending_count (loop) && test_clock () < end)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_gt (ev_pending_count (loop), 0);
}

static struct op idle_one;

static void check_changes (struct ev_loop *loop, const struct waiting *what)
{
    struct place place;
    struct op *op;

    place_begin (&place, loop, what);
    op = &place.luggage->op;
    ev_fsync_set (op_new (&idle_one), -1, 0);
    place_start (&place);
    changes_are_refused (&op->w, &idle_one.w);
    op_settle (loop);
    changes_are_refused (&op->w, &idle_one.w);
    if (what->release) {
        what->release (&place);
        run_untold (loop);
        changes_are_refused (&op->w, &idle_one.w);
        ev_set_invoke_pending_cb (loop, ev_invoke_pending);
        op_until (loop, &op->calls, 1);
        ck_assert_msg (place_result_is_right (&place, op->result), "%s: result %zd", what->name, op->result);
    }
    if (ev_is_active (&op->w)) /* one that repeats: between two results */
        changes_are_refused (&op->w, &idle_one.w);
    op_stop (loop, op);
    SAYS_NOTHING (what->set (&place, &op->w); ev_op_deadline (&op->w, 1.); ev_op_link (&op->w, &idle_one.w));
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (operation_that_is_under_way_is_not_changed)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i]))
            check_changes (loop, &waitings[i]);
}

TEST_ENGINES (operation_that_waits_for_its_turn_or_its_link_is_not_changed)
{
    struct ev_loop *loop = test_loop (0);
    struct op op[3];
    int fd[2];

    op_pair (fd);
    ev_fsync_set (op_new (&idle_one), -1, 0);
    for (int i = 0; i < 3; i++)
        ev_recv_set (op_new (&op[i]), fd[0], &bytes[i], 1, 0);
    ev_op_link (&op[0].w, &op[2].w);
    op_start (loop, &op[0]);
    op_start (loop, &op[1]);
    op[2].started = 1;
    changes_are_refused (&op[1].w, &idle_one.w);
    changes_are_refused (&op[2].w, &idle_one.w);
    for (int i = 0; i < 3; i++) {
        kit_put (fd[1]);
        ck_result (op_end (loop, &op[i]), 1);
    }
    op_close_both (fd);
    op_all_over (loop);
}

/* ---- links --------------------------------------------------------------------------------------------- */

TEST_ENGINES (chain_that_meets_an_active_operation_ends_before_it)
{
    struct ev_loop *loop = test_loop (0);
    struct op op[2];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 2; i++) {
        ev_fsync_set (op_new (&op[i]), -1, 0);
        op[i].started = 1;
    }
    ev_op_link (&op[0].w, &op[0].w); /* a ring */
    SAYS ("ev_op_link", "started already", ev_op_start (loop, &op[0].w));
    ck_result (op_end (loop, &op[0]), -EBADF);
    ev_recv_set (op_new (&op[1]), fd[0], bytes, 1, 0);
    ev_fsync_set (op_new (&op[0]), -1, 0);
    ev_op_link (&op[0].w, &op[1].w);
    op_start (loop, &op[1]);
    op[0].started = 1;
    SAYS ("ev_op_link", "started already", ev_op_start (loop, &op[0].w));
    ck_result (op_end (loop, &op[0]), -EBADF);
    ck_result (op_stop (loop, &op[1]), -ECANCELED);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (limit_of_connections_is_for_an_idle_accept)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 1);
    struct op op;

    ev_recv_set (op_new (&op), listener, bytes, 1, 0);
    SAYS ("ev_accept_limit", "no ev_accept", ev_accept_limit (&op.w, 1));
    SAYS ("ev_accept_gone", "no ev_accept", ev_accept_gone (loop, &op.w));
    op_begin (loop, &op, accept, listener, 0);
    SAYS ("ev_accept_limit", "not while", ev_accept_limit (&op.w, 1));
    SAYS_NOTHING (ev_accept_gone (loop, &op.w));
    op_stop (loop, &op);
    close (listener);
}

TEST_ENGINES (flags_are_for_operations_that_have_them)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], bytes, 1, 0);
    SAYS ("ev_op_flags", "ev_read", ev_op_flags (&op.w, EV_OP_WHOLE));
    SAYS_NOTHING (ev_op_flags (&op.w, 0));
    ev_read_set (op_new (&op), fd[0], bytes, 1, -1);
    SAYS ("ev_op_flags", "no such flag", ev_op_flags (&op.w, 1u << 30));
    op_start (loop, &op);
    SAYS ("ev_op_flags", "not while", ev_op_flags (&op.w, EV_OP_WHOLE));
    op_stop (loop, &op);
    op_close_both (fd);
}

TEST_ENGINES (operation_that_does_not_repeat_cannot_be_paused)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], bytes, 1, 0);
    SAYS ("ev_op_pause", "repeats", ev_op_pause (loop, &op.w));
    SAYS_NOTHING (ev_op_resume (loop, &op.w));
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
}

/* ---- two loops ------------------------------------------------------------------------------------------ */

static const char elsewhere[] = "on another loop";

static void check_elsewhere (struct ev_loop *loop, struct ev_loop *other, const struct waiting *what)
{
    struct place place;
    struct op *op;

    place_begin (&place, loop, what);
    op = &place.luggage->op;
    place_start (&place);
    for (int i = 0; i < 2; i++) {
        SAYS ("ev_op_start", elsewhere, ev_op_start (other, &op->w));
        SAYS ("ev_op_cancel", elsewhere, ev_op_cancel (other, &op->w));
        SAYS ("ev_op_pause", elsewhere, ev_op_pause (other, &op->w));
        SAYS ("ev_op_resume", elsewhere, ev_op_resume (other, &op->w));
        op_settle (loop);
    }
    SAYS_NOTHING (ev_op_start (loop, &op->w));
    ck_assert_int_eq (op->calls, 0);
    op_cancel (loop, op);
    ck_result (op_end (loop, op), -ECANCELED);
    SAYS_NOTHING (ev_op_stop (other, &op->w); ev_op_cancel (other, &op->w));
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (operation_of_another_loop_is_neither_started_nor_cancelled)
{
    struct ev_loop *loop = test_loop (0), *other = test_loop (0);
    struct op op;
    int fd[2];

    op_pair (fd);
    for (int used = 0; used < 2; used++) {
        for (int i = 0; i < WAITINGS; i++)
            if (waiting_works (&waitings[i]))
                check_elsewhere (loop, other, &waitings[i]);
        if (!used)
            op_begin (other, &op, recv, fd[0], bytes, 1, 0); /* now it has one of its own, as number one */
    }
    op_stop (other, &op);
    op_close_both (fd);
}

struct stop {
    int used, pending;
};

static void stop_elsewhere (void *arg)
{
    const struct stop *stop = arg;
    struct ev_loop *loop = test_loop (0), *other = test_loop (0);
    struct op op, own;
    int fd[2];

    op_pair (fd);
    if (stop->used)
        op_begin (other, &own, recv, fd[1], bytes, 1, 0);
    op_begin (loop, &op, recv, fd[0], bytes, 1, 0);
    op_settle (loop);
    if (stop->pending) {
        kit_put (fd[1]);
        run_untold (loop);
    }
    ev_op_stop (other, &op.w);
}

TEST_ENGINES (stop_of_an_operation_of_another_loop_aborts)
{
    static struct stop stops[] = { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 } };

    for (int i = 0; i < 4; i++)
        ck_aborts (stop_elsewhere, &stops[i], "stop", "ev_op_stop");
}

/* ---- pools ------------------------------------------------------------------------------------------------ */

TEST_ENGINES (pool_that_is_none_is_answered)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    op_pair (fd);
    SAYS ("ev_pool_new", "count", nowhere = ev_pool_new (loop, 4096, 0));
    SAYS ("ev_pool_new", "size", nowhere = ev_pool_new (loop, 0, 4));
    SAYS ("ev_pool_new", "count", nowhere = ev_pool_new (loop, 4096, 40000));
    ck_assert_ptr_null (nowhere);
    ck_result (op_do (loop, recv_pool, fd[0], nowhere, 0), -EINVAL);
    SAYS ("ev_pool_take", "NULL", ck_assert_ptr_null (ev_pool_take (nowhere)));
    SAYS ("ev_pool_give", "NULL", ev_pool_give (nowhere, bytes));
    SAYS ("ev_pool_keep", "NULL", ev_pool_keep (nowhere, bytes));
    SAYS_NOTHING (ev_pool_free (loop, nowhere));
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (buffer_that_the_pool_has_not_lent_is_answered)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 2), *second = ev_pool_new (loop, 64, 2);
    char *buf = ev_pool_take (pool);

    SAYS ("ev_pool_give", "lent", ev_pool_give (pool, NULL));
    SAYS ("ev_pool_keep", "lent", ev_pool_keep (pool, NULL));
    SAYS ("ev_pool_give", "lent", ev_pool_give (second, buf));
    SAYS ("ev_pool_give", "lent", ev_pool_give (pool, buf + 64));
    SAYS_NOTHING (ev_pool_give (pool, buf));
    SAYS ("ev_pool_give", "lent", ev_pool_give (pool, buf));
    op_all_over (loop);
}

static char *callbacks_buf;

static void give_what_was_not_kept (struct ev_loop *loop, struct op *op)
{
    ev_pool *pool = op->arg;

    if (!op->buf)
        return;
    callbacks_buf = op->buf;
    SAYS ("ev_pool_give", "not kept", ev_pool_give (pool, op->buf));
    SAYS_NOTHING (ev_pool_keep (pool, op->buf); ev_pool_keep (pool, op->buf));
    SAYS_NOTHING (ev_pool_give (pool, op->buf));
    SAYS ("ev_pool_give", "lent", ev_pool_give (pool, op->buf));
    SAYS ("ev_pool_keep", "lent", ev_pool_keep (pool, op->buf));
}

TEST_ENGINES (buffer_that_was_not_kept_goes_back_by_itself_and_once)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 2);
    struct op op;
    int fd[2];

    op_pair (fd);
    ev_recv_pool_set (op_new (&op), fd[0], pool, 0);
    op.then = give_what_was_not_kept;
    op.arg = pool;
    op_start (loop, &op);
    for (int i = 1; i <= 5; i++) { /* none is lost, and none is there twice */
        kit_put (fd[1]);
        op_until (loop, &op.calls, i);
        ck_result (op.result, 1);
    }
    op_settle (loop);
    SAYS ("ev_pool_keep", "lent", ev_pool_keep (pool, callbacks_buf));
    SAYS ("ev_pool_give", "lent", ev_pool_give (pool, callbacks_buf));
    op_stop (loop, &op);
    op_close_both (fd);
    op_all_over (loop);
}

static void give_and_take (struct ev_loop *loop, struct op *op)
{
    ev_pool *pool = op->arg;

    ev_pool_keep (pool, op->buf);
    ev_pool_give (pool, op->buf);
    callbacks_buf = ev_pool_take (pool); /* perhaps the same */
}

TEST_ENGINES (buffer_that_was_taken_in_a_callback_stays_taken)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 1);
    struct op op;
    int fd[2];

    op_pair (fd);
    ev_recv_pool_set (op_new (&op), fd[0], pool, 0);
    op.then = give_and_take;
    op.arg = pool;
    op_start (loop, &op);
    kit_put (fd[1]);
    op_until (loop, &op.calls, 1);
    op.then = NULL;
    op_settle (loop);
    if (callbacks_buf) { /* no ring has it */
        ck_assert_ptr_null (ev_pool_take (pool));
        SAYS_NOTHING (ev_pool_give (pool, callbacks_buf));
    }
    op_stop (loop, &op);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (pool_that_is_gone_is_not_freed_again)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 2), *other = ev_pool_new (loop, 64, 2);

    SAYS_NOTHING (ev_pool_free (loop, pool));
    SAYS ("ev_pool_free", "gone", ev_pool_free (loop, pool));
    SAYS_NOTHING (ev_pool_free (loop, other));
    SAYS ("ev_pool_free", "gone", ev_pool_free (loop, other));
    op_all_over (loop);
}

TEST_ENGINES (pool_of_another_loop_is_refused)
{
    struct ev_loop *loop = test_loop (0), *other = test_loop (0);
    ev_pool *pool = ev_pool_new (other, 64, 2), *own = ev_pool_new (loop, 64, 2);
    struct op op, theirs;
    int fd[2];

    op_pair (fd);
    for (int used = 0; used < 2; used++) {
        op_begin (loop, &op, recv_pool, fd[0], pool, 0);
        SAYS ("ev_op_start", "pool", op_end (loop, &op));
        ck_result (op.result, -EINVAL);
        if (!used)
            op_begin (other, &theirs, recv_pool, fd[1], pool, 0);
        op_settle (other);
    }
    SAYS ("ev_pool_free", "another loop", ev_pool_free (loop, pool));
    ck_assert_int_eq (send (fd[0], "hello", 5, 0), 5);
    op_until (other, &theirs.calls, 1);
    ck_result (theirs.result, 5);
    op_stop (other, &theirs);
    op_begin (loop, &op, recv_pool, fd[0], own, 0);
    kit_put (fd[1]);
    op_until (loop, &op.calls, 1);
    op_stop (loop, &op);
    SAYS_NOTHING (ev_pool_free (loop, own); ev_pool_free (other, pool));
    op_close_both (fd);
    op_all_over (loop);
}

static ev_pool *to_free;

static void free_the_pool (struct ev_loop *loop, struct op *op)
{
    if (!to_free)
        return;
    SAYS ("ev_pool_free", "active", ev_pool_free (loop, to_free));
    to_free = NULL;
}

TEST_ENGINES (pool_that_is_in_use_is_not_freed)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 2);
    struct op op[3];
    int fd[2], file = op_file (100);

    op_pair (fd);
    for (int i = 0; i < 3; i++) { /* one of them pauses */
        op_begin (loop, &op[i], recv_pool, fd[0], pool, 0);
        SAYS ("ev_pool_free", "active", ev_pool_free (loop, pool));
    }
    op[0].then = free_the_pool;
    to_free = pool;
    kit_put (fd[1]);
    op_until (loop, &op[0].calls, 1);
    ck_assert_ptr_null (to_free);
    for (int i = 0; i < 3; i++)
        op_stop (loop, &op[i]);
    SAYS_NOTHING (ev_pool_free (loop, pool));
    pool = ev_pool_new (loop, 4096, 2);
    op_begin (loop, &op[0], read, file, ev_pool_take (pool), 100, 0);
    SAYS ("ev_pool_free", "active", ev_pool_free (loop, pool));
    ck_result (op_end (loop, &op[0]), 100);
    SAYS_NOTHING (ev_pool_free (loop, pool));
    op_close_both (fd);
    close (file);
    op_all_over (loop);
}

/* ---- init ------------------------------------------------------------------------------------------------- */

/* What happens to an operation that was initialised while the loop had it. */
enum after { RELEASED, STARTED, DESTROYED, AFTERS };

struct init {
    const struct waiting *what;
    int settled;
    enum after after;
};

static void init_active (void *arg)
{
    const struct init *init = arg;
    struct ev_loop *loop = test_loop (0);
    struct place place;
    ev_op *w;

    place_begin (&place, loop, init->what);
    place_start (&place);
    if (init->settled)
        op_settle (loop);
    w = &place.luggage->op.w;
    ev_init (w, op_done);
    init->what->set (&place, w);
    if (init->after == STARTED)
        ev_op_start (loop, w);
    if (init->after != DESTROYED && init->what->release)
        init->what->release (&place);
    op_settle (loop);
    ev_loop_destroy (loop);
}

TEST_ENGINES (operation_that_is_initialised_while_it_is_active_aborts)
{
    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        for (int settled = 0; settled < 2; settled++)
            for (enum after after = RELEASED; after < AFTERS; after++) {
                struct init init = { &waitings[i], settled, after };

                if (waiting_works (init.what))
                    ck_aborts (init_active, &init, init.what->name, "ev_init");
            }
}

/* Where no engine has it. */
enum queue { IN_A_LANE, IN_A_CHAIN, IN_A_PAUSE, IN_A_DEADLINE, QUEUES };

static void init_queued (void *arg)
{
    const enum queue *queue = arg;
    struct ev_loop *loop = test_loop (0);
    static struct op op[2];
    int fd[2];
    char buf[8];
    ev_pool *pool = ev_pool_new (loop, 64, 1);

    op_pair (fd);
    for (int i = 0; i < 2; i++)
        if (*queue == IN_A_PAUSE)
            ev_recv_pool_set (op_new (&op[i]), fd[i], pool, 0);
        else
            ev_recv_set (op_new (&op[i]), fd[0], buf, 1, 0);
    if (*queue == IN_A_CHAIN)
        ev_op_link (&op[0].w, &op[1].w);
    if (*queue == IN_A_DEADLINE)
        ev_op_deadline (&op[1].w, 0.01);
    if (*queue == IN_A_PAUSE)
        ck_assert_ptr_nonnull (ev_pool_take (pool));
    op_start (loop, &op[0]);
    if (*queue != IN_A_CHAIN)
        op_start (loop, &op[1]);
    op[1].started = 1;
    if (*queue != IN_A_DEADLINE) /* which could pass */
        op_settle (loop);
    ev_recv_init (&op[1].w, op_done, fd[0], buf, 1, 0);
    usleep (20000);
    op_settle (loop);
    kit_put (fd[1]);
    op_settle (loop);
    ev_loop_destroy (loop);
}

TEST_ENGINES (operation_that_is_initialised_while_it_stands_in_line_aborts)
{
    for (enum queue queue = 0; queue < QUEUES; queue++)
        ck_aborts (init_queued, &queue, "queue", "ev_init");
}

/* ---- done, and not told --------------------------------------------------------------------------------- */

TEST_ENGINES (operation_that_waits_to_be_told_is_told_once_whatever_is_asked)
{
    struct ev_loop *loop = test_loop (0), *other = test_loop (0);
    struct op op;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], bytes, 1, 0);
    op_settle (loop);
    kit_put (fd[1]);
    run_untold (loop);
    if (!ev_is_active (&op.w)) {
        SAYS ("ev_op_start", "has not been told", ev_op_start (loop, &op.w));
        SAYS ("ev_op_start", "has not been told", ev_op_start (other, &op.w));
        SAYS_NOTHING (ev_op_cancel (other, &op.w));
    }
    if (!ev_is_active (&op.w))
        SAYS_NOTHING (op_cancel (loop, &op); op_cancel (loop, &op));
    ev_set_invoke_pending_cb (loop, ev_invoke_pending);
    ck_result (op_end (loop, &op), 1);
    SAYS_NOTHING (op_cancel (loop, &op); op_stop (loop, &op));
    op_all_over (loop);
    op_all_over (other);
    op_close_both (fd);
}

/* ---- numbers -------------------------------------------------------------------------------------------- */

TEST_ENGINES (deadline_that_is_no_time_is_none_and_endless_ones_do_no_harm)
{
    static const double never[] = { -1., -HUGE_VAL, NAN, HUGE_VAL, 1e300, 1e12 };
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int fd[2];

    op_pair (fd);
    for (unsigned i = 0; i < sizeof never / sizeof *never; i++) {
        ev_recv_set (op_new (&op), fd[0], bytes, 1, 0);
        ev_op_deadline (&op.w, never[i]);
        op_start (loop, &op);
        op_settle (loop);
        ck_assert_int_eq (op.calls, 0);
        kit_put (fd[1]);
        ck_result (op_end (loop, &op), 1);
        ev_verify (loop);
    }
    op_close_both (fd);
    op_all_over (loop);
}
