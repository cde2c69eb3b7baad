/* bench.c: the shared part of every benchmark program. See bench.h.
 * Owns the clock readings and the output line. Called by: every program in this folder and in peer/. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* Under callgrind only the span counts: run.py instructions starts it with collection switched off. */
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT (void) 0
#endif

static int64_t timeval_ns (struct timeval tv)
{
    return tv.tv_sec * INT64_C (1000000000) + tv.tv_usec * INT64_C (1000);
}

static void span_fill (struct bench_span *span, const struct rusage *usage)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    span->wall_ns = now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
    span->user_ns = timeval_ns (usage->ru_utime);
    span->sys_ns = timeval_ns (usage->ru_stime);
    span->slept = usage->ru_nvcsw;
    span->preempted = usage->ru_nivcsw;
}

static void span_read (struct bench_span *span)
{
    struct rusage usage;

    getrusage (RUSAGE_SELF, &usage);
    span_fill (span, &usage);
}

static void span_subtract (struct bench_span *now, const struct bench_span *then)
{
    now->wall_ns -= then->wall_ns;
    now->user_ns -= then->user_ns;
    now->sys_ns -= then->sys_ns;
    now->slept -= then->slept;
    now->preempted -= then->preempted;
}

void bench_begin (struct bench_span *span)
{
    span_read (span);
    CALLGRIND_TOGGLE_COLLECT;
}

void bench_end (struct bench_span *span)
{
    struct bench_span now;

    CALLGRIND_TOGGLE_COLLECT;
    span_read (&now);
    span_subtract (&now, span);
    *span = now;
}

void bench_end_child (struct bench_span *span, int child)
{
    struct bench_span now;
    struct rusage usage;
    int status;

    if (wait4 (child, &status, 0, &usage) < 0)
        bench_die ("wait4");
    if (status != 0) {
        errno = EPROTO;
        bench_die ("the child failed");
    }
    span_fill (&now, &usage);
    span_subtract (&now, span);
    *span = now;
}

void bench_add (struct bench_span *sum, const struct bench_span *span)
{
    sum->wall_ns += span->wall_ns;
    sum->user_ns += span->user_ns;
    sum->sys_ns += span->sys_ns;
    sum->slept += span->slept;
    sum->preempted += span->preempted;
}

static void report_open (const struct bench_span *span, long events)
{
    printf ("{\"events\": %ld, \"wall_ns\": %lld, \"user_ns\": %lld, \"sys_ns\": %lld, \"slept\": %lld, "
            "\"preempted\": %lld, ",
            events, (long long) span->wall_ns, (long long) span->user_ns, (long long) span->sys_ns,
            (long long) span->slept, (long long) span->preempted);
}

static void report_close (const char *library)
{
    printf ("\"library\": \"%s\"}\n", library);
}

void bench_report (const struct bench_span *span, long events, const char *library)
{
    report_open (span, events);
    report_close (library);
}

void bench_report_latency (const struct bench_span *span, const struct latency *latency, long events,
                           const char *library)
{
    report_open (span, events);
    printf ("\"p50\": %lld, \"p99\": %lld, \"p999\": %lld, ", (long long) latency_part (latency, 0.5),
            (long long) latency_part (latency, 0.99), (long long) latency_part (latency, 0.999));
    report_close (library);
}

void bench_value (const char *name, double value, const char *library)
{
    printf ("{\"name\": \"%s\", \"value\": %.3f, \"library\": \"%s\"}\n", name, value, library);
}

void bench_pin (int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return;
    CPU_ZERO (&set);
    CPU_SET (cpu, &set);
    if (sched_setaffinity (0, sizeof set, &set))
        bench_die ("sched_setaffinity");
}

void bench_need_fds (int count)
{
    struct rlimit limit;

    getrlimit (RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < (rlim_t) count)
        limit.rlim_max = (rlim_t) count; /* root may */
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit (RLIMIT_NOFILE, &limit))
        bench_skip ("the limit of open files (ulimit -Hn) is too low");
}

void bench_die (const char *what)
{
    fprintf (stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror (errno));
    exit (1);
}

void bench_skip (const char *why)
{
    fprintf (stderr, "%s: skipped: %s\n", program_invocation_short_name, why);
    exit (77);
}

uint32_t bench_random (void)
{
    static uint64_t state = UINT64_C (0x9e3779b97f4a7c15);

    state = state * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t) (state >> 33);
}

void bench_shuffle (int *order, int count)
{
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (int i = count - 1; i > 0; i--) {
        int j = (int) (bench_random () % (uint32_t) (i + 1));
        int kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

static const struct option option_names[] = {
    { "backend", required_argument, 0, 'b' },     { "fds", required_argument, 0, 'n' },
    { "active", required_argument, 0, 'a' },      { "ends", required_argument, 0, 'E' },
    { "connections", required_argument, 0, 'c' }, { "size", required_argument, 0, 's' },
    { "depth", required_argument, 0, 'd' },       { "direct", required_argument, 0, 'D' },
    { "file", required_argument, 0, 'f' },        { "timers", required_argument, 0, 't' },
    { "events", required_argument, 0, 'e' },      { "cpu", required_argument, 0, 'p' },
    { "client-cpu", required_argument, 0, 'q' },  { "mode", required_argument, 0, 'm' },
    { "collect", required_argument, 0, 'g' },     { "program", required_argument, 0, 'P' },
    { "from", required_argument, 0, 'F' },        { "to", required_argument, 0, 'T' },
    { "address", required_argument, 0, 'A' },     { 0, 0, 0, 0 },
};

struct bench_options bench_options (int argc, char **argv)
{
    struct bench_options o = {
        .backend = "epoll",
        .fds = 100,
        .active = 1,
        .ends = 1,
        .connections = 1,
        .size = 64,
        .depth = 1,
        .file = "bench-file",
        .program = "",
        .from = "",
        .to = "",
        .address = "127.0.0.1",
        .timers = 1000,
        .events = 20000,
        .cpu = -1,
        .client_cpu = -1,
        .mode = "",
    };
    int letter;

    while ((letter = getopt_long (argc, argv, "", option_names, 0)) != -1) {
        switch (letter) {
        case 'b':
            o.backend = optarg;
            break;
        case 'n':
            o.fds = atoi (optarg);
            break;
        case 'a':
            o.active = atoi (optarg);
            break;
        case 'E':
            o.ends = atoi (optarg);
            break;
        case 'c':
            o.connections = atoi (optarg);
            break;
        case 's':
            o.size = atoi (optarg);
            break;
        case 'd':
            o.depth = atoi (optarg);
            break;
        case 'D':
            o.direct = atoi (optarg);
            break;
        case 'f':
            o.file = optarg;
            break;
        case 't':
            o.timers = atoi (optarg);
            break;
        case 'e':
            o.events = atol (optarg);
            break;
        case 'p':
            o.cpu = atoi (optarg);
            break;
        case 'q':
            o.client_cpu = atoi (optarg);
            break;
        case 'm':
            o.mode = optarg;
            break;
        case 'g':
            o.collect = atoi (optarg);
            break;
        case 'F':
            o.from = optarg;
            break;
        case 'T':
            o.to = optarg;
            break;
        case 'A':
            o.address = optarg;
            break;
        case 'P':
            o.program = optarg;
            break;
        default:
            exit (2);
        }
    }
    bench_pin (o.cpu);
    return o;
}
