/* op_cores.c: an echo server with a thread and a loop for each core. All listen on one port, and the kernel deals
 * the connections out. On SIGINT or SIGTERM it ends in order, and each loop says what it has done.
 *
 * Build:  cc op_cores.c $(pkg-config --cflags --libs evring) -pthread
 * Run:    ./a.out 7000 4      (port and loops; 0, or none: any free port, which is printed; as many as cores)
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing is shared: each has a loop, a listener and clients of its own. */
struct core {
    ev_op acceptor; /* first: a pointer to one points to both */
    ev_async stop;
    struct ev_loop *loop;
    LIST_HEAD (, client) clients;
    pthread_t thread;
    int connections;
};

struct client {
    ev_op op; /* first */
    LIST_ENTRY (client) list;
    int receives; /* or sends: one thing at a time */
    char buffer[4096];
};

static void client_end (struct client *client)
{
    LIST_REMOVE (client, list);
    close (client->op.fd);
    free (client);
}

static void on_client (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;

    if (op->result < 0 || (client->receives && !op->result)) {
        client_end (client);
        return;
    }
    client->receives = !client->receives;
    if (client->receives)
        ev_recv_set (op, op->fd, client->buffer, sizeof client->buffer, 0);
    else
        ev_send_set (op, op->fd, client->buffer, (size_t) op->result, 0);
    ev_op_start (loop, op);
}

static void on_connection (struct ev_loop *loop, ev_op *op, int revents)
{
    struct core *core = (struct core *) op;
    struct client *client = op->result < 0 ? NULL : malloc (sizeof *client);

    if (!client) {
        close ((int) op->result);
        return;
    }
    core->connections++;
    LIST_INSERT_HEAD (&core->clients, client, list);
    client->receives = 1;
    ev_recv_init (&client->op, on_client, (int) op->result, client->buffer, sizeof client->buffer, 0);
    ev_op_start (loop, &client->op);
}

/* In the thread of the loop. When nothing is active any more, ev_run returns. */
static void on_stop (struct ev_loop *loop, ev_async *w, int revents)
{
    struct core *core = w->data;

    ev_async_stop (loop, w);
    ev_op_stop (loop, &core->acceptor);
    close (core->acceptor.fd);
    for (struct client *client; (client = LIST_FIRST (&core->clients)); client_end (client))
        ev_op_stop (loop, &client->op); /* no callback comes */
}

static void *core_run (void *arg)
{
    struct core *core = arg;

    ev_op_start (core->loop, &core->acceptor);
    ev_run (core->loop, 0);
    return NULL;
}

/* The first finds a port where there was none given, for all. */
static void core_start (struct core *core, struct sockaddr_in *address)
{
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    socklen_t size = sizeof *address;

    setsockopt (fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    if (!(core->loop = ev_loop_new (0)) || bind (fd, (struct sockaddr *) address, size)
        || listen (fd, SOMAXCONN) || getsockname (fd, (struct sockaddr *) address, &size)) {
        perror ("op_cores");
        exit (1);
    }
    ev_accept_init (&core->acceptor, on_connection, fd, SOCK_CLOEXEC);
    ev_async_init (&core->stop, on_stop);
    core->stop.data = core;
    ev_async_start (core->loop, &core->stop); /* before anybody may send */
    pthread_create (&core->thread, NULL, core_run, core);
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int count = argc > 2 ? atoi (argv[2]) : (int) sysconf (_SC_NPROCESSORS_ONLN), signal;
    struct core *cores = calloc ((size_t) count, sizeof *cores);
    sigset_t signals;

    address.sin_port = htons ((unsigned short) (argc > 1 ? atoi (argv[1]) : 0));
    sigemptyset (&signals);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGTERM);
    pthread_sigmask (SIG_BLOCK, &signals, NULL); /* in all threads: this one waits for them */
    for (int i = 0; i < count; i++)
        core_start (&cores[i], &address);
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    sigwait (&signals, &signal);
    for (int i = 0; i < count; i++) {
        ev_async_send (cores[i].loop, &cores[i].stop);
        pthread_join (cores[i].thread, NULL);
        ev_loop_destroy (cores[i].loop); /* not before: nobody may send to a loop that is gone */
        printf ("loop %d: %d connections\n", i, cores[i].connections);
    }
    free (cores);
    return 0;
}
