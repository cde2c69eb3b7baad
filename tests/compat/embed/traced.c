/* traced.c: a program with members of its own in every watcher, which traces its callbacks. The tour, and a look
 * at the members. Options: traced.h. */
#define main tour_main
#include "tour.c"
#undef main

int traced_calls;

static void members_are_ours (EV_P)
{
    ev_timer timer, *w = &timer;
    int before = traced_calls;

    w->own_flags = 17;
    w->self = w;
    w->name = "timer";
    ev_timer_init (w, on_timer, 0.001, 0.);
    ev_timer_start (EV_A_ w);
    run_until_called (EV_A);
    expect_calls (1, EV_TIMER, "the callback is called");
    expect (traced_calls == before + 1, "and was called our way");
    expect (w->told == EV_TIMER, "which knows the watcher");
    expect (w->own_flags == 17 && w->self == w && !strcmp (w->name, "timer"), "our members are left alone");
}

int main (void)
{
    int status = tour_main ();

    expect (ev_default_loop (0) != 0, "the default loop can be made again");
    members_are_ours (EV_DEFAULT);
    return status || failures != 0;
}
