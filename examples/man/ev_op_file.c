/* ev_op_file.c: makes a file, writes its blocks in parallel, asks how
 * large it is, reads a part, removes it.
 * cc ev_op_file.c $(pkg-config --cflags --libs evring) */
#define _GNU_SOURCE /* for struct statx */
#include <ev_op.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS = 4, SIZE = 100000 };

static char block[BLOCKS][SIZE];
static ev_op step, writing[BLOCKS];
static int writes; /* that are not done */
static struct statx about;

static void on_removed (struct ev_loop *loop, ev_op *op, int revents)
{
    printf ("removed: %zd\n", op->result);
}

static void on_closed (struct ev_loop *loop, ev_op *op, int revents)
{
    printf ("closed: %zd\n", op->result);
    ev_unlinkat_init (op, on_removed, AT_FDCWD, "blocks", 0);
    ev_op_start (loop, op);
}

static void on_read (struct ev_loop *loop, ev_op *op, int revents)
{
    printf ("read: %zd bytes, %.3s to %.3s\n", op->result, block[0],
            block[0] + SIZE - 3);
    ev_close_init (op, on_closed, op->fd);
    ev_op_start (loop, op);
}

static void on_stat (struct ev_loop *loop, ev_op *op, int revents)
{
    printf ("size: %llu\n", (unsigned long long) about.stx_size);
    ev_read_init (op, on_read, writing[0].fd, block[0], SIZE,
                  SIZE / 2); /* half of one block, half of the next */
    ev_op_start (loop, op);
}

static void on_written (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result != SIZE) /* less is possible, as with pwrite(2) */
        printf ("written: %zd\n", op->result);
    if (--writes)
        return;
    printf ("all is written\n");
    ev_statx_init (&step, on_stat, AT_FDCWD, "blocks", 0, STATX_SIZE,
                   &about);
    ev_op_start (loop, &step);
}

static void on_open (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result < 0) {
        printf ("open: %s\n", strerror ((int) -op->result));
        return;
    }
    for (writes = 0; writes < BLOCKS; writes++) {
        memset (block[writes], 'a' + writes, SIZE);
        ev_write_init (&writing[writes], on_written, (int) op->result,
                       block[writes], SIZE, (int64_t) writes * SIZE);
        ev_op_start (loop, &writing[writes]); /* in no order */
    }
}

int main (void)
{
    char folder[] = "/tmp/ev_op_XXXXXX";
    struct ev_loop *loop = ev_default_loop (0);

    if (!loop || !mkdtemp (folder) || chdir (folder))
        return 1;
    ev_openat_init (&step, on_open, AT_FDCWD, "blocks",
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ev_op_start (loop, &step);
    ev_run (loop, 0);
    return chdir ("/") || rmdir (folder);
}
