/* ev_op.h: what evring offers beyond libev.
 *
 * Operations (ev_op): recv, send, accept, files, waitid … as completions in the same loop.
 *
 * The loop can speak: ev_stats counts what it did, ev_dump shows what it holds. The environment variable
 * EVRING_STATS does the same for programs nobody can change: see evring(1).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EV_OP_H_
#define EV_OP_H_

#include "ev.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifndef EV_OP_ENABLE /* 0 leaves operations out of the library */
#define EV_OP_ENABLE EV_FEATURE_WATCHERS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Which evring this is the header of, and as one number that grows. (EV_VERSION_* are those of libev's interface.) */
#define EVRING_VERSION_MAJOR 0
#define EVRING_VERSION_MINOR 1
#define EVRING_VERSION_PATCH 0
#define EVRING_VERSION (EVRING_VERSION_MAJOR << 16 | EVRING_VERSION_MINOR << 8 | EVRING_VERSION_PATCH)

/* EVRING_VERSION of the library that runs. Any thread. */
EV_API_DECL int evring_version (void) EV_NOEXCEPT;

/* A flag of ev_loop_new and ev_default_loop besides libev's: a ring of this loop takes only requests about descriptors that the
 * program has; what opens, connects or names a path is done by system calls, which a filter sees. ev_backend(7). */
#define EVFLAG_RESTRICT 0x00080000U

struct sockaddr; /* sys/socket.h */
struct msghdr;
struct iovec; /* sys/uio.h */
struct statx; /* sys/stat.h, with _GNU_SOURCE */
struct addrinfo; /* netdb.h */

/* What a loop has done since it was made. Counters only grow; those of a mechanism the backend does not have
 * stay 0. New members will be added at the end: ev_stats fills as many bytes as the caller knows. */
struct ev_stats {
    unsigned backend;                 /* the EVBACKEND_* bit in use */
    unsigned ring_flags;              /* io_uring: set-up flags of the ring, IORING_SETUP_* */
    unsigned long long iterations;    /* times the loop polled */
    unsigned long long waits;         /* system calls that waited: io_uring_enter, epoll_wait, poll, select */
    unsigned long long enters;        /* io_uring: all io_uring_enter calls */
    unsigned long long submissions;   /* io_uring: entries the kernel took */
    unsigned long long completions;   /* io_uring: entries the kernel gave back */
    unsigned long long events;        /* descriptors reported ready */
    unsigned long long changes;       /* rows told to the kernel (epoll_ctl calls, poll requests) */
    unsigned long long polls_armed;   /* io_uring: poll requests submitted */
    unsigned long long polls_rearmed; /* io_uring: of these, again after their event */
    unsigned long long polls_removed; /* io_uring: poll requests taken back */
    unsigned long long stale;         /* reports dropped because they were about an earlier use of the fd */
    unsigned long long overflows;     /* io_uring: times the completion queue was full */
    unsigned long long sweeps;        /* io_uring: extra calls to fetch what one call does not hand out */
    unsigned long long rebuilds;      /* kernel objects made anew: fork, another thread, repair */
    unsigned long long parked;        /* io_uring: descriptors given to an epoll set that the ring watches: listening
                                         sockets, what the ring refuses, what was stopped while it was idle … */
    unsigned long long wakeups;       /* times another thread or a signal handler woke the loop */
    unsigned long long callbacks;     /* callbacks called */
    unsigned long long fallbacks;     /* times the loop moved to another backend */
    int fallback_error;               /* errno that made it move, or that denied a better backend; 0: none */
    unsigned long long op_starts;     /* operations started */
    unsigned long long ops_ring;      /* … handed to the ring; more than once when they were continued */
    unsigned long long ops_ready;     /* … tried by readiness */
    unsigned long long ops_threads;   /* … given to a thread */
    unsigned long long looks;         /* always 0 */
    unsigned long long ops_pinned;    /* of ops_ring: those whose data is in memory that the ring knows (ev_pool_take) */
    unsigned long long parked_many;   /* of parked: because the ring had many requests already */
    unsigned long long parked_idle;   /* of parked: from the ring, to make room there */
    unsigned long long unparked;      /* io_uring: taken from that set to the ring: their interest changed */
    unsigned long long rings_lost;    /* rings that were closed before the kernel was finished with their operations */
    unsigned long long ops_lost;      /* … operations of which nothing is known but that they are over: -ECANCELED */
};

/* Fills at most size bytes of stats. Returns how many bytes this library knows of. Any time, from the
 * thread that owns the loop. */
EV_API_DECL size_t ev_stats (EV_P_ struct ev_stats *stats, size_t size) EV_NOEXCEPT;

/* Prints rows, watchers, timers and ring state for a person to read. The format is not an interface. */
EV_API_DECL void ev_dump (EV_P_ FILE *out) EV_NOEXCEPT;

#if EV_OP_ENABLE

/* ---- operations: completions in the same loop ----------------------------------------------------------
 *
 * An operation is a watcher: init, start, callback. It is done by io_uring where there is a ring, else by
 * readiness and a few threads; the program cannot tell, except by the clock.
 *
 *     static void on_data (EV_P_ ev_op *op, int revents) { ... op->result ... }
 *
 *     ev_recv_init (&op, on_data, fd, buf, sizeof buf, 0);
 *     ev_op_start (loop, &op);
 *
 * Life. Started, an operation completes exactly once: it becomes inactive, and its callback is called from the
 * loop with EV_OP, never inside the call that started it. A repeating one (ev_accept, ev_recv_pool) stays active
 * and is called with EV_OP | EV_OP_MORE for each result; the call without EV_OP_MORE is its last. An active
 * operation keeps ev_run running, has a priority (ev_set_priority, while inactive) and can be started again from
 * its callback.
 *
 * Result. op->result >= 0 as the system call of that name answers, or -errno: the same on both engines.
 *   -ECANCELED   it was cancelled, its predecessor in a link failed, this is a fork child, or the loop moved to
 *                another thread while it was in flight
 *   -ETIMEDOUT   its deadline passed
 *   -EINTR       the kernel gave up in the middle (what it calls ERESTARTSYS included)
 *
 * Memory. From ev_op_start until the callback, or until ev_op_stop returns, everything the operation was given a
 * pointer to (data, vectors, paths, addresses, message headers) belongs to the loop: it must stay where it is,
 * and what is written to must not be looked at. The ev_op itself belongs to the loop while it is active or
 * pending, like every watcher.
 *
 * Order. Per descriptor and direction (receiving: accept, recv, read at the current position; sending: connect,
 * send, write at the current position, shutdown) operations run first in, first out, one at a time. Reads and
 * writes at an offset, and all others, run in parallel, in no order.
 *
 * Descriptors. A descriptor must not be closed while operations on it are active: stop them first. Blocking and
 * non-blocking descriptors are the same to an operation: it waits. Where there is no ring, a socket that is
 * listened or connected on by an operation may be made non-blocking meanwhile. SIGPIPE is never raised.
 *
 * Threads. All calls are for the thread that runs the loop, ev_op_start also for others that hold the program's
 * lock while the loop sleeps (ev_set_loop_release_cb); they wake it with ev_async_send, as for other watchers.
 * ------------------------------------------------------------------------------------------------------- */

enum {
    EV_OP = 0x00100000,     /* an operation has a result */
    EV_OP_MORE = 0x00200000 /* … and goes on: this was not its last */
};

typedef struct ev_pool ev_pool;

typedef struct ev_op
{
    EV_WATCHER (ev_op)
    /* to be read in the callback, and after ev_op_stop */
    ssize_t result; /* >= 0 or -errno */
    size_t moved;   /* bytes that went through, also where result is an error: a send that was cut short */
    void *buf;      /* the data: where the init said, or a buffer of the pool */
    int fd;         /* the descriptor it is about */

    /* private: what every operation has */
    unsigned slot;
    size_t size;
    int64_t offset;
    unsigned flags;
    unsigned char code, state, wish, hint;
    ev_tstamp limit, due;
    struct ev_op *link;
    struct evi_side *side;
    /* … and what some have */
    struct ev_op *prev, *next;
    struct ev_op *sooner, *later;
    unsigned queue;
    int fd_to;
    unsigned epoch;
    int64_t offset_to;
    void *more;
    /* … and what libraries to come may need: this one never looks there, nor at anything behind it */
    void *spare[5];
} ev_op;

/* Misuse (set, deadline or link on an operation that is active or pending, another loop than its own) gets a message,
 * and changes nothing; where memory would not be safe, abort follows: ev_op_stop on another loop, and an init of an
 * active operation, once the loop meets it. */

/* Starts it. An operation that is active already is left alone; one whose completion has not been told yet is
 * not started, with a message. Errors come by the callback, whatever they are. */
EV_API_DECL void ev_op_start (EV_P_ ev_op *op) EV_NOEXCEPT;

/* Asks an active operation to end early. Its callback comes, with -ECANCELED or with the real result if that was
 * faster: what the kernel is in the middle of (a file being read) is finished first. Never blocks. */
EV_API_DECL void ev_op_cancel (EV_P_ ev_op *op) EV_NOEXCEPT;

/* Insists: when it returns, op and its memory are yours and no callback comes. op->result says what became of it:
 * -ECANCELED, or the result that nobody was told (data that did arrive is in buf). A descriptor that was made for
 * it (accept, openat, socket) is closed, buffers of a pool go back, results of a repeating operation that were not
 * told yet are dropped. Blocks while the kernel or a thread is in the middle of a file
 * operation, and until the network is done with the buffer of an ev_send_zc. An inactive operation that is not pending
 * is left alone. */
EV_API_DECL void ev_op_stop (EV_P_ ev_op *op) EV_NOEXCEPT;

/* An active operation that repeats (ev_accept, ev_recv_pool) rests until it is resumed: no callback comes, and the loop takes
 * nothing more from the kernel for it, where connections and data wait, and senders with them. What it had taken before
 * is kept, buffers of the pool with it, and told first when it is resumed. Its deadline runs on, and it keeps its place before others on
 * its descriptor; cancelled, it tells what it kept, then its end. Twice is once. In its own callback or anywhere
 * else. One that is inactive is left alone. */
EV_API_DECL void ev_op_pause (EV_P_ ev_op *op) EV_NOEXCEPT;
EV_API_DECL void ev_op_resume (EV_P_ ev_op *op) EV_NOEXCEPT;

/* After init or set (which clear it), before start, for this and later starts: it ends with -ETIMEDOUT when it is not
 * done that many seconds after its own start (counted from ev_now, like a timer). 0: no deadline. */
EV_API_DECL void ev_op_deadline (ev_op *op, ev_tstamp seconds) EV_NOEXCEPT;

/* After init or set (which clear it), before start, for this and later starts: next is started when op has succeeded
 * (result >= 0), else, and when op is stopped, it ends with -ECANCELED. next is active from the start of op on and
 * must not be started by itself. Chains may be of any length. NULL: no link. */
EV_API_DECL void ev_op_link (ev_op *op, ev_op *next) EV_NOEXCEPT;

/* ev_read, ev_write, ev_readv, ev_writev: all bytes, or an error; op->moved says how far it came. A read that meets the end before
 * is -ENODATA. (Sends are whole without it.) */
#define EV_OP_WHOLE 1U

/* After init or set (which clear them), before start, for this and later starts. */
EV_API_DECL void ev_op_flags (ev_op *op, unsigned flags) EV_NOEXCEPT;

/* Gives a loop whose backend is not io_uring a ring for its operations: files without threads. 0 (also where the
 * loop has one) or -errno: why there is none. Operations in flight stay where they are. The environment variable
 * EVRING_OPS=uring does the same for every loop, EVRING_OPS=ready keeps operations off every ring. */
EV_API_DECL int ev_op_ring (EV_P) EV_NOEXCEPT;

/* Each operation has a NAME_set for an inactive ev_op and a NAME_init that sets the callback too. flags, where not
 * said otherwise, are those of the system call; a manual page in section 2 has the name behind "ev_". op_size, how large
 * the program's ev_op is, comes from the macro of the same name: programs do not write it. */

/* -- sockets -- */

/* Repeats: each result is the descriptor of a new connection, the program's to close. flags: SOCK_NONBLOCK,
 * SOCK_CLOEXEC. While descriptors or memory have run out (EMFILE, ENFILE, ENOBUFS, ENOMEM) it rests, and tries again after 0.1 to 1
 * seconds; connections wait in the backlog. Ends with other errors, or when it is cancelled. */
EV_API_DECL void ev_accept_set (ev_op *op, int fd, int flags, size_t op_size) EV_NOEXCEPT;
/* After set (which clears it), while it is inactive, for this and later starts: so many connections at a time, others wait in the
 * backlog. The program says when one of them is gone. 0: no limit. */
EV_API_DECL void ev_accept_limit (ev_op *op, unsigned most) EV_NOEXCEPT;
/* One of its connections is closed: there is room for another. Any time, also while it is inactive. */
EV_API_DECL void ev_accept_gone (EV_P_ ev_op *op) EV_NOEXCEPT;
/* In the callback, with a result >= 0: fills at most *size bytes of address, and *size with how large the address is, as
 * accept(2) does. 0 or -errno: -ENOTCONN if the peer has broken the connection already. */
EV_API_DECL int ev_accept_peer (const ev_op *op, struct sockaddr *address, unsigned *size) EV_NOEXCEPT;
/* result 0, or the reason: ECONNREFUSED … */
EV_API_DECL void ev_connect_set (ev_op *op, int fd, const struct sockaddr *address, unsigned size,
                                 size_t op_size) EV_NOEXCEPT;
/* result: bytes, 0 at the end of the stream. flags: MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_DONTWAIT … */
EV_API_DECL void ev_recv_set (ev_op *op, int fd, void *buf, size_t size, int flags, size_t op_size) EV_NOEXCEPT;
/* Repeats: op->buf is a buffer of the pool with op->result bytes in it. It goes back to the pool when the callbacks
 * of this iteration have returned, unless ev_pool_keep was called. While the pool is empty receiving pauses. result 0: the end of the
 * stream, and the last call (an empty datagram is not); op->buf is NULL then, as in the last call with an error.
 * MSG_WAITALL and MSG_PEEK end with -EINVAL, as does a pool that is NULL or another loop's. */
EV_API_DECL void ev_recv_pool_set (ev_op *op, int fd, ev_pool *pool, int flags, size_t op_size) EV_NOEXCEPT;
/* All of it, or an error: on a stream result is size; when it fails in the middle op->moved says how far it came. */
EV_API_DECL void ev_send_set (ev_op *op, int fd, const void *buf, size_t size, int flags,
                              size_t op_size) EV_NOEXCEPT;
/* The same without copying, for large buffers on real networks: completes when the network is done with the buffer.
 * Where the kernel or the socket cannot do it, an ordinary send. */
EV_API_DECL void ev_send_zc_set (ev_op *op, int fd, const void *buf, size_t size, int flags,
                                 size_t op_size) EV_NOEXCEPT;
/* message->msg_flags, msg_namelen and msg_controllen are written when it completes. */
EV_API_DECL void ev_recvmsg_set (ev_op *op, int fd, struct msghdr *message, int flags,
                                 size_t op_size) EV_NOEXCEPT;
/* On a stream: all of it, or an error. */
EV_API_DECL void ev_sendmsg_set (ev_op *op, int fd, const struct msghdr *message, int flags,
                                 size_t op_size) EV_NOEXCEPT;
/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. Waits its turn behind the sends that were started before it. */
EV_API_DECL void ev_shutdown_set (ev_op *op, int fd, int how, size_t op_size) EV_NOEXCEPT;
/* result: the descriptor. */
EV_API_DECL void ev_socket_set (ev_op *op, int domain, int type, int protocol, size_t op_size) EV_NOEXCEPT;

/* -- files -- offset -1: the current position, which moves. Descriptors without positions (pipes, terminals, sockets)
 * pay no attention to it; only with -1 do operations on them wait for their turn. */

/* result: the descriptor. */
EV_API_DECL void ev_openat_set (ev_op *op, int dirfd, const char *path, int flags, unsigned mode,
                                size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_close_set (ev_op *op, int fd, size_t op_size) EV_NOEXCEPT;
/* result: bytes, fewer than size at the end of the file, 0 behind it. Pipes, terminals and sockets too. */
EV_API_DECL void ev_read_set (ev_op *op, int fd, void *buf, size_t size, int64_t offset,
                              size_t op_size) EV_NOEXCEPT;
/* result: bytes, which may be fewer than size, as with pwrite(2). */
EV_API_DECL void ev_write_set (ev_op *op, int fd, const void *buf, size_t size, int64_t offset,
                               size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_readv_set (ev_op *op, int fd, const struct iovec *vec, int count, int64_t offset,
                               size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_writev_set (ev_op *op, int fd, const struct iovec *vec, int count, int64_t offset,
                                size_t op_size) EV_NOEXCEPT;
/* datasync: nonzero for fdatasync(2). */
EV_API_DECL void ev_fsync_set (ev_op *op, int fd, int datasync, size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_fallocate_set (ev_op *op, int fd, int mode, int64_t offset, int64_t size,
                                   size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_ftruncate_set (ev_op *op, int fd, int64_t size, size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_statx_set (ev_op *op, int dirfd, const char *path, int flags, unsigned mask,
                               struct statx *stat, size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_unlinkat_set (ev_op *op, int dirfd, const char *path, int flags,
                                  size_t op_size) EV_NOEXCEPT;
/* flags: those of renameat2(2). */
EV_API_DECL void ev_renameat_set (ev_op *op, int dirfd, const char *path, int dirfd_to, const char *path_to,
                                  unsigned flags, size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_mkdirat_set (ev_op *op, int dirfd, const char *path, unsigned mode,
                                 size_t op_size) EV_NOEXCEPT;
/* result: bytes, 0 at the end of the input. Offsets -1: pipes, or the current position. */
EV_API_DECL void ev_splice_set (ev_op *op, int fd, int64_t offset, int fd_to, int64_t offset_to, size_t size,
                                unsigned flags, size_t op_size) EV_NOEXCEPT;

/* -- processes -- */

/* Waits until a child has ended; any loop, no SIGCHLD. idtype: P_PID or P_PIDFD; options: WEXITED, perhaps with
 * WNOWAIT; others end with -EINVAL. info: a siginfo_t, or NULL. result 0 and *info filled, or -ECHILD: it is no child,
 * or somebody else was faster. The default loop reaps every child: it hands over those that an operation of its own
 * waits for by P_PID; an operation on another loop, or by P_PIDFD, may come too late. */
EV_API_DECL void ev_waitid_set (ev_op *op, int idtype, int id, void *info, int options,
                                size_t op_size) EV_NOEXCEPT;

/* -- work -- */

/* Runs call (arg), a function of the program's, in a thread; result: what it returns (negative: -errno, as everywhere).
 * Cancelled while it waits for a thread it is not called. Once it runs it is waited for, by cancel, deadline and stop too: they only
 * let ev_work_asked say so. Signals are blocked there. */
typedef ssize_t ev_work_call (void *arg);
EV_API_DECL void ev_work_set (ev_op *op, ev_work_call *call, void *arg, size_t op_size) EV_NOEXCEPT;

/* In such a function: nonzero when nobody waits for its result any more (cancel, deadline, stop, the end of the loop). */
EV_API_DECL int ev_work_asked (void) EV_NOEXCEPT;

/* getaddrinfo(3) and getnameinfo(3) in a thread. result: 0, -errno, or -3000 plus their own (negative) number. Everything is copied
 * when they begin, and written when they are done, in the loop's thread: cancel, a deadline, stop and the end of the loop end them at
 * once, and nothing of the program's is touched any more. With the result 0 *list is the program's, for freeaddrinfo(3). */
EV_API_DECL void ev_getaddrinfo_set (ev_op *op, const char *node, const char *service,
                                     const struct addrinfo *hints, struct addrinfo **list,
                                     size_t op_size) EV_NOEXCEPT;
EV_API_DECL void ev_getnameinfo_set (ev_op *op, const struct sockaddr *address, unsigned size, char *host,
                                     unsigned host_size, char *service, unsigned service_size, int flags,
                                     size_t op_size) EV_NOEXCEPT;

/* What a negative result means, also one of these two; the text may change with the next call. */
EV_API_DECL const char *ev_op_strerror (ssize_t result) EV_NOEXCEPT;

/* Threads of a process, and what they do. Jobs of one kind never wait for threads of another one. */
enum {
    EV_THREADS_FILES, /* files, where no ring does them: 4, or EVRING_THREADS */
    EV_THREADS_NAMES, /* what waits for somebody else: addresses of names, opening a FIFO. 2 */
    EV_THREADS_WORK   /* ev_work: as many as there are cores */
};

/* At most so many (1 to 64) of a kind run at a time, for all loops, until the last loop that used them ends; 0 changes nothing.
 * Returns how many it was before, or -EINVAL. */
EV_API_DECL int ev_op_threads (EV_P_ int threads, int most) EV_NOEXCEPT;

/* -- anything -- */

/* A raw submission entry (struct io_uring_sqe, 64 bytes, read when it is submitted) for what is not wrapped here.
 * user_data is ours. Links, drain, provided buffers and CQE_SKIP end with -EINVAL. result: as the completion has it;
 * op->moved: its flags. A completion that announces more of its kind is told with EV_OP_MORE. -EOPNOTSUPP where
 * there is no ring. */
EV_API_DECL void ev_sqe_set (ev_op *op, const void *sqe, size_t op_size) EV_NOEXCEPT;

/* -- buffer pools -- */

/* count buffers (1 to 32768) of size bytes each for the operations of this loop. NULL where there is no memory.
 * Ends with ev_pool_free, or with the loop. */
EV_API_DECL ev_pool *ev_pool_new (EV_P_ size_t size, unsigned count) EV_NOEXCEPT;
/* Not while an ev_recv_pool that uses it is active, nor an operation on one of its buffers. Buffers that were kept or
 * taken are gone with it. */
EV_API_DECL void ev_pool_free (EV_P_ ev_pool *pool) EV_NOEXCEPT;
/* In the callback of an ev_recv_pool, with its op->buf: the buffer stays the program's until it is given back. */
EV_API_DECL void ev_pool_keep (ev_pool *pool, void *buf) EV_NOEXCEPT;
/* A buffer for data of the program's own, until it is given back: reads and writes of files that begin and end in
 * buffers of a pool cost the kernel less where there is a ring (it knows the pages already), most of all past the page
 * cache. Buffers begin at multiples of size if that is a multiple of 64, the first one with a page. NULL: there is none
 * left, or an ev_recv_pool has given them to the ring. */
EV_API_DECL void *ev_pool_take (ev_pool *pool) EV_NOEXCEPT;
/* Gives a kept or taken buffer back: any address inside it will do. */
EV_API_DECL void ev_pool_give (ev_pool *pool, void *buf) EV_NOEXCEPT;

/* What the program was compiled with, and so how much of an ev_op there is. */
#define ev_accept_set(...) ev_accept_set (__VA_ARGS__, sizeof (ev_op))
#define ev_connect_set(...) ev_connect_set (__VA_ARGS__, sizeof (ev_op))
#define ev_recv_set(...) ev_recv_set (__VA_ARGS__, sizeof (ev_op))
#define ev_recv_pool_set(...) ev_recv_pool_set (__VA_ARGS__, sizeof (ev_op))
#define ev_send_set(...) ev_send_set (__VA_ARGS__, sizeof (ev_op))
#define ev_send_zc_set(...) ev_send_zc_set (__VA_ARGS__, sizeof (ev_op))
#define ev_recvmsg_set(...) ev_recvmsg_set (__VA_ARGS__, sizeof (ev_op))
#define ev_sendmsg_set(...) ev_sendmsg_set (__VA_ARGS__, sizeof (ev_op))
#define ev_shutdown_set(...) ev_shutdown_set (__VA_ARGS__, sizeof (ev_op))
#define ev_socket_set(...) ev_socket_set (__VA_ARGS__, sizeof (ev_op))
#define ev_openat_set(...) ev_openat_set (__VA_ARGS__, sizeof (ev_op))
#define ev_close_set(...) ev_close_set (__VA_ARGS__, sizeof (ev_op))
#define ev_read_set(...) ev_read_set (__VA_ARGS__, sizeof (ev_op))
#define ev_write_set(...) ev_write_set (__VA_ARGS__, sizeof (ev_op))
#define ev_readv_set(...) ev_readv_set (__VA_ARGS__, sizeof (ev_op))
#define ev_writev_set(...) ev_writev_set (__VA_ARGS__, sizeof (ev_op))
#define ev_fsync_set(...) ev_fsync_set (__VA_ARGS__, sizeof (ev_op))
#define ev_fallocate_set(...) ev_fallocate_set (__VA_ARGS__, sizeof (ev_op))
#define ev_ftruncate_set(...) ev_ftruncate_set (__VA_ARGS__, sizeof (ev_op))
#define ev_statx_set(...) ev_statx_set (__VA_ARGS__, sizeof (ev_op))
#define ev_unlinkat_set(...) ev_unlinkat_set (__VA_ARGS__, sizeof (ev_op))
#define ev_renameat_set(...) ev_renameat_set (__VA_ARGS__, sizeof (ev_op))
#define ev_mkdirat_set(...) ev_mkdirat_set (__VA_ARGS__, sizeof (ev_op))
#define ev_splice_set(...) ev_splice_set (__VA_ARGS__, sizeof (ev_op))
#define ev_waitid_set(...) ev_waitid_set (__VA_ARGS__, sizeof (ev_op))
#define ev_work_set(...) ev_work_set (__VA_ARGS__, sizeof (ev_op))
#define ev_getaddrinfo_set(...) ev_getaddrinfo_set (__VA_ARGS__, sizeof (ev_op))
#define ev_getnameinfo_set(...) ev_getnameinfo_set (__VA_ARGS__, sizeof (ev_op))
#define ev_sqe_set(...) ev_sqe_set (__VA_ARGS__, sizeof (ev_op))

#define EV_OP_INIT_(op, cb, set) do { ev_init ((op), (cb)); set; } while (0)
#define ev_accept_init(op, cb, fd, flags) EV_OP_INIT_ (op, cb, ev_accept_set ((op), (fd), (flags)))
#define ev_connect_init(op, cb, fd, address, size) \
    EV_OP_INIT_ (op, cb, ev_connect_set ((op), (fd), (address), (size)))
#define ev_recv_init(op, cb, fd, buf, size, flags) \
    EV_OP_INIT_ (op, cb, ev_recv_set ((op), (fd), (buf), (size), (flags)))
#define ev_recv_pool_init(op, cb, fd, pool, flags) \
    EV_OP_INIT_ (op, cb, ev_recv_pool_set ((op), (fd), (pool), (flags)))
#define ev_send_init(op, cb, fd, buf, size, flags) \
    EV_OP_INIT_ (op, cb, ev_send_set ((op), (fd), (buf), (size), (flags)))
#define ev_send_zc_init(op, cb, fd, buf, size, flags) \
    EV_OP_INIT_ (op, cb, ev_send_zc_set ((op), (fd), (buf), (size), (flags)))
#define ev_recvmsg_init(op, cb, fd, message, flags) \
    EV_OP_INIT_ (op, cb, ev_recvmsg_set ((op), (fd), (message), (flags)))
#define ev_sendmsg_init(op, cb, fd, message, flags) \
    EV_OP_INIT_ (op, cb, ev_sendmsg_set ((op), (fd), (message), (flags)))
#define ev_shutdown_init(op, cb, fd, how) EV_OP_INIT_ (op, cb, ev_shutdown_set ((op), (fd), (how)))
#define ev_socket_init(op, cb, domain, type, protocol) \
    EV_OP_INIT_ (op, cb, ev_socket_set ((op), (domain), (type), (protocol)))
#define ev_openat_init(op, cb, dirfd, path, flags, mode) \
    EV_OP_INIT_ (op, cb, ev_openat_set ((op), (dirfd), (path), (flags), (mode)))
#define ev_close_init(op, cb, fd) EV_OP_INIT_ (op, cb, ev_close_set ((op), (fd)))
#define ev_read_init(op, cb, fd, buf, size, offset) \
    EV_OP_INIT_ (op, cb, ev_read_set ((op), (fd), (buf), (size), (offset)))
#define ev_write_init(op, cb, fd, buf, size, offset) \
    EV_OP_INIT_ (op, cb, ev_write_set ((op), (fd), (buf), (size), (offset)))
#define ev_readv_init(op, cb, fd, vec, count, offset) \
    EV_OP_INIT_ (op, cb, ev_readv_set ((op), (fd), (vec), (count), (offset)))
#define ev_writev_init(op, cb, fd, vec, count, offset) \
    EV_OP_INIT_ (op, cb, ev_writev_set ((op), (fd), (vec), (count), (offset)))
#define ev_fsync_init(op, cb, fd, datasync) EV_OP_INIT_ (op, cb, ev_fsync_set ((op), (fd), (datasync)))
#define ev_fallocate_init(op, cb, fd, mode, offset, size) \
    EV_OP_INIT_ (op, cb, ev_fallocate_set ((op), (fd), (mode), (offset), (size)))
#define ev_ftruncate_init(op, cb, fd, size) EV_OP_INIT_ (op, cb, ev_ftruncate_set ((op), (fd), (size)))
#define ev_statx_init(op, cb, dirfd, path, flags, mask, stat) \
    EV_OP_INIT_ (op, cb, ev_statx_set ((op), (dirfd), (path), (flags), (mask), (stat)))
#define ev_unlinkat_init(op, cb, dirfd, path, flags) \
    EV_OP_INIT_ (op, cb, ev_unlinkat_set ((op), (dirfd), (path), (flags)))
#define ev_renameat_init(op, cb, dirfd, path, dirfd_to, path_to, flags) \
    EV_OP_INIT_ (op, cb, ev_renameat_set ((op), (dirfd), (path), (dirfd_to), (path_to), (flags)))
#define ev_mkdirat_init(op, cb, dirfd, path, mode) \
    EV_OP_INIT_ (op, cb, ev_mkdirat_set ((op), (dirfd), (path), (mode)))
#define ev_splice_init(op, cb, fd, offset, fd_to, offset_to, size, flags) \
    EV_OP_INIT_ (op, cb, ev_splice_set ((op), (fd), (offset), (fd_to), (offset_to), (size), (flags)))
#define ev_waitid_init(op, cb, idtype, id, info, options) \
    EV_OP_INIT_ (op, cb, ev_waitid_set ((op), (idtype), (id), (info), (options)))
#define ev_work_init(op, cb, call, arg) EV_OP_INIT_ (op, cb, ev_work_set ((op), (call), (arg)))
#define ev_getaddrinfo_init(op, cb, node, service, hints, list) \
    EV_OP_INIT_ (op, cb, ev_getaddrinfo_set ((op), (node), (service), (hints), (list)))
#define ev_getnameinfo_init(op, cb, address, size, host, host_size, service, service_size, flags) \
    EV_OP_INIT_ (op, cb, ev_getnameinfo_set ((op), (address), (size), (host), (host_size), (service), (service_size), (flags)))
#define ev_sqe_init(op, cb, sqe) EV_OP_INIT_ (op, cb, ev_sqe_set ((op), (sqe)))

#endif /* EV_OP_ENABLE */

#ifdef __cplusplus
}
#ifdef EVPP_OPS_ /* ev++.h was here first: now it has a class for operations too */
#include EVPP_OPS_
#endif
#endif

#endif
