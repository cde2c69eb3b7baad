/* ev_stream.c: two streams on a socket pair: one asks in pieces, the other
 * answers line by line.
 * cc ev_stream.c $(pkg-config --cflags --libs evring) */
#define _GNU_SOURCE
#include <ev_stream.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* Lines come whole: half a one is left, and comes again in front. */
static void on_server (struct ev_loop *loop, ev_stream *s,
                       int revents)
{
    if (revents & EV_DATA) {
        const char *end = memrchr (s->buf, '\n', s->size);
        size_t lines = end ? (size_t) (end + 1 - (char *) s->buf) : 0;

        s->left = s->size - lines;
        ev_stream_write (loop, s, s->buf, lines);
    }
    if (revents & EV_EOF)
        ev_stream_close (loop, s); /* behind what was written */
    if (revents & EV_END && s->error)
        fprintf (stderr, "server: %s\n", strerror (-s->error));
}

static void on_client (struct ev_loop *loop, ev_stream *s,
                       int revents)
{
    if (revents & EV_DATA)
        printf ("%.*s", (int) s->size, (char *) s->buf);
    if (revents & EV_EOF)
        ev_stream_close (loop, s);
    if (revents & EV_END)
        printf ("the end\n"); /* a struct on the heap may go now */
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_pool *pool = loop ? ev_pool_new (loop, 4096, 16) : NULL;
    ev_stream server, client;
    int fd[2];

    if (!pool
        || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
        return 1;
    ev_stream_init (&server, on_server, fd[0], pool);
    ev_stream_feeds (&server,
                     &server); /* what it cannot say yet, it does
                                           not read on for */
    ev_stream_patience (&server, 60., 0., 60.);
    ev_stream_start (loop, &server);
    ev_stream_init (&client, on_client, fd[1], pool);
    ev_stream_start (loop, &client);
    ev_stream_write (loop, &client, "one\ntw", 6);
    ev_stream_write (loop, &client, "o\nnot a line", 12);
    ev_stream_shutdown (loop, &client);
    ev_run (loop, 0);
    return 0;
}
