/* heap.c: the earliest time in one look, any change in a logarithm.
 * Four children per node: half the depth of a binary heap, and siblings share cache lines. */
#include "heap.h"

#include "../base/err.h"
#include "../base/mem.h"
#include "watcher.h"

static inline unsigned heap_parent (unsigned place)
{
    return place / 4 + 2;
}

static inline unsigned heap_child (unsigned place)
{
    return place * 4 - 8;
}

static inline void heap_put (struct evi_node *nodes, unsigned place, struct evi_node node)
{
    nodes[place] = node;
    node.w->active = (int) place;
}

/* Puts node at place or above, moving later ones down. */
static inline void heap_up (struct evi_node *nodes, unsigned place, struct evi_node node)
{
    while (place > EVI_HEAP_TOP) {
        unsigned parent = heap_parent (place);

        if (nodes[parent].at <= node.at)
            break;
        heap_put (nodes, place, nodes[parent]);
        place = parent;
    }
    heap_put (nodes, place, node);
}

/* The earliest of count siblings. Four is the common case, and without a loop a case without branches. */
static inline const struct evi_node *heap_earliest (const struct evi_node *siblings, unsigned count)
{
    const struct evi_node *best = siblings;

    if (EVI_LIKELY (count >= 4)) {
        const struct evi_node *other = siblings[3].at < siblings[2].at ? siblings + 3 : siblings + 2;

        best = siblings[1].at < siblings[0].at ? siblings + 1 : siblings;
        return other->at < best->at ? other : best;
    }
    for (unsigned i = 1; i < count; i++)
        if (siblings[i].at < best->at)
            best = siblings + i;
    return best;
}

/* Puts node at place or below, moving earlier ones up. */
static inline void heap_down (struct evi_node *nodes, unsigned end, unsigned place, struct evi_node node)
{
    for (unsigned child; (child = heap_child (place)) < end;) {
        const struct evi_node *best = heap_earliest (nodes + child, end - child);

        if (node.at <= best->at)
            break;
        heap_put (nodes, place, *best);
        place = (unsigned) (best - nodes);
    }
    heap_put (nodes, place, node);
}

static inline void heap_settle (struct evi_heap *heap, unsigned place, struct evi_node node)
{
    if (place > EVI_HEAP_TOP && node.at < heap->nodes[heap_parent (place)].at)
        heap_up (heap->nodes, place, node);
    else
        heap_down (heap->nodes, EVI_HEAP_TOP + heap->count, place, node);
}

EVI void evi_heap_add (struct evi_heap *heap, ev_watcher_time *w)
{
    unsigned place = EVI_HEAP_TOP + heap->count++;

    EVI_FIT (heap->nodes, heap->room, place + 1);
    heap_up (heap->nodes, place, (struct evi_node){ w->at, w });
}

EVI void evi_heap_remove (struct evi_heap *heap, ev_watcher_time *w)
{
    unsigned place = (unsigned) w->active, last = EVI_HEAP_TOP + --heap->count;

    assert (heap->nodes[place].w == w);
    if (EVI_LIKELY (place != last))
        heap_settle (heap, place, heap->nodes[last]);
}

EVI void evi_heap_moved (struct evi_heap *heap, ev_watcher_time *w)
{
    heap_settle (heap, (unsigned) w->active, (struct evi_node){ w->at, w });
}

EVI void evi_heap_order (struct evi_heap *heap)
{
    for (unsigned i = EVI_HEAP_TOP; i < EVI_HEAP_TOP + heap->count; i++) {
        ev_watcher_time *w = heap->nodes[i].w;

        heap_up (heap->nodes, i, (struct evi_node){ w->at, w });
    }
}

EVI void evi_heap_verify (const struct evi_heap *heap)
{
    for (unsigned i = EVI_HEAP_TOP; i < EVI_HEAP_TOP + heap->count; i++) {
        const struct evi_node *node = &heap->nodes[i];

        evi_watcher_verify ((ev_watcher *) node->w, (int) i);
        if (node->at != node->w->at)
            evi_misuse ("ev_verify", "the time of an active watcher was changed behind the loop's back");
        if (i > EVI_HEAP_TOP && node->at < heap->nodes[heap_parent (i)].at)
            evi_misuse ("ev_verify", "a heap is out of order");
    }
}

EVI void evi_heap_free (struct evi_heap *heap)
{
    evi_resize (heap->nodes, 0);
    *heap = (struct evi_heap){ 0 };
}
