/* fdreuse_test.c: descriptors that are closed, opened and replaced under the loop's hands, at random.
 * Promises that a watcher is only called about the file it was set to (U-3, IO-7, IO-8), that every message is
 * delivered, and that a closed descriptor is closed (U-2). Each slot has a number of its own which its peer writes:
 * reading any other number is a mistake of the loop. SEED=n repeats a run. */
#include "trace.h"

#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

enum { SLOTS = 24, STEPS = 20000 };

static struct slot {
    int fd, peer; /* fd is watched; -1: empty */
    uint32_t number, sent, got;
    ev_io io, second; /* two watchers: of what is to read, and now and then of both directions */
} slots[SLOTS];

static struct ev_loop *loop;
static unsigned seed, state;
static uint32_t numbers;
static int wrong, empty, errors, unclosed;

static unsigned random_below (unsigned limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

static void act (int within_callback);

static void slot_read (EV_P_ ev_io *w, int revents)
{
    struct slot *slot = w->data;
    uint32_t number, got = slot->got;

    errors += (revents & EV_ERROR) != 0;
    while (read (slot->fd, &number, sizeof number) == sizeof number) {
        wrong += number != slot->number;
        slot->got++;
        if (!random_below (3))
            break; /* the rest comes again: levels do */
    }
    empty += slot->got == got;
    if (!random_below (3))
        act (1);
}

static void slot_look (EV_P_ ev_io *w, int revents)
{
    errors += (revents & EV_ERROR) != 0;
    if (!random_below (2))
        ev_io_stop (EV_A_ w);
}

static void slot_watch (struct slot *slot)
{
    ev_io_init (&slot->io, slot_read, slot->fd, EV_READ);
    ev_io_init (&slot->second, slot_look, slot->fd, EV_READ | EV_WRITE);
    slot->io.data = slot->second.data = slot;
    ev_io_start (loop, &slot->io);
}

static void slot_open (struct slot *slot)
{
    int fd[2];

    test_socketpair (fd);
    slot->fd = fd[0];
    slot->peer = fd[1];
    slot->number = ++numbers;
    slot->sent = slot->got = 0;
    slot_watch (slot);
}

static void slot_unwatch (struct slot *slot)
{
    ev_io_stop (loop, &slot->io);
    ev_io_stop (loop, &slot->second);
}

/* Whoever is connected to a closed descriptor sees it without help of the loop. A moment of patience, since the
 * file lives on while some other process looks at it through /proc. */
static void slot_close (struct slot *slot)
{
    struct pollfd peer = { .fd = slot->peer, .events = POLLIN };

    slot_unwatch (slot);
    close (slot->fd);
    slot->fd = -1;
    unclosed += poll (&peer, 1, 1000) != 1;
    close (slot->peer);
}

/* Another file under the same number: dup2 closes the old one, the watcher is told with ev_io_set. */
static void slot_replace (struct slot *slot)
{
    int fd[2], peer = slot->peer;

    slot_unwatch (slot);
    test_socketpair (fd);
    dup2 (fd[0], slot->fd);
    close (fd[0]);
    close (peer);
    slot->peer = fd[1];
    slot->number = ++numbers;
    slot->sent = slot->got = 0;
    slot_watch (slot);
}

static void slot_write (struct slot *slot)
{
    if (write (slot->peer, &slot->number, sizeof slot->number) == sizeof slot->number)
        slot->sent++;
}

static void act (int within_callback)
{
    struct slot *slot = &slots[random_below (SLOTS)];

    if (slot->fd < 0) {
        slot_open (slot);
        return;
    }
    switch (random_below (10)) {
    case 0:
        slot_close (slot);
        break;
    case 1:
        slot_replace (slot);
        break;
    case 2:
        ev_io_stop (loop, &slot->io); /* the number and the file stay: nothing to be told anew */
        ev_io_start (loop, &slot->io);
        break;
    case 3:
        if (!ev_is_active (&slot->second))
            ev_io_start (loop, &slot->second);
        break;
    case 4:
        ev_io_stop (loop, &slot->second);
        break;
    default:
        slot_write (slot);
    }
    if (!within_callback && !random_below (3))
        ev_run (loop, EVRUN_NOWAIT);
}

static int all_delivered (void)
{
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0 && slots[i].got != slots[i].sent)
            return 0;
    return 1;
}

static void no_act_any_more (EV_P_ ev_io *w, int revents)
{
    struct slot *slot = w->data;
    uint32_t number;

    while (read (slot->fd, &number, sizeof number) == sizeof number) {
        wrong += number != slot->number;
        slot->got++;
    }
}

/* U-2, U-3, IO-4, IO-7, IO-8, WA-1 */
TEST_BACKENDS (reused_descriptors_never_speak_for_each_other)
{
    int over = 0;
    ev_timer patience;

#ifdef STOCK_LIBEV
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the original's io_uring does not close");
#endif
    TEST_SECONDS (60);
    seed = state = getenv ("SEED") ? (unsigned) atoi (getenv ("SEED")) : (unsigned) time (NULL);
    loop = test_loop (0);
    for (int i = 0; i < SLOTS; i++)
        slots[i].fd = -1;
    for (int i = 0; i < STEPS; i++)
        act (0);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0) {
            ev_io_stop (loop, &slots[i].second);
            ev_set_cb (&slots[i].io, no_act_any_more);
        }
    ev_timer_init (&patience, set_data, PATIENCE, 0.);
    patience.data = &over;
    ev_timer_start (loop, &patience);
    while (!over && !all_delivered ())
        ev_run (loop, EVRUN_ONCE);
    ck_assert_msg (!over && !wrong && !empty && !errors && !unclosed,
                   "SEED=%u: %s, %d of another file, %d about nothing, %d errors, %d not closed", seed,
                   over ? "messages lost" : "all delivered", wrong, empty, errors, unclosed);
    ev_timer_stop (loop, &patience);
    for (int i = 0; i < SLOTS; i++)
        if (slots[i].fd >= 0)
            slot_close (&slots[i]);
}
