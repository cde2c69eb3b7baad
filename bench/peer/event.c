/* event.c: the peer libevent 2, by persistent read events on its epoll backend, as its own benchmark does. */
#include "peer.h"

#include <event2/event.h>
#include <stdlib.h>

static struct event_base *base;
static struct pipes *pipes;
static struct echo *echo;

static const char *peer_version (void)
{
    return event_get_version ();
}

static void peer_open (void)
{
    base = event_base_new ();
}

static struct event *watch (int fd, event_callback_fn cb, void *argument)
{
    struct event *event = event_new (base, fd, EV_READ | EV_PERSIST, cb, argument);

    if (!event || event_add (event, 0))
        bench_die ("event_add");
    return event;
}

static void on_pipe (evutil_socket_t fd, short what, void *argument)
{
    (void) fd;
    (void) what;
    if (pipes_ready (pipes, (int) (intptr_t) argument))
        event_base_loopbreak (base);
}

static void peer_pipes_watch (struct pipes *work)
{
    pipes = work;
    for (int i = 0; i < work->count; i++)
        watch (work->pairs[i][0], on_pipe, (void *) (intptr_t) i);
}

static void peer_pipes_run (void)
{
    event_base_dispatch (base);
}

static void on_message (evutil_socket_t fd, short what, void *argument)
{
    enum echo_outcome outcome = echo_serve (echo, fd);

    (void) what;
    if (outcome == ECHO_GOES_ON)
        return;
    event_free (*(struct event **) argument);
    free (argument);
    close (fd);
    if (outcome == ECHO_FINISHED)
        event_base_loopbreak (base);
}

static void on_connection (evutil_socket_t listener, short what, void *argument)
{
    int fd;

    (void) listener;
    (void) what;
    (void) argument;
    while ((fd = echo_accept (echo)) >= 0) {
        struct event **connection = malloc (sizeof *connection);

        *connection = watch (fd, on_message, connection);
    }
}

static void peer_echo_run (struct echo *work)
{
    echo = work;
    watch (work->listener, on_connection, 0);
    event_base_dispatch (base);
}

static void on_datagram (evutil_socket_t fd, short what, void *argument)
{
    (void) fd;
    (void) what;
    (void) argument;
    if (datagrams_ready (echo))
        event_base_loopbreak (base);
}

static void peer_datagrams_run (struct echo *work)
{
    echo = work;
    watch (work->listener, on_datagram, 0);
    event_base_dispatch (base);
}

static void peer_life (void)
{
    struct event_base *one = event_base_new ();

    if (!one)
        bench_die ("event_base_new");
    event_base_loop (one, EVLOOP_NONBLOCK);
    event_base_free (one);
}

const struct peer peer = {
    .version = peer_version,
    .open = peer_open,
    .pipes_watch = peer_pipes_watch,
    .pipes_run = peer_pipes_run,
    .echo_run = peer_echo_run,
    .datagrams_run = peer_datagrams_run,
    .life = peer_life,
};
