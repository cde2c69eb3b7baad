/* stat.c: ev_stat, paths. Owns loop->inotify.
 * inotify tells when to look; lstat alone says what changed (ST-1). Where inotify cannot be trusted (network
 * file systems, paths that do not exist yet) a timer looks as well, now and then. */
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/types.h>
#if EV_USE_INOTIFY
#include <sys/inotify.h>
#include <sys/statfs.h>
#endif

#if EV_STAT_ENABLE

/* Odd numbers, so that many watchers do not all look in the same moment. Seconds (ST-5, ST-6). */
#define STAT_INTERVAL_DEFAULT 5.0074891
#define STAT_INTERVAL_REMOTE 30.1074891
#define STAT_INTERVAL_MIN 0.1074891

static void stat_timer (EV_P_ ev_timer *timer, int revents);

static ev_stat *stat_of_timer (ev_timer *timer)
{
    return (ev_stat *) (void *) ((char *) timer - offsetof (ev_stat, timer));
}

/* The helper timer looks every repeat seconds, or never (0), and holds no reference. */
static void stat_poll_every (struct ev_loop *loop, ev_stat *w, ev_tstamp repeat)
{
    w->timer.repeat = repeat;
    if (evi_is_active (&w->timer))
        evi_ref (loop);
    ev_timer_again (EV_A_ & w->timer);
    if (evi_is_active (&w->timer))
        evi_unref (loop);
}

#if EV_USE_INOTIFY

struct evi_inotify {
    int fd; /* -1: not to be had */
    ev_io io;
    ev_watcher_list *lists[EV_INOTIFY_HASHSIZE]; /* watchers by inotify descriptor */
};

enum {
    STAT_MASK = IN_ATTRIB | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF
                | IN_MOVE_SELF | IN_DONT_FOLLOW | IN_MASK_ADD,
    STAT_ANCESTOR_MASK =
        IN_ATTRIB | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW | IN_MASK_ADD,
    STAT_GONE = IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF
};

static void stat_look (struct ev_loop *loop, ev_stat *w);

static ev_watcher_list **stat_list (struct evi_inotify *self, int wd)
{
    return &self->lists[wd & (EV_INOTIFY_HASHSIZE - 1)];
}

/* File systems whose every change passes through this kernel, by the number statfs gives them. */
static int stat_local (const char *path)
{
    static const unsigned long local[] = {
        0xef53,                             /* ext2, ext3, ext4 */
        0x01021994, 0x858458f6,             /* tmpfs, ramfs */
        0x58465342, 0x9123683e, 0x3153464a, /* xfs, btrfs, jfs */
        0x52654973, 0x4d44,     0x5346544e, /* reiserfs, fat, ntfs */
        0x72b6,     0x1373,                 /* jffs2, devfs */
    };
    struct statfs fs;

    if (statfs (path, &fs) < 0)
        return 0;
    for (unsigned i = 0; i < EVI_COUNT (local); i++)
        if (((unsigned long) fs.f_type & 0xffffffff) == local[i])
            return 1;
    return 0;
}

/* The path is not there: a watch on the nearest directory above that is tells when to look again (ST-7). */
static int stat_watch_ancestor (struct evi_inotify *self, const char *path)
{
    char above[PATH_MAX];
    size_t length = strlen (path);
    int wd = -ENOENT;

    if (length >= sizeof above)
        return -ENAMETOOLONG;
    memcpy (above, path, length + 1);
    while (wd == -ENOENT || wd == -EACCES) {
        char *slash = strrchr (above, '/');

        if (!slash)
            return evi_sys_inotify_add (self->fd, ".", STAT_ANCESTOR_MASK);
        slash[slash == above] = 0; /* keeps the / of the root */
        wd = evi_sys_inotify_add (self->fd, above, STAT_ANCESTOR_MASK);
        if (slash == above)
            break;
    }
    return wd;
}

/* Watches the path, or what there is of it, and decides how often to look besides. */
static void stat_watch (struct ev_loop *loop, ev_stat *w)
{
    struct evi_inotify *self = loop->inotify;
    ev_tstamp repeat = w->interval > 0 ? w->interval : STAT_INTERVAL_DEFAULT;
    int wd = evi_sys_inotify_add (self->fd, w->path, STAT_MASK);

    if (wd >= 0)
        repeat = stat_local (w->path) ? 0 : w->interval > 0 ? w->interval : STAT_INTERVAL_REMOTE;
    else if (wd == -ENOENT || wd == -EACCES)
        wd = stat_watch_ancestor (self, w->path);
    w->wd = wd >= 0 ? wd : -1;
    if (wd >= 0)
        evi_chain_add (stat_list (self, wd), w);
    stat_poll_every (loop, w, repeat);
}

static int stat_wd_shared (struct evi_inotify *self, int wd)
{
    for (ev_watcher_list *w = *stat_list (self, wd); w; w = w->next)
        if (((ev_stat *) w)->wd == wd)
            return 1;
    return 0;
}

static void stat_unwatch (struct ev_loop *loop, ev_stat *w)
{
    int wd = w->wd;

    w->wd = -2;
    if (wd < 0 || !loop->inotify)
        return;
    evi_chain_remove (stat_list (loop->inotify, wd), w);
    if (!stat_wd_shared (loop->inotify, wd))
        evi_sys_inotify_remove (loop->inotify->fd, wd);
}

/* An event for one inotify descriptor; wd -1: the kernel's queue ran over, look at all. */
static void stat_event (struct ev_loop *loop, ev_watcher_list *list, int wd, unsigned mask)
{
    for (ev_watcher_list *next; list; list = next) {
        ev_stat *w = (ev_stat *) list;

        next = list->next;
        if (wd != -1 && w->wd != wd)
            continue;
        if (mask & STAT_GONE) {
            evi_chain_remove (stat_list (loop->inotify, w->wd), w);
            stat_watch (loop, w);
        }
        stat_look (loop, w);
    }
}

enum { STAT_EVENT_MAX = sizeof (struct inotify_event) + NAME_MAX + 1 };

static void stat_events (struct ev_loop *loop, const char *buffer, ssize_t size)
{
    for (ssize_t at = 0; at < size;) {
        const struct inotify_event *event = (const void *) (buffer + at);

        if (event->wd == -1)
            for (int i = 0; i < EV_INOTIFY_HASHSIZE; i++)
                stat_event (loop, loop->inotify->lists[i], -1, event->mask);
        else
            stat_event (loop, *stat_list (loop->inotify, event->wd), event->wd, event->mask);
        at += (ssize_t) sizeof *event + event->len;
    }
}

/* Until a read has room to spare: then there was nothing more, and what comes is told anew. (A ring does not tell twice.) */
static void stat_inotify_cb (EV_P_ ev_io *io, int revents)
{
    char buffer[4096] __attribute__ ((aligned (__alignof__(struct inotify_event))));
    ssize_t size;
    EVI_DOOR;

    (void) io, (void) revents;
    do {
        size = evi_sys_read (loop->inotify->fd, buffer, sizeof buffer);
        stat_events (loop, buffer, size);
    } while (size > (ssize_t) (sizeof buffer - STAT_EVENT_MAX));
}

static int stat_inotify_open (struct ev_loop *loop)
{
    if (loop->origflags & EVFLAG_NOINOTIFY)
        return 0;
    if (loop->inotify)
        return loop->inotify->fd >= 0;
    loop->inotify = evi_resize (NULL, sizeof *loop->inotify);
    memset (loop->inotify, 0, sizeof *loop->inotify);
    loop->inotify->fd = evi_sys_inotify ();
    if (loop->inotify->fd < 0)
        return 0;
    evi_fd_own (loop, &loop->inotify->io, stat_inotify_cb, loop->inotify->fd, EV_MAXPRI);
    return 1;
}

static void stat_inotify_stop (struct ev_loop *loop)
{
    if (loop->inotify->fd < 0)
        return;
    evi_fd_disown (loop, &loop->inotify->io);
    evi_sys_close (loop->inotify->fd);
    loop->inotify->fd = -1;
}

EVI void evi_stat_fork (struct ev_loop *loop)
{
    ev_watcher_list *lists[EV_INOTIFY_HASHSIZE];
    struct evi_inotify *self = loop->inotify;

    if (!self)
        return;
    memcpy (lists, self->lists, sizeof lists);
    stat_inotify_stop (loop);
    evi_resize (self, 0);
    loop->inotify = NULL;
    stat_inotify_open (loop);
    for (int i = 0; i < EV_INOTIFY_HASHSIZE; i++)
        for (ev_watcher_list *w = lists[i], *next; w; w = next) {
            next = w->next;
            ((ev_stat *) w)->wd = -1;
            if (loop->inotify->fd >= 0)
                stat_watch (loop, (ev_stat *) w);
            else
                ev_timer_again (EV_A_ & ((ev_stat *) w)->timer);
        }
}

EVI void evi_stat_close (struct ev_loop *loop)
{
    if (!loop->inotify)
        return;
    stat_inotify_stop (loop);
    evi_resize (loop->inotify, 0);
    loop->inotify = NULL;
}

static int stat_by_inotify (struct ev_loop *loop)
{
    return loop->inotify && loop->inotify->fd >= 0;
}

#else
static int stat_inotify_open (struct ev_loop *loop)
{
    (void) loop;
    return 0;
}
static void stat_watch (struct ev_loop *loop, ev_stat *w)
{
    (void) loop, (void) w;
}
static void stat_unwatch (struct ev_loop *loop, ev_stat *w)
{
    (void) loop;
    w->wd = -2;
}
static int stat_by_inotify (struct ev_loop *loop)
{
    (void) loop;
    return 0;
}
EVI void evi_stat_fork (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_stat_close (struct ev_loop *loop)
{
    (void) loop;
}
#endif

/* Whole seconds: what programs have always been told, no more events than that (ST-3). */
static int stat_same (const ev_statdata *a, const ev_statdata *b)
{
    if (a->st_nlink != b->st_nlink)
        return 0;
    if (!a->st_nlink) /* not there, and not there: the rest means nothing */
        return 1;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode
           && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_rdev == b->st_rdev
           && a->st_size == b->st_size && a->st_atime == b->st_atime && a->st_mtime == b->st_mtime
           && a->st_ctime == b->st_ctime;
}

void ev_stat_stat (EV_P_ ev_stat *w) EV_NOEXCEPT
{
    EVI_DOOR;

    (void) loop;
    if (lstat (w->path, &w->attr) < 0)
        w->attr.st_nlink = 0; /* the rest keeps what it was (ST-2) */
    else if (!w->attr.st_nlink)
        w->attr.st_nlink = 1;
}

/* After a change the path may be another file: watch that one, and look once more, in case it changed between. */
static void stat_look (struct ev_loop *loop, ev_stat *w)
{
    ev_statdata before = w->attr;

    ev_stat_stat (EV_A_ w);
    if (stat_same (&before, &w->attr))
        return;
    w->prev = before;
    if (stat_by_inotify (loop)) {
        stat_unwatch (loop, w);
        stat_watch (loop, w);
        ev_stat_stat (EV_A_ w);
    }
    evi_feed (loop, w, EV_STAT);
}

static void stat_timer (EV_P_ ev_timer *timer, int revents)
{
    EVI_DOOR;

    (void) revents;
    stat_look (loop, stat_of_timer (timer));
}

void ev_stat_start (EV_P_ ev_stat *w) EV_NOEXCEPT
{
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    ev_stat_stat (EV_A_ w);
    if (w->interval && w->interval < STAT_INTERVAL_MIN)
        w->interval = STAT_INTERVAL_MIN;
    ev_timer_init (&w->timer, stat_timer, 0., w->interval > 0 ? w->interval : STAT_INTERVAL_DEFAULT);
    ev_set_priority (&w->timer, ev_priority (w));
    if (stat_inotify_open (loop))
        stat_watch (loop, w);
    else
        stat_poll_every (loop, w, w->timer.repeat);
    evi_watcher_start (loop, w, 1);
    EVI_VERIFY_CHANGE (loop);
}

void ev_stat_stop (EV_P_ ev_stat *w) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    stat_unwatch (loop, w);
    if (evi_is_active (&w->timer)) {
        evi_ref (loop);
        ev_timer_stop (EV_A_ & w->timer);
    }
    evi_watcher_stop (loop, w);
    EVI_VERIFY_CHANGE (loop);
}

EVI void *evi_stat_of_timer (ev_watcher *w)
{
    ev_timer *timer = (ev_timer *) w;

    return ev_cb (timer) == stat_timer ? stat_of_timer (timer) : NULL;
}

/* Those that are not polled; the others are found by their timers. */
EVI void evi_stat_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
#if EV_USE_INOTIFY
    for (int i = 0; loop->inotify && i < EV_INOTIFY_HASHSIZE; i++)
        for (ev_watcher_list *w = loop->inotify->lists[i], *next; w; w = next) {
            next = w->next;
            if (!evi_is_active (&((ev_stat *) w)->timer))
                cb (EV_A_ EV_STAT, w);
        }
#else
    (void) loop, (void) cb;
#endif
}

#else
EVI void evi_stat_fork (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_stat_close (struct ev_loop *loop)
{
    (void) loop;
}
EVI void *evi_stat_of_timer (ev_watcher *w)
{
    (void) w;
    return NULL;
}
EVI void evi_stat_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    (void) loop, (void) cb;
}
#endif
