/* hand_echo.c: echo and churn on a ring by hand: one accept for all connections; echo: one receive for all messages
 * of a connection, into buffers the kernel picks, and one send per message, out of the buffer it came in. */
#include "hand.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { ACCEPT, RECEIVE, SEND };
enum { GROUP = 0, FD_MAX = 65536 };

static struct echo *echo;

static void accept_all (void)
{
    struct io_uring_sqe *sqe = hand_sqe ();

    io_uring_prep_multishot_accept (sqe, echo->listener, 0, 0, SOCK_CLOEXEC);
    sqe->user_data = hand_tag (ACCEPT, 0);
}

/* ---- echo ---------------------------------------------------------------------------------- */

static struct io_uring_buf_ring *buffers;
static char *memory;
static int buffer_count;

static void give (int buffer)
{
    io_uring_buf_ring_add (buffers, memory + (size_t) buffer * ECHO_SIZE_MAX, ECHO_SIZE_MAX,
                           (unsigned short) buffer, buffer_count - 1, 0);
    io_uring_buf_ring_advance (buffers, 1);
}

static void open_buffers (int count)
{
    struct io_uring_buf_reg where = { .bgid = GROUP };

    buffer_count = count;
    memory = aligned_alloc (ECHO_SIZE_MAX, (size_t) count * ECHO_SIZE_MAX);
    buffers = aligned_alloc (ECHO_SIZE_MAX, (size_t) count * sizeof (struct io_uring_buf));
    where.ring_addr = (uintptr_t) buffers;
    where.ring_entries = (unsigned) count;
    if (!memory || !buffers || io_uring_register_buf_ring (&hand_ring, &where, 0))
        bench_die ("buffer ring");
    io_uring_buf_ring_init (buffers);
    for (int i = 0; i < count; i++)
        give (i);
}

static void receive (int fd)
{
    struct io_uring_sqe *sqe = hand_sqe ();

    io_uring_prep_recv_multishot (sqe, fd, 0, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    sqe->user_data = hand_tag (RECEIVE, fd);
}

static void send_back (int fd, int buffer, int size)
{
    struct io_uring_sqe *sqe = hand_sqe ();

    io_uring_prep_send (sqe, fd, memory + (size_t) buffer * ECHO_SIZE_MAX, (size_t) size,
                        MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = hand_tag (SEND, buffer);
}

/* True when the last connection is gone. */
static bool received (const struct io_uring_cqe *cqe)
{
    int fd = hand_number (cqe->user_data);

    if (cqe->res > 0)
        send_back (fd, (int) (cqe->flags >> IORING_CQE_BUFFER_SHIFT), cqe->res);
    if (cqe->flags & IORING_CQE_F_MORE)
        return false;
    if (cqe->res > 0 || cqe->res == -ENOBUFS) {
        receive (fd);
        return false;
    }
    close (fd);
    return echo_over (echo) == ECHO_FINISHED;
}

static void accepted (const struct io_uring_cqe *cqe)
{
    if (cqe->res < 0)
        bench_die ("accept");
    echo_set_up (echo, cqe->res);
    receive (cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE))
        accept_all ();
}

static bool echo_ready (const struct io_uring_cqe *cqe)
{
    switch (hand_kind (cqe->user_data)) {
    case RECEIVE:
        return received (cqe);
    case SEND:
        echo_count (echo, cqe->res);
        give (hand_number (cqe->user_data));
        return false;
    default:
        accepted (cqe);
        return false;
    }
}

void hand_echo_run (struct echo *work)
{
    echo = work;
    open_buffers (echo_buffers (work));
    accept_all ();
    hand_run (echo_ready);
}

/* ---- churn --------------------------------------------------------------------------------- */

static char (*requests)[CHURN_SIZE_MAX]; /* by descriptor */

static void receive_request (int fd)
{
    struct io_uring_sqe *sqe = hand_sqe ();

    io_uring_prep_recv (sqe, fd, requests[fd], sizeof requests[fd], 0);
    sqe->user_data = hand_tag (RECEIVE, fd);
}

static void send_answer (int fd, int size)
{
    struct io_uring_sqe *sqe = hand_sqe ();

    io_uring_prep_send (sqe, fd, requests[fd], (size_t) size, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = hand_tag (SEND, fd);
}

static bool churn_ready (const struct io_uring_cqe *cqe)
{
    int fd = hand_number (cqe->user_data);

    switch (hand_kind (cqe->user_data)) {
    case RECEIVE:
        send_answer (fd, cqe->res);
        return false;
    case SEND:
        close (fd);
        return churn_count (echo, cqe->res);
    default:
        if (cqe->res < 0 || cqe->res >= FD_MAX)
            bench_die ("accept");
        receive_request (cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            accept_all ();
        return false;
    }
}

void hand_churn_run (struct echo *work)
{
    echo = work;
    requests = calloc (FD_MAX, sizeof *requests);
    if (!requests)
        bench_die ("calloc");
    accept_all ();
    hand_run (churn_ready);
}
