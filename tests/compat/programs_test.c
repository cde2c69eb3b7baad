/* programs_test.c: small programs as people write them with libev, each on every backend.
 * They use several watcher kinds together, and only what the manual promises. Contract ids are tested one by one
 * in tests/api; here it is whether the whole holds. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- an echo server and its clients ---- */

enum { CLIENTS = 6, MESSAGE = 50000 };

struct connection {
    ev_io io;
    unsigned char buffer[4096];
    size_t from, to; /* what is to be written */
};

struct client {
    ev_io io;
    size_t sent, received;
};

static int clients_done;

static void echo (EV_P_ ev_io *w, int revents)
{
    struct connection *c = (struct connection *) w;

    if (revents & EV_READ) {
        ssize_t n = read (w->fd, c->buffer, sizeof c->buffer);
        if (n == 0) {
            ev_io_stop (EV_A_ w);
            close (w->fd);
            free (c);
            return;
        }
        c->from = 0;
        c->to = n > 0 ? (size_t) n : 0;
    }
    if (c->from < c->to) {
        ssize_t n = write (w->fd, c->buffer + c->from, c->to - c->from);
        c->from += n > 0 ? (size_t) n : 0;
    }
    ev_io_stop (EV_A_ w);
    ev_io_set (w, w->fd, c->from < c->to ? EV_WRITE : EV_READ);
    ev_io_start (EV_A_ w);
}

static void on_connection (EV_P_ ev_io *w, int revents)
{
    int fd = accept4 (w->fd, NULL, NULL, SOCK_NONBLOCK);
    struct connection *c;

    if (fd < 0)
        return;
    c = calloc (1, sizeof *c);
    ev_io_init (&c->io, echo, fd, EV_READ);
    ev_io_start (loop, &c->io);
}

static unsigned char byte_at (size_t at)
{
    return (unsigned char) (at * 31 + at / 253);
}

static void client_sends (struct client *c)
{
    unsigned char buffer[3000];
    size_t size = MESSAGE - c->sent < sizeof buffer ? MESSAGE - c->sent : sizeof buffer;
    ssize_t n;

    for (size_t i = 0; i < size; i++)
        buffer[i] = byte_at (c->sent + i);
    n = write (c->io.fd, buffer, size);
    c->sent += n > 0 ? (size_t) n : 0;
}

static void client_receives (struct client *c)
{
    unsigned char buffer[5000];
    ssize_t n = read (c->io.fd, buffer, sizeof buffer);

    for (ssize_t i = 0; i < n; i++)
        ck_assert_uint_eq (buffer[i], byte_at (c->received + (size_t) i));
    c->received += n > 0 ? (size_t) n : 0;
}

static void on_client (EV_P_ ev_io *w, int revents)
{
    struct client *c = (struct client *) w;

    if (revents & EV_WRITE)
        client_sends (c);
    if (revents & EV_READ)
        client_receives (c);
    if (c->sent == MESSAGE && (w->events & EV_WRITE)) {
        ev_io_stop (EV_A_ w);
        ev_io_modify (w, EV_READ);
        ev_io_start (EV_A_ w);
    }
    if (c->received < MESSAGE)
        return;
    ev_io_stop (EV_A_ w);
    close (w->fd);
    if (++clients_done == CLIENTS)
        ev_break (EV_A_ EVBREAK_ALL);
}

static int listening (struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memset (address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    ck_assert_int_eq (bind (fd, (struct sockaddr *) address, size), 0);
    ck_assert_int_eq (listen (fd, CLIENTS), 0);
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) address, &size), 0);
    return fd;
}

TEST_BACKENDS (program_echo_server_echoes_everything_to_all_its_clients)
{
    struct ev_loop *loop = test_loop (0);
    static struct client clients[CLIENTS];
    struct sockaddr_in address;
    ev_io listener;

    ev_io_init (&listener, on_connection, listening (&address), EV_READ);
    ev_io_start (loop, &listener);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int status = connect (fd, (struct sockaddr *) &address, sizeof address);
        ck_assert (status == 0 || errno == EINPROGRESS);
        ev_io_init (&clients[i].io, on_client, fd, EV_READ | EV_WRITE);
        ev_io_start (loop, &clients[i].io);
    }
    ev_run (loop, 0);
    ck_assert_int_eq (clients_done, CLIENTS);
    ev_io_stop (loop, &listener);
    close (listener.fd);
    ev_run (loop, 0); /* until the server has seen all its connections end */
}

/* ---- a thread that works, a loop that collects ---- */

enum { ITEMS = 2000 };

static struct {
    pthread_mutex_t lock;
    int items[ITEMS];
    int count;
    ev_async arrived;
    struct ev_loop *loop;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int collected;

static void *produces (void *arg)
{
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock (&queue.lock);
        queue.items[queue.count++] = i;
        pthread_mutex_unlock (&queue.lock);
        ev_async_send (queue.loop, &queue.arrived);
    }
    return arg;
}

static void collects (EV_P_ ev_async *w, int revents)
{
    pthread_mutex_lock (&queue.lock);
    for (; collected < queue.count; collected++)
        ck_assert_int_eq (queue.items[collected], collected);
    pthread_mutex_unlock (&queue.lock);
    if (collected == ITEMS)
        ev_async_stop (EV_A_ w);
}

TEST_BACKENDS (program_worker_thread_wakes_the_loop_for_every_result)
{
    pthread_t worker;

    queue.loop = test_loop (0);
    ev_async_init (&queue.arrived, collects);
    ev_async_start (queue.loop, &queue.arrived);
    ck_assert_int_eq (pthread_create (&worker, NULL, produces, NULL), 0);
    ev_run (queue.loop, 0);
    ck_assert_int_eq (collected, ITEMS);
    pthread_join (worker, NULL);
}

/* ---- a loop in a thread of its own, other threads change it under a lock ---- */

static pthread_mutex_t loop_lock = PTHREAD_MUTEX_INITIALIZER;
static ev_async loop_changed;
static int fired;

static void lock_release (EV_P) EV_NOEXCEPT
{
    pthread_mutex_unlock (&loop_lock);
}

static void lock_acquire (EV_P) EV_NOEXCEPT
{
    pthread_mutex_lock (&loop_lock);
}

static void nothing_to_do (EV_P_ ev_async *w, int revents)
{
}

static void *runs_the_loop (void *arg)
{
    struct ev_loop *loop = arg;

    lock_acquire (loop);
    ev_run (loop, 0);
    lock_release (loop);
    return NULL;
}

static void fires (EV_P_ ev_timer *w, int revents)
{
    if (++fired == 3)
        ev_async_stop (loop, &loop_changed);
}

TEST_BACKENDS (program_locked_loop_takes_timers_from_another_thread)
{
    struct ev_loop *loop = test_loop (0);
    static ev_timer timers[3];
    pthread_t thread;

    ev_async_init (&loop_changed, nothing_to_do);
    ev_async_start (loop, &loop_changed);
    ev_set_loop_release_cb (loop, lock_release, lock_acquire);
    ck_assert_int_eq (pthread_create (&thread, NULL, runs_the_loop, loop), 0);
    for (int i = 0; i < 3; i++) {
        ev_sleep (0.005); /* most likely it sleeps by now; it must not matter */
        pthread_mutex_lock (&loop_lock);
        ev_now_update (loop);
        ev_timer_init (&timers[i], fires, 0.001, 0.);
        ev_timer_start (loop, &timers[i]);
        ev_async_send (loop, &loop_changed);
        pthread_mutex_unlock (&loop_lock);
    }
    pthread_join (thread, NULL);
    ck_assert_int_eq (fired, 3);
}

/* ---- a library with a poll interface of its own, joined to the loop by prepare and check ---- */

static struct {
    struct pollfd wanted;
    double due; /* on the clock of the loop; 0: never */
    int read, timeouts;
} foreign;

static struct {
    ev_prepare prepare;
    ev_check check;
    ev_io io;
    ev_timer timer;
} glue;

static void foreign_works (double now)
{
    char byte;

    if (foreign.wanted.revents & POLLIN)
        foreign.read += (int) read (foreign.wanted.fd, &byte, 1);
    foreign.wanted.revents = 0;
    if (foreign.due > 0. && foreign.due <= now) {
        foreign.timeouts++;
        foreign.due = 0.;
    }
}

static void glue_io (EV_P_ ev_io *w, int revents)
{
    foreign.wanted.revents = (short) (revents & EV_READ ? POLLIN : 0);
}

static void glue_timer (EV_P_ ev_timer *w, int revents)
{
}

static void glue_prepare (EV_P_ ev_prepare *w, int revents)
{
    ev_io_init (&glue.io, glue_io, foreign.wanted.fd, EV_READ);
    ev_io_start (loop, &glue.io);
    if (foreign.due > 0.) {
        ev_timer_init (&glue.timer, glue_timer, foreign.due - ev_now (EV_A), 0.);
        ev_timer_start (loop, &glue.timer);
    }
}

static void glue_check (EV_P_ ev_check *w, int revents)
{
    int events = ev_clear_pending (loop, &glue.io);

    if (events)
        glue_io (loop, &glue.io, events);
    ev_io_stop (loop, &glue.io);
    ev_timer_stop (loop, &glue.timer);
    foreign_works (ev_now (EV_A));
    if (foreign.read == 3 && foreign.timeouts == 1)
        ev_break (EV_A_ EVBREAK_ALL);
}

TEST_BACKENDS (program_foreign_library_runs_inside_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    test_pipe (fd);
    ck_assert_int_eq (write (fd[1], "abc", 3), 3);
    foreign.wanted.fd = fd[0];
    foreign.due = ev_now (loop) + 0.01;
    ev_init (&glue.timer, glue_timer);
    ev_prepare_init (&glue.prepare, glue_prepare);
    ev_check_init (&glue.check, glue_check);
    ev_set_priority (&glue.check, EV_MAXPRI);
    ev_prepare_start (loop, &glue.prepare);
    ev_check_start (loop, &glue.check);
    ev_run (loop, 0);
    ck_assert_int_eq (foreign.read, 3);
    ck_assert_int_eq (foreign.timeouts, 1);
    ev_prepare_stop (loop, &glue.prepare);
    ev_check_stop (loop, &glue.check);
    close (fd[0]);
    close (fd[1]);
}

/* ---- a supervisor: starts processes, restarts those that fail, kills those that take too long ---- */

enum { SERVICES = 4, ATTEMPTS = 3 };

static struct service {
    ev_child child;
    ev_timer limit;
    int attempts, killed, done;
} services[SERVICES];

static void service_spawn (EV_P_ struct service *service);

static void service_ended (EV_P_ ev_child *w, int revents)
{
    struct service *service = (struct service *) w;

    ev_child_stop (EV_A_ w);
    ev_timer_stop (loop, &service->limit);
    ck_assert_int_eq (w->rpid, w->pid);
    if (WIFSIGNALED (w->rstatus)) {
        ck_assert_int_eq (WTERMSIG (w->rstatus), SIGKILL);
        service->killed++;
    } else if (WEXITSTATUS (w->rstatus) != 0 && service->attempts < ATTEMPTS)
        service_spawn (EV_A_ service);
    else
        service->done = 1;
}

static void service_late (EV_P_ ev_timer *w, int revents)
{
    struct service *service = w->data;

    kill (service->child.pid, SIGKILL);
}

static int service_work (long number, int attempt)
{
    if (number == 3)
        for (;;)
            pause (); /* too long */
    return number == 1 && attempt < ATTEMPTS ? 1 : 0;
}

static void service_spawn (EV_P_ struct service *service)
{
    pid_t pid;

    service->attempts++;
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (!pid)
        _exit (service_work (service - services, service->attempts));
    ev_child_init (&service->child, service_ended, pid, 0);
    ev_child_start (loop, &service->child);
    ev_timer_init (&service->limit, service_late, service - services == 3 ? 0.03 : 60., 0.);
    service->limit.data = service;
    ev_timer_start (loop, &service->limit);
}

TEST_BACKENDS (program_supervisor_restarts_what_fails_and_kills_what_hangs)
{
    struct ev_loop *loop = test_default_loop (0);

    for (int i = 0; i < SERVICES; i++)
        service_spawn (loop, &services[i]);
    ev_run (loop, 0);
    for (int i = 0; i < SERVICES; i++) {
        ck_assert_int_eq (services[i].killed, i == 3);
        ck_assert_int_eq (services[i].done, i != 3);
        ck_assert_int_eq (services[i].attempts, i == 1 ? ATTEMPTS : 1);
    }
}

/* ---- a connection that is dropped when nothing has happened for a while ---- */

static ev_tstamp last_activity;
static int activities, dropped;

enum { ACTIVITIES = 5 };
static const ev_tstamp patience = 0.01;

static void check_activity (EV_P_ ev_timer *w, int revents)
{
    ev_tstamp after = last_activity - ev_now (EV_A) + patience;

    if (after <= 0. && activities >= ACTIVITIES) { /* before, it was this machine that was slow */
        dropped++;
        ev_break (EV_A_ EVBREAK_ALL);
        return;
    }
    ev_timer_set (w, after > 0. ? after : patience, 0.); /* look again later */
    ev_timer_start (EV_A_ w);
}

static void activity (EV_P_ ev_io *w, int revents)
{
    char byte;

    ck_assert_int_eq (read (w->fd, &byte, 1), 1);
    last_activity = ev_now (EV_A);
    activities++;
}

static void talks (EV_P_ ev_timer *w, int revents)
{
    int *fd = w->data;

    ck_assert_int_eq (write (fd[1], "x", 1), 1);
    if (activities + 1 >= ACTIVITIES)
        ev_timer_stop (EV_A_ w);
}

TEST_BACKENDS (program_idle_connection_is_dropped_but_not_a_busy_one)
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timeout, talker;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    ev_io_init (&io, activity, fd[0], EV_READ);
    ev_io_start (loop, &io);
    last_activity = ev_now (loop);
    ev_timer_init (&talker, talks, 0.002, 0.002);
    talker.data = fd;
    ev_timer_start (loop, &talker);
    ev_init (&timeout, check_activity);
    check_activity (loop, &timeout, 0);
    ev_run (loop, 0);
    ck_assert_int_ge (activities, ACTIVITIES);
    ck_assert_int_eq (dropped, 1);
    ck_assert_double_ge (ev_now (loop) - last_activity, patience);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}

/* ---- work in slices, that gives way to what is urgent ---- */

static int slices, urgent, urgent_at;

static void works_a_slice (EV_P_ ev_idle *w, int revents)
{
    if (++slices == 10)
        ev_idle_stop (EV_A_ w);
}

static void is_urgent (EV_P_ ev_io *w, int revents)
{
    char byte;

    while (read (w->fd, &byte, 1) == 1)
        urgent++;
    urgent_at = slices;
    ev_io_stop (EV_A_ w);
}

TEST_BACKENDS (program_work_in_slices_gives_way_to_descriptors)
{
    struct ev_loop *loop = test_loop (0);
    ev_idle idle;
    ev_io io;
    int fd[2];

    test_pipe (fd);
    ck_assert_int_eq (write (fd[1], "now", 3), 3);
    ev_idle_init (&idle, works_a_slice);
    ev_idle_start (loop, &idle);
    ev_io_init (&io, is_urgent, fd[0], EV_READ);
    ev_io_start (loop, &io);
    ev_run (loop, 0);
    ck_assert_int_eq (urgent, 3);
    ck_assert_int_eq (urgent_at, 0);
    ck_assert_int_eq (slices, 10);
    close (fd[0]);
    close (fd[1]);
}

/* ---- a dialogue that waits inside a callback ---- */

static int answered, others;

static void answer (EV_P_ ev_timer *w, int revents)
{
    answered++;
    ev_break (EV_A_ EVBREAK_ONE); /* the dialogue, not the program */
}

static void other_event (EV_P_ ev_timer *w, int revents)
{
    others++;
}

static void asks (EV_P_ ev_timer *w, int revents)
{
    ev_timer reply;

    ev_timer_init (&reply, answer, 0.01, 0.);
    ev_timer_start (loop, &reply);
    ck_assert_uint_eq (ev_depth (EV_A), 1);
    ev_run (EV_A_ 0);
    ck_assert_uint_eq (ev_depth (EV_A), 1);
    ck_assert_int_eq (answered, 1);
    ck_assert_int_ge (others, 1); /* the world went on meanwhile */
}

TEST_BACKENDS (program_dialogue_runs_the_loop_inside_a_callback)
{
    struct ev_loop *loop = test_loop (0);
    ev_timer question, background;

    ev_timer_init (&question, asks, 0.001, 0.);
    ev_timer_start (loop, &question);
    ev_timer_init (&background, other_event, 0.003, 0.);
    ev_timer_start (loop, &background);
    ev_run (loop, 0);
    ck_assert_int_eq (answered, 1);
}

/* ---- ends on a signal, which by itself does not keep the program running ---- */

static int asked_to_end, ticks;

static void end_politely (EV_P_ ev_signal *w, int revents)
{
    asked_to_end++;
    ev_break (EV_A_ EVBREAK_ALL);
}

static void tick (EV_P_ ev_timer *w, int revents)
{
    if (++ticks == 3)
        raise (SIGTERM);
}

TEST_BACKENDS (program_ends_on_a_signal_or_when_there_is_nothing_to_do)
{
    struct ev_loop *loop = test_loop (0);
    ev_signal term;
    ev_timer timer;

    ev_signal_init (&term, end_politely, SIGTERM);
    ev_signal_start (loop, &term);
    ev_unref (loop);
    ck_assert_int_eq (ev_run (loop, 0), 0); /* nothing to do */
    ev_timer_init (&timer, tick, 0.001, 0.001);
    ev_timer_start (loop, &timer);
    ev_run (loop, 0);
    ck_assert_int_eq (asked_to_end, 1);
    ck_assert_int_ge (ticks, 3);
    ev_timer_stop (loop, &timer);
    ev_ref (loop);
    ev_signal_stop (loop, &term);
}

/* ---- two loops in two threads, playing ball ---- */

enum { THROWS = 200 };

static struct player {
    struct ev_loop *loop;
    ev_async ball;
    struct player *other;
    int catches;
} players[2];

static void catches (EV_P_ ev_async *w, int revents)
{
    struct player *player = w->data;

    player->catches++;
    if (player->other->loop)
        ev_async_send (player->other->loop, &player->other->ball);
    if (player->catches == THROWS)
        ev_async_stop (EV_A_ w);
}

static void *plays (void *arg)
{
    struct player *player = arg;

    ev_run (player->loop, 0);
    return NULL;
}

TEST_BACKENDS (program_two_loops_in_two_threads_talk_to_each_other)
{
    pthread_t thread;

    for (int i = 0; i < 2; i++) {
        players[i].loop = test_loop (0);
        players[i].other = &players[!i];
        ev_async_init (&players[i].ball, catches);
        players[i].ball.data = &players[i];
        ev_async_start (players[i].loop, &players[i].ball);
    }
    ck_assert_int_eq (pthread_create (&thread, NULL, plays, &players[1]), 0);
    ev_async_send (players[0].loop, &players[0].ball);
    ev_run (players[0].loop, 0);
    pthread_join (thread, NULL);
    ck_assert_int_eq (players[0].catches, THROWS);
    ck_assert_int_eq (players[1].catches, THROWS);
}

/* ---- a clock that strikes when it computes that it should ---- */

static int strikes, computed;

static ev_tstamp next_strike (ev_periodic *w, ev_tstamp now) EV_NOEXCEPT
{
    return now + 0.002 * ++computed;
}

static void strike (EV_P_ ev_periodic *w, int revents)
{
    if (++strikes == 4)
        ev_periodic_stop (EV_A_ w);
}

TEST_BACKENDS (program_clock_strikes_at_the_times_it_computes)
{
    struct ev_loop *loop = test_loop (0);
    ev_tstamp before = ev_time ();
    ev_periodic clock_face;

    ev_periodic_init (&clock_face, strike, 0., 0., next_strike);
    ev_periodic_start (loop, &clock_face);
    ev_run (loop, 0);
    ck_assert_int_eq (strikes, 4);
    ck_assert_double_ge (ev_time () - before, 0.002 * (1 + 2 + 3 + 4) - 1e-3);
}

EV_CB (timer, on_callback_macro); /* as a prototype for another file */
static EV_CB (io, on_callback_macro_here)
{
    (void) EV_A;
    *(int *) w->data = revents;
}

EV_CB (timer, on_callback_macro)
{
    (void) EV_A;
    *(int *) w->data = revents;
}

TEST (callback_macro_makes_global_and_static_functions_and_a_type) // API: EV_CB
{
    struct ev_loop *loop = test_loop (0);
    int heard[2] = { 0 }, fd[2];
    ev_timer timer;
    ev_io io;

    test_pipe (fd);
    ev_timer_init (&timer, (EV_CB (timer, (*) )) on_callback_macro, 0., 0.);
    timer.data = &heard[0];
    ev_timer_start (loop, &timer);
    ev_io_init (&io, on_callback_macro_here, fd[1], EV_WRITE);
    io.data = &heard[1];
    ev_io_start (loop, &io);
    ev_run (loop, EVRUN_ONCE);
    ck_assert_int_eq (heard[0], EV_TIMER);
    ck_assert_int_eq (heard[1], EV_WRITE);
    ev_io_stop (loop, &io);
    close (fd[0]);
    close (fd[1]);
}
