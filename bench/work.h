/* work.h: the two workloads every peer runs, pipes and echo, without the event library around them.
 * Owns the sockets and the counting. Promises that peers execute this very code in their callbacks, so that
 * what differs between them is the library. Called by: pipes.c, echo.c, memory.c, peer/. */
#ifndef BENCH_WORK_H_
#define BENCH_WORK_H_

#include "bench.h"

#include <stdbool.h>
#include <unistd.h>

/* ---- pipes: `active` bytes run around a circle of socket pairs --------------------------------- */

struct pipes {
    int count;
    int (*pairs)[2];  /* [0] is read from, [1] written to */
    long reads_left;  /* callbacks until the span ends */
    long writes_left; /* bytes still to be sent on */
};

void pipes_open (struct pipes *p, int count);
void pipes_close (struct pipes *p);
/* Sends off `active` bytes that will cause `events` callbacks altogether. */
void pipes_seed (struct pipes *p, int active, long events);

/* The body of a callback: pair `at` is readable. True when that was the last event. */
static inline bool pipes_ready (struct pipes *p, int at)
{
    char byte;

    if (read (p->pairs[at][0], &byte, 1) != 1)
        bench_die ("pipes: a callback without a byte");
    if (p->writes_left > 0) {
        int next = at + 1 < p->count ? at + 1 : 0;

        p->writes_left--;
        if (write (p->pairs[next][1], &byte, 1) != 1)
            bench_die ("pipes: write");
    }
    return --p->reads_left == 0;
}

/* ---- echo: a TCP server on loopback, and a load generator in a process of its own -------------- */

enum { ECHO_SIZE_MAX = 4096 };

struct echo {
    int listener;
    int connections;
    int closed;       /* connections that came to their end */
    long served;      /* messages, the warm-up included */
    long first, last; /* the span begins after `first` messages and ends with `last` */
    struct bench_span span;
};

/* Opens the listener and starts the load generator. Call it before the event library is touched: it forks. */
void echo_open (struct echo *e, const struct bench_options *o);
/* The load generator must have ended well; closes the listener. */
void echo_close (struct echo *e);
/* One new connection, non-blocking, or -1 when there is none. */
int echo_accept (struct echo *e);

enum echo_outcome { ECHO_GOES_ON, ECHO_CLOSED, ECHO_FINISHED };

/* The body of a callback: `fd` is readable. At its end the caller stops watching it and closes it. */
static inline enum echo_outcome echo_serve (struct echo *e, int fd)
{
    char message[ECHO_SIZE_MAX];
    ssize_t size = read (fd, message, sizeof message);

    if (size <= 0)
        return ++e->closed == e->connections ? ECHO_FINISHED : ECHO_CLOSED;
    if (write (fd, message, (size_t) size) != size)
        bench_die ("echo: write");
    e->served++;
    if (e->served == e->first)
        bench_begin (&e->span);
    if (e->served == e->last)
        bench_end (&e->span);
    return ECHO_GOES_ON;
}

#endif
