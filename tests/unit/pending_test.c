/* pending_test.c: core/pending.c: the queue and its bits. */
#include "unit.h"

static void nothing (struct ev_loop *loop, ev_timer *w, int revents)
{
    (void) loop, (void) w, (void) revents;
}

static void make (ev_timer *w, int priority)
{
    ev_timer_init (w, nothing, 1., 0.);
    ev_set_priority (w, priority);
}

TEST (pending_knows_which_levels_are_busy)
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);
    ev_timer low, high;

    make (&low, EV_MINPRI);
    make (&high, EV_MAXPRI);
    evi_feed (loop, &low, 1);
    ck_assert_uint_eq (loop->pending.busy, 1);
    evi_feed (loop, &high, 1);
    ck_assert_uint_eq (loop->pending.busy, 1 | 1 << (EVI_LEVELS - 1));
    evi_pending_verify (loop);
    ev_invoke_pending (loop);
    ck_assert_uint_eq (loop->pending.busy, 0);
    ev_loop_destroy (loop);
}

TEST (pending_slot_of_a_cleared_watcher_counts_until_it_is_reached) // PQ-4
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);
    ev_timer w;

    make (&w, 0);
    evi_feed (loop, &w, 5);
    ck_assert_int_eq (evi_pending_clear (loop, (ev_watcher *) &w), 5);
    ck_assert_int_eq (evi_pending_clear (loop, (ev_watcher *) &w), 0);
    ck_assert_uint_eq (ev_pending_count (loop), 1);
    evi_feed (loop, &w, 2); /* a slot of its own, above the empty one */
    evi_pending_verify (loop);
    ck_assert_uint_eq (ev_pending_count (loop), 2);
    ev_invoke_pending (loop);
    ck_assert_uint_eq (ev_pending_count (loop), 0);
    ev_loop_destroy (loop);
}

TEST (pending_takes_priorities_out_of_range_at_the_nearest_level) // PQ-8
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);
    ev_timer w;

    make (&w, 100);
    evi_feed (loop, &w, 1);
    ck_assert_uint_eq (loop->pending.level[EVI_LEVELS - 1].count, 1);
    ck_assert_int_eq (evi_pending_clear (loop, (ev_watcher *) &w), 1);
    ev_loop_destroy (loop);
}
