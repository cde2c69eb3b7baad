/* flood.h: connections on which bytes come as fast as they are taken. */
#ifndef BENCH_FLOOD_H_
#define BENCH_FLOOD_H_

#include "bench.h"

#include <stdbool.h>
#include <sys/types.h>

enum { FLOOD_EVENT = 65536 }; /* bytes that are one event */

/* A child on the client's core sends on --connections TCP connections, until it is killed. Our ends are in fds. */
void flood_begin (const struct bench_options *o, int *fds);
/* So many bytes have come, and were looked at. True when all have. */
bool flood_take (const char *bytes, ssize_t size);
void flood_end (const struct bench_options *o, const char *library); /* reports */

#endif
