/* ringbufs.c: buffers of pools from which the kernel chooses. Owns the queues in which it is given them. */
#include "on_ring.h"

#if EV_OP_ENABLE && EV_USE_IOURING

#include "../base/sys_op.h"

/* The kernel takes them in turn. To write to a few that were used just now costs a half of what it costs to go round
 * through megabytes, and mostly a few are enough. */
enum { RINGBUFS_WARM_BYTES = 256 * 1024, RINGBUFS_WARM_LEAST = 4 };

static void ringbufs_write (struct ev_pool *pool, unsigned index)
{
    struct evi_buf *at = &pool->kernel[pool->tail & pool->mask];

    at->addr = (uintptr_t) pool->memory + index * pool->size;
    at->len = (uint32_t) pool->room;
    at->id = (uint16_t) index;
    pool->tail++;
    pool->with_kernel++;
}

EVI void evi_ringbufs_give (struct ev_pool *pool, unsigned index)
{
    ringbufs_write (pool, index);
    __atomic_store_n (&pool->kernel[0].resv, pool->tail,
                      __ATOMIC_RELEASE); /* the queue's tail is kept there */
}

EVI void evi_ringbufs_top_up (struct ev_pool *pool)
{
    while (pool->with_kernel < pool->warm && pool->free_count)
        evi_ringbufs_give (pool, pool->free[--pool->free_count]);
}

static unsigned ringbufs_warm (const struct ev_pool *pool)
{
    size_t warm = RINGBUFS_WARM_BYTES / pool->size;

    warm = warm > RINGBUFS_WARM_LEAST ? warm : RINGBUFS_WARM_LEAST;
    return warm < pool->count ? (unsigned) warm : pool->count;
}

/* Two for each request in flight, and no more: one socket with much to read would take them all. It asks again. */
EVI void evi_ringbufs_starved (struct ev_loop *loop, struct ev_pool *pool)
{
    unsigned most = 2 * loop->ops->flying;

    most = most < pool->count ? most : pool->count;
    pool->warm += pool->warm < most;
}

static size_t ringbufs_size (const struct ev_pool *pool)
{
    return (pool->mask + 1) * sizeof *pool->kernel;
}

static int ringbufs_open (struct ev_loop *loop, struct ev_pool *pool)
{
    unsigned entries = 1;

    while (entries < pool->count)
        entries *= 2;
    pool->mask = entries - 1;
    pool->kernel = evi_sys_map (ringbufs_size (pool));
    if (!pool->kernel)
        return 0;
    pool->tail = 0;
    pool->group = loop->ops->groups++;
    pool->epoch = loop->ring->epoch;
    if (evi_ring_add_buffers (&loop->ring->ring, pool->kernel, entries, pool->group) == 0)
        return 1;
    evi_sys_unmap (pool->kernel, ringbufs_size (pool));
    pool->kernel = NULL;
    return 0;
}

/* A lost ring that is not over has them still: then there are none to be had. */
EVI int evi_ringbufs_register (struct ev_loop *loop, struct ev_pool *pool)
{
    if (EVI_LIKELY (pool->kernel != NULL))
        return pool->epoch == loop->ring->epoch;
    if (!ringbufs_open (loop, pool))
        return 0;
    pool->warm = ringbufs_warm (pool);
    evi_ringbufs_top_up (pool);
    return 1;
}

static void ringbufs_close (struct ev_pool *pool)
{
    evi_sys_unmap (pool->kernel, ringbufs_size (pool));
    pool->kernel = NULL;
    evi_bufs_gather (pool);
}

EVI void evi_ringbufs_lost (struct ev_loop *loop, unsigned epoch)
{
    for (struct ev_pool *pool = loop->ops->pools; pool; pool = pool->next)
        if (pool->kernel && pool->epoch == epoch)
            ringbufs_close (pool);
}

/* What a ring has that cannot be spoken to from here comes back when that is over. */
EVI void evi_ringbufs_withdraw (struct ev_pool *pool)
{
    const struct evi_loopring *it = pool->kernel ? evi_loopring_ours (pool->loop) : NULL;

    if (!it || it->epoch != pool->epoch)
        return;
    evi_ring_drop_buffers (&it->ring, pool->group);
    ringbufs_close (pool);
}

/* The pool goes, and nothing is under way with it: what the kernel has of the queue it holds by itself. */
EVI void evi_ringbufs_end (struct ev_pool *pool)
{
    evi_ringbufs_withdraw (pool);
    if (pool->kernel)
        ringbufs_close (pool);
}

EVI int evi_ringbufs_reach (const struct ev_pool *pool)
{
    const struct evi_loopring *it = pool->kernel ? evi_loopring_ours (pool->loop) : NULL;

    return !pool->kernel || (it && it->epoch == pool->epoch);
}

#endif
