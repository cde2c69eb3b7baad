/* fd.c: what we know about each descriptor.
 * Owns loop->fds. Promises that the kernel is told only from evi_fd_reify, once per row, right before the
 * sleep, whatever callbacks did in between. Called by io.c, the backends and loop/run.c. */
#include "loop.h"

#include <errno.h>
#include <string.h>

EVI_COLD static void fd_grow_and_change (struct ev_loop *loop, int fd, int why)
{
    EVI_FIT (loop->fds.changes, loop->fds.change_room, loop->fds.change_count + 1);
    evi_fd_change (loop, fd, why);
}

EVI void evi_fd_change (struct ev_loop *loop, int fd, int why)
{
    struct evi_fds *fds = &loop->fds;
    struct evi_row *row = &fds->rows[fd];

    EVI_ASSERT ((unsigned) fd < fds->count && why);
    if (!row->why) {
        if (EVI_UNLIKELY (fds->change_count == fds->change_room)) {
            fd_grow_and_change (loop, fd, why);
            return;
        }
        fds->changes[fds->change_count++] = fd;
    }
    row->why |= (uint8_t) why;
}

EVI int evi_fd_want (const struct evi_row *row)
{
    int want = 0;

    for (ev_watcher_list *w = row->head; w; w = w->next)
        want |= ((ev_io *) w)->events;
    return want & EVI_IO_BITS;
}

/* Watchers stop, and are told in their callback, where they are inactive already (IO-14). */
EVI_COLD static void fd_break_chain (struct ev_loop *loop, ev_watcher_list **head)
{
    ev_watcher_list *w;

    while ((w = *head)) {
        ev_io_stop (EV_A_ (ev_io *) w);
        evi_feed (loop, w, EV_ERROR | EVI_IO_BITS);
    }
    loop->fds.told_broken = 1;
}

/* Keeps what came onto the list while it was worked through: for the next time. */
static void fd_forget_told (struct evi_fds *fds, unsigned count)
{
    fds->change_count -= count;
    if (EVI_UNLIKELY (fds->change_count))
        memmove (fds->changes, fds->changes + count, fds->change_count * sizeof *fds->changes);
}

EVI_APART static void fd_tell_changes (struct ev_loop *loop)
{
    unsigned count = loop->fds.change_count;

    for (unsigned i = 0; i < count; i++) {
        int fd = loop->fds.changes[i], why, want, err;
        struct evi_row *row = &loop->fds.rows[fd];

        want = evi_fd_want (row);
        why = row->why;
        row->why = 0;
        if (want == row->told && !(want && why & (EVI_WHY_FRESH | EVI_WHY_AGAIN)))
            continue;
        loop->stats.changes++;
        err = loop->backend->modify (loop, fd, row->told, want, why);
        if (EVI_UNLIKELY (err < 0))
            evi_fd_broken (loop, fd, err);
        else
            row->told = (uint8_t) want;
    }
    fd_forget_told (&loop->fds, count);
}

EVI void evi_fd_reify (struct ev_loop *loop)
{
    if (EVI_UNLIKELY (loop->fds.nowhere))
        fd_break_chain (loop, &loop->fds.nowhere);
    if (loop->fds.change_count)
        fd_tell_changes (loop);
    EVI_ASSERT (!loop->waiting);
    if (loop->backend->commit)
        loop->backend->commit (loop);
}

/* Latest first: the queue turns them round, so that the earliest started is called first (IO-4). */
static void fd_feed (struct ev_loop *loop, const struct evi_row *row, int events)
{
    for (ev_watcher_list *w = row->head; w; w = w->next) {
        int its = ((ev_io *) w)->events & events;

        if (EVI_LIKELY (its))
            evi_feed (loop, w, its);
    }
}

EVI void evi_fd_ready (struct ev_loop *loop, int fd, int got)
{
    struct evi_row *row = &loop->fds.rows[fd];

    EVI_ASSERT ((unsigned) fd < loop->fds.count && got && !(got & ~EVI_IO_BITS));
    /* A change not yet told: the report may be about an earlier file. If not, it comes again: levels do (IO-8). */
    if (EVI_UNLIKELY (row->why & EVI_WHY_PROGRAM))
        return;
    loop->stats.events++;
    fd_feed (loop, row, got);
}

EVI void evi_fd_feed (struct ev_loop *loop, int fd, int events)
{
    fd_feed (loop, &loop->fds.rows[fd], events);
}

EVI void evi_fd_again (struct ev_loop *loop, int fd)
{
    loop->fds.rows[fd].told = 0;
    evi_fd_change (loop, fd, EVI_WHY_AGAIN);
}

/* More refusals than other descriptors, or another backend, could help with. */
enum { FD_INSISTS = 16 };

/* Without its own descriptors a loop could not be woken: they are never given up. The program may have closed them: they
 * are made anew, and where that does not help the loop moves to another backend. */
EVI_COLD static void fd_insist (struct ev_loop *loop, int fd, int err)
{
    int hopeless = err != -ENOMEM && !loop->forked && ++loop->fds.insisted > FD_INSISTS;

    if (hopeless || (err != -ENOMEM && evi_syserr_watched ()))
        evi_syserr ("watching a descriptor of the loop itself", -err);
    if (err != -ENOMEM)
        loop->forked |= EVI_FORKED_NOT;
    loop->fds.told_broken = 1;
    evi_fd_again (loop, fd);
}

EVI void evi_fd_broken (struct ev_loop *loop, int fd, int err)
{
    EVI_ASSERT ((unsigned) fd < loop->fds.count && err < 0);
    if (EVI_UNLIKELY (loop->fds.rows[fd].kind & EVI_ROW_OURS)) {
        fd_insist (loop, fd, err);
        return;
    }
    if (loop->fds.rows[fd].why & EVI_WHY_PROGRAM) /* said of an earlier file, as in evi_fd_ready */
        return;
    fd_break_chain (loop, &loop->fds.rows[fd].head);
}

EVI void evi_fd_retell_all (struct ev_loop *loop)
{
    for (unsigned fd = 0; fd < loop->fds.count; fd++) {
        struct evi_row *row = &loop->fds.rows[fd];

        row->gen++;
        row->told = 0;
        row->mark = 0;
        row->kind &= EVI_ROW_OURS;
        if (row->head)
            evi_fd_change (loop, (int) fd, EVI_WHY_FRESH);
    }
}

EVI void evi_fd_check_all (struct ev_loop *loop)
{
    for (unsigned fd = 0; fd < loop->fds.count; fd++)
        if (loop->fds.rows[fd].head && evi_sys_fd_valid ((int) fd) == -EBADF)
            evi_fd_broken (loop, (int) fd, -EBADF);
}

EVI int evi_fd_break_highest (struct ev_loop *loop)
{
    for (unsigned fd = loop->fds.count; fd-- > 0;)
        if (loop->fds.rows[fd].head && !(loop->fds.rows[fd].kind & EVI_ROW_OURS)) {
            evi_fd_broken (loop, (int) fd, -ENOMEM);
            return 1;
        }
    return 0;
}

static void fd_verify_chain (const struct evi_row *row, int fd)
{
    for (ev_watcher_list *w = row->head; w; w = w->next) {
        evi_watcher_verify ((ev_watcher *) w, 1);
        if (((ev_io *) w)->fd != fd)
            evi_misuse ("ev_verify", "the fd of an ev_io was changed while it was active");
    }
}

/* A row is on the change list once, with a reason, or the kernel was told what its watchers want. */
EVI void evi_fd_verify (struct ev_loop *loop)
{
    unsigned listed = 0;

    for (unsigned fd = 0; fd < loop->fds.count; fd++) {
        const struct evi_row *row = &loop->fds.rows[fd];

        fd_verify_chain (row, (int) fd);
        listed += row->why != 0;
        if (!row->why && row->told != evi_fd_want (row))
            evi_broken ("ev_verify", "a row has changed and is not on the change list");
    }
    for (unsigned i = 0; i < loop->fds.change_count; i++)
        if (!loop->fds.rows[loop->fds.changes[i]].why)
            evi_broken ("ev_verify", "a row is on the change list without a reason");
    if (listed != loop->fds.change_count)
        evi_broken ("ev_verify", "a row is on the change list twice");
}

EVI void evi_fd_free (struct ev_loop *loop)
{
    evi_resize (loop->fds.rows, 0);
    evi_resize (loop->fds.changes, 0);
    loop->fds = (struct evi_fds){ 0 };
}
