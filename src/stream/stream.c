/* stream.c: ev_stream, a connection as one watcher, on the public calls of operations alone.
 * Owns struct evi_stream, what there is of a stream while it is active, and its descriptors. Promises that no callback comes from
 * inside a call, that each chunk is told as done once, and one EV_END behind all of it.
 *
 *   open       reads and writes
 *   closing    the queue goes out, then the end of writing; input is thrown away
 *   lingering  all is out; input is thrown away until the peer's end
 *   settling   operations are cancelled; when both are over, the end
 *
 * Two bits beside: read_over (the peer's end was seen), write_over (ours is out). */
#include "stream.h"

#if EV_STREAM_ENABLE

#include "../base/sys_op.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    STREAM_VECS = 8,          /* pieces of one send */
    STREAM_SEND = 256 * 1024, /* bytes of one send: progress is seen when it is over */
    STREAM_ROOM = 16 * 1024,  /* of a read where the pool is of no use */
    STREAM_MOST = 256 * 1024, /* to be left */
    STREAM_BY_PROGRAM = 1,    /* why it is not read */
    STREAM_BY_FEED = 2
};

enum { STREAM_OPEN, STREAM_CLOSING, STREAM_LINGERING, STREAM_SETTLING };

struct evi_stream {
    ev_stream *s; /* NULL: stopped or over, and freed when nobody is inside */
    ev_op in, out;
    ev_watcher soon; /* fed when there is something to do, behind all other callbacks of this iteration */
    ev_timer timer;
    ev_fork fork;
    ev_cleanup cleanup;
    ev_chunk *head, **tail;
    size_t sent, backlog; /* of head; of all */
    struct msghdr message;
    struct iovec vec[STREAM_VECS];
    char *room; /* of reads */
    char *kept; /* what was left */
    size_t kept_size, kept_room;
    char *shown; /* the pool's buffer that a callback sees, and has not given */
    size_t shown_size;
    ssize_t held; /* a read that landed while it was paused */
    ev_tstamp started, moved_in, moved_out;
    unsigned process, inside;
    unsigned char state, paused, holds, plain_in, plain_out, read_over, write_asked, write_over, above, some,
        tells;
};

/* A chunk of the library's own: a copy, or a buffer of a pool. */
struct stream_piece {
    ev_chunk chunk;
    struct iovec vec;
    ev_pool *pool;
};

/* Whose member that is: programs may have no `data` in their watchers. */
#define STREAM_OF(pointer, member) \
    ((struct evi_stream *) (void *) ((char *) (pointer) -offsetof (struct evi_stream, member)))

static void stream_fail (struct ev_loop *loop, struct evi_stream *run, int error);

static void stream_free (struct evi_stream *run)
{
    evi_resize (run->room, 0);
    evi_resize (run->kept, 0);
    evi_resize (run, 0);
}

/* Behind every call of the program's: is the stream still there? If not, run is gone or about to be. */
static int stream_left (struct evi_stream *run)
{
    run->inside--;
    if (run->s)
        return 1;
    if (!run->inside)
        stream_free (run);
    return 0;
}

static int stream_call (struct ev_loop *loop, struct evi_stream *run, int revents)
{
    (void) loop;
    run->inside++;
    ev_invoke (EV_A_ run->s, revents);
    return stream_left (run);
}

static int stream_idle (const ev_op *op)
{
    return !ev_is_active (op) && !ev_is_pending (op);
}

static void stream_soon (struct ev_loop *loop, struct evi_stream *run)
{
    (void) loop;
    ev_feed_event (EV_A_ & run->soon, EV_CUSTOM);
}

/* ---- patience ---- */

static void stream_sooner (ev_tstamp *after, ev_tstamp patience, ev_tstamp since, ev_tstamp now)
{
    if (patience > 0. && since + patience - now < *after)
        *after = since + patience - now;
}

/* Seconds until patience may be over, by what is known now. */
static ev_tstamp stream_patience (struct ev_loop *loop, const struct evi_stream *run)
{
    const ev_stream *s = run->s;
    ev_tstamp now = ev_now (EV_A), after = 1e9;
    ev_tstamp moved = run->moved_in > run->moved_out ? run->moved_in : run->moved_out;

    (void) loop;
    stream_sooner (&after, s->idle, moved, now);
    stream_sooner (&after, s->write, run->backlog ? run->moved_out : now, now);
    if (!run->some)
        stream_sooner (&after, s->first, run->started, now);
    return after;
}

static void stream_wait (struct ev_loop *loop, struct evi_stream *run, ev_tstamp after)
{
    (void) loop;
    ev_timer_stop (EV_A_ & run->timer);
    ev_timer_set (&run->timer, after, 0.);
    ev_timer_start (EV_A_ & run->timer);
}

static void stream_rang (EV_P_ ev_timer *timer, int revents)
{
    struct evi_stream *run = STREAM_OF (timer, timer);
    ev_tstamp after;
    EVI_DOOR;

    (void) revents;
    if (run->state == STREAM_LINGERING) {
        stream_fail (loop, run, 0);
        return;
    }
    after = stream_patience (loop, run);
    if (after <= 0.)
        stream_fail (loop, run, -ETIMEDOUT);
    else if (after < 1e9)
        stream_wait (loop, run, after);
}

/* ---- reading ---- */

static void stream_read (struct ev_loop *loop, struct evi_stream *run)
{
    (void) loop;
    if (run->read_over || run->holds || !stream_idle (&run->in) || run->state == STREAM_SETTLING)
        return;
    if (!run->plain_in)
        ev_recv_pool_set (&run->in, run->s->fd, run->s->pool, 0);
    else if (run->paused)
        return;
    else {
        if (!run->room)
            run->room = (char *) evi_resize (NULL, STREAM_ROOM);
        ev_read_set (&run->in, run->s->fd, run->room, STREAM_ROOM, -1);
    }
    ev_op_start (EV_A_ & run->in);
    if (run->paused)
        ev_op_pause (EV_A_ & run->in);
}

static void stream_pause (struct ev_loop *loop, struct evi_stream *run, unsigned reason)
{
    (void) loop;
    if (!run->paused && !run->plain_in)
        ev_op_pause (EV_A_ & run->in);
    run->paused |= (unsigned char) reason;
}

static void stream_resume (struct ev_loop *loop, struct evi_stream *run, unsigned reason)
{
    unsigned was = run->paused;

    run->paused &= (unsigned char) ~reason;
    if (!was || run->paused)
        return;
    ev_op_resume (EV_A_ & run->in);
    stream_soon (loop, run);
}

/* size bytes at buf, behind what is kept already. */
static void stream_keep (struct evi_stream *run, const char *buf, size_t size)
{
    if (run->kept_size + size > run->kept_room) {
        run->kept_room = 2 * (run->kept_size + size);
        run->kept = (char *) evi_resize (run->kept, (long) run->kept_room);
    }
    memcpy (run->kept + run->kept_size, buf, size);
    run->kept_size += size;
}

/* What the callback has left of size bytes at buf, which may be in front of itself. */
static void stream_leave (struct ev_loop *loop, struct evi_stream *run, const char *buf, size_t size)
{
    size_t left = run->s->left < size ? run->s->left : size;
    int again = run->kept_size != 0;

    run->kept_size = 0;
    if (again)
        memmove (run->kept, buf + size - left, left), run->kept_size = left;
    else if (left)
        stream_keep (run, buf + size - left, left);
    if (left > run->s->most)
        stream_fail (loop, run, -EMSGSIZE);
}

static void stream_tell (struct ev_loop *loop, struct evi_stream *run, char *buf, size_t size, int pooled)
{
    ev_stream *s = run->s;

    if (run->kept_size) {
        stream_keep (run, buf, size);
        buf = run->kept;
        size = run->kept_size;
        pooled = 0;
    }
    run->shown = pooled ? buf : NULL;
    run->shown_size = size;
    s->buf = buf;
    s->size = size;
    s->left = 0;
    if (!stream_call (loop, run, EV_DATA))
        return;
    run->shown = NULL;
    s->buf = NULL; /* one that was kept may be given later, and is not this any more */
    stream_leave (loop, run, buf, size);
}

static void stream_eof (struct ev_loop *loop, struct evi_stream *run)
{
    run->read_over = 1;
    if (run->state == STREAM_LINGERING)
        stream_fail (loop, run, 0);
    if (run->state == STREAM_CLOSING)
        stream_soon (loop, run);
    if (run->state != STREAM_OPEN)
        return;
    run->s->buf = run->kept;
    run->s->size = run->kept_size;
    stream_call (loop, run, EV_EOF);
}

/* Who has not cancelled it itself is in a fork child, or has moved to another thread, and nobody knows what the lost ring has
 * received or sent: to go on would be to lose bytes, or to send them twice. */
static void stream_cut (struct ev_loop *loop, struct evi_stream *run)
{
    if (run->state == STREAM_SETTLING)
        stream_soon (loop, run);
    else
        stream_fail (loop, run, -ECANCELED);
}

static void stream_arrived (struct ev_loop *loop, struct evi_stream *run, ssize_t result)
{
    int wanted = run->state == STREAM_OPEN || run->tells;

    if (result == -EIO && run->plain_in) /* the other end of a terminal is closed */
        result = 0;
    run->moved_in = ev_now (EV_A);
    if (result > 0) {
        run->some = 1;
        if (run->plain_in) /* it does not repeat */
            stream_soon (loop, run);
        if (wanted)
            stream_tell (loop, run, (char *) run->in.buf, (size_t) result, !run->plain_in);
    } else if (result == 0)
        stream_eof (loop, run);
    else if (result == -ECANCELED || run->state == STREAM_SETTLING)
        stream_cut (loop, run);
    else
        stream_fail (loop, run, (int) result);
}

static void stream_landed (EV_P_ ev_op *op, int revents)
{
    struct evi_stream *run = STREAM_OF (op, in);
    EVI_DOOR;

    if (run->state == STREAM_SETTLING && !(revents & EV_OP_MORE))
        stream_soon (loop, run);
    if (op->result == -ENOTSOCK && !run->plain_in) {
        run->plain_in = 1;
        stream_soon (loop, run);
    } else if (run->plain_in && run->paused && op->result >= 0 && run->state == STREAM_OPEN) {
        run->holds = 1;
        run->held = op->result;
    } else
        stream_arrived (loop, run, op->result);
}

/* ---- writing ---- */

static size_t stream_size (const ev_chunk *chunk)
{
    size_t size = 0;

    for (int i = 0; i < chunk->count; i++)
        size += chunk->vec[i].iov_len;
    return size;
}

/* Fills vec from what is queued. How many pieces. */
static int stream_gather (struct evi_stream *run)
{
    size_t skip = run->sent, room = STREAM_SEND, size;
    int count = 0;

    for (ev_chunk *chunk = run->head; chunk; chunk = chunk->next)
        for (int i = 0; i < chunk->count; i++) {
            size = chunk->vec[i].iov_len;
            if (skip >= size) {
                skip -= size;
                continue;
            }
            if (count == STREAM_VECS || !room)
                return count;
            run->vec[count].iov_base = (char *) chunk->vec[i].iov_base + skip;
            run->vec[count].iov_len = size - skip < room ? size - skip : room;
            room -= run->vec[count++].iov_len;
            skip = 0;
        }
    return count;
}

/* The first chunk is over. 0: the stream is stopped. */
static int stream_done (struct ev_loop *loop, struct evi_stream *run, ssize_t result)
{
    ev_chunk *chunk = run->head;

    (void) loop;
    run->head = chunk->next;
    if (!run->head)
        run->tail = &run->head;
    run->inside++;
    chunk->done (EV_A_ run->s, chunk, result);
    return stream_left (run);
}

/* So many bytes have left. 0: the stream is stopped. */
static int stream_moved (struct ev_loop *loop, struct evi_stream *run, size_t moved)
{
    size_t size;

    run->sent += moved;
    run->backlog -= moved;
    if (moved)
        run->moved_out = ev_now (EV_A);
    while (run->head && (size = stream_size (run->head)) <= run->sent) {
        run->sent -= size;
        if (!stream_done (loop, run, (ssize_t) size))
            return 0;
    }
    return 1;
}

static void stream_feed_on (struct ev_loop *loop, ev_stream *to)
{
    for (ev_stream *s = to->feeders; s; s = s->feeds_next)
        if (s->run)
            stream_resume (loop, s->run, STREAM_BY_FEED);
}

static void stream_drained (struct ev_loop *loop, struct evi_stream *run)
{
    if (!run->above || run->backlog > run->s->low)
        return;
    run->above = 0;
    stream_feed_on (loop, run->s);
    if (run->state == STREAM_OPEN)
        stream_call (loop, run, EV_DRAIN);
}

/* It has said all it had to say. */
static void stream_said (struct evi_stream *run)
{
    ev_stream *s = run->s;

    if (s->fd_out != s->fd && s->fd_out >= 0) {
        evi_sys_close (s->fd_out);
        s->fd_out = -1;
    }
    run->write_over = 1;
}

/* All is out, and nothing is to follow. */
static int stream_rests (const struct evi_stream *run, ssize_t result)
{
    return run->state == STREAM_OPEN && !run->write_asked && result >= 0 && (size_t) result == run->backlog;
}

static void stream_sent (EV_P_ ev_op *op, int revents)
{
    struct evi_stream *run = STREAM_OF (op, out);
    ssize_t result = op->result;
    EVI_DOOR;

    (void) revents;
    if (!stream_rests (run, result))
        stream_soon (loop, run);
    if (!run->head && result == -ECANCELED)
        stream_cut (loop, run);
    else if (!run->head) /* a shutdown; it fails where there is none, or nobody */
        stream_said (run);
    else if (result == -ENOTSOCK && !run->plain_out)
        run->plain_out = 1;
    else if (stream_moved (loop, run, result >= 0 ? (size_t) result : op->moved)) {
        if (result >= 0)
            stream_drained (loop, run);
        else if (result == -ECANCELED)
            stream_cut (loop, run);
        else
            stream_fail (loop, run, (int) result);
    }
}

static void stream_send (struct ev_loop *loop, struct evi_stream *run)
{
    int count = stream_gather (run);

    (void) loop;
    if (run->plain_out)
        ev_writev_set (&run->out, run->s->fd_out, run->vec, count, -1);
    else if (count == 1)
        ev_send_set (&run->out, run->s->fd_out, run->vec->iov_base, run->vec->iov_len, 0);
    else {
        memset (&run->message, 0, sizeof run->message);
        run->message.msg_iov = run->vec;
        run->message.msg_iovlen = (size_t) count;
        ev_sendmsg_set (&run->out, run->s->fd_out, &run->message, 0);
    }
    ev_op_start (EV_A_ & run->out);
}

/* Closing, and all is out. */
static void stream_linger (struct ev_loop *loop, struct evi_stream *run)
{
    if (run->read_over || run->plain_in || run->s->linger <= 0.) {
        stream_fail (loop, run, 0);
        return;
    }
    run->state = STREAM_LINGERING;
    stream_wait (loop, run, run->s->linger);
}

static void stream_flush (struct ev_loop *loop, struct evi_stream *run)
{
    if (!stream_idle (&run->out) || !stream_moved (loop, run, 0) || run->state == STREAM_SETTLING)
        return;
    if (run->head)
        stream_send (loop, run);
    else if (run->write_asked && !run->write_over) {
        ev_shutdown_set (&run->out, run->s->fd_out, SHUT_WR);
        ev_op_start (EV_A_ & run->out);
    } else if (run->state == STREAM_CLOSING)
        stream_linger (loop, run);
}

/* ---- the end ---- */

/* From its start on, its target knows it. */
static void stream_feed (struct evi_stream *run)
{
    ev_stream *s = run->s;

    if (!s->feeds)
        return;
    s->feeds_next = s->feeds->feeders;
    s->feeds->feeders = s;
    if (s->feeds->run && s->feeds->run->above)
        run->paused |= STREAM_BY_FEED;
}

static void stream_unfeed (ev_stream *s)
{
    ev_stream **at;

    if (!s->feeds)
        return;
    for (at = &s->feeds->feeders; *at != s;)
        at = &(*at)->feeds_next;
    *at = s->feeds_next;
    s->feeds = NULL;
}

static void stream_close (struct ev_loop *loop, struct evi_stream *run)
{
    ev_stream *s = run->s;

    stream_feed_on (loop, s); /* first: it may feed itself, and is woken with the others */
    stream_unfeed (s);
    while (s->feeders)
        stream_unfeed (s->feeders);
    ev_clear_pending (EV_A_ & run->soon);
    ev_timer_stop (EV_A_ & run->timer);
    ev_fork_stop (EV_A_ & run->fork);
    ev_cleanup_stop (EV_A_ & run->cleanup);
    if (s->fd_out >= 0 && s->fd_out != s->fd)
        evi_sys_close (s->fd_out);
    if (s->fd >= 0)
        evi_sys_close (s->fd);
    s->fd = s->fd_out = -1;
    s->run = NULL;
    s->active = 0;
    run->s = NULL;
}

static void stream_end (struct ev_loop *loop, struct evi_stream *run)
{
    ev_stream *s = run->s;

    while (run->head)
        if (!stream_done (loop, run, s->error ? s->error : -ECANCELED))
            return;
    stream_close (loop, run);
    stream_free (run);
    ev_invoke (EV_A_ s, EV_END);
}

/* The beginning of the end, also of a good one (0). */
static void stream_fail (struct ev_loop *loop, struct evi_stream *run, int error)
{
    if (run->state == STREAM_SETTLING)
        return;
    run->tells = error && run->state == STREAM_OPEN;
    run->state = STREAM_SETTLING;
    run->s->error = error;
    ev_timer_stop (EV_A_ & run->timer);
    ev_op_cancel (EV_A_ & run->in);
    ev_op_cancel (EV_A_ & run->out);
    stream_soon (loop, run);
}

static void stream_go_on (EV_P_ ev_watcher *soon, int revents)
{
    struct evi_stream *run = STREAM_OF (soon, soon);
    EVI_DOOR;

    (void) revents;
    if (run->holds && !run->paused) {
        run->holds = 0;
        run->inside++;
        stream_arrived (loop, run, run->held);
        if (!stream_left (run))
            return;
    }
    if (run->state == STREAM_SETTLING) {
        if (stream_idle (&run->in) && stream_idle (&run->out))
            stream_end (loop, run);
        return;
    }
    stream_read (loop, run);
    stream_flush (loop, run);
}

static void stream_forked (EV_P_ ev_fork *fork, int revents)
{
    struct evi_stream *run = STREAM_OF (fork, fork);
    EVI_DOOR;

    (void) revents;
    if (run->process != evi_sys_process ())
        stream_fail (loop, run, -ECANCELED);
}

static void stream_cleaned (EV_P_ ev_cleanup *cleanup, int revents)
{
    EVI_DOOR;

    (void) loop;
    (void) revents;
    ev_stream_stop (EV_A_ STREAM_OF (cleanup, cleanup)->s);
}

/* ---- doors ---- */

void (ev_stream_set) (ev_stream *s, int fd, ev_pool *pool, size_t stream_size) EV_NOEXCEPT
{
    memset ((char *) s + offsetof (ev_stream, fd), 0, stream_size - offsetof (ev_stream, fd));
    s->fd = s->fd_out = fd;
    s->pool = pool;
    s->high = 65536;
    s->low = 16384;
    s->most = STREAM_MOST;
    s->linger = 2.;
}

void ev_stream_set_pair (ev_stream *s, int in, int out) EV_NOEXCEPT
{
    s->fd = in;
    s->fd_out = out;
}

void ev_stream_water (ev_stream *s, size_t high, size_t low) EV_NOEXCEPT
{
    s->high = high;
    s->low = low;
}

void ev_stream_patience (ev_stream *s, ev_tstamp idle, ev_tstamp first, ev_tstamp write) EV_NOEXCEPT
{
    s->idle = idle;
    s->first = first;
    s->write = write;
}

void ev_stream_linger (ev_stream *s, ev_tstamp seconds) EV_NOEXCEPT
{
    s->linger = seconds;
}

void ev_stream_most (ev_stream *s, size_t size) EV_NOEXCEPT
{
    s->most = size;
}

void ev_stream_feeds (ev_stream *s, ev_stream *to) EV_NOEXCEPT
{
    if (EVI_UNLIKELY (s->run != NULL))
        evi_complain ("ev_stream_feeds", "not while the stream is active");
    else
        s->feeds = to;
}

static void stream_watchers (struct ev_loop *loop, struct evi_stream *run)
{
    (void) loop;
    ev_init (&run->in, stream_landed);
    ev_init (&run->out, stream_sent);
    ev_init (&run->soon, stream_go_on);
    ev_set_priority (&run->soon, EV_MINPRI);
    ev_init (&run->timer, stream_rang);
    ev_fork_init (&run->fork, stream_forked);
    ev_cleanup_init (&run->cleanup, stream_cleaned);
    ev_fork_start (EV_A_ & run->fork);
    ev_cleanup_start (EV_A_ & run->cleanup);
}

void ev_stream_start (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    struct evi_stream *run;
    ev_tstamp after;
    EVI_DOOR;

    if (s->run)
        return;
    run = (struct evi_stream *) evi_resize (NULL, sizeof *run);
    memset (run, 0, sizeof *run);
    run->s = s;
    run->tail = &run->head;
    run->process = evi_sys_process ();
    run->plain_in = !s->pool;
    run->read_over = s->fd < 0;
    run->write_asked = run->write_over = s->fd_out < 0;
    run->started = run->moved_in = run->moved_out = ev_now (EV_A);
    s->run = run;
    s->active = 1;
    s->error = 0;
    stream_watchers (loop, run);
    stream_feed (run);
    after = stream_patience (loop, run);
    if (after < 1e9)
        stream_wait (loop, run, after);
    stream_read (loop, run);
}

void ev_stream_pause (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    EVI_DOOR;

    if (s->run && s->run->state == STREAM_OPEN)
        stream_pause (loop, s->run, STREAM_BY_PROGRAM);
}

void ev_stream_resume (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    EVI_DOOR;

    if (s->run)
        stream_resume (loop, s->run, STREAM_BY_PROGRAM);
}

/* Why nothing can be written, or 0. */
static ssize_t stream_refuses (const ev_stream *s)
{
    if (!s->run || s->run->state == STREAM_SETTLING)
        return s->error ? s->error : -EPIPE;
    return s->run->write_asked ? -EPIPE : 0;
}

static ssize_t stream_queue (struct ev_loop *loop, ev_stream *s, ev_chunk *chunk)
{
    struct evi_stream *run = s->run;

    if (!run->backlog)
        run->moved_out = ev_now (EV_A);
    chunk->next = NULL;
    *run->tail = chunk;
    run->tail = &chunk->next;
    run->backlog += stream_size (chunk);
    stream_soon (loop, run);
    if (run->backlog > s->high && !run->above) {
        run->above = 1;
        for (ev_stream *feeder = s->feeders; feeder; feeder = feeder->feeds_next)
            if (feeder->run && feeder->run->state == STREAM_OPEN)
                stream_pause (loop, feeder->run, STREAM_BY_FEED);
    }
    return (ssize_t) run->backlog;
}

static void stream_piece_done (EV_P_ ev_stream *s, ev_chunk *chunk, ssize_t result)
{
    struct stream_piece *piece = (struct stream_piece *) chunk;
    EVI_DOOR;

    (void) loop, (void) s, (void) result;
    if (piece->pool)
        ev_pool_give (piece->pool, piece->vec.iov_base);
    evi_resize (piece, 0);
}

static struct stream_piece *stream_piece (size_t size)
{
    struct stream_piece *piece = (struct stream_piece *) evi_resize (NULL, (long) (sizeof *piece + size));

    memset (piece, 0, sizeof *piece);
    piece->chunk.vec = &piece->vec;
    piece->chunk.count = 1;
    piece->chunk.done = stream_piece_done;
    piece->vec.iov_base = piece + 1;
    piece->vec.iov_len = size;
    return piece;
}

ssize_t ev_stream_write (EV_P_ ev_stream *s, const void *data, size_t size) EV_NOEXCEPT
{
    ssize_t refused = stream_refuses (s);
    struct stream_piece *piece;
    EVI_DOOR;

    if (refused || !size)
        return refused ? refused : (ssize_t) s->run->backlog;
    piece = stream_piece (size);
    memcpy (piece->vec.iov_base, data, size);
    return stream_queue (loop, s, &piece->chunk);
}

static int stream_within (const void *buf, const char *start, size_t size)
{
    return start && (uintptr_t) buf - (uintptr_t) start < size;
}

ssize_t ev_stream_give (EV_P_ ev_stream *s, void *buf, size_t size) EV_NOEXCEPT
{
    struct evi_stream *run = s->run;
    ssize_t refused = stream_refuses (s);
    struct stream_piece *piece;
    EVI_DOOR;

    if (refused)
        return refused;
    if (stream_within (buf, (char *) s->buf, s->size)
        && run->shown != s->buf) /* not the pool's, or given already */
        return ev_stream_write (EV_A_ s, buf, size);
    if (stream_within (buf, run->shown, run->shown_size)) {
        ev_pool_keep (s->pool, run->shown);
        run->shown = NULL;
    }
    piece = stream_piece (0);
    piece->pool = s->pool;
    piece->vec.iov_base = buf;
    piece->vec.iov_len = size;
    return stream_queue (loop, s, &piece->chunk);
}

ssize_t ev_stream_chunk (EV_P_ ev_stream *s, ev_chunk *chunk) EV_NOEXCEPT
{
    ssize_t refused = stream_refuses (s);
    EVI_DOOR;

    return refused ? refused : stream_queue (loop, s, chunk);
}

size_t ev_stream_backlog (const ev_stream *s) EV_NOEXCEPT
{
    return s->run ? s->run->backlog : 0;
}

void ev_stream_shutdown (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!s->run || s->run->state == STREAM_SETTLING)
        return;
    s->run->write_asked = 1;
    stream_soon (loop, s->run);
}

void ev_stream_close (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!s->run || s->run->state != STREAM_OPEN)
        return;
    s->run->state = STREAM_CLOSING;
    s->run->write_asked = 1;
    s->run->holds = 0;
    stream_resume (loop, s->run, STREAM_BY_PROGRAM | STREAM_BY_FEED);
    stream_soon (loop, s->run);
}

void ev_stream_abort (EV_P_ ev_stream *s, int error) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!s->run || s->run->state == STREAM_SETTLING)
        return;
    if (s->run->process == evi_sys_process () && s->fd_out >= 0)
        evi_sys_reset (s->fd_out);
    stream_fail (loop, s->run, error > 0 ? -error : error);
}

void ev_stream_stop (EV_P_ ev_stream *s) EV_NOEXCEPT
{
    struct evi_stream *run = s->run;
    ev_chunk *chunk;
    EVI_DOOR;

    if (!run)
        return;
    ev_op_stop (EV_A_ & run->in);
    ev_op_stop (EV_A_ & run->out);
    while ((chunk = run->head)) {
        run->head = chunk->next;
        if (chunk->done == stream_piece_done)
            chunk->done (EV_A_ s, chunk, -ECANCELED);
    }
    stream_close (loop, run);
    if (!run->inside)
        stream_free (run);
}

#endif
