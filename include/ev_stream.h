/* ev_stream.h: a connection as one watcher: what every server writes by hand over operations (ev_op.h).
 *
 *     static void on_stream (EV_P_ ev_stream *s, int revents)
 *     {
 *         if (revents & EV_DATA) ev_stream_give (EV_A_ s, s->buf, s->size);
 *         if (revents & EV_EOF) ev_stream_close (EV_A_ s);
 *         if (revents & EV_END) free (s);
 *     }
 *
 *     ev_stream_init (s, on_stream, fd, pool);
 *     ev_stream_feeds (s, s);
 *     ev_stream_start (loop, s);
 *
 * Works on connected sockets, pipes, socket pairs and terminals, with every backend and both engines.
 *
 * Life. Started, a stream is active, keeps ev_run running, and owns its descriptors. Its last callback has EV_END:
 * everything that was given has been told as done, the descriptors are closed, and the struct is the program's. No
 * callback comes from inside a call. In a fork child a stream ends with -ECANCELED, and its copies of the descriptors are
 * closed without a shutdown of the connection. ev_loop_destroy ends it without a callback, as ev_stream_stop does.
 *
 * Threads. All calls are for the thread that runs the loop.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EV_STREAM_H_
#define EV_STREAM_H_

#include "ev_op.h"

#ifndef EV_STREAM_ENABLE /* 0 leaves streams out of the library; they need operations and these watchers */
#define EV_STREAM_ENABLE (EV_OP_ENABLE && EV_FORK_ENABLE && EV_CLEANUP_ENABLE)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if EV_STREAM_ENABLE

enum {
    EV_DATA = 0x02000000,  /* s->size bytes at s->buf, until the callback returns */
    EV_EOF = 0x04000000,   /* the peer writes no more; s->buf, s->size: what was left over. Once */
    EV_DRAIN = 0x08000000, /* the backlog was above high, and has come down to low */
    EV_OPEN = 0x10000000,  /* reserved */
    EV_END = 0x20000000    /* the end: s->error says why */
};

struct evi_stream;

typedef struct ev_stream {
    EV_WATCHER (ev_stream)
    /* to be read in the callback */
    int fd;      /* where it reads from, and writes to if there is no pair; -1 after the end */
    int error;   /* why it ended: 0 or -errno */
    void *buf;   /* with EV_DATA */
    size_t size; /* likewise */
    size_t
        left; /* to be set with EV_DATA: so many bytes at the end of buf are not wanted yet; they come again, in
                    front of what arrives next */

    /* private: settings */
    int fd_out;
    ev_pool *pool;
    size_t high, low, most;
    ev_tstamp idle, first, write, linger;
    struct ev_stream *feeds, *feeders, *feeds_next;
    /* … and what there is while it is active */
    struct evi_stream *run;
    void *spare[6];
} ev_stream;

/* Data in the program's memory, to be written without a copy. */
typedef struct ev_chunk {
    struct ev_chunk *next;   /* the stream's */
    const struct iovec *vec; /* count pieces, which stay where they are, as the chunk does, until done */
    int count;
    /* Called once, before EV_END: result is how many bytes it was, all of them sent, or why not (-errno). The chunk is
     * the program's again. Not called when the stream is stopped. */
    void (*done) (EV_P_ ev_stream *s, struct ev_chunk *chunk, ssize_t result);
} ev_chunk;

/* The rest of an init. pool: where what is read from sockets lies; NULL, and for all else: memory of its own. The settings are those named below. stream_size comes from the macro of the same name. */
EV_API_DECL void ev_stream_set (ev_stream *s, int fd, ev_pool *pool, size_t stream_size) EV_NOEXCEPT;

/* All of these after init, before start. */

/* Reads from one descriptor and writes to another, both its own from start on: standard input and output, two pipes. -1: does
 * not read, or write. */
EV_API_DECL void ev_stream_set_pair (ev_stream *s, int in, int out) EV_NOEXCEPT;
/* Bytes of backlog: above high EV_DRAIN is owed, and comes at low. 64 KiB and 16 KiB. */
EV_API_DECL void ev_stream_water (ev_stream *s, size_t high, size_t low) EV_NOEXCEPT;
/* Seconds until it ends with -ETIMEDOUT, 0: never. idle: without a byte in either direction; first: until the first byte
 * arrives; write: while there is a backlog, without a byte leaving. The last also ends peers that are gone while nobody reads. */
EV_API_DECL void ev_stream_patience (ev_stream *s, ev_tstamp idle, ev_tstamp first,
                                     ev_tstamp write) EV_NOEXCEPT;
/* How long a closed stream waits for the peer's end, and throws away what it says, so that the peer gets all that was
 * written. 2 seconds; 0: not at all. */
EV_API_DECL void ev_stream_linger (ev_stream *s, ev_tstamp seconds) EV_NOEXCEPT;
/* The most that may be left (s->left); more ends it with -EMSGSIZE. 256 KiB. */
EV_API_DECL void ev_stream_most (ev_stream *s, size_t size) EV_NOEXCEPT;
/* s is not read while the backlog of to is above its high water, until it is at low. to may be s, or be started later. NULL: none. */
EV_API_DECL void ev_stream_feeds (ev_stream *s, ev_stream *to) EV_NOEXCEPT;

/* Reads from now on. An active one is left alone. */
EV_API_DECL void ev_stream_start (EV_P_ ev_stream *s) EV_NOEXCEPT;
/* No EV_DATA or EV_EOF until it is resumed: what comes waits, and the sender with it. Twice is once. */
EV_API_DECL void ev_stream_pause (EV_P_ ev_stream *s) EV_NOEXCEPT;
EV_API_DECL void ev_stream_resume (EV_P_ ev_stream *s) EV_NOEXCEPT;

/* Writers. What one iteration queues leaves together. They return the backlog; -EPIPE after shutdown or close and where
 * there is no direction to write in; the reason after an end; and then have taken nothing. Above high they still take. */

/* Copies. */
EV_API_DECL ssize_t ev_stream_write (EV_P_ ev_stream *s, const void *data, size_t size) EV_NOEXCEPT;
/* size bytes at buf in a buffer of its pool, of this EV_DATA (it is kept, no ev_pool_keep) or kept or taken by the
 * program: goes back to the pool when sent. If it is not taken it stays what it was. */
EV_API_DECL ssize_t ev_stream_give (EV_P_ ev_stream *s, void *buf, size_t size) EV_NOEXCEPT;
/* Not copied, and told: see ev_chunk. */
EV_API_DECL ssize_t ev_stream_chunk (EV_P_ ev_stream *s, ev_chunk *chunk) EV_NOEXCEPT;

/* Bytes that were queued and have not been sent. */
EV_API_DECL size_t ev_stream_backlog (const ev_stream *s) EV_NOEXCEPT;

/* The end of writing, behind what is queued. */
EV_API_DECL void ev_stream_shutdown (EV_P_ ev_stream *s) EV_NOEXCEPT;
/* All that is queued, the end of writing, lingering, EV_END. No more EV_DATA, EV_EOF or EV_DRAIN. */
EV_API_DECL void ev_stream_close (EV_P_ ev_stream *s) EV_NOEXCEPT;
/* Now: what is queued is dropped, TCP resets the connection; EV_END with this error, 0 or -errno. */
EV_API_DECL void ev_stream_abort (EV_P_ ev_stream *s, int error) EV_NOEXCEPT;
/* Insists: when it returns it is closed, no callback comes, chunks are not told as done, and all memory is the program's. */
EV_API_DECL void ev_stream_stop (EV_P_ ev_stream *s) EV_NOEXCEPT;

#define ev_stream_set(...) ev_stream_set (__VA_ARGS__, sizeof (ev_stream))
#define ev_stream_init(s, cb, fd, pool)    \
    do {                                   \
        ev_init ((s), (cb));               \
        ev_stream_set ((s), (fd), (pool)); \
    } while (0)

#endif /* EV_STREAM_ENABLE */

#ifdef __cplusplus
}
#ifdef EVPP_OPS_ /* ev++.h was here first: now it has a class for these too */
#include EVPP_OPS_
#endif
#endif

#endif
