/* ev_op_net.c: a server that sends back what it gets, and a client.
 * cc ev_op_net.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static ev_op accepting;

/* ---- the server: an operation and a buffer per connection -------- */

struct peer {
    ev_op op; /* at first place: both have one address */
    char buf[4096];
};

static void on_request (struct ev_loop *loop, ev_op *op, int revents);

static void on_answered (struct ev_loop *loop, ev_op *op, int revents)
{
    struct peer *peer = (struct peer *) op;

    if (op->result < 0) { /* all was sent, or it is an error */
        close (op->fd);
        free (peer);
        return;
    }
    ev_recv_init (op, on_request, op->fd, peer->buf, sizeof peer->buf,
                  0);
    ev_op_start (loop, op);
}

static void on_request (struct ev_loop *loop, ev_op *op, int revents)
{
    struct peer *peer = (struct peer *) op;

    if (op->result <= 0) { /* 0: the client has no more to say */
        close (op->fd);
        free (peer);
        return;
    }
    ev_send_init (op, on_answered, op->fd, peer->buf,
                  (size_t) op->result, 0);
    ev_op_start (loop, op);
}

static void on_client (struct ev_loop *loop, ev_op *op, int revents)
{
    struct peer *peer;

    if (op->result < 0)
        return; /* the last call: cancelled */
    peer = malloc (sizeof *peer);
    if (!peer) {
        close ((int) op->result);
        return;
    }
    ev_recv_init (&peer->op, on_request, (int) op->result, peer->buf,
                  sizeof peer->buf, 0);
    ev_op_start (loop, &peer->op);
}

/* ---- the client: a chain ----------------------------------------- */

static ev_op connecting, sending, ending, receiving;
static struct sockaddr_in address;
static char answer[100];

static void on_step (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result < 0)
        printf ("step failed: %d\n", (int) -op->result);
}

static void on_answer (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result > 0)
        printf ("%.*s\n", (int) op->result, answer);
    close (op->fd);
    ev_op_cancel (loop, &accepting); /* the server ends, too */
}

static void on_socket (struct ev_loop *loop, ev_op *op, int revents)
{
    int fd = (int) op->result;

    if (fd < 0) {
        ev_op_cancel (loop, &accepting);
        return;
    }
    ev_connect_init (&connecting, on_step, fd,
                     (struct sockaddr *) &address, sizeof address);
    ev_send_init (&sending, on_step, fd, "hello", 5, 0);
    ev_shutdown_init (&ending, on_step, fd, SHUT_WR);
    ev_recv_init (&receiving, on_answer, fd, answer, sizeof answer,
                  MSG_WAITALL); /* until the end of the stream */
    ev_op_link (&connecting, &sending);
    ev_op_link (&sending, &ending);
    ev_op_link (&ending, &receiving);
    ev_op_start (loop, &connecting);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof address;
    ev_op making;

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    if (!loop || bind (listener, (struct sockaddr *) &address, size)
        || listen (listener, 128)
        || getsockname (listener, (struct sockaddr *) &address,
                        &size))
        return 1;
    ev_accept_init (&accepting, on_client, listener, SOCK_CLOEXEC);
    ev_op_start (loop, &accepting);
    ev_socket_init (&making, on_socket, AF_INET,
                    SOCK_STREAM | SOCK_CLOEXEC, 0);
    ev_op_start (loop, &making);
    ev_run (loop, 0);
    return close (listener);
}
