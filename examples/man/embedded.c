/* embedded.c: the library as a part of this file: nothing of it is seen outside, and nothing is installed.
 * cc -I../../include -I../../src embedded.c -pthread -lm */
#define EV_STANDALONE 1        /* no config.h is looked for */
#define EV_API_STATIC 1        /* all calls are static */
#define EV_RECOMMEND_IOURING 0 /* io_uring is for those who name it */
#define EV_EMBED_ENABLE 0      /* what is not needed */
#include "ev.c"

static ev_timer soon;

static void on_time (EV_P_ ev_timer *w, int revents)
{
    unsigned backend = ev_backend (EV_A);

    puts (backend & EVBACKEND_IOURING ? "io_uring" : "not io_uring");
}

int main (void)
{
    struct ev_loop *loop = ev_loop_new (EVFLAG_NOENV);

    ev_timer_init (&soon, on_time, 0.01, 0.);
    ev_timer_start (loop, &soon);
    ev_run (loop, 0);
    ev_loop_destroy (loop);
    return 0;
}
