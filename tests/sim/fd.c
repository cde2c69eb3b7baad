/* fd.c: numbers, open files, and who is woken. A file lives while a descriptor, a hand of the world or a request holds it. */
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

struct file *file_at (int file)
{
    return file < 0 ? NULL : &k.files[file];
}

int file_new (int kind)
{
    int at = 0;

    while (at < FILES && k.files[at].kind)
        at++;
    if (at == FILES)
        fail (0, "the model has no more files");
    if (at >= k.file_top)
        k.file_top = at + 1;
    k.files[at] = (struct file){ .kind = (uint8_t) kind, .peer = -1, .ring = -1, .serial = ++k.serials };
    return at;
}

/* ---- numbers ---- */

int fd_file (int fd)
{
    return fd < 0 || fd >= FDS ? -1 : k.fds[fd];
}

int fd_new (int file)
{
    for (int fd = 0; fd < k.nofile; fd++)
        if (k.fds[fd] < 0) {
            k.fds[fd] = (int16_t) file;
            k.files[file].refs++;
            return fd;
        }
    if (!k.files[file].refs) {
        k.files[file].refs = 1;
        file_drop (file);
    }
    return -EMFILE;
}

int fd_close (int fd)
{
    int file = fd_file (fd);

    if (file < 0)
        return -EBADF;
    k.fds[fd] = -1;
    file_drop (file);
    return 0;
}

int fd_dup (int fd)
{
    int file = fd_file (fd);

    return file < 0 ? -EBADF : fd_new (file);
}

int fd_dup_onto (int from, int to)
{
    int file = fd_file (from);

    if (file < 0 || to < 0 || to >= FDS)
        return -EBADF;
    if (from == to)
        return to;
    file_take (file);
    if (k.fds[to] >= 0)
        fd_close (to);
    k.fds[to] = (int16_t) file;
    return to;
}

/* ---- holding ---- */

static void file_release (int file)
{
    struct file *f = &k.files[file];

    set_forget (file);
    switch (f->kind) {
    case K_SOCKET:
    case K_PIPE_READ:
    case K_PIPE_WRITE:
        stream_release (file);
        break;
    case K_RING:
        ring_release (file);
        break;
    }
    f->kind = K_NONE;
}

void file_take (int file)
{
    k.files[file].refs++;
}

void file_drop (int file)
{
    struct file *f = &k.files[file];

    /* a ring goes with its last descriptor: its requests are ended then, and give back what they hold */
    if (--f->refs == 0 && !f->pins)
        file_release (file);
}

void file_pin (int file)
{
    k.files[file].pins++;
}

void file_unpin (int file)
{
    struct file *f = &k.files[file];

    if (--f->pins == 0 && f->refs == 0)
        file_release (file);
}

/* ---- readiness ---- */

unsigned file_poll (int file)
{
    const struct file *f = &k.files[file];

    switch (f->kind) {
    case K_SOCKET:
    case K_LISTENER:
    case K_PIPE_READ:
    case K_PIPE_WRITE:
        return stream_poll (f);
    case K_EVENTFD:
    case K_TIMERFD:
    case K_SIGNALFD:
        return notify_poll (f);
    case K_EPOLL:
        return set_poll (file);
    case K_RING:
        return ring_has_news (&k.rings[f->ring]) ? POLLIN : 0;
    case K_ODD: /* as a terminal: bytes come */
        return (f->bytes ? POLLIN : 0) | POLLOUT;
    default:
        return POLLIN | POLLOUT;
    }
}

void file_note (int file)
{
    struct file *f = &k.files[file];
    unsigned now = file_poll (file);

    f->seen |= (uint8_t) now;
    f->steady &= (uint8_t) now;
}

void file_wake (int file, unsigned mask)
{
    struct file *f = &k.files[file];

    if (f->ours) {
        unsigned got = file_poll (file);

        f->seen |= (uint8_t) got;
        k.wakes++;
        if ((!mask || mask & POLLIN) && got & (POLLIN | POLLERR | POLLHUP))
            f->woken[0] = k.wakes;
        if ((!mask || mask & POLLOUT) && got & (POLLOUT | POLLERR | POLLHUP))
            f->woken[1] = k.wakes;
    }
    request_woken (file, mask);
    set_woken (file, mask);
}
