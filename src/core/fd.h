/* fd.h: a row per descriptor number: what we know of it, and what the kernel was told. */
#ifndef EVI_FD_H
#define EVI_FD_H

#include "watcher.h"

/* Why a row is on the change list. */
enum {
    EVI_WHY_EVENTS = 1, /* its watchers changed */
    EVI_WHY_FRESH = 2,  /* the number may stand for another open file now (ev_io_set) */
    EVI_WHY_AGAIN = 4,  /* a one-shot request has answered, or is to be another kind of request */
    EVI_WHY_PROGRAM = EVI_WHY_EVENTS | EVI_WHY_FRESH /* … and not the kernel's doing */
};

/* row->kind: two bits are core's, the others are the backend's. */
enum {
    EVI_ROW_OURS = 1, /* a descriptor of the library, which we always drain */
    EVI_ROW_HELD = 2  /* the backend's to set: release is wanted when the last watcher stops */
};

struct evi_row {
    ev_watcher_list *head; /* the ev_io watchers on this fd, latest first */
    uint32_t gen;          /* bumped when older kernel reports must no longer count */
    uint8_t told;          /* EV_READ | EV_WRITE as last given to the backend */
    uint8_t why;           /* nonzero: on the change list */
    uint8_t mark;          /* the backend's own byte */
    uint8_t kind;          /* EVI_ROW_*, and what else the backend knows of it */
};

_Static_assert(sizeof (struct evi_row) <= 16, "four rows to a cache line");

struct evi_fds {
    ev_watcher_list *nowhere; /* ev_io started on descriptors that do not exist, until they are told so */
    int told_broken;          /* EV_ERROR was fed since the last sleep: the next one must not make it wait */
    int insisted;             /* refusals of descriptors of the loop's own */
    struct evi_row *rows;
    int *changes;
    unsigned count; /* rows there are */
    unsigned change_count, change_room;
};

/* For the way out: put a row on the change list; tell the kernel all changes. */
EVI void evi_fd_change (struct ev_loop *loop, int fd, int why);
EVI void evi_fd_reify (struct ev_loop *loop);

/* For backends, the only three words they have for us. */
EVI void evi_fd_ready (struct ev_loop *loop, int fd, int got);  /* the kernel reported these events */
EVI void evi_fd_again (struct ev_loop *loop, int fd);           /* it must be told anew */
EVI void evi_fd_broken (struct ev_loop *loop, int fd, int err); /* it refuses it, with this -errno */

EVI void evi_fd_feed (struct ev_loop *loop, int fd,
                      int events);                   /* queues the watchers that want these events */
EVI int evi_fd_want (const struct evi_row *row);     /* the union of what its watchers ask for */
EVI void evi_fd_retell_all (struct ev_loop *loop);   /* the kernel side is new: forget what it was told */
EVI void evi_fd_check_all (struct ev_loop *loop);    /* break the rows whose descriptor is invalid */
EVI int evi_fd_break_highest (struct ev_loop *loop); /* the kernel has no memory for all; 0: none left */
EVI void evi_fd_verify (struct ev_loop *loop);
EVI void evi_fd_free (struct ev_loop *loop);

/* Starts a descriptor of the library: no reference, not counted as the program's, drained by us. */
EVI void evi_fd_own (struct ev_loop *loop, ev_io *w, void (*cb) (EV_P_ ev_io *w, int revents), int fd,
                     int priority);
EVI void evi_fd_disown (struct ev_loop *loop, ev_io *w);

#endif
