/* tcp_echo.c: an echo server on the loopback address. What a slow client does not take yet is kept, and that
 * client is not read from meanwhile.
 *
 * Build:  cc tcp_echo.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out 7000      (port 0, or none: any free one; it is printed)      then: nc 127.0.0.1 7000
 */
#define _GNU_SOURCE
#include <ev.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    ev_io io; /* first: a pointer to one points to both */
    char buffer[4096];
    size_t begin, end; /* what is to be sent */
};

/* One descriptor, one watcher: it waits for input or for room. ev_io_modify: it is still the same open file. */
static void client_wait (struct ev_loop *loop, struct client *client, int events)
{
    if (client->io.events == events)
        return;
    ev_io_stop (loop, &client->io);
    ev_io_modify (&client->io, events);
    ev_io_start (loop, &client->io);
}

/* Stop first, then close: the number may belong to somebody else a moment later. */
static void client_end (struct ev_loop *loop, struct client *client)
{
    ev_io_stop (loop, &client->io);
    close (client->io.fd);
    free (client);
}

/* 1: done, 0: not now, -1: over. */
static int client_receive (struct client *client)
{
    ssize_t size = recv (client->io.fd, client->buffer, sizeof client->buffer, 0);

    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    client->begin = 0;
    client->end = (size_t) size;
    return 1;
}

static int client_send (struct client *client)
{
    ssize_t size =
        send (client->io.fd, client->buffer + client->begin, client->end - client->begin, MSG_NOSIGNAL);

    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    client->begin += (size_t) size;
    return client->begin == client->end;
}

static void on_client (struct ev_loop *loop, ev_io *w, int revents)
{
    struct client *client = (struct client *) w;
    int result = revents & EV_ERROR ? -1 : 1;

    if (result > 0 && client->begin == client->end)
        result = client_receive (client);
    if (result > 0)
        result = client_send (client); /* there is room nearly always: ask first, wait if not */
    if (result < 0)
        client_end (loop, client);
    else
        client_wait (loop, client, client->begin < client->end ? EV_WRITE : EV_READ);
}

static void on_connection (struct ev_loop *loop, ev_io *w, int revents)
{
    int fd = accept4 (w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *client = fd < 0 ? NULL : calloc (1, sizeof *client);

    if (!client) { /* or it is gone already */
        if (fd >= 0)
            close (fd);
        return;
    }
    ev_io_init (&client->io, on_client, fd, EV_READ);
    ev_io_start (loop, &client->io);
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct ev_loop *loop = ev_default_loop (0);
    socklen_t size = sizeof address;
    ev_io listener;

    address.sin_port = htons ((unsigned short) (argc > 1 ? atoi (argv[1]) : 0));
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!loop || bind (fd, (struct sockaddr *) &address, size) || listen (fd, SOMAXCONN)
        || getsockname (fd, (struct sockaddr *) &address, &size)) {
        perror ("tcp_echo");
        return 1;
    }
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    ev_io_init (&listener, on_connection, fd, EV_READ);
    ev_io_start (loop, &listener);
    return ev_run (loop, 0);
}
