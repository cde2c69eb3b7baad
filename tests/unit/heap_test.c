/* heap_test.c: core/heap.c: the earliest first, whatever happened before. */
#include "unit.h"

enum { SEVEN = 7, MANY = 2000 };

static struct evi_heap heap;
static ev_timer timers[MANY];

static ev_watcher_time *timer (int i)
{
    return (ev_watcher_time *) &timers[i];
}

static void add (int i, ev_tstamp at)
{
    timer (i)->at = at;
    evi_heap_add (&heap, timer (i));
}

/* Empties the heap; its times must come in order. Returns how many there were. */
static int drain (void)
{
    ev_tstamp last = -HUGE_VAL;
    int count = 0;

    while (heap.count) {
        ev_watcher_time *w = evi_heap_first (&heap);

        evi_heap_verify (&heap);
        ck_assert (w->at >= last);
        last = w->at;
        evi_heap_remove (&heap, w);
        count++;
    }
    return count;
}

/* Calls visit with every order of 0..6. */
static void each_order (int order[SEVEN], int fixed, void (*visit) (const int order[SEVEN]))
{
    if (fixed == SEVEN) {
        visit (order);
        return;
    }
    for (int i = fixed; i < SEVEN; i++) {
        int swap = order[fixed];

        order[fixed] = order[i];
        order[i] = swap;
        each_order (order, fixed + 1, visit);
        order[i] = order[fixed];
        order[fixed] = swap;
    }
}

static void add_all (const int order[SEVEN])
{
    for (int i = 0; i < SEVEN; i++)
        add (i, order[i]);
}

static void comes_out_in_order (const int order[SEVEN])
{
    add_all (order);
    ck_assert_int_eq (drain (), SEVEN);
}

static void each_can_be_removed (const int order[SEVEN])
{
    for (int gone = 0; gone < SEVEN; gone++) {
        add_all (order);
        evi_heap_remove (&heap, timer (gone));
        ck_assert_int_eq (drain (), SEVEN - 1);
    }
}

static void each_can_move (const int order[SEVEN])
{
    for (int moved = 0; moved < SEVEN; moved++) {
        add_all (order);
        timer (moved)->at = moved % 2 ? 100 : -100;
        evi_heap_moved (&heap, timer (moved));
        ck_assert_int_eq (drain (), SEVEN);
    }
}

static void in_every_order (void (*visit) (const int order[SEVEN]))
{
    int order[SEVEN] = { 0, 1, 2, 3, 4, 5, 6 };

    each_order (order, 0, visit);
    evi_heap_free (&heap);
}

TEST (heap_gives_seven_times_in_order_whatever_the_order_they_came_in)
{
    in_every_order (comes_out_in_order);
}

TEST (heap_stays_in_order_when_any_of_seven_leaves)
{
    in_every_order (each_can_be_removed);
}

TEST (heap_stays_in_order_when_any_of_seven_moves)
{
    in_every_order (each_can_move);
}

TEST (heap_puts_itself_in_order_after_every_time_has_changed)
{
    for (int i = 0; i < MANY; i++)
        add (i, i);
    for (int i = 0; i < MANY; i++)
        timer (i)->at = (i * 7919) % 1009;
    evi_heap_order (&heap);
    ck_assert_int_eq (drain (), MANY);
    evi_heap_free (&heap);
}

TEST (heap_is_due_only_when_its_first_time_lies_strictly_in_the_past) // TI-1
{
    ck_assert (!evi_heap_due (&heap, 1e9));
    add (0, 5.);
    ck_assert (!evi_heap_due (&heap, 5.));
    ck_assert (evi_heap_due (&heap, 5.0000001));
    drain ();
    evi_heap_free (&heap);
}

TEST (heap_keeps_four_siblings_on_one_line)
{
    for (unsigned place = EVI_HEAP_TOP; place < 1000; place++) {
        ck_assert_int_eq (heap_child (place) % 4, 0);
        for (unsigned child = heap_child (place); child < heap_child (place) + 4; child++)
            ck_assert_uint_eq (heap_parent (child), place);
    }
}
