/* watch.h: what loop/ asks of the watcher kinds. */
#ifndef EVI_WATCH_H
#define EVI_WATCH_H

#include "../core/loop.h"

/* Feed what has become ripe; called once per iteration, in this order. */
EVI void evi_timer_due (struct ev_loop *loop);
EVI void evi_periodic_due (struct ev_loop *loop);
EVI void evi_idle_due (struct ev_loop *loop);

EVI void evi_timer_shift (struct ev_loop *loop, ev_tstamp seconds); /* all active timers later by that much */
EVI void evi_periodic_reschedule (struct ev_loop *loop);            /* the wall clock was set */

/* After a fork: kernel objects of the kind made anew. */
EVI void evi_periodic_fork (struct ev_loop *loop);
EVI void evi_stat_fork (struct ev_loop *loop);

/* The loop ends: descriptors closed, memory freed. */
EVI void evi_periodic_close (struct ev_loop *loop);
EVI void evi_hooks_close (struct ev_loop *loop);
EVI void evi_async_close (struct ev_loop *loop);
EVI void evi_signal_close (struct ev_loop *loop);
EVI void evi_stat_close (struct ev_loop *loop);

/* The default loop reaps children, from its first moment to its last. */
EVI void evi_child_open (struct ev_loop *loop);
EVI void evi_child_close (struct ev_loop *loop);
EVI int evi_child_owns (const void *w); /* the SIGCHLD watcher of the default loop */

EVI void evi_mailbox_close (struct ev_loop *loop); /* tells what is left of posts */
/* Nonzero: a loop without watchers must go on: a post is on its way, or somebody will send one. */
EVI int evi_mailbox_holds (struct ev_loop *loop);

EVI void evi_hooks_verify (struct ev_loop *loop);

/* Expired watchers are collected first and fed in reverse, so that the earliest is called first (PQ-7). */
EVI void evi_due_add (struct ev_loop *loop, void *w);
EVI void evi_due_feed (struct ev_loop *loop, int revents);

/* For ev_walk: the helpers of other kinds are shown as the watcher they belong to, or not at all. */
EVI void *evi_stat_of_timer (ev_watcher *w); /* the ev_stat whose helper this is, or NULL */
EVI void *evi_embed_of_io (ev_watcher *w);   /* the ev_embed … */
EVI int evi_embed_helps (ev_watcher *w);     /* a prepare or fork helper of an ev_embed */
EVI void evi_signal_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w));
EVI void evi_child_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w));
EVI void evi_stat_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w));

/* Someone knocked (core/wake.h): feeds signals and async watchers. */
EVI void evi_knock_answer (struct ev_loop *loop);
/* Signals that arrived for this loop, between the wake-up and the callbacks. */
EVI void evi_signal_answer (struct ev_loop *loop);

#endif
