/* ops_files.c: the files question by operations: --depth reads under way, each completion begins the next. */
#include "bench.h"
#include "loop.h"
#include "ops.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

static struct files work;
static ev_op *reads;

/* Mode "pool": the data comes into buffers that the ring knows. What is returned was there before. */
static char *take_blocks (struct ev_loop *loop, const struct bench_options *o)
{
    ev_pool *pool = strcmp (o->mode, "pool") ? NULL : ev_pool_new (loop, FILES_BLOCK, (unsigned) o->depth);
    char *own = work.memory;

    if (!pool)
        return own;
    for (int i = 0; i < o->depth; i++) {
        char *block = ev_pool_take (pool);

        if (i == 0)
            work.memory = block;
        if (!block || block != files_memory (&work, i))
            bench_die ("files: the buffers of a new pool are not side by side");
    }
    return own;
}

static void read_next (EV_P_ int slot)
{
    int64_t offset = files_next (&work, slot);

    if (offset < 0)
        return;
    ev_read_set (&reads[slot], work.fd, files_memory (&work, slot), FILES_BLOCK, offset);
    ev_op_start (EV_A_ & reads[slot]);
}

static void on_read (EV_P_ ev_op *op, int revents)
{
    int slot = (int) (op - reads);

    (void) revents;
    if (!files_done (&work, slot, op->result))
        read_next (EV_A_ slot);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct ev_loop *loop;
    char *own;

    files_open (&work, &o);
    loop = ops_loop (&o);
    ev_set_io_collect_interval (loop, o.collect * 1e-6);
    own = take_blocks (loop, &o);
    reads = calloc ((size_t) o.depth, sizeof *reads);
    for (int i = 0; i < o.depth; i++) {
        ev_init (&reads[i], on_read);
        read_next (loop, i);
    }
    ev_run (loop, 0); /* until no read is left */
    work.memory = own;
    files_close (&work);
    ops_check (loop, &o);
    bench_report (&work.span, o.events, bench_loop_library ());
    return 0;
}
