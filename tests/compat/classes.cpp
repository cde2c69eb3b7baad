/* classes.cpp: a program that uses every class and every member of ev++.h, on every backend.
 * Compiled against evring, embedded with and without EV_MULTIPLICITY, and (STOCK_LIBEV) against libev's own
 * header to run on our library. Exits with 0 if all went well. Contract: libev-abi.json, cxx. */
#ifdef EV_H
#include EV_H
#endif
#ifdef OPS_LAST // as sorted includes have it, and inside what is meant for C headers
#include <ev++.h>
extern "C" {
#include <ev_op.h>
#include <ev_mailbox.h>
#include <ev_stream.h>
}
#endif
#ifndef STOCK_LIBEV
#if defined(__clang__) && __cplusplus < 201703L // what ev++.h does around ev.h
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc++1z-compat-mangling"
#endif
#include <ev_mailbox.h>
#include <ev_stream.h>
#include <ev_op.h>
#if defined(__clang__) && __cplusplus < 201703L
#pragma clang diagnostic pop
#endif
#endif
#include <ev++.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;
static unsigned backend; // the one in turn

static void expect (bool holds, const char *what)
{
    if (holds)
        return;
    std::printf ("backend %#x: does not hold: %s\n", backend, what);
    failures++;
}

/* ---- whom watchers call ---- */

static int calls, events;
static void *data_seen;

static void note (int revents)
{
    calls++;
    events |= revents;
}

static void expect_calls (int wanted, int revents, const char *what)
{
    if (calls != wanted || events != revents)
        std::printf ("%d calls with %#x: ", calls, (unsigned) events);
    expect (calls == wanted && events == revents, what);
    calls = events = 0;
}

template <class W> static void on_event (W &w, int revents)
{
    data_seen = w.data;
    note (revents);
}

static void on_once (int revents)
{
    note (revents);
}

static void on_once_plain ()
{
    note (0);
}

static void on_once_c (int revents, void *arg)
{
    data_seen = arg;
    note (revents);
}

struct object {
    int plain_calls;

    object () : plain_calls (0)
    {
    }
    template <class W> void on (W &w, int revents)
    {
        expect (w.data == this, "the object is in data");
        note (revents);
    }
    void plain ()
    {
        plain_calls++;
        note (0);
    }
    void once (int revents)
    {
        note (revents);
    }
    void operator() (ev::timer &, int revents) // a functor for set
    {
        note (revents);
    }
    void operator() (int revents) // and one for once
    {
        note (revents);
    }
};

#if EV_MULTIPLICITY
typedef struct ev_loop *native;
#endif

static void on_guard (ev::timer &, int)
{
}

/* Runs until somebody has called note, but not for ever. */
static void run_until_called (ev::loop_ref loop)
{
#if EV_MULTIPLICITY
    ev::timer guard (loop);
#else
    ev::timer guard;
#endif
    guard.set<on_guard> ();
    guard.start (10.);
    while (!calls && guard.is_active ())
        loop.run (ev::ONCE);
}

/* ---- loops ---- */

static void functions_answer ()
{
    expect (ev::version_major () == EV_VERSION_MAJOR, "version_major is that of the header");
    expect (ev::version_minor () == EV_VERSION_MINOR, "version_minor is that of the header");
    expect (ev::supported_backends () == ev_supported_backends (), "supported_backends");
    expect (ev::recommended_backends () == ev_recommended_backends (), "recommended_backends");
    expect (ev::embeddable_backends () == ev_embeddable_backends (), "embeddable_backends");
    ev::tstamp before = ev_time ();
    ev::delay (0.002);
    expect (ev_time () - before >= 0.0019, "delay sleeps");
}

static void loop_members_work (ev::loop_ref loop)
{
    expect (loop.backend () == backend, "the loop has the backend asked for");
    expect (loop.now () > 1e9, "the loop knows what time it is");
    unsigned iteration = loop.iteration ();
    loop.run (ev::NOWAIT);
    expect (loop.iteration () == iteration + 1, "iterations are counted");
    expect (loop.depth () == 0, "outside of run the depth is 0");
    loop.ref ();
    loop.unref ();
    loop.set_io_collect_interval (0.);
    loop.set_timeout_collect_interval (0.);
    loop.post_fork ();
#if EV_COMPAT3
    loop.loop (ev::NONBLOCK);
    loop.unloop (ev::ALL);
#endif
    loop.break_loop ();
    loop.break_loop (ev::ONE);
    loop.run ();
    expect_calls (0, 0, "an empty loop calls nobody");
}

static void once_has_five_forms (ev::loop_ref loop)
{
    object o;

    loop.once (-1, 0, 0., on_once_c, &o);
    loop.run ();
    expect (data_seen == &o, "once passes an argument on");
    expect_calls (1, ev::TIMER, "once with a function and an argument");
    loop.once<object, &object::once> (-1, 0, 0., &o);
    loop.once<object, &object::plain> (-1, 0, 0., &o);
    loop.run ();
    expect (o.plain_calls == 1, "once with a method without arguments");
    expect_calls (2, ev::TIMER, "once with methods");
    loop.once (-1, 0, 0., &o);
    loop.run ();
    expect_calls (1, ev::TIMER, "once with a functor");
    loop.once<on_once> (-1, 0, 0.);
    loop.once<on_once_plain> (-1, 0, 0.);
    loop.run ();
    expect_calls (2, ev::TIMER, "once with functions known at compile time");
}

#if EV_MULTIPLICITY
static void loops_are_compared (ev::loop_ref loop)
{
    const ev::loop_ref same = loop;
    ev::dynamic_loop other;
    const struct ev_loop *raw = same;

    expect (loop == same && !(loop != same), "two references to one loop are equal");
    expect (loop != other && !(other == loop), "references to two loops are not");
    expect (loop == raw && !(loop != raw), "a reference is compared with a loop");
    expect (loop.raw_loop == static_cast<native> (loop), "a reference is a loop where one is wanted");
    expect (loop.is_default () && !other.is_default (), "the default loop knows that it is");
    expect (ev::now (loop) == loop.now (), "now of a loop");
}

static void dynamic_loops_end ()
{
    ev_cleanup cleanup;
    static int ended;

    ended = 0;
    {
        ev::dynamic_loop loop (ev::AUTO | ev::NOENV);
        ev_cleanup_init (&cleanup, [] (struct ev_loop *, ev_cleanup *, int) { ended++; });
        ev_cleanup_start (loop, &cleanup);
    }
    expect (ended == 1, "a dynamic loop is destroyed with its object");
}

static void impossible_loops_throw ()
{
    bool thrown = false;

    try {
        ev::dynamic_loop loop (ev::KQUEUE | ev::NOENV);
    } catch (const ev::bad_loop &bad) {
        thrown = true;
#if EV_USE_STDEXCEPT
        expect (std::strlen (bad.what ()) > 0, "bad_loop says what is wrong");
        const std::exception &standard = bad;
        expect (!std::strcmp (standard.what (), bad.what ()), "bad_loop is a std::exception");
#else
        (void) bad;
#endif
    }
    expect (thrown, "a loop that cannot be made throws bad_loop");
}
#endif

/* ---- what all watchers have ---- */

static void callbacks_are_set_in_four_ways ()
{
    object o;
    ev::timer w;

    w.set<on_event<ev::timer>> (&o);
    w.feed_event (ev::TIMER);
    expect (w.is_pending () && !w.is_active (), "a fed watcher is pending, not active");
    ev::get_default_loop ().run (ev::NOWAIT);
    expect (data_seen == &o, "set<function> keeps the pointer");
    expect_calls (1, ev::TIMER, "set<function>");
    w.set<on_event<ev::timer>> ();
    expect (w.data == 0, "set<function> without a pointer keeps none");
    w.set<object, &object::on<ev::timer>> (&o);
    w.feed_event (ev::TIMER);
    ev::get_default_loop ().run (ev::NOWAIT);
    expect_calls (1, ev::TIMER, "set<class, method>");
    w.set<object, &object::plain> (&o);
    w.feed_event (ev::TIMER);
    ev::get_default_loop ().run (ev::NOWAIT);
    expect (o.plain_calls == 1, "set<class, method without arguments>");
    expect_calls (1, 0, "set<class, method without arguments> calls once");
    w.set (&o);
    w.feed_event (ev::TIMER);
    ev::get_default_loop ().run (ev::NOWAIT);
    expect_calls (1, ev::TIMER, "set (functor)");
}

static void set_and_start_keep_a_watcher_active ()
{
    ev::timer w;

    w.set<on_event<ev::timer>> ();
    w.set (100.);
    expect (!w.is_active (), "set does not start an inactive watcher");
    w.start ();
    w.set (0.001, 5.);
    expect (w.is_active () && w.repeat == 5., "set restarts an active one");
    run_until_called (ev::get_default_loop ());
    expect_calls (1, ev::TIMER, "with the new time");
    w.start (50.);
    expect (w.is_active () && w.repeat == 0., "start with arguments sets them");
    {
        ev::timer::freeze_guard frozen (&w);
        expect (!w.is_active (), "a freeze_guard stops a watcher");
    }
    expect (w.is_active (), "and starts it again");
    w.stop ();
    {
        ev::timer::freeze_guard frozen (&w);
    }
    expect (!w.is_active (), "but not one that was not active");
}

static void destructors_stop ()
{
    {
        ev::timer w;
        w.set<on_event<ev::timer>> ();
        w.start (0., 0.);
        w.feed_event (ev::TIMER);
    }
    ev::get_default_loop ().run ();
    expect_calls (0, 0, "a watcher that is gone is not called, pending or not");
}

#if EV_MULTIPLICITY
static void watchers_belong_to_loops (ev::loop_ref loop)
{
    ev::dynamic_loop other;
    ev::timer w (other);

    w.set<on_event<ev::timer>> ();
    expect (w.loop == other, "a watcher is made for a loop");
    w.set (loop);
    expect (w.loop == loop, "set (loop) takes it to another");
    w.start (0.001);
    other.run ();
    expect_calls (0, 0, "the first loop knows nothing of it");
    run_until_called (loop);
    expect_calls (1, ev::TIMER, "the second runs it");
}
#endif

#ifndef STOCK_LIBEV
/* Where libev's wrapper does not compile, or leaves a watcher in the wrong loop. */
static void we_can_more_than_libev (ev::loop_ref loop)
{
    ev::timer w;
    const auto functor = [] (ev::timer &, int revents) { note (revents); };
    const auto once_functor = [] (int revents) { note (revents); };

    w.set (&functor);
    w (ev::TIMER);
    expect_calls (1, ev::TIMER, "a watcher is called like a function, a functor may be const");
    loop.once (-1, 0, 0., &once_functor);
    loop.run ();
    expect_calls (1, ev::TIMER, "a functor for once may be const");
#if EV_MULTIPLICITY
    ev::dynamic_loop other;
    w.start (0.001);
    w.set (other);
    loop.run ();
    expect_calls (0, 0, "an active watcher that gets another loop leaves the first");
    run_until_called (other);
    expect_calls (1, ev::TIMER, "and goes on in the second");
    w.feed_event (ev::TIMER);
    w.set (loop);
    other.run (ev::NOWAIT);
    expect_calls (0, 0, "a watcher that is pending leaves the first loop too");
    loop.run (ev::NOWAIT);
    expect_calls (1, ev::TIMER, "and is called by the second");
    w.feed_event (ev::TIMER);
    w.set (other);
    w.stop ();
    other.run (ev::NOWAIT);
    loop.run (ev::NOWAIT);
    expect_calls (0, 0, "or by nobody, when it is stopped there");
    w.set (loop);
#endif
}
#endif

/* ---- the kinds ---- */

static void io_works (ev::loop_ref loop)
{
    object o;
    ev::io w;
    int fd[2];

    if (pipe (fd))
        std::exit (99);
    w.set<object, &object::on<ev::io>> (&o);
    w.start (fd[1], ev::WRITE);
    run_until_called (loop);
    expect_calls (1, ev::WRITE, "io tells that a pipe is writable");
    w.set (fd[0], ev::READ);
    expect (w.is_active () && w.fd == fd[0], "io changes its descriptor while it is active");
    expect (write (fd[1], "x", 1) == 1, "a pipe takes a byte");
    run_until_called (loop);
    expect_calls (1, ev::READ, "io tells that a pipe is readable");
    w.set (ev::WRITE);
    expect (w.fd == fd[0] && w.is_active (), "io changes its events only");
    w.stop ();
    loop.feed_fd_event (fd[0], ev::READ);
    loop.run (ev::NOWAIT);
    expect_calls (0, 0, "io that is stopped is not told");
    close (fd[0]);
    close (fd[1]);
}

static void timer_works (ev::loop_ref loop)
{
    ev::timer w;

    w.set<on_event<ev::timer>> ();
    w.set (0., 50.);
    w.again ();
    expect (w.is_active () && w.remaining () > 40., "again starts with the repeat value");
    w.start (0.001, 0.);
    loop.run ();
    expect_calls (1, ev::TIMER, "timer fires");
}

#if EV_PERIODIC_ENABLE
static void periodic_works (ev::loop_ref loop)
{
    ev::periodic w;

    w.set<on_event<ev::periodic>> ();
    w.start (loop.now () + 0.001);
    run_until_called (loop);
    expect_calls (1, ev::PERIODIC, "periodic fires at its time");
    w.start (0., 3600.);
    w.again ();
    expect (w.is_active () && w.interval == 3600. && w.reschedule_cb == 0, "periodic repeats");
}
#endif

#if EV_SIGNAL_ENABLE
static void sig_works (ev::loop_ref loop)
{
    ev::sig w;

    w.set<on_event<ev::sig>> ();
    w.start (SIGUSR1);
    std::raise (SIGUSR1);
    run_until_called (loop);
    expect_calls (1, ev::SIGNAL, "sig notices a signal");
    loop.feed_signal_event (SIGUSR1);
    loop.run (ev::NOWAIT);
    expect_calls (1, ev::SIGNAL, "sig notices a fed signal");
    w.set (SIGUSR2);
    expect (w.is_active () && w.signum == SIGUSR2, "sig changes its signal");
}
#endif

#if EV_CHILD_ENABLE
static void child_works (ev::loop_ref loop)
{
    ev::child w;
    std::fflush (stdout);
    pid_t pid = ::fork ();

    if (!pid)
        _exit (7);
    w.set<on_event<ev::child>> ();
    w.start (pid);
    run_until_called (loop);
    expect (w.rpid == pid && WEXITSTATUS (w.rstatus) == 7, "child says how the process ended");
    expect_calls (1, ev::CHILD, "child notices the end of a process");
    w.set (pid, 1);
    expect (w.flags == 1, "child can trace");
}
#endif

#if EV_STAT_ENABLE
static void stat_works (ev::loop_ref loop)
{
    char path[] = "/tmp/evring-classes-XXXXXX";
    int fd = mkstemp (path);
    ev::stat w;

    w.set<on_event<ev::stat>> ();
    w.start (path, 0.11);
    expect (write (fd, "x", 1) == 1, "a file takes a byte");
    run_until_called (loop);
    expect (w.attr.st_size == 1 && w.prev.st_size == 0, "stat knows before and after");
    expect_calls (1, ev::STAT, "stat notices a change");
    w.start (path);
    expect (write (fd, "y", 1) == 1, "a file takes another byte");
    w.update ();
    expect (w.attr.st_size == 2, "stat looks when it is told to");
    w.set ("/");
    expect (w.is_active () && !std::strcmp (w.path, "/"), "stat changes its path");
    close (fd);
    unlink (path);
}
#endif

/* Kinds without parameters: called once an iteration, with their bit. */
template <class W> static void simple_kind_works (ev::loop_ref loop, int bit, const char *what)
{
    W w;

    w.template set<on_event<W>> ();
    w.set ();
    w.start ();
    for (int i = 0; i < 100 && !calls; i++) // idle has to wait for its turn
        loop.run (ev::NOWAIT);
    w.stop ();
    expect_calls (1, bit, what);
}

#if EV_FORK_ENABLE
static void fork_works (ev::loop_ref loop)
{
    ev::fork w;
    ev::timer wake;

    w.set<on_event<ev::fork>> ();
    w.set ();
    w.start ();
    wake.set<on_event<ev::timer>> ();
    wake.start (100.);
    loop.post_fork ();
    loop.run (ev::NOWAIT);
    expect_calls (1, ev::FORK, "fork is called after post_fork");
}
#endif

#if EV_ASYNC_ENABLE
static void async_works (ev::loop_ref loop)
{
    ev::async w;

    w.set<on_event<ev::async>> ();
    w.start ();
    w.send ();
    expect (w.async_pending (), "async is pending when sent");
    run_until_called (loop);
    expect (!w.async_pending (), "and not when it was delivered");
    expect_calls (1, ev::ASYNC, "async is called when sent");
}
#endif

#if EV_EMBED_ENABLE
static void embed_works (ev::loop_ref loop)
{
    ev::dynamic_loop inner (ev::EPOLL | ev::NOENV), outer;
    ev::embed w;
    ev::timer timer (inner);

    w.set_embed (inner);
    expect (w.other == inner && w.loop == loop, "set_embed names the inner loop");
    w.start ();
    timer.set<on_event<ev::timer>> ();
    timer.feed_event (ev::TIMER);
    w.sweep ();
    expect_calls (1, ev::TIMER, "sweep runs the inner loop");
    w.stop ();
    w.start (outer);
    expect (w.loop == outer && w.other == inner && w.is_active (), "start (loop) names the outer loop");
}
#endif

#if !defined(STOCK_LIBEV) && EV_MAILBOX_ENABLE
/* ---- mailboxes ---- */

struct reader {
    int told;
    void on_post (ev::post &, int revents)
    {
        told += revents == EV_CUSTOM;
    }
};

static int posts_lost;

static void lose_post (ev::post &p, int revents)
{
    posts_lost += revents == EV_CUSTOM && p.data == &posts_lost;
}

static void mailbox_works (ev::loop_ref loop)
{
#if EV_MULTIPLICITY
    ev::mailbox box (loop), again (loop);
#else
    ev::mailbox box, again;
#endif
    ev::mailbox copy (box);
    ev::post method, function;
    reader self = { 0 };

    again = copy;
    method.set<reader, &reader::on_post> (&self);
    function.set<lose_post> (&posts_lost);
    posts_lost = 0;
    expect (again.send (method) == 0 && copy.send (function) == 0, "posts are sent");
    box.hold ();
    loop.run (ev::NOWAIT);
    expect (self.told == 1 && posts_lost == 1, "posts call a method and a function");
    box.unhold ();
    loop.run (ev::NOWAIT);
}
#endif

#if !defined(STOCK_LIBEV) && EV_OP_ENABLE && EV_STREAM_ENABLE
/* ---- streams ---- */

static int stream_bytes, stream_ends;

static void stream_told (ev::stream &s, int revents)
{
    if (revents & ev::DATA)
        stream_bytes += static_cast<int> (s.size);
    if (revents & ev::END_OF_FILE)
        s.close ();
    stream_ends += !!(revents & ev::END);
}

static void stream_works (ev::loop_ref loop)
{
#if EV_MULTIPLICITY
    ev::stream here (loop), there (loop);
#else
    ev::stream here, there;
#endif
    int fd[2];

    stream_bytes = stream_ends = 0;
    expect (!socketpair (AF_UNIX, SOCK_STREAM, 0, fd), "a pair");
    here.set<stream_told> ();
    there.set<stream_told> ();
    here.set (fd[0]);
    there.set (fd[1]);
    here.patience (60., 0., 60.);
    there.feed_to (&there);
    here.start ();
    there.start ();
    expect (here.write_copy ("hello", 5) == 5 && here.backlog () == 5, "a stream takes what it is to write");
    here.shutdown ();
    loop.run ();
    expect (stream_bytes == 5 && stream_ends == 2 && !here.is_active () && !here.error,
            "streams pass bytes on, and end");
}
#endif

#if !defined(STOCK_LIBEV) && EV_OP_ENABLE
/* ---- operations ---- */

/* Everything that the set functions write, where they leave no gaps. */
static bool same (const ev_op &a, const ev_op &b)
{
    const std::size_t from = offsetof (ev_op, result);

    return !std::memcmp (reinterpret_cast<const char *> (&a) + from,
                         reinterpret_cast<const char *> (&b) + from, sizeof a - from);
}

/* The class says the same as C does. */
#define SAYS(name, mine, theirs)                                                       \
    do {                                                                               \
        ev::op w;                                                                      \
        ev_op c = ev_op ();                                                            \
        w.set_##name mine;                                                             \
        ev_##name##_set theirs;                                                        \
        expect (same (w, c) && !w.is_active (), "op sets what ev_" #name "_set does"); \
    } while (0)

static void op_says_what_c_says ()
{
    char buf[8];
    struct msghdr message = msghdr ();
    struct iovec vec = { buf, sizeof buf };
    struct sockaddr address = sockaddr ();
    struct statx *stat = 0;

    SAYS (accept, (3), (&c, 3, 0));
    SAYS (connect, (3, &address, sizeof address), (&c, 3, &address, sizeof address));
    SAYS (recv, (3, buf, 8), (&c, 3, buf, 8, 0));
    SAYS (recv_pool, (3, 0), (&c, 3, 0, 0));
    SAYS (send, (3, buf, 8), (&c, 3, buf, 8, 0));
    SAYS (send_zc, (3, buf, 8, MSG_MORE), (&c, 3, buf, 8, MSG_MORE));
    SAYS (recvmsg, (3, &message), (&c, 3, &message, 0));
    SAYS (sendmsg, (3, &message), (&c, 3, &message, 0));
    SAYS (shutdown, (3, SHUT_WR), (&c, 3, SHUT_WR));
    SAYS (socket, (AF_UNIX, SOCK_STREAM), (&c, AF_UNIX, SOCK_STREAM, 0));
    SAYS (openat, (3, "x", O_CREAT, 0600), (&c, 3, "x", O_CREAT, 0600));
    SAYS (close, (3), (&c, 3));
    SAYS (work, (0, buf), (&c, 0, buf));
    SAYS (getaddrinfo, ("x", "y", 0, 0), (&c, "x", "y", 0, 0));
    SAYS (getnameinfo, (&address, sizeof address, buf, 8), (&c, &address, sizeof address, buf, 8, 0, 0, 0));
    SAYS (read, (3, buf, 8), (&c, 3, buf, 8, -1));
    SAYS (write, (3, buf, 8, 5), (&c, 3, buf, 8, 5));
    SAYS (readv, (3, &vec, 1), (&c, 3, &vec, 1, -1));
    SAYS (writev, (3, &vec, 1, 5), (&c, 3, &vec, 1, 5));
    SAYS (fsync, (3), (&c, 3, 0));
    SAYS (fallocate, (3, 1, 2, 4), (&c, 3, 1, 2, 4));
    SAYS (ftruncate, (3, 4), (&c, 3, 4));
    SAYS (statx, (3, "x", 1, 2, stat), (&c, 3, "x", 1, 2, stat));
    SAYS (unlinkat, (3, "x", 1), (&c, 3, "x", 1));
    SAYS (renameat, (3, "x", 4, "y"), (&c, 3, "x", 4, "y", 0));
    SAYS (mkdirat, (3, "x", 0700), (&c, 3, "x", 0700));
    SAYS (splice, (3, -1, 4, 5, 6), (&c, 3, -1, 4, 5, 6, 0));
    SAYS (waitid, (P_PID, 1, 0, WEXITED), (&c, P_PID, 1, 0, WEXITED));
    SAYS (sqe, (buf), (&c, buf));
}

static void op_works (ev::loop_ref loop)
{
    object o;
    ev::op in, out;
    char buf[4] = "";
    int pair[2];

    if (socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        std::exit (99);
    in.set<object, &object::on<ev::op>> (&o);
    out.set<object, &object::plain> (&o);
    in.set_recv (pair[0], buf, sizeof buf);
    in.start ();
    out.set_send (pair[1], "abc", 3);
    out.start ();
    loop.run ();
    expect_calls (2, ev::OP, "op is called with its method, when it is done");
    expect (in.result == 3 && !std::memcmp (buf, "abc", 3) && out.result == 3 && o.plain_calls == 1,
            "op has results");
    in.start ();
    in.cancel ();
    loop.run ();
    expect_calls (1, ev::OP, "op that is cancelled is called");
    expect (in.result == -ECANCELED && !in.is_active (), "and says so");
    in.deadline (0.001);
    in.start ();
    loop.run ();
    expect_calls (1, ev::OP, "op that is late is called");
    expect (in.result == -ETIMEDOUT, "and says so");
    close (pair[0]);
    close (pair[1]);
}

static void op_is_set_and_stopped (ev::loop_ref loop)
{
    ev::op w, next;
    char buf[4];
    int fd[2];

    if (pipe (fd))
        std::exit (99);
    w.set<on_event<ev::op>> ();
    next.set<on_event<ev::op>> ();
    w.start ();
    loop.run ();
    expect (w.result == -EINVAL, "op that was never set ends with EINVAL");
    expect_calls (1, ev::OP, "and tells");
    w.set_read (fd[0], buf, sizeof buf);
    next.set_close (-1);
    w.link (&next);
    w.start ();
    expect (next.is_active (), "link makes one wait for another");
    loop.run (ev::NOWAIT);
    w.set_write (fd[1], "x", 1);
    expect (w.is_active (), "op that is active is stopped, changed and started again");
    run_until_called (loop);
    loop.run (ev::NOWAIT);
    expect (w.result == 1 && next.result == -ECANCELED, "as what it is now; what was linked to it is off");
    expect_calls (2, ev::OP, "both tell");
    close (fd[0]);
    close (fd[1]);
}

static void op_that_is_stopped_or_gone_is_not_called (ev::loop_ref loop)
{
    ev::op w;
    char buf[2];
    int fd[2];

    if (pipe (fd))
        std::exit (99);
    w.set<on_event<ev::op>> ();
    {
        ev::op gone;
        gone.set<on_event<ev::op>> ();
        gone.set_read (fd[0], buf, 1);
        gone.start ();
        w.set_read (fd[0], buf + 1, 1);
        w.start ();
        loop.run (ev::NOWAIT);
    }
    w.stop ();
    expect (!w.is_active () && w.result == -ECANCELED, "op is stopped");
    expect (write (fd[1], "xy", 2) == 2, "a pipe takes two bytes");
    loop.run (ev::NOWAIT);
    expect_calls (0, 0, "op that is stopped or gone is not called");
    expect (read (fd[0], buf, 2) == 2, "and takes nothing any more");
    close (fd[0]);
    close (fd[1]);
}

static void on_connected (ev::op &, int)
{
}

static void op_repeats (ev::loop_ref loop)
{
    ev::op w, peer;
    struct sockaddr address = sockaddr ();
    int listener = ::socket (AF_UNIX, SOCK_STREAM, 0), client = ::socket (AF_UNIX, SOCK_STREAM, 0);
    socklen_t size = sizeof address.sa_family;

    address.sa_family = AF_UNIX; // with nothing else bind chooses a name
    if (bind (listener, &address, size) || listen (listener, 4))
        std::exit (99);
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;
    getsockname (listener, reinterpret_cast<struct sockaddr *> (&bound), &bound_size);
    w.set<on_event<ev::op>> ();
    w.set_accept (listener);
    w.start ();
    peer.set_connect (client, reinterpret_cast<struct sockaddr *> (&bound), bound_size);
    peer.set<on_connected> ();
    peer.start ();
    run_until_called (loop);
    expect_calls (1, ev::OP | ev::OP_MORE, "op that repeats says that there is more");
    expect (w.is_active () && w.result >= 0, "and is active still");
    close (static_cast<int> (w.result));
    loop.run (ev::NOWAIT);
    w.stop ();
    peer.stop ();
    close (client);
    close (listener);
}
#endif

/* ---- the tour ---- */

static void tour_of_kinds (ev::loop_ref loop)
{
    io_works (loop);
    timer_works (loop);
#if EV_PERIODIC_ENABLE
    periodic_works (loop);
#endif
#if EV_SIGNAL_ENABLE
    sig_works (loop);
#endif
#if EV_CHILD_ENABLE
    child_works (loop);
#endif
    simple_kind_works<ev::idle> (loop, ev::IDLE, "idle is called when there is nothing else");
    simple_kind_works<ev::prepare> (loop, ev::PREPARE, "prepare is called before the loop sleeps");
    simple_kind_works<ev::check> (loop, ev::CHECK, "check is called after it slept");
#if EV_FORK_ENABLE
    fork_works (loop);
#endif
#if EV_ASYNC_ENABLE
    async_works (loop);
#endif
#if EV_EMBED_ENABLE
    embed_works (loop);
#endif
#if !defined(STOCK_LIBEV) && EV_MAILBOX_ENABLE
    mailbox_works (loop);
#endif
#if !defined(STOCK_LIBEV) && EV_OP_ENABLE && EV_STREAM_ENABLE
    stream_works (loop);
#endif
#if !defined(STOCK_LIBEV) && EV_OP_ENABLE
    op_says_what_c_says ();
    op_works (loop);
    op_is_set_and_stopped (loop);
    op_that_is_stopped_or_gone_is_not_called (loop);
    op_repeats (loop);
#endif
}

static void tour (unsigned bit, bool slow)
{
    backend = bit;
    try {
        ev::default_loop loop (bit | ev::NOENV);
        loop_members_work (loop);
        once_has_five_forms (loop);
        callbacks_are_set_in_four_ways ();
        set_and_start_keep_a_watcher_active ();
        destructors_stop ();
#ifndef STOCK_LIBEV
        we_can_more_than_libev (loop);
#endif
#if EV_MULTIPLICITY
        loops_are_compared (loop);
        watchers_belong_to_loops (loop);
#endif
        tour_of_kinds (loop);
#if EV_STAT_ENABLE
        if (slow)
            stat_works (loop);
#endif
    } catch (const ev::bad_loop &) {
        std::printf ("backend %#x: not available here\n", bit);
        return;
    }
    (void) slow;
    ev_loop_destroy (EV_DEFAULT_UC);
}

int main ()
{
    functions_answer ();
#if EV_MULTIPLICITY
    dynamic_loops_end ();
    impossible_loops_throw ();
#endif
    int toured = 0;
    for (unsigned bit = 1; bit & EVBACKEND_MASK; bit <<= 1)
        if (ev::supported_backends () & bit)
            tour (bit, !toured++);
    expect (toured > 0, "there is a backend");
    std::printf ("%d backends toured, %d failures\n", toured, failures);
    return failures != 0;
}
