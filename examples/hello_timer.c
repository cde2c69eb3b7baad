/* hello_timer.c: says hello three times, half a second apart, and ends.
 *
 * Build:  cc hello_timer.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out
 */
#include <ev.h>
#include <stdio.h>

static void on_time (struct ev_loop *loop, ev_timer *w, int revents)
{
    int *left = w->data;

    puts ("hello");
    if (!--*left)
        ev_timer_stop (loop, w); /* nothing is active any more, so ev_run returns */
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int left = 3;
    ev_timer timer;

    if (!loop) {
        fputs ("no event loop can be made here\n", stderr);
        return 1;
    }
    ev_timer_init (&timer, on_time, 0.5, 0.5);
    timer.data = &left;
    ev_timer_start (loop, &timer);
    ev_run (loop, 0);
    ev_loop_destroy (loop);
    return 0;
}
