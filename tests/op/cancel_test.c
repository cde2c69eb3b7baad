/* cancel_test.c: operations that are cancelled or stopped, each kind at every stage of its life. Promises exactly
 * one completion after a cancel, none after a stop, nothing touched after either, and nothing lost: what the
 * operation did not take is still there. */
#define _GNU_SOURCE
#include "waiting.h"

/* ---- every kind, every stage -------------------------------------------------------------------- */

enum stage {
    AT_ONCE,     /* before it was submitted */
    IN_FLIGHT,   /* it waits */
    WORLD_ACTED, /* it could complete now, nobody has looked */
    NOT_TOLD,    /* it has completed, its callback comes later in this iteration */
    STAGES
};
static const char *const stage_names[] = { "at once", "in flight", "when the world has acted",
                                           "before it is told" };

static struct op *not_told; /* whom the check watcher meets */
static const char *meet_what;
static int repeating; /* it is one: its results wait elsewhere */
static void (*meet) (struct ev_loop *loop, struct op *op);

static void meet_pending (EV_P_ ev_check *w, int revents)
{
    struct op *op = not_told;

    if (!op || !(ev_is_pending (&op->w) || (repeating && ev_pending_count (loop))))
        return;
    not_told = NULL;
    meet (loop, op);
}

/* Acts when the operation has completed but was not told: from a callback of higher priority. 0: it was told before
 * anybody could, which happens where readiness is a callback of its own. */
static int meet_before_told (struct ev_loop *loop, struct op *op,
                             void (*act) (struct ev_loop *loop, struct op *op))
{
    double end = test_clock () + OP_PATIENCE;
    ev_check check;

    ev_check_init (&check, meet_pending);
    ev_set_priority (&check, 1);
    ev_check_start (loop, &check);
    not_told = op;
    meet = act;
    while (not_told && !op->calls && test_clock () < end)
        ev_run (loop, EVRUN_NOWAIT);
    ev_check_stop (loop, &check);
    ck_assert_msg (!not_told || op->calls, "%s is never told", meet_what);
    return !not_told;
}

static int met; /* how many were in time */

/* Brings the operation of the place to that stage and acts. 0: it has ended before. */
static int act_at (struct place *place, enum stage stage, void (*act) (struct ev_loop *loop, struct op *op))
{
    struct op *op = &place->luggage->op;

    place_start (place);
    if (stage >= IN_FLIGHT)
        op_settle (place->loop);
    ck_assert_msg (!op->calls, "%s did not wait", place->what->name);
    if (stage >= WORLD_ACTED)
        place->what->release (place);
    meet_what = place->what->name;
    repeating = place->what->repeats || place->what->ring;
    if (stage != NOT_TOLD)
        act (place->loop, op);
    else if (!meet_before_told (place->loop, op, act))
        return 0;
    met += stage == NOT_TOLD;
    return 1;
}

static void come_too_late (struct place *place)
{
    if (place->what->set == set_accept)
        close ((int) place->luggage->op.result);
    if (ev_is_active (&place->luggage->op.w))
        op_stop (place->loop, &place->luggage->op);
    place_end (place);
}

static int stage_possible (const struct waiting *what, enum stage stage)
{
    return waiting_works (what) && (what->release || stage < WORLD_ACTED);
}

static ssize_t stopped_with;

static void stop_it (struct ev_loop *loop, struct op *op)
{
    stopped_with = op_stop (loop, op);
}

static void cancel_it (struct ev_loop *loop, struct op *op)
{
    op_cancel (loop, op);
}

/* A result nobody was told of, or none. What op_stop closed (an accepted connection) is not closed again. */
static int stopped_right (const struct place *place)
{
    if (stopped_with == -ECANCELED || place->what->repeats)
        return 1;
    return place_result_is_right (place, stopped_with);
}

static void check_stop (struct ev_loop *loop, const struct waiting *what, enum stage stage)
{
    struct place place;

    place_begin (&place, loop, what);
    if (!act_at (&place, stage, stop_it)) {
        come_too_late (&place);
        return;
    }
    ck_assert_int_eq (place.luggage->op.calls, 0);
    ck_assert_msg (stopped_right (&place), "%s, stopped %s: result %zd", what->name, stage_names[stage],
                   stopped_with);
    ck_assert_msg (stage == WORLD_ACTED || stage == NOT_TOLD || stopped_with == -ECANCELED,
                   "%s, stopped %s: result %zd", what->name, stage_names[stage], stopped_with);
    ck_assert_msg (stage != NOT_TOLD || repeating || stopped_with != -ECANCELED,
                   "%s, stopped %s: the result is lost", what->name, stage_names[stage]);
    place_scribble (&place);
    op_settle (loop);
    if (what->release && stage < WORLD_ACTED)
        what->release (&place);
    op_settle (loop);
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (stop_at_every_stage_is_the_end_of_it)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        for (enum stage stage = AT_ONCE; stage < STAGES; stage++)
            if (stage_possible (&waitings[i], stage))
                check_stop (loop, &waitings[i], stage);
    ck_assert_msg (!test_engine_ring () || met > WAITINGS / 2, "only %d were caught before they were told",
                   met);
}

/* Results of a repeating operation on its way to the end are closed or counted by place_result_is_right. */
static const struct place *told_place;
static int told_right;

static void note_result (struct ev_loop *loop, struct op *op)
{
    if (op->result != -ECANCELED)
        told_right += place_result_is_right (told_place, op->result) ? 1 : -1000;
}

static void check_cancel (struct ev_loop *loop, const struct waiting *what, enum stage stage)
{
    struct place place;
    struct op *op;

    place_begin (&place, loop, what);
    op = &place.luggage->op;
    op->then = note_result;
    told_place = &place;
    told_right = 0;
    if (!act_at (&place, stage, cancel_it)) {
        place.luggage->op.result = -1; /* note_result has closed it */
        come_too_late (&place);
        return;
    }
    op_cancel (loop, op); /* once more is no more */
    ck_assert_msg (op_is_over (loop, &op->ends, 1), "%s, cancelled %s: does not end", what->name,
                   stage_names[stage]);
    ck_assert_msg (told_right >= 0, "%s, cancelled %s: result %zd", what->name, stage_names[stage],
                   op->result);
    if (stage < WORLD_ACTED || what->repeats)
        ck_assert_msg (op->result == -ECANCELED, "%s, cancelled %s: result %zd", what->name,
                       stage_names[stage], op->result);
    if (stage == NOT_TOLD && !repeating)
        ck_assert_msg (told_right == 1, "%s: the result that was there is lost", what->name);
    ck_assert_int_eq (op->calls, told_right + (op->result == -ECANCELED));
    op_cancel (loop, op); /* nothing to cancel */
    op_stop (loop, op);   /* nothing to stop */
    place_scribble (&place);
    op_settle (loop);
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (cancel_at_every_stage_gives_one_completion)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        for (enum stage stage = AT_ONCE; stage < STAGES; stage++)
            if (stage_possible (&waitings[i], stage))
                check_cancel (loop, &waitings[i], stage);
    ck_assert_msg (!test_engine_ring () || met > WAITINGS / 2, "only %d were caught before they were told",
                   met);
}

static void cancel_then_stop (struct ev_loop *loop, struct op *op)
{
    op_cancel (loop, op);
    stop_it (loop, op);
}

static void cancel_run_stop (struct ev_loop *loop, struct op *op)
{
    op_cancel (loop, op);
    ev_run (loop, EVRUN_NOWAIT);
    if (op->ends)
        op_stop (loop, op);
    else
        stop_it (loop, op);
}

static void check_cancel_stop (struct ev_loop *loop, const struct waiting *what, enum stage stage,
                               void (*act) (struct ev_loop *loop, struct op *op))
{
    struct place place;
    int calls;

    place_begin (&place, loop, what);
    place.luggage->op.then = note_result;
    told_place = &place;
    act_at (&place, stage, act);
    calls = place.luggage->op.calls;
    ck_assert_int_eq (place.luggage->op.ends, 0 + (calls && place.luggage->op.revents == EV_OP));
    op_settle (loop);
    ck_assert_int_eq (place.luggage->op.calls, calls);
    place_scribble (&place);
    op_settle (loop);
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (stop_after_cancel_is_the_end_of_it)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        for (enum stage stage = AT_ONCE; stage < NOT_TOLD; stage++)
            if (stage_possible (&waitings[i], stage)) {
                check_cancel_stop (loop, &waitings[i], stage, cancel_then_stop);
                check_cancel_stop (loop, &waitings[i], stage, cancel_run_stop);
            }
}

/* ---- waiting in a lane -------------------------------------------------------------------------- */

/* Three of a kind on one descriptor: the last two wait for their turn. */
static void lane_begin (struct place *place, struct op lane[2], char buf[2][PLACE_BYTES])
{
    struct ev_op *w[2] = { op_new (&lane[0]), op_new (&lane[1]) };

    place_start (place);
    for (int i = 0; i < 2; i++) {
        if (place->what->set == set_send)
            ev_send_set (w[i], place->fd[0], buf[i], PLACE_BYTES, 0);
        else if (place->what->set == set_write)
            ev_write_set (w[i], place->fd[0], buf[i], PLACE_BYTES, -1);
        else if (place->what->set == set_read)
            ev_read_set (w[i], place->fd[0], buf[i], PLACE_BYTES, -1);
        else
            ev_recv_set (w[i], place->fd[0], buf[i], PLACE_BYTES, 0);
        op_start (place->loop, &lane[i]);
    }
}

static int is_receiving (const struct waiting *what)
{
    return what->release == put_bytes;
}

static void check_lane (struct ev_loop *loop, const struct waiting *what, int run, int stop)
{
    char buf[2][PLACE_BYTES];
    struct place place;
    struct op lane[2];

    memset (buf, 'b', sizeof buf);
    place_begin (&place, loop, what);
    lane_begin (&place, lane, buf);
    if (run)
        op_settle (loop);
    if (stop)
        ck_result (op_stop (loop, &lane[0]), -ECANCELED);
    else
        op_cancel (loop, &lane[0]);
    if (stop)
        memset (&lane[0], 0xdb, sizeof lane[0]);
    else
        ck_result (op_end (loop, &lane[0]), -ECANCELED);
    op_settle (loop);
    ck_assert_int_eq (place.luggage->op.calls + lane[1].calls, 0); /* neighbours do not notice */
    what->release (&place);
    ck_assert (place_result_is_right (&place, op_end (loop, &place.luggage->op)));
    if (is_receiving (what)) {
        op_settle (loop);
        ck_assert_int_eq (lane[1].calls, 0);
        what->release (&place);
        ck_result (op_end (loop, &lane[1]), 4);
    } else {
        ck_result (op_end (loop, &lane[1]), PLACE_BYTES);
    }
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (one_that_waits_in_line_can_be_taken_out)
{
    static const char *const kinds[] = {
        "recv", "send", "read", "write", "read of a socket", "write to a socket"
    };
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int i = 0; i < WAITINGS; i++)
            if (!strcmp (waitings[i].name, kinds[k]))
                for (int how = 0; how < 4; how++)
                    check_lane (loop, &waitings[i], how & 1, how & 2);
}

/* The head goes, the next one has its turn. */
static void check_head (struct ev_loop *loop, const struct waiting *what, int stop)
{
    char buf[2][PLACE_BYTES];
    struct place place;
    struct op lane[2];

    memset (buf, 'b', sizeof buf);
    place_begin (&place, loop, what);
    lane_begin (&place, lane, buf);
    op_settle (loop);
    if (stop)
        op_stop (loop, &place.luggage->op);
    else {
        op_cancel (loop, &place.luggage->op);
        ck_result (op_end (loop, &place.luggage->op), -ECANCELED);
    }
    place_scribble (&place);
    op_settle (loop);
    what->release (&place);
    ck_result (op_end (loop, &lane[0]), is_receiving (what) ? 4 : PLACE_BYTES);
    ck_result (op_stop (loop, &lane[1]), is_receiving (what) ? -ECANCELED : lane[1].w.result);
    op_all_over (loop);
    place_end (&place);
}

TEST_ENGINES (next_in_line_goes_on_when_the_head_is_taken_out)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        if (waitings[i].set == set_recv || waitings[i].set == set_send || waitings[i].set == set_read
            || waitings[i].set == set_write) {
            check_head (loop, &waitings[i], 0);
            check_head (loop, &waitings[i], 1);
        }
}

/* ---- nothing is lost ---------------------------------------------------------------------------- */

TEST_ENGINES (stopped_receive_takes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8] = "", bytes[8];
    struct op op;
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 50; i++) {
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
        if (i % 2)
            ev_run (loop, EVRUN_NOWAIT);
        ck_result (op_stop (loop, &op), -ECANCELED);
        kit_put (fd[1]);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (recv (fd[0], bytes, sizeof bytes, MSG_DONTWAIT), 1);
        ck_assert_int_eq (buf[0], 0);
    }
    op_close_both (fd);
}

/* The loop has not run since: whatever the engine, nobody has looked at the socket yet. */
TEST_ENGINES (receive_ended_before_the_loop_runs_takes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8], bytes[8];
    struct op op, other;
    int fd[2], quiet[2];

    op_pair (fd);
    op_pair (quiet);
    kit_put (fd[1]);
    ck_result (op_do (loop, recv, fd[0], buf, sizeof buf, 0), 1);
    for (int i = 0; i < 40; i++) {
        kit_put (fd[1]);
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
        if (i & 2)
            op_begin (loop, &other, recv, quiet[0], buf, sizeof buf, 0);
        if (i & 1)
            ck_result (op_stop (loop, &op), -ECANCELED);
        else {
            op_cancel (loop, &op);
            ck_result (op_end (loop, &op), -ECANCELED);
        }
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (recv (fd[0], bytes, sizeof bytes, MSG_DONTWAIT), 1);
        if (i & 2)
            ck_result (op_stop (loop, &other), -ECANCELED);
    }
    op_all_over (loop);
    op_close_both (fd);
    op_close_both (quiet);
}

/* Whether the stop or the data was first: the byte is in the buffer and the result says so, or in the socket. */
TEST_ENGINES (data_that_came_before_the_stop_is_somewhere)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8], bytes[8];
    struct op op;
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 100; i++) {
        buf[0] = 0;
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
        if (i % 2)
            ev_run (loop, EVRUN_NOWAIT);
        kit_put (fd[1]);
        ssize_t told = op_stop (loop, &op), left = recv (fd[0], bytes, sizeof bytes, MSG_DONTWAIT);

        ck_assert_msg ((told == 1 && left < 0 && buf[0] == 'x') || (told == -ECANCELED && left == 1),
                       "stop says %zd, %zd bytes are left", told, left);
    }
    op_close_both (fd);
}

TEST_ENGINES (stopped_descriptor_is_free_to_be_closed_and_used_again)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8], other[8];
    struct op op;
    int fd[2], number;

    for (int i = 0; i < 50; i++) {
        op_tcp_pair (fd);
        number = fd[0];
        op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
        ev_run (loop, EVRUN_NOWAIT);
        op_stop (loop, &op);
        close (fd[0]);
        ck_assert_msg (kit_eof (fd[1]), "the socket is still held open");
        close (fd[1]);
        op_pair (fd);
        if (fd[0] != number) { /* numbers are given out in order: then it is the other one */
            fd[1] = fd[0];
            fd[0] = number;
        }
        op_begin (loop, &op, recv, fd[0], other, sizeof other, 0);
        kit_put (fd[1]);
        ck_result (op_end (loop, &op), 1);
        op_close_both (fd);
    }
}

TEST_ENGINES (stopped_accept_lets_go_of_the_port)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    struct op op;

    for (int i = 0; i < 20; i++) {
        int listener = op_listen (&address, 5), again;

        op_begin (loop, &op, accept, listener, 0);
        ev_run (loop, EVRUN_NOWAIT);
        op_stop (loop, &op);
        close (listener);
        again = socket (AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq (bind (again, (struct sockaddr *) &address, sizeof address), 0);
        close (again);
    }
}

/* ---- from callbacks ----------------------------------------------------------------------------- */

static struct op crew[8];

static void stop_all_others (struct ev_loop *loop, struct op *op)
{
    for (int i = 0; i < 8; i++)
        if (&crew[i] != op)
            op_stop (loop, &crew[i]);
}

/* All complete in the same iteration; the first that is called stops the rest. */
TEST_ENGINES (callback_stops_others_that_have_completed)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8][8];
    int fd[8][2], calls = 0;

    for (int i = 0; i < 8; i++) {
        op_pair (fd[i]);
        kit_put (fd[i][1]);
        ev_recv_set (op_new (&crew[i]), fd[i][0], buf[i], 8, 0);
        crew[i].then = stop_all_others;
        op_start (loop, &crew[i]);
    }
    op_settle (loop);
    for (int i = 0; i < 8; i++) {
        calls += crew[i].calls;
        ck_assert_msg (crew[i].calls || crew[i].w.result == 1 || crew[i].w.result == -ECANCELED, "result %zd",
                       crew[i].w.result);
    }
    ck_assert_int_eq (calls, 1);
    op_all_over (loop);
    for (int i = 0; i < 8; i++)
        op_close_both (fd[i]);
}

static void stop_and_free (struct ev_loop *loop, struct op *op)
{
    struct op **others = op->arg;

    for (int i = 0; i < 20; i++)
        if (others[i] && others[i] != op) {
            op_stop (loop, others[i]);
            memset (others[i], 0xdb, sizeof *others[i]);
            free (others[i]);
            others[i] = NULL;
        }
}

TEST_ENGINES (callback_frees_what_it_has_stopped)
{
    struct ev_loop *loop = test_loop (0);
    struct op *others[20];
    int fd[20][2], left = 0;
    char *buf = op_memory (20);

    for (int i = 0; i < 20; i++) {
        op_pair (fd[i]);
        if (i % 3)
            kit_put (fd[i][1]);
        others[i] = op_memory (sizeof **others);
        ev_recv_set (op_new (others[i]), fd[i][0], buf + i, 1, 0);
        others[i]->then = stop_and_free;
        others[i]->arg = others;
        op_start (loop, others[i]);
    }
    op_settle (loop);
    memset (buf, 0, 20);
    free (buf);
    op_settle (loop);
    for (int i = 0; i < 20; i++) {
        left += others[i] != NULL;
        free (others[i]);
        op_close_both (fd[i]);
    }
    ck_assert_int_eq (left, 1);
    op_all_over (loop);
}

static void act_on_itself (struct ev_loop *loop, struct op *op)
{
    op_cancel (loop, op);
    op_stop (loop, op);
}

TEST_ENGINES (stop_and_cancel_in_its_own_last_callback_are_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    op.then = act_on_itself;
    op_start (loop, &op);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 1);
    ck_result (op.w.result, 1); /* still to be read */
    op_close_both (fd);
    op_all_over (loop);
}

static void stop_if_more (struct ev_loop *loop, struct op *op)
{
    if (op->arg)
        close ((int) op->result);
    ck_assert_int_eq (op->revents, EV_OP | EV_OP_MORE);
    op_stop (loop, op);
}

TEST_ENGINES (repeating_one_stopped_in_its_own_callback_is_not_called_again)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 10), client[5], fd[2];
    ev_pool *pool = ev_pool_new (loop, 1, 8);
    struct op op;

    for (int i = 0; i < 5; i++)
        client[i] = op_client (&address);
    ev_accept_set (op_new (&op), listener, 0);
    op.then = stop_if_more;
    op.arg = &op;
    op_start (loop, &op);
    op_until (loop, &op.calls, 1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 1);
    op_pair (fd);
    ck_assert_int_eq (write (fd[1], "12345", 5), 5);
    ev_recv_pool_set (op_new (&op), fd[0], pool, 0);
    op.then = stop_if_more;
    op_start (loop, &op);
    op_until (loop, &op.calls, 1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 1);
    op_close_both (fd);
    for (int i = 0; i < 5; i++)
        close (client[i]);
    close (listener);
    op_all_over (loop);
}

static void cancel_if_more (struct ev_loop *loop, struct op *op)
{
    if (op->result >= 0) {
        close ((int) op->result);
        op_cancel (loop, op);
    }
}

TEST_ENGINES (repeating_one_cancelled_in_its_own_callback_ends_once)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 10), client[5];
    struct op op;

    for (int i = 0; i < 5; i++)
        client[i] = op_client (&address);
    ev_accept_set (op_new (&op), listener, 0);
    op.then = cancel_if_more;
    op_start (loop, &op);
    ck_result (op_end (loop, &op), -ECANCELED);
    op_settle (loop);
    ck_assert_int_eq (op.ends, 1);
    ck_assert_int_ge (op.calls, 2);
    for (int i = 0; i < 5; i++)
        close (client[i]);
    close (listener);
    op_all_over (loop);
}

static void again (struct ev_loop *loop, struct op *op)
{
    if (op->calls < 1000)
        op_start (loop, op);
}

TEST_ENGINES (operation_started_again_in_its_callback_runs_again)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int zero = open ("/dev/zero", O_RDONLY);
    char buf[8];

    ev_read_set (op_new (&op), zero, buf, sizeof buf, -1);
    op.then = again;
    op_start (loop, &op);
    op_until (loop, &op.calls, 1000);
    ck_assert_int_eq ((int) op.total, 8000);
    op_all_over (loop);
    close (zero);
}

static void cancel_the_other (struct ev_loop *loop, struct op *op)
{
    op_cancel (loop, op->arg);
}

TEST_ENGINES (callback_cancels_another_that_waits)
{
    struct ev_loop *loop = test_loop (0);
    struct op first, second;
    char buf[16];
    int a[2], b[2];

    op_pair (a);
    op_pair (b);
    op_begin (loop, &second, recv, b[0], buf + 8, 8, 0);
    ev_recv_set (op_new (&first), a[0], buf, 8, 0);
    first.then = cancel_the_other;
    first.arg = &second;
    op_start (loop, &first);
    op_settle (loop);
    kit_put (a[1]);
    ck_result (op_end (loop, &first), 1);
    ck_result (op_end (loop, &second), -ECANCELED);
    op_all_over (loop);
    op_close_both (a);
    op_close_both (b);
}

/* ---- files, which are in the middle of something ------------------------------------------------ */

TEST_ENGINES (file_operations_stopped_at_any_time_are_over)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (1 << 20);

    for (int i = 0; i < 300; i++) {
        struct op *op = op_memory (sizeof *op);
        char *buf = op_memory (65536);

        op_begin (loop, op, read, fd, buf, 65536, (i % 16) * 65536);
        for (int k = 0; k < i % 3; k++)
            ev_run (loop, EVRUN_NOWAIT);
        ssize_t result = op_stop (loop, op);
        ck_assert_msg (op->ends || result == -ECANCELED || result == 65536, "result %zd", result);
        if (op->ends || result == 65536)
            ck_assert (op_data_is (buf, 65536, (size_t) (i % 16) * 65536));
        memset (buf, 0xdb, 65536);
        memset (op, 0xdb, sizeof *op);
        free (buf);
        free (op);
    }
    op_settle (loop);
    op_all_over (loop);
    close (fd);
}

TEST_ENGINES (file_operations_cancelled_at_any_time_end_once)
{
    enum { OPS = 100 };
    static struct op ops[OPS];
    struct ev_loop *loop = test_loop (0);
    char *buf = op_memory (OPS * 4096);
    int fd = op_file (OPS * 4096), done = 0;

    for (int i = 0; i < OPS; i++)
        op_begin (loop, &ops[i], read, fd, buf + i * 4096, 4096, i * 4096);
    for (int i = 0; i < OPS; i += 2) {
        op_cancel (loop, &ops[i]);
        if (i % 10 == 0)
            ev_run (loop, EVRUN_NOWAIT);
    }
    for (int i = 0; i < OPS; i++) {
        op_end (loop, &ops[i]);
        ck_assert_msg (ops[i].result == 4096 || (i % 2 == 0 && ops[i].result == -ECANCELED), "result %zd",
                       ops[i].result);
        if (ops[i].result == 4096)
            ck_assert (op_data_is (buf + i * 4096, 4096, (size_t) i * 4096));
        done += ops[i].result == 4096;
    }
    ck_assert_int_ge (done, OPS / 2);
    op_all_over (loop);
    close (fd);
    free (buf);
}

TEST_ENGINES (descriptors_made_for_a_stopped_operation_are_closed)
{
    struct ev_loop *loop = test_loop (0);
    int before;

    op_do (loop, openat, AT_FDCWD, "/nonexistent", O_RDONLY, 0); /* what is made on demand */
    before = test_fd_count ();
    for (int i = 0; i < 200; i++) {
        struct op op;

        if (i % 2)
            op_begin (loop, &op, openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
        else
            op_begin (loop, &op, socket, AF_INET, SOCK_STREAM, 0);
        for (int k = 0; k < i % 4; k++)
            ev_run (loop, EVRUN_NOWAIT);
        op_stop (loop, &op);
        if (op.ends)
            close ((int) op.result);
    }
    op_settle (loop);
    ck_assert_int_eq (test_fd_count (), before);
    op_all_over (loop);
}

/* ---- the end of the loop ------------------------------------------------------------------------ */

enum { EACH = 24 };

static int is_slow (const struct waiting *what)
{
    return what->open == open_child || what->open == open_full_tcp;
}

/* Hundreds of every kind, some of them in line, some completed. */
static struct place *crowd_begin (struct ev_loop *loop)
{
    struct place *places = op_memory (sizeof *places * WAITINGS * EACH);

    for (int i = 0; i < WAITINGS * EACH; i++) {
        const struct waiting *what = &waitings[i % WAITINGS];

        if (!waiting_works (what) || (is_slow (what) && i > WAITINGS * 4))
            continue;
        place_begin (&places[i], loop, what);
        place_start (&places[i]);
    }
    return places;
}

static void crowd_end (struct place *places)
{
    for (int i = 0; i < WAITINGS * EACH; i++)
        if (places[i].what) {
            places[i].pool = NULL; /* gone with the loop */
            place_end (&places[i]);
        }
    free (places);
}

static void check_destroy (int runs, int release)
{
    struct ev_loop *loop = test_loop (0);
    struct place *places = crowd_begin (loop);
    int fd = op_file (1 << 16);
    char *buf = op_memory (1 << 16);
    static struct op files[16];

    for (int i = 0; i < runs; i++)
        ev_run (loop, EVRUN_NOWAIT);
    for (int i = 0; i < 16; i++)
        op_begin (loop, &files[i], read, fd, buf + i * 4096, 4096, i * 4096);
    for (int i = 0; release && i < WAITINGS * EACH; i += 3)
        if (places[i].what && places[i].what->release)
            places[i].what->release (&places[i]);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    for (int i = 0; i < WAITINGS * EACH; i++)
        if (places[i].what)
            ck_assert_msg (!places[i].luggage->op.calls, "%s has ended", places[i].what->name);
    memset (buf, 0xdb, 1 << 16);
    free (buf);
    close (fd);
    crowd_end (places);
}

TEST_ENGINES (loop_is_destroyed_with_hundreds_before_they_are_submitted)
{
    TEST_SECONDS (60);
    kit_need_fds (4 * WAITINGS * EACH);
    check_destroy (0, 0);
}

TEST_ENGINES (loop_is_destroyed_with_hundreds_in_flight)
{
    TEST_SECONDS (60);
    kit_need_fds (4 * WAITINGS * EACH);
    check_destroy (3, 0);
}

TEST_ENGINES (loop_is_destroyed_with_hundreds_just_completing)
{
    TEST_SECONDS (60);
    kit_need_fds (4 * WAITINGS * EACH);
    check_destroy (3, 1);
}

TEST_ENGINES (hundreds_in_flight_are_cancelled_and_each_ends_once)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (60);
    kit_need_fds (4 * WAITINGS * EACH);
    struct place *places = crowd_begin (loop);
    op_settle (loop);
    for (int i = 0; i < WAITINGS * EACH; i++)
        if (places[i].what)
            op_cancel (loop, &places[i].luggage->op);
    for (int i = 0; i < WAITINGS * EACH; i++)
        if (places[i].what) {
            ck_assert_msg (op_is_over (loop, &places[i].luggage->op.ends, 1), "%s does not end",
                           places[i].what->name);
            ck_assert_msg (places[i].luggage->op.result == -ECANCELED, "%s: result %zd", places[i].what->name,
                           places[i].luggage->op.result);
            ck_assert_int_eq (places[i].luggage->op.calls, 1);
        }
    op_all_over (loop);
    for (int i = 0; i < WAITINGS * EACH; i++)
        if (places[i].what)
            place_end (&places[i]);
    free (places);
}

/* ---- misuse that is answered -------------------------------------------------------------------- */

TEST_ENGINES (start_of_an_active_operation_changes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    op_begin (loop, &op, recv, fd[0], buf, sizeof buf, 0);
    ev_op_start (loop, &op.w);
    op_settle (loop);
    ev_op_start (loop, &op.w);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 1);
    op_all_over (loop);
    op_close_both (fd);
}

TEST_ENGINES (cancel_and_stop_of_one_never_started_are_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    char buf[8];
    int fd[2];

    op_pair (fd);
    ev_recv_set (op_new (&op), fd[0], buf, sizeof buf, 0);
    op_cancel (loop, &op);
    op_stop (loop, &op);
    op_settle (loop);
    op_start (loop, &op);
    kit_put (fd[1]);
    ck_result (op_end (loop, &op), 1);
    op_close_both (fd);
    op_all_over (loop);
}
