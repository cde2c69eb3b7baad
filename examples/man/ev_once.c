/* ev_once.c: waits for input, but not for long.
 * cc ev_once.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <unistd.h>

static void on_done (int revents, void *arg)
{
    const char *who = arg;

    if (revents & EV_READ)
        printf ("%s: input\n", who);
    else if (revents & EV_TIMER)
        printf ("%s: silence\n", who);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int full[2], empty[2];

    if (!loop || pipe (full) || pipe (empty))
        return 1;
    if (write (full[1], "x", 1) != 1)
        return 1;
    ev_once (loop, full[0], EV_READ, 10., on_done, "full");
    ev_once (loop, empty[0], EV_READ, 0.1, on_done, "empty");
    return ev_run (loop, 0); /* both are gone: no reference left */
}
