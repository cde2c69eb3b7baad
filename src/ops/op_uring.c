/* op_uring.c: operations on a ring: a table from operation to submission, and what its completions mean.
 * Owns the slots: a completion carries the number of one, so that a late answer meets an empty slot, never freed
 * memory. Rides on the ring of the backend, or on one of its own beside a backend that has none. Promises that an
 * operation which this kernel cannot do is given back for the other road. */
#include "../backend/loopring.h"
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#if EV_USE_IOURING

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
    OP_URING_BYTES_MAX = 0x7ffff000, /* what one call of the kernel moves at most */
    OP_URING_ROUNDS = 64, /* completions of others until an end that was asked for is asked for again */
    OP_URING_VECTORS_MAX = 1024, /* … from or to so many places */
    OP_URING_LEASH_MS = 2000     /* how long the end of a ring is waited for */
};

/* How long a request that was taken back may take to answer before it is asked again: kernels have lost a cancel
 * that met a request on its way to a worker (before 6.12.115). */
static const struct evi_ring_timespec op_uring_patience = { 0, 100 * 1000 * 1000 };

enum { OP_URING_LACKS_NOSIGNAL = 1 }; /* ops->lacks */

enum {                      /* ops->road */
       OP_URING_ROAD_READY, /* there is no ring */
       OP_URING_ROAD_RING,
       OP_URING_ROAD_LATER /* the ring is about to be made anew, or to be given up */
};

static const uint8_t op_uring_opcodes[EVI_CODES] = {
    [EVI_CODE_ACCEPT] = EVI_OP_ACCEPT,       [EVI_CODE_CONNECT] = EVI_OP_CONNECT,
    [EVI_CODE_RECV] = EVI_OP_RECV,           [EVI_CODE_RECV_POOL] = EVI_OP_RECV,
    [EVI_CODE_SEND] = EVI_OP_SEND,           [EVI_CODE_SEND_ZC] = EVI_OP_SEND_ZC,
    [EVI_CODE_RECVMSG] = EVI_OP_RECVMSG,     [EVI_CODE_SENDMSG] = EVI_OP_SENDMSG,
    [EVI_CODE_OPENAT] = EVI_OP_OPENAT,       [EVI_CODE_CLOSE] = EVI_OP_CLOSE,
    [EVI_CODE_READ] = EVI_OP_READ,           [EVI_CODE_WRITE] = EVI_OP_WRITE,
    [EVI_CODE_READV] = EVI_OP_READV,         [EVI_CODE_WRITEV] = EVI_OP_WRITEV,
    [EVI_CODE_FSYNC] = EVI_OP_FSYNC,         [EVI_CODE_FALLOCATE] = EVI_OP_FALLOCATE,
    [EVI_CODE_FTRUNCATE] = EVI_OP_FTRUNCATE, [EVI_CODE_STATX] = EVI_OP_STATX,
    [EVI_CODE_UNLINKAT] = EVI_OP_UNLINKAT,   [EVI_CODE_RENAMEAT] = EVI_OP_RENAMEAT,
    [EVI_CODE_MKDIRAT] = EVI_OP_MKDIRAT,     [EVI_CODE_SPLICE] = EVI_OP_SPLICE,
};

/* Those of which the table says all there is to say. */
static const uint8_t op_uring_plain[] = { EVI_CODE_READ,   EVI_CODE_READV,    EVI_CODE_FSYNC,
                                          EVI_CODE_OPENAT, EVI_CODE_UNLINKAT, EVI_CODE_FTRUNCATE,
                                          EVI_CODE_MKDIRAT };

/* ---- slots ---- */

EVI_COLD static void op_uring_slots_grow (struct evi_ops *ops)
{
    unsigned from = ops->slot_count;

    EVI_FIT_ZEROED (ops->slots, ops->slot_count, from + 1);
    for (unsigned i = from; i < ops->slot_count; i++) {
        ops->slots[i].name = evi_name (EVI_NAME_OP, 0, i);
        ops->slots[i].is.next = i + 1;
    }
}

/* There is a free one. */
EVI_INLINE unsigned op_uring_slot_take (struct evi_ops *ops, ev_op *op)
{
    unsigned id = ops->slot_free;

    ops->slot_free = ops->slots[id].is.next;
    ops->slots[id].is.op = op;
    ops->slot_last = id;
    ops->flying++;
    return id;
}

/* The kernel is finished with it. */
EVI_INLINE void op_uring_leave (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    struct evi_slot *slot = &ops->slots[op->slot];

    slot->name = evi_name (EVI_NAME_OP, (uint32_t) (slot->name >> 32) + 1, op->slot);
    slot->is.next = ops->slot_free;
    ops->slot_free = op->slot;
    ops->flying--;
    op->state = EVI_STATE_IDLE;
}

/* ---- what this kernel can do ---- */

static int op_uring_has (const struct evi_ops *ops, unsigned opcode)
{
    return ops->knows >> opcode & 1;
}

/* A ring that had to be closed with requests on it lives on until the kernel is finished with them, and a disk may
 * write into their buffers as long. Nobody is told of its end, but the ring holds one end of a pipe. */
static void op_uring_leash (struct ev_loop *loop)
{
    int fd[2];

    if (evi_sys_pipe (fd) < 0)
        return;
    if (evi_ring_hold (&loop->ring->ring, fd[1]) < 0)
        evi_sys_close (fd[0]);
    else
        loop->ops->leash = fd[0];
    evi_sys_close (fd[1]);
}

/* The first operation on a ring: what can it do? */
static void op_uring_learn (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->epoch = loop->ring->epoch;
    if (ops->leash < 0)
        op_uring_leash (loop);
    ops->knows = evi_ring_knows (&loop->ring->ring);
    ops->plain = 0;
    for (unsigned i = 0; i < EVI_COUNT (op_uring_plain); i++)
        if (op_uring_has (ops, op_uring_opcodes[op_uring_plain[i]]))
            ops->plain |= (uint32_t) 1 << op_uring_plain[i];
}

static int op_uring_is_plain (const struct evi_ops *ops, const ev_op *op)
{
    return EVI_LIKELY (ops->plain >> op->code & 1);
}

/* Writing must not raise SIGPIPE. Since 6.18 a write can be asked to be quiet; before, only files are written to on
 * the ring. */
static int op_uring_can_write (const struct evi_ops *ops, ev_op *op)
{
    if (!(ops->lacks & OP_URING_LACKS_NOSIGNAL))
        return 1;
    op->hint |= EVI_HINT_LESSER;
    return evi_sys_kind (op->fd) == EVI_KIND_FILE;
}

static int op_uring_pool_register (struct ev_loop *loop, struct ev_pool *pool);
static void op_uring_pool_end (struct ev_pool *pool);

EVI_APART static int op_uring_can (struct ev_loop *loop, ev_op *op)
{
    const struct evi_ops *ops = loop->ops;
    unsigned opcode = op_uring_opcodes[op->code];

    switch (op->code) {
    case EVI_CODE_SQE:
        return 1;
    case EVI_CODE_CLOSE: /* before 6.1 a close on the ring may make a later exec fail with ETXTBSY */
        return op_uring_has (ops, opcode) && op_uring_has (ops, EVI_OP_SENDMSG_ZC);
    case EVI_CODE_SEND_ZC:
        if (!op_uring_has (ops, opcode))
            op->hint |= EVI_HINT_LESSER;
        return op_uring_has (ops, EVI_OP_SEND);
    case EVI_CODE_RECVMSG:
    case EVI_CODE_SENDMSG: /* some kernels call too many vectors EINVAL, the system call says EMSGSIZE */
        return ((const struct msghdr *) op->buf)->msg_iovlen <= OP_URING_VECTORS_MAX
               && op_uring_has (ops, opcode);
    case EVI_CODE_RECV_POOL:
        return op_uring_has (ops, EVI_OP_SEND_ZC) && ((struct ev_pool *) op->more)->loop == loop
               && op_uring_pool_register (loop, op->more);
    case EVI_CODE_WRITE:
    case EVI_CODE_WRITEV:
        return op_uring_has (ops, opcode) && op_uring_can_write (ops, op);
    default:
        return opcode && op_uring_has (ops, opcode);
    }
}

/* ---- the way out ---- */

static uint32_t op_uring_length (size_t size)
{
    return size > OP_URING_BYTES_MAX ? OP_URING_BYTES_MAX : (uint32_t) size;
}

enum { /* of raw entries, whose place in the table of files is kept where a splice has its second descriptor */
       OP_URING_FIXED_FILE = 1 << 0,
       OP_URING_FILES_UPDATE = 20,
       OP_URING_OPENAT2 = 28,
       OP_URING_TEE = 33,
       OP_URING_MSG_RING = 40,
       OP_URING_MSG_SEND_FD = 1
};

/* The ring's table of files is ours, and what is in it too (the leash). An entry that names a place in it, to use or to
 * fill it, shall find what it would without one. */
static int op_uring_names_file (const struct evi_sqe *sqe)
{
    switch (sqe->opcode) {
    case OP_URING_FILES_UPDATE:
        return 1;
    case EVI_OP_ACCEPT:
    case EVI_OP_OPENAT:
    case OP_URING_OPENAT2:
    case EVI_OP_CLOSE:
    case EVI_OP_SOCKET:
        if (sqe->splice_fd_in)
            return 1;
        break;
    case EVI_OP_SPLICE:
    case OP_URING_TEE:
        if (sqe->op_flags >> 31) /* SPLICE_F_FD_IN_FIXED */
            return 1;
        break;
    case OP_URING_MSG_RING:
        if (sqe->addr == OP_URING_MSG_SEND_FD)
            return 1;
        break;
    default:
        break;
    }
    return sqe->flags & OP_URING_FIXED_FILE;
}

/* 0, or why not. Links and drain would tie it to requests of ours; the rest would keep its completion, or its buffer,
 * from us. */
static int op_uring_refuses (const ev_op *op)
{
    const unsigned refused = EVI_SQE_IO_DRAIN | EVI_SQE_IO_LINK | EVI_SQE_IO_HARDLINK | EVI_SQE_BUFFER_SELECT
                             | EVI_SQE_CQE_SKIP_SUCCESS;
    const struct evi_sqe *sqe = op->buf;

    if (EVI_LIKELY (op->code != EVI_CODE_SQE))
        return 0;
    if (sqe->flags & refused)
        return -EINVAL;
    return op_uring_names_file (sqe) ? -EBADF : 0;
}

static void op_uring_fill_data (struct evi_sqe *sqe, const ev_op *op)
{
    sqe->addr = (uintptr_t) op->buf + op->moved;
    sqe->len = op_uring_length (op->size - op->moved);
}

/* Before 6.1 the kernel too goes on by itself, but a request that is taken back in the middle answers ECANCELED and
 * keeps to itself how far it came. There we go on. */
static int op_uring_keeps_count (const struct evi_ops *ops)
{
    return op_uring_has (ops, EVI_OP_SENDMSG_ZC);
}

/* The kernel may go on by itself after a short count. */
static unsigned op_uring_whole_flag (const struct evi_ops *ops, const ev_op *op)
{
    const struct msghdr *message = op->buf;

    if (op->flags & MSG_DONTWAIT || !op_uring_keeps_count (ops))
        return 0;
    /* Ancillary data goes with the first byte: some kernels before 6.5 send it again with the rest. */
    return op->code == EVI_CODE_SENDMSG && message->msg_controllen ? 0 : MSG_WAITALL;
}

static void op_uring_fill_send (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    op_uring_fill_data (sqe, op);
    sqe->op_flags |= MSG_NOSIGNAL | op_uring_whole_flag (ops, op);
    if (op->code == EVI_CODE_SEND_ZC && op->hint & EVI_HINT_LESSER)
        sqe->opcode = EVI_OP_SEND;
}

/* Where an operation keeps its parameters is where its submission has them, these excepted. */
EVI_APART static void op_uring_fill_special (struct ev_loop *loop, struct evi_sqe *sqe, const ev_op *op)
{
    const struct ev_pool *pool;

    switch (op->code) {
    case EVI_CODE_SQE:
        memcpy (sqe, op->buf, sizeof *sqe);
        break;
    case EVI_CODE_ACCEPT:
        if (op_uring_has (loop->ops, EVI_OP_SOCKET))
            sqe->ioprio = EVI_ACCEPT_MULTISHOT;
        break;
    case EVI_CODE_RECV_POOL:
        pool = op->more;
        sqe->ioprio = EVI_RECV_MULTISHOT;
        sqe->flags = EVI_SQE_BUFFER_SELECT;
        sqe->buf_index = pool->group;
        break;
    case EVI_CODE_RECV:
        op_uring_fill_data (sqe, op);
        if (!op_uring_keeps_count (loop->ops))
            sqe->op_flags &= ~(uint32_t) MSG_WAITALL;
        break;
    case EVI_CODE_SEND:
    case EVI_CODE_SEND_ZC:
        op_uring_fill_send (loop->ops, sqe, op);
        break;
    case EVI_CODE_SENDMSG:
        sqe->op_flags |= MSG_NOSIGNAL | op_uring_whole_flag (loop->ops, op);
        break;
    case EVI_CODE_WRITE:
    case EVI_CODE_WRITEV:
        sqe->op_flags = op->hint & EVI_HINT_LESSER ? 0 : EVI_RWF_NOSIGNAL;
        break;
    case EVI_CODE_FALLOCATE:
        sqe->addr = (uint64_t) op->offset_to;
        break;
    case EVI_CODE_RENAMEAT:
        sqe->len = (uint32_t) op->fd_to;
        sqe->off = (uintptr_t) op->more;
        break;
    case EVI_CODE_STATX:
        sqe->off = (uintptr_t) op->more;
        break;
    case EVI_CODE_SPLICE:
        sqe->fd = op->fd_to;
        sqe->off = (uint64_t) op->offset_to;
        sqe->addr = (uint64_t) op->offset;
        sqe->splice_fd_in = op->fd;
        break;
    default:
        break;
    }
}

EVI_INLINE void op_uring_fill (struct evi_sqe *sqe, const ev_op *op)
{
    sqe->opcode = op_uring_opcodes[op->code];
    sqe->fd = op->fd;
    sqe->addr = (uintptr_t) op->buf;
    sqe->len = op_uring_length (op->size);
    sqe->off = (uint64_t) op->offset;
    sqe->op_flags = op->flags;
}

/* A plain one: as the table says. */
EVI_INLINE void op_uring_submit_plain (struct ev_loop *loop, ev_op *op, struct evi_sqe *sqe)
{
    struct evi_ops *ops = loop->ops;
    unsigned id = op_uring_slot_take (ops, op);

    op_uring_fill (sqe, op);
    if (EVI_UNLIKELY (ops->lenders))
        evi_pinned_use (loop, sqe);
    sqe->user_data = ops->slots[id].name;
    op->slot = id;
    op->state = EVI_STATE_RING;
    loop->stats.ops_ring++;
}

static void op_uring_submit (struct ev_loop *loop, ev_op *op, struct evi_sqe *sqe)
{
    struct evi_ops *ops = loop->ops;

    if (EVI_UNLIKELY (ops->slot_free == ops->slot_count))
        op_uring_slots_grow (ops);
    op_uring_submit_plain (loop, op, sqe);
    if (!op_uring_is_plain (ops, op)) {
        op_uring_fill_special (loop, sqe, op);
        sqe->user_data = ops->slots[op->slot].name; /* also: a submission entry of the program */
    }
}

static int op_uring_takes_now (const struct ev_loop *loop)
{
    return EVI_LIKELY (loop->ops->road == OP_URING_ROAD_RING && !loop->waiting);
}

EVI_APART static void op_uring_dispatch_special (struct ev_loop *loop, ev_op *op)
{
    struct evi_sqe *sqe = NULL;

    if (op_uring_takes_now (loop)
        && (op_uring_is_plain (loop->ops, op) || (!op_uring_refuses (op) && op_uring_can (loop, op))))
        sqe = evi_ring_sqe (&loop->ring->ring);
    if (EVI_UNLIKELY (!sqe)) {
        evi_op_again (loop, op);
        return;
    }
    op_uring_submit (loop, op, sqe);
    loop->op_started = 1;
}

/* Nothing here can have another thread in it, or be of another process: the road was found open since the last time
 * either could have changed. */
EVI void evi_op_uring_dispatch (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    struct evi_sqe *sqe;

    if (!op_uring_is_plain (ops, op) || !op_uring_takes_now (loop)
        || EVI_UNLIKELY (ops->slot_free == ops->slot_count)
        || EVI_UNLIKELY (!(sqe = evi_ring_sqe (&loop->ring->ring)))) {
        op_uring_dispatch_special (loop, op);
        return;
    }
    op_uring_submit_plain (loop, op, sqe);
    loop->op_started = 1;
}

/* The ring is about to be made anew, or to be given up: it waits for that. */
static void op_uring_later (struct ev_loop *loop, ev_op *op)
{
    evi_op_again (loop, op);
    loop->op_told = 1;
}

EVI int evi_op_uring_start (struct ev_loop *loop, ev_op *op)
{
    struct evi_ops *ops = loop->ops;
    struct evi_sqe *sqe;
    int err;

    if (ops->road == OP_URING_ROAD_READY || op->hint & EVI_HINT_READY)
        return 0;
    if (EVI_UNLIKELY (ops->road == OP_URING_ROAD_LATER)) {
        op_uring_later (loop, op);
        return 1;
    }
    if (!op_uring_is_plain (ops, op) && !op_uring_can (loop, op))
        return 0;
    err = op_uring_refuses (op);
    if (EVI_UNLIKELY (err)) {
        evi_op_done (loop, op, err);
        return 1;
    }
    sqe = evi_loopring_sqe (loop, loop->ring);
    if (EVI_LIKELY (sqe != NULL))
        op_uring_submit (loop, op, sqe);
    else
        op_uring_later (loop, op);
    return 1;
}

/* ---- before the kernel has seen it ---- */

static ev_op *op_uring_owner (const struct evi_ops *ops, uint64_t name)
{
    uint32_t id = (uint32_t) name;
    ev_op *op;

    if (EVI_UNLIKELY (id >= ops->slot_count || ops->slots[id].name != name))
        return NULL;
    op = ops->slots[id].is.op;
    evi_op_must (op->state == EVI_STATE_RING && op->slot == id);
    return op;
}

/* It does nothing any more. */
static void op_uring_unsend (struct ev_loop *loop, struct evi_sqe *sqe, ev_op *op)
{
    evi_loopring_unsend (loop->ring, sqe);
    op_uring_leave (loop, op);
}

EVI int evi_op_uring_take_back (struct ev_loop *loop, ev_op *op)
{
    struct evi_ring *ring = &loop->ring->ring;
    uint64_t name = loop->ops->slots[op->slot].name;

    if (!evi_loopring_ours (loop))
        return 0;
    for (unsigned i = evi_ring_queued (ring); i-- > 0;)
        if (evi_ring_unsent (ring, i)->user_data == name) {
            op_uring_unsend (loop, evi_ring_unsent (ring, i), op);
            return 1;
        }
    return 0;
}

/* All that the kernel has not seen waits for another ring. */
static void op_uring_take_back_all (struct ev_loop *loop)
{
    struct evi_ring *ring = &loop->ring->ring;

    for (unsigned i = 0; i < evi_ring_queued (ring); i++) {
        struct evi_sqe *sqe = evi_ring_unsent (ring, i);
        ev_op *op = op_uring_owner (loop->ops, sqe->user_data);

        if (op) {
            op_uring_unsend (loop, sqe, op);
            evi_op_again (loop, op);
        }
    }
}

/* A ring is for many. One read of what lies in memory is cheaper by itself. */
static void op_uring_alone (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;
    struct evi_ring *ring = &loop->ring->ring;
    ev_op *op;

    if (ops->queued || evi_ring_queued (ring) != 1
        || evi_ring_unsent (ring, 0)->user_data != ops->slots[ops->slot_last].name)
        return;
    op = op_uring_owner (ops, ops->slots[ops->slot_last].name);
    if (!op || op->code != EVI_CODE_READ)
        return;
    evi_ring_untake (ring);
    op_uring_leave (loop, op);
    if (!evi_op_ready_read_now (loop, op))
        op_uring_submit (loop, op, evi_ring_sqe (ring));
}

EVI void evi_op_uring_turn (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->road = loop->ring && !ops->forbidden ? OP_URING_ROAD_RING : OP_URING_ROAD_READY;
    if (ops->road == OP_URING_ROAD_READY)
        return;
    if (EVI_UNLIKELY (evi_loopring_check (loop->ring)))
        ops->road = OP_URING_ROAD_LATER;
    else if (EVI_UNLIKELY (ops->epoch != loop->ring->epoch))
        op_uring_learn (loop);
    else if (ops->slot_count)
        op_uring_alone (loop);
}

/* ---- the way in ---- */

/* More of it, unless it is wanted to end. */
static void op_uring_go_on (struct ev_loop *loop, ev_op *op)
{
    op_uring_leave (loop, op);
    if (op->wish)
        evi_op_done (loop, op, -ECANCELED);
    else
        evi_op_again (loop, op);
}

static void op_uring_other_road (struct ev_loop *loop, ev_op *op)
{
    op->hint |= EVI_HINT_READY;
    op_uring_go_on (loop, op);
}

static void op_uring_finish (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    op_uring_leave (loop, op);
    evi_op_done (loop, op, result);
}

static void op_uring_accepted (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (res >= 0)
        evi_op_arrive (loop, op, res, NULL, 0);
    if (res >= 0 || res == -ECONNABORTED) {
        if (!(flags & EVI_CQE_F_MORE))
            op_uring_go_on (loop, op);
    } else
        op_uring_finish (loop, op, res);
}

static void op_uring_received (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    struct ev_pool *pool = op->more;
    void *buf = flags & EVI_CQE_F_BUFFER ? evi_bufs_lent (pool, flags >> EVI_CQE_BUFFER_SHIFT) : NULL;

    if (EVI_LIKELY (res > 0)) {
        evi_op_arrive (loop, op, res, buf, 0);
        if (EVI_UNLIKELY (!(flags & EVI_CQE_F_MORE)))
            op_uring_go_on (loop, op);
        return;
    }
    if (EVI_UNLIKELY (res == 0 && evi_sys_datagrams (op->fd))) { /* empty, not the end */
        evi_op_arrive (loop, op, 0, buf, 0);
        if (!(flags & EVI_CQE_F_MORE))
            op_uring_go_on (loop, op);
        return;
    }
    if (buf) /* chosen, and not needed */
        evi_bufs_unneeded (pool, buf);
    if (res != -ENOBUFS)
        op_uring_finish (loop, op, res);
    else if (op->wish || evi_bufs_any (pool))
        op_uring_go_on (loop, op);
    else {
        op_uring_leave (loop, op);
        evi_bufs_pause (loop, op);
    }
}

static int op_uring_whole (const ev_op *op)
{
    return op->moved >= op->size || op->flags & MSG_DONTWAIT;
}

static void op_uring_sent (struct ev_loop *loop, ev_op *op, int32_t res)
{
    if (EVI_LIKELY (res > 0))
        op->moved += (size_t) res;
    if (EVI_UNLIKELY (res > 0 && !op_uring_whole (op)))
        op_uring_go_on (loop, op);
    else
        op_uring_finish (loop, op, res < 0 ? res : (ssize_t) op->moved);
}

/* Two completions: the result, and later that the buffer is free. A send that was refused may have both. */
static void op_uring_sent_zc (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (flags & EVI_CQE_F_MORE) {
        op->hint |= EVI_HINT_NOTIFY;
        op->result = res;
        return;
    }
    if (flags & EVI_CQE_F_NOTIF)
        res = (int32_t) op->result;
    op->hint &= (uint8_t) ~EVI_HINT_NOTIFY;
    if ((res == -EOPNOTSUPP || res == -EINVAL || res == -ENOMEM) && !(op->hint & EVI_HINT_LESSER)) {
        op->hint |= EVI_HINT_LESSER;
        op_uring_go_on (loop, op);
    } else
        op_uring_sent (loop, op, res);
}

/* Of MSG_WAITALL a kernel may answer with what it has, and before 6.1 it is not asked for it. */
static void op_uring_received_once (struct ev_loop *loop, ev_op *op, int32_t res)
{
    if (EVI_LIKELY (res > 0))
        op->moved += (size_t) res;
    if (EVI_UNLIKELY (res > 0 && op->flags & MSG_WAITALL && !(op->flags & MSG_PEEK) && !op_uring_whole (op)))
        op_uring_go_on (loop, op);
    else
        op_uring_finish (loop, op, op->moved ? (ssize_t) op->moved : res);
}

static void op_uring_answered_raw (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    op->moved = flags;
    if (flags & EVI_CQE_F_MORE)
        evi_op_arrive (loop, op, res, NULL, 0);
    else
        op_uring_finish (loop, op, res);
}

/* What waits for its turn on a descriptor must wait for data too: a file that the ring cannot wait for answers
 * EAGAIN. */
static int op_uring_must_turn (const ev_op *op, int32_t res)
{
    if (res != -EAGAIN || !(op->hint & EVI_HINT_LANE))
        return 0;
    return !(op->flags & MSG_DONTWAIT) || evi_op_kind (op)->traits & EVI_TRAIT_POSITION;
}

/* The quiet writes of 6.18 are unknown before: found out by the first, and by those that were on their way with
 * it. */
static int op_uring_too_quiet (struct evi_ops *ops, const ev_op *op, int32_t res)
{
    if (res != -EOPNOTSUPP || (op->code != EVI_CODE_WRITE && op->code != EVI_CODE_WRITEV)
        || op->hint & EVI_HINT_LESSER)
        return 0;
    ops->lacks |= OP_URING_LACKS_NOSIGNAL;
    return 1;
}

static size_t op_uring_message_size (const ev_op *op)
{
    const struct msghdr *message = op->buf;

    return evi_op_bytes (message->msg_iov, message->msg_iovlen);
}

static void op_uring_answered (struct ev_loop *loop, ev_op *op, int32_t res)
{
    if (EVI_UNLIKELY (op_uring_must_turn (op, res))) {
        op_uring_other_road (loop, op);
        return;
    }
    if (EVI_UNLIKELY (op_uring_too_quiet (loop->ops, op, res))) {
        op_uring_go_on (loop, op);
        return;
    }
    switch (op->code) {
    case EVI_CODE_SEND:
        op_uring_sent (loop, op, res);
        break;
    case EVI_CODE_RECV:
        op_uring_received_once (loop, op, res);
        break;
    case EVI_CODE_SENDMSG:
        if (res > 0 && !(op->flags & MSG_DONTWAIT) && (size_t) res < op_uring_message_size (op)) {
            op->moved = (size_t) res;
            op_uring_other_road (loop, op);
            break;
        }
        op->moved = res > 0 ? (size_t) res : 0;
        op_uring_finish (loop, op, res);
        break;
    default:
        op_uring_finish (loop, op, res);
    }
}

EVI_APART static void op_uring_landed_special (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    /* Nobody wanted that: on the next ring. (Workers are interrupted when the thread ends that had the loop.) */
    if (EVI_UNLIKELY ((res == -ECANCELED || evi_op_interrupted (res)) && loop->ops->recalling && !op->wish)) {
        op_uring_go_on (loop, op);
        return;
    }
    switch (op->code) {
    case EVI_CODE_ACCEPT:
        op_uring_accepted (loop, op, res, flags);
        break;
    case EVI_CODE_RECV_POOL:
        op_uring_received (loop, op, res, flags);
        break;
    case EVI_CODE_SEND_ZC:
        op_uring_sent_zc (loop, op, res, flags);
        break;
    case EVI_CODE_SQE:
        op_uring_answered_raw (loop, op, res, flags);
        break;
    default:
        op_uring_answered (loop, op, res);
    }
}

static void op_uring_landed (struct ev_loop *loop, uint64_t name, int32_t res, uint32_t flags)
{
    struct evi_ops *ops = loop->ops;
    ev_op *op = op_uring_owner (ops, name);

    if (EVI_UNLIKELY (!op))
        loop->stats.stale++;
    else if (res >= 0 && op_uring_is_plain (ops, op)) {
        if (op->code == EVI_CODE_READ) /* a disk's data is in no cache, and the callback will look at it */
            __builtin_prefetch (op->buf);
        op_uring_finish (loop, op, res);
    } else
        op_uring_landed_special (loop, op, res, flags);
}

/* ---- ending early ---- */

EVI void evi_op_uring_cancel (struct ev_loop *loop, ev_op *op)
{
    struct evi_sqe *sqe = evi_loopring_check (loop->ring) ? NULL : evi_loopring_sqe (loop, loop->ring);

    if (!sqe) /* the ring is lost: so is the operation, soon */
        return;
    sqe->opcode = EVI_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = loop->ops->slots[op->slot].name;
    evi_loopring_mute (loop->ring, sqe);
}

/* Hands over the completions of operations that were set aside; polls stay for the next reap. */
static void op_uring_land_stash (struct ev_loop *loop)
{
    struct evi_loopring *it = loop->ring;
    unsigned kept = 0;

    evi_loopring_set_aside (loop, it, 0);
    for (unsigned i = 0; i < it->stash_count; i++) {
        struct evi_cqe cqe = it->stash[i];

        if (evi_name_tag (cqe.user_data) == EVI_NAME_OP)
            op_uring_landed (loop, cqe.user_data, cqe.res, cqe.flags);
        else
            it->stash[kept++] = cqe;
    }
    it->stash_count = kept;
}

/* The ring cannot be spoken to from here: closing it is all that can be done. What has arrived can be read by every
 * thread of the process; what the kernel still has is lost. */
static void op_uring_abandon (struct ev_loop *loop, int verdict)
{
    int before = loop->ops->recalling;

    loop->ops->recalling = 1; /* there is nothing to recall any more */
    if (!evi_loopring_parents (loop))
        op_uring_land_stash (loop);
    evi_loopring_close (loop, loop->ring);
    loop->ring->verdict = verdict;
    loop->ops->recalling = before;
}

static void op_uring_cancel_all (struct ev_loop *loop)
{
    for (unsigned i = 0; i < loop->ops->active.count; i++) {
        ev_op *op = (ev_op *) loop->ops->active.items[i];

        if (op->state == EVI_STATE_RING)
            evi_op_uring_cancel (loop, op);
    }
}

static int op_uring_outstanding (const struct evi_ops *ops, const ev_op *op)
{
    return op ? op->state == EVI_STATE_RING : ops->flying != 0;
}

/* Takes op back (NULL: everything) and enters until it has landed. A file operation that a worker is in the middle
 * of is waited for. */
static void op_uring_fetch_ops (struct ev_loop *loop, ev_op *op)
{
    unsigned rounds = 0;
    int ask = 1;

    if (!evi_loopring_ours (loop)) {
        op_uring_abandon (loop, EVI_REBUILD);
        return;
    }
    op_uring_land_stash (loop);
    while (op_uring_outstanding (loop->ops, op)) {
        int err;

        if (ask && op)
            evi_op_uring_cancel (loop, op);
        else if (ask)
            op_uring_cancel_all (loop);
        err = loop->ring->verdict;
        err = err ? err : evi_loopring_enter (loop, loop->ring, 1, &op_uring_patience, 0);
        if (err < 0 && err != -EINTR) {
            op_uring_abandon (loop, err);
            return;
        }
        rounds++;
        ask = !evi_ring_ready (&loop->ring->ring)
              || rounds % OP_URING_ROUNDS == 0; /* it did not come for long */
        op_uring_land_stash (loop);
    }
}

EVI void evi_op_uring_stop (struct ev_loop *loop, ev_op *op)
{
    op_uring_fetch_ops (loop, op);
}

static void op_uring_recall (struct ev_loop *loop)
{
    if (!loop->ops || !loop->ring || loop->ops->recalling || evi_loopring_parents (loop))
        return;
    loop->ops->recalling = 1;
    op_uring_take_back_all (loop);
    if (evi_loopring_ours (loop))
        op_uring_fetch_ops (loop, NULL);
    else
        op_uring_land_stash (loop);
    loop->ops->recalling = 0;
}

static void op_uring_names (struct ev_loop *loop, void (*each) (const struct evi_ring *ring, uint64_t name))
{
    const struct evi_ops *ops = loop->ops;

    for (unsigned i = 0; ops && i < ops->active.count; i++) {
        const ev_op *op = (const ev_op *) ops->active.items[i];

        if (op->state == EVI_STATE_RING)
            each (&loop->ring->ring, ops->slots[op->slot].name);
    }
}

/* Does the kernel move data of a file into or out of somebody's buffer? */
static int op_uring_data_flying (const struct evi_ops *ops)
{
    for (unsigned i = 0; i < ops->active.count; i++) {
        const ev_op *op = (const ev_op *) ops->active.items[i];

        if (op->state == EVI_STATE_RING && evi_op_at_offset (op))
            return 1;
    }
    return 0;
}

/* Not for ever: a fork child that neither runs the loop nor calls exec keeps the ring alive. In such a child the
 * ring is the parent's, and writes into the parent's memory. */
static void op_uring_unleash (struct evi_ops *ops)
{
    if (ops->leash < 0)
        return;
    if (ops->process == evi_sys_process () && op_uring_data_flying (ops))
        evi_sys_poll_one (ops->leash, POLLIN, OP_URING_LEASH_MS);
    evi_sys_close (ops->leash);
    ops->leash = -1;
}

static void op_uring_lost (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops)
        return;
    ops->road = OP_URING_ROAD_READY; /* until it is asked again */
    op_uring_unleash (ops);
    for (struct ev_pool *pool = ops->pools; pool; pool = pool->next)
        op_uring_pool_end (pool);
    for (unsigned i = ops->active.count; i-- > 0;) {
        ev_op *op = (ev_op *) ops->active.items[i];

        if (op->state != EVI_STATE_RING)
            continue;
        if (op->hint & EVI_HINT_NOTIFY && op->result > 0) /* it went out, only the notification is lost */
            op->moved += (size_t) op->result;
        op_uring_finish (loop, op, op->moved && op->moved == op->size ? (ssize_t) op->moved : -ECANCELED);
    }
}

/* ---- buffers that the kernel chooses from ---- */

static void op_uring_buffer_write (struct ev_pool *pool, unsigned index)
{
    struct evi_buf *at = &pool->kernel[pool->tail & pool->mask];

    at->addr = (uintptr_t) pool->memory + index * pool->size;
    at->len = (uint32_t) pool->room;
    at->id = (uint16_t) index;
    pool->tail++;
}

EVI void evi_op_uring_give (struct ev_pool *pool, unsigned index)
{
    op_uring_buffer_write (pool, index);
    __atomic_store_n (&pool->kernel[0].resv, pool->tail,
                      __ATOMIC_RELEASE); /* the ring's tail is kept there */
}

static int op_uring_pool_register (struct ev_loop *loop, struct ev_pool *pool)
{
    unsigned entries = 1;

    if (EVI_LIKELY (pool->kernel != NULL))
        return 1;
    while (entries < pool->count)
        entries *= 2;
    pool->kernel = evi_sys_map (entries * sizeof *pool->kernel);
    if (!pool->kernel)
        return 0;
    pool->mask = entries - 1;
    pool->tail = 0;
    pool->group = loop->ops->groups++;
    if (evi_ring_add_buffers (&loop->ring->ring, pool->kernel, entries, pool->group) < 0) {
        evi_sys_unmap (pool->kernel, entries * sizeof *pool->kernel);
        pool->kernel = NULL;
        return 0;
    }
    pool->free_count = 0;
    for (unsigned index = 0; index < pool->count; index++)
        if (pool->lent[index] == EVI_LENT_FREE)
            evi_op_uring_give (pool, index);
    return 1;
}

/* The kernel does not know it any more. */
static void op_uring_pool_end (struct ev_pool *pool)
{
    if (!pool->kernel)
        return;
    evi_sys_unmap (pool->kernel, (pool->mask + 1) * sizeof *pool->kernel);
    pool->kernel = NULL;
    evi_bufs_gather (pool);
}

EVI void evi_op_uring_withdraw (struct ev_pool *pool)
{
    if (!pool->kernel)
        return;
    if (evi_loopring_ours (pool->loop))
        evi_ring_drop_buffers (&pool->loop->ring->ring, pool->group);
    op_uring_pool_end (pool);
}

/* ---- a ring beside a backend that has none ---- */

static void op_uring_attached_complete (struct ev_loop *loop, const struct evi_cqe *cqe)
{
    if (evi_name_tag (cqe->user_data) == EVI_NAME_OP)
        op_uring_landed (loop, cqe->user_data, cqe->res, cqe->flags);
}

static void op_uring_attached_ready (EV_P_ ev_io *w, int revents)
{
    EVI_DOOR;

    (void) w, (void) revents;
    evi_loopring_drain_event_fd (loop->ring);
    evi_loopring_reap_stash (loop, loop->ring, op_uring_attached_complete);
    evi_loopring_reap (loop, loop->ring, op_uring_attached_complete);
}

/* The ring and what wakes the loop for it. */
static int op_uring_attached_open (struct ev_loop *loop, struct evi_loopring *it)
{
    int err;

    it->event_fd = evi_sys_eventfd ();
    err = it->event_fd < 0 ? it->event_fd : evi_loopring_open (loop, it);
    if (err < 0) {
        if (it->event_fd >= 0)
            evi_sys_close (it->event_fd);
        it->event_fd = -1;
        return err;
    }
    evi_fd_own (loop, loop->ops->attached, op_uring_attached_ready, it->event_fd, EV_MAXPRI);
    return 0;
}

static void op_uring_attached_close (struct ev_loop *loop, struct evi_loopring *it)
{
    evi_loopring_close (loop, it);
    evi_fd_disown (loop, loop->ops->attached);
    if (it->event_fd >= 0)
        evi_sys_close (it->event_fd);
    it->event_fd = -1;
}

static void op_uring_detach (struct ev_loop *loop)
{
    evi_loopring_free (loop->ring);
    evi_resize (loop->ring, 0);
    evi_resize (loop->ops->attached, 0);
    loop->ring = NULL;
    loop->ops->attached = NULL;
}

/* A ring that does not defer its work: nobody is in its system call to do it when the loop sleeps elsewhere. */
static int op_uring_attach (struct ev_loop *loop)
{
    struct evi_loopring *it = evi_resize (NULL, sizeof *it);
    int err;

    memset (it, 0, sizeof *it);
    evi_loopring_configure (it, EVI_SETUP_DEFER_TASKRUN);
    loop->ring = it;
    loop->ops->attached = evi_resize (NULL, sizeof *loop->ops->attached);
    err = op_uring_attached_open (loop, it);
    if (err < 0)
        op_uring_detach (loop);
    return err;
}

static void op_uring_attached_renew (struct ev_loop *loop)
{
    op_uring_attached_close (loop, loop->ring);
    loop->stats.rebuilds++;
    if (op_uring_attached_open (loop, loop->ring) < 0)
        op_uring_detach (loop);
}

EVI void evi_op_uring_flush (struct ev_loop *loop)
{
    struct evi_loopring *it = loop->ring;
    int err = 0;

    if (EVI_LIKELY (!loop->ops->attached))
        return;
    if (!evi_loopring_check (it) && !evi_loopring_idle (it))
        err = evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
    if (err < 0 && err != -EINTR)
        it->verdict = err;
    if (EVI_LIKELY (!it->verdict)) {
        evi_loopring_reap_stash (loop, it, op_uring_attached_complete);
        evi_loopring_reap (loop, it, op_uring_attached_complete);
        return;
    }
    if (it->verdict == EVI_REBUILD)
        op_uring_attached_renew (loop);
    else {
        loop->stats.fallbacks++;
        op_uring_attached_close (loop, it);
        op_uring_detach (loop);
    }
}

/* ---- life ---- */

EVI void evi_op_uring_open (struct ev_loop *loop)
{
    const char *text = evi_sys_environment ("EVRING_OPS");

    loop->riders.landed = op_uring_landed;
    loop->riders.recall = op_uring_recall;
    loop->riders.lost = op_uring_lost;
    loop->riders.names = op_uring_names;
    loop->ops->forbidden = text && !strcmp (text, "ready");
    if (text && !strcmp (text, "uring"))
        ev_op_ring (EV_A);
}

EVI void evi_op_uring_reborn (struct ev_loop *loop)
{
    loop->ops->road = OP_URING_ROAD_READY; /* until it is asked again */
    if (loop->ops->attached)
        op_uring_attached_renew (loop);
}

EVI void evi_op_uring_close (struct ev_loop *loop)
{
    op_uring_unleash (loop->ops);
    if (loop->ops->attached) {
        op_uring_attached_close (loop, loop->ring);
        op_uring_detach (loop);
    }
}

int ev_op_ring (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_ops_open (loop);
    if (loop->ops->forbidden)
        return -EPERM;
    return loop->ring ? 0 : op_uring_attach (loop);
}

#else /* no ring in this library: everything goes the other road */

#include <errno.h>

EVI void evi_op_uring_turn (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_op_uring_dispatch (struct ev_loop *loop, ev_op *op)
{
    evi_op_again (loop, op);
}

EVI int evi_op_uring_start (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
    return 0;
}

EVI int evi_op_uring_take_back (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
    return 0;
}

EVI void evi_op_uring_cancel (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
}

EVI void evi_op_uring_stop (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op;
}

EVI void evi_op_uring_open (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_op_uring_flush (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_op_uring_reborn (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_op_uring_close (struct ev_loop *loop)
{
    (void) loop;
}

EVI void evi_op_uring_give (struct ev_pool *pool, unsigned index)
{
    (void) pool, (void) index;
}

EVI void evi_op_uring_withdraw (struct ev_pool *pool)
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

#endif
