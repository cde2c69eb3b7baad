/* fork_test.c: loops and fork seen from outside, contract section 17.
 * Promises a test for each of FK-1 to FK-7, for U-12 and U-13: whatever a child does with its copy of a loop, the
 * parent's loop goes on, while the child lives and after it; and the child's copy works once it has been told.
 *
 * A scene is a loop with one watcher of several kinds, run once so that the kernel knows them. Parent and child
 * share its sockets, so each has a pair of its own to write to. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "trace.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { PARENT = 0, CHILD = 1 };

static struct scene {
    struct ev_loop *loop;
    int pair[2][2]; /* of the parent, of the child: 0 is watched, 1 written to */
    ev_io io[2];
    ev_async async;
    ev_signal signal;
    ev_fork fork;
} scene;

static void scene_begin (struct ev_loop *loop)
{
    static const char *const names[] = { "io", "io" };

    scene.loop = loop;
    for (int i = 0; i < 2; i++) {
        test_socketpair (scene.pair[i]);
        ev_io_init (&scene.io[i], trace_read, scene.pair[i][0], EV_READ);
        scene.io[i].data = (void *) names[i];
        ev_io_start (loop, &scene.io[i]);
    }
    ev_async_init (&scene.async, trace_async);
    scene.async.data = (void *) "async";
    ev_async_start (loop, &scene.async);
    ev_signal_init (&scene.signal, trace_signal, SIGUSR1);
    scene.signal.data = (void *) "signal";
    ev_signal_start (loop, &scene.signal);
    ev_fork_init (&scene.fork, trace_fork);
    scene.fork.data = (void *) "fork";
    ev_fork_start (loop, &scene.fork);
    ev_run (loop, EVRUN_NOWAIT);
    trace_clear ();
}

static void scene_end (void)
{
    for (int i = 0; i < 2; i++) {
        ev_io_stop (scene.loop, &scene.io[i]);
        close (scene.pair[i][0]);
        close (scene.pair[i][1]);
    }
    ev_async_stop (scene.loop, &scene.async);
    ev_signal_stop (scene.loop, &scene.signal);
    ev_fork_stop (scene.loop, &scene.fork);
}

/* Does each of these reach its callback, alone? Both sides ask. Returns what fails, or NULL. */
static const char *scene_fails (int side)
{
    trace_clear ();
    put_byte (scene.pair[side][1]);
    if (!run_until (scene.loop, 1) || strcmp (trace, "io"))
        return "io";
    ev_async_send (scene.loop, &scene.async);
    if (!run_until (scene.loop, 2) || strcmp (trace, "io async"))
        return "async";
    raise (SIGUSR1);
    if (!run_until (scene.loop, 3) || strcmp (trace, "io async signal"))
        return "signal";
    run_for (scene.loop, 0.01);
    return trace_count == 3 ? NULL : "something else happens";
}

/* Watchers that make the loop open descriptors of its own, for clock changes and files. */
static ev_periodic far_off;
static ev_stat untouched;

static void helpers_begin (struct ev_loop *loop)
{
    ev_periodic_init (&far_off, trace_periodic, 0., 1e6, NULL);
    far_off.data = (void *) "periodic";
    ev_periodic_start (loop, &far_off);
    ev_stat_init (&untouched, trace_stat, "/etc/passwd", 0.);
    untouched.data = (void *) "stat";
    ev_stat_start (loop, &untouched);
    ev_run (loop, EVRUN_NOWAIT);
}

static void helpers_end (struct ev_loop *loop)
{
    ev_periodic_stop (loop, &far_off);
    ev_stat_stop (loop, &untouched);
}

#define ck_scene_works(when)                                                                                 \
    do {                                                                                                     \
        const char *fails = scene_fails (PARENT);                                                            \
        ck_assert_msg (!fails, "%s: %s fails in the parent; trace \"%s\"", when, fails ? fails : "", trace); \
    } while (0)

static void child_scene_must_work (void)
{
    const char *fails = scene_fails (CHILD);

    if (fails)
        fprintf (stderr, "%s fails in the child\n", fails);
    child_must (!fails);
}

/* ---- a child beside the parent ---- */

static struct other {
    pid_t pid;
    int done[2], end[2], said[2];
} other;

/* The action is over when it closes done[1], by exit or exec too; the child then lives until end is closed. */
static void other_begin (void (*action) (void))
{
    ck_assert_int_eq (pipe2 (other.done, O_CLOEXEC), 0);
    ck_assert_int_eq (pipe2 (other.end, 0), 0);
    ck_assert_int_eq (pipe2 (other.said, 0), 0);
    fflush (NULL);
    other.pid = fork ();
    ck_assert_int_ge (other.pid, 0);
    if (!other.pid) {
        char byte;

        prctl (PR_SET_PDEATHSIG, SIGKILL);
        alarm (20);
        dup2 (other.said[1], 2);
        close (other.end[1]);
        trace_clear ();
        action ();
        close (other.done[1]);
        _exit (read (other.end[0], &byte, 1) != 0);
    }
    close (other.done[1]);
    close (other.end[0]);
    close (other.said[1]);
}

static void other_wait (void)
{
    char byte;

    ck_assert_int_eq (read (other.done[0], &byte, 1), 0);
    close (other.done[0]);
}

static void other_end (void)
{
    char said[500];
    ssize_t size;
    int status;

    close (other.end[1]);
    size = read (other.said[0], said, sizeof said - 1);
    said[size > 0 ? size : 0] = 0;
    close (other.said[0]);
    ck_assert_int_eq (waitpid (other.pid, &status, 0), other.pid);
    ck_assert_msg (status == 0, "child ends with status 0x%x: %s", (unsigned) status, said);
}

/* The parent's loop works while the child lives on after its action, and after the child is gone. It has no
 * reason to think that it was forked. */
static void check_parent_beside (void (*action) (void), unsigned flags)
{
    scene_begin (test_loop (flags));
    for (int i = 0; i < 2; i++) {
        other_begin (action);
        other_wait ();
        ck_scene_works ("child alive");
        other_end ();
        ck_scene_works ("child gone");
    }
    scene_end ();
}

/* ---- what children do ---- */

static void resume (void)
{
    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "fork"));
    child_scene_must_work ();
}

/* FK-3, U-12 */
TEST_BACKENDS (child_resumes_after_ev_loop_fork_and_the_parent_goes_on)
{
    check_parent_beside (resume, 0);
}

static void resume_by_itself (void)
{
    ev_run (scene.loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "fork"));
    child_scene_must_work ();
    trace_clear ();
    ev_run (scene.loop, EVRUN_NOWAIT);
    child_must (!trace_count);
}

/* FK-2, U-12, LP-3 */
TEST_BACKENDS (child_resumes_by_forkcheck_and_the_parent_goes_on)
{
    check_parent_beside (resume_by_itself, EVFLAG_FORKCHECK);
}

static void leave (void)
{
    _exit (0);
}

/* U-12 */
TEST_BACKENDS (child_that_exits_leaves_the_parent_alone)
{
    check_parent_beside (leave, 0);
}

/* Everything but these three goes away by itself. */
static void execute (void)
{
    dup2 (other.end[0], 0);
    execlp ("cat", "cat", (char *) NULL);
    child_must (!"exec");
}

/* U-12, LP-11 */
TEST_BACKENDS (child_that_executes_a_program_leaves_the_parent_alone)
{
    check_parent_beside (execute, 0);
}

static void destroy (void)
{
    ev_loop_destroy (scene.loop);
}

/* U-12, LP-6: the kernel objects are the parent's too */
TEST_BACKENDS (child_that_destroys_the_loop_leaves_the_parent_alone)
{
    check_parent_beside (destroy, 0);
}

static void resume_and_destroy (void)
{
    resume ();
    ev_loop_destroy (scene.loop);
}

/* U-12, LP-6 */
TEST_BACKENDS (child_that_resumes_and_destroys_the_loop_leaves_the_parent_alone)
{
    check_parent_beside (resume_and_destroy, 0);
}

static void stop_everything (void)
{
    int fd[2];

    for (int i = 0; i < 2; i++) {
        ev_io_stop (scene.loop, &scene.io[i]);
        close (scene.pair[i][0]);
        close (scene.pair[i][1]);
    }
    ev_async_stop (scene.loop, &scene.async);
    ev_fork_stop (scene.loop, &scene.fork);
    test_socketpair (fd); /* the numbers are in use again */
}

/* U-12: stopping and closing in a child that has not said so yet */
TEST_BACKENDS (child_that_stops_watchers_leaves_the_parent_alone)
{
    check_parent_beside (stop_everything, 0);
}

static void start_before_telling (void)
{
    int fd[2];
    ev_io io;

    test_socketpair (fd);
    ev_io_init (&io, trace_read, fd[0], EV_READ);
    io.data = (void *) "new";
    ev_io_start (scene.loop, &io);
    ev_io_stop (scene.loop, &scene.io[PARENT]);
    ev_loop_fork (scene.loop);
    put_byte (fd[1]);
    ev_run (scene.loop, EVRUN_NOWAIT);
    child_must (!strcmp (trace, "fork new"));
    ev_io_stop (scene.loop, &io);
    child_scene_must_work ();
}

/* FK-3: changes made between the fork and ev_loop_fork count */
TEST_BACKENDS (child_may_change_watchers_before_it_calls_ev_loop_fork)
{
    check_parent_beside (start_before_telling, 0);
}

/* The row stays watched, for something else. */
static void stop_one_of_two (void)
{
    ev_io second;

    ev_io_init (&second, trace_read, scene.io[PARENT].fd, EV_WRITE);
    ev_io_start (scene.loop, &second);
    ev_io_stop (scene.loop, &scene.io[PARENT]);
    ev_run (scene.loop, EVRUN_NOWAIT);
    ev_io_stop (scene.loop, &second);
    ev_io_start (scene.loop, &scene.io[PARENT]);
    ev_feed_fd_event (scene.loop, scene.io[PARENT].fd, 0);
}

/* U-12: no memory is touched that the child has not */
TEST_BACKENDS (child_that_was_not_told_changes_what_it_watches_and_leaves_the_parent_alone)
{
    if (test_backend == EVBACKEND_EPOLL)
        test_skip ("an epoll set is shared with the child, of which the contract warns");
    check_parent_beside (stop_one_of_two, 0);
}

static void become_grandparent (void)
{
    int status;
    pid_t pid;

    resume ();
    trace_clear ();
    pid = fork ();
    if (!pid) {
        alarm (10);
        resume ();
        _exit (0);
    }
    child_must (waitpid (pid, &status, 0) == pid && status == 0);
    child_scene_must_work ();
}

/* FK-3, U-12 */
TEST_BACKENDS (grandchild_resumes_too)
{
    check_parent_beside (become_grandparent, 0);
}

static void fork_first (void)
{
    pid_t pid = fork ();
    int status;

    if (!pid) {
        alarm (10);
        resume ();
        _exit (0);
    }
    child_must (waitpid (pid, &status, 0) == pid && status == 0);
}

/* FK-3: the one in between never touched the loop */
TEST_BACKENDS (grandchild_of_a_child_that_never_ran_the_loop_resumes)
{
    check_parent_beside (fork_first, 0);
}

static void run_untold (void)
{
    put_byte (scene.pair[CHILD][1]);
    ev_run (scene.loop, EVRUN_NOWAIT);
    run_for (scene.loop, 0.02);
}

static int kernel_keeps_nothing (void)
{
    return test_backend == EVBACKEND_SELECT || test_backend == EVBACKEND_POLL;
}

/* U-12: a program that forgot ev_loop_fork. Backends without kernel state do not care; io_uring notices; epoll's
 * set is shared, that is the program's fault. */
TEST_BACKENDS (child_that_runs_the_loop_untold_does_not_disturb_the_parent)
{
#ifdef STOCK_LIBEV
    if (!kernel_keeps_nothing ())
        test_skip ("a mistake the original does not forgive");
#endif
    if (test_backend == EVBACKEND_EPOLL)
        test_skip ("epoll sets are shared with the child");
    check_parent_beside (run_untold, 0);
}

static void run_untold_and_work (void)
{
    child_scene_must_work ();
}

/* U-12: on io_uring the loop notices by itself, and then works */
TEST_BACKENDS (child_that_runs_an_io_uring_loop_untold_finds_it_working)
{
    if (kernel_keeps_nothing () || test_backend == EVBACKEND_EPOLL)
        test_skip ("about io_uring");
#ifdef STOCK_LIBEV
    test_skip ("a mistake the original does not forgive");
#endif
    check_parent_beside (run_untold_and_work, 0);
}

static void send_to_scene (void *arg)
{
    ev_async_send (scene.loop, &scene.async);
}

static void send_a_lot (void)
{
    struct later later;

    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    trace_clear ();
    later_start (&later, send_to_scene, NULL); /* into the child's sleep: this one costs a write */
    child_must (run_until (scene.loop, 1));
    later_join (&later);
    for (int i = 0; i < 200; i++) {
        ev_async_send (scene.loop, &scene.async);
        raise (SIGUSR1);
        ev_run (scene.loop, EVRUN_NOWAIT);
    }
}

/* FK-3, FK-4: what wakes the child's loop does not wake the parent's */
TEST_BACKENDS (wakeups_of_the_child_do_not_reach_the_parent)
{
    int over = 0;
    ev_timer timer;

    scene_begin (test_loop (0));
    ev_timer_init (&timer, set_data, 0.1, 0.);
    timer.data = &over;
    other_begin (send_a_lot);
    ev_now_update (scene.loop);
    ev_timer_start (scene.loop, &timer);
    ev_run (scene.loop, EVRUN_ONCE); /* nothing ends this wait but the timer */
    ck_assert (over);
    ck_trace ("");
    other_wait ();
    other_end ();
    scene_end ();
}

/* ---- order and marks ---- */

static void prepare_begin (struct ev_loop *loop, ev_prepare *w, const char *name)
{
    ev_prepare_init (w, trace_prepare);
    w->data = (void *) name;
    ev_prepare_start (loop, w);
}

static void fork_begin (struct ev_loop *loop, ev_fork *w, const char *name)
{
    ev_fork_init (w, trace_fork);
    w->data = (void *) name;
    ev_fork_start (loop, w);
}

/* The original's io_uring leaks a reference per fork (FK-6) and shows its helpers. */
static void skip_stock_uring (void)
{
#ifdef STOCK_LIBEV
    if (test_backend == EVBACKEND_IOURING)
        test_skip ("the original's io_uring leaks references and shows its helpers");
#endif
}

/* FK-1: marked at any time; next iteration, once, before prepare, last started first */
TEST_BACKENDS (fork_watchers_run_in_the_next_iteration_before_prepare_in_reverse_order)
{
    struct ev_loop *loop = test_loop (0);
    ev_prepare prepare;
    ev_check check;
    ev_fork a, b;

    skip_stock_uring ();
    fork_begin (loop, &a, "a");
    fork_begin (loop, &b, "b");
    prepare_begin (loop, &prepare, "prepare");
    ev_check_init (&check, trace_check);
    check.data = (void *) "check";
    ev_check_start (loop, &check);
    ev_loop_fork (loop);
    ev_loop_fork (loop);
    ck_trace ("");
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 4);
    ck_trace ("b a prepare check");
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("b a prepare check prepare check");
    ev_fork_stop (loop, &a);
    ev_fork_stop (loop, &b);
    ev_prepare_stop (loop, &prepare);
    ev_check_stop (loop, &check);
}

static void mark (EV_P_ ev_io *w, int revents)
{
    trace_read (EV_A_ w, revents);
    ev_loop_fork (EV_A);
}

/* FK-1: also from a callback */
TEST_BACKENDS (ev_loop_fork_in_a_callback_counts_for_the_next_iteration)
{
    scene_begin (test_loop (0));
    ev_set_cb (&scene.io[PARENT], mark);
    put_byte (scene.pair[PARENT][1]);
    ev_run (scene.loop, EVRUN_NOWAIT);
    ck_trace ("io");
    ev_run (scene.loop, EVRUN_NOWAIT);
    ck_trace ("io fork");
    ev_set_cb (&scene.io[PARENT], trace_read);
    ck_scene_works ("marked");
    scene_end ();
}

static void resume_and_return (EV_P_ ev_io *w, int revents)
{
    trace_read (EV_A_ w, revents);
    if (fork () == 0) {
        alarm (10);
        ev_loop_fork (EV_A);
        ev_set_cb (w, trace_read);
        child_must (ev_depth (EV_A) == 1);
    }
}

/* FK-1, RE-1: fork in a callback, the child goes on in the middle of the run */
TEST_BACKENDS (child_forked_in_a_callback_goes_on_where_it_was)
{
    pid_t self = getpid ();
    int status;

    scene_begin (test_loop (0));
    ev_set_cb (&scene.io[PARENT], resume_and_return);
    put_byte (scene.pair[PARENT][1]);
    ck_run_until (scene.loop, 1);
    if (getpid () != self) {
        ev_run (scene.loop, EVRUN_NOWAIT);
        child_must (!strcmp (trace, "io fork"));
        child_scene_must_work ();
        _exit (0);
    }
    ev_set_cb (&scene.io[PARENT], trace_read);
    ck_assert_int_gt (waitpid (-1, &status, 0), 0); /* together they would take each other's bytes */
    ck_assert_int_eq (status, 0);
    ck_scene_works ("child gone");
    scene_end ();
}

static void resume_in_prepare (EV_P_ ev_prepare *w, int revents)
{
    trace_prepare (EV_A_ w, revents);
    ev_prepare_stop (EV_A_ w);
    if (fork () == 0) {
        alarm (10);
        ev_loop_fork (EV_A);
    }
}

/* FK-1, FK-2: then the turn of the fork watchers in this iteration is over, and FORKCHECK sees to the next one's. So
 * gevent forks, whose greenlets run in a prepare watcher. */
TEST_BACKENDS (child_forked_in_a_prepare_callback_tells_its_fork_watchers_by_forkcheck)
{
    pid_t self = getpid ();
    ev_prepare prepare;
    int status;

    scene_begin (test_loop (EVFLAG_FORKCHECK));
    ev_prepare_init (&prepare, resume_in_prepare);
    prepare.data = (void *) "prepare";
    ev_prepare_start (scene.loop, &prepare);
    ev_run (scene.loop, EVRUN_NOWAIT);
    if (getpid () != self) {
        ev_run (scene.loop, EVRUN_NOWAIT);
        child_must (!strcmp (trace, "prepare fork"));
        child_scene_must_work ();
        _exit (0);
    }
    ck_assert_int_gt (waitpid (-1, &status, 0), 0);
    ck_assert_int_eq (status, 0);
    ck_trace ("prepare");
    ck_scene_works ("child gone");
    scene_end ();
}

/* ---- kernel state ---- */

/* FK-3: concurrent senders hold its number */
TEST_BACKENDS (wakeup_descriptor_keeps_its_number)
{
    struct ev_loop *loop = test_loop (0);
    int before = test_fd_count (), fd = -1;
    struct ev_async w;

    ev_async_init (&w, trace_async);
    w.data = (void *) "async";
    ev_async_start (loop, &w);
    ck_assert_int_eq (fds_of ("eventfd", &fd), 1);
    for (int i = 0; i < 3; i++) {
        int now = -1;

        ev_loop_fork (loop);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert_int_eq (fds_of ("eventfd", &now), 1);
        ck_assert_int_eq (now, fd);
        ck_assert (fcntl (fd, F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq (test_fd_count (), before + 1);
    }
    ev_async_send (loop, &w);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("async");
    ev_async_stop (loop, &w);
}

/* Is descriptor fd the same open file here and in the parent? */
static int shared_with_parent (int fd)
{
    return syscall (SYS_kcmp, getppid (), getpid (), KCMP_FILE, fd, fd) == 0;
}

static void compare_with_parent (void)
{
    char path[40], target[100];
    int own = 0;

    child_must (shared_with_parent (scene.pair[0][0]));
    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    for (int fd = 0; fd < 64; fd++) {
        snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t size = readlink (path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        if (!strstr (target, "anon_inode:") && !strstr (target, "inotify"))
            continue;
        own++;
        child_must (!shared_with_parent (fd));
    }
    child_must (own >= 3);
}

/* FK-3: what wakes the loop, tells of files and of the clock, and what it waits with, is made anew in the child */
TEST_BACKENDS (child_shares_no_kernel_object_of_the_loop_with_the_parent)
{
    struct ev_loop *loop = test_loop (0);

    if (syscall (SYS_kcmp, getpid (), getpid (), KCMP_FILE, 0, 0) != 0)
        test_skip ("this kernel cannot compare descriptors");
    scene_begin (loop);
    helpers_begin (loop);
    other_begin (compare_with_parent);
    other_wait ();
    other_end ();
    helpers_end (loop);
    scene_end ();
}

/* LP-11: nothing of a loop's own survives exec */
TEST_BACKENDS (every_descriptor_of_a_loop_is_closed_on_exec)
{
    struct ev_loop *loop;
    int had[64], leaks = 0;

    for (int fd = 0; fd < 64; fd++)
        had[fd] = fcntl (fd, F_GETFD) >= 0;
    scene_begin (loop = test_loop (EVFLAG_SIGNALFD));
    helpers_begin (loop);
    for (int rounds = 0; rounds < 2; rounds++) {
        ev_run (loop, EVRUN_NOWAIT);
        for (int fd = 0; fd < 64; fd++)
            leaks += !had[fd] && fcntl (fd, F_GETFD) == 0;
        ev_loop_fork (loop);
    }
    helpers_end (loop);
    scene_end ();
    ck_assert_int_eq (leaks, 2 * 4); /* the scene's two pairs */
}

static void both_pending (void)
{
    ev_loop_fork (scene.loop);
    child_must (run_until (scene.loop, 3));
    child_must (!strcmp (trace, "fork async signal"));
}

/* FK-4: sent and delivered before the fork, noticed after it, on both sides */
TEST_BACKENDS (wakeups_pending_across_the_fork_reach_both_sides)
{
    scene_begin (test_loop (0));
    ev_async_send (scene.loop, &scene.async);
    raise (SIGUSR1);
    other_begin (both_pending);
    ck_run_until (scene.loop, 2);
    ck_trace ("async signal");
    other_wait ();
    other_end ();
    ck_scene_works ("child gone");
    scene_end ();
}

static void event_pending (void)
{
    ev_loop_fork (scene.loop);
    child_must (run_until (scene.loop, 2));
    child_must (!strcmp (trace, "fork io"));
}

/* FK-3: readiness that nobody has fetched yet is seen by the child (level-triggered), and by the parent after it
 * unless the child has consumed it; here each has a byte of its own */
TEST_BACKENDS (readiness_pending_across_the_fork_reaches_both_sides)
{
    scene_begin (test_loop (0));
    put_byte (scene.pair[PARENT][1]);
    ev_set_cb (&scene.io[PARENT], trace_io); /* leaves it there */
    other_begin (event_pending);
    other_wait ();
    other_end ();
    ck_run_until (scene.loop, 1);
    ck_trace ("io");
    ev_set_cb (&scene.io[PARENT], trace_read);
    trace_clear ();
    ck_run_until (scene.loop, 1);
    ck_scene_works ("child gone");
    scene_end ();
}

static void timers_in_child (void)
{
    ev_loop_fork (scene.loop);
    child_must (run_until (scene.loop, 3));
    child_must (strstr (trace, "timer") && strstr (trace, "periodic"));
}

/* FK-3: timers and periodics go on on both sides, the descriptor for clock changes is made anew */
TEST_BACKENDS (timers_and_periodics_go_on_on_both_sides)
{
    struct ev_loop *loop = test_loop (0);
    int timerfds = fds_of ("timerfd", NULL);
    ev_periodic periodic;
    ev_timer timer;

    scene_begin (loop);
    ev_timer_init (&timer, trace_timer, 0.05, 0.);
    timer.data = (void *) "timer";
    ev_timer_start (loop, &timer);
    ev_periodic_init (&periodic, trace_periodic, ev_now (loop) + 0.05, 0., NULL);
    periodic.data = (void *) "periodic";
    ev_periodic_start (loop, &periodic);
    ev_run (loop, EVRUN_NOWAIT);
    other_begin (timers_in_child);
    ck_run_until (loop, 2);
    ck_assert (strstr (trace, "timer") && strstr (trace, "periodic"));
    other_wait ();
    other_end ();
    ck_assert_int_eq (fds_of ("timerfd", NULL), timerfds + 1);
    scene_end ();
}

static void signalfd_in_child (void)
{
    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    trace_clear ();
    raise (SIGUSR1);
    child_must (run_until (scene.loop, 1));
    child_must (!strcmp (trace, "signal"));
}

/* FK-3: the signalfd is kept; whoever reads it gets its own signals */
TEST_BACKENDS (signalfd_serves_parent_and_child)
{
    scene_begin (test_loop (EVFLAG_SIGNALFD));
    other_begin (signalfd_in_child);
    other_wait ();
    raise (SIGUSR1);
    ck_run_until (scene.loop, 1);
    ck_trace ("signal");
    other_end ();
    trace_clear ();
    raise (SIGUSR1);
    ck_run_until (scene.loop, 1);
    scene_end ();
}

static void reap_in_child (void)
{
    ev_child w;
    pid_t pid;

    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    trace_clear ();
    pid = fork ();
    if (!pid)
        _exit (6);
    ev_child_init (&w, trace_child, pid, 0);
    w.data = (void *) "child";
    ev_child_start (scene.loop, &w);
    child_must (run_until (scene.loop, 1));
    child_must (WEXITSTATUS (w.rstatus) == 6);
}

/* FK-3, CH-1: the child's default loop reports the child's children, the parent's the parent's */
TEST_BACKENDS (default_loops_of_parent_and_child_report_their_own_children)
{
    siginfo_t info;
    ev_child w;

    scene_begin (test_default_loop (0));
    other_begin (reap_in_child);
    ev_child_init (&w, trace_child, other.pid, 0);
    w.data = (void *) "child";
    ev_child_start (scene.loop, &w);
    other_wait ();
    close (other.end[1]);
    close (other.said[0]);
    ck_assert_int_eq (waitid (P_PID, (id_t) other.pid, &info, WEXITED | WNOWAIT), 0);
    ck_run_until (scene.loop, 1);
    ck_trace ("child");
    ck_assert_int_eq (w.rstatus, 0);
    ev_child_stop (scene.loop, &w);
    scene_end ();
}

/* FK-3: many watched descriptors move over */
static struct {
    int fd[100][2];
    ev_io io[100];
} crowd;

static void crowd_in_child (void)
{
    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    trace_clear ();
    for (int i = 0; i < 100; i++)
        put_byte (crowd.fd[i][1]);
    child_must (run_until (scene.loop, 100));
}

/* FK-3 */
TEST_BACKENDS (hundred_descriptors_are_told_anew)
{
    struct ev_loop *loop = test_loop (0);

    scene_begin (loop);
    for (int i = 0; i < 100; i++) {
        test_pipe (crowd.fd[i]);
        ev_io_init (&crowd.io[i], trace_read, crowd.fd[i][0], EV_READ);
        crowd.io[i].data = (void *) "x";
        ev_io_start (loop, &crowd.io[i]);
    }
    ev_run (loop, EVRUN_NOWAIT);
    other_begin (crowd_in_child);
    other_wait ();
    other_end ();
    for (int i = 0; i < 100; i++)
        put_byte (crowd.fd[i][1]);
    ck_run_until (loop, 100);
    for (int i = 0; i < 100; i++) {
        ev_io_stop (loop, &crowd.io[i]);
        close (crowd.fd[i][0]);
        close (crowd.fd[i][1]);
    }
    trace_clear ();
    scene_end ();
}

/* FK-6, U-13 */
TEST_BACKENDS (rebuilding_costs_no_reference_and_no_descriptor)
{
    struct ev_loop *loop = test_loop (0);
    int before;

    skip_stock_uring ();
    ck_assert_int_eq (ev_run (loop, 0), 0);
    before = test_fd_count ();
    for (int i = 0; i < 3; i++) {
        ev_loop_fork (loop);
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
        ck_assert_int_eq (ev_run (loop, 0), 0);
        ck_assert_int_eq (test_fd_count (), before);
    }
}

static unsigned quiet_pending;

static void count_pending (EV_P_ ev_check *w, int revents)
{
    quiet_pending += ev_pending_count (EV_A);
}

/* U-13: helpers of the loop's own are no references and nothing pending */
TEST_BACKENDS (helpers_of_a_loop_are_invisible)
{
    struct ev_loop *loop = test_loop (0);
    ev_check check;
    ev_async async;

    skip_stock_uring ();
    ev_async_init (&async, trace_async);
    async.data = (void *) "async";
    ev_async_start (loop, &async);
    helpers_begin (loop);
    ev_check_init (&check, count_pending);
    ev_check_start (loop, &check);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 4);
    ck_assert_uint_eq (quiet_pending, 0);
    ev_async_stop (loop, &async);
    helpers_end (loop);
    ev_check_stop (loop, &check);
    ck_assert_int_eq (ev_run (loop, 0), 0);
}

/* FK-5: where a stale registration makes epoll repair itself, the original runs fork watchers; nobody forked */
TEST_BACKENDS (repair_of_stale_registrations_serves_the_new_owner)
{
    struct ev_loop *loop = test_loop (0);
    int stale[2], quiet[2], copy;
    ev_fork forked;
    ev_io old, new;

    fork_begin (loop, &forked, "fork");
    test_socketpair (stale);
    test_socketpair (quiet);
    ev_io_init (&old, trace_io, stale[0], EV_WRITE);
    old.data = (void *) "old";
    ev_io_start (loop, &old);
    ev_run (loop, EVRUN_NOWAIT);
    ck_trace ("old");
    trace_clear ();
    copy = dup (stale[0]);
    ev_io_stop (loop, &old);
    ck_assert_int_eq (dup2 (quiet[0], stale[0]), stale[0]);
    ev_io_init (&new, trace_read, stale[0], EV_READ);
    new.data = (void *) "new";
    ev_io_start (loop, &new);
    for (int i = 0; i < 3; i++)
        ev_run (loop, EVRUN_NOWAIT);
#ifndef STOCK_LIBEV
    ck_trace ("");
#endif
    trace_clear ();
    put_byte (quiet[1]);
    ck_run_until (loop, 1);
    ck_trace ("new");
    ev_io_stop (loop, &new);
    ev_fork_stop (loop, &forked);
    close (copy);
    for (int i = 0; i < 2; i++) {
        close (stale[i]);
        close (quiet[i]);
    }
}

/* ---- without eventfd ---- */

/* FK-7, LP-11: where there is no eventfd a pipe wakes the loop; a child that goes away does not break it. The
 * limit on descriptors cannot tell the two apart, so a filter takes eventfd away. */
static void take_eventfd_away (void)
{
    struct sock_filter code[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_eventfd2, 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip ("no seccomp here");
}

/* FK-7 */
TEST_BACKENDS (without_eventfd_a_pipe_wakes_the_loops_of_parent_and_child)
{
    take_eventfd_away ();
    signal (SIGPIPE, SIG_IGN);
    scene_begin (test_loop (0));
    ck_assert_int_eq (fds_of ("eventfd", NULL), 0);
    ck_scene_works ("before");
    for (int i = 0; i < 2; i++) {
        trace_clear ();
        other_begin (resume);
        other_wait ();
        ck_scene_works ("child alive");
        other_end ();
        ck_scene_works ("child gone");
    }
    ev_loop_fork (scene.loop);
    ev_run (scene.loop, EVRUN_NOWAIT);
    ck_scene_works ("marked");
    scene_end ();
}
