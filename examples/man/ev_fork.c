/* ev_fork.c: the same loop goes on in parent and child.
 * cc ev_fork.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *who = "parent";

/* In the child, at the beginning of its first iteration. */
static void on_fork (struct ev_loop *loop, ev_fork *w, int revents)
{
    printf ("%s: the loop has been forked\n", who);
}

static void on_data (struct ev_loop *loop, ev_io *w, int revents)
{
    printf ("%s: the pipe is readable\n", who);
    ev_break (loop, EVBREAK_ALL);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int pipe_fd[2];
    ev_fork fork_watcher;
    ev_io io;
    pid_t pid;

    if (!loop || pipe (pipe_fd) || write (pipe_fd[1], "x", 1) != 1)
        return 1;
    ev_io_init (&io, on_data, pipe_fd[0], EV_READ);
    ev_io_start (loop, &io);
    ev_fork_init (&fork_watcher, on_fork);
    ev_fork_start (loop, &fork_watcher);
    ev_run (loop, EVRUN_NOWAIT); /* a loop in full swing is forked */
    fflush (stdout);
    pid = fork ();
    if (!pid) {
        who = "child";
        ev_loop_fork (loop); /* before it runs the loop again */
        ev_run (loop, 0);
        return 0;
    }
    waitpid (pid, NULL, 0);
    ev_run (loop, 0);
    return 0;
}
