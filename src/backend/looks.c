/* looks.c: asks which of many descriptors are ready. Owns struct evi_looks. */
#include "looks.h"

#if EV_USE_IOURING

#include "../base/mem.h"
#include "../base/sys.h"

EVI void evi_looks_add (struct evi_looks *it, int fd, short events, uint64_t name)
{
    EVI_FIT (it->fds, it->fds_room, it->count + 1);
    EVI_FIT (it->names, it->names_room, it->count + 1);
    it->fds[it->count] = (struct pollfd){ .fd = fd, .events = events };
    it->names[it->count++] = name;
    it->found = -1;
}

EVI int evi_looks_ask (struct evi_looks *it)
{
    int answer = it->count ? evi_sys_poll (it->fds, it->count, 0) : 0;

    it->found = answer < 0 ? -1 : answer;
    return answer;
}

EVI void evi_looks_clear (struct evi_looks *it)
{
    it->count = 0;
    it->found = 0;
}

EVI void evi_looks_free (struct evi_looks *it)
{
    evi_resize (it->fds, 0);
    evi_resize (it->names, 0);
}

#endif
