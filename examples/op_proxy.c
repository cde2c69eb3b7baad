/* op_proxy.c: passes TCP connections on to another address. Each way has one buffer: what the receiver does not
 * take is not asked of the sender. The end of one way is passed on, an error of either side resets both.
 *
 * Build:  cc op_proxy.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out example.org 80 7000      (port 0, or none: any free one; it is printed)
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct way {
    ev_op op; /* first: a pointer to one points to both; a way does one thing at a time */
    struct session *session;
    int from, to;
    char buffer[65536];
};

struct session {
    struct way up, down;
    int ways; /* that have not ended */
    int broken;
};

static struct addrinfo *target;
static ev_op acceptor;

static void on_received (struct ev_loop *loop, ev_op *op, int revents);

/* The last way closes the door: until then the other one uses it. */
static void way_end (struct way *way)
{
    if (--way->session->ways)
        return;
    close (way->from);
    close (way->to);
    free (way->session);
}

/* Is it over? A clean end would tell the peers that they have seen everything, so what they get is a reset. */
static int way_failed (struct ev_loop *loop, struct way *way)
{
    struct linger reset = { .l_onoff = 1 };

    if (way->op.result >= 0 && !way->session->broken)
        return 0;
    way->session->broken = 1;
    setsockopt (way->from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt (way->to, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ev_op_cancel (loop, &way->session->up.op); /* the other one: its callback comes, and finds all broken */
    ev_op_cancel (loop, &way->session->down.op);
    way_end (way);
    return 1;
}

/* The buffer is free for more. */
static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    struct way *way = (struct way *) op;

    if (way_failed (loop, way))
        return;
    ev_recv_init (op, on_received, way->from, way->buffer, sizeof way->buffer, 0);
    ev_op_start (loop, op);
}

static void on_received (struct ev_loop *loop, ev_op *op, int revents)
{
    struct way *way = (struct way *) op;

    if (way_failed (loop, way))
        return;
    if (!op->result) {
        shutdown (way->to, SHUT_WR); /* everything has been sent: this way does one thing at a time */
        way_end (way);
        return;
    }
    ev_send_init (op, on_sent, way->to, way->buffer, (size_t) op->result, 0);
    ev_op_start (loop, op);
}

static void on_connected (struct ev_loop *loop, ev_op *op, int revents)
{
    struct session *session = ((struct way *) op)->session;

    if (op->result >= 0) {
        session->ways = 2;
        on_sent (loop, &session->down.op, 0);
    }
    on_sent (loop, op, 0);
}

static void on_connection (struct ev_loop *loop, ev_op *op, int revents)
{
    int client = (int) op->result, server = socket (target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0),
        yes = 1;
    struct session *session = client < 0 || server < 0 ? NULL : calloc (1, sizeof *session);

    if (!session) {
        close (client);
        close (server);
        return;
    }
    setsockopt (server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    session->ways = 1;
    session->up.session = session->down.session = session;
    session->up.from = session->down.to = client;
    session->up.to = session->down.from = server;
    ev_connect_init (&session->up.op, on_connected, server, target->ai_addr, target->ai_addrlen);
    ev_op_deadline (&session->up.op, 10.); /* seconds: others are given minutes by the kernel */
    ev_op_start (loop, &session->up.op);
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct ev_loop *loop = ev_default_loop (0);
    socklen_t size = sizeof address;

    address.sin_port = htons ((unsigned short) (argc > 3 ? atoi (argv[3]) : 0));
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* its connections have it from here */
    if (!loop || argc < 3 || getaddrinfo (argv[1], argv[2], NULL, &target)
        || bind (fd, (struct sockaddr *) &address, size) || listen (fd, SOMAXCONN)
        || getsockname (fd, (struct sockaddr *) &address, &size)) {
        perror ("op_proxy HOST PORT [OWN-PORT]");
        return 1;
    }
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    ev_accept_init (&acceptor, on_connection, fd, SOCK_CLOEXEC);
    ev_op_start (loop, &acceptor);
    return ev_run (loop, 0);
}
