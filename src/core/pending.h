/* pending.h: the queue between events and callbacks: feed, invoke, clear. */
#ifndef EVI_PENDING_H
#define EVI_PENDING_H

#include "watcher.h"

struct evi_item {
    ev_watcher *w; /* NULL: taken back; the slot counts until it is reached (PQ-4) */
    int events;
};

struct evi_stack {
    struct evi_item *items;
    unsigned count, room;
};

/* One stack per priority: the last fed is called first (PQ-1). */
struct evi_pending {
    struct evi_stack level[EVI_LEVELS];
    uint32_t busy; /* a bit per level that has items */
};

/* Queues the watcher's callback, or adds the bits to it if it is queued already. */
EVI void evi_feed (struct ev_loop *loop, void *w, int revents);
/* Takes a queued callback back; its bits, or 0. */
EVI int evi_pending_clear (struct ev_loop *loop, ev_watcher *w);
/* What is queued for one watcher is another one's, in its place. That one is not queued, and of the same level. */
EVI void evi_pending_pass (struct ev_loop *loop, ev_watcher *from, ev_watcher *to, int revents);
/* Takes back all those with one of these bits. */
EVI void evi_pending_clear_all (struct ev_loop *loop, int revents);
/* Calls everything queued, through the program's hook if it has set one. */
EVI void evi_pending_invoke (struct ev_loop *loop);
/* A watcher that cannot be started: a message, and its callback with EV_ERROR. */
EVI void evi_reject (struct ev_loop *loop, void *w, int revents, const char *call, const char *rule);
EVI void evi_pending_verify (struct ev_loop *loop);
EVI void evi_pending_free (struct ev_loop *loop);

#endif
