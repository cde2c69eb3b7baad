/* deadline.c: the deadlines of operations. Programs give most of theirs the same length, so those of one length stand in a
 * queue, the earliest first: to start one, and to end it in time, costs no heap.
 * Owns the queues, each with a timer that is due when its head was when the timer was started, or earlier. Promises that
 * operations end at their deadlines, not before, and that no timer of a queue without operations goes on for long. */
#include "op.h"

#if EV_OP_ENABLE

#include <string.h>

struct evi_deadlines {
    ev_tstamp span; /* of all of them, seconds */
    ev_op *first, *last;
    ev_timer timer; /* holds no reference */
};

static void deadline_due (EV_P_ ev_timer *w, int revents);

static void deadline_leave (struct evi_deadlines *queue, ev_op *op)
{
    if (op->sooner)
        op->sooner->later = op->later;
    else
        queue->first = op->later;
    if (op->later)
        op->later->sooner = op->sooner;
    else
        queue->last = op->sooner;
    op->queue = 0;
}

EVI void evi_deadline_stop (struct ev_loop *loop, ev_op *op)
{
    if (op->queue)
        deadline_leave (loop->ops->deadlines[op->queue - 1], op);
}

static void deadline_rest (struct ev_loop *loop, struct evi_deadlines *queue)
{
    if (!ev_is_active (&queue->timer))
        return;
    evi_ref (loop);
    ev_timer_stop (EV_A_ & queue->timer);
}

/* ---- which queue ---- */

static struct evi_deadlines *deadline_make (struct evi_ops *ops)
{
    struct evi_deadlines *queue = evi_resize (NULL, sizeof *queue);

    memset (queue, 0, sizeof *queue);
    ev_init (&queue->timer, deadline_due);
    ops->deadlines[ops->deadline_count++] = queue;
    return queue;
}

/* A new one, or one that nobody stands in; else NULL. */
static struct evi_deadlines *deadline_unused (struct ev_loop *loop, unsigned *at)
{
    struct evi_ops *ops = loop->ops;

    for (*at = 0; *at < ops->deadline_count; ++*at)
        if (!ops->deadlines[*at]->first) {
            deadline_rest (loop, ops->deadlines[*at]);
            return ops->deadlines[*at];
        }
    return *at < EVI_DEADLINES ? deadline_make (ops) : NULL;
}

EVI_APART static struct evi_deadlines *deadline_find (struct ev_loop *loop, ev_tstamp span, unsigned *at)
{
    struct evi_ops *ops = loop->ops;
    struct evi_deadlines *queue;

    for (*at = 0; *at < ops->deadline_count; ++*at)
        if (ops->deadlines[*at]->span >= span && ops->deadlines[*at]->span <= span)
            return ops->deadlines[*at];
    queue = deadline_unused (loop, at);
    if (queue)
        queue->span = span;
    return queue;
}

/* Mostly the one of last time. */
EVI_INLINE struct evi_deadlines *deadline_queue (struct ev_loop *loop, ev_tstamp span, unsigned *at)
{
    struct evi_ops *ops = loop->ops;

    *at = ops->deadline_last;
    if (EVI_LIKELY (*at < ops->deadline_count && ops->deadlines[*at]->span >= span
                    && ops->deadlines[*at]->span <= span))
        return ops->deadlines[*at];
    return deadline_find (loop, span, at);
}

/* ---- in and out ---- */

EVI_APART static void deadline_wake (struct ev_loop *loop, struct evi_deadlines *queue)
{
    ev_timer_set (&queue->timer, queue->span,
                  queue->span); /* one that does not repeat gives back a reference */
    ev_timer_start (EV_A_ & queue->timer);
    evi_unref (loop);
}

EVI int evi_deadline_start (struct ev_loop *loop, ev_op *op, ev_tstamp span)
{
    struct evi_deadlines *queue;
    unsigned at;

    evi_deadline_stop (loop, op);
    queue = deadline_queue (loop, span, &at);
    if (EVI_UNLIKELY (!queue))
        return 0;
    loop->ops->deadline_last = at;
    op->queue = at + 1;
    op->due = loop->clock.mono + span;
    op->sooner = queue->last;
    op->later = NULL;
    if (queue->last)
        queue->last->later = op;
    else
        queue->first = op;
    queue->last = op;
    if (EVI_UNLIKELY (!ev_is_active (&queue->timer)))
        deadline_wake (loop, queue);
    return 1;
}

static void deadline_due (EV_P_ ev_timer *w, int revents)
{
    struct evi_deadlines *queue =
        (struct evi_deadlines *) (void *) ((char *) w - offsetof (struct evi_deadlines, timer));
    EVI_DOOR;

    (void) revents;
    while (queue->first && queue->first->due <= loop->clock.mono) {
        ev_op *op = queue->first;

        evi_op_must (op->queue && loop->ops->deadlines[op->queue - 1] == queue);
        deadline_leave (queue, op);
        evi_op_end_early (loop, op, op->wish ? op->wish : EVI_WISH_TIMEOUT);
    }
    if (!queue->first) {
        deadline_rest (loop, queue);
        return;
    }
    w->repeat = queue->first->due - loop->clock.mono;
    ev_timer_again (EV_A_ w);
}

EVI int evi_deadline_helps (void *w)
{
    return ev_cb ((ev_timer *) w) == deadline_due;
}

/* ---- all of them ---- */

EVI void evi_deadline_shift (struct evi_ops *ops, ev_tstamp seconds)
{
    for (unsigned at = 0; at < ops->deadline_count; at++)
        for (ev_op *op = ops->deadlines[at]->first; op; op = op->later)
            op->due += seconds;
}

EVI void evi_deadline_close (struct ev_loop *loop)
{
    struct evi_ops *ops = loop->ops;

    for (unsigned at = 0; at < ops->deadline_count; at++) {
        deadline_rest (loop, ops->deadlines[at]);
        evi_resize (ops->deadlines[at], 0);
    }
    ops->deadline_count = 0;
}

EVI void evi_deadline_verify (const struct evi_ops *ops)
{
    for (unsigned at = 0; at < ops->deadline_count; at++) {
        const struct evi_deadlines *queue = ops->deadlines[at];

        if (queue->first && !ev_is_active (&queue->timer))
            evi_broken ("ev_verify", "deadlines have no timer");
        for (const ev_op *op = queue->first; op; op = op->later)
            if (!ev_is_active (op) || op->queue != at + 1
                || (op->later ? op->later->sooner != op || op->later->due < op->due : queue->last != op))
                evi_op_spoilt ();
    }
}

#endif
