/* ev_timer.c: a time-out that every sign of life puts off.
 * cc ev_timer.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>

static ev_timer silence;

static void on_silence (struct ev_loop *loop, ev_timer *w,
                        int revents)
{
    printf ("nothing heard for %g s\n", w->repeat);
    ev_timer_stop (loop, w); /* it repeats: it would come again */
}

static void on_beat (struct ev_loop *loop, ev_timer *w, int revents)
{
    static int beats;

    printf ("heard %d\n", ++beats);
    ev_timer_again (loop, &silence); /* counts from now again */
    if (beats == 3)
        ev_timer_stop (loop, w);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_timer beat;

    if (!loop)
        return 1;
    ev_timer_init (&beat, on_beat, 0., 0.05); /* at once, then each */
    ev_timer_start (loop, &beat);
    ev_init (&silence, on_silence);
    silence.repeat = 0.5;
    ev_timer_again (loop, &silence); /* starts it, with repeat */
    return ev_run (loop, 0);
}
