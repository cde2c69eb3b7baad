/* ev_stats.c: what a loop has done, and what it holds.
 * cc ev_stats.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h> /* includes ev.h */
#include <stdio.h>

static void on_tick (struct ev_loop *loop, ev_timer *w, int revents)
{
    static int ticks;

    if (++ticks == 3)
        ev_break (loop, EVBREAK_ALL);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    struct ev_stats stats;
    size_t known;
    ev_timer tick;

    if (!loop)
        return 1;
    ev_timer_init (&tick, on_tick, 0.01, 0.01);
    ev_timer_start (loop, &tick);
    ev_run (loop, 0);
    known = ev_stats (loop, &stats, sizeof stats);
    printf ("backend 0x%x, %llu iterations, %llu callbacks\n",
            stats.backend, stats.iterations, stats.callbacks);
    ev_dump (loop, stdout);
    return known < sizeof stats; /* then this library is older */
}
