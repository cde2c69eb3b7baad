/* epoll.c: the epoll backend. Read this one first.
 *
 * What epoll does badly: it watches open files, not descriptors. A file that lives on through a duplicate is
 * reported under a number that was closed and may stand for another file by now; and it cannot be removed
 * through that number. So each registration carries the row's generation: a report with another one is about
 * an earlier file, and the whole set is made anew to be rid of it (IO-13). It refuses regular files, which are
 * always ready (IO-10), and it is shared with fork children.
 *
 * A registration outlives its last watcher: removing it would cost a call that is wasted if the watcher comes
 * back, and needless if the descriptor is closed (IO-9). row->mark is the mask the kernel has. */
#include "../core/loop.h"
#include "bits.h"

#if EV_USE_EPOLL

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    EPOLL_BATCH = 64,   /* events fetched per wait to begin with; doubles when it was full (IO-16) */
    EPOLL_ALWAYS = 0x80 /* in row->mark: epoll refuses this file because it is always ready */
};

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP,
               "epoll speaks the words of poll");

struct epoll {
    int count;    /* what the last wait fetched */
    int poisoned; /* holds a registration that cannot be removed */
    struct epoll_event *events;
    unsigned room;
    int *always; /* descriptors that are always ready, in the order they came */
    unsigned always_count, always_room;
};

static int epoll_open (struct ev_loop *loop)
{
    struct epoll *self;
    int fd = evi_sys_epoll_create ();

    if (fd < 0)
        return fd;
    loop->backend_data = self = evi_resize (NULL, sizeof *self);
    *self = (struct epoll){ 0 };
    loop->backend_fd = fd;
    EVI_FIT (self->events, self->room, EPOLL_BATCH);
    return 0;
}

static void epoll_close (struct ev_loop *loop)
{
    struct epoll *self = loop->backend_data;

    evi_sys_close (loop->backend_fd);
    loop->backend_fd = -1;
    evi_resize (self->events, 0);
    evi_resize (self->always, 0);
    evi_resize (self, 0);
}

static int epoll_reopen (struct ev_loop *loop)
{
    struct epoll *self = loop->backend_data;
    int fd;

    evi_sys_close (loop->backend_fd);
    self->poisoned = 0;
    self->always_count = 0;
    self->count = 0;
    while ((fd = evi_sys_epoll_create ()) < 0)
        evi_syserr ("epoll_create", -fd);
    loop->backend_fd = fd;
    return 0;
}

static int epoll_tell (struct ev_loop *loop, int action, int fd, int want)
{
    struct epoll_event event = { .events = (uint32_t) evi_bits_asked (want) };
    int err;

    event.data.u64 = (uint64_t) loop->fds.rows[fd].gen << 32 | (uint32_t) fd;
    err = evi_sys_epoll_ctl (loop->backend_fd, action, fd, &event);
    if (!err)
        loop->fds.rows[fd].mark = (uint8_t) want;
    return err;
}

static int epoll_always (struct epoll *self, struct evi_row *row, int fd)
{
    if (!(row->mark & EPOLL_ALWAYS)) {
        EVI_FIT (self->always, self->always_room, self->always_count + 1);
        self->always[self->always_count++] = fd;
    }
    row->mark = EPOLL_ALWAYS;
    return 0;
}

/* A new generation for whatever file the number stands for now. If the kernel answers that it has this very
 * file already, its registration carries the old one: keep that, or replace it together with the mask. */
static int epoll_add (struct ev_loop *loop, int fd, int want)
{
    struct evi_row *row = &loop->fds.rows[fd];
    uint8_t had = row->mark;
    int err;

    row->gen++;
    err = epoll_tell (loop, EPOLL_CTL_ADD, fd, want);
    if (err != -EEXIST)
        return err;
    if (had == want) {
        row->gen--;
        return 0;
    }
    return epoll_tell (loop, EPOLL_CTL_MOD, fd, want);
}

static int epoll_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    struct epoll *self = loop->backend_data;
    struct evi_row *row = &loop->fds.rows[fd];
    int fresh = why & EVI_WHY_FRESH, err;

    if (!want)
        return 0; /* lazily: see above */
    if (row->mark & EPOLL_ALWAYS && !fresh)
        return 0;
    if (told && !fresh) {
        err = epoll_tell (loop, EPOLL_CTL_MOD, fd, want);
        if (err != -ENOENT)
            return err == -EPERM ? epoll_always (self, row, fd) : err;
    }
    err = epoll_add (loop, fd, want);
    if (err == -EPERM)
        return epoll_always (self, row, fd);
    row->mark &= (uint8_t) ~EPOLL_ALWAYS; /* its entry in the list goes at the next reap */
    return err;
}

static int epoll_wait_events (struct ev_loop *loop, ev_tstamp limit)
{
    struct epoll *self = loop->backend_data;
    struct timespec ts = { 0 };

    if (self->poisoned)
        return EVI_REBUILD;
    if (limit > 0 && !self->always_count)
        ts = evi_sys_timespec (limit);
    self->count = evi_sys_epoll_wait (loop->backend_fd, self->events, (int) self->room, &ts);
    return self->count < 0 ? self->count : 0;
}

/* Reported though nobody wants it: narrow the registration, or take it back (IO-9). If even that is refused,
 * the registration belongs to a file this number no longer stands for. */
EVI_COLD static void epoll_narrow (struct ev_loop *loop, int fd, int want)
{
    struct epoll *self = loop->backend_data;

    if (epoll_tell (loop, want ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, want) < 0)
        self->poisoned = 1;
}

static void epoll_report (struct ev_loop *loop, const struct epoll_event *event)
{
    struct epoll *self = loop->backend_data;
    int fd = (int) (uint32_t) event->data.u64;
    struct evi_row *row = &loop->fds.rows[fd];
    int got = evi_bits_got (event->events);

    if (EVI_UNLIKELY (row->gen != (uint32_t) (event->data.u64 >> 32))) {
        loop->stats.stale++;
        self->poisoned = 1;
        return;
    }
    if (EVI_UNLIKELY (row->mark & ~row->told && !(row->why & EVI_WHY_PROGRAM)))
        epoll_narrow (loop, fd, row->told);
    evi_fd_ready (loop, fd, got);
}

EVI_APART static void epoll_reap_always (struct ev_loop *loop, struct epoll *self)
{
    for (unsigned i = self->always_count; i-- > 0;) {
        int fd = self->always[i];
        struct evi_row *row = &loop->fds.rows[fd];

        if (row->mark & EPOLL_ALWAYS && row->told)
            evi_fd_ready (loop, fd, row->told);
        else { /* nobody wants it any more, or it is another file now */
            row->mark &= (uint8_t) ~EPOLL_ALWAYS;
            self->always[i] = self->always[--self->always_count];
        }
    }
}

static void epoll_reap (struct ev_loop *loop)
{
    struct epoll *self = loop->backend_data;

    for (int i = 0; i < self->count; i++)
        epoll_report (loop, &self->events[i]);
    if (EVI_UNLIKELY (self->count == (int) self->room))
        EVI_FIT (self->events, self->room, self->room + 1);
    self->count = 0;
    if (EVI_UNLIKELY (self->always_count))
        epoll_reap_always (loop, self);
}

static int epoll_expose (struct ev_loop *loop)
{
    return loop->backend_fd;
}

static void epoll_dump (struct ev_loop *loop, FILE *out)
{
    const struct epoll *self = loop->backend_data;

    fprintf (out, "epoll: fd %d, room for %u events, %u descriptors always ready\n", loop->backend_fd,
             self->room, self->always_count);
}

EVI_HOME const struct evi_backend evi_epoll = {
    .name = "epoll",
    .call = "epoll_wait",
    .bit = EVBACKEND_EPOLL,
    .grain = 1e-6,
    .open = epoll_open,
    .close = epoll_close,
    .reopen = epoll_reopen,
    .modify = epoll_modify,
    .wait = epoll_wait_events,
    .reap = epoll_reap,
    .expose = epoll_expose,
    .dump = epoll_dump,
};

#endif
