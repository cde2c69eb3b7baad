/* handover.c: a loop moves to another thread, with its watchers.
 * cc handover.c $(pkg-config --cflags --libs evring) -pthread */
#include <ev.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static const char *where = "the thread";

static void on_data (struct ev_loop *loop, ev_io *w, int revents)
{
    char byte;

    if (read (w->fd, &byte, 1) == 1)
        printf ("%s: %c\n", where, byte);
}

static void *run (void *loop)
{
    ev_run (loop, EVRUN_ONCE);
    return NULL;
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int pipe_fd[2];
    pthread_t thread;
    ev_io io;

    if (!loop || pipe (pipe_fd))
        return 1;
    ev_io_init (&io, on_data, pipe_fd[0], EV_READ);
    ev_io_start (loop, &io);
    if (write (pipe_fd[1], "a", 1) != 1
        || pthread_create (&thread, NULL, run, loop))
        return 1;
    pthread_join (thread,
                  NULL); /* one at a time: this hands it over */
    where = "the main program";
    if (write (pipe_fd[1], "b", 1) != 1)
        return 1;
    ev_run (loop, EVRUN_ONCE);
    return 0;
}
