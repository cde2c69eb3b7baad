/* traffic.h: what a disaster must not harm: streams, files, timers, signals and threads on one loop, whose every byte
 * is checked. The other ends are in a process of their own, which whatever befalls this one does not touch.
 * Promises to say which part stands still, or what is wrong with it. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include "op_kit.h"

enum {
    STREAM_READINESS = 3, /* streams by ev_io */
    STREAM_OPS = 6,       /* … the rest by operations, one of them from a pool */
    STREAM_POOL = 5,
    STREAM_CHUNK = 3000,    /* bytes written at once */
    STREAM_WINDOW = 40000,  /* … and on their way at most */
    STREAM_ENOUGH = 100000, /* bytes that must come after the disaster */
    FILE_CHUNK = 500,
    TIMES_ENOUGH = 10 /* the same of everything else */
};

struct stream {
    struct op recv, send; /* of those by operations */
    ev_io io;             /* of the others */
    int fd;
    size_t sent, got, goal;
    unsigned char in[STREAM_CHUNK], out[STREAM_CHUNK];
};

static struct {
    struct ev_loop *loop;
    struct stream streams[STREAM_OPS];
    ev_pool *pool;
    struct op write, read; /* of a file: what was written is read again */
    size_t file_at;
    int file, files, timers, signals, asyncs, stopping;
    unsigned char put[FILE_CHUNK], take[FILE_CHUNK];
    ev_timer timer;
    ev_signal usr1;
    ev_async async;
    pid_t peer;
} traffic;

/* What an operation may say that the disaster has interrupted. It has moved what it says, and is started again. */
static int traffic_interrupted (ssize_t result)
{
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN;
}

/* ---- the other end: gives back what it gets, until nobody has the streams any more ---- */

static void peer_echo (int fd)
{
    static unsigned char bytes[65536];
    ssize_t got = read (fd, bytes, sizeof bytes), put = 0, now;

    if (got <= 0)
        _exit (0);
    for (; put < got; put += now)
        if ((now = write (fd, bytes + put, (size_t) (got - put))) <= 0)
            _exit (0);
}

static void peer_serve (const int *fds)
{
    struct pollfd polls[STREAM_OPS];

    for (int i = 0; i < STREAM_OPS; i++)
        polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    while (poll (polls, STREAM_OPS, -1) > 0)
        for (int i = 0; i < STREAM_OPS; i++)
            if (polls[i].revents)
                peer_echo (fds[i]);
    _exit (1);
}

static void peer_begin (void)
{
    int theirs[STREAM_OPS];

    for (int i = 0; i < STREAM_OPS; i++) {
        int both[2];

        op_pair (both);
        traffic.streams[i].fd = both[0];
        theirs[i] = both[1];
    }
    traffic.peer = fork ();
    if (!traffic.peer) {
        for (int i = 0; i < STREAM_OPS; i++)
            close (traffic.streams[i].fd);
        peer_serve (theirs);
    }
    for (int i = 0; i < STREAM_OPS; i++)
        close (theirs[i]);
}

/* ---- streams ---- */

static void stream_take (struct stream *stream, const void *bytes, ssize_t size)
{
    ck_assert_msg (op_data_is (bytes, (size_t) size, stream->got), "stream %d: wrong bytes from %zu on",
                   (int) (stream - traffic.streams), stream->got);
    stream->got += (size_t) size;
    ck_assert_msg (stream->got <= stream->sent, "more has come back than was sent");
}

static size_t stream_room (const struct stream *stream)
{
    return traffic.stopping || stream->sent - stream->got > STREAM_WINDOW ? 0 : STREAM_CHUNK;
}

static void stream_io (EV_P_ ev_io *w, int revents)
{
    struct stream *stream = w->data;
    ssize_t moved;

    ck_assert_msg (!(revents & EV_ERROR), "a watcher was given up");
    if (revents & EV_READ) {
        moved = read (w->fd, stream->in, sizeof stream->in);
        ck_assert_msg (moved > 0 || errno == EAGAIN || errno == EINTR, "the peer is gone");
        if (moved > 0)
            stream_take (stream, stream->in, moved);
    }
    if (revents & EV_WRITE && stream_room (stream)) {
        op_data (stream->out, STREAM_CHUNK, stream->sent);
        moved = write (w->fd, stream->out, STREAM_CHUNK);
        stream->sent += moved > 0 ? (size_t) moved : 0;
    }
    ev_io_stop (EV_A_ w); /* as programs do that want to write only when there is something */
    ev_io_set (w, w->fd, EV_READ | (stream_room (stream) ? EV_WRITE : 0));
    ev_io_start (EV_A_ w);
}

static void stream_send (struct ev_loop *loop, struct stream *stream)
{
    if (stream->send.started || !stream_room (stream))
        return;
    op_data (stream->out, STREAM_CHUNK, stream->sent);
    ev_send_set (&stream->send.w, stream->fd, stream->out, STREAM_CHUNK, 0);
    op_start (loop, &stream->send);
}

static void stream_sent (struct ev_loop *loop, struct op *op)
{
    struct stream *stream = op->arg;

    ck_assert_msg (op->result == STREAM_CHUNK || traffic_interrupted (op->result), "a send: %s",
                   strerror ((int) -op->result));
    stream->sent += op->moved;
    stream_send (loop, stream);
}

static void stream_receive (struct ev_loop *loop, struct stream *stream)
{
    if (stream == &traffic.streams[STREAM_POOL])
        ev_recv_pool_set (&stream->recv.w, stream->fd, traffic.pool, 0);
    else
        ev_recv_set (&stream->recv.w, stream->fd, stream->in, sizeof stream->in, 0);
    op_start (loop, &stream->recv);
}

/* A send that was told of later may have been received, and come back, before. */
static void stream_received (struct ev_loop *loop, struct op *op)
{
    struct stream *stream = op->arg;
    size_t told = stream->sent;

    ck_assert_msg (op->result > 0 || traffic_interrupted (op->result), "a receive: %zd", op->result);
    if (op->result > 0) {
        stream->sent += stream->send.started ? STREAM_CHUNK : 0;
        stream_take (stream, op->buf, op->result);
        stream->sent = told;
    }
    if (!op->started && !traffic.stopping)
        stream_receive (loop, stream);
    if (stream->got <= stream->sent)
        stream_send (loop, stream);
}

static void stream_begin (struct ev_loop *loop, struct stream *stream)
{
    if (stream - traffic.streams < STREAM_READINESS) {
        fcntl (stream->fd, F_SETFL, O_NONBLOCK);
        ev_io_init (&stream->io, stream_io, stream->fd, EV_READ | EV_WRITE);
        stream->io.data = stream;
        ev_io_start (loop, &stream->io);
        return;
    }
    op_new (&stream->send);
    op_new (&stream->recv);
    stream->send.then = stream_sent;
    stream->recv.then = stream_received;
    stream->send.arg = stream->recv.arg = stream;
    stream_receive (loop, stream);
    stream_send (loop, stream);
}

/* ---- a file, and what counts ---- */

static void file_read (struct ev_loop *loop, struct op *op);

static void file_write (struct ev_loop *loop)
{
    if (traffic.stopping || traffic.write.started || traffic.read.started)
        return;
    op_data (traffic.put, FILE_CHUNK, traffic.file_at);
    ev_write_set (&traffic.write.w, traffic.file, traffic.put, FILE_CHUNK, (int64_t) traffic.file_at);
    op_start (loop, &traffic.write);
}

static void file_written (struct ev_loop *loop, struct op *op)
{
    ck_assert_msg (op->result == FILE_CHUNK || traffic_interrupted (op->result), "a write: %zd", op->result);
    if (op->result != FILE_CHUNK) {
        file_write (loop);
        return;
    }
    memset (traffic.take, 0, FILE_CHUNK);
    ev_read_set (&traffic.read.w, traffic.file, traffic.take, FILE_CHUNK, (int64_t) traffic.file_at);
    op_start (loop, &traffic.read);
}

static void file_read (struct ev_loop *loop, struct op *op)
{
    ck_assert_msg (op->result == FILE_CHUNK || traffic_interrupted (op->result), "a read: %zd", op->result);
    if (op->result == FILE_CHUNK) {
        ck_assert_msg (op_data_is (traffic.take, FILE_CHUNK, traffic.file_at), "a file has other bytes");
        traffic.file_at += FILE_CHUNK;
        traffic.files++;
    }
    file_write (loop);
}

static void traffic_timer (EV_P_ ev_timer *w, int revents)
{
    traffic.timers++;
    ev_async_send (EV_A_ & traffic.async);
    kill (getpid (), SIGUSR1);
}

static void traffic_signal (EV_P_ ev_signal *w, int revents)
{
    traffic.signals++;
}

static void traffic_async (EV_P_ ev_async *w, int revents)
{
    traffic.asyncs++;
}

/* ---- all of it ---- */

static void traffic_ops_begin (void)
{
    traffic.stopping = 0;
    for (int i = 0; i < STREAM_READINESS; i++)
        ev_feed_event (traffic.loop, &traffic.streams[i].io, EV_CUSTOM); /* they may write again */
    for (int i = STREAM_READINESS; i < STREAM_OPS; i++)
        stream_begin (traffic.loop, &traffic.streams[i]);
    op_new (&traffic.write);
    op_new (&traffic.read);
    traffic.write.then = file_written;
    traffic.read.then = file_read;
    file_write (traffic.loop);
}

static int traffic_ops_active (void)
{
    int active = traffic.write.started + traffic.read.started;

    for (int i = STREAM_READINESS; i < STREAM_OPS; i++)
        active += traffic.streams[i].recv.started + traffic.streams[i].send.started;
    return active;
}

/* Asks all to end, and hears what they have moved until then. */
static void traffic_ops_end (void)
{
    traffic.stopping = 1;
    for (int i = STREAM_READINESS; i < STREAM_OPS; i++) {
        op_cancel (traffic.loop, &traffic.streams[i].recv);
        op_cancel (traffic.loop, &traffic.streams[i].send);
    }
    while (traffic_ops_active ())
        ev_run (traffic.loop, EVRUN_ONCE);
}

static void traffic_begin (void)
{
    peer_begin ();
    traffic.file = op_memory_file (0);
    traffic.loop = test_loop (0);
    traffic.pool = ev_pool_new (traffic.loop, 2048, 8);
    ck_assert_ptr_nonnull (traffic.pool);
    for (int i = 0; i < STREAM_READINESS; i++)
        stream_begin (traffic.loop, &traffic.streams[i]);
    traffic_ops_begin ();
    ev_timer_init (&traffic.timer, traffic_timer, 0.001, 0.001);
    ev_timer_start (traffic.loop, &traffic.timer);
    ev_signal_init (&traffic.usr1, traffic_signal, SIGUSR1);
    ev_signal_start (traffic.loop, &traffic.usr1);
    ev_async_init (&traffic.async, traffic_async);
    ev_async_start (traffic.loop, &traffic.async);
}

static const char *traffic_missing (void)
{
    static char which[32];

    for (int i = 0; i < STREAM_OPS; i++)
        if (traffic.streams[i].got < traffic.streams[i].goal) {
            snprintf (which, sizeof which, "%s stream %d", i < STREAM_READINESS ? "readiness" : "operation",
                      i);
            return which;
        }
    return traffic.files < TIMES_ENOUGH     ? "files"
           : traffic.timers < TIMES_ENOUGH  ? "timers"
           : traffic.signals < TIMES_ENOUGH ? "signals"
           : traffic.asyncs < TIMES_ENOUGH  ? "asyncs"
                                            : NULL;
}

/* Everything comes on by so much. */
static void traffic_flows (size_t enough)
{
    double end = test_clock () + OP_PATIENCE;

    for (int i = 0; i < STREAM_OPS; i++)
        traffic.streams[i].goal = traffic.streams[i].got + enough;
    traffic.files = traffic.timers = traffic.signals = traffic.asyncs = 0;
    while (traffic_missing () && test_clock () < end)
        ev_run (traffic.loop, EVRUN_ONCE);
    ck_assert_msg (!traffic_missing (), "%s: nothing comes any more", traffic_missing ());
}

static void traffic_end (void)
{
    int status;

    traffic_ops_end ();
    for (int i = 0; i < STREAM_READINESS; i++)
        ev_io_stop (traffic.loop, &traffic.streams[i].io);
    ev_timer_stop (traffic.loop, &traffic.timer);
    ev_signal_stop (traffic.loop, &traffic.usr1);
    ev_async_stop (traffic.loop, &traffic.async);
    ev_pool_free (traffic.loop, traffic.pool);
    ck_assert_msg (ev_run (traffic.loop, EVRUN_NOWAIT) == 0, "a reference is left");
    for (int i = 0; i < STREAM_OPS; i++)
        close (traffic.streams[i].fd);
    close (traffic.file);
    waitpid (traffic.peer, &status, 0);
}

#endif
