/* things.h: one of each kind of descriptor that a program may hold, good and bad, with what is behind it. Promises that
 * two of a kind are alike, and that nothing of a thing is left after thing_end. */
#ifndef THINGS_H
#define THINGS_H

#include "op_kit.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>

enum { THING_CLOSED = 987 }; /* a number that nobody has */

struct thing {
    const struct thing_kind *kind;
    int fd, peer; /* peer: the other end, if there is one that can be held; -1 */
    int more;
    char path[80];
};

struct thing_kind {
    const char *name;
    void (*make) (struct thing *thing);
};

static const char *thing_folder; /* where things with names are made */
static int thing_pidfds[2];      /* of a child that lives, and of one that has ended */

static void thing_of (struct thing *thing, int fd, int peer)
{
    ck_assert_int_ge (fd, 0);
    thing->fd = fd;
    thing->peer = peer;
}

/* ---- sockets ---- */

static void thing_pair (struct thing *thing, int type)
{
    int fd[2];

    ck_assert_int_eq (socketpair (AF_UNIX, type, 0, fd), 0);
    thing_of (thing, fd[0], fd[1]);
}

static void make_stream (struct thing *thing)
{
    thing_pair (thing, SOCK_STREAM);
}

static void make_datagrams (struct thing *thing)
{
    thing_pair (thing, SOCK_DGRAM);
}

static void make_packets (struct thing *thing)
{
    thing_pair (thing, SOCK_SEQPACKET);
}

static void make_fed_stream (struct thing *thing)
{
    make_stream (thing);
    ck_assert_int_eq (write (thing->peer, "things", 6), 6);
}

static void make_fed_datagrams (struct thing *thing)
{
    make_datagrams (thing);
    ck_assert_int_eq (write (thing->peer, "one", 3), 3);
    ck_assert_int_eq (send (thing->peer, "", 0, 0), 0);
}

static void make_full_stream (struct thing *thing)
{
    make_stream (thing);
    op_fill (thing->fd);
}

static void make_ended_stream (struct thing *thing)
{
    make_stream (thing);
    close (thing->peer);
    thing->peer = -1;
}

static void make_half_stream (struct thing *thing)
{
    make_stream (thing);
    shutdown (thing->fd, SHUT_WR);
}

static void make_tcp (struct thing *thing)
{
    int fd[2];

    test_tcp_pair (fd);
    op_blocking (fd[0]);
    op_blocking (fd[1]);
    thing_of (thing, fd[0], fd[1]);
}

static void make_new_tcp (struct thing *thing)
{
    thing_of (thing, socket (AF_INET, SOCK_STREAM, 0), -1);
}

static void make_refused_tcp (struct thing *thing)
{
    struct sockaddr_in address;

    make_new_tcp (thing);
    thing->more = op_bound (&address);
    ck_assert_int_eq (connect (thing->fd, (struct sockaddr *) &address, sizeof address), -1);
}

static void make_listener (struct thing *thing)
{
    struct sockaddr_in address;

    thing_of (thing, op_listen (&address, 50), -1);
}

static void make_busy_listener (struct thing *thing)
{
    struct sockaddr_in address;

    thing_of (thing, op_listen (&address, 50), -1);
    thing->more = op_client (&address);
}

static void make_new_unix (struct thing *thing)
{
    thing_of (thing, socket (AF_UNIX, SOCK_STREAM, 0), -1);
}

static void make_unix_listener (struct thing *thing)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX }; /* the kernel finds a name */

    make_new_unix (thing);
    ck_assert_int_eq (bind (thing->fd, (struct sockaddr *) &address, sizeof address.sun_family), 0);
    ck_assert_int_eq (listen (thing->fd, 50), 0);
}

static void make_udp (struct thing *thing)
{
    thing_of (thing, socket (AF_INET, SOCK_DGRAM, 0), -1);
}

/* ---- pipes ---- */

static void make_pipe_out (struct thing *thing)
{
    int fd[2];

    ck_assert_int_eq (pipe (fd), 0);
    thing_of (thing, fd[0], fd[1]);
}

static void make_pipe_in (struct thing *thing)
{
    int fd[2];

    ck_assert_int_eq (pipe (fd), 0);
    thing_of (thing, fd[1], fd[0]);
}

static void make_fed_pipe (struct thing *thing)
{
    make_pipe_out (thing);
    ck_assert_int_eq (write (thing->peer, "things", 6), 6);
}

static void make_ended_pipe (struct thing *thing)
{
    make_pipe_out (thing);
    close (thing->peer);
    thing->peer = -1;
}

static void make_full_pipe (struct thing *thing)
{
    make_pipe_in (thing);
    op_fill (thing->fd);
}

static void make_broken_pipe (struct thing *thing)
{
    make_pipe_in (thing);
    close (thing->peer);
    thing->peer = -1;
}

static void thing_fifo (struct thing *thing, int flags)
{
    static unsigned count;

    snprintf (thing->path, sizeof thing->path, "%s/fifo%u", thing_folder, count++);
    ck_assert_int_eq (mkfifo (thing->path, 0600), 0);
    thing_of (thing, open (thing->path, flags | O_NONBLOCK), -1);
    op_blocking (thing->fd);
}

static void make_fifo (struct thing *thing)
{
    thing_fifo (thing, O_RDWR);
}

static void make_fifo_out (struct thing *thing)
{
    thing_fifo (thing, O_RDONLY);
    thing->peer = open (thing->path, O_WRONLY);
}

/* ---- files ---- */

static void make_file (struct thing *thing)
{
    thing_of (thing, op_memory_file (700), -1);
    lseek (thing->fd, 600, SEEK_SET);
}

static void thing_other_file (struct thing *thing, int flags)
{
    char path[40];

    make_file (thing);
    thing->more = thing->fd;
    snprintf (path, sizeof path, "/proc/self/fd/%d", thing->more);
    thing_of (thing, open (path, flags), -1);
}

static void make_file_out (struct thing *thing)
{
    thing_other_file (thing, O_RDONLY);
}

static void make_file_in (struct thing *thing)
{
    thing_other_file (thing, O_WRONLY | O_APPEND);
}

static void make_name (struct thing *thing)
{
    thing_other_file (thing, O_PATH);
}

static void make_folder (struct thing *thing)
{
    thing_of (thing, open ("/proc/self/task", O_RDONLY | O_DIRECTORY), -1);
}

static void make_null (struct thing *thing)
{
    thing_of (thing, open ("/dev/null", O_RDWR), -1);
}

static void make_zero (struct thing *thing)
{
    thing_of (thing, open ("/dev/zero", O_RDWR), -1);
}

static void make_full (struct thing *thing)
{
    thing_of (thing, open ("/dev/full", O_RDWR), -1);
}

/* ---- terminals ---- */

static void make_terminal (struct thing *thing)
{
    struct termios raw;
    int master = posix_openpt (O_RDWR | O_NOCTTY);

    ck_assert_int_ge (master, 0);
    ck_assert_int_eq (grantpt (master) | unlockpt (master), 0);
    thing_of (thing, open (ptsname (master), O_RDWR | O_NOCTTY), master);
    tcgetattr (thing->fd, &raw);
    cfmakeraw (&raw);
    tcsetattr (thing->fd, TCSANOW, &raw);
}

static void make_master (struct thing *thing)
{
    int slave;

    make_terminal (thing);
    slave = thing->fd;
    thing->fd = thing->peer;
    thing->peer = slave;
}

static void make_fed_terminal (struct thing *thing)
{
    make_terminal (thing);
    ck_assert_int_eq (write (thing->peer, "things", 6), 6);
}

static void make_hung_up_terminal (struct thing *thing)
{
    make_terminal (thing);
    close (thing->peer);
    thing->peer = -1;
}

/* ---- the kernel's own ---- */

static void make_counter (struct thing *thing)
{
    thing_of (thing, eventfd (0, 0), -1);
}

static void make_fed_counter (struct thing *thing)
{
    thing_of (thing, eventfd (5, 0), -1);
}

static void make_clock (struct thing *thing)
{
    thing_of (thing, timerfd_create (CLOCK_MONOTONIC, 0), -1);
}

static void make_rung_clock (struct thing *thing)
{
    struct itimerspec soon = { .it_value.tv_nsec = 1 };

    make_clock (thing);
    timerfd_settime (thing->fd, 0, &soon, NULL);
    while (!kit_polls (thing->fd, POLLIN))
        usleep (100);
}

static void make_signals (struct thing *thing)
{
    sigset_t none;

    sigemptyset (&none);
    thing_of (thing, signalfd (-1, &none, 0), -1);
}

static void make_notices (struct thing *thing)
{
    thing_of (thing, inotify_init1 (0), -1);
}

static void make_set (struct thing *thing)
{
    thing_of (thing, epoll_create1 (0), -1);
}

static void make_ready_set (struct thing *thing)
{
    struct epoll_event event = { .events = EPOLLIN };

    make_set (thing);
    thing->more = eventfd (1, 0);
    ck_assert_int_eq (epoll_ctl (thing->fd, EPOLL_CTL_ADD, thing->more, &event), 0);
}

static void make_child (struct thing *thing)
{
    thing_of (thing, dup (thing_pidfds[0]), -1);
}

static void make_dead_child (struct thing *thing)
{
    thing_of (thing, dup (thing_pidfds[1]), -1);
}

/* ---- none ---- */

static void make_closed (struct thing *thing)
{
    thing->fd = THING_CLOSED;
}

static void make_none (struct thing *thing)
{
    thing->fd = -1;
}

static void make_nonsense (struct thing *thing)
{
    thing->fd = -100; /* as a folder it would be the working one */
}

static void make_far (struct thing *thing)
{
    thing->fd = 0x7fffffff;
}

static const struct thing_kind thing_kinds[] = {
    { "stream", make_stream },
    { "stream with data", make_fed_stream },
    { "full stream", make_full_stream },
    { "ended stream", make_ended_stream },
    { "half stream", make_half_stream },
    { "datagrams", make_datagrams },
    { "datagrams with data", make_fed_datagrams },
    { "packets", make_packets },
    { "tcp", make_tcp },
    { "new tcp", make_new_tcp },
    { "refused tcp", make_refused_tcp },
    { "listener", make_listener },
    { "listener with a client", make_busy_listener },
    { "new unix", make_new_unix },
    { "unix listener", make_unix_listener },
    { "udp", make_udp },
    { "pipe to read", make_pipe_out },
    { "pipe to write", make_pipe_in },
    { "pipe with data", make_fed_pipe },
    { "ended pipe", make_ended_pipe },
    { "full pipe", make_full_pipe },
    { "broken pipe", make_broken_pipe },
    { "fifo", make_fifo },
    { "fifo to read", make_fifo_out },
    { "file", make_file },
    { "file to read", make_file_out },
    { "file to append to", make_file_in },
    { "name", make_name },
    { "folder", make_folder },
    { "null", make_null },
    { "zero", make_zero },
    { "full", make_full },
    { "terminal", make_terminal },
    { "terminal with data", make_fed_terminal },
    { "terminal hung up", make_hung_up_terminal },
    { "terminal's master", make_master },
    { "counter", make_counter },
    { "counter with data", make_fed_counter },
    { "clock", make_clock },
    { "clock that rang", make_rung_clock },
    { "signals", make_signals },
    { "notices", make_notices },
    { "epoll set", make_set },
    { "epoll set that is ready", make_ready_set },
    { "child", make_child },
    { "child that has ended", make_dead_child },
    { "closed", make_closed },
    { "none", make_none },
    { "nonsense", make_nonsense },
    { "far", make_far },
};
enum { THING_KINDS = sizeof thing_kinds / sizeof *thing_kinds };

static void thing_make (struct thing *thing, const struct thing_kind *kind)
{
    *thing = (struct thing){ .kind = kind, .fd = -1, .peer = -1, .more = -1 };
    kind->make (thing);
}

static int thing_is_open (const struct thing *thing)
{
    return thing->fd >= 0 && thing->fd < THING_CLOSED;
}

static void thing_end (struct thing *thing)
{
    if (thing_is_open (thing))
        close (thing->fd);
    if (thing->peer >= 0)
        close (thing->peer);
    if (thing->more >= 0)
        close (thing->more);
    if (*thing->path)
        unlink (thing->path);
}

#endif
