/* mailbox_test.c: mailboxes seen from outside, one loop at a time (many threads: stress/mailboxes_test.c).
 * Promises tests of what ev_mailbox.h says of a post: told once, in order, in the loop, or with EV_ERROR when that is gone;
 * of what it costs; and of what keeps a loop alive. */
#include "trace.h"

#include <ev_mailbox.h>
#include <setjmp.h>
#include <sys/time.h>

static void trace_post (EV_P_ ev_post *post, int revents)
{
    trace_add (revents == EV_CUSTOM ? (const char *) post->data : "lost", revents);
}

static ev_post post_of (const char *name)
{
    return (ev_post){ NULL, trace_post, (void *) name };
}

TEST_BACKENDS (posts_are_told_in_order_in_the_loop_and_once)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    ev_post a = post_of ("a"), b = post_of ("b"), c = post_of ("c");

    ck_assert_int_eq (ev_mailbox_send (box, &a), 0);
    ck_assert_int_eq (ev_mailbox_send (box, &b), 0);
    ck_assert_int_eq (ev_mailbox_send (box, &c), 0);
    ck_trace (""); /* never inside the call */
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b c");
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b c");
    ck_assert_int_eq (ev_mailbox_send (box, &b), 0); /* yours again: it may be sent again */
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b c b");
    ev_mailbox_free (box);
}

struct target {
    ev_mailbox *box;
    ev_post posts[1000];
    long writes;
    int count;
};

static struct target to;

static void target_begin (ev_mailbox *box, int count)
{
    to.box = box;
    to.count = count;
    for (int i = 0; i < count; i++)
        to.posts[i] = post_of (".");
}

static void send_all (void *arg)
{
    long writes = write_calls ("/proc/thread-self/io");

    for (int i = 0; i < to.count; i++)
        ev_mailbox_send (to.box, &to.posts[i]);
    to.writes = write_calls ("/proc/thread-self/io") - writes;
}

TEST_BACKENDS (post_from_another_thread_ends_the_wait)
{
    struct ev_loop *loop = test_loop (0);
    struct later later;

    target_begin (ev_mailbox_of (loop), 1);
    ev_mailbox_hold (to.box);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, send_all, NULL);
        while (!trace_count) /* no timer beside it: the deadline of the test is the guard */
            ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1);
        later_join (&later);
        ck_trace (".");
    }
    ev_mailbox_unhold (to.box);
    ev_mailbox_free (to.box);
}

TEST_BACKENDS (posts_to_a_sleeping_loop_are_at_most_one_write_per_iteration)
{
    struct ev_loop *loop = test_loop (0);
    struct later later;
    unsigned before;

    test_needs_no_valgrind ("valgrind writes, too");
    target_begin (ev_mailbox_of (loop), 1000);
    ev_run (loop, EVRUN_NOWAIT);
    before = ev_iteration (loop);
    later_start (&later, send_all, NULL);
    ck_run_until (loop, 1000);
    later_join (&later);
    ck_assert_int_le (to.writes, (long) (ev_iteration (loop) - before));
    ck_assert_int_eq (trace_count, 1000);
    ev_mailbox_free (to.box);
}

TEST_BACKENDS (posts_to_a_loop_that_does_not_sleep_write_nothing)
{
    struct ev_loop *loop = test_loop (0);

    test_needs_no_valgrind ("valgrind writes, too");
    target_begin (ev_mailbox_of (loop), 1000);
    send_all (NULL);
    ck_assert_int_eq (to.writes, 0);
    ev_run (loop, EVRUN_ONCE); /* and the wait is none */
    ck_assert_int_eq (trace_count, 1000);
    ev_mailbox_free (to.box);
}

static ev_mailbox *again_to;

static void post_again (EV_P_ ev_post *post, int revents)
{
    trace_add ("again", revents);
    ck_assert_int_eq (ev_mailbox_send (again_to, post), 0);
}

TEST_BACKENDS (what_a_post_sends_waits_an_iteration_and_starves_nobody)
{
    struct ev_loop *loop = test_loop (0);
    ev_post again = { NULL, post_again, NULL }, other = post_of ("other");
    int fired = 0;
    ev_timer timer;

    again_to = ev_mailbox_of (loop);
    ev_mailbox_send (again_to, &again);
    ev_mailbox_send (again_to, &other);
    ev_run (loop, EVRUN_ONCE);
    ck_trace ("again other");
    ev_run (loop, EVRUN_ONCE); /* which does not sleep over it */
    ck_trace ("again other again");
    ev_timer_init (&timer, set_data, 0.01, 0.);
    timer.data = &fired;
    ev_timer_start (loop, &timer);
    while (!fired) /* the deadline of the test is the guard */
        ev_run (loop, EVRUN_ONCE);
    again.cb = trace_post;
    again.data = (void *) "over";
    ev_run (loop, EVRUN_NOWAIT); /* it is still on its way */
    ck_assert_int_eq (trace_events, EV_CUSTOM);
    ev_mailbox_free (again_to);
}

TEST_BACKENDS (mailbox_keeps_no_loop_alive)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    ev_post a = post_of ("a");

    ck_assert_int_eq (ev_run (loop, 0), 0);
    ev_mailbox_send (box, &a);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("a");
    ev_mailbox_free (box);
}

static void send_in_timer (EV_P_ ev_timer *w, int revents)
{
    trace_add ("timer", revents);
    send_all (NULL);
}

TEST_BACKENDS (post_sent_by_the_last_callback_is_told_before_run_returns)
{
    struct ev_loop *loop = test_loop (0);
    ev_timer timer;

    target_begin (ev_mailbox_of (loop), 1);
    ev_timer_init (&timer, send_in_timer, 0.01, 0.);
    ev_timer_start (loop, &timer);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("timer .");
    ev_mailbox_free (to.box);
}

static void unhold (void *box)
{
    ev_mailbox_unhold (box);
}

TEST_BACKENDS (hold_keeps_run_running_until_unhold)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    unsigned before;
    struct later later;

    ev_mailbox_hold (box);
    ev_mailbox_hold (box);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ev_mailbox_unhold (box); /* they are counted */
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    before = ev_iteration (loop);
    later_start (&later, unhold, box);
    ck_assert_int_eq (ev_run (loop, 0), 0);             /* the deadline of the test is the guard */
    ck_assert_int_le (ev_iteration (loop) - before, 4); /* it slept meanwhile */
    later_join (&later);
    ev_mailbox_free (box);
}

static void hold_in_post (EV_P_ ev_post *post, int revents)
{
    trace_add ("held", revents);
    ev_mailbox_hold (post->data);
}

TEST_BACKENDS (hold_in_the_last_callback_is_in_time)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    ev_post post = { NULL, hold_in_post, box };
    struct later later;

    ev_mailbox_send (box, &post);
    later_start (&later, unhold, box);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("held");
    later_join (&later);
    ev_mailbox_free (box);
}

TEST_BACKENDS (loop_without_a_mailbox_has_no_descriptor_for_it)
{
    struct ev_loop *loop = test_loop (0);
    int before = fds_of ("eventfd", NULL);
    ev_mailbox *box, *same;

    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (fds_of ("eventfd", NULL), before);
    box = ev_mailbox_of (loop);
    same = ev_mailbox_of (loop);
    ck_assert_ptr_eq (box, same);
    ck_assert_int_eq (fds_of ("eventfd", NULL), before + 1);
    ev_mailbox_free (same);
    ev_mailbox_free (box);
    ev_mailbox_free (NULL);
}

/* ---- the end ---- */

static void post_at_the_end (EV_P_ ev_post *post, int revents)
{
    ev_post late = post_of ("late");

    trace_add ("end", revents);
    ck_assert_int_eq (ev_mailbox_send (post->data, &late), -ESHUTDOWN);
}

TEST_BACKENDS (posts_left_at_destroy_are_told_so_once_and_later_ones_are_refused)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop), *other = ev_mailbox_ref (box);
    ev_post a = post_of ("a"), b = { NULL, post_at_the_end, box };

    ev_mailbox_send (box, &a);
    ev_mailbox_send (box, &b);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_trace ("lost end");
    ck_assert_int_eq (trace_events, EV_ERROR);
    ck_assert_int_eq (ev_mailbox_send (box, &a), -ESHUTDOWN);
    ev_mailbox_hold (box);
    ev_mailbox_unhold (box);
    ck_assert_int_eq (ev_mailbox_send (other, &a), -ESHUTDOWN);
    ev_mailbox_free (box);
    ev_mailbox_free (other);
    ck_trace ("lost end");
}

static void destroy_the_loop (EV_P_ ev_post *post, int revents)
{
    trace_add ("break", revents);
    ev_break (EV_A_ EVBREAK_ALL);
}

TEST_BACKENDS (posts_whose_sender_has_given_its_reference_back_are_told_all_the_same)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    ev_post a = post_of ("a"), b = { NULL, destroy_the_loop, NULL };

    ev_mailbox_send (box, &a);
    ev_mailbox_send (box, &b);
    ev_mailbox_free (box);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a break");
}

TEST (the_default_loop_may_live_again_with_another_mailbox)
{
    for (int i = 0; i < 2; i++) {
        struct ev_loop *loop = ev_default_loop (EVFLAG_NOENV);
        ev_mailbox *box = ev_mailbox_of (loop);
        ev_post a = post_of ("a"), b = post_of ("b");

        trace_clear ();
        ev_mailbox_hold (box);
        ev_mailbox_send (box, &a);
        ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1);
        ck_trace ("a");
        ev_mailbox_send (box, &b);
        ev_loop_destroy (loop); /* held, and with a post on its way */
        ck_trace ("a lost");
        ev_mailbox_free (box);
    }
}

/* ---- callbacks that do not simply return ---- */

static void run_inside (EV_P_ ev_post *post, int revents)
{
    trace_add ("in", revents);
    ev_run (EV_A_ EVRUN_NOWAIT);
    trace_add ("out", revents);
}

TEST_BACKENDS (loop_run_inside_a_post_tells_the_others_in_order)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *box = ev_mailbox_of (loop);
    ev_post a = post_of ("a"), in = { NULL, run_inside, NULL }, b = post_of ("b"), c = post_of ("c");

    ev_mailbox_send (box, &a);
    ev_mailbox_send (box, &in);
    ev_mailbox_send (box, &b);
    ev_mailbox_send (box, &c);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a in b c out");
    ev_mailbox_free (box);
}

static jmp_buf outside;

static void jump_out (EV_P_ ev_post *post, int revents)
{
    trace_add ("jump", revents);
    longjmp (outside, 1);
}

TEST_BACKENDS (post_left_by_longjmp_leaves_the_others_to_be_told)
{
    struct ev_loop *loop = test_loop (0);
    ev_mailbox *volatile box = ev_mailbox_of (loop);
    static ev_post jump = { NULL, jump_out, NULL }, b;

    b = post_of ("b");
    ev_mailbox_send (box, &jump);
    ev_mailbox_send (box, &b);
    if (!setjmp (outside))
        ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("jump");
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("jump b");
    ev_mailbox_free (box);
}

/* ---- from outside ---- */

static void send_in_handler (int signum)
{
    ev_mailbox_send (to.box, &to.posts[0]);
}

TEST_BACKENDS (post_from_a_signal_handler_ends_the_wait)
{
    struct ev_loop *loop = test_loop (0);
    struct itimerval soon = { { 0, 0 }, { 0, 30000 } };

    target_begin (ev_mailbox_of (loop), 1);
    signal (SIGALRM, send_in_handler);
    ck_assert_int_eq (setitimer (ITIMER_REAL, &soon, NULL), 0);
    ck_run_until (loop, 1);
    ck_trace (".");
    ev_mailbox_free (to.box);
}

TEST_BACKENDS (post_to_an_embedded_loop_wakes_the_outer_one)
{
    struct ev_loop *outer, *inner = test_loop (0);
    struct later later;
    ev_embed embed;

    if (!(test_backend & ev_embeddable_backends ()))
        test_skip ("this backend cannot be embedded");
    outer = loop_of (EVBACKEND_POLL, 0);
    target_begin (ev_mailbox_of (inner), 1);
    ev_embed_init (&embed, NULL, inner);
    ev_embed_start (outer, &embed);
    later_start (&later, send_all, NULL);
    ck_run_until (outer, 1);
    ck_trace (".");
    later_join (&later);
    ev_embed_stop (outer, &embed);
    ev_mailbox_free (to.box);
}

/* ---- forks ---- */

struct family {
    struct ev_loop *loop;
    ev_mailbox *box;
};

static void be_born_and_run (void *arg)
{
    struct family *family = arg;
    ev_post own = post_of ("own");

    child_must (ev_mailbox_send (family->box, &own) == 0);
    ev_loop_fork (family->loop);
    ev_run (family->loop, EVRUN_NOWAIT);
    ev_run (family->loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "lost lost own"));
    child_must (ev_mailbox_send (family->box, &own) == 0);
    ev_run (family->loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "lost lost own own"));
    ev_mailbox_free (family->box);
}

static void be_born_and_destroy (void *arg)
{
    struct family *family = arg;

    ev_loop_destroy (family->loop);
    child_must (!strcmp (trace, "lost lost"));
    child_must (trace_events == EV_ERROR);
}

TEST_BACKENDS (posts_on_their_way_at_a_fork_are_told_in_the_parent_and_lost_in_the_child)
{
    struct ev_loop *loop = test_loop (0);
    struct family family = { loop, ev_mailbox_of (loop) };
    ev_post a = post_of ("a"), b = post_of ("b");

    ev_mailbox_send (family.box, &a);
    ev_mailbox_send (family.box, &b);
    check_in_child (be_born_and_run, &family);
    check_in_child (be_born_and_destroy, &family);
    ck_trace ("");
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("a b");
    ev_mailbox_free (family.box);
}

static void run_on (void *arg)
{
    struct family *family = arg;

    ev_loop_fork (family->loop);
    ev_run (family->loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "lost"));
}

static void fork_in_post (EV_P_ ev_post *post, int revents)
{
    check_in_child (run_on, post->data);
    trace_add ("forked", revents);
}

TEST_BACKENDS (posts_taken_and_not_told_at_a_fork_are_lost_in_the_child_too)
{
    struct ev_loop *loop = test_loop (0);
    struct family family = { loop, ev_mailbox_of (loop) };
    ev_post fork = { NULL, fork_in_post, &family }, b = post_of ("b");

    ev_mailbox_send (family.box, &fork);
    ev_mailbox_send (family.box, &b);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("forked b");
    ev_mailbox_free (family.box);
}
