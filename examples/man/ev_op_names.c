/* ev_op_names.c: who is there? Connects to the first of a name's
 * addresses that answers.
 * cc ev_op_names.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct addrinfo *list; /* the program's, if there is one */
static ev_op op;              /* first a look-up, then a connect */

static void try_address (struct ev_loop *loop, struct addrinfo *it);

static void on_connect (struct ev_loop *loop, ev_op *w, int revents)
{
    struct addrinfo *it = w->data;

    close (w->fd);
    if (w->result < 0 && it->ai_next) {
        try_address (loop, it->ai_next);
        return;
    }
    printf ("connect: %s\n",
            w->result < 0 ? "nobody answers" : "somebody answers");
    freeaddrinfo (list);
}

static void try_address (struct ev_loop *loop, struct addrinfo *it)
{
    int fd = socket (it->ai_family, it->ai_socktype, it->ai_protocol);

    ev_connect_init (&op, on_connect, fd, it->ai_addr,
                     it->ai_addrlen);
    ev_op_deadline (&op, 2.); /* seconds, for each address */
    op.data = it;
    ev_op_start (loop, &op);
}

static void on_addresses (struct ev_loop *loop, ev_op *w, int revents)
{
    if (w->result < 0) /* -ETIMEDOUT, EAI_NONAME … */
        printf ("look-up: %s\n", ev_op_strerror (w->result));
    else
        try_address (loop, list);
}

int main (int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop (0);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const char *node = argc > 1 ? argv[1] : "127.0.0.1";
    const char *service = argc > 2 ? argv[2] : "1"; /* nobody */

    if (!loop)
        return 1;
    ev_getaddrinfo_init (&op, on_addresses, node, service, &hints,
                         &list);
    ev_op_deadline (&op, 5.); /* however long the server takes */
    ev_op_start (loop, &op);
    ev_run (loop, 0);
    return 0;
}
