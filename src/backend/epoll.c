/* epoll.c: the epoll backend. Read this one first: all rows are in one set (epollset.c). */
#include "epollset.h"

#if EV_USE_EPOLL

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

static int epoll_reopen (struct ev_loop *loop)
{
    struct evi_epollset *set = loop->backend_data;
    int err;

    while ((err = evi_epollset_renew (set)) < 0)
        evi_syserr ("epoll_create", -err);
    loop->backend_fd = set->fd;
    return 0;
}

static int epoll_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    return evi_epollset_tell (loop, loop->backend_data, fd, told, want, why);
}

static int epoll_wait_events (struct ev_loop *loop, ev_tstamp limit)
{
    struct evi_epollset *set = loop->backend_data;

    return set->poisoned ? EVI_REBUILD : evi_epollset_fetch (set, limit);
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
