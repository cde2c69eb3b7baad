/* ev_lock.c: other threads may start watchers while the loop runs.
 * cc ev_lock.c $(pkg-config --cflags --libs evring) -pthread */
#include <ev.h>
#include <pthread.h>
#include <stdio.h>

/* Whoever holds the lock may use the loop and its watchers. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ev_async poke;
static ev_timer timer;

static void release (struct ev_loop *loop) EV_NOEXCEPT
{
    pthread_mutex_unlock (&lock);
}

static void acquire (struct ev_loop *loop) EV_NOEXCEPT
{
    pthread_mutex_lock (&lock);
}

static void on_poke (struct ev_loop *loop, ev_async *w, int revents)
{
    /* nothing: the loop has looked at its timers again */
}

static void on_timer (struct ev_loop *loop, ev_timer *w, int revents)
{
    printf ("a timer of another thread\n");
    ev_break (loop, EVBREAK_ALL);
}

static void *guest (void *loop)
{
    pthread_mutex_lock (&lock); /* the loop sleeps, or we wait */
    ev_timer_init (&timer, on_timer, 0.01, 0.);
    ev_timer_start (loop, &timer);
    ev_async_send (loop, &poke); /* the sleep began without it */
    pthread_mutex_unlock (&lock);
    return NULL;
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    pthread_t thread;

    if (!loop)
        return 1;
    ev_async_init (&poke, on_poke);
    ev_async_start (loop, &poke);
    ev_set_loop_release_cb (loop, release, acquire);
    pthread_mutex_lock (&lock); /* held except while it sleeps */
    if (pthread_create (&thread, NULL, guest, loop))
        return 1;
    ev_run (loop, 0);
    pthread_mutex_unlock (&lock);
    pthread_join (thread, NULL);
    return 0;
}
