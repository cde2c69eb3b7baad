/* spawn.c: fork and exec beside a running loop.
 * cc spawn.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_end (struct ev_loop *loop, ev_child *w, int revents)
{
    printf ("ended with %d\n", w->rstatus);
    ev_child_stop (loop, w);
}

int main (void)
{
    /* With EVFLAG_SIGNALFD the loop blocks the signals it reads. */
    struct ev_loop *loop = ev_default_loop (EVFLAG_SIGNALFD);
    ev_child child;
    sigset_t none;
    pid_t pid;

    if (!loop)
        return 1;
    pid = fork ();
    if (!pid) {
        /* No ev_loop_fork: descriptors of the loop close on exec.
         * But the mask goes along, so give the program a clean one. */
        sigemptyset (&none);
        sigprocmask (SIG_SETMASK, &none, NULL);
        execl ("/bin/sh", "sh", "-c", "kill -TERM $$", (char *) NULL);
        _exit (127); /* not exit: buffers and handlers are not ours */
    }
    ev_child_init (&child, on_end, pid, 0);
    ev_child_start (loop, &child);
    return ev_run (loop, 0);
}
