/* bufs.c: ev_pool, buffers for receivers that do not know yet how much will come, or when.
 * Owns the memory. Promises that a buffer is in one place only: free here, free with the kernel, or lent to the
 * program; and that a receiver that found the pool empty goes on when a buffer comes back. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <string.h>

enum { BUFS_COUNT_MAX = 32768, BUFS_ALIGN = 64 };

_Static_assert(BUFS_COUNT_MAX <= UINT16_MAX, "pool->free, and the kernel, number them so");

ev_pool *ev_pool_new (EV_P_ size_t size, unsigned count) EV_NOEXCEPT
{
    struct ev_pool *pool;
    EVI_DOOR;

    if (!size || !count || count > BUFS_COUNT_MAX || size > SIZE_MAX / 2 / count - BUFS_ALIGN) {
        evi_complain ("ev_pool_new", "size must be positive and count from 1 to 32768");
        return NULL;
    }
    evi_ops_open (loop);
    pool = evi_resize (NULL, sizeof *pool);
    memset (pool, 0, sizeof *pool);
    pool->loop = loop;
    pool->room = size;
    pool->size = (size + BUFS_ALIGN - 1) & ~(size_t) (BUFS_ALIGN - 1);
    pool->shift = pool->size & (pool->size - 1) ? 0 : (unsigned) __builtin_ctzll (pool->size);
    pool->count = count;
    pool->pinned = -1;
    pool->memory = evi_sys_map (pool->size * count);
    if (!pool->memory) {
        evi_resize (pool, 0);
        return NULL;
    }
    pool->free = evi_resize (NULL, (long) (count * sizeof *pool->free));
    pool->lent = evi_resize (NULL, (long) count);
    memset (pool->lent, EVI_LENT_FREE, count);
    while (pool->free_count < count) { /* the first buffer on top */
        pool->free[pool->free_count] = (uint16_t) (count - 1 - pool->free_count);
        pool->free_count++;
    }
    pool->next = loop->ops->pools;
    loop->ops->pools = pool;
    return pool;
}

static void bufs_free (struct ev_pool *pool)
{
    struct ev_pool **at = &pool->loop->ops->pools;

    while (*at != pool)
        at = &(*at)->next;
    *at = pool->next;
    pool->loop->ops->lenders -= (unsigned) pool->lends;
    evi_pinned_end (pool);
    evi_ringbufs_end (pool);
    evi_sys_unmap (pool->memory, pool->size * pool->count);
    evi_resize (pool->free, 0);
    evi_resize (pool->lent, 0);
    evi_resize (pool, 0);
}

/* Is op under way with this pool, or with data in it? */
static int bufs_used_by (const struct ev_pool *pool, const ev_op *op)
{
    uintptr_t start = (uintptr_t) pool->memory, at = (uintptr_t) op->buf;

    return (evi_op_kind (op)->touches & EVI_TOUCHES_POOL && op->more == pool)
           || (at >= start && at - start < pool->size * pool->count);
}

static int bufs_used (const struct ev_pool *pool)
{
    const struct evi_ops *ops = pool->loop->ops;

    for (unsigned at = 0; at < ops->slot_count; at++)
        if (ops->slots[at].op && bufs_used_by (pool, ops->slots[at].op))
            return 1;
    return 0;
}

/* Does not look into it: it may be gone. */
static int bufs_has (const struct ev_loop *loop, const struct ev_pool *pool)
{
    const struct ev_pool *at = loop->ops ? loop->ops->pools : NULL;

    while (at && at != pool)
        at = at->next;
    return at != NULL;
}

void ev_pool_free (EV_P_ ev_pool *pool) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!pool)
        return;
    if (EVI_UNLIKELY (!bufs_has (loop, pool) || pool->dying)) {
        evi_complain ("ev_pool_free", "the pool belongs to another loop, or is gone");
        return;
    }
    if (EVI_UNLIKELY (bufs_used (pool))) {
        evi_complain ("ev_pool_free", "an operation that uses the pool is active");
        return;
    }
    pool->dying = 1;
    if (!pool->busy) /* else when the callbacks that look at its buffers have returned */
        bufs_free (pool);
}

EVI void evi_bufs_close (struct ev_loop *loop)
{
    while (loop->ops->pools)
        bufs_free (loop->ops->pools);
}

/* ---- one buffer ---- */

EVI unsigned evi_bufs_index (const struct ev_pool *pool, const void *buf)
{
    size_t at = (size_t) ((const char *) buf - pool->memory);

    return (unsigned) (EVI_LIKELY (pool->shift) ? at >> pool->shift : at / pool->size);
}

/* The kernel has none of it now: what is not lent is free here. */
EVI void evi_bufs_gather (struct ev_pool *pool)
{
    pool->free_count = pool->with_kernel = pool->warm = 0;
    for (unsigned index = pool->count; index-- > 0;)
        if (pool->lent[index] == EVI_LENT_FREE)
            pool->free[pool->free_count++] = (uint16_t) index;
}

static void bufs_resume (struct ev_pool *pool)
{
    struct evi_side *side = pool->starved;

    if (EVI_LIKELY (!side))
        return;
    pool->starved = side->next;
    side->next = NULL;
    evi_op_must (side->op->side == side);
    evi_op_again (pool->loop, side->op);
}

static void bufs_put_back (struct ev_pool *pool, unsigned index)
{
    pool->lent[index] = EVI_LENT_FREE;
    if (pool->kernel && pool->with_kernel < pool->warm)
        evi_ringbufs_give (pool, index);
    else
        pool->free[pool->free_count++] = (uint16_t) index;
    bufs_resume (pool);
}

EVI int evi_bufs_any (const struct ev_pool *pool)
{
    return pool->free_count || (evi_ringbufs_reach (pool) && pool->with_kernel);
}

/* Whoever was to have the last buffer that came back may have had no data for it, or was stopped meanwhile: while
 * there are some, the next in line has its turn too. */
EVI void evi_bufs_resume (struct ev_loop *loop)
{
    for (struct ev_pool *pool = loop->ops->pools; pool; pool = pool->next) {
        if (pool->with_kernel < pool->warm && pool->free_count)
            evi_ringbufs_top_up (pool);
        if (EVI_UNLIKELY (pool->starved && evi_bufs_any (pool))) {
            bufs_resume (pool);
            loop->op_told = 1; /* the loop must not sleep before that */
        }
    }
}

EVI void *evi_bufs_take (struct ev_pool *pool)
{
    unsigned index;

    if (!pool->free_count)
        return NULL;
    index = pool->free[--pool->free_count];
    pool->lent[index] = EVI_LENT_OUT;
    return pool->memory + index * pool->size;
}

EVI void evi_bufs_untake (struct ev_pool *pool, void *buf)
{
    unsigned index = evi_bufs_index (pool, buf);

    pool->lent[index] = EVI_LENT_FREE;
    pool->free[pool->free_count++] = (uint16_t) index;
}

EVI void *evi_bufs_lent (struct ev_pool *pool, unsigned index)
{
    pool->with_kernel--;
    pool->lent[index] = EVI_LENT_OUT;
    return pool->memory + index * pool->size;
}

static void bufs_look_away (struct ev_pool *pool, unsigned index)
{
    if (pool->lent[index] == EVI_LENT_OUT)
        bufs_put_back (pool, index);
    if (!--pool->busy && EVI_UNLIKELY (pool->dying))
        bufs_free (pool);
}

EVI void evi_bufs_fit (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    EVI_FIT (ops->shown, ops->shown_room, ops->shown_count + 1);
}

EVI void evi_bufs_show (struct ev_loop *loop, struct ev_pool *pool, void *buf)
{
    evi_bufs_fit (loop);
    evi_bufs_show_here (loop, pool, evi_bufs_index (pool, buf));
}

/* Inside a callback that has called ev_run, what outer callbacks look at is left alone. */
EVI void evi_bufs_seen (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (EVI_UNLIKELY (loop->pending.busy)) /* the program's hook has left some callbacks for later */
        return;
    while (ops->shown_count && ops->shown[ops->shown_count - 1].depth >= loop->depth) {
        struct evi_shown shown = ops->shown[--ops->shown_count];

        bufs_look_away (shown.pool, shown.index);
    }
}

/* Nonzero: it is not noted any more. */
static int bufs_unnote (struct evi_ops *ops, const struct ev_pool *pool, unsigned index)
{
    for (unsigned at = ops->shown_count; at-- > 0;)
        if (ops->shown[at].pool == pool && ops->shown[at].index == index) {
            ops->shown[at] = ops->shown[--ops->shown_count];
            return 1;
        }
    return 0;
}

EVI void evi_bufs_unshow (struct ev_loop *loop, struct ev_pool *pool, void *buf)
{
    unsigned index = evi_bufs_index (pool, buf);

    if (bufs_unnote (loop->ops, pool, index))
        bufs_look_away (pool, index);
}

EVI void evi_bufs_hide (struct ev_loop *loop, struct ev_pool *pool, void *buf)
{
    if (bufs_unnote (loop->ops, pool, evi_bufs_index (pool, buf)))
        pool->busy--;
}

EVI void evi_bufs_unneeded (struct ev_pool *pool, void *buf)
{
    bufs_put_back (pool, evi_bufs_index (pool, buf));
}

/* ev_pool_new may have failed. */
static int bufs_is (const struct ev_pool *pool, const char *call)
{
    if (EVI_LIKELY (pool != NULL))
        return 1;
    evi_complain (call, "there is no pool: it is NULL");
    return 0;
}

static int bufs_spans (const struct ev_pool *pool, const void *buf)
{
    return (uintptr_t) buf - (uintptr_t) pool->memory < pool->size * pool->count;
}

EVI_COLD static void bufs_refuse (const struct ev_pool *pool, const void *buf, const char *call)
{
    int out = bufs_spans (pool, buf) && pool->lent[evi_bufs_index (pool, buf)] == EVI_LENT_OUT;

    evi_complain (call, out ? "the buffer was not kept: it goes back by itself"
                            : "this is no buffer that the pool has lent");
}

/* Where the pool says of a buffer what it is, if it is that much; NULL: it is not. */
EVI_INLINE_HOT uint8_t *bufs_find (const struct ev_pool *pool, const void *buf, int lent, const char *call)
{
    uint8_t *at;

    if (!bufs_is (pool, call))
        return NULL;
    if (EVI_LIKELY (bufs_spans (pool, buf))) {
        at = &pool->lent[evi_bufs_index (pool, buf)];
        if (EVI_LIKELY (*at >= lent))
            return at;
    }
    bufs_refuse (pool, buf, call);
    return NULL;
}

void *ev_pool_take (ev_pool *pool) EV_NOEXCEPT
{
    void *buf = bufs_is (pool, "ev_pool_take") ? evi_bufs_take (pool) : NULL;

    if (!buf)
        return NULL;
    /* no callback's, though one may have had it just now */
    pool->lent[evi_bufs_index (pool, buf)] = EVI_LENT_KEPT;
    pool->loop->ops->lenders += !pool->lends;
    pool->lends = 1;
    return buf;
}

void ev_pool_keep (ev_pool *pool, void *buf) EV_NOEXCEPT
{
    uint8_t *lent = bufs_find (pool, buf, EVI_LENT_OUT, "ev_pool_keep");

    if (EVI_LIKELY (lent != NULL))
        *lent = EVI_LENT_KEPT;
}

void ev_pool_give (ev_pool *pool, void *buf) EV_NOEXCEPT
{
    uint8_t *lent = bufs_find (pool, buf, EVI_LENT_KEPT, "ev_pool_give");

    if (EVI_LIKELY (lent != NULL))
        bufs_put_back (pool, (unsigned) (lent - pool->lent));
}

/* Each buffer is in one place: here, with the kernel, or lent. */
static void bufs_verify (const struct ev_pool *pool)
{
    unsigned free_ones = 0;

    for (unsigned index = 0; index < pool->count; index++)
        free_ones += pool->lent[index] == EVI_LENT_FREE;
    if (free_ones != pool->free_count + pool->with_kernel)
        evi_broken ("ev_verify", "buffers of a pool are miscounted");
    for (unsigned i = 0; i < pool->free_count; i++)
        if (pool->lent[pool->free[i]] != EVI_LENT_FREE)
            evi_broken ("ev_verify", "a buffer is free, and lent");
}

EVI void evi_bufs_verify (const struct evi_ops *ops)
{
    for (const struct ev_pool *pool = ops->pools; pool; pool = pool->next)
        bufs_verify (pool);
}

/* ---- an empty pool ---- */

EVI void evi_bufs_starve (struct ev_loop *loop, ev_op *op)
{
    struct ev_pool *pool = op->more;
    struct evi_side *side = evi_op_side (loop, op), **at = &pool->starved;

    while (*at) /* the longest waiting first */
        at = &(*at)->next;
    *at = side;
    side->next = NULL;
    op->state = EVI_STATE_STARVED;
}

EVI void evi_bufs_unstarve (ev_op *op)
{
    struct ev_pool *pool = op->more;
    struct evi_side **at = &pool->starved;

    while (*at != op->side)
        at = &(*at)->next;
    *at = op->side->next;
    op->side->next = NULL;
}

#endif
