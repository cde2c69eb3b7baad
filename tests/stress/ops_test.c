/* ops_test.c: operations by the thousand, on several loops in several threads that share one pool of threads, with
 * cancels and stops that race with completions. Promises exactly one end each, the right data, and memory that is
 * nobody's after a stop. SEED=n repeats the choices (not the races). Also meant for TSan. */
#define _GNU_SOURCE
#include "../op/op_kit.h"

enum { LOOPS = 4, ROUNDS = 2000, CREW = 24, PIECE = 2048, PIECES = 64 };

static unsigned seed_begin (void)
{
    return getenv ("SEED") ? (unsigned) atoi (getenv ("SEED")) : (unsigned) time (NULL);
}

static unsigned next_below (unsigned *state, unsigned limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % limit;
}

/* ---- one thread's share ---------------------------------------------------------------------------- */

struct member {
    ev_op w; /* first */
    int active, ends, at, size_wanted, wrong;
    ssize_t result;
    unsigned char *buf; /* PIECE bytes, of its own for each start */
};

struct share {
    pthread_t thread;
    unsigned state;
    int file, ends, stops, wrong, twice;
    int fd[2];
    struct ev_loop *loop;
    struct member *crew[CREW];
};

static void member_end (struct share *share, struct member *member, ssize_t result)
{
    if (result > 0 && member->size_wanted)
        share->wrong += result != member->size_wanted
                        || !op_data_is (member->buf, (size_t) result, (size_t) member->at * PIECE);
    else if (result < 0)
        share->wrong += result != -ECANCELED && result != -ETIMEDOUT;
    memset (member->buf, 0xdb, PIECE);
    free (member->buf);
    member->buf = NULL;
    member->active = 0;
}

static void member_done (EV_P_ ev_op *w, int revents)
{
    struct member *member = (struct member *) w;
    struct share *share = w->data;

    share->twice += !member->active || revents != EV_OP;
    share->ends++;
    member_end (share, member, w->result);
}

static void member_start (struct share *share, struct member *member)
{
    member->at = (int) next_below (&share->state, PIECES);
    member->buf = op_memory (PIECE);
    member->size_wanted = 0;
    member->active = 1;
    ev_init (&member->w, member_done);
    member->w.data = share;
    switch (next_below (&share->state, 6)) {
    case 0:
        ev_fsync_set (&member->w, share->file, 0);
        break;
    case 1:
        ev_recv_set (&member->w, share->fd[0], member->buf, PIECE, 0); /* of bytes nobody looks at */
        break;
    case 2:
        ev_send_set (&member->w, share->fd[1], member->buf, 1, 0);
        break;
    default:
        member->size_wanted = PIECE;
        ev_read_set (&member->w, share->file, member->buf, PIECE, (int64_t) member->at * PIECE);
    }
    if (!next_below (&share->state, 4))
        ev_op_deadline (&member->w, 0.0005);
    ev_op_start (share->loop, &member->w);
}

/* The watcher is new memory each time, too. */
static void member_stop (struct share *share, struct member **place)
{
    struct member *member = *place;

    ev_op_stop (share->loop, &member->w);
    share->stops++;
    member_end (share, member, member->w.result);
    memset (member, 0xdb, sizeof *member);
    free (member);
    *place = op_memory (sizeof **place);
}

static void share_step (struct share *share)
{
    struct member **place = &share->crew[next_below (&share->state, CREW)];

    if (!(*place)->active)
        member_start (share, *place);
    else if (!next_below (&share->state, 3))
        member_stop (share, place);
    else if (!next_below (&share->state, 3))
        ev_op_cancel (share->loop, &(*place)->w);
    else
        ev_run (share->loop, EVRUN_NOWAIT);
}

static void share_begin (struct share *share, unsigned backend)
{
    share->loop = ev_loop_new (backend | EVFLAG_NOENV);
    if (!share->loop)
        abort ();
    if (test_engine_ring ())
        ev_op_ring (share->loop);
    op_pair (share->fd);
    for (int i = 0; i < CREW; i++)
        share->crew[i] = op_memory (sizeof *share->crew[i]);
}

static void share_end (struct share *share)
{
    for (int i = 0; i < CREW; i++)
        if (share->crew[i]->active && i % 2) /* the others end with the loop */
            member_stop (share, &share->crew[i]);
    ev_verify (share->loop);
    ev_loop_destroy (share->loop);
    for (int i = 0; i < CREW; i++) {
        free (share->crew[i]->buf);
        free (share->crew[i]);
    }
    op_close_both (share->fd);
}

static void *share_body (void *arg)
{
    struct share *share = arg;

    for (int life = 0; life < 5; life++) { /* the pool of threads comes and goes */
        share_begin (share, test_backend);
        for (int i = 0; i < ROUNDS; i++)
            share_step (share);
        share_end (share);
    }
    return NULL;
}

TEST_ENGINES (loops_in_several_threads_share_the_pool)
{
    static struct share shares[LOOPS];
    unsigned seed = seed_begin ();
    int file = op_file (PIECE * PIECES);

    TEST_SECONDS (100);
    for (unsigned i = 0; i < LOOPS; i++) {
        shares[i].state = seed + i * 7919u;
        shares[i].file = file;
        ck_assert_int_eq (pthread_create (&shares[i].thread, NULL, share_body, &shares[i]), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        pthread_join (shares[i].thread, NULL);
    for (int i = 0; i < LOOPS; i++)
        ck_assert_msg (!shares[i].wrong && !shares[i].twice && shares[i].ends && shares[i].stops,
                       "SEED=%u: %d wrong, %d out of turn, %d ends, %d stops", seed, shares[i].wrong,
                       shares[i].twice, shares[i].ends, shares[i].stops);
    close (file);
}

/* ---- one loop, many workers that start operations while it sleeps ------------------------------------ */

enum { WORKERS = 4, JOBS = 400 };

static struct {
    struct ev_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t served;
    ev_async wake;
    int file, done, wrong;
} office;

struct job {
    ev_op w; /* first */
    int ended;
};

static void office_release (EV_P) EV_NOEXCEPT
{
    pthread_mutex_unlock (&office.lock);
}

static void office_acquire (EV_P) EV_NOEXCEPT
{
    pthread_mutex_lock (&office.lock);
}

static void job_done (EV_P_ ev_op *w, int revents)
{
    ((struct job *) w)->ended++;
    pthread_cond_broadcast (&office.served);
}

static void job_do (int number, unsigned char *buf)
{
    int at = number % PIECES;
    struct job job = { .ended = 0 };

    ev_read_init (&job.w, job_done, office.file, buf, PIECE, (int64_t) at * PIECE);
    pthread_mutex_lock (&office.lock);
    ev_op_start (office.loop, &job.w);
    ev_async_send (office.loop, &office.wake);
    while (!job.ended)
        pthread_cond_wait (&office.served, &office.lock);
    office.wrong += job.ended != 1 || job.w.result != PIECE || !op_data_is (buf, PIECE, (size_t) at * PIECE);
    pthread_mutex_unlock (&office.lock);
}

static void *worker (void *nobody)
{
    unsigned char *buf = op_memory (PIECE);

    for (int i = 0; i < JOBS; i++)
        job_do (i, buf);
    free (buf);
    pthread_mutex_lock (&office.lock);
    office.done++;
    ev_async_send (office.loop, &office.wake);
    pthread_mutex_unlock (&office.lock);
    return NULL;
}

static void close_office (EV_P_ ev_async *w, int revents)
{
    if (office.done == WORKERS)
        ev_break (EV_A_ EVBREAK_ALL);
}

TEST_ENGINES (workers_start_operations_while_the_loop_sleeps)
{
    pthread_t threads[WORKERS];

    TEST_SECONDS (60);
    office.loop = test_loop (0);
    office.file = op_file (PIECE * PIECES);
    pthread_mutex_init (&office.lock, NULL);
    pthread_cond_init (&office.served, NULL);
    ev_async_init (&office.wake, close_office);
    ev_async_start (office.loop, &office.wake);
    ev_set_loop_release_cb (office.loop, office_release, office_acquire);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq (pthread_create (&threads[i], NULL, worker, NULL), 0);
    pthread_mutex_lock (&office.lock);
    ev_run (office.loop, 0); /* the deadline of the test is the guard */
    pthread_mutex_unlock (&office.lock);
    for (int i = 0; i < WORKERS; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_eq (office.wrong, 0);
    ev_set_loop_release_cb (office.loop, NULL, NULL);
    ev_async_stop (office.loop, &office.wake);
    close (office.file);
}

/* ---- forks while the pool is busy -------------------------------------------------------------------- */

static void child_goes_on (void *arg)
{
    struct ev_loop *loop = arg;
    unsigned char buf[PIECE];
    struct op op;

    alarm (20);
    ev_loop_fork (loop);
    op_begin (loop, &op, read, office.file, buf, PIECE, 0);
    while (!op.ends)
        ev_run (loop, EVRUN_NOWAIT);
    if (op.result != PIECE || !op_data_is (buf, PIECE, 0))
        _exit (1);
    ev_loop_destroy (loop);
}

static void again (struct ev_loop *loop, struct op *op)
{
    if (op->arg)
        op_start (loop, op);
}

TEST_ENGINES (forks_while_threads_are_busy_disturb_nobody)
{
    static struct op ops[16];
    struct ev_loop *loop = test_loop (0);
    char *buf = op_memory (16 * PIECE);

    TEST_SECONDS (60);
    office.file = op_file (PIECE * PIECES);
    for (int i = 0; i < 16; i++) {
        ev_read_set (op_new (&ops[i]), office.file, buf + i * PIECE, PIECE, i * PIECE);
        ops[i].then = again;
        ops[i].arg = ops;
        op_start (loop, &ops[i]);
    }
    for (int i = 0; i < 30; i++) {
        for (int k = 0; k < 16; k++)
            ops[k].arg = NULL; /* the child's copies end */
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (test_child (child_goes_on, loop, NULL, 0), 0);
        for (int k = 0; k < 16; k++) {
            ops[k].arg = ops;
            if (!ev_is_active (&ops[k].w) && !ev_is_pending (&ops[k].w))
                op_start (loop, &ops[k]);
        }
        ev_run (loop, EVRUN_NOWAIT);
    }
    for (int k = 0; k < 16; k++) {
        ops[k].arg = NULL;
        while (ev_is_active (&ops[k].w) || ev_is_pending (&ops[k].w))
            ev_run (loop, EVRUN_ONCE);
        ck_result (ops[k].result, PIECE);
    }
    ck_assert (op_data_is (buf, 16 * PIECE, 0));
    op_all_over (loop);
    close (office.file);
    free (buf);
}
