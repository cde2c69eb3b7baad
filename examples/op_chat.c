/* op_chat.c: a chat on as many loops as there are cores. A line that one client sends goes to all others, whichever loop
 * they are on: each loop gets a post, and serves its own clients. Slow clients are dropped.
 *
 * Build:  cc op_chat.c $(pkg-config --cflags --libs evring) -pthread
 * Run:    ./a.out 7000 4      (port and loops; 0, or none: any free port, which is printed; as many as cores)
 */
#include <ev_mailbox.h>
#include <ev_op.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 1024, BACKLOG = 512 }; /* bytes of a line; lines that a client may be behind */

/* What was said: one for all loops and clients. */
struct line {
    int uses; /* atomic: posts and queues that have it; the last one frees it */
    size_t size;
    char text[LINE];
    ev_post posts[]; /* one for each loop */
};

struct member {
    ev_op receive; /* first: a pointer to one points to both */
    ev_op send;
    TAILQ_ENTRY (member) list;
    struct line *queue[BACKLOG]; /* a ring: from says where the oldest is, which is being sent */
    unsigned from, count;
    size_t held; /* bytes in text that are no whole line yet */
    char text[LINE];
};

/* Of one loop, touched by its thread only. */
struct room {
    TAILQ_HEAD (, member) members;
    int joined, told;
};

static ev_group *group;

static void line_drop (struct line *line)
{
    if (__atomic_sub_fetch (&line->uses, 1, __ATOMIC_ACQ_REL) == 0)
        free (line);
}

/* ---- members ---- */

static void member_leave (struct ev_loop *loop, struct member *member)
{
    struct room *room = ev_userdata (loop);

    ev_op_stop (loop, &member->receive); /* no callback comes, and the memory is ours */
    ev_op_stop (loop, &member->send);
    TAILQ_REMOVE (&room->members, member, list);
    for (; member->count; member->count--)
        line_drop (member->queue[member->from++ % BACKLOG]);
    close (member->receive.fd);
    free (member);
}

static void on_sent (struct ev_loop *loop, ev_op *op, int revents);

static void member_send (struct ev_loop *loop, struct member *member)
{
    struct line *line = member->queue[member->from % BACKLOG];

    ev_send_init (&member->send, on_sent, member->receive.fd, line->text, line->size, 0);
    member->send.data = member;
    ev_op_start (loop, &member->send);
}

static void on_sent (struct ev_loop *loop, ev_op *op, int revents)
{
    struct member *member = op->data;

    if (op->result < 0) {
        member_leave (loop, member);
        return;
    }
    line_drop (member->queue[member->from++ % BACKLOG]);
    if (--member->count)
        member_send (loop, member);
}

/* Whoever is too far behind has to go. */
static void member_tell (struct ev_loop *loop, struct member *member, struct line *line)
{
    if (member->count == BACKLOG) {
        member_leave (loop, member);
        return;
    }
    __atomic_add_fetch (&line->uses, 1, __ATOMIC_RELAXED);
    member->queue[(member->from + member->count++) % BACKLOG] = line;
    if (member->count == 1)
        member_send (loop, member);
}

/* ---- lines ---- */

/* In each loop. With EV_ERROR it has ended: only free. */
static void on_line (struct ev_loop *loop, ev_post *post, int revents)
{
    struct line *line = post->data;
    struct room *room = ev_userdata (loop);
    struct member *member, *next;

    if (!(revents & EV_ERROR)) {
        room->told++;
        for (member = TAILQ_FIRST (&room->members); member; member = next) {
            next = TAILQ_NEXT (member, list);
            member_tell (loop, member, line);
        }
    }
    line_drop (line);
}

static void say (const char *text, size_t size)
{
    unsigned loops = ev_group_loops (group);
    struct line *line = malloc (sizeof *line + loops * sizeof *line->posts);

    if (!line)
        return;
    line->uses = (int) loops;
    line->size = size;
    memcpy (line->text, text, size);
    for (unsigned i = 0; i < loops; i++) {
        line->posts[i].cb = on_line;
        line->posts[i].data = line;
    }
    for (unsigned i = 0; i < loops; i++) /* after the last one it may be gone */
        ev_mailbox_send (ev_group_box (group, i), &line->posts[i]);
}

/* Says whole lines; one that is too long is said in pieces. */
static void member_says (struct member *member)
{
    char *begin = member->text, *end;
    size_t left = member->held;

    while ((end = memchr (begin, '\n', left))) {
        say (begin, (size_t) (end + 1 - begin));
        left -= (size_t) (end + 1 - begin);
        begin = end + 1;
    }
    if (left == LINE) {
        say (begin, left);
        left = 0;
    }
    memmove (member->text, begin, left);
    member->held = left;
}

static void on_data (struct ev_loop *loop, ev_op *op, int revents)
{
    struct member *member = (struct member *) op;

    if (op->result <= 0) {
        member_leave (loop, member);
        return;
    }
    member->held += (size_t) op->result;
    member_says (member);
    ev_recv_set (op, op->fd, member->text + member->held, LINE - member->held, 0);
    ev_op_start (loop, op);
}

static void on_connection (struct ev_loop *loop, ev_group *its, int fd, void *rooms)
{
    struct room *room = ev_userdata (loop);
    struct member *member = calloc (1, sizeof *member);

    if (!member) {
        close (fd);
        return;
    }
    room->joined++;
    TAILQ_INSERT_TAIL (&room->members, member, list);
    ev_init (&member->send, on_sent); /* so that it can be stopped */
    ev_recv_init (&member->receive, on_data, fd, member->text, LINE, 0);
    ev_op_start (loop, &member->receive);
}

/* ---- the loops ---- */

static void on_begin (struct ev_loop *loop, ev_group *its, unsigned at, void *rooms)
{
    struct room *room = (struct room *) rooms + at;

    TAILQ_INIT (&room->members);
    ev_set_userdata (loop, room);
}

static void on_end (struct ev_loop *loop, ev_group *its, unsigned at, void *rooms)
{
    struct room *room = (struct room *) rooms + at;

    while (!TAILQ_EMPTY (&room->members))
        member_leave (loop, TAILQ_FIRST (&room->members));
}

static void on_signal (int signum)
{
    ev_group_stop (group); /* a handler may */
}

int main (int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct room *rooms;
    unsigned loops;
    int fd;

    group = ev_group_new (0, argc > 2 ? (unsigned) atoi (argv[2]) : 0);
    if (!group)
        return 1;
    loops = ev_group_loops (group);
    rooms = calloc (loops, sizeof *rooms);
    address.sin_port = htons ((unsigned short) (argc > 1 ? atoi (argv[1]) : 0));
    fd = ev_group_listen (group, (struct sockaddr *) &address, size, SOMAXCONN, on_connection);
    if (fd < 0 || getsockname (fd, (struct sockaddr *) &address, &size)) {
        fprintf (stderr, "op_chat: %s\n", strerror (fd < 0 ? -fd : errno));
        return 1;
    }
    signal (SIGINT, on_signal);
    signal (SIGTERM, on_signal);
    printf ("%d\n", ntohs (address.sin_port));
    fflush (stdout);
    fd = ev_group_run (group, on_begin, on_end, rooms);
    for (unsigned i = 0; i < loops; i++)
        printf ("loop %u: %d members, %d lines\n", i, rooms[i].joined, rooms[i].told);
    ev_group_free (group); /* and posts that nobody was told of */
    free (rooms);
    return fd < 0;
}
