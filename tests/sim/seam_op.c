/* seam_op.c: the calls by name that operations make where there is no ring, or where one is not worth it. */
#include "kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* ---- sockets ---- */

static long call_blocks (int file, long res, int flags)
{
    return res == -EAGAIN && !(flags & MSG_DONTWAIT) ? law_blocks (file) : res;
}

static long call_recv (int fd, void *data, size_t size, int flags)
{
    int file = fd_file (fd);

    if (file < 0)
        return -EBADF;
    if (k.files[file].kind != K_SOCKET)
        return -ENOTSOCK;
    return call_blocks (file, stream_take (file, data, (int) size), flags);
}

static long call_send (int fd, const void *data, size_t size, int flags)
{
    int file = fd_file (fd);

    if (file < 0)
        return -EBADF;
    if (k.files[file].kind != K_SOCKET)
        return -ENOTSOCK;
    return call_blocks (file, stream_put (file, data, (int) size), flags);
}

ssize_t sim_recv (int fd, void *data, size_t size, int flags)
{
    call_hot ();
    return call_end ("recv", fd, (int64_t) size, flags, call_recv (fd, data, size, flags));
}

ssize_t sim_send (int fd, const void *data, size_t size, int flags)
{
    call_hot ();
    return call_end ("send", fd, (int64_t) size, flags, call_send (fd, data, size, flags));
}

ssize_t sim_recvmsg (int fd, struct msghdr *message, int flags)
{
    const struct iovec *vec = message->msg_iov;

    call_hot ();
    return call_end ("recvmsg", fd, (int64_t) vec->iov_len, flags,
                     call_recv (fd, vec->iov_base, vec->iov_len, flags));
}

ssize_t sim_sendmsg (int fd, const struct msghdr *message, int flags)
{
    const struct iovec *vec = message->msg_iov;

    call_hot ();
    return call_end ("sendmsg", fd, (int64_t) vec->iov_len, flags,
                     call_send (fd, vec->iov_base, vec->iov_len, flags));
}

int sim_shutdown (int fd, int how)
{
    int file = fd_file (fd);

    call_hot ();
    if (file < 0 || k.files[file].kind != K_SOCKET)
        return (int) call_end ("shutdown", fd, how, 0, file < 0 ? -EBADF : -ENOTSOCK);
    stream_shut (file, how != SHUT_WR, how != SHUT_RD);
    return (int) call_end ("shutdown", fd, how, 0, 0);
}

long call_accept (int fd, int flags)
{
    int file = fd_file (fd);

    if (file < 0)
        return -EBADF;
    fd = stream_accept (file, (flags & SOCK_NONBLOCK) != 0);
    return fd == -EAGAIN ? law_blocks (file) : fd;
}

/* ---- vectors: of one piece, which is what there is ---- */

long call_readv (int fd, const struct iovec *vec, int count, int64_t offset, int nowait)
{
    int file = fd_file (fd);
    struct file *f = file_at (file);
    int got;

    if (!f || f->kind == K_PIPE_WRITE)
        return -EBADF;
    if (f->kind == K_ODD && nowait) /* a terminal cannot be asked not to sleep */
        return -EOPNOTSUPP;
    if (f->kind != K_REGULAR)
        return offset >= 0 ? -ESPIPE
               : count     ? call_blocks (file, stream_take (file, vec->iov_base, (int) vec->iov_len),
                                      nowait ? MSG_DONTWAIT : 0)
                           : 0;
    if (nowait && f->cold && law_has_rings ())
        return -EAGAIN;
    if (!nowait)
        fail (6, "a file is read by the thread of the loop");
    got =
        file_take_at (file, vec->iov_base, (int) vec->iov_len, offset < 0 ? f->position : (uint32_t) offset);
    f->position += offset < 0 ? (uint32_t) got : 0;
    return got;
}

long call_writev (int fd, const struct iovec *vec, int count, int nowait)
{
    int file = fd_file (fd);

    if (file < 0 || k.files[file].kind == K_PIPE_READ)
        return -EBADF;
    if (k.files[file].kind == K_ODD && nowait)
        return -EOPNOTSUPP;
    return count ? call_blocks (file, stream_put (file, vec->iov_base, (int) vec->iov_len),
                                nowait ? MSG_DONTWAIT : 0)
                 : 0;
}

ssize_t sim_readv (int fd, const struct iovec *vec, int count)
{
    call_hot ();
    return call_end ("readv", fd, count, 0, call_readv (fd, vec, count, -1, 0));
}

ssize_t sim_preadv (int fd, const struct iovec *vec, int count, off_t offset)
{
    call_hot ();
    return call_end ("preadv", fd, count, offset, call_readv (fd, vec, count, offset, 0));
}

ssize_t sim_writev (int fd, const struct iovec *vec, int count)
{
    call_hot ();
    return call_end ("writev", fd, count, 0, call_writev (fd, vec, count, 0));
}

/* ---- what a descriptor is ---- */

static unsigned mode_of (int kind)
{
    switch (kind) {
    case K_SOCKET:
    case K_LISTENER:
        return S_IFSOCK;
    case K_PIPE_READ:
    case K_PIPE_WRITE:
        return S_IFIFO;
    case K_REGULAR:
    case K_TEXT:
        return S_IFREG;
    case K_ODD:
        return S_IFCHR;
    default:
        return 0;
    }
}

int sim_isatty (int fd)
{
    const struct file *f = file_at (fd_file (fd));

    call_hot ();
    call_end ("isatty", fd, 0, 0, 0);
    return f && f->kind == K_ODD;
}

int sim_fstat (int fd, struct stat *stat)
{
    const struct file *f = file_at (fd_file (fd));

    call_hot ();
    if (f) {
        memset (stat, 0, sizeof *stat);
        stat->st_mode = mode_of (f->kind);
    }
    return (int) call_end ("fstat", fd, 0, 0, f ? 0 : -EBADF);
}
