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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/wait.h>

enum {
    FDS_SPARE = 64, /* the loop's own descriptors, stdio */
    FD_MAX = 65536, /* of the load generator, which counts how long each message takes */
    BATCH = 512,    /* events the load generator takes at once: as many as the largest cell has connections */
    WARM_UP_PART = 10, /* a tenth of the work is done before the span begins */
    SERVED_WARM_UP =
        5000, /* messages to a server of its own: op_echo's 4096 buffers have all been touched once */
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
    int kind; /* SOCK_STREAM, SOCK_DGRAM */
    int size;
    long to_send;  /* messages not yet sent */
    long to_come;  /* answers not yet seen */
    long measured; /* the last so many of them are timed */
    struct latency *latency;
    int64_t began[FD_MAX]; /* when the message went off that is under way on this descriptor */
};

static struct load load;

static void load_open (const struct bench_options *o, int kind, long messages, struct latency *latency)
{
    load = (struct load){ .poll = epoll_create1 (EPOLL_CLOEXEC),
                          .kind = kind,
                          .size = o->size,
                          .to_send = messages,
                          .to_come = messages,
                          .measured = o->events,
                          .latency = latency };
}

static void load_send (int fd)
{
    static const char message[ECHO_SIZE_MAX] = "echo";

    if (load.to_send == 0)
        return;
    load.to_send--;
    load.began[fd] = latency_now ();
    if (write (fd, message, (size_t) load.size) != load.size)
        bench_die ("load: write");
}

static int load_connect (const struct sockaddr_in *where)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd = socket (AF_INET, load.kind | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0 || fd >= FD_MAX || connect (fd, (const struct sockaddr *) where, sizeof *where))
        bench_die ("load: connect");
    if (load.kind == SOCK_STREAM)
        setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    event.data.fd = fd;
    if (epoll_ctl (load.poll, EPOLL_CTL_ADD, fd, &event))
        bench_die ("load: epoll_ctl");
    return fd;
}

static void load_came (int fd)
{
    if (load.to_come-- <= load.measured)
        latency_add (load.latency, latency_now () - load.began[fd]);
}

static void load_answer (int fd)
{
    char message[ECHO_SIZE_MAX];

    /* A page on loopback arrives in one piece; a split message would spoil the count, so it is an error. */
    if (read (fd, message, sizeof message) != load.size)
        bench_die ("load: not the answer that was expected");
    load_came (fd);
    load_send (fd);
}

/* Until no more than so many answers are to come. */
static void load_until (long to_come)
{
    struct epoll_event events[BATCH];

    while (load.to_come > to_come) {
        int count = epoll_wait (load.poll, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            load_answer (events[i].data.fd);
    }
}

static void load_start (int connections, const struct sockaddr_in *where)
{
    int *fds = calloc ((size_t) connections, sizeof *fds);

    for (int i = 0; i < connections; i++)
        fds[i] = load_connect (where);
    for (int i = 0; i < connections; i++)
        load_send (fds[i]);
    free (fds);
}

static void load_run (const struct bench_options *o, const struct sockaddr_in *where)
{
    load_start (o->connections, where);
    load_until (0);
    exit (0); /* closes every connection, which ends the server */
}

/* ---- the load generator of churn ----------------------------------------------------------- */

/* A fresh connection with its request on the way. Closing it sends RST instead of going through TIME_WAIT: by
 * then the server has closed its end, and thousands of waiting sockets would be a load of their own. */
static void churn_request (const struct sockaddr_in *where)
{
    static const struct linger no_wait = { .l_onoff = 1 };
    int64_t now = latency_now ();
    int fd;

    if (load.to_send == 0)
        return;
    fd = load_connect (where);
    setsockopt (fd, SOL_SOCKET, SO_LINGER, &no_wait, sizeof no_wait);
    load_send (fd);
    load.began[fd] = now;
}

/* The answer, then the end, often together. True when both are here. */
static bool churn_answer (int fd)
{
    char message[ECHO_SIZE_MAX];
    ssize_t size = recv (fd, message, sizeof message, MSG_DONTWAIT);

    if (size == load.size)
        size = recv (fd, message, sizeof message, MSG_DONTWAIT);
    if (size > 0 || (size < 0 && errno != EAGAIN))
        bench_die ("load: not the answer that was expected");
    return size == 0;
}

static void churn_run (const struct bench_options *o, const struct sockaddr_in *where)
{
    struct epoll_event events[BATCH];

    for (int i = 0; i < o->connections; i++)
        churn_request (where);
    while (load.to_come > 0) {
        int count = epoll_wait (load.poll, events, BATCH, -1);

        for (int i = 0; i < count; i++)
            if (churn_answer (events[i].data.fd)) {
                load_came (events[i].data.fd);
                close (events[i].data.fd);
                churn_request (where);
            }
    }
    exit (0);
}

/* ---- the server's side --------------------------------------------------------------------- */

static struct sockaddr_in echo_bind (struct echo *e, int kind)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof where;

    e->listener = socket (AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (e->listener < 0 || bind (e->listener, (struct sockaddr *) &where, sizeof where))
        bench_die ("echo: bind");
    if (kind == SOCK_STREAM && listen (e->listener, SOMAXCONN))
        bench_die ("echo: listen");
    if (getsockname (e->listener, (struct sockaddr *) &where, &size))
        bench_die ("echo: getsockname");
    return where;
}

static struct latency *latency_shared (void)
{
    void *memory =
        mmap (0, sizeof (struct latency), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        bench_die ("mmap");
    return memory;
}

static void echo_count_to (struct echo *e, const struct bench_options *o)
{
    e->first = o->events / WARM_UP_PART;
    e->last = e->first + o->events;
}

typedef void load_function (const struct bench_options *o, const struct sockaddr_in *where);

static void serve_open (struct echo *e, const struct bench_options *o, int kind, int size_max,
                        load_function *run)
{
    struct sockaddr_in where;
    pid_t child;

    if (o->size > size_max)
        bench_skip ("messages are too large");
    bench_need_fds (o->connections + FDS_SPARE);
    memset (e, 0, sizeof *e);
    e->connections = o->connections;
    e->size = o->size;
    e->latency = latency_shared ();
    echo_count_to (e, o);
    where = echo_bind (e, kind);
    child = fork ();
    if (child < 0)
        bench_die ("fork");
    if (child == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        close (e->listener);
        bench_pin (o->client_cpu);
        load_open (o, kind, e->last, e->latency);
        run (o, &where);
    }
}

void echo_open (struct echo *e, const struct bench_options *o)
{
    serve_open (e, o, SOCK_STREAM, ECHO_SIZE_MAX, load_run);
}

void churn_open (struct echo *e, const struct bench_options *o)
{
    serve_open (e, o, SOCK_STREAM, CHURN_SIZE_MAX, churn_run);
    e->brief = true;
}

void datagrams_open (struct echo *e, const struct bench_options *o)
{
    /* One message for each client may be under way, and what finds no room in the socket would be lost. */
    if (o->connections > DATAGRAMS_MAX)
        bench_skip ("so many datagrams have no room in a socket");
    serve_open (e, o, SOCK_DGRAM, ECHO_SIZE_MAX, load_run);
}

void echo_report (const struct echo *e, const char *library)
{
    bench_report_latency (&e->span, e->latency, e->last - e->first, library);
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

/* ---- a server that is another program -------------------------------------------------------- */

static int64_t served_cpu (pid_t server)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid (server, &clock) || clock_gettime (clock, &used))
        bench_die ("served: its clock");
    return used.tv_sec * INT64_C (1000000000) + used.tv_nsec;
}

void served_run (struct echo *e, const struct bench_options *o, pid_t server, int port)
{
    struct sockaddr_in where = { .sin_family = AF_INET,
                                 .sin_port = htons ((uint16_t) port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    int64_t cpu;

    memset (e, 0, sizeof *e);
    e->latency = latency_shared ();
    e->first = SERVED_WARM_UP;
    e->last = e->first + o->events;
    bench_need_fds (o->connections + FDS_SPARE);
    load_open (o, SOCK_STREAM, e->last, e->latency);
    load_start (o->connections, &where);
    load_until (o->events);
    bench_begin (&e->span);
    cpu = served_cpu (server);
    load_until (0);
    bench_end (&e->span);
    e->span.user_ns = served_cpu (server) - cpu; /* of the server alone; the kernel's part is in it */
    e->span.sys_ns = e->span.slept = e->span.preempted = 0;
}

/* ---- wake --------------------------------------------------------------------------------- */

/* The next wake-up is sent when the last one has arrived. */
static void wake_ping (struct wake *w)
{
    for (long i = 0; i < w->last; i++) {
        w->sent_at = latency_now ();
        w->send ();
        while (sem_wait (&w->answered))
            ;
    }
}

/* As many as one can send, of which one wakes for many. */
static void wake_flood (struct wake *w)
{
    for (long i = 0; i < w->last; i++) {
        if (i == w->first)
            bench_begin (&w->span);
        w->send ();
    }
    __atomic_store_n (&w->over, true, __ATOMIC_RELEASE);
    w->send ();
}

static void *wake_thread (void *argument)
{
    struct wake *w = argument;

    bench_pin (w->cpu);
    if (w->flood)
        wake_flood (w);
    else
        wake_ping (w);
    return 0;
}

void wake_open (struct wake *w, const struct bench_options *o, void (*send) (void))
{
    memset (w, 0, sizeof *w);
    w->send = send;
    w->flood = !strncmp (o->mode, "flood", 5);
    w->cpu = o->client_cpu;
    w->first = o->events / WARM_UP_PART;
    w->last = w->first + o->events;
    if (sem_init (&w->answered, 0, 0))
        bench_die ("sem_init");
}

void wake_start (struct wake *w)
{
    if (pthread_create (&w->thread, 0, wake_thread, w))
        bench_die ("pthread_create");
}

void wake_report (struct wake *w, const char *library)
{
    if (pthread_join (w->thread, 0))
        bench_die ("pthread_join");
    if (w->flood)
        bench_report (&w->span, w->last - w->first, library);
    else
        bench_report_latency (&w->span, &w->latency, w->last - w->first, library);
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
