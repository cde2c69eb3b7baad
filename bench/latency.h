/* latency.h: how long single things took, kept so that the slowest of a thousand can be named afterwards.
 * Owns 32 counts for each power of two nanoseconds: what is told is right to 3 %, however many there were.
 * Lies in memory that a load generator shares with its parent. Called by: work.c, bench.c. */
#ifndef BENCH_LATENCY_H_
#define BENCH_LATENCY_H_

#include <stdint.h>
#include <time.h>

enum { LATENCY_PARTS = 64, LATENCY_BUCKETS = LATENCY_PARTS / 2 * 60 /* for 64 bits */ };

struct latency {
    uint64_t total;
    uint32_t counts[LATENCY_BUCKETS];
};

static inline int64_t latency_now (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

/* Below 64 ns each has a bucket of its own; above, its first six bits choose. */
static inline unsigned latency_bucket (uint64_t ns)
{
    unsigned power = ns < LATENCY_PARTS ? 0 : 63u - (unsigned) __builtin_clzll (ns) - 5u;
    unsigned bucket = power * (LATENCY_PARTS / 2) + (unsigned) (ns >> power);

    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static inline void latency_add (struct latency *l, int64_t ns)
{
    l->total++;
    l->counts[latency_bucket (ns < 0 ? 0 : (uint64_t) ns)]++;
}

/* `part` of them, say 0.99, took no longer than so many nanoseconds. */
int64_t latency_part (const struct latency *l, double part);

#endif
