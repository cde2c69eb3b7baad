/* calls.c: the system call of each operation, for where no ring makes it. evi_try_*: without sleeping, whatever O_NONBLOCK
 * says; -EAGAIN: not yet. evi_call_*: in a thread, as long as it takes. What they mean is what the ring's mean. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
    CALLS_VECTORS = 16,  /* pieces of a message sent again after a short count */
    CALLS_SPLICE_MS = 20 /* how often a splice that waits looks whether it is still wanted */
};

/* ---- on the spot ---- */

EVI ssize_t evi_try_nothing (ev_op *op)
{
    (void) op;
    return -EINVAL;
}

/* A raw entry has no other way than the ring. */
EVI ssize_t evi_try_raw (ev_op *op)
{
    (void) op;
    return -EOPNOTSUPP;
}

EVI ssize_t evi_try_shutdown (ev_op *op)
{
    return evi_sys_shutdown (op->fd, (int) op->flags);
}

EVI ssize_t evi_try_socket (ev_op *op)
{
    return evi_sys_socket (op->fd_to, (int) op->flags, (int) op->size);
}

/* ---- sockets ---- */

EVI ssize_t evi_try_recv (ev_op *op)
{
    ssize_t got = evi_sys_recv (op->fd, (char *) op->buf + op->moved, op->size - op->moved, (int) op->flags);

    if (got <= 0)
        return op->moved && got != -EAGAIN ? (ssize_t) op->moved : got;
    op->moved += (size_t) got;
    if (op->flags & MSG_WAITALL && op->moved < op->size && !evi_sys_datagrams (op->fd))
        return -EAGAIN;
    return (ssize_t) op->moved;
}

EVI ssize_t evi_try_send (ev_op *op)
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

EVI ssize_t evi_try_recvmsg (ev_op *op)
{
    return evi_sys_recvmsg (op->fd, op->buf, (int) op->flags);
}

/* What is left of vectors after `done` bytes. How many pieces. */
static int calls_rest (const struct iovec *vec, size_t count, size_t done, struct iovec rest[CALLS_VECTORS])
{
    int pieces = 0;

    for (size_t i = 0; i < count && pieces < CALLS_VECTORS; i++) {
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

/* The message from where it has come to: ancillary data went with the first byte. */
static ssize_t calls_sendmsg_rest (const ev_op *op, const struct msghdr *message)
{
    struct iovec rest[CALLS_VECTORS];
    struct msghdr part = *message;

    part.msg_iov = rest;
    part.msg_iovlen = (size_t) calls_rest (message->msg_iov, message->msg_iovlen, op->moved, rest);
    part.msg_control = NULL;
    part.msg_controllen = 0;
    return evi_sys_sendmsg (op->fd, &part, (int) op->flags);
}

EVI ssize_t evi_try_sendmsg (ev_op *op)
{
    const struct msghdr *message = op->buf;

    if (!message)
        return -EFAULT;
    do {
        ssize_t put =
            op->moved ? calls_sendmsg_rest (op, message) : evi_sys_sendmsg (op->fd, message, (int) op->flags);

        if (put < 0)
            return put;
        op->moved += (size_t) put;
        if (!put || op->flags & MSG_DONTWAIT)
            break;
    } while (op->moved
             < evi_op_bytes (message->msg_iov, message->msg_iovlen)); /* the kernel has looked at them */
    return (ssize_t) op->moved;
}

static int calls_is_inet (const struct sockaddr *address)
{
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

/* How the attempt has ended. The second connect does not connect: it makes the socket notice that it is, or, of TCP,
 * that it is not, and may try again. */
static int calls_connected (const ev_op *op)
{
    int err, noticed;

    if (!evi_sys_poll_one (op->fd, POLLOUT, 0))
        return -EAGAIN;
    err = evi_sys_connected (op->fd);
    if (err && !calls_is_inet (op->buf))
        return err;
    noticed = evi_sys_connect (op->fd, op->buf, (unsigned) op->offset);
    if (err)
        return err;
    return noticed == -EISCONN ? 0 : noticed;
}

/* Of one that had begun on a ring that is lost: it goes on, or has ended well. */
static int calls_goes_on (const ev_op *op, int err)
{
    if (!(op->hint & EVI_HINT_READY))
        return err;
    return err == -EALREADY ? -EINPROGRESS : err == -EISCONN ? 0 : err;
}

/* A local socket with a full backlog: there is nothing to wait for. */
EVI ssize_t evi_try_connect (ev_op *op)
{
    int err;

    if (op->state == EVI_STATE_WAITING)
        return calls_connected (op);
    err = evi_ready_unblock (op);
    if (!err)
        err = calls_goes_on (op, evi_sys_connect (op->fd, op->buf, (unsigned) op->offset));
    if (err == -EINPROGRESS)
        return -EAGAIN;
    evi_ready_reblock (op);
    return err == -EAGAIN ? EVI_TRY_IN_THREAD : err;
}

EVI ssize_t evi_call_connect (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_connect (op->fd, op->buf, (unsigned) op->offset);
}

/* ---- reading and writing: by what the descriptor is ---- */

EVI const struct iovec *evi_op_vector (const ev_op *op, struct iovec *one, int *count)
{
    if (evi_op_kind (op)->traits & EVI_TRAIT_VECTORS) {
        *count = (int) op->size;
        return op->buf;
    }
    one->iov_base = op->buf;
    one->iov_len = op->size;
    *count = 1;
    return one;
}

static ssize_t calls_try_socket (ev_op *op)
{
    struct iovec one;
    struct msghdr message = { 0 };
    int count;

    message.msg_iov = (struct iovec *) evi_op_vector (op, &one, &count);
    message.msg_iovlen = (size_t) count;
    return evi_op_reads (op) ? evi_sys_recvmsg (op->fd, &message, 0) : evi_sys_sendmsg (op->fd, &message, 0);
}

/* The first bytes of vectors, `most` of them. How many pieces. */
static int calls_first (const struct iovec *vec, int count, size_t most, struct iovec first[CALLS_VECTORS])
{
    int pieces = 0;

    for (int i = 0; i < count && most && pieces < CALLS_VECTORS; i++) {
        first[pieces] = vec[i];
        if (first[pieces].iov_len > most)
            first[pieces].iov_len = most;
        most -= first[pieces++].iov_len;
    }
    return pieces;
}

/* Some streams can be asked not to sleep. -EOPNOTSUPP: this one not, or not by this kernel. */
static ssize_t calls_try_now (const ev_op *op, const struct iovec *vec, int count)
{
    ssize_t result = evi_op_reads (op) ? evi_sys_readv_now (op->fd, vec, count, -1)
                                       : evi_sys_writev_now (op->fd, vec, count);

    return result == -ENOSYS ? -EOPNOTSUPP : result;
}

/* A pipe that is ready takes PIPE_BUF bytes without sleeping (pipe(7)). Of all else, a terminal above all, readiness
 * promises no such thing: it is made non-blocking for this one call. */
static ssize_t calls_write_stream (const ev_op *op, const struct iovec *vec, int count, int kind)
{
    struct iovec first[CALLS_VECTORS];
    ssize_t put;

    if (kind == EVI_KIND_PIPE)
        return evi_sys_writev_quiet (op->fd, first, calls_first (vec, count, PIPE_BUF, first));
    evi_sys_nonblocking (op->fd, 1);
    put = evi_sys_writev_quiet (op->fd, vec, count);
    evi_sys_nonblocking (op->fd, 0);
    return put;
}

/* One that is ready gives what is there. */
static ssize_t calls_try_ready (const ev_op *op, const struct iovec *vec, int count, int kind)
{
    int events = evi_op_reads (op) ? POLLIN : POLLOUT, nonblocking = evi_sys_fd_nonblocking (op->fd);
    int ready = nonblocking > 0 ? events : evi_sys_poll_one (op->fd, events, 0);

    if (nonblocking < 0 || ready < 0)
        return nonblocking < 0 ? nonblocking : ready;
    if (!ready)
        return -EAGAIN;
    if (evi_op_reads (op))
        return evi_sys_readv (op->fd, vec, count, -1);
    return nonblocking ? evi_sys_writev_quiet (op->fd, vec, count)
                       : calls_write_stream (op, vec, count, kind);
}

static ssize_t calls_try_stream (ev_op *op, int kind)
{
    struct iovec one;
    int count;
    const struct iovec *vec = evi_op_vector (op, &one, &count);
    ssize_t result = calls_try_now (op, vec, count);

    return result == -EOPNOTSUPP ? calls_try_ready (op, vec, count, kind) : result;
}

/* It would have to wait. For what? A call that moves nothing knows what can never be read, or written to; and who wants
 * no bytes has them. */
static ssize_t calls_prospects (const ev_op *op, int kind)
{
    struct iovec one;
    int count;
    const struct iovec *vec = evi_op_vector (op, &one, &count);
    ssize_t answer = 0;

    if (kind != EVI_KIND_SOCKET)
        answer =
            evi_op_reads (op) ? evi_sys_readv (op->fd, NULL, 0, -1) : evi_sys_writev (op->fd, NULL, 0, -1);
    if (answer < 0)
        return answer;
    return evi_op_bytes (vec, (size_t) count) ? -EAGAIN : 0;
}

EVI ssize_t evi_try_position (ev_op *op)
{
    int kind = evi_sys_kind (op->fd);
    ssize_t result;

    if (kind < 0)
        return kind;
    if (kind == EVI_KIND_FILE && op->offset < 0)
        return EVI_TRY_IN_THREAD;
    if (EVI_UNLIKELY (!op->buf && op->size && evi_op_kind (op)->traits & EVI_TRAIT_VECTORS))
        return -EFAULT; /* a ring looks at the vectors first */
    result = kind == EVI_KIND_SOCKET ? calls_try_socket (op) : calls_try_stream (op, kind);
    return result == -EAGAIN && op->state != EVI_STATE_WAITING ? calls_prospects (op, kind) : result;
}

EVI ssize_t evi_call_position (ev_op *op, struct evi_job *job)
{
    struct iovec one;
    int count;
    const struct iovec *vec = evi_op_vector (op, &one, &count);

    (void) job;
    return evi_op_reads (op) ? evi_sys_readv (op->fd, vec, count, op->offset)
                             : evi_sys_writev (op->fd, vec, count, op->offset);
}

/* ---- files ---- */

EVI ssize_t evi_try_openat (ev_op *op)
{
    return evi_sys_openat_now (op->fd, op->buf, (int) op->flags);
}

EVI ssize_t evi_try_statx (ev_op *op)
{
    return evi_sys_statx_now (op->fd, op->buf, (int) op->flags, (unsigned) op->size, op->more);
}

/* Whoever opens a FIFO waits for its other end, and files do not wait for that. */
EVI ssize_t evi_call_openat (ev_op *op, struct evi_job *job)
{
    job->slowly = evi_sys_open_waits (op->fd, op->buf, (int) op->flags);
    if (job->slowly && job->threads == EVI_THREADS_FILES)
        return 0;
    return evi_sys_openat (op->fd, op->buf, (int) op->flags, (unsigned) op->size);
}

EVI ssize_t evi_call_close (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_close (op->fd);
}

EVI ssize_t evi_call_fsync (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_fsync (op->fd, op->flags != 0);
}

EVI ssize_t evi_call_fallocate (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_fallocate (op->fd, (int) op->size, op->offset, op->offset_to);
}

EVI ssize_t evi_call_ftruncate (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_ftruncate (op->fd, op->offset);
}

EVI ssize_t evi_call_statx (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_statx_learning (op->fd, op->buf, (int) op->flags, (unsigned) op->size, op->more);
}

EVI ssize_t evi_call_unlinkat (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_unlinkat (op->fd, op->buf, (int) op->flags);
}

EVI ssize_t evi_call_renameat (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_renameat (op->fd, op->buf, op->fd_to, op->more, op->flags);
}

EVI ssize_t evi_call_mkdirat (ev_op *op, struct evi_job *job)
{
    (void) job;
    return evi_sys_mkdirat (op->fd, op->buf, (unsigned) op->size);
}

EVI ssize_t evi_call_splice (ev_op *op, struct evi_job *job)
{
    for (;;) {
        ssize_t moved = evi_sys_splice (op->fd, op->offset, op->fd_to, op->offset_to, op->size,
                                        op->flags | EVI_SPLICE_NONBLOCK);

        if (moved != -EAGAIN || op->flags & EVI_SPLICE_NONBLOCK)
            return moved;
        if (__atomic_load_n (&job->cancelled, __ATOMIC_RELAXED))
            return -ECANCELED;
        evi_sys_poll_one (op->fd, POLLIN, CALLS_SPLICE_MS);
        evi_sys_poll_one (op->fd_to, POLLOUT, CALLS_SPLICE_MS);
    }
}

EVI ssize_t evi_call_work (ev_op *op, struct evi_job *job)
{
    ev_work_call *call;

    (void) job;
    memcpy (&call, &op->more, sizeof call);
    return call (op->buf);
}

#endif
