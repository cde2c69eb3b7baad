/* watcher.h: what all watchers share: active, pending, priority. The only door to these three fields. */
#ifndef EVI_WATCHER_H
#define EVI_WATCHER_H

#include "../base/base.h"

enum { EVI_LEVELS = EV_MAXPRI - EV_MINPRI + 1 }; /* one per priority */
_Static_assert(EVI_LEVELS >= 1 && EVI_LEVELS <= 32, "EV_MINPRI..EV_MAXPRI must span 1 to 32 priorities");

EVI_INLINE int evi_is_active (const void *w)
{
    return ((const ev_watcher *) w)->active;
}

/* The queue a watcher belongs to, 0 for EV_MINPRI. Watchers that were fed but never started may carry a
 * priority out of range. */
EVI_INLINE int evi_level (const ev_watcher *w)
{
#if EV_MINPRI == EV_MAXPRI
    (void) w;
    return 0;
#else
    unsigned level = (unsigned) w->priority - (unsigned) EV_MINPRI;

    if (EVI_UNLIKELY (level >= EVI_LEVELS))
        return w->priority < EV_MINPRI ? 0 : EVI_LEVELS - 1;
    return (int) level;
#endif
}

#if EV_MINPRI == EV_MAXPRI
EVI_INLINE void evi_set_priority (void *w, int priority)
{
    (void) w, (void) priority;
}
#else
EVI_INLINE void evi_set_priority (void *w, int priority)
{
    ((ev_watcher *) w)->priority = priority;
}
#endif

/* Aborts if an active watcher is not where it says (at), or its priority is out of range. */
EVI void evi_watcher_verify (const ev_watcher *w, int at);

/* Lists of watchers of one kind, in start order: the place of a watcher is its active number. */
struct evi_list {
    ev_watcher **items;
    unsigned count, room;
};

EVI void evi_list_start (struct ev_loop *loop, struct evi_list *list, void *w);
EVI void evi_list_feed (struct ev_loop *loop, const struct evi_list *list, int revents);

/* Singly linked lists of watchers. */
EVI void evi_chain_add (ev_watcher_list **head, void *w);
EVI int evi_chain_remove (ev_watcher_list **head, void *w); /* 0: it was not there */

#endif
