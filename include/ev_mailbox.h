/* ev_mailbox.h: several threads, several loops.
 *
 * A mailbox takes posts, functions to be called in a loop, from any thread, and outlives its loop: who holds one can always
 * send, and is told when nobody is there any more.
 *
 *     static void on_news (EV_P_ ev_post *post, int revents) { ... free (post); }
 *
 *     ev_mailbox *box = ev_mailbox_of (loop);        in the loop's thread
 *     ev_mailbox_send (box, post);                   in any
 *     ev_mailbox_free (box);                         in any
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef EV_MAILBOX_H_
#define EV_MAILBOX_H_

#include "ev.h"

#ifndef EV_MAILBOX_ENABLE /* 0 leaves mailboxes out of the library */
#define EV_MAILBOX_ENABLE EV_FEATURE_WATCHERS
#endif

#ifndef EV_GROUP_ENABLE /* 0 leaves groups of loops out of it */
#define EV_GROUP_ENABLE EV_FEATURE_WATCHERS
#endif

#if !EV_MAILBOX_ENABLE || !EV_MULTIPLICITY || (defined(EV_OP_ENABLE) && !EV_OP_ENABLE)
#undef EV_GROUP_ENABLE
#define EV_GROUP_ENABLE 0
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if EV_MAILBOX_ENABLE

typedef struct ev_mailbox ev_mailbox;

/* From ev_mailbox_send until its callback it belongs to the mailbox: leave it where and as it is. In the callback it is
 * yours again, to free or to send on. */
typedef struct ev_post
{
    struct ev_post *next;                              /* the mailbox's */
    void (*cb) (EV_P_ struct ev_post *post, int revents); /* called in the loop's thread, out of the loop */
    void *data;                                        /* yours */
} ev_post;

/* The loop's mailbox, and one more reference to it, which ev_mailbox_free gives back. The loop's thread. The loop
 * has one from the first such call on. */
EV_API_DECL ev_mailbox *ev_mailbox_of (EV_P) EV_NOEXCEPT;

/* One more reference for somebody else; it returns box. Any thread that has one. */
EV_API_DECL ev_mailbox *ev_mailbox_ref (ev_mailbox *box) EV_NOEXCEPT;

/* Gives a reference back. Posts that were sent are delivered all the same. Any thread; NULL is nothing. */
EV_API_DECL void ev_mailbox_free (ev_mailbox *box) EV_NOEXCEPT;

/* Any thread, and any signal handler. 0: post->cb will be called exactly once, in the loop: with EV_CUSTOM, or with EV_ERROR
 * when the loop is destroyed first, or when this is a fork child and the post was on its way when it was born: free what
 * belongs to it then, and start nothing. What one thread sends arrives in that order. What is sent by a post's callback waits for
 * the next iteration. Many posts wake a sleeping loop once.
 * -ESHUTDOWN: the loop is gone; the post is still yours. */
EV_API_DECL int ev_mailbox_send (ev_mailbox *box, ev_post *post) EV_NOEXCEPT;

/* A mailbox keeps no loop alive; from hold to unhold it does, like ev_ref: somebody is going to send. Any thread, as long
 * as something else keeps the loop running. Holds are counted. What was sent before the last unhold is told before ev_run
 * returns. */
EV_API_DECL void ev_mailbox_hold (ev_mailbox *box) EV_NOEXCEPT;
EV_API_DECL void ev_mailbox_unhold (ev_mailbox *box) EV_NOEXCEPT;

#endif

#if EV_GROUP_ENABLE

/* ---- groups: a loop per core -----------------------------------------------------------------------------
 *
 *     ev_group *group = ev_group_new (0, 0);
 *
 *     ev_group_listen (group, address, size, SOMAXCONN, on_connection);
 *     ev_group_run (group, on_begin, on_end, NULL);    returns when all loops are through
 *     ev_group_free (group);
 * -------------------------------------------------------------------------------------------------------- */

struct sockaddr; /* sys/socket.h */

typedef struct ev_group ev_group;

/* In the thread of a loop; at is its place in the group, arg what ev_group_run was given. */
typedef void ev_group_cb (EV_P_ ev_group *group, unsigned at, void *arg);

/* So many loops, made with flags like those of ev_loop_new; 0: as many as this process has cores. NULL: one cannot be made. */
EV_API_DECL ev_group *ev_group_new (unsigned flags, unsigned loops) EV_NOEXCEPT;

/* Destroys the loops: not while they run. Posts they have not been told of are told with EV_ERROR. NULL is nothing. */
EV_API_DECL void ev_group_free (ev_group *group);

EV_API_DECL unsigned ev_group_loops (const ev_group *group) EV_NOEXCEPT;

/* The mailbox of a loop, as long as the group lives: no reference. Any thread. */
EV_API_DECL ev_mailbox *ev_group_box (ev_group *group, unsigned at) EV_NOEXCEPT;

/* Before the group runs, any number of times: cb is called with each connection, a descriptor that is the program's to close (non-blocking,
 * close-on-exec), in the loop it is for. Each loop has a listener of its own (SO_REUSEPORT), and the kernel deals connections
 * out; those of families that have no ports (AF_UNIX) loop 0 accepts and deals out in turn. Returns the descriptor of a listener,
 * to ask for its address (getsockname), or -errno. */
EV_API_DECL int ev_group_listen (ev_group *group, const struct sockaddr *address, unsigned size, int backlog,
                                 void (*cb) (EV_P_ ev_group *group, int fd, void *arg)) EV_NOEXCEPT;

/* Once: runs all loops, the first one in this thread. begin is called in each, before it runs, and end (both may be NULL) when
 * the group is stopped and the last connection has been told: from then on a loop runs as long as something in it is active;
 * without end it breaks at once. Returns 0 when all are through, or -errno when there is no thread for one. */
EV_API_DECL int ev_group_run (ev_group *group, ev_group_cb *begin, ev_group_cb *end, void *arg);

/* Begins the end of all. Any thread, and any signal handler, also before the group runs. A loop that ends by ev_break does it, too. */
EV_API_DECL void ev_group_stop (ev_group *group) EV_NOEXCEPT;

#endif

#ifdef __cplusplus
}
#ifdef EVPP_OPS_ /* ev++.h was here first: now it has classes for these too */
#include EVPP_OPS_
#endif
#endif

#endif
