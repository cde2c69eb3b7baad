/* watcher.c: the two kinds of lists that active watchers are kept in. Becoming active and inactive is in loop.h. */
#include "loop.h"

EVI void evi_watcher_verify (const ev_watcher *w, int at)
{
    if (w->active != at)
        evi_misuse ("ev_verify", "a watcher was initialised while it was active");
#if EV_MINPRI != EV_MAXPRI
    if (w->priority < EV_MINPRI || w->priority > EV_MAXPRI)
        evi_misuse ("ev_verify", "the priority of an active watcher was set out of range");
#endif
}

EVI_COLD static void list_grow_and_start (struct ev_loop *loop, struct evi_list *list, void *w)
{
    EVI_FIT (list->items, list->room, list->count + 1);
    evi_list_start (loop, list, w);
}

EVI void evi_list_start (struct ev_loop *loop, struct evi_list *list, void *w)
{
    if (EVI_UNLIKELY (list->count == list->room)) {
        list_grow_and_start (loop, list, w);
        return;
    }
    evi_list_put (loop, list, w);
}

EVI void evi_list_feed (struct ev_loop *loop, const struct evi_list *list, int revents)
{
    for (unsigned i = 0; i < list->count; i++)
        evi_feed (loop, list->items[i], revents);
}

EVI void evi_chain_add (ev_watcher_list **head, void *w)
{
    ((ev_watcher_list *) w)->next = *head;
    *head = w;
}

EVI int evi_chain_remove (ev_watcher_list **head, void *w)
{
    for (; *head; head = &(*head)->next)
        if (*head == w) {
            *head = (*head)->next;
            return 1;
        }
    return 0;
}
