/* work.h: the workloads every peer runs, pipes, echo, churn and files, without the event library around them.
 * Owns the sockets, the file and the counting. Promises that peers execute this very code in their callbacks, so
 * that what differs between them is the library. Called by: every program of this folder and of peer/. */
#ifndef BENCH_WORK_H_
#define BENCH_WORK_H_

#include "bench.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- pipes: `active` bytes run around a circle of socket pairs --------------------------------- */

struct pipes {
    int count;
    int (*pairs)[2];  /* [0] is read from, [1] written to */
    long reads_left;  /* callbacks until the span ends */
    long writes_left; /* bytes still to be sent on */
};

/* `count` descriptors to watch. With ends = 2 pair 2n + 1 is pair 2n seen from its other end. */
void pipes_open (struct pipes *p, int count, int ends);
/* Sends off `active` bytes that will cause `events` callbacks altogether. */
void pipes_seed (struct pipes *p, int active, long events);

static inline void pipes_take (struct pipes *p, int at)
{
    char byte;

    if (read (p->pairs[at][0], &byte, 1) != 1)
        bench_die ("pipes: a callback without a byte");
}

/* Sends the byte that was taken on. True when that was the last one. */
static inline bool pipes_pass (struct pipes *p, int at)
{
    if (p->writes_left > 0) {
        int next = at + 1 < p->count ? at + 1 : 0;

        p->writes_left--;
        if (write (p->pairs[next][1], "e", 1) != 1)
            bench_die ("pipes: write");
    }
    return --p->reads_left == 0;
}

/* The body of a callback: pair `at` is readable. True when that was the last event. */
static inline bool pipes_ready (struct pipes *p, int at)
{
    pipes_take (p, at);
    return pipes_pass (p, at);
}

/* ---- echo: a TCP server on loopback, and a load generator in a process of its own -------------- */

enum { ECHO_SIZE_MAX = 4096 };

struct echo {
    int listener;
    int connections;
    int size;         /* bytes in a message */
    bool brief;       /* churn: a connection is one message, TCP_NODELAY would change nothing */
    int closed;       /* connections that came to their end */
    long served;      /* messages, the warm-up included */
    long first, last; /* the span begins after `first` messages and ends with `last` */
    struct bench_span span;
    struct latency *latency; /* of the messages in the span, as the load generator saw it */
};

/* Opens the listener and starts the load generator. Call it before the event library is touched: it forks. */
void echo_open (struct echo *e, const struct bench_options *o);
/* The load generator must have ended well; closes the listener. */
void echo_close (struct echo *e);
/* The line that run.py reads. */
void echo_report (const struct echo *e, const char *library);
/* One new connection, non-blocking, or -1 when there is none. */
int echo_accept (struct echo *e);

/* The same options for a connection that somebody else accepted. */
void echo_set_up (const struct echo *e, int fd);

/* How many buffers of ECHO_SIZE_MAX a server by operations gets: one in, one out for each connection. */
static inline int echo_buffers (const struct echo *e)
{
    int count = 1;

    while (count < 2 * e->connections)
        count *= 2;
    return count;
}

enum echo_outcome { ECHO_GOES_ON, ECHO_CLOSED, ECHO_FINISHED };

/* One message went back, whole. */
static inline void echo_count (struct echo *e, ssize_t size)
{
    if (size != e->size)
        bench_die ("echo: not the message that was expected");
    e->served++;
    if (e->served == e->first)
        bench_begin (&e->span);
    if (e->served == e->last)
        bench_end (&e->span);
}

/* A connection came to its end: the caller stops watching it and closes it. */
static inline enum echo_outcome echo_over (struct echo *e)
{
    return ++e->closed == e->connections ? ECHO_FINISHED : ECHO_CLOSED;
}

/* The body of a callback: `fd` is readable. */
static inline enum echo_outcome echo_serve (struct echo *e, int fd)
{
    char message[ECHO_SIZE_MAX];
    ssize_t size = read (fd, message, sizeof message);

    if (size <= 0)
        return echo_over (e);
    echo_count (e, write (fd, message, (size_t) size));
    return ECHO_GOES_ON;
}

/* ---- churn: the same server, but each connection brings one message and is closed after the answer ---- */

enum { CHURN_SIZE_MAX = 64 };

/* As echo_open; at any time `connections` of them are under way. Ends with echo_close. */
void churn_open (struct echo *e, const struct bench_options *o);

/* A connection was answered and has been closed. True when that was the last one. */
static inline bool churn_count (struct echo *e, ssize_t size)
{
    echo_count (e, size);
    return e->served == e->last;
}

/* The body of a callback: the request is here. The caller stops watching `fd` and then closes it. */
static inline ssize_t churn_serve (int fd)
{
    char message[CHURN_SIZE_MAX];
    ssize_t size = read (fd, message, sizeof message);

    return size > 0 ? write (fd, message, (size_t) size) : size;
}

/* ---- datagrams: the same by UDP, one socket for all clients ------------------------------------- */

enum { DATAGRAMS_MAX = 64, DATAGRAMS_BATCH = 16 /* dealt with by one callback */ };

/* As echo_open. Nobody says good-bye: it is over when the last message is answered. */
void datagrams_open (struct echo *e, const struct bench_options *o);

static inline ssize_t datagram_serve (int fd)
{
    struct sockaddr_in who;
    socklen_t size = sizeof who;
    char message[ECHO_SIZE_MAX];
    ssize_t count = recvfrom (fd, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *) &who, &size);

    return count > 0 ? sendto (fd, message, (size_t) count, 0, (struct sockaddr *) &who, size) : count;
}

/* The body of a callback: the socket is readable. True when that was the last message. */
static inline bool datagrams_ready (struct echo *e)
{
    for (int i = 0; i < DATAGRAMS_BATCH; i++) {
        ssize_t size = datagram_serve (e->listener);

        if (size < 0)
            return false;
        echo_count (e, size);
        if (e->served == e->last)
            return true;
    }
    return false;
}

/* ---- served: an echo server that is a program of its own; this process is the load ---------------- */

/* Puts `connections` on it, fills in span and latency: the processor time in it is the server's. */
void served_run (struct echo *e, const struct bench_options *o, pid_t server, int port);

/* ---- wake: another thread wakes the loop ------------------------------------------------------- */

struct wake {
    void (*send) (void); /* from the other thread */
    bool flood;
    int cpu;                /* of the other thread */
    long first, last, seen; /* as in struct echo */
    int64_t sent_at;        /* ping: of the one wake-up under way, before it is sent */
    sem_t answered;         /* ping: the next may be sent */
    bool over;              /* flood: the last has been sent */
    pthread_t thread;
    struct latency latency; /* ping: from the call until the callback */
    struct bench_span span;
};

/* --mode: "flood", or one after the other. */
void wake_open (struct wake *w, const struct bench_options *o, void (*send) (void));
/* Starts the other thread: the loop must be ready for it. */
void wake_start (struct wake *w);
void wake_report (struct wake *w, const char *library);

/* The body of the callback. True when that was the last. */
static inline bool wake_ready (struct wake *w)
{
    if (w->flood) {
        if (!__atomic_load_n (&w->over, __ATOMIC_ACQUIRE))
            return false;
        bench_end (&w->span);
        return true;
    }
    if (w->seen >= w->first)
        latency_add (&w->latency, latency_now () - w->sent_at);
    if (++w->seen == w->first)
        bench_begin (&w->span);
    if (w->seen == w->last)
        bench_end (&w->span);
    sem_post (&w->answered);
    return w->seen == w->last;
}

/* ---- files: random reads of one block each, `depth` of them under way at once ------------------ */

enum { FILES_BLOCK = 4096, FILES_BLOCKS = 16384 /* 64 MiB: in the page cache of any machine */ };

struct files {
    int fd;
    int depth;
    char *memory;     /* a block for each read under way, aligned for O_DIRECT */
    long to_start;    /* reads not yet begun */
    long done;        /* reads, the warm-up included */
    long first, last; /* as in struct echo */
    uint32_t *wanted; /* which block each read under way is to bring */
    struct bench_span span;
};

/* Opens the file, which is made where it does not exist, and reads it once: cached or direct, it is warm. */
void files_open (struct files *f, const struct bench_options *o);
void files_close (struct files *f);

static inline char *files_memory (const struct files *f, int slot)
{
    return f->memory + (size_t) slot * FILES_BLOCK;
}

/* Where the next read in this slot begins, or -1 when enough were begun. */
static inline int64_t files_next (struct files *f, int slot)
{
    if (f->to_start == 0)
        return -1;
    f->to_start--;
    f->wanted[slot] = bench_random () % FILES_BLOCKS;
    return (int64_t) f->wanted[slot] * FILES_BLOCK;
}

/* The body of a callback: the read of this slot has ended. True when that was the last one. */
static inline bool files_done (struct files *f, int slot, ssize_t result)
{
    uint32_t found;

    memcpy (&found, files_memory (f, slot), sizeof found);
    if (result != FILES_BLOCK || found != f->wanted[slot])
        bench_die ("files: not the block that was expected");
    f->done++;
    if (f->done == f->first)
        bench_begin (&f->span);
    if (f->done == f->last)
        bench_end (&f->span);
    return f->done == f->last;
}

#endif
