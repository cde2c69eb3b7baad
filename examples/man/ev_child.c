/* ev_child.c: starts a program and learns how it ended.
 * cc ev_child.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_end (struct ev_loop *loop, ev_child *w, int revents)
{
    ev_child_stop (loop, w); /* the loop does not stop it for you */
    if (WIFEXITED (w->rstatus))
        printf ("exit code %d\n", WEXITSTATUS (w->rstatus));
    else if (WIFSIGNALED (w->rstatus))
        printf ("killed by signal %d\n", WTERMSIG (w->rstatus));
}

static pid_t start (const char *script)
{
    pid_t pid = fork ();

    if (!pid) {
        execl ("/bin/sh", "sh", "-c", script, (char *) NULL);
        _exit (127);
    }
    return pid;
}

int main (void)
{
    const char *const scripts[] = { "exit 3", "kill -9 $$" };
    struct ev_loop *loop = ev_default_loop (0); /* it must be this */
    ev_child child;

    for (int i = 0; loop && i < 2; i++) {
        pid_t pid = start (scripts[i]); /* before the next ev_run … */

        if (pid < 0)
            return 1;
        ev_child_init (&child, on_end, pid, 0);
        ev_child_start (loop, &child); /* … is early enough */
        ev_run (loop, 0);
    }
    return !loop;
}
