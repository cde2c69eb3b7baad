/* asleep.c: a program with something of everything on its loops, for gdb to look into.
 * Arguments: the backend's bit, a file, perhaps "abort". It writes what ev_dump says into the file, and calls
 * stop_here, where gdb can stop it, or aborts. */
#include "ev_op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ev_io on_pipe, on_socket;
static ev_timer timer;
static ev_periodic periodic;
static ev_prepare prepare;
static ev_async async;
static ev_op first, second;
static char text[2][16];
#if EV_MULTIPLICITY
struct ev_loop *other;
#endif

static void io_cb (EV_P_ ev_io *w, int revents)
{
    (void) w, (void) revents;
}

static void timer_cb (EV_P_ ev_timer *w, int revents)
{
    (void) w, (void) revents;
}

static void periodic_cb (EV_P_ ev_periodic *w, int revents)
{
    (void) w, (void) revents;
}

static void prepare_cb (EV_P_ ev_prepare *w, int revents)
{
    (void) w, (void) revents;
}

static void async_cb (EV_P_ ev_async *w, int revents)
{
    (void) w, (void) revents;
}

static void op_cb (EV_P_ ev_op *op, int revents)
{
    (void) op, (void) revents;
}

__attribute__ ((noinline)) void stop_here (void)
{
    __asm__ volatile("" ::: "memory");
}

/* Nothing of this becomes ready. */
static void start_all (EV_P)
{
    int ends[2], pair[2];

    if (pipe (ends) || socketpair (AF_UNIX, SOCK_STREAM, 0, pair))
        exit (99);
    ev_io_init (&on_pipe, io_cb, ends[0], EV_READ);
    ev_io_start (EV_A_ & on_pipe);
    ev_io_init (&on_socket, io_cb, pair[0], EV_READ);
    ev_io_start (EV_A_ & on_socket);
    ev_timer_init (&timer, timer_cb, 1000., 0.);
    ev_timer_start (EV_A_ & timer);
    ev_periodic_init (&periodic, periodic_cb, ev_now (EV_A) + 2000., 0., 0);
    ev_periodic_start (EV_A_ & periodic);
    ev_prepare_init (&prepare, prepare_cb);
    ev_prepare_start (EV_A_ & prepare);
    ev_async_init (&async, async_cb);
    ev_async_start (EV_A_ & async);
    ev_recv_init (&first, op_cb, pair[1], text[0], sizeof text[0], 0);
    ev_op_start (EV_A_ & first);
    ev_recv_init (&second, op_cb, pair[1], text[1], sizeof text[1], 0);
    ev_op_start (EV_A_ & second);
}

/* A change that is not told yet, a watcher that is pending; and then as it is. */
static void write_dumps (EV_P_ FILE *out)
{
    ev_io_stop (EV_A_ & on_pipe);
    ev_io_set (&on_pipe, on_pipe.fd, EV_READ | EV_WRITE);
    ev_io_start (EV_A_ & on_pipe);
    ev_feed_event (EV_A_ & timer, EV_TIMER);
    ev_dump (EV_A_ out);
#if EV_MULTIPLICITY
    ev_dump (other, out);
#endif
    fclose (out);
}

int main (int argc, char **argv)
{
    unsigned flags = argc > 1 ? (unsigned) atoi (argv[1]) : 0;
    FILE *out = argc > 2 ? fopen (argv[2], "w") : NULL;
#if EV_MULTIPLICITY
    struct ev_loop *loop = ev_default_loop (flags);

    other = ev_loop_new (EVBACKEND_SELECT);
    if (!loop || !other)
        return 77;
#else
    if (!ev_default_loop (flags))
        return 77;
#endif
    if (!out)
        return 99;
    start_all (EV_A);
    for (int i = 0; i < 3; i++)
        ev_run (EV_A_ EVRUN_NOWAIT);
    write_dumps (EV_A_ out);
    if (argc > 3 && !strcmp (argv[3], "abort"))
        abort ();
    stop_here ();
    ev_loop_destroy (EV_A);
#if EV_MULTIPLICITY
    ev_loop_destroy (other);
#endif
    return 0;
}
