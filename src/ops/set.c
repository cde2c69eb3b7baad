/* set.c: what each operation is given: the doors ev_NAME_set. Where a parameter is kept is where a submission
 * has it, so that kinds.c copies; exceptions are named there. The names stand in brackets, since a macro of each name gives
 * op_size to its callers. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { SET_VECTORS_MAX = 1024 /* UIO_MAXIOV */, SET_CALL_SIZE = 32 };

static const char *set_call (char call[SET_CALL_SIZE], int code)
{
    snprintf (call, SET_CALL_SIZE, "ev_%s_set", evi_op_kinds[code].name);
    return call;
}

EVI_COLD static void set_refuse (int code)
{
    char call[SET_CALL_SIZE];

    evi_op_not_now (set_call (call, code));
}

/* No header ever had such an ev_op: whoever calls past it has forgotten the size. */
EVI_COLD static void set_too_small (int code)
{
    char call[SET_CALL_SIZE];

    evi_misuse (set_call (call, code), "op_size is not that of an ev_op");
}

/* Nonzero: it is this operation now, and nothing else is left of what it was. One that is under way stays as it
 * is. */
static int set_begin (ev_op *op, size_t op_size, int code)
{
    if (EVI_UNLIKELY (op_size < EVI_OP_LEAST))
        set_too_small (code);
    if (EVI_UNLIKELY (!evi_op_idle (op))) {
        set_refuse (code);
        return 0;
    }
    evi_op_begin (op, code);
    return 1;
}

static int set_data (ev_op *op, size_t op_size, int code, int fd, const void *buf, size_t size, int flags)
{
    if (!set_begin (op, op_size, code))
        return 0;
    op->fd = fd;
    op->buf = (void *) buf;
    op->size = size;
    op->flags = (unsigned) flags;
    return 1;
}

/* What cannot be done, and what one engine would refuse and the other misunderstand, is no operation: -EINVAL. */
static void set_none_if (ev_op *op, int bad)
{
    if (bad)
        op->code = EVI_CODE_NONE;
}

/* -- sockets -- */

void (ev_accept_set) (ev_op *op, int fd, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_ACCEPT, fd, NULL, 0, flags);
}

void ev_accept_limit (ev_op *op, unsigned most) EV_NOEXCEPT
{
    if (EVI_UNLIKELY (!evi_op_accepts (op)))
        evi_complain ("ev_accept_limit", "this is no ev_accept");
    else if (EVI_UNLIKELY (!evi_op_idle (op)))
        evi_op_not_now ("ev_accept_limit");
    else
        op->size = most;
}

int ev_accept_peer (const ev_op *op, struct sockaddr *address, unsigned *size) EV_NOEXCEPT
{
    if (!evi_op_accepts (op) || op->result < 0)
        return -ENOTCONN;
    return evi_sys_peer ((int) op->result, address, size);
}

void (ev_connect_set) (ev_op *op, int fd, const struct sockaddr *address, unsigned size,
                       size_t op_size) EV_NOEXCEPT
{
    if (set_data (op, op_size, EVI_CODE_CONNECT, fd, address, 0, 0))
        op->offset = size;
}

/* Who only looks cannot wait for all of it: a ring goes on where it was, and counts the same bytes again. */
static int set_receives (int flags)
{
    return flags & MSG_PEEK ? flags & ~MSG_WAITALL : flags;
}

void (ev_recv_set) (ev_op *op, int fd, void *buf, size_t size, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_RECV, fd, buf, size, set_receives (flags));
}

void (ev_recv_pool_set) (ev_op *op, int fd, ev_pool *pool, int flags, size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_RECV_POOL, fd, NULL, 0, flags))
        return;
    op->more = pool;
    set_none_if (op, !pool || flags & (MSG_WAITALL | MSG_PEEK));
}

void (ev_send_set) (ev_op *op, int fd, const void *buf, size_t size, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_SEND, fd, buf, size, flags);
}

void (ev_send_zc_set) (ev_op *op, int fd, const void *buf, size_t size, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_SEND_ZC, fd, buf, size, flags);
}

void (ev_recvmsg_set) (ev_op *op, int fd, struct msghdr *message, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_RECVMSG, fd, message, 1, set_receives (flags));
}

void (ev_sendmsg_set) (ev_op *op, int fd, const struct msghdr *message, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_SENDMSG, fd, message, 1, flags);
}

void (ev_shutdown_set) (ev_op *op, int fd, int how, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_SHUTDOWN, fd, NULL, 0, how);
}

void (ev_socket_set) (ev_op *op, int domain, int type, int protocol, size_t op_size) EV_NOEXCEPT
{
    if (set_data (op, op_size, EVI_CODE_SOCKET, -1, NULL, (size_t) protocol, type))
        op->fd_to = domain;
}

/* -- files -- */

void (ev_openat_set) (ev_op *op, int dirfd, const char *path, int flags, unsigned mode,
                      size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_OPENAT, dirfd, path, mode, flags);
}

void (ev_close_set) (ev_op *op, int fd, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_CLOSE, fd, NULL, 0, 0);
}

/* A submission has 32 bits for it. */
static size_t set_bytes (size_t size)
{
    return size > EVI_BYTES_MAX ? EVI_BYTES_MAX : size;
}

static int set_position (ev_op *op, size_t op_size, int code, int fd, const void *buf, size_t size,
                         int64_t offset)
{
    if (!set_data (op, op_size, code, fd, buf, set_bytes (size), 0))
        return 0;
    op->offset = offset;
    if (EVI_UNLIKELY (size > EVI_BYTES_MAX))
        op->offset_to = (int64_t) size; /* for EV_OP_WHOLE */
    set_none_if (op, offset < -1);
    return 1;
}

static void set_vectors (ev_op *op, size_t op_size, int code, int fd, const struct iovec *vec, int count,
                         int64_t offset)
{
    if (set_position (op, op_size, code, fd, vec, (size_t) count, offset))
        set_none_if (op, count < 0 || count > SET_VECTORS_MAX);
}

void (ev_read_set) (ev_op *op, int fd, void *buf, size_t size, int64_t offset, size_t op_size) EV_NOEXCEPT
{
    set_position (op, op_size, EVI_CODE_READ, fd, buf, size, offset);
}

void (ev_write_set) (ev_op *op, int fd, const void *buf, size_t size, int64_t offset,
                     size_t op_size) EV_NOEXCEPT
{
    set_position (op, op_size, EVI_CODE_WRITE, fd, buf, size, offset);
}

void (ev_readv_set) (ev_op *op, int fd, const struct iovec *vec, int count, int64_t offset,
                     size_t op_size) EV_NOEXCEPT
{
    set_vectors (op, op_size, EVI_CODE_READV, fd, vec, count, offset);
}

void (ev_writev_set) (ev_op *op, int fd, const struct iovec *vec, int count, int64_t offset,
                      size_t op_size) EV_NOEXCEPT
{
    set_vectors (op, op_size, EVI_CODE_WRITEV, fd, vec, count, offset);
}

void (ev_fsync_set) (ev_op *op, int fd, int datasync, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_FSYNC, fd, NULL, 0, datasync != 0);
}

void (ev_fallocate_set) (ev_op *op, int fd, int mode, int64_t offset, int64_t size,
                         size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_FALLOCATE, fd, NULL, (size_t) mode, 0))
        return;
    op->offset = offset;
    op->offset_to = size;
}

void (ev_ftruncate_set) (ev_op *op, int fd, int64_t size, size_t op_size) EV_NOEXCEPT
{
    if (set_data (op, op_size, EVI_CODE_FTRUNCATE, fd, NULL, 0, 0))
        op->offset = size;
}

void (ev_statx_set) (ev_op *op, int dirfd, const char *path, int flags, unsigned mask, struct statx *stat,
                     size_t op_size) EV_NOEXCEPT
{
    if (set_data (op, op_size, EVI_CODE_STATX, dirfd, path, mask, flags))
        op->more = stat;
}

void (ev_unlinkat_set) (ev_op *op, int dirfd, const char *path, int flags, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_UNLINKAT, dirfd, path, 0, flags);
}

void (ev_renameat_set) (ev_op *op, int dirfd, const char *path, int dirfd_to, const char *path_to,
                        unsigned flags, size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_RENAMEAT, dirfd, path, 0, (int) flags))
        return;
    op->fd_to = dirfd_to;
    op->more = (void *) path_to;
}

void (ev_mkdirat_set) (ev_op *op, int dirfd, const char *path, unsigned mode, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_MKDIRAT, dirfd, path, mode, 0);
}

void (ev_splice_set) (ev_op *op, int fd, int64_t offset, int fd_to, int64_t offset_to, size_t size,
                      unsigned flags, size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_SPLICE, fd, NULL, set_bytes (size), (int) flags))
        return;
    op->fd_to = fd_to;
    op->offset = offset < 0 ? -1 : offset;
    op->offset_to = offset_to < 0 ? -1 : offset_to;
}

/* -- processes, and anything -- */

void (ev_waitid_set) (ev_op *op, int idtype, int id, void *info, int options, size_t op_size) EV_NOEXCEPT
{
    if (set_data (op, op_size, EVI_CODE_WAITID, -1, info, (size_t) idtype, options))
        op->fd_to = id;
}

void (ev_work_set) (ev_op *op, ev_work_call *call, void *arg, size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_WORK, -1, arg, 0, 0))
        return;
    memcpy (&op->more, &call, sizeof call);
    set_none_if (op, !call);
}

static int64_t set_pointer (const void *pointer)
{
    return (int64_t) (uintptr_t) pointer;
}

void (ev_getaddrinfo_set) (ev_op *op, const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **list, size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_GETADDRINFO, -1, node, 0, 0))
        return;
    op->more = (void *) service;
    op->offset = set_pointer (hints);
    op->offset_to = set_pointer (list);
    set_none_if (op, !list);
}

void (ev_getnameinfo_set) (ev_op *op, const struct sockaddr *address, unsigned size, char *host,
                           unsigned host_size, char *service, unsigned service_size, int flags,
                           size_t op_size) EV_NOEXCEPT
{
    if (!set_data (op, op_size, EVI_CODE_GETNAMEINFO, -1, host, host_size, flags))
        return;
    op->more = service;
    op->offset = set_pointer (address);
    op->offset_to = service_size;
    op->fd_to = (int) size;
    set_none_if (op, !address || size > sizeof (struct sockaddr_storage));
}

void (ev_sqe_set) (ev_op *op, const void *sqe, size_t op_size) EV_NOEXCEPT
{
    set_data (op, op_size, EVI_CODE_SQE, -1, sqe, 0, 0);
}

#endif
