/* timer.c: ev_timer, relative time. Owns loop->timers and loop->due.
 * Never early: a timer expires when its time lies strictly in the past (TI-1). */
#include "watch.h"

#include <math.h>

/* NaN would sort nowhere and stall its neighbours: it counts as never (TI-8). */
static ev_tstamp timer_sane (ev_tstamp delay)
{
    return delay == delay ? delay : (ev_tstamp) HUGE_VAL;
}

void ev_timer_start (EV_P_ ev_timer *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    if (EVI_UNLIKELY (!(w->repeat >= 0))) {
        evi_reject (loop, w, EV_TIMER, "ev_timer_start", "repeat must be zero or positive");
        return;
    }
    w->at = loop->clock.mono + timer_sane (w->at);
    evi_watcher_start (loop, w, 1);
    evi_heap_add (&loop->timers, (ev_watcher_time *) w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_timer_stop (EV_P_ ev_timer *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    evi_heap_remove (&loop->timers, (ev_watcher_time *) w);
    w->at -= loop->clock.mono; /* a later start goes on from here (TI-5) */
    evi_watcher_stop (loop, w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_timer_again (EV_P_ ev_timer *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w)) {
        if (w->repeat != 0) {
            w->at = w->repeat;
            ev_timer_start (EV_A_ w);
        }
    } else if (w->repeat != 0) {
        w->at = loop->clock.mono + timer_sane (w->repeat);
        evi_heap_moved (&loop->timers, (ev_watcher_time *) w);
    } else
        ev_timer_stop (EV_A_ w);
}

ev_tstamp ev_timer_remaining (EV_P_ ev_timer *w) EV_NOEXCEPT
{
    EVI_DOOR;

    return w->at - (evi_is_active (w) ? loop->clock.mono : 0);
}

/* The next expiry follows the previous one without drift; ticks that were missed are not made up (TI-4). */
static void timer_repeat (struct ev_loop *loop, ev_timer *w)
{
    w->at += w->repeat;
    if (w->at < loop->clock.mono)
        w->at = loop->clock.mono;
    evi_heap_moved (&loop->timers, (ev_watcher_time *) w);
}

EVI void evi_timer_due (struct ev_loop *loop)
{
    while (evi_heap_due (&loop->timers, loop->clock.mono)) {
        ev_timer *w = (ev_timer *) evi_heap_first (&loop->timers);

        if (w->repeat > 0)
            timer_repeat (loop, w);
        else
            ev_timer_stop (EV_A_ w);
        if (EVI_UNLIKELY (!(w->repeat >= 0)))
            evi_reject (loop, w, EV_TIMER, "ev_run", "the repeat of an active timer has become negative");
        evi_due_add (loop, w);
    }
    evi_due_feed (loop, EV_TIMER);
}

EVI void evi_timer_shift (struct ev_loop *loop, ev_tstamp seconds)
{
    for (unsigned i = EVI_HEAP_TOP; i < EVI_HEAP_TOP + loop->timers.count; i++)
        loop->timers.nodes[i].at = loop->timers.nodes[i].w->at += seconds;
}

EVI void evi_due_add (struct ev_loop *loop, void *w)
{
    EVI_FIT (loop->due.items, loop->due.room, loop->due.count + 1);
    loop->due.items[loop->due.count++] = w;
}

EVI void evi_due_feed (struct ev_loop *loop, int revents)
{
    while (loop->due.count)
        evi_feed (loop, loop->due.items[--loop->due.count], revents);
}
