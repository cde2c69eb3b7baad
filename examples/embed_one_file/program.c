/* program.c: a program that contains the whole library. The loop is compiled into this very file: no symbol
 * of it is visible outside, nothing has to be installed, and the compiler may inline across the border.
 *
 * Build:  cc -I../../include -I../../src program.c -pthread -lm
 *         or, with the one-file edition of evring in a folder dist: cc -Idist program.c -pthread -lm
 * Run:    ./a.out
 */
#define EV_STANDALONE 1 /* do not look for a config.h */
#define EV_API_STATIC 1 /* ev_run and the others are static functions of this file */
#include "ev.c"         /* with ev.h and ev_op.h, which it includes, on the include path */

#include <stdio.h>

static void on_time (EV_P_ ev_timer *w, int revents)
{
    printf ("one file, %s\n", ev_backend (EV_A) & ev_supported_backends () ? "one loop" : "no loop");
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_timer timer;

    if (!loop)
        return 1;
    ev_timer_init (&timer, on_time, 0.01, 0.);
    ev_timer_start (loop, &timer);
    ev_run (loop, 0);
    ev_loop_destroy (loop);
    return 0;
}
