/* mixed_test.c: operations beside all the other watchers of a loop. Promises that they are watchers like others
 * (they keep the loop alive, have priorities, are walked and counted), that they run on the engine that was asked
 * for, and that neither waits for the other. */
#define _GNU_SOURCE
#define EV_WALK_ENABLE 1
#include "waiting.h"

/* ---- the engine ---------------------------------------------------------------------------------- */

TEST_ENGINES (operations_run_on_the_engine_in_turn)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], file = op_file (100);
    struct ev_stats stats;
    char buf[100];

    op_pair (fd);
    for (int i = 0; i < 10; i++) {
        kit_put (fd[1]);
        ck_result (op_do (loop, recv, fd[0], buf, 1, 0), 1);
        ck_result (op_do (loop, fsync, file, 0), 0);
    }
    stats = op_stats (loop);
    ck_assert_uint_eq (stats.op_starts, 20);
    if (test_engine_ring ()) {
        ck_assert_uint_ge (stats.ops_ring, 10); /* what is in memory may be read on the spot */
        ck_assert_uint_eq (stats.ops_threads, 0);
    } else
        ck_assert_uint_eq (stats.ops_ring, 0);
    ck_assert_uint_eq (ev_backend (loop), test_backend);
    op_close_both (fd);
    close (file);
}

TEST_ENGINES (threads_are_made_only_for_files_and_not_more_than_asked_for)
{
    struct ev_loop *loop;
    struct op op[32];
    char buf[32];
    int fd[2], file = op_file (32), before = test_thread_count ();

    setenv ("EVRING_THREADS", "2", 1);
    loop = test_loop (0);
    op_pair (fd);
    kit_put (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, 1, 0), 1);
    ck_assert_int_eq (test_thread_count (), before);
    for (int i = 0; i < 32; i++)
        op_begin (loop, &op[i], read, file, &buf[i], 1, i);
    for (int i = 0; i < 32; i++)
        ck_result (op_end (loop, &op[i]), 1);
    ck_assert_int_le (test_thread_count (), before + 2);
    if (test_engine_ring ())
        ck_assert_int_eq (test_thread_count (), before);
    op_close_both (fd);
    close (file);
}

TEST_ENGINES (ring_is_attached_once_and_refused_when_there_is_none)
{
    struct ev_loop *loop = test_loop (0);
    int result = ev_op_ring (loop), fd[2];
    char buf[8];

    if (test_engine_ring ())
        ck_assert_int_eq (result, 0); /* it has one already */
    op_pair (fd);
    kit_put (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 1);
    op_close_both (fd);
}

/* ---- a watcher like others ------------------------------------------------------------------------ */

static void break_loop (struct ev_loop *loop, struct op *op)
{
    ev_break (loop, EVBREAK_ALL);
}

static void put_later (EV_P_ ev_timer *w, int revents)
{
    kit_put ((int) (intptr_t) w->data);
}

TEST_ENGINES (active_operation_keeps_the_loop_running)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    ev_timer timer;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ev_timer_init (&timer, put_later, 0.02, 0.);
    timer.data = (void *) (intptr_t) fd[1];
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* returns by itself, after the last one */
    ck_result (op.result, 1);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    op_close_both (fd);
}

TEST_ENGINES (operation_wakes_a_loop_that_has_nothing_else)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_file (1 << 20);
    char *buf = op_memory (1 << 20);
    struct op op;

    for (int i = 0; i < 50; i++) {
        op_begin (loop, &op, read, file, buf, 1 << 20, 0);
        ck_assert_int_eq (ev_run (loop, 0), 0);
        ck_assert_int_eq (op.ends, 1);
        ck_result (op.result, 1 << 20);
    }
    close (file);
    free (buf);
}

TEST_ENGINES (unref_makes_an_operation_one_that_nobody_waits_for)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ev_unref (loop);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_assert (ev_is_active (&op.w));
    ev_ref (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (callback_breaks_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    struct op op, waits;
    char buf[16];
    int a[2], b[2];

    op_pair (a);
    op_pair (b);
    op_begin (loop, &waits, recv, b[0], buf + 8, 8, 0);
    ev_recv_set (op_new (&op), a[0], buf, 8, 0);
    op.then = break_loop;
    op_start (loop, &op);
    kit_put (a[1]);
    ck_assert_int_ne (ev_run (loop, 0), 0);
    ck_result (op.result, 1);
    op_stop (loop, &waits);
    op_close_both (a);
    op_close_both (b);
}

static struct op *walked[64];
static int walked_count;

static void walk (struct ev_loop *loop, int type, void *w)
{
    ck_assert_int_eq (type, EV_OP);
    walked[walked_count++] = w;
}

TEST_ENGINES (operations_are_walked)
{
    struct ev_loop *loop = test_loop (0);
    struct op op[4];
    char buf[4];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 4; i++) /* one runs, three are in line */
        op_begin (loop, &op[i], recv, fd[0], &buf[i], 1, 0);
    for (int run = 0; run < 2; run++) {
        walked_count = 0;
        ev_walk (loop, EV_OP, walk);
        ck_assert_int_eq (walked_count, 4);
        for (int i = 0; i < 4; i++) {
            int seen = 0;

            for (int k = 0; k < 4; k++)
                seen += walked[k] == &op[i];
            ck_assert_int_eq (seen, 1);
        }
        op_settle (loop);
    }
    walked_count = 0;
    ev_walk (loop, EV_IO | EV_TIMER | EV_ASYNC, walk); /* nothing of the library's own */
    ck_assert_int_eq (walked_count, 0);
    for (int i = 0; i < 4; i++)
        op_stop (loop, &op[i]);
    ev_walk (loop, EV_OP, walk);
    ck_assert_int_eq (walked_count, 0);
    op_close_both (fd);
}

static void stop_walked (struct ev_loop *loop, int type, void *w)
{
    op_stop (loop, (struct op *) w);
    walked_count++;
}

TEST_ENGINES (walk_may_stop_what_it_is_given)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];
    int count = 0;

    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i])) {
            place_begin (&places[i], loop, &waitings[i]);
            place_start (&places[i]);
            count++;
        }
    op_settle (loop);
    walked_count = 0;
    ev_walk (loop, EV_OP, stop_walked);
    ck_assert_int_eq (walked_count, count);
    op_all_over (loop);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what)
            place_end (&places[i]);
}

TEST_ENGINES (dump_and_verify_know_operations_in_flight)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];
    FILE *out = tmpfile ();

    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i])) {
            place_begin (&places[i], loop, &waitings[i]);
            place_start (&places[i]);
            ev_verify (loop);
        }
    op_settle (loop);
    ev_verify (loop);
    ev_dump (loop, out);
    ck_assert_int_gt (ftell (out), 0);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            op_stop (loop, &places[i].luggage->op);
            ev_verify (loop);
            place_end (&places[i]);
        }
    fclose (out);
}

TEST_ENGINES (clearing_what_is_not_pending_changes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ck_assert_int_eq (ev_clear_pending (loop, &op.w), 0);
    op_settle (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
}

/* ---- beside others -------------------------------------------------------------------------------- */

static int ticks;

static void tick (EV_P_ ev_timer *w, int revents)
{
    ticks++;
}

/* Everything waits on blocking descriptors; the loop goes on. */
TEST_ENGINES (nothing_that_waits_blocks_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];
    ev_timer timer;

    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i])) {
            place_begin (&places[i], loop, &waitings[i]);
            place_start (&places[i]);
        }
    ev_timer_init (&timer, tick, 0.002, 0.002);
    ev_timer_start (loop, &timer);
    op_until (loop, &ticks, 20);
    ev_timer_stop (loop, &timer);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            ck_assert_msg (!places[i].luggage->op.calls, "%s did not wait", places[i].what->name);
            op_stop (loop, &places[i].luggage->op);
            place_end (&places[i]);
        }
    op_all_over (loop);
}

TEST_ENGINES (loop_sleeps_while_everything_waits)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];
    unsigned iterations;

    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i])) {
            place_begin (&places[i], loop, &waitings[i]);
            place_start (&places[i]);
        }
    op_settle (loop);
    iterations = kit_run_for (loop, 0.1);
    ck_assert_msg (iterations < 20, "%u iterations about nothing", iterations);
    for (int i = 0; i < WAITINGS; i++)
        if (places[i].what) {
            op_stop (loop, &places[i].luggage->op);
            place_end (&places[i]);
        }
}

static char order[8];
static int order_size;

static void note_io (EV_P_ ev_io *w, int revents)
{
    order[order_size++] = 'i';
    ev_io_stop (EV_A_ w);
}

static void note_op (struct ev_loop *loop, struct op *op)
{
    order[order_size++] = 'o';
}

TEST_ENGINES (priorities_hold_between_watchers_and_operations)
{
    struct ev_loop *loop = test_loop (0);

    for (int above = -1; above <= 1; above += 2) {
        int a[2], b[2];
        struct op op;
        ev_io io;
        char buf[8];

        order_size = 0;
        op_pair (a);
        op_pair (b);
        ev_io_init (&io, note_io, a[0], EV_READ);
        ev_io_start (loop, &io);
        ev_recv_set (op_new (&op), b[0], buf, sizeof buf, 0);
        ev_set_priority (&op.w, above);
        op.then = note_op;
        op_start (loop, &op);
        op_settle (loop);
        kit_put (a[1]);
        kit_put (b[1]);
        for (int i = 0; i < 1000 && order_size < 2; i++)
            ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (order_size, 2);
        if (test_engine_ring () && !strcmp (test_engine_name (), "uring")) /* both in one iteration */
            ck_assert_int_eq (order[0], above > 0 ? 'o' : 'i');
        op_close_both (a);
        op_close_both (b);
    }
}

static int readable;

static void note_readable (EV_P_ ev_io *w, int revents)
{
    ck_assert_int_eq (revents, EV_READ);
    readable++;
    ev_io_stop (EV_A_ w);
}

TEST_ENGINES (watcher_and_operation_share_a_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    ev_io io;
    char buf[8];
    int fd[2];

    op_pair (fd);
    for (int i = 1; i <= 20; i++) {
        ev_io_init (&io, note_readable, fd[0], EV_READ);
        ev_io_start (loop, &io);
        op_fill (fd[0]);
        op_begin (loop, &op, send, fd[0], "x", 1, 0); /* the other direction */
        op_settle (loop);
        ck_assert_int_eq (op.calls, 0);
        kit_put (fd[1]);
        op_until (loop, &readable, i);
        kit_get (fd[0]);
        op_drain (fd[1]);
        ck_result (op_end (loop, &op), 1);
        op_drain (fd[1]);
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0); /* and the same */
        ev_io_set (&io, fd[0], EV_WRITE);
        kit_put (fd[1]);
        ck_result (op_end (loop, &op), 1);
    }
    op_close_both (fd);
    op_all_over (loop);
}

/* A watcher on one descriptor keeps level-triggering while operations come and go on the same one. */
TEST_ENGINES (watcher_stays_level_triggered_beside_operations)
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    struct op op;
    int fd[2], calls;

    op_pair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_put (fd[1]);
    op_until (loop, &io.calls, 3);
    ck_result (op_do (loop, send, fd[0], "x", 1, 0), 1);
    calls = io.calls;
    op_until (loop, &io.calls, calls + 3);
    op_fill (fd[0]);
    op_begin (loop, &op, send, fd[0], "x", 1, 0);
    calls = io.calls;
    op_until (loop, &io.calls, calls + 3);
    op_stop (loop, &op);
    calls = io.calls;
    op_until (loop, &io.calls, calls + 3);
    ck_assert_int_eq (io.revents, EV_READ);
    kit_stop_close (loop, &io);
    close (fd[1]);
}

static void restart_read (struct ev_loop *loop, struct op *op)
{
    if (op->calls < 300)
        op_start (loop, op);
}

TEST_ENGINES (timers_operations_and_readiness_all_have_their_share)
{
    struct ev_loop *loop = test_loop (0);
    struct kit_io io;
    struct op op;
    ev_timer timer;
    int fd[2], zero = open ("/dev/zero", O_RDONLY);
    char buf[64];

    op_pair (fd);
    kit_start (loop, &io, fd[0], EV_WRITE); /* always ready */
    ev_timer_init (&timer, tick, 0.001, 0.001);
    ev_timer_start (loop, &timer);
    ev_read_set (op_new (&op), zero, buf, sizeof buf, -1);
    op.then = restart_read;
    op_start (loop, &op);
    op_until (loop, &op.calls, 300);
    op_until (loop, &ticks, 5);
    ck_assert_int_gt (io.calls, 5);
    ev_timer_stop (loop, &timer);
    kit_stop_close (loop, &io);
    close (fd[1]);
    close (zero);
    op_all_over (loop);
}

TEST_ENGINES (dump_shows_the_ring_that_operations_ride_on_also_beside_another_backend)
{
    struct ev_loop *loop = test_loop (0);
    char *text = NULL, buf[8];
    size_t size = 0;
    FILE *out = open_memstream (&text, &size);
    struct op op;
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ev_run (loop, EVRUN_NOWAIT);
    ev_dump (loop, out);
    fclose (out);
    ck_assert_msg (strstr (text, "op recv on fd") != NULL, "%s", text);
    ck_assert_int_eq (strstr (text, "ring: fd") != NULL,
                      test_engine_ring () || test_backend == EVBACKEND_IOURING);
    free (text);
    op_stop (loop, &op);
    op_close_both (fd);
}

static struct ev_loop *outer;

/* It may be done inside the inner run that precedes the outer sleep: then that must not begin. */
static void break_outer (struct ev_loop *loop, struct op *op)
{
    ev_break (outer, EVBREAK_ALL);
}

TEST_ENGINES (operations_of_an_inner_loop_are_done_while_the_outer_runs)
{
    struct ev_loop *inner = test_loop (0);
    struct op op[3];
    ev_embed embed;
    char buf[100];
    int fd[2], file = op_file (100);

    if (!(test_backend & ev_embeddable_backends ()))
        test_skip ("this backend cannot be embedded");
    test_backend = EVBACKEND_EPOLL;
    outer = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    ev_embed_init (&embed, NULL, inner);
    ev_embed_start (outer, &embed);
    op_pair (fd);
    for (int i = 0; i < 20; i++) {
        op_begin (inner, &op[0], recv, fd[0], buf, 1, 0);
        op_begin (inner, &op[1], read, file, buf, 100, 0);
        op_begin (inner, &op[2], fsync, file, 0); /* in a thread */
        op[0].then = op[1].then = op[2].then = break_outer;
        if (i % 2)
            for (int k = 0; k < 3; k++)
                ev_run (outer, EVRUN_NOWAIT);
        kit_put (fd[1]);
        op_until (outer, &op[0].ends, 1);
        op_until (outer, &op[1].ends, 1);
        op_until (outer, &op[2].ends, 1);
        ck_result (op[0].result, 1);
        ck_result (op[1].result, 100);
        ck_result (op[2].result, 0);
    }
    ev_embed_stop (outer, &embed);
    ev_loop_destroy (outer);
    op_close_both (fd);
    close (file);
}

TEST_ENGINES (two_loops_run_their_operations_apart)
{
    struct ev_loop *a = test_loop (0), *b = test_loop (0);
    struct op in_a, in_b;
    char buf[2];
    int fd[2], file = op_file (2);

    op_pair (fd);
    op_begin (a, &in_a, recv, fd[0], &buf[0], 1, 0);
    op_begin (b, &in_b, recv, fd[1], &buf[1], 1, 0); /* the ends of one pair in two loops */
    op_settle (a);
    op_settle (b);
    ck_result (op_do (b, send, fd[1], "x", 1, 0), 1);
    ck_result (op_end (a, &in_a), 1);
    ck_assert_int_eq (in_b.calls, 0);
    ck_result (op_do (a, read, file, buf, 2, 0), 2);
    ck_result (op_do (b, read, file, buf, 2, 0), 2);
    op_stop (b, &in_b);
    op_close_both (fd);
    close (file);
}

TEST_ENGINES (default_loop_runs_operations)
{
    struct ev_loop *loop = test_default_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    op_settle (loop);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
}

/* Signals interrupt system calls of the loop and of its threads: no operation notices. */
static void on_alarm (int signum)
{
}

static void *shoot (void *target)
{
    for (int i = 0; i < 200; i++) {
        pthread_kill (*(pthread_t *) target, SIGUSR2);
        usleep (500);
    }
    return NULL;
}

TEST_ENGINES (signals_interrupt_no_operation)
{
    struct ev_loop *loop = test_loop (0);
    struct sigaction action = { .sa_handler = on_alarm };
    pthread_t self = pthread_self (), shooter;
    int fd[2], file = op_file (1000);
    struct op waits;
    char buf[1001];

    sigaction (SIGUSR2, &action, NULL); /* without SA_RESTART */
    op_pair (fd);
    op_begin (loop, &waits, recv, fd[0], buf + 1000, 1, 0);
    ck_assert_int_eq (pthread_create (&shooter, NULL, shoot, &self), 0);
    for (int i = 0; i < 200; i++)
        ck_result (op_do (loop, read, file, buf, 1000, 0), 1000);
    pthread_join (shooter, NULL);
    ck_assert_int_eq (waits.calls, 0);
    kit_put (fd[1]);
    ck_result (op_end (loop, &waits), 1);
    op_close_both (fd);
    close (file);
}

/* ---- the ring's own limits ------------------------------------------------------------------------ */

TEST_ENGINES (thousands_of_operations_at_once_complete_each_once)
{
    enum { OPS = 6000 };
    struct ev_loop *loop = test_loop (0);
    struct op *ops = op_memory (sizeof *ops * OPS);
    char *buf = op_memory (OPS);
    int fd = op_file (OPS);

    TEST_SECONDS (30);
    for (int i = 0; i < OPS; i++)
        op_begin (loop, &ops[i], read, fd, buf + i, 1, i);
    for (int i = 0; i < OPS; i++)
        ck_result (op_end (loop, &ops[i]), 1);
    ck_assert (op_data_is (buf, OPS, 0));
    op_all_over (loop);
    for (int i = 0; i < OPS; i++)
        ck_assert_int_eq (ops[i].calls, 1);
    close (fd);
    free (ops);
    free (buf);
}

TEST_ENGINES (hundreds_complete_in_one_go_each_once)
{
    enum { PAIRS = 300 };
    static struct op ops[PAIRS];
    static int fds[PAIRS][2];
    struct ev_loop *loop = test_loop (0);
    char buf[PAIRS];

    TEST_SECONDS (30);
    kit_need_fds (2 * PAIRS + 50);
    for (int i = 0; i < PAIRS; i++) {
        op_pair (fds[i]);
        op_begin (loop, &ops[i], recv, fds[i][0], &buf[i], 1, 0);
    }
    op_settle (loop);
    for (int i = 0; i < PAIRS; i++) /* many more than a small completion queue has room for */
        kit_put (fds[i][1]);
    for (int i = 0; i < PAIRS; i++)
        ck_result (op_end (loop, &ops[i]), 1);
    op_all_over (loop);
    for (int i = 0; i < PAIRS; i++)
        op_close_both (fds[i]);
}
