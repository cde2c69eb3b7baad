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
#define EVI_SETUP_NO_MMAP (1u << 14)       /* 6.5: the queues lie in memory of ours */
#define EVI_SETUP_NO_SQARRAY (1u << 16)    /* 6.6 */

/* Features */
#define EVI_FEAT_SINGLE_MMAP (1u << 0)   /* 5.4 */
#define EVI_FEAT_NODROP (1u << 1)        /* 5.5: completions wait in the kernel when the queue is full */
#define EVI_FEAT_POLL_32BITS (1u << 6)   /* 5.9 */
#define EVI_FEAT_EXT_ARG (1u << 8)       /* 5.11: a time limit for enter */
#define EVI_FEAT_RSRC_TAGS (1u << 10)    /* 5.13: the same kernel brought multishot poll and poll update */
#define EVI_FEAT_CQE_SKIP (1u << 11)     /* 5.17 */
#define EVI_FEAT_REG_REG_RING (1u << 13) /* 6.3: what 6.2 brought is there too */
#define EVI_FEAT_MIN_TIMEOUT (1u << 15)  /* 6.12: the same kernel brought absolute time limits */
#define EVI_FEAT_NO_IOWAIT (1u << 17)    /* 6.15 */

/* Enter flags */
#define EVI_ENTER_GETEVENTS (1u << 0)
#define EVI_ENTER_EXT_ARG (1u << 3)
#define EVI_ENTER_ABS_TIMER (1u << 5) /* 6.12 */
#define EVI_ENTER_NO_IOWAIT (1u << 7) /* 6.15 */

/* Submission queue flags, written by the kernel */
#define EVI_SQ_CQ_OVERFLOW (1u << 1)
#define EVI_SQ_TASKRUN (1u << 2)

/* Submission and completion flags */
#define EVI_SQE_IO_DRAIN (1u << 1)
#define EVI_SQE_IO_LINK (1u << 2)
#define EVI_SQE_IO_HARDLINK (1u << 3)
#define EVI_SQE_BUFFER_SELECT (1u << 5)    /* 5.7 */
#define EVI_SQE_CQE_SKIP_SUCCESS (1u << 6) /* 5.17 */
#define EVI_CQE_F_BUFFER (1u << 0)         /* the upper half of the flags says which */
#define EVI_CQE_F_MORE (1u << 1)
#define EVI_CQE_F_NOTIF (1u << 3) /* 6.0: the network is done with the buffer of a zero-copy send */
enum { EVI_CQE_BUFFER_SHIFT = 16 };

/* Registration */
#define EVI_REGISTER_FILES 2u
#define EVI_REGISTER_EVENTFD 4u
#define EVI_UNREGISTER_EVENTFD 5u
#define EVI_REGISTER_PROBE 8u
#define EVI_REGISTER_RESTRICTIONS 11u
#define EVI_REGISTER_ENABLE_RINGS 12u
#define EVI_REGISTER_BUFFERS2 15u       /* 5.13 */
#define EVI_REGISTER_BUFFERS_UPDATE 16u /* 5.13 */
#define EVI_REGISTER_PBUF_RING 22u      /* 5.19 */
#define EVI_UNREGISTER_PBUF_RING 23u    /* 5.19 */
#define EVI_REGISTER_SYNC_CANCEL 24u    /* 6.0 */
#define EVI_RSRC_SPARSE (1u << 0)       /* 5.19: a table of nothing */

enum { EVI_RESTRICT_REGISTER, EVI_RESTRICT_OP, EVI_RESTRICT_FLAGS }; /* what a restriction allows */
struct evi_restriction {                                             /* struct io_uring_restriction */
    uint16_t what;
    uint8_t allowed, resv;
    uint32_t resv2[3];
};
_Static_assert(sizeof (struct evi_restriction) == 16, "a restriction is 16 bytes");

struct evi_cancel_reg { /* struct io_uring_sync_cancel_reg */
    uint64_t addr;
    int32_t fd;
    uint32_t flags;
    struct evi_ring_timespec timeout;
    uint64_t resv[4];
};

struct evi_rsrc_table { /* struct io_uring_rsrc_register */
    uint32_t count, flags;
    uint64_t resv, data, tags;
};

struct evi_rsrc_update { /* struct io_uring_rsrc_update2 */
    uint32_t first, resv;
    uint64_t data, tags;
    uint32_t count, resv2;
};

struct evi_probe { /* struct io_uring_probe: what PROBE answers */
    uint8_t last_op, count;
    uint16_t resv;
    uint32_t resv2[3];
    struct {
        uint8_t op, resv;
        uint16_t flags; /* 1: supported */
        uint32_t resv2;
    } ops[64];
};
_Static_assert(sizeof (struct evi_probe) == 16 + 64 * 8, "eight bytes an operation");

struct
    evi_buf { /* struct io_uring_buf: a buffer for the kernel to choose. The ring's tail lies in the first one's resv */
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    uint16_t resv;
};
_Static_assert(sizeof (struct evi_buf) == 16, "a buffer is 16 bytes");

struct evi_buf_reg { /* struct io_uring_buf_reg */
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t group;
    uint16_t flags;
    uint64_t resv[3];
};
_Static_assert(sizeof (struct evi_buf_reg) == 40, "a registration is 40 bytes");

/* Where mmap finds the queues */
#define EVI_OFF_RINGS 0ull
#define EVI_OFF_SQES 0x10000000ull

/* Operations */
enum {
    EVI_OP_NOP = 0,
    EVI_OP_READV = 1,
    EVI_OP_WRITEV = 2,
    EVI_OP_FSYNC = 3,
    EVI_OP_READ_FIXED = 4,
    EVI_OP_WRITE_FIXED = 5,
    EVI_OP_POLL_ADD = 6,
    EVI_OP_POLL_REMOVE = 7,
    EVI_OP_SENDMSG = 9,
    EVI_OP_RECVMSG = 10,
    EVI_OP_TIMEOUT = 11,
    EVI_OP_ACCEPT = 13,
    EVI_OP_ASYNC_CANCEL = 14,
    EVI_OP_CONNECT = 16,
    EVI_OP_FALLOCATE = 17,
    EVI_OP_OPENAT = 18,
    EVI_OP_CLOSE = 19,
    EVI_OP_READ = 22,
    EVI_OP_WRITE = 23,
    EVI_OP_SEND = 26,
    EVI_OP_RECV = 27,
    EVI_OP_SPLICE = 30,
    EVI_OP_RENAMEAT = 35,   /* 5.11 */
    EVI_OP_UNLINKAT = 36,   /* 5.11 */
    EVI_OP_MKDIRAT = 37,    /* 5.15 */
    EVI_OP_SOCKET = 45,     /* 5.19: the same kernel brought multishot accept */
    EVI_OP_SEND_ZC = 47,    /* 6.0: the same kernel brought multishot receive */
    EVI_OP_SENDMSG_ZC = 48, /* 6.1 */
    EVI_OP_FTRUNCATE = 55,  /* 6.9 */
    EVI_OP_EPOLL_WAIT = 59, /* 6.15: addr and len are an array of struct epoll_event */
    EVI_OPS_END
};

/* ACCEPT and RECV: in ioprio. */
#define EVI_ACCEPT_MULTISHOT (1u << 0) /* 5.19 */
#define EVI_ACCEPT_DONTWAIT (1u << 1)  /* 6.10 */
#define EVI_RECV_MULTISHOT (1u << 1)   /* 6.0 */

/* SEND_ZC: in ioprio; and what the result of its notification then may say. */
#define EVI_SEND_ZC_REPORT_USAGE (1u << 3) /* 6.2 */
#define EVI_NOTIF_COPIED (1u << 31)

/* READ and WRITE: in op_flags. */
#define EVI_RWF_NOSIGNAL 0x100u /* 6.18 */

/* TIMEOUT: in op_flags: the time is a point on the monotonic clock. */
#define EVI_TIMEOUT_ABS (1u << 0)

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
EVI_SAME (EVI_TIMEOUT_ABS, IORING_TIMEOUT_ABS);
EVI_SAME ((int) EVI_OP_TIMEOUT, (int) IORING_OP_TIMEOUT);
EVI_SAME ((int) EVI_OP_POLL_ADD, (int) IORING_OP_POLL_ADD);
EVI_SAME ((int) EVI_OP_POLL_REMOVE, (int) IORING_OP_POLL_REMOVE);
EVI_SAME (sizeof (struct evi_buf), sizeof (struct io_uring_buf));
EVI_SAME (sizeof (struct evi_buf_reg), sizeof (struct io_uring_buf_reg));
EVI_SAME ((int) EVI_OP_READV, (int) IORING_OP_READV);
EVI_SAME ((int) EVI_OP_WRITEV, (int) IORING_OP_WRITEV);
EVI_SAME ((int) EVI_OP_FSYNC, (int) IORING_OP_FSYNC);
EVI_SAME ((int) EVI_OP_SENDMSG, (int) IORING_OP_SENDMSG);
EVI_SAME ((int) EVI_OP_RECVMSG, (int) IORING_OP_RECVMSG);
EVI_SAME ((int) EVI_OP_ACCEPT, (int) IORING_OP_ACCEPT);
EVI_SAME ((int) EVI_OP_ASYNC_CANCEL, (int) IORING_OP_ASYNC_CANCEL);
EVI_SAME ((int) EVI_OP_CONNECT, (int) IORING_OP_CONNECT);
EVI_SAME ((int) EVI_OP_FALLOCATE, (int) IORING_OP_FALLOCATE);
EVI_SAME ((int) EVI_OP_OPENAT, (int) IORING_OP_OPENAT);
EVI_SAME ((int) EVI_OP_CLOSE, (int) IORING_OP_CLOSE);
EVI_SAME ((int) EVI_OP_READ_FIXED, (int) IORING_OP_READ_FIXED);
EVI_SAME ((int) EVI_OP_WRITE_FIXED, (int) IORING_OP_WRITE_FIXED);
EVI_SAME ((int) EVI_OP_READ, (int) IORING_OP_READ);
EVI_SAME ((int) EVI_OP_WRITE, (int) IORING_OP_WRITE);
EVI_SAME ((int) EVI_OP_SEND, (int) IORING_OP_SEND);
EVI_SAME ((int) EVI_OP_RECV, (int) IORING_OP_RECV);
EVI_SAME ((int) EVI_OP_SPLICE, (int) IORING_OP_SPLICE);
EVI_SAME ((int) EVI_OP_RENAMEAT, (int) IORING_OP_RENAMEAT);
EVI_SAME ((int) EVI_OP_UNLINKAT, (int) IORING_OP_UNLINKAT);
EVI_SAME ((int) EVI_OP_MKDIRAT, (int) IORING_OP_MKDIRAT);
EVI_SAME ((int) EVI_OP_SOCKET, (int) IORING_OP_SOCKET);
EVI_SAME ((int) EVI_OP_SEND_ZC, (int) IORING_OP_SEND_ZC);
#ifdef IORING_SEND_ZC_REPORT_USAGE
EVI_SAME (EVI_SEND_ZC_REPORT_USAGE, IORING_SEND_ZC_REPORT_USAGE);
EVI_SAME (EVI_NOTIF_COPIED, IORING_NOTIF_USAGE_ZC_COPIED);
#endif
EVI_SAME (EVI_SQE_BUFFER_SELECT, IOSQE_BUFFER_SELECT);
EVI_SAME (EVI_CQE_F_BUFFER, IORING_CQE_F_BUFFER);
EVI_SAME (EVI_RECV_MULTISHOT, IORING_RECV_MULTISHOT);
EVI_SAME ((int) EVI_REGISTER_PBUF_RING, (int) IORING_REGISTER_PBUF_RING);
EVI_SAME ((int) EVI_UNREGISTER_PBUF_RING, (int) IORING_UNREGISTER_PBUF_RING);
EVI_SAME ((int) EVI_REGISTER_BUFFERS2, (int) IORING_REGISTER_BUFFERS2);
EVI_SAME ((int) EVI_REGISTER_BUFFERS_UPDATE, (int) IORING_REGISTER_BUFFERS_UPDATE);
EVI_SAME (sizeof (struct evi_rsrc_table), sizeof (struct io_uring_rsrc_register));
EVI_SAME (sizeof (struct evi_rsrc_update), sizeof (struct io_uring_rsrc_update2));
#ifdef IORING_ASYNC_CANCEL_ANY
EVI_SAME ((int) EVI_REGISTER_SYNC_CANCEL, (int) IORING_REGISTER_SYNC_CANCEL);
EVI_SAME (sizeof (struct evi_cancel_reg), sizeof (struct io_uring_sync_cancel_reg));
#endif
EVI_SAME ((int) EVI_REGISTER_EVENTFD, (int) IORING_REGISTER_EVENTFD);
EVI_SAME ((int) EVI_REGISTER_PROBE, (int) IORING_REGISTER_PROBE);
EVI_SAME ((int) EVI_REGISTER_RESTRICTIONS, (int) IORING_REGISTER_RESTRICTIONS);
EVI_SAME (sizeof (struct evi_restriction), sizeof (struct io_uring_restriction));
EVI_SAME ((int) EVI_RESTRICT_OP, (int) IORING_RESTRICTION_SQE_OP);
EVI_SAME ((int) EVI_RESTRICT_FLAGS, (int) IORING_RESTRICTION_SQE_FLAGS_ALLOWED);
EVI_SAME ((int) EVI_REGISTER_ENABLE_RINGS, (int) IORING_REGISTER_ENABLE_RINGS);
#endif
#endif

#endif
