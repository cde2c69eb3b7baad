/* pool.c: a few threads, made when the first call needs one and gone with the last loop that used them.
 * Owns the process's only pool. Promises that a job is done exactly once, in the order of submission as far as
 * one thread goes, and that a fork child finds a pool without threads and without jobs. */
#include "pool.h"

#include "../base/sys_op.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOL_THREADS = 4, /* EVRING_THREADS says otherwise */
    POOL_THREADS_MAX = 64,
    POOL_STACK = 256 * 1024 /* a system call and its wrapper need far less */
};

enum { POOL_QUEUED = 1, POOL_RUNNING, POOL_DONE };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work; /* there is a job, or the end */
    pthread_cond_t done; /* a job that somebody waits for has ended */
    pthread_t thread[POOL_THREADS_MAX];
    int threads, threads_max, idle, queued;
    int homes, ending;
    struct evi_job *first, **last;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .work = PTHREAD_COND_INITIALIZER,
           .done = PTHREAD_COND_INITIALIZER,
           .last = &pool.first };

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

/* Nobody is left but us: the threads stayed with the parent, and so did their jobs. */
static void pool_in_child (void)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

    pool.work = pool.done = fresh;
    pool.threads = pool.idle = pool.queued = 0;
    pool.first = NULL;
    pool.last = &pool.first;
    pool_after_fork ();
}

/* ---- threads ---- */

static struct evi_job *pool_take (void)
{
    struct evi_job *job = pool.first;

    pool.first = job->next;
    if (!pool.first)
        pool.last = &pool.first;
    pool.queued--;
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

static void *pool_thread (void *unused)
{
    pthread_mutex_lock (&pool.lock);
    for (;;) {
        struct evi_job *job;
        ssize_t result;

        while (!pool.first && !pool.ending) {
            pool.idle++;
            pthread_cond_wait (&pool.work, &pool.lock);
            pool.idle--;
        }
        if (!pool.first)
            break;
        job = pool_take ();
        pthread_mutex_unlock (&pool.lock);
        result = job->call (job);
        pthread_mutex_lock (&pool.lock);
        pool_finish (job, result);
    }
    pthread_mutex_unlock (&pool.lock);
    return unused;
}

/* Signals are the program's: no thread of ours takes one away. */
static int pool_spawn (void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int err;

    sigfillset (&all);
    pthread_attr_init (&attributes);
    pthread_attr_setstacksize (&attributes, POOL_STACK);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    err = evi_sys_thread_create (&pool.thread[pool.threads], &attributes, pool_thread, NULL);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    pthread_attr_destroy (&attributes);
    if (!err)
        pool.threads++;
    return err;
}

static int pool_threads_wanted (void)
{
    const char *text = evi_sys_environment ("EVRING_THREADS");
    int count = text ? atoi (text) : POOL_THREADS;

    return count < 1 ? 1 : count > POOL_THREADS_MAX ? POOL_THREADS_MAX : count;
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
        pool.threads_max = pool_threads_wanted ();
    pthread_mutex_unlock (&pool_gate);
    home->opened = 1;
}

static void pool_end_threads (void)
{
    pthread_mutex_lock (&pool.lock);
    pool.ending = 1;
    pthread_cond_broadcast (&pool.work);
    pthread_mutex_unlock (&pool.lock);
    while (pool.threads)
        pthread_join (pool.thread[--pool.threads], NULL);
    pool.ending = 0;
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

EVI int evi_pool_submit (struct evi_job *job)
{
    int err = 0;

    pthread_mutex_lock (&pool.lock);
    if (pool.queued >= pool.idle && pool.threads < pool.threads_max)
        err = pool_spawn ();
    if (pool.threads) {
        err = 0;
        job->stage = POOL_QUEUED;
        job->next = NULL;
        *pool.last = job;
        pool.last = &job->next;
        pool.queued++;
        pthread_cond_signal (&pool.work);
    }
    pthread_mutex_unlock (&pool.lock);
    return err;
}

static int pool_unqueue (struct evi_job *job)
{
    struct evi_job **at = &pool.first;

    while (*at && *at != job)
        at = &(*at)->next;
    if (!*at)
        return 0;
    *at = job->next;
    if (!job->next)
        pool.last = at;
    pool.queued--;
    return 1;
}

EVI int evi_pool_cancel (struct evi_job *job)
{
    int removed;

    pthread_mutex_lock (&pool.lock);
    __atomic_store_n (&job->cancelled, 1, __ATOMIC_RELAXED);
    removed = job->stage == POOL_QUEUED && pool_unqueue (job);
    pthread_mutex_unlock (&pool.lock);
    return removed;
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
