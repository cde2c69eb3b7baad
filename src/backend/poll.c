/* poll.c: the poll backend.
 *
 * What poll does badly: the kernel is handed every descriptor each time and looks at each of them, and waits
 * are in milliseconds. What it does well: no kernel state, so nothing to lose in a fork or a close. */
#include "../core/loop.h"
#include "bits.h"

#if EV_USE_POLL

#include <errno.h>
#include <string.h>

struct poll {
    struct pollfd *fds; /* what the kernel is handed, without gaps */
    unsigned count, room;
    int *place; /* per descriptor: its place in fds + 1, or 0 */
    unsigned place_room;
    int ready; /* what poll answered */
};

static int poll_open (struct ev_loop *loop)
{
    loop->backend_data = evi_resize (NULL, sizeof (struct poll));
    memset (loop->backend_data, 0, sizeof (struct poll));
    return 0;
}

static void poll_close (struct ev_loop *loop)
{
    struct poll *self = loop->backend_data;

    evi_resize (self->fds, 0);
    evi_resize (self->place, 0);
    evi_resize (self, 0);
}

static void poll_add (struct poll *self, int fd)
{
    EVI_FIT (self->fds, self->room, self->count + 1);
    self->fds[self->count++] = (struct pollfd){ .fd = fd };
    self->place[fd] = (int) self->count;
}

static void poll_remove (struct poll *self, int fd)
{
    struct pollfd last = self->fds[--self->count];

    self->fds[self->place[fd] - 1] = last;
    self->place[last.fd] = self->place[fd];
    self->place[fd] = 0;
}

static int poll_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    struct poll *self = loop->backend_data;

    (void) told, (void) why;
    EVI_FIT_ZEROED (self->place, self->place_room, fd + 1);
    if (!want) {
        if (self->place[fd])
            poll_remove (self, fd);
        return 0;
    }
    if (!self->place[fd])
        poll_add (self, fd);
    self->fds[self->place[fd] - 1].events = evi_bits_asked (want);
    return 0;
}

/* Rounded up to the next millisecond: never early, at the price of up to one (IO-18). */
static int poll_ms (ev_tstamp limit)
{
    return limit > 2e6 ? 2000000 * 1000 : (int) (limit * 1e3 + 0.9999);
}

static int poll_wait (struct ev_loop *loop, ev_tstamp limit)
{
    struct poll *self = loop->backend_data;

    self->ready = evi_sys_poll (self->fds, self->count, poll_ms (limit));
    return self->ready < 0 ? self->ready : 0;
}

static void poll_report (struct ev_loop *loop, const struct pollfd *fd)
{
    if (fd->revents & POLLNVAL) {
        evi_fd_broken (loop, fd->fd, -EBADF);
        return;
    }
    evi_fd_ready (loop, fd->fd, evi_bits_got ((unsigned) fd->revents));
}

static void poll_reap (struct ev_loop *loop)
{
    struct poll *self = loop->backend_data;

    for (unsigned i = 0; self->ready > 0 && i < self->count; i++)
        if (self->fds[i].revents) {
            self->ready--;
            poll_report (loop, &self->fds[i]);
        }
}

EVI_HOME const struct evi_backend evi_poll = {
    .name = "poll",
    .call = "poll",
    .bit = EVBACKEND_POLL,
    .grain = 1e-3,
    .open = poll_open,
    .close = poll_close,
    .modify = poll_modify,
    .wait = poll_wait,
    .reap = poll_reap,
};

#endif
