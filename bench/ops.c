/* ops.c: opens a loop for operations, and makes sure of the engine. See ops.h.
 * Called by: ops_echo.c, ops_churn.c, ops_files.c. */
#include "ops.h"
#include "loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int attached (const struct bench_options *o)
{
    return !strcmp (o->mode, "attached");
}

struct ev_loop *ops_loop (const struct bench_options *o)
{
    struct ev_loop *loop = bench_loop (o->backend);

    if (attached (o) && ev_op_ring (loop) < 0)
        bench_skip ("no ring to attach");
    return loop;
}

enum { ACCEPTS = 1 }; /* those never are on the ring */

void ops_check (struct ev_loop *loop, const struct bench_options *o)
{
    int ring = attached (o) || !strcmp (o->backend, "iouring");
    struct ev_stats stats;

    memset (&stats, 0, sizeof stats);
    ev_stats (loop, &stats, sizeof stats);
    if (ring ? stats.ops_ready > ACCEPTS : stats.ops_ring > 0) {
        fprintf (stderr, "the wrong engine: %llu operations on the ring, %llu by readiness\n", stats.ops_ring,
                 stats.ops_ready);
        exit (1);
    }
}
