/* ev_backend.c: which backends there are, and which one is taken.
 * cc ev_backend.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>

int main (void)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {
        { "io_uring", EVBACKEND_IOURING },
        { "epoll", EVBACKEND_EPOLL },
        { "poll", EVBACKEND_POLL },
        { "select", EVBACKEND_SELECT },
    };
    struct ev_loop *chosen = ev_default_loop (0);

    for (int i = 0; i < 4; i++) {
        unsigned bit = known[i].bit;
        struct ev_loop *loop = ev_loop_new (bit | EVFLAG_NOENV);

        printf ("%-9s %s", known[i].name, loop ? "works" : "fails");
        if (bit & ev_recommended_backends ())
            printf (" recommended");
        if (chosen && ev_backend (chosen) == bit)
            printf (" chosen");
        putchar ('\n');
        ev_loop_destroy (loop); /* NULL is allowed */
    }
    return !chosen;
}
