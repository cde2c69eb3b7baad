/* periodic.c: ev_periodic, wall-clock time. Owns loop->periodics, and loop->jump, the descriptor that tells
 * when somebody sets the clock. */
#include "watch.h"

#include <errno.h>
#include <math.h>

#if EV_PERIODIC_ENABLE

/* Finer intervals are reached from the last multiple of this one: dividing by them would lose all precision. */
#define PERIODIC_FINEST (1.0 / 8192)

/* floor(3) would make embedders link with libm. Beyond 2^53 a double has no fraction. */
static ev_tstamp periodic_floor (ev_tstamp x)
{
    ev_tstamp whole;

    if (!(x > -9007199254740992. && x < 9007199254740992.))
        return x;
    whole = (ev_tstamp) (int64_t) x;
    return whole > x ? whole - 1 : whole;
}

/* The first offset + n * interval strictly after now. */
static ev_tstamp periodic_next (const ev_periodic *w, ev_tstamp now)
{
    ev_tstamp grid = w->interval < PERIODIC_FINEST ? PERIODIC_FINEST : w->interval;
    ev_tstamp at = w->offset + grid * periodic_floor ((now - w->offset) / grid);

    while (at <= now) {
        if (at + w->interval == at)
            return now; /* the interval is lost in the precision of the time */
        at += w->interval;
    }
    return at;
}

/* The three kinds, decided anew each time (PE-1). */
static ev_tstamp periodic_at (ev_periodic *w, ev_tstamp now, ev_tstamp absolute)
{
    ev_tstamp at;

    if (w->reschedule_cb)
        at = w->reschedule_cb (w, now);
    else if (w->interval > 0)
        at = periodic_next (w, now);
    else
        at = absolute;
    return at == at ? at : (ev_tstamp) HUGE_VAL; /* NaN: never */
}

#if EV_USE_TIMERFD
static void periodic_clock_set (EV_P_ ev_io *w, int revents)
{
    uint64_t expirations;
    EVI_DOOR;

    (void) w, (void) revents;
    evi_sys_read (loop->jump.fd, &expirations, sizeof expirations); /* ECANCELED: that is the news */
    evi_clock_reread (&loop->clock);
    evi_sys_timerfd_arm_cancel (loop->jump.fd, loop->clock.wall + 3e7);
    evi_periodic_reschedule (loop);
}

static void periodic_watch_clock (struct ev_loop *loop)
{
    if (loop->jump.fd >= 0 || loop->origflags & EVFLAG_NOTIMERFD)
        return;
    loop->jump.fd = evi_sys_timerfd_wall ();
    if (loop->jump.fd < 0) {
        loop->jump.fd = -1; /* then the loop finds out when it looks at the clock, within a minute */
        return;
    }
    evi_sys_timerfd_arm_cancel (loop->jump.fd, loop->clock.wall + 3e7);
    evi_fd_own (loop, &loop->jump.io, periodic_clock_set, loop->jump.fd, EV_MINPRI);
}

static void periodic_unwatch_clock (struct ev_loop *loop)
{
    if (loop->jump.fd < 0)
        return;
    evi_fd_disown (loop, &loop->jump.io);
    evi_sys_close (loop->jump.fd);
    loop->jump.fd = -1;
}
#else
static void periodic_watch_clock (struct ev_loop *loop)
{
    (void) loop;
}

static void periodic_unwatch_clock (struct ev_loop *loop)
{
    (void) loop;
}
#endif

void ev_periodic_start (EV_P_ ev_periodic *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    if (EVI_UNLIKELY (!w->reschedule_cb && !(w->interval >= 0))) {
        evi_reject (loop, w, EV_PERIODIC, "ev_periodic_start", "interval must be zero or positive");
        return;
    }
    periodic_watch_clock (loop);
    w->at = periodic_at (w, loop->clock.wall, w->offset);
    evi_watcher_start (loop, w, 1);
    evi_heap_add (&loop->periodics, (ev_watcher_time *) w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_periodic_stop (EV_P_ ev_periodic *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    evi_heap_remove (&loop->periodics, (ev_watcher_time *) w);
    evi_watcher_stop (loop, w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_periodic_again (EV_P_ ev_periodic *w) EV_NOEXCEPT
{
    ev_periodic_stop (EV_A_ w);
    ev_periodic_start (EV_A_ w);
}

/* Decides what becomes of an expired one. */
static void periodic_expire (struct ev_loop *loop, ev_periodic *w)
{
    if (!w->reschedule_cb && !(w->interval > 0)) {
        ev_periodic_stop (EV_A_ w);
        return;
    }
    w->at = periodic_at (w, loop->clock.wall, w->at);
    if (EVI_UNLIKELY (w->at < loop->clock.wall)) {
        w->at = loop->clock.wall;
        ev_periodic_stop (EV_A_ w);
        evi_reject (loop, w, EV_PERIODIC, "ev_run", "a reschedule callback returned a time before now");
        return;
    }
    evi_heap_moved (&loop->periodics, (ev_watcher_time *) w);
}

EVI void evi_periodic_due (struct ev_loop *loop)
{
    while (evi_heap_due (&loop->periodics, loop->clock.wall)) {
        ev_periodic *w = (ev_periodic *) evi_heap_first (&loop->periodics);

        periodic_expire (loop, w);
        evi_due_add (loop, w);
    }
    evi_due_feed (loop, EV_PERIODIC);
}

/* Occurrences that the jump skipped do not fire; absolute times keep their time (PE-6). */
EVI void evi_periodic_reschedule (struct ev_loop *loop)
{
    for (unsigned i = EVI_HEAP_TOP; i < EVI_HEAP_TOP + loop->periodics.count; i++) {
        ev_periodic *w = (ev_periodic *) loop->periodics.nodes[i].w;

        w->at = periodic_at (w, loop->clock.wall, w->at);
    }
    evi_heap_order (&loop->periodics);
}

EVI void evi_periodic_fork (struct ev_loop *loop)
{
    if (loop->jump.fd < 0)
        return;
    periodic_unwatch_clock (loop);
    periodic_watch_clock (loop);
    evi_clock_reread (&loop->clock);
    evi_periodic_reschedule (loop);
}

EVI void evi_periodic_close (struct ev_loop *loop)
{
    periodic_unwatch_clock (loop);
    evi_heap_free (&loop->periodics);
}

#else
EVI void evi_periodic_due (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_periodic_reschedule (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_periodic_fork (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_periodic_close (struct ev_loop *loop)
{
    (void) loop;
}
#endif
