/* epollset_test.c: how many calls an epoll set costs. */
#include "unit.h"

#include <unistd.h>

static int epoll_ctls;

static int count_epoll_ctl (const char *call)
{
    epoll_ctls += !strcmp (call, "epoll_ctl");
    return 0;
}

static void ignore (struct ev_loop *loop, ev_io *w, int revents)
{
    (void) loop, (void) w, (void) revents;
}

static struct ev_loop *loop_on_epoll (ev_io *w, int fd)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);

    ck_assert_ptr_nonnull (loop);
    ev_io_init (w, ignore, fd, EV_READ);
    ev_io_start (loop, w);
    ev_run (loop, EVRUN_NOWAIT);
    epoll_ctls = 0;
    evi_sys_fault = count_epoll_ctl;
    return loop;
}

static void start_anew (struct ev_loop *loop, ev_io *w, int events)
{
    ev_io_stop (loop, w);
    ev_io_set (w, w->fd, events);
    ev_io_start (loop, w);
    ev_run (loop, EVRUN_NOWAIT);
}

static void end (struct ev_loop *loop, ev_io *w, const int fd[2])
{
    evi_sys_fault = NULL;
    ev_verify (loop);
    ev_io_stop (loop, w);
    ev_loop_destroy (loop);
    close (fd[0]);
    close (fd[1]);
}

TEST (interest_changed_by_set_costs_one_epoll_ctl) // IO-9, design 5.4
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = loop_on_epoll (&w, (test_socketpair (fd), fd[0]));

    for (int changes = 1; changes <= 4; changes++) {
        start_anew (loop, &w, changes & 1 ? EV_WRITE : EV_READ);
        ck_assert_int_eq (epoll_ctls, changes);
    }
    start_anew (loop, &w, EV_READ); /* as before, but it might be another file */
    ck_assert_int_eq (epoll_ctls, 5);
    end (loop, &w, fd);
}

TEST (number_that_became_another_file_is_told_anew_whatever_was_watched_before) // IO-9
{
    static const int events[] = { EV_READ, EV_WRITE, EV_READ | EV_WRITE };

    for (unsigned i = 0; i < EVI_COUNT (events); i++) {
        int fd[2], other[2];
        ev_io w;
        struct ev_loop *loop = loop_on_epoll (&w, (test_socketpair (fd), fd[0]));

        test_socketpair (other);
        dup2 (other[0], fd[0]);
        ck_assert_int_eq (write (other[1], "x", 1), 1);
        start_anew (loop, &w, events[i]);
        ck_assert_int_le (epoll_ctls, 2);
        ev_feed_fd_event (loop, fd[0], 0);
        ck_assert_uint_eq (loop->stats.events, 1);
        close (other[0]);
        close (other[1]);
        end (loop, &w, fd);
    }
}

TEST (watcher_stopped_and_started_again_within_an_iteration_costs_no_call) // IO-9
{
    int fd[2];
    ev_io w;
    struct ev_loop *loop = loop_on_epoll (&w, (test_socketpair (fd), fd[0]));

    ev_io_stop (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ev_io_start (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (epoll_ctls, 1); /* the set is asked whether it still has this file */
    ev_io_stop (loop, &w);
    ev_io_start (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (epoll_ctls, 1);
    end (loop, &w, fd);
}

static int told;

static void count_told (struct ev_loop *loop, ev_io *w, int revents)
{
    (void) loop, (void) w, (void) revents;
    told++;
}

TEST (number_that_stands_for_an_older_file_again_hears_of_that_one_only) // IO-9, IO-13
{
    int fd[2], a[2], b[2];
    ev_io w;
    struct ev_loop *loop = loop_on_epoll (&w, (test_socketpair (fd), fd[0]));

    test_socketpair (a);
    test_socketpair (b);
    ev_set_cb (&w, count_told);
    told = 0;
    for (int turn = 0; turn < 3; turn++) {
        dup2 (turn % 2 ? a[0] : b[0], fd[0]);
        start_anew (loop, &w, EV_READ);
    }
    ck_assert_int_eq (write (a[1], "x", 1), 1);
    for (int run = 0; run < 10; run++)
        ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (told, 0);
    ck_assert_int_eq (write (b[1], "x", 1), 1);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (told, 1);
    end (loop, &w, fd);
    for (int i = 0; i < 2; i++) {
        close (a[i]);
        close (b[i]);
    }
}
