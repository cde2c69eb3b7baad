/* orphans.c: operations on rings that are lost: closed, because another thread, a filter or the kernel left nothing else,
 * but not over.
 * A ring that is closed ends its requests some 20 to 140 ms later, or when the last copy of its descriptor is closed. Until
 * then the kernel writes into their memory, and acts for them. Promises that they are told when it has ended, not before,
 * and what has come of them: the queue lies in memory of ours where the kernel can do that (NO_MMAP, 6.12), and outlives
 * the descriptor. The loop runs on meanwhile.
 *
 * The notice is a pipe, one end of which the ring holds as a registered file: when it hangs up, the ring is over. It needs
 * no call but close and poll, so it serves under any filter. */
#include "on_ring.h"

#if EV_OP_ENABLE && EV_USE_IOURING

#include "../base/sys_op.h"

#include <poll.h>
#include <string.h>

enum { ORPHANS_PATIENCE_MS = 1000 }; /* it takes a tenth of that */

struct evi_orphans {
    struct evi_ring ring; /* its descriptor is closed; its queue, if that is ours, is not */
    unsigned epoch;
    int leash; /* hangs up when it is over */
    ev_io io;
    struct evi_orphans *next;
};

EVI int evi_orphans_leash (struct ev_loop *loop)
{
    int fd[2], err = evi_sys_pipe (fd);

    if (err < 0)
        return err;
    err = evi_ring_hold (&loop->ring->ring, fd[1]);
    evi_sys_close (fd[1]);
    if (err < 0)
        evi_sys_close (fd[0]);
    else
        loop->ops->leash = fd[0];
    return err;
}

EVI void evi_orphans_unleash (struct evi_ops *ops)
{
    if (ops->leash >= 0)
        evi_sys_close (ops->leash);
    ops->leash = -1;
}

/* ---- the end of a ring ---- */

static void orphans_land (struct ev_loop *loop, struct evi_orphans *lost)
{
    for (; evi_ring_ready (&lost->ring); evi_ring_advance (&lost->ring, 1)) {
        const struct evi_cqe *cqe = evi_ring_peek (&lost->ring, 0);

        evi_on_ring_landed_late (loop, cqe, lost->epoch);
    }
}

/* Of those that are left nothing is known, but that they are over. What a zero-copy send said first is. */
static void orphans_end_silent (struct ev_loop *loop, unsigned epoch)
{
    for (unsigned at = loop->ops->slot_count; at-- > 0;) {
        ev_op *op = loop->ops->slots[at].op;

        if (!op || op->state != EVI_STATE_ORPHAN || op->epoch != epoch)
            continue;
        loop->stats.ops_lost++;
        evi_on_ring_finish (loop, op, op->moved && op->moved == op->size ? (ssize_t) op->moved : -ECANCELED);
    }
}

static void orphans_free (struct ev_loop *loop, struct evi_orphans *lost)
{
    struct evi_orphans **at = &loop->ops->orphans;

    while (*at != lost)
        at = &(*at)->next;
    *at = lost->next;
    evi_fd_disown (loop, &lost->io);
    evi_sys_close (lost->leash);
    evi_ring_close (&lost->ring);
    evi_resize (lost, 0);
}

static void orphans_over (struct ev_loop *loop, struct evi_orphans *lost)
{
    unsigned epoch = lost->epoch;

    orphans_land (loop, lost);
    orphans_free (loop, lost);
    orphans_end_silent (loop, epoch);
    evi_ringbufs_lost (loop, epoch);
    loop->op_started = 1; /* who waited for buffers may go on */
}

static void orphans_hung_up (EV_P_ ev_io *w, int revents)
{
    EVI_DOOR;

    (void) revents;
    orphans_over (loop, (struct evi_orphans *) (void *) ((char *) w - offsetof (struct evi_orphans, io)));
}

/* ---- the beginning ---- */

static void orphans_take (struct ev_loop *loop, struct evi_ring *ring)
{
    struct evi_ops *ops = loop->ops;
    struct evi_orphans *lost = evi_resize (NULL, sizeof *lost);

    memset (lost, 0, sizeof *lost);
    lost->epoch = ops->epoch;
    lost->leash = ops->leash;
    ops->leash = -1;
    evi_ring_part (ring, &lost->ring);
    lost->next = ops->orphans;
    ops->orphans = lost;
    evi_fd_own (loop, &lost->io, orphans_hung_up, lost->leash, EV_MAXPRI);
    for (unsigned at = 0; at < ops->slot_count; at++)
        if (ops->slots[at].op && evi_op_flies (ops->slots[at].op)) {
            ops->slots[at].op->state = EVI_STATE_ORPHAN;
            ops->slots[at].op->epoch = lost->epoch;
            evi_pause_disclaim (ops->slots[at].op);
        }
    ops->flying = 0;
    loop->stats.rings_lost++;
}

EVI void evi_orphans_adopt (struct ev_loop *loop, struct evi_ring *ring)
{
    struct evi_ops *ops = loop->ops;

    if (ops->flying) {
        orphans_take (loop, ring);
        return;
    }
    evi_orphans_unleash (ops);
    evi_ringbufs_lost (loop, loop->ring->epoch); /* not one that is lost longer, and not over */
}

/* In a fork child they are the parent's: nothing is written into the child's memory. */
EVI void evi_orphans_forget (struct ev_loop *loop)
{
    while (loop->ops->orphans) {
        unsigned epoch = loop->ops->orphans->epoch;

        orphans_free (loop, loop->ops->orphans);
        evi_ringbufs_lost (loop, epoch);
    }
}

/* ---- the engine ---- */

/* Its end is on its way; who wanted it is remembered. */
static void orphans_cancel (struct ev_loop *loop, ev_op *op)
{
    (void) loop;
    evi_held_want (op);
}

/* It is late: zero-copy sends keep it, whose peers do not read. */
static void orphans_release (struct ev_loop *loop, unsigned epoch)
{
    for (unsigned at = 0; at < loop->ops->slot_count; at++) {
        ev_op *op = loop->ops->slots[at].op;

        if (op && op->state == EVI_STATE_ORPHAN && op->epoch == epoch)
            evi_held_release (op);
    }
}

static void orphans_stop (struct ev_loop *loop, ev_op *op)
{
    struct evi_orphans *lost = loop->ops->orphans;

    while (lost->epoch != op->epoch)
        lost = lost->next;
    evi_held_want (op);
    while (evi_sys_poll_one (lost->leash, POLLIN, ORPHANS_PATIENCE_MS) <= 0)
        orphans_release (loop, lost->epoch);
    orphans_over (loop, lost);
}

EVI_HOME const struct evi_engine evi_orphaned = {
    .cancel = orphans_cancel,
    .stop = orphans_stop,
    .disown = evi_on_ring_leave,
};

#endif
