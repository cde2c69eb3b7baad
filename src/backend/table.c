/* table.c: the backends there are, best first, the three questions about them, and whether io_uring is good here. */
#include "../core/loop.h"
#include "ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#ifdef EVI_SPLIT
extern const struct evi_backend evi_uring, evi_epoll, evi_poll, evi_select;
#endif

EVI_HOME const struct evi_backend *const evi_backends[EVI_BACKENDS + 1] = {
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

#if EV_USE_IOURING
static int table_denied (const char *version)
{
    unsigned major, minor, patch;

    if (sscanf (version, "%u.%u.%u", &major, &minor, &patch) != 3)
        return 0;
    return major == 6 && minor == 1 && patch >= 123 && patch <= 127;
}

/* 6.1.123 to 6.1.127 miss wake-ups (Debian bug 1093243): the one thing only the version tells. Debian's release
 * says 6.1.0; what it was made from stands behind its name in the version. */
static int table_denied_kernel (void)
{
    struct utsname name;
    const char *debian;

    if (uname (&name) < 0)
        return 0;
    debian = strstr (name.version, "Debian ");
    return table_denied (debian ? debian + sizeof "Debian " - 1 : name.release);
}

static int table_try_ring (void)
{
    struct evi_ring ring;
    int err = evi_ring_open (&ring, 8, 16, 0), good;

    if (err < 0)
        return err;
    good = (ring.setup & EVI_SETUP_DEFER_TASKRUN) && !table_denied_kernel ();
    evi_ring_close (&ring);
    return good ? 1 : -EOPNOTSUPP;
}

/* A filter may kill whoever calls what it does not know, and cannot be asked: under one, or where one is to be expected, only
 * those who name io_uring get it. The filter may come later than the first loop, so that is looked at each time. */
EVI int evi_uring_recommended (int *reason)
{
    static int tried; /* 0: not yet; 1: good; -errno */
    int answer;

    if (!EV_RECOMMEND_IOURING) {
        *reason = 0;
        return 0;
    }
    if (evi_sys_sandboxed () != 0) {
        *reason = -EPERM;
        return 0;
    }
    answer = __atomic_load_n (&tried, __ATOMIC_RELAXED);
    if (!answer) {
        answer = table_try_ring ();
        if (answer != -EMFILE && answer != -ENFILE && answer != -ENOMEM) /* that may pass */
            __atomic_store_n (&tried, answer, __ATOMIC_RELAXED);
    }
    *reason = answer < 0 ? answer : 0;
    return answer > 0;
}
#endif

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
