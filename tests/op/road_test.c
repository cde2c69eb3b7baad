/* road_test.c: when one road is closed, operations take the other. Promises the same results where the ring is
 * refused from the start, where it dies in mid-life with everything in flight, and where system calls that the
 * other road likes to use are missing. A filter cannot be taken off again: each test process installs its own. */
#define _GNU_SOURCE
#include "work.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

enum { RING_SETUP = 425, RING_ENTER = 426, RING_REGISTER = 427 }; /* the same on all architectures */

/* From now on this system call gets that error, in this process and its children. */
static void deny (int call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) call, 0, 1),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned) error),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip ("seccomp filters are not available here");
}

TEST_ENGINES (all_roads_are_open)
{
    work (test_loop (0));
}

/* ---- the ring is refused --------------------------------------------------------------------------- */

static void check_refused_ring (int error)
{
    struct ev_loop *loop;

    deny (RING_SETUP, error);
    setenv ("EVRING_OPS", "uring", 1);
    loop = ev_loop_new (EVBACKEND_EPOLL | EVFLAG_NOENV);
    ck_assert_int_eq (ev_op_ring (loop), -error);
    work (loop);
    ck_assert_int_eq (ev_op_ring (loop), -error);
    ev_loop_destroy (loop);
}

TEST (ring_that_is_forbidden_is_not_needed)
{
    check_refused_ring (EPERM);
}

TEST (ring_the_kernel_does_not_have_is_not_needed)
{
    check_refused_ring (ENOSYS);
}

TEST (ring_without_memory_is_not_needed)
{
    check_refused_ring (ENOMEM);
}

TEST_ENGINES (buffers_the_kernel_does_not_take_are_filled_by_hand)
{
    struct ev_loop *loop = test_loop (0);

    socket_work (loop);
    deny (RING_REGISTER, EINVAL); /* before 5.19 */
    pool_work (loop);
    work (loop);
}

/* ---- the ring dies in mid-life --------------------------------------------------------------------- */

/* Each ends once, with what the world gives it or with -ECANCELED; never with the error of the ring. */
static void check_dies (int call, int error)
{
    struct ev_loop *loop = test_loop (0);
    static struct place places[WAITINGS];

    TEST_SECONDS (30);
    for (int i = 0; i < WAITINGS; i++)
        if (waiting_works (&waitings[i])) {
            place_begin (&places[i], loop, &waitings[i]);
            place_start (&places[i]);
        }
    op_settle (loop);
    deny (call, error);
    test_backend = 0; /* the loop moves to another one */
    op_settle (loop);
    for (int i = 0; i < WAITINGS; i++) {
        struct place *place = &places[i];
        struct op *op = place->what ? &place->luggage->op : NULL;

        if (!op)
            continue;
        if (!op->ends && place->what->release) {
            place->what->release (place);
            op_until (loop, &op->calls, 1);
        }
        if (op->ends)
            ck_assert_int_eq (op->ends, 1);
        if (op->calls && op->result != -ECANCELED && !(place->what->ring && op->result == -EOPNOTSUPP))
            ck_assert_msg (place_result_is_right (place, op->result), "%s: result %zd", place->what->name,
                           op->result);
        op_stop (loop, op);
        if (place->what->set == set_accept && op->calls == 2) /* asked anew for each one (before 5.19) */
            close ((int) op->total);
        place_end (place);
    }
    op_all_over (loop);
    work (loop);
}

TEST_ENGINES (ring_that_dies_takes_nothing_with_it)
{
    check_dies (RING_ENTER, EPERM);
}

TEST_ENGINES (ring_that_vanishes_takes_nothing_with_it)
{
    check_dies (RING_ENTER, ENOSYS);
}

/* ---- system calls of the other road ---------------------------------------------------------------- */

static void check_without (int call, int error)
{
    struct ev_loop *loop = test_loop (0);

    deny (call, error);
    work (loop);
}

TEST_ENGINES (without_preadv2_files_are_read)
{
    check_without (SYS_preadv2, ENOSYS);
}

TEST_ENGINES (without_pwritev2_files_are_written)
{
    check_without (SYS_pwritev2, ENOSYS);
}

TEST_ENGINES (without_preadv2_of_some_files_they_are_read)
{
    check_without (SYS_preadv2, EOPNOTSUPP);
}

TEST_ENGINES (without_eventfd_threads_are_heard)
{
    struct ev_loop *loop;

    deny (SYS_eventfd2, EMFILE);
    loop = ev_loop_new (test_backend | EVFLAG_NOENV);
    if (!loop)
        test_skip ("this backend needs one");
    work (loop);
    ev_loop_destroy (loop);
}

/* No thread can be made: an operation on a file ends with an error, or is done in some other way; it does end. In a
 * child, since leak checkers need threads at the end. */
static void work_without_threads (void *arg)
{
    struct ev_loop *loop = arg;
    int fd = op_file (100);
    char buf[100];

    deny (SYS_clone3, EAGAIN);
    deny (SYS_clone, EAGAIN);
    for (int i = 0; i < 10; i++) {
        ssize_t result = op_do (loop, read, fd, buf, 100, 0);

        ck_assert_msg (result == 100 || result == -EAGAIN, "result %zd", result);
        result = op_do (loop, fsync, fd, 0);
        ck_assert_msg (result == 0 || result == -EAGAIN, "result %zd", result);
        result = op_do (loop, openat, AT_FDCWD, "/nonexistent", O_RDONLY, 0);
        ck_assert_msg (result == -ENOENT || result == -EAGAIN, "result %zd", result);
    }
    op_all_over (loop);
    ev_loop_destroy (loop);
}

TEST_ENGINES (without_threads_every_operation_ends)
{
    struct ev_loop *loop = test_loop (EVFLAG_FORKCHECK);

    ck_assert_int_eq (test_child (work_without_threads, loop, NULL, 0), 0);
}
