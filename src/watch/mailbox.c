/* mailbox.c: ev_mailbox, posts from any thread.
 * Owns loop->mailbox. Promises that a post is told exactly once, in the order of sending as far as one thread goes, that
 * many cost one knock, and that whoever has a reference may send whatever has become of the loop.
 *
 * Senders push onto a stack by compare-exchange, and the one that found it empty knocks; the loop takes all, and turns
 * them round. The stack of a loop that is gone is shut for good. A sender that knocks says so first and then looks for the
 * loop; the loop, at its end, takes itself out of the box and then looks for those who knock: at least one of the two sees the
 * other. */
#include "watch.h"

#if EV_MAILBOX_ENABLE

#include <errno.h>
#include <pthread.h>

struct ev_mailbox {
    /* any thread, atomic */
    ev_post *sent;        /* the latest first */
    struct ev_loop *loop; /* whom to knock for; NULL: gone */
    unsigned references, knocking;
    int holds;
    /* the loop's thread */
    ev_watcher teller; /* pending while there is something to tell */
    ev_post *lost;     /* to be told with EV_ERROR; the earliest first, like taken */
    ev_post *taken, **last;
    void (*answer) (struct ev_loop *loop); /* what else a knock may be about */
    int held;                              /* holds has a reference to the loop */
    /* under the lock */
    struct ev_mailbox *prev, *next;
};

static ev_post mailbox_shut; /* on top of the stack of a loop that is gone */

/* All that have a loop: a fork child looks through them. */
static struct ev_mailbox *mailbox_all;
static pthread_mutex_t mailbox_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- telling ---- */

static void mailbox_append (struct ev_mailbox *box, ev_post *first)
{
    *box->last = first;
    while (*box->last)
        box->last = &(*box->last)->next;
}

/* Takes what was sent, and leaves top on the stack. */
static void mailbox_take (struct ev_mailbox *box, ev_post *top)
{
    ev_post *post = __atomic_exchange_n (&box->sent, top, __ATOMIC_SEQ_CST), *ordered = NULL;

    while (post && post != &mailbox_shut) {
        ev_post *next = post->next;

        post->next = ordered;
        ordered = post;
        post = next;
    }
    mailbox_append (box, ordered);
}

/* The next post, and with what it is told; NULL: there is none. */
static ev_post *mailbox_pop (struct ev_mailbox *box, int *revents)
{
    ev_post **from = box->lost ? &box->lost : &box->taken, *post = *from;

    *revents = box->lost ? EV_ERROR : EV_CUSTOM;
    if (post)
        *from = post->next;
    if (!box->taken)
        box->last = &box->taken;
    return post;
}

/* One at a time, the others queued before: a callback may run the loop, end it, or leave by longjmp. */
static void mailbox_tell (EV_P_ ev_watcher *w, int revents)
{
    struct ev_mailbox *box;
    ev_post *post;
    EVI_DOOR;

    box = loop->mailbox;
    post = mailbox_pop (box, &revents);
    if (box->lost || box->taken)
        evi_feed (loop, w, EV_CUSTOM);
    if (post)
        post->cb (EV_A_ post, revents);
}

static void mailbox_unhold (struct ev_loop *loop, struct ev_mailbox *box)
{
    if (!box->held || __atomic_load_n (&box->holds, __ATOMIC_SEQ_CST) > 0)
        return;
    box->held = 0;
    evi_unref (loop);
}

/* Someone knocked. */
static void mailbox_answer (struct ev_loop *loop)
{
    struct ev_mailbox *box = loop->mailbox;

    box->answer (loop);
    mailbox_unhold (loop, box);
    if (__atomic_load_n (&box->sent, __ATOMIC_RELAXED))
        mailbox_take (box, NULL);
    if (box->lost || box->taken)
        evi_feed (loop, &box->teller, EV_CUSTOM);
}

/* ---- forks ---- */

static void mailbox_before_fork (void)
{
    pthread_mutex_lock (&mailbox_lock);
}

static void mailbox_after_fork (void)
{
    pthread_mutex_unlock (&mailbox_lock);
}

/* What was on its way is the parent's to do; here it is told as lost. Who was about to knock has stayed there. */
static void mailbox_lose (struct ev_mailbox *box)
{
    ev_post **end = &box->lost;

    if (box->sent == &mailbox_shut)
        return;
    mailbox_take (box, NULL);
    while (*end)
        end = &(*end)->next;
    *end = box->taken;
    box->taken = NULL;
    box->last = &box->taken;
    box->knocking = 0;
}

static void mailbox_in_child (void)
{
    for (struct ev_mailbox *box = mailbox_all; box; box = box->next)
        mailbox_lose (box);
    mailbox_after_fork ();
}

/* ---- the beginning and the end ---- */

static void mailbox_list (struct ev_mailbox *box)
{
    static int watching_forks;

    pthread_mutex_lock (&mailbox_lock);
    if (!watching_forks)
        watching_forks = pthread_atfork (mailbox_before_fork, mailbox_after_fork, mailbox_in_child) == 0;
    box->next = mailbox_all;
    if (box->next)
        box->next->prev = box;
    mailbox_all = box;
    pthread_mutex_unlock (&mailbox_lock);
}

static void mailbox_unlist (struct ev_mailbox *box)
{
    pthread_mutex_lock (&mailbox_lock);
    if (box->next)
        box->next->prev = box->prev;
    *(box->prev ? &box->prev->next : &mailbox_all) = box->next;
    pthread_mutex_unlock (&mailbox_lock);
}

/* A loop that has none pays nothing: that a knock may be about posts is said only now. */
static void mailbox_open (struct ev_loop *loop)
{
    struct ev_mailbox *box = evi_resize (NULL, sizeof *box);

    *box = (struct ev_mailbox){ .loop = loop, .references = 1, .answer = loop->wake.answer };
    box->last = &box->taken;
    ev_init (&box->teller, mailbox_tell);
    loop->mailbox = box;
    loop->wake.answer = mailbox_answer;
    evi_wake_open (loop);
    mailbox_list (box);
}

enum { MAILBOX_PATIENCE_US = 50 }; /* a knock is a few instructions and a write */

static void mailbox_quiet (struct ev_mailbox *box)
{
    while (__atomic_load_n (&box->knocking, __ATOMIC_SEQ_CST))
        evi_sys_sleep (MAILBOX_PATIENCE_US * 1e-6);
}

static void mailbox_tell_the_end (struct ev_loop *loop, struct ev_mailbox *box)
{
    ev_post *post;
    int revents;

    while ((post = mailbox_pop (box, &revents)))
        post->cb (EV_A_ post, EV_ERROR);
    (void) loop;
}

EVI void evi_mailbox_close (struct ev_loop *loop)
{
    struct ev_mailbox *box = loop->mailbox;

    if (!box)
        return;
    mailbox_take (box, &mailbox_shut);
    __atomic_store_n (&box->loop, NULL, __ATOMIC_SEQ_CST);
    mailbox_quiet (box);
    mailbox_unlist (box);
    mailbox_tell_the_end (loop, box);
    evi_pending_clear (loop, &box->teller);
    if (box->held)
        evi_unref (loop);
    loop->wake.answer = box->answer;
    loop->mailbox = NULL;
    ev_mailbox_free (box);
}

/* ---- doors ---- */

ev_mailbox *ev_mailbox_of (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    if (!loop->mailbox)
        mailbox_open (loop);
    return ev_mailbox_ref (loop->mailbox);
}

ev_mailbox *ev_mailbox_ref (ev_mailbox *box) EV_NOEXCEPT
{
    __atomic_add_fetch (&box->references, 1, __ATOMIC_RELAXED);
    return box;
}

void ev_mailbox_free (ev_mailbox *box) EV_NOEXCEPT
{
    if (box && !__atomic_sub_fetch (&box->references, 1, __ATOMIC_ACQ_REL))
        evi_resize (box, 0);
}

/* An outer loop is woken too. */
static void mailbox_knock (struct ev_mailbox *box)
{
    struct ev_loop *loop;

    __atomic_add_fetch (&box->knocking, 1, __ATOMIC_SEQ_CST);
    loop = __atomic_load_n (&box->loop, __ATOMIC_SEQ_CST);
    if (loop)
        evi_wake_rouse (loop);
    __atomic_sub_fetch (&box->knocking, 1, __ATOMIC_SEQ_CST);
}

int ev_mailbox_send (ev_mailbox *box, ev_post *post) EV_NOEXCEPT
{
    ev_post *top = __atomic_load_n (&box->sent, __ATOMIC_ACQUIRE);

    do {
        if (EVI_UNLIKELY (top == &mailbox_shut))
            return -ESHUTDOWN;
        post->next = top;
    } while (!__atomic_compare_exchange_n (&box->sent, &top, post, 1, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
    if (!top)
        mailbox_knock (box);
    return 0;
}

/* No knock: the loop looks before it ends. */
void ev_mailbox_hold (ev_mailbox *box) EV_NOEXCEPT
{
    __atomic_add_fetch (&box->holds, 1, __ATOMIC_SEQ_CST);
}

void ev_mailbox_unhold (ev_mailbox *box) EV_NOEXCEPT
{
    if (__atomic_sub_fetch (&box->holds, 1, __ATOMIC_SEQ_CST) == 0)
        mailbox_knock (box);
}

/* What was sent before the last unhold is seen here at the latest: the knock for it comes, and meanwhile a loop without
 * watchers does not sleep. */
EVI int evi_mailbox_holds (struct ev_loop *loop)
{
    struct ev_mailbox *box = loop->mailbox;

    if (!box)
        return 0;
    if (!box->held && __atomic_load_n (&box->holds, __ATOMIC_SEQ_CST) > 0) {
        box->held = 1;
        evi_ref (loop);
        return 1;
    }
    return __atomic_load_n (&box->sent, __ATOMIC_SEQ_CST) != NULL;
}

#else

EVI void evi_mailbox_close (struct ev_loop *loop)
{
    (void) loop;
}

EVI int evi_mailbox_holds (struct ev_loop *loop)
{
    (void) loop;
    return 0;
}

#endif
