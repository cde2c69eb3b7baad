/* forks_test.c: forks in the middle of traffic.
 * Promises that no byte and no wakeup of the parent is lost, whatever its many children do to their copies of the
 * loop (U-12, FK-3, FK-4), while another process sends bytes and another thread sends wakeups. */
#include "trace.h"

#include <fcntl.h>
#include <sys/prctl.h>

enum { CHILDREN = 40, BYTES = 3000 };

static struct {
    struct ev_loop *loop;
    int fd[2];
    ev_io io;
    ev_async async;
    long bytes;
    int asked, answered, over, ended, failed;
} town;

static void count_bytes (EV_P_ ev_io *w, int revents)
{
    char bytes[16];
    ssize_t size = read (w->fd, bytes, sizeof bytes);

    if (size > 0)
        town.bytes += size;
}

static void answer (EV_P_ ev_async *w, int revents)
{
    town.answered = __atomic_load_n (&town.asked, __ATOMIC_RELAXED);
}

static void *keep_asking (void *arg)
{
    while (!__atomic_load_n (&town.over, __ATOMIC_ACQUIRE)) {
        __atomic_fetch_add (&town.asked, 1, __ATOMIC_RELAXED);
        ev_async_send (town.loop, &town.async);
        sleep_ms (1);
    }
    return NULL;
}

static pid_t sender_begin (void)
{
    pid_t pid = fork ();

    ck_assert_int_ge (pid, 0);
    if (pid)
        return pid;
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < BYTES; i++) {
        while (write (town.fd[1], "x", 1) != 1)
            sleep_ms (1);
        if (i % 20 == 0)
            sleep_ms (1);
    }
    _exit (0);
}

/* ---- what children do; the traffic is not theirs to read ---- */

static void child_stops (void)
{
    ev_io_stop (town.loop, &town.io);
    close (town.fd[0]);
}

static void child_resumes (void)
{
    int fd[2];
    ev_io io;

    child_stops ();
    test_pipe (fd);
    ev_io_init (&io, trace_read, fd[0], EV_READ);
    io.data = (void *) "io";
    ev_io_start (town.loop, &io);
    ev_loop_fork (town.loop);
    for (int i = 0; i < 5; i++) {
        trace_clear ();
        ev_run (town.loop, EVRUN_NOWAIT);
        put_byte (fd[1]);
        child_must (run_until (town.loop, 1));
    }
    ev_async_send (town.loop, &town.async);
}

static void child_destroys (void)
{
    ev_loop_destroy (town.loop);
}

static void child_resumes_and_destroys (void)
{
    child_resumes ();
    ev_loop_destroy (town.loop);
}

static void child_executes (void)
{
    execl ("/bin/true", "true", (char *) NULL);
    child_must (!"exec");
}

static void child_leaves (void)
{
}

static void (*const deeds[]) (void) = { child_stops,    child_resumes,
                                        child_destroys, child_resumes_and_destroys,
                                        child_executes, child_leaves };

static void child_ended (EV_P_ ev_child *w, int revents)
{
    town.ended++;
    town.failed += w->rstatus != 0;
}

static void town_begin (struct ev_loop *loop)
{
    memset (&town, 0, sizeof town);
    town.loop = loop;
    test_socketpair (town.fd);
    ev_io_init (&town.io, count_bytes, town.fd[0], EV_READ);
    ev_io_start (loop, &town.io);
    ev_async_init (&town.async, answer);
    ev_async_start (loop, &town.async);
}

static void town_forks (int number)
{
    pid_t pid = fork ();

    ck_assert_int_ge (pid, 0);
    if (pid)
        return;
    alarm (20);
    deeds[number % (int) (sizeof deeds / sizeof *deeds)]();
    _exit (0);
}

/* U-12, FK-3, CH-5 */
TEST_BACKENDS (traffic_goes_on_while_children_come_and_go)
{
    struct ev_loop *loop = test_default_loop (0);
    ev_child any;
    pthread_t asker;

    TEST_SECONDS (60);
    town_begin (loop);
    ev_child_init (&any, child_ended, 0, 0);
    ev_child_start (loop, &any);
    ck_assert_int_eq (pthread_create (&asker, NULL, keep_asking, NULL), 0);
    sender_begin ();
    for (int i = 0; i < CHILDREN; i++) {
        ev_run (loop, EVRUN_ONCE);
        town_forks (i);
    }
    while (town.bytes < BYTES || town.ended < CHILDREN + 1)
        ev_run (loop, EVRUN_ONCE); /* the asker's wakeups, or the deadline of the test, end it */
    __atomic_store_n (&town.over, 1, __ATOMIC_RELEASE);
    pthread_join (asker, NULL);
    ev_run (loop, EVRUN_NOWAIT);
    ck_assert_int_eq (town.bytes, BYTES);
    ck_assert_int_eq (town.failed, 0);
    ck_assert_int_eq (town.answered, town.asked);
    ev_child_stop (loop, &any);
    ev_io_stop (loop, &town.io);
    ev_async_stop (loop, &town.async);
    close (town.fd[0]);
    close (town.fd[1]);
}

/* ---- generations ---- */

enum { GENERATIONS = 12 };

static void one_generation (struct ev_loop *loop, int left)
{
    int fd[2];
    ev_io io;

    test_pipe (fd);
    ev_io_init (&io, trace_read, fd[0], EV_READ);
    io.data = (void *) "io";
    ev_io_start (loop, &io);
    trace_clear ();
    put_byte (fd[1]);
    child_must (run_until (loop, 1));
    if (left) {
        pid_t pid = fork ();
        int status;

        if (!pid) {
            alarm (20);
            one_generation (loop, left - 1);
            _exit (0);
        }
        child_must (waitpid (pid, &status, 0) == pid && status == 0);
        trace_clear ();
        put_byte (fd[1]);
        child_must (run_until (loop, 1));
    }
    ev_io_stop (loop, &io);
}

static void generations (void *flags)
{
    one_generation (test_loop (*(unsigned *) flags), GENERATIONS);
}

/* FK-2, FK-3: a long line of descendants, each with one more watcher, each going on after its child */
TEST_BACKENDS (every_generation_runs_the_loop_it_inherited)
{
    unsigned flags = EVFLAG_FORKCHECK;

    TEST_SECONDS (60);
    check_in_child (generations, &flags);
}
