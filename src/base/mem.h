/* mem.h: memory, through the allocator the program chose. */
#ifndef EVI_MEM_H
#define EVI_MEM_H

#include "base.h"

/* Allocates (memory NULL), resizes, or frees (size 0). Never returns NULL for size > 0: the contract of
 * ev_set_allocator is to abort, with a message (AB-1). */
EVI void *evi_resize (void *memory, long size);

/* Makes room for need elements of size bytes each. Returns the array, moved or not. Rooms grow by a quarter:
 * many loops hold many of them for long. What a loop has needed once it keeps, and allocates no more when warm. */
EVI_COLD EVI void *evi_fit (void *array, unsigned *room, unsigned need, unsigned size);
EVI_COLD EVI void *evi_fit_zeroed (void *array, unsigned *room, unsigned need,
                                   unsigned size); /* … new elements zeroed */

#define EVI_FIT(array, room, need) EVI_FIT_BY (evi_fit, array, room, need)
#define EVI_FIT_ZEROED(array, room, need) EVI_FIT_BY (evi_fit_zeroed, array, room, need)
#define EVI_FIT_BY(fit, array, room, need)                                        \
    do {                                                                          \
        if (EVI_UNLIKELY ((unsigned) (need) > (room)))                            \
            (array) = fit ((array), &(room), (unsigned) (need), sizeof *(array)); \
    } while (0)

#endif
