/* bulk.c: sends of --size bytes on one connection, --depth of them started at once, by operations. --mode:
 *   send     ev_send
 *   zc       ev_send_zc
 * One event is a send. The receiver is a child process that reads and forgets, on another core, and with --to in another
 * network namespace: then there may be a link between them that takes its time (link.py). */
#define _GNU_SOURCE
#include "bench.h"
#include "loop.h"

#include <ev_op.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TAKEN = 1 << 20 /* by the receiver at once */, WARM_UP_PART = 10 };

static long to_start, to_end, measured;
static struct bench_span span;

/* By its name, as ip-netns(8) leaves it. */
static void enter (const char *name)
{
    char path[256];
    int fd;

    if (!*name)
        return;
    snprintf (path, sizeof path, "/run/netns/%s", name);
    fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns (fd, CLONE_NEWNET))
        bench_die (path);
    close (fd);
}

static _Noreturn void receive (int listener)
{
    char *bytes = malloc (TAKEN);
    int fd = accept (listener, 0, 0);

    if (fd < 0 || !bytes)
        bench_die ("receiver");
    while (read (fd, bytes, TAKEN) > 0)
        ;
    exit (0);
}

static int listen_there (const struct bench_options *o, struct sockaddr_in *where)
{
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *where;

    if (fd < 0 || bind (fd, (struct sockaddr *) where, size) || listen (fd, 1)
        || getsockname (fd, (struct sockaddr *) where, &size))
        bench_die (o->address);
    return fd;
}

/* The listener must be in the receiver's namespace: the child makes it, and tells where it is. */
static pid_t receiver (const struct bench_options *o, struct sockaddr_in *where)
{
    int ends[2];
    pid_t pid;

    if (pipe (ends) || (pid = fork ()) < 0)
        bench_die ("fork");
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        enter (o->to);
        bench_pin (o->client_cpu);
        int listener = listen_there (o, where);

        if (write (ends[1], where, sizeof *where) != sizeof *where)
            bench_die ("receiver");
        receive (listener);
    }
    close (ends[1]);
    if (read (ends[0], where, sizeof *where) != sizeof *where)
        bench_die ("there is no receiver");
    close (ends[0]);
    return pid;
}

static void on_sent (EV_P_ ev_op *op, int revents)
{
    (void) revents;
    if (op->result != (ssize_t) op->size) {
        errno = op->result < 0 ? (int) -op->result : EPROTO;
        bench_die ("send");
    }
    if (--to_end == measured)
        bench_begin (&span);
    if (to_end == 0)
        bench_end (&span);
    if (to_start > 0) {
        to_start--;
        ev_op_start (EV_A_ op);
    }
}

static void start (EV_P_ const struct bench_options *o, int fd)
{
    int zero_copy = !strcmp (o->mode, "zc");
    ev_op *sends = calloc ((size_t) o->depth, sizeof *sends);

    for (int i = 0; i < o->depth; i++) {
        char *bytes = calloc (1, (size_t) o->size);

        if (zero_copy)
            ev_send_zc_init (&sends[i], on_sent, fd, bytes, (size_t) o->size, 0);
        else
            ev_send_init (&sends[i], on_sent, fd, bytes, (size_t) o->size, 0);
        ev_op_start (EV_A_ & sends[i]);
    }
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct sockaddr_in where = { .sin_family = AF_INET };
    struct ev_loop *loop;
    pid_t child;
    int fd;

    if (inet_pton (AF_INET, o.address, &where.sin_addr) != 1)
        bench_die (o.address);
    child = receiver (&o, &where);
    enter (o.from);
    fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect (fd, (struct sockaddr *) &where, sizeof where))
        bench_die ("connect");
    measured = o.events;
    to_end = o.events + o.events / WARM_UP_PART + 1;
    to_start = to_end - o.depth;
    loop = bench_loop (o.backend);
    start (EV_A_ & o, fd);
    ev_run (EV_A_ 0);
    bench_report (&span, o.events, bench_loop_library ());
    kill (child, SIGKILL);
    waitpid (child, 0, 0);
    return 0;
}
