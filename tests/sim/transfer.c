/* transfer.c: requests that move bytes: receives, sends, reads, writes, and accepts.
 *
 * Each is tried when it is submitted, then when its file is ready. What is not in memory a worker reads, piece by piece; it is
 * not stopped in the middle. Bytes go only where somebody has lent the memory (law_put, law_get). */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/socket.h>

enum {
    SHOTS_ACCEPT = 1,   /* in ioprio */
    SHOTS_DONTWAIT = 2, /* … of an accept */
    SHOTS_RECEIVE = 2,
    CHOOSES = 1 << 5, /* in flags */
    QUIETLY = 0x100,  /* a write, in its flags */
    CQE_BUFFER = 1,
    CQE_NONEMPTY = 4, /* there is more in the socket */
    CQE_BUFFER_SHIFT = 16,
    WORKER_PACE = 40000 /* nanoseconds between pieces */
};

int transfer_is (unsigned opcode)
{
    switch (opcode) {
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_ACCEPT:
        return 1;
    default:
        return 0;
    }
}

static struct ring *transfer_ring (const struct request *r)
{
    return &k.rings[r->ring];
}

static void *transfer_at (const struct request *r)
{
    return (uint8_t *) (uintptr_t) r->addr + r->done;
}

static int transfer_left (const struct request *r)
{
    return (int) (r->len - r->done);
}

/* It waits until its file is ready. */
static void transfer_wait (struct request *r)
{
    r->refs = 0;
    r->off_queue = 0;
}

static unsigned transfer_flags (const struct request *r, int res)
{
    return r->opcode == IORING_OP_RECV && res > 0 && k.files[r->file].bytes ? CQE_NONEMPTY : 0;
}

static void transfer_over (struct request *r, int res)
{
    law_excuse (1);
    request_end (r, r->done && (res < 0 || r->done > (uint32_t) res) ? (int) r->done : res,
                 transfer_flags (r, res));
}

/* ---- tries ---- */

static void try_take (struct request *r)
{
    int got;

    do {
        got = stream_take (r->file, transfer_at (r), transfer_left (r));
        if (got > 0)
            r->done += (uint32_t) got;
    } while (got > 0 && r->flags & MSG_WAITALL && transfer_left (r) && !trouble (T_LATE, 6));
    if (got == -EAGAIN && !(r->flags & MSG_DONTWAIT) && (!r->done || r->flags & MSG_WAITALL))
        transfer_wait (r);
    else
        transfer_over (r, got);
}

static void try_give (struct request *r)
{
    int put;

    do {
        put = stream_put (r->file, transfer_at (r), transfer_left (r));
        if (put > 0)
            r->done += (uint32_t) put;
    } while (put > 0 && r->flags & MSG_WAITALL && transfer_left (r) && !trouble (T_LATE, 6));
    if (put == -EAGAIN && !(r->flags & MSG_DONTWAIT) && (!r->done || r->flags & MSG_WAITALL))
        transfer_wait (r);
    else
        transfer_over (r, put);
}

/* The next buffer of its group, or NULL: there is none. */
static const struct buf *shot_buffer (const struct group *group)
{
    if (!group || group->head == group->bufs->tail)
        return NULL;
    return &group->bufs[group->head & (group->entries - 1)];
}

/* One more, into a buffer that it chooses. Nonzero: it is over, or has to wait. */
static int try_shot (struct request *r, struct group *group)
{
    struct ring *ring = transfer_ring (r);
    const struct buf *buf = shot_buffer (group);
    int got = buf ? stream_take (r->file, (void *) (uintptr_t) buf->addr, (int) buf->len) : -ENOBUFS;
    unsigned flags =
        transfer_flags (r, got) | CQE_BUFFER | (buf ? (unsigned) buf->id << CQE_BUFFER_SHIFT : 0);

    if (got == -EAGAIN) {
        transfer_wait (r);
    } else if (got <= 0) {
        transfer_over (r, got);
    } else {
        group->head++;
        if (r->multi && ring_room (ring)) {
            ring_post (ring, r->user_data, got, flags | IORING_CQE_F_MORE);
            return 0;
        }
        request_end (r, got, flags); /* what does not fit ends it */
    }
    return 1;
}

static void try_shots (struct request *r)
{
    struct group *group = ring_group (transfer_ring (r), r->group);

    while (!try_shot (r, group))
        continue;
}

static void try_accept (struct request *r)
{
    for (;;) {
        int fd = stream_accept (r->file, (r->flags & SOCK_NONBLOCK) != 0);

        if (fd == -EAGAIN && r->dontwait)
            request_end (r, fd, 0);
        else if (fd == -EAGAIN)
            transfer_wait (r);
        if (fd == -EAGAIN)
            return;
        law_excuse (1);
        if (fd < 0 || !r->multi || !ring_room (transfer_ring (r))) {
            request_end (r, fd, 0);
            return;
        }
        ring_post (transfer_ring (r), r->user_data, fd, IORING_CQE_F_MORE);
    }
}

static void transfer_try (struct request *r)
{
    r->off_queue = 1; /* what it does may wake it */
    switch (r->opcode) {
    case IORING_OP_ACCEPT:
        try_accept (r);
        break;
    case IORING_OP_SEND:
    case IORING_OP_WRITE:
        try_give (r);
        break;
    default:
        if (r->chooses)
            try_shots (r);
        else
            try_take (r);
    }
}

/* ---- files ---- */

/* Nonzero: there is more. */
static int read_piece (struct request *r, int most)
{
    int room = transfer_left (r), got;

    got = file_take_at (r->file, transfer_at (r), room < most ? room : most, (uint32_t) r->offset + r->done);
    r->done += (uint32_t) got;
    return got && transfer_left (r);
}

static void worker_piece (int64_t request, int64_t serial, int64_t unused)
{
    struct request *r = &k.requests[request];

    (void) unused;
    if (!r->used || r->serial != serial || !r->working)
        return;
    if (read_piece (r, 1 + (int) r->len / 3)) {
        time_plan (k.now + WORKER_PACE * (1 + roll (40)), worker_piece, request, serial, 0);
        return;
    }
    r->working = 0;
    r->finished = 1;
    if (transfer_ring (r)->released) /* what is left to do is done by somebody else */
        transfer_over (r, (int) r->done);
    else
        ring_work_add (transfer_ring (r), (int) request);
}

static void read_file (struct request *r)
{
    struct file *f = &k.files[r->file];

    if (r->offset < 0) {
        r->offset = f->position;
        f->position += r->len;
        if (f->position > FILE_SIZE)
            f->position = FILE_SIZE;
    }
    if (!f->cold) {
        read_piece (r, (int) r->len);
        transfer_over (r, (int) r->done);
        return;
    }
    r->working = 1;
    r->events = 0;
    time_plan (k.now + WORKER_PACE, worker_piece, r - k.requests, r->serial, 0);
}

/* ---- both ends ---- */

/* What such a request may be about, on such a kernel: 0 or what it answers. */
static int transfer_check (const struct sqe *sqe, int file)
{
    int kind = file < 0 ? K_NONE : k.files[file].kind, shots = sqe->ioprio != 0;
    int crowd = sqe->opcode == IORING_OP_ACCEPT && sqe->ioprio & SHOTS_DONTWAIT;

    if (file < 0)
        return -EBADF;
    if ((shots && !(k.profile->bits & P_SHOTS)) || (crowd && !(k.profile->bits & P_CROWDS)))
        return -EINVAL;
    if (sqe->opcode == IORING_OP_ACCEPT)
        return kind == K_LISTENER ? 0 : kind == K_SOCKET ? -EINVAL : -ENOTSOCK;
    if (sqe->opcode == IORING_OP_RECV || sqe->opcode == IORING_OP_SEND)
        return kind == K_SOCKET ? 0 : -ENOTSOCK;
    if (sqe->opcode == IORING_OP_WRITE && sqe->op_flags & QUIETLY && !(k.profile->bits & P_QUIET))
        return -EOPNOTSUPP;
    if (sqe->opcode == IORING_OP_WRITE)
        return kind == K_PIPE_WRITE || kind == K_SOCKET ? 0 : -EBADF;
    return kind == K_PIPE_READ || kind == K_SOCKET || kind == K_REGULAR ? 0 : -EBADF;
}

static void transfer_fill (struct request *r, const struct sqe *sqe)
{
    int gives = sqe->opcode == IORING_OP_SEND || sqe->opcode == IORING_OP_WRITE;
    int is_file = sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_WRITE;

    r->addr = sqe->addr;
    r->len = sqe->len;
    r->offset = (int64_t) sqe->off;
    r->group = (int16_t) sqe->buf_index;
    r->chooses = (sqe->flags & CHOOSES) != 0;
    r->multi = (sqe->ioprio & (sqe->opcode == IORING_OP_ACCEPT ? SHOTS_ACCEPT : SHOTS_RECEIVE)) != 0;
    r->dontwait = sqe->opcode == IORING_OP_ACCEPT && sqe->ioprio & SHOTS_DONTWAIT;
    r->events = (gives ? POLLOUT : POLLIN) | POLLERR | POLLHUP;
    r->flags = is_file ? 0 : sqe->op_flags;
}

int transfer_add (struct ring *ring, const struct sqe *sqe)
{
    int file = fd_file (sqe->fd), err = transfer_check (sqe, file);
    struct request *r;

    if (!err && trouble (T_REQUEST, 48)) {
        law_excuse (0);
        err = roll (2) ? -ECANCELED : -EINTR;
    }
    if (err < 0) {
        ring_post (ring, sqe->user_data, err, 0);
        return 0;
    }
    r = request_new (ring, sqe, file);
    transfer_fill (r, sqe);
    if (k.files[file].kind == K_REGULAR)
        read_file (r);
    else
        transfer_try (r);
    return 0;
}

static void transfer_end_early (struct request *r)
{
    if (!(k.profile->bits & P_SHOTS)) /* how far it came is not told */
        r->done = 0;
    if (r->multi)
        request_end (r, -ECANCELED, 0);
    else
        transfer_over (r, -ECANCELED);
}

/* The thread that submitted it has ended: it is not tried any more. */
static int transfer_orphaned (const struct request *r)
{
    return (int) (k.threads_gone >> r->thread & 1);
}

void transfer_deliver (struct request *r)
{
    if (r->finished)
        transfer_over (r, (int) r->done);
    else if (r->cancelled || transfer_orphaned (r))
        transfer_end_early (r);
    else
        transfer_try (r);
}

int transfer_is_lost (int file)
{
    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && k.requests[i].file == file && transfer_is (k.requests[i].opcode)
            && ring_is_lost (transfer_ring (&k.requests[i])))
            return 1;
    return 0;
}

/* One that has been woken, or that a worker has, may win the race. */
int transfer_cancel (struct request *r)
{
    if (r->finished || (r->working && (r->done || roll (2))))
        return -EALREADY;
    if (r->at_work && !r->cancelled && trouble (T_LATE, 2))
        return -EALREADY;
    r->working = 0;
    r->cancelled = 1;
    r->off_queue = 1;
    if (!r->refs++)
        ring_work_add (transfer_ring (r), (int) (r - k.requests));
    return 0;
}
