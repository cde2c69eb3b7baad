/* epoll.c: the epoll backend. Read this one first: all rows are in one set (epollset.c). */
#include "epollset.h"

#if EV_USE_EPOLL

#include <errno.h>

enum { EPOLL_BATCH = 64 }; /* reports fetched at once to begin with; grows when there were as many (IO-16) */

static int epoll_open (struct ev_loop *loop)
{
    struct evi_epollset *set = evi_resize (NULL, sizeof *set);
    int err;

    *set = (struct evi_epollset){ 0 };
    err = evi_epollset_open (set, EPOLL_BATCH);
    if (err < 0) {
        evi_epollset_close (set);
        evi_resize (set, 0);
        return err;
    }
    loop->backend_data = set;
    loop->backend_fd = set->fd;
    return 0;
}

static void epoll_close (struct ev_loop *loop)
{
    evi_epollset_close (loop->backend_data);
    evi_resize (loop->backend_data, 0);
    loop->backend_fd = -1;
}

/* What to do without one, the loop knows: it moves on. */
static int epoll_reopen (struct ev_loop *loop)
{
    struct evi_epollset *set = loop->backend_data;
    int err = evi_epollset_renew (set);

    if (err < 0 && evi_syserr_watched ())
        evi_syserr ("epoll_create", -err);
    loop->backend_fd = set->fd;
    return err;
}

static int epoll_gone (int err)
{
    return EVI_UNLIKELY (err == -EBADF || err == -EINVAL);
}

/* The program has closed our descriptor; the number may be another file's by now. */
EVI_COLD static void epoll_lost (struct evi_epollset *set)
{
    if (evi_sys_is_strange (set->fd, "[eventpoll]"))
        set->fd = -1;
    set->poisoned = 1;
}

/* Which of the two descriptors is meant? If it is the set, all rows are told again, this one too. */
EVI_COLD static int epoll_doubt (struct evi_epollset *set, int err)
{
    if (err == -EBADF ? evi_sys_fd_valid (set->fd) != -EBADF : !evi_sys_is_strange (set->fd, "[eventpoll]"))
        return err;
    epoll_lost (set);
    return 0;
}

static int epoll_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    int err = evi_epollset_tell (loop, loop->backend_data, fd, told, want, why);

    return epoll_gone (err) ? epoll_doubt (loop->backend_data, err) : err;
}

static int epoll_wait_events (struct ev_loop *loop, ev_tstamp limit)
{
    struct evi_epollset *set = loop->backend_data;
    int err = set->poisoned ? EVI_REBUILD : evi_epollset_fetch (set, limit, !loop->plain);

    if (epoll_gone (err))
        epoll_lost (set);
    return err;
}

static void epoll_reap (struct ev_loop *loop)
{
    struct evi_epollset *set = loop->backend_data;

    evi_epollset_reap (loop, set);
    if (EVI_UNLIKELY (set->always_count))
        evi_epollset_reap_always (loop, set);
}

static int epoll_expose (struct ev_loop *loop)
{
    return loop->backend_fd;
}

static void epoll_dump (struct ev_loop *loop, FILE *out)
{
    const struct evi_epollset *set = loop->backend_data;

    fprintf (out, "epoll: fd %d, room for %u events, %u descriptors always ready\n", set->fd, set->room,
             set->always_count);
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
