/* killed_test.c: what a process leaves behind that is killed with operations in flight: nothing. Its addresses can be bound
 * again at once, whoever waited for something there. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <stddef.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { TIMES = 8 };

struct place_to_serve {
    const char *what;
    int domain, type;
    void (*serve) (struct ev_loop *loop, int fd);
};

static union {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_un local;
} address;
static socklen_t address_size;
static struct op op;
static char data[64];

/* -1: the address is in use */
static int bound_there (const struct place_to_serve *what)
{
    int fd = socket (what->domain, what->type, 0), one = 1;

    ck_assert_int_ge (fd, 0);
    if (what->type == SOCK_STREAM)
        setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind (fd, &address.any, address_size) == 0 && (what->type != SOCK_STREAM || listen (fd, 5) == 0))
        return fd;
    ck_assert_int_eq (errno, EADDRINUSE);
    close (fd);
    return -1;
}

static void choose_address (const struct place_to_serve *what)
{
    memset (&address, 0, sizeof address);
    address.any.sa_family = (sa_family_t) what->domain;
    address_size = sizeof address.inet;
    if (what->domain == AF_INET) {
        int fd;

        address.inet.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        fd = bound_there (what);
        ck_assert_int_eq (getsockname (fd, &address.any, &address_size), 0);
        close (fd);
        return;
    }
    snprintf (address.local.sun_path + 1, sizeof address.local.sun_path - 1, "evring killed %d",
              (int) getpid ());
    address_size =
        (socklen_t) (offsetof (struct sockaddr_un, sun_path) + 1 + strlen (address.local.sun_path + 1));
}

static void serve_accept (struct ev_loop *loop, int fd)
{
    op_begin (loop, &op, accept, fd, SOCK_CLOEXEC);
}

static void serve_recv (struct ev_loop *loop, int fd)
{
    op_begin (loop, &op, recv, fd, data, sizeof data, 0);
}

static void serve_recvmsg (struct ev_loop *loop, int fd)
{
    static struct iovec vec = { data, sizeof data };
    static struct msghdr message = { .msg_iov = &vec, .msg_iovlen = 1 };

    op_begin (loop, &op, recvmsg, fd, &message, 0);
}

static void serve_pool (struct ev_loop *loop, int fd)
{
    op_begin (loop, &op, recv_pool, fd, ev_pool_new (loop, 64, 4), 0);
}

static const struct place_to_serve places[] = {
    { "accept on TCP", AF_INET, SOCK_STREAM, serve_accept },
    { "accept on an abstract name", AF_UNIX, SOCK_STREAM, serve_accept },
    { "recv on UDP", AF_INET, SOCK_DGRAM, serve_recv },
    { "recvmsg on UDP", AF_INET, SOCK_DGRAM, serve_recvmsg },
    { "recv_pool on UDP", AF_INET, SOCK_DGRAM, serve_pool },
    { "recv on an abstract name", AF_UNIX, SOCK_DGRAM, serve_recv },
    { "recv_pool on an abstract name", AF_UNIX, SOCK_DGRAM, serve_pool },
};

/* A child that has everything but the socket, until leash is closed. */
static void leave_child (int fd, const int leash[2])
{
    int closed[2];

    test_pipe (closed);
    fcntl (closed[0], F_SETFL, 0);
    if (!fork ()) {
        close (fd);
        close (leash[1]);
        kit_put (closed[1]);
        _exit (read (leash[0], data, 1) != 0);
    }
    kit_get (closed[0]);
}

/* In a process of its own. */
static void server (struct ev_loop *loop, const struct place_to_serve *what, const int leash[2])
{
    int fd = bound_there (what);

    if (fd < 0)
        _exit (9);
    ev_loop_fork (loop);
    what->serve (loop, fd);
    op_settle (loop);
    if (leash)
        leave_child (fd, leash);
    raise (SIGKILL);
}

static void kill_and_restart (struct ev_loop *loop, const struct place_to_serve *what, const int leash[2])
{
    pid_t pid;
    int status, fd;

    fflush (NULL);
    pid = fork ();
    if (!pid)
        server (loop, what, leash);
    ck_assert_int_eq (waitpid (pid, &status, 0), pid);
    ck_assert (WIFSIGNALED (status));
    fd = bound_there (what);
    ck_assert_msg (fd >= 0, "%s: the address is still in use", what->what);
    close (fd);
}

TEST_ENGINES (killed_server_can_be_started_again_at_once_whatever_it_had_in_flight)
{
    struct ev_loop *loop = test_loop (0);

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        choose_address (&places[i]);
        for (int times = 0; times < TIMES; times++)
            kill_and_restart (loop, &places[i], NULL);
    }
}

TEST_ENGINES (killed_server_can_be_started_again_while_a_child_of_it_lives)
{
    struct ev_loop *loop = test_loop (0);
    int leash[2];

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        choose_address (&places[i]);
        test_pipe (leash);
        fcntl (leash[0], F_SETFL, 0);
        kill_and_restart (loop, &places[i], leash);
        close (leash[0]);
        close (leash[1]);
    }
}
