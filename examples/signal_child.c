/* signal_child.c: starts a program and waits for its end. On SIGINT or SIGTERM it asks the program to end,
 * and a second later it insists.
 *
 * Build:  cc signal_child.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out sleep 60          and press ^C
 */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static ev_child child;
static ev_signal interrupt, terminate;
static ev_timer patience;

static void on_end (struct ev_loop *loop, ev_child *w, int revents)
{
    if (WIFSIGNALED (w->rstatus))
        printf ("ended by signal %d\n", WTERMSIG (w->rstatus));
    else
        printf ("ended with code %d\n", WEXITSTATUS (w->rstatus));
    ev_break (loop, EVBREAK_ALL); /* the signal watchers would keep the loop alive */
}

static void on_patience (struct ev_loop *loop, ev_timer *w, int revents)
{
    kill (child.pid, SIGKILL);
}

static void on_signal (struct ev_loop *loop, ev_signal *w, int revents)
{
    printf ("signal %d: ending the program\n", w->signum);
    kill (child.pid, SIGTERM);
    ev_timer_start (loop, &patience);
}

/* In the child handlers are gone after exec; what was ignored or blocked would stay so. */
static pid_t start (char **argv)
{
    pid_t pid = fork ();

    if (pid)
        return pid;
    execvp (argv[0], argv);
    perror (argv[0]);
    _exit (127);
}

int main (int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop (0); /* children are watched in this loop only */
    pid_t pid;

    if (argc < 2 || !loop) {
        fputs ("usage: signal_child PROGRAM [ARGUMENT…]\n", stderr);
        return 1;
    }
    ev_signal_init (&interrupt, on_signal, SIGINT);
    ev_signal_start (loop, &interrupt);
    ev_signal_init (&terminate, on_signal, SIGTERM);
    ev_signal_start (loop, &terminate);
    ev_timer_init (&patience, on_patience, 1., 0.);
    pid = start (argv + 1);
    if (pid < 0) {
        perror ("fork");
        return 1;
    }
    printf ("started %d\n", (int) pid);
    fflush (stdout);
    ev_child_init (&child, on_end, pid, 0);
    ev_child_start (loop, &child);
    ev_run (loop, 0);
    ev_signal_stop (loop, &interrupt); /* before the loop ends: signals belong to the process */
    ev_signal_stop (loop, &terminate);
    ev_loop_destroy (loop);
    return 0;
}
