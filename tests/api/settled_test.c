/* settled_test.c: descriptors whose watchers stay as they are, event after event, as most do. A ring
 * prepares their next request before their callbacks have run (uring_stays): nobody shall notice, whatever the callbacks
 * do. Every backend has to do the same. */
#include "io_kit.h"

#include <pthread.h>

enum { SETTLED = 4, WARM = 6 };

static struct kit_io settled[SETTLED];
static int peer[SETTLED];

static void put_to_all (void)
{
    for (int i = 0; i < SETTLED; i++)
        kit_put (peer[i]);
}

static void all_have (int calls)
{
    for (int i = 0; i < SETTLED; i++)
        ck_assert_msg (settled[i].calls == calls, "number %d was called %d times, not %d", i,
                       settled[i].calls, calls);
}

/* A loop in which all have been ready several times. Their descriptors block. The first is called first. */
static struct ev_loop *settled_loop (void)
{
    struct ev_loop *loop = test_loop (0);

    for (int i = 0; i < SETTLED; i++) {
        int fd[2];

        ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, fd), 0);
        peer[i] = fd[1];
        settled[i] = (struct kit_io){ .calls = 0 };
        ev_io_init (&settled[i].w, kit_take, fd[0], EV_READ);
        ev_set_priority (&settled[i].w, EV_MAXPRI - i);
        ev_io_start (loop, &settled[i].w);
    }
    for (int run = 0; run < WARM; run++) {
        put_to_all ();
        kit_nowait (loop, 1);
    }
    all_have (WARM);
    return loop;
}

static void end (struct ev_loop *loop)
{
    ev_verify (loop);
    for (int i = 0; i < SETTLED; i++) {
        if (!ev_is_active (&settled[i].w))
            continue;
        kit_stop_close (loop, &settled[i]);
        ck_assert_msg (kit_eof (peer[i]), "number %d is still open", i);
    }
    for (int i = 0; i < SETTLED; i++)
        close (peer[i]);
}

TEST_BACKENDS (settled_descriptor_is_reported_while_it_is_ready_and_not_a_time_more) // IO-1, rule 3
{
    struct ev_loop *loop = settled_loop ();

    put_to_all ();
    put_to_all ();
    kit_nowait (loop, 2);
    all_have (WARM + 2);
    kit_nowait (loop, 3);
    all_have (WARM + 2);
    end (loop);
}

static struct kit_io idle;

/* Which asks the ring for something at once. */
static void stop_the_idle_one (EV_P_ ev_io *w, int revents)
{
    kit_take (EV_A_ w, revents);
    ev_io_stop (EV_A_ & idle.w);
}

TEST_BACKENDS (
    settled_descriptor_is_not_reported_for_what_is_read_after_another_one_has_stopped) // IO-1, rule 3 with 4
{
    struct ev_loop *loop = settled_loop ();
    int fd[2];

    test_socketpair (fd);
    kit_start (loop, &idle, fd[0], EV_READ);
    kit_nowait (loop, 1);
    ev_set_cb (&settled[0].w, stop_the_idle_one);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    kit_nowait (loop, 2);
    all_have (WARM + 1);
    ck_assert_int_eq (idle.calls, 0);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 2);
    close (fd[0]);
    close (fd[1]);
    end (loop);
}

static void stop_and_close (EV_P_ ev_io *w, int revents)
{
    kit_take (EV_A_ w, revents);
    kit_stop_close (EV_A_ (struct kit_io *) w);
    ck_assert (kit_eof (peer[(struct kit_io *) w - settled]));
}

TEST_BACKENDS (settled_descriptor_closes_when_its_callback_stops_it) // U-2, rule 4
{
    struct ev_loop *loop = settled_loop ();

    for (int i = 0; i < SETTLED; i += 2)
        ev_set_cb (&settled[i].w, stop_and_close);
    put_to_all ();
    kit_nowait (loop, 3);
    all_have (WARM + 1);
    for (int i = 1; i < SETTLED; i += 2)
        kit_put (peer[i]);
    kit_nowait (loop, 1);
    for (int i = 0; i < SETTLED; i++)
        ck_assert_int_eq (settled[i].calls, WARM + 1 + i % 2);
    end (loop);
}

static void stop_its_neighbours (EV_P_ ev_io *w, int revents)
{
    kit_take (EV_A_ w, revents);
    for (int i = 0; i < SETTLED; i++)
        if (&settled[i].w != w) {
            kit_stop_close (EV_A_ & settled[i]);
            ck_assert (kit_eof (peer[i]));
        }
}

/* Number 0 was called before, the others would have been. */
TEST_BACKENDS (settled_descriptors_close_when_the_callback_of_another_one_stops_them) // U-2, PQ-3
{
    struct ev_loop *loop = settled_loop ();

    ev_set_cb (&settled[1].w, stop_its_neighbours);
    put_to_all ();
    kit_nowait (loop, 3);
    for (int i = 0; i < SETTLED; i++)
        ck_assert_int_eq (settled[i].calls, WARM + (i < 2));
    kit_put (peer[1]);
    ev_set_cb (&settled[1].w, kit_take);
    kit_nowait (loop, 1);
    ck_assert_int_eq (settled[1].calls, WARM + 2);
    end (loop);
}

static void read_and_want_both (EV_P_ ev_io *w, int revents)
{
    kit_count (EV_A_ w, revents);
    if (revents & EV_READ)
        kit_get (w->fd);
    ev_io_stop (EV_A_ w);
    ev_io_set (w, w->fd, revents & EV_WRITE ? EV_READ : EV_READ | EV_WRITE);
    ev_io_start (EV_A_ w);
}

TEST_BACKENDS (settled_descriptor_may_be_changed_by_its_callback_each_time) // IO-5, IO-7
{
    struct ev_loop *loop = settled_loop ();

    ev_set_cb (&settled[0].w, read_and_want_both);
    for (int i = 0; i < 3; i++) {
        kit_put (peer[0]);
        kit_nowait (loop, 1);
        ck_assert_int_eq (settled[0].revents, EV_READ);
        kit_nowait (loop, 1);
        ck_assert_int_eq (settled[0].revents, EV_WRITE);
        kit_nowait (loop, 2);
        ck_assert_int_eq (settled[0].calls, WARM + 2 * (i + 1));
    }
    end (loop);
}

/* The request for both is prepared when the second watcher stops. */
TEST_BACKENDS (settled_descriptor_is_not_reported_for_what_a_second_watcher_wanted) // IO-3, IO-5
{
    struct ev_loop *loop = settled_loop ();
    struct kit_io writer;

    kit_start (loop, &writer, settled[0].w.fd, EV_WRITE);
    kit_nowait (loop, WARM);
    ck_assert_int_eq (writer.calls, WARM);
    ev_io_stop (loop, &writer.w);
    ck_assert (kit_sleeps (loop, 0.05));
    kit_nowait (loop, 1);
    all_have (WARM);
    kit_start (loop, &writer, settled[0].w.fd, EV_WRITE);
    kit_nowait (loop, 1);
    ck_assert_int_eq (writer.calls, 1);
    ev_io_stop (loop, &settled[0].w);
    ev_io_stop (loop, &writer.w);
    close (settled[0].w.fd);
    ck_assert (kit_eof (peer[0]));
    end (loop);
}

static int successor[2];

static void make_room_for_another_one (EV_P_ ev_io *w, int revents)
{
    int fd = w->fd;

    kit_take (EV_A_ w, revents);
    kit_stop_close (EV_A_ (struct kit_io *) w);
    test_socketpair (successor);
    ck_assert_int_eq (successor[0], fd);
    ev_io_set (w, fd, EV_READ);
    ev_set_cb (w, kit_take);
    ev_io_start (EV_A_ w);
}

TEST_BACKENDS (settled_descriptor_whose_number_becomes_another_file_is_watched_as_that) // IO-8, U-3
{
    struct ev_loop *loop = settled_loop ();

    ev_set_cb (&settled[0].w, make_room_for_another_one);
    put_to_all ();
    kit_nowait (loop, 3);
    all_have (WARM + 1);
    ck_assert (kit_eof (peer[0]));
    close (peer[0]);
    peer[0] = successor[1];
    put_to_all ();
    kit_nowait (loop, 2);
    all_have (WARM + 2);
    end (loop);
}

static void *stop_and_run_elsewhere (void *loop)
{
    kit_stop_close (loop, &settled[0]);
    ck_assert (kit_eof (peer[0]));
    for (int i = 1; i < SETTLED; i++)
        kit_put (peer[i]);
    kit_nowait (loop, 3);
    return NULL;
}

TEST_BACKENDS (settled_descriptors_move_with_their_loop_to_another_thread) // TH-1, U-2
{
    struct ev_loop *loop = settled_loop ();
    pthread_t thread;

    kit_not_stock (EVBACKEND_IOURING, "the reference's io_uring aborts (TH-1)");
    ck_assert_int_eq (pthread_create (&thread, NULL, stop_and_run_elsewhere, loop), 0);
    pthread_join (thread, NULL);
    for (int i = 1; i < SETTLED; i++)
        ck_assert_int_eq (settled[i].calls, WARM + 1);
    end (loop);
}

static void rebuild (void *loop)
{
    ev_loop_fork (loop);
    put_to_all ();
    kit_nowait (loop, 2);
    all_have (WARM + 1);
    for (int i = 0; i < SETTLED; i++) /* the kernel empties a dead child's ring when it has the time */
        kit_stop_close (loop, &settled[i]);
    _exit (0);
}

TEST_BACKENDS (settled_descriptors_go_on_in_a_fork_child_and_in_its_parent) // FK-3, rule 10
{
    struct ev_loop *loop = settled_loop ();

    ck_assert_int_eq (test_child (rebuild, loop, NULL, 0), 0);
    kit_nowait (loop, 2);
    all_have (WARM);
    put_to_all ();
    kit_nowait (loop, 1);
    all_have (WARM + 1);
    end (loop);
}

TEST_BACKENDS (settled_descriptors_close_with_their_loop) // U-2, LP-6
{
    struct ev_loop *loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    struct ev_loop *warm = settled_loop ();
    struct kit_io io;

    ev_io_stop (warm, &settled[0].w);
    kit_start (loop, &io, settled[0].w.fd, EV_READ);
    ev_set_cb (&io.w, kit_take);
    for (int i = 0; i < WARM; i++) {
        kit_put (peer[0]);
        ev_run (loop, EVRUN_NOWAIT);
    }
    ck_assert_int_eq (io.calls, WARM);
    ev_loop_destroy (loop);
    close (io.w.fd);
    ck_assert (kit_eof (peer[0]));
    end (warm);
}

static void put_to_the_first (EV_P_ ev_timer *w, int revents)
{
    kit_put (peer[0]);
}

TEST_BACKENDS (settled_descriptors_wake_a_loop_that_embeds_theirs) // EM-1, rule 12
{
    struct ev_loop *inner = settled_loop (), *outer;
    ev_embed embed;
    ev_timer later;

    if (!(ev_embeddable_backends () & ev_backend (inner)))
        test_skip ("not an embeddable backend");
    outer = ev_loop_new (EVFLAG_NOENV);
    ev_embed_init (&embed, NULL, inner);
    ev_embed_start (outer, &embed);
    ev_timer_init (&later, put_to_the_first, 0.01, 0.);
    for (int i = 1; i <= WARM; i++) {
        ev_timer_set (&later, 0.01, 0.);
        ev_timer_start (outer, &later);
        while (settled[0].calls < WARM + i) /* no tick hides a lost wake-up */
            ev_run (outer, EVRUN_ONCE);
    }
    ev_embed_stop (outer, &embed);
    ev_loop_destroy (outer);
    end (inner);
}
