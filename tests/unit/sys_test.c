/* sys_test.c: base/sys.c where threads meet: which process is this? And where a call fails half-way. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

enum { ASKERS = 4, CHILDREN = 300 };

static pthread_barrier_t together;
static unsigned first[ASKERS], later[ASKERS];

static void *ask (void *arg)
{
    unsigned *at = arg;

    pthread_barrier_wait (&together);
    *at = evi_sys_process ();
    pthread_barrier_wait (&together);
    later[at - first] = evi_sys_process ();
    return NULL;
}

/* In a child the number is still to be given. */
static void ask_together (void *arg)
{
    pthread_t askers[ASKERS];

    (void) arg;
    pthread_barrier_init (&together, NULL, ASKERS);
    for (int i = 0; i < ASKERS; i++)
        pthread_create (&askers[i], NULL, ask, &first[i]);
    for (int i = 0; i < ASKERS; i++)
        pthread_join (askers[i], NULL);
    for (int i = 0; i < ASKERS; i++)
        if (first[i] != first[0] || later[i] != first[0])
            _exit (1);
}

TEST (process_has_one_number_for_all_threads_that_ask_first)
{
    TEST_SECONDS (60);
    evi_sys_process ();
    for (int i = 0; i < CHILDREN; i++)
        ck_assert_int_eq (test_child (ask_together, NULL, NULL, 0), 0);
}

static int fcntl_may_pass; /* so often */

static int refuse_fcntl (const char *call)
{
    return !strcmp (call, "fcntl") && !fcntl_may_pass-- ? -ENOMEM : 0;
}

TEST (pipe_that_cannot_be_made_whole_leaves_no_descriptor)
{
    int before = test_fd_count (), fd[2];

    evi_sys_fault = refuse_fcntl;
    for (int passes = 0; passes < 2; passes++) {
        fcntl_may_pass = passes;
        ck_assert_int_eq (evi_sys_pipe (fd), -ENOMEM);
        ck_assert_int_eq (test_fd_count (), before);
    }
    evi_sys_fault = NULL;
    ck_assert_int_eq (evi_sys_pipe (fd), 0);
    close (fd[0]);
    close (fd[1]);
}

static void *begin_statistics (void *wanted)
{
    pthread_barrier_wait (&together);
    *(unsigned *) wanted = (unsigned) stats_begin ();
    return NULL;
}

static void begin_together (void *arg)
{
    pthread_t askers[ASKERS];

    (void) arg;
    setenv ("EVRING_STATS", "/dev/null", 1);
    pthread_barrier_init (&together, NULL, ASKERS);
    for (int i = 0; i < ASKERS; i++)
        pthread_create (&askers[i], NULL, begin_statistics, &first[i]);
    for (int i = 0; i < ASKERS; i++)
        pthread_join (askers[i], NULL);
    for (int i = 0; i < ASKERS; i++)
        if (!first[i])
            _exit (1);
}

TEST (statistics_are_wanted_by_all_threads_that_make_their_loops_at_once)
{
    TEST_SECONDS (60);
    for (int i = 0; i < CHILDREN; i++)
        ck_assert_int_eq (test_child (begin_together, NULL, NULL, 0), 0);
}
