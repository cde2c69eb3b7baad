/* ops_intake.c: the intake question by operations: ev_recv into the program's own buffers; --mode pool: ev_recv_pool, with
 * buffers of --size bytes, POOL_BYTES in all or POOL_LEAST of them. */
#include "flood.h"
#include "loop.h"
#include "ops.h"

#include <stdlib.h>
#include <string.h>

enum { POOL_BYTES = 4 << 20, POOL_LEAST = 32 };

static void on_message (EV_P_ ev_op *op, int revents)
{
    if (flood_take (op->buf, op->result)) {
        ev_break (EV_A_ EVBREAK_ALL);
        return;
    }
    if (!(revents & EV_OP_MORE))
        ev_op_start (EV_A_ op);
}

static void start (EV_P_ const struct bench_options *o, const int *fds)
{
    ev_op *receives = calloc ((size_t) o->connections, sizeof *receives);
    int count = POOL_BYTES / o->size;
    ev_pool *pool =
        strcmp (o->mode, "pool")
            ? NULL
            : ev_pool_new (EV_A_ (size_t) o->size, (unsigned) (count > POOL_LEAST ? count : POOL_LEAST));

    for (int i = 0; i < o->connections; i++) {
        if (pool)
            ev_recv_pool_init (&receives[i], on_message, fds[i], pool, 0);
        else
            ev_recv_init (&receives[i], on_message, fds[i], malloc ((size_t) o->size), (size_t) o->size, 0);
        ev_op_start (EV_A_ & receives[i]);
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    int fds[o.connections];
    struct ev_loop *loop;

    flood_begin (&o, fds);
    loop = ops_loop (&o);
    start (EV_A_ & o, fds);
    ev_run (EV_A_ 0);
    ops_check (EV_A_ & o);
    flood_end (&o, bench_loop_library ());
    return 0;
}
