/* act_world.c: acts on timers, asyncs and signals; bytes, time and trouble. */
#include "act.h"

#include <errno.h>

/* ---- timers, asyncs, signals ---- */

static void timer_due_at (struct timer *timer, double after)
{
    timer->low = k.now + (nanos) (after * 1e9);
    timer->high = timer->low + MICRO;
}

void act_timer (const struct act *act)
{
    struct timer *timer = &stage.timers[act->a % TIMERS];

    if (ev_is_active (&timer->w))
        return;
    if (loop_of (timer->loop))
        ev_timer_stop (loop_of (timer->loop), &timer->w); /* it may be due, and not called yet */
    timer->loop = (int8_t) loop_choose (act->c / 64);
    ev_now_update (loop_of (timer->loop)); /* so that we know from when it counts */
    timer_due_at (timer, act_delay (act->b));
    ev_timer_set (&timer->w, act_delay (act->b), act->c % 8 < 5 ? 0 : act_delay (act->c));
    ev_timer_start (loop_of (timer->loop), &timer->w);
    counted ();
}

void act_timer_stop (const struct act *act)
{
    struct timer *timer = &stage.timers[act->a % TIMERS];

    if (ev_is_active (&timer->w))
        ev_timer_stop (loop_of (timer->loop), &timer->w);
    counted ();
}

void act_timer_again (const struct act *act)
{
    struct timer *timer = &stage.timers[act->a % TIMERS];

    if (!ev_is_active (&timer->w)) {
        if (loop_of (timer->loop))
            ev_timer_stop (loop_of (timer->loop), &timer->w);
        timer->loop = (int8_t) loop_choose (act->c / 64);
    }
    ev_now_update (loop_of (timer->loop));
    timer->w.repeat = act_delay (act->c);
    timer_due_at (timer, timer->w.repeat);
    ev_timer_again (loop_of (timer->loop), &timer->w);
    counted ();
}

void act_async (const struct act *act)
{
    struct async *async = &stage.asyncs[act->a % ASYNCS];

    if (ev_is_active (&async->w))
        return;
    async->loop = (int8_t) loop_choose (act->c / 64);
    async->sent = async->told = 0;
    async->owed = 0;
    ev_async_start (loop_of (async->loop), &async->w);
    counted ();
}

void act_async_stop (const struct act *act)
{
    struct async *async = &stage.asyncs[act->a % ASYNCS];

    if (ev_is_active (&async->w))
        ev_async_stop (loop_of (async->loop), &async->w);
    counted ();
}

/* Another thread may do that: also while the loop sleeps. */
void act_send (const struct act *act)
{
    struct async *async = &stage.asyncs[act->a % ASYNCS];

    if (!ev_is_active (&async->w))
        return;
    async->sent++;
    async->owed = 1;
    law_excuse (1);
    ev_async_send (loop_of (async->loop), &async->w);
    counted ();
}

void act_signal (const struct act *act)
{
    struct sig *sig = &stage.signals[act->a % SIGNALS_USED];

    if (ev_is_active (&sig->w))
        return;
    sig->loop = 0;
    sig->raised = sig->told = 0;
    ev_signal_start (loop_of (0), &sig->w);
    counted ();
}

void act_signal_stop (const struct act *act)
{
    struct sig *sig = &stage.signals[act->a % SIGNALS_USED];

    if (ev_is_active (&sig->w))
        ev_signal_stop (loop_of (sig->loop), &sig->w);
    counted ();
}

void act_raise (const struct act *act)
{
    struct sig *sig = &stage.signals[act->a % SIGNALS_USED];

    sig->raised++;
    process_raise (sig->w.signum);
}

/* ---- bytes ---- */

static int peer_of (const struct act *act)
{
    const struct file *f = file_at (hand_file (act->a));

    return f ? f->peer : -1;
}

int amount (int choice)
{
    static const int amounts[] = { 1, 1, 2, 3, STREAM_ROOM, STREAM_ROOM };

    return amounts[choice % 6];
}

void act_peer_write (const struct act *act)
{
    int file = hand_file (act->a);

    if (file < 0)
        return;
    switch (k.files[file].kind) {
    case K_EVENTFD:
        eventfd_write (file, 1);
        break;
    case K_LISTENER:
    case K_ODD:
        if (k.files[file].bytes < STREAM_ROOM)
            k.files[file].bytes++;
        file_wake (file, 1 /* POLLIN */);
        break;
    default:
        if (peer_of (act) >= 0)
            stream_write (peer_of (act), amount (act->c));
    }
}

void act_peer_read (const struct act *act)
{
    int peer = peer_of (act);

    if (peer >= 0 && k.files[peer].kind != K_PIPE_WRITE)
        stream_read (peer, amount (act->c));
}

void act_peer_shut (const struct act *act)
{
    int peer = peer_of (act);

    if (peer >= 0)
        stream_shut (peer, 0, 1);
}

/* Only if it is the world's: those of the program have numbers. */
void act_peer_close (const struct act *act)
{
    int peer = peer_of (act);

    if (peer < 0)
        return;
    for (int fd = 0; fd < FDS; fd++)
        if (k.fds[fd] == peer)
            return;
    if (k.files[peer].refs)
        file_drop (peer);
}

void act_write (const struct act *act)
{
    int file = hand_file (act->a);

    if (file >= 0 && (k.files[file].kind == K_SOCKET || k.files[file].kind == K_PIPE_WRITE))
        stream_write (file, amount (act->c));
}

void act_fill (const struct act *act)
{
    act_write (&(struct act){ .a = act->a, .c = 5 });
}

void act_read (const struct act *act)
{
    int file = hand_file (act->a);
    uint64_t count;

    if (file < 0)
        return;
    if (k.files[file].kind == K_EVENTFD)
        notify_read (file, &count, sizeof count);
    else
        stream_read (file, amount (act->c));
}

void act_shut (const struct act *act)
{
    int file = hand_file (act->a);

    if (file >= 0)
        stream_shut (file, act->c % 4 == 3, act->c % 4 != 3);
}

/* ---- time and trouble ---- */

void act_spend (const struct act *act)
{
    time_pass ((nanos) (act_delay (act->b % 7) * 1e9));
}

void act_wall (const struct act *act)
{
    static const int jumps[] = { 1, -1, 3600, -3600, 86400 * 40, 0, 2, -70 };

    k.wall += jumps[act->b % 8] * SECOND;
    law_excuse (1);
    notify_wall_set ();
}

void act_ring_dies (const struct act *act)
{
    (void) act;
    if (!(stage.program->trouble & T_RING_DIES) || stage.world_over || k.ring_refused)
        return;
    law_excuse (0);
    k.ring_refused = -EPERM;
    law_deeds_disturbed (1);
    stage.moved[0] = stage.moved[1] = 2;          /* until the end of the next run */
    for (int file = 0; file < k.file_top; file++) /* what lies in it cannot be taken back any more */
        if (k.files[file].pins)
            k.files[file].dirty = 1;
}
