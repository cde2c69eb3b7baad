/* time.c: two clocks, what will happen, and sleeping: nothing runs beside the library, so time jumps to what comes next. */
#include "kernel.h"

#include <errno.h>

void time_plan (nanos at, void (*run) (int64_t a, int64_t b, int64_t c), int64_t a, int64_t b, int64_t c)
{
    if (k.doing_count == DOINGS)
        fail (0, "the model has no more doings");
    k.doings[k.doing_count++] = (struct doing){ at, k.doing_order++, run, a, b, c };
}

/* The place of the earliest, or -1. */
static int time_next (void)
{
    int best = -1;

    for (int i = 0; i < k.doing_count; i++)
        if (best < 0 || k.doings[i].at < k.doings[best].at
            || (k.doings[i].at == k.doings[best].at && k.doings[i].order < k.doings[best].order))
            best = i;
    return best;
}

static void time_do (int at)
{
    struct doing doing = k.doings[at];

    k.doings[at] = k.doings[--k.doing_count];
    doing.run (doing.a, doing.b, doing.c);
}

void time_pass (nanos length)
{
    nanos end = k.now + length;
    int next;

    while ((next = time_next ()) >= 0 && k.doings[next].at <= end) {
        if (k.doings[next].at > k.now)
            k.now = k.doings[next].at;
        time_do (next);
    }
    k.now = end;
}

static void time_jump (nanos at)
{
    if (at <= k.now)
        return;
    law_sleeps (at);
    k.now = at;
}

int time_sleep (nanos until, int (*ready) (void *arg), void *arg)
{
    k.interrupted = 0;
    for (;;) {
        int next;

        if (ready (arg))
            return 0;
        if (k.interrupted || (!k.entered && ring_interrupts ()))
            return -EINTR;
        if (until <= k.now)
            return -ETIME;
        next = time_next ();
        if (next < 0 && until == NEVER)
            fail (5, "sleeps for ever");
        if (next < 0 || k.doings[next].at > until) {
            time_jump (until);
            return ready (arg) ? 0 : -ETIME;
        }
        time_jump (k.doings[next].at);
        time_do (next);
    }
}
