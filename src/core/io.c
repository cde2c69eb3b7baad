/* io.c: ev_io, the watcher of descriptors. Puts watchers into rows; fd.c does the rest. */
#include "loop.h"

#include <errno.h>

enum { IO_ROWS = 64 }; /* to begin with: more than most loops need */

/* Rows grow to the highest descriptor seen. A number far beyond any open file must not cost its weight in
 * memory: before growing, ask whether it is open at all. */
static int io_fit (struct ev_loop *loop, int fd)
{
    if (EVI_LIKELY ((unsigned) fd < loop->fds.count))
        return 0;
    if (evi_sys_fd_valid (fd) == -EBADF) /* or nobody can tell: a filter may refuse the question */
        return -EBADF;
    EVI_FIT_ZEROED (loop->fds.rows, loop->fds.count, fd < IO_ROWS ? IO_ROWS : fd + 1);
    return 0;
}

void ev_io_start (EV_P_ ev_io *w) EV_NOEXCEPT
{
    int fd = w->fd;
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    if (EVI_UNLIKELY (w->events & ~(EVI_IO_BITS | EV__IOFDSET))) {
        evi_reject (loop, w, EVI_IO_BITS, "ev_io_start", "events must be EV_READ, EV_WRITE or both");
        return;
    }
    evi_watcher_start (loop, w, 1);
    if (EVI_UNLIKELY (fd < 0 || io_fit (loop, fd) < 0)) { /* told at the next reify, as by a backend */
        evi_chain_add (&loop->fds.nowhere, w);
        return;
    }
    evi_chain_add (&loop->fds.rows[fd].head, w);
    evi_fd_change (loop, fd, w->events & EV__IOFDSET ? EVI_WHY_FRESH : EVI_WHY_EVENTS);
    w->events &= ~EV__IOFDSET;
    EVI_VERIFY_CHANGE (loop);
}

/* The row the watcher was in; NULL if its descriptor never had one. */
static struct evi_row *io_take_out (struct ev_loop *loop, ev_io *w)
{
    struct evi_row *row = (unsigned) w->fd < loop->fds.count ? &loop->fds.rows[w->fd] : NULL;

    if (EVI_LIKELY (row && evi_chain_remove (&row->head, w)))
        return row;
    if (!evi_chain_remove (&loop->fds.nowhere, w))
        evi_misuse ("ev_io_stop",
                    "the fd was changed while the watcher was active; stop it before ev_io_set");
    return NULL;
}

void ev_io_stop (EV_P_ ev_io *w) EV_NOEXCEPT
{
    struct evi_row *row;
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    row = io_take_out (loop, w);
    evi_watcher_stop (loop, w);
    if (!row)
        return;
    if (row->kind & EVI_ROW_HELD && !row->head)
        loop->backend->release (loop, w->fd);
    if (row->told)
        evi_fd_change (loop, w->fd, EVI_WHY_EVENTS);
    EVI_VERIFY_CHANGE (loop);
}

void ev_feed_fd_event (EV_P_ int fd, int revents) EV_NOEXCEPT
{
    EVI_DOOR;

    if ((unsigned) fd < loop->fds.count)
        evi_fd_feed (loop, fd, revents);
}

EVI void evi_fd_own (struct ev_loop *loop, ev_io *w, void (*cb) (EV_P_ ev_io *w, int revents), int fd,
                     int priority)
{
    ev_io_init (w, cb, fd, EV_READ);
    ev_set_priority (w, priority);
    ev_io_start (EV_A_ w);
    evi_unref (loop);
    loop->fds.rows[fd].kind |= EVI_ROW_OURS;
}

/* The program may watch the number too, since before it was ours: that is another file again. */
EVI void evi_fd_disown (struct ev_loop *loop, ev_io *w)
{
    if (!evi_is_active (w))
        return;
    loop->fds.rows[w->fd].kind &= (uint8_t) ~EVI_ROW_OURS;
    evi_ref (loop);
    ev_io_stop (EV_A_ w);
    if (EVI_UNLIKELY (loop->fds.rows[w->fd].head != NULL))
        evi_fd_change (loop, w->fd, EVI_WHY_FRESH);
}
