/* stream.c: connected sockets, listeners, pipes. How many bytes there are is known of what flows; which bytes follows from
 * how many went before. */
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

void stream_pair (int file[2], int unix_like)
{
    for (int i = 0; i < 2; i++) {
        file[i] = file_new (K_SOCKET);
        k.files[file[i]].unix_like = (uint8_t) unix_like;
    }
    k.files[file[0]].peer = (int16_t) file[1];
    k.files[file[1]].peer = (int16_t) file[0];
}

void stream_pipe (int file[2])
{
    file[0] = file_new (K_PIPE_READ);
    file[1] = file_new (K_PIPE_WRITE);
    k.files[file[0]].peer = (int16_t) file[1];
    k.files[file[1]].peer = (int16_t) file[0];
}

static unsigned stream_poll_socket (const struct file *f)
{
    unsigned mask = 0;

    if (f->reset)
        return POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLRDHUP;
    if (f->eof || f->shut_read)
        mask |= POLLIN | EPOLLRDHUP;
    if (f->bytes)
        mask |= POLLIN;
    if (f->shut_write || f->peer < 0 || k.files[f->peer].bytes < STREAM_ROOM)
        mask |= POLLOUT;
    if (((f->eof || f->shut_read) && f->shut_write) || (f->peer < 0 && f->unix_like))
        mask |= POLLHUP;
    return mask;
}

unsigned stream_poll (const struct file *f)
{
    switch (f->kind) {
    case K_SOCKET:
        return stream_poll_socket (f);
    case K_LISTENER:
        return f->bytes ? POLLIN : 0;
    case K_PIPE_READ:
        return (f->bytes ? POLLIN : 0) | (f->peer < 0 ? POLLHUP : 0);
    default:
        if (f->peer < 0)
            return POLLOUT | POLLERR;
        return k.files[f->peer].bytes < STREAM_ROOM ? POLLOUT : 0;
    }
}

int stream_read (int file, int bytes)
{
    struct file *f = &k.files[file];
    int full = f->bytes >= STREAM_ROOM, got = f->bytes < bytes ? f->bytes : bytes;

    if (f->kind == K_PIPE_WRITE)
        return -EBADF;
    if (!got) {
        if (f->reset || f->eof || f->shut_read || (f->kind == K_PIPE_READ && f->peer < 0))
            return 0;
        return -EAGAIN;
    }
    f->bytes -= (uint8_t) got;
    f->position += (uint32_t) got;
    file_note (file);
    if (full && f->peer >= 0)
        file_wake (f->peer, POLLOUT);
    return got;
}

int stream_write (int file, int bytes)
{
    struct file *f = &k.files[file], *to = file_at (f->peer);
    int put;

    if (f->kind == K_PIPE_READ || f->kind == K_LISTENER)
        return -EBADF;
    if (f->shut_write || f->reset || (!to && (f->kind != K_SOCKET || f->unix_like)))
        return -EPIPE;
    if (!to) { /* nobody is there: the answer is a reset */
        f->reset = 1;
        file_wake (file, 0);
        return bytes;
    }
    put = STREAM_ROOM - to->bytes < bytes ? STREAM_ROOM - to->bytes : bytes;
    if (!put)
        return -EAGAIN;
    to->bytes += (uint8_t) put;
    file_note (file);
    file_wake (f->peer, POLLIN);
    return put;
}

uint8_t file_byte (int file, uint32_t at)
{
    return (uint8_t) (k.files[file].serial * 31 + at * 7 + 1);
}

static void file_copy (int file, void *to, int count, uint32_t at)
{
    uint8_t bytes[FILE_SIZE];

    for (int i = 0; i < count; i++)
        bytes[i] = file_byte (file, at + (uint32_t) i);
    law_put (to, bytes, count, file);
}

int stream_take (int file, void *to, int room)
{
    const struct file *f = &k.files[file];
    int got = f->bytes < room ? f->bytes : room;

    if (got > 0 && f->kind != K_PIPE_WRITE)
        file_copy (file, to, got, f->position);
    return stream_read (file, room);
}

int file_take_at (int file, void *to, int room, uint32_t at)
{
    int left = at < FILE_SIZE ? FILE_SIZE - (int) at : 0, got = left < room ? left : room;

    if (got > 0)
        file_copy (file, to, got, at);
    return got;
}

int stream_put (int file, const void *from, int count)
{
    int put = stream_write (file, count);

    if (put > 0)
        law_get (from, put, file);
    return put;
}

int stream_accept (int listener, int nonblock)
{
    int file[2], fd;

    if (k.files[listener].kind != K_LISTENER)
        return -EINVAL;
    if (!k.files[listener].bytes)
        return -EAGAIN;
    k.files[listener].bytes--;
    file_note (listener);
    stream_pair (file, 0);
    k.files[file[0]].nonblock = (uint8_t) nonblock;
    k.files[file[1]].follows = 1;
    file_take (file[1]);
    fd = fd_new (file[0]);
    return fd;
}

void stream_shut (int file, int reading, int writing)
{
    struct file *f = &k.files[file], *to = file_at (f->peer);

    if (f->kind != K_SOCKET || f->reset)
        return;
    if (writing && (!f->shut_write || f->unix_like)) { /* those are woken each time */
        f->shut_write = 1;
        if (to) {
            to->eof = 1;
            file_wake (f->peer, 0);
            law_excuse (EPOLLRDHUP);
        }
    }
    if (reading) {
        f->shut_read = 1;
        law_excuse (EPOLLRDHUP);
        if (to && f->unix_like) { /* nobody would read it */
            to->shut_write = 1;
            file_wake (f->peer, 0);
        }
    }
    file_wake (file, 0); /* its own side, too, without saying for what */
}

/* The last descriptor is closed: what has not been read makes it a reset. */
void stream_release (int file)
{
    struct file *f = &k.files[file], *to = file_at (f->peer);

    if (!to)
        return;
    to->peer = -1;
    to->eof = f->kind == K_SOCKET;
    if (f->bytes && f->kind == K_SOCKET && !to->unix_like)
        to->reset = 1;
    if (to->follows) {
        file_drop (f->peer);
        return;
    }
    file_wake (f->peer, 0);
    law_excuse (EPOLLRDHUP);
}
