/* op_http.c: an HTTP/1.1 server for the files of a folder: keep-alive, pipelining, HEAD, ranges, "not modified"; a
 * folder is its index.html. Names that begin with a dot are forbidden. Symbolic links are followed: who can make
 * them there decides what is served. This file listens; the operations
 * are in client.h, and what HTTP wants in request.h and answer.h.
 *
 * Build:  cc op_http.c $(pkg-config --cflags --libs evring) -lhttp_parser
 *         (the library is in Debian's libhttp-parser-dev)
 * Run:    ./a.out FOLDER 8080      (port 0, or none: any free one; it is printed)
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"

static ev_op acceptor;

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
        return;
    }
    client->fd = (int) op->result;
    client->file = -1;
    client_receive (loop, client);
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct ev_loop *loop = ev_default_loop (0);
    socklen_t size = sizeof address;

    address.sin_port = htons ((unsigned short) (argc > 2 ? atoi (argv[2]) : 0));
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* its connections have it from here */
    if (!loop || argc < 2 || (root = open (argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0
        || bind (fd, (struct sockaddr *) &address, size) || listen (fd, SOMAXCONN)
        || getsockname (fd, (struct sockaddr *) &address, &size)) {
        perror ("op_http FOLDER [PORT]");
        return 1;
    }
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    ev_accept_init (&acceptor, on_connection, fd, SOCK_CLOEXEC);
    ev_op_start (loop, &acceptor);
    return ev_run (loop, 0);
}
