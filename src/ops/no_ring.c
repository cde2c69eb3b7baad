/* no_ring.c: a library that was built without io_uring: every operation goes the other road. */
#include "op.h"

#if EV_OP_ENABLE && !EV_USE_IOURING

static int no_ring_start (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
    return 0;
}

/* Nothing ever is there. */
EVI_HOME const struct evi_engine evi_on_ring = { .start = no_ring_start };
EVI_HOME const struct evi_engine evi_orphaned = { .start = no_ring_start };

EVI int evi_on_ring_start_now (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
    return 0;
}

EVI int evi_on_ring_submit (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
    return 0;
}

EVI void evi_on_ring_turn (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_on_ring_open (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_on_ring_reborn (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_attached_flush (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_on_ring_close (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_ringbufs_give (struct ev_pool *pool, unsigned index)
{
    (void) pool, (void) index;
}

EVI void evi_ringbufs_top_up (struct ev_pool *pool)
{
    (void) pool;
}

EVI void evi_ringbufs_withdraw (struct ev_pool *pool)
{
    (void) pool;
}

EVI void evi_ringbufs_end (struct ev_pool *pool)
{
    (void) pool;
}

EVI int evi_ringbufs_reach (const struct ev_pool *pool)
{
    (void) pool;
    return 1;
}

EVI void evi_pinned_use (struct ev_loop *loop, struct evi_sqe *sqe)
{
    (void) loop, (void) sqe;
}

EVI void evi_pinned_end (struct ev_pool *pool)
{
    (void) pool;
}

int ev_op_ring (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    (void) loop;
    return -ENOSYS;
}

#endif
