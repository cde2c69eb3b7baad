/* alloc_test.c: ev_set_allocator: all memory of a loop comes from it and goes back to it, and a loop that is
 * warm needs none: not for an event, not for an iteration. */
#include "kinds.h"
#include "line.h"

#include <malloc.h>
#include <string.h>

/* ---- an allocator that counts; its memory is not malloc's ---- */

enum { ARENA = 64 << 20, HEAD = 16 };

static char arena[ARENA] __attribute__ ((aligned (16)));
static size_t arena_used;
static long blocks, calls, wrong_sizes;

static long *head_of (void *memory)
{
    return (long *) (void *) ((char *) memory - HEAD);
}

static void *counting (void *memory, long size) EV_NOEXCEPT
{
    char *fresh;

    calls++;
    wrong_sizes += size < 0 || (memory && *head_of (memory) <= 0);
    if (memory && !size) {
        *head_of (memory) = -1; /* a second time it will be a wrong size */
        blocks--;
    }
    if (!size)
        return NULL;
    if (arena_used + HEAD + (size_t) size > ARENA)
        return NULL;
    fresh = arena + arena_used + HEAD;
    arena_used += HEAD + (((size_t) size + 15) & ~(size_t) 15);
    *head_of (fresh) = size;
    if (memory) {
        memcpy (fresh, memory, (size_t) (*head_of (memory) < size ? *head_of (memory) : size));
        memset (fresh + *head_of (memory), 0x5a,
                size > *head_of (memory) ? (size_t) (size - *head_of (memory)) : 0);
        *head_of (memory) = -1;
    } else {
        memset (fresh, 0x5a, (size_t) size); /* nobody may count on zeroes */
        blocks++;
    }
    return fresh;
}

/* ---- a busy loop ---- */

static int events;

static void busy (struct ev_loop *loop, ev_watcher *w, int revents)
{
    events++;
}

enum { CROWD = 40 };
static union ev_any_watcher crowd[KINDS][CROWD];

static void start_crowd (struct ev_loop *loop)
{
    for (int i = 0; i < KINDS; i++)
        for (int j = 0; j < (kinds[i].bit == EV_EMBED ? 1 : CROWD); j++) {
            kind_init (&kinds[i], &crowd[i][j], busy);
            kinds[i].start (loop, &crowd[i][j]);
        }
}

static void stop_crowd (struct ev_loop *loop)
{
    for (int i = 0; i < KINDS; i++)
        for (int j = 0; j < (kinds[i].bit == EV_EMBED ? 1 : CROWD); j++)
            kinds[i].stop (loop, &crowd[i][j]);
}

/* Everything happens, again and again; forks are no everyday event. */
static void bustle (struct ev_loop *loop, int times)
{
    while (times--) {
        for (int i = 0; i < KINDS; i++)
            if (kinds[i].bit != EV_FORK && kinds[i].bit != EV_EMBED) {
                union ev_any_watcher *w = &crowd[i][times % CROWD];

                kinds[i].stop (loop, w);
                kinds[i].set (w);
                kinds[i].start (loop, w);
                kinds[i].fire (loop, w);
            }
        ev_run (loop, EVRUN_NOWAIT);
    }
}

static void once_nothing (int revents, void *arg)
{
}

TEST_BACKENDS (all_memory_comes_from_the_allocator_and_goes_back) // GL-7, GL-9
{
    ev_set_allocator (counting);
    kinds_open ();
    struct ev_loop *loop = test_loop (0);
    ck_assert_int_ge (blocks, 2); /* the loop objects at least */
    start_crowd (loop);
    bustle (loop, 3);
    ev_loop_fork (loop);
    bustle (loop, 3);
    ev_once (loop, -1, 0, 0., once_nothing, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    stop_crowd (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    kinds_close ();
    ck_assert_int_eq (wrong_sizes, 0);
    ck_assert_msg (blocks == 0, "%ld blocks were not given back", blocks);
    ck_assert_int_gt (events, 100);
}

/* Bytes malloc has given out; 0 under sanitizers. */
static size_t malloc_bytes (void)
{
    struct mallinfo2 info = mallinfo2 ();

    return info.uordblks + info.hblkhd;
}

TEST_BACKENDS (nothing_goes_round_the_allocator) // GL-7
{
    size_t before, with_loop, with_crowd; /* no assertion between: Check remembers where it was */

    ev_set_allocator (counting);
    kinds_open ();
    before = malloc_bytes ();
    struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    with_loop = malloc_bytes ();
    start_crowd (loop);
    bustle (loop, 3);
    with_crowd = malloc_bytes ();
    stop_crowd (loop);
    ev_loop_destroy (loop);
    ck_assert_uint_eq (with_loop, before);
    ck_assert_uint_eq (with_crowd, before);
    kinds_close ();
}

TEST_BACKENDS (a_warm_loop_allocates_nothing) // GL-7, decision: no allocation per event or iteration
{
    ev_set_allocator (counting);
    kinds_open ();
    struct ev_loop *loop = test_loop (0);

    start_crowd (loop);
    bustle (loop, 200);
    long warm = calls;
    int before = events;
    bustle (loop, 500);
    ck_assert_int_gt (events, before + 5000);
    ck_assert_msg (calls == warm, "%ld allocations in 500 iterations", calls - warm);
    stop_crowd (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    kinds_close ();
}

static void pass_on (struct ev_loop *loop, ev_io *w, int revents)
{
    char byte;

    events++;
    ck_assert_int_eq (read (w->fd, &byte, 1), 1);
}

TEST_BACKENDS (a_warm_loop_allocates_nothing_for_descriptors_that_come_and_go) // GL-7, IO-16
{
    enum { PIPES = 100 };
    not_stock (EVBACKEND_IOURING, "the reference aborts when the ring is full");
    ev_set_allocator (counting);
    struct ev_loop *loop = test_loop (0);
    int fd[PIPES][2];
    ev_io io[PIPES];
    long warm = 0;

    for (int i = 0; i < PIPES; i++)
        test_pipe (fd[i]);
    for (int round = 0; round < 60; round++) {
        if (round == 30)
            warm = calls;
        for (int i = 0; i < PIPES; i++) {
            ev_io_init (&io[i], pass_on, fd[i][0], EV_READ);
            ev_io_start (loop, &io[i]);
            ck_assert_int_eq (write (fd[i][1], "x", 1), 1);
        }
        for (int i = 0; i < 20 && events < (round + 1) * PIPES; i++)
            ev_run (loop, EVRUN_NOWAIT);
        for (int i = 0; i < PIPES; i++)
            ev_io_stop (loop, &io[i]);
    }
    ck_assert_int_eq (events, 60 * PIPES);
    ck_assert_msg (calls == warm, "%ld allocations in 30 rounds", calls - warm);
    for (int i = 0; i < PIPES; i++) {
        close (fd[i][0]);
        close (fd[i][1]);
    }
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_assert_int_eq (blocks, 0);
}

static void tick (struct ev_loop *loop, ev_timer *w, int revents)
{
    events++;
}

TEST_BACKENDS (an_idle_loop_that_waits_allocates_nothing) // GL-7
{
    ev_set_allocator (counting);
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;
    long warm;

    ev_timer_init (&timer, tick, 0.001, 0.001);
    ev_timer_start (loop, &timer);
    while (events < 5)
        ev_run (loop, EVRUN_ONCE);
    warm = calls;
    while (events < 15)
        ev_run (loop, EVRUN_ONCE);
    ck_assert_int_eq (calls, warm);
    ev_timer_stop (loop, &timer);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_assert_int_eq (blocks, 0);
}
