/* loop_private.h: what the files of loop/ ask of each other. Included by nobody else. */
#ifndef EVI_LOOP_PRIVATE_H
#define EVI_LOOP_PRIVATE_H

#include "../watch/watch.h"

/* life.c */
EVI void evi_loop_rebuild (
    struct ev_loop *loop); /* the backend's kernel object made anew, every row told again */
EVI void evi_loop_reborn (
    struct ev_loop *loop); /* after a fork: everything the kernel holds for us made anew */
EVI void evi_loop_fall (struct ev_loop *loop); /* the backend is beyond repair: go on with another one */

/* stats.c: EVRING_STATS */
EVI void evi_stats_open (struct ev_loop *loop);
EVI void evi_stats_close (struct ev_loop *loop);

#endif
