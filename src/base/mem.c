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

EVI void *evi_fit (void *array, unsigned *room, unsigned need, unsigned size)
{
    unsigned more = *room + *room / 4, least = 64 / size + 1;

    more = more < least ? least : more;
    *room = more < need ? need : more;
    return evi_resize (array, (long) *room * (long) size);
}

EVI void *evi_fit_zeroed (void *array, unsigned *room, unsigned need, unsigned size)
{
    unsigned old = *room;

    array = evi_fit (array, room, need, size);
    memset ((char *) array + (size_t) old * size, 0, (size_t) (*room - old) * size);
    return array;
}
