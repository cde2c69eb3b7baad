/* child.c: ev_child. Owns the lists of child watchers and the SIGCHLD watcher of the default loop.
 * From the first moment of the default loop every child is reaped, watched or not (CH-1). */
#include "watch.h"

#include <sys/wait.h>

#if EV_CHILD_ENABLE

static ev_watcher_list *child_lists[EV_PID_HASHSIZE]; /* by pid; watchers of pid 0 in the first */
static ev_signal child_signal;

static ev_watcher_list **child_list (int pid)
{
    return &child_lists[pid & (EV_PID_HASHSIZE - 1)];
}

static void child_feed (struct ev_loop *loop, ev_watcher_list *list, int pid, int status)
{
    int traced = WIFSTOPPED (status) || WIFCONTINUED (status);

    for (; list; list = list->next) {
        ev_child *w = (ev_child *) list;

        if ((w->pid && w->pid != pid) || (traced && !w->flags))
            continue;
        if (!ev_is_pending (w))
            ev_set_priority (
                w, EV_MAXPRI); /* so that this child is dealt with before the next is reaped (CH-4) */
        w->rpid = pid;
        w->rstatus = status;
        evi_feed (loop, w, EV_CHILD);
    }
}

/* One child per call, and the signal again below it in the queue: its callbacks run before the next (CH-5). */
static void child_reap (EV_P_ ev_signal *signal, int revents)
{
    int status, pid = evi_sys_wait_child (&status);
    EVI_DOOR;

    (void) revents;
    if (pid <= 0)
        return;
    evi_feed (loop, signal, EV_SIGNAL);
    if (loop->riders.reaped)
        loop->riders.reaped (loop, pid, status);
    child_feed (loop, *child_list (pid), pid, status);
    if (child_list (pid) != child_list (0))
        child_feed (loop, *child_list (0), pid, status);
}

EVI void evi_child_open (struct ev_loop *loop)
{
    ev_signal_init (&child_signal, child_reap, SIGCHLD);
    ev_set_priority (&child_signal, EV_MAXPRI);
    ev_signal_start (EV_A_ & child_signal);
    evi_unref (loop);
}

EVI void evi_child_close (struct ev_loop *loop)
{
    evi_ref (loop);
    ev_signal_stop (EV_A_ & child_signal);
}

EVI int evi_child_owns (const void *w)
{
    return w == (const void *) &child_signal;
}

void ev_child_start (EV_P_ ev_child *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
#if EV_MULTIPLICITY
    if (EVI_UNLIKELY (!ev_is_default_loop (loop))) {
        evi_reject (loop, w, EV_CHILD, "ev_child_start", "children can only be watched in the default loop");
        return;
    }
#endif
    evi_watcher_start (loop, w, 1);
    evi_chain_add (child_list (w->pid), w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_child_stop (EV_P_ ev_child *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    evi_chain_remove (child_list (w->pid), w);
    evi_watcher_stop (loop, w);
    EVI_VERIFY_CHANGE (loop);
}

EVI void evi_child_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    (void) loop;
    for (int i = 0; i < EV_PID_HASHSIZE; i++)
        for (ev_watcher_list *w = child_lists[i], *next; w; w = next) {
            next = w->next;
            cb (EV_A_ EV_CHILD, w);
        }
}

#else
EVI void evi_child_open (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_child_close (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_child_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    (void) loop, (void) cb;
}
EVI int evi_child_owns (const void *w)
{
    (void) w;
    return 0;
}
#endif
