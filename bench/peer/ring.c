/* ring.c: the peer "raw ring": liburing by hand, readiness only: one-shot POLL_ADD, armed again after each event,
 * submission and waiting in one system call, DEFER_TASKRUN. The floor for a readiness loop on io_uring. */
#include "peer.h"

#include <liburing.h>
#include <poll.h>

enum { ENTRIES = 256, COMPLETIONS = 4096 };

static const uint64_t WRITING = UINT64_C (1) << 32; /* toggle: what was asked for */

static struct io_uring ring;
static struct pipes *pipes;

static const char *peer_version (void)
{
    return "liburing, one-shot poll";
}

static void peer_open (void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        .cq_entries = COMPLETIONS,
    };

    if (io_uring_queue_init_params (ENTRIES, &ring, &params))
        bench_skip ("no ring with DEFER_TASKRUN");
}

static void arm_for (int fd, unsigned what, uint64_t value)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe (&ring);

    if (!sqe) {
        io_uring_submit (&ring);
        sqe = io_uring_get_sqe (&ring);
    }
    io_uring_prep_poll_add (sqe, fd, what);
    sqe->user_data = value;
}

static void arm (int fd, uint64_t value)
{
    arm_for (fd, POLLIN, value);
}

/* Calls `ready` for every completion there is, after having waited for one; ends when it says true. */
static inline void run (bool (*ready) (uint64_t value))
{
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        bool last = false;

        io_uring_submit_and_wait (&ring, 1);
        io_uring_for_each_cqe (&ring, head, cqe)
        {
            count++;
            if ((last = ready (cqe->user_data)))
                break;
        }
        io_uring_cq_advance (&ring, count);
        if (last)
            return;
    }
}

static bool pipes_one (uint64_t value)
{
    bool last = pipes_ready (pipes, (int) value);

    arm (pipes->pairs[value][0], value);
    return last;
}

static void peer_pipes_watch (struct pipes *work)
{
    pipes = work;
    for (int i = 0; i < work->count; i++)
        arm (work->pairs[i][0], (uint64_t) i);
}

static void peer_pipes_run (void)
{
    run (pipes_one);
}

static bool toggle_one (uint64_t value)
{
    int at = (int) (uint32_t) value, fd = pipes->pairs[at][0];

    if (value & WRITING) {
        arm (fd, (uint64_t) at);
        return pipes_pass (pipes, at);
    }
    pipes_take (pipes, at);
    arm_for (fd, POLLOUT, (uint64_t) at | WRITING);
    return false;
}

static void peer_toggle_run (void)
{
    run (toggle_one);
}

static struct echo *echo;

static bool echo_one (uint64_t value)
{
    int fd = (int) value;
    enum echo_outcome outcome = ECHO_GOES_ON;

    if (fd == echo->listener)
        for (int connection; (connection = echo_accept (echo)) >= 0;)
            arm (connection, (uint64_t) connection);
    else
        outcome = echo_serve (echo, fd);
    if (outcome == ECHO_GOES_ON)
        arm (fd, value);
    else
        close (fd);
    return outcome == ECHO_FINISHED;
}

static void peer_echo_run (struct echo *work)
{
    echo = work;
    arm (work->listener, (uint64_t) work->listener);
    run (echo_one);
}

const struct peer peer = {
    .version = peer_version,
    .open = peer_open,
    .pipes_watch = peer_pipes_watch,
    .pipes_run = peer_pipes_run,
    .toggle_run = peer_toggle_run,
    .echo_run = peer_echo_run,
};
