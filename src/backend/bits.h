/* bits.h: EV_READ and EV_WRITE in the words of poll(2), which epoll and io_uring share. */
#ifndef EVI_BITS_H
#define EVI_BITS_H

#include "../base/base.h"

#include <poll.h>

EVI_INLINE short evi_bits_asked (int want)
{
    return (short) ((want & EV_READ ? POLLIN : 0) | (want & EV_WRITE ? POLLOUT : 0));
}

_Static_assert(POLLIN == EV_READ && POLLOUT == EV_WRITE << 1, "as evi_bits_plain has it");
/* evi_bits_got where neither error nor hangup is among them. */
EVI_INLINE_HOT int evi_bits_plain (unsigned polled)
{
    return (int) ((polled & POLLIN) | (polled & POLLOUT) >> 1);
}

/* Errors and hangups count as both: whoever reads or writes shall find out (IO-2). */
EVI_INLINE int evi_bits_got (unsigned polled)
{
    return (polled & (POLLIN | POLLERR | POLLHUP) ? EV_READ : 0)
           | (polled & (POLLOUT | POLLERR | POLLHUP) ? EV_WRITE : 0);
}

#endif
