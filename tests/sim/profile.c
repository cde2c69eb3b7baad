/* profile.c: what tells kernels apart, as far as the library can see it. */
#include "kernel.h"

/* Set-up flags and features up to a bit. */
#define UP_TO(bit) ((2u << (bit)) - 1)

const struct profile profiles[] = {
    { "6.18", "6.18.44", UP_TO (18), UP_TO (17),
      P_DEFER_CAP | P_ABSOLUTE | P_EVENTFD_ONCE | P_EPOLL_WAIT | P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS | P_QUIET
          | P_CROWDS },
    { "5.15", "5.15.190", UP_TO (6), UP_TO (10), P_BUSY | P_EVENTFD_WAITS | P_PWAIT2 },
    { "6.1", "6.1.192", UP_TO (13), UP_TO (12), P_BUSY | P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS },
    { "6.12", "6.12.120", UP_TO (16), UP_TO (15),
      P_ABSOLUTE | P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS | P_CROWDS },
    { "7.x", "7.2.0", UP_TO (20), UP_TO (17),
      P_DEFER_CAP | P_ABSOLUTE | P_EPOLL_WAIT | P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS | P_QUIET | P_CROWDS },
    /* an old kernel that has the features of a new one, and not the flag that goes with them */
    { "ported", "6.1.0", UP_TO (16), UP_TO (15), P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS },
    { "missing", "6.1.125", UP_TO (13), UP_TO (12),
      P_BUSY | P_SYNC_CANCEL | P_PWAIT2 | P_SHOTS | P_MISSES_WAKES },
    { "no-ring", "6.18.44", 0, 0, P_NO_RING },
};
const int profile_count = sizeof profiles / sizeof *profiles;
