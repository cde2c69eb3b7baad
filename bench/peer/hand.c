/* hand.c: the peer "hand ring": operations on io_uring by hand, with the ring flags evring uses. What a library can
 * at best be as cheap as.
 * liburing's inline functions do the filling and reaping. Set-up and entering are done here, because liburing 2.3
 * (Debian 12) is older than NO_SQARRAY and NO_IOWAIT, and the comparison wants the same flags on both sides. */
#include "hand.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRIES = 256, COMPLETIONS = 4096 };

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)
#endif

struct io_uring hand_ring;
static unsigned wait_flags = IORING_ENTER_GETEVENTS;

static const char *peer_version (void)
{
    return "liburing, operations by hand";
}

static void *map (int fd, size_t size, off_t offset)
{
    void *memory = mmap (0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

    if (memory == MAP_FAILED)
        bench_die ("mmap of the ring");
    return memory;
}

static void map_queues (const struct io_uring_params *p)
{
    struct io_uring_sq *sq = &hand_ring.sq;
    struct io_uring_cq *cq = &hand_ring.cq;
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof (unsigned);
    size_t cq_size = p->cq_off.cqes + p->cq_entries * sizeof (struct io_uring_cqe);
    char *rings = map (hand_ring.ring_fd, sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);

    sq->khead = (unsigned *) (rings + p->sq_off.head);
    sq->ktail = (unsigned *) (rings + p->sq_off.tail);
    sq->kflags = (unsigned *) (rings + p->sq_off.flags);
    sq->ring_mask = p->sq_entries - 1;
    sq->ring_entries = p->sq_entries;
    sq->sqes = map (hand_ring.ring_fd, p->sq_entries * sizeof (struct io_uring_sqe), IORING_OFF_SQES);
    cq->khead = (unsigned *) (rings + p->cq_off.head);
    cq->ktail = (unsigned *) (rings + p->cq_off.tail);
    cq->cqes = (struct io_uring_cqe *) (rings + p->cq_off.cqes);
    cq->ring_mask = p->cq_entries - 1;
    cq->ring_entries = p->cq_entries;
}

void hand_open (void)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER
                 | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_NO_SQARRAY,
        .cq_entries = COMPLETIONS,
    };

    hand_ring.ring_fd = (int) syscall (__NR_io_uring_setup, ENTRIES, &p);
    if (hand_ring.ring_fd < 0)
        bench_skip ("no ring with DEFER_TASKRUN and NO_SQARRAY");
    hand_ring.flags = p.flags;
    hand_ring.features = p.features;
    if (p.features & IORING_FEAT_NO_IOWAIT)
        wait_flags |= IORING_ENTER_NO_IOWAIT;
    map_queues (&p);
}

void hand_enter (unsigned completions)
{
    struct io_uring_sq *sq = &hand_ring.sq;
    unsigned count = sq->sqe_tail - *sq->khead;

    io_uring_smp_store_release (sq->ktail, sq->sqe_tail);
    if (syscall (__NR_io_uring_enter, hand_ring.ring_fd, count, completions, completions ? wait_flags : 0, 0,
                 0)
            < 0
        && errno != EINTR)
        bench_die ("io_uring_enter");
}

const struct peer peer = {
    .version = peer_version,
    .open = hand_open,
    .echo_run = hand_echo_run,
    .churn_run = hand_churn_run,
    .files_run = hand_files_run,
};
