/* ev_op.c: replaces a file, safely: whoever looks sees the old text
 * or the new one, whole. A chain: each step only if the one before it
 * has succeeded.
 * cc ev_op.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char text[] = "the new text\n";
static ev_op writing, syncing, closing, renaming;

static void on_step (struct ev_loop *loop, ev_op *op, int revents)
{
    const char *step = op->data;

    if (op->result == -ECANCELED)
        printf ("%s: not done\n", step);
    else if (op->result < 0)
        printf ("%s: error %d\n", step, (int) -op->result);
    else
        printf ("%s: done\n", step);
}

static void replace (struct ev_loop *loop, int fd, const char *path)
{
    ev_write_init (&writing, on_step, fd, text, sizeof text - 1, 0);
    ev_fsync_init (&syncing, on_step, fd, 0);
    ev_close_init (&closing, on_step, fd);
    ev_renameat_init (&renaming, on_step, AT_FDCWD, "new", AT_FDCWD,
                      path, 0);
    writing.data = "write";
    syncing.data = "fsync";
    closing.data = "close";
    renaming.data = "rename";
    ev_op_link (&writing, &syncing); /* after init, which clears it */
    ev_op_link (&syncing, &closing);
    ev_op_link (&closing, &renaming);
    ev_op_deadline (&syncing, 60.);
    ev_op_start (loop, &writing); /* starts them all, in turn */
    ev_run (loop, 0);
}

int main (void)
{
    char folder[] = "/tmp/ev_op_XXXXXX";
    struct ev_loop *loop = ev_default_loop (0);

    if (!loop || !mkdtemp (folder) || chdir (folder))
        return 1;
    replace (loop, open ("new", O_WRONLY | O_CREAT, 0600), "file");
    replace (loop, open ("file", O_RDONLY), "copy"); /* refuses */
    close (closing.fd); /* which the chain has not come to */
    return unlink ("file") || chdir ("/") || rmdir (folder);
}
