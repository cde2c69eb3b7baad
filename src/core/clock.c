/* clock.c: what time a loop believes it is; ev_time and ev_sleep.
 * Owns struct evi_clock. The wall clock is really read twice a second at most: in between it is the monotonic
 * clock plus an offset. Reading both each time would double the price of looking (TM-2). */
#include "clock.h"

#include "../base/sys.h"

#define CLOCK_REREAD 0.5 /* seconds between real reads of the wall clock */
#define CLOCK_JUMP 1.0   /* smaller steps are absorbed silently */

enum { CLOCK_CONFIRMATIONS = 3 }; /* a thread may lose the processor between the two reads */

#if !EV_MULTIPLICITY && !defined(EV_API_STATIC) /* static: the header's declaration defines it */
ev_tstamp ev_rt_now;
#endif

static void clock_publish (struct evi_clock *clock, ev_tstamp wall)
{
    clock->wall = wall;
#if !EV_MULTIPLICITY
    ev_rt_now = wall;
#endif
}

EVI void evi_clock_reread (struct evi_clock *clock)
{
    clock_publish (clock, evi_sys_wall ());
    clock->read_at = clock->mono = evi_sys_monotonic ();
    clock->offset = clock->wall - clock->mono;
}

EVI void evi_clock_open (struct evi_clock *clock)
{
    evi_clock_reread (clock);
}

EVI_COLD static int clock_update_both (struct evi_clock *clock)
{
    ev_tstamp before = clock->offset;

    for (int looks = 0; looks <= CLOCK_CONFIRMATIONS; looks++) {
        ev_tstamp moved;

        evi_clock_reread (clock);
        moved = clock->offset - before;
        if (EVI_LIKELY (moved < CLOCK_JUMP && moved > -CLOCK_JUMP))
            return 0;
    }
    return 1;
}

EVI int evi_clock_update (struct evi_clock *clock)
{
    clock->mono = evi_sys_monotonic ();
    if (EVI_UNLIKELY (!(clock->mono - clock->read_at < CLOCK_REREAD)))
        return clock_update_both (clock);
    clock_publish (clock, clock->offset + clock->mono);
    return 0;
}

ev_tstamp ev_time (void) EV_NOEXCEPT
{
    return evi_sys_wall ();
}

void ev_sleep (ev_tstamp delay) EV_NOEXCEPT
{
    if (delay > 0) /* false for NaN */
        evi_sys_sleep (delay);
}
