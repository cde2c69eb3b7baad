/* epoll.c: the peer without a library: epoll by hand, level-triggered, the data carries what the callback needs.
 * The floor for any readiness loop on epoll: no timers, no clock, no priorities, one kind of event. */
#include "peer.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { BATCH = 1024 };

static int set;
static struct epoll_event events[BATCH];
static struct pipes *pipes;

static const char *peer_version (void)
{
    return "kernel";
}

static void peer_open (void)
{
    set = epoll_create1 (EPOLL_CLOEXEC);
    if (set < 0)
        bench_die ("epoll_create1");
}

static void watch (int fd, int value)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = value };

    if (epoll_ctl (set, EPOLL_CTL_ADD, fd, &event))
        bench_die ("epoll_ctl");
}

static void peer_pipes_watch (struct pipes *work)
{
    pipes = work;
    for (int i = 0; i < work->count; i++)
        watch (work->pairs[i][0], i);
}

static void peer_pipes_run (void)
{
    for (;;) {
        int count = epoll_wait (set, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (pipes_ready (pipes, events[i].data.fd))
                return;
    }
}

/* True when that was the last byte. */
static bool turn (const struct epoll_event *event)
{
    int at = event->data.fd;
    bool taken = event->events & EPOLLIN;
    struct epoll_event wanted = { .events = taken ? EPOLLOUT : EPOLLIN, .data.fd = at };

    if (taken)
        pipes_take (pipes, at);
    if (epoll_ctl (set, EPOLL_CTL_MOD, pipes->pairs[at][0], &wanted))
        bench_die ("epoll_ctl");
    return !taken && pipes_pass (pipes, at);
}

static void peer_toggle_run (void)
{
    for (;;) {
        int count = epoll_wait (set, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (turn (&events[i]))
                return;
    }
}

static void accept_all (struct echo *work)
{
    int fd;

    while ((fd = echo_accept (work)) >= 0)
        watch (fd, fd);
}

/* True when the last connection is gone. */
static bool serve (struct echo *work, int fd)
{
    enum echo_outcome outcome = echo_serve (work, fd);

    if (outcome != ECHO_GOES_ON)
        close (fd); /* which also takes it out of the set */
    return outcome == ECHO_FINISHED;
}

static void peer_echo_run (struct echo *work)
{
    watch (work->listener, work->listener);
    for (;;) {
        int count = epoll_wait (set, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (events[i].data.fd == work->listener)
                accept_all (work);
            else if (serve (work, events[i].data.fd))
                return;
    }
}

/* True when that was the last request. */
static bool answer (struct echo *work, int fd)
{
    ssize_t size = churn_serve (fd);

    close (fd);
    return churn_count (work, size);
}

static void peer_churn_run (struct echo *work)
{
    watch (work->listener, work->listener);
    for (;;) {
        int count = epoll_wait (set, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (events[i].data.fd == work->listener)
                accept_all (work);
            else if (answer (work, events[i].data.fd))
                return;
    }
}

static void peer_datagrams_run (struct echo *work)
{
    watch (work->listener, work->listener);
    do
        epoll_wait (set, events, BATCH, -1);
    while (!datagrams_ready (work));
}

/* ---- wake: an eventfd ------------------------------------------------------------------------- */

static int bell;

static void peer_wake_send (void)
{
    static const uint64_t one = 1;

    if (write (bell, &one, sizeof one) != sizeof one)
        bench_die ("wake: write");
}

static void peer_wake_run (struct wake *work)
{
    uint64_t count;

    bell = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
    watch (bell, bell);
    wake_start (work);
    do {
        epoll_wait (set, events, BATCH, -1);
        if (read (bell, &count, sizeof count) != sizeof count)
            bench_die ("wake: read");
    } while (!wake_ready (work));
}

static void peer_life (void)
{
    peer_open ();
    epoll_wait (set, events, BATCH, 0);
    close (set);
}

const struct peer peer = {
    .version = peer_version,
    .open = peer_open,
    .pipes_watch = peer_pipes_watch,
    .pipes_run = peer_pipes_run,
    .toggle_run = peer_toggle_run,
    .echo_run = peer_echo_run,
    .churn_run = peer_churn_run,
    .datagrams_run = peer_datagrams_run,
    .wake_run = peer_wake_run,
    .wake_send = peer_wake_send,
    .life = peer_life,
};
