/* ring.h: one ring: set up, take a submission, enter, walk the completions. Knows no loop and no watcher. */
#ifndef EVI_RING_H
#define EVI_RING_H

#include "../base/base.h"
#include "../base/sys.h"

#include "ring_abi.h"

#include <string.h>

#if EV_USE_IOURING

struct evi_ring {
    int fd;               /* -1: closed */
    unsigned setup;       /* set-up flags the kernel took */
    unsigned features;    /* what it offers */
    unsigned enter_flags; /* of every call */
    unsigned process;     /* evi_sys_process of its maker: in a fork child the mappings are gone */
    int enabled;          /* by the thread that runs it */
    int restricted;       /* takes only some requests */
    uintptr_t thread;     /* that thread; 0: none yet */

    /* in memory shared with the kernel */
    uint32_t *sq_head, *sq_tail, *sq_flags, *sq_array;
    uint32_t *cq_head, *cq_tail, *cq_overflow;
    struct evi_sqe *sqes;
    struct evi_cqe *cqes;

    uint32_t sq_entries, cq_entries;
    uint32_t sq_next; /* our tail: submissions taken, some of them not yet shown to the kernel */
    uint32_t none;    /* where heads and tails point when it is closed */
    void *rings;
    size_t rings_size, sqes_size;
};

/* 0, or -errno and nothing left behind. entries and completions are halved while memory is refused; flags are
 * dropped, newest first, while they are not understood. exclude: set-up flags not to try. EVI_RING_RESTRICT beside them: for
 * good, the kernel takes only requests about descriptors that the program has; or there is no ring. */
#define EVI_RING_RESTRICT (1u << 31)
EVI int evi_ring_open (struct evi_ring *ring, unsigned entries, unsigned completions, unsigned exclude);
/* Idempotent. In a fork child it closes the descriptor and touches nothing that the parent uses. */
EVI void evi_ring_close (struct evi_ring *ring);
/* Closes the descriptor. What the kernel completes until it has ended can be read from rest, if the queues are ours; else
 * there is nothing in it. Close that, too. */
EVI void evi_ring_part (struct evi_ring *ring, struct evi_ring *rest);
/* In a fork child whose parent has made it. */
EVI void evi_ring_give_up (struct evi_ring *ring);
/* The calling thread becomes the one that may submit. 0 or -errno. */
EVI int evi_ring_enable (struct evi_ring *ring);
/* 0 in a fork child */
EVI_INLINE_HOT int evi_ring_mine (const struct evi_ring *ring)
{
    return EVI_LIKELY (evi_sys_same_process (ring->process)) || ring->process == evi_sys_process ();
}
/* Another thread has entered it. The kernel refuses us then, or (without SINGLE_ISSUER) completes requests when
 * that thread gets round to it. */
EVI_INLINE_HOT int evi_ring_foreign (const struct evi_ring *ring)
{
    return ring->thread && EVI_UNLIKELY (ring->thread != evi_sys_thread ());
}

/* Which operations this kernel has: a bit for each opcode up to 63; 0 when it does not say. */
EVI uint64_t evi_ring_knows (const struct evi_ring *ring);
/* Ends the request of that name without the queues (6.0). 0; -ENOENT: there is none; -EINVAL: the kernel cannot. */
EVI int evi_ring_cancel_now (const struct evi_ring *ring, uint64_t name);
/* The ring holds the open file of fd until the kernel is finished with its last request. 0 or -errno. */
EVI int evi_ring_hold (const struct evi_ring *ring, int fd);
/* A ring of buffers (entries of them, a power of two, page-aligned memory) for requests that let the kernel choose
 * one of that group; and the end of it. 0 or -errno. */
EVI int evi_ring_add_buffers (const struct evi_ring *ring, struct evi_buf *buffers, unsigned entries,
                              unsigned group);
EVI int evi_ring_drop_buffers (const struct evi_ring *ring, unsigned group);
/* A table with room for so many pieces of memory whose pages need not be looked up for each request; once per ring.
 * 0 or -errno. */
EVI int evi_ring_add_table (const struct evi_ring *ring, unsigned count);
/* What is at that place of it from now on; size 0: nothing. What it held stays with the requests that use it. 0 or
 * -errno. */
EVI int evi_ring_pin (const struct evi_ring *ring, unsigned place, const void *memory, size_t size);

/* How many submissions the kernel has not taken yet; derived from the ring, never counted besides. We own the tail, the
 * kernel the head. */
EVI_INLINE unsigned evi_ring_queued (const struct evi_ring *ring)
{
    return ring->sq_next - __atomic_load_n (ring->sq_head, __ATOMIC_ACQUIRE);
}

/* The next submission, zeroed: the kernel rejects what an earlier use left in fields of another meaning. NULL when the
 * queue is full: enter first. */
EVI_INLINE_HOT struct evi_sqe *evi_ring_sqe (struct evi_ring *ring)
{
    struct evi_sqe *sqe;

    if (EVI_UNLIKELY (evi_ring_queued (ring) == ring->sq_entries))
        return NULL;
    sqe = &ring->sqes[ring->sq_next++ & (ring->sq_entries - 1)];
    memset (sqe, 0, sizeof *sqe);
    return sqe;
}

/* One of those that the kernel has not taken yet, 0 the first. */
EVI struct evi_sqe *evi_ring_unsent (const struct evi_ring *ring, unsigned nth);
/* Gives back the submission taken last, which must be one of those. */
EVI void evi_ring_untake (struct evi_ring *ring);

/* Submits all that is queued and asks for completions. wait: how many to wait for; limit NULL: forever; a zero
 * limit: no sleep. Answers as the system call does; a positive answer hides timeouts and signals. */
EVI_INLINE_HOT int evi_ring_enter (struct evi_ring *ring, unsigned wait,
                                   const struct evi_ring_timespec *limit, int absolute)
{
    struct evi_ring_getevents arg = { .ts = (uintptr_t) limit };
    unsigned flags = ring->enter_flags;
    int limited = wait && limit; /* the kernel need not look at a limit that cannot matter */

    if (limited)
        flags |= EVI_ENTER_EXT_ARG | (absolute ? EVI_ENTER_ABS_TIMER : 0);
    __atomic_store_n (ring->sq_tail, ring->sq_next, __ATOMIC_RELEASE);
    return evi_sys_uring_enter (ring->fd, evi_ring_queued (ring), wait, flags, limited ? &arg : NULL,
                                limited ? sizeof arg : 0);
}

/* Only submits. */
EVI_INLINE int evi_ring_submit (struct evi_ring *ring)
{
    __atomic_store_n (ring->sq_tail, ring->sq_next, __ATOMIC_RELEASE);
    return evi_sys_uring_enter (ring->fd, evi_ring_queued (ring), 0, 0, NULL, 0);
}

/* EVI_SQ_* */
EVI_INLINE unsigned evi_ring_flags (const struct evi_ring *ring)
{
    return __atomic_load_n (ring->sq_flags, __ATOMIC_RELAXED);
}

/* ---- completions: the kernel owns the tail, we the head ---- */

/* How many there are to be read. */
EVI_INLINE unsigned evi_ring_ready (const struct evi_ring *ring)
{
    return __atomic_load_n (ring->cq_tail, __ATOMIC_ACQUIRE) - *ring->cq_head;
}

EVI_INLINE const struct evi_cqe *evi_ring_peek (const struct evi_ring *ring, unsigned nth)
{
    return &ring->cqes[(*ring->cq_head + nth) & (ring->cq_entries - 1)];
}

/* So many have been read: the kernel may reuse their places. */
EVI_INLINE void evi_ring_advance (struct evi_ring *ring, unsigned count)
{
    __atomic_store_n (ring->cq_head, *ring->cq_head + count, __ATOMIC_RELEASE);
}

#endif

#endif
