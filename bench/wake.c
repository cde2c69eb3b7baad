/* wake.c: the wake question for the ev API: ev_async_send from another thread, which has a core of its own. --mode:
 *   ping    one after the other; one event is a wake-up, told to be so late
 *   flood   as fast as the other thread can: one event is a call of ev_async_send, and a wake-up is for many */
#include "bench.h"
#include "loop.h"
#include "work.h"

static struct wake work;
static struct ev_loop *loop;
static ev_async bell;

static void ring (void)
{
    ev_async_send (EV_A_ & bell);
}

static void on_wake (EV_P_ ev_async *w, int revents)
{
    (void) w;
    (void) revents;
    if (wake_ready (&work))
        ev_break (EV_A_ EVBREAK_ALL);
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);

    wake_open (&work, &o, ring);
    loop = bench_loop (o.backend);
    ev_async_init (&bell, on_wake);
    ev_async_start (EV_A_ & bell);
    wake_start (&work);
    ev_run (EV_A_ 0);
    wake_report (&work, bench_loop_library ());
    return 0;
}
