/* op_kit.h: what the tests of operations share: an operation that keeps a record, bounded waiting, small files.
 * Promises to notice whatever breaks the contract of a completion, in every test: a callback inside the call that
 * started it, a second end, a wrong revents, an operation that is not what its callback says (active or over).
 * All static: every test program has its own. */
#ifndef OP_KIT_H
#define OP_KIT_H

#include "io_kit.h"

#include <ev_op.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define OP_PATIENCE test_patience (8.) /* seconds until something that must happen counts as lost */

struct op {
    ev_op w; /* first, so that the watcher is the op */
    int started, calls, ends;
    int revents;     /* of the last call */
    ssize_t result;  /* likewise */
    size_t moved;    /* likewise */
    void *buf;       /* likewise */
    ssize_t total;   /* of all results >= 0 */
    int turn;        /* which end of all ends it was, from 1 */
    unsigned during; /* the iteration it ended in */
    void (*then) (struct ev_loop *loop,
                  struct op *op); /* called at the end of the callback, may start it again */
    void *arg;                    /* of then */
};

static int op_turns;    /* ends so far, of all operations */
static int op_starting; /* inside ev_op_start, cancel or stop */

static KIT_UNUSED void op_done (EV_P_ ev_op *w, int revents)
{
    struct op *op = (struct op *) w;

    ck_assert_msg (!op_starting, "the callback came inside a call");
    ck_assert_msg (op->started, "an operation that was not started has completed");
    ck_assert_msg (revents == EV_OP || revents == (EV_OP | EV_OP_MORE), "revents 0x%x", (unsigned) revents);
    ck_assert_int_eq (!!ev_is_active (w), !!(revents & EV_OP_MORE));
    ck_assert (!ev_is_pending (w));
    op->calls++;
    op->revents = revents;
    op->result = w->result;
    op->moved = w->moved;
    op->buf = w->buf;
    op->total += w->result > 0 ? w->result : 0;
    if (!(revents & EV_OP_MORE)) {
        op->started = 0;
        op->ends++;
        op->turn = ++op_turns;
        op->during = ev_iteration (loop);
    }
    if (op->then)
        op->then (loop, op);
}

static KIT_UNUSED struct ev_stats op_stats (struct ev_loop *loop)
{
    struct ev_stats stats;

    memset (&stats, 0, sizeof stats);
    ev_stats (loop, &stats, sizeof stats);
    return stats;
}

/* A new record. Any ev_NAME_set may follow. */
static KIT_UNUSED ev_op *op_new (struct op *op)
{
    memset (op, 0, sizeof *op);
    ev_init (&op->w, op_done);
    return &op->w;
}

static KIT_UNUSED void op_start (struct ev_loop *loop, struct op *op)
{
    op->started = 1;
    op_starting++;
    ev_op_start (loop, &op->w);
    op_starting--;
    ck_assert_msg (ev_is_active (&op->w), "started, but not active");
}

static KIT_UNUSED void op_cancel (struct ev_loop *loop, struct op *op)
{
    op_starting++;
    ev_op_cancel (loop, &op->w);
    op_starting--;
}

/* Afterwards the operation is the test's again, and a callback is a mistake. */
static KIT_UNUSED ssize_t op_stop (struct ev_loop *loop, struct op *op)
{
    op_starting++;
    ev_op_stop (loop, &op->w);
    op_starting--;
    op->started = 0;
    ck_assert (!ev_is_active (&op->w));
    ck_assert (!ev_is_pending (&op->w));
    return op->w.result;
}

/* op_begin (loop, &op, recv, fd, buf, size, 0): set and started. */
#define op_begin(loop, op, kind, ...) (ev_##kind##_set (op_new (op), __VA_ARGS__), op_start ((loop), (op)))

static KIT_UNUSED int op_is_over (struct ev_loop *loop, const int *count, int wanted)
{
    return kit_until (loop, count, wanted, OP_PATIENCE);
}

#define op_until(loop, count, wanted)                                                                   \
    ck_assert_msg (op_is_over ((loop), (count), (wanted)), "only %d of %d in %g s", *(count), (wanted), \
                   OP_PATIENCE)

/* Runs until it ends; its result. */
static KIT_UNUSED ssize_t op_end (struct ev_loop *loop, struct op *op)
{
    if (!op->ends)
        op_until (loop, &op->ends, 1);
    ck_assert_int_eq (op->ends, 1);
    return op->result;
}

static KIT_UNUSED ssize_t op_started_end (struct ev_loop *loop, struct op *op)
{
    op_start (loop, op);
    return op_end (loop, op);
}

static KIT_UNUSED struct op op_one; /* of op_do, to look at */

/* op_do (loop, recv, fd, buf, size, 0): done from start to end; the result. */
#define op_do(loop, kind, ...) \
    (ev_##kind##_set (op_new (&op_one), __VA_ARGS__), op_started_end ((loop), &op_one))

#define ck_result(result, wanted)                                                    \
    do {                                                                             \
        long got_ = (long) (result), wanted_ = (long) (wanted);                      \
        ck_assert_msg (got_ == wanted_, "result %ld (%s) instead of %ld (%s)", got_, \
                       got_ < 0 ? strerror ((int) -got_) : "", wanted_,              \
                       wanted_ < 0 ? strerror ((int) -wanted_) : "");                \
    } while (0)

/* Nothing of all this is left in the loop. */
static KIT_UNUSED void op_all_over (struct ev_loop *loop)
{
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_assert_uint_eq (ev_pending_count (loop), 0);
}

/* Lets happen what may happen. Long enough for a late completion to show itself, and nothing depends on it. */
static KIT_UNUSED void op_settle (struct ev_loop *loop)
{
    for (int i = 0; i < 5; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        usleep (300);
    }
}

/* ---- data ---- */

/* The same bytes for the same place in a stream, whoever asks. */
static KIT_UNUSED unsigned char op_byte (size_t at)
{
    return (unsigned char) (at * 7 + (at >> 8) * 13 + (at >> 16) * 31);
}

static KIT_UNUSED void op_data (void *buf, size_t size, size_t at)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *) buf)[i] = op_byte (at + i);
}

static KIT_UNUSED int op_data_is (const void *buf, size_t size, size_t at)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *) buf)[i] != op_byte (at + i))
            return 0;
    return 1;
}

static KIT_UNUSED void *op_memory (size_t size)
{
    void *memory = malloc (size);

    ck_assert_ptr_nonnull (memory);
    return memset (memory, 0, size);
}

/* ---- descriptors ---- */

static KIT_UNUSED void op_blocking (int fd)
{
    ck_assert_int_eq (fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static KIT_UNUSED int op_is_blocking (int fd)
{
    return !(fcntl (fd, F_GETFL) & O_NONBLOCK);
}

/* Connected pairs, both ends blocking: an operation waits all the same. */
static KIT_UNUSED void op_pair (int fd[2])
{
    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

/* Both over TCP, with buffers so small that a megabyte does not fit, from the beginning: one that shrinks later
 * lets more through now and then. */
static KIT_UNUSED void op_tcp_pair (int fd[2])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int size = 32768, listener = socket (AF_INET, SOCK_STREAM, 0);
    socklen_t length = sizeof address;

    ck_assert_int_eq (setsockopt (listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    ck_assert_int_eq (bind (listener, (struct sockaddr *) &address, length), 0);
    ck_assert_int_eq (listen (listener, 1), 0);
    ck_assert_int_eq (getsockname (listener, (struct sockaddr *) &address, &length), 0);
    fd[0] = socket (AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq (setsockopt (fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    ck_assert_int_eq (connect (fd[0], (struct sockaddr *) &address, length), 0);
    fd[1] = accept (listener, NULL, NULL);
    ck_assert_int_ge (fd[1], 0);
    close (listener);
}

static KIT_UNUSED void op_close_both (const int fd[2])
{
    close (fd[0]);
    close (fd[1]);
}

/* A TCP socket on some port, which takes nobody; its address. */
static KIT_UNUSED int op_bound (struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);

    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (bind (fd, (struct sockaddr *) address, size), 0);
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) address, &size), 0);
    return fd;
}

/* One that listens. */
static KIT_UNUSED int op_listen (struct sockaddr_in *address, int backlog)
{
    int fd = op_bound (address);

    ck_assert_int_eq (listen (fd, backlog), 0);
    return fd;
}

/* A client of it, connected. */
static KIT_UNUSED int op_client (const struct sockaddr_in *address)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (connect (fd, (const struct sockaddr *) address, sizeof *address), 0);
    return fd;
}

static KIT_UNUSED int op_is_tcp (int fd)
{
    int domain = 0;
    socklen_t size = sizeof domain;

    return !getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_INET;
}

static KIT_UNUSED int op_fill_once (int fd)
{
    static const char page[65536];
    int wrote = 0;

    for (size_t size = sizeof page; size; size /= 16) /* little ones fit where big ones do not */
        while (write (fd, page, size) > 0)
            wrote = 1;
    return wrote;
}

/* What the other side has not said yes to; when it has, there is room again. */
static KIT_UNUSED int op_on_its_way (int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;

    return op_is_tcp (fd) && !getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &size) && info.tcpi_unacked;
}

/* Fills what this end sends into, and leaves the descriptor as it was. */
static KIT_UNUSED void op_fill (int fd)
{
    int flags = fcntl (fd, F_GETFL);

    fcntl (fd, F_SETFL, flags | O_NONBLOCK);
    for (int quiet = 0; quiet < (op_is_tcp (fd) ? 5 : 1);
         quiet++) { /* a segment may be just about to leave */
        while (op_fill_once (fd) || op_on_its_way (fd)) {
            usleep (500);
            quiet = 0;
        }
        if (op_is_tcp (fd))
            usleep (2000);
    }
    fcntl (fd, F_SETFL, flags);
}

/* Takes all there is to read. How much it was. */
static KIT_UNUSED size_t op_drain (int fd)
{
    static char bytes[65536];
    size_t total = 0;
    ssize_t got;

    while (kit_polls (fd, POLLIN) && (got = read (fd, bytes, sizeof bytes)) > 0)
        total += (size_t) got;
    return total;
}

/* ---- files: a folder of its own for each test, gone with op_folder_end ---- */

static char op_folder[64];

static KIT_UNUSED int op_folder_begin (void)
{
    strcpy (op_folder, "/tmp/evring-op-XXXXXX");
    ck_assert_ptr_nonnull (mkdtemp (op_folder));
    int fd = open (op_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge (fd, 0);
    return fd;
}

static KIT_UNUSED void op_folder_end (int fd)
{
    close (fd);
    ck_assert_msg (!rmdir (op_folder), "%s is not empty", op_folder);
}

/* The same in memory, where fsync costs nothing. */
static KIT_UNUSED int op_memory_file (size_t size)
{
    char *data = op_memory (size + 1);
    int fd = memfd_create ("op", MFD_CLOEXEC);

    ck_assert_int_ge (fd, 0);
    op_data (data, size, 0);
    ck_assert_int_eq (pwrite (fd, data, size, 0), (ssize_t) size);
    free (data);
    return fd;
}

/* A file without a name, with so many bytes of op_data in it. */
static KIT_UNUSED int op_file (size_t size)
{
    char path[] = "/tmp/evring-op-XXXXXX", *data = op_memory (size + 1);
    int fd = mkstemp (path);

    ck_assert_int_ge (fd, 0);
    unlink (path);
    op_data (data, size, 0);
    ck_assert_int_eq (pwrite (fd, data, size, 0), (ssize_t) size);
    free (data);
    return fd;
}

#endif
