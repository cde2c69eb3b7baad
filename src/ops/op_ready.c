/* op_ready.c: operations without a ring: try, wait for readiness, try again; files by a few threads.
 * Promises that the loop's thread never sleeps in a system call of an operation, whatever O_NONBLOCK says, and
 * that results mean what the ring's mean. Waits through ev_io like any program, so it works on every backend. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum {
    READY_ACCEPTS = 64,      /* connections taken per readiness: others have a turn in between */
    READY_VECTORS = 16,      /* pieces of a message sent again after a short count */
    READY_ALIGNED = 512,     /* what a read past the page cache needs at least */
    READY_DIRECT_KNOWN = 64, /* reads of a file until it is asked again */
    READY_SPLICE_MS = 20     /* how often a splice that waits looks whether it is still wanted */
};

/* ---- the tries: a result, or -EAGAIN: nothing without sleeping ---- */

static ssize_t ready_try_recv (ev_op *op)
{
    ssize_t got = evi_sys_recv (op->fd, (char *) op->buf + op->moved, op->size - op->moved, (int) op->flags);

    if (got <= 0)
        return op->moved && got != -EAGAIN ? (ssize_t) op->moved : got;
    op->moved += (size_t) got;
    if (op->flags & MSG_PEEK) /* what is looked at stays there: no sum */
        op->moved = (size_t) got;
    else if (op->flags & MSG_WAITALL && op->moved < op->size)
        return -EAGAIN;
    return (ssize_t) op->moved;
}

static ssize_t ready_try_send (ev_op *op)
{
    const char *data = op->buf;
    ssize_t put;

    do {
        put = evi_sys_send (op->fd, data + op->moved, op->size - op->moved, (int) op->flags);
        if (put < 0)
            return put;
        op->moved += (size_t) put;
    } while (op->moved < op->size && put > 0 && !(op->flags & MSG_DONTWAIT));
    return (ssize_t) op->moved;
}

/* What is left of vectors after `done` bytes. How many pieces. */
static int ready_rest (const struct iovec *vec, size_t count, size_t done, struct iovec rest[READY_VECTORS])
{
    int pieces = 0;

    for (size_t i = 0; i < count && pieces < READY_VECTORS; i++) {
        if (done >= vec[i].iov_len) {
            done -= vec[i].iov_len;
            continue;
        }
        rest[pieces].iov_base = (char *) vec[i].iov_base + done;
        rest[pieces++].iov_len = vec[i].iov_len - done;
        done = 0;
    }
    return pieces;
}

static ssize_t ready_try_sendmsg (ev_op *op)
{
    const struct msghdr *message = op->buf;
    size_t total = evi_op_bytes (message->msg_iov, message->msg_iovlen);
    struct iovec rest[READY_VECTORS];

    do {
        struct msghdr part = *message;
        ssize_t put;

        if (op->moved) { /* ancillary data went with the first byte */
            part.msg_iov = rest;
            part.msg_iovlen = (size_t) ready_rest (message->msg_iov, message->msg_iovlen, op->moved, rest);
            part.msg_control = NULL;
            part.msg_controllen = 0;
        }
        put = evi_sys_sendmsg (op->fd, &part, (int) op->flags);
        if (put < 0)
            return put;
        op->moved += (size_t) put;
        if (!put)
            break;
    } while (op->moved < total && !(op->flags & MSG_DONTWAIT));
    return (ssize_t) op->moved;
}

/* A blocking socket would put us to sleep: it is made non-blocking until the operation has ended. */
static int ready_unblock (ev_op *op)
{
    int before = evi_sys_nonblocking (op->fd, 1);

    if (before == 0)
        op->hint |= EVI_HINT_BLOCKING;
    return before < 0 ? before : 0;
}

static void ready_reblock (ev_op *op)
{
    if (op->hint & EVI_HINT_BLOCKING)
        evi_sys_nonblocking (op->fd, 0);
    op->hint &= (uint8_t) ~EVI_HINT_BLOCKING;
}

static int ready_is_inet (const struct sockaddr *address)
{
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* How the attempt has ended. The second connect does not connect: it makes the socket notice that it is, or, of TCP,
 * that it is not, and may try again. */
static int ready_connected (const ev_op *op)
{
    int err, noticed;

    if (!evi_sys_poll_one (op->fd, POLLOUT, 0))
        return -EAGAIN;
    err = evi_sys_connected (op->fd);
    if (err && !ready_is_inet (op->buf))
        return err;
    noticed = evi_sys_connect (op->fd, op->buf, (unsigned) op->offset);
    if (err)
        return err;
    return noticed == -EISCONN ? 0 : noticed;
}

static ssize_t ready_try_connect (ev_op *op)
{
    int err;

    if (op->state == EVI_STATE_WAITING)
        return ready_connected (op);
    err = ready_unblock (op);
    if (!err)
        err = evi_sys_connect (op->fd, op->buf, (unsigned) op->offset);
    if (err == -EINPROGRESS)
        return -EAGAIN;
    ready_reblock (op);
    return err == -EAGAIN ? -EOPNOTSUPP : err; /* a local socket with a full backlog: nothing to wait for */
}

/* The vectors of read, write and their relatives; a plain buffer is one. */
static const struct iovec *ready_vector (const ev_op *op, struct iovec *one, int *count)
{
    if (op->code == EVI_CODE_READV || op->code == EVI_CODE_WRITEV) {
        *count = (int) op->size;
        return op->buf;
    }
    one->iov_base = op->buf;
    one->iov_len = op->size;
    *count = 1;
    return one;
}

static int ready_reads (const ev_op *op)
{
    return op->code == EVI_CODE_READ || op->code == EVI_CODE_READV;
}

static ssize_t ready_try_socket (ev_op *op)
{
    struct iovec one;
    struct msghdr message = { 0 };
    int count;

    message.msg_iov = (struct iovec *) ready_vector (op, &one, &count);
    message.msg_iovlen = (size_t) count;
    return ready_reads (op) ? evi_sys_recvmsg (op->fd, &message, 0) : evi_sys_sendmsg (op->fd, &message, 0);
}

/* The first bytes of vectors, `most` of them. How many pieces. */
static int ready_first (const struct iovec *vec, int count, size_t most, struct iovec first[READY_VECTORS])
{
    int pieces = 0;

    for (int i = 0; i < count && most && pieces < READY_VECTORS; i++) {
        first[pieces] = vec[i];
        if (first[pieces].iov_len > most)
            first[pieces].iov_len = most;
        most -= first[pieces++].iov_len;
    }
    return pieces;
}

/* A pipe or terminal that is ready takes or gives something without sleeping: any number of bytes that are there,
 * PIPE_BUF bytes of room (pipe(7)). More at once only if it cannot put us to sleep. */
static ssize_t ready_try_stream (ev_op *op)
{
    struct iovec one, first[READY_VECTORS];
    const struct iovec *vec;
    int events = ready_reads (op) ? POLLIN : POLLOUT, count, nonblocking = evi_sys_fd_nonblocking (op->fd);
    int ready = nonblocking > 0 ? events : evi_sys_poll_one (op->fd, events, 0);

    if (nonblocking < 0 || ready < 0)
        return nonblocking < 0 ? nonblocking : ready;
    if (!ready)
        return -EAGAIN;
    vec = ready_vector (op, &one, &count);
    if (ready_reads (op))
        return evi_sys_readv (op->fd, vec, count, -1);
    if (nonblocking)
        return evi_sys_writev_quiet (op->fd, vec, count);
    return evi_sys_writev_quiet (op->fd, first, ready_first (vec, count, PIPE_BUF, first));
}

/* It would have to wait. For what? A call that moves nothing knows what can never be read, or written to; and who wants
 * no bytes has them. */
static ssize_t ready_prospects (const ev_op *op, int socket)
{
    struct iovec one;
    int count;
    const struct iovec *vec = ready_vector (op, &one, &count);
    ssize_t answer = 0;

    if (!socket)
        answer =
            ready_reads (op) ? evi_sys_readv (op->fd, NULL, 0, -1) : evi_sys_writev (op->fd, NULL, 0, -1);
    if (answer < 0)
        return answer;
    return evi_op_bytes (vec, (size_t) count) ? -EAGAIN : 0;
}

static ssize_t ready_try_position (ev_op *op)
{
    int socket = evi_sys_kind (op->fd) == EVI_KIND_SOCKET;
    ssize_t result;

    if (EVI_UNLIKELY (!op->buf && op->size && (op->code == EVI_CODE_READV || op->code == EVI_CODE_WRITEV)))
        return -EFAULT; /* a ring looks at the vectors first */
    result = socket ? ready_try_socket (op) : ready_try_stream (op);
    return result == -EAGAIN && op->state != EVI_STATE_WAITING ? ready_prospects (op, socket) : result;
}

static ssize_t ready_try (ev_op *op)
{
    switch (op->code) {
    case EVI_CODE_RECV:
        return ready_try_recv (op);
    case EVI_CODE_SEND:
    case EVI_CODE_SEND_ZC:
        return ready_try_send (op);
    case EVI_CODE_RECVMSG:
        return evi_sys_recvmsg (op->fd, op->buf, (int) op->flags);
    case EVI_CODE_SENDMSG:
        return ready_try_sendmsg (op);
    case EVI_CODE_CONNECT:
        return ready_try_connect (op);
    default:
        return ready_try_position (op);
    }
}

/* ---- waiting ---- */

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
static void ready_unwait (struct ev_loop *loop, ev_op *op)
{
    ev_io *io = &op->side->io;

    if (ev_is_active (io) || ev_is_pending (io))
        evi_ref (loop);
    ev_io_stop (EV_A_ io);
    if (op->side->pidfd >= 0)
        evi_sys_close (op->side->pidfd);
    op->side->pidfd = -1;
    ready_reblock (op);
}

static int ready_events (const ev_op *op)
{
    return evi_op_kind (op)->lane == EVI_LANE_RECV ? EV_READ : EV_WRITE;
}

static int ready_dontwait (const ev_op *op)
{
    switch (op->code) {
    case EVI_CODE_RECV:
    case EVI_CODE_SEND:
    case EVI_CODE_SEND_ZC:
    case EVI_CODE_RECVMSG:
    case EVI_CODE_SENDMSG:
        return op->flags & MSG_DONTWAIT;
    default:
        return 0;
    }
}

/* Did this try take all there was? Then the next one waits for readiness first, as a program with ev_io would. */
static void ready_remember (struct ev_loop *loop, const ev_op *op, ssize_t result)
{
    if (op->hint & EVI_HINT_LANE)
        evi_op_lane (loop, op)->dry = op->code == EVI_CODE_RECV && result > 0 && (size_t) result < op->size;
}

static void ready_attempt (struct ev_loop *loop, ev_op *op)
{
    ssize_t result;

    do
        result = ready_try (op);
    while (result == -EINTR);
    if (result == -EAGAIN && !ready_dontwait (op)) {
        ready_wait (loop, op, op->fd, ready_events (op));
        return;
    }
    if (op->side && op->state == EVI_STATE_WAITING)
        ready_unwait (loop, op);
    ready_remember (loop, op, result);
    if (result == -EOPNOTSUPP && op->code == EVI_CODE_CONNECT)
        evi_op_ready_thread (loop, op);
    else
        evi_op_done (loop, op, result);
}

/* ---- those that repeat ---- */

static void ready_accept (struct ev_loop *loop, ev_op *op)
{
    for (int i = 0; i < READY_ACCEPTS; i++) {
        int fd = evi_sys_accept (op->fd, (int) op->flags);

        if (fd == -EAGAIN)
            return;
        if (fd == -EINTR || fd == -ECONNABORTED)
            continue;
        if (fd < 0) {
            ready_unwait (loop, op);
            evi_op_done (loop, op, fd);
            return;
        }
        evi_op_arrive (loop, op, fd, NULL, 0);
    }
}

/* One buffer for each time the socket is ready: others have a turn in between. here: in the callback of that. */
static void ready_recv_pool (struct ev_loop *loop, ev_op *op, int here)
{
    struct ev_pool *pool = op->more;
    void *buf = evi_bufs_take (pool);
    ssize_t got;

    if (!buf) {
        ready_unwait (loop, op);
        evi_bufs_pause (loop, op);
        return;
    }
    do
        got = evi_sys_recv (op->fd, buf, pool->room, (int) op->flags);
    while (got == -EINTR);
    if (got > 0 || (got == 0 && evi_sys_datagrams (op->fd))) {
        if (here)
            evi_op_arrive_here (loop, op, got, buf);
        else
            evi_op_arrive (loop, op, got, buf, 0);
        return;
    }
    evi_bufs_untake (pool, buf);
    if (got == -EAGAIN && !(op->flags & MSG_DONTWAIT))
        return;
    ready_unwait (loop, op);
    evi_op_done (loop, op, got);
}

/* ---- children ---- */

static void ready_waitid (struct ev_loop *loop, ev_op *op)
{
    siginfo_t unwanted, *info = op->buf ? op->buf : &unwanted;
    int ended, err = evi_sys_waitid ((int) op->size, op->fd_to, info, (int) op->flags, &ended);

    if (err < 0 || ended) {
        if (op->state == EVI_STATE_WAITING)
            ready_unwait (loop, op);
        evi_op_done (loop, op, err < 0 ? err : 0);
    } else
        op->state = EVI_STATE_WAITING;
}

static void ready_start_waitid (struct ev_loop *loop, ev_op *op)
{
    int fd;

    if ((op->size != P_PID && op->size != EVI_P_PIDFD) || (op->flags & ~(unsigned) WNOWAIT) != WEXITED) {
        evi_op_done (loop, op, -EINVAL);
        return;
    }
    ready_waitid (loop, op);
    if (op->state != EVI_STATE_WAITING)
        return;
    fd = op->fd_to;
    if (op->size == P_PID)
        fd = evi_op_side (loop, op)->pidfd = evi_sys_pidfd (op->fd_to);
    if (fd < 0) {
        op->state = EVI_STATE_IDLE;
        evi_op_done (loop, op, fd);
    } else
        ready_wait (loop, op, fd, EV_READ);
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
    return op->code == EVI_CODE_WAITID && op->size == P_PID && op->fd_to == pid
           && (op->state == EVI_STATE_WAITING || op->state == EVI_STATE_QUEUED);
}

/* The default loop reaps every child before we can ask for ours. */
EVI void evi_op_ready_reaped (struct ev_loop *loop, int pid, int status)
{
    struct evi_list *active = &loop->ops->active;

    if (!WIFEXITED (status) && !WIFSIGNALED (status))
        return;
    for (unsigned i = active->count; i-- > 0;) {
        ev_op *op = (ev_op *) active->items[i];

        if (!ready_waits_for (op, pid))
            continue;
        if (op->state == EVI_STATE_WAITING)
            ready_unwait (loop, op);
        else
            evi_op_unqueue (loop, op);
        if (op->buf)
            ready_tell_status (op->buf, pid, status);
        evi_op_done (loop, op, 0);
    }
}

/* ---- what readiness brings ---- */

static void ready_go_on (struct ev_loop *loop, ev_op *op)
{
    switch (op->code) {
    case EVI_CODE_ACCEPT:
        ready_accept (loop, op);
        break;
    case EVI_CODE_RECV_POOL:
        ready_recv_pool (loop, op, 1);
        break;
    case EVI_CODE_WAITID:
        ready_waitid (loop, op);
        break;
    default:
        ready_attempt (loop, op);
    }
}

static void ready_io (EV_P_ ev_io *w, int revents)
{
    struct evi_side *side = EVI_SIDE_OF (w, io);
    ev_op *op = side->op;
    EVI_DOOR;

    evi_op_must (op->side == side);
    if (EVI_LIKELY (!(revents & EV_ERROR))) {
        ready_go_on (loop, op);
        return;
    }
    evi_ref (loop); /* it was stopped, and gave back a reference that was not its own */
    ready_unwait (loop, op);
    evi_op_done (loop, op, -EBADF);
}

/* ---- threads ---- */

static ssize_t ready_call_splice (struct evi_job *job, const ev_op *op)
{
    for (;;) {
        ssize_t moved = evi_sys_splice (op->fd, op->offset, op->fd_to, op->offset_to, op->size,
                                        op->flags | EVI_SPLICE_NONBLOCK);

        if (moved != -EAGAIN || op->flags & EVI_SPLICE_NONBLOCK)
            return moved;
        if (__atomic_load_n (&job->cancelled, __ATOMIC_RELAXED))
            return -ECANCELED;
        evi_sys_poll_one (op->fd, POLLIN, READY_SPLICE_MS);
        evi_sys_poll_one (op->fd_to, POLLOUT, READY_SPLICE_MS);
    }
}

static ssize_t ready_call_file (const ev_op *op)
{
    switch (op->code) {
    case EVI_CODE_OPENAT:
        return evi_sys_openat (op->fd, op->buf, (int) op->flags, (unsigned) op->size);
    case EVI_CODE_CLOSE:
        return evi_sys_close (op->fd);
    case EVI_CODE_FSYNC:
        return evi_sys_fsync (op->fd, op->flags != 0);
    case EVI_CODE_FALLOCATE:
        return evi_sys_fallocate (op->fd, (int) op->size, op->offset, op->offset_to);
    case EVI_CODE_FTRUNCATE:
        return evi_sys_ftruncate (op->fd, op->offset);
    case EVI_CODE_STATX:
        return evi_sys_statx (op->fd, op->buf, (int) op->flags, (unsigned) op->size, op->more);
    case EVI_CODE_UNLINKAT:
        return evi_sys_unlinkat (op->fd, op->buf, (int) op->flags);
    case EVI_CODE_RENAMEAT:
        return evi_sys_renameat (op->fd, op->buf, op->fd_to, op->more, op->flags);
    case EVI_CODE_MKDIRAT:
        return evi_sys_mkdirat (op->fd, op->buf, (unsigned) op->size);
    case EVI_CODE_CONNECT:
        return evi_sys_connect (op->fd, op->buf, (unsigned) op->offset);
    default:
        return -EOPNOTSUPP;
    }
}

/* Runs in a thread; op stays where it is until the thread is done with it. */
static ssize_t ready_call (struct evi_job *job)
{
    const struct evi_side *side = EVI_SIDE_OF (job, job);
    const ev_op *op = side->op;
    const struct iovec *vec;
    struct iovec one;
    ssize_t result;
    int count;

    if (op->code == EVI_CODE_SPLICE)
        return ready_call_splice (job, op);
    do
        if (evi_op_kind (op)->traits & EVI_TRAIT_POSITION) {
            vec = ready_vector (op, &one, &count);
            result = ready_reads (op) ? evi_sys_readv (op->fd, vec, count, op->offset)
                                      : evi_sys_writev (op->fd, vec, count, op->offset);
        } else
            result = ready_call_file (op);
    while (result == -EINTR && op->code != EVI_CODE_CLOSE);
    return result;
}

EVI void evi_op_ready_thread (struct ev_loop *loop, ev_op *op)
{
    struct evi_side *side = evi_op_side (loop, op);
    int err;

    memset (&side->job, 0, sizeof side->job);
    side->job.call = ready_call;
    side->job.home = &loop->ops->home;
    evi_wake_open (loop);
    evi_pool_enter (&loop->ops->home);
    op->state = EVI_STATE_THREAD;
    err = evi_pool_submit (&side->job);
    if (EVI_UNLIKELY (err < 0)) {
        op->state = EVI_STATE_IDLE;
        evi_op_done (loop, op, err);
        return;
    }
    loop->stats.ops_threads++;
}

/* A descriptor without positions pays no attention to an offset, as on the ring. */
static int ready_ignores_offset (const ev_op *op)
{
    return evi_op_at_offset (op) && !op->wish;
}

EVI void evi_op_ready_collect (struct ev_loop *loop)
{
    struct evi_job *job = evi_pool_collect (&loop->ops->home), *next;

    for (; job; job = next) {
        struct evi_side *side = EVI_SIDE_OF (job, job);

        next = job->next;
        evi_op_must (side->op->side == side);
        side->op->state = EVI_STATE_IDLE;
        if (EVI_UNLIKELY (job->result == -ESPIPE && ready_ignores_offset (side->op)))
            ready_attempt (loop, side->op);
        else
            evi_op_done (loop, side->op, job->result);
    }
}

/* ---- starting ---- */

static void ready_direct (struct ev_loop *loop, ev_op *op)
{
    int result = -EINVAL;

    if (op->code == EVI_CODE_SHUTDOWN)
        result = evi_sys_shutdown (op->fd, (int) op->flags);
    else if (op->code == EVI_CODE_SOCKET)
        result = evi_sys_socket (op->fd_to, (int) op->flags, (int) op->size);
    evi_op_done (loop, op, result);
}

/* A read past the page cache sleeps, whatever it was asked. Its parameters are aligned, so only then the file is
 * asked, and only now and then: a number may stand for another file one day. */
static int ready_direct_read (struct ev_loop *loop, const ev_op *op)
{
    struct evi_lane *lane;

    if (((uintptr_t) op->buf | (uint64_t) op->offset) % READY_ALIGNED && op->code == EVI_CODE_READ)
        return 0;
    if (evi_op_lane_fit (loop, op->fd) < 0)
        return 1;
    lane = &loop->ops->lanes[op->fd][EVI_LANE_RECV];
    if (!lane->direct_known) {
        lane->direct = evi_sys_fd_direct (op->fd) != 0;
        lane->direct_known = READY_DIRECT_KNOWN;
    } else
        lane->direct_known--;
    return lane->direct;
}

/* Only what would sleep goes to a thread, or to the ring. A piece of it does not count: it is read all again, so
 * that only the end of the file makes a result short. */
EVI int evi_op_ready_read_now (struct ev_loop *loop, ev_op *op)
{
    struct iovec one;
    const struct iovec *vec;
    ssize_t got;
    int count;

    if (!ready_reads (op) || op->offset < 0 || ready_direct_read (loop, op))
        return 0;
    vec = ready_vector (op, &one, &count);
    got = evi_sys_readv_now (op->fd, vec, count, op->offset);
    if (got < 0 || (got && (size_t) got < evi_op_bytes (vec, (size_t) count)))
        return 0;
    evi_op_done (loop, op, got);
    return 1;
}

/* Reads and writes go by what the descriptor is. */
static void ready_start_position (struct ev_loop *loop, ev_op *op)
{
    int kind = op->offset >= 0 ? EVI_KIND_FILE : evi_sys_kind (op->fd);

    if (kind < 0)
        evi_op_done (loop, op, kind);
    else if (kind != EVI_KIND_FILE)
        ready_attempt (loop, op);
    else if (!evi_op_ready_read_now (loop, op))
        evi_op_ready_thread (loop, op);
}

/* A connection may be gone between readiness and accept. */
static void ready_start_accept (struct ev_loop *loop, ev_op *op)
{
    int err = ready_unblock (op);

    if (err < 0) {
        evi_op_done (loop, op, err);
        return;
    }
    ready_wait (loop, op, op->fd, EV_READ);
    ready_accept (loop, op); /* what is no listener would never be ready */
}

static void ready_start_recv_pool (struct ev_loop *loop, ev_op *op)
{
    struct ev_pool *pool = op->more;

    if (EVI_UNLIKELY (pool->loop != loop)) {
        evi_complain ("ev_op_start", "the pool of an ev_recv_pool belongs to another loop");
        evi_op_done (loop, op, -EINVAL);
        return;
    }
    evi_op_uring_withdraw (pool); /* its buffers are wanted here */
    ready_wait (loop, op, op->fd, EV_READ);
    ready_recv_pool (loop, op, 0);
}

EVI void evi_op_ready_start (struct ev_loop *loop, ev_op *op)
{
    const struct evi_op_kind *kind = evi_op_kind (op);

    loop->stats.ops_ready++;
    if (kind->traits & EVI_TRAIT_DIRECT)
        ready_direct (loop, op);
    else if (kind->traits & EVI_TRAIT_FILE)
        evi_op_ready_thread (loop, op);
    else if (kind->traits & EVI_TRAIT_POSITION)
        ready_start_position (loop, op);
    else if (op->code == EVI_CODE_ACCEPT)
        ready_start_accept (loop, op);
    else if (op->code == EVI_CODE_RECV_POOL)
        ready_start_recv_pool (loop, op);
    else if (op->code == EVI_CODE_WAITID)
        ready_start_waitid (loop, op);
    else if (op->code == EVI_CODE_SQE)
        evi_op_done (loop, op, -EOPNOTSUPP);
    else if (evi_op_lane (loop, op)->dry && !ready_dontwait (op))
        ready_wait (loop, op, op->fd, ready_events (op));
    else
        ready_attempt (loop, op);
}

EVI int evi_op_ready_send_now (struct ev_loop *loop, ev_op *op)
{
    ssize_t result;

    if (op->code != EVI_CODE_SEND || (loop->ring && !loop->ops->forbidden) || loop->waiting)
        return 0;
    loop->stats.ops_ready++;
    result = ready_try (op);
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

/* ---- ending early ---- */

EVI int evi_op_ready_cancel (struct ev_loop *loop, ev_op *op)
{
    if (op->state == EVI_STATE_THREAD)
        return evi_pool_cancel (&op->side->job);
    ready_unwait (loop, op);
    return 1;
}

EVI void evi_op_ready_stop (struct ev_loop *loop, ev_op *op)
{
    if (!evi_op_ready_cancel (loop, op)) {
        evi_pool_wait (&op->side->job);
        evi_op_ready_collect (loop);
        return;
    }
    op->state = EVI_STATE_IDLE;
    evi_op_done (loop, op, -ECANCELED);
}

/* The socket is the parent's too, who needs it non-blocking still. */
EVI void evi_op_ready_orphan (struct ev_loop *loop, ev_op *op)
{
    op->hint &= (uint8_t) ~EVI_HINT_BLOCKING;
    if (op->state == EVI_STATE_WAITING)
        ready_unwait (loop, op);
    op->state = EVI_STATE_IDLE;
}

EVI int evi_op_ready_helps (ev_io *w)
{
    return ev_cb (w) == ready_io;
}

#endif
