/* async_test.c: ev_async seen from outside, contract section 19.
 * Promises a test for each of AS-1 to AS-7: what a send does, when it costs a write, and that memory written
 * before it is visible in the callback (under ThreadSanitizer: that the library says so). */
#include "trace.h"

#include <fcntl.h>
#include <sys/time.h>

static void async_begin (struct ev_loop *loop, ev_async *w, const char *name)
{
    ev_async_init (w, trace_async);
    w->data = (void *) name;
    ev_async_start (loop, w);
}

/* AS-1 */
TEST_BACKENDS (many_sends_are_one_callback)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;

    async_begin (loop, &w, "async");
    for (int i = 0; i < 5; i++)
        ev_async_send (loop, &w);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 1);
    ck_trace ("async");
    ck_assert_int_eq (trace_events, EV_ASYNC);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async");
    ev_async_send (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async async");
    ev_async_stop (loop, &w);
}

struct target {
    struct ev_loop *loop;
    ev_async *w;
    long writes;
    int count;
};

static void send_to (void *arg)
{
    struct target *to = arg;
    long writes = write_calls ("/proc/thread-self/io");

    for (int i = 0; i < to->count; i++)
        ev_async_send (to->loop, to->w);
    to->writes = write_calls ("/proc/thread-self/io") - writes;
}

/* AS-1, AS-6: the watcher keeps the loop waiting, the send ends the wait */
TEST_BACKENDS (send_from_another_thread_ends_the_wait)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;
    struct target to = { loop, &w, 0, 1 };
    struct later later;

    async_begin (loop, &w, "async");
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        later_start (&later, send_to, &to);
        while (!trace_count) /* no timer beside it: the deadline of the test is the guard */
            ck_assert_int_eq (ev_run (loop, EVRUN_ONCE), 1);
        later_join (&later);
        ck_trace ("async");
    }
    ev_async_stop (loop, &w);
}

/* AS-2: a loop that sleeps is woken by one write, one that is awake needs none */
TEST_BACKENDS (sends_to_a_sleeping_loop_are_at_most_one_write_per_iteration)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;
    struct target to = { loop, &w, 0, 1000 };
    struct later later;
    unsigned before;

    test_needs_no_valgrind ("valgrind writes, too");
    async_begin (loop, &w, "async");
    ev_run (loop, EVRUN_NOWAIT);
    before = ev_iteration (loop);
    later_start (&later, send_to, &to);
    ck_run_until (loop, 1);
    later_join (&later);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_le (to.writes, (long) (ev_iteration (loop) - before));
    ck_assert_int_ge (trace_count, 1);
    ev_async_stop (loop, &w);
}

/* AS-2 */
TEST_BACKENDS (sends_to_a_loop_that_does_not_sleep_write_nothing)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;
    struct target to = { loop, &w, 0, 1000 };

    test_needs_no_valgrind ("valgrind writes, too");
    async_begin (loop, &w, "async");
    send_to (&to);
    ck_assert_int_eq (to.writes, 0);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async");
    send_to (&to);
    ck_assert_int_eq (to.writes, 0);
    ev_run (loop, EVRUN_ONCE); /* RN-4: a wakeup asked for before the wait makes it zero */
    ck_trace ("async async");
    ev_async_stop (loop, &w);
}

static void look_at_pending (EV_P_ ev_async *w, int revents)
{
    trace_add (ev_async_pending (w) ? "pending" : "noticed", revents);
}

/* AS-3 */
TEST_BACKENDS (pending_is_true_from_the_send_until_the_loop_notices)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;

    ev_async_init (&w, look_at_pending);
    ev_async_start (loop, &w);
    ck_assert (!ev_async_pending (&w));
    ev_async_send (loop, &w);
    ck_assert (ev_async_pending (&w));
    ck_assert (!ev_is_pending (&w));
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("noticed");
    ck_assert (!ev_async_pending (&w));
    ev_async_stop (loop, &w);
}

/* AS-3 */
TEST_BACKENDS (start_forgets_earlier_sends_and_stop_keeps_the_mark)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w, keeper;

    async_begin (loop, &keeper, "keeper");
    async_begin (loop, &w, "async");
    ev_async_send (loop, &w);
    ev_async_stop (loop, &w);
    ck_assert (ev_async_pending (&w));
    ev_run (loop, EVRUN_NOWAIT);
    ev_async_send (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    ck_assert (ev_async_pending (&w));
    ev_async_start (loop, &w);
    ck_assert (!ev_async_pending (&w));
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("");
    ev_async_send (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async");
    ev_async_stop (loop, &w);
    ev_async_stop (loop, &keeper);
}

/* AS-4 */
TEST_BACKENDS (asyncs_noticed_together_run_in_start_order)
{
    struct ev_loop *loop = test_loop (0);
    ev_async c, a, b;

    async_begin (loop, &c, "c");
    async_begin (loop, &a, "a");
    async_begin (loop, &b, "b");
    ev_async_send (loop, &b);
    ev_async_send (loop, &a);
    ev_async_send (loop, &c);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("c a b");
    ev_async_stop (loop, &a);
    ev_async_stop (loop, &b);
    ev_async_stop (loop, &c);
}

/* AS-5: noticed at the highest priority, queued at their own */
TEST_BACKENDS (asyncs_of_all_priorities_run_in_the_iteration_that_notices)
{
    struct ev_loop *loop = test_loop (0);
    const char *names[] = { "low", "middle", "high" };
    ev_async w[3];

    for (int i = 0; i < 3; i++) {
        ev_async_init (&w[i], trace_async);
        ev_set_priority (&w[i], EV_MINPRI + 2 * i);
        w[i].data = (void *) names[i];
        ev_async_start (loop, &w[i]);
        ev_async_send (loop, &w[i]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("high middle low");
    for (int i = 0; i < 3; i++)
        ev_async_stop (loop, &w[i]);
}

/* AS-6, LP-11: a reference each; one descriptor for all, non-blocking and closed on exec */
TEST_BACKENDS (asyncs_are_references_and_share_one_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    int before = test_fd_count (), eventfds = fds_of ("eventfd", NULL), fd = -1;
    ev_async a, b;

    async_begin (loop, &a, "a");
    ck_assert_int_eq (test_fd_count (), before + 1);
    ck_assert_int_eq (fds_of ("eventfd", &fd), eventfds + 1);
    ck_assert (fcntl (fd, F_GETFL) & O_NONBLOCK);
    ck_assert (fcntl (fd, F_GETFD) & FD_CLOEXEC);
    async_begin (loop, &b, "b");
    ck_assert_int_eq (test_fd_count (), before + 1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 2);
    ev_async_stop (loop, &a);
    ev_async_stop (loop, &b);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("");
}

static struct target from_handler;

static void send_in_handler (int signum)
{
    ev_async_send (from_handler.loop, from_handler.w);
}

/* AS-1, TH-2: from a signal handler of the program's own, while the loop waits */
TEST_BACKENDS (send_from_a_signal_handler_ends_the_wait)
{
    struct ev_loop *loop = test_loop (0);
    struct itimerval soon = { { 0, 0 }, { 0, 30000 } };
    ev_async w;

    async_begin (loop, &w, "async");
    from_handler = (struct target){ loop, &w, 0, 1 };
    signal (SIGALRM, send_in_handler);
    ck_assert_int_eq (setitimer (ITIMER_REAL, &soon, NULL), 0);
    ck_run_until (loop, 1);
    ck_trace ("async");
    ev_async_stop (loop, &w);
}

static void send_to_nobody (void *arg)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;

    ev_async_init (&w, trace_async);
    w.data = (void *) "async";
    w.sent = 0;
    ev_async_send (loop, &w);
    child_must (ev_run (loop, EVRUN_NOWAIT) == 0);
    child_must (ev_run (loop, 0) == 0);
    child_must (!trace_count);
    ev_async_start (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    child_must (!trace_count);
    ev_async_send (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    child_must (trace_count == 1);
}

/* AS-7: the original aborts; a send that nobody waits for is nothing */
TEST_BACKENDS (send_to_a_loop_without_asyncs_is_ignored)
{
#ifdef STOCK_LIBEV
    check_refused (send_to_nobody, NULL, "");
#else
    check_in_child (send_to_nobody, NULL);
#endif
}

static void send_again (EV_P_ ev_async *w, int revents)
{
    trace_add ("x", revents);
    ev_async_send (EV_A_ w);
}

/* AS-1: a callback that sends to itself is called again, in the next iteration, and starves nobody */
TEST_BACKENDS (async_that_sends_to_itself_runs_once_per_iteration)
{
    struct ev_loop *loop = test_loop (0);
    int fired = 0;
    ev_timer timer;
    ev_async w;

    ev_async_init (&w, send_again);
    ev_async_start (loop, &w);
    ev_async_send (loop, &w);
    for (int i = 1; i <= 20; i++) {
        ev_run (loop, EVRUN_ONCE);
        ck_assert_int_eq (trace_count, i);
    }
    ev_timer_init (&timer, set_data, 0.01, 0.);
    timer.data = &fired;
    ev_timer_start (loop, &timer);
    while (!fired) /* the deadline of the test is the guard */
        ev_run (loop, EVRUN_ONCE);
    ev_async_stop (loop, &w);
}

static void stop_the_other (EV_P_ ev_async *w, int revents)
{
    trace_add ("stopper", revents);
    ev_async_stop (EV_A_ w);
    ev_async_stop (EV_A_ (ev_async *) w->data);
}

/* AS-3, PQ-4 */
TEST_BACKENDS (async_stopped_while_pending_is_not_called)
{
    struct ev_loop *loop = test_loop (0);
    ev_async first, second;

    ev_async_init (&first, stop_the_other);
    first.data = &second;
    ev_async_start (loop, &first);
    async_begin (loop, &second, "second");
    ev_async_send (loop, &second);
    ev_async_send (loop, &first);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    ck_trace ("stopper");
}

/* ---- memory ---- */

enum { BOXES = 300 };

static struct {
    struct ev_loop *loop;
    ev_async full;
    int box[BOXES];
    int sent, seen, wrong;
} mail;

static void look_into_boxes (EV_P_ ev_async *w, int revents)
{
    int sent =
        __atomic_load_n (&mail.sent, __ATOMIC_ACQUIRE); /* more may have been sent than this call is for */

    (void) revents;
    for (; mail.seen < sent; mail.seen++)
        mail.wrong += mail.box[mail.seen] != mail.seen + 1;
    if (mail.seen == BOXES)
        ev_break (EV_A_ EVBREAK_ALL);
}

static void *fill_boxes (void *arg)
{
    for (int i = 0; i < BOXES; i++) {
        mail.box[i] = i + 1;
        __atomic_store_n (&mail.sent, i + 1, __ATOMIC_RELEASE);
        ev_async_send (mail.loop, &mail.full);
        if (i % 50 == 0)
            sleep_ms (1); /* lets the loop fall asleep again */
    }
    return NULL;
}

/* AS-5: the last send is never lost, however sends and iterations interleave. (Memory ordered by the send alone
 * is the stress suite's ping-pong.) */
TEST_BACKENDS (boxes_filled_before_each_send_are_all_seen)
{
    pthread_t producer;

    mail.loop = test_loop (0);
    ev_async_init (&mail.full, look_into_boxes);
    ev_async_start (mail.loop, &mail.full);
    ck_assert_int_eq (pthread_create (&producer, NULL, fill_boxes, NULL), 0);
    ev_run (mail.loop, 0);
    pthread_join (producer, NULL);
    ck_assert_int_eq (mail.seen, BOXES);
    ck_assert_int_eq (mail.wrong, 0);
    ev_async_stop (mail.loop, &mail.full);
}

static int message; /* plain */

static void write_and_send (void *arg)
{
    struct target *to = arg;

    message = 4711;
    ev_async_send (to->loop, to->w);
}

static void read_message (EV_P_ ev_async *w, int revents)
{
    trace_add (message == 4711 ? "read" : "too early", revents);
}

/* AS-5: nothing but the send orders this write and this read */
TEST_BACKENDS (memory_written_before_the_send_is_visible_in_the_callback)
{
    struct ev_loop *loop = test_loop (0);
    ev_async w;
    struct target to = { loop, &w, 0, 1 };
    struct later later;

    ev_async_init (&w, read_message);
    ev_async_start (loop, &w);
    later_start (&later, write_and_send, &to);
    ck_run_until (loop, 1);
    ck_trace ("read");
    later_join (&later);
    ev_async_stop (loop, &w);
}
