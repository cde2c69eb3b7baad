/* signals_test.c: storms of signals.
 * Promises that of tens of thousands of signals none of the distinct ones is lost: after the last kill of each
 * number its watcher is called once more (SG-6, SG-7). Senders count in shared memory before they send, so a
 * callback knows what it has heard of; at the end all must be known. */
#include "trace.h"

#include <sys/mman.h>

enum { SENDERS = 2, SENT = 10000, KINDS = 6 };

static const int numbers[KINDS] = { SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, 40, 64 };

static struct {
    int sent[KINDS]; /* atomic */
} * shared;

static struct storm {
    struct ev_loop *loop;
    ev_signal w[KINDS];
    int heard[KINDS], calls;
    ev_io senders;
    int senders_gone;
} storm;

static void hear (EV_P_ ev_signal *w, int revents)
{
    int kind = (int) (w - storm.w);

    storm.heard[kind] = __atomic_load_n (&shared->sent[kind], __ATOMIC_SEQ_CST);
    storm.calls++;
}

static int all_heard (void)
{
    for (int i = 0; i < KINDS; i++)
        if (storm.heard[i] != __atomic_load_n (&shared->sent[i], __ATOMIC_SEQ_CST))
            return 0;
    return 1;
}

static void no_senders_left (EV_P_ ev_io *w, int revents)
{
    storm.senders_gone = 1;
    ev_io_stop (EV_A_ w);
}

static void send_one (unsigned *seed, void (*deliver) (int signum))
{
    int kind;

    *seed = *seed * 1103515245u + 12345u;
    kind = (int) (*seed >> 16) % KINDS;
    __atomic_fetch_add (&shared->sent[kind], 1, __ATOMIC_SEQ_CST);
    deliver (numbers[kind]);
}

static void storm_begin (struct ev_loop *loop, int ended)
{
    storm.loop = loop;
    shared = mmap (NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne (shared, MAP_FAILED);
    for (int i = 0; i < KINDS; i++) {
        ev_signal_init (&storm.w[i], hear, numbers[i]);
        ev_signal_start (loop, &storm.w[i]);
    }
    ev_io_init (&storm.senders, no_senders_left, ended, EV_READ);
    ev_io_start (loop, &storm.senders);
}

/* Sleeps whenever nothing is there: a signal that is not noticed ends in the patience of the test. */
static void storm_end (void)
{
    int over = 0;
    ev_timer patience;

    ev_timer_init (&patience, set_data, 5 * PATIENCE, 0.);
    patience.data = &over;
    ev_timer_start (storm.loop, &patience);
    while (!over && !(storm.senders_gone && all_heard ()))
        ev_run (storm.loop, EVRUN_ONCE);
    ev_timer_stop (storm.loop, &patience);
    for (int i = 0; i < KINDS; i++) {
        ck_assert_msg (!over, "signal %d: heard of %d, sent %d", numbers[i], storm.heard[i], shared->sent[i]);
        ev_signal_stop (storm.loop, &storm.w[i]);
    }
    ck_assert_int_gt (storm.calls, 0);
}

static void kill_parent (int signum)
{
    kill (getppid (), signum);
}

static void storm_of_processes (unsigned flags)
{
    struct ev_loop *loop;
    int ended[2];
    pid_t pid;

    TEST_SECONDS (60);
    ck_assert_int_eq (pipe (ended), 0);
    storm_begin (loop = test_loop (flags), ended[0]);
    for (unsigned i = 1; i <= SENDERS; i++) {
        pid = fork ();
        ck_assert_int_ge (pid, 0);
        if (pid)
            continue;
        close (ended[0]);
        for (int k = 0; k < SENT; k++)
            send_one (&i, kill_parent);
        _exit (0);
    }
    close (ended[1]);
    storm_end ();
    close (ended[0]);
    while (wait (NULL) > 0)
        ;
}

/* SG-6, SG-7, SG-8 */
TEST_BACKENDS (storm_of_signals_from_processes_loses_none)
{
    storm_of_processes (0);
}

/* SG-5, SG-6 */
TEST_BACKENDS (storm_of_signals_through_signalfd_loses_none)
{
    storm_of_processes (EVFLAG_SIGNALFD);
}

static pthread_t main_thread;

static void kill_thread (int signum)
{
    pthread_kill (main_thread, signum);
}

static void raise_here (int signum)
{
    raise (signum);
}

struct sender {
    void (*deliver) (int signum);
    int count, end;
    unsigned seed;
};

static void *send_from_thread (void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < sender->count; i++)
        send_one (&sender->seed, sender->deliver);
    close (sender->end);
    return NULL;
}

/* SG-6, SG-9, TH-2: into the loop's thread, into others, and fed */
TEST_BACKENDS (storm_of_signals_from_threads_loses_none)
{
    struct sender senders[] = { { kill_thread, 2000, -1, 1 },
                                { raise_here, 2000, -1, 2 },
                                { ev_feed_signal, 2000, -1, 3 } };
    pthread_t threads[3];
    int ended[2];

    TEST_SECONDS (60);
    main_thread = pthread_self ();
    ck_assert_int_eq (pipe (ended), 0);
    storm_begin (test_loop (0), ended[0]);
    for (int i = 0; i < 3; i++) {
        senders[i].end = dup (ended[1]);
        ck_assert_int_eq (pthread_create (&threads[i], NULL, send_from_thread, &senders[i]), 0);
    }
    close (ended[1]);
    storm_end ();
    for (int i = 0; i < 3; i++)
        pthread_join (threads[i], NULL);
    close (ended[0]);
}

/* ---- children ---- */

enum { CHILDREN = 300 };

static int reported[CHILDREN];
static pid_t pids[CHILDREN];
static int strangers;

static void report (EV_P_ ev_child *w, int revents)
{
    for (int i = 0; i < CHILDREN; i++)
        if (pids[i] == w->rpid) {
            reported[i] += WIFEXITED (w->rstatus) && WEXITSTATUS (w->rstatus) == i % 100;
            trace_count++;
            return;
        }
    strangers++;
}

/* CH-1, CH-5: each of many children is reported once, with its own status */
TEST_BACKENDS (hundreds_of_children_are_reported_once_each)
{
    struct ev_loop *loop = test_default_loop (0);
    ev_child any;

    TEST_SECONDS (60);
    ev_child_init (&any, report, 0, 0);
    ev_child_start (loop, &any);
    for (int i = 0; i < CHILDREN; i++) {
        pids[i] = fork ();
        ck_assert_int_ge (pids[i], 0);
        if (!pids[i])
            _exit (i % 100);
        if (i % 10 == 9)
            ev_run (loop, EVRUN_NOWAIT);
    }
    ck_run_until (loop, CHILDREN);
    run_for (loop, 0.02);
    for (int i = 0; i < CHILDREN; i++)
        ck_assert_int_eq (reported[i], 1);
    ck_assert_int_eq (strangers, 0);
    ev_child_stop (loop, &any);
}
