/* work_test.c: functions of the program in threads. Promises what ev_work says of its result and its end, and that no kind of
 * jobs waits for the threads of another one. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <fcntl.h>
#include <sched.h>

/* A function that waits until it may go on, or is asked to end. */
static struct {
    int open, entered, most, called, asked; /* atomic */
} gate;

static void gate_begin (void)
{
    memset (&gate, 0, sizeof gate);
}

static void gate_open (void)
{
    __atomic_store_n (&gate.open, 1, __ATOMIC_SEQ_CST);
}

static int gate_entered (void)
{
    return __atomic_load_n (&gate.entered, __ATOMIC_SEQ_CST);
}

static ssize_t pass_gate (void *arg)
{
    int inside = __atomic_add_fetch (&gate.entered, 1, __ATOMIC_SEQ_CST);

    __atomic_add_fetch (&gate.called, 1, __ATOMIC_SEQ_CST);
    if (inside > __atomic_load_n (&gate.most, __ATOMIC_SEQ_CST))
        __atomic_store_n (&gate.most, inside, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n (&gate.open, __ATOMIC_SEQ_CST)) {
        usleep (200);
        if (arg && ev_work_asked ()) {
            __atomic_add_fetch (&gate.asked, 1, __ATOMIC_SEQ_CST);
            return *(int *) arg;
        }
    }
    __atomic_sub_fetch (&gate.entered, 1, __ATOMIC_SEQ_CST);
    return 7;
}

static void until_entered (int count)
{
    while (gate_entered () < count) /* the deadline of the test is the guard */
        usleep (200);
}

static pthread_t its_thread;

static ssize_t add_one (void *arg)
{
    its_thread = pthread_self ();
    return ++*(int *) arg;
}

TEST_ENGINES (work_is_done_in_another_thread_and_its_result_told)
{
    struct ev_loop *loop = test_loop (0);
    int number = 41;

    ck_result (op_do (loop, work, add_one, &number), 42);
    ck_assert_int_eq (number, 42);
    ck_assert (!pthread_equal (its_thread, pthread_self ()));
    op_one.ends = 0;
    ck_result (op_started_end (loop, &op_one), 43); /* again, as it is */
    op_all_over (loop);
}

static ssize_t answer (void *arg)
{
    return *(int *) arg;
}

TEST_ENGINES (negative_results_of_work_are_errors)
{
    struct ev_loop *loop = test_loop (0);
    int result = -EDOM;

    ck_result (op_do (loop, work, answer, &result), -EDOM);
    result = -EINTR; /* is not called again */
    ck_result (op_do (loop, work, answer, &result), -EINTR);
    ck_result (op_do (loop, work, NULL, NULL), -EINVAL);
}

TEST_ENGINES (no_more_work_than_the_limit_runs_at_a_time)
{
    struct ev_loop *loop = test_loop (0);
    struct op works[6];
    int ends = 0;

    ck_assert_int_ge (ev_op_threads (loop, EV_THREADS_WORK, 2), 1);
    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_WORK, 0), 2);
    gate_begin ();
    for (int i = 0; i < 6; i++)
        op_begin (loop, &works[i], work, pass_gate, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (2);
    op_settle (loop);
    ck_assert_int_eq (__atomic_load_n (&gate.called, __ATOMIC_SEQ_CST), 2);
    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_WORK, 4), 2); /* those that wait have threads now */
    until_entered (4);
    gate_open ();
    for (int i = 0; i < 6; i++)
        ends += op_end (loop, &works[i]) == 7;
    ck_assert_int_eq (ends, 6);
    ck_assert_int_eq (gate.most, 4);
}

TEST_ENGINES (limits_are_kept_within_reason)
{
    struct ev_loop *loop = test_loop (0);

    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_NAMES, 1000), 2);
    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_NAMES, 0), 64);
    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_FILES, 0), 4);
    ck_assert_int_eq (ev_op_threads (loop, -1, 1), -EINVAL);
    ck_assert_int_eq (ev_op_threads (loop, EV_THREADS_WORK + 1, 1), -EINVAL);
}

/* ---- the end ---- */

TEST_ENGINES (work_cancelled_while_it_waits_is_not_called)
{
    struct ev_loop *loop = test_loop (0);
    struct op first, second;

    gate_begin ();
    ev_op_threads (loop, EV_THREADS_WORK, 1);
    op_begin (loop, &first, work, pass_gate, NULL);
    op_begin (loop, &second, work, pass_gate, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (1);
    op_cancel (loop, &second);
    ck_result (op_end (loop, &second), -ECANCELED);
    gate_open ();
    ck_result (op_end (loop, &first), 7);
    ck_assert_int_eq (gate.called, 1);
}

TEST_ENGINES (running_work_hears_of_a_cancel_and_is_waited_for)
{
    struct ev_loop *loop = test_loop (0);
    static int results[] = { -ECANCELED, 3 };

    for (int i = 0; i < 2; i++) {
        struct op work;

        gate_begin ();
        op_begin (loop, &work, work, pass_gate, &results[i]);
        ev_run (loop, EVRUN_NOWAIT);
        until_entered (1);
        op_cancel (loop, &work);
        ck_result (op_end (loop, &work), results[i]); /* the real result, if it has one */
        ck_assert_int_eq (gate.asked, 1);
    }
}

TEST_ENGINES (running_work_hears_of_its_deadline)
{
    struct ev_loop *loop = test_loop (0);
    static int result = -ECANCELED;
    struct op work;

    for (double seconds = 0.02; !gate.asked; seconds *= 2) { /* which may be over before a thread has it */
        gate_begin ();
        ev_work_set (op_new (&work), pass_gate, &result);
        ev_op_deadline (&work.w, seconds);
        ck_result (op_started_end (loop, &work), -ETIMEDOUT);
    }
}

TEST_ENGINES (stop_of_running_work_returns_when_it_has_ended)
{
    struct ev_loop *loop = test_loop (0);
    static int result = 11;
    struct op work;

    gate_begin ();
    op_begin (loop, &work, work, pass_gate, &result);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (1);
    ck_result (op_stop (loop, &work), 11);
    ck_assert_int_eq (gate.asked, 1);
    op_all_over (loop);
}

static ssize_t wait_for_the_others (void *arg)
{
    __atomic_add_fetch (&gate.entered, 1, __ATOMIC_SEQ_CST);
    while (!ev_work_asked ())
        usleep (200);
    __atomic_add_fetch (&gate.asked, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n (&gate.asked, __ATOMIC_SEQ_CST) < 2) /* the deadline of the test is the guard */
        usleep (200);
    return 0;
}

TEST_ENGINES (destroy_asks_all_work_before_it_waits_for_any)
{
    struct ev_loop *loop = test_loop (0);
    struct op works[2];

    gate_begin ();
    ev_op_threads (loop, EV_THREADS_WORK, 2);
    for (int i = 0; i < 2; i++)
        op_begin (loop, &works[i], work, wait_for_the_others, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (2);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq (works[i].calls, 0);
}

TEST (nobody_is_asked_outside_of_work)
{
    ck_assert_int_eq (ev_work_asked (), 0);
}

static ssize_t blocked_signals (void *arg)
{
    sigset_t set;

    pthread_sigmask (SIG_BLOCK, NULL, &set);
    return sigismember (&set, SIGALRM) && sigismember (&set, SIGTERM);
}

TEST_ENGINES (signals_are_the_programs_and_not_those_threads)
{
    struct ev_loop *loop = test_loop (0);

    ck_result (op_do (loop, work, blocked_signals, NULL), 1);
}

static ssize_t use_a_lot_of_stack (void *arg)
{
    volatile char much[1 << 20];

    for (unsigned i = 0; i < sizeof much; i += 4096)
        much[i] = 1;
    return much[0];
}

TEST_ENGINES (work_has_a_stack_of_usual_size)
{
    struct ev_loop *loop = test_loop (0);

    ck_result (op_do (loop, work, use_a_lot_of_stack, NULL), 1);
}

static int chained;

static ssize_t see_chain (void *arg)
{
    return chained++;
}

TEST_ENGINES (work_is_linked_like_any_operation)
{
    struct ev_loop *loop = test_loop (0);
    struct op first, second, third;
    int fd = op_file (0), bad = -EIO;

    ev_work_set (op_new (&first), see_chain, NULL);
    ev_write_set (op_new (&second), fd, "x", 1, 0);
    ev_op_link (&first.w, &second.w);
    second.started = 1;
    op_start (loop, &first);
    ck_result (op_end (loop, &second), 1);
    ck_result (first.result, 0);
    ev_work_set (op_new (&first), answer, &bad);
    ev_work_set (op_new (&third), see_chain, NULL);
    ev_op_link (&first.w, &third.w);
    third.started = 1;
    op_start (loop, &first);
    ck_result (op_end (loop, &third), -ECANCELED);
    ck_assert_int_eq (chained, 1);
    close (fd);
}

/* ---- nobody starves ---- */

TEST_ENGINES (work_that_does_not_end_keeps_no_file_waiting)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (100), cores = ev_op_threads (loop, EV_THREADS_WORK, 0);
    struct op works[70];
    char buf[100];

    gate_begin ();
    for (int i = 0; i < cores + 2; i++)
        op_begin (loop, &works[i], work, pass_gate, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (cores);
    for (int i = 0; i < 10; i++) {
        ck_result (op_do (loop, fsync, fd, 0), 0);
        ck_result (op_do (loop, read, fd, buf, 100, 0), 100);
    }
    gate_open ();
    for (int i = 0; i < cores + 2; i++)
        ck_result (op_end (loop, &works[i]), 7);
    close (fd);
}

/* On a ring the kernel opens them, by some four workers per core that do its files, too. */
TEST_ENGINES (fifos_that_nobody_opens_keep_no_file_waiting)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd = op_file (100), ends[10], count = test_engine_ring () ? 3 : 10;
    struct op fifos[10];
    char path[20];

    for (int i = 0; i < count; i++) {
        snprintf (path, sizeof path, "fifo-%d", i);
        ck_assert_int_eq (mkfifoat (folder, path, 0600), 0);
        op_begin (loop, &fifos[i], openat, folder, strdup (path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    }
    op_settle (loop);
    for (int i = 0; i < 10; i++)
        ck_result (op_do (loop, fsync, fd, 0), 0);
    for (int i = 0; i < count; i++) {
        snprintf (path, sizeof path, "fifo-%d", i);
        ck_assert_int_eq (fifos[i].ends, 0);
        ends[i] = openat (folder, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    for (int i = 0; i < count; i++) {
        ck_assert_int_ge (op_end (loop, &fifos[i]), 0);
        close ((int) fifos[i].result);
        close (ends[i]);
        free (fifos[i].w.buf);
        snprintf (path, sizeof path, "fifo-%d", i);
        unlinkat (folder, path, 0);
    }
    close (fd);
    op_folder_end (folder);
}

/* ---- forks ---- */

static void cancelled_in_child (void *arg)
{
    struct op *work = arg;
    struct ev_loop *loop = work->arg;
    static int number = 1;

    ev_loop_fork (loop);
    if (op_end (loop, work) != -ECANCELED)
        _exit (1);
    if (op_do (loop, work, add_one, &number) != 2)
        _exit (2);
    if (ev_op_threads (loop, EV_THREADS_WORK, 0) != 1)
        _exit (3);
}

TEST_ENGINES (work_is_the_parents_in_a_fork_child_which_has_threads_of_its_own)
{
    struct ev_loop *loop = test_loop (0);
    struct op work;

    gate_begin ();
    ev_op_threads (loop, EV_THREADS_WORK, 1);
    op_begin (loop, &work, work, pass_gate, NULL);
    work.arg = loop;
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (1);
    ck_assert_int_eq (test_child (cancelled_in_child, &work, NULL, 0), 0);
    gate_open ();
    ck_result (op_end (loop, &work), 7);
}
