/* trace.h: what the tests about signals, processes and threads share.
 * Owns the trace: the names of the callbacks that ran, in order. Promises bounded runs (run_until never hangs), a thread
 * that acts a moment later, children whose complaints reach the test, and one reading of "this start is refused".
 * All static: every test program has its own. */
#ifndef TRACE_H
#define TRACE_H

#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE test_patience (6.) /* seconds until something that must happen counts as lost */

/* ---- the trace ---- */

static char trace[4096];
static int trace_count;  /* callbacks since trace_clear */
static int trace_events; /* what the last of them was told */

static inline void trace_add (const char *name, int revents)
{
    size_t used = strlen (trace);

    snprintf (trace + used, sizeof trace - used, "%s%s", used ? " " : "", name);
    trace_count++;
    trace_events = revents;
}

static inline void trace_clear (void)
{
    trace[0] = 0;
    trace_count = trace_events = 0;
}

#define ck_trace(wanted) ck_assert_str_eq (trace, wanted)

/* trace_io, trace_signal ...: callbacks that add the watcher's data, a string. */
#define TRACE_CALLBACK(kind)                                          \
    static inline void trace_##kind (EV_P_ ev_##kind *w, int revents) \
    {                                                                 \
        trace_add ((const char *) w->data, revents);                  \
    }
TRACE_CALLBACK (io)
TRACE_CALLBACK (timer)
TRACE_CALLBACK (periodic)
TRACE_CALLBACK (signal)
TRACE_CALLBACK (child)
TRACE_CALLBACK (stat)
TRACE_CALLBACK (prepare)
TRACE_CALLBACK (check)
TRACE_CALLBACK (fork)
TRACE_CALLBACK (async)
TRACE_CALLBACK (embed)

/* Takes what is there to read; an empty read is not an event worth noting. */
static inline void trace_read (EV_P_ ev_io *w, int revents)
{
    char bytes[64];

    if (read (w->fd, bytes, sizeof bytes) > 0)
        trace_add ((const char *) w->data, revents);
}

/* ---- running ---- */

static inline void set_data (EV_P_ ev_timer *w, int revents)
{
    *(int *) w->data = 1;
}

/* Runs until the trace has count entries. Returns 0 if that takes too long. The end of patience is an iteration
 * as well, which may find what an earlier one lost: that is too late. */
static inline int run_until (struct ev_loop *loop, int count)
{
    int over = 0;
    ev_timer patience;

    ev_timer_init (&patience, set_data, PATIENCE, 0.);
    patience.data = &over;
    ev_now_update (loop);
    ev_timer_start (loop, &patience);
    while (trace_count < count && !over)
        ev_run (loop, EVRUN_ONCE);
    ev_timer_stop (loop, &patience);
    return !over;
}

#define ck_run_until(loop, count) \
    ck_assert_msg (run_until ((loop), (count)), "in %g s only \"%s\"", PATIENCE, trace)

/* Runs for a while, whatever happens. */
static inline void run_for (struct ev_loop *loop, double seconds)
{
    int over = 0;
    ev_timer end;

    ev_timer_init (&end, set_data, seconds, 0.);
    end.data = &over;
    ev_now_update (loop);
    ev_timer_start (loop, &end);
    while (!over)
        ev_run (loop, EVRUN_ONCE);
}

static inline void sleep_ms (int ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep (&left, &left) && errno == EINTR)
        ;
}

/* A loop of another backend than the one in turn. */
static inline struct ev_loop *loop_of (unsigned backend, unsigned flags)
{
    unsigned turn = test_backend;
    struct ev_loop *loop;

    test_backend = backend;
    loop = test_loop (flags);
    test_backend = turn;
    return loop;
}

/* ---- a moment later, in another thread: most likely while the loop sleeps ---- */

struct later {
    pthread_t thread;
    void (*act) (void *arg);
    void *arg;
};

static inline void *later_body (void *self)
{
    struct later *later = (struct later *) self;

    sleep_ms (30);
    later->act (later->arg);
    return NULL;
}

static inline void later_start (struct later *later, void (*act) (void *arg), void *arg)
{
    later->act = act;
    later->arg = arg;
    ck_assert_int_eq (pthread_create (&later->thread, NULL, later_body, later), 0);
}

static inline void later_join (struct later *later)
{
    ck_assert_int_eq (pthread_join (later->thread, NULL), 0);
}

/* ---- the process ---- */

static inline void put_byte (int fd)
{
    ssize_t put = write (fd, "x", 1);

    if (put != 1)
        ck_abort_msg ("write to %d: %s", fd, strerror (errno));
}

/* Write system calls so far: of the process ("/proc/self/io") or the calling thread ("/proc/thread-self/io").
 * Check itself writes for each assertion: none between two readings. */
static inline long write_calls (const char *path)
{
    FILE *file = fopen (path, "r");
    char line[100];
    long calls = -1;

    while (file && fgets (line, sizeof line, file))
        if (sscanf (line, "syscw: %ld", &calls) == 1)
            break;
    if (file)
        fclose (file);
    if (calls < 0)
        test_skip ("this kernel does not count system calls");
    return calls;
}

/* How many open descriptors refer to what; the first one's number goes to fd. */
static inline int fds_of (const char *what, int *fd)
{
    char path[300], target[256];
    DIR *dir = opendir ("/proc/self/fd");
    int count = 0;

    ck_assert_ptr_nonnull (dir);
    for (struct dirent *entry; (entry = readdir (dir));) {
        snprintf (path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t size = readlink (path, target, sizeof target - 1);
        target[size > 0 ? size : 0] = 0;
        if (strstr (target, what) && !count++ && fd)
            *fd = atoi (entry->d_name);
    }
    closedir (dir);
    return count;
}

/* In a child process, where Check does not listen: complain and end. */
#define child_must(condition)                                                                    \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf (stderr, "child, line %d: %s; trace \"%s\"\n", __LINE__, #condition, trace); \
            _exit (1);                                                                           \
        }                                                                                        \
    } while (0)

/* Runs body in a child and passes its complaint on. */
static inline void check_in_child (void (*body) (void *arg), void *arg)
{
    char said[1000];
    int status = test_child (body, arg, said, sizeof said);

    ck_assert_msg (status == 0, "child ends with status 0x%x: %s", (unsigned) status, said);
}

/* ---- refused starts: libev aborts; evring says so, does not start the watcher and tells its callback ---- */

static inline void child_must_be_refused (struct ev_loop *loop, void *w, int kind)
{
    child_must (!ev_is_active (w));
    trace_clear ();
    ev_run (loop, EVRUN_NOWAIT);
    child_must (trace_count == 1);
    child_must (trace_events == (EV_ERROR | kind));
}

/* body does it in a child and ends with child_must_be_refused; the message names the call. */
static inline void check_refused (void (*body) (void *arg), void *arg, const char *call)
{
    char said[1000];
    int status = test_child (body, arg, said, sizeof said);

#ifdef STOCK_LIBEV
    (void) call;
    ck_assert_msg (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT, "status 0x%x: %s", (unsigned) status,
                   said);
#else
    ck_assert_msg (status == 0, "child ends with status 0x%x: %s", (unsigned) status, said);
    ck_assert_msg (strstr (said, call), "the message does not name %s: %s", call, said);
#endif
}

#endif
