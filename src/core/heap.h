/* heap.h: a 4-ary heap of (time, watcher). Pure: knows no loop. The place of a watcher is its active number. */
#ifndef EVI_HEAP_H
#define EVI_HEAP_H

#include "../base/base.h"

struct evi_node {
    ev_tstamp at; /* copy of w->at, so that comparing touches one array only */
    ev_watcher_time *w;
};

struct evi_heap {
    struct evi_node *nodes; /* EVI_HEAP_TOP .. EVI_HEAP_TOP + count - 1 */
    unsigned count, room;
};

/* The first place in use. With 3, the four children of a node lie side by side at a multiple of four. */
enum { EVI_HEAP_TOP = 3 };

EVI_INLINE int evi_heap_due (const struct evi_heap *heap, ev_tstamp now)
{
    return heap->count && heap->nodes[EVI_HEAP_TOP].at < now;
}

EVI_INLINE ev_watcher_time *evi_heap_first (const struct evi_heap *heap)
{
    return heap->nodes[EVI_HEAP_TOP].w;
}

EVI void evi_heap_add (struct evi_heap *heap, ev_watcher_time *w);    /* w->at says when; sets w->active */
EVI void evi_heap_remove (struct evi_heap *heap, ev_watcher_time *w); /* w->active says where */
EVI void evi_heap_moved (struct evi_heap *heap, ev_watcher_time *w);  /* w->at changed */
EVI void evi_heap_order (struct evi_heap *heap);                      /* every w->at may have changed */
EVI void evi_heap_verify (const struct evi_heap *heap);
EVI void evi_heap_free (struct evi_heap *heap);

#endif
