/* ring_abi.h: the kernel's io_uring interface, by hand: structures, numbers, and the kernel that brought each.
 * Distributions ship headers older than their kernels, and an embedder must not need any. Where the system's
 * header is present, what both know is asserted to be the same. Sources: io_uring_setup(2), io_uring_enter(2),
 * io_uring_register(2), and measurements on kernels 5.10 to 7.3. */
#ifndef EVI_RING_ABI_H
#define EVI_RING_ABI_H

#include "../base/base.h"

struct evi_sqe { /* struct io_uring_sqe: a submission */
    uint8_t opcode;
    uint8_t flags;
    uint16_t ioprio;
    int32_t fd;
    uint64_t off;
    uint64_t addr;
    uint32_t len;
    uint32_t op_flags; /* of the operation: poll mask, accept flags … */
    uint64_t user_data;
    uint16_t buf_index;
    uint16_t personality;
    int32_t splice_fd_in;
    uint64_t addr3;
    uint64_t pad2;
};
_Static_assert(sizeof (struct evi_sqe) == 64, "a submission is 64 bytes");

struct evi_cqe { /* struct io_uring_cqe: a completion */
    uint64_t user_data;
    int32_t res;
    uint32_t flags;
};
_Static_assert(sizeof (struct evi_cqe) == 16, "a completion is 16 bytes");

struct evi_sq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
    uint64_t user_addr;
};

struct evi_cq_offsets {
    uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
    uint64_t user_addr;
};

struct evi_ring_params { /* struct io_uring_params */
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
    struct evi_sq_offsets sq_off;
    struct evi_cq_offsets cq_off;
};
_Static_assert(sizeof (struct evi_ring_params) == 120, "the parameters are 120 bytes");

struct evi_ring_timespec { /* struct __kernel_timespec */
    int64_t sec;
    int64_t nsec;
};

struct evi_ring_getevents { /* struct io_uring_getevents_arg */
    uint64_t sigmask;
    uint32_t sigmask_size;
    uint32_t min_wait_usec;
    uint64_t ts;
};
_Static_assert(sizeof (struct evi_ring_getevents) == 24, "other sizes are answered with EINVAL");

/* Set-up flags */
#define EVI_SETUP_CQSIZE (1u << 3)         /* 5.5 */
#define EVI_SETUP_CLAMP (1u << 4)          /* 5.6 */
#define EVI_SETUP_R_DISABLED (1u << 6)     /* 5.10 */
#define EVI_SETUP_SUBMIT_ALL (1u << 7)     /* 5.18: a bad submission does not stop the batch */
#define EVI_SETUP_COOP_TASKRUN (1u << 8)   /* 5.19 */
#define EVI_SETUP_TASKRUN_FLAG (1u << 9)   /* 5.19 */
#define EVI_SETUP_SINGLE_ISSUER (1u << 12) /* 6.0 */
#define EVI_SETUP_DEFER_TASKRUN (1u << 13) /* 6.1 */
#define EVI_SETUP_NO_SQARRAY (1u << 16)    /* 6.6 */

/* Features */
#define EVI_FEAT_SINGLE_MMAP (1u << 0)  /* 5.4 */
#define EVI_FEAT_NODROP (1u << 1)       /* 5.5: completions wait in the kernel when the queue is full */
#define EVI_FEAT_POLL_32BITS (1u << 6)  /* 5.9 */
#define EVI_FEAT_EXT_ARG (1u << 8)      /* 5.11: a time limit for enter */
#define EVI_FEAT_RSRC_TAGS (1u << 10)   /* 5.13: the same kernel brought multishot poll and poll update */
#define EVI_FEAT_CQE_SKIP (1u << 11)    /* 5.17 */
#define EVI_FEAT_MIN_TIMEOUT (1u << 15) /* 6.12: the same kernel brought absolute time limits */
#define EVI_FEAT_NO_IOWAIT (1u << 17)   /* 6.15 */

/* Enter flags */
#define EVI_ENTER_GETEVENTS (1u << 0)
#define EVI_ENTER_EXT_ARG (1u << 3)
#define EVI_ENTER_ABS_TIMER (1u << 5) /* 6.12 */
#define EVI_ENTER_NO_IOWAIT (1u << 7) /* 6.15 */

/* Submission queue flags, written by the kernel */
#define EVI_SQ_CQ_OVERFLOW (1u << 1)
#define EVI_SQ_TASKRUN (1u << 2)

/* Submission and completion flags */
#define EVI_SQE_CQE_SKIP_SUCCESS (1u << 6) /* 5.17 */
#define EVI_CQE_F_MORE (1u << 1)

/* Registration */
#define EVI_REGISTER_EVENTFD 4u
#define EVI_UNREGISTER_EVENTFD 5u
#define EVI_REGISTER_PROBE 8u
#define EVI_REGISTER_ENABLE_RINGS 12u

/* Where mmap finds the queues */
#define EVI_OFF_RINGS 0ull
#define EVI_OFF_SQES 0x10000000ull

/* Operations */
enum { EVI_OP_NOP = 0, EVI_OP_POLL_ADD = 6, EVI_OP_POLL_REMOVE = 7 };

/* POLL_ADD: in len. POLL_REMOVE with an UPDATE flag changes a request instead of taking it back. */
#define EVI_POLL_ADD_MULTI (1u << 0)     /* 5.13 */
#define EVI_POLL_UPDATE_EVENTS (1u << 1) /* 5.13 */

/* Poll masks are words whose halves are swapped on big-endian machines. */
EVI_INLINE uint32_t evi_poll_mask (uint32_t mask)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return mask << 16 | mask >> 16;
#else
    return mask;
#endif
}

#if defined(EVI_CHECK_ABI) && defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#include <stddef.h>
#define EVI_SAME(a, b) _Static_assert((a) == (b), #a " differs from the system's header")
EVI_SAME (sizeof (struct evi_sqe), sizeof (struct io_uring_sqe));
EVI_SAME (sizeof (struct evi_cqe), sizeof (struct io_uring_cqe));
EVI_SAME (sizeof (struct evi_ring_params), sizeof (struct io_uring_params));
EVI_SAME (sizeof (struct evi_ring_getevents), sizeof (struct io_uring_getevents_arg));
EVI_SAME (offsetof (struct evi_sqe, op_flags), offsetof (struct io_uring_sqe, poll32_events));
EVI_SAME (offsetof (struct evi_sqe, user_data), offsetof (struct io_uring_sqe, user_data));
EVI_SAME (offsetof (struct evi_ring_params, features), offsetof (struct io_uring_params, features));
EVI_SAME (offsetof (struct evi_ring_params, cq_off), offsetof (struct io_uring_params, cq_off));
EVI_SAME (offsetof (struct evi_cq_offsets, cqes), offsetof (struct io_cqring_offsets, cqes));
EVI_SAME (EVI_SETUP_CQSIZE, IORING_SETUP_CQSIZE);
EVI_SAME (EVI_SETUP_CLAMP, IORING_SETUP_CLAMP);
EVI_SAME (EVI_SETUP_R_DISABLED, IORING_SETUP_R_DISABLED);
EVI_SAME (EVI_FEAT_SINGLE_MMAP, IORING_FEAT_SINGLE_MMAP);
EVI_SAME (EVI_FEAT_NODROP, IORING_FEAT_NODROP);
EVI_SAME (EVI_FEAT_POLL_32BITS, IORING_FEAT_POLL_32BITS);
EVI_SAME (EVI_FEAT_EXT_ARG, IORING_FEAT_EXT_ARG);
EVI_SAME (EVI_ENTER_GETEVENTS, IORING_ENTER_GETEVENTS);
EVI_SAME (EVI_ENTER_EXT_ARG, IORING_ENTER_EXT_ARG);
EVI_SAME (EVI_SQ_CQ_OVERFLOW, IORING_SQ_CQ_OVERFLOW);
EVI_SAME (EVI_CQE_F_MORE, IORING_CQE_F_MORE);
EVI_SAME (EVI_OFF_SQES, IORING_OFF_SQES);
EVI_SAME (EVI_POLL_ADD_MULTI, IORING_POLL_ADD_MULTI);
EVI_SAME (EVI_POLL_UPDATE_EVENTS, IORING_POLL_UPDATE_EVENTS);
EVI_SAME ((int) EVI_OP_POLL_ADD, (int) IORING_OP_POLL_ADD);
EVI_SAME ((int) EVI_OP_POLL_REMOVE, (int) IORING_OP_POLL_REMOVE);
EVI_SAME ((int) EVI_REGISTER_EVENTFD, (int) IORING_REGISTER_EVENTFD);
EVI_SAME ((int) EVI_REGISTER_PROBE, (int) IORING_REGISTER_PROBE);
EVI_SAME ((int) EVI_REGISTER_ENABLE_RINGS, (int) IORING_REGISTER_ENABLE_RINGS);
#endif
#endif

#endif
