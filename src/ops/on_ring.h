/* on_ring.h: what the files of ops/ that speak to the ring know of each other. Their door to backend/. */
#ifndef EVI_ON_RING_H
#define EVI_ON_RING_H

#include "op.h"

#if EV_OP_ENABLE && EV_USE_IOURING

#include "../backend/loopring.h"

/* ---- on_ring.c ---- */

_Static_assert((int) EVI_GENERATION == (int) EVI_NAME_GENERATION, "a name has room for it");

/* The upper half of evi_name of who has that slot. */
EVI_INLINE uint32_t evi_on_ring_call_sign (const struct evi_slot *slot)
{
    return (uint32_t) EVI_NAME_OP << 28 | slot->generation;
}

/* Of all requests of an operation, from its start to its end. */
EVI_INLINE uint64_t evi_on_ring_name (const struct evi_ops *ops, const ev_op *op)
{
    unsigned place = (unsigned) op->active - 1;

    return (uint64_t) evi_on_ring_call_sign (&ops->slots[place]) << 32 | place;
}

/* What has that name; NULL: nothing any more. */
EVI_INLINE_HOT ev_op *evi_on_ring_owner (const struct evi_ops *ops, uint64_t name)
{
    uint32_t place = (uint32_t) name;

    if (EVI_UNLIKELY (place >= ops->slot_count
                      || (uint32_t) (name >> 32) != evi_on_ring_call_sign (&ops->slots[place])))
        return NULL;
    return ops->slots[place].op;
}

EVI void evi_on_ring_landed (struct ev_loop *loop, uint64_t name, int32_t res, uint32_t flags);
/* The same, of a ring that is over. */
EVI void evi_on_ring_landed_late (struct ev_loop *loop, const struct evi_cqe *cqe, unsigned epoch);
/* The kernel is finished with it. */
EVI void evi_on_ring_leave (struct ev_loop *loop, ev_op *op);
/* … and that was it. */
EVI void evi_on_ring_finish (struct ev_loop *loop, ev_op *op, ssize_t result);

/* Of a zero-copy send: gives its connection up, to have its memory back. _want: if its end is not to wait for the peer. */
EVI void evi_held_release (ev_op *op);
EVI void evi_held_want (ev_op *op);

/* What a completion means: kind->landed. */
typedef void evi_landing (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags);

EVI evi_landing evi_land_once, evi_land_read, evi_land_write, evi_land_whole, evi_land_recv, evi_land_send,
    evi_land_send_zc, evi_land_accept, evi_land_sendmsg, evi_land_pool, evi_land_raw;

/* ---- ringbufs.c ---- */

EVI int evi_ringbufs_register (struct ev_loop *loop,
                               struct ev_pool *pool); /* nonzero: the ring may choose of them */
/* It had none when it wanted one: it shall have one more. */
EVI void evi_ringbufs_starved (struct ev_loop *loop, struct ev_pool *pool);
EVI void evi_ringbufs_lost (struct ev_loop *loop,
                            unsigned epoch); /* that ring is over: it has none of them */

/* ---- orphans.c ---- */

/* Before operations go to a ring: what will tell of its end. 0 or -errno. */
EVI int evi_orphans_leash (struct ev_loop *loop);
EVI void evi_orphans_unleash (struct evi_ops *ops);
/* The ring is about to be closed. If it has operations still, it is closed here, and they wait for its end. */
EVI void evi_orphans_adopt (struct ev_loop *loop, struct evi_ring *ring);
EVI void evi_orphans_forget (
    struct ev_loop *loop); /* there are no operations in them any more, or they are the parent's */

/* ---- attached.c ---- */

EVI int evi_attached_open (struct ev_loop *loop);    /* 0 or -errno */
EVI void evi_attached_reborn (struct ev_loop *loop); /* after a fork */
EVI void evi_attached_close (struct ev_loop *loop);

#endif

#endif
