/* hand.h: one ring, as an expert would write it for one program, without a library around it. See hand.c. */
#ifndef BENCH_HAND_H_
#define BENCH_HAND_H_

#include "peer.h"

#include <liburing.h>

void hand_open (void);
/* Submits what was asked for; returns when `completions` are there (0: at once). */
void hand_enter (unsigned completions);

extern struct io_uring hand_ring;

static inline struct io_uring_sqe *hand_sqe (void)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe (&hand_ring)))
        hand_enter (0);
    return sqe;
}

/* user_data: what it is, and a descriptor, a buffer or a slot. */
static inline uint64_t hand_tag (unsigned kind, int number)
{
    return (uint64_t) kind << 32 | (unsigned) number;
}

static inline unsigned hand_kind (uint64_t tag)
{
    return (unsigned) (tag >> 32);
}

static inline int hand_number (uint64_t tag)
{
    return (int) (uint32_t) tag;
}

/* Calls `ready` for every completion there is, after having waited for one; ends when it says true. */
static inline void hand_run (bool (*ready) (const struct io_uring_cqe *cqe))
{
    bool last = false;

    while (!last) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;

        hand_enter (1);
        io_uring_for_each_cqe (&hand_ring, head, cqe)
        {
            count++;
            if ((last = ready (cqe)))
                break;
        }
        io_uring_cq_advance (&hand_ring, count);
    }
}

void hand_echo_run (struct echo *work);
void hand_churn_run (struct echo *work);
void hand_files_run (struct files *work);

#endif
