/* loopring.h: the ring of a loop: names, entering, what to make of the answers. Polls (uring.c) and operations
 * (ops/op_uring.c) ride on it side by side. */
#ifndef EVI_LOOPRING_H
#define EVI_LOOPRING_H

#include "../core/loop.h"
#include "ring.h"

#if EV_USE_IOURING

struct evi_loopring {
    struct evi_ring ring;
    unsigned exclude; /* set-up flags that shall not be tried */
    unsigned submissions, completions;
    unsigned
        epoch; /* which ring this is, of all of the process: what was registered with another one is not here */
    int absolute;    /* time limits may be points in time */
    int no_absolute; /* the kernel says it can, and cannot */
    int stalls;      /* enters in a row that were refused for want of memory and moved nothing */
    int verdict;     /* EVI_REBUILD or EVI_FALL, found out where it could not be said */
    /* What a completion comes to that is found while callbacks run: nonzero if it is dealt with. NULL: all are kept. */
    int (*aside) (struct ev_loop *loop, const struct evi_cqe *cqe);
    /* Calls back with the name of each request of the backend's that is in the ring, the newest first. NULL: none is. */
    void (*names) (struct ev_loop *loop, void (*each) (const struct evi_ring *ring, uint64_t name));
    struct evi_cqe *stash; /* completions set aside outside of reap, in order */
    unsigned stash_count, stash_room;
    int no_alarm;          /* EVRING_RING=limit */
    int alarm;             /* EVI_ALARM_*: a request in the ring that ends long sleeps */
    ev_tstamp alarm_at;    /* … when, on the monotonic clock */
    ev_tstamp sleep_until; /* from then on it ends the present sleep; when it comes earlier it does not */
    struct evi_ring_timespec alarm_time;
    int event_fd; /* is signalled when there are completions; -1: nobody sleeps elsewhere */
};

/* user_data: [63:60] tag, [59:32] generation, [31:0] id. The tag tells names from slots: readiness carries a
 * descriptor, an operation the slot it has. */
enum {
    EVI_NAME_IGNORE = 0,
    EVI_NAME_POLL = 1,
    EVI_NAME_OP = 2,
    EVI_NAME_SET = 3, /* the epoll set of the guests */
    EVI_NAME_ALARM = 4,
    EVI_NAME_TAKEN = 5,  /* the removal of the request that is called the same but for the tag */
    EVI_NAME_CHANGED = 6 /* … a change of it */
};

enum { EVI_ALARM_NONE, EVI_ALARM_ARMED, EVI_ALARM_REFUSED };

#define EVI_LOOPRING_NEVER 1e300 /* for sleep_until */
#define EVI_LOOPRING_GRAIN 1e-6  /* seconds: points in time that near to each other are one */

#define EVI_NAME_GENERATION 0x0fffffffu

EVI_INLINE uint64_t evi_name (int tag, uint32_t generation, uint32_t id)
{
    return (uint64_t) ((uint32_t) tag << 28 | (generation & EVI_NAME_GENERATION)) << 32 | id;
}

EVI_INLINE int evi_name_tag (uint64_t name)
{
    return (int) (name >> 60);
}

EVI_INLINE uint64_t evi_name_row (const struct ev_loop *loop, int fd)
{
    return evi_name (EVI_NAME_POLL, loop->fds.rows[fd].gen, (uint32_t) fd);
}

EVI_DATA const struct evi_ring_timespec evi_at_once;

/* The number that EVRING_RING gives for a word like "cq=", or the usual one. */
EVI unsigned evi_loopring_setting (const char *word, unsigned usual);
EVI int evi_loopring_wants (const char *word); /* … or whether it has that word */
/* Sizes and flags as EVRING_RING wants them. exclude: set-up flags not to try besides. */
EVI void evi_loopring_configure (const struct ev_loop *loop, struct evi_loopring *it, unsigned exclude);
EVI int evi_loopring_open (struct ev_loop *loop, struct evi_loopring *it); /* 0 or -errno */
/* Takes back what operations have in flight, if the ring can still be spoken to, and closes it; operations that
 * are still on it go on waiting for its end. Polls are the caller's. */
EVI void evi_loopring_close (struct ev_loop *loop, struct evi_loopring *it);
EVI void evi_loopring_free (struct evi_loopring *it);
/* Nonzero: ours to speak to: made by this process, entered by no other thread. */
EVI_INLINE_HOT int evi_loopring_mine (const struct evi_loopring *it)
{
    return evi_ring_mine (&it->ring) && !evi_ring_foreign (&it->ring);
}

/* The gate: the ring of this loop, if this process and this thread may speak to it; else NULL. */
EVI_INLINE_HOT struct evi_loopring *evi_loopring_ours (const struct ev_loop *loop)
{
    struct evi_loopring *it = loop->ring;

    return it && it->ring.fd >= 0 && evi_loopring_mine (it) ? it : NULL;
}

/* Nonzero: a fork child has it from its parent, who goes on with it. */
EVI_INLINE int evi_loopring_parents (const struct ev_loop *loop)
{
    return loop->ring && !evi_ring_mine (&loop->ring->ring);
}

/* Submits all that is queued; waits as evi_ring_enter does. 0, -EINTR, or what is to become of the ring. */
EVI int evi_loopring_enter (struct ev_loop *loop, struct evi_loopring *it, unsigned wait,
                            const struct evi_ring_timespec *limit, int absolute);
/* What a negative answer comes to. */
EVI_COLD EVI int evi_loopring_failed (struct ev_loop *loop, struct evi_loopring *it, int answer,
                                      int absolute);
/* What has come of a call. */
EVI_INLINE_HOT int evi_loopring_entered (struct ev_loop *loop, struct evi_loopring *it, int answer,
                                         int absolute)
{
    loop->stats.enters++;
    if (EVI_UNLIKELY (answer < 0))
        return evi_loopring_failed (loop, it, answer, absolute);
    loop->stats.submissions += (unsigned) answer; /* so many were taken */
    it->stalls = 0;
    return 0;
}
/* This thread is the first to enter it. 0 or -errno. */
EVI_COLD EVI int evi_loopring_begin (struct ev_loop *loop, struct evi_loopring *it);
/* The first thread that enters it is the one that may. */
EVI_INLINE_HOT int evi_loopring_enable (struct ev_loop *loop, struct evi_loopring *it)
{
    int err = EVI_LIKELY (it->ring.enabled) ? 0 : evi_loopring_begin (loop, it);

    return EVI_UNLIKELY (err < 0) ? evi_loopring_failed (loop, it, err, 0) : 0;
}
/* evi_loopring_enter in place, for where a loop sleeps, which is where it mostly enters. */
EVI_INLINE_HOT int evi_loopring_enter_here (struct ev_loop *loop, struct evi_loopring *it, unsigned wait,
                                            const struct evi_ring_timespec *limit, int absolute)
{
    int err = evi_loopring_enable (loop, it);

    return EVI_UNLIKELY (err)
               ? err
               : evi_loopring_entered (loop, it, evi_ring_enter (&it->ring, wait, limit, absolute), absolute);
}
/* 0, or what is to become of the ring: it is not ours to speak to, or something else has been found out. */
EVI_INLINE_HOT int evi_loopring_check (struct evi_loopring *it)
{
    if (EVI_LIKELY (!it->verdict && it->ring.fd >= 0 && evi_loopring_mine (it)))
        return 0;
    if (!it->verdict)
        it->verdict = EVI_REBUILD;
    return it->verdict;
}
/* A submission to fill in, for whom the gate is open. NULL: the ring can take no more; a verdict says what is to become
 * of it, and whoever carries it out tells everything again. */
EVI_COLD EVI struct evi_sqe *evi_loopring_sqe_hard (struct ev_loop *loop, struct evi_loopring *it);
EVI_INLINE_HOT struct evi_sqe *evi_loopring_sqe (struct ev_loop *loop, struct evi_loopring *it)
{
    struct evi_sqe *sqe;

    EVI_ASSERT (evi_loopring_ours (loop));
    sqe = evi_ring_sqe (&it->ring);
    return EVI_LIKELY (sqe != NULL) ? sqe : evi_loopring_sqe_hard (loop, it);
}

/* A submission that the kernel has not taken yet asks for nothing any more. */
EVI void evi_loopring_unsend (const struct evi_loopring *it, struct evi_sqe *sqe);
/* Nobody waits for its completion: there shall be none if it succeeds, where the kernel can do that. */
EVI void evi_loopring_mute (const struct evi_loopring *it, struct evi_sqe *sqe);

EVI_INLINE struct evi_ring_timespec evi_loopring_time (ev_tstamp seconds)
{
    struct timespec ts = evi_sys_timespec (seconds);

    return (struct evi_ring_timespec){ ts.tv_sec, ts.tv_nsec };
}

/* Before a sleep until then. Nonzero: it needs no limit: the alarm comes in time, or before, and is then made anew. */
EVI_INLINE int evi_loopring_alarm_serves (const struct evi_loopring *it, ev_tstamp at)
{
    return it->alarm == EVI_ALARM_ARMED && it->alarm_at < at + EVI_LOOPRING_GRAIN;
}
/* The same; arms it if need be. */
EVI int evi_loopring_arm_alarm (struct ev_loop *loop, struct evi_loopring *it, ev_tstamp at);
EVI void evi_loopring_alarm_over (struct evi_loopring *it, const struct evi_cqe *cqe);

/* Is there anything to be told or fetched without sleeping? If not, a look at shared memory was enough. */
EVI_INLINE int evi_loopring_idle (const struct evi_loopring *it)
{
    return !evi_ring_queued (&it->ring)
           && !(evi_ring_flags (&it->ring) & (EVI_SQ_TASKRUN | EVI_SQ_CQ_OVERFLOW));
}
/* Nonzero: everything is submitted, and what has happened is in the queue or beside it. */
EVI_INLINE int evi_loopring_swept (const struct evi_loopring *it)
{
    return !evi_ring_queued (&it->ring) && !(evi_ring_flags (&it->ring) & EVI_SQ_TASKRUN);
}
EVI int evi_loopring_sweep_on (struct ev_loop *loop, struct evi_loopring *it);
/* Comes back until everything is submitted and handed out. */
EVI_INLINE int evi_loopring_sweep (struct ev_loop *loop, struct evi_loopring *it)
{
    return EVI_LIKELY (evi_loopring_swept (it)) ? 0 : evi_loopring_sweep_on (loop, it);
}

/* Empties the queue while callbacks run, or are about to: what means something is kept for the next reap, unless it is
 * dealt with. Nonzero: the last completion of a given request was there, or the news that it is not in the ring. */
EVI int evi_loopring_set_aside (struct ev_loop *loop, struct evi_loopring *it, uint64_t wanted);
/* Drops stale completions from the front. Nonzero: there is one that means something. */
EVI int evi_loopring_fresh (struct ev_loop *loop, struct evi_loopring *it);

/* Is the first completion that of a row's present request? There must be one. Zero: no, or it cannot be said here. */
EVI_INLINE_HOT int evi_loopring_row_answers (const struct ev_loop *loop, const struct evi_loopring *it)
{
    uint64_t name = evi_ring_peek (&it->ring, 0)->user_data;
    uint32_t fd = (uint32_t) name;

    return !loop->release && fd < loop->fds.count && name == evi_name_row (loop, (int) fd);
}

/* evi_loopring_fresh; mostly there is nothing at all. */
EVI_INLINE int evi_loopring_news (struct ev_loop *loop, struct evi_loopring *it)
{
    return evi_ring_ready (&it->ring) && evi_loopring_fresh (loop, it);
}

/* Hands over what was set aside. */
EVI_APART EVI void evi_loopring_reap_stash (struct ev_loop *loop, struct evi_loopring *it,
                                            void (*complete) (struct ev_loop *loop,
                                                              const struct evi_cqe *cqe));
/* … and then what is in the queue, and parked in the kernel. complete must not enter the ring. */
EVI void evi_loopring_reap (struct ev_loop *loop, struct evi_loopring *it,
                            void (*complete) (struct ev_loop *loop, const struct evi_cqe *cqe));

EVI int evi_loopring_register_event_fd (const struct evi_loopring *it);
EVI void evi_loopring_drain_event_fd (const struct evi_loopring *it);

EVI void evi_loopring_dump (const struct evi_loopring *it, FILE *out);

#else

EVI_INLINE void evi_loopring_dump (const struct evi_loopring *it, FILE *out)
{
    (void) it, (void) out;
}

#endif

#endif
