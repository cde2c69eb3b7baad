/* grow_test.c: programs and libraries that were compiled with different headers. Promises that an ev_op of any release
 * works with a library of any other, and that the library touches none of it that the other one may not have.
 * Compiled as it is, with an ev_op that is smaller and with one that is larger than the library's (other_header.py), and
 * again for a library that knows a larger one. */
#include "op_kit.h"

#include <stddef.h>
#include <sys/wait.h>

#ifndef OTHER_HEADER
#define OTHER_HEADER 0
#endif

/* What every release has; behind it nothing may change. */
enum { GROW_KNOWN = offsetof (ev_op, more) + sizeof (void *) };

_Static_assert(OTHER_HEADER >= 0 || sizeof (ev_op) == GROW_KNOWN, "the smaller one is the smallest");
_Static_assert(OTHER_HEADER < 0 || sizeof (ev_op) >= GROW_KNOWN + 4 * sizeof (void *), "there is room");

/* Programs have these compiled in. */
#if defined(__LP64__)
_Static_assert(offsetof (ev_op, result) == 32 && offsetof (ev_op, moved) == 40 && offsetof (ev_op, buf) == 48
                   && offsetof (ev_op, fd) == 56 && GROW_KNOWN == 184,
               "an ev_op is what it was");
#endif

enum { GROW_CANARY = 0xa5, GROW_FENCE = 128 };

/* The record, and what would be spoilt behind its ev_op: op_kit.h's own structure has members there. */
struct fenced {
    ev_op w;
    unsigned char fence[GROW_FENCE];
    int calls, ends;
    ssize_t result;
    void (*then) (struct ev_loop *loop, struct fenced *f);
};

static int fence_holds (const struct fenced *f)
{
    const unsigned char *bytes = (const unsigned char *) f;

    for (size_t at = GROW_KNOWN; at < offsetof (struct fenced, fence) + GROW_FENCE; at++)
        if (bytes[at] != GROW_CANARY)
            return 0;
    return 1;
}

#define ck_fence(f) ck_assert_msg (fence_holds (f), "the library has written behind the ev_op that it knows")

static void fenced_done (EV_P_ ev_op *w, int revents)
{
    struct fenced *f = (struct fenced *) w;

    ck_fence (f);
    f->calls++;
    f->ends += !(revents & EV_OP_MORE);
    f->result = w->result;
    if (f->then)
        f->then (loop, f);
    ck_fence (f);
}

/* All of the ev_op is what a program may find on its stack. */
static ev_op *fenced_new (struct fenced *f)
{
    memset (f, 0, sizeof *f);
    memset (&f->w, GROW_CANARY, sizeof f->w);
    memset (f->fence, GROW_CANARY, sizeof f->fence);
    ev_init (&f->w, fenced_done);
    return &f->w;
}

#define fenced_begin(loop, f, kind, ...) \
    (ev_##kind##_set (fenced_new (f), __VA_ARGS__), ev_op_start ((loop), &(f)->w))

static ssize_t fenced_end (struct ev_loop *loop, struct fenced *f)
{
    op_until (loop, &f->ends, 1);
    ev_verify (loop);
    ck_fence (f);
    return f->result;
}

/* ---- each kind of life ------------------------------------------------------------------------------- */

static char bytes[4096];

TEST_ENGINES (op_of_another_release_sends_and_receives)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced receiver, sender;
    int fd[2];

    op_pair (fd);
    fenced_begin (loop, &receiver, recv, fd[0], bytes, sizeof bytes, 0);
    fenced_begin (loop, &sender, send, fd[1], "hello", 5, 0);
    ck_result (fenced_end (loop, &sender), 5);
    ck_result (fenced_end (loop, &receiver), 5);
    ck_assert_int_eq (receiver.w.fd, fd[0]);
    ck_assert_ptr_eq (receiver.w.buf, bytes);
    ck_assert_int_eq (memcmp (bytes, "hello", 5), 0);
    op_close_both (fd);
    op_all_over (loop);
}

static int again_left;

static void start_again (struct ev_loop *loop, struct fenced *f)
{
    if (--again_left > 0)
        ev_op_start (loop, &f->w);
}

TEST_ENGINES (op_of_another_release_is_started_again)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced reader;
    int file = op_file (100);

    again_left = 20;
    ev_read_set (fenced_new (&reader), file, bytes, 100, 0);
    reader.then = start_again;
    ev_op_start (loop, &reader.w);
    op_until (loop, &reader.ends, 20);
    ck_result (reader.result, 100);
    ck_fence (&reader);
    close (file);
    op_all_over (loop);
}

TEST_ENGINES (op_of_another_release_has_a_deadline)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced late[3];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 3; i++) { /* a lane of them */
        ev_recv_set (fenced_new (&late[i]), fd[0], bytes, 1, 0);
        ev_op_deadline (&late[i].w, 0.01 * (i + 1));
        ev_op_start (loop, &late[i].w);
    }
    for (int i = 0; i < 3; i++)
        ck_result (fenced_end (loop, &late[i]), -ETIMEDOUT);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (ops_of_another_release_are_linked)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced chain[4];
    int fd[2];

    op_pair (fd);
    ev_send_set (fenced_new (&chain[0]), fd[1], "one", 3, 0);
    ev_send_set (fenced_new (&chain[1]), fd[1], "two", 3, 0);
    ev_fsync_set (fenced_new (&chain[2]), -1, 0);
    ev_send_set (fenced_new (&chain[3]), fd[1], "three", 5, 0);
    for (int i = 0; i < 3; i++)
        ev_op_link (&chain[i].w, &chain[i + 1].w);
    ev_op_start (loop, &chain[0].w);
    ck_result (fenced_end (loop, &chain[3]), -ECANCELED);
    ck_result (fenced_end (loop, &chain[2]), -EBADF);
    ck_result (fenced_end (loop, &chain[1]), 3);
    ck_result (fenced_end (loop, &chain[0]), 3);
    ck_assert_int_eq (recv (fd[0], bytes, sizeof bytes, 0), 6);
    op_close_both (fd);
    op_all_over (loop);
}

TEST_ENGINES (op_of_another_release_receives_from_a_pool)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 64, 4);
    struct fenced receiver;
    int fd[2];

    op_pair (fd);
    fenced_begin (loop, &receiver, recv_pool, fd[0], pool, 0);
    for (int i = 1; i <= 10; i++) {
        kit_put (fd[1]);
        op_until (loop, &receiver.calls, i);
        ck_result (receiver.result, 1);
    }
    close (fd[1]);
    ck_result (fenced_end (loop, &receiver), 0);
    close (fd[0]);
    op_all_over (loop);
}

TEST_ENGINES (op_of_another_release_is_cancelled_and_stopped)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced one, other, set_anew;
    struct sockaddr_in address;
    int fd[2], listener = op_listen (&address, 5);

    op_pair (fd);
    fenced_begin (loop, &one, recv, fd[0], bytes, 1, 0);
    fenced_begin (loop, &other, accept, listener, 0);
    fenced_begin (loop, &set_anew, read, fd[1], bytes, 1, -1);
    op_settle (loop);
    ev_op_cancel (loop, &one.w);
    ck_result (fenced_end (loop, &one), -ECANCELED);
    ev_op_stop (loop, &other.w);
    ck_result (other.w.result, -ECANCELED);
    ck_fence (&other);
    ev_op_stop (loop, &set_anew.w);
    ev_send_set (&set_anew.w, fd[1], "x", 1, 0);
    ev_op_start (loop, &set_anew.w);
    ck_result (fenced_end (loop, &set_anew), 1);
    op_close_both (fd);
    close (listener);
    op_all_over (loop);
}

TEST_ENGINES (op_of_another_release_goes_to_a_thread_and_to_the_disk)
{
    struct ev_loop *loop = test_loop (0);
    struct fenced opened, looked;
    struct statx stat;
    int folder = op_folder_begin ();

    fenced_begin (loop, &opened, openat, folder, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_ge (fenced_end (loop, &opened), 0);
    close ((int) opened.result);
    fenced_begin (loop, &looked, statx, folder, "file", 0, STATX_SIZE, &stat);
    ck_result (fenced_end (loop, &looked), 0);
    fenced_begin (loop, &looked, renameat, folder, "file", folder, "other", 0);
    ck_result (fenced_end (loop, &looked), 0);
    fenced_begin (loop, &looked, unlinkat, folder, "other", 0);
    ck_result (fenced_end (loop, &looked), 0);
    op_folder_end (folder);
    op_all_over (loop);
}

/* ---- who says no size ---------------------------------------------------------------------------------- */

static void set_without_size (void *arg)
{
    ev_op w;

    (void) arg;
    ev_init (&w, fenced_done);
    (ev_recv_set) (&w, 0, bytes, 1, 0, GROW_KNOWN - 1);
}

TEST (set_that_is_told_less_than_any_ev_op_aborts_with_a_line)
{
    char line[200];
    int status = test_child (set_without_size, NULL, line, sizeof line);

    ck_assert (WIFSIGNALED (status) && WTERMSIG (status) == SIGABRT);
    ck_assert_str_eq (line, "evring: ev_recv_set: op_size is not that of an ev_op\n");
}
