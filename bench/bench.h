/* bench.h: what every benchmark program shares: options, one measured span, one line of JSON.
 * Owns no workload (see work.h) and knows no event library, so that peers can use it too.
 * Promises that a span costs two clock readings and two getrusage calls, whoever is measured. */
#ifndef BENCH_H_
#define BENCH_H_

#include "latency.h"

#include <stdint.h>

/* Everything a question can be asked with. Counts are bounded: a run ends by count, not by time. */
struct bench_options {
    const char *backend; /* epoll, iouring, poll, select; only the ev programs look at it */
    int fds;             /* pipes, scale, memory: how many descriptors are watched */
    int ends;            /* pipes: 2 watches both ends of a socket pair, which takes half the descriptors */
    int active;          /* pipes: how many bytes travel at once */
    int connections;     /* echo, churn */
    int size;            /* echo, churn: bytes in a message */
    int depth;           /* files: reads under way at once */
    int direct;          /* files: 1 goes past the page cache */
    const char *file;    /* files: what is read */
    const char *from;    /* bulk: a network namespace to send from … */
    const char *to;      /* … and one to send to; "": as it is */
    const char *address; /* bulk: where the receiver listens */
    const char *program; /* served: whose server it is */
    int collect;    /* files, by operations: microseconds that completions may gather before they are told */
    int timers;     /* timers, memory */
    long events;    /* measured events: callbacks, messages or timer operations */
    int cpu;        /* where the measured process is pinned, -1 for anywhere */
    int client_cpu; /* where the load generator is pinned */
    const char *mode; /* what to do, where a program can do several things */
};

struct bench_options bench_options (int argc, char **argv);

/* What a span of work cost. Between begin and end these hold readings, after end they hold differences. */
struct bench_span {
    int64_t wall_ns;
    int64_t user_ns;
    int64_t sys_ns;
    int64_t slept;     /* voluntary context switches: the process waited */
    int64_t preempted; /* involuntary ones: somebody else wanted the core, this round is noisy */
};

void bench_begin (struct bench_span *span);
void bench_end (struct bench_span *span);
/* The same where the work is a child's last: the child began the span, and what it costs until it is gone counts. */
void bench_end_child (struct bench_span *span, int child);
/* Spans that were measured one by one, as one. */
void bench_add (struct bench_span *sum, const struct bench_span *span);

/* Prints the one line run.py reads. `library` is the file that did the work. */
void bench_report (const struct bench_span *span, long events, const char *library);
/* The same line, and how long the middle one took, and the slowest but one in a hundred, in a thousand. */
void bench_report_latency (const struct bench_span *span, const struct latency *latency, long events,
                           const char *library);
/* The same line with nothing but a name and a number: for counts that are not time. */
void bench_value (const char *name, double value, const char *library);

void bench_pin (int cpu);
void bench_need_fds (int count); /* raises the limit of open files, or skips */
_Noreturn void bench_die (const char *what);
_Noreturn void bench_skip (const char *why); /* exit 77: this machine cannot answer the question */

/* A multiplicative generator with a fixed seed: every peer sees the same "random" order. */
uint32_t bench_random (void);
void bench_shuffle (int *order, int count);

#endif
