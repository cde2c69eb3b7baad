/* waiting.h: one of each kind of operation that waits for the world, in a place where it does, and what the world
 * does to let it go on. Promises that everything given to the operation lies in memory of its own (so that ASan
 * sees whoever writes to it too late), and that nothing of a place is left after place_end. */
#ifndef WAITING_H
#define WAITING_H

#include "op_kit.h"

#include <linux/io_uring.h>
#include <sys/prctl.h>

enum { PLACE_BYTES = 64, PLACE_BIG = 1 << 20, POOL_BUFFERS = 4 };

/* What an operation may point to. Freed as a whole when the operation is over. */
struct luggage {
    struct op op;
    char buf[PLACE_BYTES];
    struct iovec vec[2];
    struct msghdr message;
    struct sockaddr_in address;
    siginfo_t info;
    struct io_uring_sqe sqe;
};

struct place {
    const struct waiting *what;
    struct ev_loop *loop;
    struct luggage *luggage;
    int fd[2], more[8], more_count;
    struct sockaddr_in address;
    ev_pool *pool;
    pid_t pid;
    char *big; /* PLACE_BIG bytes to send */
};

struct waiting {
    const char *name;
    void (*open) (struct place *place);
    void (*set) (struct place *place, ev_op *w);
    void (*release) (struct place *place); /* NULL: that takes too long */
    ssize_t wanted;                        /* result after release; 1: any above 0 */
    int repeats, ring;                     /* goes on after a result; only where there is a ring */
};

/* ---- sockets ---- */

static void open_pair (struct place *place)
{
    op_pair (place->fd);
}

static void open_full (struct place *place)
{
    op_pair (place->fd);
    op_fill (place->fd[0]);
}

static void open_full_tcp (struct place *place)
{
    op_tcp_pair (place->fd);
    op_fill (place->fd[0]);
}

static void open_listener (struct place *place)
{
    place->fd[0] = op_listen (&place->address, 5);
}

/* A listener that takes nobody any more: a client's SYN falls to the floor. */
static void open_crowded (struct place *place)
{
    place->more[place->more_count++] = op_listen (&place->address, 0);
    place->more[place->more_count++] = op_client (&place->address);
    place->fd[0] = socket (AF_INET, SOCK_STREAM, 0);
}

static void put_bytes (struct place *place)
{
    ck_assert_int_eq (write (place->fd[1], "four", 4), 4);
}

static void take_all (struct place *place)
{
    while (op_drain (place->fd[1]))
        usleep (1000);
}

static void connect_to (struct place *place)
{
    place->more[place->more_count++] = op_client (&place->address);
}

static void set_accept (struct place *place, ev_op *w)
{
    ev_accept_set (w, place->fd[0], SOCK_CLOEXEC);
}

static void set_connect (struct place *place, ev_op *w)
{
    place->luggage->address = place->address;
    ev_connect_set (w, place->fd[0], (struct sockaddr *) &place->luggage->address, sizeof place->address);
}

static void set_recv (struct place *place, ev_op *w)
{
    ev_recv_set (w, place->fd[0], place->luggage->buf, PLACE_BYTES, 0);
}

static void set_recv_pool (struct place *place, ev_op *w)
{
    if (!place->pool)
        place->pool = ev_pool_new (place->loop, PLACE_BYTES, POOL_BUFFERS);
    ck_assert_ptr_nonnull (place->pool);
    ev_recv_pool_set (w, place->fd[0], place->pool, 0);
}

static void set_vec (struct luggage *luggage)
{
    luggage->vec[0] = (struct iovec){ luggage->buf, 2 };
    luggage->vec[1] = (struct iovec){ luggage->buf + 2, PLACE_BYTES - 2 };
}

static void set_message (struct luggage *luggage)
{
    set_vec (luggage);
    luggage->message = (struct msghdr){ .msg_iov = luggage->vec, .msg_iovlen = 2 };
}

static void set_recvmsg (struct place *place, ev_op *w)
{
    set_message (place->luggage);
    ev_recvmsg_set (w, place->fd[0], &place->luggage->message, 0);
}

static void set_send (struct place *place, ev_op *w)
{
    ev_send_set (w, place->fd[0], place->luggage->buf, PLACE_BYTES, 0);
}

static void set_send_zc (struct place *place, ev_op *w)
{
    ev_send_zc_set (w, place->fd[0], place->luggage->buf, PLACE_BYTES, 0);
}

static void set_sendmsg (struct place *place, ev_op *w)
{
    set_message (place->luggage);
    ev_sendmsg_set (w, place->fd[0], &place->luggage->message, 0);
}

/* ---- pipes ---- */

static void open_pipe (struct place *place)
{
    ck_assert_int_eq (pipe (place->fd), 0);
}

static void open_pipes (struct place *place)
{
    open_pipe (place);
    ck_assert_int_eq (pipe (place->more), 0);
    place->more_count = 2;
}

/* The end to write to comes first. */
static void open_full_pipe (struct place *place)
{
    int fd[2];

    ck_assert_int_eq (pipe (fd), 0);
    place->fd[0] = fd[1];
    place->fd[1] = fd[0];
    op_fill (fd[1]);
}

static void set_read (struct place *place, ev_op *w)
{
    ev_read_set (w, place->fd[0], place->luggage->buf, PLACE_BYTES, -1);
}

static void set_readv (struct place *place, ev_op *w)
{
    set_vec (place->luggage);
    ev_readv_set (w, place->fd[0], place->luggage->vec, 2, -1);
}

static void set_write (struct place *place, ev_op *w)
{
    ev_write_set (w, place->fd[0], place->luggage->buf, PLACE_BYTES, -1);
}

static void set_writev (struct place *place, ev_op *w)
{
    set_vec (place->luggage);
    ev_writev_set (w, place->fd[0], place->luggage->vec, 2, -1);
}

static void set_splice (struct place *place, ev_op *w)
{
    ev_splice_set (w, place->fd[0], -1, place->more[1], -1, PLACE_BYTES, 0);
}

/* ---- processes, and anything ---- */

static void open_child (struct place *place)
{
    pid_t parent = getpid ();

    fflush (NULL);
    place->pid = fork ();
    ck_assert_int_ge (place->pid, 0);
    if (place->pid)
        return;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    while (getppid () == parent) /* else it has died before that */
        pause ();
    _exit (0);
}

static void kill_child (struct place *place)
{
    ck_assert_int_eq (kill (place->pid, SIGKILL), 0);
}

static void set_waitid (struct place *place, ev_op *w)
{
    ev_waitid_set (w, P_PID, place->pid, &place->luggage->info, WEXITED);
}

static void set_sqe (struct place *place, ev_op *w)
{
    place->luggage->sqe = (struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD, .poll32_events = POLLIN };
    place->luggage->sqe.fd = place->fd[0];
    ev_sqe_set (w, &place->luggage->sqe);
}

static const struct waiting waitings[] = {
    { "accept", open_listener, set_accept, connect_to, 1, 1, 0 },
    { "connect", open_crowded, set_connect, NULL, 0, 0, 0 },
    { "recv", open_pair, set_recv, put_bytes, 4, 0, 0 },
    { "recv_pool", open_pair, set_recv_pool, put_bytes, 4, 1, 0 },
    { "recvmsg", open_pair, set_recvmsg, put_bytes, 4, 0, 0 },
    { "send", open_full, set_send, take_all, PLACE_BYTES, 0, 0 },
    { "send_zc", open_full_tcp, set_send_zc, take_all, PLACE_BYTES, 0, 0 },
    { "sendmsg", open_full, set_sendmsg, take_all, PLACE_BYTES, 0, 0 },
    { "read", open_pipe, set_read, put_bytes, 4, 0, 0 },
    { "read of a socket", open_pair, set_read, put_bytes, 4, 0, 0 },
    { "readv", open_pipe, set_readv, put_bytes, 4, 0, 0 },
    { "write", open_full_pipe, set_write, take_all, PLACE_BYTES, 0, 0 },
    { "write to a socket", open_full, set_write, take_all, PLACE_BYTES, 0, 0 },
    { "writev", open_full_pipe, set_writev, take_all, PLACE_BYTES, 0, 0 },
    { "splice", open_pipes, set_splice, put_bytes, 4, 0, 0 },
    { "waitid", open_child, set_waitid, kill_child, 0, 0, 0 },
    { "sqe", open_pair, set_sqe, put_bytes, 1, 0, 1 },
};
enum { WAITINGS = sizeof waitings / sizeof *waitings };

static KIT_UNUSED int waiting_works (const struct waiting *what)
{
    return !what->ring || test_engine_ring ();
}

static KIT_UNUSED void place_begin (struct place *place, struct ev_loop *loop, const struct waiting *what)
{
    *place = (struct place){ .what = what, .loop = loop, .fd = { -1, -1 } };
    place->luggage = op_memory (sizeof *place->luggage);
    what->open (place);
    what->set (place, op_new (&place->luggage->op));
}

static KIT_UNUSED void place_start (struct place *place)
{
    op_start (place->loop, &place->luggage->op);
}

/* The operation is over: whoever still uses its memory reads nonsense, or is caught by ASan. */
static KIT_UNUSED void place_scribble (struct place *place)
{
    memset (place->luggage, 0xdb, sizeof *place->luggage);
    free (place->luggage);
    place->luggage = NULL;
}

/* Closes everything, the child included. */
static KIT_UNUSED void place_end (struct place *place)
{
    if (place->luggage)
        place_scribble (place);
    if (place->pid) {
        kill (place->pid, SIGKILL);
        waitpid (place->pid, NULL, 0); /* has been waited for already, or not */
    }
    if (place->pool)
        ev_pool_free (place->loop, place->pool);
    for (int i = 0; i < place->more_count; i++)
        close (place->more[i]);
    if (place->fd[0] >= 0)
        close (place->fd[0]);
    if (place->fd[1] >= 0)
        close (place->fd[1]);
}

/* Is that what it gives when the world lets it go on? Closes a descriptor that it gave. */
static KIT_UNUSED int place_result_is_right (const struct place *place, ssize_t result)
{
    if (place->what->set == set_accept) {
        if (result >= 0)
            close ((int) result);
        return result >= 0;
    }
    return place->what->wanted == 1 ? result > 0 : result == place->what->wanted;
}

#endif
