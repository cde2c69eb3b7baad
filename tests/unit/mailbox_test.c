/* mailbox_test.c: what cannot be provoked from outside: a sender in the middle of its knock while the loop ends. */
#include "unit.h"

#include <ev_mailbox.h>
#include <pthread.h>

static int left;

/* What a sender does that was interrupted between saying that it knocks and looking for the loop. */
static void *knock_slowly (void *arg)
{
    struct ev_mailbox *box = arg;

    evi_sys_sleep (0.05);
    left = 1;
    __atomic_sub_fetch (&box->knocking, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

TEST (destroy_waits_for_who_is_about_to_wake_the_loop)
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);
    ev_mailbox *box = ev_mailbox_of (loop);
    pthread_t thread;

    box->knocking = 1;
    ck_assert_int_eq (pthread_create (&thread, NULL, knock_slowly, box), 0);
    ev_loop_destroy (loop);
    ck_assert_int_eq (left, 1);
    pthread_join (thread, NULL);
    ev_mailbox_free (box);
}

static void destroy_in_child (void *arg)
{
    ev_loop_destroy (arg); /* the deadline of the test is the guard */
}

TEST (fork_child_does_not_wait_for_a_knock_that_has_stayed_in_the_parent)
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);
    ev_mailbox *box = ev_mailbox_of (loop);

    box->knocking = 1;
    ck_assert_int_eq (test_child (destroy_in_child, loop, NULL, 0), 0);
    box->knocking = 0;
    ev_loop_destroy (loop);
    ev_mailbox_free (box);
}
