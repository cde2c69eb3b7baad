/* badinput_test.c: descriptors that are wrong, go wrong, or are pulled away under the loop (contract IO-12,
 * IO-14, U-14, U-16, section 26 items 1 and 2). Where the reference aborts it is skipped. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* The reference only tolerates bad descriptors on select. */
#define ABORTS_IN_STOCK (EVBACKEND_POLL | EVBACKEND_EPOLL | EVBACKEND_IOURING)

/* A neighbour on the same loop that must notice nothing. */
static struct kit_io neighbour;
static int neighbour_fd[2];

static struct ev_loop *loop_with_neighbour (void)
{
    struct ev_loop *loop = test_loop (0);

    test_pipe (neighbour_fd);
    kit_start (loop, &neighbour, neighbour_fd[1], EV_WRITE);
    return loop;
}

static void neighbour_is_well (struct ev_loop *loop)
{
    int calls = neighbour.calls;

    kit_nowait (loop, 3);
    ck_assert_int_eq (neighbour.calls, calls + 3);
    ck_assert_int_eq (neighbour.revents, EV_WRITE);
    kit_stop_close (loop, &neighbour);
    close (neighbour_fd[0]);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0); /* nobody holds a reference any more */
}

/* A watcher of fd must be stopped and told so, once. */
static void check_refused (int fd, int events)
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;

    kit_start (loop, &io, fd, events);
    kit_nowait (loop, 3);
    ck_assert_msg (io.calls == 1, "fd %d: %d calls", fd, io.calls);
    ck_assert_msg (io.revents == KIT_BAD_FD, "fd %d: told 0x%x", fd, (unsigned) io.revents);
    ck_assert (!io.active_in_callback);
    ck_assert (!ev_is_active (&io.w));
    ev_io_stop (loop, &io.w); /* stays harmless */
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fd_that_is_not_open_is_refused) // IO-14, U-14
{
    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    check_refused (kit_closed_fd (), EV_READ);
    check_refused (kit_closed_fd (), EV_READ | EV_WRITE);
    check_refused (100, EV_WRITE);
}

#ifndef STOCK_LIBEV
TEST_BACKENDS (bad_fd_that_is_negative_is_refused) // AB-1, section 26
{
    check_refused (-1, EV_READ);
    check_refused (-2, EV_WRITE);
    check_refused (INT_MIN, EV_READ | EV_WRITE);
}

TEST_BACKENDS (bad_fd_with_a_huge_number_is_refused) // IO-14: nor does it cost memory
{
    check_refused (20001, EV_READ);
    check_refused (1 << 20, EV_READ);
    check_refused (1 << 30, EV_READ);
    check_refused (INT_MAX, EV_WRITE);
}

TEST_BACKENDS (bad_fd_opened_with_o_path_is_refused) // IO-19, U-11
{
    int fd = open ("/tmp", O_PATH);

    ck_assert_int_ge (fd, 0);
    if (test_backend != EVBACKEND_SELECT)
        check_refused (fd, EV_READ | EV_WRITE);
    close (fd);
}

struct misuse {
    struct ev_loop *loop;
    struct kit_io io;
    int events;
};

static void start_with_bits (void *arg)
{
    struct misuse *misuse = arg;

    kit_start (misuse->loop, &misuse->io, 0, misuse->events);
    int active = ev_is_active (&misuse->io.w);
    kit_nowait (misuse->loop, 2);
    _exit (active || misuse->io.calls != 1 || misuse->io.revents != KIT_BAD_FD);
}

TEST_BACKENDS (bad_event_bits_are_refused_with_a_message) // AB-1
{
    static const int bits[] = { EV_TIMER, EV_READ | EV_SIGNAL, 4, EV_CUSTOM, EV_ERROR };
    struct misuse misuse = { .loop = test_loop (EVFLAG_FORKCHECK) };
    char message[256];

    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
        misuse.events = bits[i];
        ck_assert_int_eq (test_child (start_with_bits, &misuse, message, sizeof message), 0);
        ck_assert_msg (strstr (message, "evring: ev_io_start: "), "stderr: %s", message);
    }
}
#endif

static void once_told (int revents, void *arg)
{
    *(int *) arg = revents;
}

TEST_BACKENDS (bad_fd_in_once_is_told_to_its_function) // ON-2
{
    struct ev_loop *loop = loop_with_neighbour ();
    int told = 0;

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    ev_once (loop, kit_closed_fd (), EV_READ, 30., once_told, &told);
    kit_nowait (loop, 3);
    ck_assert_int_eq (told & KIT_BAD_FD, KIT_BAD_FD);
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fd_stops_all_its_watchers) // IO-14
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io[3];
    int fd = kit_closed_fd ();

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    for (int i = 0; i < 3; i++)
        kit_start (loop, &io[i], fd, i ? EV_READ : EV_WRITE);
    kit_nowait (loop, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq (io[i].calls, 1);
        ck_assert_int_eq (io[i].revents, KIT_BAD_FD);
        ck_assert (!ev_is_active (&io[i].w));
    }
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fd_closed_between_start_and_run_is_refused) // IO-14
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2];

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    test_pipe (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    close (fd[0]);
    kit_nowait (loop, 3);
    ck_assert_int_eq (io.calls, 1);
    ck_assert_int_eq (io.revents, KIT_BAD_FD);
    ck_assert (!ev_is_active (&io.w));
    close (fd[1]);
    neighbour_is_well (loop);
}

static void start_again (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    ev_io_start (EV_A_ w);
}

TEST_BACKENDS (bad_fd_started_again_in_its_callback_is_told_again_and_again) // IO-14: no recursion, no loss
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    kit_start (loop, &io, kit_closed_fd (), EV_READ);
    ev_set_cb (&io.w, start_again);
    kit_nowait (loop, 10);
    ck_assert_int_ge (io.calls, 4);
    ck_assert_int_le (io.calls, 11);
    ev_io_stop (loop, &io.w);
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fd_that_is_opened_later_works_then) // IO-14, IO-7
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2], number = kit_closed_fd ();

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    kit_start (loop, &io, number, EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 1);
    test_pipe (fd);
    ck_assert_int_eq (dup2 (fd[0], number), number);
    kit_put (fd[1]);
    kit_start (loop, &io, number, EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 2);
    ck_assert_int_eq (io.revents, EV_READ);
    kit_stop_close (loop, &io);
    close (fd[0]);
    close (fd[1]);
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fd_among_50_good_ones_disturbs_none) // U-16
{
    enum { COUNT = 51 };
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io[COUNT];
    int fd[COUNT], bad;

    kit_not_stock (ABORTS_IN_STOCK, "the reference aborts (AB-1)");
    for (int i = 0; i < COUNT; i++)
        fd[i] = eventfd (1, EFD_NONBLOCK);
    bad = kit_closed_fd ();
    for (int i = 0; i < COUNT; i++)
        kit_start (loop, &io[i], i == COUNT / 2 ? bad : fd[i], EV_READ);
    ev_run (loop, EVRUN_NOWAIT);
    if (test_backend == EVBACKEND_SELECT) /* the whole call fails */
        ev_run (loop, EVRUN_NOWAIT);
    for (int i = 0; i < COUNT; i++)
        ck_assert_msg (i == COUNT / 2 || (io[i].calls >= 1 && io[i].revents == EV_READ),
                       "number %d: %d calls, 0x%x", i, io[i].calls, (unsigned) io[i].revents);
    kit_nowait (loop, 1);
    ck_assert_int_eq (io[COUNT / 2].calls, 1);
    ck_assert_int_eq (io[COUNT / 2].revents, KIT_BAD_FD);
    for (int i = 0; i < COUNT; i++) {
        ev_io_stop (loop, &io[i].w);
        close (fd[i]);
    }
    neighbour_is_well (loop);
}

TEST_BACKENDS (bad_fds_in_hundreds_are_all_told) // U-16: more errors than one batch
{
    enum { COUNT = 700 };
    static struct kit_io io[COUNT];
    struct ev_loop *loop = loop_with_neighbour ();

    kit_not_stock (ABORTS_IN_STOCK | EVBACKEND_SELECT,
                   "the reference aborts; select(2) ignores what is beyond the table");
    for (int i = 0; i < COUNT; i++)
        kit_start (loop, &io[i], 300 + i, EV_READ);
    kit_nowait (loop, 5);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_msg (io[i].calls == 1, "fd %d: %d calls", 300 + i, io[i].calls);
        ck_assert_int_eq (io[i].revents, KIT_BAD_FD);
    }
    neighbour_is_well (loop);
}

/* ---- closed without stopping (IO-12, section 26 item 2) ----------------------------------------- */

/* What an impolite program may expect: no abort, no storm, at most one error, and its neighbours live. */
static void check_pulled_away (struct ev_loop *loop, struct kit_io *io)
{
    int calls = io->calls;

    kit_nowait (loop, 20);
    ck_assert_int_le (io->calls, calls + 1);
    if (io->calls > calls)
        ck_assert_int_eq (io->revents, KIT_BAD_FD);
    ck_assert_int_eq (ev_is_active (&io->w) != 0, io->calls == calls);
    ev_io_stop (loop, &neighbour.w); /* it is always ready */
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    ck_assert_int_le (io->calls, calls + 1);
    ev_io_start (loop, &neighbour.w);
    ev_io_stop (loop, &io->w);
    neighbour_is_well (loop);
}

TEST_BACKENDS (fd_closed_without_stop_is_no_storm_and_no_abort) // IO-12
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2];

    kit_not_stock (EVBACKEND_POLL | EVBACKEND_IOURING, "the reference aborts (IO-12)");
    test_socketpair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_nowait (loop, 2);
    close (fd[0]);
    if (!kit_uring ()) /* there the armed request keeps the file */
        ck_assert (kit_eof (fd[1]));
    check_pulled_away (loop, &io);
    ck_assert (kit_eof (fd[1])); /* at the latest when it is stopped */
    close (fd[1]);
}

TEST_BACKENDS (fd_closed_without_stop_while_ready_is_no_storm_and_no_abort) // IO-12
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2];

    kit_not_stock (EVBACKEND_POLL | EVBACKEND_IOURING, "the reference aborts (IO-12)");
    test_socketpair (fd);
    kit_put (fd[1]);
    kit_start (loop, &io, fd[0], EV_READ | EV_WRITE);
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 2);
    close (fd[0]);
    check_pulled_away (loop, &io);
    close (fd[1]);
}

TEST_BACKENDS (fd_closed_without_stop_whose_peer_then_writes_is_no_storm_and_no_abort) // IO-12
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2];

    kit_not_stock (EVBACKEND_POLL | EVBACKEND_IOURING, "the reference aborts (IO-12)");
    signal (SIGPIPE, SIG_IGN);
    test_socketpair (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_nowait (loop, 2);
    close (fd[0]);
    (void) !write (fd[1], "x", 1); /* wakes what the ring still holds */
    close (fd[1]);
    for (int i = 0; i < 20; i++)
        kit_nowait (loop, 1);
    ck_assert_int_le (io.calls, 2); /* perhaps the last event of the old file, then the error */
    ev_io_stop (loop, &neighbour.w);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    ev_io_start (loop, &neighbour.w);
    ev_io_stop (loop, &io.w);
    neighbour_is_well (loop);
}

TEST_BACKENDS (fd_closed_without_stop_gives_the_error_triple_on_select_and_poll) // IO-12, IO-14
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int fd[2];

    if (test_backend & (EVBACKEND_EPOLL | EVBACKEND_IOURING))
        test_skip ("the kernel does not tell");
    kit_not_stock (EVBACKEND_POLL, "the reference aborts (IO-12)");
    test_pipe (fd);
    kit_start (loop, &io, fd[0], EV_READ);
    kit_nowait (loop, 2);
    close (fd[0]);
    kit_nowait (loop, 3);
    ck_assert_int_eq (io.calls, 1);
    ck_assert_int_eq (io.revents, KIT_BAD_FD);
    ck_assert (!ev_is_active (&io.w));
    close (fd[1]);
    neighbour_is_well (loop);
}

TEST_BACKENDS (fd_closed_without_stop_whose_number_is_used_again_serves_the_new_watcher) // IO-12, IO-7
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io old, fresh;
    int a[2], b[2];

    kit_not_stock (EVBACKEND_POLL | EVBACKEND_IOURING, "the reference aborts (IO-12)");
    test_socketpair (a);
    test_socketpair (b);
    kit_start (loop, &old, a[0], EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (dup2 (b[0], a[0]), a[0]); /* closes the old file */
    close (b[0]);
    ev_io_stop (loop, &old.w);
    kit_start (loop, &fresh, a[0], EV_READ);
    kit_nowait (loop, 3);
    ck_assert_int_eq (fresh.calls, 0);
    kit_put (b[1]);
    ck_assert (kit_until (loop, &fresh.calls, 1, 5.));
    ck_assert_int_eq (old.calls, 0);
    ck_assert (kit_eof (a[1]));
    kit_stop_close (loop, &fresh);
    close (a[1]);
    close (b[1]);
    neighbour_is_well (loop);
}

TEST_BACKENDS (fd_replaced_under_an_active_watcher_by_a_quiet_file_is_no_storm) // IO-12
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io;
    int a[2], quiet[2];

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring reports the old file");
    test_socketpair (a);
    test_pipe (quiet);
    kit_start (loop, &io, a[0], EV_READ);
    kit_nowait (loop, 2);
    ck_assert_int_eq (dup2 (quiet[0], a[0]), a[0]); /* without stop, without set */
    close (a[1]);
    kit_nowait (loop, 10);
    ck_assert_int_le (io.calls, 1); /* of the old file, at most */
    ev_io_stop (loop, &neighbour.w);
    ck_assert_uint_lt (kit_run_for (loop, 0.1), 10);
    ev_io_start (loop, &neighbour.w);
    kit_stop_close (loop, &io);
    close (quiet[0]);
    close (quiet[1]);
    neighbour_is_well (loop);
}

TEST_BACKENDS (fds_of_hundreds_closed_without_stop_do_no_harm) // IO-12
{
    enum { COUNT = 300 };
    static struct kit_io io[COUNT];
    struct ev_loop *loop = loop_with_neighbour ();

    kit_not_stock (EVBACKEND_POLL | EVBACKEND_IOURING, "the reference aborts (IO-12)");
    for (int i = 0; i < COUNT; i++)
        kit_start (loop, &io[i], eventfd (0, EFD_NONBLOCK), EV_READ);
    kit_nowait (loop, 2);
    for (int i = 0; i < COUNT; i++)
        close (io[i].w.fd);
    kit_nowait (loop, 5);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_le (io[i].calls, 1);
        ev_io_stop (loop, &io[i].w);
    }
    neighbour_is_well (loop);
}

/* ---- other wrong orders of calls ---------------------------------------------------------------- */

TEST_BACKENDS (io_stop_before_start_does_nothing) // WA-1
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io = { .calls = 0 };

    ev_io_init (&io.w, kit_count, 0, EV_READ);
    ev_io_stop (loop, &io.w);
    ev_io_stop (loop, &io.w);
    ev_feed_event (loop, &io.w, EV_READ);
    ev_io_stop (loop, &io.w); /* takes back the event */
    kit_nowait (loop, 2);
    ck_assert_int_eq (io.calls, 0);
    neighbour_is_well (loop);
}

static int drained;

static void drain_and_close_all (EV_P_ ev_io *w, int revents)
{
    struct kit_io *all = w->data;

    drained++;
    for (int i = 0; i < 10; i++) /* descriptors first, watchers after: the wrong way round */
        close (all[i].w.fd);
    for (int i = 0; i < 10; i++)
        ev_io_stop (EV_A_ & all[i].w);
}

TEST_BACKENDS (io_closed_before_it_is_stopped_in_one_callback_does_no_harm) // IO-12, rule 4
{
    struct ev_loop *loop = loop_with_neighbour ();
    struct kit_io io[10];
    int fd[10][2];

    for (int i = 0; i < 10; i++) {
        test_socketpair (fd[i]);
        kit_start (loop, &io[i], fd[i][0], EV_READ);
    }
    ev_set_cb (&io[3].w, drain_and_close_all);
    io[3].w.data = io;
    kit_nowait (loop, 2);
    kit_put (fd[3][1]);
    ck_assert (kit_until (loop, &drained, 1, 5.));
    kit_nowait (loop, 3);
    ck_assert_int_eq (drained, 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq (io[i].calls, 0);
#ifndef STOCK_LIBEV
        ck_assert (kit_eof (fd[i][1])); /* the reference's io_uring keeps them */
#endif
        close (fd[i][1]);
    }
    neighbour_is_well (loop);
}
