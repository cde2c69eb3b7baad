/* kinds.c: all that is to be said of each operation, a row each: what it is called, in which order it stands, what the
 * kernel may touch while it flies, how it becomes a submission and what its completion means, how it is tried without
 * a ring, what a thread does. A new operation is a row here, a set function, a test and a page. */
#include "op.h"
#include "on_ring.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <string.h>
#include <sys/socket.h>

#if EV_USE_IOURING

/* ---- does the ring take it? 1: yes; 0: it goes the other way; -errno: nobody does ---- */

enum {
    KINDS_VECTORS_MAX = 1024,       /* some kernels call more of them EINVAL, the system call says EMSGSIZE */
    KINDS_OPCODE_FILES_UPDATE = 20, /* of raw entries */
    KINDS_OPCODE_OPENAT2 = 28,
    KINDS_OPCODE_TEE = 33,
    KINDS_OPCODE_MSG_RING = 40,
    KINDS_MSG_SEND_FD = 1,
    KINDS_FIXED_FILE = 1 << 0
};

_Static_assert(EVI_OPS_END <= 64, "kind->needs and ops->knows have a bit for each");

#define KINDS_BIT(opcode) ((uint64_t) 1 << (opcode))

/* In flight it would hold the port of a bound socket when the process is killed. */
static int fits_receive (struct ev_loop *loop, ev_op *op)
{
    return !(op->hint & EVI_HINT_LANE)
           || !evi_lane_fact (&evi_op_lane (loop, op)->serves, op->fd, evi_sys_serves);
}

/* A kernel that cannot read a pipe without sleeping (6.1) waits for data before it finds that none is wanted. */
static int fits_read (struct ev_loop *loop, ev_op *op)
{
    return op->size != 0 && fits_receive (loop, op);
}

static int fits_message (struct ev_loop *loop, ev_op *op)
{
    const struct msghdr *message = op->buf;

    return message && message->msg_iovlen <= KINDS_VECTORS_MAX
           && (!evi_op_reads (op) || fits_receive (loop, op));
}

static int fits_pool (struct ev_loop *loop, ev_op *op)
{
    struct ev_pool *pool = op->more;

    return pool->loop == loop && evi_pause_lets (op) && fits_receive (loop, op)
           && evi_ringbufs_register (loop, pool);
}

/* One that waits would hold the port. It is asked for when connections are there, to take all of them with one request: not
 * if only some are wanted. */
static int fits_accept (struct ev_loop *loop, ev_op *op)
{
    return op->state == EVI_STATE_WAITING && !op->size && evi_pause_lets (op)
           && !(loop->ops->lacks & EVI_LACKS_CROWDS);
}

/* It is copied after all where that is cheaper: decision 0013. */
static int copies (struct ev_loop *loop, ev_op *op)
{
    if (!(loop->ops->knows & KINDS_BIT (EVI_OP_SEND_ZC)) || !(op->hint & EVI_HINT_LANE)
        || op->size - op->moved < EVI_ZERO_COPY_BYTES)
        return 1;
    return !evi_lane_sends_uncopied (loop, op);
}

static int fits_send_zc (struct ev_loop *loop, ev_op *op)
{
    if (copies (loop, op))
        op->hint |= EVI_HINT_LESSER;
    return 1;
}

/* A write to one sleeps in the middle, in whoever submits it. */
static int writes_to_terminal (struct ev_loop *loop, const ev_op *op)
{
    return evi_lane_fit (loop, op->fd) == 0
           && evi_lane_fact (&evi_op_lane (loop, op)->terminal, op->fd, evi_sys_terminal);
}

/* Writing must not raise SIGPIPE. Since 6.18 a write can be asked to be quiet; before, only files are written to on
 * the ring. */
static int fits_write (struct ev_loop *loop, ev_op *op)
{
    if (EVI_UNLIKELY (writes_to_terminal (loop, op)))
        return 0;
    if (!(loop->ops->lacks & EVI_LACKS_NOSIGNAL))
        return 1;
    op->hint |= EVI_HINT_LESSER;
    return evi_sys_kind (op->fd) == EVI_KIND_FILE;
}

/* The ring's table of files is ours, and what is in it too. An entry that names a place in it, to use or to fill it, shall
 * find what it would without one. */
static int names_registered_file (const struct evi_sqe *sqe)
{
    switch (sqe->opcode) {
    case KINDS_OPCODE_FILES_UPDATE:
        return 1;
    case EVI_OP_ACCEPT:
    case EVI_OP_OPENAT:
    case KINDS_OPCODE_OPENAT2:
    case EVI_OP_CLOSE:
    case EVI_OP_SOCKET: /* the place is where a splice has its second descriptor */
        if (sqe->splice_fd_in)
            return 1;
        break;
    case EVI_OP_SPLICE:
    case KINDS_OPCODE_TEE:
        if (sqe->op_flags >> 31) /* SPLICE_F_FD_IN_FIXED */
            return 1;
        break;
    case KINDS_OPCODE_MSG_RING:
        if (sqe->addr == KINDS_MSG_SEND_FD)
            return 1;
        break;
    default:
        break;
    }
    return sqe->flags & KINDS_FIXED_FILE;
}

/* Links and drain would tie it to requests of ours; the rest would keep its completion, or its buffer, from us. */
static int fits_raw (struct ev_loop *loop, ev_op *op)
{
    const unsigned refused = EVI_SQE_IO_DRAIN | EVI_SQE_IO_LINK | EVI_SQE_IO_HARDLINK | EVI_SQE_BUFFER_SELECT
                             | EVI_SQE_CQE_SKIP_SUCCESS;
    const struct evi_sqe *sqe = op->buf;

    (void) loop;
    if (!sqe)
        return -EFAULT;
    if (sqe->flags & refused)
        return -EINVAL;
    return names_registered_file (sqe) ? -EBADF : 1;
}

/* ---- the submission: parameters are kept where it has them, so that most are a copy ---- */

static void fill_data (struct evi_sqe *sqe, const ev_op *op)
{
    size_t left = op->size - op->moved;

    sqe->opcode = evi_op_kind (op)->opcode;
    sqe->fd = op->fd;
    sqe->addr = (uintptr_t) op->buf + op->moved;
    sqe->len = left > EVI_BYTES_MAX ? EVI_BYTES_MAX : (uint32_t) left;
}

static void fill_plain (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    (void) ops;
    sqe->opcode = evi_op_kind (op)->opcode;
    sqe->fd = op->fd;
    sqe->addr = (uintptr_t) op->buf;
    sqe->len = (uint32_t) op->size;
    sqe->off = (uint64_t) op->offset;
    sqe->op_flags = op->flags;
}

/* Before 6.1 the kernel too goes on by itself, but a request that is taken back in the middle answers ECANCELED and
 * keeps to itself how far it came. There we go on. */
static int keeps_count (const struct evi_ops *ops)
{
    return ops->knows & KINDS_BIT (EVI_OP_SENDMSG_ZC) ? 1 : 0;
}

static void fill_accept (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    (void) ops;
    sqe->opcode = EVI_OP_ACCEPT;
    sqe->fd = op->fd;
    sqe->ioprio = EVI_ACCEPT_MULTISHOT | EVI_ACCEPT_DONTWAIT;
    sqe->op_flags = op->flags;
}

static void fill_recv (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_data (sqe, op);
    sqe->op_flags = keeps_count (ops) ? op->flags : op->flags & ~(uint32_t) MSG_WAITALL;
}

static void fill_recv_pool (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    const struct ev_pool *pool = op->more;

    fill_plain (ops, sqe, op);
    sqe->ioprio = EVI_RECV_MULTISHOT;
    sqe->flags = EVI_SQE_BUFFER_SELECT;
    sqe->buf_index = pool->group;
}

/* The kernel may go on by itself after a short count. */
static unsigned whole_flag (const struct evi_ops *ops, const ev_op *op)
{
    return op->flags & MSG_DONTWAIT || !keeps_count (ops) ? 0 : MSG_WAITALL;
}

static void fill_send (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_data (sqe, op);
    sqe->op_flags = op->flags | MSG_NOSIGNAL | whole_flag (ops, op);
}

static void fill_send_zc (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_send (ops, sqe, op);
    if (op->hint & EVI_HINT_LESSER)
        return;
    sqe->opcode = EVI_OP_SEND_ZC;
    sqe->ioprio = ops->loop->ring->ring.features & EVI_FEAT_REG_REG_RING ? EVI_SEND_ZC_REPORT_USAGE : 0;
}

/* Ancillary data goes with the first byte: some kernels before 6.5 send it again with the rest. */
static void fill_sendmsg (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    const struct msghdr *message = op->buf;

    fill_plain (ops, sqe, op);
    sqe->op_flags |= MSG_NOSIGNAL | (message->msg_controllen ? 0 : whole_flag (ops, op));
}

static void fill_write (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_plain (ops, sqe, op);
    sqe->op_flags = op->hint & EVI_HINT_LESSER ? 0 : EVI_RWF_NOSIGNAL;
}

static void fill_whole (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    ev_op rest;

    evi_whole_rest (op, &rest);
    evi_op_kind (&rest)->fill (ops, sqe, &rest);
}

static void fill_fallocate (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_plain (ops, sqe, op);
    sqe->addr = (uint64_t) op->offset_to;
}

static void fill_renameat (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_plain (ops, sqe, op);
    sqe->len = (uint32_t) op->fd_to;
    sqe->off = (uintptr_t) op->more;
}

static void fill_splice (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    fill_plain (ops, sqe, op);
    sqe->fd = op->fd_to;
    sqe->off = (uint64_t) op->offset_to;
    sqe->addr = (uint64_t) op->offset;
    sqe->splice_fd_in = op->fd;
}

static void fill_raw (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op)
{
    (void) ops;
    memcpy (sqe, op->buf, sizeof *sqe);
}

#define RIDES(name, fits_it, fill_it, land)                                                        \
    .opcode = EVI_OP_##name, .needs = KINDS_BIT (EVI_OP_##name), .fits = fits_it, .fill = fill_it, \
    .landed = evi_land_##land
#define RIDES_AS(name, also, land)                                                           \
    .opcode = EVI_OP_##name, .needs = KINDS_BIT (EVI_OP_##name) | KINDS_BIT (EVI_OP_##also), \
    .fill = fill_plain, .landed = evi_land_##land
#define RIDES_RAW .fits = fits_raw, .fill = fill_raw, .landed = evi_land_raw
#define RIDES_WHOLE(name, vectors, fits_it)                                                                 \
    .needs = KINDS_BIT (EVI_OP_##name) | KINDS_BIT (EVI_OP_##vectors), .fits = fits_it, .fill = fill_whole, \
    .landed = evi_land_whole

#else

#define RIDES(name, fits, fill, land) .opcode = 0
#define RIDES_AS(name, also, land) .opcode = 0
#define RIDES_RAW .opcode = 0
#define RIDES_WHOLE(name, vectors, fits) .opcode = 0

#endif

/* ---- the rows ---- */

#define TRIES(how) .begin = evi_ready_begin, .go_on = evi_ready_attempt, .attempt = evi_try_##how
#define POSITION                                                                                \
    .begin = evi_ready_begin_position, .go_on = evi_ready_attempt, .attempt = evi_try_position, \
    .call = evi_call_position
#define WHOLE                                                                             \
    .begin = evi_ready_begin_whole, .go_on = evi_ready_attempt, .attempt = evi_try_whole, \
    .call = evi_call_whole
#define CALLS(how) .begin = evi_ready_thread, .call = evi_call_##how
#define CACHED(how) .begin = evi_ready_begin_cached, .attempt = evi_try_##how, .call = evi_call_##how
#define DIRECT(how) .begin = evi_ready_direct, .attempt = evi_try_##how
#define REPEATS(how) .begin = evi_ready_begin_##how, .go_on = evi_ready_##how

EVI_HOME const struct evi_op_kind evi_op_kinds[EVI_CODES] = {
    [EVI_CODE_NONE] = { "not set", EVI_LANE_NONE, 0, 0, DIRECT (nothing) },

    /* waiting on a ring it would hold the port when the process is killed (decision 0010) */
    [EVI_CODE_ACCEPT] = { "accept", EVI_LANE_RECV, EVI_TRAIT_ARRIVES | EVI_TRAIT_REPEATS | EVI_TRAIT_MAKES_FD,
                          0, RIDES (ACCEPT, fits_accept, fill_accept, accept), REPEATS (accept) },
    [EVI_CODE_CONNECT] = { "connect", EVI_LANE_SEND, EVI_TRAIT_BEGINS, 0,
                           RIDES (CONNECT, NULL, fill_plain, once), TRIES (connect),
                           .call = evi_call_connect },
    [EVI_CODE_RECV] = { "recv", EVI_LANE_RECV, EVI_TRAIT_DONTWAIT | EVI_TRAIT_EMPTIES, EVI_TOUCHES_DATA,
                        RIDES (RECV, fits_receive, fill_recv, recv), TRIES (recv) },
    [EVI_CODE_RECV_POOL] = { "recv_pool", EVI_LANE_RECV, EVI_TRAIT_ARRIVES | EVI_TRAIT_REPEATS,
                             EVI_TOUCHES_POOL, RIDES (RECV, fits_pool, fill_recv_pool, pool),
                             REPEATS (recv_pool) },
    [EVI_CODE_SEND] = { "send", EVI_LANE_SEND, EVI_TRAIT_DONTWAIT | EVI_TRAIT_AT_ONCE, 0,
                        RIDES (SEND, NULL, fill_send, send), TRIES (send) },
    [EVI_CODE_SEND_ZC] = { "send_zc", EVI_LANE_SEND, EVI_TRAIT_DONTWAIT | EVI_TRAIT_UNCOPIED, 0,
                           RIDES (SEND, fits_send_zc, fill_send_zc, send_zc), TRIES (send) },
    [EVI_CODE_RECVMSG] = { "recvmsg", EVI_LANE_RECV, EVI_TRAIT_DONTWAIT,
                           EVI_TOUCHES_DATA | EVI_TOUCHES_MESSAGE,
                           RIDES (RECVMSG, fits_message, fill_plain, once), TRIES (recvmsg) },
    [EVI_CODE_SENDMSG] = { "sendmsg", EVI_LANE_SEND, EVI_TRAIT_DONTWAIT, 0,
                           RIDES (SENDMSG, fits_message, fill_sendmsg, sendmsg), TRIES (sendmsg) },
    [EVI_CODE_SHUTDOWN] = { "shutdown", EVI_LANE_SEND, 0, 0, DIRECT (shutdown) },
    [EVI_CODE_SOCKET] = { "socket", EVI_LANE_NONE, EVI_TRAIT_ARRIVES | EVI_TRAIT_MAKES_FD, 0,
                          DIRECT (socket) },

    [EVI_CODE_OPENAT] = { "openat", EVI_LANE_NONE, EVI_TRAIT_ARRIVES | EVI_TRAIT_MAKES_FD, 0,
                          RIDES (OPENAT, NULL, fill_plain, once), CACHED (openat) },
    /* before 6.1 a close on the ring may make a later exec fail with ETXTBSY */
    [EVI_CODE_CLOSE] = { "close", EVI_LANE_NONE, EVI_TRAIT_ONCE, EVI_TOUCHES_WORLD,
                         RIDES_AS (CLOSE, SENDMSG_ZC, once), CALLS (close) },
    [EVI_CODE_READ] = { "read", EVI_LANE_RECV, EVI_TRAIT_POSITION, EVI_TOUCHES_DATA | EVI_TOUCHES_WORLD,
                        RIDES (READ, fits_read, fill_plain, read), POSITION, .whole = EVI_CODE_READ_WHOLE },
    [EVI_CODE_WRITE] = { "write", EVI_LANE_SEND, EVI_TRAIT_POSITION, EVI_TOUCHES_WORLD,
                         RIDES (WRITE, fits_write, fill_write, write), POSITION,
                         .whole = EVI_CODE_WRITE_WHOLE },
    [EVI_CODE_READV] = { "readv", EVI_LANE_RECV, EVI_TRAIT_POSITION | EVI_TRAIT_VECTORS,
                         EVI_TOUCHES_DATA | EVI_TOUCHES_WORLD, RIDES (READV, fits_read, fill_plain, once),
                         POSITION, .whole = EVI_CODE_READ_WHOLE, .element = EVI_CODE_READ },
    [EVI_CODE_WRITEV] = { "writev", EVI_LANE_SEND, EVI_TRAIT_POSITION | EVI_TRAIT_VECTORS, EVI_TOUCHES_WORLD,
                          RIDES (WRITEV, fits_write, fill_write, write), POSITION,
                          .whole = EVI_CODE_WRITE_WHOLE, .element = EVI_CODE_WRITE },
    [EVI_CODE_READ_WHOLE] = { "read whole", EVI_LANE_RECV, EVI_TRAIT_POSITION,
                              EVI_TOUCHES_DATA | EVI_TOUCHES_WORLD, RIDES_WHOLE (READ, READV, fits_read),
                              WHOLE, .whole = EVI_CODE_READ_WHOLE },
    [EVI_CODE_WRITE_WHOLE] = { "write whole", EVI_LANE_SEND, EVI_TRAIT_POSITION, EVI_TOUCHES_WORLD,
                               RIDES_WHOLE (WRITE, WRITEV, fits_write), WHOLE,
                               .whole = EVI_CODE_WRITE_WHOLE },
    [EVI_CODE_FSYNC] = { "fsync", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD, RIDES (FSYNC, NULL, fill_plain, once),
                         CALLS (fsync) },
    [EVI_CODE_FALLOCATE] = { "fallocate", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                             RIDES (FALLOCATE, NULL, fill_fallocate, once), CALLS (fallocate) },
    [EVI_CODE_FTRUNCATE] = { "ftruncate", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                             RIDES (FTRUNCATE, NULL, fill_plain, once), CALLS (ftruncate) },
    /* a ring gives it to a worker, whatever is in memory */
    [EVI_CODE_STATX] = { "statx", EVI_LANE_NONE, 0, EVI_TOUCHES_DATA, CACHED (statx) },
    [EVI_CODE_UNLINKAT] = { "unlinkat", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                            RIDES (UNLINKAT, NULL, fill_plain, once), CALLS (unlinkat) },
    [EVI_CODE_RENAMEAT] = { "renameat", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                            RIDES (RENAMEAT, NULL, fill_renameat, once), CALLS (renameat) },
    [EVI_CODE_MKDIRAT] = { "mkdirat", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                           RIDES (MKDIRAT, NULL, fill_plain, once), CALLS (mkdirat) },
    [EVI_CODE_SPLICE] = { "splice", EVI_LANE_NONE, 0, EVI_TOUCHES_WORLD,
                          RIDES (SPLICE, NULL, fill_splice, once), CALLS (splice) },

    [EVI_CODE_WAITID] = { "waitid", EVI_LANE_NONE, 0, 0, REPEATS (waitid) },
    [EVI_CODE_WORK] = { "work", EVI_LANE_NONE, EVI_TRAIT_ONCE, 0, CALLS (work), .threads = EVI_THREADS_WORK },
    [EVI_CODE_GETADDRINFO] = { "getaddrinfo", EVI_LANE_NONE, 0, 0, .begin = evi_names_begin_address },
    [EVI_CODE_GETNAMEINFO] = { "getnameinfo", EVI_LANE_NONE, 0, 0, .begin = evi_names_begin_name },
    [EVI_CODE_SQE] = { "sqe", EVI_LANE_NONE, EVI_TRAIT_ARRIVES, EVI_TOUCHES_ANYTHING, RIDES_RAW,
                       DIRECT (raw) },
};

#endif
