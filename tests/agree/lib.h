/* lib.h: the functions of one event library, found by name, so that two libraries with the same names can be
 * used in one process. Kinds that differ only in the watcher's type share a shape: any watcher is void *. */
#ifndef AGREE_LIB_H
#define AGREE_LIB_H

#define EV_PROTOTYPES 0
#include "ev.h"

/* result, name, parameters */
#define LIB_FUNCTIONS(F)                                                                               \
    F (struct ev_loop *, ev_default_loop, (unsigned flags))                                            \
    F (struct ev_loop *, ev_loop_new, (unsigned flags))                                                \
    F (void, ev_loop_destroy, (struct ev_loop *) )                                                     \
    F (void, ev_loop_fork, (struct ev_loop *) )                                                        \
    F (unsigned, ev_backend, (struct ev_loop *) )                                                      \
    F (double, ev_now, (struct ev_loop *) )                                                            \
    F (double, ev_time, (void) )                                                                       \
    F (void, ev_sleep, (double) )                                                                      \
    F (void, ev_now_update, (struct ev_loop *) )                                                       \
    F (int, ev_run, (struct ev_loop *, int flags))                                                     \
    F (void, ev_break, (struct ev_loop *, int how))                                                    \
    F (void, ev_ref, (struct ev_loop *) )                                                              \
    F (void, ev_unref, (struct ev_loop *) )                                                            \
    F (void, ev_suspend, (struct ev_loop *) )                                                          \
    F (void, ev_resume, (struct ev_loop *) )                                                           \
    F (void, ev_once, (struct ev_loop *, int fd, int events, double, void (*) (int, void *), void *) ) \
    F (void, ev_invoke_pending, (struct ev_loop *) )                                                   \
    F (unsigned, ev_pending_count, (struct ev_loop *) )                                                \
    F (unsigned, ev_iteration, (struct ev_loop *) )                                                    \
    F (unsigned, ev_depth, (struct ev_loop *) )                                                        \
    F (void, ev_verify, (struct ev_loop *) )                                                           \
    F (void, ev_set_io_collect_interval, (struct ev_loop *, double) )                                  \
    F (void, ev_set_timeout_collect_interval, (struct ev_loop *, double) )                             \
    F (void, ev_set_userdata, (struct ev_loop *, void *) )                                             \
    F (void *, ev_userdata, (struct ev_loop *) )                                                       \
    F (void, ev_set_invoke_pending_cb, (struct ev_loop *, void (*) (struct ev_loop *)))                \
    F (void, ev_set_loop_release_cb,                                                                   \
       (struct ev_loop *, void (*) (struct ev_loop *), void (*) (struct ev_loop *)))                   \
    F (void, ev_feed_event, (struct ev_loop *, void *, int) )                                          \
    F (void, ev_feed_fd_event, (struct ev_loop *, int fd, int revents))                                \
    F (void, ev_feed_signal, (int signum))                                                             \
    F (void, ev_feed_signal_event, (struct ev_loop *, int signum))                                     \
    F (void, ev_invoke, (struct ev_loop *, void *, int) )                                              \
    F (int, ev_clear_pending, (struct ev_loop *, void *) )                                             \
    F (void, ev_timer_again, (struct ev_loop *, void *) )                                              \
    F (double, ev_timer_remaining, (struct ev_loop *, void *) )                                        \
    F (void, ev_periodic_again, (struct ev_loop *, void *) )                                           \
    F (void, ev_stat_stat, (struct ev_loop *, void *) )                                                \
    F (void, ev_embed_sweep, (struct ev_loop *, void *) )                                              \
    F (void, ev_async_send, (struct ev_loop *, void *) )

/* The kinds of watcher: name as in ev_NAME_start, event bit. */
/* clang-format off */
#define LIB_KINDS(K) \
    K (io, EV_IO) \
    K (timer, EV_TIMER) \
    K (periodic, EV_PERIODIC) \
    K (signal, EV_SIGNAL) \
    K (child, EV_CHILD) \
    K (stat, EV_STAT) \
    K (idle, EV_IDLE) \
    K (prepare, EV_PREPARE) \
    K (check, EV_CHECK) \
    K (embed, EV_EMBED) \
    K (fork, EV_FORK) \
    K (cleanup, EV_CLEANUP) \
    K (async, EV_ASYNC)
/* clang-format on */

#define LIB_KIND_NAME(name, bit) KIND_##name,
enum kind { LIB_KINDS (LIB_KIND_NAME) KINDS };

struct lib {
#define LIB_MEMBER(result, name, parameters) result (*name) parameters;
    LIB_FUNCTIONS (LIB_MEMBER)
    void (*start_kind[KINDS]) (struct ev_loop *, void *);
    void (*stop_kind[KINDS]) (struct ev_loop *, void *);
};

extern const char *const lib_kind_names[KINDS];
extern const int lib_kind_bits[KINDS];

/* From the file at path (NULL: this program itself). If it cannot, says why and exits: with status missing when
 * the file is not to be had. */
void lib_load (struct lib *lib, const char *path, int missing);

#endif
