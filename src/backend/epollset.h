/* epollset.h: one epoll set: tells it of rows, fetches what it reports, and hands that over. Used by the epoll backend
 * for all rows, and by the ring for those that are its guests. */
#ifndef EVI_EPOLLSET_H
#define EVI_EPOLLSET_H

#include "../core/loop.h"

#if EVI_LINUX

struct epoll_event;

struct evi_epollset {
    int fd;       /* -1: closed */
    int poisoned; /* holds a registration that cannot be removed: it has to be made anew */
    int count;    /* what the last fetch brought */
    unsigned room;
    struct epoll_event *events;
    int *always; /* descriptors that are always ready, in the order they came */
    unsigned always_count, always_room;
};

/* row->mark, which belongs to the set that a row is in: EV_READ and EV_WRITE as the set has them, and these. */
enum {
    EVI_EPOLLSET_KNOWN = 0x20,  /* the set has had a file under this number */
    EVI_EPOLLSET_MIXED = 0x40,  /* … and perhaps several, all of which it may still have */
    EVI_EPOLLSET_ALWAYS = 0x80, /* epoll refuses the file because it is always ready */
    EVI_EPOLLSET_HISTORY = EVI_EPOLLSET_KNOWN | EVI_EPOLLSET_MIXED
};

/* room: for so many reports at once, to begin with. 0 or -errno; the structure is all zero before. */
EVI int evi_epollset_open (struct evi_epollset *set, unsigned room);
EVI void evi_epollset_close (struct evi_epollset *set);
EVI int evi_epollset_renew (
    struct evi_epollset *set); /* another one, empty, in its place. 0 or -errno: closed */
/* The set shall report want for fd from now on; as a backend's modify. 1: it did not have that file before. */
EVI int evi_epollset_tell (struct ev_loop *loop, struct evi_epollset *set, int fd, int told, int want,
                           int why);
/* Takes fd out at once. 0 or -errno. */
EVI int evi_epollset_drop (struct ev_loop *loop, struct evi_epollset *set, int fd);
/* Waits for reports, limit in seconds, and keeps them until they are reaped. fine: more exactly than in milliseconds, if the
 * kernel can. 0 or -errno. */
EVI int evi_epollset_fetch (struct evi_epollset *set, ev_tstamp limit, int fine);
/* Hands over what was fetched. */
EVI void evi_epollset_reap (struct ev_loop *loop, struct evi_epollset *set);
/* … and what is always ready. */
EVI void evi_epollset_reap_always (struct ev_loop *loop, struct evi_epollset *set);

#endif

#endif
