/* on_ring.c: operations on a ring: on their way out, and what their completions mean.
 * A completion carries the name of its operation, so that a late answer meets a name that is nobody's, never freed memory.
 * Rides on the ring of the backend, or on one beside a backend that has none (attached.c). Promises that an operation
 * which this kernel cannot do is given back for the other road. */
#include "on_ring.h"

#if EV_OP_ENABLE && EV_USE_IOURING

#include "../base/sys_op.h"

#include <string.h>
#include <sys/socket.h>

enum { ON_RING_ROUNDS = 64 }; /* completions of others until an end that was asked for is asked for again */

/* How long a request that was taken back may take to answer before it is asked again: kernels have lost a cancel
 * that met a request on its way to a worker (before 6.12.115). */
static const struct evi_ring_timespec on_ring_patience = { 0, 100 * 1000 * 1000 };

/* ---- what this ring can do ---- */

/* The first operation on a ring. Without a leash none goes there: its end could not be told. */
static void on_ring_learn (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->epoch = loop->ring->epoch;
    ops->knows = evi_orphans_leash (loop) < 0 ? 0 : evi_ring_knows (&loop->ring->ring);
    ops->able = 0;
    for (int code = 0; code < EVI_CODES; code++) {
        const struct evi_op_kind *kind = &evi_op_kinds[code];

        if (!kind->landed || (ops->knows & kind->needs) != kind->needs || !ops->knows)
            continue;
        ops->able |= (uint32_t) 1 << code;
    }
}

/* ---- the way out ---- */

EVI_INLINE_HOT void on_ring_submit (struct ev_loop *loop, ev_op *op, struct evi_sqe *sqe)
{
    struct evi_ops *ops = loop->ops;

    evi_op_kind (op)->fill (ops, sqe, op);
    if (EVI_UNLIKELY (ops->lenders))
        evi_pinned_use (loop, sqe);
    sqe->user_data = evi_on_ring_name (ops, op); /* also of an entry that is the program's */
    op->state = EVI_STATE_RING;
    ops->flying++;
    loop->stats.ops_ring++;
}

/* 1: this ring takes it; 0: it goes the other road; -errno: nobody does. */
EVI_INLINE_HOT int on_ring_fits (struct ev_loop *loop, ev_op *op)
{
    const struct evi_op_kind *kind = evi_op_kind (op);

    return kind->fits ? kind->fits (loop, op) : 1;
}

/* Nothing here can have another thread in it, or be of another process: the road was found open since the last time
 * either could have changed. */
EVI_INLINE_HOT int on_ring_try (struct ev_loop *loop, ev_op *op)
{
    struct evi_sqe *sqe = on_ring_fits (loop, op) > 0 ? evi_ring_sqe (&loop->ring->ring) : NULL;

    if (EVI_UNLIKELY (!sqe))
        return 0;
    on_ring_submit (loop, op, sqe);
    loop->ops->fresh = 1;
    loop->op_started = 1;
    return 1;
}

EVI int evi_on_ring_submit (struct ev_loop *loop, ev_op *op)
{
    return on_ring_try (loop, op);
}

static int on_ring_able (const struct evi_ops *ops, const ev_op *op)
{
    return ops->able >> op->code & 1;
}

EVI int evi_on_ring_start_now (struct ev_loop *loop, ev_op *op)
{
    return loop->ops->road == EVI_ROAD_RING && !loop->waiting && on_ring_able (loop->ops, op)
           && evi_sys_same_process (loop->ops->process) && on_ring_try (loop, op);
}

/* The ring is about to be made anew, or to be given up: it waits for that. */
static void on_ring_later (struct ev_loop *loop, ev_op *op)
{
    evi_op_again (loop, op);
    loop->op_told = 1;
}

static void on_ring_start_there (struct ev_loop *loop, ev_op *op)
{
    struct evi_sqe *sqe = evi_loopring_sqe (loop, loop->ring);

    if (EVI_LIKELY (sqe != NULL))
        on_ring_submit (loop, op, sqe);
    else
        on_ring_later (loop, op);
}

static int on_ring_start (struct ev_loop *loop, ev_op *op)
{
    int takes, road = loop->ops->road;

    if (road == EVI_ROAD_READY || op->hint & EVI_HINT_READY)
        return 0;
    if (EVI_UNLIKELY (road == EVI_ROAD_LATER)) {
        on_ring_later (loop, op);
        return 1;
    }
    takes = on_ring_able (loop->ops, op) ? on_ring_fits (loop, op) : 0;
    if (EVI_UNLIKELY (takes < 0))
        evi_op_done (loop, op, takes);
    else if (takes)
        on_ring_start_there (loop, op);
    return takes;
}

/* ---- before the kernel has seen it ---- */

EVI void evi_on_ring_leave (struct ev_loop *loop, ev_op *op)
{
    loop->ops->flying -= (unsigned) evi_op_flies (op);
    op->state = EVI_STATE_IDLE;
}

/* Nonzero: the kernel has not seen it, nor will it. */
static int on_ring_take_back (struct ev_loop *loop, ev_op *op)
{
    struct evi_ring *ring = &loop->ring->ring;
    uint64_t name = evi_on_ring_name (loop->ops, op);

    if (!evi_loopring_ours (loop))
        return 0;
    for (unsigned i = evi_ring_queued (ring); i-- > 0;)
        if (evi_ring_unsent (ring, i)->user_data == name) {
            evi_loopring_unsend (loop->ring, evi_ring_unsent (ring, i));
            evi_on_ring_leave (loop, op);
            return 1;
        }
    return 0;
}

/* All that the kernel has not seen waits for another ring. */
static void on_ring_take_back_all (struct ev_loop *loop)
{
    struct evi_ring *ring = &loop->ring->ring;

    for (unsigned i = 0; i < evi_ring_queued (ring); i++) {
        struct evi_sqe *sqe = evi_ring_unsent (ring, i);
        ev_op *op = evi_on_ring_owner (loop->ops, sqe->user_data);

        if (!op)
            continue;
        evi_loopring_unsend (loop->ring, sqe);
        evi_on_ring_leave (loop, op);
        evi_op_again (loop, op);
    }
}

/* A ring is for many. One read of what lies in memory is cheaper by itself. */
static void on_ring_alone (struct ev_loop *loop)
{
    struct evi_ring *ring = &loop->ring->ring;
    const struct evi_sqe *sqe;
    ev_op *op;

    if (loop->ops->queued || evi_ring_queued (ring) != 1)
        return;
    sqe = evi_ring_unsent (ring, 0);
    op = sqe->opcode == EVI_OP_READ ? evi_on_ring_owner (loop->ops, sqe->user_data) : NULL;
    if (!op || evi_op_kind (op)->opcode != EVI_OP_READ) /* an entry of the program's is left as it is */
        return;
    evi_ring_untake (ring);
    evi_on_ring_leave (loop, op);
    if (!evi_ready_read_now (loop, op))
        on_ring_submit (loop, op, evi_ring_sqe (ring));
}

EVI void evi_on_ring_turn (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    ops->road = loop->ring && !ops->forbidden ? EVI_ROAD_RING : EVI_ROAD_READY;
    if (ops->road == EVI_ROAD_READY)
        return;
    if (EVI_UNLIKELY (evi_loopring_check (loop->ring)))
        ops->road = EVI_ROAD_LATER;
    else if (EVI_UNLIKELY (ops->epoch != loop->ring->epoch))
        on_ring_learn (loop);
    else if (ops->fresh)
        on_ring_alone (loop);
    ops->fresh = 0;
}

/* ---- the way in ---- */

/* The kernel is finished with it, and it shall go on, unless it is wanted to end. */
static void on_ring_go_on (struct ev_loop *loop, ev_op *op)
{
    evi_on_ring_leave (loop, op);
    if (op->wish)
        evi_op_done (loop, op, -ECANCELED);
    else
        evi_op_again (loop, op);
}

static void on_ring_other_road (struct ev_loop *loop, ev_op *op)
{
    op->hint |= EVI_HINT_READY;
    on_ring_go_on (loop, op);
}

EVI void evi_on_ring_finish (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    evi_on_ring_leave (loop, op);
    evi_op_done (loop, op, result);
}

/* What waits for its turn on a descriptor must wait for data too: a file that the ring cannot wait for answers
 * EAGAIN. */
static int on_ring_must_turn (const ev_op *op, int32_t res)
{
    if (res == -ESPIPE) /* sockets mind any offset but 0 */
        return evi_op_at_offset (op);
    if (res != -EAGAIN || !(op->hint & EVI_HINT_LANE))
        return 0;
    return !(op->flags & MSG_DONTWAIT) || evi_op_kind (op)->traits & EVI_TRAIT_POSITION;
}

EVI void evi_land_once (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    (void) flags;
    if (EVI_UNLIKELY (on_ring_must_turn (op, res)))
        on_ring_other_road (loop, op);
    else
        evi_on_ring_finish (loop, op, res);
}

/* A disk's data is in no cache, and the callback will look at it. */
EVI void evi_land_read (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (res >= 0)
        __builtin_prefetch (op->buf);
    evi_land_once (loop, op, res, flags);
}

/* The quiet writes of 6.18 are unknown before: found out by the first, and by those that were on their way with
 * it. */
EVI void evi_land_write (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (EVI_LIKELY (res != -EOPNOTSUPP || op->hint & EVI_HINT_LESSER)) {
        evi_land_once (loop, op, res, flags);
        return;
    }
    loop->ops->lacks |= EVI_LACKS_NOSIGNAL;
    on_ring_go_on (loop, op);
}

EVI void evi_land_whole (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    ssize_t result = res;

    if (EVI_UNLIKELY (res < 0 && evi_op_reads (op)))
        evi_land_once (loop, op, res, flags);
    else if (EVI_UNLIKELY (res < 0))
        evi_land_write (loop, op, res, flags);
    else if (evi_whole_goes_on (op, &result))
        on_ring_go_on (loop, op);
    else
        evi_on_ring_finish (loop, op, result);
}

static int on_ring_is_whole (const ev_op *op)
{
    return op->moved >= op->size || op->flags & MSG_DONTWAIT;
}

/* Of MSG_WAITALL a kernel may answer with what it has, and before 6.1 it is not asked for it. */
EVI void evi_land_recv (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (EVI_UNLIKELY (res < 0 && !op->moved)) {
        evi_land_once (loop, op, res, flags);
        return;
    }
    if (EVI_LIKELY (res > 0))
        op->moved += (size_t) res;
    if (EVI_UNLIKELY (res > 0 && op->flags & MSG_WAITALL && !on_ring_is_whole (op)
                      && !evi_sys_datagrams (op->fd)))
        on_ring_go_on (loop, op);
    else
        evi_on_ring_finish (loop, op, op->moved && res != -ECANCELED ? (ssize_t) op->moved : res);
}

/* So much more of it, which op->moved has already. */
EVI_INLINE_HOT void on_ring_sent (struct ev_loop *loop, ev_op *op, int32_t res)
{
    if (EVI_UNLIKELY (res < 0))
        evi_land_once (loop, op, res, 0);
    else if (EVI_UNLIKELY (res > 0 && !on_ring_is_whole (op)))
        on_ring_go_on (loop, op);
    else
        evi_on_ring_finish (loop, op, (ssize_t) op->moved);
}

EVI void evi_land_send (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    (void) flags;
    if (EVI_LIKELY (res > 0))
        op->moved += (size_t) res;
    on_ring_sent (loop, op, res);
}

/* ---- zero copy: two completions, the result, and later that nobody reads the buffer any more ---- */

/* The connection is given up: nothing gentler gives the memory back while the peer does not read (measured: shutdown,
 * close and the end of the ring do not). Not if the number is another socket's by now. */
EVI void evi_held_release (ev_op *op)
{
    static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    if (!(evi_op_kind (op)->traits & EVI_TRAIT_UNCOPIED) || op->hint & (EVI_HINT_LESSER | EVI_HINT_RESET)
        || !op->offset_to || evi_sys_socket_id (op->fd) != (uint64_t) op->offset_to || !evi_sys_tcp (op->fd))
        return;
    if (evi_sys_connect (op->fd, &nobody, sizeof nobody) == 0)
        op->hint |= EVI_HINT_RESET;
}

/* Who wants the memory back cannot wait for the peer. A cancel can. */
EVI void evi_held_want (ev_op *op)
{
    if (op->wish & (EVI_WISH_TIMEOUT | EVI_WISH_STOP))
        evi_held_release (op);
}

/* The result. What is sent whole leaves the lane: others need not wait for the peer. */
static void on_ring_hold (struct ev_loop *loop, ev_op *op, int32_t res)
{
    op->result = res;
    if (res > 0)
        op->moved += (size_t) res;
    if (op->state == EVI_STATE_RING)
        op->state = EVI_STATE_HELD;
    if (res > 0 && on_ring_is_whole (op))
        evi_op_leave_lane (loop, op);
    evi_held_want (op);
}

static int on_ring_was_refused (const ev_op *op)
{
    return !(op->hint & EVI_HINT_LESSER)
           && (op->result == -EOPNOTSUPP || op->result == -EINVAL || op->result == -ENOMEM
               || op->result == -ENOBUFS);
}

/* Nobody holds it any more. */
static void on_ring_let_go (struct ev_loop *loop, ev_op *op)
{
    if (EVI_UNLIKELY (on_ring_was_refused (op))) {
        op->hint |= EVI_HINT_LESSER;
        on_ring_go_on (loop, op);
    } else if (EVI_UNLIKELY (op->hint & EVI_HINT_RESET))
        evi_on_ring_finish (loop, op, -ECANCELED);
    else
        on_ring_sent (loop, op, (int32_t) op->result);
}

EVI void evi_land_send_zc (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (flags & EVI_CQE_F_MORE) {
        on_ring_hold (loop, op, res);
        return;
    }
    if (flags & EVI_CQE_F_NOTIF)
        evi_lane_copied (loop, op, (uint32_t) res & EVI_NOTIF_COPIED || op->result < 0);
    else
        on_ring_hold (loop, op, res);
    on_ring_let_go (loop, op);
}

/* The accepts of 6.10 that do not wait are unknown before: found out by the first. */
EVI void evi_land_accept (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    int more = (flags & EVI_CQE_F_MORE) != 0;

    if (EVI_UNLIKELY (res == -EINVAL)) {
        loop->ops->lacks |= EVI_LACKS_CROWDS;
        res = -EAGAIN;
    }
    if (!more)
        evi_on_ring_leave (loop, op);
    evi_ready_crowd (loop, op, res, more);
}

static size_t on_ring_message_size (const ev_op *op)
{
    const struct msghdr *message = op->buf;

    return evi_op_bytes (message->msg_iov, message->msg_iovlen);
}

/* The rest of a message that was cut short is sent by system calls. */
EVI void evi_land_sendmsg (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    op->moved = res > 0 ? (size_t) res : 0;
    if (res > 0 && !(op->flags & MSG_DONTWAIT) && (size_t) res < on_ring_message_size (op))
        on_ring_other_road (loop, op);
    else
        evi_land_once (loop, op, res, flags);
}

/* No buffer was there. */
EVI_APART static void on_ring_starved (struct ev_loop *loop, ev_op *op)
{
    evi_ringbufs_starved (loop, op->more);
    if (op->wish || evi_bufs_any (op->more)) {
        on_ring_go_on (loop, op);
        return;
    }
    evi_on_ring_leave (loop, op);
    evi_bufs_starve (loop, op);
}

EVI_APART static void on_ring_pool_special (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    struct ev_pool *pool = op->more;
    void *buf = flags & EVI_CQE_F_BUFFER ? evi_bufs_lent (pool, flags >> EVI_CQE_BUFFER_SHIFT) : NULL;

    if (res > 0 || (res == 0 && evi_sys_datagrams (op->fd))) { /* an empty datagram is not the end */
        evi_op_arrive (loop, op, res, buf, 0);
        if (!(flags & EVI_CQE_F_MORE))
            on_ring_go_on (loop, op);
        return;
    }
    if (buf) /* chosen, and not needed */
        evi_bufs_unneeded (pool, buf);
    if (res == -ENOBUFS)
        on_ring_starved (loop, op);
    else
        evi_land_once (loop, op, res, flags);
}

/* It goes on, and what came is the first since the last callback. */
EVI_INLINE_HOT int on_ring_pool_simple (const ev_op *op, int32_t res, uint32_t flags)
{
    const uint32_t usual = EVI_CQE_F_MORE | EVI_CQE_F_BUFFER;

    return res > 0 && (flags & usual) == usual && !op->side && !op->wish && !ev_is_pending (op);
}

EVI_COLD static void on_ring_pool_grow (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    evi_bufs_fit (loop);
    evi_land_pool (loop, op, res, flags);
}

EVI void evi_land_pool (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (EVI_UNLIKELY (loop->ops->shown_count == loop->ops->shown_room))
        on_ring_pool_grow (loop, op, res, flags);
    else if (EVI_LIKELY (on_ring_pool_simple (op, res, flags)))
        evi_op_receive (loop, op, res, flags >> EVI_CQE_BUFFER_SHIFT);
    else
        on_ring_pool_special (loop, op, res, flags);
}

EVI void evi_land_raw (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    op->moved = flags;
    if (flags & EVI_CQE_F_MORE)
        evi_op_arrive (loop, op, res, NULL, 0);
    else
        evi_on_ring_finish (loop, op, res);
}

/* Nobody wanted that: it goes on, on the next ring. (When the thread ends that had the loop, its requests end with it.) */
static int on_ring_was_recalled (const struct ev_loop *loop, const ev_op *op, int32_t res)
{
    return (res == -ECANCELED || evi_op_interrupted (res)) && !op->wish
           && (loop->ops->recalling || op->state == EVI_STATE_ORPHAN || !evi_loopring_ours (loop));
}

EVI_APART static void on_ring_go_on_elsewhere (struct ev_loop *loop, ev_op *op)
{
    if (evi_op_kind (op)->traits & EVI_TRAIT_BEGINS)
        on_ring_other_road (loop, op);
    else
        on_ring_go_on (loop, op);
}

EVI_INLINE_HOT void on_ring_land (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags)
{
    if (EVI_UNLIKELY (res < 0 && on_ring_was_recalled (loop, op, res)))
        on_ring_go_on_elsewhere (loop, op);
    else
        evi_op_kind (op)->landed (loop, op, res, flags);
}

EVI void evi_on_ring_landed (struct ev_loop *loop, uint64_t name, int32_t res, uint32_t flags)
{
    ev_op *op = evi_on_ring_owner (loop->ops, name);

    if (EVI_LIKELY (op && evi_op_flies (op)))
        on_ring_land (loop, op, res, flags);
    else
        loop->stats.stale++;
}

EVI void evi_on_ring_landed_late (struct ev_loop *loop, const struct evi_cqe *cqe, unsigned epoch)
{
    ev_op *op = evi_on_ring_owner (loop->ops, cqe->user_data);

    if (op && op->state == EVI_STATE_ORPHAN && op->epoch == epoch)
        on_ring_land (loop, op, cqe->res, cqe->flags);
}

/* ---- ending early ---- */

static void on_ring_cancel (struct ev_loop *loop, ev_op *op)
{
    struct evi_sqe *sqe = evi_loopring_check (loop->ring) ? NULL : evi_loopring_sqe (loop, loop->ring);

    if (!sqe) /* the ring is lost: so is the operation, soon */
        return;
    sqe->opcode = EVI_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = evi_on_ring_name (loop->ops, op);
    evi_loopring_mute (loop->ring, sqe);
}

/* Hands over the completions of operations that were set aside; polls stay for the next reap. */
static void on_ring_land_stash (struct ev_loop *loop)
{
    struct evi_loopring *it = loop->ring;
    unsigned kept = 0;

    evi_loopring_set_aside (loop, it, 0);
    for (unsigned i = 0; i < it->stash_count; i++) {
        struct evi_cqe cqe = it->stash[i];

        if (evi_name_tag (cqe.user_data) == EVI_NAME_OP)
            evi_on_ring_landed (loop, cqe.user_data, cqe.res, cqe.flags);
        else
            it->stash[kept++] = cqe;
    }
    it->stash_count = kept;
}

/* The ring cannot be spoken to from here: it is closed, and its operations wait for its end. */
static void on_ring_abandon (struct ev_loop *loop, int verdict)
{
    evi_loopring_close (loop, loop->ring);
    loop->ring->verdict = verdict;
}

/* Enters, and hands over what has come of it. How many completions; negative: the ring is lost. */
static int on_ring_fetch (struct ev_loop *loop, unsigned wait, const struct evi_ring_timespec *limit)
{
    int err = loop->ring->verdict, came;

    err = err ? err : evi_loopring_enter (loop, loop->ring, wait, limit, 0);
    if (err < 0 && err != -EINTR)
        return err;
    came = (int) evi_ring_ready (&loop->ring->ring);
    on_ring_land_stash (loop);
    return came;
}

/* Asks for its end, and enters until it has come: until the ring has it in that state no more. */
static void on_ring_stop_by (struct ev_loop *loop, ev_op *op, void (*ask) (struct ev_loop *loop, ev_op *op))
{
    int came = evi_loopring_ours (loop) ? 0 : EVI_REBUILD, state = op->state;
    unsigned rounds = 0;

    if (!came)
        on_ring_land_stash (loop);
    while (came >= 0 && op->state == state) {
        if (!came || rounds % ON_RING_ROUNDS == 0) /* it did not come for long */
            ask (loop, op);
        came = on_ring_fetch (loop, 1, &on_ring_patience);
        rounds++;
    }
    if (EVI_UNLIKELY (came < 0))
        on_ring_abandon (loop, came);
}

/* What a worker is in the middle of is waited for. */
static void on_ring_stop (struct ev_loop *loop, ev_op *op)
{
    on_ring_stop_by (loop, op, on_ring_cancel);
}

static void held_cancel (struct ev_loop *loop, ev_op *op)
{
    (void) loop;
    evi_held_want (op);
}

static void held_stop (struct ev_loop *loop, ev_op *op)
{
    on_ring_stop_by (loop, op, held_cancel);
}

static void on_ring_cancel_all (struct ev_loop *loop)
{
    for (unsigned at = 0; at < loop->ops->slot_count; at++) {
        ev_op *op = loop->ops->slots[at].op;

        if (op && op->state == EVI_STATE_RING)
            on_ring_cancel (loop, op);
    }
}

/* The ring is about to be closed. What ends at once when it is taken back goes on on another ring; nothing is waited
 * for. What has arrived can be read by every thread of the process. */
static void on_ring_recall (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops || !loop->ring || ops->recalling || evi_loopring_parents (loop))
        return;
    ops->recalling = 1;
    on_ring_take_back_all (loop);
    on_ring_land_stash (loop);
    if (evi_loopring_ours (loop) && ops->flying) {
        on_ring_cancel_all (loop);
        while (ops->flying && on_ring_fetch (loop, 0, &evi_at_once) > 0)
            ;
    }
    ops->recalling = 0;
}

static void on_ring_names (struct ev_loop *loop, void (*each) (const struct evi_ring *ring, uint64_t name))
{
    const struct evi_ops *ops = loop->ops;

    for (unsigned at = 0; ops && at < ops->slot_count; at++)
        if (ops->slots[at].op && evi_op_flies (ops->slots[at].op))
            each (&loop->ring->ring, evi_on_ring_name (ops, ops->slots[at].op));
}

/* In a fork child: the ring is the parent's, and writes into the parent's memory. */
static void on_ring_end_all (struct ev_loop *loop)
{
    for (unsigned at = loop->ops->slot_count; at-- > 0;) {
        ev_op *op = loop->ops->slots[at].op;

        if (op && evi_op_flies (op))
            evi_on_ring_finish (loop, op, -ECANCELED);
    }
}

static void on_ring_lost (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    if (!ops)
        return;
    ops->road = EVI_ROAD_READY; /* until it is asked again */
    ops->straight = 0;
    if (evi_loopring_parents (loop))
        on_ring_end_all (loop);
    evi_orphans_adopt (loop, &loop->ring->ring);
}

/* ---- life ---- */

EVI void evi_on_ring_open (struct ev_loop *loop)
{
    const char *text = evi_sys_environment ("EVRING_OPS");

    loop->riders.landed = evi_on_ring_landed;
    loop->riders.recall = on_ring_recall;
    loop->riders.lost = on_ring_lost;
    loop->riders.names = on_ring_names;
    loop->ops->forbidden = text && !strcmp (text, "ready");
    if (text && !strcmp (text, "uring"))
        ev_op_ring (EV_A);
}

EVI void evi_on_ring_reborn (struct ev_loop *loop)
{
    loop->ops->road = EVI_ROAD_READY; /* until it is asked again */
    loop->ops->straight = 0;
    evi_attached_reborn (loop);
    evi_orphans_forget (loop);
}

EVI void evi_on_ring_close (struct ev_loop *loop)
{
    evi_attached_close (loop);
    evi_orphans_unleash (loop->ops);
}

int ev_op_ring (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_ops_open (loop);
    if (loop->ops->forbidden)
        return -EPERM;
    return loop->ring ? 0 : evi_attached_open (loop);
}

EVI_HOME const struct evi_engine evi_held = {
    .cancel = held_cancel,
    .stop = held_stop,
    .disown = evi_on_ring_leave,
};

EVI_HOME const struct evi_engine evi_on_ring = {
    .start = on_ring_start,
    .take_back = on_ring_take_back,
    .cancel = on_ring_cancel,
    .stop = on_ring_stop,
    .disown = evi_on_ring_leave,
};

#endif
