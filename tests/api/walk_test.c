/* walk_test.c: ev_walk, which the reference's shared library does not have. What it promises: each active
 * watcher of the wanted kinds exactly once, the library's own watchers never, and the callback may stop what
 * it is given. */
#define EV_WALK_ENABLE 1
#include "kinds.h"

enum {
    EVERY_KIND = EV_IO | EV_TIMER | EV_PERIODIC | EV_SIGNAL | EV_CHILD | EV_STAT | EV_IDLE | EV_PREPARE
                 | EV_CHECK | EV_EMBED | EV_FORK | EV_CLEANUP | EV_ASYNC
};

/* One watcher of every kind, and what the walk said of it. */
static struct zoo {
    union ev_any_watcher w[KINDS + 3];
    int bits[KINDS + 3]; /* the type under which it must appear */
    int seen[KINDS + 3];
    int count;
} zoo;

static int strangers;

static int place_of (void *w)
{
    for (int i = 0; i < zoo.count; i++)
        if (w == &zoo.w[i])
            return i;
    return -1;
}

static void see (struct ev_loop *loop, int type, void *w)
{
    int at = place_of (w);

    if (at < 0) {
        strangers++;
        return;
    }
    zoo.seen[at]++;
    ck_assert_int_eq (type, zoo.bits[at]);
}

static void nothing (struct ev_loop *loop, ev_watcher *w, int revents)
{
}

static void stat_nothing (struct ev_loop *loop, ev_stat *w, int revents)
{
}

static void timer_nothing (struct ev_loop *loop, ev_timer *w, int revents)
{
}

static void periodic_nothing (struct ev_loop *loop, ev_periodic *w, int revents)
{
}

static void prepare_nothing (struct ev_loop *loop, ev_prepare *w, int revents)
{
}

static void cleanup_nothing (struct ev_loop *loop, ev_cleanup *w, int revents)
{
}

static void child_nothing (struct ev_loop *loop, ev_child *w, int revents)
{
}

static void open_zoo (struct ev_loop *loop)
{
    kinds_open ();
    for (; zoo.count < KINDS; zoo.count++) {
        kind_init (&kinds[zoo.count], &zoo.w[zoo.count], nothing);
        zoo.bits[zoo.count] = kinds[zoo.count].bit == EV_WRITE ? EV_IO : kinds[zoo.count].bit;
        kinds[zoo.count].start (loop, &zoo.w[zoo.count]);
    }
    ev_stat_init (&zoo.w[zoo.count].stat, stat_nothing, "/proc/version", 0.);
    ev_stat_start (loop, &zoo.w[zoo.count].stat);
    zoo.bits[zoo.count++] = EV_STAT;
    ev_cleanup_init (&zoo.w[zoo.count].cleanup, cleanup_nothing);
    ev_cleanup_start (loop, &zoo.w[zoo.count].cleanup);
    zoo.bits[zoo.count++] = EV_CLEANUP;
    ev_child_init (&zoo.w[zoo.count].child, child_nothing, 0, 0);
    ev_child_start (loop, &zoo.w[zoo.count].child);
    zoo.bits[zoo.count++] = EV_CHILD;
}

static void close_zoo (struct ev_loop *loop)
{
    for (int i = 0; i < KINDS; i++)
        kinds[i].stop (loop, &zoo.w[i]);
    ev_stat_stop (loop, &zoo.w[KINDS].stat);
    ev_cleanup_stop (loop, &zoo.w[KINDS + 1].cleanup);
    ev_child_stop (loop, &zoo.w[KINDS + 2].child);
    kinds_close ();
}

TEST_BACKENDS (walk_shows_each_active_watcher_of_every_kind_exactly_once)
{
    struct ev_loop *loop = test_default_loop (0);

    open_zoo (loop);
    ev_walk (loop, EVERY_KIND, see);
    for (int i = 0; i < zoo.count; i++)
        ck_assert_msg (zoo.seen[i] == 1, "type 0x%x was shown %d times", (unsigned) zoo.bits[i], zoo.seen[i]);
    ck_assert_int_eq (strangers, 0);
    close_zoo (loop);
    memset (zoo.seen, 0, sizeof zoo.seen);
    ev_walk (loop, EVERY_KIND, see);
    for (int i = 0; i < zoo.count; i++)
        ck_assert_int_eq (zoo.seen[i], 0);
    ck_assert_int_eq (strangers, 0);
}

TEST_BACKENDS (walk_shows_only_the_kinds_it_was_asked_for)
{
    struct ev_loop *loop = test_default_loop (0);

    open_zoo (loop);
    ev_walk (loop, 0, see);
    for (int i = 0; i < zoo.count; i++)
        ck_assert_int_eq (zoo.seen[i], 0);
    for (int bit = 1; bit <= EV_ASYNC; bit <<= 1) {
        memset (zoo.seen, 0, sizeof zoo.seen);
        ev_walk (loop, bit, see);
        for (int i = 0; i < zoo.count; i++)
            ck_assert_msg (zoo.seen[i] == (zoo.bits[i] == bit),
                           "asked for 0x%x, type 0x%x was shown %d times", (unsigned) bit,
                           (unsigned) zoo.bits[i], zoo.seen[i]);
    }
    ck_assert_int_eq (strangers, 0);
    close_zoo (loop);
}

TEST_BACKENDS (walk_shows_several_watchers_of_a_descriptor)
{
    struct ev_loop *loop = test_loop (0);

    kinds_open ();
    for (zoo.count = 0; zoo.count < 3; zoo.count++) {
        kind_init (&kinds[0], &zoo.w[zoo.count], nothing);
        kinds[0].start (loop, &zoo.w[zoo.count]);
        zoo.bits[zoo.count] = EV_IO;
    }
    ev_walk (loop, EV_IO, see);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq (zoo.seen[i], 1);
        kinds[0].stop (loop, &zoo.w[i]);
    }
    ck_assert_int_eq (strangers, 0);
    kinds_close ();
}

static void stop_it (struct ev_loop *loop, int type, void *w)
{
    see (loop, type, w);
    for (int i = 0; i < KINDS; i++)
        if (w == &zoo.w[i])
            kinds[i].stop (loop, w);
    if (type == EV_STAT)
        ev_stat_stop (loop, w);
    if (type == EV_CLEANUP)
        ev_cleanup_stop (loop, w);
    if (type == EV_CHILD)
        ev_child_stop (loop, w);
}

TEST_BACKENDS (the_callback_of_walk_may_stop_what_it_is_given)
{
    struct ev_loop *loop = test_default_loop (0);

    open_zoo (loop);
    ev_walk (loop, EVERY_KIND, stop_it);
    for (int i = 0; i < zoo.count; i++) {
        ck_assert_msg (zoo.seen[i] == 1, "type 0x%x was shown %d times", (unsigned) zoo.bits[i], zoo.seen[i]);
        ck_assert_int_eq (ev_is_active (&zoo.w[i]), 0);
    }
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    close_zoo (loop);
}

enum { MANY = 400 };

static struct {
    ev_timer timer;
    ev_periodic periodic;
    ev_prepare prepare;
    int seen[3];
} many[MANY];

/* Every other one is stopped: both those and the others must be shown once. */
static void stop_some (struct ev_loop *loop, int type, void *w)
{
    int at = (int) (((char *) w - (char *) many) / (long) sizeof *many);

    ck_assert_int_ge (at, 0);
    ck_assert_int_lt (at, MANY);
    many[at].seen[type == EV_TIMER ? 0 : type == EV_PERIODIC ? 1 : 2]++;
    if (at % 2)
        return;
    if (type == EV_TIMER)
        ev_timer_stop (loop, w);
    else if (type == EV_PERIODIC)
        ev_periodic_stop (loop, w);
    else
        ev_prepare_stop (loop, w);
}

TEST_BACKENDS (a_walk_that_stops_watchers_misses_none_and_shows_none_twice)
{
    struct ev_loop *loop = test_loop (0);
    unsigned dice = 99;

    for (int i = 0; i < MANY; i++) {
        dice = dice * 1664525 + 1013904223;
        ev_timer_init (&many[i].timer, timer_nothing, 1000. + (dice >> 12), 0.);
        ev_timer_start (loop, &many[i].timer);
        ev_periodic_init (&many[i].periodic, periodic_nothing, 4e9 + (dice >> 12), 0., NULL);
        ev_periodic_start (loop, &many[i].periodic);
        ev_prepare_init (&many[i].prepare, prepare_nothing);
        ev_prepare_start (loop, &many[i].prepare);
    }
    ev_walk (loop, EV_TIMER | EV_PERIODIC | EV_PREPARE, stop_some);
    ev_verify (loop);
    for (int i = 0; i < MANY; i++)
        for (int kind = 0; kind < 3; kind++)
            ck_assert_msg (many[i].seen[kind] == 1, "kind %d was shown %d times", kind, many[i].seen[kind]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 3 * MANY / 2);
}
