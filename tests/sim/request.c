/* request.c: what lies in rings: polls, time limits, waits for epoll sets, and what takes them back (transfer.c: what moves bytes).
 *
 * A one-shot poll answers the level when it is armed; else the first wake takes it off the queue and keeps its mask, which
 * may be stale when it is told. A multishot one keeps the mask of one wake, and asks again after several. */
#include "kernel.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/epoll.h>

enum { REQUEST_ALWAYS = POLLERR | POLLHUP | POLLNVAL | EPOLLRDHUP, OP_EPOLL_WAIT = 59 };

static struct ring *request_ring (const struct request *r)
{
    return &k.rings[r->ring];
}

/* ---- life ---- */

struct request *request_new (struct ring *ring, const struct sqe *sqe, int file)
{
    int at = 0;
    struct request *r;

    while (at < REQUESTS && k.requests[at].used)
        at++;
    if (at == REQUESTS)
        fail (0, "the model has no more requests");
    if (at >= k.request_top)
        k.request_top = at + 1;
    r = &k.requests[at];
    *r = (struct request){ .used = 1, .opcode = sqe->opcode, .ring = (uint8_t) (ring - k.rings) };
    r->file = (int16_t) file;
    r->serial = ++k.serials;
    r->thread = (uint8_t) k.thread;
    r->user_data = sqe->user_data;
    r->skip = (sqe->flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
    if (file >= 0)
        file_pin (file);
    ring->requests++;
    return r;
}

static void request_free (struct request *r)
{
    int file = r->file;

    r->used = 0;
    request_ring (r)->requests--;
    if (file >= 0)
        file_unpin (file);
}

void request_drop (int request)
{
    request_free (&k.requests[request]);
}

void request_end (struct request *r, int res, unsigned flags)
{
    if (r->at_work) /* its turn would come once more */
        fail (0, "a request ends while it is queued for work");
    if (res < 0 || !r->skip)
        ring_post (request_ring (r), r->user_data, res, flags);
    request_free (r);
}

static int request_number (const struct request *r)
{
    return (int) (r - k.requests);
}

/* ---- polls ---- */

/* Armed anew: the level counts. Nonzero: it has ended. */
static int poll_arm (struct request *r)
{
    unsigned mask = file_poll (r->file) & r->events;
    int no_queue = k.files[r->file].kind == K_REGULAR;

    r->refs = 0;
    r->off_queue = 0;
    if (!mask)
        return 0;
    if (!r->multi || no_queue) {
        request_end (r, (int) mask, 0);
        return 1;
    }
    r->refs = 1;
    r->stash = mask;
    ring_work_add (request_ring (r), request_number (r));
    return 0;
}

void request_woken (int file, unsigned mask)
{
    for (int i = 0; i < k.request_top; i++) {
        struct request *r = &k.requests[i];

        if (!r->used || r->file != file || r->off_queue || r->deaf || !r->events)
            continue;
        if (mask && !(mask & r->events))
            continue;
        if (k.profile->bits & P_MISSES_WAKES && r->opcode == IORING_OP_POLL_ADD
            && ++k.wakes_of_requests % 3 == 0)
            continue;
        if (mask && !r->multi)
            r->off_queue = 1;
        if (r->refs++)
            continue;
        r->stash = mask & r->events;
        ring_work_add (request_ring (r), i);
    }
}

/* No other request could tell of this file. */
static int is_only_one (const struct request *r)
{
    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && k.requests[i].file == r->file && &k.requests[i] != r)
            return 0;
    return 1;
}

static void poll_deliver (struct request *r)
{
    unsigned mask = r->refs == 1 ? r->stash : 0;

    if (!mask)
        mask = file_poll (r->file) & r->events;
    if (!r->multi) {
        if (mask) {
            if (ring_room (request_ring (r)) && is_only_one (r))
                law_answered (r->file);
            request_end (r, (int) mask, 0);
        } else if (!poll_arm (r) && r->missed)
            k.files[r->file].kept = 1;
        return;
    }
    r->refs = 0;
    if (!mask)
        return;
    if (!ring_room (request_ring (r))) /* what does not fit ends it */
        request_end (r, (int) mask, 0);
    else
        ring_post (request_ring (r), r->user_data, (int) mask, IORING_CQE_F_MORE);
}

static int poll_refused (int file)
{
    if (file < 0)
        return -EBADF;
    if (k.files[file].kind == K_ODD)
        return -EINVAL;
    if (trouble (T_REQUEST, 48)) {
        law_excuse (0);
        return roll (2) ? -ECANCELED : -ENOMEM;
    }
    return 0;
}

static int poll_add (struct ring *ring, const struct sqe *sqe)
{
    int file = fd_file (sqe->fd), err;
    struct request *r;

    if (sqe->len & ~(uint32_t) IORING_POLL_ADD_MULTI || sqe->off || sqe->addr || sqe->buf_index) {
        ring_post (ring, sqe->user_data, -EINVAL, 0);
        return 1;
    }
    if (sqe->len && sqe->flags & IOSQE_CQE_SKIP_SUCCESS) {
        ring_post (ring, sqe->user_data, -EINVAL, 0);
        return 1;
    }
    err = poll_refused (file);
    if (err < 0) {
        ring_post (ring, sqe->user_data, err, 0);
        return 0;
    }
    r = request_new (ring, sqe, file);
    r->multi = sqe->len & IORING_POLL_ADD_MULTI && file != ring->file; /* a ring that polls itself stops it */
    r->events = sqe->op_flags | REQUEST_ALWAYS;
    poll_arm (r);
    return 0;
}

static struct request *request_find (const struct ring *ring, uint64_t user_data, int polls_only)
{
    for (int i = 0; i < k.request_top; i++) {
        struct request *r = &k.requests[i];

        if (r->used && request_ring (r) == ring && r->user_data == user_data
            && (!polls_only || r->opcode == IORING_OP_POLL_ADD))
            return r;
    }
    return NULL;
}

/* Misses one that has been woken. */
static int poll_remove (struct ring *ring, const struct sqe *sqe)
{
    struct request *r = request_find (ring, sqe->addr, 1);

    if (sqe->len
        & ~(uint32_t) (IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA | IORING_POLL_ADD_MULTI))
        return -EINVAL;
    if (!r)
        return -ENOENT;
    if (r->refs++) {
        r->missed = 1;
        k.files[r->file].kept = 1; /* for a while, it may be */
        return -EALREADY;
    }
    if (!(sqe->len & (IORING_POLL_UPDATE_EVENTS | IORING_POLL_UPDATE_USER_DATA))) {
        request_end (r, -ECANCELED, 0);
        return 0;
    }
    if (sqe->len & IORING_POLL_UPDATE_EVENTS)
        r->events = (sqe->op_flags & 0xffff) | REQUEST_ALWAYS;
    if (sqe->len & IORING_POLL_UPDATE_USER_DATA)
        r->user_data = sqe->off;
    poll_arm (r);
    return 0;
}

/* ---- time limits ---- */

static void timeout_fires (int64_t request, int64_t serial, int64_t at)
{
    struct request *r = &k.requests[request];

    if (!r->used || r->serial != serial || r->at != at || r->deaf)
        return;
    r->stash = 1;
    ring_work_add (request_ring (r), (int) request);
}

static void timeout_plan (struct request *r, uint64_t addr, unsigned flags)
{
    const struct __kernel_timespec *ts = (const void *) (uintptr_t) addr;
    nanos at = ts->tv_sec > 4000000000 ? NEVER : ts->tv_sec * SECOND + ts->tv_nsec;

    if (at != NEVER && !(flags & IORING_TIMEOUT_ABS))
        at += k.now;
    r->at = at;
    if (at != NEVER)
        time_plan (at > k.now ? at : k.now, timeout_fires, request_number (r), r->serial, at);
}

static int timeout_add (struct ring *ring, const struct sqe *sqe)
{
    struct request *r;

    if (sqe->len != 1 || sqe->off > 1 || sqe->buf_index || !sqe->addr) {
        ring_post (ring, sqe->user_data, -EINVAL, 0);
        return 1;
    }
    r = request_new (ring, sqe, -1);
    timeout_plan (r, sqe->addr, sqe->op_flags);
    return 0;
}

static int timeout_remove (const struct ring *ring, const struct sqe *sqe)
{
    struct request *r = request_find (ring, sqe->addr, 0);

    if (!r || r->opcode != IORING_OP_TIMEOUT)
        return -ENOENT;
    if (r->stash)
        return -EALREADY;
    if (sqe->op_flags & IORING_TIMEOUT_UPDATE)
        timeout_plan (r, sqe->off, sqe->op_flags);
    else
        request_end (r, -ECANCELED, 0);
    return 0;
}

/* ---- waits for epoll sets ---- */

static void epoll_wait_try (struct request *r)
{
    void *events = (void *) (uintptr_t) r->addr;
    int count;

    if (!memory_holds (events, r->len * sizeof (struct epoll_event)))
        fail (14, "the kernel is to write events to memory that is not the library's any more");
    count = set_collect (r->file, events, (int) r->len);
    r->refs = 0;
    r->off_queue = 0;
    if (count)
        request_end (r, count, 0);
}

static int epoll_wait_add (struct ring *ring, const struct sqe *sqe)
{
    int file = fd_file (sqe->fd);
    struct request *r;

    if (file < 0 || k.files[file].kind != K_EPOLL || !sqe->len) {
        ring_post (ring, sqe->user_data, file < 0 ? -EBADF : -EINVAL, 0);
        return 0;
    }
    r = request_new (ring, sqe, file);
    r->events = POLLIN;
    r->addr = sqe->addr;
    r->len = sqe->len;
    epoll_wait_try (r);
    return 0;
}

static int epoll_ctl_now (const struct sqe *sqe)
{
    return set_ctl (fd_file (sqe->fd), (int) sqe->len, (int) sqe->off, (const void *) (uintptr_t) sqe->addr);
}

/* ---- taking back ---- */

void request_cancel (int request)
{
    struct request *r = &k.requests[request];

    if (transfer_is (r->opcode)) {
        transfer_cancel (r);
        return;
    }
    if (r->opcode == IORING_OP_TIMEOUT) {
        if (!r->at_work)
            request_end (r, -ECANCELED, 0);
        return;
    }
    r->cancelled = 1;
    r->off_queue = 1;
    if (!r->refs++)
        ring_work_add (request_ring (r), request);
}

static int cancel_all (const struct ring *ring)
{
    int count = 0;

    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && request_ring (&k.requests[i]) == ring) {
            request_cancel (i);
            count++;
        }
    return count;
}

int request_cancel_named (const struct ring *ring, uint64_t user_data)
{
    struct request *r = request_find (ring, user_data, 0);

    if (!r)
        return -ENOENT;
    if (r->opcode == IORING_OP_TIMEOUT && r->at_work)
        return -EALREADY;
    if (transfer_is (r->opcode))
        return transfer_cancel (r);
    request_cancel (request_number (r));
    return 0;
}

static int request_take_back (const struct ring *ring, const struct sqe *sqe)
{
    return sqe->op_flags & IORING_ASYNC_CANCEL_ANY ? cancel_all (ring)
                                                   : request_cancel_named (ring, sqe->addr);
}

/* ---- both ends ---- */

void request_deliver (int request)
{
    struct request *r = &k.requests[request];

    if (!r->used || r->deaf)
        return;
    if (transfer_is (r->opcode))
        transfer_deliver (r);
    else if (r->cancelled)
        request_end (r, -ECANCELED, 0);
    else if (r->opcode == IORING_OP_TIMEOUT)
        request_end (r, -ETIME, 0);
    else if (r->opcode == OP_EPOLL_WAIT)
        epoll_wait_try (r);
    else
        poll_deliver (r);
}

/* Those that are over at once: their answer. */
static int request_at_once (struct ring *ring, const struct sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_NOP:
        return 0;
    case IORING_OP_POLL_REMOVE:
        return poll_remove (ring, sqe);
    case IORING_OP_TIMEOUT_REMOVE:
        return timeout_remove (ring, sqe);
    case IORING_OP_ASYNC_CANCEL:
        return request_take_back (ring, sqe);
    case IORING_OP_EPOLL_CTL:
        return epoll_ctl_now (sqe);
    default:
        return -EINVAL;
    }
}

int request_submit (struct ring *ring, const struct sqe *sqe)
{
    int res;

    TRACE ("              submission %#llx: opcode %d, fd %d, about %#llx, len %u, events %#x\n",
           (unsigned long long) sqe->user_data, sqe->opcode, sqe->fd, (unsigned long long) sqe->addr,
           sqe->len, sqe->op_flags);
    switch (sqe->opcode) {
    case IORING_OP_POLL_ADD:
        return poll_add (ring, sqe);
    case IORING_OP_TIMEOUT:
        return timeout_add (ring, sqe);
    case OP_EPOLL_WAIT:
        if (k.profile->bits & P_EPOLL_WAIT)
            return epoll_wait_add (ring, sqe);
    }
    if (transfer_is (sqe->opcode))
        return transfer_add (ring, sqe);
    if (sqe->flags & IOSQE_CQE_SKIP_SUCCESS && !(k.profile->features & 1u << 11)) {
        ring_post (ring, sqe->user_data, -EINVAL, 0);
        return 1;
    }
    res = request_at_once (ring, sqe);
    if (res < 0 || !(sqe->flags & IOSQE_CQE_SKIP_SUCCESS))
        ring_post (ring, sqe->user_data, res, 0);
    return res == -EINVAL;
}
