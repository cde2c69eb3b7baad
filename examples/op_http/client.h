/* client.h: one connection: a request comes, the file is opened, the answer goes out piece by piece, and again. */
#include "answer.h"
#include <ev_op.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* One thing at a time, with one buffer for each way: a slow client costs no more than that. */
struct client {
    ev_op op; /* first: a pointer to one points to both */
    int fd, file;
    struct request request;
    struct answer answer;
    size_t filled, ready; /* of in, of out */
    char in[REQUEST_MAX], out[65536];
};

static int root; /* the folder */

static void client_parse (struct ev_loop *loop, struct client *client);
static void client_read (struct ev_loop *loop, struct client *client);

static void client_end (struct client *client)
{
    close (client->file); /* may be -1 */
    close (client->fd);
    free (client);
}

static void on_received (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;

    if (op->result <= 0) {
        client_end (client);
        return;
    }
    client->filled = client->request.last ? 0 : client->filled + (size_t) op->result;
    client_parse (loop, client);
}

static void client_receive (struct ev_loop *loop, struct client *client)
{
    ev_recv_init (&client->op, on_received, client->fd, client->in + client->filled,
                  REQUEST_MAX - client->filled, 0);
    ev_op_deadline (&client->op, client->request.last ? 2. : 30.); /* seconds: for every piece of it */
    ev_op_start (loop, &client->op);
}

/* After its last answer it may leave first: to close on unread input is a reset, which can overtake the answer. */
static void client_next (struct ev_loop *loop, struct client *client)
{
    close (client->file);
    client->file = -1;
    client->filled -= client->request.used;
    memmove (client->in, client->in + client->request.used, client->filled);
    if (client->request.last) {
        shutdown (client->fd, SHUT_WR);
        client->filled = 0;
    }
    client_parse (loop, client);
}

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;

    client->ready = 0;
    if (op->result < 0)
        client_end (client);
    else if (client->answer.left)
        client_read (loop, client);
    else
        client_next (loop, client);
}

static void client_send (struct ev_loop *loop, struct client *client)
{
    ev_send_init (&client->op, on_sent, client->fd, client->out, client->ready, 0);
    ev_op_deadline (&client->op, 60.);
    ev_op_start (loop, &client->op);
}

static void on_read (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;

    if (op->result <= 0) { /* shorter than it was: the promise cannot be kept */
        client_end (client);
        return;
    }
    client->ready += (size_t) op->result;
    client->answer.from += op->result;
    client->answer.left -= op->result;
    client_send (loop, client);
}

static void client_read (struct ev_loop *loop, struct client *client)
{
    size_t room = sizeof client->out - client->ready;
    size_t size = (long long) room < client->answer.left ? room : (size_t) client->answer.left;

    ev_read_init (&client->op, on_read, client->file, client->out + client->ready, size, client->answer.from);
    ev_op_start (loop, &client->op);
}

static void client_answer (struct ev_loop *loop, struct client *client, int code)
{
    client->answer.code = code;
    client->ready = answer_begin (&client->answer, &client->request, client->out, sizeof client->out);
    client->answer.left ? client_read (loop, client) : client_send (loop, client);
}

static void on_opened (struct ev_loop *loop, ev_op *op, int revents)
{
    struct client *client = (struct client *) op;
    const struct request *request = &client->request;
    struct stat status;
    int code;

    client->file = (int) op->result;
    if (client->file < 0)
        code = answer_error (-client->file);
    else if (fstat (client->file, &status)) /* open knows it already: there is nothing to wait for */
        code = 500;
    else if (S_ISDIR (status.st_mode) && request->at[request->size - 1] != '/')
        code = 301;
    else
        code = S_ISREG (status.st_mode)
                   ? answer_file (&client->answer, request, status.st_size, status.st_mtime)
                   : 403;
    client_answer (loop, client, code);
}

static void client_parse (struct ev_loop *loop, struct client *client)
{
    struct request *request = &client->request;

    if (!client->filled || !request_parse (request, client->in, client->filled))
        client_receive (loop, client);
    else if (request->code != 200)
        client_answer (loop, client, request->code);
    else {
        ev_openat_init (&client->op, on_opened, root, request->path + strspn (request->path, "/"),
                        O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0); /* of a pipe, a terminal */
        ev_op_start (loop, &client->op);
    }
}
