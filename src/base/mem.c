/* mem.c: ev_set_allocator and growing arrays.
 * Owns the allocator. Promises memory or the end of the program, never NULL. */
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* realloc (p, 0) means different things to different systems. */
static void *mem_default (void *memory, long size) EV_NOEXCEPT
{
    if (size)
        return realloc (memory, (size_t) size);
    free (memory);
    return NULL;
}

static void *(*mem_allocator) (void *memory, long size) EV_NOEXCEPT = mem_default;

void ev_set_allocator (void *(*cb) (void *ptr, long size) EV_NOEXCEPT) EV_NOEXCEPT
{
    mem_allocator = cb ? cb : mem_default;
}

EVI void *evi_resize (void *memory, long size)
{
    void *moved = mem_allocator (memory, size);

    if (EVI_UNLIKELY (!moved && size)) {
        fprintf (stderr, "evring: cannot allocate %ld bytes, aborting.\n", size);
        abort ();
    }
    return moved;
}

/* Rooms double from one cache line on: what a loop has needed once it keeps, and grows no more when warm. */
EVI void *evi_fit (void *array, unsigned *room, unsigned need, unsigned size)
{
    unsigned old = *room, fresh = old ? old : 64 / size + 1;

    while (fresh < need)
        fresh *= 2;
    array = evi_resize (array, (long) fresh * (long) size);
    memset ((char *) array + (size_t) old * size, 0, (size_t) (fresh - old) * size);
    *room = fresh;
    return array;
}
