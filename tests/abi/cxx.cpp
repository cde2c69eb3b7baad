/* cxx.cpp: prints what ev++.h compiles into programs and promises to them.
 * The output must equal cxx.txt, which was written by this program, compiled against libev 4.33's header:
 * sizes (S), enumerators (C), properties (P) and what is noexcept (N). Contract: libev-abi.json, cxx. */
#include <ev++.h>

#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>

static std::string who; /* the class whose lines are printed */

static void line (const char *tag, const char *what, long long value)
{
    std::printf ("%s %s%s %lld\n", tag, who.c_str (), what, value);
}

#define CONSTANT(name) line ("C", #name, (long long) (ev::name))
#define PROPERTY(what, ...) line ("P", what, (__VA_ARGS__) ? 1 : 0)
#define NOEXCEPT(what, ...) line ("N", what, noexcept (__VA_ARGS__) ? 1 : 0)
#define RETURNS(what, type, ...) PROPERTY (what, std::is_same<decltype (__VA_ARGS__), type>::value)

/* ---- watchers ---- */

/* Measured on an object: offsetof is for standard layout classes only, which watchers are not. */
template <class W> static long long loop_offset ()
{
    W w;
    return (const char *) &w.loop - (const char *) &w;
}

template <class W, class kind> static void makes ()
{
    PROPERTY (" derives from the C watcher", std::is_base_of<kind, W>::value);
    PROPERTY (" derives from base", std::is_base_of<ev::base<kind, W>, W>::value);
    PROPERTY (" is polymorphic", std::is_polymorphic<W>::value);
    PROPERTY (" is made of nothing", std::is_default_constructible<W>::value);
    PROPERTY (" is made of a loop_ref", std::is_constructible<W, ev::loop_ref>::value);
    PROPERTY (" is made of a loop", std::is_constructible<W, struct ev_loop *>::value);
    PROPERTY (" is copied", std::is_copy_constructible<W>::value);
    PROPERTY (" is assigned", std::is_copy_assignable<W>::value);
    PROPERTY (" is made without throwing", std::is_nothrow_constructible<W, ev::loop_ref>::value);
    PROPERTY (" ends without throwing", std::is_nothrow_destructible<W>::value);
}

template <class W> static void does ()
{
    RETURNS (" start ()", void, std::declval<W &> ().start ());
    RETURNS (" stop ()", void, std::declval<W &> ().stop ());
    RETURNS (" is_active ()", bool, std::declval<const W &> ().is_active ());
    RETURNS (" is_pending ()", bool, std::declval<const W &> ().is_pending ());
    NOEXCEPT (" start ()", std::declval<W &> ().start ());
    NOEXCEPT (" stop ()", std::declval<W &> ().stop ());
    NOEXCEPT (" is_active ()", std::declval<W &> ().is_active ());
    NOEXCEPT (" is_pending ()", std::declval<W &> ().is_pending ());
    NOEXCEPT (" feed_event ()", std::declval<W &> ().feed_event (1));
    NOEXCEPT (" set (loop)", std::declval<W &> ().set (std::declval<struct ev_loop *> ()));
    NOEXCEPT (" set_ ()", std::declval<W &> ().set_ (0, 0));
}

template <class W, class kind> static void watcher (const char *name)
{
    who = name;
    line ("S", "", sizeof (W));
    line ("S", " loop", loop_offset<W> ());
    makes<W, kind> ();
    does<W> ();
    who = "";
}

static void watchers ()
{
    watcher<ev::io, ev_io> ("io");
    watcher<ev::timer, ev_timer> ("timer");
    watcher<ev::periodic, ev_periodic> ("periodic");
    watcher<ev::sig, ev_signal> ("sig");
    watcher<ev::child, ev_child> ("child");
    watcher<ev::stat, ev_stat> ("stat");
    watcher<ev::idle, ev_idle> ("idle");
    watcher<ev::prepare, ev_prepare> ("prepare");
    watcher<ev::check, ev_check> ("check");
    watcher<ev::embed, ev_embed> ("embed");
    watcher<ev::fork, ev_fork> ("fork");
    watcher<ev::async, ev_async> ("async");
}

/* ---- loops ---- */

static void loop_refs ()
{
    typedef ev::loop_ref L;

    line ("S", "loop_ref", sizeof (L));
    PROPERTY ("loop_ref is standard layout", std::is_standard_layout<L>::value);
    PROPERTY ("loop_ref is trivially copyable", std::is_trivially_copyable<L>::value);
    PROPERTY ("loop_ref is made of nothing", std::is_default_constructible<L>::value);
    PROPERTY ("loop_ref converts from a loop", std::is_convertible<struct ev_loop *, L>::value);
    PROPERTY ("loop_ref converts to a loop", std::is_convertible<const L, struct ev_loop *>::value);
    PROPERTY ("loop_ref converts to a const loop",
              std::is_convertible<const L, const struct ev_loop *>::value);
    NOEXCEPT ("loop_ref run", std::declval<L &> ().run ());
    NOEXCEPT ("loop_ref break_loop", std::declval<L &> ().break_loop ());
    NOEXCEPT ("loop_ref post_fork", std::declval<L &> ().post_fork ());
    NOEXCEPT ("loop_ref backend", std::declval<const L &> ().backend ());
    NOEXCEPT ("loop_ref now", std::declval<const L &> ().now ());
    NOEXCEPT ("loop_ref ref", std::declval<L &> ().ref ());
    NOEXCEPT ("loop_ref unref", std::declval<L &> ().unref ());
    NOEXCEPT ("loop_ref iteration", std::declval<const L &> ().iteration ());
    NOEXCEPT ("loop_ref depth", std::declval<const L &> ().depth ());
    NOEXCEPT ("loop_ref is_default", std::declval<const L &> ().is_default ());
    NOEXCEPT ("loop_ref once", std::declval<L &> ().once (0, 0, 0., (void (*) (int, void *)) 0, 0));
    NOEXCEPT ("loop_ref feed_fd_event", std::declval<L &> ().feed_fd_event (0, 0));
    NOEXCEPT ("loop_ref feed_signal_event", std::declval<L &> ().feed_signal_event (0));
    RETURNS ("loop_ref run", void, std::declval<L &> ().run ());
    RETURNS ("loop_ref now", ev::tstamp, std::declval<L &> ().now ());
    RETURNS ("loop_ref raw_loop", struct ev_loop *, std::declval<L &> ().raw_loop);
}

template <class L> static void owner (const char *name)
{
    who = name;
    line ("S", "", sizeof (L));
    PROPERTY (" derives from loop_ref", std::is_base_of<ev::loop_ref, L>::value);
    PROPERTY (" is made of nothing", std::is_default_constructible<L>::value);
    PROPERTY (" is made of flags", std::is_constructible<L, unsigned int>::value);
    PROPERTY (" is made without throwing", std::is_nothrow_default_constructible<L>::value);
    PROPERTY (" is copied", std::is_copy_constructible<L>::value);
    PROPERTY (" is assigned", std::is_copy_assignable<L>::value);
    PROPERTY (" ends without throwing", std::is_nothrow_destructible<L>::value);
    who = "";
}

static void owners ()
{
    owner<ev::dynamic_loop> ("dynamic_loop");
    owner<ev::default_loop> ("default_loop");
    line ("S", "bad_loop", sizeof (ev::bad_loop));
    PROPERTY ("bad_loop is a std::exception", std::is_base_of<std::exception, ev::bad_loop>::value);
}

/* ---- what only one kind has ---- */

static void special_members ()
{
    NOEXCEPT ("io set (fd, events)", std::declval<ev::io &> ().set (0, 0));
    NOEXCEPT ("io set (events)", std::declval<ev::io &> ().set (0));
    NOEXCEPT ("io start (fd, events)", std::declval<ev::io &> ().start (0, 0));
    NOEXCEPT ("timer set", std::declval<ev::timer &> ().set (0., 0.));
    NOEXCEPT ("timer start", std::declval<ev::timer &> ().start (0., 0.));
    NOEXCEPT ("timer again", std::declval<ev::timer &> ().again ());
    NOEXCEPT ("timer remaining", std::declval<ev::timer &> ().remaining ());
    RETURNS ("timer remaining", ev_tstamp, std::declval<ev::timer &> ().remaining ());
    NOEXCEPT ("periodic set", std::declval<ev::periodic &> ().set (0., 0.));
    NOEXCEPT ("periodic again", std::declval<ev::periodic &> ().again ());
    NOEXCEPT ("sig start", std::declval<ev::sig &> ().start (1));
    NOEXCEPT ("child start", std::declval<ev::child &> ().start (1));
    NOEXCEPT ("stat start", std::declval<ev::stat &> ().start ("/"));
    NOEXCEPT ("stat update", std::declval<ev::stat &> ().update ());
    NOEXCEPT ("embed set_embed", std::declval<ev::embed &> ().set_embed (0));
    NOEXCEPT ("embed start (loop)", std::declval<ev::embed &> ().start ((struct ev_loop *) 0));
    NOEXCEPT ("embed sweep", std::declval<ev::embed &> ().sweep ());
    NOEXCEPT ("async send", std::declval<ev::async &> ().send ());
    NOEXCEPT ("async async_pending", std::declval<ev::async &> ().async_pending ());
    RETURNS ("async async_pending", bool, std::declval<ev::async &> ().async_pending ());
}

/* Programs pass methods of watchers as template arguments: they must be members of the class itself. */
static void methods_are_at_home ()
{
    typedef void (ev::io::*io_method) ();
    typedef void (ev::async::*async_method) ();
    typedef void (ev::timer::*timer_method) ();

    PROPERTY ("io stop is a method of io", std::is_convertible<decltype (&ev::io::stop), io_method>::value);
    PROPERTY ("async send is a method of async",
              std::is_convertible<decltype (&ev::async::send), async_method>::value);
    PROPERTY ("timer again is a method of timer",
              std::is_convertible<decltype (&ev::timer::again), timer_method>::value);
}

/* ---- the namespace ---- */

static void functions ()
{
    NOEXCEPT ("now", ev::now (0));
    NOEXCEPT ("delay", ev::delay (0.));
    NOEXCEPT ("version_major", ev::version_major ());
    NOEXCEPT ("version_minor", ev::version_minor ());
    NOEXCEPT ("supported_backends", ev::supported_backends ());
    NOEXCEPT ("recommended_backends", ev::recommended_backends ());
    NOEXCEPT ("embeddable_backends", ev::embeddable_backends ());
    NOEXCEPT ("set_allocator", ev::set_allocator (0));
    NOEXCEPT ("set_syserr_cb", ev::set_syserr_cb (0));
    NOEXCEPT ("get_default_loop", ev::get_default_loop ());
    RETURNS ("get_default_loop", ev::loop_ref, ev::get_default_loop ());
    PROPERTY ("tstamp is ev_tstamp", std::is_same<ev::tstamp, ev_tstamp>::value);
}

static void constants ()
{
    CONSTANT (UNDEF);
    CONSTANT (NONE);
    CONSTANT (READ);
    CONSTANT (WRITE);
    CONSTANT (TIMEOUT);
    CONSTANT (TIMER);
    CONSTANT (PERIODIC);
    CONSTANT (SIGNAL);
    CONSTANT (CHILD);
    CONSTANT (STAT);
    CONSTANT (IDLE);
    CONSTANT (CHECK);
    CONSTANT (PREPARE);
    CONSTANT (FORK);
    CONSTANT (ASYNC);
    CONSTANT (EMBED);
    CONSTANT (ERROR);
    CONSTANT (AUTO);
    CONSTANT (NOENV);
    CONSTANT (FORKCHECK);
    CONSTANT (SELECT);
    CONSTANT (POLL);
    CONSTANT (EPOLL);
    CONSTANT (KQUEUE);
    CONSTANT (DEVPOLL);
    CONSTANT (PORT);
    CONSTANT (NONBLOCK);
    CONSTANT (ONESHOT);
    CONSTANT (NOWAIT);
    CONSTANT (ONCE);
    CONSTANT (ONE);
    CONSTANT (ALL);
    PROPERTY ("ONE is a how_t", std::is_same<decltype (ev::ONE), ev::how_t>::value);
    PROPERTY ("ERROR is negative", ev::ERROR < 0);
}

int main ()
{
    watchers ();
    loop_refs ();
    owners ();
    special_members ();
    methods_are_at_home ();
    functions ();
    constants ();
    return 0;
}
