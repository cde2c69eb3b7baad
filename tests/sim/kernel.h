/* kernel.h: the model kernel. One structure, memory only: what the library believes to be a machine.
 *
 * Files by kind: fd.c (numbers, open files, who is woken), stream.c (sockets, listeners, pipes), notify.c (eventfd, timerfd,
 * signalfd), set.c (epoll), ring.c, request.c and transfer.c (io_uring), time.c (clocks, what will happen, sleeping), memory.c
 * (the library's heap, statics, mappings), process.c (signals, environment, endings, threads), seam.c (the calls by name). */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef int64_t nanos;

#define NEVER INT64_MAX
#define MICRO INT64_C (1000)
#define MILLI INT64_C (1000000)
#define SECOND INT64_C (1000000000)

enum {
    FDS = 128,
    FILES = 320,
    REQUESTS = 512,
    ITEMS = 256, /* registrations of epoll sets */
    RINGS = 24,
    PARKED = 512, /* completions of a ring that did not fit into its queue */
    DOINGS = 160,
    CALLS = 32,      /* kept of the calls for a report */
    STREAM_ROOM = 8, /* bytes a socket or pipe holds */
    FILE_SIZE = 64,  /* … and a regular file */
    GROUPS = 4,      /* of buffers that a ring may choose from */
    GROUP_SIZE = 4,
    THREADS = 60, /* a program may be in, one after the other */
    SIGNALS = 65
};

/* ---- kernels (profile.c) ---- */

enum profile_bits {
    P_DEFER_CAP = 1,        /* a ring that defers its work hands out 20 completions per call */
    P_BUSY = 2,             /* EBUSY while completions do not fit */
    P_ABSOLUTE = 4,         /* time limits may be points in time */
    P_EVENTFD_WAITS = 8,    /* registering an eventfd waits until no request is pending */
    P_EVENTFD_ONCE = 16,    /* a ring that defers signals its eventfd once per registration */
    P_EPOLL_WAIT = 32,      /* operation 59 */
    P_SYNC_CANCEL = 64,     /* register 24 */
    P_PWAIT2 = 128,         /* epoll_pwait2 */
    P_NO_RING = 256,        /* io_uring_setup: EPERM */
    P_MISSES_WAKES = 512,   /* 6.1.123 to .127: some requests are never woken */
    P_WIPES_ON_FORK = 1024, /* MADV_WIPEONFORK */
    P_SHOTS =
        2048, /* multishot receives and accepts, buffers to choose from; a cancel tells how far it came */
    P_QUIET = 4096, /* writes that raise no signal */
    P_CROWDS = 8192 /* accepts that do not wait */
};

struct profile {
    const char *name, *release;
    uint32_t setup, features; /* io_uring's, as far as this kernel knows them */
    unsigned bits;
};
extern const struct profile profiles[];
extern const int profile_count;

/* ---- open files (fd.c) ---- */

enum kind {
    K_NONE,
    K_SOCKET,
    K_LISTENER,
    K_PIPE_READ,
    K_PIPE_WRITE,
    K_EVENTFD,
    K_TIMERFD,
    K_SIGNALFD,
    K_EPOLL,
    K_RING,
    K_REGULAR, /* always ready; epoll refuses it */
    K_ODD,     /* a terminal, say: rings refuse it, epoll does not */
    K_TEXT     /* /proc/self/status */
};

struct file {
    uint8_t kind, nonblock, unix_like;
    uint8_t eof, reset; /* the peer sends no more; the connection is broken */
    uint8_t shut_read, shut_write;
    uint8_t bytes;      /* to be read here; of a listener: connections */
    int16_t refs, pins; /* descriptors and hands of the world; requests of rings */
    int16_t peer;       /* -1: gone */
    int16_t ring;       /* of K_RING */
    uint32_t serial;    /* which use of this place */
    uint64_t count;     /* of an eventfd; signals of a signalfd; expirations of a timerfd */
    nanos at;           /* of a timerfd, on the wall clock */
    uint8_t cancel_on_set, was_set;
    uint8_t cold;      /* a regular file that is not in memory: workers read it, piece by piece */
    uint8_t follows;   /* goes when its peer goes */
    uint32_t position; /* bytes that were taken out of it; of a regular file: where it stands */
    /* for the statements */
    uint8_t ours;      /* the program's, not the library's */
    uint8_t given;     /* … who has made it non-blocking, or not */
    uint8_t dirty;     /* closed or replaced while it was watched */
    uint8_t kept;      /* a request was to be taken back, and was armed once more */
    uint8_t stuck;     /* … lies in a ring that nobody can speak to */
    uint8_t in_place;  /* watched at once under the number of a file that was just told of */
    uint8_t faulted;   /* the kernel has refused something about it */
    uint8_t seen;      /* poll bits it has had since the iteration began */
    uint8_t steady;    /* … and has had all the time */
    uint32_t woken[2]; /* when it last became ready to read, to write: k.wakes */
};

/* ---- io_uring ---- */

struct sqe {
    uint8_t opcode, flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off, addr;
    uint32_t len, op_flags;
    uint64_t user_data;
    uint16_t buf_index, personality;
    int32_t splice_fd_in;
    uint64_t addr3, pad;
};

struct cqe {
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};

struct request {
    uint8_t used, opcode, ring, multi;
    uint8_t dontwait;
    uint8_t skip;      /* no completion if it succeeds */
    uint8_t off_queue; /* one-shot, woken: hears nothing more */
    uint8_t cancelled, at_work, deaf;
    uint8_t missed;            /* POLL_REMOVE came too late for it */
    uint8_t working, finished; /* a worker is at it; … and is done */
    uint8_t thread;            /* who submitted it */
    uint8_t chooses;           /* its buffer comes from a group */
    int16_t group;
    int16_t file; /* which it pins; -1: none */
    int32_t refs; /* wakes since it was looked at last */
    uint32_t events, stash, serial;
    uint64_t user_data, addr;
    uint32_t len, done, flags; /* of a transfer: bytes wanted, and moved; MSG_… */
    int64_t offset;            /* -1: where the file stands */
    nanos at;
};

struct buf { /* struct io_uring_buf; the ring's tail lies in the first one's */
    uint64_t addr;
    uint32_t len;
    uint16_t id, tail;
};

struct group {
    uint8_t used;
    uint16_t id, head;
    uint32_t entries;
    struct buf *bufs;
    struct buf pinned[GROUP_SIZE]; /* what it still sees when they are not mapped any more */
};

struct ring {
    uint8_t used, disabled, event_once;
    uint8_t left_over;              /* the flag came behind the work, and stays */
    uint8_t blind;                  /* its queues are not mapped any more */
    uint8_t released;               /* nobody holds it: it will end */
    uint8_t thread;                 /* the only one that may enter, if it is one that asks */
    int16_t file, event_file, held; /* held: registered, until the end */
    struct group groups[GROUPS];
    uint32_t serial;
    uint32_t setup, sq_entries, cq_entries;
    uint32_t *word; /* heads, tails, flags: the W_ of ring.c */
    struct cqe *cqes;
    uint32_t *array;
    struct sqe *sqes;
    struct cqe parked[PARKED];
    int parked_at, parked_count;
    int16_t work[REQUESTS];
    int work_at, work_count;
    int requests; /* pending */
};

struct item { /* a registration of an epoll set */
    int16_t set, file, fd;
    uint8_t used, spent; /* one-shot, reported */
    uint32_t events, order;
    uint64_t data;
};

/* ---- what will happen (time.c) ---- */

struct doing {
    nanos at;
    unsigned order;
    void (*run) (int64_t a, int64_t b, int64_t c);
    int64_t a, b, c;
};

/* ---- trouble that may come at any time; a program has some of these ---- */

enum trouble {
    T_ENTER = 1,   /* EAGAIN, ENOMEM, EINTR from io_uring_enter */
    T_REQUEST = 2, /* a request ends with ENOMEM or ECANCELED */
    T_SET = 4,     /* epoll_ctl refuses */
    T_EINTR = 8,   /* sleeps that end early */
    T_MAKE = 16,   /* descriptors and rings cannot be made */
    T_LATE = 32,   /* work of requests is done later than it could be */
    T_RING_DIES = 64,
    T_FUTEX = 128
};

struct call { /* for a report */
    const char *name;
    nanos at;
    int64_t a, b, c, result;
};

struct kernel {
    const struct profile *profile;
    const char *flavour; /* what EVRING_RING says */
    unsigned trouble;
    uint64_t dice;  /* of the present act; 0: nothing unusual happens */
    uint64_t rolls; /* … so many have been thrown */
    int calm;

    nanos now, wall; /* monotonic; what to add for the wall clock */
    struct doing doings[DOINGS];
    int doing_count;
    unsigned doing_order;
    int entered;           /* the sleep is one of io_uring_enter */
    int polls_one;         /* … of poll, for one descriptor that is not the program's */
    int interrupted;       /* a signal has been handled since the sleep began */
    int thread;            /* which one runs: the library's calls come from one at a time */
    uint64_t threads_gone; /* bits: those that have ended */
    nanos children_until;  /* so long a child may keep a ring alive */

    int16_t fds[FDS];
    struct file files[FILES];
    int file_top; /* none above is used */
    uint32_t serials, wakes, wakes_of_requests;
    int nofile; /* RLIMIT_NOFILE */

    struct ring rings[RINGS];
    int ring_top;
    struct request requests[REQUESTS];
    int request_top;
    int ring_refused; /* -errno: a filter stands before io_uring */
    struct item items[ITEMS];
    int item_top;
    uint32_t item_order;

    void (*handlers[SIGNALS]) (int);
    uint64_t blocked, pending; /* signals */
    void (*at_exit[8]) (void);
    int at_exit_count;
    int error; /* errno */

    struct call calls[CALLS];
    unsigned call_count; /* entered the kernel */
    unsigned hot_count;  /* … those that an iteration needs; not what makes and ends things */
    unsigned makings;    /* rings and sets made */
    int sets_refused;    /* an epoll set could not be made */
    unsigned log_count;
    uint64_t hash; /* of all calls */
};
extern struct kernel k;

/* ---- dice ---- */

/* 0 … choices-1; 0 is what nobody would notice. */
int roll (int choices);
/* Does this kind of trouble come now? Once in so many times. */
int trouble (unsigned kind, int once_in);

/* ---- fd.c ---- */

int file_new (int kind);         /* its place */
struct file *file_at (int file); /* NULL for a negative one */
int fd_new (int file);           /* the lowest free number; takes a reference; -EMFILE */
int fd_file (int fd);            /* the open file, or -1 */
int fd_close (int fd);           /* 0 or -EBADF */
int fd_dup (int fd);             /* the new number */
int fd_dup_onto (int from, int to);
void file_take (int file); /* a reference of the world's */
void file_drop (int file);
void file_pin (int file);
void file_unpin (int file);
unsigned file_poll (int file);            /* POLLIN … as they are now */
void file_wake (int file, unsigned mask); /* 0: all, let them look */
void file_note (int file);                /* for the statements: remember what it is ready for */

/* ---- stream.c ---- */

void stream_pair (int file[2], int unix_like);
void stream_pipe (int file[2]);
int stream_read (int file, int bytes); /* bytes, 0 at the end, or -errno */
int stream_write (int file, int bytes);
int stream_take (int file, void *to, int room); /* reads into memory that must be lent */
int stream_put (int file, const void *from, int count);
int stream_accept (int listener, int nonblock); /* the descriptor, or -errno */
uint8_t file_byte (int file, uint32_t at);      /* what it holds there */
int file_take_at (int file, void *to, int room, uint32_t at);
void stream_shut (int file, int reading, int writing);
unsigned stream_poll (const struct file *f);
void stream_release (int file);

/* ---- notify.c ---- */

int eventfd_write (int file, uint64_t value);
long notify_read (int file, void *data, size_t size);
unsigned notify_poll (const struct file *f);
void timerfd_arm (int file, nanos at, int cancel_on_set);
void notify_wall_set (void);
void notify_signal (int signum);

/* ---- set.c ---- */

struct epoll_event;
int set_ctl (int set, int action, int fd, const struct epoll_event *event);
int set_collect (int set, struct epoll_event *events, int room);
int set_wait (int set, struct epoll_event *events, int room, nanos limit);
unsigned set_poll (int set);
void set_woken (int file, unsigned mask);
void set_forget (int file); /* the file, or the set, is gone */

/* ---- ring.c, request.c ---- */

long ring_setup (unsigned entries, void *params);
long ring_enter (int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg, size_t size);
long ring_register (int fd, unsigned opcode, void *arg, unsigned count);
void *ring_map (int fd, size_t size, uint64_t offset);
void ring_release (int file);
int ring_any_ending (void); /* nobody holds it, and it is not over */
void ring_post (struct ring *ring, uint64_t user_data, int res, unsigned flags);
int ring_has_news (const struct ring *ring);
int ring_room (const struct ring *ring); /* a completion would not overflow */
void ring_work_add (struct ring *ring, int request);
void ring_switch (void);      /* a point at which rings that do not defer their work do it */
int ring_interrupts (void);   /* … and for which they end a sleep elsewhere */
void ring_end_process (void); /* the process is gone: its requests end later */
int ring_unmapped (const void *memory, size_t size); /* the file that was mapped there, or -1 */
struct group *ring_group (struct ring *ring, int id);
int ring_is_lost (const struct ring *ring); /* the library has no descriptor of it */
void ring_keep (nanos until);               /* a child has all their descriptors until then */

int request_submit (struct ring *ring, const struct sqe *sqe); /* nonzero: bad, stops a batch */
void request_woken (int file, unsigned mask);
void request_deliver (int request);
void request_cancel (int request);
int request_cancel_named (const struct ring *ring, uint64_t user_data); /* 0 or -errno */
void request_drop (int request);                                        /* ends without a completion */
struct request *request_new (struct ring *ring, const struct sqe *sqe, int file);
void request_end (struct request *r, int res, unsigned flags);

int transfer_is (unsigned opcode); /* a request that moves bytes */
int transfer_add (struct ring *ring, const struct sqe *sqe);
void transfer_deliver (struct request *r);
int transfer_is_lost (int file);         /* one lies in a ring that the library has closed */
int transfer_cancel (struct request *r); /* 0 or -EALREADY */

/* ---- time.c ---- */

void time_plan (nanos at, void (*run) (int64_t a, int64_t b, int64_t c), int64_t a, int64_t b, int64_t c);
void time_pass (nanos length);                                     /* … and do what has become due */
int time_sleep (nanos until, int (*ready) (void *arg), void *arg); /* 0, -ETIME or -EINTR */
void time_drain (void); /* no more world: forget what it would do */

/* ---- memory.c ---- */

void memory_open (void); /* as the library's process finds it */
int memory_live (void);  /* allocations and mappings that have not been given back */
int memory_mappings (void);
void *memory_map (size_t size);
void *memory_take (size_t size);
void memory_give (void *memory);
int memory_unmap (const void *memory, size_t size);
void memory_unmap_all (void);
int memory_maps (const void *memory, size_t size);  /* is it mapped? */
int memory_holds (const void *memory, size_t size); /* is it the library's, and not given back? */

/* ---- process.c ---- */

void process_raise (int signum);
void process_exit (void); /* what an exit runs of the library */

/* ---- seam.c ---- */

void kernel_open (void);
void call_begin (void);
void call_hot (void); /* … that an iteration needs */
struct epoll_event;
struct iovec;
long call_accept (int fd, int flags);
long call_readv (int fd, const struct iovec *vec, int count, int64_t offset, int nowait);
long call_writev (int fd, const struct iovec *vec, int count, int nowait);
long call_pwait2 (int set, struct epoll_event *events, int room, const int64_t *limit);
long call_end (const char *name, int64_t a, int64_t b, int64_t c,
               long result); /* the answer, as libc gives it */

/* ---- for people ---- */

extern int trace; /* say everything as it happens */
#define TRACE(...) (trace ? (void) printf (__VA_ARGS__) : (void) 0)

/* ---- what the kernel tells the other side (law.c, report.c) ---- */

__attribute__ ((noreturn, format (printf, 2, 3))) void fail (int statement, const char *format, ...);
void law_sleeps (nanos until); /* time is about to pass until then, in a sleep */
void law_answered (int file);  /* a request, and no other could tell of the file */
void law_excuse (int kind);    /* something has happened after which a sleep may end for nothing */
void law_put (void *to, const uint8_t *bytes, int count,
              int file);                              /* the kernel writes that for a program's operation */
void law_get (const void *from, int count, int file); /* … reads */
int law_blocks (int file); /* a call on it finds nothing to do: -EAGAIN, if it does not block */
int law_has_rings (void);  /* no loop would need a thread for a file that is not in memory */

#endif
