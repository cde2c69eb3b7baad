/* ops.h: what loop/ asks of operations. */
#ifndef EVI_OPS_H
#define EVI_OPS_H

#include "../core/loop.h"

#if EV_OP_ENABLE

EVI void evi_ops_open (struct ev_loop *loop); /* the first operation, or buffer pool; idempotent */
/* Ends all operations, nobody is told; then frees everything. */
EVI void evi_ops_close (struct ev_loop *loop);
/* Hands what was started to the engines. Nonzero: some of it is done already, and to be told. */
EVI int evi_ops_reify (struct ev_loop *loop);
/* In a fork child, once: what was started is the parent's. Asked wherever a child may begin. */
EVI void evi_ops_reborn (struct ev_loop *loop);
/* Time stood still for so long, as far as timers go. */
EVI void evi_ops_shift (struct ev_loop *loop, ev_tstamp seconds);
/* Someone knocked: a thread may have done a job. */
EVI void evi_ops_answer (struct ev_loop *loop);
EVI void evi_ops_verify (struct ev_loop *loop);
EVI void evi_ops_dump (struct ev_loop *loop, FILE *out);

#else /* no operations in this library */

EVI_INLINE void evi_ops_close (struct ev_loop *loop)
{
    (void) loop;
}

EVI_INLINE int evi_ops_reify (struct ev_loop *loop)
{
    return loop->op_told;
}

EVI_INLINE void evi_ops_reborn (struct ev_loop *loop)
{
    (void) loop;
}

EVI_INLINE void evi_ops_shift (struct ev_loop *loop, ev_tstamp seconds)
{
    (void) loop, (void) seconds;
}

EVI_INLINE void evi_ops_answer (struct ev_loop *loop)
{
    (void) loop;
}

EVI_INLINE void evi_ops_verify (struct ev_loop *loop)
{
    (void) loop;
}

EVI_INLINE void evi_ops_dump (struct ev_loop *loop, FILE *out)
{
    (void) loop, (void) out;
}

#endif

#endif
