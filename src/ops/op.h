/* op.h: what the files of ops/ know of each other: an operation and its stages, what it needs on the side, and the
 * two engines that carry it out.
 *
 * The contract of an engine: an operation that it has taken completes exactly once, through evi_op_done (one that
 * repeats: evi_op_arrive before that); never later than its data buffers are free again. What an engine cannot do
 * it gives back with evi_op_again and the hint to take the other road: the program does not notice. */
#ifndef EVI_OP_H
#define EVI_OP_H

#include "ops.h"
#include "pool.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>

struct evi_sqe; /* backend/ring_abi.h */

enum { /* op->code */
       EVI_CODE_NONE,
       EVI_CODE_ACCEPT,
       EVI_CODE_CONNECT,
       EVI_CODE_RECV,
       EVI_CODE_RECV_POOL,
       EVI_CODE_SEND,
       EVI_CODE_SEND_ZC,
       EVI_CODE_RECVMSG,
       EVI_CODE_SENDMSG,
       EVI_CODE_SHUTDOWN,
       EVI_CODE_SOCKET,
       EVI_CODE_OPENAT,
       EVI_CODE_CLOSE,
       EVI_CODE_READ,
       EVI_CODE_WRITE,
       EVI_CODE_READV,
       EVI_CODE_WRITEV,
       EVI_CODE_FSYNC,
       EVI_CODE_FALLOCATE,
       EVI_CODE_FTRUNCATE,
       EVI_CODE_STATX,
       EVI_CODE_UNLINKAT,
       EVI_CODE_RENAMEAT,
       EVI_CODE_MKDIRAT,
       EVI_CODE_SPLICE,
       EVI_CODE_WAITID,
       EVI_CODE_SQE,
       EVI_CODES
};

enum { /* op->state */
       EVI_STATE_IDLE,
       EVI_STATE_LINKED,  /* waits for the operation it is linked to */
       EVI_STATE_LANED,   /* waits behind another one on its descriptor */
       EVI_STATE_QUEUED,  /* will be handed to an engine at the next reify */
       EVI_STATE_RING,    /* the kernel has it */
       EVI_STATE_WAITING, /* waits for readiness */
       EVI_STATE_THREAD,  /* a thread has it, or will */
       EVI_STATE_PAUSED,  /* waits for a buffer of its pool */
       EVI_STATE_OVER     /* its last result has arrived and is to be told */
};

enum { /* op->wish: how the program, or its deadline, wants it to end */
       EVI_WISH_CANCEL = 1,
       EVI_WISH_TIMEOUT = 2,
       EVI_WISH_STOP = 4 /* nobody is to be told */
};

enum {                         /* op->hint: what has been found out about this run of it */
       EVI_HINT_LANE = 1,      /* it is in a lane */
       EVI_HINT_BAD_FD = 2,    /* its descriptor is none */
       EVI_HINT_READY = 4,     /* the ring cannot do it: the other road */
       EVI_HINT_TRIED = 8,     /* it is done: its result is here, and to be told */
       EVI_HINT_LESSER = 16,   /* … cannot send it without copying, or write it without a signal */
       EVI_HINT_BLOCKING = 32, /* its socket was blocking and is to become so again */
       EVI_HINT_NOTIFY = 64,   /* its result is here, the kernel still holds the buffer */
       EVI_HINT_CUT = 128      /* what it was linked to has ended already, and may be gone */
};

enum {                         /* kind->traits */
       EVI_TRAIT_ARRIVES = 1,  /* its results are handed over one by one: it repeats, or makes a descriptor */
       EVI_TRAIT_MAKES_FD = 2, /* a result nobody is told of must be closed */
       EVI_TRAIT_POSITION = 4, /* in a lane only at the current position */
       EVI_TRAIT_DIRECT = 8,   /* a system call that never sleeps: made on the spot */
       EVI_TRAIT_FILE = 16     /* without a ring: in a thread */
};

enum { EVI_LANE_NONE = -1, EVI_LANE_RECV = 0, EVI_LANE_SEND = 1 };

struct evi_op_kind {
    const char *name;
    int8_t lane;
    uint8_t traits;
};
EVI_DATA const struct evi_op_kind evi_op_kinds[EVI_CODES];

EVI_INLINE const struct evi_op_kind *evi_op_kind (const ev_op *op)
{
    return &evi_op_kinds[op->code];
}

/* Reads or writes at an offset: in parallel with others, in no lane. */
EVI_INLINE int evi_op_at_offset (const ev_op *op)
{
    return evi_op_kind (op)->traits & EVI_TRAIT_POSITION && op->offset >= 0;
}

EVI_INLINE size_t evi_op_bytes (const struct iovec *vec, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += vec[i].iov_len;
    return bytes;
}

/* Codes of the kernel that are not for programs: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ENOIOCTLCMD and
 * ERESTART_RESTARTBLOCK come out of interrupted requests on some kernels (seen on 6.18). */
enum { EVI_RESTART_FIRST = -512, EVI_RESTART_LAST = -516 };

EVI_INLINE int evi_op_interrupted (ssize_t result)
{
    return result == -EINTR || (result <= EVI_RESTART_FIRST && result >= EVI_RESTART_LAST);
}

struct evi_arrival {
    ssize_t result;
    void *buf;
    size_t moved;
    int last;
};

/* What only some operations need, and only while they run. */
struct evi_side {
    ev_op *op;
    ev_io io;           /* its readiness */
    ev_watcher deliver; /* hands its arrivals over, one per call */
    ev_timer timer;     /* its deadline */
    struct evi_arrival *arrivals;
    unsigned first, count, room;
    int pidfd;             /* of a child that is waited for; -1: none of ours */
    struct evi_side *next; /* unused, or paused for the same pool */
    struct evi_job job;    /* its call, in a thread */
};

/* The side that a member of it, given by its address, belongs to. */
#define EVI_SIDE_OF(pointer, member) \
    ((struct evi_side *) (void *) ((char *) (pointer) -offsetof (struct evi_side, member)))

struct evi_lane {
    ev_op *head;          /* the one that runs; the others behind it by next, head->prev is the last */
    uint8_t dry;          /* the last try found nothing more: wait for readiness before the next */
    uint32_t told;        /* loop->op_tellings when the last one was done */
    uint8_t direct;       /* the file is read past the page cache */
    uint8_t direct_known; /* … reads until it is asked again */
};

struct evi_slot {
    uint64_t name; /* of the operation that has it; free: of the next */
    union {
        ev_op *op;
        uint32_t next; /* free one */
    } is;
};

_Static_assert(sizeof (struct evi_slot) <= 16, "four slots to a cache line");

struct evi_ops {
    struct ev_loop *loop;
    struct evi_list active;
    ev_op **queue; /* of those that wait to be handed to an engine; NULL: taken back */
    unsigned queued, queue_room;
    struct evi_lane (*lanes)[2]; /* by descriptor */
    unsigned lane_count;
    struct evi_side *sides; /* unused ones */
    struct ev_pool *pools;
    struct evi_home home; /* where threads put what they have done */
    unsigned process;     /* evi_sys_process when it was made */

    /* op_uring.c */
    int forbidden; /* EVRING_OPS=ready */
    int road;      /* where operations go until the next hand-out */
    struct evi_slot *slots;
    unsigned slot_count, slot_free, slot_last; /* _last: the one taken last */
    unsigned flying;
    unsigned epoch; /* of the ring that was last asked what it can do */
    uint64_t knows; /* a bit per opcode of the ring */
    uint32_t plain; /* a bit per code: the ring has it, and submission and completion are as the table says */
    unsigned lacks; /* … found out by trying */
    int recalling;  /* the ring is about to be closed */
    int leash;      /* a pipe whose other end the ring holds; -1: none */
    uint16_t groups; /* numbers of buffer groups given out */
    ev_io *attached; /* its ring is not the backend's: what watches it */

    unsigned lenders;      /* bufs.c: pools whose buffers the program takes */
    unsigned pinned_epoch; /* pinned.c: of the ring whose table this is about */
    uint32_t pinned_free;  /* … a bit per free place of it */
};

EVI_INLINE struct evi_lane *evi_op_lane (struct ev_loop *loop, const ev_op *op)
{
    return &loop->ops->lanes[op->fd][evi_op_kind (op)->lane];
}

/* ---- op.c ---- */

EVI struct evi_side *evi_op_side (struct ev_loop *loop, ev_op *op); /* made when there is none yet */
/* The end, with the result the engine has: the operation leaves its lane, is told, and what is linked starts. */
EVI void evi_op_done (struct ev_loop *loop, ev_op *op, ssize_t result);
/* The same for one in a lane that was done while it was being started: it counts as active until it is told. */
EVI void evi_op_done_active (struct ev_loop *loop, ev_op *op, ssize_t result);
/* One of several results. last: the engine is finished with it. */
EVI void evi_op_arrive (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf, int last);
/* A receiver's, in the callback of its readiness: its own callback need not wait. It may end the operation. */
EVI void evi_op_arrive_here (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf);
/* The engine gives it back: it will be handed out again, in its turn. */
EVI void evi_op_again (struct ev_loop *loop, ev_op *op);
EVI int evi_op_lane_fit (struct ev_loop *loop, int fd);    /* 0: there is a row for it; -EBADF */
EVI void evi_op_unqueue (struct ev_loop *loop, ev_op *op); /* it is not to be handed out after all */
EVI void evi_op_begin (ev_op *op, int code); /* for the set functions: all private members cleared */
/* What is changed belongs to the program? */
EVI_INLINE int evi_op_idle (const ev_op *op)
{
    return !ev_is_active (op) && !ev_is_pending (op);
}
EVI_COLD EVI void evi_op_not_now (const char *call); /* … no: so says this call */
/* An operation that the loop has does not say so any more. */
EVI_COLD EVI void evi_op_spoilt (void);
/* Whoever has an operation asks this before it believes a word. */
EVI_INLINE void evi_op_must (int intact)
{
    if (EVI_UNLIKELY (!intact))
        evi_op_spoilt ();
}

/* ---- engines ---- */

/* Before operations are handed out: is there a ring, and may this thread speak to it? An operation that is alone there
 * may be done otherwise. */
EVI void evi_op_uring_turn (struct ev_loop *loop);
/* One that has just been started: to the ring, if that is ready for it, else back to be queued. */
EVI void evi_op_uring_dispatch (struct ev_loop *loop, ev_op *op);
/* Nonzero: taken. Zero: there is no ring, or it cannot do this. */
EVI int evi_op_uring_start (struct ev_loop *loop, ev_op *op);
/* Nonzero: the kernel has not seen it, nor will it. */
EVI int evi_op_uring_take_back (struct ev_loop *loop, ev_op *op);
EVI void evi_op_uring_cancel (struct ev_loop *loop, ev_op *op);
EVI void evi_op_uring_stop (struct ev_loop *loop,
                            ev_op *op); /* returns when the kernel is finished with it */
EVI void evi_op_uring_open (struct ev_loop *loop);
EVI void evi_op_uring_flush (struct ev_loop *loop);  /* an attached ring gets what was queued for it */
EVI void evi_op_uring_reborn (struct ev_loop *loop); /* after a fork */
EVI void evi_op_uring_close (struct ev_loop *loop);
EVI void evi_op_uring_give (struct ev_pool *pool, unsigned index); /* a buffer goes back to the kernel */
EVI void evi_op_uring_withdraw (struct ev_pool *pool); /* the kernel gets no buffers of it any more */

/* Reads what lies in memory already, on the spot. Nonzero: that was it. */
EVI int evi_op_ready_read_now (struct ev_loop *loop, ev_op *op);
/* Sends on the spot what a loop without a ring would send a little later, while it is in the processor's cache.
 * Nonzero: it waits for room, or is done and told next, and counts as active until then. Zero: it is to be queued,
 * with its result if it is done. */
EVI int evi_op_ready_send_now (struct ev_loop *loop, ev_op *op);
EVI void evi_op_ready_start (struct ev_loop *loop, ev_op *op);
EVI void evi_op_ready_collect (struct ev_loop *loop); /* what threads have done */
/* Gives up waiting, or asks a thread to. Nonzero: nothing holds it any more. */
EVI int evi_op_ready_cancel (struct ev_loop *loop, ev_op *op);
EVI void evi_op_ready_stop (struct ev_loop *loop, ev_op *op); /* returns when nothing holds it */
EVI void evi_op_ready_thread (struct ev_loop *loop, ev_op *op);
EVI int evi_op_ready_helps (ev_io *w);
EVI void evi_op_ready_reaped (struct ev_loop *loop, int pid, int status);
EVI void evi_op_ready_orphan (struct ev_loop *loop,
                              ev_op *op); /* in a fork child: its thread is the parent's */

/* ---- bufs.c: buffers, each of which is free, with the kernel (which counts as free), or lent ---- */

struct ev_pool {
    struct ev_loop *loop;
    char *memory;
    size_t room;    /* bytes of a buffer */
    size_t size;    /* … and from one to the next */
    unsigned shift; /* that is 1 << shift; 0: it is no power of two */
    unsigned count, free_count;
    uint16_t *free;          /* indices, when the kernel does not have them */
    uint8_t *lent;           /* EVI_LENT_* by index */
    struct evi_side *paused; /* receivers that wait for a buffer */
    int busy, dying;         /* callbacks that have one of its buffers; freed meanwhile */
    int lends;               /* ev_pool_take was called */
    struct ev_pool *next;

    /* pinned.c */
    unsigned pinned_epoch; /* of the ring that was asked to pin its memory */
    int pinned;            /* … where it did; -1: it did not */

    /* op_uring.c */
    struct evi_buf *kernel; /* the ring of buffers the kernel takes from; NULL: none */
    unsigned mask;
    uint16_t tail, group;
};

enum { EVI_LENT_FREE, EVI_LENT_OUT, EVI_LENT_KEPT };

EVI unsigned evi_bufs_index (const struct ev_pool *pool, const void *buf);
EVI int evi_bufs_any (const struct ev_pool *pool);              /* some are free, wherever */
EVI void *evi_bufs_take (struct ev_pool *pool);                 /* NULL: empty */
EVI void evi_bufs_untake (struct ev_pool *pool, void *buf);     /* nothing was put into it */
EVI void *evi_bufs_lent (struct ev_pool *pool, unsigned index); /* the kernel has filled it */
EVI void evi_bufs_gather (struct ev_pool *pool);                /* all that are not lent are free here */
EVI void evi_bufs_unneeded (struct ev_pool *pool, void *buf);   /* lent, but nobody will look at it */
/* Around the callback that sees the buffer. */
EVI void evi_bufs_show (struct ev_pool *pool);
EVI void evi_bufs_shown (struct ev_pool *pool, void *buf);
EVI void evi_bufs_pause (struct ev_loop *loop, ev_op *op);
EVI void evi_bufs_unpause (struct ev_op *op);
EVI void evi_bufs_resume (struct ev_loop *loop); /* of every pool that has buffers again, one that waits */
EVI void evi_bufs_close (struct ev_loop *loop);

/* ---- pinned.c: memory of pools that the ring knows ---- */

/* A submission that has been filled in: it says so if its data is there. */
EVI void evi_pinned_use (struct ev_loop *loop, struct evi_sqe *sqe);
EVI void evi_pinned_end (struct ev_pool *pool); /* the pool is about to go */

#endif

#endif
