/* whole.c: reads and writes of which all is done, or an error is told (EV_OP_WHOLE). What one call leaves over is asked for
 * again, on a ring as in a thread, as an operation of the plain kind; the program's vectors are not touched. */
#include "op.h"

#if EV_OP_ENABLE

/* ---- what is left ---- */

static void whole_rest_of_buffer (const ev_op *op, ev_op *rest)
{
    size_t left = op->size - op->moved;

    rest->buf = (char *) op->buf + op->moved;
    rest->size = left < EVI_BYTES_MAX ? left : EVI_BYTES_MAX;
}

/* What is left of a vector that was broken off in the middle goes by itself, then the next ones. */
static void whole_rest_of_vectors (const ev_op *op, ev_op *rest)
{
    const struct iovec *vec = op->buf;
    size_t count = op->size, done = op->moved;

    for (; count && done >= vec->iov_len; vec++, count--)
        done -= vec->iov_len;
    rest->buf = (void *) vec;
    rest->size = count;
    if (!done)
        return;
    rest->code = evi_op_kind (rest)->element;
    rest->buf = (char *) vec->iov_base + done;
    rest->size = vec->iov_len - done;
}

EVI void evi_whole_rest (const ev_op *op, ev_op *rest)
{
    *rest = *op;
    rest->code = (unsigned char) op->fd_to;
    rest->moved = 0;
    if (op->offset >= 0)
        rest->offset += (int64_t) op->moved;
    if (evi_op_kind (rest)->traits & EVI_TRAIT_VECTORS)
        whole_rest_of_vectors (op, rest);
    else
        whole_rest_of_buffer (op, rest);
}

static size_t whole_bytes (const ev_op *op)
{
    return evi_op_kinds[op->fd_to].traits & EVI_TRAIT_VECTORS ? evi_op_bytes (op->buf, op->size) : op->size;
}

EVI int evi_whole_goes_on (ev_op *op, ssize_t *result)
{
    size_t bytes = whole_bytes (op);

    op->moved += (size_t) *result;
    if (op->moved >= bytes)
        *result = (ssize_t) op->moved;
    else if (*result)
        return 1;
    else
        *result = evi_op_reads (op) ? -ENODATA : -EIO;
    return 0;
}

/* ---- without a ring ---- */

EVI ssize_t evi_try_whole (ev_op *op)
{
    ssize_t result;

    do {
        ev_op rest;

        evi_whole_rest (op, &rest);
        result = evi_try_position (&rest);
    } while (result >= 0 && evi_whole_goes_on (op, &result));
    return result;
}

EVI ssize_t evi_call_whole (ev_op *op, struct evi_job *job)
{
    ssize_t result;

    do {
        ev_op rest;

        if (__atomic_load_n (&job->cancelled, __ATOMIC_RELAXED))
            return -ECANCELED;
        evi_whole_rest (op, &rest);
        result = evi_call_position (&rest, job);
    } while (result >= 0 && evi_whole_goes_on (op, &result));
    return result;
}

/* ---- the door ---- */

/* The plain kind knows what to say of no vectors. */
static void whole_begin (ev_op *op)
{
    if (EVI_UNLIKELY (!op->buf && evi_op_kind (op)->traits & EVI_TRAIT_VECTORS))
        return;
    op->fd_to = op->code;
    op->code = evi_op_kind (op)->whole;
    if (op->offset_to) /* more than one call can do */
        op->size = (size_t) op->offset_to;
}

void ev_op_flags (ev_op *op, unsigned flags) EV_NOEXCEPT
{
    static const char call[] = "ev_op_flags";
    unsigned char whole = evi_op_kind (op)->whole;

    if (EVI_UNLIKELY (!evi_op_idle (op)))
        evi_op_not_now (call);
    else if (EVI_UNLIKELY (flags & ~(unsigned) EV_OP_WHOLE))
        evi_complain (call, "there is no such flag");
    else if (EVI_UNLIKELY (!whole && flags))
        evi_complain (call, "EV_OP_WHOLE is for ev_read, ev_write, ev_readv and ev_writev");
    else if (flags && op->code != whole)
        whole_begin (op);
    else if (!flags && whole && op->code == whole)
        op->code = (unsigned char) op->fd_to;
}

#endif
