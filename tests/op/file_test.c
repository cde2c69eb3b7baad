/* file_test.c: operations on files, folders, pipes, terminals and devices. Promises the result and the errno of the
 * system call of the same name, positions and offsets as there, and that many run at the same time. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <linux/falloc.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

enum { SIZE = 1000 };

/* ---- reading and writing ------------------------------------------------------------------------ */

TEST_ENGINES (read_at_an_offset_leaves_the_position)
{
    struct ev_loop *loop = test_loop (0);
    char buf[SIZE];
    int fd = op_file (SIZE);

    lseek (fd, 7, SEEK_SET);
    ck_result (op_do (loop, read, fd, buf, 100, 0), 100);
    ck_assert (op_data_is (buf, 100, 0));
    ck_result (op_do (loop, read, fd, buf, 100, 500), 100);
    ck_assert (op_data_is (buf, 100, 500));
    ck_assert_int_eq (lseek (fd, 0, SEEK_CUR), 7);
    close (fd);
    op_all_over (loop);
}

TEST_ENGINES (read_at_the_current_position_moves_it)
{
    struct ev_loop *loop = test_loop (0);
    char buf[SIZE];
    int fd = op_file (SIZE);

    lseek (fd, 10, SEEK_SET);
    ck_result (op_do (loop, read, fd, buf, 100, -1), 100);
    ck_assert (op_data_is (buf, 100, 10));
    ck_assert_int_eq (lseek (fd, 0, SEEK_CUR), 110);
    ck_result (op_do (loop, read, fd, buf, SIZE, -1), SIZE - 110);
    ck_result (op_do (loop, read, fd, buf, SIZE, -1), 0);
    close (fd);
}

TEST_ENGINES (read_is_short_at_the_end_and_nothing_behind_it)
{
    struct ev_loop *loop = test_loop (0);
    char buf[SIZE];
    int fd = op_file (SIZE);

    ck_result (op_do (loop, read, fd, buf, SIZE, SIZE - 10), 10);
    ck_result (op_do (loop, read, fd, buf, SIZE, SIZE), 0);
    ck_result (op_do (loop, read, fd, buf, SIZE, 1LL << 40), 0);
    ck_result (op_do (loop, read, fd, buf, 0, 0), 0);
    close (fd);
}

TEST_ENGINES (write_at_an_offset_and_at_the_position)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (0);
    char buf[16];

    ck_result (op_do (loop, write, fd, "world", 5, 6), 5);
    ck_assert_int_eq (lseek (fd, 0, SEEK_CUR), 0);
    ck_result (op_do (loop, write, fd, "hello", 5, -1), 5);
    ck_result (op_do (loop, write, fd, " ", 1, -1), 1);
    ck_assert_int_eq (lseek (fd, 0, SEEK_CUR), 6);
    ck_assert_int_eq (pread (fd, buf, sizeof buf, 0), 11);
    ck_assert_int_eq (memcmp (buf, "hello world", 11), 0);
    ck_result (op_do (loop, write, fd, buf, 0, 0), 0);
    close (fd);
}

TEST_ENGINES (offsets_beyond_four_gigabytes_work)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (0);
    char buf[8];

    ck_result (op_do (loop, write, fd, "far", 3, 5LL << 32), 3);
    ck_result (op_do (loop, read, fd, buf, sizeof buf, 5LL << 32), 3);
    ck_assert_int_eq (memcmp (buf, "far", 3), 0);
    ck_result (op_do (loop, ftruncate, fd, (5LL << 32) + 1), 0);
    ck_result (op_do (loop, read, fd, buf, sizeof buf, 5LL << 32), 1);
    close (fd);
}

TEST_ENGINES (vectors_are_read_and_written)
{
    struct ev_loop *loop = test_loop (0);
    char a[3] = "abc", b[4] = "defg", c[3], d[10];
    struct iovec out[3] = { { a, 3 }, { NULL, 0 }, { b, 4 } }, in[2] = { { c, 3 }, { d, 10 } };
    int fd = op_file (0);

    ck_result (op_do (loop, writev, fd, out, 3, 2), 7);
    ck_result (op_do (loop, readv, fd, in, 2, 2), 7);
    ck_assert_int_eq (memcmp (c, "abc", 3) + memcmp (d, "defg", 4), 0);
    ck_result (op_do (loop, readv, fd, in, 2, -1), 9);
    ck_assert_int_eq (lseek (fd, 0, SEEK_CUR), 9);
    ck_result (op_do (loop, writev, fd, out, 3, -1), 7);
    ck_result (op_do (loop, readv, fd, in, 0, 0), 0);
    ck_result (op_do (loop, readv, fd, in, -1, 0), -EINVAL);
    ck_result (op_do (loop, writev, fd, out, 5000, 0), -EINVAL);
    close (fd);
}

TEST_ENGINES (appending_writes_append)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (10), again;
    char path[64];

    snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
    again = open (path, O_WRONLY | O_APPEND);
    ck_result (op_do (loop, write, again, "x", 1, -1), 1);
    ck_result (op_do (loop, write, again, "y", 1, 0), 1);
    ck_assert_int_eq (lseek (fd, 0, SEEK_END), 12);
    close (again);
    close (fd);
}

/* Nothing of this may wait: it would be for ever. */
static void check_wrong_way (struct ev_loop *loop, int reads, int writes)
{
    char buf[8] = "";
    struct iovec vec = { buf, 8 };

    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        ck_result (op_do (loop, read, writes, buf, 8, -1), -EBADF);
        ck_result (op_do (loop, readv, writes, &vec, 1, -1), -EBADF);
        ck_result (op_do (loop, write, reads, buf, 8, -1), -EBADF);
        ck_result (op_do (loop, writev, reads, &vec, 1, -1), -EBADF);
        fcntl (reads, F_SETFL, fcntl (reads, F_GETFL) | O_NONBLOCK);
        fcntl (writes, F_SETFL, fcntl (writes, F_GETFL) | O_NONBLOCK);
    }
}

TEST_ENGINES (wrong_direction_is_told_at_once)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd[2], terminal = posix_openpt (O_RDWR | O_NOCTTY);

    ck_assert_int_eq (pipe (fd), 0);
    check_wrong_way (loop, fd[0], fd[1]);
    op_close_both (fd);
    ck_assert_int_eq (mkfifoat (folder, "fifo", 0600), 0);
    fd[0] = openat (folder, "fifo", O_RDONLY | O_NONBLOCK);
    fd[1] = openat (folder, "fifo", O_WRONLY);
    fcntl (fd[0], F_SETFL, O_RDONLY);
    check_wrong_way (loop, fd[0], fd[1]);
    op_close_both (fd);
    if (terminal >= 0 && !grantpt (terminal) && !unlockpt (terminal)) {
        fd[0] = open (ptsname (terminal), O_RDONLY | O_NOCTTY);
        fd[1] = open (ptsname (terminal), O_WRONLY | O_NOCTTY);
        check_wrong_way (loop, fd[0], fd[1]);
        op_close_both (fd);
        close (terminal);
    }
    unlinkat (folder, "fifo", 0);
    op_folder_end (folder);
}

TEST_ENGINES (what_cannot_be_read_or_written_at_all_is_told_at_once)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];
    char buf[8] = "";

    if (test_engine_ring ())
        test_skip ("the kernel waits until such a file is ready");
    fd[0] = epoll_create1 (0);
    fd[1] = (int) syscall (SYS_pidfd_open, getpid (), 0);
    for (int i = 0; i < 2; i++) {
        if (fd[i] < 0) /* kernels before 5.3 have no pidfd */
            continue;
        for (int offset = -1; offset < 1; offset++) {
            ssize_t got = op_do (loop, read, fd[i], buf, 8, offset);

            ck_assert_msg (got == -EINVAL || (offset == 0 && got == -ESPIPE), "read: %zd", got);
            got = op_do (loop, write, fd[i], buf, 8, offset);
            ck_assert_msg (got == -EINVAL || got == -EBADF || (offset == 0 && got == -ESPIPE), "write: %zd",
                           got);
        }
        close (fd[i]);
    }
}

TEST_ENGINES (nothing_to_read_or_write_is_done_at_once)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], file = op_file (10);
    char buf[1] = "";

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq (i ? socketpair (AF_UNIX, SOCK_STREAM, 0, fd) : pipe (fd), 0);
        ck_result (op_do (loop, read, fd[0], buf, 0, -1), 0);
        ck_result (op_do (loop, readv, fd[0], NULL, 0, -1), 0);
        ck_result (op_do (loop, write, fd[1], buf, 0, -1), 0);
        ck_result (op_do (loop, writev, fd[1], NULL, 0, -1), 0);
        op_close_both (fd);
    }
    ck_result (op_do (loop, readv, file, NULL, 0, -1), 0);
    ck_result (op_do (loop, writev, file, NULL, 0, 0), 0);
    close (file);
}

TEST_ENGINES (vectors_that_are_not_there_are_a_fault)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2], file = op_file (10);

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq (i ? socketpair (AF_UNIX, SOCK_STREAM, 0, fd) : pipe (fd), 0);
        for (int full = 0; full < 2; full++) {
            ck_result (op_do (loop, readv, fd[0], NULL, 2, -1), -EFAULT);
            ck_result (op_do (loop, writev, fd[1], NULL, 2, -1), -EFAULT);
            kit_put (fd[1]);
        }
        op_close_both (fd);
    }
    for (int offset = -1; offset < 1; offset++) {
        ck_result (op_do (loop, readv, file, NULL, 2, offset), -EFAULT);
        ck_result (op_do (loop, writev, file, NULL, 2, offset), -EFAULT);
    }
    close (file);
}

TEST_ENGINES (read_and_write_say_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    char buf[8] = "";
    int fd = op_file (8), folder = open ("/tmp", O_RDONLY | O_DIRECTORY), none = open ("/tmp", O_PATH);
    int only_read = open ("/dev/null", O_RDONLY), only_write = open ("/dev/null", O_WRONLY),
        bad = kit_closed_fd ();

    ck_result (op_do (loop, read, bad, buf, 8, 0), -EBADF);
    ck_result (op_do (loop, read, bad, buf, 8, -1), -EBADF);
    ck_result (op_do (loop, read, -1, buf, 8, 0), -EBADF);
    ck_result (op_do (loop, read, only_write, buf, 8, 0), -EBADF);
    ck_result (op_do (loop, write, only_read, buf, 8, 0), -EBADF);
    ck_result (op_do (loop, write, bad, buf, 8, -1), -EBADF);
    ck_result (op_do (loop, read, folder, buf, 8, 0), -EISDIR);
    ck_result (op_do (loop, read, folder, buf, 8, -1), -EISDIR);
    ck_result (op_do (loop, read, none, buf, 8, 0), -EBADF);
    ck_result (op_do (loop, read, fd, buf, 8, -2), -EINVAL);
    ck_result (op_do (loop, write, fd, buf, 8, -5), -EINVAL);
    ck_result (op_do (loop, read, fd, (void *) 8, 8, 0), -EFAULT);
    ck_result (op_do (loop, write, fd, (void *) 8, 8, 0), -EFAULT);
    close (fd);
    close (folder);
    close (none);
    close (only_read);
    close (only_write);
}

static void check_parallel (struct ev_loop *loop, int count, size_t size)
{
    struct op *ops = op_memory (sizeof *ops * (size_t) count);
    unsigned char *data = op_memory (size * (size_t) count), *buf = op_memory (size * (size_t) count);
    int fd = op_file (0);

    op_data (data, size * (size_t) count, 0);
    for (int i = 0; i < count; i++)
        op_begin (loop, &ops[i], write, fd, data + (size_t) i * size, size, (int64_t) ((size_t) i * size));
    for (int i = 0; i < count; i++)
        ck_result (op_end (loop, &ops[i]), size);
    for (int i = 0; i < count; i++)
        op_begin (loop, &ops[i], read, fd, buf + (size_t) i * size, size, (int64_t) ((size_t) i * size));
    for (int i = 0; i < count; i++)
        ck_result (op_end (loop, &ops[i]), size);
    ck_assert (op_data_is (buf, size * (size_t) count, 0));
    op_all_over (loop);
    close (fd);
    free (ops);
    free (data);
    free (buf);
}

TEST_ENGINES (many_files_operations_at_the_same_time)
{
    struct ev_loop *loop = test_loop (0);

    check_parallel (loop, 128, 4096);
    check_parallel (loop, 1000, 100);
    check_parallel (loop, 4, 4 << 20);
}

/* ---- names ------------------------------------------------------------------------------------- */

TEST_ENGINES (file_from_its_birth_to_its_end)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();
    struct statx stat;
    int fd;

    ck_result (op_do (loop, mkdirat, folder, "inner", 0755), 0);
    fd = (int) op_do (loop, openat, folder, "inner/file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    ck_assert_int_ge (fd, 0);
    ck_assert (fcntl (fd, F_GETFD) & FD_CLOEXEC);
    ck_result (op_do (loop, write, fd, "hello", 5, 0), 5);
    ck_result (op_do (loop, fsync, fd, 0), 0);
    ck_result (op_do (loop, fsync, fd, 1), 0);
    ck_result (op_do (loop, ftruncate, fd, 3), 0);
    ck_result (op_do (loop, fallocate, fd, 0, 0, 5000), 0);
    ck_result (op_do (loop, statx, folder, "inner/file", 0, STATX_BASIC_STATS, &stat), 0);
    ck_assert_uint_eq (stat.stx_size, 5000);
    ck_assert_uint_eq (stat.stx_mode & 07777, 0640);
    ck_result (op_do (loop, renameat, folder, "inner/file", folder, "other", 0), 0);
    ck_result (op_do (loop, statx, folder, "inner/file", 0, STATX_BASIC_STATS, &stat), -ENOENT);
    ck_result (op_do (loop, unlinkat, folder, "other", 0), 0);
    ck_result (op_do (loop, unlinkat, folder, "inner", AT_REMOVEDIR), 0);
    ck_result (op_do (loop, close, fd), 0);
    ck_assert_int_lt (fcntl (fd, F_GETFD), 0);
    ck_result (op_do (loop, close, fd), -EBADF);
    op_folder_end (folder);
    op_all_over (loop);
}

TEST_ENGINES (open_says_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd = openat (folder, "file", O_CREAT | O_RDWR, 0600);

    ck_result (op_do (loop, openat, folder, "nobody", O_RDONLY, 0), -ENOENT);
    ck_result (op_do (loop, openat, folder, "file", O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
    ck_result (op_do (loop, openat, folder, "file/inner", O_RDONLY, 0), -ENOTDIR);
    ck_result (op_do (loop, openat, folder, "file", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    ck_result (op_do (loop, openat, folder, ".", O_RDWR, 0), -EISDIR);
    ck_result (op_do (loop, openat, folder, "", O_RDONLY, 0), -ENOENT);
    ck_result (op_do (loop, openat, kit_closed_fd (), "file", O_RDONLY, 0), -EBADF);
    ck_result (op_do (loop, openat, fd, "file", O_RDONLY, 0), -ENOTDIR);
    ck_assert_int_eq (symlinkat ("loop", folder, "loop"), 0);
    ck_result (op_do (loop, openat, folder, "loop", O_RDONLY, 0), -ELOOP);
    unlinkat (folder, "loop", 0);
    unlinkat (folder, "file", 0);
    close (fd);
    op_folder_end (folder);
}

TEST_ENGINES (folders_and_names_say_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();
    struct statx stat;

    close (openat (folder, "file", O_CREAT | O_RDWR, 0600));
    ck_result (op_do (loop, mkdirat, folder, "inner", 0700), 0);
    ck_result (op_do (loop, mkdirat, folder, "inner", 0700), -EEXIST);
    ck_result (op_do (loop, mkdirat, folder, "no/where", 0700), -ENOENT);
    ck_result (op_do (loop, mkdirat, folder, "inner/more", 0700), 0);
    ck_result (op_do (loop, unlinkat, folder, "inner", AT_REMOVEDIR), -ENOTEMPTY);
    ck_result (op_do (loop, unlinkat, folder, "inner", 0), -EISDIR);
    ck_result (op_do (loop, unlinkat, folder, "file", AT_REMOVEDIR), -ENOTDIR);
    ck_result (op_do (loop, unlinkat, folder, "nobody", 0), -ENOENT);
    ck_result (op_do (loop, renameat, folder, "file", folder, "inner", RENAME_NOREPLACE), -EEXIST);
    ck_result (op_do (loop, renameat, folder, "file", folder, "inner", RENAME_EXCHANGE), 0);
    ck_result (op_do (loop, statx, folder, "file", 0, STATX_TYPE, &stat), 0);
    ck_assert (S_ISDIR (stat.stx_mode));
    ck_result (op_do (loop, renameat, folder, "nobody", folder, "new", 0), -ENOENT);
    ck_result (op_do (loop, renameat, folder, "file", folder, "new", 77777), -EINVAL);
    ck_result (op_do (loop, unlinkat, folder, "inner", 77777), -EINVAL);
    unlinkat (folder, "file/more", AT_REMOVEDIR);
    unlinkat (folder, "file", AT_REMOVEDIR);
    unlinkat (folder, "inner", 0);
    op_folder_end (folder);
}

TEST_ENGINES (names_count_from_the_working_folder_and_from_the_root)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd;
    char path[100];

    snprintf (path, sizeof path, "%s/file", op_folder);
    fd = (int) op_do (loop, openat, -1, path, O_CREAT | O_RDWR,
                      0600); /* absolute: the folder does not matter */
    ck_assert_int_ge (fd, 0);
    close (fd);
    ck_assert_int_eq (fchdir (folder), 0);
    fd = (int) op_do (loop, openat, AT_FDCWD, "file", O_RDONLY, 0);
    ck_assert_int_ge (fd, 0);
    close (fd);
    ck_result (op_do (loop, unlinkat, AT_FDCWD, "file", 0), 0);
    ck_assert_int_eq (chdir ("/"), 0);
    op_folder_end (folder);
}

TEST_ENGINES (umask_of_the_program_holds)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();
    struct statx stat;

    umask (027);
    close ((int) op_do (loop, openat, folder, "file", O_CREAT | O_RDWR, 0666));
    ck_result (op_do (loop, mkdirat, folder, "inner", 0777), 0);
    ck_result (op_do (loop, statx, folder, "file", 0, STATX_MODE, &stat), 0);
    ck_assert_uint_eq (stat.stx_mode & 07777, 0640);
    ck_result (op_do (loop, statx, folder, "inner", 0, STATX_MODE, &stat), 0);
    ck_assert_uint_eq (stat.stx_mode & 07777, 0750);
    unlinkat (folder, "file", 0);
    unlinkat (folder, "inner", AT_REMOVEDIR);
    op_folder_end (folder);
}

/* The first look at a file system without a device may be a thread's: then it is known to be near. */
TEST_ENGINES (opening_and_looking_at_what_is_in_memory_needs_no_thread)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();
    unsigned long long threads;
    struct statx stat;

    close (openat (folder, "file", O_CREAT | O_RDWR, 0600));
    op_do (loop, statx, folder, "file", 0, STATX_BASIC_STATS, &stat);
    threads = op_stats (loop).ops_threads;
    for (int i = 0; i < 3; i++) {
        int fd = (int) op_do (loop, openat, folder, "file", O_RDONLY | O_CLOEXEC, 0);

        ck_assert_int_ge (fd, 0);
        ck_assert_int_eq (fcntl (fd, F_GETFL) & O_NONBLOCK, 0);
        close (fd);
        ck_result (op_do (loop, statx, folder, "file", 0, STATX_BASIC_STATS, &stat), 0);
        ck_result (op_do (loop, statx, folder, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat), 0);
    }
    ck_assert_uint_eq (op_stats (loop).ops_threads, threads);
    unlinkat (folder, "file", 0);
    op_folder_end (folder);
}

/* ---- with which rights ---- */

static ssize_t open_secret (struct ev_loop *loop)
{
    char path[100];
    ssize_t result;

    snprintf (path, sizeof path, "%s/secret", op_folder);
    result = op_do (loop, openat, AT_FDCWD, path, O_RDONLY, 0);
    if (result >= 0)
        close ((int) result);
    return result >= 0 ? 0 : result;
}

/* Of root, and open already: the threads that do such things are there. */
static int secret_begin (struct ev_loop *loop)
{
    int folder, fd;

    if (getuid ())
        test_skip ("not root");
    folder = op_folder_begin ();
    ck_assert_int_eq (fchmod (folder, 0755), 0);
    fd = openat (folder, "secret", O_CREAT | O_RDWR, 0600);
    ck_result (op_do (loop, fsync, fd, 0), 0); /* what is in memory would need no thread */
    close (fd);
    ck_result (open_secret (loop), 0);
    return folder;
}

static void secret_end (int folder)
{
    ck_assert_int_eq (unlinkat (folder, "secret", 0), 0);
    op_folder_end (folder);
}

TEST_ENGINES (ids_that_the_process_takes_hold_for_what_starts_later)
{
    struct ev_loop *loop = test_loop (0);
    int folder = secret_begin (loop);

    ck_assert_int_eq (setresuid (-1, 65534, -1), 0);
    ck_result (open_secret (loop), -EACCES);
    ck_assert_int_eq (setresuid (-1, 0, -1), 0);
    ck_result (open_secret (loop), 0);
    secret_end (folder);
}

/* A thread of the pool has the rights that it was born with. */
TEST_ENGINES (ids_that_a_thread_takes_for_itself_hold_on_a_ring_alone)
{
    struct ev_loop *loop = test_loop (0);
    int folder = secret_begin (loop);

    ck_assert_int_eq ((int) syscall (SYS_setresuid, -1, 65534, -1), 0);
    ck_result (open_secret (loop), test_engine_ring () ? -EACCES : 0);
    ck_assert_int_eq ((int) syscall (SYS_setresuid, -1, 0, -1), 0);
    secret_end (folder);
}

TEST_ENGINES (working_folder_root_and_umask_are_those_of_the_loops_turn)
{
    struct ev_loop *loop = test_loop (0);
    int folder = secret_begin (loop), root = open ("/", O_PATH);
    struct statx stat;
    struct op op;

    op_begin (loop, &op, mkdirat, AT_FDCWD, "made", 0777);
    ck_assert_int_eq (fchdir (folder), 0); /* after the start, before the loop runs */
    umask (077);
    ck_result (op_end (loop, &op), 0);
    ck_result (op_do (loop, statx, folder, "made", 0, STATX_MODE, &stat), 0);
    ck_assert_uint_eq (stat.stx_mode & 07777, 0700);
    ck_assert_int_eq (unlinkat (folder, "made", AT_REMOVEDIR), 0);
    ck_assert_int_eq (chroot ("."), 0);
    ck_result (op_do (loop, statx, AT_FDCWD, "/secret", 0, STATX_MODE, &stat), 0);
    ck_assert_int_eq (fchdir (root), 0);
    ck_assert_int_eq (chroot ("."), 0);
    close (root);
    secret_end (folder);
}

TEST_ENGINES (statx_tells_what_the_system_call_tells)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd = op_file (SIZE);
    struct statx got, wanted;

    ck_assert_int_eq (symlinkat ("/", folder, "link"), 0);
    ck_result (op_do (loop, statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &got), 0);
    ck_assert_int_eq (statx (fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &wanted), 0);
    ck_assert_int_eq (memcmp (&got, &wanted, sizeof got), 0);
    ck_assert_uint_eq (got.stx_size, SIZE);
    ck_result (op_do (loop, statx, folder, "link", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &got), 0);
    ck_assert (S_ISLNK (got.stx_mode));
    ck_result (op_do (loop, statx, folder, "link", 0, STATX_BASIC_STATS, &got), 0);
    ck_assert (S_ISDIR (got.stx_mode));
    ck_result (op_do (loop, statx, kit_closed_fd (), "", AT_EMPTY_PATH, STATX_BASIC_STATS, &got), -EBADF);
    unlinkat (folder, "link", 0);
    close (fd);
    op_folder_end (folder);
}

TEST_ENGINES (fsync_fallocate_and_ftruncate_say_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    int fd = op_file (SIZE), only_read = open ("/proc/self/exe", O_RDONLY), bad = kit_closed_fd (), end[2];

    test_pipe (end);
    ck_result (op_do (loop, fsync, bad, 0), -EBADF);
    ck_result (op_do (loop, fsync, end[0], 0), -EINVAL);
    ck_result (op_do (loop, ftruncate, bad, 0), -EBADF);
    ck_result (op_do (loop, ftruncate, only_read, 0), -EINVAL);
    ck_result (op_do (loop, ftruncate, fd, -1), -EINVAL);
    ck_result (op_do (loop, fallocate, bad, 0, 0, 10), -EBADF);
    ck_result (op_do (loop, fallocate, only_read, 0, 0, 10), -EBADF);
    ck_result (op_do (loop, fallocate, fd, 0, 0, 0), -EINVAL);
    ck_result (op_do (loop, fallocate, fd, 0, -1, 10), -EINVAL);
    ck_result (op_do (loop, fallocate, end[1], 0, 0, 10), -ESPIPE);
    ck_result (op_do (loop, fallocate, fd, FALLOC_FL_KEEP_SIZE, 0, 10000), 0);
    ck_assert_int_eq (lseek (fd, 0, SEEK_END), SIZE);
    close (fd);
    close (only_read);
    op_close_both (end);
}

/* ---- full ---------------------------------------------------------------------------------------- */

TEST_ENGINES (write_to_a_full_disk_is_enospc)
{
    struct ev_loop *loop = test_loop (0);
    char *data = op_memory (1 << 20), path[100];
    int folder, fd;
    ssize_t done;

    if (unshare (CLONE_NEWNS) || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        test_skip ("may not mount");
    folder = op_folder_begin ();
    if (mount ("none", op_folder, "tmpfs", 0, "size=64k")) {
        op_folder_end (folder);
        test_skip ("may not mount");
    }
    snprintf (path, sizeof path, "%s/file", op_folder);
    fd = (int) op_do (loop, openat, AT_FDCWD, path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge (fd, 0);
    done = op_do (loop, write, fd, data, 1 << 20, 0); /* as much as there is room for */
    ck_assert_msg (done > 0 && done <= 65536, "result %zd", done);
    ck_result (op_do (loop, write, fd, data, 1 << 20, done), -ENOSPC);
    ck_result (op_do (loop, fallocate, fd, 0, 0, 1 << 20), -ENOSPC);
    ck_result (op_do (loop, ftruncate, fd, 0), 0);
    ck_result (op_do (loop, write, fd, data, 1000, 0), 1000);
    close (fd);
    umount2 (op_folder, MNT_DETACH); /* a worker lets go of the file a moment after its completion */
    op_folder_end (folder);
    free (data);
}

TEST_ENGINES (write_beyond_the_limit_of_file_sizes_is_efbig)
{
    struct ev_loop *loop = test_loop (0);
    enum { LIMIT = 1 << 26 }; /* Check writes files too */
    struct rlimit limit = { LIMIT, RLIM_INFINITY };
    int fd = op_file (0);
    char data[2 * SIZE];

    signal (SIGXFSZ, SIG_IGN);
    memset (data, 'x', sizeof data);
    ck_assert_int_eq (setrlimit (RLIMIT_FSIZE, &limit), 0);
    ck_result (op_do (loop, write, fd, data, sizeof data, LIMIT - SIZE), SIZE); /* up to it */
    ck_result (op_do (loop, write, fd, data, sizeof data, LIMIT), -EFBIG);
    ck_result (op_do (loop, ftruncate, fd, LIMIT + 1), -EFBIG);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit (RLIMIT_FSIZE, &limit);
    close (fd);
}

/* ---- what is not a file -------------------------------------------------------------------------- */

TEST_ENGINES (pipes_are_read_and_written)
{
    struct ev_loop *loop = test_loop (0);
    struct iovec vec[2];
    struct op op;
    char buf[100];
    int fd[2];

    ck_assert_int_eq (pipe (fd), 0);
    op_begin (loop, &op, read, fd[0], buf, sizeof buf, -1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_result (op_do (loop, write, fd[1], "hello", 5, -1), 5);
    ck_result (op_end (loop, &op), 5);
    vec[0] = (struct iovec){ (void *) "ab", 2 };
    vec[1] = (struct iovec){ (void *) "cde", 3 };
    ck_result (op_do (loop, writev, fd[1], vec, 2, -1), 5);
    vec[0] = (struct iovec){ buf, 3 };
    vec[1] = (struct iovec){ buf + 3, 97 };
    ck_result (op_do (loop, readv, fd[0], vec, 2, -1), 5);
    ck_assert_int_eq (memcmp (buf, "abcde", 5), 0);
    ck_assert (op_is_blocking (fd[0]) && op_is_blocking (fd[1]));
    close (fd[1]);
    ck_result (op_do (loop, read, fd[0], buf, sizeof buf, -1), 0);
    close (fd[0]);
}

/* Bigger than the pipe: whoever writes must not hold the loop. */
TEST_ENGINES (big_write_to_a_pipe_does_not_block_the_loop)
{
    enum { BIG = 1 << 20 };
    struct ev_loop *loop = test_loop (0);
    char *data = op_memory (BIG);
    size_t sent = 0, got = 0;
    struct op op;
    int fd[2];

    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        ck_assert_int_eq (pipe2 (fd, nonblocking ? O_NONBLOCK : 0), 0);
        for (sent = got = 0; sent < BIG; sent += (size_t) op.result) {
            op_begin (loop, &op, write, fd[1], data + sent, BIG - sent, -1);
            for (double end = test_clock () + OP_PATIENCE; !op.ends && test_clock () < end;) {
                ev_run (loop, EVRUN_NOWAIT);
                got += op_drain (fd[0]);
            }
            ck_assert_int_gt ((int) op_end (loop, &op), 0);
        }
        got += op_drain (fd[0]);
        ck_assert_uint_eq (got, sent);
        op_close_both (fd);
    }
    free (data);
}

TEST_ENGINES (terminals_are_read_and_written)
{
    struct ev_loop *loop = test_loop (0);
    int master = posix_openpt (O_RDWR | O_NOCTTY), slave;
    struct termios raw;
    struct op op;
    char buf[100];

    if (master < 0 || grantpt (master) || unlockpt (master))
        test_skip ("no terminals here");
    slave = open (ptsname (master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge (slave, 0);
    tcgetattr (slave, &raw);
    cfmakeraw (&raw);
    tcsetattr (slave, TCSANOW, &raw);
    op_begin (loop, &op, read, slave, buf, sizeof buf, -1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_result (op_do (loop, write, master, "typed", 5, -1), 5);
    ck_result (op_end (loop, &op), 5);
    ck_assert_int_eq (memcmp (buf, "typed", 5), 0);
    op_begin (loop, &op, read, master, buf, sizeof buf, -1);
    ck_result (op_do (loop, write, slave, "shown", 5, -1), 5);
    ck_result (op_end (loop, &op), 5);
    op_begin (loop, &op, read, slave, buf, sizeof buf, -1);
    op_settle (loop);
    ck_result (op_stop (loop, &op), -ECANCELED);
    op_begin (loop, &op, read, master, buf, sizeof buf, -1);
    op_settle (loop);
    close (slave);
    ck_result (op_end (loop, &op), -EIO); /* everybody has hung up */
    close (master);
}

/* A slave that is raw and blocking, whose master reads nothing. */
static int open_terminal (int *master)
{
    struct termios raw;
    int slave;

    *master = posix_openpt (O_RDWR | O_NOCTTY);
    if (*master < 0 || grantpt (*master) || unlockpt (*master))
        test_skip ("no terminals here");
    slave = open (ptsname (*master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge (slave, 0);
    tcgetattr (slave, &raw);
    cfmakeraw (&raw);
    tcsetattr (slave, TCSANOW, &raw);
    return slave;
}

static void write_again (struct ev_loop *loop, struct op *op)
{
    if (op->result > 0)
        op_start (loop, op);
}

/* If it stopped the loop, it would be for ever: nobody reads. */
static void check_slow_terminal (struct ev_loop *loop, int slave, int master, int64_t offset)
{
    char *data = op_memory (1 << 20);
    struct op op;
    int before;

    ev_write_set (op_new (&op), slave, data, 1 << 20, offset);
    op.then = write_again;
    op_start (loop, &op);
    op_until (loop, &op.calls, 1);
    do {
        before = op.calls;
        op_settle (loop);
    } while (op.calls > before);
    ck_assert (op_is_blocking (slave));
    op_drain (master);
    op_until (loop, &op.calls, before + 1); /* there is room again */
    if (ev_is_active (&op.w))
        op_stop (loop, &op);
    while (op_drain (master)) /* what the terminal holds comes in pieces */
        usleep (1000);
    free (data);
}

TEST_ENGINES (write_to_a_terminal_that_nobody_reads_does_not_stop_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    int master, slave = open_terminal (&master);

    check_slow_terminal (loop, slave, master, -1);
    check_slow_terminal (loop, slave, master, 0);
    close (slave);
    close (master);
}

TEST_ENGINES (write_to_a_counter_that_is_full_does_not_stop_the_loop)
{
    struct ev_loop *loop = test_loop (0);
    uint64_t most = UINT64_MAX - 1, number = 0;
    int counter = eventfd (5, 0); /* there is room, but not for that much */
    struct op op;

    op_begin (loop, &op, write, counter, &most, sizeof most, -1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_result (op_do (loop, read, counter, &number, sizeof number, -1), 8);
    ck_assert_uint_eq (number, 5);
    ck_result (op_end (loop, &op), 8);
    close (counter);
}

TEST_ENGINES (counters_and_clocks_say_what_is_wrong_before_they_wait)
{
    struct ev_loop *loop = test_loop (0);
    int counter = eventfd (0, 0), clock = timerfd_create (CLOCK_MONOTONIC, 0);
    char buf[8];

    ck_result (op_do (loop, read, counter, buf, 4, -1), -EINVAL);
    if (kit_kernel_from (6, 9)) /* before, a clock is asked when it has rung */
        ck_result (op_do (loop, read, clock, buf, 4, -1), -EINVAL);
    close (counter);
    close (clock);
}

TEST_ENGINES (offset_on_a_socket_or_pipe_does_not_matter)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];
    char buf[8];
    struct iovec vec = { buf, 4 };

    for (int pipes = 0; pipes < 2; pipes++) {
        if (pipes)
            ck_assert_int_eq (pipe (fd), 0);
        else
            op_pair (fd);
        ck_result (op_do (loop, write, fd[1], "four", 4, 5), 4);
        ck_result (op_do (loop, read, fd[0], buf, 8, 5), 4);
        ck_result (op_do (loop, writev, fd[1], &vec, 1, 700), 4);
        ck_result (op_do (loop, readv, fd[0], &vec, 1, 700), 4);
        op_close_both (fd);
    }
}

TEST_ENGINES (modes_and_masks_with_all_bits_are_what_the_system_call_takes_them_for)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin ();
    mode_t before = umask (0);
    struct stat stat;
    struct statx statx;

    ck_result (op_do (loop, statx, folder, "", AT_EMPTY_PATH, 0xffffffff, &statx), -EINVAL);
    ck_result (op_do (loop, mkdirat, folder, "inner", 0xffffffff), 0);
    ck_assert_int_eq (fstatat (folder, "inner", &stat, 0), 0);
    ck_assert_uint_eq (stat.st_mode & 0777, 0777);
    ck_assert_int_eq (unlinkat (folder, "inner", AT_REMOVEDIR), 0);
    umask (before);
    op_folder_end (folder);
}

TEST_ENGINES (devices_are_read_and_written)
{
    struct ev_loop *loop = test_loop (0);
    int null = open ("/dev/null", O_RDWR), zero = open ("/dev/zero", O_RDWR),
        full = open ("/dev/full", O_RDWR);
    char buf[100] = "not zero";

    ck_result (op_do (loop, read, null, buf, sizeof buf, -1), 0);
    ck_result (op_do (loop, write, null, buf, sizeof buf, -1), sizeof buf);
    ck_result (op_do (loop, write, null, buf, sizeof buf, 0), sizeof buf);
    ck_result (op_do (loop, read, zero, buf, sizeof buf, -1), sizeof buf);
    ck_assert (!buf[0] && !buf[99]);
    ck_result (op_do (loop, write, full, buf, sizeof buf, -1), -ENOSPC);
    close (null);
    close (zero);
    close (full);
}

TEST_ENGINES (counters_and_clocks_are_waited_for)
{
    struct ev_loop *loop = test_loop (0);
    struct itimerspec soon = { .it_value.tv_nsec = 20000000 };
    int counter = eventfd (0, 0), clock = timerfd_create (CLOCK_MONOTONIC, 0);
    uint64_t number = 0, one = 1;
    struct op op;

    op_begin (loop, &op, read, counter, &number, sizeof number, -1);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_result (op_do (loop, write, counter, &one, sizeof one, -1), 8);
    ck_result (op_end (loop, &op), 8);
    ck_assert_uint_eq (number, 1);
    ck_assert_int_eq (timerfd_settime (clock, 0, &soon, NULL), 0);
    ck_result (op_do (loop, read, clock, &number, sizeof number, -1), 8);
    ck_assert_uint_eq (number, 1);
    close (counter);
    close (clock);
}

/* ---- splice -------------------------------------------------------------------------------------- */

TEST_ENGINES (splice_moves_between_files_pipes_and_sockets)
{
    struct ev_loop *loop = test_loop (0);
    int file = op_file (SIZE), copy = op_file (0), fd[2], pair[2];
    char buf[SIZE];

    ck_assert_int_eq (pipe (fd), 0);
    op_pair (pair);
    ck_result (op_do (loop, splice, file, 100, fd[1], -1, 200, 0), 200);
    ck_assert_int_eq (lseek (file, 0, SEEK_CUR), 0);
    ck_result (op_do (loop, splice, fd[0], -1, copy, 50, 200, 0), 200);
    ck_assert_int_eq (pread (copy, buf, SIZE, 50), 200);
    ck_assert (op_data_is (buf, 200, 100));
    lseek (file, SIZE - 10, SEEK_SET);
    ck_result (op_do (loop, splice, file, -1, fd[1], -1, 200, 0), 10); /* at the position, to the end */
    ck_assert_int_eq (lseek (file, 0, SEEK_CUR), SIZE);
    ck_result (op_do (loop, splice, file, -1, fd[1], -1, 200, 0), 0);
    ck_result (op_do (loop, splice, fd[0], -1, pair[0], -1, 200, 0), 10);
    ck_assert_int_eq (recv (pair[1], buf, SIZE, 0), 10);
    ck_assert (op_data_is (buf, 10, SIZE - 10));
    op_close_both (fd);
    op_close_both (pair);
    close (file);
    close (copy);
}

TEST_ENGINES (splice_waits_for_input_and_for_room)
{
    struct ev_loop *loop = test_loop (0);
    struct op op;
    int in[2], out[2];

    ck_assert_int_eq (pipe (in) | pipe (out), 0);
    op_begin (loop, &op, splice, in[0], -1, out[1], -1, 100, 0);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    ck_assert_int_eq (write (in[1], "hello", 5), 5);
    ck_result (op_end (loop, &op), 5);
    op_drain (out[0]);
    op_fill (out[1]);
    ck_assert_int_eq (write (in[1], "hello", 5), 5);
    op_begin (loop, &op, splice, in[0], -1, out[1], -1, 100, 0);
    op_settle (loop);
    ck_assert_int_eq (op.calls, 0);
    op_drain (out[0]);
    ck_result (op_end (loop, &op), 5);
    close (in[1]);
    ck_result (op_do (loop, splice, in[0], -1, out[1], -1, 100, 0), 0);
    close (in[0]);
    op_close_both (out);
}

TEST_ENGINES (splice_says_what_is_wrong)
{
    struct ev_loop *loop = test_loop (0);
    int a = op_file (SIZE), b = op_file (0), fd[2], bad = kit_closed_fd ();

    ck_assert_int_eq (pipe (fd), 0);
    ck_result (op_do (loop, splice, a, 0, b, 0, 10, 0), -EINVAL); /* none is a pipe */
    ck_result (op_do (loop, splice, bad, -1, fd[1], -1, 10, 0), -EBADF);
    ck_result (op_do (loop, splice, a, -1, bad, -1, 10, 0), -EBADF);
    ck_result (op_do (loop, splice, a, 0, fd[1], 5, 10, 0), -ESPIPE);
    ck_result (op_do (loop, splice, a, 0, fd[1], -1, 10, 77777), -EINVAL);
    close (a);
    close (b);
    op_close_both (fd);
}
