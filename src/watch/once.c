/* once.c: ev_once: a descriptor or a timeout, whichever comes first, then it is gone. */
#include "watch.h"

struct once {
    ev_io io;
    ev_timer timer;
    void (*cb) (int revents, void *arg);
    void *arg;
};

/* Stopped and freed before the program's function runs: it may do anything, destroy the loop included (ON-1).
 * If the other half is pending already, its bits come along. */
static void once_done (EV_P_ struct once *once, int revents)
{
    void (*cb) (int revents, void *arg) = once->cb;
    void *arg = once->arg;

    revents |= ev_clear_pending (EV_A_ & once->io) | ev_clear_pending (EV_A_ & once->timer);
    ev_io_stop (EV_A_ & once->io);
    ev_timer_stop (EV_A_ & once->timer);
    evi_resize (once, 0);
    cb (revents, arg);
}

static void once_io (EV_P_ ev_io *w, int revents)
{
    once_done (EV_A_ (struct once *) (void *) ((char *) w - offsetof (struct once, io)), revents);
}

static void once_timer (EV_P_ ev_timer *w, int revents)
{
    once_done (EV_A_ (struct once *) (void *) ((char *) w - offsetof (struct once, timer)), revents);
}

void ev_once (EV_P_ int fd, int events, ev_tstamp timeout, void (*cb) (int revents, void *arg),
              void *arg) EV_NOEXCEPT
{
    struct once *once;

    if (fd < 0 && !(timeout >= 0)) /* neither part: it would never fire (ON-1); false for NaN */
        return;
    once = evi_resize (NULL, sizeof *once);
    once->cb = cb;
    once->arg = arg;
    ev_io_init (&once->io, once_io, fd, events);
    ev_timer_init (&once->timer, once_timer, timeout, 0.);
    if (fd >= 0)
        ev_io_start (EV_A_ & once->io);
    if (timeout >= 0)
        ev_timer_start (EV_A_ & once->timer);
}
