/* async.c: ev_async, a knock from another thread or a signal handler. Owns loop->async. */
#include "watch.h"

#if EV_ASYNC_ENABLE

void ev_async_start (EV_P_ ev_async *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    w->sent = 0;
    evi_wake_open (loop);
    evi_list_start (loop, &loop->async, w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_async_stop (EV_P_ ev_async *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    evi_list_stop (loop, &loop->async, w);
    EVI_VERIFY_CHANGE (loop);
}

/* What the sender wrote before is visible to the callback: the exchanges below order it (AS-5). */
void ev_async_send (EV_P_ ev_async *w) EV_NOEXCEPT
{
    EVI_DOOR;

    __atomic_store_n (&w->sent, 1, __ATOMIC_SEQ_CST);
    evi_wake_knock (loop);
}

static void async_answer (struct ev_loop *loop)
{
    /* from the last started: the queue turns them round (AS-4) */
    for (unsigned i = loop->async.count; i-- > 0;) {
        ev_async *w = (ev_async *) loop->async.items[i];

        if (__atomic_load_n (&w->sent, __ATOMIC_RELAXED)
            && __atomic_exchange_n (&w->sent, 0, __ATOMIC_SEQ_CST))
            evi_feed (loop, w, EV_ASYNC);
    }
}

EVI void evi_async_close (struct ev_loop *loop)
{
    evi_resize (loop->async.items, 0);
    loop->async = (struct evi_list){ 0 };
}

#else
static void async_answer (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_async_close (struct ev_loop *loop)
{
    (void) loop;
}
#endif

/* Someone knocked. Signals are queued first, so that async watchers are called before them (SG-7). */
EVI void evi_knock_answer (struct ev_loop *loop)
{
    evi_signal_answer (loop);
    async_answer (loop);
}
