/* pinned.c: memory of pools that the ring knows.
 * For each read or write the kernel looks up the pages of its buffer and holds them meanwhile. Memory of a pool that
 * lends buffers to the program (ev_pool_take) is looked up once, and held as long as the pool lives. Promises that
 * nothing depends on it: where the kernel refuses (before 5.19, or for want of RLIMIT_MEMLOCK), things are as always.
 *
 * Only of pools: memory of the program's own might be unmapped without our knowing, and the ring would go on with
 * pages that nobody sees. */
#include "on_ring.h"

#if EV_OP_ENABLE && EV_USE_IOURING

enum { PINNED_PLACES = 32 }; /* pools that can have it */

_Static_assert(PINNED_PLACES == 8 * sizeof (((struct evi_ops *) 0)->pinned_free),
               "ops->pinned_free has a bit for each");

/* The table of this ring, made when the first pool wants a place. Nonzero: there is a free one. */
static int pinned_table (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (ops->pinned_epoch != loop->ring->epoch) {
        ops->pinned_epoch = loop->ring->epoch;
        ops->pinned_free = evi_ring_add_table (&loop->ring->ring, PINNED_PLACES) < 0 ? 0 : UINT32_MAX;
    }
    return ops->pinned_free != 0;
}

/* Asked once per ring. */
static void pinned_ask (struct ev_loop *loop, struct ev_pool *pool)
{
    int place;

    pool->pinned_epoch = loop->ring->epoch;
    pool->pinned = -1;
    if (!pinned_table (loop))
        return;
    place = __builtin_ctz (loop->ops->pinned_free);
    if (evi_ring_pin (&loop->ring->ring, (unsigned) place, pool->memory, pool->size * pool->count) < 0)
        return;
    loop->ops->pinned_free &= ~((uint32_t) 1 << place);
    pool->pinned = place;
}

static int pinned_holds (const struct ev_pool *pool, const struct evi_sqe *sqe)
{
    uint64_t start = (uintptr_t) pool->memory, bytes = pool->size * pool->count;

    return pool->lends && sqe->addr >= start && sqe->addr - start <= bytes - sqe->len && sqe->len <= bytes;
}

EVI void evi_pinned_use (struct ev_loop *loop, struct evi_sqe *sqe)
{
    struct ev_pool *pool = loop->ops->pools;

    if (sqe->opcode != EVI_OP_READ && sqe->opcode != EVI_OP_WRITE)
        return;
    while (pool && !pinned_holds (pool, sqe))
        pool = pool->next;
    if (!pool)
        return;
    if (EVI_UNLIKELY (pool->pinned_epoch != loop->ring->epoch))
        pinned_ask (loop, pool);
    if (pool->pinned < 0)
        return;
    sqe->opcode = sqe->opcode == EVI_OP_READ ? EVI_OP_READ_FIXED : EVI_OP_WRITE_FIXED;
    sqe->buf_index = (uint16_t) pool->pinned;
    loop->stats.ops_pinned++;
}

EVI void evi_pinned_end (struct ev_pool *pool)
{
    struct ev_loop *loop = pool->loop;

    if (pool->pinned < 0 || !loop->ring || pool->pinned_epoch != loop->ring->epoch
        || !evi_loopring_ours (loop))
        return;
    evi_ring_pin (&loop->ring->ring, (unsigned) pool->pinned, NULL, 0);
    loop->ops->pinned_free |= (uint32_t) 1 << pool->pinned;
}

#endif
