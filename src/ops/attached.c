/* attached.c: a ring for operations beside a backend that has none. It does not defer its work: nobody is in its system
 * call to do it when the loop sleeps elsewhere. An eventfd wakes the loop for it. */
#include "on_ring.h"

#if EV_OP_ENABLE && EV_USE_IOURING

#include <errno.h>
#include <string.h>

static void attached_complete (struct ev_loop *loop, const struct evi_cqe *cqe)
{
    if (evi_name_tag (cqe->user_data) == EVI_NAME_OP)
        evi_on_ring_landed (loop, cqe->user_data, cqe->res, cqe->flags);
}

static void attached_reap (struct ev_loop *loop, struct evi_loopring *it)
{
    evi_loopring_reap_stash (loop, it, attached_complete);
    evi_loopring_reap (loop, it, attached_complete);
}

static void attached_ready (EV_P_ ev_io *w, int revents)
{
    EVI_DOOR;

    (void) w, (void) revents;
    evi_loopring_drain_event_fd (loop->ring);
    attached_reap (loop, loop->ring);
}

/* The ring and what wakes the loop for it. */
static int attached_make (struct ev_loop *loop, struct evi_loopring *it)
{
    int err;

    it->event_fd = evi_sys_eventfd ();
    err = it->event_fd < 0 ? it->event_fd : evi_loopring_open (loop, it);
    if (err < 0) {
        if (it->event_fd >= 0)
            evi_sys_close (it->event_fd);
        it->event_fd = -1;
        return err;
    }
    evi_fd_own (loop, loop->ops->attached, attached_ready, it->event_fd, EV_MAXPRI);
    return 0;
}

static void attached_unmake (struct ev_loop *loop, struct evi_loopring *it)
{
    evi_loopring_close (loop, it);
    evi_fd_disown (loop, loop->ops->attached);
    if (it->event_fd >= 0)
        evi_sys_close (it->event_fd);
    it->event_fd = -1;
}

static void attached_detach (struct ev_loop *loop)
{
    evi_loopring_free (loop->ring);
    evi_resize (loop->ring, 0);
    evi_resize (loop->ops->attached, 0);
    loop->ring = NULL;
    loop->ops->attached = NULL;
}

EVI int evi_attached_open (struct ev_loop *loop)
{
    struct evi_loopring *it = evi_resize (NULL, sizeof *it);
    int err;

    memset (it, 0, sizeof *it);
    evi_loopring_configure (loop, it, EVI_SETUP_DEFER_TASKRUN);
    loop->ring = it;
    loop->ops->attached = evi_resize (NULL, sizeof *loop->ops->attached);
    err = attached_make (loop, it);
    if (err < 0)
        attached_detach (loop);
    return err;
}

static void attached_renew (struct ev_loop *loop)
{
    attached_unmake (loop, loop->ring);
    loop->stats.rebuilds++;
    if (attached_make (loop, loop->ring) < 0)
        attached_detach (loop);
}

EVI void evi_attached_reborn (struct ev_loop *loop)
{
    if (loop->ops->attached)
        attached_renew (loop);
}

/* It cannot be helped: without one. */
static void attached_give_up (struct ev_loop *loop)
{
    loop->stats.fallbacks++;
    attached_unmake (loop, loop->ring);
    attached_detach (loop);
}

EVI void evi_attached_flush (struct ev_loop *loop)
{
    struct evi_loopring *it = loop->ring;
    int err = 0;

    if (EVI_LIKELY (!loop->ops->attached))
        return;
    if (!evi_loopring_check (it) && !evi_loopring_idle (it))
        err = evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
    if (err < 0 && err != -EINTR)
        it->verdict = err;
    if (EVI_LIKELY (!it->verdict)) {
        attached_reap (loop, it);
        if (EVI_UNLIKELY (evi_ring_queued (&it->ring))) /* the kernel had no memory: no sleep before it has */
            loop->op_told = 1;
    } else if (it->verdict == EVI_REBUILD)
        attached_renew (loop);
    else
        attached_give_up (loop);
}

EVI void evi_attached_close (struct ev_loop *loop)
{
    if (!loop->ops->attached)
        return;
    attached_unmake (loop, loop->ring);
    attached_detach (loop);
}

#endif
