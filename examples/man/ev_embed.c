/* ev_embed.c: a loop for the urgent inside the loop for the rest.
 * cc ev_embed.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <stdio.h>
#include <unistd.h>

static void on_urgent (struct ev_loop *loop, ev_io *w, int revents)
{
    char byte;

    if (read (w->fd, &byte, 1) == 1)
        printf ("the inner loop has read %c\n", byte);
    ev_io_stop (loop, w); /* loop: the inner one */
}

static void on_time (struct ev_loop *loop, ev_timer *w, int revents)
{
    printf ("the outer loop goes on\n");
    ev_break (loop, EVBREAK_ALL);
}

int main (void)
{
    struct ev_loop *outer = ev_default_loop (0), *inner;
    int pipe_fd[2];
    ev_embed embed;
    ev_timer timer;
    ev_io urgent;

    inner = ev_loop_new (
        (ev_embeddable_backends () & ev_recommended_backends ())
        | EVFLAG_NOENV); /* LIBEV_FLAGS might name another one */
    if (!outer || !inner || pipe (pipe_fd))
        return 1;
    ev_embed_init (&embed, NULL, inner); /* NULL: swept by itself */
    ev_set_priority (&embed, EV_MAXPRI);
    ev_embed_start (outer, &embed);
    ev_io_init (&urgent, on_urgent, pipe_fd[0], EV_READ);
    ev_io_start (inner, &urgent);
    ev_timer_init (&timer, on_time, 0.1, 0.);
    ev_timer_start (outer, &timer);
    if (write (pipe_fd[1], "x", 1) != 1)
        return 1;
    ev_run (outer, 0);
    ev_embed_stop (outer, &embed);
    ev_loop_destroy (inner);
    return 0;
}
