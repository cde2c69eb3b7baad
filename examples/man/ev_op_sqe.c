/* ev_op_sqe.c: something there is no call for: tee(2), by the ring.
 * cc ev_op_sqe.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SKIPPED = 77 };

static void on_tee (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result == -EOPNOTSUPP || op->result == -EINVAL)
        exit (SKIPPED); /* no ring, or a kernel that cannot do it */
    printf ("result %zd\n", op->result);
}

static void print (int fd)
{
    char text[10];
    ssize_t n = read (fd, text, sizeof text);

    printf ("%.*s\n", n > 0 ? (int) n : 0, text);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    struct io_uring_sqe sqe; /* stays until the callback */
    int from[2], to[2];
    ev_op tee;

    if (!loop || pipe (from) || pipe (to))
        return 1;
    if (ev_op_ring (loop)) /* whatever the backend is */
        return SKIPPED;
    if (write (from[1], "hello", 5) != 5)
        return 1;
    memset (&sqe, 0, sizeof sqe); /* what is not used must be 0 */
    sqe.opcode = IORING_OP_TEE;
    sqe.splice_fd_in = from[0];
    sqe.fd = to[1];
    sqe.len = 5;
    ev_sqe_init (&tee, on_tee, &sqe);
    ev_op_start (loop, &tee);
    ev_run (loop, 0);
    print (from[0]);
    print (to[0]);
    return 0;
}
