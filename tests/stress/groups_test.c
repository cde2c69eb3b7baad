/* groups_test.c: several loops at once, each in a thread of its own, and clients that come as fast as they can.
 * Promises tests of how connections are spread, of the end, where none may be reset that was made, and of the order in which
 * a loop of a group is told things. For ThreadSanitizer, too. */
#include "trace.h"

#include <ev_mailbox.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { LOOPS = 3, CLIENTS = 4 };

/* What each loop has seen, in its own thread. */
static struct {
    int begun, connections, ended, late;
} seen[LOOPS];

static ev_group *group;

static void group_begin (void)
{
    memset (seen, 0, sizeof seen);
    group = ev_group_new (test_backend | EVFLAG_NOENV, LOOPS);
    ck_assert_ptr_nonnull (group);
    ck_assert_int_eq (ev_group_loops (group), LOOPS);
}

static void on_begin (EV_P_ ev_group *its, unsigned at, void *arg)
{
    ev_set_userdata (EV_A_ & seen[at]);
    seen[at].begun++;
}

static void on_end (EV_P_ ev_group *its, unsigned at, void *arg)
{
    seen[at].ended++;
}

/* ---- a server: a byte back, and the end ---- */

static void on_byte (EV_P_ ev_io *w, int revents)
{
    char byte;

    if (read (w->fd, &byte, 1) == 1)
        ck_assert_int_eq (write (w->fd, &byte, 1), 1);
    ev_io_stop (EV_A_ w);
    close (w->fd);
    free (w);
}

static void on_connection (EV_P_ ev_group *its, int fd, void *arg)
{
    ev_io *w = malloc (sizeof *w);
    int at = (int) ((char *) ev_userdata (EV_A) - (char *) seen) / (int) sizeof *seen;

    seen[at].connections++;
    seen[at].late += seen[at].ended;
    ev_io_init (w, on_byte, fd, EV_READ);
    ev_io_start (EV_A_ w);
}

static int listen_on_a_port (void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = ev_group_listen (group, (struct sockaddr *) &address, size, 1024, on_connection);

    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    return address.sin_port;
}

/* ---- clients ---- */

static struct {
    struct sockaddr_storage address;
    socklen_t size;
    int stop_after;               /* answers, of all */
    int answers, refused, broken; /* atomic */
} town;

/* 1: answered. 0: nobody listens. -1: the connection was made, and broken. */
static int ask (void)
{
    int fd = socket (town.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), answer = 0;
    char byte = 'x';

    if (!connect (fd, (struct sockaddr *) &town.address, town.size)) {
        answer = send (fd, &byte, 1, MSG_NOSIGNAL) == 1 && read (fd, &byte, 1) == 1 && byte == 'x' ? 1 : -1;
        if (answer < 0)
            fprintf (stderr, "a connection that was made ends with: %s\n", strerror (errno));
    }
    close (fd);
    return answer;
}

static void *be_a_client (void *arg)
{
    for (int answer = 1; answer > 0;) {
        answer = ask ();
        if (answer < 0)
            __atomic_add_fetch (&town.broken, 1, __ATOMIC_SEQ_CST);
        else if (!answer)
            __atomic_add_fetch (&town.refused, 1, __ATOMIC_SEQ_CST);
        else if (__atomic_add_fetch (&town.answers, 1, __ATOMIC_SEQ_CST) == town.stop_after)
            ev_group_stop (group);
    }
    return NULL;
}

static void run_with_clients (ev_group_cb *end)
{
    pthread_t clients[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        ck_assert_int_eq (pthread_create (&clients[i], NULL, be_a_client, NULL), 0);
    ck_assert_int_eq (ev_group_run (group, on_begin, end, NULL), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join (clients[i], NULL);
}

static void town_of (const void *address, socklen_t size, int stop_after)
{
    memset (&town, 0, sizeof town);
    memcpy (&town.address, address, size);
    town.size = size;
    town.stop_after = stop_after;
}

static void town_of_port (int port, int stop_after)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                   .sin_port = (in_port_t) port };

    town_of (&address, sizeof address, stop_after);
}

static void check_seen (void)
{
    int connections = 0;

    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq (seen[i].begun, 1);
        ck_assert_int_eq (seen[i].ended, 1);
        ck_assert_int_eq (seen[i].late, 0);
        ck_assert_int_gt (seen[i].connections, 0);
        connections += seen[i].connections;
    }
    ck_assert_int_eq (connections, town.answers);
}

TEST_BACKENDS (connections_are_spread_and_none_that_was_made_is_reset_by_the_end)
{
    TEST_SECONDS (120);
    for (int round = 0; round < 3; round++) {
        group_begin ();
        town_of_port (listen_on_a_port (), 400 + 100 * round);
        run_with_clients (on_end);
        ck_assert_int_eq (town.broken, 0);
        ck_assert_int_eq (town.refused, CLIENTS);
        check_seen ();
        ev_group_free (group);
    }
}

TEST_BACKENDS (connections_of_a_unix_socket_are_dealt_out_in_turn)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    TEST_SECONDS (60);
    snprintf (address.sun_path, sizeof address.sun_path, "/tmp/evring-group-%d", (int) getpid ());
    unlink (address.sun_path);
    group_begin ();
    ck_assert_int_ge (
        ev_group_listen (group, (struct sockaddr *) &address, sizeof address, 1024, on_connection), 0);
    town_of (&address, sizeof address, 300);
    run_with_clients (on_end);
    unlink (address.sun_path);
    check_seen ();
    ck_assert_int_eq (town.broken, 0);
    for (int i = 1; i < LOOPS; i++) /* the last ones are loop 0's */
        ck_assert_int_le (abs (seen[i].connections - seen[0].connections), 1 + CLIENTS);
    ev_group_free (group);
}

/* ---- ends ---- */

static void *stop_later (void *arg)
{
    sleep_ms (20);
    ev_group_stop (group);
    ev_group_stop (group); /* once is enough */
    return NULL;
}

TEST_BACKENDS (group_without_anything_active_runs_until_it_is_stopped)
{
    pthread_t thread;

    group_begin ();
    ck_assert_int_eq (pthread_create (&thread, NULL, stop_later, NULL), 0);
    ck_assert_int_eq (ev_group_run (group, on_begin, on_end, NULL), 0);
    pthread_join (thread, NULL);
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq (seen[i].begun + seen[i].ended, 2);
    ck_assert_int_eq (ev_group_run (group, on_begin, on_end, NULL), -EBUSY);
    ev_group_free (group);
}

TEST_BACKENDS (group_stopped_before_it_runs_begins_and_ends)
{
    group_begin ();
    listen_on_a_port ();
    ev_group_stop (group);
    ck_assert_int_eq (ev_group_run (group, on_begin, on_end, NULL), 0);
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq (seen[i].begun + seen[i].ended, 2);
    ev_group_free (group);
}

static void break_the_last (EV_P_ ev_timer *w, int revents)
{
    ev_break (EV_A_ EVBREAK_ALL);
}

static void begin_and_break (EV_P_ ev_group *its, unsigned at, void *arg)
{
    on_begin (EV_A_ its, at, arg);
    if (at == LOOPS - 1) {
        ev_timer_init ((ev_timer *) arg, break_the_last, 0.02, 0.);
        ev_timer_start (EV_A_ (ev_timer *) arg);
    }
}

TEST_BACKENDS (loop_that_breaks_ends_the_group)
{
    ev_timer timer;

    group_begin ();
    listen_on_a_port ();
    ck_assert_int_eq (ev_group_run (group, begin_and_break, on_end, &timer), 0);
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq (seen[i].ended, 1);
    ev_group_free (group);
}

static void begin_a_timer_without_end (EV_P_ ev_group *its, unsigned at, void *arg)
{
    ev_timer *timers = arg;

    ev_timer_init (&timers[at], break_the_last, 1e6, 0.);
    ev_timer_start (EV_A_ & timers[at]);
    if (!at)
        ev_group_stop (its);
}

TEST_BACKENDS (without_an_end_of_the_programs_the_loops_break)
{
    ev_timer timers[LOOPS];

    group_begin ();
    ck_assert_int_eq (ev_group_run (group, begin_a_timer_without_end, NULL, timers), 0);
    ev_group_free (group);
}

/* ---- posts ---- */

static struct {
    ev_post post;
    int rounds, lost;
} relay;

static void pass_on (EV_P_ ev_post *post, int revents)
{
    if (revents & EV_ERROR) {
        relay.lost++;
        return;
    }
    if (++relay.rounds == 3000)
        ev_group_stop (group);
    ck_assert_int_eq (ev_mailbox_send (ev_group_box (group, (unsigned) relay.rounds % LOOPS), post), 0);
}

TEST_BACKENDS (post_goes_round_the_loops_and_is_lost_once_when_they_are_destroyed)
{
    TEST_SECONDS (60);
    group_begin ();
    memset (&relay, 0, sizeof relay);
    relay.post.cb = pass_on;
    ck_assert_int_eq (ev_mailbox_send (ev_group_box (group, 0), &relay.post), 0);
    ck_assert_int_eq (ev_group_run (group, on_begin, on_end, NULL), 0);
    ck_assert_int_ge (relay.rounds, 3000);
    ev_group_free (group);
    ck_assert_int_eq (relay.lost, 1);
}

/* ---- refusals ---- */

TEST_BACKENDS (address_that_is_taken_is_told_and_nothing_stays_open)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0), before;

    ck_assert_int_eq (bind (fd, (struct sockaddr *) &address, size), 0);
    ck_assert_int_eq (listen (fd, 1), 0);
    ck_assert_int_eq (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    group_begin ();
    before = test_fd_count ();
    ck_assert_int_eq (ev_group_listen (group, (struct sockaddr *) &address, size, 1, on_connection),
                      -EADDRINUSE);
    ck_assert_int_eq (test_fd_count (), before);
    ev_group_free (group); /* never run */
    ev_group_free (NULL);
    close (fd);
}
