/* hooks.c: idle, prepare, check, fork, cleanup: five kinds of one shape. Each is a list in start order. */
#include "watch.h"

EVI_INLINE void hooks_start (struct ev_loop *loop, struct evi_list *list, void *w)
{
    if (evi_is_active (w))
        return;
    evi_list_start (loop, list, w);
    EVI_VERIFY_CHANGE (loop);
}

/* 0: it was not active. */
EVI_INLINE int hooks_stop (struct ev_loop *loop, struct evi_list *list, void *w)
{
    evi_pending_clear (loop, w);
    if (!evi_is_active (w))
        return 0;
    evi_list_stop (loop, list, w);
    EVI_VERIFY_CHANGE (loop);
    return 1;
}

#if EV_PREPARE_ENABLE
void ev_prepare_start (EV_P_ ev_prepare *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_start (loop, &loop->prepare, w);
}

void ev_prepare_stop (EV_P_ ev_prepare *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_stop (loop, &loop->prepare, w);
}
#endif

#if EV_CHECK_ENABLE
void ev_check_start (EV_P_ ev_check *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_start (loop, &loop->check, w);
}

void ev_check_stop (EV_P_ ev_check *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_stop (loop, &loop->check, w);
}
#endif

#if EV_FORK_ENABLE
void ev_fork_start (EV_P_ ev_fork *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_start (loop, &loop->fork, w);
}

void ev_fork_stop (EV_P_ ev_fork *w) EV_NOEXCEPT
{
    EVI_DOOR;

    hooks_stop (loop, &loop->fork, w);
}
#endif

#if EV_CLEANUP_ENABLE
/* Holds no reference: it waits for the end and must not put it off (CL-1). */
void ev_cleanup_start (EV_P_ ev_cleanup *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    hooks_start (loop, &loop->cleanup, w);
    evi_unref (loop);
}

void ev_cleanup_stop (EV_P_ ev_cleanup *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (hooks_stop (loop, &loop->cleanup, w))
        evi_ref (loop);
}
#endif

#if EV_IDLE_ENABLE
void ev_idle_start (EV_P_ ev_idle *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    hooks_start (loop, &loop->idle[evi_level ((ev_watcher *) w)], w);
    loop->idle_count++;
}

void ev_idle_stop (EV_P_ ev_idle *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (hooks_stop (loop, &loop->idle[evi_level ((ev_watcher *) w)], w))
        loop->idle_count--;
}

/* Only the highest level that has idle watchers, and only if nothing of it or above is pending (ID-1). */
EVI void evi_idle_due (struct ev_loop *loop)
{
    if (!loop->idle_count)
        return;
    for (int level = EVI_LEVELS; level-- > 0;) {
        if (loop->pending.level[level].count)
            return;
        if (loop->idle[level].count) {
            evi_list_feed (loop, &loop->idle[level], EV_IDLE);
            return;
        }
    }
}
#else
EVI void evi_idle_due (struct ev_loop *loop)
{
    (void) loop;
}
#endif

EVI void evi_hooks_close (struct ev_loop *loop)
{
    for (int level = 0; level < EVI_LEVELS; level++) {
        evi_resize (loop->idle[level].items, 0);
        loop->idle[level] = (struct evi_list){ 0 };
    }
    loop->idle_count = 0;
    evi_resize (loop->prepare.items, 0);
    evi_resize (loop->check.items, 0);
    evi_resize (loop->fork.items, 0);
    evi_resize (loop->cleanup.items, 0);
    loop->prepare = loop->check = loop->fork = loop->cleanup = (struct evi_list){ 0 };
}

static void hooks_verify (const struct evi_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        evi_watcher_verify (list->items[i], (int) i + 1);
}

EVI void evi_hooks_verify (struct ev_loop *loop)
{
    for (int level = 0; level < EVI_LEVELS; level++)
        hooks_verify (&loop->idle[level]);
    hooks_verify (&loop->prepare);
    hooks_verify (&loop->check);
    hooks_verify (&loop->fork);
    hooks_verify (&loop->cleanup);
    hooks_verify (&loop->async);
}
