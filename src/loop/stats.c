/* stats.c: the loop speaks: ev_stats, ev_dump, and EVRING_STATS for programs nobody can change.
 * Owns the list of loops that are to be reported when the process exits. */
#include "../backend/loopring.h"
#include "../ops/ops.h"
#include "loop_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t ev_stats (EV_P_ struct ev_stats *stats, size_t size) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->stats.backend = loop->backend->bit;
    memcpy (stats, &loop->stats, size < sizeof *stats ? size : sizeof *stats);
    return sizeof *stats;
}

/* ---- a dump for people ---- */

static unsigned stats_chain_length (const ev_watcher_list *w)
{
    unsigned count = 0;

    for (; w; w = w->next)
        count++;
    return count;
}

static const char *stats_io_bits (int bits)
{
    static const char *const names[] = { "-", "read", "write", "read+write" };

    return names[bits & EVI_IO_BITS];
}

static void stats_dump_rows (const struct ev_loop *loop, FILE *out)
{
    for (unsigned fd = 0; fd < loop->fds.count; fd++) {
        const struct evi_row *row = &loop->fds.rows[fd];

        if (!row->head && !row->told && !row->why)
            continue;
        fprintf (out, "fd %u: %u watchers want %s, kernel told %s, generation %u%s%s\n", fd,
                 stats_chain_length (row->head), stats_io_bits (evi_fd_want (row)), stats_io_bits (row->told),
                 row->gen, row->why ? ", change not told yet" : "",
                 row->kind & EVI_ROW_OURS ? ", the library's own" : "");
    }
}

static void stats_dump_heap (const struct evi_heap *heap, const char *name, ev_tstamp now, FILE *out)
{
    fprintf (out, "%s: %u", name, heap->count);
    if (heap->count)
        fprintf (out, ", next in %.6f s", (double) (heap->nodes[EVI_HEAP_TOP].at - now));
    fputc ('\n', out);
}

void ev_dump (EV_P_ FILE *out) EV_NOEXCEPT
{
    EVI_DOOR;

    fprintf (out, "loop %p: %s, %d references, iteration %u, depth %u, %u pending\n", (void *) loop,
             loop->backend->name, loop->activecnt, loop->iteration, loop->depth, ev_pending_count (EV_A));
    stats_dump_heap (&loop->timers, "timers", loop->clock.mono, out);
    stats_dump_heap (&loop->periodics, "periodics", loop->clock.wall, out);
    fprintf (out, "idle %u, prepare %u, check %u, fork %u, cleanup %u, async %u\n", loop->idle_count,
             loop->prepare.count, loop->check.count, loop->fork.count, loop->cleanup.count,
             loop->async.count);
    if (loop->backend->dump)
        loop->backend->dump (loop, out);
    if (loop->ring)
        evi_loopring_dump (loop->ring, out);
    stats_dump_rows (loop, out);
    evi_ops_dump (loop, out);
}

/* ---- EVRING_STATS ---- */

enum { STATS_LOOPS_MAX = 256 }; /* that are reported; further ones of a process are not */

static struct ev_loop *stats_loops[STATS_LOOPS_MAX];

static void stats_print (const struct ev_loop *loop, FILE *out)
{
    const struct ev_stats *s = &loop->stats;
    const struct {
        const char *name;
        unsigned long long value;
    } lines[] = {
        { "iterations", s->iterations },
        { "waits", s->waits },
        { "enters", s->enters },
        { "submissions", s->submissions },
        { "completions", s->completions },
        { "events", s->events },
        { "changes", s->changes },
        { "polls_armed", s->polls_armed },
        { "polls_rearmed", s->polls_rearmed },
        { "polls_removed", s->polls_removed },
        { "stale", s->stale },
        { "overflows", s->overflows },
        { "sweeps", s->sweeps },
        { "rebuilds", s->rebuilds },
        { "parked", s->parked },
        { "parked_many", s->parked_many },
        { "parked_idle", s->parked_idle },
        { "unparked", s->unparked },
        { "rings_lost", s->rings_lost },
        { "ops_lost", s->ops_lost },
        { "wakeups", s->wakeups },
        { "callbacks", s->callbacks },
        { "fallbacks", s->fallbacks },
        { "op_starts", s->op_starts },
        { "ops_ring", s->ops_ring },
        { "ops_pinned", s->ops_pinned },
        { "ops_ready", s->ops_ready },
        { "ops_threads", s->ops_threads },
    };

    fprintf (out, "evring: pid %ld backend %s", (long) getpid (), loop->backend->name);
    for (unsigned i = 0; i < EVI_COUNT (lines); i++)
        if (lines[i].value)
            fprintf (out, " %s %llu", lines[i].name, lines[i].value);
    if (s->fallback_error)
        fprintf (out, " because \"%s\"", strerror (s->fallback_error));
    fputc ('\n', out);
}

/* What EVRING_STATS said when the first loop was made: programs clear their environment. Set once, by whichever thread
 * comes first. */
static char *stats_path;

static const char *stats_where (void)
{
    return __atomic_load_n (&stats_path, __ATOMIC_ACQUIRE);
}

static void stats_report (const struct ev_loop *loop)
{
    const char *where = stats_where ();
    FILE *out = strcmp (where, "1") ? fopen (where, "ae") : stderr;
    int failed = !out;

    if (out)
        stats_print (loop, out);
    if (out && out != stderr)
        failed = fclose (out) != 0;
    if (failed)
        fprintf (stderr, "evring: EVRING_STATS: cannot write to %s: %s\n", where, strerror (errno));
}

static void stats_at_exit (void)
{
    for (unsigned i = 0; i < STATS_LOOPS_MAX; i++) {
        struct ev_loop *loop = __atomic_exchange_n (&stats_loops[i], NULL, __ATOMIC_ACQ_REL);

        if (loop && loop->process == evi_sys_process ()) /* a fork child's exit is not the loop's end */
            stats_report (loop);
    }
}

/* Nonzero: statistics are wanted. */
static int stats_begin (void)
{
    const char *where = evi_sys_environment ("EVRING_STATS");
    char *path, *none = NULL;

    if (EVI_LIKELY (!where || !*where || !strcmp (where, "0")))
        return 0;
    if (stats_where ())
        return 1;
    path = strdup (where);
    if (path && __atomic_compare_exchange_n (&stats_path, &none, path, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        atexit (stats_at_exit);
    else
        free (path);
    return stats_where () != NULL;
}

EVI void evi_stats_open (struct ev_loop *loop)
{
    if (EVI_LIKELY (!stats_begin ()))
        return;
    loop->process = evi_sys_process ();
    for (unsigned i = 0; i < STATS_LOOPS_MAX; i++) {
        struct ev_loop *none = NULL;

        if (__atomic_compare_exchange_n (&stats_loops[i], &none, loop, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return;
    }
}

EVI void evi_stats_close (struct ev_loop *loop)
{
    for (unsigned i = 0; stats_where () && i < STATS_LOOPS_MAX; i++) {
        struct ev_loop *it = loop;

        if (__atomic_compare_exchange_n (&stats_loops[i], &it, NULL, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            stats_report (loop);
    }
}
