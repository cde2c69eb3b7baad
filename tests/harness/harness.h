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
 * A test registers itself; there is no list to maintain. Each runs in a process of its own with a deadline
 * (default 10 s, TEST_SECONDS (n) as the first statement asks for more). Afterwards every loop made by
 * test_loop is verified and destroyed, and no descriptor may be left open that was not open before.
 *
 * Environment: T=part-of-a-name runs only matching tests, BACKEND=select|poll|epoll|uring only that backend.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <check.h>
#include <ev.h>

#define TEST(name) TEST_REGISTERED (name, 0)
#define TEST_BACKENDS(name) TEST_REGISTERED (name, 1)

/* The backend in turn: EVBACKEND_* bit and name ("uring"). In a TEST: 0 and "". */
extern unsigned test_backend;
const char *test_backend_name (void);

/* A loop of the backend in turn (any backend in a TEST), flags added, LIBEV_FLAGS ignored. Fails the test if
 * it cannot be made. Verified and destroyed when the test ends. */
struct ev_loop *test_loop (unsigned flags);
/* The same with ev_default_loop. */
struct ev_loop *test_default_loop (unsigned flags);
/* The test destroys this loop itself. */
void test_loop_gone (struct ev_loop *loop);

/* Ends the test at once as skipped; skips are counted and shown, with the reason. */
_Noreturn void test_skip (const char *reason);
#define TEST_SECONDS(n) test_deadline (n)
void test_deadline (unsigned seconds);

/* Runs body (arg) in a child process; returns its wait status. Standard error goes to err (may be NULL), cut
 * to err_size bytes. */
int test_child (void (*body) (void *arg), void *arg, char *err, unsigned err_size);

/* Real time, monotonic, seconds. */
double test_clock (void);
/* How many descriptors this process has open. */
int test_fd_count (void);
/* A connected pair, both ends non-blocking: socketpair, pipe (0 read, 1 write), TCP over loopback. */
void test_socketpair (int fd[2]);
void test_pipe (int fd[2]);
void test_tcp_pair (int fd[2]);

/* ---- how it works ---- */

void test_register (const TTest *test, const char *name, int each_backend);
void test_begin (const char *name, int each_backend, int index);
void test_end (void);

#define TEST_REGISTERED(name, each_backend)                           \
    static void name##_body (void);                                   \
    START_TEST (name)                                                 \
    {                                                                 \
        test_begin (#name, each_backend, _i);                         \
        name##_body ();                                               \
        test_end ();                                                  \
    }                                                                 \
    END_TEST                                                          \
    __attribute__ ((constructor)) static void name##_registers (void) \
    {                                                                 \
        test_register (name, #name, each_backend);                    \
    }                                                                 \
    static void name##_body (void)

#endif
