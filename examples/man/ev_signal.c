/* ev_signal.c: SIGHUP reads the configuration again, SIGTERM ends.
 * cc ev_signal.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void on_hup (struct ev_loop *loop, ev_signal *w, int revents)
{
    printf (
        "SIGHUP: reading the configuration\n"); /* anything goes */
    kill (getpid (), SIGTERM);
}

static void on_term (struct ev_loop *loop, ev_signal *w, int revents)
{
    printf ("SIGTERM: ending\n");
    ev_break (loop, EVBREAK_ALL);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_signal hup, term;

    if (!loop)
        return 1;
    ev_signal_init (&hup, on_hup, SIGHUP);
    ev_signal_start (loop, &hup);
    ev_signal_init (&term, on_term, SIGTERM);
    ev_signal_start (loop, &term);
    kill (getpid (), SIGHUP); /* twice, before the loop looks: */
    kill (getpid (), SIGHUP); /* the callback is called once */
    ev_run (loop, 0);
    ev_signal_stop (loop, &hup); /* SIGHUP kills again */
    ev_signal_stop (loop, &term);
    ev_loop_destroy (loop);
    return 0;
}
