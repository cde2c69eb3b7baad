/* uv.c: the peer libuv, by its uv_poll handles: the readiness interface, comparable with ev_io.
 * (libuv's own streams read for you and are another question.) */
#include "peer.h"

#include <stdlib.h>
#include <uv.h>

static uv_loop_t *loop;
static uv_poll_t *watchers;
static struct pipes *pipes;
static struct echo *echo;

static const char *peer_version (void)
{
    return uv_version_string ();
}

static void peer_open (void)
{
    loop = uv_default_loop ();
}

static void watch (uv_poll_t *w, int fd, uv_poll_cb cb)
{
    if (uv_poll_init (loop, w, fd) || uv_poll_start (w, UV_READABLE, cb))
        bench_die ("uv_poll_start");
}

static void on_pipe (uv_poll_t *w, int status, int events)
{
    (void) status;
    (void) events;
    if (pipes_ready (pipes, (int) (w - watchers)))
        uv_stop (loop);
}

static void peer_pipes_watch (struct pipes *work)
{
    pipes = work;
    watchers = calloc ((size_t) work->count, sizeof *watchers);
    for (int i = 0; i < work->count; i++)
        watch (&watchers[i], work->pairs[i][0], on_pipe);
}

static void peer_pipes_run (void)
{
    uv_run (loop, UV_RUN_DEFAULT);
}

static void on_close (uv_handle_t *handle)
{
    free (handle);
}

static void on_message (uv_poll_t *w, int status, int events)
{
    int fd = (int) (intptr_t) w->data;
    enum echo_outcome outcome = echo_serve (echo, fd);

    (void) status;
    (void) events;
    if (outcome == ECHO_GOES_ON)
        return;
    uv_close ((uv_handle_t *) w, on_close);
    close (fd);
    if (outcome == ECHO_FINISHED)
        uv_stop (loop);
}

static void on_connection (uv_poll_t *w, int status, int events)
{
    int fd;

    (void) w;
    (void) status;
    (void) events;
    while ((fd = echo_accept (echo)) >= 0) {
        uv_poll_t *connection = malloc (sizeof *connection);

        connection->data = (void *) (intptr_t) fd;
        watch (connection, fd, on_message);
    }
}

static void peer_echo_run (struct echo *work)
{
    static uv_poll_t listener;

    echo = work;
    watch (&listener, work->listener, on_connection);
    uv_run (loop, UV_RUN_DEFAULT);
}

/* ---- files: uv_fs_read, which is a pool of threads ------------------------------------------- */

static struct files *files;

static void on_read (uv_fs_t *request);

static void read_next (uv_fs_t *request, int slot)
{
    int64_t offset = files_next (files, slot);
    uv_buf_t buffer = uv_buf_init (files_memory (files, slot), FILES_BLOCK);

    request->data = (void *) (intptr_t) slot;
    if (offset >= 0)
        uv_fs_read (loop, request, files->fd, &buffer, 1, offset, on_read);
}

static void on_read (uv_fs_t *request)
{
    int slot = (int) (intptr_t) request->data;
    bool last = files_done (files, slot, request->result);

    uv_fs_req_cleanup (request);
    if (!last)
        read_next (request, slot);
}

static void peer_files_run (struct files *work)
{
    uv_fs_t *requests = calloc ((size_t) work->depth, sizeof *requests);

    files = work;
    for (int i = 0; i < work->depth; i++)
        read_next (&requests[i], i);
    uv_run (loop, UV_RUN_DEFAULT); /* until no read is left */
    free (requests);
}

/* ---- datagrams, wake, life --------------------------------------------------------------------- */

static void on_datagram (uv_poll_t *w, int status, int events)
{
    (void) w;
    (void) status;
    (void) events;
    if (datagrams_ready (echo))
        uv_stop (loop);
}

static void peer_datagrams_run (struct echo *work)
{
    static uv_poll_t socket;

    echo = work;
    watch (&socket, work->listener, on_datagram);
    uv_run (loop, UV_RUN_DEFAULT);
}

static struct wake *wake;
static uv_async_t bell;

static void peer_wake_send (void)
{
    uv_async_send (&bell);
}

static void on_wake (uv_async_t *w)
{
    (void) w;
    if (wake_ready (wake))
        uv_stop (loop);
}

static void peer_wake_run (struct wake *work)
{
    wake = work;
    if (uv_async_init (loop, &bell, on_wake))
        bench_die ("uv_async_init");
    wake_start (work);
    uv_run (loop, UV_RUN_DEFAULT);
}

static void peer_life (void)
{
    uv_loop_t one;

    if (uv_loop_init (&one))
        bench_die ("uv_loop_init");
    uv_run (&one, UV_RUN_NOWAIT);
    if (uv_loop_close (&one))
        bench_die ("uv_loop_close");
}

const struct peer peer = {
    .version = peer_version,
    .open = peer_open,
    .pipes_watch = peer_pipes_watch,
    .pipes_run = peer_pipes_run,
    .echo_run = peer_echo_run,
    .files_run = peer_files_run,
    .datagrams_run = peer_datagrams_run,
    .wake_run = peer_wake_run,
    .wake_send = peer_wake_send,
    .life = peer_life,
};
