/* old.c: a program written for libevent 1.4, with the emulation and the library compiled in.
 * Reads from a pipe, takes a signal, waits for a timeout; exits with 0 if all went well. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include "event.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int reads, signals, timeouts;

static void on_read (int fd, short events, void *arg)
{
    char byte;

    if (events == EV_READ && read (fd, &byte, 1) == 1 && byte == 'x' && arg == &reads)
        reads++;
}

static void on_signal (int fd, short events, void *arg)
{
    if (events == EV_SIGNAL && fd == SIGUSR1)
        signals++;
    event_del ((struct event *) arg);
}

static void on_timeout (int fd, short events, void *arg)
{
    (void) arg;
    if (events == EV_TIMEOUT && fd == -1)
        timeouts++;
}

#ifdef EV_STANDALONE
static void on_log (int severity, const char *message)
{
    printf ("%d: %s\n", severity, message);
}
#endif

int main (void)
{
    struct event reader, signaled, timer;
    struct timeval soon = { 0, 20000 };
    int fd[2];

#ifdef EV_STANDALONE
    event_set_log_callback (on_log);
#endif
    if (!event_init () || pipe (fd))
        return 99;
    event_set (&reader, fd[0], EV_READ, on_read, &reads);
    event_add (&reader, NULL);
    signal_set (&signaled, SIGUSR1, on_signal, &signaled);
    signal_add (&signaled, NULL);
    evtimer_set (&timer, on_timeout, NULL);
    evtimer_add (&timer, &soon);
    if (write (fd[1], "x", 1) != 1)
        return 99;
    raise (SIGUSR1);
    event_dispatch ();
    printf ("%s: %d reads, %d signals, %d timeouts\n", event_get_version (), reads, signals, timeouts);
    return !(reads == 1 && signals == 1 && timeouts == 1);
}
