/* clock.h: the two clocks of a loop: monotonic for timers, wall for periodics and people. */
#ifndef EVI_CLOCK_H
#define EVI_CLOCK_H

#include "../base/base.h"

struct evi_clock {
    ev_tstamp mono;    /* monotonic time at the last look */
    ev_tstamp wall;    /* wall time at the last look */
    ev_tstamp offset;  /* wall - mono */
    ev_tstamp read_at; /* when the wall clock was last really read, monotonic */
};

EVI void evi_clock_open (struct evi_clock *clock);
/* Looks at the clocks. Nonzero: the wall clock was set, periodics are to be rescheduled (TM-3). */
EVI int evi_clock_update (struct evi_clock *clock);
/* Reads the wall clock, whatever the time since the last read (TM-4). */
EVI void evi_clock_reread (struct evi_clock *clock);

#endif
