/* memory.c: the library's heap, mappings and statics. What is given back is filled, and every growing moves, so that a
 * stale pointer finds nonsense. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEAP_SIZE = 1 << 20,
    HEAP_CLASSES = 20, /* powers of two */
    HEAP_CLASS_MIN = 5,
    MAP_SIZE = 8 << 20,
    MAPS = 64,
    PAGE = 4096,
    GIVEN_BACK = 0xdb
};

struct block {
    struct block *next; /* free: of the same class */
    uint32_t class, live;
};

static struct {
    char bytes[HEAP_SIZE] __attribute__ ((aligned (16)));
    size_t used;
    struct block *free[HEAP_CLASSES];
    int live;
} heap;

static struct {
    char bytes[MAP_SIZE] __attribute__ ((aligned (PAGE)));
    size_t used;
    struct {
        size_t at, size;
        int live;
    } maps[MAPS];
    int count, live;
} space;

/* ---- statics: seam.sh has put them together ---- */

extern char __start_sim_statics[] __attribute__ ((weak)), __stop_sim_statics[] __attribute__ ((weak));
static char *statics_born;

static void statics_restore (void)
{
    size_t size = (size_t) (__stop_sim_statics - __start_sim_statics);

    if (!statics_born) {
        statics_born = malloc (size + 1);
        memcpy (statics_born, __start_sim_statics, size);
    }
    memcpy (__start_sim_statics, statics_born, size);
}

void memory_open (void)
{
    statics_restore ();
    heap.used = 0;
    heap.live = 0;
    memset (heap.free, 0, sizeof heap.free);
    space.used = 0;
    space.count = space.live = 0;
}

/* ---- heap ---- */

void *memory_take (size_t size)
{
    unsigned class = HEAP_CLASS_MIN;
    struct block *block;

    while (((size_t) 1 << class) < size + sizeof *block)
        class ++;
    if (class >= HEAP_CLASSES)
        fail (size > HEAP_SIZE ? 15 : 0, "the model has no block of %zu bytes", size);
    block = heap.free[class];
    if (block) {
        heap.free[class] = block->next;
    } else {
        if (heap.used + ((size_t) 1 << class) > HEAP_SIZE)
            fail (17, "the library's heap is full: %d allocations live", heap.live);
        block = (void *) (heap.bytes + heap.used);
        heap.used += (size_t) 1 << class;
    }
    block->class = class;
    block->live = 1;
    heap.live++;
    return block + 1;
}

void memory_give (void *memory)
{
    struct block *block = memory;

    if (!memory)
        return;
    block--;
    if (!memory_holds (memory, 0) || !block->live)
        fail (15, "memory is given back twice, or is not the heap's");
    block->live = 0;
    memset (memory, GIVEN_BACK, ((size_t) 1 << block->class) - sizeof *block);
    block->next = heap.free[block->class];
    heap.free[block->class] = block;
    heap.live--;
}

int memory_holds (const void *memory, size_t size)
{
    const char *at = memory;

    if (at >= __start_sim_statics && at + size <= __stop_sim_statics)
        return 1;
    if (at < heap.bytes + sizeof (struct block) || at + size > heap.bytes + heap.used)
        return 0;
    for (char *b = heap.bytes; b < heap.bytes + heap.used;) {
        const struct block *block = (const void *) b;

        b += (size_t) 1 << block->class;
        if (at < b)
            return block->live && at + size <= b;
    }
    return 0;
}

int memory_live (void)
{
    return heap.live;
}

void *sim_realloc (void *old, size_t size);
void *sim_realloc (void *old, size_t size)
{
    void *fresh;

    if (!size) {
        memory_give (old);
        return NULL;
    }
    fresh = memory_take (size);
    if (old) {
        const struct block *block = (const struct block *) old - 1;
        size_t had = ((size_t) 1 << block->class) - sizeof *block;

        memcpy (fresh, old, had < size ? had : size);
        memory_give (old);
    }
    return fresh;
}

void sim_free (void *memory);
void sim_free (void *memory)
{
    memory_give (memory);
}

char *sim_strdup (const char *text);
char *sim_strdup (const char *text)
{
    return strcpy (memory_take (strlen (text) + 1), text);
}

/* ---- mappings ---- */

void *memory_map (size_t size)
{
    int at;

    size = (size + PAGE - 1) / PAGE * PAGE;
    space.live++;
    for (at = 0; at < space.count; at++)
        if (!space.maps[at].live && space.maps[at].size == size)
            break;
    if (at == space.count) {
        if (at == MAPS || space.used + size > MAP_SIZE)
            fail (17, "the library has %d mappings", space.live);
        space.maps[space.count++].at = space.used;
        space.maps[at].size = size;
        space.used += size;
    }
    space.maps[at].live = 1;
    return space.bytes + space.maps[at].at;
}

int memory_unmap (const void *memory, size_t size)
{
    size = (size + PAGE - 1) / PAGE * PAGE;
    for (int at = 0; at < space.count; at++)
        if (space.bytes + space.maps[at].at == memory && space.maps[at].live && space.maps[at].size == size) {
            int file = ring_unmapped (memory, size);

            space.maps[at].live = 0;
            space.live--;
            if (file >= 0)
                file_drop (file);
            return 0;
        }
    fail (15, "something is unmapped that is not mapped");
}

/* The process is gone. */
void memory_unmap_all (void)
{
    for (int at = 0; at < space.count; at++)
        if (space.maps[at].live)
            memory_unmap (space.bytes + space.maps[at].at, space.maps[at].size);
}

int memory_maps (const void *memory, size_t size)
{
    const char *from = memory;

    for (int at = 0; at < space.count; at++) {
        const char *map = space.bytes + space.maps[at].at;

        if (space.maps[at].live && from >= map && from + size <= map + space.maps[at].size)
            return 1;
    }
    return 0;
}

int memory_mappings (void)
{
    return space.live;
}
