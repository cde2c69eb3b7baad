/* threads_test.c: many threads and their loops at once, for some thousands of rounds.
 * Promises that no wakeup is lost, that memory written before a send is visible after it, and that a loop behind a
 * lock may be changed at any moment of its sleep. Meant to be run under ThreadSanitizer too: what orders memory
 * here is the library (AS-5, HK-5, U-15) or a lock, as each test says. */
#include "trace.h"

static void run_in_thread_or_die (pthread_t *thread, void *(*body) (void *arg), void *arg)
{
    ck_assert_int_eq (pthread_create (thread, NULL, body, arg), 0);
}

/* ---- ping-pong ---- */

enum { STROKES = 4000 };

static struct player {
    struct ev_loop *loop;
    ev_async ball;
    struct player *opponent;
} players[2];
static int strokes; /* plain: whoever has the ball has it */

static void stroke (EV_P_ ev_async *w, int revents)
{
    struct player *self = w->data;
    int last = ++strokes >= STROKES;

    ev_async_send (self->opponent->loop, &self->opponent->ball);
    if (last)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void *play (void *arg)
{
    struct player *self = arg;

    ev_run (self->loop, 0);
    return NULL;
}

/* AS-1, AS-5: nothing but sends orders what the two loops do; a lost one stops the game */
TEST_BACKENDS (ball_between_two_loops_is_never_lost)
{
    pthread_t threads[2];

    TEST_SECONDS (60);
    for (int i = 0; i < 2; i++) {
        players[i].loop = test_loop (0);
        players[i].opponent = &players[!i];
        ev_async_init (&players[i].ball, stroke);
        players[i].ball.data = &players[i];
        ev_async_start (players[i].loop, &players[i].ball);
    }
    for (int i = 0; i < 2; i++)
        run_in_thread_or_die (&threads[i], play, &players[i]);
    ev_async_send (players[0].loop, &players[0].ball);
    for (int i = 0; i < 2; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_ge (strokes, STROKES);
    for (int i = 0; i < 2; i++)
        ev_async_stop (players[i].loop, &players[i].ball);
}

/* ---- flood ---- */

enum { FLOODERS = 3, SENDS = 10000 };

static struct {
    struct ev_loop *loop;
    ev_async async;
    int sent;
} flood;

static void *send_a_lot (void *arg)
{
    for (int i = 0; i < SENDS; i++) {
        __atomic_fetch_add (&flood.sent, 1, __ATOMIC_RELAXED);
        ev_async_send (flood.loop, &flood.async);
    }
    return NULL;
}

static void stop_at_the_last (EV_P_ ev_async *w, int revents)
{
    trace_count++;
    if (__atomic_load_n (&flood.sent, __ATOMIC_RELAXED) == FLOODERS * SENDS)
        ev_break (EV_A_ EVBREAK_ALL);
}

/* AS-1: the last send of a flood is noticed, whatever the loop is doing when it comes */
TEST_BACKENDS (last_send_of_a_flood_is_noticed)
{
    pthread_t threads[FLOODERS];

    TEST_SECONDS (60);
    flood.loop = test_loop (0);
    ev_async_init (&flood.async, stop_at_the_last);
    ev_async_start (flood.loop, &flood.async);
    for (int i = 0; i < FLOODERS; i++)
        run_in_thread_or_die (&threads[i], send_a_lot, NULL);
    ev_run (flood.loop, 0);
    for (int i = 0; i < FLOODERS; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_eq (flood.sent, FLOODERS * SENDS);
    ck_assert_int_le (trace_count, FLOODERS * SENDS);
    ev_async_stop (flood.loop, &flood.async);
}

/* ---- a loop behind a lock ---- */

enum { WORKERS = 3, JOBS = 150 };

static struct {
    struct ev_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t served;
    ev_async changed;
    int done, errors;
} office;

struct job {
    ev_io io;
    ev_timer timer;
    int fd[2], read, timed;
};

static void office_release (EV_P) EV_NOEXCEPT
{
    pthread_mutex_unlock (&office.lock);
}

static void office_acquire (EV_P) EV_NOEXCEPT
{
    pthread_mutex_lock (&office.lock);
}

static void job_read (EV_P_ ev_io *w, int revents)
{
    struct job *job = w->data;
    char byte;

    office.errors += (revents & EV_ERROR) != 0;
    job->read += revents & EV_ERROR || read (w->fd, &byte, 1) == 1;
    pthread_cond_broadcast (&office.served);
}

static void job_timed (EV_P_ ev_timer *w, int revents)
{
    struct job *job = w->data;

    job->timed++;
    pthread_cond_broadcast (&office.served);
}

static void job_begin (struct job *job, int number)
{
    test_socketpair (job->fd);
    job->read = job->timed = 0;
    ev_io_init (&job->io, job_read, job->fd[0], EV_READ);
    ev_timer_init (&job->timer, job_timed, number % 3 * 0.001, 0.);
    job->io.data = job->timer.data = job;
    ev_io_start (office.loop, &job->io);
    ev_now_update (office.loop);
    ev_timer_start (office.loop, &job->timer);
    ev_async_send (office.loop, &office.changed);
}

/* Stopped and closed while the loop sleeps; the number is free for the next job of any worker. */
static void job_end (struct job *job)
{
    ev_io_stop (office.loop, &job->io);
    ev_timer_stop (office.loop, &job->timer);
    close (job->fd[0]);
    close (job->fd[1]);
}

static void *work (void *arg)
{
    struct job job;

    pthread_mutex_lock (&office.lock);
    for (int i = 0; i < JOBS; i++) {
        job_begin (&job, i);
        if (i % 2)
            put_byte (job.fd[1]); /* ready before the loop knows of it */
        pthread_mutex_unlock (&office.lock);
        if (i % 2 == 0)
            put_byte (job.fd[1]); /* perhaps after */
        pthread_mutex_lock (&office.lock);
        if (i % 5 != 4) /* every fifth is given up half-way */
            while (!job.read || !job.timed)
                pthread_cond_wait (&office.served, &office.lock);
        job_end (&job);
    }
    office.done++;
    ev_async_send (office.loop, &office.changed);
    pthread_mutex_unlock (&office.lock);
    return NULL;
}

static void close_office (EV_P_ ev_async *w, int revents)
{
    if (office.done == WORKERS)
        ev_break (EV_A_ EVBREAK_ALL);
}

/* HK-5, U-15: everything but the sleep happens under the lock; everything started is served */
TEST_BACKENDS (workers_change_the_loop_while_it_sleeps)
{
    pthread_t threads[WORKERS];

#ifdef STOCK_LIBEV
    if (test_backend & (EVBACKEND_POLL | EVBACKEND_IOURING))
        test_skip ("the original aborts when a descriptor is closed during its wait");
#endif
    TEST_SECONDS (60);
    office.loop = test_loop (0);
    pthread_mutex_init (&office.lock, NULL);
    pthread_cond_init (&office.served, NULL);
    ev_async_init (&office.changed, close_office);
    ev_async_start (office.loop, &office.changed);
    ev_set_loop_release_cb (office.loop, office_release, office_acquire);
    for (int i = 0; i < WORKERS; i++)
        run_in_thread_or_die (&threads[i], work, NULL);
    pthread_mutex_lock (&office.lock);
    ev_run (office.loop, 0); /* the deadline of the test is the guard */
    pthread_mutex_unlock (&office.lock);
    for (int i = 0; i < WORKERS; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_eq (office.done, WORKERS);
    ck_assert_int_eq (office.errors, 0);
    ev_async_stop (office.loop, &office.changed);
}

/* ---- a loop that wanders, with others sending to it ---- */

enum { WANDERERS = 4, STAYS = 40 };

static struct {
    struct ev_loop *loop;
    pthread_mutex_t turn;
    ev_async async;
    int asked, answered, over;
} wander;

static void answer (EV_P_ ev_async *w, int revents)
{
    wander.answered = __atomic_load_n (&wander.asked, __ATOMIC_RELAXED);
    ev_break (EV_A_ EVBREAK_ONE);
}

static void *stay_a_while (void *arg)
{
    for (int i = 0; i < STAYS; i++) {
        pthread_mutex_lock (&wander.turn);
        ev_run (wander.loop, 0);
        pthread_mutex_unlock (&wander.turn);
    }
    __atomic_fetch_add (&wander.over, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *keep_asking (void *arg)
{
    while (__atomic_load_n (&wander.over, __ATOMIC_RELAXED) < WANDERERS) {
        __atomic_fetch_add (&wander.asked, 1, __ATOMIC_RELAXED);
        ev_async_send (wander.loop, &wander.async);
        sched_yield ();
    }
    return NULL;
}

/* TH-1, TH-2, AS-1: threads take turns running the loop while another one sends to it */
TEST_BACKENDS (wandering_loop_hears_every_last_send)
{
    pthread_t threads[WANDERERS], asker;

#ifdef STOCK_LIBEV
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the original's io_uring is bound to a thread");
#endif
    TEST_SECONDS (60);
    wander.loop = test_loop (0);
    pthread_mutex_init (&wander.turn, NULL);
    ev_async_init (&wander.async, answer);
    ev_async_start (wander.loop, &wander.async);
    for (int i = 0; i < WANDERERS; i++)
        run_in_thread_or_die (&threads[i], stay_a_while, NULL);
    run_in_thread_or_die (&asker, keep_asking, NULL);
    for (int i = 0; i < WANDERERS; i++)
        pthread_join (threads[i], NULL);
    pthread_join (asker, NULL);
    ck_assert_int_gt (wander.answered, 0);
    ev_async_stop (wander.loop, &wander.async);
}
