/* ev_idle.c: a long computation in slices, when nothing else is due.
 * cc ev_idle.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>

enum { SLICE = 1000, LAST = 1000000 };
static unsigned long long sum;
static int next = 1, ticks;

static void on_idle (struct ev_loop *loop, ev_idle *w, int revents)
{
    for (int i = 0; i < SLICE; i++)
        sum += (unsigned) next++;
    if (next > LAST && ticks) /* an active one keeps the loop awake */
        ev_idle_stop (loop, w);
}

static void on_tick (struct ev_loop *loop, ev_timer *w, int revents)
{
    ticks++;
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_timer tick;
    ev_idle idle;

    if (!loop)
        return 1;
    ev_timer_init (&tick, on_tick, 0.001, 0.);
    ev_timer_start (loop, &tick);
    ev_idle_init (&idle, on_idle);
    ev_set_priority (&idle, EV_MINPRI); /* all else goes first */
    ev_idle_start (loop, &idle);
    ev_run (loop, 0);
    printf ("%s\n", ticks ? "the timer was served meanwhile" : "?");
    return sum < 500000500000;
}
