/* epollset.c: one epoll set.
 * Owns struct evi_epollset and, of the rows that are in it, row->mark.
 *
 * What epoll does badly: it watches open files, not descriptors. A file that lives on through a duplicate is
 * reported under a number that was closed and may stand for another file by now; and it cannot be removed
 * through that number. So each registration carries the row's generation: a report with another one is about
 * an earlier file, and the whole set is made anew to be rid of it (IO-13). It refuses regular files, which are
 * always ready (IO-10), and it is shared with fork children.
 *
 * A registration outlives its last watcher: removing it would cost a call that is wasted if the watcher comes
 * back, and needless if the descriptor is closed (IO-9). */
#include "epollset.h"

#include "bits.h"

#if EVI_LINUX

#include <errno.h>
#include <sys/epoll.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP,
               "epoll speaks the words of poll");

EVI int evi_epollset_open (struct evi_epollset *set, unsigned room)
{
    int fd = evi_sys_epoll_create ();

    set->fd = fd < 0 ? -1 : fd;
    set->poisoned = set->count = 0;
    set->always_count = 0; /* rows forget their marks with it */
    EVI_FIT (set->events, set->room, room);
    return fd < 0 ? fd : 0;
}

EVI void evi_epollset_close (struct evi_epollset *set)
{
    if (set->fd >= 0)
        evi_sys_close (set->fd);
    evi_resize (set->events, 0);
    evi_resize (set->always, 0);
    *set = (struct evi_epollset){ .fd = -1 };
}

EVI int evi_epollset_renew (struct evi_epollset *set)
{
    if (set->fd >= 0)
        evi_sys_close (set->fd);
    return evi_epollset_open (set, set->room);
}

EVI_INLINE int epollset_do (struct ev_loop *loop, struct evi_epollset *set, int action, int fd, int want)
{
    struct epoll_event event = { .events = (uint32_t) evi_bits_asked (want) };
    int err;

    event.data.u64 = (uint64_t) loop->fds.rows[fd].gen << 32 | (uint32_t) fd;
    err = evi_sys_epoll_ctl (set->fd, action, fd, &event);
    if (!err)
        loop->fds.rows[fd].mark = (uint8_t) (want | (loop->fds.rows[fd].mark & EVI_EPOLLSET_HISTORY));
    return err;
}

static int epollset_always (struct evi_epollset *set, struct evi_row *row, int fd)
{
    if (!(row->mark & EVI_EPOLLSET_ALWAYS)) {
        EVI_FIT (set->always, set->always_room, set->always_count + 1);
        set->always[set->always_count++] = fd;
    }
    row->mark = (row->mark & EVI_EPOLLSET_HISTORY) | EVI_EPOLLSET_ALWAYS;
    return 0;
}

/* Whatever file the number stands for now, under a new generation. What is asked first is what is likely: the same file
 * for other events, or another file for the same. If the set has that file already, and knew no other under this number,
 * its registration is the last one: it stays as it is, generation and all. */
static int epollset_tell_anew (struct ev_loop *loop, struct evi_epollset *set, int fd, int want)
{
    struct evi_row *row = &loop->fds.rows[fd];
    int had = row->mark & EVI_IO_BITS, err = -ENOENT;

    row->gen++;
    if (had && had != want)
        err = epollset_do (loop, set, EPOLL_CTL_MOD, fd, want);
    if (err != -ENOENT)
        return err;
    err = epollset_do (loop, set, EPOLL_CTL_ADD, fd, want);
    if (!err) {
        row->mark |= row->mark & EVI_EPOLLSET_KNOWN ? EVI_EPOLLSET_MIXED : EVI_EPOLLSET_KNOWN;
        return 1;
    }
    if (err != -EEXIST)
        return err;
    if (had != want || row->mark & EVI_EPOLLSET_MIXED)
        return epollset_do (loop, set, EPOLL_CTL_MOD, fd, want);
    row->gen--;
    return 0;
}

EVI int evi_epollset_tell (struct ev_loop *loop, struct evi_epollset *set, int fd, int told, int want,
                           int why)
{
    struct evi_row *row = &loop->fds.rows[fd];
    int fresh = why & EVI_WHY_FRESH, err = -ENOENT;

    if (!want)
        return 0; /* lazily: see above */
    if (row->mark & EVI_EPOLLSET_ALWAYS && !fresh)
        return 0;
    if (told && !fresh)
        err = epollset_do (loop, set, EPOLL_CTL_MOD, fd, want);
    if (err == -ENOENT)
        err = epollset_tell_anew (loop, set, fd, want);
    if (err == -EPERM)
        return epollset_always (set, row, fd);
    row->mark &= (uint8_t) ~EVI_EPOLLSET_ALWAYS; /* its entry in the list goes at the next reap */
    return err;
}

EVI int evi_epollset_drop (struct ev_loop *loop, struct evi_epollset *set, int fd)
{
    return epollset_do (loop, set, EPOLL_CTL_DEL, fd, 0);
}

EVI int evi_epollset_fetch (struct evi_epollset *set, ev_tstamp limit, int fine)
{
    struct timespec ts = { 0 };

    if (limit > 0 && !set->always_count)
        ts = evi_sys_timespec (limit);
    set->count = evi_sys_epoll_wait (set->fd, set->events, (int) set->room, &ts, fine);
    return set->count < 0 ? set->count : 0;
}

/* Reported though nobody wants it: narrow the registration, or take it back (IO-9). If even that is refused,
 * the registration belongs to a file this number no longer stands for. */
EVI_COLD static void epollset_narrow (struct ev_loop *loop, struct evi_epollset *set, int fd, int want)
{
    if (epollset_do (loop, set, want ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, fd, want) < 0)
        set->poisoned = 1;
}

static void epollset_report (struct ev_loop *loop, struct evi_epollset *set, const struct epoll_event *event)
{
    int fd = (int) (uint32_t) event->data.u64;
    struct evi_row *row = &loop->fds.rows[fd];

    if (EVI_UNLIKELY (row->gen != (uint32_t) (event->data.u64 >> 32))) {
        loop->stats.stale++;
        set->poisoned = 1;
        return;
    }
    if (EVI_UNLIKELY (row->mark & EVI_IO_BITS & ~row->told && !(row->why & EVI_WHY_PROGRAM)))
        epollset_narrow (loop, set, fd, row->told);
    evi_fd_ready (loop, fd, evi_bits_got (event->events));
}

EVI void evi_epollset_reap (struct ev_loop *loop, struct evi_epollset *set)
{
    for (int i = 0; i < set->count; i++)
        epollset_report (loop, set, &set->events[i]);
    if (EVI_UNLIKELY (set->count == (int) set->room))
        EVI_FIT (set->events, set->room, set->room + 1);
    set->count = 0;
}

EVI_APART EVI void evi_epollset_reap_always (struct ev_loop *loop, struct evi_epollset *set)
{
    for (unsigned i = set->always_count; i-- > 0;) {
        int fd = set->always[i];
        struct evi_row *row = &loop->fds.rows[fd];

        if (row->mark & EVI_EPOLLSET_ALWAYS && row->told)
            evi_fd_ready (loop, fd, row->told);
        else { /* nobody wants it any more, or it is another file now */
            row->mark &= (uint8_t) ~EVI_EPOLLSET_ALWAYS;
            set->always[i] = set->always[--set->always_count];
        }
    }
}

#endif
