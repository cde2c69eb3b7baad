/* ring.c: one io_uring, and the rules of talking to it.
 * Owns the mappings. Promises that submissions are zeroed, that indices are read with acquire and published with
 * release, and that a half-made ring is undone. */
#include "ring.h"

#include "../base/sys.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#if EV_USE_IOURING

/* What we cannot do without (doc/IOURING.md, "Floor"). */
#define RING_FLOOR \
    (EVI_FEAT_SINGLE_MMAP | EVI_FEAT_NODROP | EVI_FEAT_POLL_32BITS | EVI_FEAT_EXT_ARG | EVI_FEAT_RSRC_TAGS)

enum { RING_ENTRIES_MIN = 8 };

/* Best first. DEFER_TASKRUN: work runs only when we ask, so there are no interrupted system calls and no
 * half-finished state between two calls. COOP_TASKRUN: at least no interrupts into user code. */
static const unsigned ring_ladder[] = {
    EVI_SETUP_SUBMIT_ALL | EVI_SETUP_R_DISABLED | EVI_SETUP_SINGLE_ISSUER | EVI_SETUP_DEFER_TASKRUN
        | EVI_SETUP_TASKRUN_FLAG | EVI_SETUP_NO_SQARRAY,
    EVI_SETUP_SUBMIT_ALL | EVI_SETUP_R_DISABLED | EVI_SETUP_SINGLE_ISSUER | EVI_SETUP_DEFER_TASKRUN
        | EVI_SETUP_TASKRUN_FLAG,
    EVI_SETUP_SUBMIT_ALL | EVI_SETUP_COOP_TASKRUN | EVI_SETUP_TASKRUN_FLAG,
    EVI_SETUP_SUBMIT_ALL,
    0,
};

/* Memory for the queues, of ours: they outlive the descriptor then, and what the kernel says at its end can be read. */
struct ring_memory {
    void *rings, *sqes; /* NULL: the kernel's is mapped */
    size_t rings_size, sqes_size;
};

enum { RING_PAGE = 4096 };

static size_t ring_pages (size_t size)
{
    return (size + RING_PAGE - 1) & ~(size_t) (RING_PAGE - 1);
}

static void ring_memory_end (struct ring_memory *memory)
{
    if (memory->rings)
        evi_sys_unmap (memory->rings, memory->rings_size);
    if (memory->sqes)
        evi_sys_unmap (memory->sqes, memory->sqes_size);
    memory->rings = memory->sqes = NULL;
}

/* As the kernel rounds it. */
static size_t ring_power_of_two (size_t size)
{
    size_t power = 1;

    while (power < size)
        power *= 2;
    return power;
}

/* Heads and tails, completions and the index array; and submissions. */
static void ring_memory_begin (struct ring_memory *memory, unsigned entries, unsigned completions)
{
    memory->rings_size = ring_pages (RING_PAGE + ring_power_of_two (completions) * sizeof (struct evi_cqe)
                                     + ring_power_of_two (entries) * sizeof (uint32_t));
    memory->sqes_size = ring_pages (ring_power_of_two (entries) * sizeof (struct evi_sqe));
    memory->rings = evi_sys_ring_memory (memory->rings_size);
    memory->sqes = evi_sys_ring_memory (memory->sqes_size);
    if (!memory->rings || !memory->sqes)
        ring_memory_end (memory);
}

static int ring_setup (struct evi_ring_params *params, unsigned entries, unsigned completions, unsigned flags,
                       const struct ring_memory *memory)
{
    memset (params, 0, sizeof *params);
    params->flags = flags | EVI_SETUP_CQSIZE | EVI_SETUP_CLAMP | (memory->rings ? EVI_SETUP_NO_MMAP : 0);
    params->cq_entries = completions;
    params->cq_off.user_addr = (uintptr_t) memory->rings;
    params->sq_off.user_addr = (uintptr_t) memory->sqes;
    return evi_sys_uring_setup (entries, params);
}

/* EVI_FEAT_* of this kernel, asked once, or -errno: it makes no ring for us. A filter that answers "fine" without asking the
 * kernel has none. */
static int ring_features (void)
{
    static const struct ring_memory none;
    static int features;
    struct evi_ring_params params;
    int known = __atomic_load_n (&features, __ATOMIC_RELAXED), fd;

    if (known)
        return known;
    fd = ring_setup (&params, 1, 2, 0, &none);
    if (fd < 0)
        return fd;
    if (!params.sq_entries || !params.features)
        return -ENOSYS; /* fd is not ours to close */
    evi_sys_close (fd);
    __atomic_store_n (&features, (int) params.features, __ATOMIC_RELAXED);
    return (int) params.features;
}

/* Down the ladder: EINVAL means that this kernel does not know one of the flags. */
static int ring_setup_flags (struct evi_ring_params *params, unsigned entries, unsigned completions,
                             unsigned exclude, const struct ring_memory *memory)
{
    int fd = -EINVAL;

    for (unsigned i = 0; fd == -EINVAL && i < EVI_COUNT (ring_ladder); i++)
        if (!(ring_ladder[i] & exclude))
            fd = ring_setup (params, entries, completions,
                             ring_ladder[i] | (exclude & EVI_RING_RESTRICT ? EVI_SETUP_R_DISABLED : 0),
                             memory);
    return fd;
}

/* Where the kernel does not want our memory it maps its own. Queues in several pages that are not one piece work from about
 * 6.10 on, and 6.5 is broken with them (CVE-2023-6560): whoever knows MIN_TIMEOUT is 6.12. */
static int ring_setup_memory (struct evi_ring_params *params, unsigned entries, unsigned completions,
                              unsigned exclude, struct ring_memory *memory)
{
    int features = ring_features (), fd;

    if (features < 0)
        return features;
    if (features & EVI_FEAT_MIN_TIMEOUT && !(exclude & EVI_SETUP_NO_MMAP)) {
        ring_memory_begin (memory, entries, completions);
        fd = memory->rings ? ring_setup_flags (params, entries, completions, exclude, memory) : -ENOMEM;
        if (fd != -EINVAL && fd != -EFAULT)
            return fd;
        ring_memory_end (memory);
    }
    return ring_setup_flags (params, entries, completions, exclude, memory);
}

/* Memory for rings counts against RLIMIT_MEMLOCK again since 6.14: a smaller ring is better than none. */
static int ring_setup_sizes (struct evi_ring_params *params, unsigned entries, unsigned completions,
                             unsigned exclude, struct ring_memory *memory)
{
    for (;;) {
        int fd = ring_setup_memory (params, entries, completions, exclude, memory);

        if (fd >= 0)
            return fd;
        ring_memory_end (memory);
        if (fd != -ENOMEM || entries <= RING_ENTRIES_MIN)
            return fd;
        entries /= 2;
        completions = completions / 2 < entries * 2 ? entries * 2 : completions / 2;
    }
}

static void *ring_at (const struct evi_ring *ring, uint32_t offset)
{
    return (char *) ring->rings + offset;
}

/* The queues of the kernel. */
static void ring_map (struct evi_ring *ring, const struct evi_ring_params *params)
{
    size_t sq = params->sq_off.array + params->sq_entries * sizeof (uint32_t);
    size_t cq = params->cq_off.cqes + params->cq_entries * sizeof (struct evi_cqe);

    ring->rings_size = sq > cq ? sq : cq;
    ring->sqes_size = params->sq_entries * sizeof (struct evi_sqe);
    ring->rings = evi_sys_uring_map (ring->fd, ring->rings_size, EVI_OFF_RINGS);
    ring->sqes = evi_sys_uring_map (ring->fd, ring->sqes_size, EVI_OFF_SQES);
}

/* Ours. */
static void ring_lend (struct evi_ring *ring, const struct ring_memory *memory)
{
    ring->rings_size = memory->rings_size;
    ring->sqes_size = memory->sqes_size;
    ring->rings = memory->rings;
    ring->sqes = memory->sqes;
}

static int ring_find (struct evi_ring *ring, const struct evi_ring_params *params)
{
    if (!ring->rings || !ring->sqes)
        return -ENOMEM;
    ring->sq_head = ring_at (ring, params->sq_off.head);
    ring->sq_tail = ring_at (ring, params->sq_off.tail);
    ring->sq_flags = ring_at (ring, params->sq_off.flags);
    ring->cq_head = ring_at (ring, params->cq_off.head);
    ring->cq_tail = ring_at (ring, params->cq_off.tail);
    ring->cq_overflow = ring_at (ring, params->cq_off.overflow);
    ring->cqes = ring_at (ring, params->cq_off.cqes);
    ring->sq_entries = params->sq_entries;
    ring->cq_entries = params->cq_entries;
    if (!(params->flags
          & EVI_SETUP_NO_SQARRAY)) { /* the detour through an index array: straight, once for all */
        ring->sq_array = ring_at (ring, params->sq_off.array);
        for (uint32_t i = 0; i < ring->sq_entries; i++)
            ring->sq_array[i] = i;
    }
    return 0;
}

/* ---- restrictions: what a ring that is not enabled yet may be limited to ---- */

#define RING_BIT(op) ((uint64_t) 1 << (op))

/* Not: whatever names a path, an address or a process, or makes a descriptor out of nothing. */
#define RING_HARMLESS                                                                                       \
    (RING_BIT (EVI_OP_NOP) | RING_BIT (EVI_OP_READV) | RING_BIT (EVI_OP_WRITEV) | RING_BIT (EVI_OP_FSYNC)   \
     | RING_BIT (EVI_OP_READ_FIXED) | RING_BIT (EVI_OP_WRITE_FIXED) | RING_BIT (EVI_OP_POLL_ADD)            \
     | RING_BIT (EVI_OP_POLL_REMOVE) | RING_BIT (EVI_OP_SENDMSG) | RING_BIT (EVI_OP_RECVMSG)                \
     | RING_BIT (EVI_OP_TIMEOUT) | RING_BIT (EVI_OP_ACCEPT) | RING_BIT (EVI_OP_ASYNC_CANCEL)                \
     | RING_BIT (EVI_OP_FALLOCATE) | RING_BIT (EVI_OP_CLOSE) | RING_BIT (EVI_OP_READ)                       \
     | RING_BIT (EVI_OP_WRITE) | RING_BIT (EVI_OP_SEND) | RING_BIT (EVI_OP_RECV) | RING_BIT (EVI_OP_SPLICE) \
     | RING_BIT (EVI_OP_SEND_ZC) | RING_BIT (EVI_OP_SENDMSG_ZC) | RING_BIT (EVI_OP_FTRUNCATE)               \
     | RING_BIT (EVI_OP_EPOLL_WAIT))

enum { RING_SQE_FLAGS = 0x7f & ~EVI_SQE_IO_DRAIN };

/* What a loop registers later; the newest last, which an older kernel does not know. */
static const uint8_t ring_registers[] = {
    EVI_REGISTER_FILES,     EVI_REGISTER_EVENTFD,     EVI_UNREGISTER_EVENTFD,
    EVI_REGISTER_PROBE,     EVI_REGISTER_BUFFERS2,    EVI_REGISTER_BUFFERS_UPDATE,
    EVI_REGISTER_PBUF_RING, EVI_UNREGISTER_PBUF_RING, EVI_REGISTER_SYNC_CANCEL,
};

static int ring_restrict (struct evi_ring *ring)
{
    struct evi_restriction allow[1 + 64 + EVI_COUNT (ring_registers)] = { 0 };
    uint64_t ops = evi_ring_knows (ring) & RING_HARMLESS;
    unsigned count = 0;
    int err;

    allow[count++] = (struct evi_restriction){ .what = EVI_RESTRICT_FLAGS, .allowed = RING_SQE_FLAGS };
    for (unsigned op = 0; op < 64; op++)
        if (ops & RING_BIT (op))
            allow[count++] = (struct evi_restriction){ .what = EVI_RESTRICT_OP, .allowed = (uint8_t) op };
    for (unsigned i = 0; i < EVI_COUNT (ring_registers); i++)
        allow[count++] =
            (struct evi_restriction){ .what = EVI_RESTRICT_REGISTER, .allowed = ring_registers[i] };
    do
        err = evi_sys_uring_register (ring->fd, EVI_REGISTER_RESTRICTIONS, allow, count);
    while (err == -EINVAL && allow[--count].what == EVI_RESTRICT_REGISTER);
    ring->restricted = err >= 0;
    return err < 0 ? err : 0;
}

/* ---- life ---- */

/* Nothing in it, and room for nothing: whoever comes without asking does no harm. */
static void ring_forget (struct evi_ring *ring)
{
    ring->fd = -1;
    ring->sq_head = ring->sq_tail = &ring->sq_next;
    ring->cq_head = ring->cq_tail = ring->cq_overflow = ring->sq_flags = &ring->none;
    ring->sq_entries = ring->cq_entries = ring->none = 0;
    ring->rings = NULL;
    ring->sqes = NULL;
}

static int ring_take_queues (struct evi_ring *ring, const struct evi_ring_params *params,
                             const struct ring_memory *memory)
{
    if (memory->rings)
        ring_lend (ring, memory);
    else
        ring_map (ring, params);
    return (params->features & RING_FLOOR) == RING_FLOOR ? ring_find (ring, params) : -ENOSYS;
}

EVI int evi_ring_open (struct evi_ring *ring, unsigned entries, unsigned completions, unsigned exclude)
{
    struct evi_ring_params params;
    struct ring_memory memory = { 0 };
    int fd = ring_setup_sizes (&params, entries, completions, exclude, &memory), err;

    memset (ring, 0, sizeof *ring);
    ring_forget (ring);
    if (fd < 0)
        return fd;
    if (!params.sq_entries || !params.features) {
        ring_memory_end (&memory);
        return -ENOSYS; /* a filter that answers "fine" without asking the kernel: fd is not ours to close */
    }
    ring->fd = fd;
    ring->enter_flags = EVI_ENTER_GETEVENTS;
    if (params.features & EVI_FEAT_NO_IOWAIT)
        ring->enter_flags |= EVI_ENTER_NO_IOWAIT; /* a sleeping loop is not a disk that is busy */
    ring->setup = params.flags;
    ring->features = params.features;
    ring->process = evi_sys_process ();
    err = ring_take_queues (ring, &params, &memory);
    if (!err && exclude & EVI_RING_RESTRICT)
        err = ring_restrict (ring);
    if (err < 0)
        evi_ring_close (ring);
    return err;
}

/* In a child something else may live at these addresses by now. */
static void ring_unmap (struct evi_ring *ring)
{
    if (!evi_ring_mine (ring))
        return;
    if (ring->rings)
        evi_sys_unmap (ring->rings, ring->rings_size);
    if (ring->sqes)
        evi_sys_unmap (ring->sqes, ring->sqes_size);
}

EVI void evi_ring_close (struct evi_ring *ring)
{
    ring_unmap (ring);
    if (ring->fd >= 0)
        evi_sys_close (ring->fd);
    ring_forget (ring);
}

EVI void evi_ring_part (struct evi_ring *ring, struct evi_ring *rest)
{
    *rest = *ring;
    rest->fd = -1;
    if (!(ring->setup & EVI_SETUP_NO_MMAP)) { /* its mapping would keep it alive */
        ring_unmap (rest);
        ring_forget (rest);
    }
    evi_sys_close (ring->fd);
    ring_forget (ring);
}

EVI void evi_ring_give_up (struct evi_ring *ring)
{
    if (ring->fd >= 0)
        evi_sys_close (ring->fd);
    ring_forget (ring);
}

EVI int evi_ring_enable (struct evi_ring *ring)
{
    int err = 0;

    if (ring->setup & EVI_SETUP_R_DISABLED)
        err = evi_sys_uring_register (ring->fd, EVI_REGISTER_ENABLE_RINGS, NULL, 0);
    if (err < 0)
        return err;
    ring->enabled = 1;
    ring->thread = evi_sys_thread ();
    return 0;
}

EVI uint64_t evi_ring_knows (const struct evi_ring *ring)
{
    struct evi_probe probe;
    uint64_t known = 0;

    memset (&probe, 0, sizeof probe);
    if (evi_sys_uring_register (ring->fd, EVI_REGISTER_PROBE, &probe, EVI_COUNT (probe.ops)) < 0)
        return 0;
    for (unsigned i = 0; i < probe.count && i < EVI_COUNT (probe.ops); i++)
        if (probe.ops[i].flags & 1)
            known |= (uint64_t) 1 << probe.ops[i].op;
    return ring->restricted ? known & RING_HARMLESS : known;
}

EVI int evi_ring_cancel_now (const struct evi_ring *ring, uint64_t name)
{
    struct evi_cancel_reg one = { .addr = name, .fd = -1 };

    return evi_sys_uring_register (ring->fd, EVI_REGISTER_SYNC_CANCEL, &one, 1);
}

EVI int evi_ring_hold (const struct evi_ring *ring, int fd)
{
    int32_t one = fd;

    return evi_sys_uring_register (ring->fd, EVI_REGISTER_FILES, &one, 1);
}

EVI int evi_ring_add_buffers (const struct evi_ring *ring, struct evi_buf *buffers, unsigned entries,
                              unsigned group)
{
    struct evi_buf_reg reg = { .ring_addr = (uintptr_t) buffers,
                               .ring_entries = entries,
                               .group = (uint16_t) group };

    return evi_sys_uring_register (ring->fd, EVI_REGISTER_PBUF_RING, &reg, 1);
}

EVI int evi_ring_drop_buffers (const struct evi_ring *ring, unsigned group)
{
    struct evi_buf_reg reg = { .group = (uint16_t) group };

    return evi_sys_uring_register (ring->fd, EVI_UNREGISTER_PBUF_RING, &reg, 1);
}

EVI int evi_ring_add_table (const struct evi_ring *ring, unsigned count)
{
    struct evi_rsrc_table table = { .count = count, .flags = EVI_RSRC_SPARSE };

    return evi_sys_uring_register (ring->fd, EVI_REGISTER_BUFFERS2, &table, sizeof table);
}

EVI int evi_ring_pin (const struct evi_ring *ring, unsigned place, const void *memory, size_t size)
{
    struct iovec vec = { .iov_base = size ? (void *) (uintptr_t) memory : NULL, .iov_len = size };
    struct evi_rsrc_update update = { .first = place, .data = (uintptr_t) &vec, .count = 1 };
    int done = evi_sys_uring_register (ring->fd, EVI_REGISTER_BUFFERS_UPDATE, &update, sizeof update);

    return done < 0 ? done : 0;
}

/* ---- submissions: we own the tail, the kernel the head ---- */

EVI struct evi_sqe *evi_ring_unsent (const struct evi_ring *ring, unsigned nth)
{
    return &ring->sqes[(ring->sq_next - evi_ring_queued (ring) + nth) & (ring->sq_entries - 1)];
}

EVI void evi_ring_untake (struct evi_ring *ring)
{
    ring->sq_next--;
}

#endif
