/* mem.h: memory, through the allocator the program chose. */
#ifndef EVI_MEM_H
#define EVI_MEM_H

#include "base.h"

/* Allocates (memory NULL), resizes, or frees (size 0). Never returns NULL for size > 0: the contract of
 * ev_set_allocator is to abort, with a message (AB-1). */
EVI void *evi_resize (void *memory, long size);

/* Makes room for need elements of size bytes each. New elements are zeroed. Returns the array, moved or not. */
EVI void *evi_fit (void *array, unsigned *room, unsigned need, unsigned size);

#define EVI_FIT(array, room, need)                                                    \
    do {                                                                              \
        if (EVI_UNLIKELY ((unsigned) (need) > (room)))                                \
            (array) = evi_fit ((array), &(room), (unsigned) (need), sizeof *(array)); \
    } while (0)

#endif
