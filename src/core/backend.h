/* backend.h: what a backend is.
 *
 * A translator: it tells the kernel which rows matter, sleeps, and reports which rows are ready. It never sees
 * a watcher, a timer or a callback, keeps no truth about interest (the row does), and never decides what an
 * error means (loop/run.c does). Its state is a structure of its own, behind loop->backend_data. */
#ifndef EVI_BACKEND_H
#define EVI_BACKEND_H

#include "../base/base.h"

struct evi_backend {
    const char *name; /* "epoll" */
    const char *call; /* "epoll_wait": what wait calls, for messages */
    unsigned bit;     /* EVBACKEND_* */
    ev_tstamp grain;  /* shortest sleep worth asking for, seconds */

    /* 0, or -errno with nothing left behind. Refuses rather than half-works. */
    int (*open) (struct ev_loop *loop);
    /* Frees all; also in a forked child, where it must not disturb the parent. */
    void (*close) (struct ev_loop *loop);
    /* Kernel state made anew, with no interest: every row will be told again. 0 or -errno. May be NULL. */
    int (*reopen) (struct ev_loop *loop);
    /* The kernel shall report want for fd from now on; may be queued until wait. why: EVI_WHY_*; with FRESH the
     * number may stand for another file than before. Only from evi_fd_reify. 0 or -errno: then the row is broken. */
    int (*modify) (struct ev_loop *loop, int fd, int told, int want, int why);
    /* Submits what is queued; returns when something is there, limit seconds are over, or a signal came. The only
     * call that blocks; other threads may change the loop meanwhile (HK-5), so it touches only the kernel and
     * its own buffers. 0, or -errno for loop/run.c. */
    int (*wait) (struct ev_loop *loop, ev_tstamp limit);
    /* Hands everything that arrived to evi_fd_ready and its sisters. Never blocks. Follows each wait. */
    void (*reap) (struct ev_loop *loop);

    /* The rest may be NULL. */

    /* All changes are told, and all callbacks have run: what was reported, and is wanted as before, may be asked for
     * again. At the end of each evi_fd_reify. */
    void (*commit) (struct ev_loop *loop);
    /* Nonzero: there is something that commit would ask for. */
    int (*uncommitted) (struct ev_loop *loop);
    /* The last watcher of fd is gone, whose row is HELD: when this returns the kernel holds nothing of it, so that close closes. */
    void (*release) (struct ev_loop *loop, int fd);
    /* Submits what is queued, without waiting or reaping: for a loop inside another one. */
    void (*flush) (struct ev_loop *loop);
    /* A descriptor that is readable while wait would find something, for ev_embed; -errno if there is none. */
    int (*expose) (struct ev_loop *loop);
    /* That descriptor is readable: would wait find something? NULL: it would. If not, it is readable no more. */
    int (*confirm) (struct ev_loop *loop);
    void (*dump) (struct ev_loop *loop, FILE *out);
    /* Are rows and kernel of one mind, as far as can be seen? Reports through evi_misuse. */
    void (*verify) (struct ev_loop *loop);
};

/* What wait may answer besides a system call's errno. */
enum {
    EVI_REBUILD = -1000, /* the kernel object is not ours any more (fork, another thread): make it anew */
    EVI_CHECK = -1002,   /* one of the descriptors is invalid: find it */
    EVI_FALL = -1001 /* it is beyond repair: move to another backend (the errno is in stats.fallback_error) */
};

/* All compiled-in backends, best first; NULL at the end (backend/table.c). */
enum { EVI_BACKENDS = !!EV_USE_IOURING + !!EV_USE_EPOLL + !!EV_USE_POLL + !!EV_USE_SELECT };
EVI_DATA const struct evi_backend *const evi_backends[EVI_BACKENDS + 1];
#if EV_USE_IOURING
/* Whether io_uring is taken when nobody asks for it; if not, why: 0 or -errno in *reason. */
EVI int evi_uring_recommended (int *reason);
#endif

#endif
