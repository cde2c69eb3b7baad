/* stats_test.c: the loop can speak: ev_stats, ev_dump and EVRING_STATS (ev_op.h). The reference has none of
 * it. */
#define _GNU_SOURCE
#include "line.h"

#include <ev_op.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct ev_stats stats_of (struct ev_loop *loop)
{
    struct ev_stats stats;

    ck_assert_uint_eq (ev_stats (loop, &stats, sizeof stats), sizeof stats);
    return stats;
}

static int on_ring (void)
{
    return test_backend == EVBACKEND_IOURING;
}

/* ---- ev_stats ---- */

TEST_BACKENDS (stats_fills_as_many_bytes_as_the_caller_knows)
{
    struct ev_loop *loop = test_loop (0);
    struct {
        struct ev_stats stats;
        char beyond[64];
    } room;
    const unsigned char *bytes = (const unsigned char *) &room;

    memset (&room, 0xa5, sizeof room);
    ck_assert_uint_eq (ev_stats (loop, &room.stats, sizeof (unsigned)), sizeof (struct ev_stats));
    ck_assert_uint_eq (room.stats.backend, test_backend);
    for (size_t i = sizeof (unsigned); i < sizeof room; i++)
        ck_assert_uint_eq (bytes[i], 0xa5);
    ck_assert_uint_eq (ev_stats (loop, &room.stats, 0), sizeof (struct ev_stats));
    ck_assert_uint_eq (ev_stats (loop, &room.stats, sizeof room), sizeof (struct ev_stats));
    for (size_t i = 0; i < sizeof room.beyond; i++)
        ck_assert_int_eq (room.beyond[i], (char) 0xa5);
}

static void nothing (struct ev_loop *loop, ev_io *w, int revents)
{
}

TEST_BACKENDS (stats_counts_iterations_events_and_callbacks)
{
    struct ev_loop *loop = test_loop (0);
    struct ev_stats stats = stats_of (loop);
    ev_io io;
    int fd[2];

    ck_assert_uint_eq (stats.iterations, 0);
    ck_assert_uint_eq (stats.callbacks, 0);
    ck_assert_uint_eq (stats.backend, ev_backend (loop));
    test_pipe (fd);
    ev_io_init (&io, nothing, fd[1], EV_WRITE);
    ev_io_start (loop, &io);
    for (unsigned i = 1; i <= 20; i++) {
        ev_run (loop, EVRUN_NOWAIT);
        stats = stats_of (loop);
        ck_assert_uint_eq (stats.iterations, i);
        ck_assert_uint_eq (stats.iterations, ev_iteration (loop));
        ck_assert_uint_eq (stats.callbacks, i);
        ck_assert_uint_eq (stats.events, i);
        ck_assert_uint_ge (stats.waits, 1);
    }
    if (!(test_backend & EVBACKEND_SELECT)) /* it keeps its sets itself */
        ck_assert_uint_ge (stats.changes, 1);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

TEST_BACKENDS (stats_shows_what_the_ring_did_and_zeroes_without_one)
{
    struct ev_loop *loop = test_loop (0);
    struct ev_stats stats;
    ev_io ready, quiet;
    int fd[2];

    test_pipe (fd);
    ev_io_init (&ready, nothing, fd[1], EV_WRITE);
    ev_io_init (&quiet, nothing, fd[0], EV_READ);
    ev_io_start (loop, &ready);
    ev_io_start (loop, &quiet);
    for (int i = 0; i < 10; i++)
        ev_run (loop, EVRUN_NOWAIT);
    stats = stats_of (loop);
    if (on_ring ()) {
        ck_assert_uint_ge (stats.polls_armed, 11);
        ck_assert_uint_ge (stats.polls_rearmed, 9);
        ck_assert_uint_le (stats.polls_rearmed, stats.polls_armed);
        ck_assert_uint_ge (stats.submissions, stats.polls_armed);
        ck_assert_uint_ge (stats.completions, 10);
        ck_assert_uint_ge (stats.enters, 1);
        ck_assert_uint_eq (stats.polls_removed, 0);
    } else {
        ck_assert_uint_eq (stats.ring_flags, 0);
        ck_assert_uint_eq (stats.enters + stats.submissions + stats.completions, 0);
        ck_assert_uint_eq (stats.polls_armed + stats.polls_rearmed + stats.polls_removed, 0);
        ck_assert_uint_eq (stats.overflows + stats.sweeps + stats.parked, 0);
    }
    ck_assert_uint_eq (stats.fallbacks, 0);
    ev_io_stop (loop, &ready);
    ev_io_stop (loop, &quiet);
    ev_run (loop, EVRUN_NOWAIT);
    if (on_ring ())
        ck_assert_uint_ge (stats_of (loop).polls_removed, 1);
    close (fd[0]);
    close (fd[1]);
}

static struct knocker {
    struct ev_loop *loop;
    ev_async async;
    pthread_t thread;
} knocker;

static void *knock (void *arg)
{
    usleep (30000);
    ev_async_send (knocker.loop, &knocker.async);
    return NULL;
}

TEST_BACKENDS (stats_counts_wakeups)
{
    struct ev_loop *loop = knocker.loop = test_loop (0);

    LINE_START (async, &knocker.async, "async");
    ck_assert_uint_eq (stats_of (loop).wakeups, 0);
    ck_assert_int_eq (pthread_create (&knocker.thread, NULL, knock, NULL), 0);
    while (!*line)
        ev_run (loop, EVRUN_ONCE);
    ck_assert_int_eq (pthread_join (knocker.thread, NULL), 0);
    ck_assert_uint_ge (stats_of (loop).wakeups, 1);
    ev_async_stop (loop, &knocker.async);
}

TEST_BACKENDS (stats_counts_rebuilds)
{
    struct ev_loop *loop = test_loop (0);

    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_uint_eq (stats_of (loop).rebuilds, 0);
    ev_loop_fork (loop);
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
    if (test_backend & (EVBACKEND_EPOLL | EVBACKEND_IOURING))
        ck_assert_uint_eq (stats_of (loop).rebuilds, 1);
}

TEST_BACKENDS (the_counters_only_grow)
{
    struct ev_loop *loop = test_loop (0);
    struct ev_stats before = stats_of (loop);
    ev_async async;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    LINE_START (async, &async, "async");
    ev_io_init (&io, nothing, fd[1], EV_WRITE);
    for (int i = 0; i < 50; i++) {
        if (i % 3)
            ev_io_start (loop, &io);
        else
            ev_io_stop (loop, &io);
        if (i % 7 == 0)
            ev_async_send (loop, &async);
        if (i % 20 == 10)
            ev_loop_fork (loop);
        ev_run (loop, EVRUN_NOWAIT);
        struct ev_stats after = stats_of (loop);
        for (const unsigned long long *a = &before.iterations, *b = &after.iterations; a <= &before.fallbacks;
             a++, b++)
            ck_assert_uint_ge (*b, *a);
        before = after;
    }
    ev_io_stop (loop, &io);
    ev_async_stop (loop, &async);
    close (fd[0]);
    close (fd[1]);
}

/* ---- ev_dump ---- */

static char *dump_of (struct ev_loop *loop)
{
    char *text;
    size_t size;
    FILE *out = open_memstream (&text, &size);

    ev_dump (loop, out);
    fclose (out);
    ck_assert_uint_gt (size, 20);
    ck_assert_int_eq (text[size - 1], '\n');
    return text;
}

TEST_BACKENDS (dump_speaks_of_watched_descriptors_and_changes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    struct ev_stats before, after;
    char *empty = dump_of (loop), *full, number[20];
    ev_timer timer;
    ev_io io;
    int fd = fcntl (0, F_DUPFD, 777);

    snprintf (number, sizeof number, "%d", fd);
    ck_assert_ptr_null (strstr (empty, number));
    ev_io_init (&io, nothing, fd, EV_READ);
    ev_io_start (loop, &io);
    LINE_START (timer, &timer, "timer", 100., 0.);
    ev_feed_event (loop, &timer, EV_CUSTOM);
    before = stats_of (loop);
    full = dump_of (loop);
    after = stats_of (loop);
    ck_assert_ptr_nonnull (strstr (full, number));
    ck_assert_str_ne (full, empty);
    ck_assert_mem_eq (&before, &after, sizeof before);
    ck_assert_uint_eq (ev_pending_count (loop), 1);
    ev_run (loop, EVRUN_NOWAIT);
    free (dump_of (loop));
    ev_io_stop (loop, &io);
    ev_timer_stop (loop, &timer);
    close (fd);
    free (empty);
    free (full);
}

/* ---- EVRING_STATS ---- */

static char said[2000];

static int lines_in (const char *text)
{
    int count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* body runs in a process of its own with EVRING_STATS set so; what it says is in said. */
static void speak (const char *where, void (*body) (void *arg))
{
    int status;

    ck_assert_int_eq (where ? setenv ("EVRING_STATS", where, 1) : unsetenv ("EVRING_STATS"), 0);
    status = test_child (body, NULL, said, sizeof said);
    unsetenv ("EVRING_STATS");
    ck_assert_msg (status == 0, "status 0x%x: %s", (unsigned) status, said);
}

static struct ev_loop *left[4]; /* what is left is no leak */
static int left_count;

static struct ev_loop *loop_that_ran (void)
{
    struct ev_loop *loop = left[left_count++] = ev_loop_new (test_backend | EVFLAG_NOENV);

    for (int i = 0; i < 37; i++)
        ev_run (loop, EVRUN_NOWAIT);
    return loop;
}

static void destroy_one (void *arg)
{
    ev_loop_destroy (loop_that_ran ());
    exit (0);
}

static void leave_one (void *arg)
{
    loop_that_ran ();
    exit (0);
}

static void leave_one_and_destroy_one (void *arg)
{
    loop_that_ran ();
    destroy_one (arg);
}

TEST_BACKENDS (a_loop_reports_to_standard_error_when_it_ends)
{
    speak ("1", destroy_one);
    ck_assert_int_eq (lines_in (said), 1);
    ck_assert_ptr_nonnull (strstr (said, "evring"));
    ck_assert_ptr_nonnull (strstr (said, test_backend_name ()));
    ck_assert_ptr_nonnull (strstr (said, "37"));
    speak ("1", leave_one);
    ck_assert_int_eq (lines_in (said), 1);
    ck_assert_ptr_nonnull (strstr (said, "37"));
    speak ("1", leave_one_and_destroy_one);
    ck_assert_int_eq (lines_in (said), 2);
}

TEST_BACKENDS (a_loop_is_silent_unless_asked)
{
    speak (NULL, leave_one_and_destroy_one);
    ck_assert_str_eq (said, "");
}

TEST_BACKENDS (a_loop_reports_to_a_file_and_appends)
{
    char path[] = "/tmp/evring-stats-XXXXXX", text[2000];
    int fd = mkstemp (path);
    ssize_t size;

    ck_assert_int_ge (fd, 0);
    speak (path, leave_one_and_destroy_one);
    ck_assert_str_eq (said, "");
    speak (path, destroy_one);
    ck_assert_str_eq (said, "");
    size = read (fd, text, sizeof text - 1);
    ck_assert_int_gt (size, 0);
    text[size] = 0;
    ck_assert_int_eq (lines_in (text), 3);
    close (fd);
    unlink (path);
}

TEST_BACKENDS (a_file_that_cannot_be_written_is_no_catastrophe)
{
    speak ("/nonexistent/directory/file", leave_one_and_destroy_one);
    speak ("", leave_one_and_destroy_one);
    ck_assert_str_eq (said, "");
}

static void forget_the_environment (void *arg)
{
    struct ev_loop *loop = loop_that_ran ();

    loop_that_ran ();
    clearenv ();
    ev_loop_destroy (loop);
    exit (0);
}

TEST_BACKENDS (a_program_may_clear_its_environment) // daemons do
{
    speak ("1", forget_the_environment);
}

static void fork_and_leave (void *arg)
{
    int status;

    loop_that_ran ();
    fflush (NULL);
    if (!fork ())
        exit (0);
    wait (&status);
    exit (status != 0);
}

TEST_BACKENDS (a_forked_child_does_not_report_the_loop_of_its_parent)
{
    speak ("1", fork_and_leave);
    ck_assert_int_eq (lines_in (said), 1);
}

static void make_many (void *arg)
{
    struct ev_loop *loops[100];

    for (int i = 0; i < 100; i++)
        loops[i] = ev_loop_new (EVBACKEND_SELECT | EVFLAG_NOENV);
    for (int i = 0; i < 100; i++)
        ev_loop_destroy (loops[i]);
    exit (0);
}

TEST (many_loops_report_each_once)
{
    char path[] = "/tmp/evring-stats-XXXXXX", text[100];
    int fd = mkstemp (path), lines = 0;

    ck_assert_int_ge (fd, 0);
    speak (path, make_many);
    for (ssize_t size; (size = read (fd, text, sizeof text - 1)) > 0;) {
        text[size] = 0;
        lines += lines_in (text);
    }
    ck_assert_int_eq (lines, 100);
    close (fd);
    unlink (path);
}
