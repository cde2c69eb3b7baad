/* real.c: does the model tell the truth? Random scripts of polls and receives, and rings that are closed, on the model's ring and
 * on one of this machine's kernel: the completions have to be the same. Whatever the order: that is nobody's promise.
 * usage: real [FIRST COUNT]; exit code 77 on other kernels than that of the first profile, whose ways these are. */
#include "kernel.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    POLLED = 3,
    THINGS = 5,
    NAMES = 6,
    STEPS = 14,
    SQ = 32,
    CQ = 128,
    NO_SQARRAY = 1 << 16,
    SKIP = 77,
    QUIET = 1
};
enum { SETUP = 425, ENTER = 426 };

/* One of both worlds. */
struct world {
    int real, ring, thing[THINGS], peer[THINGS]; /* descriptors; in the model peers are files */
    int set;                                     /* an epoll set with all things */
    struct epoll_event *events;
    struct io_uring_params params;
    uint32_t *word;
    struct sqe *sqes;
    struct cqe *cqes, got[CQ];
    uint32_t tail;
    int count;
};

static uint64_t state;
static int names; /* given to requests so far */

static int draw (int choices)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int) ((state >> 33) % (unsigned) choices);
}

/* ---- rings ---- */

static int world_setup (struct world *it)
{
    size_t size;

    memset (&it->params, 0, sizeof it->params);
    it->params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
                       | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | NO_SQARRAY;
    it->params.cq_entries = CQ;
    it->ring = it->real ? (int) syscall (SETUP, SQ, &it->params) : (int) ring_setup (SQ, &it->params);
    if (it->ring < 0)
        return 0;
    size = it->params.cq_off.cqes + CQ * sizeof (struct cqe);
    it->word = it->real ? mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, it->ring, 0)
                        : ring_map (it->ring, size, 0);
    size = SQ * sizeof (struct sqe);
    it->sqes = it->real ? mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, it->ring, IORING_OFF_SQES)
                        : ring_map (it->ring, size, IORING_OFF_SQES);
    it->cqes = (struct cqe *) ((char *) it->word + it->params.cq_off.cqes);
    return it->word != MAP_FAILED && it->sqes != MAP_FAILED;
}

static void world_queue (struct world *it, const struct sqe *sqe)
{
    it->sqes[it->tail++ & (SQ - 1)] = *sqe;
    __atomic_store_n (&it->word[it->params.sq_off.tail / 4], it->tail, __ATOMIC_RELEASE);
}

static void world_enter (struct world *it)
{
    uint32_t *head = &it->word[it->params.cq_off.head / 4], *tail = &it->word[it->params.cq_off.tail / 4];

    unsigned queued = it->tail - __atomic_load_n (&it->word[it->params.sq_off.head / 4], __ATOMIC_ACQUIRE);

    if (it->real)
        syscall (ENTER, it->ring, queued, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    else
        ring_enter (it->ring, queued, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    for (; *head != __atomic_load_n (tail, __ATOMIC_ACQUIRE) && it->count < CQ; ++*head)
        it->got[it->count++] = it->cqes[*head & (CQ - 1)];
}

/* ---- files ---- */

static void real_open (struct world *it)
{
    int fd[2];

    it->thing[0] = it->peer[0] = eventfd (0, EFD_NONBLOCK);
    socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
    it->thing[1] = fd[0];
    it->peer[1] = fd[1];
    if (pipe (fd) < 0)
        abort ();
    it->thing[2] = fd[0];
    it->peer[2] = fd[1];
    socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
    it->thing[3] = fd[0];
    it->peer[3] = fd[1];
    if (pipe (fd) < 0)
        abort ();
    it->thing[4] = fd[0];
    it->peer[4] = fd[1];
}

static void model_open (struct world *it)
{
    int file[2];

    file[0] = file_new (K_EVENTFD);
    k.files[file[0]].nonblock = 1;
    it->thing[0] = fd_new (file[0]);
    it->peer[0] = file[0];
    stream_pair (file, 1);
    it->thing[1] = fd_new (file[0]);
    file_take (it->peer[1] = file[1]);
    stream_pipe (file);
    it->thing[2] = fd_new (file[0]);
    file_take (it->peer[2] = file[1]);
    stream_pair (file, 1);
    it->thing[3] = fd_new (file[0]);
    file_take (it->peer[3] = file[1]);
    stream_pipe (file);
    it->thing[4] = fd_new (file[0]);
    file_take (it->peer[4] = file[1]);
}

static void world_set (struct world *it)
{
    it->set = it->real ? epoll_create1 (0) : fd_new (file_new (K_EPOLL));
    it->events = it->real ? malloc (POLLED * sizeof *it->events) : memory_take (POLLED * sizeof *it->events);
    for (int i = 0; i < POLLED; i++) {
        struct epoll_event event = { .events = POLLIN };

        if (it->real)
            epoll_ctl (it->set, EPOLL_CTL_ADD, it->thing[i], &event);
        else
            set_ctl (fd_file (it->set), EPOLL_CTL_ADD, it->thing[i], &event);
    }
}

static void world_close (struct world *it)
{
    if (!it->real)
        return;
    for (int i = 0; i < THINGS; i++) {
        close (it->thing[i]);
        if (i)
            close (it->peer[i]);
    }
    munmap (it->word, it->params.cq_off.cqes + CQ * sizeof (struct cqe));
    munmap (it->sqes, SQ * sizeof (struct sqe));
    close (it->ring);
    close (it->set);
    free (it->events);
}

static void world_write (struct world *it, int thing)
{
    uint64_t one = 1;

    if (it->real ? write (it->peer[thing], &one, thing ? 1 : 8) < 0
                 : (thing ? stream_write (it->peer[thing], 1) : eventfd_write (it->peer[0], 1)) < 0)
        return;
}

static void world_read (struct world *it, int thing)
{
    char bytes[8];
    struct pollfd look = { .fd = it->thing[thing], .events = POLLIN };

    if (!it->real) {
        if (thing)
            stream_read (fd_file (it->thing[thing]), 1);
        else
            notify_read (it->peer[0], bytes, sizeof bytes);
    } else if (poll (&look, 1, 0) && read (it->thing[thing], bytes, thing ? 1 : 8) < 0)
        return;
}

/* The peer, or the thing itself, in one of two directions. */
static void world_shut (const struct world *it, int own, int reading)
{
    if (it->real)
        shutdown (own ? it->thing[1] : it->peer[1], reading ? SHUT_RD : SHUT_WR);
    else
        stream_shut (own ? fd_file (it->thing[1]) : it->peer[1], reading, !reading);
}

/* ---- scripts ---- */

static void both_queue (struct world worlds[2], struct sqe sqe, int thing)
{
    for (int i = 0; i < 2; i++) {
        if (thing >= 0)
            sqe.fd = worlds[i].thing[thing];
        world_queue (&worlds[i], &sqe);
    }
}

/* Operation 59: wait for the set. */
static void both_wait (struct world worlds[2], int name)
{
    for (int i = 0; i < 2; i++)
        world_queue (&worlds[i], &(struct sqe){ .opcode = 59,
                                                .fd = worlds[i].set,
                                                .addr = (uintptr_t) worlds[i].events,
                                                .len = POLLED,
                                                .user_data = (unsigned) name });
}

/* Bytes, from a socket or a pipe that nobody polls; on the socket perhaps all or nothing. One at a time from each: who of two
 * gets them is nobody's promise. */
static void both_receive (struct world worlds[2], int thing, int name, int length, int whole)
{
    static uint8_t bytes[2][STEPS * 2][4];

    for (int i = 0; i < 2; i++)
        world_queue (&worlds[i], &(struct sqe){ .opcode = thing == 3 ? IORING_OP_RECV : IORING_OP_READ,
                                                .fd = worlds[i].thing[thing],
                                                .off = thing == 3 ? 0 : UINT64_MAX,
                                                .addr = (uintptr_t) bytes[i][name % (STEPS * 2)],
                                                .len = (unsigned) length,
                                                .op_flags = whole && thing == 3 ? MSG_WAITALL : 0,
                                                .user_data = (unsigned) name });
}

static void both_cancel (struct world worlds[2], int name)
{
    both_queue (
        worlds,
        (struct sqe){ .opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = (unsigned) name, .user_data = 101 },
        -1);
}

static int receiving[THINGS]; /* the name of the request, or 0 */

static void both_receive_or_cancel (struct world worlds[2], int thing, int name)
{
    int length = 1 + draw (4), whole = draw (2);

    if (receiving[thing]) {
        both_cancel (worlds, receiving[thing]);
        return;
    }
    receiving[thing] = name;
    both_receive (worlds, thing, name, length, whole);
}

static void receives_seen (const struct world *it)
{
    for (int i = 0; i < it->count; i++)
        for (int thing = 0; thing < THINGS; thing++)
            if (it->got[i].user_data == (unsigned) receiving[thing])
                receiving[thing] = 0;
}

static void step (struct world worlds[2], char *said)
{
    static const unsigned masks[] = { POLLIN, POLLIN, POLLOUT, POLLIN | POLLOUT };
    int what = draw (13), thing = draw (POLLED), name = names - draw (NAMES);
    unsigned mask = masks[draw (thing == 1 ? 4 : 2)], multi = draw (3) == 0;

    if (what == 4 && draw (2))
        thing = POLLED + draw (THINGS - POLLED);
    if (what < 3 || what >= 10)
        name = ++names; /* which of two with one name is meant is nobody's promise */

    sprintf (said, "%s %d, name %d, events %#x%s",
             (const char *[]){ "arm", "arm", "arm", "write", "write", "read", "remove", "cancel", "update",
                               "shut", "wait", "receive", "receive" }[what],
             thing, name, mask, multi ? ", multi" : "");
    for (int i = 0; i < 2; i++)
        if (what == 3 || what == 4)
            world_write (&worlds[i], thing);
        else if (what == 5)
            world_read (&worlds[i], thing);
        else if (what == 9)
            world_shut (&worlds[i], mask == POLLOUT, (int) multi);
    if (what < 3)
        both_queue (
            worlds,
            (struct sqe){
                .opcode = IORING_OP_POLL_ADD, .op_flags = mask, .len = multi, .user_data = (unsigned) name },
            thing);
    else if (what == 10)
        both_wait (worlds, name);
    else if (what > 10)
        both_receive_or_cancel (worlds, 3 + thing % 2, name);
    else if (what == 6 || what == 8)
        both_queue (worlds,
                    (struct sqe){ .opcode = IORING_OP_POLL_REMOVE,
                                  .fd = -1,
                                  .addr = (unsigned) name,
                                  .len = what == 8 ? IORING_POLL_UPDATE_EVENTS : 0,
                                  .op_flags = what == 8 ? mask : 0,
                                  .user_data = 100 },
                    -1);
    else if (what == 7)
        both_cancel (worlds, name);
}

static int cqe_order (const void *a, const void *b)
{
    return memcmp (a, b, sizeof (struct cqe));
}

static int same (struct world worlds[2])
{
    for (int i = 0; i < 2; i++)
        qsort (worlds[i].got, (size_t) worlds[i].count, sizeof (struct cqe), cqe_order);
    return worlds[0].count == worlds[1].count
           && memcmp (worlds[0].got, worlds[1].got, (size_t) worlds[0].count * sizeof (struct cqe)) == 0;
}

static void tell (struct world worlds[2], char said[][80], int steps, unsigned seed)
{
    printf ("script %u:\n", seed);
    for (int i = 0; i <= steps; i++)
        printf ("  %s\n", said[i]);
    for (int i = 0; i < 2; i++) {
        printf ("  %s:", i ? "the kernel" : "the model");
        for (int c = 0; c < worlds[i].count; c++)
            printf (" [%llu: %d, %#x]", (unsigned long long) worlds[i].got[c].user_data, worlds[i].got[c].res,
                    worlds[i].got[c].flags);
        printf ("\n");
    }
}

/* 0: same; 1: not; SKIP */
static int script (unsigned seed)
{
    struct world worlds[2] = { { .real = 0 }, { .real = 1 } };
    char said[STEPS][80];
    int differs = 0;

    state = seed * 2654435761u + 1;
    names = NAMES;
    memset (receiving, 0, sizeof receiving);
    k.profile = &profiles[0];
    kernel_open ();
    if (!world_setup (&worlds[1]))
        return SKIP;
    world_setup (&worlds[0]);
    model_open (&worlds[0]);
    real_open (&worlds[1]);
    for (int i = 0; i < 2; i++)
        world_set (&worlds[i]);
    for (int i = 0; i < STEPS && !differs; i++) {
        step (worlds, said[i]);
        if (draw (2) && i < STEPS - 1)
            continue;
        strcat (said[i], "; enter");
        for (int w = 0; w < 2; w++) {
            worlds[w].count = 0;
            for (int turn = 0; turn < QUIET; turn++)
                world_enter (&worlds[w]);
        }
        receives_seen (&worlds[0]);
        if (!same (worlds)) {
            tell (worlds, said, i, seed);
            differs = 1;
        }
    }
    world_close (&worlds[1]);
    return differs;
}

/* ---- rings that are closed with a receive in them ----
 *
 * Their queues are memory of ours, so that what becomes of it can be read; one end of a pipe is registered, so that the other
 * one hangs up when the ring has ended. */

enum { NO_MMAP = 1 << 14, OFFSETS_ADDR = 32, PAGE = 4096, REGISTER = 427, PATIENCE_MS = 5000 };

struct orphan { /* what is left */
    int ended, completions, res, bytes;
};

static void *page_new (int real)
{
    return real ? mmap (NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
                : memset (memory_map (PAGE), 0, PAGE);
}

static int orphan_setup (struct world *it, unsigned flags)
{
    uint64_t rings, sqes;

    it->word = page_new (it->real);
    it->sqes = page_new (it->real);
    rings = (uintptr_t) it->word;
    sqes = (uintptr_t) it->sqes;
    memset (&it->params, 0, sizeof it->params);
    it->params.flags = flags | NO_MMAP | NO_SQARRAY;
    memcpy ((char *) &it->params.cq_off + OFFSETS_ADDR, &rings, sizeof rings);
    memcpy ((char *) &it->params.sq_off + OFFSETS_ADDR, &sqes, sizeof sqes);
    it->ring = it->real ? (int) syscall (SETUP, 8, &it->params) : (int) ring_setup (8, &it->params);
    it->cqes = (struct cqe *) ((char *) it->word + it->params.cq_off.cqes);
    return it->ring >= 0;
}

static void orphan_receive (struct world *it)
{
    static uint8_t bytes[4];
    int end = it->peer[4];

    it->sqes[0] = (struct sqe){
        .opcode = IORING_OP_RECV, .fd = it->thing[3], .addr = (uintptr_t) bytes, .len = 4, .user_data = 1
    };
    it->word[it->params.sq_off.tail / 4] = 1;
    if (it->real) {
        syscall (REGISTER, it->ring, IORING_REGISTER_FILES, &end, 1);
        close (end);
        syscall (ENTER, it->ring, 1, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        return;
    }
    end = fd_new (it->peer[4]);
    ring_register (it->ring, IORING_REGISTER_FILES, &end, 1);
    fd_close (end);
    file_drop (it->peer[4]);
    ring_enter (it->ring, 1, 0, IORING_ENTER_GETEVENTS, NULL, 0);
}

static int orphan_ended (const struct world *it)
{
    struct pollfd pipe = { .fd = it->thing[4] };

    if (it->real)
        return poll (&pipe, 1, PATIENCE_MS) == 1;
    time_pass (20 * MILLI);
    return (file_poll (fd_file (it->thing[4])) & POLLHUP) != 0;
}

static struct orphan orphan_left (struct world *it, int early)
{
    struct orphan left = { 0 };
    char bytes[8];

    if (early)
        world_write (it, 3);
    if (it->real)
        close (it->ring);
    else
        ring_switch (), fd_close (it->ring);
    left.ended = orphan_ended (it);
    if (!early)
        world_write (it, 3);
    left.completions = (int) it->word[it->params.cq_off.tail / 4];
    left.res = it->cqes[0].res;
    left.bytes = it->real ? (int) recv (it->thing[3], bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT)
                          : k.files[fd_file (it->thing[3])].bytes;
    return left;
}

static void orphan_open (struct world *it)
{
    if (it->real)
        real_open (it);
    else
        model_open (it);
}

static int orphan_differs (unsigned flags, int early)
{
    struct orphan left[2];

    for (int real = 0; real < 2; real++) {
        struct world it = { .real = real };

        kernel_open ();
        orphan_open (&it);
        if (!orphan_setup (&it, flags))
            return 1;
        orphan_receive (&it);
        left[real] = orphan_left (&it, early);
        if (left[real].bytes < 0)
            left[real].bytes = 0;
    }
    if (memcmp (&left[0], &left[1], sizeof *left) == 0)
        return 0;
    printf ("a ring of flags %#x is closed, and data comes %s:\n", flags, early ? "before" : "after");
    for (int real = 0; real < 2; real++)
        printf ("  %s: ended %d, %d completions, the first %d, %d bytes left\n",
                real ? "the kernel" : "the model", left[real].ended, left[real].completions, left[real].res,
                left[real].bytes);
    return 1;
}

static int orphans_differ (void)
{
    static const unsigned flags[] = { IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                      IORING_SETUP_COOP_TASKRUN, 0 };
    int differ = 0;

    for (int i = 0; i < 3; i++)
        for (int early = 0; early < 2; early++)
            differ += orphan_differs (flags[i], early);
    return differ;
}

static int kernel_is_it (void)
{
    struct utsname name;

    return uname (&name) == 0 && strncmp (name.release, profiles[0].name, strlen (profiles[0].name)) == 0;
}

int main (int count, char **arguments)
{
    unsigned first = count > 2 ? (unsigned) atoi (arguments[1]) : 1,
             last = first + (count > 2 ? (unsigned) atoi (arguments[2]) : 500);
    int failed = 0;

    if (!kernel_is_it ())
        return SKIP;
    signal (SIGPIPE, SIG_IGN);
    for (unsigned seed = first; seed < last; seed++) {
        int answer = script (seed);

        if (answer == SKIP)
            return SKIP;
        failed += answer;
    }
    failed += orphans_differ ();
    printf ("%u scripts, %d differ\n", last - first, failed);
    return failed != 0;
}
