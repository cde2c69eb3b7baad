/* op_echo.c: the echo server of tcp_echo.c by operations: nothing is waited for, data comes and has gone. What a
 * slow client does not take yet is kept, and that client is not read from meanwhile.
 *
 * Build:  cc op_echo.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out 7000      (port 0, or none: any free one; it is printed)      then: nc 127.0.0.1 7000
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 10000 };                /* the others wait in the backlog */
enum { BUFFER_SIZE = 4096, BUFFERS = 4096 }; /* shared by all clients … */
enum { ACTIVE_MAX = 16 }; /* … of which one that is slow holds not many more than these … */
#define PATIENCE 60.      /* … for so many seconds */

struct client {
    ev_op receive; /* first: a pointer to one points to both */
    int active;    /* operations that have not told their last result: nothing may be freed before */
    int over;
};

struct message {
    ev_op send;
    struct client *client;
};

static ev_pool *pool;
static ev_op acceptor;

/* After every last result: who leaves nothing behind closes the door. */
static void client_settle (struct ev_loop *loop, struct client *client)
{
    if (client->active) {
        if (client->active <= ACTIVE_MAX)
            ev_op_resume (loop, &client->receive);
        return;
    }
    close (client->receive.fd);
    free (client);
    ev_accept_gone (loop, &acceptor);
}

/* Whatever is in flight on this connection ends by itself now. */
static void client_fail (struct client *client)
{
    client->over = 1;
    shutdown (client->receive.fd, SHUT_RDWR);
}

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    struct message *message = (struct message *) op;
    struct client *client = message->client;

    if (op->result < 0)
        client_fail (client);
    ev_pool_give (pool, op->buf);
    free (message);
    client->active--;
    client_settle (loop, client);
}

/* Sends of one descriptor go out in the order of their start. */
static void client_send (struct ev_loop *loop, struct client *client, void *data, size_t size)
{
    struct message *message = malloc (sizeof *message);

    if (!message) {
        client_fail (client);
        return;
    }
    message->client = client;
    ev_pool_keep (pool, data);
    ev_send_init (&message->send, on_sent, client->receive.fd, data, size, 0);
    ev_op_deadline (&message->send, PATIENCE);
    ev_op_start (loop, &message->send);
    client->active++;
}

static void on_received (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;

    if (op->result > 0 && !client->over)
        client_send (loop, client, op->buf, (size_t) op->result);
    if (revents & EV_OP_MORE) {
        if (client->active > ACTIVE_MAX)
            ev_op_pause (loop, op);
        return;
    }
    client->over = 1;
    client->active--;
    client_settle (loop, client);
}

static void on_connection (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client;

    if (op->result < 0) {
        errno = (int) -op->result;
        perror ("accept");
        return;
    }
    client = calloc (1, sizeof *client);
    if (!client) {
        close ((int) op->result);
        ev_accept_gone (loop, op);
        return;
    }
    ev_recv_pool_init (&client->receive, on_received, (int) op->result, pool, 0);
    ev_op_start (loop, &client->receive);
    client->active++;
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct ev_loop *loop = ev_default_loop (0);
    socklen_t size = sizeof address;

    address.sin_port = htons ((unsigned short) (argc > 1 ? atoi (argv[1]) : 0));
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!loop || !(pool = ev_pool_new (loop, BUFFER_SIZE, BUFFERS))
        || bind (fd, (struct sockaddr *) &address, size) || listen (fd, SOMAXCONN)
        || getsockname (fd, (struct sockaddr *) &address, &size)) {
        perror ("op_echo");
        return 1;
    }
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    ev_accept_init (&acceptor, on_connection, fd, SOCK_CLOEXEC);
    ev_accept_limit (&acceptor, CLIENTS_MAX);
    ev_op_start (loop, &acceptor);
    return ev_run (loop, 0);
}
