/* ev_group.c: three loops share a port; each says how it ends.
 * cc ev_group.c $(pkg-config --cflags --libs evring) -pthread */
#include <ev_mailbox.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPS = 3, CLIENTS = 300 };

struct state {
    int connections; /* of one loop: only its thread touches it */
};

static void on_begin (struct ev_loop *loop, ev_group *group,
                      unsigned at, void *states)
{
    ev_set_userdata (loop, (struct state *) states + at);
}

static void on_connection (struct ev_loop *loop, ev_group *group,
                           int fd, void *states)
{
    struct state *state = ev_userdata (loop);

    state->connections++;
    close (fd); /* a real server starts reading */
}

/* Stop what is active: then the loop ends. Here nothing is. */
static void on_end (struct ev_loop *loop, ev_group *group,
                    unsigned at, void *states)
{
}

static struct sockaddr_in address;
static ev_group *group;

static void *be_the_clients (void *unused)
{
    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket (AF_INET, SOCK_STREAM, 0);

        if (connect (fd, (struct sockaddr *) &address,
                     sizeof address))
            perror ("connect");
        close (fd);
    }
    ev_group_stop (group); /* any thread may */
    return unused;
}

int main (void)
{
    struct state states[LOOPS] = { { 0 } };
    socklen_t size = sizeof address;
    pthread_t clients;
    int fd, sum = 0;

    address.sin_family = AF_INET; /* port 0: any that is free */
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    group = ev_group_new (0, LOOPS);
    if (!group)
        return 1;
    fd = ev_group_listen (group, (struct sockaddr *) &address, size,
                          SOMAXCONN, on_connection);
    if (fd < 0
        || getsockname (fd, (struct sockaddr *) &address, &size))
        return 1;
    if (pthread_create (&clients, NULL, be_the_clients, NULL))
        return 1;
    if (ev_group_run (group, on_begin, on_end, states))
        return 1;
    pthread_join (clients, NULL);
    ev_group_free (group);
    for (int i = 0; i < LOOPS; i++)
        sum += states[i].connections;
    printf ("%d loops had %d connections\n", LOOPS, sum);
    return 0;
}
