/* looks.h: which descriptors are ready at this moment: many asked in one poll(2) that does not wait. */
#ifndef EVI_LOOKS_H
#define EVI_LOOKS_H

#include "../base/base.h"

#if EV_USE_IOURING

#include <poll.h>

struct evi_looks {
    struct pollfd *fds;
    uint64_t *names; /* of the same length: who wanted to know */
    unsigned count, fds_room, names_room;
    int found; /* how many are ready; -1: not asked yet, or the kernel would not say */
};

EVI void evi_looks_add (struct evi_looks *it, int fd, short events, uint64_t name);
/* How many are ready, or -errno. */
EVI int evi_looks_ask (struct evi_looks *it);
EVI_INLINE void evi_looks_move (struct evi_looks *it, unsigned from, unsigned to)
{
    it->fds[to] = it->fds[from];
    it->names[to] = it->names[from];
}

EVI void evi_looks_clear (struct evi_looks *it);
EVI void evi_looks_free (struct evi_looks *it);

#endif

#endif
