/* ev_cleanup.c: a module gives back what it holds with the loop.
 * cc ev_cleanup.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

struct module {
    ev_cleanup cleanup; /* first: a pointer to one points to both */
    ev_timer timer;
};

static void on_timer (struct ev_loop *loop, ev_timer *w, int revents)
{
    printf ("never called\n");
}

static void on_cleanup (struct ev_loop *loop, ev_cleanup *w,
                        int revents)
{
    struct module *module = (struct module *) w;

    ev_timer_stop (loop, &module->timer); /* the loop still works */
    free (module);
    printf ("module freed\n");
}

static int module_open (struct ev_loop *loop)
{
    struct module *module = malloc (sizeof *module);

    if (!module)
        return -1;
    ev_timer_init (&module->timer, on_timer, 3600., 3600.);
    ev_timer_start (loop, &module->timer);
    ev_unref (loop); /* it shall not keep the loop running */
    ev_cleanup_init (&module->cleanup, on_cleanup);
    ev_cleanup_start (loop, &module->cleanup);
    return 0;
}

int main (void)
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_AUTO);

    if (!loop || module_open (loop))
        return 1;
    printf ("references: %d\n", ev_run (loop, 0));
    ev_loop_destroy (loop);
    return 0;
}
