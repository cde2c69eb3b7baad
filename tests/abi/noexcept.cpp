/* noexcept.cpp: prints which functions and callbacks of ev.h are noexcept by type.
 * From C++17 on that is part of the type: a program whose callback does not match does not compile. The
 * output must equal noexcept.txt, written by this program, compiled against libev 4.33's header (contract:
 * cxx_noexcept_in_types). */
#include <ev.h>

#include <cstdio>
#include <type_traits>

template <class F>
struct promise; /* whether a type of function pointer says noexcept, and the same of its arguments */

template <class R, class... A>
struct promise<R (*) (A...)> {
    static const bool kept = false;
    template <class T>
    struct takes {
        static const bool value = (std::is_same<A, T>::value || ...);
    };
};

template <class R, class... A>
struct promise<R (*) (A...) noexcept> : promise<R (*) (A...)> {
    static const bool kept = true;
};

#define FUNCTION(name) std::printf ("N %s %d\n", #name, promise<decltype (&name)>::kept)
#define TAKES(name, ...)                                                                                    \
    std::printf ("P %s takes %s %d\n", #name, #__VA_ARGS__,                                                 \
                 promise<decltype (&name)>::takes<__VA_ARGS__>::value)
#define CALLBACK(type) std::printf ("N %s cb %d\n", #type, promise<decltype (type::cb)>::kept)

static void library_functions ()
{
    FUNCTION (ev_default_loop);
    FUNCTION (ev_embeddable_backends);
    FUNCTION (ev_feed_signal);
    FUNCTION (ev_loop_new);
    FUNCTION (ev_recommended_backends);
    FUNCTION (ev_set_allocator);
    FUNCTION (ev_set_syserr_cb);
    FUNCTION (ev_sleep);
    FUNCTION (ev_supported_backends);
    FUNCTION (ev_time);
    FUNCTION (ev_version_major);
    FUNCTION (ev_version_minor);
}

static void loop_functions ()
{
    FUNCTION (ev_backend);
    FUNCTION (ev_break);
    FUNCTION (ev_clear_pending);
    FUNCTION (ev_depth);
    FUNCTION (ev_feed_event);
    FUNCTION (ev_feed_fd_event);
    FUNCTION (ev_feed_signal_event);
    FUNCTION (ev_invoke);
    FUNCTION (ev_invoke_pending);
    FUNCTION (ev_iteration);
    FUNCTION (ev_loop_destroy);
    FUNCTION (ev_loop_fork);
    FUNCTION (ev_now);
    FUNCTION (ev_now_update);
    FUNCTION (ev_once);
    FUNCTION (ev_pending_count);
    FUNCTION (ev_ref);
    FUNCTION (ev_resume);
    FUNCTION (ev_run);
    FUNCTION (ev_set_invoke_pending_cb);
    FUNCTION (ev_set_io_collect_interval);
    FUNCTION (ev_set_loop_release_cb);
    FUNCTION (ev_set_timeout_collect_interval);
    FUNCTION (ev_set_userdata);
    FUNCTION (ev_suspend);
    FUNCTION (ev_unref);
    FUNCTION (ev_userdata);
    FUNCTION (ev_verify);
}

static void watcher_functions ()
{
    FUNCTION (ev_async_send);
    FUNCTION (ev_async_start);
    FUNCTION (ev_async_stop);
    FUNCTION (ev_check_start);
    FUNCTION (ev_check_stop);
    FUNCTION (ev_child_start);
    FUNCTION (ev_child_stop);
    FUNCTION (ev_cleanup_start);
    FUNCTION (ev_cleanup_stop);
    FUNCTION (ev_embed_start);
    FUNCTION (ev_embed_stop);
    FUNCTION (ev_embed_sweep);
    FUNCTION (ev_fork_start);
    FUNCTION (ev_fork_stop);
    FUNCTION (ev_idle_start);
    FUNCTION (ev_idle_stop);
    FUNCTION (ev_io_start);
    FUNCTION (ev_io_stop);
    FUNCTION (ev_periodic_again);
    FUNCTION (ev_periodic_start);
    FUNCTION (ev_periodic_stop);
    FUNCTION (ev_prepare_start);
    FUNCTION (ev_prepare_stop);
    FUNCTION (ev_signal_start);
    FUNCTION (ev_signal_stop);
    FUNCTION (ev_stat_start);
    FUNCTION (ev_stat_stat);
    FUNCTION (ev_stat_stop);
    FUNCTION (ev_timer_again);
    FUNCTION (ev_timer_remaining);
    FUNCTION (ev_timer_start);
    FUNCTION (ev_timer_stop);
}

static void callbacks ()
{
    TAKES (ev_set_allocator, void *(*) (void *, long) noexcept);
    TAKES (ev_set_allocator, void *(*) (void *, long));
    TAKES (ev_set_syserr_cb, void (*) (const char *) noexcept);
    TAKES (ev_set_syserr_cb, void (*) (const char *));
    TAKES (ev_set_loop_release_cb, void (*) (struct ev_loop *) noexcept);
    TAKES (ev_set_loop_release_cb, void (*) (struct ev_loop *));
    TAKES (ev_set_invoke_pending_cb, void (*) (struct ev_loop *) noexcept);
    TAKES (ev_set_invoke_pending_cb, ev_loop_callback);
    TAKES (ev_once, void (*) (int, void *) noexcept);
    TAKES (ev_once, void (*) (int, void *));
    CALLBACK (ev_io);
    CALLBACK (ev_timer);
    CALLBACK (ev_async);
    std::printf ("N ev_periodic reschedule_cb %d\n", promise<decltype (ev_periodic::reschedule_cb)>::kept);
}

int main ()
{
    library_functions ();
    loop_functions ();
    watcher_functions ();
    callbacks ();
    return 0;
}
