/* ev_mailbox.c: threads work, and each result is told in the loop.
 * cc ev_mailbox.c $(pkg-config --cflags --libs evring) -pthread */
#include <ev_mailbox.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 3, RESULTS = 100 };

struct result {
    ev_post post; /* first: a pointer to one points to both */
    long square;
};

static long sum;

/* In the loop. The post is ours again. */
static void on_result (struct ev_loop *loop, ev_post *post,
                       int revents)
{
    struct result *result = (struct result *) post;

    if (!(revents & EV_ERROR)) /* else the loop ends: only free */
        sum += result->square;
    free (result);
}

static void *work (void *box)
{
    for (long i = 1; i <= RESULTS; i++) {
        struct result *result = malloc (sizeof *result);

        result->post.cb = on_result;
        result->square = i * i;
        if (ev_mailbox_send (box, &result->post))
            free (result); /* the loop is gone: it is still ours */
    }
    ev_mailbox_unhold (box);
    ev_mailbox_free (box);
    return NULL;
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    pthread_t threads[THREADS];

    if (!loop)
        return 1;
    for (int i = 0; i < THREADS; i++) {
        ev_mailbox *box = ev_mailbox_of (loop); /* one for each */

        ev_mailbox_hold (box); /* before there is a thread */
        if (pthread_create (&threads[i], NULL, work, box))
            return 1;
    }
    ev_run (loop, 0); /* returns when nobody holds any more */
    for (int i = 0; i < THREADS; i++)
        pthread_join (threads[i], NULL);
    printf ("the sum is %ld\n", sum);
    return 0;
}
