/* The same program for every way to take evring: a timer, and an operation, so that both headers are found. */
#include <ev_op.h>
#include <stdio.h>

static int calls;

static void on_timer (EV_P_ ev_timer *timer, int revents)
{
    calls += revents == EV_TIMER;
    ev_timer_stop (EV_A_ timer);
}

static void on_close (EV_P_ ev_op *op, int revents)
{
    (void) loop;
    calls += revents && op->result == -9; /* EBADF: there is no such descriptor */
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (EVFLAG_AUTO);
    ev_timer timer;
    ev_op op;

    ev_timer_init (&timer, on_timer, 0.001, 0.);
    ev_timer_start (loop, &timer);
    ev_close_init (&op, on_close, 12345);
    ev_op_start (loop, &op);
    ev_run (loop, 0);
    printf ("called back %d times\n", calls);
    return calls != 2;
}
