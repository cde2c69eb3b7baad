/* loopring.c: the ring of a loop.
 * Owns struct evi_loopring. Promises that what cannot be said where it is found out is kept as a verdict, that no
 * completion that means something is lost, and that nothing is armed or submitted while completions are handed
 * over. Used by uring.c for polls and by ops/op_uring.c for operations. */
#include "loopring.h"

#if EV_USE_IOURING

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOPRING_SUBMISSIONS = 256,
    LOOPRING_COMPLETIONS = 4096, /* also sizes the kernel's hash of requests that can be taken back */
    LOOPRING_STALLS_MAX = 1000   /* enters in a row that moved nothing: the ring is as good as dead */
};

EVI_HOME const struct evi_ring_timespec evi_at_once;

/* ---- when the process ends, and when one is born ----
 *
 * Requests hold their files. The kernel ends those of a process that has ended when it has the time, some milliseconds
 * later: whoever waited for the process finds its connections open and its ports taken. So an exit ends them first, those
 * of its own thread; one by one, by name: for "all" the kernel would begin anew for each.
 *
 * And a ring lives, and receives and accepts, as long as a fork child has its descriptor. So a child gives it up when it
 * is born. */

enum {
    RINGS_MAX = 256,        /* more have to wait for the kernel */
    RINGS_EXIT_TRIES = 4096 /* calls, of which each hands out some twenty completions */
};

static struct {
    struct ev_loop *loop;
    uintptr_t thread; /* whose its ring is: other threads may be closing theirs; 0: nobody's yet */
} rings[RINGS_MAX];

static int rings_replace (int at, struct ev_loop *was, struct ev_loop *is)
{
    return __atomic_compare_exchange_n (&rings[at].loop, &was, is, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void rings_remove (struct ev_loop *loop)
{
    for (int i = 0; i < RINGS_MAX; i++)
        if (rings_replace (i, loop, NULL))
            return;
}

/* In the only thread that a child has. The loop finds out when it runs. */
static void rings_give_up (void)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        struct ev_loop *loop = __atomic_exchange_n (&rings[i].loop, NULL, __ATOMIC_ACQ_REL);

        if (loop && loop->ring)
            evi_ring_give_up (&loop->ring->ring);
    }
}

static void rings_watch_forks (void)
{
    static int watched;

    if (!__atomic_exchange_n (&watched, 1, __ATOMIC_ACQ_REL))
        evi_sys_at_fork (rings_give_up);
}

static void rings_add (struct ev_loop *loop)
{
    rings_watch_forks ();
    for (int i = 0; i < RINGS_MAX; i++)
        if (rings_replace (i, NULL, loop)) {
            __atomic_store_n (&rings[i].thread, 0, __ATOMIC_RELEASE);
            return;
        }
}

EVI_COLD EVI int evi_loopring_begin (struct ev_loop *loop, struct evi_loopring *it)
{
    int err = evi_ring_enable (&it->ring);

    for (int i = 0; i < RINGS_MAX; i++)
        if (__atomic_load_n (&rings[i].loop, __ATOMIC_ACQUIRE) == loop)
            __atomic_store_n (&rings[i].thread, evi_sys_thread (), __ATOMIC_RELEASE);
    return err;
}

static void rings_end (const struct evi_ring *ring, uint64_t name)
{
    evi_ring_cancel_now (ring, name);
}

/* Does not touch the queues: a signal handler may have called exit in the middle of filling one. */
static void rings_end_all (struct ev_loop *loop)
{
    const struct evi_ring *ring = &loop->ring->ring;

    if (evi_ring_cancel_now (ring, 0) == -EINVAL)
        return; /* before 6.0 */
    if (loop->ring->names)
        loop->ring->names (loop, rings_end);
    if (loop->riders.names)
        loop->riders.names (loop, rings_end);
    for (int tries = 0; tries < RINGS_EXIT_TRIES; tries++)
        if (evi_sys_uring_enter (ring->fd, 0, 0, EVI_ENTER_GETEVENTS, NULL, 0) < 0
            || !(evi_ring_flags (ring) & EVI_SQ_TASKRUN))
            return;
}

__attribute__ ((destructor)) static void rings_exit (void)
{
    for (int i = 0; i < RINGS_MAX; i++) {
        struct ev_loop *loop = __atomic_load_n (&rings[i].loop, __ATOMIC_ACQUIRE);

        if (loop && __atomic_load_n (&rings[i].thread, __ATOMIC_ACQUIRE) == evi_sys_thread ()
            && evi_loopring_ours (loop)
            && evi_sys_seccomp () <= 0) /* a filter might kill for what is asked */
            rings_end_all (loop);
    }
}

/* ---- life ---- */

EVI unsigned evi_loopring_setting (const char *word, unsigned usual)
{
    const char *text = evi_sys_environment ("EVRING_RING"), *at = text ? strstr (text, word) : NULL;

    return at ? (unsigned) atoi (at + strlen (word)) : usual;
}

EVI int evi_loopring_wants (const char *word)
{
    const char *text = evi_sys_environment ("EVRING_RING");

    return text && strstr (text, word);
}

/* EVRING_RING, for tests and trouble: "coop" or "plain" leave out the better set-up flags, "mapped" takes the kernel's memory
 * for the queues, "restrict" is EVFLAG_RESTRICT, "sq=N" and "cq=N" choose sizes, "limit" gives every sleep a limit instead of an alarm. uring.c's are "guests=N", how many rows may have
 * requests before others are guests, "polled", for guests as before 6.15, and "alone": who is
 * stopped while idle is no guest for that. Example: EVRING_RING=plain,cq=16 */
EVI void evi_loopring_configure (const struct ev_loop *loop, struct evi_loopring *it, unsigned exclude)
{
    it->event_fd = -1;
    it->exclude = exclude;
    it->submissions = evi_loopring_setting ("sq=", LOOPRING_SUBMISSIONS);
    it->completions = evi_loopring_setting ("cq=", LOOPRING_COMPLETIONS);
    if (it->submissions > it->completions) /* the kernel refuses that */
        it->submissions = it->completions;
    if (evi_loopring_wants ("coop"))
        it->exclude |= EVI_SETUP_DEFER_TASKRUN;
    if (evi_loopring_wants ("plain"))
        it->exclude |= EVI_SETUP_DEFER_TASKRUN | EVI_SETUP_COOP_TASKRUN;
    if (evi_loopring_wants ("mapped"))
        it->exclude |= EVI_SETUP_NO_MMAP;
    if (loop->origflags & EVFLAG_RESTRICT || evi_loopring_wants ("restrict"))
        it->exclude |= EVI_RING_RESTRICT;
    it->no_alarm = evi_loopring_wants ("limit");
}

/* No two rings of a process have the same. */
static unsigned loopring_next_epoch (void)
{
    static unsigned last;

    return __atomic_add_fetch (&last, 1, __ATOMIC_RELAXED);
}

EVI int evi_loopring_open (struct ev_loop *loop, struct evi_loopring *it)
{
    int err = evi_ring_open (&it->ring, it->submissions, it->completions, it->exclude);

    if (err < 0)
        return err;
    rings_add (loop);
    it->epoch = loopring_next_epoch ();
    it->absolute = it->ring.features & EVI_FEAT_MIN_TIMEOUT && !it->no_absolute;
    it->verdict = 0;
    it->stash_count = 0;
    it->alarm = it->no_alarm ? EVI_ALARM_REFUSED : EVI_ALARM_NONE;
    it->sleep_until = EVI_LOOPRING_NEVER;
    loop->stats.ring_flags = it->ring.setup;
    if (it->event_fd >= 0)
        evi_loopring_register_event_fd (it);
    return 0;
}

static void loopring_close_event_fd (struct evi_loopring *it)
{
    if (it->event_fd >= 0)
        evi_sys_close (it->event_fd);
    it->event_fd = -1;
}

EVI void evi_loopring_close (struct ev_loop *loop, struct evi_loopring *it)
{
    int mine = evi_ring_mine (&it->ring);

    rings_remove (loop);
    if (loop->riders.recall && mine)
        loop->riders.recall (loop);
    if (!mine) /* what a fork child reads there, its parent would not be told */
        loopring_close_event_fd (it);
    if (loop->riders.lost)
        loop->riders.lost (loop);
    evi_ring_close (&it->ring); /* if they have left it */
}

EVI void evi_loopring_free (struct evi_loopring *it)
{
    loopring_close_event_fd (it);
    evi_resize (it->stash, 0);
}

/* ---- entering ---- */

EVI_COLD EVI int evi_loopring_failed (struct ev_loop *loop, struct evi_loopring *it, int answer, int absolute)
{
    switch (answer) {
    case -ETIME: /* the limit is over */
        it->stalls = 0;
        return 0;
    case -EAGAIN: /* no memory for requests: what was not taken stays queued; reap, come again */
    case -ENOMEM:
    case -EBUSY: /* before 6.12: completions are parked in the kernel: reap first */
        if (evi_ring_ready (&it->ring) || ++it->stalls < LOOPRING_STALLS_MAX)
            return 0;
        break;
    case -EINTR:
        return -EINTR;
    case -EEXIST: /* the ring belongs to another thread: the loop has moved (TH-1) */
    case -EBADR:  /* the kernel had to drop a completion, and does not say whose */
        return EVI_REBUILD;
    case -EINVAL:
        if (!absolute)
            break;
        it->no_absolute = 1; /* an old kernel with new features ported back */
        return EVI_REBUILD;
    default: /* EPERM and ENOSYS: a filter was installed; EBADFD, EBADF, ENXIO: the ring is dead */
        break;
    }
    if (evi_sys_is_strange (it->ring.fd, "[io_uring]"))
        it->ring.fd = -1; /* closed by the program, and not ours to close again */
    loop->stats.fallback_error = -answer;
    return EVI_FALL;
}

EVI int evi_loopring_enter (struct ev_loop *loop, struct evi_loopring *it, unsigned wait,
                            const struct evi_ring_timespec *limit, int absolute)
{
    return evi_loopring_enter_here (loop, it, wait, limit, absolute);
}

/* About an earlier use of a descriptor, or about a request of ours that nobody waits for. Behind a release hook
 * the rows may belong to another thread: what cannot be looked up there is left to the reap (U-15), but for requests
 * that were taken back. (Those of a thread that has ended come to no sleep: the ring is made anew before it.) */
static int loopring_stale (const struct ev_loop *loop, struct evi_loopring *it, const struct evi_cqe *cqe)
{
    uint32_t fd = (uint32_t) cqe->user_data;

    switch (evi_name_tag (cqe->user_data)) {
    case EVI_NAME_IGNORE:
    case EVI_NAME_TAKEN:
        return 1;
    case EVI_NAME_CHANGED:
        return cqe->res != -EALREADY;
    case EVI_NAME_ALARM:
        evi_loopring_alarm_over (it, cqe);
        return cqe->res != -ETIME || it->alarm_at < it->sleep_until - EVI_LOOPRING_GRAIN;
    case EVI_NAME_POLL:
        if (EVI_UNLIKELY (loop->waiting && loop->release))
            return cqe->res == -ECANCELED;
        return fd >= loop->fds.count || cqe->user_data != evi_name_row (loop, (int) fd);
    default:
        return 0;
    }
}

/* Is a request over by this: by its last answer, or because a removal did not find it? */
static int loopring_ends (const struct evi_cqe *cqe, uint64_t wanted)
{
    if (evi_name_tag (cqe->user_data) == EVI_NAME_TAKEN)
        return cqe->res == -ENOENT && (cqe->user_data ^ wanted) << 4 == 0;
    return cqe->user_data == wanted && !(cqe->flags & EVI_CQE_F_MORE);
}

static int loopring_set_aside (struct ev_loop *loop, struct evi_loopring *it, uint64_t wanted,
                               int (*aside) (struct ev_loop *loop, const struct evi_cqe *cqe))
{
    unsigned count = evi_ring_ready (&it->ring);
    int found = 0;

    EVI_FIT (it->stash, it->stash_room, it->stash_count + count);
    for (unsigned i = 0; i < count; i++) {
        struct evi_cqe cqe = *evi_ring_peek (&it->ring, i);

        found |= loopring_ends (&cqe, wanted);
        if (!loopring_stale (loop, it, &cqe) && !(aside && aside (loop, &cqe)))
            it->stash[it->stash_count++] = cqe;
    }
    evi_ring_advance (&it->ring, count);
    return found;
}

EVI int evi_loopring_set_aside (struct ev_loop *loop, struct evi_loopring *it, uint64_t wanted)
{
    return loopring_set_aside (loop, it, wanted, it->aside);
}

/* Inside a sleep, or right before it: what there is is as new as can be. */
static void loopring_keep (struct ev_loop *loop, struct evi_loopring *it)
{
    loopring_set_aside (loop, it, 0, NULL);
}

/* Makes room in the queue. What completes meanwhile stays where it is, unless the kernel insists that it is fetched
 * first (EBUSY, up to 6.1). */
EVI_COLD static int loopring_submit (struct ev_loop *loop, struct evi_loopring *it)
{
    unsigned queued = evi_ring_queued (&it->ring);
    int err = evi_loopring_enable (loop, it);

    err = err ? err : evi_loopring_entered (loop, it, evi_ring_submit (&it->ring), 0);
    if (err || evi_ring_queued (&it->ring) < queued)
        return err;
    loopring_keep (loop, it);
    return evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
}

/* The queue is full, or the ring is not ours: then nothing is written into another one's queue, or submitted in
 * another one's name. */
EVI_COLD EVI struct evi_sqe *evi_loopring_sqe_hard (struct ev_loop *loop, struct evi_loopring *it)
{
    for (;;) {
        int err = evi_loopring_check (it);
        struct evi_sqe *sqe = err ? NULL : evi_ring_sqe (&it->ring);

        if (sqe)
            return sqe;
        err = err ? err : loopring_submit (loop, it);
        if (err < 0 && err != -EINTR) {
            it->verdict = err;
            return NULL;
        }
    }
}

EVI void evi_loopring_mute (const struct evi_loopring *it, struct evi_sqe *sqe)
{
    sqe->user_data = evi_name (EVI_NAME_IGNORE, 0, 0);
    if (it->ring.features & EVI_FEAT_CQE_SKIP)
        sqe->flags = EVI_SQE_CQE_SKIP_SUCCESS;
}

EVI void evi_loopring_unsend (const struct evi_loopring *it, struct evi_sqe *sqe)
{
    memset (sqe, 0, sizeof *sqe); /* which is EVI_OP_NOP */
    evi_loopring_mute (it, sqe);
}

EVI int evi_loopring_fresh (struct ev_loop *loop, struct evi_loopring *it)
{
    while (evi_ring_ready (&it->ring) && loopring_stale (loop, it, evi_ring_peek (&it->ring, 0))) {
        evi_ring_advance (&it->ring, 1);
        loop->stats.stale++;
    }
    return evi_ring_ready (&it->ring) != 0;
}

/* One call. Nonzero: it has brought nothing. The flag that says that there is work is set behind the work, by whatever processor
 * brings that: it may come when all is done, and then stays (6.18). */
static int loopring_sweeps_nothing (struct ev_loop *loop, struct evi_loopring *it, int *err)
{
    unsigned queued, ready;

    if (evi_ring_queued (&it->ring))
        loopring_keep (loop, it);
    queued = evi_ring_queued (&it->ring);
    ready = evi_ring_ready (&it->ring);
    loop->stats.sweeps++;
    *err = evi_loopring_enter (loop, it, 0, &evi_at_once, 0);
    return evi_ring_queued (&it->ring) == queued && evi_ring_ready (&it->ring) == ready;
}

/* A ring that defers its work hands out twenty completions per call (6.13 and later), and one that is short of
 * memory or met a bad submission may not have taken all: come back until it has. Without asking for a number of
 * them: a call that finds fewer would sleep, if only for a moment, and give the processor away. */
EVI int evi_loopring_sweep_on (struct ev_loop *loop, struct evi_loopring *it)
{
    int err = 0;

    for (unsigned tries = 0; !evi_loopring_swept (it) && tries < it->ring.cq_entries; tries++)
        if (loopring_sweeps_nothing (loop, it, &err) || err)
            break;
    return err;
}

/* ---- long sleeps ---- */

/* A limit for each sleep would cost a third of a microsecond each time: two copies, and a timer started and taken back
 * (doc/IOURING.md). So one request stays in the ring for many sleeps. When timers move on, as those do that watch for
 * idle peers, it comes before its time is needed, once, and is made anew. */
EVI int evi_loopring_arm_alarm (struct ev_loop *loop, struct evi_loopring *it, ev_tstamp at)
{
    struct evi_sqe *sqe;

    if (it->alarm != EVI_ALARM_NONE)
        return evi_loopring_alarm_serves (it, at);
    sqe = evi_loopring_sqe (loop, it);
    if (!sqe)
        return 0;
    it->alarm = EVI_ALARM_ARMED;
    it->alarm_at = at;
    it->alarm_time = evi_loopring_time (at); /* read in the next call */
    sqe->opcode = EVI_OP_TIMEOUT;
    sqe->fd = -1;
    sqe->addr = (uintptr_t) &it->alarm_time;
    sqe->len = 1;
    sqe->op_flags = EVI_TIMEOUT_ABS;
    sqe->user_data = evi_name (EVI_NAME_ALARM, 0, 0);
    return 1;
}

/* ECANCELED: the thread that armed it has ended. */
EVI void evi_loopring_alarm_over (struct evi_loopring *it, const struct evi_cqe *cqe)
{
    it->alarm = cqe->res == -ETIME || cqe->res == -ECANCELED ? EVI_ALARM_NONE : EVI_ALARM_REFUSED;
}

/* ---- handing over ---- */

EVI_INLINE_HOT void loopring_reap_queue (struct ev_loop *loop, struct evi_loopring *it,
                                         void (*complete) (struct ev_loop *loop, const struct evi_cqe *cqe))
{
    const struct evi_ring *ring = &it->ring;
    const struct evi_cqe *cqes = ring->cqes;
    unsigned head = *ring->cq_head, mask = ring->cq_entries - 1, count = evi_ring_ready (ring);

    for (unsigned at = head; at != head + count; at++)
        complete (loop, &cqes[at & mask]);
    evi_ring_advance (&it->ring, count);
    loop->stats.completions += count;
}

EVI_APART EVI void evi_loopring_reap_stash (struct ev_loop *loop, struct evi_loopring *it,
                                            void (*complete) (struct ev_loop *loop,
                                                              const struct evi_cqe *cqe))
{
    for (unsigned i = 0; i < it->stash_count; i++) {
        struct evi_cqe cqe = it->stash[i];

        complete (loop, &cqe);
    }
    loop->stats.completions += it->stash_count;
    it->stash_count = 0;
}

/* When the queue was full, the surplus waits in the kernel and comes only when asked for. It is finite: nothing
 * is armed in here, so no row can answer twice (U-6, U-17). */
EVI_COLD static void loopring_reap_surplus (struct ev_loop *loop, struct evi_loopring *it,
                                            void (*complete) (struct ev_loop *loop,
                                                              const struct evi_cqe *cqe))
{
    do {
        loop->stats.overflows++;
        if (evi_loopring_enter (loop, it, 0, &evi_at_once, 0) < 0 || !evi_ring_ready (&it->ring))
            break;
        loopring_reap_queue (loop, it, complete);
    } while (evi_ring_flags (&it->ring) & EVI_SQ_CQ_OVERFLOW);
}

EVI void evi_loopring_reap (struct ev_loop *loop, struct evi_loopring *it,
                            void (*complete) (struct ev_loop *loop, const struct evi_cqe *cqe))
{
    loopring_reap_queue (loop, it, complete);
    if (EVI_UNLIKELY (evi_ring_flags (&it->ring) & EVI_SQ_CQ_OVERFLOW))
        loopring_reap_surplus (loop, it, complete);
}

/* ---- for those who sleep elsewhere ---- */

EVI int evi_loopring_register_event_fd (const struct evi_loopring *it)
{
    return evi_sys_uring_register (it->ring.fd, EVI_REGISTER_EVENTFD, &it->event_fd, 1);
}

/* On a ring that defers its work, a completion caused by another eventfd is signalled in a roundabout way, and
 * that only once for each registration (seen on 6.18; doc/IOURING.md). So there it is registered anew after each
 * signal. Whatever arrives in between is found by the enter that follows. */
EVI void evi_loopring_drain_event_fd (const struct evi_loopring *it)
{
    uint64_t count;

    if (evi_sys_read (it->event_fd, &count, sizeof count) <= 0)
        return;
    if (!(it->ring.setup & EVI_SETUP_DEFER_TASKRUN))
        return;
    evi_sys_uring_register (it->ring.fd, EVI_UNREGISTER_EVENTFD, NULL, 0);
    evi_loopring_register_event_fd (it);
}

/* ---- for people ---- */

EVI void evi_loopring_dump (const struct evi_loopring *it, FILE *out)
{
    const struct evi_ring *ring = &it->ring;

    if (ring->fd < 0 || !evi_ring_mine (ring))
        return;
    fprintf (out, "ring: fd %d, set-up 0x%x, features 0x%x, %s\n", ring->fd, ring->setup, ring->features,
             ring->enabled ? "enabled" : "not enabled yet");
    fprintf (out, "ring: submissions %u of %u queued, head %u, tail %u, flags 0x%x\n", evi_ring_queued (ring),
             ring->sq_entries, *ring->sq_head, *ring->sq_tail, *ring->sq_flags);
    fprintf (out, "ring: completions %u of %u ready, head %u, tail %u, overflow %u, %u set aside\n",
             evi_ring_ready (ring), ring->cq_entries, *ring->cq_head, *ring->cq_tail, *ring->cq_overflow,
             it->stash_count);
}

#endif
