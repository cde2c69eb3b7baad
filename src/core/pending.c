/* pending.c: feed and invoke. Owns loop->pending. The only file that calls the callbacks of watchers. */
#include "loop.h"

#include <stdio.h>

EVI_COLD static void pending_grow_and_feed (struct ev_loop *loop, ev_watcher *w, int revents)
{
    struct evi_stack *stack = &loop->pending.level[evi_level (w)];

    EVI_FIT (stack->items, stack->room, stack->count + 1);
    evi_feed (loop, w, revents);
}

EVI void evi_feed (struct ev_loop *loop, void *w, int revents)
{
    ev_watcher *watcher = w;
    int level = evi_level (watcher);
    struct evi_stack *stack = &loop->pending.level[level];
    unsigned at = stack->count;

    if (watcher->pending) { /* it keeps its place (PQ-2) */
        stack->items[watcher->pending - 1].events |= revents;
        return;
    }
    if (EVI_UNLIKELY (at == stack->room)) {
        pending_grow_and_feed (loop, watcher, revents);
        return;
    }
    stack->items[at] = (struct evi_item){ watcher, revents };
    stack->count = at + 1;
    watcher->pending = (int) at + 1;
    loop->pending.busy |= (uint32_t) 1 << level;
}

EVI int evi_pending_clear (struct ev_loop *loop, ev_watcher *w)
{
    struct evi_item *item;

    if (!w->pending)
        return 0;
    item = &loop->pending.level[evi_level (w)].items[w->pending - 1];
    w->pending = 0;
    item->w = NULL;
    return item->events;
}

EVI void evi_pending_pass (struct ev_loop *loop, ev_watcher *from, ev_watcher *to, int revents)
{
    struct evi_item *item = &loop->pending.level[evi_level (from)].items[from->pending - 1];

    EVI_ASSERT (from->pending && !to->pending && evi_level (from) == evi_level (to));
    *item = (struct evi_item){ to, revents };
    to->pending = from->pending;
    from->pending = 0;
}

EVI void evi_pending_clear_all (struct ev_loop *loop, int revents)
{
    for (int level = 0; level < EVI_LEVELS; level++)
        for (unsigned i = 0; i < loop->pending.level[level].count; i++) {
            const struct evi_item *item = &loop->pending.level[level].items[i];

            if (item->w && item->events & revents)
                evi_pending_clear (loop, item->w);
        }
}

static struct evi_item pending_pop (struct evi_pending *pending)
{
    int level = __builtin_clz (pending->busy) ^ 31; /* the highest */
    struct evi_stack *stack = &pending->level[level];
    struct evi_item item = stack->items[--stack->count];

    if (!stack->count)
        pending->busy &= ~((uint32_t) 1 << level);
    return item;
}

/* A callback may feed, clear, run the loop, or leave by longjmp: nothing is held across it (PQ-3, RE-1, TH-3). */
EVI_INLINE_HOT void pending_invoke (struct ev_loop *loop)
{
    while (loop->pending.busy) {
        struct evi_item item = pending_pop (&loop->pending);

        if (!item.w)
            continue;
        item.w->pending = 0;
        loop->stats.callbacks++;
        EV_CB_INVOKE (item.w, item.events);
    }
}

void ev_invoke_pending (EV_P)
{
    EVI_DOOR;

    pending_invoke (loop);
}

/* Without a hook of the program in between, a call less is on the stack. */
EVI void evi_pending_invoke (struct ev_loop *loop)
{
    if (EVI_LIKELY (loop->invoke == ev_invoke_pending))
        pending_invoke (loop);
    else
        loop->invoke (EV_A);
}

EVI void evi_reject (struct ev_loop *loop, void *w, int revents, const char *call, const char *rule)
{
    evi_complain (call, rule);
    evi_feed (loop, w, EV_ERROR | revents);
}

unsigned int ev_pending_count (EV_P) EV_NOEXCEPT
{
    unsigned count = 0;
    EVI_DOOR;

    for (int level = 0; level < EVI_LEVELS; level++)
        count += loop->pending.level[level].count;
    return count;
}

void ev_feed_event (EV_P_ void *w, int revents) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_feed (loop, w, revents);
}

int ev_clear_pending (EV_P_ void *w) EV_NOEXCEPT
{
    EVI_DOOR;

    return evi_pending_clear (loop, w);
}

void ev_invoke (EV_P_ void *w, int revents)
{
    EVI_DOOR;

    (void) loop;
    EV_CB_INVOKE ((ev_watcher *) w, revents);
}

EVI void evi_pending_verify (struct ev_loop *loop)
{
    for (int level = 0; level < EVI_LEVELS; level++)
        for (unsigned i = 0; i < loop->pending.level[level].count; i++) {
            const ev_watcher *w = loop->pending.level[level].items[i].w;

            if (w && (w->pending != (int) i + 1 || evi_level (w) != level))
                evi_misuse ("ev_verify", "a pending watcher was initialised or its priority changed");
        }
}

EVI void evi_pending_free (struct ev_loop *loop)
{
    for (int level = 0; level < EVI_LEVELS; level++)
        evi_resize (loop->pending.level[level].items, 0);
    loop->pending = (struct evi_pending){ 0 };
}
