/* seam_fd.c: calls on descriptors, and those that wait for them. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static int errored (int error)
{
    k.error = error;
    return -1;
}

/* ---- descriptors ---- */

static const char status_text[] = "Name:\tprogram\nSeccomp:\t0\nThreads:\t1\n";

static long read_file (int fd, void *data, size_t size)
{
    int file = fd_file (fd);
    struct file *f = file_at (file);
    long got;

    if (!f)
        return -EBADF;
    switch (f->kind) {
    case K_EVENTFD:
    case K_TIMERFD:
    case K_SIGNALFD:
        return notify_read (file, data, size);
    case K_TEXT:
        got = f->bytes ? 0 : (long) (sizeof status_text - 1 < size ? sizeof status_text - 1 : size);
        memcpy (data, status_text, (size_t) got);
        f->bytes = 1;
        return got;
    default:
        got = stream_read (file, size > 1 << 20 ? 1 << 20 : (int) size);
        if (got == -EAGAIN && !f->nonblock)
            fail (6, "a read of a blocking descriptor stands still");
        return got;
    }
}

ssize_t sim_read (int fd, void *data, size_t size)
{
    call_hot ();
    return call_end ("read", fd, (int64_t) size, 0, read_file (fd, data, size));
}

static long write_file (int fd, const void *data, size_t size)
{
    int file = fd_file (fd);
    uint64_t value;

    if (file < 0)
        return -EBADF;
    if (k.files[file].kind != K_EVENTFD)
        return stream_write (file, size > 1 << 20 ? 1 << 20 : (int) size);
    if (size < 8)
        return -EINVAL;
    memcpy (&value, data, 8);
    return eventfd_write (file, value);
}

ssize_t sim_write (int fd, const void *data, size_t size)
{
    call_hot ();
    return call_end ("write", fd, (int64_t) size, 0, write_file (fd, data, size));
}

int sim_close (int fd)
{
    call_begin ();
    return (int) call_end ("close", fd, 0, 0, fd_close (fd));
}

int sim_open (const char *path, int flags, ...)
{
    (void) flags;
    call_begin ();
    if (strcmp (path, "/proc/self/status"))
        return (int) call_end ("open", 0, 0, 0, -ENOENT);
    return (int) call_end ("open", 0, 0, 0, fd_new (file_new (K_TEXT)));
}

/* Nobody can tell: there is no /proc but for status. */
ssize_t sim_readlink (const char *path, char *text, size_t size)
{
    (void) path, (void) text, (void) size;
    call_begin ();
    return call_end ("readlink", 0, 0, 0, -ENOENT);
}

int sim_dup2 (int from, int to)
{
    call_begin ();
    return (int) call_end ("dup2", from, to, 0, fd_dup_onto (from, to));
}

int sim_pipe (int fd[2])
{
    int file[2];

    call_begin ();
    stream_pipe (file);
    fd[0] = fd_new (file[0]);
    fd[1] = fd_new (file[1]);
    return (int) call_end ("pipe", fd[0], fd[1], 0, 0);
}

int sim_fcntl (int fd, int action, ...)
{
    struct file *f = file_at (fd_file (fd));
    va_list arguments;
    int value;

    va_start (arguments, action);
    value = va_arg (arguments, int);
    va_end (arguments);
    call_begin ();
    if (!f)
        return (int) call_end ("fcntl", fd, action, 0, -EBADF);
    if (action == F_SETFL)
        f->nonblock = (value & O_NONBLOCK) != 0;
    return (int) call_end ("fcntl", fd, action, value, action == F_GETFL && f->nonblock ? O_NONBLOCK : 0);
}

int sim_getsockopt (int fd, int level, int option, void *value, socklen_t *size)
{
    const struct file *f = file_at (fd_file (fd));
    int answer = f ? f->kind == K_LISTENER ? 1 : 0 : 0;

    call_hot ();
    if (!f || (f->kind != K_LISTENER && f->kind != K_SOCKET))
        return (int) call_end ("getsockopt", fd, option, 0, f ? -ENOTSOCK : -EBADF);
    if (level != SOL_SOCKET || option != SO_ACCEPTCONN)
        answer = 0;
    memcpy (value, &answer, sizeof answer);
    *size = sizeof answer;
    return (int) call_end ("getsockopt", fd, option, 0, 0);
}

int sim_getpeername (int fd, struct sockaddr *address, socklen_t *size)
{
    const struct file *f = file_at (fd_file (fd));
    int err = !f ? -EBADF : f->kind == K_LISTENER ? -ENOTCONN : f->kind == K_SOCKET ? 0 : -ENOTSOCK;

    (void) address;
    call_hot ();
    *size = 0;
    return (int) call_end ("getpeername", fd, 0, 0, err);
}

int sim_eventfd (unsigned value, int flags)
{
    int file;

    call_begin ();
    if (trouble (T_MAKE, 3))
        return (int) call_end ("eventfd", 0, 0, 0, -ENOSYS);
    file = file_new (K_EVENTFD);
    k.files[file].count = value;
    k.files[file].nonblock = (flags & O_NONBLOCK) != 0;
    return (int) call_end ("eventfd", value, flags, 0, fd_new (file));
}

int sim_timerfd_create (int clock, int flags)
{
    int file;

    call_begin ();
    file = file_new (K_TIMERFD);
    k.files[file].nonblock = (flags & TFD_NONBLOCK) != 0;
    k.files[file].at = NEVER;
    return (int) call_end ("timerfd_create", clock, flags, 0, fd_new (file));
}

int sim_timerfd_settime (int fd, int flags, const struct itimerspec *spec, struct itimerspec *before)
{
    int file = fd_file (fd);

    (void) before;
    call_begin ();
    if (file < 0 || k.files[file].kind != K_TIMERFD)
        return (int) call_end ("timerfd_settime", fd, 0, 0, file < 0 ? -EBADF : -EINVAL);
    timerfd_arm (file,
                 spec->it_value.tv_sec > 8000000000 ? NEVER
                                                    : spec->it_value.tv_sec * SECOND + spec->it_value.tv_nsec,
                 (flags & 2) != 0);
    return (int) call_end ("timerfd_settime", fd, spec->it_value.tv_sec, 0, 0);
}

int sim_signalfd (int fd, const sigset_t *set, int flags)
{
    int file = fd_file (fd);
    uint64_t count = 0;

    call_begin ();
    if (file < 0) {
        file = file_new (K_SIGNALFD);
        k.files[file].nonblock = (flags & O_NONBLOCK) != 0;
        fd = fd_new (file);
    }
    for (int signum = 1; signum < SIGNALS - 1; signum++)
        if (sigismember (set, signum) == 1)
            count |= (uint64_t) 1 << signum;
    k.files[file].count = count;
    return (int) call_end ("signalfd", fd, (int64_t) count, 0, fd);
}

int sim_inotify_init1 (int flags)
{
    (void) flags;
    return errored (ENOSYS);
}

int sim_inotify_add_watch (int fd, const char *path, uint32_t mask)
{
    (void) fd, (void) path, (void) mask;
    return errored (ENOSYS);
}

int sim_inotify_rm_watch (int fd, int wd)
{
    (void) fd, (void) wd;
    return errored (ENOSYS);
}

/* ---- waiting ---- */

static nanos limit_ms (int ms)
{
    return ms < 0 ? NEVER : ms * MILLI;
}

int sim_epoll_create1 (int flags)
{
    (void) flags;
    call_begin ();
    k.makings++;
    if (trouble (T_MAKE, 8)) {
        k.sets_refused = 1;
        return (int) call_end ("epoll_create1", 0, 0, 0, -ENOMEM);
    }
    return (int) call_end ("epoll_create1", 0, 0, 0, fd_new (file_new (K_EPOLL)));
}

int sim_epoll_ctl (int set, int action, int fd, struct epoll_event *event)
{
    call_hot ();
    return (int) call_end ("epoll_ctl", set, action, fd, set_ctl (fd_file (set), action, fd, event));
}

int sim_epoll_wait (int set, struct epoll_event *events, int room, int ms)
{
    call_hot ();
    return (int) call_end ("epoll_wait", set, room, ms,
                           set_wait (fd_file (set), events, room, limit_ms (ms)));
}

long call_pwait2 (int set, struct epoll_event *events, int room, const int64_t *limit)
{
    if (!(k.profile->bits & P_PWAIT2))
        return -ENOSYS;
    return set_wait (fd_file (set), events, room, limit ? limit[0] * SECOND + limit[1] : NEVER);
}

struct polling {
    struct pollfd *fds;
    unsigned long count;
    int found;
};

static int poll_look (void *arg)
{
    struct polling *polling = arg;

    polling->found = 0;
    for (unsigned long i = 0; i < polling->count; i++) {
        struct pollfd *it = &polling->fds[i];
        int file = fd_file (it->fd);

        it->revents = 0;
        if (it->fd >= 0)
            it->revents =
                file < 0
                    ? POLLNVAL
                    : (short) (file_poll (file) & (unsigned) (it->events | POLLERR | POLLHUP | POLLNVAL));
        polling->found += it->revents != 0;
    }
    return polling->found;
}

int sim_poll (struct pollfd *fds, unsigned long count, int ms)
{
    struct polling polling = { fds, count, 0 };
    int err;

    call_hot ();
    if (ms && trouble (T_EINTR, 32)) {
        law_excuse (0);
        return (int) call_end ("poll", (int64_t) count, ms, 0, -EINTR);
    }
    k.polls_one = count == 1 && fd_file (fds->fd) >= 0 && k.files[fd_file (fds->fd)].kind == K_PIPE_READ;
    err = time_sleep (ms < 0 ? NEVER : k.now + limit_ms (ms), poll_look, &polling);
    k.polls_one = 0;
    if (err == -EINTR)
        return (int) call_end ("poll", (int64_t) count, ms, 0, -EINTR);
    poll_look (&polling);
    return (int) call_end ("poll", (int64_t) count, ms, 0, polling.found);
}

struct selecting {
    int count, found, bad;
    fd_set *reads, *writes, got_reads, got_writes;
};

/* A number that belongs to the C library, not to the model. */
static int in_set (int fd, fd_set *set)
{
    return set && FD_ISSET (fd, set);
}

static int select_look (void *arg)
{
    struct selecting *it = arg;

    it->found = it->bad = 0;
    FD_ZERO (&it->got_reads);
    FD_ZERO (&it->got_writes);
    for (int fd = 0; fd < it->count; fd++) {
        int read = in_set (fd, it->reads), write = in_set (fd, it->writes), file = fd_file (fd);
        unsigned got;

        if (!read && !write)
            continue;
        if (file < 0)
            return it->bad = 1;
        got = file_poll (file);
        if (read && got & (POLLIN | POLLHUP | POLLERR)) {
            FD_SET (fd, &it->got_reads);
            it->found++;
        }
        if (write && got & (POLLOUT | POLLERR)) {
            FD_SET (fd, &it->got_writes);
            it->found++;
        }
    }
    return it->found;
}

int sim_select (int count, fd_set *reads, fd_set *writes, fd_set *others, struct timeval *limit)
{
    struct selecting it = { .count = count, .reads = reads, .writes = writes };
    nanos until = limit ? k.now + MICRO + limit->tv_sec * SECOND + limit->tv_usec * MICRO : NEVER;
    size_t bytes = (size_t) (count + 63) / 64 * 8; /* more may not be there */

    (void) others;
    call_hot ();
    if (time_sleep (limit && !limit->tv_sec && !limit->tv_usec ? k.now : until, select_look, &it) == -EINTR)
        return (int) call_end ("select", count, 0, 0, -EINTR);
    if (select_look (&it) && it.bad)
        return (int) call_end ("select", count, 0, 0, -EBADF);
    if (reads)
        memcpy (reads, &it.got_reads, bytes);
    if (writes)
        memcpy (writes, &it.got_writes, bytes);
    return (int) call_end ("select", count, 0, 0, it.found);
}
