/* wake.c: ends a sleep from outside.
 * Owns loop->wake. Promises that a knock is never lost, that a loop which is awake costs the knocker no system
 * call, and that any number of knocks costs one write (AS-2, SG-8).
 *
 * The knocker says "knocked", then looks whether the loop sleeps; the loop says "sleeping", then looks whether
 * somebody knocked. Full barriers between saying and looking: at least one of the two sees the other. */
#include "loop.h"

#include <errno.h>

static void wake_drain (struct evi_wake *wake)
{
    char bytes[64];

    while (evi_sys_read (wake->fd[0], bytes, sizeof bytes) == (ssize_t) sizeof bytes)
        ; /* an eventfd answers once with its 8 bytes; a pipe may hold more */
}

static void wake_cb (EV_P_ ev_io *w, int revents)
{
    EVI_DOOR;

    if (__atomic_exchange_n (&loop->wake.written, 0, __ATOMIC_SEQ_CST) || revents & EV_READ)
        wake_drain (&loop->wake);
    (void) w;
    if (__atomic_exchange_n (&loop->wake.knocked, 0, __ATOMIC_SEQ_CST))
        loop->stats.wakeups++;
    __atomic_store_n (&loop->wake.roused, 0, __ATOMIC_SEQ_CST);
    loop->wake.answer (loop);
}

static int wake_make (int fd[2])
{
    int err = evi_sys_eventfd ();

    if (err >= 0) {
        fd[0] = fd[1] = err;
        return 0;
    }
    return evi_sys_pipe (fd);
}

/* Without descriptors no thread could be woken: insist, as the original does. */
static void wake_insist (int fd[2])
{
    int err;

    while ((err = wake_make (fd)) < 0)
        evi_syserr ("creating a descriptor to be woken through", -err);
}

EVI void evi_wake_open (struct ev_loop *loop)
{
    if (loop->wake.opened)
        return;
    wake_insist (loop->wake.fd);
    loop->wake.opened = 1;
    evi_fd_own (loop, &loop->wake.io, wake_cb, loop->wake.fd[0], EV_MAXPRI);
}

static void wake_close_fds (int fd[2])
{
    evi_sys_close (fd[0]);
    if (fd[1] != fd[0])
        evi_sys_close (fd[1]);
}

/* New objects move under the numbers that other threads may be writing to right now (FK-3). Only where a pipe has
 * to follow an eventfd, its write end needs a number of its own. */
static void wake_replace (struct evi_wake *wake, const int fresh[2])
{
    int pipe = fresh[1] != fresh[0], was_pipe = wake->fd[1] != wake->fd[0];

    evi_sys_dup_onto (fresh[0], wake->fd[0]);
    if (was_pipe)
        evi_sys_dup_onto (fresh[1], wake->fd[1]);
    else if (pipe)
        wake->fd[1] = fresh[1];
    evi_sys_close (fresh[0]);
    if (pipe && was_pipe)
        evi_sys_close (fresh[1]);
}

EVI void evi_wake_reopen (struct ev_loop *loop)
{
    struct evi_wake *wake = &loop->wake;
    int fresh[2];

    if (!wake->opened)
        return;
    evi_fd_disown (loop, &wake->io);
    wake_insist (fresh);
    wake_replace (wake, fresh);
    evi_fd_own (loop, &wake->io, wake_cb, wake->fd[0], EV_MAXPRI);
    evi_feed (loop, &wake->io, EV_CUSTOM); /* what was sent before the fork is looked at again (FK-4) */
}

EVI void evi_wake_close (struct ev_loop *loop)
{
    if (!loop->wake.opened)
        return;
    evi_fd_disown (loop, &loop->wake.io);
    wake_close_fds (loop->wake.fd);
    loop->wake.opened = 0;
}

/* Keeps errno. */
static void wake_write (struct evi_wake *wake)
{
    uint64_t one = 1;
    int saved = errno;

    __atomic_store_n (&wake->written, 1, __ATOMIC_SEQ_CST);
    evi_sys_write (wake->fd[1], &one, sizeof one); /* as an eventfd wants it; a pipe takes anything */
    errno = saved;
}

EVI void evi_wake_knock (struct ev_loop *loop)
{
    struct evi_wake *wake = &loop->wake;

    if (__atomic_exchange_n (&wake->knocked, 1, __ATOMIC_SEQ_CST))
        return;
    if (__atomic_load_n (&wake->sleeping, __ATOMIC_SEQ_CST))
        wake_write (wake);
}

/* Also if somebody has knocked before and found nobody asleep. */
EVI void evi_wake_rouse (struct ev_loop *loop)
{
    struct evi_wake *wake = &loop->wake;

    __atomic_store_n (&wake->roused, 1, __ATOMIC_SEQ_CST);
    evi_wake_knock (loop);
    if (__atomic_load_n (&wake->watched, __ATOMIC_SEQ_CST)
        && !__atomic_load_n (&wake->written, __ATOMIC_SEQ_CST))
        wake_write (wake);
}

/* For good: nobody need say when that is over, and the inner loop may be gone by then. A signal that came while the
 * loop was awake waits until it is run, as in the original. */
EVI void evi_wake_watch (struct ev_loop *loop)
{
    struct evi_wake *wake = &loop->wake;

    __atomic_store_n (&wake->watched, 1, __ATOMIC_SEQ_CST);
    if (wake->opened && __atomic_load_n (&wake->roused, __ATOMIC_SEQ_CST))
        wake_write (wake);
}

EVI int evi_wake_sleep (struct ev_loop *loop)
{
    if (loop->wake.opened)
        __atomic_store_n (&loop->wake.sleeping, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n (&loop->wake.knocked, __ATOMIC_SEQ_CST);
}

EVI void evi_wake_slept (struct ev_loop *loop)
{
    __atomic_store_n (&loop->wake.sleeping, 0, __ATOMIC_RELEASE); /* seen late, it costs a write too many */
    if (!__atomic_load_n (&loop->wake.knocked, __ATOMIC_ACQUIRE))
        return;
    if (EVI_UNLIKELY (
            !loop->wake.opened)) { /* nobody could be waiting for it, and no watcher to feed (AS-7) */
        loop->wake.knocked = 0;
        loop->wake.answer (loop);
        return;
    }
    evi_feed (loop, &loop->wake.io, EV_CUSTOM);
}
