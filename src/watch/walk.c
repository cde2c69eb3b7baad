/* walk.c: ev_walk: every active watcher of the wanted kinds. The callback may stop the watcher it is given:
 * lists are walked from the end, where removal moves nothing that is still to come. */
#include "watch.h"

#if EV_WALK_ENABLE

typedef void (*walk_cb) (EV_P_ int type, void *w);

/* The helper of an operation. */
static int walk_helps (struct ev_loop *loop, void *w)
{
    return loop->riders.helps && loop->riders.helps (w);
}

static void walk_rows (struct ev_loop *loop, int types, walk_cb cb)
{
    for (unsigned fd = 0; fd < loop->fds.count; fd++)
        for (ev_watcher_list *w = loop->fds.rows[fd].head, *next; w; w = next) {
            void *embed = evi_embed_of_io ((ev_watcher *) w);

            next = w->next;
            if (loop->fds.rows[fd].kind & EVI_ROW_OURS || walk_helps (loop, w))
                continue;
            if (embed && types & EV_EMBED)
                cb (EV_A_ EV_EMBED, embed);
            else if (!embed && types & EV_IO)
                cb (EV_A_ EV_IO, w);
        }
}

/* Stopping a watcher moves others about in its heap: walk over a copy, and show who is still active. */
static unsigned walk_copy (struct ev_loop *loop, const struct evi_heap *heap)
{
    for (unsigned i = 0; i < heap->count; i++)
        evi_due_add (loop, heap->nodes[EVI_HEAP_TOP + i].w);
    return heap->count;
}

static ev_watcher *walk_next (struct ev_loop *loop)
{
    ev_watcher *w = loop->due.items[--loop->due.count];

    return evi_is_active (w) ? w : NULL;
}

static void walk_timers (struct ev_loop *loop, int types, walk_cb cb)
{
    for (unsigned left = walk_copy (loop, &loop->timers); left > 0; left--) {
        ev_watcher *w = walk_next (loop);
        void *stat = w ? evi_stat_of_timer (w) : NULL;

        if (stat && types & EV_STAT)
            cb (EV_A_ EV_STAT, stat);
        else if (w && !stat && types & EV_TIMER && !walk_helps (loop, w))
            cb (EV_A_ EV_TIMER, w);
    }
}

static void walk_periodics (struct ev_loop *loop, walk_cb cb)
{
    for (unsigned left = walk_copy (loop, &loop->periodics); left > 0; left--) {
        ev_watcher *w = walk_next (loop);

        if (w)
            cb (EV_A_ EV_PERIODIC, w);
    }
}

static void walk_list (struct ev_loop *loop, const struct evi_list *list, int type, int types, walk_cb cb)
{
    if (!(types & type))
        return;
    for (unsigned i = list->count; i-- > 0;)
        if (!evi_embed_helps (list->items[i]))
            cb (EV_A_ type, list->items[i]);
}

void ev_walk (EV_P_ int types, void (*cb) (EV_P_ int type, void *w)) EV_NOEXCEPT
{
    EVI_DOOR;

    if (types & (EV_IO | EV_EMBED))
        walk_rows (loop, types, cb);
    if (types & (EV_TIMER | EV_STAT))
        walk_timers (loop, types, cb);
    if (types & EV_PERIODIC)
        walk_periodics (loop, cb);
    for (int level = EVI_LEVELS; level-- > 0;)
        walk_list (loop, &loop->idle[level], EV_IDLE, types, cb);
    walk_list (loop, &loop->fork, EV_FORK, types, cb);
    walk_list (loop, &loop->async, EV_ASYNC, types, cb);
    walk_list (loop, &loop->prepare, EV_PREPARE, types, cb);
    walk_list (loop, &loop->check, EV_CHECK, types, cb);
    walk_list (loop, &loop->cleanup, EV_CLEANUP, types, cb);
    if (types & EV_SIGNAL)
        evi_signal_walk (loop, cb);
    if (types & EV_CHILD)
        evi_child_walk (loop, cb);
    if (types & EV_STAT)
        evi_stat_walk (loop, cb);
    if (types & EV_OP && loop->riders.walk)
        loop->riders.walk (loop, cb);
}

#endif
