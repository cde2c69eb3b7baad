/* ev_periodic.c: three ways to name a moment of the wall clock.
 * cc ev_periodic.c $(pkg-config --cflags --libs evring) -lm */
#include <ev.h>
#include <math.h>
#include <stdio.h>

/* Starts of tenths of a second: no loop call is allowed in here. */
static ev_tstamp next_tenth (ev_periodic *w, ev_tstamp now)
{
    return (floor (now * 10) + 1) / 10;
}

static void on_time (struct ev_loop *loop, ev_periodic *w,
                     int revents)
{
    const char *what = w->data;

    printf ("%s: %s\n", what,
            ev_now (loop) > ev_periodic_at (w) ? "once" : "again");
    ev_periodic_stop (loop, w);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_periodic at, every, chosen;

    if (!loop)
        return 1;
    ev_periodic_init (&at, on_time, ev_now (loop) - 1, 0., NULL);
    at.data = "a time that has passed";
    ev_periodic_init (&every, on_time, 0., 0.5, NULL);
    every.data = "every half second of the clock";
    ev_periodic_init (&chosen, on_time, 0., 0., next_tenth);
    chosen.data = "as a function says";
    ev_periodic_start (loop, &at);
    ev_run (loop, 0);
    ev_periodic_start (loop, &chosen);
    ev_run (loop, 0);
    ev_periodic_start (loop, &every);
    return ev_run (loop, 0);
}
