/* uring.h: what the files of the io_uring backend share: a row's life on a ring, and the backend's state. */
#ifndef EVI_URING_H
#define EVI_URING_H

#include "bits.h"
#include "epollset.h"
#include "loopring.h"

#if EV_USE_IOURING

/* A row's life on a ring. Its state stands in row->kind, beside EVI_ROW_OURS; all ways lead through NONE.
 *
 *          the kernel holds                            row->told
 *   NONE   nothing                                     0; or what it has just answered to: on self->answered
 *   ONCE   a one-shot request under its present name   the mask of the request
 *   GOOD   a multishot one: it stays for good          the mask
 *   GUEST  a registration in the epoll set             the mask that is wanted; row->mark: the one in the set
 *
 *   NONE   commit, wanted                 ONCE; ours or quiet: GOOD; stays, or too many are asked: GUEST
 *   ONCE   answers                        NONE, asked again at commit; with RDHUP alone: quiet
 *   ONCE   refused (EINVAL, EOPNOTSUPP)   NONE, refused
 *   ONCE   GOOD   last watcher stops      NONE: taken back, now; stays
 *   ONCE   commit, other mask             ONCE: changed in place
 *   ONCE   GOOD   commit, other file      NONE: taken back; then as from NONE
 *   ONCE   the hand finds it idle         NONE: taken back; GUEST
 *   GOOD   answers                        GOOD; quiet and has news: NONE, taken back, asked again at commit
 *   GOOD   ended (no MORE)                NONE, asked again at commit
 *   GUEST  last watcher stops             GUEST
 *   GUEST  commit, other mask             NONE: dropped from the set, then ONCE; stays: GUEST, told the set
 *   any    rebuilt, forked                NONE, told 0 */
enum {
    EVI_URING_NONE = 0x00,
    EVI_URING_ONCE = EVI_ROW_HELD,
    EVI_URING_GOOD = EVI_ROW_HELD | 0x04,
    EVI_URING_GUEST = 0x04,
    EVI_URING_STATE = EVI_ROW_HELD | 0x04, /* these bits */
    /* what is known of the file */
    EVI_URING_QUIET = 0x08,  /* it has answered with RDHUP alone: the next request is multishot */
    EVI_URING_STAYS = 0x10,  /* it listens, or was stopped while idle: a guest, until it is another file */
    EVI_URING_UNSEEN = 0x20, /* it has not answered since the hand passed */
    EVI_URING_REFUSED = 0x40 /* the ring does not take it: a guest, or nothing */
};

struct evi_uring {
    struct evi_loopring loopring;
    int *answered; /* descriptors whose request has answered: asked for again at commit */
    unsigned answered_count, answered_room; /* room for all rows twice */
    uint64_t *late; /* requests to take back, from another thread while the owner slept */
    unsigned late_count, late_room;
    unsigned asked;       /* rows in ONCE, of the program's */
    unsigned asked_new;   /* from then on new rows are guests */
    unsigned asked_most;  /* … and those whose interest changes stay guests, mostly */
    unsigned turned_away; /* how many of these have */
    int keeps_idle; /* a row that is stopped while it is idle is no guest the next time: EVRING_RING=alone */
    unsigned hand;  /* goes round the rows, in search of idle ones */
    struct evi_epollset guests;
    int has_guests;        /* there are, or were */
    uint32_t guests_epoch; /* counts the sets there were */
    int guests_asked;      /* the ring watches it at present */
    int guests_polled;     /* … and cannot read it */
    int polls_guests;      /* … and shall not: EVRING_RING=polled */
};

EVI_INLINE_HOT int evi_uring_state (const struct evi_row *row)
{
    return row->kind & EVI_URING_STATE;
}

/* Nonzero: the ring has a request under the row's present name. */
EVI_INLINE int evi_uring_is_asked (const struct evi_row *row)
{
    return row->kind & EVI_ROW_HELD;
}

EVI_INLINE_HOT void evi_uring_move (struct evi_row *row, int state)
{
    EVI_ASSERT (state == EVI_URING_NONE || evi_uring_state (row) == EVI_URING_NONE);
    row->kind = (uint8_t) ((row->kind & ~(EVI_URING_STATE | EVI_URING_UNSEEN)) | state);
}

/* ---- polls.c: poll requests, each under the present name of its row ---- */

/* From NONE. */
EVI void evi_polls_arm (struct ev_loop *loop, struct evi_uring *self, int fd, int want);
/* All that have answered, as they were, unless the program has changed them since. */
EVI void evi_polls_arm_answered (struct ev_loop *loop, struct evi_uring *self);
/* The request keeps its name. If it answers first, the change misses it, and the row is armed anew anyway; so it is if
 * the kernel says that it came at a bad moment (EALREADY). */
EVI void evi_polls_change (struct ev_loop *loop, struct evi_uring *self, int fd, int want);
/* By its name. */
EVI void evi_polls_take_back (struct ev_loop *loop, struct evi_uring *self, uint64_t poll);
/* The same for the request of a row, which has another name from now on, and is NONE. */
EVI void evi_polls_disarm (struct ev_loop *loop, struct evi_uring *self, int fd);
/* It has answered, or is not there any more: NONE, and asked for again at the next commit. */
EVI_INLINE_HOT void evi_polls_over (struct evi_uring *self, struct evi_row *row, int fd)
{
    /* Once when it is reaped, and once more if it is changed, armed, and answers before the commit. */
    EVI_ASSERT (self->answered_count < self->answered_room);
    self->asked -= evi_uring_state (row) == EVI_URING_ONCE;
    evi_uring_move (row, EVI_URING_NONE);
    self->answered[self->answered_count++] = fd;
}

/* ---- guests.c: rows in an epoll set that the ring watches ---- */

EVI int evi_guests_open (struct evi_uring *self); /* 0 or -errno */
EVI void evi_guests_close (struct evi_uring *self);
/* A row in NONE becomes a guest. 0 or -errno. */
EVI int evi_guests_take (struct ev_loop *loop, struct evi_uring *self, int fd, int want);
/* The set shall report something else of a guest. 0 or -errno. */
EVI int evi_guests_modify (struct ev_loop *loop, struct evi_uring *self, int fd, int want, int why);
/* A guest leaves: NONE. -errno: the number stood for another file already. */
EVI int evi_guests_leave (struct ev_loop *loop, struct evi_uring *self, int fd);
/* One more row is asked for than should be: another one, that is idle, becomes a guest. */
EVI void evi_guests_make_room (struct ev_loop *loop, struct evi_uring *self);
/* The ring shall say when the set has something. */
EVI void evi_guests_ask (struct ev_loop *loop, struct evi_uring *self);
/* It has said so. */
EVI void evi_guests_reap (struct ev_loop *loop, struct evi_uring *self, const struct evi_cqe *cqe);
/* The set holds what cannot be removed: a new one, with all that are in it. */
EVI void evi_guests_renew (struct ev_loop *loop, struct evi_uring *self);

/* Of the request that watches the set. */
EVI_INLINE uint64_t evi_guests_name (const struct evi_uring *self)
{
    return evi_name (EVI_NAME_SET, self->guests_epoch, 0);
}

#endif

#endif
