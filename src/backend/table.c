/* table.c: the backends there are, best first, and the three questions about them. */
#include "../core/loop.h"

#ifdef EVI_SPLIT
extern const struct evi_backend evi_uring, evi_epoll, evi_poll, evi_select;
#endif

EVI_HOME const struct evi_backend *const evi_backends[] = {
#if EV_USE_IOURING
    &evi_uring,
#endif
#if EV_USE_EPOLL
    &evi_epoll,
#endif
#if EV_USE_POLL
    &evi_poll,
#endif
#if EV_USE_SELECT
    &evi_select,
#endif
    NULL,
};

unsigned int ev_supported_backends (void) EV_NOEXCEPT
{
    unsigned bits = 0;

    for (int i = 0; evi_backends[i]; i++)
        bits |= evi_backends[i]->bit;
    return bits;
}

unsigned int ev_recommended_backends (void) EV_NOEXCEPT
{
    unsigned bits = ev_supported_backends ();

#if EV_USE_IOURING
    int reason;

    if (!evi_uring_recommended (&reason))
        bits &= ~(unsigned) EVBACKEND_IOURING;
#endif
    return bits;
}

/* Those with a descriptor that tells when they have events; the foreign ones as libev answers (GL-4). */
unsigned int ev_embeddable_backends (void) EV_NOEXCEPT
{
    return EVBACKEND_EPOLL | EVBACKEND_KQUEUE | EVBACKEND_PORT | EVBACKEND_IOURING;
}
