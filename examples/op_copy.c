/* op_copy.c: copies a file, with many reads and writes in flight, and shows how far it is. Zeros become holes. The
 * copy gets its name when it is whole and safe on the disk; until then it is called NAME.part.
 *
 * Build:  cc op_copy.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out FROM TO
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_SIZE = 256 << 10, BLOCKS = 16 };

/* Reads a piece of the file, writes it, takes the next piece that nobody has. */
struct block {
    ev_op op;       /* first: a pointer to one points to both */
    int64_t offset; /* in the file; a multiple of BLOCK_SIZE: the piece is done */
    char *head;     /* what has been read … */
    size_t ready;   /* … and is to be written: less may be read, or written, than was asked for */
    int over;       /* there was nothing to read */
    char data[BLOCK_SIZE];
};

static struct {
    int from, to, blocks, error;
    int64_t pieces, moved, expected;
    const char *name;
    char part[4096];
    ev_op cut, sync, rename;
    ev_timer progress;
} copy;

static void block_go_on (struct ev_loop *loop, struct block *block);

static void on_progress (struct ev_loop *loop, ev_timer *w, int revents)
{
    fprintf (stderr, "\r%.1f of %.1f MB ", (double) copy.moved / 1e6, (double) copy.expected / 1e6);
}

static int copy_failed (ssize_t result)
{
    if (result < 0 && !copy.error)
        copy.error = (int) -result;
    return copy.error; /* the first: others follow from it */
}

static void copy_end (struct ev_loop *loop)
{
    if (copy.error)
        unlink (copy.part);
    on_progress (loop, &copy.progress, 0);
    fprintf (stderr, "%s\n", copy.error ? strerror (copy.error) : "done");
    ev_timer_stop (loop, &copy.progress); /* nothing is active any more, so ev_run returns */
}

static void on_sealed (struct ev_loop *loop, ev_op *op, int revents)
{
    copy_failed (op->result);
    if (op == &copy.rename)
        copy_end (loop);
}

/* A chain: each step is taken when the one before has succeeded. The size is set for the sake of a hole at the
 * end, which nobody has written. */
static void copy_seal (struct ev_loop *loop)
{
    ev_ftruncate_init (&copy.cut, on_sealed, copy.to, copy.moved);
    ev_fsync_init (&copy.sync, on_sealed, copy.to, 0);
    ev_renameat_init (&copy.rename, on_sealed, AT_FDCWD, copy.part, AT_FDCWD, copy.name, 0);
    ev_op_link (&copy.cut, &copy.sync);
    ev_op_link (&copy.sync, &copy.rename);
    ev_op_start (loop, &copy.cut);
}

static void on_written (struct ev_loop *loop, ev_op *op, int revents)
{
    struct block *block = (struct block *) op;

    if (!copy_failed (op->result)) {
        block->head += op->result;
        block->ready -= (size_t) op->result;
        block->offset += op->result;
        copy.moved += op->result;
    }
    block_go_on (loop, block);
}

static void on_read (struct ev_loop *loop, ev_op *op, int revents)
{
    struct block *block = (struct block *) op;

    block->head = block->data;
    block->ready = copy_failed (op->result) ? 0 : (size_t) op->result;
    block->over = !block->ready;
    if (block->ready && !*block->head && !memcmp (block->head, block->head + 1, block->ready - 1))
        on_written (loop, op, 0); /* a hole is as good as written */
    else
        block_go_on (loop, block);
}

static void block_go_on (struct ev_loop *loop, struct block *block)
{
    if (copy.error || block->over) {
        if (!--copy.blocks) /* the last: nothing is in flight any more */
            (copy.error ? copy_end : copy_seal) (loop);
        return;
    }
    if (!block->ready && block->offset % BLOCK_SIZE == 0)
        block->offset = BLOCK_SIZE * copy.pieces++;
    if (block->ready)
        ev_write_init (&block->op, on_written, copy.to, block->head, block->ready, block->offset);
    else
        ev_read_init (&block->op, on_read, copy.from, block->data, BLOCK_SIZE - block->offset % BLOCK_SIZE,
                      block->offset);
    ev_op_start (loop, &block->op);
}

static int copy_open (const char *from, const char *to)
{
    struct stat status;

    copy.name = to;
    snprintf (copy.part, sizeof copy.part, "%s.part", to);
    if ((copy.from = open (from, O_RDONLY | O_CLOEXEC)) < 0 || fstat (copy.from, &status))
        return -1;
    copy.expected = status.st_size;
    copy.to = open (copy.part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    return copy.to < 0 ? -1 : fchmod (copy.to, status.st_mode & 0777);
}

int main (int argc, char **argv)
{
    static struct block blocks[BLOCKS];
    struct ev_loop *loop = ev_default_loop (0);

    if (argc != 3 || !loop || copy_open (argv[1], argv[2])) {
        perror ("op_copy FROM TO");
        return 1;
    }
    ev_timer_init (&copy.progress, on_progress, 0.2, 0.2);
    ev_timer_start (loop, &copy.progress);
    while (copy.blocks < BLOCKS)
        block_go_on (loop, &blocks[copy.blocks++]);
    ev_run (loop, 0);
    return copy.error != 0;
}
