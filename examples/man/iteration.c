/* iteration.c: one iteration, seen by a watcher of each kind.
 * cc iteration.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <unistd.h>

static void see (struct ev_loop *loop, ev_watcher *w, int revents)
{
    printf ("iteration %u: %s\n", ev_iteration (loop),
            (char *) w->data);
}

/* All kinds begin like an ev_watcher: one callback serves them all. */
static void name (void *any, char *text)
{
    ev_watcher *w = any;

    ev_set_cb (w, see);
    w->data = text;
}

int main (void)
{
    struct ev_loop *loop = ev_loop_new (0);
    ev_prepare prepare;
    ev_periodic periodic;
    ev_timer timer;
    ev_check check;
    ev_idle idle;
    ev_fork fork;
    ev_io io;
    int pipe_fd[2];

    if (!loop || pipe (pipe_fd))
        return 1;
    ev_fork_init (&fork, NULL);
    name (&fork, "step 1, fork");
    ev_prepare_init (&prepare, NULL);
    name (&prepare, "step 2, prepare");
    ev_io_init (&io, NULL, pipe_fd[1], EV_WRITE);
    name (&io, "step 4, io");
    ev_timer_init (&timer, NULL, 0., 0.);
    name (&timer, "step 6, timer");
    ev_periodic_init (&periodic, NULL, 1., 0., NULL);
    name (&periodic, "step 7, periodic");
    ev_idle_init (&idle, NULL);
    name (&idle, "step 8, idle");
    ev_check_init (&check, NULL);
    name (&check, "step 9, check");
    ev_fork_start (loop, &fork);
    ev_prepare_start (loop, &prepare);
    ev_io_start (loop, &io);
    ev_timer_start (loop, &timer);
    ev_periodic_start (loop, &periodic);
    ev_idle_start (loop, &idle);
    ev_check_start (loop, &check);
    ev_loop_fork (loop);
    ev_run (loop, EVRUN_NOWAIT);
    ev_io_stop (loop, &io); /* now nothing is above idle any more */
    ev_run (loop, EVRUN_NOWAIT);
    ev_loop_destroy (loop);
    return 0;
}
