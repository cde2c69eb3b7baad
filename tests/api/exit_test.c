/* exit_test.c: what a process leaves behind when it ends with a loop that still watches: nothing. Its descriptors are closed
 * when whoever waits for it is told, as those of any process are; a server can be started again at once. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

enum { TIMES = 10 };

static struct sockaddr_in address;
static struct ev_loop *loop; /* reachable when the process ends */
static struct kit_io listener, connection;
static int pair[2], leash[2];

/* -1: the address is in use */
static int bound_there (int type)
{
    int fd = socket (AF_INET, type, 0), one = 1;

    if (type == SOCK_STREAM)
        setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind (fd, (struct sockaddr *) &address, sizeof address) == 0
        && (type != SOCK_STREAM || listen (fd, 5) == 0))
        return fd;
    close (fd);
    return -1;
}

static int listen_there (void)
{
    int fd = bound_there (SOCK_STREAM);
    socklen_t size = sizeof address;

    if (fd < 0)
        return -1;
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    return fd;
}

/* The address of a listener that there was. */
static void choose_address (void)
{
    address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    close (listen_there ());
}

static void watch_both (void)
{
    int fd = listen_there ();

    if (fd < 0)
        _exit (9);
    loop = ev_default_loop (test_backend | EVFLAG_NOENV);
    kit_start (loop, &listener, fd, EV_READ);
    kit_start (loop, &connection, pair[0], EV_READ);
    kit_nowait (loop, 2);
    close (pair[1]);
}

/* Runs server in a process, which has ended when this returns. */
static void serve (void (*server) (void))
{
    pid_t pid;

    fflush (NULL);
    test_socketpair (pair);
    pid = fork ();
    if (!pid)
        server ();
    close (pair[0]);
    ck_assert_int_eq (waitpid (pid, NULL, 0), pid);
}

static void restart_with (int fd)
{
    ck_assert_msg (fd >= 0, "the address is still in use");
    close (fd);
    close (pair[1]);
}

static void restart (void)
{
    restart_with (listen_there ());
}

static void server_that_exits (void)
{
    watch_both ();
    exit (0);
}

TEST_BACKENDS (exit_closes_what_a_loop_watches) // U-2
{
    kit_not_stock (EVBACKEND_IOURING, "the kernel closes the files of the reference's ring some time later");
    if (kit_uring () && !kit_kernel_from (6, 0))
        test_skip ("the kernel cannot end all requests of a ring in one call (6.0)");
    choose_address ();
    for (int i = 0; i < TIMES; i++) {
        serve (server_that_exits);
        ck_assert_msg (kit_polls (pair[1], POLLIN | POLLHUP), "the connection is still open");
        restart ();
    }
}

static void server_that_is_killed (void)
{
    watch_both ();
    raise (SIGKILL);
}

TEST_BACKENDS (killed_server_can_be_started_again_at_once) // U-2
{
    kit_not_stock (EVBACKEND_IOURING, "the kernel closes the files of the reference's ring some time later");
    choose_address ();
    for (int i = 0; i < TIMES; i++) {
        serve (server_that_is_killed);
        restart ();
    }
}

static void datagram_server_that_is_killed (void)
{
    int fd = bound_there (SOCK_DGRAM);

    if (fd < 0)
        _exit (9);
    loop = ev_default_loop (test_backend | EVFLAG_NOENV);
    kit_start (loop, &listener, fd, EV_READ);
    kit_nowait (loop, 2);
    raise (SIGKILL);
}

TEST_BACKENDS (killed_server_of_datagrams_can_be_started_again_at_once) // U-2
{
    kit_not_stock (EVBACKEND_IOURING, "the kernel closes the files of the reference's ring some time later");
    choose_address ();
    for (int i = 0; i < TIMES; i++) {
        serve (datagram_server_that_is_killed);
        restart_with (bound_there (SOCK_DGRAM));
    }
}

/* As servers do that accept no more for a while. */
static void server_that_paused_and_is_killed (void)
{
    watch_both ();
    for (int i = 0; i < 3; i++) {
        ev_io_stop (loop, &listener.w);
        kit_nowait (loop, i % 2);
        if (i == 2)
            ev_io_set (&listener.w, listener.w.fd, EV_READ);
        ev_io_start (loop, &listener.w);
        kit_nowait (loop, 1);
    }
    raise (SIGKILL);
}

TEST_BACKENDS (killed_server_whose_listener_was_stopped_and_started_can_be_started_again_at_once) // U-2
{
    kit_not_stock (EVBACKEND_IOURING, "the kernel closes the files of the reference's ring some time later");
    choose_address ();
    for (int i = 0; i < TIMES; i++) {
        serve (server_that_paused_and_is_killed);
        restart ();
    }
}

/* The worker has the ring, too, if there is one: it never uses it. */
static void server_whose_worker_survives (void)
{
    int closed[2];

    watch_both ();
    test_pipe (closed);
    fcntl (closed[0], F_SETFL, 0);
    if (!fork ()) {
        close (listener.w.fd);
        close (connection.w.fd);
        close (leash[1]);
        kit_put (closed[1]);
        _exit (read (leash[0], &(char){ 0 }, 1) != 0); /* as long as the test holds the other end */
    }
    kit_get (closed[0]);
    raise (SIGKILL);
}

TEST_BACKENDS (killed_server_can_be_started_again_while_a_worker_of_it_lives) // U-2, rule 10
{
    kit_not_stock (EVBACKEND_IOURING,
                   "the kernel closes the files of the reference's ring with its last descriptor");
    choose_address ();
    test_pipe (leash);
    fcntl (leash[0], F_SETFL, 0);
    serve (server_whose_worker_survives);
    restart ();
    close (leash[0]);
    close (leash[1]);
}

TEST_BACKENDS (child_that_stops_a_listener_leaves_the_parent_accepting) // U-12
{
    int fd;

    if (test_backend == EVBACKEND_EPOLL)
        test_skip ("an epoll set is shared with the child, of which the contract warns");
    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring is shared with the child (U-12)");
    choose_address ();
    test_socketpair (pair);
    watch_both ();
    if (!fork ()) {
        ev_io_stop (loop, &listener.w);
        kit_nowait (loop, 1);
        _exit (0);
    }
    ck_assert_int_gt (wait (NULL), 0);
    fd = socket (AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    ck_assert (kit_until (loop, &listener.calls, 1, 5.));
    close (fd);
    kit_stop_close (loop, &listener);
    kit_stop_close (loop, &connection);
    ev_loop_destroy (loop);
}
