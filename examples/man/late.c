/* late.c: a timer counts from the loop's idea of now.
 * cc late.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>

static ev_tstamp started;

static void on_timer (struct ev_loop *loop, ev_timer *w, int revents)
{
    printf ("%s: %s\n", (char *) w->data,
            ev_time () - started < 0.2 ? "too early" : "as asked");
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_timer timer;

    for (int update = 0; loop && update < 2; update++) {
        ev_sleep (0.15); /* work; the loop does not look */
        if (update)
            ev_now_update (loop);
        started = ev_time ();
        ev_timer_init (&timer, on_timer, 0.2, 0.);
        timer.data =
            update ? "after ev_now_update" : "from an old now";
        ev_timer_start (loop, &timer);
        ev_run (loop, 0);
    }
    return !loop;
}
