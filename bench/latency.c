/* latency.c: what was the slowest of so many. See latency.h. */
#include "latency.h"

/* The longest that still falls into this bucket. */
static uint64_t bucket_end (unsigned bucket)
{
    unsigned half = LATENCY_PARTS / 2, power = bucket < LATENCY_PARTS ? 0 : bucket / half - 1;

    return ((uint64_t) (bucket - power * half + 1) << power) - 1;
}

int64_t latency_part (const struct latency *l, double part)
{
    uint64_t wanted = (uint64_t) ((double) l->total * part + 0.5), seen = 0;
    unsigned bucket = 0;

    wanted = wanted ? wanted : 1;
    while (bucket < LATENCY_BUCKETS - 1 && (seen += l->counts[bucket]) < wanted)
        bucket++;
    return (int64_t) bucket_end (bucket);
}
