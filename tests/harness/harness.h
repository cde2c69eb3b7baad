/* harness.h: what every C test of evring is written with, on top of Check.
 *
 *     #include "harness.h"
 *
 *     TEST (a_sentence_that_says_what_holds)              // contract id in a comment
 *     {
 *         ...  ck_assert_int_eq (got, wanted);
 *     }
 *
 *     TEST_BACKENDS (io_stopped_in_its_callback_is_not_called_again)    // IO-1, once per backend
 *     {
 *         struct ev_loop *loop = test_loop (0);           // of the backend in turn
 *         ...
 *     }
 *
 *     TEST_ENGINES (send_is_all_or_an_error)          // operations: once per engine
 *     {
 *         struct ev_loop *loop = test_loop (0);           // whose operations run on the engine in turn
 *         ...
 *     }
 *
 * A test registers itself; there is no list to maintain. Each runs in a process of its own with a deadline
 * (default 10 s, TEST_SECONDS (n) as the first statement asks for more). Afterwards every loop made by
 * test_loop is verified and destroyed, and no descriptor and no thread may be left that was not there before.
 *
 * Environment: T=part-of-a-name runs only matching tests, BACKEND=select|poll|epoll|uring only that backend,
 * ENGINE=uring|attached|ready|ready@uring|ready@poll|ready@select (or several, with commas) only these engines.
 * SKIP_LIST names a file of tests that are beyond this machine, with the reason of each.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <check.h>
#include <ev.h>

#define TEST(name) TEST_REGISTERED (name, TEST_ONCE)
#define TEST_BACKENDS(name) TEST_REGISTERED (name, TEST_EACH_BACKEND)
#define TEST_ENGINES(name) TEST_REGISTERED (name, TEST_EACH_ENGINE)

/* The backend in turn: EVBACKEND_* bit and name ("uring"). In a TEST: 0 and "". */
extern unsigned test_backend;
const char *test_backend_name (void);
/* In a TEST_ENGINES: the engine in turn ("ready@uring"), and whether it is a ring. test_backend is that of its loop. */
const char *test_engine_name (void);
int test_engine_ring (void);

/* A loop of the backend or engine in turn (any backend in a TEST), flags added, LIBEV_FLAGS ignored. Fails the test if
 * it cannot be made. Verified and destroyed when the test ends. */
struct ev_loop *test_loop (unsigned flags);
/* The same with ev_default_loop. */
struct ev_loop *test_default_loop (unsigned flags);
/* The test destroys this loop itself. */
void test_loop_gone (struct ev_loop *loop);

/* Ends the test at once as skipped; skips are counted and shown, with the reason. */
_Noreturn void test_skip (const char *reason);
/* Ends it so if this is valgrind's machine (UNDER_VALGRIND is set), not the real one. */
void test_needs_no_valgrind (const char *reason);
#define TEST_SECONDS(n) test_deadline (n)
void test_deadline (unsigned seconds);
/* So many seconds, and more on a slow machine (TIME_FACTOR): until something that must happen counts as lost. */
double test_patience (double seconds);

/* Runs body (arg) in a child process; returns its wait status. Standard error goes to err (may be NULL), cut
 * to err_size bytes. */
int test_child (void (*body) (void *arg), void *arg, char *err, unsigned err_size);

/* Real time, monotonic, seconds. */
double test_clock (void);
/* How many descriptors this process has open, and how many threads of its own (the kernel's workers of a ring, which
 * come and go as it pleases, are not). */
int test_fd_count (void);
int test_thread_count (void);
/* A connected pair, both ends non-blocking: socketpair, pipe (0 read, 1 write), TCP over loopback. */
void test_socketpair (int fd[2]);
void test_pipe (int fd[2]);
void test_tcp_pair (int fd[2]);

/* ---- how it works ---- */

enum test_scope { TEST_ONCE, TEST_EACH_BACKEND, TEST_EACH_ENGINE };

void test_register (const TTest *test, const char *name, enum test_scope scope);
void test_begin (const char *name, enum test_scope scope, int index);
void test_end (void);

#define TEST_REGISTERED(name, scope)                                  \
    static void name##_body (void);                                   \
    START_TEST (name)                                                 \
    {                                                                 \
        test_begin (#name, scope, _i);                                \
        name##_body ();                                               \
        test_end ();                                                  \
    }                                                                 \
    END_TEST                                                          \
    __attribute__ ((constructor)) static void name##_registers (void) \
    {                                                                 \
        test_register (name, #name, scope);                           \
    }                                                                 \
    static void name##_body (void)

#endif
