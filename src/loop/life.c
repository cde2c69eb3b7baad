/* life.c: how loops begin, survive forks and broken backends, and end.
 * Owns the default loop. Promises that what one function opens another closes, in reverse order. */
#include "../ops/ops.h"
#include "loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if EV_MULTIPLICITY
#ifdef EV_API_STATIC
static
#endif
    struct ev_loop *ev_default_loop_ptr; /* programs contain its address: see EV_DEFAULT_UC */
static struct ev_loop life_default_loop;
#else
EVI_HOME struct ev_loop evi_the_loop;
static int life_open_already;
#endif

/* ---- which backend, which flags ---- */

/* Flags that only the program itself may set; the others LIBEV_FLAGS replaces (LP-3). */
enum { LIFE_FLAGS_OWN = EVFLAG_FORKCHECK | EVFLAG_NOSIGMASK | EVFLAG_NOENV | EVFLAG_RESTRICT };

static unsigned life_flags (unsigned flags)
{
    unsigned own = flags & LIFE_FLAGS_OWN;
    const char *text = flags & EVFLAG_NOENV ? NULL : evi_sys_environment ("LIBEV_FLAGS");

    if (text && !evi_sys_in_disguise ()) /* (LP-2) */
        flags = (unsigned) atoi (text);
    return (flags & ~(unsigned) LIFE_FLAGS_OWN) | own;
}

/* The first of the wanted backends that opens. Errors on the way are kept: they say why no better one runs. */
static int life_choose (struct ev_loop *loop, unsigned wanted)
{
    for (int i = 0; evi_backends[i]; i++) {
        int err;

        if (!(evi_backends[i]->bit & wanted))
            continue;
        loop->backend = evi_backends[i];
        err = loop->backend->open (loop);
        if (err >= 0)
            return 0;
        loop->stats.fallback_error = -err;
    }
    loop->backend = NULL;
    return -ENOSYS;
}

static int life_choose_recommended (struct ev_loop *loop)
{
    unsigned wanted = ev_supported_backends ();

#if EV_USE_IOURING
    int reason;

    if (!evi_uring_recommended (&reason)) {
        wanted &= ~(unsigned) EVBACKEND_IOURING;
        loop->stats.fallback_error = -reason;
        loop->plain = reason == -EPERM && evi_sys_sandboxed () != 0; /* or the kernel forbids it */
    }
#endif
    return life_choose (loop, wanted);
}

/* ---- the beginning ---- */

/* Someone knocked: a signal, an ev_async_send, a thread that has done a job. */
static void life_answer (struct ev_loop *loop)
{
    evi_knock_answer (loop);
    evi_ops_answer (loop);
}

/* The structure may have lived before: references, iterations and userdata survive (LP-7). */
static int life_open (struct ev_loop *loop, unsigned flags)
{
    struct ev_loop before = { .activecnt = loop->activecnt,
                              .iteration = loop->iteration,
                              .userdata = loop->userdata };
    int err;

    *loop = before;
    loop->origflags = flags = life_flags (flags);
    loop->invoke = ev_invoke_pending;
    loop->jump.fd = loop->backend_fd = loop->sigfd = -1;
    loop->wake.answer = life_answer;
    evi_clock_open (&loop->clock);
    loop->plain = flags & EVBACKEND_MASK && !(flags & EVBACKEND_IOURING); /* who names libev's may know why */
    err = flags & EVBACKEND_MASK ? life_choose (loop, flags) : life_choose_recommended (loop);
    if (!loop->plain || flags & EVFLAG_FORKCHECK) /* it maps a page */
        loop->process = loop->checked = evi_sys_process ();
    if (!err)
        evi_stats_open (loop);
    return err;
}

#if EV_MULTIPLICITY
struct ev_loop *ev_loop_new (unsigned int flags) EV_NOEXCEPT
{
    struct ev_loop *loop = evi_resize (NULL, sizeof *loop);

    memset (loop, 0, sizeof *loop);
    if (life_open (loop, flags) < 0) {
        evi_resize (loop, 0);
        return NULL;
    }
    return loop;
}

struct ev_loop *ev_default_loop (unsigned int flags) EV_NOEXCEPT
{
    struct ev_loop *loop = &life_default_loop;

    if (ev_default_loop_ptr)
        return ev_default_loop_ptr;
    if (life_open (loop, flags) < 0)
        return NULL;
    ev_default_loop_ptr = loop;
    evi_child_open (loop);
    return loop;
}
#else
int ev_default_loop (unsigned int flags) EV_NOEXCEPT
{
    if (life_open_already)
        return 1;
    if (life_open (&evi_the_loop, flags) < 0)
        return 0;
    life_open_already = 1;
    evi_child_open (&evi_the_loop);
    return 1;
}
#endif

/* ---- the middle ---- */

void ev_loop_fork (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->forked |= EVI_FORKED;
}

EVI void evi_loop_rebuild (struct ev_loop *loop)
{
    int err;

    if (!loop->backend->reopen) /* select and poll hand the kernel everything each time */
        return;
    err = loop->backend->reopen (loop);
    loop->stats.rebuilds++;
    if (err < 0) {
        loop->stats.fallback_error = -err;
        evi_loop_fall (loop);
        return;
    }
    evi_fd_retell_all (loop);
}

enum { LIFE_INSISTS = 4 }; /* refusals of the loop's own descriptors until another backend is tried */

EVI void evi_loop_reborn (struct ev_loop *loop)
{
    if (loop->forked == EVI_FORKED_NOT && loop->fds.insisted > LIFE_INSISTS)
        evi_loop_fall (loop);
    else
        evi_loop_rebuild (loop);
    evi_stat_fork (loop);
    evi_periodic_fork (loop);
    evi_wake_reopen (loop);
    evi_ops_reborn (loop);
    loop->process = loop->process ? evi_sys_process () : 0;
    loop->forked = 0;
}

/* Nothing is lost: the rows say what the program wants, and another backend is told that. */
EVI void evi_loop_fall (struct ev_loop *loop)
{
    int error = loop->stats.fallback_error;
    unsigned others = ev_supported_backends () & ~(loop->backend->bit | EVBACKEND_IOURING);

    loop->stats.fallbacks++;
    loop->backend->close (loop);
    while (life_choose (loop, others) < 0)
        evi_syserr ("moving to another backend", error);
    loop->stats.fallback_error = error;
    evi_fd_retell_all (loop);
}

/* ---- the end ---- */

static void life_run_cleanup (struct ev_loop *loop)
{
    if (!loop->cleanup.count)
        return;
    evi_list_feed (loop, &loop->cleanup, EV_CLEANUP);
    evi_pending_invoke (loop);
}

static void life_close (struct ev_loop *loop)
{
    evi_stats_close (loop);
    evi_mailbox_close (loop);
    evi_ops_close (loop);
    evi_stat_close (loop);
    evi_periodic_close (loop);
    evi_signal_close (loop);
    evi_wake_close (loop);
    loop->backend->close (loop);
    evi_async_close (loop);
    evi_hooks_close (loop);
    evi_heap_free (&loop->timers);
    evi_resize (loop->due.items, 0);
    evi_pending_free (loop);
    evi_fd_free (loop);
}

void ev_loop_destroy (EV_P)
{
    EVI_DOOR;

#if EV_MULTIPLICITY
    if (!loop)
        return;
    life_run_cleanup (loop);
    if (loop == ev_default_loop_ptr)
        evi_child_close (loop);
    life_close (loop);
    if (loop == ev_default_loop_ptr)
        ev_default_loop_ptr = NULL;
    else
        evi_resize (loop, 0);
#else
    if (!life_open_already)
        return;
    life_run_cleanup (loop);
    evi_child_close (loop);
    life_close (loop);
    life_open_already = 0;
#endif
}

unsigned int ev_backend (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    return loop->backend->bit;
}
