/* anything_test.c: random operations on descriptors of every kind, wrong uses included, done side by side by the engine in
 * turn and by a loop without a ring: what becomes of each must be the same. Promises that a step which waits on one side
 * waits on the other, that whatever ends it there ends it here, and that it can be started again as it is.
 * A difference counts only if it is still there when each step is given much more time: no clock decides.
 * Left out, each with its reason: see left_out.
 *
 *     SEED=n ENGINE=name T=anything anything_test      that program alone, its steps printed
 *     SEEDS=n START=n …                                so many programs from there */
#define _GNU_SOURCE
#include "reference.h"
#include "things.h"

#include <sys/prctl.h>

enum { THINGS = 5, STEPS = 24, BYTES = 256, DRAWS = 12, SIDES = 2, RESULT_FD = 1 << 20 };

/* ---- the two sides ---------------------------------------------------------------------------------- */

struct item {
    struct op op, linked;
    char *page, *data; /* BYTES of them, and behind them nothing that can be read or written */
    struct iovec vec[3];
    struct msghdr message;
    struct sockaddr_storage name;
    char control[64];
    union {
        struct sockaddr_in inet;
        struct sockaddr_un local;
        struct sockaddr any;
    } address;
    siginfo_t info;
    struct statx stat;
};

/* A step, drawn once and done on both sides. */
struct step {
    unsigned code, draw[DRAWS];
    struct item *item[SIDES];
    int at, timed, linked, alone; /* alone: it has no lane, and nobody waits for it to go on */
    int odd; /* given something wrong: if the thing is wrong as well, who knows what is told */
    char text[120];
};

static struct side {
    struct ev_loop *loop;
    ev_pool *pool;
    struct thing things[THINGS];
    struct thing listener; /* that takes whoever comes */
    struct sockaddr_in takes, refuses;
    int refusing, folder;
} sides[SIDES];

static struct step steps[STEPS];
static int step_count, careful, said;
static unsigned state;
static char difference[4096];
static pid_t children[2];

static unsigned below (unsigned limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

static double patience (void)
{
    return careful ? 0.15 : 0.0008;
}

/* ---- what is given to an operation ------------------------------------------------------------------ */

static unsigned pick (const struct step *step, int draw, unsigned count)
{
    return step->draw[draw] % count;
}

#define PICK(step, draw, ...) \
    (((const int64_t[]){ __VA_ARGS__ })[pick (step, draw, sizeof (int64_t[]){ __VA_ARGS__ } / 8)])

static void *a_buffer (const struct step *step, struct item *item)
{
    return pick (step, 0, 12) ? item->data : NULL;
}

static size_t a_size (const struct step *step)
{
    return (size_t) PICK (step, 1, 1, 1, 2, 7, 8, 8, 64, 64, 200, BYTES, 0, 1000, 0x7fffffff, 0x80000000, -1);
}

static int64_t an_offset (const struct step *step)
{
    return PICK (step, 2, -1, -1, -1, -1, -1, -1, 0, 5, 650, 1 << 20, 0x7fffffffffffff00, -2);
}

static struct iovec *the_vectors (const struct step *step, struct item *item)
{
    item->vec[0] = (struct iovec){ item->data, 3 };
    item->vec[1] = (struct iovec){ item->data + 3, pick (step, 3, 6) ? 0 : a_size (step) };
    item->vec[2] = (struct iovec){ pick (step, 4, 9) ? item->data + 100 : NULL, pick (step, 5, 3) * 20 };
    return pick (step, 6, 12) ? item->vec : NULL;
}

static int a_count (const struct step *step)
{
    return (int) PICK (step, 7, 1, 1, 2, 2, 3, 3, 3, 0, -1, 1025);
}

static void address_of (const struct step *step, const struct side *side, struct item *item)
{
    memset (&item->address, 0, sizeof item->address);
    switch (pick (step, 8, 6)) {
    case 0:
        item->address.inet = side->refuses;
        break;
    case 1:
        item->address.any.sa_family = AF_UNSPEC;
        break;
    case 2:
        item->address.local.sun_family = AF_UNIX;
        strcpy (item->address.local.sun_path, "/nonexistent");
        break;
    case 3:
        item->address.any.sa_family = 200;
        break;
    default:
        item->address.inet = side->takes;
    }
}

static unsigned address_size (const struct step *step)
{
    return (unsigned) PICK (step, 9, sizeof (struct sockaddr_in), sizeof (struct sockaddr_in),
                            sizeof (struct sockaddr_in), sizeof (struct sockaddr_in),
                            sizeof (struct sockaddr_un), 0, 1, 2, 200, -1);
}

static struct msghdr *the_message (const struct step *step, const struct side *side, struct item *item)
{
    struct msghdr *message = &item->message;

    *message = (struct msghdr){ .msg_iov = the_vectors (step, item) };
    message->msg_iovlen = (size_t) PICK (step, 7, 1, 2, 3, 3, 3, 0, 1025, -1);
    if (message->msg_iovlen > 3 && message->msg_iov && message->msg_iovlen < 1025)
        message->msg_iovlen = 3;
    address_of (step, side, item);
    switch (pick (step, 10, 6)) {
    case 0:
        message->msg_name = &item->address;
        message->msg_namelen = address_size (step);
        break;
    case 1:
        message->msg_control = item->control;
        message->msg_controllen = (size_t) PICK (step, 9, sizeof item->control, 16, 3, 0);
        break;
    case 2:
        message->msg_name = NULL;
        message->msg_namelen = 16;
        break;
    }
    return pick (step, 11, 12) ? message : NULL;
}

static int receive_flags (const struct step *step)
{
    return (int) PICK (step, 3, 0, 0, 0, 0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, MSG_OOB,
                       MSG_ERRQUEUE, MSG_WAITALL | MSG_PEEK, MSG_CMSG_CLOEXEC, 0x08000000);
}

static int send_flags (const struct step *step)
{
    return (int) PICK (step, 3, 0, 0, 0, 0, 0, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_EOR, MSG_OOB, MSG_DONTROUTE,
                       MSG_WAITALL, 0x08000000);
}

static const char *a_path (const struct step *step)
{
    static char endless[5000];
    static const char *const paths[] = { "file", "file", "sub", "made",  "none", "none/file", "file/none",
                                         "",     "link", ".",   endless, NULL,   "other",     "made" };

    memset (endless, 'x', sizeof endless - 1);
    return paths[pick (step, 4, sizeof paths / sizeof *paths)];
}

static const char *another_path (const struct step *step)
{
    static const char *const paths[] = { "file", "other", "sub", "made", "none/x", "", NULL };

    return paths[pick (step, 5, sizeof paths / sizeof *paths)];
}

/* Where a name is looked for: mostly in the folder; else in any thing. */
static int a_folder (const struct step *step, const struct side *side)
{
    return pick (step, 6, 4) ? side->folder : side->things[step->at].fd;
}

/* ---- the operations ------------------------------------------------------------------------------------ */

#define KIND(name, ...)                                                                                  \
    static void try_##name (const struct step *step, const struct side *side, struct item *item, int fd, \
                            ev_op *w)                                                                    \
    {                                                                                                    \
        (void) step, (void) side, (void) item, (void) fd;                                                \
        __VA_ARGS__;                                                                                     \
    }

KIND (accept, ev_accept_set (w, fd, (int) PICK (step, 3, 0, 0, SOCK_CLOEXEC, SOCK_NONBLOCK, 0x1234)))
KIND (connect, address_of (step, side, item);
      ev_connect_set (w, fd, pick (step, 0, 9) ? &item->address.any : NULL, address_size (step)))
KIND (recv, ev_recv_set (w, fd, a_buffer (step, item), a_size (step), receive_flags (step)))
KIND (recv_pool, ev_recv_pool_set (w, fd, pick (step, 0, 9) ? side->pool : NULL, receive_flags (step)))
KIND (send, ev_send_set (w, fd, a_buffer (step, item), a_size (step), send_flags (step)))
KIND (send_zc, ev_send_zc_set (w, fd, a_buffer (step, item), a_size (step), send_flags (step)))
KIND (recvmsg, ev_recvmsg_set (w, fd, the_message (step, side, item), receive_flags (step)))
KIND (sendmsg, ev_sendmsg_set (w, fd, the_message (step, side, item), send_flags (step)))
KIND (shutdown, ev_shutdown_set (w, fd, (int) PICK (step, 3, SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1)))
KIND (socket, ev_socket_set (w, (int) PICK (step, 3, AF_UNIX, AF_INET, 200, -1),
                             (int) PICK (step, 4, SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM | SOCK_CLOEXEC, 99),
                             (int) PICK (step, 5, 0, 0, 200, -1)))
KIND (openat, ev_openat_set (w, a_folder (step, side), a_path (step),
                             (int) PICK (step, 3, O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC, O_RDWR | O_CREAT,
                                         O_CREAT | O_EXCL, O_PATH, O_DIRECTORY, O_RDONLY | O_NOFOLLOW,
                                         O_RDWR | O_APPEND, 3, O_CREAT | O_DIRECTORY)
                                 | O_NONBLOCK,
                             (unsigned) PICK (step, 5, 0600, 0, 0xffff)))
KIND (close, ev_close_set (w, fd))
KIND (read, ev_read_set (w, fd, a_buffer (step, item), a_size (step), an_offset (step)))
KIND (write, ev_write_set (w, fd, a_buffer (step, item), a_size (step), an_offset (step)))
KIND (readv, ev_readv_set (w, fd, the_vectors (step, item), a_count (step), an_offset (step)))
KIND (writev, ev_writev_set (w, fd, the_vectors (step, item), a_count (step), an_offset (step)))
KIND (fsync, ev_fsync_set (w, fd, (int) pick (step, 3, 2)))
KIND (fallocate, ev_fallocate_set (w, fd, (int) PICK (step, 3, 0, 0, 1, 2, 3, 0x1000, -1),
                                   PICK (step, 4, 0, 1, 4096, -1), PICK (step, 5, 0, 1, 5000, -1)))
KIND (ftruncate, ev_ftruncate_set (w, fd, PICK (step, 3, 0, 10, 700, 5000, -1, INT64_MAX)))
KIND (statx, ev_statx_set (w, a_folder (step, side), a_path (step),
                           (int) PICK (step, 3, 0, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, 0x20000000, 0x6000),
                           (unsigned) PICK (step, 5, STATX_SIZE, STATX_BASIC_STATS, 0, -1),
                           pick (step, 0, 8) ? &item->stat : NULL))
KIND (unlinkat,
      ev_unlinkat_set (w, a_folder (step, side), a_path (step), (int) PICK (step, 3, 0, 0, AT_REMOVEDIR, 1)))
KIND (renameat, ev_renameat_set (w, a_folder (step, side), a_path (step), side->folder, another_path (step),
                                 (unsigned) PICK (step, 3, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, 99)))
KIND (mkdirat,
      ev_mkdirat_set (w, a_folder (step, side), a_path (step), (unsigned) PICK (step, 3, 0700, 0777, 0, -1)))
KIND (splice, ev_splice_set (w, fd, PICK (step, 3, -1, -1, 0, 5, -7), side->things[pick (step, 4, THINGS)].fd,
                             PICK (step, 5, -1, -1, 0, 9), (size_t) PICK (step, 1, 1, 8, 64, 200, 0, 1000),
                             (unsigned) PICK (step, 6, 0, 0, 1, 2, 2, 0x100)))
KIND (waitid, ev_waitid_set (w, (int) PICK (step, 3, P_PID, P_PID, 3, 3, P_ALL, P_PGID, 99),
                             pick (step, 3, 7) == 2 || pick (step, 3, 7) == 3
                                 ? fd
                                 : (int) PICK (step, 4, children[0], children[1], 1, 0, -1),
                             pick (step, 0, 8) ? &item->info : NULL,
                             (int) PICK (step, 5, WEXITED | WNOWAIT, WEXITED | WNOWAIT, 0, WSTOPPED,
                                         WEXITED | WNOHANG, -1)))

enum { ON_FD = 1, REPEATS = 2, LANED = 4, MAKES_FD = 8, RECEIVES = 16 };

static const struct trial {
    const char *name;
    void (*set) (const struct step *step, const struct side *side, struct item *item, int fd, ev_op *w);
    int traits, weight;
} trials[] = {
#define TRIAL(name, traits, weight)       \
    {                                     \
#name, try_##name, traits, weight \
    }
    TRIAL (accept, LANED | REPEATS | MAKES_FD, 3),
    TRIAL (connect, LANED, 4),
    TRIAL (recv, LANED | RECEIVES, 5),
    TRIAL (recv_pool, LANED | REPEATS, 3),
    TRIAL (send, LANED, 4),
    TRIAL (send_zc, LANED, 2),
    TRIAL (recvmsg, LANED | RECEIVES, 3),
    TRIAL (sendmsg, LANED, 3),
    TRIAL (shutdown, LANED, 1),
    TRIAL (socket, MAKES_FD, 1),
    TRIAL (openat, MAKES_FD, 2),
    TRIAL (close, ON_FD, 1),
    TRIAL (read, LANED | RECEIVES, 8),
    TRIAL (write, LANED, 8),
    TRIAL (readv, LANED | RECEIVES, 4),
    TRIAL (writev, LANED, 4),
    TRIAL (fsync, 0, 1),
    TRIAL (fallocate, 0, 2),
    TRIAL (ftruncate, 0, 1),
    TRIAL (statx, 0, 2),
    TRIAL (unlinkat, 0, 1),
    TRIAL (renameat, 0, 1),
    TRIAL (mkdirat, 0, 1),
    TRIAL (splice, 0, 4),
    TRIAL (waitid, 0, 2),
};
enum { TRIALS = sizeof trials / sizeof *trials };

static unsigned a_trial (void)
{
    int total = 0, at;

    for (unsigned i = 0; i < TRIALS; i++)
        total += trials[i].weight;
    at = (int) below ((unsigned) total);
    for (unsigned i = 0;; i++)
        if ((at -= trials[i].weight) < 0)
            return i;
}

/* ---- what is right and wrong ------------------------------------------------------------------------- */

static int is_odd_vector (const struct iovec *vec, size_t count)
{
    if (!vec || count > 3)
        return 1;
    for (size_t i = 0; i < count; i++)
        if (vec[i].iov_len > BYTES || (!vec[i].iov_base && vec[i].iov_len))
            return 1;
    return 0;
}

static int is_odd_message (const struct msghdr *message)
{
    return !message || message->msg_name || message->msg_namelen || message->msg_control
           || is_odd_vector (message->msg_iov, message->msg_iovlen);
}

static int is_odd (const struct step *step, const ev_op *w)
{
    const unsigned usual = MSG_DONTWAIT | MSG_PEEK | MSG_WAITALL | MSG_NOSIGNAL | MSG_EOR;
    void (*set) (const struct step *, const struct side *, struct item *, int, ev_op *) =
        trials[step->code].set;

    if (w->flags & ~usual || w->offset > 1 << 20 || w->offset < -1)
        return 1;
    if (set == try_recvmsg || set == try_sendmsg)
        return is_odd_message (w->buf);
    if (set == try_readv || set == try_writev)
        return is_odd_vector (w->buf, w->size);
    if (set == try_recv || set == try_send || set == try_send_zc || set == try_read || set == try_write)
        return !w->buf || w->size > BYTES;
    return set != try_accept && set != try_recv_pool && set != try_shutdown && set != try_fsync;
}

/* Bytes that a read or write without flags asks for. */
static size_t asks_for (const struct step *step, const ev_op *w)
{
    size_t sum = 0;

    if (trials[step->code].set == try_read || trials[step->code].set == try_write)
        return w->size;
    for (size_t i = 0; w->buf && i < w->size && i < 3; i++)
        sum += ((const struct iovec *) w->buf)[i].iov_len;
    return sum;
}

static int is_a (const struct step *step, const char *name)
{
    return !strncmp (sides[0].things[step->at].kind->name, name, strlen (name));
}

static int has_failed_to_connect (const struct step *step)
{
    for (int i = 0; i < step_count; i++)
        if (trials[steps[i].code].set == try_connect && steps[i].at == step->at
            && steps[i].item[0]->op.result < 0)
            return 1;
    return 0;
}

/* What no engine can do as the other does. */
static int left_out (const struct step *step, const ev_op *w)
{
    void (*set) (const struct step *, const struct side *, struct item *, int, ev_op *) =
        trials[step->code].set;
    int reads = set == try_read || set == try_readv, writes = set == try_write || set == try_writev;

    if ((reads || writes) && (is_a (step, "epoll set") || is_a (step, "child")))
        return 1; /* no bytes at all: a ring waits until it is ready to say so (ev_op_file) */
    if ((reads || writes) && !asks_for (step, w))
        return 1; /* some files are asked for no bytes, others not; a ring may wait for them (ev_op_file) */
    if (writes && is_a (step, "file") && w->offset == -1 && asks_for (step, w) > BYTES)
        return 1; /* memory that ends in the middle: a ring tells what it wrote, and forgets to move the position */
    if (set == try_splice && !w->size)
        return 1; /* the system call does not look at the descriptors then, a ring does */
    if ((trials[step->code].traits & RECEIVES || set == try_recv_pool) && has_failed_to_connect (step))
        return 1; /* not connected, or the end of a stream: the kernel's ring leaves such a socket as it is */
    if (set == try_statx && !w->buf)
        return 1; /* since Linux 6.11 no path may be an empty one, but not on a ring */
    if (set == try_shutdown && (is_a (step, "datagrams") || is_a (step, "udp")))
        return 1; /* the kernel says of it that it is ready to read, and when it is read that it is not */
    if ((reads || writes) && w->offset > 1 << 20 && !is_a (step, "file"))
        return 1; /* descriptors without positions: a ring minds an offset that no file has */
    return 0;
}

/* ---- both sides at once -------------------------------------------------------------------------------- */

static int item_is_over (const struct item *item)
{
    return !item->op.started && !item->linked.started;
}

static void run_both (void)
{
    for (int i = 0; i < SIDES; i++)
        ev_run (sides[i].loop, EVRUN_NOWAIT);
}

/* How far everything is: the same number as long as nothing happens. */
static unsigned progress (void)
{
    unsigned sum = 0;

    for (int i = 0; i < step_count; i++)
        for (int side = 0; side < SIDES; side++)
            sum += (unsigned) (steps[i].item[side]->op.calls + steps[i].item[side]->linked.calls);
    return sum;
}

static int is_alike (const struct item *there, const struct item *here)
{
    return item_is_over (there) == item_is_over (here) && there->op.ends == here->op.ends
           && there->op.total == here->op.total;
}

/* Is everything as far on one side as on the other? Of what makes descriptors, the numbers differ. */
static int all_alike (void)
{
    for (int i = 0; i < step_count; i++) {
        const struct item *there = steps[i].item[0], *here = steps[i].item[1];

        if (trials[steps[i].code].traits & MAKES_FD ? there->op.calls != here->op.calls
                                                    : !is_alike (there, here))
            return 0;
    }
    return 1;
}

static int none_active (void)
{
    for (int i = 0; i < step_count; i++)
        for (int side = 0; side < SIDES; side++)
            if (!item_is_over (steps[i].item[side]))
                return 0;
    return 1;
}

/* Runs both until nothing more happens, and until both are equally far, if they ever are. */
static void settle (void)
{
    double now = test_clock (), quiet = now + patience (), end = now + (careful ? 3 : 0.3);
    unsigned before = ~0u, far;

    do {
        run_both ();
        far = progress ();
        now = test_clock ();
        if (far != before)
            quiet = now + patience ();
        before = far;
        if (all_alike () && (now > quiet || none_active ()))
            return;
        usleep (100);
    } while (now < end);
}

static int describe (const struct step *step, char *text, size_t room)
{
    const struct item *item = step->item[0];
    const ev_op *w = &item->op.w;

    return snprintf (text, room, "%s (buf %s, size %zd, offset %lld, flags 0x%x; vectors %zd %zd %zd)",
                     step->text, w->buf ? "good" : "NULL", (ssize_t) w->size, (long long) w->offset, w->flags,
                     (ssize_t) item->vec[0].iov_len, (ssize_t) item->vec[1].iov_len,
                     (ssize_t) item->vec[2].iov_len);
}

static void differ (const struct step *step, const char *what, long reference, long here)
{
    int at;

    if (*difference)
        return;
    at = describe (step, difference, sizeof difference);
    snprintf (difference + at, sizeof difference - (size_t) at, ": %s %ld, here %ld; results %zd and %zd",
              what, reference, here, step->item[0]->op.result, step->item[1]->op.result);
}

/* A descriptor is one, whatever its number. */
static long result_of (const struct step *step, const struct op *op)
{
    return trials[step->code].traits & MAKES_FD && op->result >= 0 ? RESULT_FD : op->result;
}

static void compare (const struct step *step)
{
    const struct item *there = step->item[0], *here = step->item[1];

    if (item_is_over (there) != item_is_over (here))
        differ (step, "over:", item_is_over (there), item_is_over (here));
    if (there->op.total != here->op.total && !(trials[step->code].traits & MAKES_FD))
        differ (step, "in all", there->op.total, here->op.total);
    if (!there->op.calls && !here->op.calls)
        return;
    if (step->odd && there->op.result < 0 && here->op.result < 0)
        return; /* of two mistakes one is told */
    if (!(trials[step->code].traits & REPEATS) && there->op.calls != here->op.calls)
        differ (step, "calls:", there->op.calls, here->op.calls);
    if (result_of (step, &there->op) != result_of (step, &here->op))
        differ (step, "result", result_of (step, &there->op), result_of (step, &here->op));
    if (there->op.moved != here->op.moved)
        differ (step, "moved", (long) there->op.moved, (long) here->op.moved);
    if (memcmp (there->data, here->data, BYTES) != 0)
        differ (step, "the data, first byte", there->data[0], here->data[0]);
    if (there->message.msg_flags != here->message.msg_flags)
        differ (step, "msg_flags", there->message.msg_flags, here->message.msg_flags);
    if (there->message.msg_namelen != here->message.msg_namelen)
        differ (step, "msg_namelen", there->message.msg_namelen, here->message.msg_namelen);
    if (there->message.msg_controllen != here->message.msg_controllen)
        differ (step, "msg_controllen", (long) there->message.msg_controllen,
                (long) here->message.msg_controllen);
    if (there->linked.calls != here->linked.calls)
        differ (step, "calls of what is linked:", there->linked.calls, here->linked.calls);
}

static void compare_all (void)
{
    for (int i = 0; i < step_count; i++)
        compare (&steps[i]);
}

/* ---- items ------------------------------------------------------------------------------------------------ */

static void close_made (struct ev_loop *loop, struct op *op)
{
    (void) loop;
    if (op->result >= 0)
        close ((int) op->result);
}

static struct item *item_new (void)
{
    size_t page = (size_t) sysconf (_SC_PAGESIZE);
    struct item *item = op_memory (sizeof *item);

    item->page = mmap (NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne (item->page, MAP_FAILED);
    ck_assert_int_eq (mprotect (item->page + page, page, PROT_NONE), 0);
    item->data = item->page + page - BYTES;
    op_data (item->data, BYTES, 0);
    ev_init (&item->op.w, op_done);
    ev_init (&item->linked.w, op_done);
    return item;
}

static void item_free (struct item *item)
{
    munmap (item->page, 2 * (size_t) sysconf (_SC_PAGESIZE));
    free (item);
}

static void item_set (const struct step *step, const struct side *side, struct item *item)
{
    int fd = side->things[step->at].fd;

    trials[step->code].set (step, side, item, fd, &item->op.w);
    if (trials[step->code].traits & MAKES_FD)
        item->op.then = close_made;
    if (step->linked) {
        ev_socket_set (&item->linked.w, AF_UNIX, SOCK_STREAM, 0);
        item->linked.then = close_made;
        ev_op_link (&item->op.w, &item->linked.w);
    }
    if (step->timed)
        ev_op_deadline (&item->op.w, careful ? 0.4 : 0.003);
}

static void item_start (struct ev_loop *loop, struct item *item, int linked)
{
    item->linked.started = linked;
    op_start (loop, &item->op);
}

static void start (struct step *step)
{
    for (int i = 0; i < SIDES; i++)
        item_start (sides[i].loop, step->item[i], step->linked);
}

/* ---- steps ------------------------------------------------------------------------------------------------- */

static void say (const struct step *step)
{
    const struct item *item = step->item[1];
    char text[400];

    if (!said)
        return;
    describe (step, text, sizeof text);
    printf ("%s%s%s: %s %zd\n", text, step->timed ? ", timed" : "", step->linked ? ", linked" : "",
            item->op.started ? "waits;" : "result", item->op.result);
    fflush (stdout);
}

static int same_number_is_used (int at)
{
    for (int i = 0; i < step_count; i++)
        if (steps[i].at == at && !item_is_over (steps[i].item[0]))
            return 1;
    return 0;
}

static int draw_step (struct step *step)
{
    *step = (struct step){ .code = a_trial (), .at = (int) below (THINGS) };
    for (int i = 0; i < DRAWS; i++)
        step->draw[i] = below (1 << 20);
    step->timed = !below (12);
    step->linked = !below (10);
    step->alone = !(trials[step->code].traits & LANED);
    snprintf (step->text, sizeof step->text, "step %d, %s of %s", step_count, trials[step->code].name,
              sides[0].things[step->at].kind->name);
    return !(trials[step->code].set == try_close && same_number_is_used (step->at));
}

/* A number that is free may be given to any other. */
static void forget_number (int at)
{
    for (int side = 0; side < SIDES; side++)
        sides[side].things[at].fd = THING_CLOSED;
}

static void end_early (const struct step *step, int insist)
{
    for (int i = 0; i < SIDES; i++) {
        struct op *op = &step->item[i]->op;

        if (!insist)
            op_cancel (sides[i].loop, op);
        else if (op->started) {
            op->result = op_stop (sides[i].loop, op);
            op->calls++;
        }
    }
    settle ();
    compare_all ();
}

static void step_operation (void)
{
    struct step *step = &steps[step_count];

    if (!draw_step (step))
        return;
    for (int i = 0; i < SIDES; i++) {
        step->item[i] = item_new ();
        item_set (step, &sides[i], step->item[i]);
        step->alone |= step->item[i]->op.w.offset >= 0 && trials[step->code].set != try_connect;
        step->odd = is_odd (step, &step->item[i]->op.w);
    }
    if (left_out (step, &step->item[0]->op.w)) {
        item_free (step->item[0]);
        item_free (step->item[1]);
        return;
    }
    step_count++;
    start (step);
    settle ();
    compare_all ();
    if (!*difference && step->alone && !item_is_over (step->item[0]))
        end_early (step, (int) pick (step, 11, 2));
    if (trials[step->code].set == try_close && !step->item[0]->op.result)
        forget_number (step->at);
    say (step);
}

/* One of those that are over does it again, as it is. */
static void step_again (void)
{
    struct step *step = step_count ? &steps[below ((unsigned) step_count)] : NULL;

    if (!step || !item_is_over (step->item[0]) || !item_is_over (step->item[1])
        || step->item[1]->op.w.fd != sides[1].things[step->at].fd || trials[step->code].set == try_close)
        return;
    for (int i = 0; i < SIDES; i++)
        if (trials[step->code].set == try_recvmsg) { /* the kernel has written there */
            step->item[i]->message.msg_namelen = 0;
            step->item[i]->message.msg_controllen = 0;
        }
    snprintf (step->text, sizeof step->text, "step %d again, %s of %s", (int) (step - steps),
              trials[step->code].name, sides[0].things[step->at].kind->name);
    start (step);
    settle ();
    compare_all ();
    if (!*difference && step->alone && !item_is_over (step->item[0]))
        end_early (step, (int) below (2));
    say (step);
}

static void step_end (void)
{
    struct step *step = step_count ? &steps[below ((unsigned) step_count)] : NULL;

    if (!step || item_is_over (step->item[0]))
        return;
    end_early (step, (int) below (2));
    if (said)
        printf ("ended: ");
    say (step);
}

static void touch (struct thing *thing, unsigned how)
{
    if (thing->peer < 0)
        return;
    fcntl (thing->peer, F_SETFL, fcntl (thing->peer, F_GETFL) | O_NONBLOCK);
    switch (how) {
    case 0:
    case 1:
        op_drain (thing->peer);
        break;
    case 2:
        close (thing->peer);
        thing->peer = -1;
        break;
    default:
        if (kit_polls (thing->peer, POLLOUT))
            (void) !write (thing->peer, "some things more", 3 + how);
    }
}

/* The other end of a thing does something. */
static void step_world (void)
{
    unsigned at = below (THINGS), how = below (8);

    signal (SIGPIPE, SIG_IGN);
    for (int i = 0; i < SIDES; i++)
        touch (&sides[i].things[at], how);
    signal (SIGPIPE, SIG_DFL); /* no operation raises it */
    if (said)
        printf ("the other end of %s: %u\n", sides[0].things[at].kind->name, how);
    settle ();
    compare_all ();
}

static void step_any (void)
{
    switch (below (8)) {
    case 0:
        step_again ();
        break;
    case 1:
        step_end ();
        break;
    case 2:
        step_world ();
        break;
    default:
        step_operation ();
    }
}

/* ---- from the beginning to the end ---------------------------------------------------------------------------- */

static void folder_begin (struct side *side, int number)
{
    char path[100];

    snprintf (path, sizeof path, "%s/%d", op_folder, number);
    ck_assert_int_eq (mkdir (path, 0700), 0);
    side->folder = open (path, O_RDONLY | O_DIRECTORY);
    close (openat (side->folder, "file", O_RDWR | O_CREAT, 0600));
    mkdirat (side->folder, "sub", 0700);
    ck_assert_int_eq (symlinkat ("file", side->folder, "link"), 0);
}

static void folder_end (struct side *side, int number)
{
    static const char *const names[] = { "file", "sub", "link", "made", "other", "none" };
    char path[100];

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (unlinkat (side->folder, names[i], 0))
            unlinkat (side->folder, names[i], AT_REMOVEDIR);
    close (side->folder);
    snprintf (path, sizeof path, "%s/%d", op_folder, number);
    ck_assert_int_eq (rmdir (path), 0);
}

static void program_begin (unsigned seed)
{
    const struct thing_kind *kinds[THINGS];

    state = seed * 2654435761u;
    step_count = 0;
    *difference = 0;
    for (int i = 0; i < THINGS; i++)
        kinds[i] = &thing_kinds[below (THING_KINDS)];
    for (int k = 0; k < SIDES; k++) {
        folder_begin (&sides[k], k);
        for (int i = 0; i < THINGS; i++)
            thing_make (&sides[k].things[i], kinds[i]);
    }
}

static void program_end (void)
{
    for (int i = 0; i < step_count; i++)
        for (int k = 0; k < SIDES; k++) {
            op_stop (sides[k].loop, &steps[i].item[k]->op);
            op_stop (sides[k].loop, &steps[i].item[k]->linked);
            item_free (steps[i].item[k]);
        }
    for (int k = 0; k < SIDES; k++) {
        op_all_over (sides[k].loop);
        for (int i = 0; i < THINGS; i++)
            thing_end (&sides[k].things[i]);
        folder_end (&sides[k], k);
    }
}

static void perform (unsigned seed)
{
    int left;

    program_begin (seed);
    for (left = STEPS; left && !*difference; left--)
        step_any ();
    for (int i = 0; i < step_count && !*difference; i++)
        if (!item_is_over (steps[i].item[0]))
            end_early (&steps[i], i % 2);
    program_end ();
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static void child_begin (int which)
{
    pid_t parent = getpid ();

    children[which] = fork ();
    ck_assert_int_ge (children[which], 0);
    if (!children[which]) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        while (!which && getppid () == parent)
            pause ();
        _exit (0);
    }
    thing_pidfds[which] = (int) syscall (SYS_pidfd_open, children[which], 0);
    ck_assert_int_ge (thing_pidfds[which], 0);
}

static void side_begin (struct side *side, struct ev_loop *loop)
{
    side->loop = loop;
    side->pool = ev_pool_new (loop, 64, 64);
    side->refusing = op_bound (&side->refuses);
    side->listener.fd = op_listen (&side->takes, 4000);
}

static void side_end (struct side *side)
{
    ev_pool_free (side->loop, side->pool);
    close (side->refusing);
    close (side->listener.fd);
}

static void world_begin (struct ev_loop *loop)
{
    char buf[1];

    op_do (loop, recv, -1, buf, 1, 0); /* it has chosen its engine */
    side_begin (&sides[0], reference_begin ());
    side_begin (&sides[1], loop);
    child_begin (0);
    child_begin (1);
    while (!kit_polls (thing_pidfds[1], POLLIN))
        usleep (100);
}

static void world_end (void)
{
    side_end (&sides[0]);
    side_end (&sides[1]);
    ev_loop_destroy (sides[0].loop);
    kill (children[0], SIGKILL);
    for (int i = 0; i < 2; i++) {
        waitpid (children[i], NULL, 0);
        close (thing_pidfds[i]);
    }
}

TEST_ENGINES (anything_has_the_same_end_on_every_engine)
{
    unsigned start_at = number_of ("SEED", number_of ("START", 1)),
             count = getenv ("SEED") ? 1 : number_of ("SEEDS", 60);
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();

    TEST_SECONDS (200);
    ck_assert_int_eq (chdir ("/proc"), 0); /* -100 is the working folder: nothing can be made there */
    thing_folder = op_folder;
    said = getenv ("SEED") != NULL;
    world_begin (loop);
    for (unsigned seed = start_at; seed < start_at + count; seed++) {
        careful = said;
        perform (seed);
        if (*difference && !careful) {
            careful = 1;
            perform (seed);
        }
        ck_assert_msg (!*difference, "SEED=%u ENGINE=%s: %s", seed, test_engine_name (), difference);
    }
    world_end ();
    op_folder_end (folder);
}
