#define _GNU_SOURCE
#include "flood.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SENT_AT_ONCE = 65536, LINE = 64 /* bytes of a cache line: a program looks at what it gets */ };

static pid_t child;
static long long taken, first, last; /* bytes: the span begins with `first`, and ends with `last` */
static struct bench_span span;
static volatile unsigned sum;

static _Noreturn void flood (const struct bench_options *o, const int *fds)
{
    static char bytes[SENT_AT_ONCE];

    prctl (PR_SET_PDEATHSIG, SIGKILL);
    bench_pin (o->client_cpu);
    for (;;)
        for (int i = 0; i < o->connections; i++)
            if (send (fds[i], bytes, sizeof bytes, MSG_NOSIGNAL) < 0)
                _exit (0);
}

static void flood_connect (int listener, int ends[2])
{
    struct sockaddr_in where;
    socklen_t size = sizeof where;

    if (getsockname (listener, (struct sockaddr *) &where, &size))
        bench_die ("getsockname");
    ends[0] = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (ends[0], (struct sockaddr *) &where, sizeof where))
        bench_die ("connect");
    ends[1] = accept4 (listener, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (ends[1] < 0)
        bench_die ("accept");
}

void flood_begin (const struct bench_options *o, int *fds)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), sends[o->connections];

    if (bind (listener, (struct sockaddr *) &here, sizeof here) || listen (listener, o->connections))
        bench_die ("listen");
    for (int i = 0; i < o->connections; i++) {
        int ends[2];

        flood_connect (listener, ends);
        sends[i] = ends[0];
        fds[i] = ends[1];
    }
    first = (long long) o->events / 10 * FLOOD_EVENT;
    last = first + (long long) o->events * FLOOD_EVENT;
    child = fork ();
    if (child == 0)
        flood (o, sends);
    for (int i = 0; i < o->connections; i++)
        close (sends[i]);
    close (listener);
}

bool flood_take (const char *bytes, ssize_t size)
{
    bool begun = taken >= first;

    if (size <= 0)
        bench_die ("receive");
    for (ssize_t at = 0; at < size; at += LINE)
        sum += (unsigned) bytes[at];
    taken += size;
    if (!begun && taken >= first)
        bench_begin (&span);
    if (taken < last)
        return false;
    bench_end (&span);
    return true;
}

void flood_end (const struct bench_options *o, const char *library)
{
    bench_report (&span, o->events, library);
    kill (child, SIGKILL);
    waitpid (child, 0, 0);
}
