/* harness.c: registers tests, runs them through Check, counts skips, open descriptors and threads. See harness.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"
#ifndef STOCK_LIBEV
#include <ev_op.h>
#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    TESTS_MAX = 1000,
    CASES_MAX = 6 * TESTS_MAX,
    LOOPS_MAX = 16,
    SKIPS_MAX = 500,
    SECONDS_DEFAULT = 10,
    SECONDS_MAX = 240
};

static const struct {
    unsigned bit;
    const char *name;
} backends[] = {
    { EVBACKEND_SELECT, "select" },
    { EVBACKEND_POLL, "poll" },
    { EVBACKEND_EPOLL, "epoll" },
    { EVBACKEND_IOURING, "uring" },
};
enum { BACKENDS = sizeof backends / sizeof *backends };

/* Where operations run: on the loop's own ring, on one that is attached to the loop, or by readiness and threads. */
static const struct {
    const char *name;
    unsigned backend;
    int ring, attached;
} engines[] = {
    { "uring", EVBACKEND_IOURING, 1, 0 },   { "attached", EVBACKEND_EPOLL, 1, 1 },
    { "ready", EVBACKEND_EPOLL, 0, 0 },     { "ready@uring", EVBACKEND_IOURING, 0, 0 },
    { "ready@poll", EVBACKEND_POLL, 0, 0 }, { "ready@select", EVBACKEND_SELECT, 0, 0 },
};
enum { ENGINES = sizeof engines / sizeof *engines };

static struct registered {
    const TTest *test;
    const char *name;
    enum test_scope scope;
} tests[TESTS_MAX];
static int tests_count;

/* Shared with the test processes. */
static struct skips {
    int count;
    char what[SKIPS_MAX][160];
} * skips;

unsigned test_backend;
static const char *backend_name = "", *engine_name = "";
static int engine; /* its index, in a TEST_ENGINES */
static const char *test_name = "";
static struct ev_loop *loops[LOOPS_MAX];
static int loops_count, fds_before, threads_before;

const char *test_backend_name (void)
{
    return backend_name;
}

const char *test_engine_name (void)
{
    return engine_name;
}

int test_engine_ring (void)
{
    return *engine_name && engines[engine].ring;
}

void test_register (const TTest *test, const char *name, enum test_scope scope)
{
    if (tests_count == TESTS_MAX)
        abort ();
    tests[tests_count++] = (struct registered){ test, name, scope };
}

int test_fd_count (void)
{
    DIR *dir = opendir ("/proc/self/fd");
    int count = -1; /* the directory itself */

    if (!dir)
        return 0;
    while (readdir (dir))
        count++;
    closedir (dir);
    return count - 2; /* . and .. */
}

static int is_worker_of_ring (const char *task)
{
    char path[300], name[32] = "";
    FILE *file;

    snprintf (path, sizeof path, "/proc/self/task/%s/comm", task);
    file = fopen (path, "r");
    if (!file)
        return 1; /* gone meanwhile */
    if (!fgets (name, sizeof name, file))
        name[0] = 0;
    fclose (file);
    return !name[0] || !strncmp (name, "iou-", 4);
}

int test_thread_count (void)
{
    DIR *dir = opendir ("/proc/self/task");
    int count = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir (dir));)
        count += entry->d_name[0] != '.' && !is_worker_of_ring (entry->d_name);
    closedir (dir);
    return count;
}

#ifdef __SANITIZE_THREAD__
enum { THREADS_OF_OTHERS = 1 }; /* the sanitizer's own, from the first pthread_create on */
#else
enum { THREADS_OF_OTHERS = 0 };
#endif

/* A thread that was joined is shown for another moment. */
static int threads_left (void)
{
    int left = 0;

    for (int i = 0; i < 1000; i++) {
        left = test_thread_count () - threads_before - THREADS_OF_OTHERS;
        if (left <= 0)
            break;
        usleep (2000);
    }
    return left;
}

void test_begin (const char *name, enum test_scope scope, int index)
{
    test_name = name;
    if (scope == TEST_EACH_BACKEND) {
        test_backend = backends[index].bit;
        backend_name = backends[index].name;
    }
    if (scope == TEST_EACH_ENGINE) {
        engine = index;
        engine_name = engines[index].name;
        test_backend = engines[index].backend;
        setenv ("EVRING_OPS", engines[index].ring ? "" : "ready", 1);
    }
    fds_before = test_fd_count ();
    threads_before = test_thread_count ();
    signal (SIGHUP, SIG_DFL); /* ignored by whoever started us with nohup, and then by our children too */
    test_deadline (SECONDS_DEFAULT);
}

/* How much slower than a real one this machine may be. */
static unsigned time_factor (void)
{
    const char *factor = getenv ("TIME_FACTOR");

    return factor && atoi (factor) > 0 ? (unsigned) atoi (factor) : 1;
}

void test_deadline (unsigned seconds)
{
    alarm (seconds * time_factor ()); /* Check reports the SIGALRM */
}

double test_patience (double seconds)
{
    return seconds * time_factor ();
}

/* Whoever looks behind the test for what it has left (a sanitizer) needs descriptors. */
static void limit_raise (void)
{
    struct rlimit limit;

    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
}

void test_end (void)
{
    for (int i = 0; i < loops_count; i++)
        if (loops[i]) {
#if EV_MULTIPLICITY
            ev_verify (loops[i]);
            ev_loop_destroy (loops[i]);
#endif
        }
    alarm (0);
    ck_assert_msg (test_fd_count () <= fds_before, "%s leaves %d descriptors open", test_name,
                   test_fd_count () - fds_before);
    ck_assert_msg (threads_left () <= 0, "%s leaves %d threads", test_name, threads_left ());
    limit_raise ();
}

/* 0, or -errno: why operations of this loop cannot run on that engine. */
static int engine_begin (struct ev_loop *loop, int index)
{
#ifdef STOCK_LIBEV
    return -ENOSYS;
#else
    return engines[index].attached ? ev_op_ring (loop) : 0;
#endif
}

static struct ev_loop *track (struct ev_loop *loop)
{
    ck_assert_msg (loop != NULL, "no loop for backend %s%s", backend_name, engine_name);
    ck_assert_int_lt (loops_count, LOOPS_MAX);
    if (*engine_name)
        ck_assert_int_eq (engine_begin (loop, engine), 0);
    return loops[loops_count++] = loop;
}

struct ev_loop *test_loop (unsigned flags)
{
    return track (ev_loop_new (flags | test_backend | EVFLAG_NOENV));
}

struct ev_loop *test_default_loop (unsigned flags)
{
    return track (ev_default_loop (flags | test_backend | EVFLAG_NOENV));
}

void test_loop_gone (struct ev_loop *loop)
{
    for (int i = 0; i < loops_count; i++)
        if (loops[i] == loop)
            loops[i] = NULL;
}

static void note_skip (const char *name, const char *turn, const char *reason)
{
    int at = __atomic_fetch_add (&skips->count, 1, __ATOMIC_SEQ_CST);

    if (at < SKIPS_MAX)
        snprintf (skips->what[at], sizeof skips->what[at], "%s%s%s: %s", name, *turn ? "@" : "", turn,
                  reason);
}

_Noreturn void test_skip (const char *reason)
{
    note_skip (test_name, *engine_name ? engine_name : backend_name, reason);
    _exit (0);
}

void test_needs_no_valgrind (const char *reason)
{
    if (getenv ("UNDER_VALGRIND"))
        test_skip (reason);
}

int test_child (void (*body) (void *arg), void *arg, char *err, unsigned err_size)
{
    int fd[2], status;
    pid_t pid;

    ck_assert_int_eq (pipe (fd), 0);
    fflush (NULL);
    pid = fork ();
    ck_assert_int_ge (pid, 0);
    if (!pid) {
        dup2 (fd[1], 2);
        close (fd[0]);
        close (fd[1]);
        signal (SIGABRT, SIG_DFL);
        signal (SIGALRM, SIG_DFL); /* Check's, which ends the test, not its child */
        body (arg);
        _exit (0);
    }
    close (fd[1]);
    unsigned got = 0;
    char drop[256];
    for (ssize_t n;;) {
        if (err && got + 1 < err_size)
            n = read (fd[0], err + got, err_size - 1 - got);
        else
            n = read (fd[0], drop, sizeof drop);
        if (n <= 0)
            break;
        if (err && got + 1 < err_size)
            got += (unsigned) n;
    }
    if (err && err_size)
        err[got] = 0;
    close (fd[0]);
    while (waitpid (pid, &status, 0) < 0)
        ck_assert_int_eq (errno, EINTR);
    return status;
}

double test_clock (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void nonblocking (const int fd[2])
{
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq (fcntl (fd[i], F_SETFL, fcntl (fd[i], F_GETFL) | O_NONBLOCK), 0);
}

void test_socketpair (int fd[2])
{
    ck_assert_int_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, fd), 0);
    nonblocking (fd);
}

void test_pipe (int fd[2])
{
    ck_assert_int_eq (pipe (fd), 0);
    nonblocking (fd);
}

void test_tcp_pair (int fd[2])
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof addr;
    int listener = socket (AF_INET, SOCK_STREAM, 0), one = 1;

    ck_assert_int_ge (listener, 0);
    ck_assert_int_eq (bind (listener, (struct sockaddr *) &addr, size), 0);
    ck_assert_int_eq (listen (listener, 1), 0);
    ck_assert_int_eq (getsockname (listener, (struct sockaddr *) &addr, &size), 0);
    fd[0] = socket (AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq (connect (fd[0], (struct sockaddr *) &addr, size), 0);
    fd[1] = accept (listener, NULL, NULL);
    ck_assert_int_ge (fd[1], 0);
    close (listener);
    for (int i = 0; i < 2; i++)
        setsockopt (fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    nonblocking (fd);
}

/* A backend or an engine that this kernel or sandbox refuses is a skip for each of its tests, not a silent pass. */
static int backend_works (int index)
{
    struct ev_loop *loop = ev_loop_new (backends[index].bit | EVFLAG_NOENV);

    if (!loop)
        return 0;
    ev_loop_destroy (loop);
    return 1;
}

static int engine_works (int index)
{
    struct ev_loop *loop = ev_loop_new (engines[index].backend | EVFLAG_NOENV);
    int works;

    if (!loop)
        return 0;
    works = !engine_begin (loop, index);
    ev_loop_destroy (loop);
    return works;
}

/* Is name in the list, which has commas between? No list: everything is. */
static int listed (const char *list, const char *name)
{
    size_t size = strlen (name);

    for (const char *at = list; at; at = strchr (at, ',') ? strchr (at, ',') + 1 : NULL)
        if (!strncmp (at, name, size) && (!at[size] || at[size] == ','))
            return 1;
    return !list;
}

/* A case per turn, so that a failure can say how to repeat just that. */
static void add_case (Suite *suite, const struct registered *entry, const char *turn, int index)
{
    static char *names[CASES_MAX]; /* Check keeps the pointers */
    static int count;

    if (count == CASES_MAX || asprintf (&names[count], "%s%s%s", entry->name, *turn ? "@" : "", turn) < 0)
        abort ();
    TCase *tcase = tcase_create (names[count++]);
    tcase_set_timeout (tcase, test_patience (SECONDS_MAX));
    suite_add_tcase (suite, tcase);
    tcase_add_loop_test (tcase, entry->test, index, index + 1);
}

/* Why this machine cannot do a test: from the file SKIP_LIST, lines "NAME[@TURN] REASON", # for remarks. NULL: it can. */
static const char *beyond_machine (const char *name, const char *turn)
{
    static char line[200];
    const char *path = getenv ("SKIP_LIST");
    FILE *list = path ? fopen (path, "r") : NULL;
    const char *reason = NULL;

    while (list && !reason && fgets (line, sizeof line, list)) {
        char *end = line + strcspn (line, " \n"), *at;

        line[strcspn (line, "\n")] = 0;
        reason = *end ? end + 1 : end;
        *end = 0;
        at = strchr (line, '@');
        if (at)
            *at++ = 0;
        if (strcmp (line, name) || (at && strcmp (at, turn)))
            reason = NULL;
    }
    if (list)
        fclose (list);
    return reason;
}

static void add_turn (Suite *suite, const struct registered *entry, const char *turn, int index, int works)
{
    if (*turn && !listed (getenv (entry->scope == TEST_EACH_ENGINE ? "ENGINE" : "BACKEND"), turn))
        return;
    const char *reason = works ? beyond_machine (entry->name, turn) : "not available here";

    if (reason)
        note_skip (entry->name, turn, reason);
    else
        add_case (suite, entry, turn, index);
}

static struct works {
    int backends[BACKENDS], engines[ENGINES];
} works;

static void add (Suite *suite, const struct registered *entry)
{
    if (entry->scope == TEST_ONCE)
        add_turn (suite, entry, "", 0, 1);
    for (int i = 0; entry->scope == TEST_EACH_BACKEND && i < BACKENDS; i++)
        add_turn (suite, entry, backends[i].name, i, works.backends[i]);
    for (int i = 0; entry->scope == TEST_EACH_ENGINE && i < ENGINES; i++)
        add_turn (suite, entry, engines[i].name, i, works.engines[i]);
}

/* What the environment calls the turns of the test of that name. */
static const char *turn_variable (const char *name, int size)
{
    for (int i = 0; i < tests_count; i++)
        if (!strncmp (tests[i].name, name, (size_t) size) && !tests[i].name[size])
            return tests[i].scope == TEST_EACH_ENGINE ? "ENGINE=" : "BACKEND=";
    return "";
}

static void show_failures (SRunner *runner, const char *program)
{
    int count = srunner_ntests_failed (runner);
    TestResult **failures = srunner_failures (runner);

    for (int i = 0; i < count; i++) {
        const char *name = tr_tcname (failures[i]), *at = strchr (name, '@');
        int size = (int) (at ? at - name : (long) strlen (name));

        printf ("repeat with: T=%.*s %s%s%s%s\n", size, name, at ? turn_variable (name, size) : "",
                at ? at + 1 : "", at ? " " : "", program);
    }
    free (failures);
}

int main (int argc, char **argv)
{
    const char *wanted = getenv ("T");
    Suite *suite = suite_create (argc > 0 ? argv[0] : "tests");

    skips = mmap (NULL, sizeof *skips, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (skips == MAP_FAILED)
        return 99;
    for (int i = 0; i < BACKENDS; i++)
        works.backends[i] = backend_works (i);
    for (int i = 0; i < ENGINES; i++)
        works.engines[i] = engine_works (i);
    for (int i = 0; i < tests_count; i++)
        if (!wanted || strstr (tests[i].name, wanted))
            add (suite, &tests[i]);

    SRunner *runner = srunner_create (suite);
    srunner_run_all (runner, CK_ENV);
    show_failures (runner, argv[0]);
    for (int i = 0; i < skips->count && i < SKIPS_MAX; i++)
        printf ("skipped %s\n", skips->what[i]);
    printf ("%d run, %d failed, %d skipped\n", srunner_ntests_run (runner), srunner_ntests_failed (runner),
            skips->count);
    int failed = srunner_ntests_failed (runner);
    srunner_free (runner);
    return failed ? 1 : 0;
}
