/* group_test.c: groups when the system refuses. */
#include "unit.h"

#include <ev_mailbox.h>
#include <netinet/in.h>

enum { LOOPS = 4 };

static const char *refused;
static int allowed; /* so many calls before it is refused */

static int refuse (const char *call)
{
    return refused && !strcmp (call, refused) && --allowed < 0 ? -EAGAIN : 0;
}

static int listens (ev_group *group)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };

    return ev_group_listen (group, (struct sockaddr *) &address, sizeof address, 1, NULL);
}

static int begun, ended;

static void on_begin (EV_P_ ev_group *group, unsigned at, void *arg)
{
    __atomic_add_fetch (&begun, 1, __ATOMIC_SEQ_CST);
}

static void on_end (EV_P_ ev_group *group, unsigned at, void *arg)
{
    __atomic_add_fetch (&ended, 1, __ATOMIC_SEQ_CST);
}

TEST (group_that_gets_no_thread_for_a_loop_says_so_and_ends_those_that_run)
{
    for (int threads = 0; threads < LOOPS - 1; threads++) {
        ev_group *group = ev_group_new (EVFLAG_NOENV, LOOPS);

        ck_assert_int_ge (listens (group), 0);
        begun = ended = 0;
        allowed = threads;
        refused = "pthread_create";
        evi_sys_fault = refuse;
        ck_assert_int_eq (ev_group_run (group, on_begin, on_end, NULL), -EAGAIN);
        evi_sys_fault = NULL;
        ck_assert_int_eq (begun, threads);
        ck_assert_int_eq (ended, threads);
        ev_group_free (group);
    }
}

TEST (listener_that_cannot_be_made_leaves_none_behind)
{
    static const char *const calls[] = { "socket", "setsockopt", "bind", "getsockname", "listen" };
    ev_group *group = ev_group_new (EVFLAG_NOENV, LOOPS);
    int before = test_fd_count ();

    evi_sys_fault = refuse;
    for (unsigned i = 0; i < EVI_COUNT (calls); i++) {
        refused = calls[i];
        allowed = LOOPS - 1;
        ck_assert_int_eq (listens (group), -EAGAIN);
        ck_assert_int_eq (test_fd_count (), before);
    }
    evi_sys_fault = NULL;
    ck_assert_int_ge (listens (group), 0);
    ev_group_free (group);
}
