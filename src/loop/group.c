/* group.c: ev_group: a loop per core, listeners for all of them, and one end.
 * Owns its loops, a thread for each but the first, and the listeners. Promises that all listeners are bound before one
 * listens, that every connection accepted is told before the end begins, in a loop that has not ended, and that no
 * listener closes while connections may still be made: a closing one resets what waits in it.
 *
 * The end: each loop hears of it by a post, stops its watchers and accepts what is there. When the last has done so, no
 * connection begins any more; a second post, behind what was dealt to the loop, closes its listeners, once more empty, and begins
 * its end. */
#include "../base/sys_op.h"
#include "loop_private.h"

#if EV_GROUP_ENABLE

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define GROUP_RECESS 0.1 /* seconds without accepting, when there are no descriptors left */

enum {
    GROUP_BATCH = 64, /* connections until others have a turn; the level comes again */
    GROUP_LOOPS_MAX = 1024
};

struct group_home {
    struct ev_group *group;
    struct ev_loop *loop;
    ev_mailbox *box;
    ev_post stop, finish;
    pthread_t thread;
    unsigned at;
    int has_thread, closing, finished;
};

/* A listener of one loop. */
struct group_ear {
    ev_io io;
    ev_timer recess;
    struct group_home *home;
    struct group_address *of;
};

/* What ev_group_listen was called for: an ear for each loop, or one for all. */
struct group_address {
    struct group_address *next;
    void (*cb) (EV_P_ ev_group *group, int fd, void *arg);
    unsigned count, turn;
    int family;
    struct group_ear ears[];
};

/* A connection on its way to another loop. */
struct group_deal {
    ev_post post;
    struct group_home *to;
    struct group_address *of;
    int fd;
};

struct ev_group {
    unsigned count;
    unsigned listening; /* atomic: loops that may still accept */
    int stopping;       /* atomic */
    int ran;
    struct group_address *addresses;
    ev_group_cb *begin, *end;
    void *arg;
    struct group_home homes[];
};

/* ---- connections ---- */

static void group_connected (struct group_home *home, struct group_address *of, int fd)
{
    of->cb (home->loop, home->group, fd, home->group->arg);
}

static void group_dealt (EV_P_ ev_post *post, int revents)
{
    struct group_deal *deal = (struct group_deal *) post, it = *deal;

    evi_resize (deal, 0);
    if (revents & EV_ERROR)
        evi_sys_close (it.fd);
    else
        group_connected (it.to, it.of, it.fd);
    (void) loop;
}

static void group_deal (struct group_home *to, struct group_address *of, int fd)
{
    struct group_deal *deal = evi_resize (NULL, sizeof *deal);

    *deal = (struct group_deal){ { NULL, group_dealt, NULL }, to, of, fd };
    if (ev_mailbox_send (to->box, &deal->post) < 0)
        group_dealt (to->loop, &deal->post, EV_ERROR);
}

/* One ear for all loops deals them out in turn, until the others may have ended. */
static void group_take (struct group_home *here, struct group_ear *ear, int fd)
{
    struct group_address *of = ear->of;
    struct group_home *to = here;

    if (of->count == 1 && !here->closing)
        to = &here->group->homes[of->turn++ % here->group->count];
    if (to == here)
        group_connected (here, of, fd);
    else
        group_deal (to, of, fd);
}

/* Of what accept may answer, these are about the one connection, which is gone. */
static int group_goes_on (int err)
{
    switch (-err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
        return 1;
    default:
        return 0;
    }
}

/* At most so many. Returns -EAGAIN when none is left, 0 when there may be more, or why it cannot go on. */
static int group_accept (struct group_home *here, struct group_ear *ear, int most)
{
    for (int i = 0; i < most; i++) {
        int fd = evi_sys_accept (ear->io.fd, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0)
            group_take (here, ear, fd);
        else if (!group_goes_on (fd))
            return fd;
    }
    return 0;
}

static void group_ready (EV_P_ ev_io *w, int revents)
{
    struct group_ear *ear = (struct group_ear *) w;
    int err = group_accept (ear->home, ear, GROUP_BATCH);

    (void) revents;
    if (!err || err == -EAGAIN || !ev_is_active (w))
        return;
    ev_io_stop (EV_A_ w);
    ev_timer_set (&ear->recess, GROUP_RECESS, 0.);
    ev_timer_start (EV_A_ & ear->recess);
}

static void group_rested (EV_P_ ev_timer *w, int revents)
{
    struct group_ear *ear = (struct group_ear *) (void *) ((char *) w - offsetof (struct group_ear, recess));

    (void) revents;
    ev_io_start (EV_A_ & ear->io);
}

/* ---- listening ---- */

static void group_close_ears (struct group_address *of)
{
    for (unsigned i = 0; i < of->count; i++)
        if (of->ears[i].io.fd >= 0) {
            evi_sys_close (of->ears[i].io.fd);
            of->ears[i].io.fd = -1;
        }
}

/* A bound socket, or -errno. The address gets its port, for the others. */
static int group_bind (struct sockaddr_storage *address, unsigned size, int shared)
{
    int fd = evi_sys_socket (address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0;

    if (fd < 0)
        return fd;
    if (address->ss_family != AF_UNIX)
        err = evi_sys_set_option (fd, SO_REUSEADDR, 1);
    if (!err && shared)
        err = evi_sys_set_option (fd, SO_REUSEPORT, 1);
    if (!err)
        err = evi_sys_bind (fd, (struct sockaddr *) address, size);
    if (!err && shared)
        err = evi_sys_bound_to (fd, (struct sockaddr *) address, size);
    if (!err)
        return fd;
    evi_sys_close (fd);
    return err;
}

static int group_bind_all (struct group_address *of, struct sockaddr_storage *address, unsigned size)
{
    for (unsigned i = 0; i < of->count; i++) {
        int fd = group_bind (address, size, of->count > 1);

        if (fd < 0)
            return fd;
        of->ears[i].io.fd = fd;
    }
    return 0;
}

static int group_listen_all (struct group_address *of, int backlog)
{
    int err = 0;

    for (unsigned i = 0; !err && i < of->count; i++)
        err = evi_sys_listen (of->ears[i].io.fd, backlog);
    return err;
}

static struct group_address *group_address_new (struct ev_group *group, unsigned count)
{
    struct group_address *of = evi_resize (NULL, (long) (sizeof *of + count * sizeof *of->ears));

    memset (of, 0, sizeof *of + count * sizeof *of->ears);
    of->count = count;
    for (unsigned i = 0; i < count; i++) {
        struct group_ear *ear = &of->ears[i];

        ev_io_init (&ear->io, group_ready, -1, EV_READ);
        ev_timer_init (&ear->recess, group_rested, GROUP_RECESS, 0.);
        ear->home = &group->homes[i];
        ear->of = of;
    }
    return of;
}

/* The kernel deals out connections of the internet; those of other families, one of the loops does. */
static int group_shared (const struct sockaddr *address)
{
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

int ev_group_listen (ev_group *group, const struct sockaddr *address, unsigned size, int backlog,
                     void (*cb) (EV_P_ ev_group *group, int fd, void *arg)) EV_NOEXCEPT
{
    struct sockaddr_storage copy;
    struct group_address *of;
    int err;

    if (group->ran)
        return -EBUSY;
    if (size > sizeof copy || size < sizeof copy.ss_family)
        return -EINVAL;
    memcpy (&copy, address, size);
    of = group_address_new (group, group_shared (address) ? group->count : 1);
    of->cb = cb;
    of->family = address->sa_family;
    err = group_bind_all (of, &copy, size);
    if (!err)
        err = group_listen_all (of, backlog);
    if (err < 0) {
        group_close_ears (of);
        evi_resize (of, 0);
        return err;
    }
    of->next = group->addresses;
    group->addresses = of;
    return of->ears[0].io.fd;
}

/* ---- the end ---- */

/* A listener that closes resets what waits in it, and what is in the middle of its handshake: from now on none begins. Where
 * this is not to be had, what comes in the moment before the close is reset. */
static void group_refuse (struct ev_group *group)
{
    for (struct group_address *of = group->addresses; of; of = of->next)
        for (unsigned i = 0; i < of->count; i++)
            evi_sys_refuse_connections (of->ears[i].io.fd, of->family);
}

static struct group_ear *group_ear (struct group_home *here, struct group_address *of)
{
    return here->at < of->count ? &of->ears[here->at] : NULL;
}

static void group_drain (struct group_home *here, struct group_ear *ear)
{
    while (!group_accept (here, ear, GROUP_BATCH))
        ;
}

static void group_stop_listening (struct group_home *here)
{
    for (struct group_address *of = here->group->addresses; of; of = of->next) {
        struct group_ear *ear = group_ear (here, of);

        if (!ear)
            continue;
        ev_io_stop (here->loop, &ear->io);
        ev_timer_stop (here->loop, &ear->recess);
        group_drain (here, ear);
    }
}

/* In the loop's own thread, whose backend may still know the descriptor. */
static void group_close (struct group_home *here)
{
    here->closing = 1;
    for (struct group_address *of = here->group->addresses; of; of = of->next) {
        struct group_ear *ear = group_ear (here, of);

        if (!ear)
            continue;
        group_drain (here, ear);
        evi_sys_close (ear->io.fd);
        ear->io.fd = -1;
    }
}

static void group_finish (struct ev_group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        ev_mailbox_send (group->homes[i].box, &group->homes[i].finish);
}

static void group_on_stop (EV_P_ ev_post *post, int revents)
{
    struct group_home *here = post->data;
    struct ev_group *group = here->group;

    (void) loop;
    if (revents & EV_ERROR)
        return;
    group_stop_listening (here);
    if (__atomic_sub_fetch (&group->listening, 1, __ATOMIC_ACQ_REL))
        return;
    group_refuse (group);
    group_finish (group);
}

/* What is active keeps the loop running from now on, and nothing else. */
static void group_on_finish (EV_P_ ev_post *post, int revents)
{
    struct group_home *here = post->data;
    struct ev_group *group = here->group;

    if (revents & EV_ERROR)
        return;
    group_close (here);
    here->finished = 1;
    if (group->end)
        group->end (EV_A_ group, here->at, group->arg);
    else
        ev_break (EV_A_ EVBREAK_ALL);
    ev_mailbox_unhold (here->box);
}

void ev_group_stop (ev_group *group) EV_NOEXCEPT
{
    if (__atomic_exchange_n (&group->stopping, 1, __ATOMIC_ACQ_REL))
        return;
    for (unsigned i = 0; i < group->count; i++)
        ev_mailbox_send (group->homes[i].box, &group->homes[i].stop);
}

/* ---- running ---- */

/* A loop that the program has broken ends the group, and has its part in that. */
static void group_live (struct group_home *home)
{
    struct ev_group *group = home->group;

    for (struct group_address *of = group->addresses; of; of = of->next)
        if (home->at < of->count)
            ev_io_start (home->loop, &of->ears[home->at].io);
    if (group->begin)
        group->begin (home->loop, group, home->at, group->arg);
    ev_run (home->loop, 0);
    while (!home->finished) {
        ev_group_stop (group);
        ev_run (home->loop, EVRUN_ONCE);
    }
}

static void *group_thread (void *home)
{
    group_live (home);
    return NULL;
}

/* These loops have no thread, and take no part in the end. */
static void group_leave_out (struct ev_group *group, unsigned count)
{
    if (__atomic_sub_fetch (&group->listening, count, __ATOMIC_ACQ_REL) == 0)
        group_finish (group);
}

static void group_join (struct ev_group *group)
{
    for (unsigned i = 1; i < group->count; i++)
        if (group->homes[i].has_thread)
            evi_sys_thread_join (group->homes[i].thread);
}

int ev_group_run (ev_group *group, ev_group_cb *begin, ev_group_cb *end, void *arg)
{
    int err = 0;

    if (group->ran)
        return -EBUSY;
    group->ran = 1;
    group->begin = begin;
    group->end = end;
    group->arg = arg;
    for (unsigned i = 1; !err && i < group->count; i++) {
        err = evi_sys_thread_create (&group->homes[i].thread, NULL, group_thread, &group->homes[i]);
        group->homes[i].has_thread = !err;
        if (err) {
            ev_group_stop (group);
            group_leave_out (group, 1 + group->count - i);
        }
    }
    if (!err)
        group_live (&group->homes[0]);
    group_join (group);
    return err;
}

/* ---- beginning, and asking ---- */

static int group_open (struct group_home *home, unsigned flags)
{
    home->loop = ev_loop_new (flags);
    if (!home->loop)
        return 0;
    home->box = ev_mailbox_of (home->loop);
    ev_mailbox_hold (home->box);
    home->stop = (ev_post){ NULL, group_on_stop, home };
    home->finish = (ev_post){ NULL, group_on_finish, home };
    return 1;
}

ev_group *ev_group_new (unsigned flags, unsigned loops) EV_NOEXCEPT
{
    struct ev_group *group;

    if (!loops)
        loops = evi_sys_cores ();
    if (loops > GROUP_LOOPS_MAX)
        return NULL;
    group = evi_resize (NULL, (long) (sizeof *group + loops * sizeof *group->homes));
    memset (group, 0, sizeof *group + loops * sizeof *group->homes);
    group->count = group->listening = loops;
    for (unsigned i = 0; i < loops; i++) {
        group->homes[i].group = group;
        group->homes[i].at = i;
        if (!group_open (&group->homes[i], flags)) {
            ev_group_free (group);
            return NULL;
        }
    }
    return group;
}

static void group_free_addresses (struct ev_group *group)
{
    struct group_address *next;

    for (struct group_address *of = group->addresses; of; of = next) {
        next = of->next;
        group_close_ears (of);
        evi_resize (of, 0);
    }
}

/* The loops first: their rows know the listeners, if the group has not come to its end. */
void ev_group_free (ev_group *group)
{
    if (!group)
        return;
    for (unsigned i = 0; i < group->count && group->homes[i].loop; i++)
        ev_loop_destroy (group->homes[i].loop);
    for (unsigned i = 0; i < group->count; i++)
        ev_mailbox_free (group->homes[i].box);
    group_free_addresses (group);
    evi_resize (group, 0);
}

unsigned ev_group_loops (const ev_group *group) EV_NOEXCEPT
{
    return group->count;
}

ev_mailbox *ev_group_box (ev_group *group, unsigned at) EV_NOEXCEPT
{
    return group->homes[at].box;
}

#endif
