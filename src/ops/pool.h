/* pool.h: a few threads for calls that cannot be waited for: files. One pool for the process; knows no loop. */
#ifndef EVI_POOL_H
#define EVI_POOL_H

#include "../base/base.h"

#if EV_OP_ENABLE

/* What may wait for what: jobs of one kind for threads of that kind only. */
enum {
    EVI_THREADS_FILES = EV_THREADS_FILES, /* take as long as a disk */
    EVI_THREADS_NAMES = EV_THREADS_NAMES, /* as long as a network, or somebody who is to open a FIFO */
    EVI_THREADS_WORK = EV_THREADS_WORK,   /* as long as the program likes: they use the cores */
    EVI_THREADS_KINDS
};

struct evi_job {
    ssize_t (*call) (struct evi_job *job); /* runs in a thread */
    void (*drop) (struct evi_job *job); /* frees one that nobody waits for any more. NULL: everybody waits */
    struct evi_home *home;
    void *of; /* what it is of, for who collects it */
    struct evi_job *next;
    ssize_t result;
    int threads;   /* EVI_THREADS_* */
    int stage;     /* the pool's */
    int abandoned; /* likewise */
    int slowly;    /* said by a call among the files: it would take long, and is to be made among the names */
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
/* Nonzero: it had not begun and never will, or it has a drop, which is called when the thread that is in the middle of it has
 * done. Zero: it is done, or a thread is in the middle of it and knows. */
EVI int evi_pool_cancel (struct evi_job *job);
EVI void evi_pool_ask (struct evi_job *job); /* only says that it is wanted no more */
EVI int evi_pool_asked (void);               /* … in a job's call: was that said of it? */
/* At most so many jobs of a kind at a time; 0: as before. Returns how many it was before. */
EVI int evi_pool_limit (int threads, int most);
/* Returns when the call has ended. The job may still have to be collected. */
EVI void evi_pool_wait (struct evi_job *job);
/* All jobs of a home that are done, the earliest first, linked by next; NULL: none. */
EVI struct evi_job *evi_pool_collect (struct evi_home *home);

#endif

#endif
