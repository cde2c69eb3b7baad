/* embed.c: ev_embed, a loop inside a loop. The outer loop watches a descriptor of the inner one and runs it,
 * without sleep, when that is readable. */
#include "watch.h"

#if EV_EMBED_ENABLE

static ev_embed *embed_of (void *helper, size_t offset)
{
    return (ev_embed *) (void *) ((char *) helper - offset);
}

void ev_embed_sweep (EV_P_ ev_embed *w) EV_NOEXCEPT
{
    (void) loop;
    ev_run (w->other, EVRUN_NOWAIT);
}

static int embed_has_news (struct ev_loop *inner)
{
    return !inner->backend->confirm || inner->backend->confirm (inner);
}

static void embed_io (EV_P_ ev_io *io, int revents)
{
    ev_embed *w = embed_of (io, offsetof (ev_embed, io));

    (void) revents;
    if (!ev_cb_ (w))
        ev_embed_sweep (loop, w);
    else if (embed_has_news (w->other))
        evi_feed (loop, w, EV_EMBED);
}

static int embed_fd (struct ev_loop *inner)
{
    return inner->backend->expose ? inner->backend->expose (inner) : -1;
}

/* The inner loop may have had to move to another backend, or to make its kernel object anew. */
static void embed_follow (struct ev_loop *loop, ev_embed *w)
{
    int fd = embed_fd (w->other);

    if (fd == w->io.fd)
        return;
    ev_io_stop (loop, &w->io);
    ev_io_set (&w->io, fd, EV_READ);
    ev_io_start (loop, &w->io);
}

static int embed_has_to_tell (struct ev_loop *inner)
{
    return inner->fds.change_count || inner->op_started
           || (inner->backend->uncommitted && inner->backend->uncommitted (inner));
}

/* The inner loop's changes have to reach the kernel before the outer loop sleeps (EM-4). Running it tells them,
 * and deals with what is ready at once; what that has changed again is only told, or a descriptor that is
 * always ready would keep us here. */
static void embed_prepare (EV_P_ ev_prepare *prepare, int revents)
{
    ev_embed *w = embed_of (prepare, offsetof (ev_embed, prepare));
    struct ev_loop *inner = w->other;

    (void) revents;
    embed_follow (loop, w);
    if (embed_has_to_tell (inner)) {
        ev_run (inner, EVRUN_NOWAIT);
        evi_fd_reify (inner);
    }
    if (inner->backend->flush)
        inner->backend->flush (inner);
}

#if EV_FORK_ENABLE
static void embed_fork (EV_P_ ev_fork *fork, int revents)
{
    ev_embed *w = embed_of (fork, offsetof (ev_embed, fork));

    (void) revents;
    ev_embed_stop (loop, w);
    ev_loop_fork (w->other);
    ev_run (w->other, EVRUN_NOWAIT);
    ev_embed_start (loop, w);
}
#endif

void ev_embed_start (EV_P_ ev_embed *w) EV_NOEXCEPT
{
    int fd;

    if (evi_is_active (w))
        return;
    fd = embed_fd (w->other);
    if (EVI_UNLIKELY (fd < 0)) {
        evi_reject (loop, w, EV_EMBED, "ev_embed_start", "the inner loop's backend is not embeddable");
        return;
    }
    ev_io_init (&w->io, embed_io, fd, EV_READ);
    ev_set_priority (&w->io, ev_priority (w));
    ev_io_start (loop, &w->io);
    ev_prepare_init (&w->prepare, embed_prepare);
    ev_set_priority (&w->prepare, EV_MINPRI);
    ev_prepare_start (loop, &w->prepare);
    evi_wake_watch (w->other);
#if EV_FORK_ENABLE
    ev_fork_init (&w->fork, embed_fork);
    ev_fork_start (loop, &w->fork);
#endif
    evi_watcher_start (loop, w, 1);
    EVI_VERIFY_CHANGE (loop);
}

void ev_embed_stop (EV_P_ ev_embed *w) EV_NOEXCEPT
{
    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    ev_io_stop (loop, &w->io);
    ev_prepare_stop (loop, &w->prepare);
#if EV_FORK_ENABLE
    ev_fork_stop (loop, &w->fork);
#endif
    evi_watcher_stop (loop, w);
    EVI_VERIFY_CHANGE (loop);
}

EVI void *evi_embed_of_io (ev_watcher *w)
{
    ev_io *io = (ev_io *) w;

    return ev_cb (io) == embed_io ? embed_of (io, offsetof (ev_embed, io)) : NULL;
}

EVI int evi_embed_helps (ev_watcher *w)
{
    ev_prepare *prepare = (ev_prepare *) w;

    if (ev_cb (prepare) == embed_prepare)
        return 1;
#if EV_FORK_ENABLE
    ev_fork *fork = (ev_fork *) w;

    if (ev_cb (fork) == embed_fork)
        return 1;
#endif
    return 0;
}

#else
EVI void *evi_embed_of_io (ev_watcher *w)
{
    (void) w;
    return NULL;
}
EVI int evi_embed_helps (ev_watcher *w)
{
    (void) w;
    return 0;
}
#endif
