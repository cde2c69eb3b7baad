/* heap.c: the earliest time in one look, any change in a logarithm.
 * Four children per node: half the depth of a binary heap, and siblings share cache lines. */
#include "heap.h"

#include "../base/err.h"
#include "../base/mem.h"
#include "watcher.h"

static unsigned heap_parent (unsigned place)
{
    return place / 4 + 2;
}

static unsigned heap_child (unsigned place)
{
    return place * 4 - 8;
}

static void heap_put (struct evi_heap *heap, unsigned place, struct evi_node node)
{
    heap->nodes[place] = node;
    node.w->active = (int) place;
}

static void heap_up (struct evi_heap *heap, unsigned place)
{
    struct evi_node node = heap->nodes[place];

    while (place > EVI_HEAP_TOP) {
        unsigned parent = heap_parent (place);

        if (heap->nodes[parent].at <= node.at)
            break;
        heap_put (heap, place, heap->nodes[parent]);
        place = parent;
    }
    heap_put (heap, place, node);
}

/* The earliest of the children of place, all of which lie before end; 0 if it has none. */
static unsigned heap_earliest_child (const struct evi_heap *heap, unsigned place, unsigned end)
{
    unsigned first = heap_child (place), best = first, last = first + 4 < end ? first + 4 : end;

    if (first >= end)
        return 0;
    for (unsigned child = first + 1; child < last; child++)
        if (heap->nodes[child].at < heap->nodes[best].at)
            best = child;
    return best;
}

static void heap_down (struct evi_heap *heap, unsigned place)
{
    struct evi_node node = heap->nodes[place];
    unsigned end = EVI_HEAP_TOP + heap->count, child;

    while ((child = heap_earliest_child (heap, place, end))) {
        if (node.at <= heap->nodes[child].at)
            break;
        heap_put (heap, place, heap->nodes[child]);
        place = child;
    }
    heap_put (heap, place, node);
}

static void heap_settle (struct evi_heap *heap, unsigned place)
{
    if (place > EVI_HEAP_TOP && heap->nodes[place].at < heap->nodes[heap_parent (place)].at)
        heap_up (heap, place);
    else
        heap_down (heap, place);
}

EVI void evi_heap_add (struct evi_heap *heap, ev_watcher_time *w)
{
    unsigned place = EVI_HEAP_TOP + heap->count++;

    EVI_FIT (heap->nodes, heap->room, place + 1);
    heap->nodes[place] = (struct evi_node){ w->at, w };
    heap_up (heap, place);
}

EVI void evi_heap_remove (struct evi_heap *heap, ev_watcher_time *w)
{
    unsigned place = (unsigned) w->active, last = EVI_HEAP_TOP + --heap->count;

    assert (heap->nodes[place].w == w);
    if (place == last)
        return;
    heap->nodes[place] = heap->nodes[last];
    heap_settle (heap, place);
}

EVI void evi_heap_moved (struct evi_heap *heap, ev_watcher_time *w)
{
    heap->nodes[w->active].at = w->at;
    heap_settle (heap, (unsigned) w->active);
}

EVI void evi_heap_order (struct evi_heap *heap)
{
    for (unsigned i = EVI_HEAP_TOP; i < EVI_HEAP_TOP + heap->count; i++) {
        heap->nodes[i].at = heap->nodes[i].w->at;
        heap_up (heap, i);
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
