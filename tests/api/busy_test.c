/* busy_test.c: many descriptors that are ready again and again, as those of a busy server are. Every backend has to do
 * the same. */
#define _GNU_SOURCE
#include "io_kit.h"

#include <ev_op.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MANY = 40, WARM = 6 };

static struct kit_io busy[MANY];
static int peer[MANY];

static void put_to_all (void)
{
    for (int i = 0; i < MANY; i++)
        kit_put (peer[i]);
}

static void all_have (int calls)
{
    for (int i = 0; i < MANY; i++)
        ck_assert_msg (busy[i].calls == calls, "number %d was called %d times, not %d", i, busy[i].calls,
                       calls);
}

/* A loop in which all have been ready several times. Their descriptors block. */
static struct ev_loop *busy_loop (void (*cb) (EV_P_ ev_io *w, int revents))
{
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < MANY; i++) {
        int fd[2];

        ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, fd), 0);
        peer[i] = fd[1];
        kit_start (loop, &busy[i], fd[0], EV_READ);
        ev_set_cb (&busy[i].w, cb);
    }
    for (int run = 0; run < WARM; run++) {
        put_to_all ();
        kit_nowait (loop, 1);
    }
    all_have (WARM);
    return loop;
}

static int ring_is_small (void)
{
    const char *ring = getenv ("EVRING_RING");

    return ring && strstr (ring, "cq=");
}

static void end (struct ev_loop *loop)
{
    ev_verify (loop);
    for (int i = 0; i < MANY; i++) {
        kit_stop_close (loop, &busy[i]);
        ck_assert_msg (kit_eof (peer[i]), "number %d is still open", i);
        close (peer[i]);
    }
}

TEST_BACKENDS (busy_descriptors_are_reported_while_they_are_ready_and_not_a_time_more) // IO-1, rule 3
{
    struct ev_loop *loop = busy_loop (kit_take);

    put_to_all ();
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    kit_nowait (loop, 1); /* the second byte is still there */
    all_have (WARM + 2);
    kit_nowait (loop, 3);
    all_have (WARM + 2);
    end (loop);
}

static int empty, pokes;

/* Takes all there is, and gives another one something, whose callback may be about to run or has run already. */
static void drain_and_poke (EV_P_ ev_io *w, int revents)
{
    int i = (int) ((struct kit_io *) w - busy);
    char drop[64];

    kit_count (EV_A_ w, revents);
    if (recv (w->fd, drop, sizeof drop, MSG_DONTWAIT) <= 0)
        empty++;
    if (pokes-- > 0)
        kit_put (peer[(i + 7) % MANY]);
}

TEST_BACKENDS (busy_descriptor_is_not_reported_again_for_what_its_callback_has_read) // IO-8, rule 3
{
    struct ev_loop *loop = busy_loop (kit_take);

    for (int i = 0; i < MANY; i++)
        ev_set_cb (&busy[i].w, drain_and_poke);
    for (int round = 0; round < 50; round++) {
        pokes = 3 * MANY;
        put_to_all ();
        kit_nowait (loop, 6);
    }
    ck_assert_int_eq (empty, 0);
    end (loop);
}

static void put_to_the_next (EV_P_ ev_io *w, int revents)
{
    int i = (int) ((struct kit_io *) w - busy);

    kit_take (EV_A_ w, revents);
    if (busy[i].calls == WARM + 1) {
        kit_put (peer[(i + 1) % MANY]); /* called in this iteration already, or about to be */
        kit_put (peer[(i + MANY - 1) % MANY]);
    }
}

TEST_BACKENDS (busy_descriptor_loses_nothing_that_comes_while_callbacks_run) // IO-8
{
    struct ev_loop *loop = busy_loop (kit_take);

    for (int i = 0; i < MANY; i++)
        ev_set_cb (&busy[i].w, put_to_the_next);
    put_to_all ();
    kit_nowait (loop, 3); /* three bytes each, one per call */
    all_have (WARM + 3);
    kit_nowait (loop, 2);
    all_have (WARM + 3);
    end (loop);
}

TEST_BACKENDS (busy_descriptors_wake_a_sleeping_loop_one_by_one) // IO-1
{
    struct ev_loop *loop = busy_loop (kit_take);

    for (int i = 0; i < MANY; i++) {
        kit_put (peer[i]);
        ev_run (loop, EVRUN_ONCE);
        ck_assert_int_eq (busy[i].calls, WARM + 1);
    }
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 2);
    end (loop);
}

static void put_two_to_all (void)
{
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq (write (peer[i], "xx", 2), 2); /* which wakes once */
}

static void *put_two_to_all_later (void *nobody)
{
    usleep (20000);
    put_two_to_all ();
    return NULL;
}

TEST_BACKENDS (busy_descriptors_that_wake_a_sleeping_loop_stay_ready_until_all_is_read) // IO-1, rule 3
{
    struct ev_loop *loop = busy_loop (kit_take);
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, put_two_to_all_later, NULL), 0);
    ev_run (loop, EVRUN_ONCE);
    pthread_join (thread, NULL);
    for (int i = 0; i < MANY; i++)
        ck_assert (kit_until (loop, &busy[i].calls, WARM + 2, 5.));
    kit_nowait (loop, 2);
    all_have (WARM + 2);
    end (loop);
}

TEST_BACKENDS (busy_descriptors_change_their_mask_like_any_other) // IO-5
{
    struct ev_loop *loop = busy_loop (kit_take);
    struct kit_io writer;

    kit_start (loop, &writer, busy[0].w.fd, EV_WRITE);
    put_to_all ();
    kit_nowait (loop, 1);
    ck_assert_int_eq (writer.calls, 1);
    all_have (WARM + 1);
    ev_io_stop (loop, &writer.w);
    kit_nowait (loop, 2);
    ck_assert_int_eq (writer.calls, 1);
    ev_io_stop (loop, &busy[1].w);
    ev_io_start (loop, &busy[1].w);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 2);
    end (loop);
}

TEST_BACKENDS (busy_descriptor_stopped_with_news_on_their_way_closes) // U-2
{
    struct ev_loop *loop = busy_loop (kit_take);

    put_to_all ();
    for (int i = 0; i < MANY; i += 2) {
        char drop[16];

        ev_io_stop (loop, &busy[i].w);
        ck_assert_int_eq (recv (busy[i].w.fd, drop, sizeof drop, MSG_DONTWAIT), 1);
        close (busy[i].w.fd);
        ck_assert (kit_eof (peer[i]));
        close (peer[i]);
    }
    kit_nowait (loop, 1);
    for (int i = 1; i < MANY; i += 2) {
        ck_assert_int_eq (busy[i].calls, WARM + 1);
        kit_stop_close (loop, &busy[i]);
        close (peer[i]);
    }
}

TEST_BACKENDS (busy_descriptors_that_were_stopped_end_no_sleep) // U-2, RN-4
{
    struct ev_loop *loop = busy_loop (kit_take);

    for (int i = 0; i < MANY; i += 2)
        ev_set_cb (&busy[i].w, kit_leave);
    put_to_all ();
    kit_nowait (loop, 1);
    ck_assert (kit_sleeps (loop, 0.05)
               || ring_is_small ()); /* where an overflow has ended requests, that is worth a turn */
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq (busy[i].calls, WARM + 1);
        ck_assert (i % 2 || kit_eof (peer[i]));
        close (peer[i]);
        if (i % 2)
            kit_stop_close (loop, &busy[i]);
    }
}

static void close_it (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    close (w->fd);
    ev_set_cb (w, kit_count);
}

TEST_BACKENDS (busy_descriptor_closed_under_its_watcher_is_told_and_holds_nothing) // IO-14, U-14
{
    struct ev_loop *loop = busy_loop (kit_take);

    if (test_backend == EVBACKEND_EPOLL
        || (getenv ("EVRING_RING") && strstr (getenv ("EVRING_RING"), "guests")))
        test_skip ("epoll forgets closed descriptors, and says nothing");
    for (int i = 0; i < MANY; i += 2)
        ev_set_cb (&busy[i].w, close_it);
    put_to_all ();
    kit_nowait (loop, 4);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq (busy[i].calls, WARM + 2 - i % 2);
        if (i % 2 == 0) {
            ck_assert_int_eq (busy[i].revents, KIT_BAD_FD);
            ck_assert (!ev_is_active (&busy[i].w));
        } else
            kit_stop_close (loop, &busy[i]);
        ck_assert (kit_eof (peer[i]));
        close (peer[i]);
    }
}

static void rebuild (void *loop)
{
    ev_loop_fork (loop);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    for (int i = 0; i < MANY; i++) /* the kernel empties a dead child's ring when it has the time */
        kit_stop_close (loop, &busy[i]);
    _exit (0);
}

TEST_BACKENDS (busy_descriptors_go_on_in_a_fork_child_and_in_its_parent) // FK-3, rule 10
{
    struct ev_loop *loop = busy_loop (kit_take);

    ck_assert_int_eq (test_child (rebuild, loop, NULL, 0), 0);
    kit_nowait (loop, 2);
    all_have (WARM);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    end (loop);
}
