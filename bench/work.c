/* work.c: sockets, load and the file for the workloads of work.h.
 * Owns the load generators: plain epoll programs in a child process, the same for every peer, closed loop (each
 * connection has one message under way). Promises that everything stays on loopback and ends by count. */
#define _GNU_SOURCE
#include "work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>

enum {
    FDS_SPARE = 64, /* the loop's own descriptors, stdio */
    BATCH = 512,    /* events the load generator takes at once: as many as the largest cell has connections */
    WARM_UP_PART = 10, /* a tenth of the work is done before the span begins */
};

static bool pipes_other_end (int ends, int at)
{
    return ends == 2 && at % 2 == 1;
}

static void pipes_pair (struct pipes *p, int at, int ends)
{
    if (pipes_other_end (ends, at)) {
        p->pairs[at][0] = p->pairs[at - 1][1];
        p->pairs[at][1] = p->pairs[at - 1][0];
    } else if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p->pairs[at]))
        bench_die ("socketpair");
}

void pipes_open (struct pipes *p, int count, int ends)
{
    bench_need_fds (2 * count / ends + FDS_SPARE);
    p->count = count;
    p->reads_left = p->writes_left = 0;
    p->pairs = calloc ((size_t) count, sizeof *p->pairs);
    if (!p->pairs)
        bench_die ("calloc");
    for (int i = 0; i < count; i++)
        pipes_pair (p, i, ends);
}

void pipes_seed (struct pipes *p, int active, long events)
{
    int stride = p->count / active;

    p->reads_left = events;
    p->writes_left = events - active;
    for (int i = 0; i < active; i++)
        if (write (p->pairs[i * stride][1], "e", 1) != 1)
            bench_die ("pipes: first write");
}

/* ---- the load generator ------------------------------------------------------------------- */

struct load {
    int poll;
    int size;
    long to_send; /* messages not yet sent */
    long to_come; /* answers not yet seen */
};

static void load_send (struct load *l, int fd)
{
    static const char message[ECHO_SIZE_MAX] = "echo";

    if (l->to_send == 0)
        return;
    l->to_send--;
    if (write (fd, message, (size_t) l->size) != l->size)
        bench_die ("load: write");
}

static int load_connect (struct load *l, const struct sockaddr_in *where)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || connect (fd, (const struct sockaddr *) where, sizeof *where))
        bench_die ("load: connect");
    setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    event.data.fd = fd;
    if (epoll_ctl (l->poll, EPOLL_CTL_ADD, fd, &event))
        bench_die ("load: epoll_ctl");
    return fd;
}

static void load_answer (struct load *l, int fd)
{
    char message[ECHO_SIZE_MAX];

    /* A page on loopback arrives in one piece; a split message would spoil the count, so it is an error. */
    if (read (fd, message, sizeof message) != l->size)
        bench_die ("load: not the answer that was expected");
    l->to_come--;
    load_send (l, fd);
}

static void load_run (const struct bench_options *o, long messages, const struct sockaddr_in *where)
{
    struct load l = { epoll_create1 (EPOLL_CLOEXEC), o->size, messages, messages };
    struct epoll_event events[BATCH];
    int *fds = calloc ((size_t) o->connections, sizeof *fds);

    for (int i = 0; i < o->connections; i++)
        fds[i] = load_connect (&l, where);
    for (int i = 0; i < o->connections; i++)
        load_send (&l, fds[i]);
    while (l.to_come > 0) {
        int count = epoll_wait (l.poll, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            load_answer (&l, events[i].data.fd);
    }
    exit (0); /* closes every connection, which ends the server */
}

/* ---- the load generator of churn ----------------------------------------------------------- */

/* A fresh connection with its request on the way. Closing it sends RST instead of going through TIME_WAIT: by
 * then the server has closed its end, and thousands of waiting sockets would be a load of their own. */
static void churn_request (struct load *l, const struct sockaddr_in *where)
{
    static const struct linger no_wait = { .l_onoff = 1 };
    int fd;

    if (l->to_send == 0)
        return;
    fd = load_connect (l, where);
    setsockopt (fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
    load_send (l, fd);
}

/* The answer, then the end, often together. True when both are here. */
static bool churn_answer (struct load *l, int fd)
{
    char message[ECHO_SIZE_MAX];
    ssize_t size = recv (fd, message, sizeof message, MSG_DONTWAIT);

    if (size == l->size)
        size = recv (fd, message, sizeof message, MSG_DONTWAIT);
    if (size > 0 || (size < 0 && errno != EAGAIN))
        bench_die ("load: not the answer that was expected");
    return size == 0;
}

static void churn_run (const struct bench_options *o, long requests, const struct sockaddr_in *where)
{
    struct load l = { epoll_create1 (EPOLL_CLOEXEC), o->size, requests, requests };
    struct epoll_event events[BATCH];

    for (int i = 0; i < o->connections; i++)
        churn_request (&l, where);
    while (l.to_come > 0) {
        int count = epoll_wait (l.poll, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (churn_answer (&l, events[i].data.fd)) {
                close (events[i].data.fd);
                l.to_come--;
                churn_request (&l, where);
            }
    }
    exit (0);
}

/* ---- the server's side --------------------------------------------------------------------- */

static struct sockaddr_in echo_listen (struct echo *e)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof where;

    e->listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->listener < 0 || bind (e->listener, (struct sockaddr *) &where, sizeof where))
        bench_die ("echo: bind");
    if (listen (e->listener, SOMAXCONN) || getsockname (e->listener, (struct sockaddr *) &where, &size))
        bench_die ("echo: listen");
    return where;
}

typedef void load_function (const struct bench_options *o, long count, const struct sockaddr_in *where);

static void serve_open (struct echo *e, const struct bench_options *o, int size_max, load_function *load)
{
    struct sockaddr_in where;
    pid_t child;

    if (o->size > size_max)
        bench_skip ("messages are too large");
    bench_need_fds (o->connections + FDS_SPARE);
    memset (e, 0, sizeof *e);
    e->connections = o->connections;
    e->size = o->size;
    e->first = o->events / WARM_UP_PART;
    e->last = e->first + o->events;
    where = echo_listen (e);
    child = fork ();
    if (child < 0)
        bench_die ("fork");
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        close (e->listener);
        bench_pin (o->client_cpu);
        load (o, e->last, &where);
    }
}

void echo_open (struct echo *e, const struct bench_options *o)
{
    serve_open (e, o, ECHO_SIZE_MAX, load_run);
}

void churn_open (struct echo *e, const struct bench_options *o)
{
    serve_open (e, o, CHURN_SIZE_MAX, churn_run);
    e->brief = true;
}

void echo_close (struct echo *e)
{
    int status;

    close (e->listener);
    if (wait (&status) < 0 || status != 0) {
        errno = EPROTO;
        bench_die ("echo: the load generator failed");
    }
    if (e->served != e->last)
        bench_die ("echo: not every message was served");
}

void echo_set_up (const struct echo *e, int fd)
{
    int one = 1;

    if (!e->brief)
        setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int echo_accept (struct echo *e)
{
    int fd = accept4 (e->listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        echo_set_up (e, fd);
    return fd;
}

/* ---- files --------------------------------------------------------------------------------- */

/* Every block begins with its number. Written and synced once; later runs find it. */
static void files_make (int fd)
{
    char block[FILES_BLOCK] = { 0 };

    for (uint32_t i = 0; i < FILES_BLOCKS; i++) {
        memcpy (block, &i, sizeof i);
        if (pwrite (fd, block, sizeof block, (off_t) i * FILES_BLOCK) != FILES_BLOCK)
            bench_die ("files: write");
    }
    if (fsync (fd))
        bench_die ("files: fsync");
}

static void files_prepare (const char *path)
{
    char block[FILES_BLOCK];
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        bench_die (path);
    if (lseek (fd, 0, SEEK_END) != (off_t) FILES_BLOCKS * FILES_BLOCK)
        files_make (fd);
    for (off_t i = 0; i < FILES_BLOCKS; i++)
        if (pread (fd, block, sizeof block, i * FILES_BLOCK) != FILES_BLOCK)
            bench_die ("files: read");
    close (fd);
}

/* tmpfs takes O_DIRECT since Linux 6.6, and ignores it. */
static bool files_in_memory (int fd)
{
    struct statfs system;

    return fstatfs (fd, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

void files_open (struct files *f, const struct bench_options *o)
{
    memset (f, 0, sizeof *f);
    f->depth = o->depth;
    f->first = o->events / WARM_UP_PART;
    f->last = f->to_start = f->first + o->events;
    f->memory = aligned_alloc (FILES_BLOCK, (size_t) f->depth * FILES_BLOCK);
    f->wanted = calloc ((size_t) f->depth, sizeof *f->wanted);
    if (!f->memory || !f->wanted)
        bench_die ("files: no memory");
    memset (f->memory, 0xff, (size_t) f->depth * FILES_BLOCK);
    files_prepare (o->file);
    f->fd = open (o->file, O_RDONLY | O_CLOEXEC | (o->direct ? O_DIRECT : 0));
    if (f->fd < 0 || (o->direct && files_in_memory (f->fd)))
        bench_skip ("this file system has no O_DIRECT");
}

void files_close (struct files *f)
{
    close (f->fd);
    free (f->memory);
    free (f->wanted);
}
