/* on_ready.c: operations without a ring: try, wait for readiness, try again; files by a few threads.
 * Promises that the loop's thread never sleeps in a system call of an operation. Waits through ev_io like any program, so
 * it works on every backend. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
    READY_ACCEPTS = 64, /* connections taken per readiness: others have a turn in between */
    READY_ALIGNED = 512 /* what a read past the page cache needs at least */
};

/* ---- waiting ---- */

/* A blocking socket would put us to sleep: it is made non-blocking until the operation has ended. */
EVI int evi_ready_unblock (ev_op *op)
{
    int before = evi_sys_nonblocking (op->fd, 1);

    if (before == 0)
        op->hint |= EVI_HINT_BLOCKING;
    return before < 0 ? before : 0;
}

EVI void evi_ready_reblock (ev_op *op)
{
    if (op->hint & EVI_HINT_BLOCKING)
        evi_sys_nonblocking (op->fd, 0);
    op->hint &= (uint8_t) ~EVI_HINT_BLOCKING;
}

static void ready_io (EV_P_ ev_io *w, int revents);

static void ready_wait (struct ev_loop *loop, ev_op *op, int fd, int events)
{
    ev_io *io = &evi_op_side (loop, op)->io;

    op->state = EVI_STATE_WAITING;
    if (ev_is_active (io))
        return;
    ev_io_init (io, ready_io, fd, events);
    evi_set_priority (io, ev_priority (op));
    ev_io_start (EV_A_ io);
    evi_unref (loop);
}

/* An invalid descriptor has stopped it already, and taken a reference that was not its own. */
EVI void evi_ready_unwait (struct ev_loop *loop, ev_op *op)
{
    ev_io *io = &op->side->io;

    if (ev_is_active (io) || ev_is_pending (io)) {
        evi_ref (loop);
        ev_io_stop (EV_A_ io);
    }
    if (op->side->pidfd >= 0)
        evi_sys_close (op->side->pidfd);
    op->side->pidfd = -1;
    evi_ready_reblock (op);
}

static void ready_end (struct ev_loop *loop, ev_op *op, ssize_t result)
{
    op->state = EVI_STATE_IDLE;
    evi_op_done (loop, op, result);
}

static int ready_events (const ev_op *op)
{
    return evi_op_reads (op) ? EV_READ : EV_WRITE;
}

static int ready_dontwait (const ev_op *op)
{
    return evi_op_kind (op)->traits & EVI_TRAIT_DONTWAIT && op->flags & MSG_DONTWAIT;
}

/* Did this try take all there was? Then the next one waits for readiness first, as a program with ev_io would. */
static void ready_remember (struct ev_loop *loop, const ev_op *op, ssize_t result)
{
    struct evi_lane *lane;

    if (!(op->hint & EVI_HINT_LANE))
        return;
    lane = evi_op_lane (loop, op);
    lane->dry = evi_op_kind (op)->traits & EVI_TRAIT_EMPTIES && result > 0 && (size_t) result < op->size;
    lane->dry_at = loop->iteration;
}

static int ready_is_dry (const struct ev_loop *loop, const struct evi_lane *lane)
{
    return lane->dry && loop->iteration - lane->dry_at <= 1;
}

EVI void evi_ready_attempt (struct ev_loop *loop, ev_op *op)
{
    ssize_t result;

    do
        result = evi_op_kind (op)->attempt (op);
    while (result == -EINTR);
    if (result == -EAGAIN && !ready_dontwait (op)) {
        ready_wait (loop, op, op->fd, ready_events (op));
        return;
    }
    ready_remember (loop, op, result);
    if (EVI_UNLIKELY (result == EVI_TRY_IN_THREAD))
        evi_ready_thread (loop, op);
    else
        ready_end (loop, op, result);
}

EVI void evi_ready_begin (struct ev_loop *loop, ev_op *op)
{
    if (ready_is_dry (loop, evi_op_lane (loop, op)) && !ready_dontwait (op))
        ready_wait (loop, op, op->fd, ready_events (op));
    else
        evi_ready_attempt (loop, op);
}

EVI void evi_ready_direct (struct ev_loop *loop, ev_op *op)
{
    evi_op_done (loop, op, evi_op_kind (op)->attempt (op));
}

/* ---- those that repeat ---- */

/* How many connections are taken in this turn. Mostly as many as last time: asked for one more, the listener would say that
 * there is none. One that is ready again at once had more. */
static unsigned ready_expects (const struct ev_loop *loop, const struct evi_side *side)
{
    unsigned last = side->taken;

    if (loop->iteration - side->took_at > 1)
        return last ? last : 1;
    return last && last < READY_ACCEPTS / 2 ? 2 * last : READY_ACCEPTS;
}

/* A connection broke before it was taken (accept(2)): such a listener will be ready again. */
static int ready_accepts_on (int result)
{
    static const int broken[] = { EAGAIN,      EINTR,     ECONNABORTED, EPROTO, ENETDOWN,
                                  ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET, ENOPROTOOPT };

    for (size_t i = 0; i < EVI_COUNT (broken); i++)
        if (result == -broken[i])
            return 1;
    return 0;
}

static int ready_lacks (int result)
{
    return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

/* No connection was to be had. */
EVI_APART static void ready_accept_failed (struct ev_loop *loop, ev_op *op, int result)
{
    if (ready_lacks (result))
        evi_pause_lacking (loop, op);
    else if (!ready_accepts_on (result))
        ready_end (loop, op, result);
}

static int ready_accept_one (const ev_op *op)
{
    int fd;

    do
        fd = evi_sys_accept (op->fd, (int) op->flags);
    while (fd == -EINTR || fd == -ECONNABORTED);
    return fd;
}

static void ready_accept_some (struct ev_loop *loop, ev_op *op, unsigned most)
{
    while (op->side->taken < most) {
        int fd = ready_accept_one (op);

        if (fd < 0) {
            ready_accept_failed (loop, op, fd);
            return;
        }
        op->side->taken++;
        evi_accept_taken (loop, op);
        evi_op_arrive (loop, op, fd, NULL, 0);
    }
}

static unsigned ready_least (unsigned one, unsigned other)
{
    return one < other ? one : other;
}

/* A connection may be gone between readiness and accept. */
EVI void evi_ready_begin_accept (struct ev_loop *loop, ev_op *op)
{
    int err;

    if (!evi_accept_room (op))
        evi_op_side (loop, op)->paused |= EVI_PAUSE_FULL; /* still, from an earlier start */
    if (!evi_pause_lets (op)) {
        evi_pause_rest (loop, op);
        return;
    }
    err = evi_ready_unblock (op);
    if (err < 0) {
        evi_op_done (loop, op, err);
        return;
    }
    ready_wait (loop, op, op->fd, EV_READ);
    op->side->taken = 0;
    op->side->took_at = loop->iteration;
    /* what is no listener would never be ready */
    ready_accept_some (loop, op, ready_least (READY_ACCEPTS, evi_accept_room (op)));
}

/* The only one of a turn is told on the spot. That may be the end of op. */
static void ready_accept_single (struct ev_loop *loop, ev_op *op)
{
    int fd = ready_accept_one (op);

    if (fd < 0) {
        ready_accept_failed (loop, op, fd);
        return;
    }
    op->side->taken = 1;
    evi_accept_taken (loop, op);
    evi_op_arrive_here (loop, op, fd, NULL);
}

/* A ring takes a crowd by one request, in the call that the loop makes next. */
EVI void evi_ready_accept (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = op->side;
    unsigned most = ready_least (ready_expects (loop, side), evi_accept_room (op));

    side->took_at = loop->iteration;
    side->taken = 0;
    if (most == 1)
        ready_accept_single (loop, op);
    else if (!evi_on_ring_start_now (loop, op))
        ready_accept_some (loop, op, most);
}

EVI void evi_ready_crowd (struct ev_loop *loop, ev_op *op, int result, int more)
{
    if (result >= 0) {
        op->side->taken++;
        evi_op_arrive (loop, op, result, NULL, 0);
    }
    if (more)
        return;
    op->state = EVI_STATE_WAITING;
    if (op->wish)
        ready_end (loop, op, -ECANCELED);
    else if (evi_is_paused (op))
        evi_pause_rest (loop, op);
    else if (result < 0)
        ready_accept_failed (loop, op, result);
}

static ssize_t ready_fill (const ev_op *op, const struct ev_pool *pool, void *buf)
{
    ssize_t got;

    do
        got = evi_sys_recv (op->fd, buf, pool->room, (int) op->flags);
    while (got == -EINTR);
    return got;
}

/* One buffer for each time the socket is ready: others have a turn in between. */
static void ready_receive (struct ev_loop *loop, ev_op *op,
                           void (*arrive) (struct ev_loop *loop, ev_op *op, ssize_t got, void *buf))
{
    struct ev_pool *pool = op->more;
    void *buf = evi_bufs_take (pool);
    ssize_t got;

    if (!buf) {
        evi_ready_unwait (loop, op);
        evi_bufs_starve (loop, op);
        return;
    }
    got = ready_fill (op, pool, buf);
    if (got > 0 || (got == 0 && evi_sys_datagrams (op->fd))) {
        arrive (loop, op, got, buf);
        return;
    }
    evi_bufs_untake (pool, buf);
    if (got != -EAGAIN || op->flags & MSG_DONTWAIT)
        ready_end (loop, op, got);
}

static void ready_arrive (struct ev_loop *loop, ev_op *op, ssize_t got, void *buf)
{
    evi_op_arrive (loop, op, got, buf, 0);
}

EVI void evi_ready_begin_recv_pool (struct ev_loop *loop, ev_op *op)
{
    struct ev_pool *pool = op->more;

    if (EVI_UNLIKELY (pool->loop != loop)) {
        evi_complain ("ev_op_start", "the pool of an ev_recv_pool belongs to another loop");
        evi_op_done (loop, op, -EINVAL);
        return;
    }
    if (!evi_pause_lets (op)) {
        evi_pause_rest (loop, op);
        return;
    }
    evi_ringbufs_withdraw (pool); /* its buffers are wanted here */
    ready_wait (loop, op, op->fd, EV_READ);
    do /* with MSG_DONTWAIT all there is, and then the end */
        ready_receive (loop, op, ready_arrive);
    while (op->flags & MSG_DONTWAIT && op->state == EVI_STATE_WAITING);
}

EVI void evi_ready_recv_pool (struct ev_loop *loop, ev_op *op)
{
    ready_receive (loop, op, evi_op_arrive_here);
}

/* ---- children ---- */

EVI void evi_ready_waitid (struct ev_loop *loop, ev_op *op)
{
    siginfo_t unwanted, *info = op->buf ? op->buf : &unwanted;
    int ended, err = evi_sys_waitid ((int) op->size, op->fd_to, info, (int) op->flags, &ended);

    if (err < 0 || ended)
        ready_end (loop, op, err < 0 ? err : 0);
    else
        op->state = EVI_STATE_WAITING;
}

EVI void evi_ready_begin_waitid (struct ev_loop *loop, ev_op *op)
{
    int fd;

    if ((op->size != P_PID && op->size != EVI_P_PIDFD) || (op->flags & ~(unsigned) WNOWAIT) != WEXITED) {
        evi_op_done (loop, op, -EINVAL);
        return;
    }
    evi_ready_waitid (loop, op);
    if (op->state != EVI_STATE_WAITING)
        return;
    fd = op->fd_to;
    if (op->size == P_PID)
        fd = evi_op_side (loop, op)->pidfd = evi_sys_pidfd (op->fd_to);
    if (fd >= 0) {
        ready_wait (loop, op, fd, EV_READ);
        return;
    }
    op->state = EVI_STATE_IDLE;
    evi_op_done (loop, op, fd);
}

static void ready_tell_status (siginfo_t *info, int pid, int status)
{
    memset (info, 0, sizeof *info);
    info->si_signo = SIGCHLD;
    info->si_pid = pid;
    info->si_code = WIFEXITED (status) ? CLD_EXITED : WCOREDUMP (status) ? CLD_DUMPED : CLD_KILLED;
    info->si_status = WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status);
}

static int ready_waits_for (const ev_op *op, int pid)
{
    return evi_op_kind (op)->go_on == evi_ready_waitid && op->size == P_PID && op->fd_to == pid
           && (op->state == EVI_STATE_WAITING || op->state == EVI_STATE_QUEUED
               || op->state == EVI_STATE_FOLLOWS);
}

/* The default loop reaps every child before we can ask for ours. */
EVI void evi_ready_reaped (struct ev_loop *loop, int pid, int status)
{
    if (!WIFEXITED (status) && !WIFSIGNALED (status))
        return;
    for (unsigned at = loop->ops->slot_count; at-- > 0;) {
        ev_op *op = loop->ops->slots[at].op;

        if (!op || !ready_waits_for (op, pid))
            continue;
        if (op->state != EVI_STATE_WAITING)
            evi_op_unqueue (loop, op);
        if (op->buf)
            ready_tell_status (op->buf, pid, status);
        ready_end (loop, op, 0);
    }
}

/* ---- what readiness brings ---- */

static void ready_io (EV_P_ ev_io *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, io);
    ev_op *op = side->op;
    EVI_DOOR;

    evi_op_must (op->side == side);
    if (EVI_UNLIKELY (revents & EV_ERROR))
        evi_ref (loop); /* it was stopped, and gave back a reference that was not its own */
    if (EVI_UNLIKELY (op->state != EVI_STATE_WAITING)) /* a ring is at it, or it is over */
        return;
    if (EVI_UNLIKELY (revents & EV_ERROR))
        ready_end (loop, op, -EBADF);
    else
        evi_op_kind (op)->go_on (loop, op);
}

/* ---- threads ---- */

/* Runs in a thread; op stays where it is until the thread is done with it. */
static ssize_t ready_call (struct evi_job *job)
{
    ev_op *op = EVI_SIDE_OF (job, job)->op;
    const struct evi_op_kind *kind = evi_op_kind (op);
    ssize_t result;

    do
        result = kind->call (op, job);
    while (result == -EINTR && !(kind->traits & EVI_TRAIT_ONCE));
    return result;
}

/* 0: a thread has it, or will. -errno: none can. */
EVI int evi_ready_submit (struct ev_loop *loop, ev_op *op, struct evi_job *job)
{
    int err;

    job->home = &loop->ops->home;
    job->of = op->side;
    evi_wake_open (loop);
    evi_pool_enter (&loop->ops->home);
    op->state = EVI_STATE_THREAD;
    err = evi_pool_submit (job);
    if (EVI_UNLIKELY (err < 0))
        op->state = EVI_STATE_IDLE;
    else
        loop->stats.ops_threads++;
    return err;
}

EVI void evi_ready_thread (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = evi_op_side (loop, op);
    int err;

    memset (&side->job, 0, sizeof side->job);
    side->job.call = ready_call;
    side->job.threads = evi_op_kind (op)->threads;
    err = evi_ready_submit (loop, op, &side->job);
    if (EVI_UNLIKELY (err < 0))
        evi_op_done (loop, op, err);
}

static struct evi_job *ready_job (const ev_op *op)
{
    return EVI_UNLIKELY (op->side->names != NULL) ? op->side->names : &op->side->job;
}

/* What is in memory needs no thread. */
EVI void evi_ready_begin_cached (struct ev_loop *loop, ev_op *op)
{
    ssize_t result = evi_op_kind (op)->attempt (op);

    if (result == -EAGAIN)
        evi_ready_thread (loop, op);
    else
        evi_op_done (loop, op, result);
}

/* A descriptor without positions pays no attention to an offset, as on the ring. */
static int ready_ignores_offset (const ev_op *op)
{
    return evi_op_at_offset (op) && !op->wish;
}

EVI void evi_ready_collect (struct ev_loop *loop)
{
    struct evi_job *job = evi_pool_collect (&loop->ops->home), *next;

    for (; job; job = next) {
        struct evi_side *side = job->of;
        ssize_t result = job->result;

        next = job->next;
        evi_op_must (side->op->side == side);
        side->op->state = EVI_STATE_IDLE;
        if (EVI_UNLIKELY (side->names != NULL))
            evi_names_take (side->op);
        if (EVI_UNLIKELY (result == -ESPIPE && ready_ignores_offset (side->op)))
            evi_ready_attempt (loop, side->op);
        else
            evi_op_done (loop, side->op, result);
    }
}

/* ---- reads and writes ---- */

/* A read past the page cache sleeps, whatever it was asked. Its parameters are aligned, so only then the file is
 * asked. */
static int ready_direct_read (struct ev_loop *loop, const ev_op *op)
{
    if (((uintptr_t) op->buf | (uint64_t) op->offset) % READY_ALIGNED
        && !(evi_op_kind (op)->traits & EVI_TRAIT_VECTORS))
        return 0;
    return evi_lane_fit (loop, op->fd) < 0
           || evi_lane_fact (&evi_op_lane (loop, op)->direct, op->fd, evi_sys_fd_direct);
}

/* Only what would sleep goes to a thread, or to the ring. A piece of it does not count: it is read all again, so
 * that only the end of the file makes a result short. Negative: not now. */
EVI_INLINE ssize_t ready_read_now (struct ev_loop *loop, const ev_op *op)
{
    struct iovec one;
    const struct iovec *vec;
    ssize_t got;
    int count;

    if (!evi_op_reads (op) || op->offset < 0 || ready_direct_read (loop, op))
        return -EAGAIN;
    vec = evi_op_vector (op, &one, &count);
    got = evi_sys_readv_now (op->fd, vec, count, op->offset);
    return got > 0 && (size_t) got < evi_op_bytes (vec, (size_t) count) ? -EAGAIN : got;
}

EVI int evi_ready_read_now (struct ev_loop *loop, ev_op *op)
{
    ssize_t got = ready_read_now (loop, op);

    if (got < 0)
        return 0;
    evi_op_done (loop, op, got);
    return 1;
}

/* At the current position it goes by what the descriptor is. */
EVI void evi_ready_begin_position (struct ev_loop *loop, ev_op *op)
{
    if (op->offset < 0)
        evi_ready_attempt (loop, op);
    else if (!evi_ready_read_now (loop, op))
        evi_ready_thread (loop, op);
}

EVI void evi_ready_begin_whole (struct ev_loop *loop, ev_op *op)
{
    ev_op rest;
    ssize_t got;

    evi_whole_rest (op, &rest);
    got = ready_read_now (loop, &rest);
    if (op->offset < 0)
        evi_ready_attempt (loop, op);
    else if (got < 0 || evi_whole_goes_on (op, &got))
        evi_ready_thread (loop, op);
    else
        evi_op_done (loop, op, got);
}

/* ---- the engine ---- */

static int ready_start (struct ev_loop *loop, ev_op *op)
{
    loop->stats.ops_ready++;
    evi_op_kind (op)->begin (loop, op);
    return 1;
}

EVI int evi_ready_send_now (struct ev_loop *loop, ev_op *op)
{
    ssize_t result;

    if (!(evi_op_kind (op)->traits & EVI_TRAIT_AT_ONCE) || (loop->ring && !loop->ops->forbidden)
        || loop->waiting)
        return 0;
    loop->stats.ops_ready++;
    result = evi_try_send (op);
    if (EVI_UNLIKELY (result == -EAGAIN && !ready_dontwait (op))) {
        ready_wait (loop, op, op->fd, EV_WRITE);
        return 1;
    }
    if (evi_op_lane (loop, op)->told != loop->op_tellings) { /* nothing waits to be told before it */
        evi_op_done_active (loop, op, result);
        return 1;
    }
    op->result = result;
    op->hint |= EVI_HINT_TRIED;
    return 0;
}

/* A call for names is left behind, and is not ours any more. */
static int ready_give_up (ev_op *op)
{
    if (!evi_pool_cancel (ready_job (op)))
        return 0;
    op->side->names = NULL;
    return 1;
}

/* Who only waits just gives that up, and so does a job that no thread has begun; another job knows from now on that it
 * shall end. */
static int ready_take_back (struct ev_loop *loop, ev_op *op)
{
    (void) loop;
    if (op->state == EVI_STATE_THREAD && !ready_give_up (op))
        return 0;
    op->state = EVI_STATE_IDLE;
    return 1;
}

static void ready_cancel (struct ev_loop *loop, ev_op *op)
{
    (void) loop, (void) op; /* it was asked when it was to be taken back */
}

EVI void evi_ready_ask (ev_op *op)
{
    evi_pool_ask (ready_job (op));
}

static void ready_stop (struct ev_loop *loop, ev_op *op)
{
    evi_pool_wait (ready_job (op));
    evi_ready_collect (loop);
}

/* The socket is the parent's too, who needs it non-blocking still; so is the thread. */
static void ready_disown (struct ev_loop *loop, ev_op *op)
{
    (void) loop;
    op->hint &= (uint8_t) ~EVI_HINT_BLOCKING;
    op->state = EVI_STATE_IDLE;
    if (op->side)
        evi_names_disown (op);
}

EVI int evi_ready_helps (ev_io *w)
{
    return ev_cb (w) == ready_io;
}

EVI_HOME const struct evi_engine evi_on_ready = {
    .start = ready_start,
    .take_back = ready_take_back,
    .cancel = ready_cancel,
    .stop = ready_stop,
    .disown = ready_disown,
};

#endif
