/* loop.h: how the ev programs get the loop they were asked for, and know whose it is. */
#ifndef BENCH_LOOP_H_
#define BENCH_LOOP_H_

#include <ev.h>

/* Both skip the benchmark when the library has no such backend. */
struct ev_loop *bench_loop (const char *backend);
struct ev_loop *bench_loop_default (const char *backend); /* the same of the process's default loop */

const char *bench_loop_library (void); /* the libev.so.4 that was loaded, as a path */

#endif
