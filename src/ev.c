/* ev.c: the table of contents, and the library: the only file that is compiled.
 *
 * dist/ev.c is this file with the others written out in place, for programs that embed one file. Layers, from
 * the ground up: base knows nobody; core knows base; backend, watch and ops know core and not each other; loop
 * holds all the keys. With EVI_SPLIT each file also compiles alone, which proves it.
 *
 * The shortest way through the house: core/backend.h (what a backend is), backend/epoll.c (the simplest real
 * one), core/fd.c (a row per descriptor), core/pending.c (the queue of callbacks), loop/run.c (one iteration).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* base: words, memory, errors, system calls */
#include "base/features.h" /* every knob, resolved */
#include "base/mem.c"      /* ev_set_allocator, growing arrays */
#include "base/err.c"      /* ev_set_syserr_cb: where an error becomes policy */
#include "base/sys.c"      /* the kernel, one thin call each */
#include "base/sys_op.c"   /* … for operations */

/* core: the machine */
#include "core/heap.c"    /* times, earliest first */
#include "core/clock.c"   /* what time the loop believes it is */
#include "core/watcher.c" /* active or not */
#include "core/pending.c" /* feed and invoke: the only callers of user code */
#include "core/fd.c"      /* a row per descriptor; what the kernel was told */
#include "core/io.c"      /* ev_io */
#include "core/wake.c"    /* ends a sleep from outside */

/* backend: translators */
#include "backend/select.c"
#include "backend/poll.c"
#include "backend/epollset.c" /* one epoll set */
#include "backend/epoll.c"
#include "backend/ring.c"     /* one ring: no loop, no watcher */
#include "backend/loopring.c" /* the ring of a loop */
#include "backend/polls.c"    /* poll requests on it */
#include "backend/guests.c"   /* an epoll set that it watches */
#include "backend/uring.c"    /* readiness by them */
#include "backend/table.c"    /* best first */

/* watch: the other watcher kinds */
#include "watch/timer.c"
#include "watch/periodic.c"
#include "watch/hooks.c" /* idle, prepare, check, fork, cleanup */
#include "watch/async.c"
#include "watch/mailbox.c"
#include "watch/signal.c"
#include "watch/child.c"
#include "watch/stat.c"
#include "watch/embed.c"
#include "watch/once.c"
#include "watch/walk.c"

/* ops: completions */
#include "ops/pool.c"     /* a few threads */
#include "ops/set.c"      /* what each operation is given */
#include "ops/kinds.c"    /* all that is to be said of each */
#include "ops/calls.c"    /* its system call */
#include "ops/whole.c"    /* … again, until all is done */
#include "ops/lane.c"     /* one after the other */
#include "ops/deadline.c" /* in time */
#include "ops/side.c"     /* links, results one by one */
#include "ops/pause.c"    /* … kept for later */
#include "ops/bufs.c"     /* buffers for receivers */
#include "ops/ringbufs.c" /* … that the kernel chooses from */
#include "ops/pinned.c"   /* … and for files, known to the ring */
#include "ops/names.c"    /* addresses */
#include "ops/on_ready.c" /* by readiness and threads */
#include "ops/on_ring.c"  /* on a ring */
#include "ops/orphans.c"  /* … that is lost, and not over */
#include "ops/attached.c" /* … beside a backend that has none */
#include "ops/no_ring.c"  /* in a library without rings */
#include "ops/op.c"       /* the life of an operation */

/* stream: a connection as one watcher, on what ops offers to programs */
#include "stream/stream.c"

/* loop: all the keys */
#include "loop/stats.c"  /* ev_stats, ev_dump, EVRING_STATS */
#include "loop/life.c"   /* begin, fork, fall, end */
#include "loop/run.c"    /* ev_run */
#include "loop/info.c"   /* small questions and settings */
#include "loop/verify.c" /* ev_verify */
#include "loop/group.c"  /* ev_group: several loops */
