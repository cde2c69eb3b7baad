/* threads.c: work that would block the loop is done elsewhere, and the answer comes back as an event. Counts
 * the primes below each number given, on four threads.
 *
 * Build:  cc threads.c $(pkg-config --cflags --libs evring) -pthread
 * Run:    ./a.out 1000 100000 1000000
 */
#include <ev.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4 };

struct job {
    int limit, primes;
    struct job *next;
};

/* All under the lock. The loop itself is used by the main thread only; ev_async_send is the exception. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct job *todo, *done;
static int closing;

static ev_async answered;

static struct job *pop (struct job **list)
{
    struct job *job = *list;

    if (job)
        *list = job->next;
    return job;
}

static void push (struct job **list, struct job *job)
{
    job->next = *list;
    *list = job;
}

static int count_primes (int limit)
{
    int primes = 0;

    for (int n = 2, d; n < limit; n++) {
        for (d = 2; d * d <= n && n % d; d++)
            ;
        primes += d * d > n;
    }
    return primes;
}

static void *work (void *loop)
{
    struct job *job;

    pthread_mutex_lock (&lock);
    while (!closing) {
        if (!(job = pop (&todo))) {
            pthread_cond_wait (&more, &lock);
            continue;
        }
        pthread_mutex_unlock (&lock);
        job->primes = count_primes (job->limit);
        pthread_mutex_lock (&lock);
        push (&done, job);
        ev_async_send (loop, &answered); /* never blocks; cheap while the loop is awake */
    }
    pthread_mutex_unlock (&lock);
    return NULL;
}

/* Several answers may have come with one call, so take all there are. */
static void on_answer (struct ev_loop *loop, ev_async *w, int revents)
{
    int *left = w->data;
    struct job *job, *answers;

    pthread_mutex_lock (&lock);
    answers = done;
    done = NULL;
    pthread_mutex_unlock (&lock);
    while ((job = pop (&answers))) {
        printf ("%d primes below %d\n", job->primes, job->limit);
        if (!--*left)
            ev_break (loop, EVBREAK_ALL);
    }
}

int main (int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop (0);
    struct job *jobs = calloc ((size_t) argc, sizeof *jobs);
    pthread_t threads[THREADS];
    int left = argc - 1;

    if (!loop || !jobs || !left)
        return 1;
    ev_async_init (&answered, on_answer);
    answered.data = &left;
    ev_async_start (loop, &answered); /* before anybody may send */
    for (int i = 0; i < left; i++) {
        jobs[i].limit = atoi (argv[i + 1]);
        push (&todo, &jobs[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create (&threads[i], NULL, work, loop);
    ev_run (loop, 0);
    pthread_mutex_lock (&lock);
    closing = 1;
    pthread_cond_broadcast (&more);
    pthread_mutex_unlock (&lock);
    for (int i = 0; i < THREADS; i++) /* nobody may send to a loop that is gone */
        pthread_join (threads[i], NULL);
    ev_loop_destroy (loop);
    free (jobs);
    return 0;
}
