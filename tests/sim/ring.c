/* ring.c: io_uring without its requests: set-up, queues, entering, registering, the end.
 *
 * When work is done decides what can be seen: a ring that defers it does it in an enter that asks for completions, 20 a
 * call on some kernels; another one does it when the thread comes out of the kernel, which is after any call (ring_switch). */
#include "kernel.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>

#ifndef IORING_SETUP_NO_SQARRAY /* headers are older than kernels */
#define IORING_SETUP_NO_SQARRAY (1u << 16)
#endif

/* Words of the shared memory; completions follow, then the array of indices. */
enum {
    W_SQ_HEAD,
    W_SQ_TAIL,
    W_SQ_FLAGS,
    W_SQ_DROPPED,
    W_CQ_HEAD,
    W_CQ_TAIL,
    W_CQ_OVERFLOW,
    W_MASKS,
    W_END = 16
};
enum {
    RING_DEFER_CAP = 20,
    RING_END_DELAY = 6000000, /* how long the kernel takes to end the requests of a closed ring */
    RING_END_WAITS = 1000000, /* … and how often it looks whether its workers are done */
    RING_NO_MMAP = 1 << 14,   /* the queues are in memory that the caller has */
    RING_OFFSETS_ADDR = 32    /* where that is told, in each of the offsets */
};

/* ---- set-up ---- */

static unsigned ring_power (unsigned wanted, unsigned most)
{
    unsigned power = 1;

    while (power < wanted && power < most)
        power *= 2;
    return power;
}

static int ring_works (int which)
{
    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && k.requests[i].ring == which && k.requests[i].working)
            return 1;
    return 0;
}

/* What moves bytes answers; whoever has mapped the queue can read it. */
static void ring_end_now (int which)
{
    struct ring *ring = &k.rings[which];

    for (int i = 0; i < k.request_top; i++) {
        struct request *r = &k.requests[i];

        if (!r->used || r->ring != which)
            continue;
        r->at_work = 0;
        if (transfer_is (r->opcode))
            request_end (r, r->done && !r->multi ? (int) r->done : -ECANCELED, 0);
        else
            request_drop (i);
    }
    ring->used = 0;
    if (ring->held < 0)
        return;
    law_excuse (1); /* who waits for that may wake up for it */
    file_drop (ring->held);
}

static void ring_end (int64_t which, int64_t serial, int64_t unused)
{
    (void) unused;
    if (!k.rings[which].used || k.rings[which].serial != serial)
        return;
    if (ring_works ((int) which))
        time_plan (k.now + RING_END_WAITS, ring_end, which, serial, 0);
    else
        ring_end_now ((int) which);
}

static struct ring *ring_take (void)
{
    for (int i = 0; i < RINGS; i++)
        if (!k.rings[i].used) {
            if (i >= k.ring_top)
                k.ring_top = i + 1;
            return &k.rings[i];
        }
    for (int i = 0; i < RINGS; i++) /* one that is about to end anyway */
        if (k.rings[i].released && !ring_works (i)) {
            ring_end_now (i);
            return &k.rings[i];
        }
    fail (0, "the model has no more rings");
}

static int ring_setup_check (const struct io_uring_params *params)
{
    uint32_t flags = params->flags;

    if (k.ring_refused)
        return k.ring_refused;
    if (k.profile->bits & P_NO_RING)
        return -EPERM;
    if (flags & ~k.profile->setup)
        return -EINVAL;
    if (flags & IORING_SETUP_DEFER_TASKRUN && !(flags & IORING_SETUP_SINGLE_ISSUER))
        return -EINVAL;
    if (flags & IORING_SETUP_DEFER_TASKRUN && flags & IORING_SETUP_COOP_TASKRUN)
        return -EINVAL;
    if (flags & IORING_SETUP_TASKRUN_FLAG
        && !(flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)))
        return -EINVAL;
    return trouble (T_MAKE, 3) ? -ENOMEM : 0;
}

static void ring_answer (const struct ring *ring, struct io_uring_params *params)
{
    params->sq_entries = ring->sq_entries;
    params->cq_entries = ring->cq_entries;
    params->features = k.profile->features;
    memset (&params->sq_off, 0, sizeof params->sq_off);
    memset (&params->cq_off, 0, sizeof params->cq_off);
    params->sq_off.head = W_SQ_HEAD * 4;
    params->sq_off.tail = W_SQ_TAIL * 4;
    params->sq_off.flags = W_SQ_FLAGS * 4;
    params->sq_off.dropped = W_SQ_DROPPED * 4;
    params->sq_off.ring_mask = W_MASKS * 4;
    params->sq_off.ring_entries = (W_MASKS + 1) * 4;
    params->cq_off.head = W_CQ_HEAD * 4;
    params->cq_off.tail = W_CQ_TAIL * 4;
    params->cq_off.overflow = W_CQ_OVERFLOW * 4;
    params->cq_off.ring_mask = (W_MASKS + 2) * 4;
    params->cq_off.ring_entries = (W_MASKS + 3) * 4;
    params->cq_off.cqes = W_END * 4;
    params->sq_off.array = W_END * 4 + ring->cq_entries * (uint32_t) sizeof (struct cqe);
}

/* The queues: ours to write. */
static void ring_place (struct ring *ring, void *memory)
{
    ring->word = memory;
    memset (memory, 0, W_END * 4);
    ring->cqes = (struct cqe *) (ring->word + W_END);
    ring->array = (uint32_t *) (ring->cqes + ring->cq_entries);
    ring->word[W_MASKS] = ring->sq_entries - 1;
    ring->word[W_MASKS + 1] = ring->sq_entries;
    ring->word[W_MASKS + 2] = ring->cq_entries - 1;
    ring->word[W_MASKS + 3] = ring->cq_entries;
}

static size_t ring_size (const struct ring *ring)
{
    return W_END * 4 + ring->cq_entries * sizeof (struct cqe) + ring->sq_entries * 4;
}

static uintptr_t ring_address (const void *offsets)
{
    uint64_t addr;

    memcpy (&addr, (const char *) offsets + RING_OFFSETS_ADDR, sizeof addr);
    return (uintptr_t) addr;
}

/* The caller has memory for the queues. */
static int ring_place_there (struct ring *ring, const struct io_uring_params *params)
{
    void *rings = (void *) ring_address (&params->cq_off), *sqes = (void *) ring_address (&params->sq_off);

    if ((uintptr_t) rings % 4096 || (uintptr_t) sqes % 4096)
        return -EINVAL;
    if (!memory_maps (rings, ring_size (ring)) || !memory_maps (sqes, ring->sq_entries * sizeof (struct sqe)))
        return -EFAULT;
    ring_place (ring, rings);
    ring->sqes = sqes;
    return 0;
}

long ring_setup (unsigned entries, void *arg)
{
    struct io_uring_params *params = arg;
    int err = ring_setup_check (params), file;
    struct ring *ring;

    if (err < 0)
        return err;
    ring = ring_take ();
    ring->word = NULL;
    ring->sqes = NULL;
    ring->sq_entries = ring_power (entries, 32768);
    ring->cq_entries =
        params->flags & IORING_SETUP_CQSIZE ? ring_power (params->cq_entries, 65536) : 2 * ring->sq_entries;
    if (!entries || ring->cq_entries < ring->sq_entries)
        return -EINVAL;
    err = params->flags & RING_NO_MMAP ? ring_place_there (ring, params) : 0;
    if (err < 0)
        return err;
    file = file_new (K_RING);
    k.files[file].ring = (int16_t) (ring - k.rings);
    ring->used = 1;
    ring->serial = ++k.serials;
    ring->file = (int16_t) file;
    ring->event_file = ring->held = -1;
    ring->blind = ring->released = 0;
    memset (ring->groups, 0, sizeof ring->groups);
    ring->thread = (uint8_t) k.thread;
    ring->setup = params->flags;
    ring->disabled = (params->flags & IORING_SETUP_R_DISABLED) != 0;
    ring->parked_count = ring->work_count = ring->requests = 0;
    ring_answer (ring, params);
    k.makings++;
    return fd_new (file);
}

static void ring_kept (int64_t file, int64_t serial, int64_t unused)
{
    (void) unused;
    if (k.files[file].kind == K_RING && k.files[file].serial == serial)
        file_drop ((int) file);
}

void *ring_map (int fd, size_t size, uint64_t offset)
{
    const struct file *f = file_at (fd_file (fd));
    struct ring *ring = f && f->kind == K_RING ? &k.rings[f->ring] : NULL;
    void *memory;

    if (!ring || ring->setup & RING_NO_MMAP || trouble (T_MAKE, 6))
        return NULL;
    memory = memory_map (size);
    file_take (ring->file); /* a mapping holds it, too */
    if (offset == IORING_OFF_SQES)
        ring->sqes = memory;
    else
        ring_place (ring, memory);
    return memory;
}

static void ring_pin_groups (struct ring *ring, uintptr_t from, size_t size)
{
    for (int i = 0; i < GROUPS; i++) {
        struct group *group = &ring->groups[i];

        if (!group->used || (uintptr_t) group->bufs - from >= size)
            continue;
        memcpy (group->pinned, group->bufs, group->entries * sizeof *group->bufs);
        group->bufs = group->pinned;
    }
}

int ring_unmapped (const void *memory, size_t size)
{
    uintptr_t from = (uintptr_t) memory;

    for (int i = 0; i < k.ring_top; i++) {
        struct ring *ring = &k.rings[i];

        if (ring->used)
            ring_pin_groups (ring, from, size);

        if (!ring->used || ((uintptr_t) ring->word - from >= size && (uintptr_t) ring->sqes - from >= size))
            continue;
        ring->blind = 1;
        if ((uintptr_t) ring->word - from < size)
            ring->word = NULL;
        else
            ring->sqes = NULL;
        return ring->setup & RING_NO_MMAP ? -1 : ring->file;
    }
    return -1;
}

int ring_is_lost (const struct ring *ring)
{
    for (int fd = 0; fd < FDS; fd++)
        if (k.fds[fd] == ring->file && k.files[ring->file].kind == K_RING)
            return 0;
    return 1;
}

void ring_keep (nanos until)
{
    for (int file = 0; file < k.file_top; file++)
        if (k.files[file].kind == K_RING) {
            file_take (file);
            time_plan (until, ring_kept, file, k.files[file].serial, 0);
        }
    if (until > k.children_until)
        k.children_until = until;
}

/* ---- completions ---- */

static unsigned ring_count (const struct ring *ring)
{
    return ring->word[W_CQ_TAIL] - ring->word[W_CQ_HEAD];
}

int ring_has_news (const struct ring *ring)
{
    return ring->word && !ring->blind && (ring->parked_count || ring_count (ring));
}

int ring_room (const struct ring *ring)
{
    return ring->blind || (!ring->parked_count && ring_count (ring) < ring->cq_entries);
}

static void ring_signal (struct ring *ring)
{
    if (ring->event_file >= 0)
        eventfd_write (ring->event_file, 1);
    if (!ring->released) /* its file may be another one by now */
        file_wake (ring->file, POLLIN);
}

static void ring_put (struct ring *ring, const struct cqe *cqe)
{
    ring->cqes[ring->word[W_CQ_TAIL] & (ring->cq_entries - 1)] = *cqe;
    __atomic_store_n (&ring->word[W_CQ_TAIL], ring->word[W_CQ_TAIL] + 1, __ATOMIC_RELEASE);
}

void ring_post (struct ring *ring, uint64_t user_data, int res, unsigned flags)
{
    struct cqe cqe = { user_data, res, flags };

    TRACE ("              completion %#llx: %d, flags %#x\n", (unsigned long long) user_data, res, flags);
    if (ring->blind) /* nobody can see it */
        return;
    if (ring_room (ring)) {
        ring_put (ring, &cqe);
    } else {
        if (ring->parked_count == PARKED)
            fail (0, "the model has no more room for completions");
        ring->parked[(ring->parked_at + ring->parked_count++) % PARKED] = cqe;
        ring->word[W_SQ_FLAGS] |= IORING_SQ_CQ_OVERFLOW;
    }
    ring_signal (ring);
}

/* Zero: some still do not fit. */
static int ring_flush (struct ring *ring)
{
    while (ring->parked_count && ring_count (ring) < ring->cq_entries) {
        ring_put (ring, &ring->parked[ring->parked_at]);
        ring->parked_at = (ring->parked_at + 1) % PARKED;
        ring->parked_count--;
    }
    if (!ring->parked_count)
        ring->word[W_SQ_FLAGS] &= ~IORING_SQ_CQ_OVERFLOW;
    return !ring->parked_count;
}

/* ---- work ---- */

/* Of two that move bytes, nobody has promised which is first. */
static void ring_swap (struct ring *ring)
{
    int last = (ring->work_at + ring->work_count - 1) % REQUESTS, before = (last + REQUESTS - 1) % REQUESTS;
    int16_t one = ring->work[last], other = ring->work[before];

    if (ring->work_count < 2 || !transfer_is (k.requests[other].opcode) || !trouble (T_LATE, 2))
        return;
    ring->work[last] = other;
    ring->work[before] = one;
}

void ring_work_add (struct ring *ring, int request)
{
    if (k.requests[request].at_work)
        return;
    k.requests[request].at_work = 1;
    ring->work[(ring->work_at + ring->work_count++) % REQUESTS] = (int16_t) request;
    if (transfer_is (k.requests[request].opcode))
        ring_swap (ring);
    if (ring->setup & IORING_SETUP_TASKRUN_FLAG && !ring->blind)
        ring->word[W_SQ_FLAGS] |= IORING_SQ_TASKRUN;
    ring->left_over = trouble (T_LATE, 8);
    if (ring->setup & IORING_SETUP_DEFER_TASKRUN && ring->work_count == 1 && ring->event_file >= 0
        && !(ring->event_once && k.profile->bits & P_EVENTFD_ONCE)) {
        ring->event_once = 1;
        eventfd_write (ring->event_file, 1);
    }
}

static void ring_work (struct ring *ring, int most)
{
    while (ring->work_count && most-- > 0) {
        int request = ring->work[ring->work_at];

        ring->work_at = (ring->work_at + 1) % REQUESTS;
        ring->work_count--;
        k.requests[request].at_work = 0;
        request_deliver (request);
    }
    if (!ring->work_count && !ring->blind && !ring->left_over)
        ring->word[W_SQ_FLAGS] &= ~IORING_SQ_TASKRUN;
}

void ring_switch (void)
{
    for (int i = 0; i < k.ring_top; i++) {
        struct ring *ring = &k.rings[i];

        if (!ring->used || !ring->work_count || ring->setup & IORING_SETUP_DEFER_TASKRUN)
            continue;
        if (ring->setup & IORING_SETUP_COOP_TASKRUN && trouble (T_LATE, 2))
            continue; /* with the flag that says so set; a plain ring interrupts */
        ring_work (ring, REQUESTS);
    }
}

/* Whoever sleeps elsewhere is woken for it, and does it on the way out. */
int ring_interrupts (void)
{
    for (int i = 0; i < k.ring_top; i++)
        if (k.rings[i].used && k.rings[i].work_count && !(k.rings[i].setup & IORING_SETUP_DEFER_TASKRUN)) {
            law_excuse (1);
            return 1;
        }
    return 0;
}

/* ---- entering ---- */

static int ring_submit (struct ring *ring, unsigned wanted)
{
    unsigned queued = ring->word[W_SQ_TAIL] - ring->word[W_SQ_HEAD], taken = 0;

    if (queued > ring->sq_entries)
        fail (25, "more is queued for the ring than it has places");
    while (taken < wanted && taken < queued) {
        unsigned at = ring->word[W_SQ_HEAD] & (ring->sq_entries - 1);
        struct sqe sqe = ring->sqes[ring->setup & IORING_SETUP_NO_SQARRAY ? at : ring->array[at]];
        int bad;

        if (trouble (T_ENTER, 96) && !taken) {
            law_excuse (0);
            return roll (2) ? -ENOMEM : -EAGAIN;
        }
        ring->word[W_SQ_HEAD]++;
        taken++;
        bad = request_submit (ring, &sqe);
        if (bad && !(ring->setup & IORING_SETUP_SUBMIT_ALL))
            break;
    }
    return (int) taken;
}

struct ring_wait {
    struct ring *ring;
    unsigned wanted;
};

static int ring_waited (void *arg)
{
    struct ring_wait *wait = arg;
    struct ring *ring = wait->ring;

    ring_switch ();
    if (ring->work_count)
        ring_work (ring, ring->setup & IORING_SETUP_DEFER_TASKRUN && k.profile->bits & P_DEFER_CAP
                             ? RING_DEFER_CAP
                             : REQUESTS);
    return ring_count (ring) >= wait->wanted || ring->parked_count;
}

static nanos ring_deadline (unsigned flags, const struct io_uring_getevents_arg *arg)
{
    const struct __kernel_timespec *ts =
        flags & IORING_ENTER_EXT_ARG ? (const void *) (uintptr_t) arg->ts : NULL;
    nanos at;

    if (!ts)
        return NEVER;
    at = ts->tv_sec > 4000000000 ? NEVER : ts->tv_sec * SECOND + ts->tv_nsec;
    if (at == NEVER || flags & 1u << 5 /* ABS_TIMER */)
        return at;
    return k.now + at;
}

static int ring_wait (struct ring *ring, unsigned wanted, nanos deadline)
{
    struct ring_wait wait = { ring, wanted };
    unsigned cap = wanted > RING_DEFER_CAP ? wanted : RING_DEFER_CAP;
    int defers = (ring->setup & IORING_SETUP_DEFER_TASKRUN) != 0, err;

    if (wanted > ring->cq_entries)
        wait.wanted = ring->cq_entries;
    ring_work (ring, defers && k.profile->bits & P_DEFER_CAP ? (int) cap : REQUESTS);
    if (!ring_flush (ring) && k.profile->bits & P_BUSY)
        return -EBUSY;
    if (ring_count (ring) >= wait.wanted || ring->parked_count)
        return 0;
    if (trouble (T_EINTR, 24)) {
        law_excuse (0);
        return -EINTR;
    }
    k.entered = 1;
    err = time_sleep (deadline, ring_waited, &wait);
    k.entered = 0;
    ring_flush (ring);
    return ring_count (ring) ? 0 : err;
}

/* It is another thread's. */
static int ring_strange (const struct ring *ring)
{
    return ring->setup & IORING_SETUP_SINGLE_ISSUER && !ring->disabled && ring->thread != k.thread;
}

long ring_enter (int fd, unsigned submit, unsigned wait, unsigned flags, const void *arg, size_t size)
{
    const struct file *f = file_at (fd_file (fd));
    struct ring *ring;
    long taken = 0;
    int err = 0;

    if (k.ring_refused)
        return k.ring_refused;
    if (!f)
        return -EBADF;
    if (f->kind != K_RING)
        return -EOPNOTSUPP;
    ring = &k.rings[f->ring];
    if (ring->disabled)
        return -EBADFD;
    if (ring_strange (ring))
        return -EEXIST;
    if ((flags & IORING_ENTER_EXT_ARG && size != sizeof (struct io_uring_getevents_arg))
        || (flags & 1u << 5 && !(k.profile->bits & P_ABSOLUTE)))
        return -EINVAL;
    if (!ring->word || !ring->sqes)
        return -ENXIO;
    taken = ring_submit (ring, submit);
    if (taken < 0)
        return taken;
    if (flags & IORING_ENTER_GETEVENTS && ((unsigned) taken == submit || !submit))
        err = ring_wait (ring, wait, wait ? ring_deadline (flags, arg) : 0);
    return taken ? taken : err;
}

/* ---- registering ---- */

enum { OP_SOCKET = 45, OP_SENDMSG_ZC = 48 };

static int ring_probe (struct io_uring_probe *probe, unsigned count)
{
    static const uint8_t known[] = { IORING_OP_NOP,           IORING_OP_POLL_ADD,     IORING_OP_POLL_REMOVE,
                                     IORING_OP_TIMEOUT,       IORING_OP_ASYNC_CANCEL, IORING_OP_EPOLL_CTL,
                                     IORING_OP_TIMEOUT_REMOVE };
    unsigned last = k.profile->bits & P_EPOLL_WAIT ? 59 : 50;

    memset (probe, 0, sizeof *probe);
    for (unsigned op = 0; op < count && op <= last; op++) {
        probe->ops[op].op = (uint8_t) op;
        if (memchr (known, (int) op, sizeof known) || op == 59 || transfer_is (op)
            || (k.profile->bits & P_SHOTS && op >= OP_SOCKET
                && op <= OP_SENDMSG_ZC)) /* these tell of features */
            probe->ops[op].flags = IO_URING_OP_SUPPORTED;
    }
    probe->last_op = (uint8_t) last;
    probe->ops_len = (uint8_t) (count < last + 1 ? count : last + 1);
    return 0;
}

struct sync_cancel { /* the beginning of io_uring_sync_cancel_reg, which old headers do not have */
    uint64_t addr;
    int32_t fd;
    uint32_t flags;
};

/* All of them, or one by its name. */
static int ring_cancel_now (struct ring *ring, const struct sync_cancel *what)
{
    if (!(k.profile->bits & P_SYNC_CANCEL))
        return -EINVAL;
    if (!(what->flags & IORING_ASYNC_CANCEL_ANY))
        return request_cancel_named (ring, what->addr);
    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && &k.rings[k.requests[i].ring] == ring)
            request_cancel (i);
    return 0;
}

static int ring_register_event (struct ring *ring, const int *fd)
{
    int file = fd_file (*fd);

    if (file < 0)
        return -EBADF;
    if (k.files[file].kind != K_EVENTFD)
        return -EINVAL;
    if (ring->event_file >= 0)
        return -EBUSY;
    if (k.profile->bits & P_EVENTFD_WAITS && ring->requests)
        fail (6, "registering an eventfd waits until no request is pending");
    ring->event_file = (int16_t) file;
    ring->event_once = 0;
    file_take (file);
    return 0;
}

static int ring_unregister_event (struct ring *ring)
{
    if (ring->event_file < 0)
        return -ENXIO;
    file_drop (ring->event_file);
    ring->event_file = -1;
    return 0;
}

/* One will do: it shows when the ring has ended. */
static int ring_register_file (struct ring *ring, const int *fds, unsigned count)
{
    int file = fd_file (*fds);

    if (count != 1 || ring->held >= 0)
        return -EBUSY;
    if (file < 0)
        return -EBADF;
    if (trouble (T_MAKE, 6))
        return -ENOMEM;
    ring->held = (int16_t) file;
    file_take (file);
    return 0;
}

struct group_call { /* struct io_uring_buf_reg */
    uint64_t addr;
    uint32_t entries;
    uint16_t id, flags;
};

struct group *ring_group (struct ring *ring, int id)
{
    for (int i = 0; i < GROUPS; i++)
        if (ring->groups[i].used && ring->groups[i].id == id)
            return &ring->groups[i];
    return NULL;
}

static int ring_register_group (struct ring *ring, const struct group_call *call)
{
    struct group *group = ring->groups;

    if (!(k.profile->bits & P_SHOTS))
        return -EINVAL;
    if (ring_group (ring, call->id))
        return -EEXIST;
    while (group < ring->groups + GROUPS && group->used)
        group++;
    if (call->entries > GROUP_SIZE)
        fail (0, "the model has no group of %u buffers", call->entries);
    if (group == ring->groups + GROUPS || trouble (T_MAKE, 6))
        return -ENOMEM;
    *group = (struct group){ .used = 1, .id = call->id, .entries = call->entries };
    group->bufs = (void *) (uintptr_t) call->addr;
    return 0;
}

static int ring_unregister_group (struct ring *ring, const struct group_call *call)
{
    struct group *group = ring_group (ring, call->id);

    if (!group)
        return -EINVAL;
    group->used = 0;
    return 0;
}

long ring_register (int fd, unsigned opcode, void *arg, unsigned count)
{
    const struct file *f = file_at (fd_file (fd));
    struct ring *ring = f && f->kind == K_RING ? &k.rings[f->ring] : NULL;

    if (k.ring_refused)
        return k.ring_refused;
    if (!ring)
        return f ? -EOPNOTSUPP : -EBADF;
    if (ring_strange (ring))
        return -EEXIST;
    switch (opcode) {
    case IORING_REGISTER_FILES:
        return ring_register_file (ring, arg, count);
    case 22: /* PBUF_RING */
        return ring_register_group (ring, arg);
    case 23:
        return ring_unregister_group (ring, arg);
    case IORING_REGISTER_EVENTFD:
        return ring_register_event (ring, arg);
    case IORING_UNREGISTER_EVENTFD:
        return ring_unregister_event (ring);
    case IORING_REGISTER_PROBE:
        return ring_probe (arg, count);
    case IORING_REGISTER_ENABLE_RINGS:
        if (!ring->disabled)
            return -EBADFD;
        ring->disabled = 0;
        ring->thread = (uint8_t) k.thread;
        return 0;
    case IORING_REGISTER_RESTRICTIONS:
        return ring->disabled ? 0 : -EBADFD;
    case 24: /* SYNC_CANCEL */
        return ring_cancel_now (ring, arg);
    default:
        return -EINVAL;
    }
}

/* ---- the end ---- */

/* What moves bytes goes on until the end, unless somebody would have to enter for it; a worker in any case. */
static void ring_deafen (const struct ring *ring, struct request *r)
{
    int defers = (ring->setup & IORING_SETUP_DEFER_TASKRUN) != 0;

    if (defers)
        r->at_work = 0;
    if (!r->working && (defers || !transfer_is (r->opcode)))
        r->deaf = 1;
}

int ring_any_ending (void)
{
    for (int i = 0; i < (int) (sizeof k.rings / sizeof *k.rings); i++)
        if (k.rings[i].used && k.rings[i].released)
            return 1;
    return 0;
}

/* Nobody holds it any more. Its requests end when the kernel has the time. */
void ring_release (int file)
{
    struct ring *ring = &k.rings[k.files[file].ring];

    if (ring->event_file >= 0)
        ring_unregister_event (ring);
    ring->released = 1;
    for (int i = 0; i < k.request_top; i++)
        if (k.requests[i].used && &k.rings[k.requests[i].ring] == ring)
            ring_deafen (ring, &k.requests[i]);
    if (ring->setup & IORING_SETUP_DEFER_TASKRUN)
        ring->work_count = 0;
    time_plan (k.now + RING_END_DELAY, ring_end, ring - k.rings, ring->serial, 0);
}
