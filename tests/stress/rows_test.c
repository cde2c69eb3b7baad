/* rows_test.c: descriptors that move between the ring and the set of guests, to and fro, while bytes come.
 * Promises that nothing is lost, told twice or told to another one on the way: each flow is a stream of its own, of which every
 * byte is known beforehand, and each byte is looked at. The ring may have few requests here, so that moving is the rule;
 * other backends are asked the same. SEED=n repeats a run, STEPS=n makes it longer. */
#include "trace.h"

#include <ev_op.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { FLOWS = 160, PIECE_MAX = 700, STEPS = 6000, QUIET_ROUNDS = 200 };

static struct flow {
    int fd, peer; /* fd is watched */
    uint32_t sent, got, key;
    ev_io reading, writing; /* writing: interest that comes and goes, and is satisfied at once */
} flows[FLOWS];

static unsigned seed, state;
static unsigned long wrong, writable;

static unsigned random_below (unsigned limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

/* What stands at that place of the stream. */
static unsigned char flow_byte (const struct flow *flow, uint32_t at)
{
    uint32_t mixed = (at + 1) * 2654435761u ^ flow->key;

    return (unsigned char) (mixed >> 24 ^ mixed >> 8);
}

static void flow_read (EV_P_ ev_io *w, int revents)
{
    struct flow *flow = w->data;
    unsigned char piece[PIECE_MAX];
    ssize_t size = read (flow->fd, piece, 1 + random_below (PIECE_MAX)); /* the rest comes again: levels do */

    for (ssize_t i = 0; i < size; i++)
        wrong += piece[i] != flow_byte (flow, flow->got++);
    if (!random_below (4)) { /* interest that goes and comes is told as little as can be */
        ev_io_stop (EV_A_ w);
        ev_io_start (EV_A_ w);
    }
}

static void flow_wrote (EV_P_ ev_io *w, int revents)
{
    writable++;
    ev_io_stop (EV_A_ w);
}

static void flow_send (struct flow *flow)
{
    unsigned char piece[PIECE_MAX];
    uint32_t size = 1 + random_below (PIECE_MAX);
    ssize_t sent;

    for (uint32_t i = 0; i < size; i++)
        piece[i] = flow_byte (flow, flow->sent + i);
    sent = write (flow->peer, piece, size);
    if (sent > 0)
        flow->sent += (uint32_t) sent;
}

static void flow_begin (struct ev_loop *loop, struct flow *flow)
{
    int fd[2];

    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    *flow = (struct flow){ .fd = fd[0], .peer = fd[1], .key = state };
    ev_io_init (&flow->reading, flow_read, flow->fd, EV_READ);
    ev_io_init (&flow->writing, flow_wrote, flow->fd, EV_WRITE);
    flow->reading.data = flow->writing.data = flow;
    ev_io_start (loop, &flow->reading);
}

/* All that was sent is here, and there is room to write, which is told once. */
static int flow_is_complete (struct flow *flow)
{
    return flow->got == flow->sent && !ev_is_active (&flow->writing);
}

static void flow_settle (struct ev_loop *loop, struct flow *flow)
{
    ev_io_start (loop, &flow->reading);
    ev_io_start (loop, &flow->writing);
    for (int round = 0; round < QUIET_ROUNDS && !flow_is_complete (flow); round++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_msg (flow_is_complete (flow),
                   "SEED=%u: %u bytes were sent, %u have come; room to write was %stold", seed, flow->sent,
                   flow->got, ev_is_active (&flow->writing) ? "not " : "");
}

static void flow_end (struct ev_loop *loop, struct flow *flow)
{
    flow_settle (loop, flow);
    ev_io_stop (loop, &flow->reading);
    ev_io_stop (loop, &flow->writing);
    close (flow->fd);
    close (flow->peer);
}

/* A number that was a guest may be another file's the next moment. */
static void flow_renew (struct ev_loop *loop, struct flow *flow)
{
    flow_end (loop, flow);
    flow_begin (loop, flow);
}

static void step (struct ev_loop *loop)
{
    struct flow *flow = &flows[random_below (FLOWS)];

    switch (random_below (12)) {
    case 0:
        ev_io_stop (loop, &flow->reading);
        break;
    case 1:
        ev_io_start (loop, &flow->writing);
        break;
    case 2:
    case 3:
        if (!random_below (6))
            flow_renew (loop, flow);
        break;
    case 4:
        ev_io_stop (loop, &flow->reading);
        ev_io_set (&flow->reading, flow->fd, random_below (2) ? EV_READ : EV_READ | EV_WRITE);
        ev_io_start (loop, &flow->reading);
        break;
    case 5:
        ev_io_start (loop, &flow->reading);
        break;
    default:
        flow_send (flow);
    }
    if (!random_below (3))
        ev_run (loop, EVRUN_NOWAIT);
}

static struct ev_stats rows_stats (struct ev_loop *loop)
{
    struct ev_stats stats;

    memset (&stats, 0, sizeof stats);
    ev_stats (loop, &stats, sizeof stats);
    return stats;
}

/* In the middle half of the flows are stopped for good, so that the ring has room again, and others take it. */
static void tide (struct ev_loop *loop)
{
    for (int i = 0; i < FLOWS; i++)
        if (random_below (2)) {
            ev_io_stop (loop, &flows[i].reading);
            ev_io_stop (loop, &flows[i].writing);
        }
    ev_run (loop, EVRUN_NOWAIT);
}

TEST_BACKENDS (rows_that_move_between_the_ring_and_the_guests_lose_no_byte)
{
    struct ev_loop *loop;
    struct ev_stats stats;
    int steps = getenv ("STEPS") ? atoi (getenv ("STEPS")) : STEPS;

    setenv ("EVRING_RING", "guests=24", 0); /* unless a flavour says otherwise */
    loop = test_loop (0);
    seed = state = getenv ("SEED") ? (unsigned) atoi (getenv ("SEED")) : (unsigned) time (NULL);
    TEST_SECONDS (60 + steps / 200);
    for (int i = 0; i < FLOWS; i++)
        flow_begin (loop, &flows[i]);
    for (int i = 0; i < steps; i++) {
        step (loop);
        if (i % (steps / 8) == 0)
            tide (loop);
    }
    stats = rows_stats (loop);
    for (int i = 0; i < FLOWS; i++)
        flow_end (loop, &flows[i]);
    printf ("SEED=%u %s: %llu to the guests (%llu for want of room, %llu idle ones), %llu from there\n", seed,
            test_backend_name (), stats.parked, stats.parked_many, stats.parked_idle, stats.unparked);
    ck_assert_msg (!wrong, "SEED=%u: %lu bytes were not those that were sent", seed, wrong);
    ck_assert_uint_gt (writable, 0);
    if (test_backend == EVBACKEND_IOURING) {
        ck_assert_uint_gt (stats.parked_many, 0);
        ck_assert_uint_gt (stats.unparked, 0);
    }
}
