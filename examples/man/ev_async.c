/* ev_async.c: a thread works, the loop hears of it.
 * cc ev_async.c $(pkg-config --cflags --libs evring) -pthread */
#include <ev.h>
#include <pthread.h>
#include <stdio.h>

enum { RESULTS = 100 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int results[RESULTS], count; /* under the lock */
static ev_async news;

static void *work (void *loop)
{
    for (int i = 0; i < RESULTS; i++) {
        pthread_mutex_lock (&lock);
        results[count++] = i * i;
        pthread_mutex_unlock (&lock);
        ev_async_send (loop, &news); /* after the data is there */
    }
    return NULL;
}

/* Sends coalesce: this runs at least once after the last one, not
 * once per send. So take all there is. */
static void on_news (struct ev_loop *loop, ev_async *w, int revents)
{
    static int taken;

    pthread_mutex_lock (&lock);
    taken = count;
    pthread_mutex_unlock (&lock);
    if (taken == RESULTS)
        ev_async_stop (loop, w);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    pthread_t thread;

    if (!loop)
        return 1;
    ev_async_init (&news, on_news);
    ev_async_start (loop, &news); /* before anybody may send */
    if (pthread_create (&thread, NULL, work, loop))
        return 1;
    ev_run (loop, 0);
    pthread_join (thread, NULL);
    printf ("the last of %d results is %d\n", count,
            results[count - 1]);
    return 0;
}
