/* pool.c: a few threads, made when the first call needs one and gone with the last loop that used them.
 * Owns the process's only pool. Promises that a job is done exactly once, in the order of submission as far as
 * one thread goes, that no kind of jobs waits for another kind's threads, and that a fork child finds a pool without
 * threads and without jobs. */
#include "pool.h"

#include "../base/sys_op.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOL_FILES = 4, /* EVRING_THREADS says otherwise */
    POOL_NAMES = 2,
    POOL_MOST = 64,               /* … of each kind, that are asked for */
    POOL_ORPHANS = 16,            /* … and beyond, at calls that nobody waits for any more */
    POOL_STACK_FILES = 256 * 1024 /* a system call and its wrapper need far less; others have what is usual */
};

enum { POOL_QUEUED = 1, POOL_RUNNING, POOL_DONE };

struct pool_worker {
    pthread_t thread;
    uintptr_t self; /* evi_sys_thread; 0: there is none in this place */
    struct evi_job *job;
    struct pool_threads *of;
    int leaving; /* nobody joins it */
};

/* A kind of threads: its own queue, and its own limit. */
struct pool_threads {
    pthread_cond_t work; /* there is a job, or the end */
    int count, most, idle, running, queued;
    int orphans; /* of count: at abandoned calls */
    struct evi_job *first, **last;
    struct pool_worker workers[POOL_MOST + POOL_ORPHANS];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t done; /* a job that somebody waits for has ended */
    int homes, ending;
    struct pool_threads kinds[EVI_THREADS_KINDS];
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .done = PTHREAD_COND_INITIALIZER,
           .kinds = { { .work = PTHREAD_COND_INITIALIZER },
                      { .work = PTHREAD_COND_INITIALIZER },
                      { .work = PTHREAD_COND_INITIALIZER } } };

/* Loops begin and end using the pool one at a time: a loop must not find it half ended. */
static pthread_mutex_t pool_gate = PTHREAD_MUTEX_INITIALIZER;

/* ---- forks ---- */

static void pool_before_fork (void)
{
    pthread_mutex_lock (&pool_gate);
    pthread_mutex_lock (&pool.lock);
}

static void pool_after_fork (void)
{
    pthread_mutex_unlock (&pool.lock);
    pthread_mutex_unlock (&pool_gate);
}

static void pool_empty (struct pool_threads *kind)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

    kind->work = fresh;
    kind->count = kind->idle = kind->running = kind->queued = kind->orphans = 0;
    kind->first = NULL;
    kind->last = &kind->first;
    memset (kind->workers, 0, sizeof kind->workers);
}

/* Nobody is left but us: the threads stayed with the parent, and so did their jobs. */
static void pool_in_child (void)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

    pool.done = fresh;
    for (int i = 0; i < EVI_THREADS_KINDS; i++)
        pool_empty (&pool.kinds[i]);
    pool_after_fork ();
}

/* ---- threads ---- */

static struct evi_job *pool_take (struct pool_threads *kind)
{
    struct evi_job *job = kind->first;

    kind->first = job->next;
    if (!kind->first)
        kind->last = &kind->first;
    kind->queued--;
    kind->running++;
    job->stage = POOL_RUNNING;
    return job;
}

/* Under the lock, so that whoever waits for the job, or ends the loop it belongs to, finds no thread still busy
 * with it. */
static void pool_finish (struct evi_job *job, ssize_t result)
{
    job->result = result;
    job->stage = POOL_DONE;
    job->next = job->home->done;
    job->home->done = job;
    job->home->knock (job->home);
    pthread_cond_broadcast (&pool.done);
}

static int pool_put (struct pool_threads *kind, struct evi_job *job);

/* What comes after the call. A job that nobody waits for is the thread's to free. */
static void pool_after (struct pool_worker *me, struct evi_job *job, ssize_t result)
{
    me->job = NULL;
    if (job->abandoned) {
        me->of->orphans--;
        pthread_mutex_unlock (&pool.lock);
        job->drop (job);
        pthread_mutex_lock (&pool.lock);
        return;
    }
    me->of->running--;
    if (me->of->first)
        pthread_cond_signal (&me->of->work); /* the limit may have been lowered meanwhile, and then raised */
    if (!job->slowly || job->threads == EVI_THREADS_NAMES) {
        pool_finish (job, result);
        return;
    }
    job->threads = EVI_THREADS_NAMES;
    result = pool_put (&pool.kinds[EVI_THREADS_NAMES], job);
    if (result < 0)
        pool_finish (job, result);
}

static int pool_leaves (const struct pool_worker *me)
{
    return me->leaving || me->of->count - me->of->orphans > me->of->most;
}

static int pool_has_job (const struct pool_threads *kind)
{
    return kind->first && kind->running < kind->most;
}

/* Nonzero: there is a job. */
static int pool_await (struct pool_worker *me)
{
    struct pool_threads *kind = me->of;

    while (!pool_has_job (kind) && !pool.ending && !pool_leaves (me)) {
        kind->idle++;
        pthread_cond_wait (&kind->work, &pool.lock);
        kind->idle--;
    }
    return !pool_leaves (me) && pool_has_job (kind);
}

/* Who leaves on its own is joined by nobody. */
static void pool_left (struct pool_worker *me)
{
    if (pool.ending && !me->leaving)
        return;
    me->of->count--;
    if (!me->leaving)
        evi_sys_thread_detach (me->thread);
    memset (me, 0, sizeof *me);
}

static void *pool_thread (void *worker)
{
    struct pool_worker *me = worker;

    pthread_mutex_lock (&pool.lock);
    me->self = evi_sys_thread ();
    while (pool_await (me)) {
        struct evi_job *job = me->job = pool_take (me->of);
        ssize_t result;

        pthread_mutex_unlock (&pool.lock);
        result = job->call (job);
        pthread_mutex_lock (&pool.lock);
        pool_after (me, job, result);
    }
    pool_left (me);
    pthread_mutex_unlock (&pool.lock);
    return NULL;
}

static struct pool_worker *pool_vacant (struct pool_threads *kind)
{
    for (unsigned i = 0; i < EVI_COUNT (kind->workers); i++)
        if (!kind->workers[i].of)
            return &kind->workers[i];
    return NULL;
}

/* Signals are the program's: no thread of ours takes one away. */
static int pool_spawn (struct pool_threads *kind)
{
    struct pool_worker *worker = pool_vacant (kind);
    pthread_attr_t attributes;
    sigset_t all, before;
    int err;

    if (!worker)
        return -EAGAIN;
    sigfillset (&all);
    pthread_attr_init (&attributes);
    if (kind == &pool.kinds[EVI_THREADS_FILES])
        pthread_attr_setstacksize (&attributes, POOL_STACK_FILES);
    worker->of = kind;
    pthread_sigmask (SIG_SETMASK, &all, &before);
    err = evi_sys_thread_create (&worker->thread, &attributes, pool_thread, worker);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    pthread_attr_destroy (&attributes);
    if (err)
        worker->of = NULL;
    else
        kind->count++;
    return err;
}

static int pool_limit (int count)
{
    return count < 1 ? 1 : count > POOL_MOST ? POOL_MOST : count;
}

static void pool_open (void)
{
    const char *text = evi_sys_environment ("EVRING_THREADS");

    pool.kinds[EVI_THREADS_FILES].most = pool_limit (text ? atoi (text) : POOL_FILES);
    pool.kinds[EVI_THREADS_NAMES].most = POOL_NAMES;
    pool.kinds[EVI_THREADS_WORK].most = 0; /* the cores are counted when there is work */
    for (int i = 0; i < EVI_THREADS_KINDS; i++)
        if (!pool.kinds[i].last)
            pool.kinds[i].last = &pool.kinds[i].first;
}

/* ---- homes ---- */

EVI void evi_pool_enter (struct evi_home *home)
{
    static int watching_forks;

    if (home->opened)
        return;
    pthread_mutex_lock (&pool_gate);
    if (!watching_forks)
        watching_forks = pthread_atfork (pool_before_fork, pool_after_fork, pool_in_child) == 0;
    if (!pool.homes++)
        pool_open ();
    pthread_mutex_unlock (&pool_gate);
    home->opened = 1;
}

/* An orphan is at a call that may take for ever: nobody waits for it. */
static void pool_let_go (struct pool_worker *worker)
{
    worker->leaving = 1;
    evi_sys_thread_detach (worker->thread);
}

/* Under the lock, which is given back meanwhile: orphans look at their places. */
static void pool_join (struct pool_threads *kind)
{
    for (unsigned i = 0; i < EVI_COUNT (kind->workers); i++) {
        struct pool_worker *worker = &kind->workers[i];

        if (!worker->of || worker->leaving)
            continue;
        pthread_mutex_unlock (&pool.lock);
        evi_sys_thread_join (worker->thread);
        pthread_mutex_lock (&pool.lock);
        memset (worker, 0, sizeof *worker);
        kind->count--;
    }
}

static void pool_end_threads (void)
{
    pthread_mutex_lock (&pool.lock);
    pool.ending = 1;
    for (int i = 0; i < EVI_THREADS_KINDS; i++) {
        struct pool_threads *kind = &pool.kinds[i];

        for (unsigned at = 0; at < EVI_COUNT (kind->workers); at++)
            if (kind->workers[at].job && kind->workers[at].job->abandoned && !kind->workers[at].leaving)
                pool_let_go (&kind->workers[at]);
        pthread_cond_broadcast (&kind->work);
    }
    for (int i = 0; i < EVI_THREADS_KINDS; i++)
        pool_join (&pool.kinds[i]);
    pool.ending = 0;
    pthread_mutex_unlock (&pool.lock);
}

EVI void evi_pool_leave (struct evi_home *home)
{
    if (!home->opened)
        return;
    pthread_mutex_lock (&pool_gate);
    if (!--pool.homes)
        pool_end_threads ();
    pthread_mutex_unlock (&pool_gate);
    home->opened = 0;
}

/* ---- jobs ---- */

static void pool_know_limit (struct pool_threads *kind)
{
    if (!kind->most)
        kind->most = pool_limit ((int) evi_sys_cores ());
}

/* Under the lock. */
static int pool_put (struct pool_threads *kind, struct evi_job *job)
{
    int err = 0;

    pool_know_limit (kind);
    if (kind->queued >= kind->idle && kind->count - kind->orphans < kind->most)
        err = pool_spawn (kind);
    if (kind->count - kind->orphans < 1)
        return err < 0 ? err : -EAGAIN;
    job->stage = POOL_QUEUED;
    job->next = NULL;
    *kind->last = job;
    kind->last = &job->next;
    kind->queued++;
    pthread_cond_signal (&kind->work);
    return 0;
}

EVI int evi_pool_submit (struct evi_job *job)
{
    int err;

    pthread_mutex_lock (&pool.lock);
    err = pool_put (&pool.kinds[job->threads], job);
    pthread_mutex_unlock (&pool.lock);
    return err;
}

static int pool_unqueue (struct evi_job *job)
{
    struct pool_threads *kind = &pool.kinds[job->threads];
    struct evi_job **at = &kind->first;

    while (*at && *at != job)
        at = &(*at)->next;
    if (!*at)
        return 0;
    *at = job->next;
    if (!job->next)
        kind->last = at;
    kind->queued--;
    return 1;
}

/* Its thread is an orphan from now on, and another one may take its place. */
static int pool_abandon (struct evi_job *job)
{
    struct pool_threads *kind = &pool.kinds[job->threads];

    if (job->stage != POOL_RUNNING || !job->drop || kind->orphans >= POOL_ORPHANS)
        return 0;
    job->abandoned = 1;
    kind->running--;
    kind->orphans++;
    if (kind->first) {
        pthread_cond_signal (&kind->work);
        if (!kind->idle && kind->count - kind->orphans < kind->most)
            pool_spawn (kind);
    }
    return 1;
}

EVI int evi_pool_cancel (struct evi_job *job)
{
    int is_over;

    pthread_mutex_lock (&pool.lock);
    __atomic_store_n (&job->cancelled, 1, __ATOMIC_RELAXED);
    is_over = job->stage == POOL_QUEUED && pool_unqueue (job);
    if (is_over && job->drop)
        job->drop (job);
    else if (!is_over)
        is_over = pool_abandon (job);
    pthread_mutex_unlock (&pool.lock);
    return is_over;
}

EVI void evi_pool_ask (struct evi_job *job)
{
    __atomic_store_n (&job->cancelled, 1, __ATOMIC_RELAXED);
}

EVI int evi_pool_asked (void)
{
    uintptr_t self = evi_sys_thread ();
    int asked = 0;

    pthread_mutex_lock (&pool.lock);
    for (int i = 0; i < EVI_THREADS_KINDS; i++)
        for (unsigned at = 0; at < EVI_COUNT (pool.kinds[i].workers); at++) {
            const struct pool_worker *worker = &pool.kinds[i].workers[at];

            if (worker->self == self && worker->job)
                asked = __atomic_load_n (&worker->job->cancelled, __ATOMIC_RELAXED);
        }
    pthread_mutex_unlock (&pool.lock);
    return asked;
}

/* Waiting jobs may go on now: for each a thread, as far as the limit allows. */
EVI int evi_pool_limit (int threads, int most)
{
    struct pool_threads *kind = &pool.kinds[threads];
    int before;

    pthread_mutex_lock (&pool.lock);
    pool_know_limit (kind);
    before = kind->most;
    if (most > 0)
        kind->most = pool_limit (most);
    for (int i = kind->queued; i > kind->idle && kind->count - kind->orphans < kind->most; i--)
        if (pool_spawn (kind) < 0)
            break;
    pthread_cond_broadcast (&kind->work);
    pthread_mutex_unlock (&pool.lock);
    return before;
}

EVI void evi_pool_wait (struct evi_job *job)
{
    pthread_mutex_lock (&pool.lock);
    while (job->stage != POOL_DONE)
        pthread_cond_wait (&pool.done, &pool.lock);
    pthread_mutex_unlock (&pool.lock);
}

EVI struct evi_job *evi_pool_collect (struct evi_home *home)
{
    struct evi_job *job, *ordered = NULL;

    if (!home->opened)
        return NULL;
    pthread_mutex_lock (&pool.lock);
    job = home->done;
    home->done = NULL;
    pthread_mutex_unlock (&pool.lock);
    while (job) { /* latest first until now */
        struct evi_job *next = job->next;

        job->next = ordered;
        ordered = job;
        job = next;
    }
    return ordered;
}

#endif
