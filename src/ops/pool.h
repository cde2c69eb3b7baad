/* pool.h: a few threads for calls that cannot be waited for: files. One pool for the process; knows no loop. */
#ifndef EVI_POOL_H
#define EVI_POOL_H

#include "../base/base.h"

#if EV_OP_ENABLE

struct evi_job {
    ssize_t (*call) (struct evi_job *job); /* runs in a thread */
    struct evi_home *home;
    struct evi_job *next;
    ssize_t result;
    int stage;     /* the pool's */
    int cancelled; /* atomic: a call that waits looks at it */
};

/* Where done jobs go: a loop has one. */
struct evi_home {
    struct evi_job *done;                  /* under the pool's lock */
    void (*knock) (struct evi_home *home); /* from a thread: there is a done job. Must not block */
    int opened;
};

/* A home takes part in the pool from here to there: the last one that leaves ends the threads. */
EVI void evi_pool_enter (struct evi_home *home);
EVI void evi_pool_leave (struct evi_home *home);

/* Queues it. 0, or -errno when there is no thread and none can be made. */
EVI int evi_pool_submit (struct evi_job *job);
/* Nonzero: it had not begun and never will. Zero: it is done, or a thread is in the middle of it and knows. */
EVI int evi_pool_cancel (struct evi_job *job);
/* Returns when the call has ended. The job may still have to be collected. */
EVI void evi_pool_wait (struct evi_job *job);
/* All jobs of a home that are done, the earliest first, linked by next; NULL: none. */
EVI struct evi_job *evi_pool_collect (struct evi_home *home);

#endif

#endif
