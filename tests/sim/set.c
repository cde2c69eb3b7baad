/* set.c: epoll sets. A registration is about an open file under a number, and goes with the file, not the number. What is
 * ready is told in turn. */
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

enum { SET_ALWAYS = POLLERR | POLLHUP, SET_READY_MAX = ITEMS };

static struct item *set_find (int set, int file, int fd)
{
    for (int i = 0; i < k.item_top; i++) {
        struct item *item = &k.items[i];

        if (item->used && item->set == set && item->file == file && item->fd == fd)
            return item;
    }
    return NULL;
}

static struct item *set_room (void)
{
    for (int i = 0; i < ITEMS; i++)
        if (!k.items[i].used) {
            if (i >= k.item_top)
                k.item_top = i + 1;
            return &k.items[i];
        }
    fail (0, "the model has no more registrations");
}

static unsigned item_ready (const struct item *item)
{
    return item->used && !item->spent ? file_poll (item->file) & (item->events | SET_ALWAYS) : 0;
}

static int set_tell (int set, struct item *item, const struct epoll_event *event)
{
    item->events = event->events;
    item->data = event->data.u64;
    item->spent = 0;
    if (item_ready (item))
        file_wake (set, POLLIN);
    return 0;
}

static int set_add (int set, int file, int fd, const struct epoll_event *event)
{
    struct item *item;

    if (trouble (T_SET, 24)) {
        k.files[file].faulted = 1;
        return roll (2) ? -ENOMEM : -ENOSPC;
    }
    item = set_room ();
    *item = (struct item){ .used = 1, .set = (int16_t) set, .file = (int16_t) file, .fd = (int16_t) fd };
    item->order = ++k.item_order;
    return set_tell (set, item, event);
}

int set_ctl (int set, int action, int fd, const struct epoll_event *event)
{
    int file = fd_file (fd);
    struct item *item;

    if (set < 0 || file < 0)
        return -EBADF;
    if (k.files[set].kind != K_EPOLL || file == set)
        return -EINVAL;
    if (k.files[file].kind == K_REGULAR || k.files[file].kind == K_TEXT)
        return -EPERM;
    item = set_find (set, file, fd);
    if (action == EPOLL_CTL_ADD)
        return item ? -EEXIST : set_add (set, file, fd, event);
    if (!item)
        return -ENOENT;
    if (action == EPOLL_CTL_MOD)
        return set_tell (set, item, event);
    item->used = 0;
    return 0;
}

unsigned set_poll (int set)
{
    for (int i = 0; i < k.item_top; i++)
        if (k.items[i].set == set && item_ready (&k.items[i]))
            return POLLIN;
    return 0;
}

/* Those of one set that are ready, the longest untold first. */
static int set_ready (int set, struct item **ready)
{
    int count = 0;

    for (int i = 0; i < k.item_top; i++) {
        struct item *item = &k.items[i];
        int at;

        if (item->set != set || !item_ready (item))
            continue;
        for (at = count++; at && ready[at - 1]->order > item->order; at--)
            ready[at] = ready[at - 1];
        ready[at] = item;
    }
    return count;
}

int set_collect (int set, struct epoll_event *events, int room)
{
    struct item *ready[SET_READY_MAX];
    int count = set_ready (set, ready);

    for (int i = 0; i < count && i < room; i++) {
        events[i].events = item_ready (ready[i]);
        events[i].data.u64 = ready[i]->data;
        ready[i]->order = ++k.item_order;
        ready[i]->spent = (ready[i]->events & EPOLLONESHOT) != 0;
    }
    return count < room ? count : room;
}

static int set_has_news (void *arg)
{
    return set_poll (*(int *) arg) != 0;
}

int set_wait (int set, struct epoll_event *events, int room, nanos limit)
{
    int err;

    if (set < 0)
        return -EBADF;
    if (k.files[set].kind != K_EPOLL || room <= 0)
        return -EINVAL;
    if (limit && trouble (T_EINTR, 32)) {
        law_excuse (0);
        return -EINTR;
    }
    err = time_sleep (limit == NEVER ? NEVER : k.now + limit, set_has_news, &set);
    return err == -EINTR ? err : set_collect (set, events, room);
}

/* A set that watches the file becomes readable itself, for whoever watches that. */
void set_woken (int file, unsigned mask)
{
    for (int i = 0; i < k.item_top; i++) {
        const struct item *item = &k.items[i];

        if (item->used && item->file == file && !item->spent && (!mask || mask & (item->events | SET_ALWAYS)))
            file_wake (item->set, POLLIN);
    }
}

void set_forget (int file)
{
    for (int i = 0; i < k.item_top; i++)
        if (k.items[i].used && (k.items[i].file == file || k.items[i].set == file))
            k.items[i].used = 0;
}
