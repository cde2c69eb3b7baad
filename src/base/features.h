/* features.h: every compile-time knob, resolved to 0 or 1, here and nowhere else.
 * Embedders set them with -D, in the file named by EV_CONFIG_H, or in their config.h (EV_STANDALONE: no file is read).
 * Knobs of libev that have no meaning here are accepted and ignored; who looks at them finds what the library does. */
#ifndef EVI_FEATURES_H
#define EVI_FEATURES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* only helps when we are included first; nothing below depends on it */
#endif

#ifndef EV_STANDALONE
#ifdef EV_CONFIG_H
#include EV_CONFIG_H
#elif defined(__has_include)
#if __has_include("config.h")
#include "config.h"
#endif
#endif
#endif

#ifdef EV_H
#include EV_H
#else
#include "ev.h"
#endif
#include "ev_mailbox.h"
#include "ev_op.h"

#ifdef __linux__
#define EV_ON_LINUX 1 /* knobs are made of it, and programs look at them later */
#else
#define EV_ON_LINUX 0
#endif
#define EVI_LINUX EV_ON_LINUX

#ifndef EV_USE_SELECT
#define EV_USE_SELECT (EV_FEATURE_BACKENDS != 0)
#endif
#ifndef EV_USE_POLL
#define EV_USE_POLL (EV_FEATURE_BACKENDS != 0)
#endif
#ifndef EV_USE_EPOLL
#define EV_USE_EPOLL (EV_ON_LINUX && EV_FEATURE_BACKENDS)
#endif
#ifndef EV_USE_IOURING
#define EV_USE_IOURING (EV_ON_LINUX && EV_FEATURE_BACKENDS)
#endif
#if !EV_USE_SELECT && !EV_USE_POLL && !EV_USE_EPOLL && !EV_USE_IOURING
#undef EV_USE_SELECT /* a loop needs something to wait with */
#define EV_USE_SELECT 1
#endif

#ifndef EV_USE_EVENTFD
#define EV_USE_EVENTFD (EV_ON_LINUX && EV_FEATURE_OS)
#endif
#ifndef EV_USE_SIGNALFD
#define EV_USE_SIGNALFD (EV_ON_LINUX && EV_FEATURE_OS)
#endif
#ifndef EV_USE_TIMERFD
#define EV_USE_TIMERFD (EV_ON_LINUX && EV_FEATURE_OS)
#endif
#if !EVI_LINUX /* operations speak Linux */
#undef EV_OP_ENABLE
#define EV_OP_ENABLE 0
#endif

#ifndef EV_USE_INOTIFY
#define EV_USE_INOTIFY (EV_ON_LINUX && EV_FEATURE_OS)
#endif

/* May io_uring be taken when nobody asks for it? 0: as with libev, it has to be named. */
#ifndef EV_RECOMMEND_IOURING
#define EV_RECOMMEND_IOURING 1
#endif

/* What a loop checks of itself: 0 nothing, 1 on ev_verify, 2 once per iteration, 3 around every change. */
#ifndef EV_VERIFY
#define EV_VERIFY (EV_FEATURE_API ? 1 : 0)
#endif

/* Does the library check its own assumptions as it goes? The test builds do. */
#ifndef EVI_ASSERTS
#define EVI_ASSERTS 0
#endif

#ifndef EV_PID_HASHSIZE /* lists of child watchers, by pid; a power of two */
#define EV_PID_HASHSIZE (EV_FEATURE_DATA ? 16 : 1)
#endif
#ifndef EV_INOTIFY_HASHSIZE /* lists of stat watchers, by inotify descriptor; a power of two */
#define EV_INOTIFY_HASHSIZE (EV_FEATURE_DATA ? 16 : 1)
#endif

/* ---- without a meaning here ---- */

#ifndef EV_USE_MONOTONIC
#define EV_USE_MONOTONIC 1
#endif
#ifndef EV_USE_REALTIME
#define EV_USE_REALTIME 1
#endif
#ifndef EV_USE_NANOSLEEP
#define EV_USE_NANOSLEEP 1
#endif
#ifndef EV_USE_CLOCK_SYSCALL
#define EV_USE_CLOCK_SYSCALL 0
#endif
#ifndef EV_USE_FLOOR
#define EV_USE_FLOOR 0
#endif
#ifndef EV_USE_LINUXAIO
#define EV_USE_LINUXAIO 0
#endif
#ifndef EV_USE_KQUEUE
#define EV_USE_KQUEUE 0
#endif
#ifndef EV_USE_PORT
#define EV_USE_PORT 0
#endif
#ifndef EV_USE_IOCP
#define EV_USE_IOCP 0
#endif
#ifndef EV_SELECT_IS_WINSOCKET
#define EV_SELECT_IS_WINSOCKET 0
#endif
#ifndef EV_USE_4HEAP
#define EV_USE_4HEAP 1
#endif
#ifndef EV_HEAP_CACHE_AT
#define EV_HEAP_CACHE_AT 1
#endif
#ifndef EV_NO_THREADS
#define EV_NO_THREADS 0
#endif
#ifndef EV_NO_SMP
#define EV_NO_SMP 0
#endif

#if !EV_OP_ENABLE /* threads and sockets are among its system calls */
#undef EV_GROUP_ENABLE
#define EV_GROUP_ENABLE 0
#endif

#include <signal.h>
#if defined(__GLIBC__) && !defined(__USE_MISC)
#error "ev.c needs all of the system's headers: include it first, or compile with -std=gnu11 or -D_GNU_SOURCE"
#endif
#ifndef EV_NSIG /* one more than the highest signal */
#ifdef _NSIG
#define EV_NSIG (_NSIG)
#else
#define EV_NSIG (8 * sizeof (sigset_t) + 1)
#endif
#endif

#endif
