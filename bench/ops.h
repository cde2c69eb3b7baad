/* ops.h: how the programs by operations get the loop and the engine they were asked for. */
#ifndef BENCH_OPS_H_
#define BENCH_OPS_H_

#include "bench.h"

#include <ev_op.h>

/* A loop of --backend; mode "attached" gives it a ring for its operations. */
struct ev_loop *ops_loop (const struct bench_options *o);
/* Dies when another engine than the one asked for did the work: that would be the wrong number. */
void ops_check (struct ev_loop *loop, const struct bench_options *o);

#endif
