/* ev_prepare.c: many callbacks write, the kernel is called once.
 * cc ev_prepare.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char buffer[256];
static int polled;

static void say (struct ev_loop *loop, ev_timer *w, int revents)
{
    strcat (buffer, w->data);
}

/* Right before the loop sleeps: what has gathered goes out. */
static void flush (struct ev_loop *loop, ev_prepare *w, int revents)
{
    if (!*buffer)
        return;
    if (write (1, buffer, strlen (buffer)) < 0)
        perror ("write");
    *buffer = 0;
}

/* Right after: before the callbacks of what the sleep brought. */
static void count (struct ev_loop *loop, ev_check *w, int revents)
{
    if (++polled == 2)
        ev_break (loop, EVBREAK_ONE); /* what is pending still runs */
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    char *const words[] = { "one ", "write ", "for ", "all\n" };
    ev_timer timers[4];
    ev_prepare prepare;
    ev_check check;

    if (!loop)
        return 1;
    ev_prepare_init (&prepare, flush);
    ev_prepare_start (loop, &prepare);
    ev_check_init (&check, count);
    ev_check_start (loop, &check);
    for (int i = 0; i < 4; i++) {
        ev_timer_init (&timers[i], say, -1. + i * .1, 0.);
        timers[i].data = words[i];
        ev_timer_start (loop, &timers[i]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    return ev_run (loop, EVRUN_NOWAIT) != 2; /* two references left */
}
