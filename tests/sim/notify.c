/* notify.c: descriptors that only tell something: eventfd, timerfd, signalfd. */
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>

unsigned notify_poll (const struct file *f)
{
    switch (f->kind) {
    case K_EVENTFD:
        return (f->count ? POLLIN : 0) | POLLOUT;
    case K_TIMERFD:
        return f->count || f->was_set ? POLLIN : 0;
    default:
        return k.pending & f->count ? POLLIN : 0;
    }
}

int eventfd_write (int file, uint64_t value)
{
    k.files[file].count += value;
    file_wake (file, POLLIN);
    return 8;
}

static long notify_read_count (int file, void *data, size_t size)
{
    struct file *f = &k.files[file];

    if (size < 8)
        return -EINVAL;
    if (f->kind == K_TIMERFD && f->was_set) {
        f->was_set = 0;
        f->count = 0;
        return -ECANCELED;
    }
    if (!f->count) {
        if (!f->nonblock)
            fail (6, "a read of a blocking descriptor stands still");
        return -EAGAIN;
    }
    memcpy (data, &f->count, 8);
    f->count = 0;
    file_note (file);
    if (f->kind == K_EVENTFD)
        file_wake (file, POLLOUT);
    return 8;
}

static long notify_read_signals (const struct file *f, void *data, size_t size)
{
    struct signalfd_siginfo *info = data;
    long got = 0;

    for (int signum = 1; signum < SIGNALS - 1 && size - (size_t) got >= sizeof *info; signum++)
        if (k.pending & f->count & (uint64_t) 1 << signum) {
            k.pending &= ~((uint64_t) 1 << signum);
            memset (info, 0, sizeof *info);
            info++->ssi_signo = (uint32_t) signum;
            got += (long) sizeof *info;
        }
    return got ? got : -EAGAIN;
}

long notify_read (int file, void *data, size_t size)
{
    const struct file *f = &k.files[file];

    return f->kind == K_SIGNALFD ? notify_read_signals (f, data, size) : notify_read_count (file, data, size);
}

static void timerfd_expire (int64_t file, int64_t serial, int64_t at)
{
    struct file *f = &k.files[file];

    if (f->kind != K_TIMERFD || f->serial != serial || f->at != at)
        return;
    f->count++;
    f->at = NEVER;
    file_wake ((int) file, POLLIN);
}

void timerfd_arm (int file, nanos at, int cancel_on_set)
{
    struct file *f = &k.files[file];

    f->at = at;
    f->cancel_on_set = (uint8_t) cancel_on_set;
    f->count = 0;
    f->was_set = 0;
    if (at < NEVER - (SECOND << 20) && at - k.wall < k.now + (SECOND << 20))
        time_plan (at - k.wall, timerfd_expire, file, f->serial, at);
}

/* Somebody has set the wall clock. */
void notify_wall_set (void)
{
    for (int file = 0; file < k.file_top; file++)
        if (k.files[file].kind == K_TIMERFD && k.files[file].cancel_on_set) {
            k.files[file].was_set = 1;
            file_wake (file, POLLIN);
        }
}

void notify_signal (int signum)
{
    for (int file = 0; file < k.file_top; file++)
        if (k.files[file].kind == K_SIGNALFD && k.files[file].count & (uint64_t) 1 << signum)
            file_wake (file, POLLIN);
}
