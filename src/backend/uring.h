/* uring.h: what the files of the io_uring backend share: its state, and what it knows of a row. */
#ifndef EVI_URING_H
#define EVI_URING_H

#include "bits.h"
#include "looks.h"
#include "loopring.h"

#if EV_USE_IOURING

/* row->mark */
enum {
    EVI_URING_ARMED = 1,   /* the kernel holds a request with the row's present generation */
    EVI_URING_MULTI = 2,   /* … a multishot one */
    EVI_URING_QUIET = 4,   /* answered with RDHUP alone: the next request is multishot */
    EVI_URING_PARKED = 8,  /* lives in the epoll set */
    EVI_URING_BUSY = 16,   /* its multishot request stays (busy.c) */
    EVI_URING_LOOKED = 32, /* … and it is in self->looks */
    EVI_URING_ONCE = 64, /* how often it was armed again in a row, without any doing of the program: 0 to 3 */
    EVI_URING_OFTEN = 3 * EVI_URING_ONCE
};

struct evi_uring {
    struct evi_loopring loopring;
    uint64_t *late; /* requests to take back, from another thread while the owner slept */
    unsigned late_count, late_room;
    int park_fd, park_armed; /* the epoll set; the ring watches it */
    struct evi_looks looks;  /* busy rows that may still be ready */
    unsigned batch;          /* rows that were ready at the last reap */
    int few;                 /* so few that each may be armed again at once */
    int has_stale_looks;     /* some of looks are of rows that are busy no more */
};

/* ---- polls.c: poll requests, each under the present name of its row ---- */

EVI void evi_polls_arm (struct ev_loop *loop, struct evi_uring *self, int fd, int want);
/* The request keeps its name. If it answers first, the change misses it, and the row is armed anew anyway. */
EVI void evi_polls_change (struct ev_loop *loop, struct evi_uring *self, int fd, int want);
/* The row that has this name has answered, and is going to be armed again as it was: early, before its callbacks have
 * run. 0: not now. */
EVI int evi_polls_arm_early (struct ev_loop *loop, struct evi_uring *self, uint64_t poll);
/* The ring is about to be entered all the same: what is queued early is armed the usual way, later. */
EVI void evi_polls_withdraw (struct ev_loop *loop);
/* One of them is not going to be. 0: it is not among them. */
EVI int evi_polls_drop (struct ev_loop *loop, struct evi_uring *self, uint64_t poll);
/* By its name; multi: it may be a multishot one. */
EVI void evi_polls_take_back (struct ev_loop *loop, struct evi_uring *self, uint64_t poll, int multi);
/* The same for the request of a row, which has another name from now on. */
EVI void evi_polls_disarm (struct ev_loop *loop, struct evi_uring *self, int fd);

/* ---- busy.c: rows that are ready again and again ---- */

/* A row is about to be armed, and why: is it busy from now on? */
EVI void evi_busy_count (struct ev_loop *loop, struct evi_uring *self, int fd, int why);
/* Its request has answered. */
EVI void evi_busy_polled (struct ev_loop *loop, struct evi_uring *self, int fd, const struct evi_cqe *cqe);
/* Before a sleep: asks for the levels of those that may be ready. */
EVI void evi_busy_ask (struct ev_loop *loop, struct evi_uring *self);
/* Hands over what it found. */
EVI void evi_busy_reap (struct ev_loop *loop, struct evi_uring *self);
/* The row is another one from now on, or its request has ended: what is to be asked about it is out of date. */
EVI_INLINE void evi_busy_forget (struct evi_uring *self, const struct evi_row *row)
{
    self->has_stale_looks |= row->mark & EVI_URING_LOOKED;
}

#endif

#endif
