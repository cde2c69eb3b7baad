/* agree_test.c: random programs of operations, from a seed, on every engine: what a program can see must be the
 * same. A program is a list of steps on sockets, pipes and files; each operation leaves a line in the trace: how it
 * ended, how much it moved, what its data was, and the order of ends within a descriptor and direction.
 * Left out, because nobody promises it: the order between descriptors, who wins when a cancel meets a completion
 * (programs cancel only what cannot complete), and how a stream is cut into pieces when several sends are on their
 * way. Half of the programs let each send arrive before they go on: there each result must be the same. The others
 * do not: there what is received must be what was sent, in order.
 *
 *     SEED=n ENGINE=name T=programs agree_test     that program alone, its traces printed
 *     SEEDS=n … START=n                            so many programs from there */
#define _GNU_SOURCE
#include "op_kit.h"
#include "reference.h"

#include <sys/ioctl.h>

enum { STEPS_MAX = 40, OPS_MAX = STEPS_MAX * 2, LANES = 8, BUF = 512, SLOTS = 4, TRACE_MAX = 16384 };

/* ---- one performance ------------------------------------------------------------------------------ */

struct item {
    struct op op;
    int number, lane;             /* lane: 2 * slot + direction; -1: none */
    unsigned char *buf, own[BUF]; /* … of the program, or of a pool */
    struct iovec vec[2];
    struct msghdr message;
    int is_input, does_not_wait;
};

static struct show {
    struct ev_loop *loop;
    ev_pool *pool;
    unsigned state;
    int pair[SLOTS][2]; /* socket pairs and pipes: 0 receives, 1 sends */
    int is_pipe[SLOTS];
    int closed[SLOTS]; /* the sending end */
    int file[2];
    int loose; /* sends do not wait for their arrival */
    int out_of_order;
    size_t put[SLOTS], taken[SLOTS]; /* bytes of the streams */
    struct item *items[OPS_MAX];
    int items_count;
    int order[LANES][OPS_MAX], order_count[LANES];
    char lines[OPS_MAX][120];
} * show;

static unsigned below (unsigned limit)
{
    show->state = show->state * 1664525u + 1013904223u;
    return (show->state >> 8) % limit;
}

static unsigned checksum (const unsigned char *data, size_t size)
{
    unsigned sum = 2166136261u;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ data[i]) * 16777619u;
    return sum;
}

/* What a stream has given: the next bytes of it. */
static void take (struct item *item, ssize_t result)
{
    int slot = item->lane / 2;

    if (result <= 0 || item->lane < 0 || slot == SLOTS - 1 || !item->is_input)
        return;
    show->out_of_order += !op_data_is (item->buf, (size_t) result, show->taken[slot]);
    show->taken[slot] += (size_t) result;
}

static void note (struct ev_loop *loop, struct op *op)
{
    struct item *item = op->arg;
    size_t got = op->result > 0 && item->is_input ? (size_t) op->result : 0;
    char *line = show->lines[item->number];

    take (item, op->result);
    if (show->loose && item->is_input && item->lane >= 0 && item->lane / 2 < SLOTS - 1)
        snprintf (line, sizeof show->lines[0], "%d: calls %d, result %zd\n", item->number, op->calls,
                  op->result < 0 ? op->result : 0);
    else
        snprintf (line, sizeof show->lines[0], "%d: calls %d, result %zd, data %08x\n", item->number,
                  op->calls, op->result, checksum (item->buf, got));
    if (item->lane >= 0)
        show->order[item->lane][show->order_count[item->lane]++] = item->number;
}

static struct item *item_new (int lane, int is_input)
{
    struct item *item = op_memory (sizeof *item);

    item->number = show->items_count;
    item->buf = item->number % 2 ? ev_pool_take (show->pool) : item->own;
    item->lane = lane;
    item->is_input = is_input;
    op_new (&item->op);
    item->op.arg = item;
    show->items[show->items_count++] = item;
    return item;
}

static void item_start (struct item *item)
{
    item->op.then = note;
    item->op.arg = item;
    op_start (show->loop, &item->op);
}

static void vec_of (struct item *item, size_t size)
{
    item->vec[0] = (struct iovec){ item->buf, size / 3 };
    item->vec[1] = (struct iovec){ item->buf + size / 3, size - size / 3 };
    item->message = (struct msghdr){ .msg_iov = item->vec, .msg_iovlen = 2 };
}

/* Runs until the sends of the slot have arrived, at whoever waits for them. */
static void arrive (int slot)
{
    double end = test_clock () + OP_PATIENCE;
    int left = 0, busy = 1, first;

    while (busy && test_clock () < end) {
        busy = 0;
        first = 1;
        ev_run (show->loop, EVRUN_NOWAIT);
        ioctl (show->pair[slot][0], FIONREAD, &left);
        for (int i = 0; i < show->items_count; i++) {
            const struct item *item = show->items[i];

            if (item->lane / 2 != slot || item->lane < 0 || !ev_is_active (&item->op.w))
                continue;
            busy |= !item->is_input || left > 0 || (first && item->does_not_wait);
            first &= !item->is_input;
        }
    }
    ck_assert_msg (!busy, "what was sent does not arrive");
}

/* ---- steps ---------------------------------------------------------------------------------------- */

static void step_receive (int slot)
{
    struct item *item = item_new (2 * slot, 1);
    size_t size = 1 + below (BUF);
    int fd = show->pair[slot][0];

    vec_of (item, size);
    switch (below (show->is_pipe[slot] ? 2 : show->loose ? 4 : 5)) {
    case 0:
        ev_read_set (&item->op.w, fd, item->buf, size, -1);
        break;
    case 1:
        ev_readv_set (&item->op.w, fd, item->vec, 2, -1);
        break;
    case 2:
        ev_recv_set (&item->op.w, fd, item->buf, size, 0);
        break;
    case 3:
        ev_recvmsg_set (&item->op.w, fd, &item->message, 0);
        break;
    default:
        ev_recv_set (&item->op.w, fd, item->buf, size, MSG_DONTWAIT);
        item->does_not_wait = 1;
    }
    item_start (item);
    if (!show->loose)
        arrive (slot);
}

static void step_send (int slot)
{
    struct item *item = item_new (2 * slot + 1, 0);
    size_t size = 1 + below (BUF);
    int fd = show->pair[slot][1];

    op_data (item->buf, size, show->put[slot]);
    show->put[slot] += size;
    vec_of (item, size);
    switch (below (show->is_pipe[slot] ? 2 : 5)) {
    case 0:
        ev_write_set (&item->op.w, fd, item->buf, size, -1);
        break;
    case 1:
        ev_writev_set (&item->op.w, fd, item->vec, 2, -1);
        break;
    case 2:
        ev_send_set (&item->op.w, fd, item->buf, size, 0);
        break;
    case 3:
        ev_send_zc_set (&item->op.w, fd, item->buf, size, 0);
        break;
    default:
        ev_sendmsg_set (&item->op.w, fd, &item->message, 0);
    }
    item_start (item);
    if (!show->loose)
        arrive (slot);
}

static void step_shutdown (int slot)
{
    struct item *item;

    if (show->is_pipe[slot])
        return;
    item = item_new (2 * slot + 1, 0);
    ev_shutdown_set (&item->op.w, show->pair[slot][1], SHUT_WR);
    item_start (item);
    if (!show->loose)
        arrive (slot);
}

/* Files: reads and writes at an offset go to places of their own, so that running in parallel is no matter. */
static void step_file (void)
{
    struct item *item;
    int fd = show->file[below (2)];
    int64_t at = below (8000);
    size_t size = below (BUF);

    switch (below (7)) {
    case 0:
        item = item_new (-1, 1);
        ev_read_set (&item->op.w, show->file[0], item->buf, size, at);
        break;
    case 1:
        item = item_new (-1, 1);
        vec_of (item, size);
        ev_readv_set (&item->op.w, show->file[0], item->vec, 2, at);
        break;
    case 2:
        item = item_new (-1, 0);
        op_data (item->buf, BUF, (size_t) item->number);
        ev_write_set (&item->op.w, show->file[1], item->buf, BUF, item->number * BUF);
        break;
    case 3:
        item = item_new (2 * (SLOTS - 1), 1); /* the position of the first file: a line of its own */
        ev_read_set (&item->op.w, show->file[0], item->buf, size, -1);
        break;
    case 4:
        item = item_new (-1, 0);
        ev_fsync_set (&item->op.w, fd, (int) below (2));
        break;
    case 5:
        item = item_new (-1, 0);
        ev_fallocate_set (&item->op.w, show->file[1], 0, 0, (int64_t) below (3) * 100);
        break;
    default:
        item = item_new (-1, 1);
        ev_read_set (&item->op.w, below (2) ? -1 : show->pair[0][1], item->buf, size, below (2) ? -1 : 5);
        if (item->op.w.fd >= 0) /* it would wait for its own end: an error instead */
            ev_read_set (&item->op.w, 9999, item->buf, size, -1);
    }
    item_start (item);
}

static void step_name (void)
{
    static const char *const names[] = { "/nonexistent/file", "/tmp", "/dev/null", "", "/etc/passwd/none" };
    const char *name = names[below (5)];
    struct item *item = item_new (-1, 0);

    switch (below (5)) {
    case 0:
        ev_openat_set (&item->op.w, AT_FDCWD, name, O_WRONLY | O_DIRECTORY, 0);
        break;
    case 1:
        ev_unlinkat_set (&item->op.w, AT_FDCWD, name, below (2) ? AT_REMOVEDIR : 0x7777);
        if (strcmp (name, "/nonexistent/file") != 0 && strcmp (name, "") != 0)
            ev_unlinkat_set (&item->op.w, AT_FDCWD, "/nonexistent", 0);
        break;
    case 2:
        ev_mkdirat_set (&item->op.w, AT_FDCWD, name, 0700);
        if (!strcmp (name, "/nonexistent/file"))
            ev_mkdirat_set (&item->op.w, -1, "x", 0700);
        break;
    case 3:
        ev_renameat_set (&item->op.w, AT_FDCWD, "/nonexistent/file", AT_FDCWD, "/nonexistent/other",
                         below (3));
        break;
    default:
        ev_socket_set (&item->op.w, 9999, SOCK_STREAM, (int) below (3));
    }
    item_start (item);
}

/* Before 6.4 a read of a pipe is with a thread of the kernel, which needs its time to give it back: the end of the
 * stream must not come in between. */
static void cancel (struct item *item)
{
    double end = test_clock () + OP_PATIENCE;

    op_cancel (show->loop, &item->op);
    while (ev_is_active (&item->op.w) && test_clock () < end)
        ev_run (show->loop, EVRUN_NOWAIT);
}

static void step_end_one (void)
{
    struct item *item = show->items_count ? show->items[below ((unsigned) show->items_count)] : NULL;
    int stop = below (2);

    for (int i = 0; i < SLOTS - 1; i++) /* what can complete has completed */
        arrive (i);
    if (!item || !ev_is_active (&item->op.w) || !item->is_input || item->lane < 0
        || item->lane / 2 == SLOTS - 1)
        return;
    if (show->loose && show->put[item->lane / 2]) /* how the stream was cut says which receivers still wait */
        return;
    if (!stop)
        cancel (item);
    else {
        ssize_t result = op_stop (show->loop, &item->op);

        take (item, result);
        snprintf (show->lines[item->number], sizeof show->lines[0], "%d: stopped with %zd\n", item->number,
                  result);
    }
    for (int i = 0; i < SLOTS - 1 && !show->loose; i++) /* whoever is next in line has its turn */
        arrive (i);
}

static void step_run (void)
{
    ev_run (show->loop, EVRUN_NOWAIT);
}

static void step (void)
{
    int slot = (int) below (SLOTS - 1);

    switch (below (16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        step_receive (slot);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        step_send (slot);
        break;
    case 8:
    case 9:
        step_file ();
        break;
    case 10:
        step_name ();
        break;
    case 11:
        if (!below (4))
            step_shutdown (slot);
        break;
    case 12:
        if (!below (4))
            step_end_one ();
        break;
    default:
        step_run ();
    }
}

/* ---- from the beginning to the end ---------------------------------------------------------------- */

static void show_begin (struct ev_loop *loop, unsigned seed)
{
    show = op_memory (sizeof *show);
    show->loop = loop;
    show->pool = ev_pool_new (loop, BUF, OPS_MAX);
    show->state = seed;
    show->loose = (int) below (2);
    for (int i = 0; i < SLOTS; i++) {
        show->is_pipe[i] = i == 1;
        if (show->is_pipe[i])
            ck_assert_int_eq (pipe (show->pair[i]), 0);
        else if (i == 2)
            test_socketpair (show->pair[i]);
        else
            op_pair (show->pair[i]);
    }
    show->file[0] = op_memory_file (5000);
    show->file[1] = op_memory_file (0);
}

/* The senders are done: whoever still receives hears of the end. */
static int all_over (void)
{
    for (int i = 0; i < show->items_count; i++)
        if (ev_is_active (&show->items[i]->op.w) || ev_is_pending (&show->items[i]->op.w))
            return 0;
    return 1;
}

static void show_finish (void)
{
    double end = test_clock () + OP_PATIENCE;

    for (int i = 0; i < 8; i++)
        step_run ();
    for (int i = 0; i < SLOTS; i++) {
        int busy = 1;

        while (busy && test_clock () < end) { /* sends wait for nobody: everything fits */
            busy = 0;
            for (int k = 0; k < show->items_count; k++)
                busy |= show->items[k]->lane == 2 * i + 1 && ev_is_active (&show->items[k]->op.w);
            step_run ();
        }
        close (show->pair[i][1]);
    }
    while (!all_over () && test_clock () < end)
        ev_run (show->loop, EVRUN_NOWAIT);
}

static char *show_end (void)
{
    char *trace = op_memory (TRACE_MAX);
    unsigned char data[OPS_MAX * BUF];
    ssize_t size;
    size_t at = 0;

    show_finish ();
    for (int i = 0; i < show->items_count; i++) {
        const char *line = show->lines[i];
        at += (size_t) snprintf (trace + at, TRACE_MAX - at, "%s", *line ? line : "never ended\n");
    }
    for (int lane = 0; lane < LANES; lane++) {
        at += (size_t) snprintf (trace + at, TRACE_MAX - at, "line %d:", lane);
        for (int i = 0; i < show->order_count[lane]; i++)
            at += (size_t) snprintf (trace + at, TRACE_MAX - at, " %d", show->order[lane][i]);
        at += (size_t) snprintf (trace + at, TRACE_MAX - at, "\n");
    }
    size = pread (show->file[1], data, sizeof data, 0);
    at += (size_t) snprintf (trace + at, TRACE_MAX - at, "file %zd %08x\n", size,
                             checksum (data, size > 0 ? (size_t) size : 0));
    if (show->out_of_order)
        snprintf (trace + at, TRACE_MAX - at, "%d pieces are not what was sent\n", show->out_of_order);
    return trace;
}

static char *perform (struct ev_loop *loop, unsigned seed)
{
    char *trace;
    int steps;

    show_begin (loop, seed);
    steps = 5 + (int) below (STEPS_MAX - 5);
    for (int i = 0; i < steps; i++)
        step ();
    trace = show_end ();
    for (int i = 0; i < show->items_count; i++) {
        if (ev_is_active (&show->items[i]->op.w))
            op_stop (loop, &show->items[i]->op);
        free (show->items[i]);
    }
    for (int i = 0; i < SLOTS; i++)
        close (show->pair[i][0]);
    close (show->file[0]);
    close (show->file[1]);
    ev_pool_free (loop, show->pool);
    op_all_over (loop);
    free (show);
    return trace;
}

/* ---- comparison ------------------------------------------------------------------------------------ */

TEST_ENGINES (programs_do_the_same_on_every_engine)
{
    unsigned start = number_of ("SEED", number_of ("START", 1)),
             count = getenv ("SEED") ? 1 : number_of ("SEEDS", 600);
    struct ev_loop *loop = test_loop (0), *reference;
    char buf[1];

    TEST_SECONDS (100);
    op_do (loop, recv, -1, buf, 1, 0); /* it has chosen its engine */
    reference = reference_begin ();
    for (unsigned seed = start; seed < start + count; seed++) {
        char *wanted = perform (reference, seed), *got = perform (loop, seed);

        if (getenv ("SEED"))
            printf ("reference:\n%s\n%s:\n%s\n", wanted, test_engine_name (), got);
        ck_assert_msg (!strstr (wanted, "not what was sent") && !strstr (wanted, "never ended"),
                       "SEED=%u ENGINE=%s:\n%s", seed, test_engine_name (), wanted);
        ck_assert_msg (!strcmp (wanted, got),
                       "SEED=%u ENGINE=%s shows the difference:\n--- reference\n%s--- here\n%s", seed,
                       test_engine_name (), wanted, got);
        free (wanted);
        free (got);
    }
    ev_loop_destroy (reference);
}
