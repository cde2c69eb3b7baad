/* op.h: what the files of ops/ know of each other: an operation and its states, its row in the table of kinds, what some
 * need on the side, and the engines that carry it out.
 *
 * The contract of an engine: an operation that it has taken completes exactly once, through evi_op_done (one that
 * repeats: evi_op_arrive before that); never before its memory is left alone. What an engine cannot do it does not take,
 * or gives back with evi_op_again and the hint to take the other road: the program does not notice. Engines do not know
 * each other. */
#ifndef EVI_OP_H
#define EVI_OP_H

#include "ops.h"
#include "pool.h"

#if EV_OP_ENABLE

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/uio.h>

struct evi_sqe;     /* backend/ring_abi.h */
struct evi_orphans; /* orphans.c */

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
       EVI_CODE_READ_WHOLE,
       EVI_CODE_WRITE_WHOLE,
       EVI_CODE_FSYNC,
       EVI_CODE_FALLOCATE,
       EVI_CODE_FTRUNCATE,
       EVI_CODE_STATX,
       EVI_CODE_UNLINKAT,
       EVI_CODE_RENAMEAT,
       EVI_CODE_MKDIRAT,
       EVI_CODE_SPLICE,
       EVI_CODE_WAITID,
       EVI_CODE_WORK,
       EVI_CODE_GETADDRINFO,
       EVI_CODE_GETNAMEINFO,
       EVI_CODE_SQE,
       EVI_CODES
};

/* Every program has these bytes of an ev_op, however old or new it is. What a program that was compiled with another header
 * may not have lies behind them, and is touched only by who has seen to it that op_size, which the set functions
 * are told, covers it: else it has its place in the side. */
enum { EVI_OP_LEAST = offsetof (ev_op, spare) };

_Static_assert(EVI_CODES <= 32, "ops->able has a bit for each");

enum { /* op->state */
       EVI_STATE_IDLE,
       EVI_STATE_LINKED,  /* waits for the operation it is linked to */
       EVI_STATE_LANED,   /* waits behind another one on its descriptor */
       EVI_STATE_QUEUED,  /* will be handed to an engine at the next reify */
       EVI_STATE_FOLLOWS, /* … when the one before it has been told */
       EVI_STATE_RING,    /* the kernel has it */
       EVI_STATE_HELD,    /* … or only its memory: what became of it is known */
       EVI_STATE_ORPHAN,  /* … on a ring that is closed, but not over */
       EVI_STATE_WAITING, /* waits for readiness */
       EVI_STATE_THREAD,  /* a thread has it, or will */
       EVI_STATE_STARVED, /* waits for a buffer of its pool */
       EVI_STATE_PAUSED,  /* waits for the program to resume it */
       EVI_STATE_OVER,    /* its last result has arrived and is to be told */
       EVI_STATES
};

enum { /* op->wish: how the program, or its deadline, wants it to end */
       EVI_WISH_CANCEL = 1,
       EVI_WISH_TIMEOUT = 2,
       EVI_WISH_STOP = 4, /* nobody is to be told */
       EVI_WISHES_END
};

enum {                         /* op->hint: what has been found out about this run of it */
       EVI_HINT_LANE = 1,      /* it is in a lane */
       EVI_HINT_BAD_FD = 2,    /* its descriptor is none */
       EVI_HINT_READY = 4,     /* the ring cannot do it: the other road */
       EVI_HINT_TRIED = 8,     /* it is done: its result is here, and to be told */
       EVI_HINT_LESSER = 16,   /* … cannot send it without copying, or write it without a signal */
       EVI_HINT_BLOCKING = 32, /* its socket was blocking and is to become so again */
       EVI_HINT_RESET = 64,    /* its connection was given up, to have its memory back */
       EVI_HINT_CUT = 128,     /* what it was linked to has ended already, and may be gone */
       EVI_HINTS_END
};

enum {                         /* kind->traits */
       EVI_TRAIT_ARRIVES = 1,  /* its results are handed over one by one: it repeats, or makes a descriptor */
       EVI_TRAIT_MAKES_FD = 2, /* a result nobody is told of must be closed */
       EVI_TRAIT_POSITION = 4, /* in a lane only at the current position */
       EVI_TRAIT_VECTORS = 8,  /* its data is described by an array of vectors */
       EVI_TRAIT_DONTWAIT = 16,  /* its flags may have MSG_DONTWAIT */
       EVI_TRAIT_BEGINS = 32,    /* the ring begins what goes on without it */
       EVI_TRAIT_EMPTIES = 64,   /* when it gets less than it has room for, nothing is left */
       EVI_TRAIT_ONCE = 128,     /* its call is not made again: it is done whatever it says */
       EVI_TRAIT_AT_ONCE = 256,  /* evi_ready_send_now */
       EVI_TRAIT_UNCOPIED = 512, /* the network may hold its memory, until the peer has it */
       EVI_TRAIT_REPEATS = 1024, /* it has many results, until it is told to end: it can be paused */
       EVI_TRAITS_END
};

enum {                           /* kind->touches */
       EVI_TOUCHES_DATA = 1,     /* the buffer, or where the vectors point; of statx what that is told */
       EVI_TOUCHES_MESSAGE = 2,  /* a message header, the address and the control data it points to */
       EVI_TOUCHES_POOL = 4,     /* any buffer of the pool that is not lent */
       EVI_TOUCHES_ANYTHING = 8, /* what an entry of the program's points to */
       EVI_TOUCHES_WORLD = 16,   /* no memory: files, names, positions */
       EVI_TOUCHES_END
};

enum { EVI_BYTES_MAX = 0x7ffff000 }; /* what one call of the kernel moves at most */

enum { EVI_LANE_NONE = -1, EVI_LANE_RECV = 0, EVI_LANE_SEND = 1, EVI_LANES };

/* A row of the table of all operations: kinds.c. */
struct evi_op_kind {
    const char *name;
    int8_t lane;
    uint16_t traits;
    uint8_t touches; /* what the kernel may write to while it has it */
    uint8_t opcode;  /* on a ring; 0: none, or the entry is the program's */
    uint64_t needs;  /* … bits of the opcodes that it must have for that */
    int (*fits) (struct ev_loop *loop,
                 ev_op *op); /* does it take this one? 1: yes, 0: no, -errno. NULL: it does */
    void (*fill) (const struct evi_ops *ops, struct evi_sqe *sqe, const ev_op *op); /* the submission */
    void (*landed) (struct ev_loop *loop, ev_op *op, int32_t res, uint32_t flags); /* NULL: never on a ring */
    /* without one */
    void (*begin) (struct ev_loop *loop, ev_op *op);
    void (*go_on) (struct ev_loop *loop, ev_op *op);  /* its descriptor is ready */
    ssize_t (*attempt) (ev_op *op);                   /* without sleeping; -EAGAIN: wait */
    ssize_t (*call) (ev_op *op, struct evi_job *job); /* in a thread */
    uint8_t whole;   /* with EV_OP_WHOLE it is that one. 0: it has no such thing */
    uint8_t element; /* of one that has vectors: what does the same with one of them */
    uint8_t threads; /* its call is for these, EVI_THREADS_* */
};

_Static_assert(EVI_TRAITS_END - 1 <= UINT16_MAX && EVI_TOUCHES_END - 1 <= UINT8_MAX, "a row holds its bits");
_Static_assert(EVI_HINTS_END - 1 <= UINT8_MAX && EVI_WISHES_END - 1 <= UINT8_MAX && EVI_STATES <= UINT8_MAX,
               "an operation holds its bits");

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

EVI_INLINE int evi_op_reads (const ev_op *op)
{
    return evi_op_kind (op)->lane == EVI_LANE_RECV;
}

/* One descriptor after the other: connections. */
EVI_INLINE int evi_op_accepts (const ev_op *op)
{
    const unsigned both = EVI_TRAIT_REPEATS | EVI_TRAIT_MAKES_FD;

    return (evi_op_kind (op)->traits & both) == both;
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

/* The ring has it, or its memory. */
EVI_INLINE int evi_op_flies (const ev_op *op)
{
    return op->state == EVI_STATE_RING || op->state == EVI_STATE_HELD;
}

struct evi_arrival {
    ssize_t result;
    void *buf;
    size_t moved;
    int last;
    int shown; /* its buffer is noted as one that a callback sees (evi_bufs_show) */
};

/* What only some operations need, and only while they run. */
struct evi_side {
    ev_op *op;
    ev_io io;           /* its readiness */
    ev_watcher deliver; /* hands its arrivals over, one per call */
    ev_timer timer;     /* its deadline */
    struct evi_arrival *arrivals;
    unsigned first, count, room;
    unsigned taken, took_at; /* connections in its last turn, and the iteration of that */
    int pidfd;               /* of a child that is waited for; -1: none of ours */
    uint8_t paused;          /* EVI_PAUSE_*: it is to rest */
    uint8_t recalled;        /* the ring was asked to give it back for that */
    struct evi_side *next;   /* unused, or starved of the same pool */
    struct evi_job job;      /* its call, in a thread */
    struct evi_job *names;   /* names.c: instead of that one; NULL: none */
};

/* The side that a member of it, given by its address, belongs to. */
#define EVI_SIDE_OF(pointer, member) \
    ((struct evi_side *) (void *) ((char *) (pointer) -offsetof (struct evi_side, member)))

/* What was found when the file that a number stands for was asked. */
struct evi_fact {
    uint8_t is, known; /* … and for how many operations that is believed */
};

struct evi_lane {
    ev_op *head;     /* the one that runs; the others behind it by next, head->prev is the last */
    uint32_t told;   /* loop->op_tellings when the last one was done */
    uint32_t dry_at; /* the iteration of … */
    uint8_t dry; /* … a try that found nothing more: one that starts soon waits for readiness first. Later
                               * the number may be another file */
    struct evi_fact direct;   /* it is read past the page cache */
    struct evi_fact terminal; /* a write to it may sleep, whatever it was asked */
    struct evi_fact serves;   /* a receive on it would hold its port */
    uint8_t copied;           /* zero-copy sends in a row that were copied after all; above
                               * EVI_ZERO_COPY_COPIED: … and for how many more that is believed */
    uint64_t socket;          /* of `copied` (evi_sys_socket_id) */
};

_Static_assert(sizeof (struct evi_lane) == 32, "two to a cache line, and found by shifts");

/* Each active operation has one: op->active counts them from 1. */
struct evi_slot {
    ev_op *op;           /* NULL: it is free */
    uint32_t generation; /* how many have had it, up to EVI_GENERATION: part of the names of their requests */
    uint32_t next;       /* … the next free one */
};

enum { EVI_GENERATION = 0x0fffffff };

_Static_assert(sizeof (struct evi_slot) <= 16, "four slots to a cache line");

struct evi_deadlines;
enum { EVI_DEADLINES = 32 }; /* so many different lengths at a time need no heap */

struct evi_shown {
    struct ev_pool *pool;
    unsigned index, depth; /* … in callbacks of which ev_run */
};

enum {
    EVI_ROAD_READY,
    EVI_ROAD_RING,
    EVI_ROAD_LATER
}; /* there is no ring; there is; it is about to be made anew */

enum { EVI_LACKS_NOSIGNAL = 1, EVI_LACKS_CROWDS = 2 }; /* ops->lacks */

/* Zero-copy sends: below so many bytes copying is cheaper; after so many that were copied all the same, too. */
enum { EVI_ZERO_COPY_BYTES = 16384, EVI_ZERO_COPY_COPIED = 2 };

struct evi_ops {
    struct ev_loop *loop;
    struct evi_slot *slots;
    unsigned slot_count, slot_free;
    ev_op **queue; /* of those that wait to be handed to an engine; NULL: taken back */
    unsigned queued, queue_room;
    struct evi_lane (*lanes)[EVI_LANES]; /* by descriptor */
    unsigned lane_count;
    struct evi_side *sides;                         /* unused ones */
    struct evi_deadlines *deadlines[EVI_DEADLINES]; /* deadline.c */
    unsigned deadline_count, deadline_last;
    ev_timer relief;                 /* pause.c: those that lack something try again */
    ev_tstamp patience, relieved_at; /* … how long they wait, and when they last did so */
    struct ev_pool *pools;
    struct evi_shown *shown; /* bufs.c: buffers that callbacks see, the innermost last */
    unsigned shown_count, shown_room;
    struct evi_home home; /* where threads put what they have done */
    unsigned process;     /* evi_sys_process when it was made */

    /* on_ring.c */
    int forbidden;     /* EVRING_OPS=ready */
    int road;          /* EVI_ROAD_*: until the next hand-out */
    unsigned flying;   /* evi_op_flies */
    unsigned epoch;    /* of the ring that was last asked what it can do */
    uint64_t knows;    /* a bit per opcode of the ring */
    uint32_t able;     /* a bit per code: the ring has it */
    uint32_t straight; /* … and nothing stands before it: able, or 0 */
    unsigned lacks;    /* … found out by trying */
    int recalling;     /* the ring is about to be closed */
    int fresh;         /* some were put into its queue since the last hand-out */
    uint16_t groups;   /* numbers of buffer groups given out */
    ev_io *attached;   /* attached.c: what watches a ring that is not the backend's; NULL: there is none */

    /* orphans.c */
    int leash; /* a pipe whose other end the present ring holds; -1: none */
    struct evi_orphans *orphans;

    unsigned lenders;      /* bufs.c: pools whose buffers the program takes */
    unsigned pinned_epoch; /* pinned.c: of the ring whose table this is about */
    uint32_t pinned_free;  /* … a bit per free place of it */
};

/* ---- engines ---- */

struct evi_engine {
    int (*start) (struct ev_loop *loop, ev_op *op); /* nonzero: taken */
    int (*take_back) (struct ev_loop *loop,
                      ev_op *op); /* nonzero: nothing holds it any more, at once. NULL: never */
    void (*cancel) (struct ev_loop *loop, ev_op *op); /* … else asks for its end */
    void (*stop) (struct ev_loop *loop,
                  ev_op *op); /* returns when nothing holds it: it is done, or given back */
    void (*disown) (struct ev_loop *loop, ev_op *op); /* in a fork child: it is the parent's */
};

EVI_DATA const struct evi_engine evi_on_ring, evi_held, evi_orphaned, evi_on_ready;

/* ---- op.c ---- */

/* The end, with the result the engine has: the operation leaves its lane, is told, and what is linked starts. */
EVI void evi_op_done (struct ev_loop *loop, ev_op *op, ssize_t result);
/* The same for one in a lane that was done while it was being started: it counts as active until it is told. */
EVI void evi_op_done_active (struct ev_loop *loop, ev_op *op, ssize_t result);
/* The next one in its lane may go on, although this one is not over. */
EVI void evi_op_leave_lane (struct ev_loop *loop, ev_op *op);
/* One of several results. last: the engine is finished with it. */
EVI void evi_op_arrive (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf, int last);
/* … of a receiver that has no side and is not pending, in a buffer that the kernel chose, which there is room to note: it
 * lies in the operation itself. */
EVI void evi_op_receive (struct ev_loop *loop, ev_op *op, ssize_t result, unsigned index);
/* A receiver's, in the callback of its readiness: its own callback need not wait. It may end the operation. */
EVI void evi_op_arrive_here (struct ev_loop *loop, ev_op *op, ssize_t result, void *buf);
/* Its turn has come: its predecessor in the lane, or in the chain, is done, and yet to be told. */
EVI void evi_op_follow (struct ev_loop *loop, ev_op *op);
/* The engine gives it back: it will be handed out again, in its turn. */
EVI void evi_op_again (struct ev_loop *loop, ev_op *op);
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
/* Nothing that it is linked to stands before it. follows: what it was linked to is not told yet. */
EVI void evi_op_enter (struct ev_loop *loop, ev_op *op, int follows);
EVI void evi_op_activate (struct ev_loop *loop, ev_op *op);
EVI void evi_op_deactivate (struct ev_loop *loop, ev_op *op);
EVI void evi_op_tell (struct ev_loop *loop, ev_op *op);
EVI void evi_op_end_early (struct ev_loop *loop, ev_op *op, int wish);
/* Takes an operation that is not under way out of where it waits. Nonzero: so it was. */
EVI int evi_op_take_out (struct ev_loop *loop, ev_op *op);
/* For a door of the program's: it is active, here. Zero: it is not; if it is elsewhere, call complains. */
EVI int evi_op_reach (struct ev_loop *loop, const ev_op *op, const char *call);

/* ---- lane.c ---- */

EVI int evi_lane_fit (struct ev_loop *loop, int fd); /* 0: there is a row for it; -EBADF */
/* Nonzero: it is the first, and may go on at once. Zero: it waits. There is a row for it. */
EVI int evi_lane_join (struct ev_loop *loop, ev_op *op);
/* The next one, if that may go on now; else NULL. */
EVI ev_op *evi_lane_leave (struct ev_loop *loop, ev_op *op);
EVI void evi_lane_verify (const struct evi_ops *ops);
/* A fact about fd: of the kernel (ask) only now and then. */
EVI int evi_lane_fact (struct evi_fact *fact, int fd, int (*ask) (int fd));
/* Zero-copy sends: is it worth while on this socket? If so, the operation gets its id. What the last one was. */
EVI int evi_lane_sends_uncopied (struct ev_loop *loop, ev_op *op);
EVI void evi_lane_copied (struct ev_loop *loop, const ev_op *op, int copied);

EVI_INLINE struct evi_lane *evi_op_lane (struct ev_loop *loop, const ev_op *op)
{
    return &loop->ops->lanes[op->fd][evi_op_kind (op)->lane];
}

/* evi_lane_leave of one that is alone there. */
EVI_INLINE_HOT void evi_lane_empty (struct ev_loop *loop, ev_op *op)
{
    struct evi_lane *lane = evi_op_lane (loop, op);

    EVI_ASSERT (lane->head == op && !op->next);
    lane->told = loop->op_tellings;
    lane->head = NULL;
    op->hint &= (uint8_t) ~EVI_HINT_LANE;
}

/* ---- deadline.c ---- */

/* Ends it in so many seconds, or asks for its end again. Zero: there are too many lengths. */
EVI int evi_deadline_start (struct ev_loop *loop, ev_op *op, ev_tstamp span);
EVI void evi_deadline_stop (struct ev_loop *loop, ev_op *op);         /* it has none any more */
EVI void evi_deadline_shift (struct evi_ops *ops, ev_tstamp seconds); /* they did not run for so long */
EVI void evi_deadline_close (struct ev_loop *loop);
EVI void evi_deadline_verify (const struct evi_ops *ops);
EVI int evi_deadline_helps (void *w); /* a timer of theirs */

/* ---- side.c: links, results one by one, and deadlines for which there is no queue ---- */

EVI struct evi_side *evi_op_side (struct ev_loop *loop, ev_op *op); /* made when there is none yet */
EVI void evi_side_free (struct ev_loop *loop, ev_op *op);
EVI void evi_side_free_all (struct evi_ops *ops);
/* As evi_deadline_start, at any time. */
EVI_COLD EVI void evi_side_start_timer (struct ev_loop *loop, ev_op *op, ev_tstamp seconds);
EVI void evi_side_arrive (struct ev_loop *loop, ev_op *op, struct evi_arrival arrival);
EVI void evi_side_feed (struct ev_loop *loop, struct evi_side *side);
EVI void evi_side_drop_all (struct ev_loop *loop, ev_op *op); /* nobody is told */
/* What has arrived and was not told waits for evi_side_go_on. */
EVI void evi_side_hold (struct ev_loop *loop, ev_op *op);
EVI void evi_side_go_on (struct ev_loop *loop, ev_op *op);
/* Everything that is linked behind it waits from now on. */
EVI_COLD EVI void evi_link_activate (struct ev_loop *loop, ev_op *op);
/* The next in the chain may start, or all of them are off. */
EVI_COLD EVI void evi_link_follow (struct ev_loop *loop, ev_op *op, int succeeded);
EVI int evi_side_helps (void *w);

/* ---- pause.c: repeating operations that rest ---- */

enum {                     /* side->paused: until … */
       EVI_PAUSE_CALL = 1, /* … the program resumes it; nothing is told before */
       EVI_PAUSE_FULL = 2, /* … one of its connections is gone (ev_accept_limit) */
       EVI_PAUSE_LACK = 4  /* … there may be descriptors, or memory, again */
};

EVI_INLINE int evi_is_paused (const ev_op *op)
{
    return op->side && op->side->paused;
}

/* From now on an end of it has another reason. */
EVI_INLINE void evi_pause_disclaim (ev_op *op)
{
    if (op->side)
        op->side->recalled = 0;
}

/* An engine is about to take it. Zero: it may not. */
EVI_INLINE int evi_pause_lets (ev_op *op)
{
    evi_pause_disclaim (op);
    return !evi_is_paused (op);
}

/* Nothing holds it: it waits until it is resumed. */
EVI void evi_pause_rest (struct ev_loop *loop, ev_op *op);
/* It has ended because it was to rest? Nonzero: so it does, or goes on if it was resumed meanwhile. */
EVI int evi_pause_explains (struct ev_loop *loop, ev_op *op, ssize_t result);
/* Its end is to be told, and all that came before. */
EVI void evi_pause_lift (struct ev_loop *loop, ev_op *op);
/* It waits for its turn of those that lack something. */
EVI_COLD EVI void evi_pause_lacking (struct ev_loop *loop, ev_op *op);
EVI void evi_pause_close (struct ev_loop *loop);
EVI int evi_pause_helps (void *w);

/* How many connections it may take still. They are counted where it has an offset, the limit where it has a size. */
EVI_INLINE unsigned evi_accept_room (const ev_op *op)
{
    if (EVI_LIKELY (!op->size))
        return UINT_MAX;
    return (size_t) op->offset < op->size ? (unsigned) (op->size - (size_t) op->offset) : 0;
}

/* One is taken. The last that it may take lets it rest. */
EVI void evi_accept_taken (struct ev_loop *loop, ev_op *op);

/* ---- calls.c: what kinds.c names ---- */

enum { EVI_TRY_IN_THREAD = -5000 }; /* it would sleep, and there is nothing to wait for */

EVI ssize_t evi_try_nothing (ev_op *op);
EVI ssize_t evi_try_raw (ev_op *op);
EVI ssize_t evi_try_shutdown (ev_op *op);
EVI ssize_t evi_try_socket (ev_op *op);
EVI ssize_t evi_try_recv (ev_op *op);
EVI ssize_t evi_try_send (ev_op *op);
EVI ssize_t evi_try_recvmsg (ev_op *op);
EVI ssize_t evi_try_sendmsg (ev_op *op);
EVI ssize_t evi_try_connect (ev_op *op);
EVI ssize_t evi_try_position (ev_op *op);
EVI ssize_t evi_try_whole (ev_op *op);
EVI ssize_t evi_try_openat (ev_op *op);
EVI ssize_t evi_try_statx (ev_op *op);

typedef ssize_t evi_call (ev_op *op, struct evi_job *job);

EVI evi_call evi_call_connect, evi_call_position, evi_call_whole, evi_call_openat, evi_call_close,
    evi_call_fsync, evi_call_fallocate, evi_call_ftruncate, evi_call_statx, evi_call_unlinkat,
    evi_call_renameat, evi_call_mkdirat, evi_call_splice, evi_call_work;

/* The vectors of an operation that reads or writes; a plain buffer is one. */
EVI const struct iovec *evi_op_vector (const ev_op *op, struct iovec *one, int *count);

/* ---- whole.c: reads and writes with EV_OP_WHOLE. op->fd_to is what they were before ---- */

/* What is left of it, as an operation that may do less. */
EVI void evi_whole_rest (const ev_op *op, ev_op *rest);
/* So many bytes more went through. Nonzero: there is more to do. Zero: that was it, and *result is what to tell. */
EVI int evi_whole_goes_on (ev_op *op, ssize_t *result);

/* ---- names.c ---- */

EVI void evi_names_begin_address (struct ev_loop *loop, ev_op *op);
EVI void evi_names_begin_name (struct ev_loop *loop, ev_op *op);
EVI void evi_names_take (ev_op *op);   /* its call is done: what it has found is the program's */
EVI void evi_names_disown (ev_op *op); /* in a fork child */

/* ---- on_ready.c ---- */

typedef void evi_step (struct ev_loop *loop, ev_op *op);

EVI evi_step evi_ready_begin, evi_ready_begin_position, evi_ready_begin_accept, evi_ready_begin_recv_pool,
    evi_ready_begin_waitid, evi_ready_direct, evi_ready_begin_cached, evi_ready_begin_whole, evi_ready_thread,
    evi_ready_attempt, evi_ready_accept, evi_ready_recv_pool, evi_ready_waitid;
EVI int evi_ready_submit (struct ev_loop *loop, ev_op *op, struct evi_job *job);
EVI void evi_ready_ask (ev_op *op);    /* one that a thread has is to end: so it is told */
EVI int evi_ready_unblock (ev_op *op); /* 0 or -errno */
EVI void evi_ready_reblock (ev_op *op);
EVI void evi_ready_unwait (struct ev_loop *loop, ev_op *op); /* nothing is waited for any more */
/* A connection, or why there is none, of those that the ring was asked to take. more: others follow. */
EVI void evi_ready_crowd (struct ev_loop *loop, ev_op *op, int result, int more);
/* Reads what lies in memory already, on the spot. Nonzero: that was it. */
EVI int evi_ready_read_now (struct ev_loop *loop, ev_op *op);
/* Sends on the spot what a loop without a ring would send a little later, while it is in the processor's cache.
 * Nonzero: it waits for room, or is done and told next, and counts as active until then. Zero: it is to be queued,
 * with its result if it is done. */
EVI int evi_ready_send_now (struct ev_loop *loop, ev_op *op);
EVI void evi_ready_collect (struct ev_loop *loop); /* what threads have done */
EVI int evi_ready_helps (ev_io *w);
EVI void evi_ready_reaped (struct ev_loop *loop, int pid, int status);

/* ---- on_ring.c, orphans.c, attached.c; or no_ring.c ---- */

/* Before operations are handed out: is there a ring, and may this thread speak to it? An operation that is alone there
 * may be done otherwise. */
EVI void evi_on_ring_turn (struct ev_loop *loop);
/* One that has just been started goes to the ring, if that is ready for it. Zero: it is to be queued. */
EVI int evi_on_ring_start_now (struct ev_loop *loop, ev_op *op);
/* … if it is known to be. Zero: its queue is full. */
EVI int evi_on_ring_submit (struct ev_loop *loop, ev_op *op);
EVI void evi_on_ring_open (struct ev_loop *loop);
EVI void evi_on_ring_reborn (struct ev_loop *loop); /* after a fork */
EVI void evi_on_ring_close (struct ev_loop *loop);
EVI void evi_attached_flush (
    struct ev_loop *loop); /* a ring beside the backend gets what was queued for it */

/* ---- bufs.c: buffers, each of which is free, with the kernel (which counts as free), or lent ---- */

struct ev_pool {
    struct ev_loop *loop;
    char *memory;
    size_t room;    /* bytes of a buffer */
    size_t size;    /* … and from one to the next */
    unsigned shift; /* that is 1 << shift; 0: it is no power of two */
    unsigned count, free_count;
    uint16_t *free;           /* indices of those that the kernel does not have, the last used on top */
    uint8_t *lent;            /* EVI_LENT_* by index */
    struct evi_side *starved; /* receivers that wait for a buffer */
    int busy, dying;          /* how many callbacks see one of its buffers; freed meanwhile */
    int lends;                /* ev_pool_take was called */
    struct ev_pool *next;

    /* pinned.c */
    unsigned pinned_epoch; /* of the ring that was asked to pin its memory */
    int pinned;            /* … where it did; -1: it did not */

    /* ringbufs.c */
    struct evi_buf *kernel; /* the queue of buffers the kernel takes from; NULL: none */
    unsigned mask, epoch;   /* … of which ring */
    unsigned with_kernel;   /* … how many it has, … */
    unsigned warm; /* … and shall have at most: those used last, which lie in the processor's cache */
    uint16_t tail, group;
};

enum {
    EVI_LENT_FREE,
    EVI_LENT_OUT,
    EVI_LENT_KEPT
}; /* … to a callback, or to the program until it gives it back */

EVI unsigned evi_bufs_index (const struct ev_pool *pool, const void *buf);
EVI int evi_bufs_any (const struct ev_pool *pool);              /* some are free, and can be had */
EVI void *evi_bufs_take (struct ev_pool *pool);                 /* NULL: empty */
EVI void evi_bufs_untake (struct ev_pool *pool, void *buf);     /* nothing was put into it */
EVI void *evi_bufs_lent (struct ev_pool *pool, unsigned index); /* the kernel has filled it */
EVI void evi_bufs_gather (struct ev_pool *pool);                /* all that are not lent are free here */
EVI void evi_bufs_unneeded (struct ev_pool *pool, void *buf);   /* lent, but nobody will look at it */
/* A lent buffer is, or will be, seen by a callback: it goes back when that has returned, unless it is kept. */
EVI void evi_bufs_show (struct ev_loop *loop, struct ev_pool *pool, void *buf);
EVI void evi_bufs_hide (struct ev_loop *loop, struct ev_pool *pool, void *buf); /* not before later */
EVI void evi_bufs_fit (struct ev_loop *loop); /* there is room to note one more */
/* … if there is. */
EVI_INLINE_HOT void evi_bufs_show_here (struct ev_loop *loop, struct ev_pool *pool, unsigned index)
{
    struct evi_ops *ops = loop->ops;
    unsigned depth = loop->depth ? loop->depth : 1; /* what arrives outside of ev_run is told in the next */

    pool->busy++;
    ops->shown[ops->shown_count++] = (struct evi_shown){ pool, index, depth };
    loop->op_started = 1; /* so that somebody comes by when it has been seen */
}
EVI void evi_bufs_seen (struct ev_loop *loop); /* all callbacks have returned */
EVI void evi_bufs_unshow (struct ev_loop *loop, struct ev_pool *pool,
                          void *buf); /* none will see it any more */
EVI void evi_bufs_starve (struct ev_loop *loop, ev_op *op);
EVI void evi_bufs_unstarve (struct ev_op *op);
EVI void evi_bufs_resume (struct ev_loop *loop); /* of every pool that has buffers again, one that waits */
EVI void evi_bufs_verify (const struct evi_ops *ops);
EVI void evi_bufs_close (struct ev_loop *loop);

/* ---- ringbufs.c: those that the kernel chooses from ---- */

EVI void evi_ringbufs_give (struct ev_pool *pool, unsigned index); /* a buffer goes back to the kernel */
EVI void evi_ringbufs_top_up (struct ev_pool *pool); /* it gets what it shall have, and is free */
EVI void evi_ringbufs_withdraw (
    struct ev_pool *pool); /* the kernel gets none of them any more, if it can be told */
EVI void evi_ringbufs_end (struct ev_pool *pool);
/* Zero: the kernel has them, for a ring that is lost. */
EVI int evi_ringbufs_reach (const struct ev_pool *pool);

/* ---- pinned.c: memory of pools that the ring knows ---- */

/* A submission that has been filled in: it says so if its data is there. */
EVI void evi_pinned_use (struct ev_loop *loop, struct evi_sqe *sqe);
EVI void evi_pinned_end (struct ev_pool *pool); /* the pool is about to go */

#endif

#endif
