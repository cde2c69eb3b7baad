/* act_op.c: acts on operations, here called deeds, for an op is what a program consists of. */
#include "act.h"

#include <linux/io_uring.h>
#include <string.h>
#include <sys/socket.h>

/* Old commits, of which the mutants are made, have none of these. */
#pragma weak ev_op_start
#pragma weak ev_op_cancel
#pragma weak ev_op_flags
#pragma weak ev_op_stop
#pragma weak ev_op_deadline
#pragma weak ev_op_link
#pragma weak ev_op_ring
#pragma weak ev_pool_new
#pragma weak ev_pool_keep
#pragma weak ev_pool_give
#pragma weak ev_accept_set
#pragma weak ev_recv_set
#pragma weak ev_recv_pool_set
#pragma weak ev_send_set
#pragma weak ev_read_set
#pragma weak ev_sqe_set
#pragma weak ev_write_set

enum { /* bits of a manner */
       M_SIZE = 3,
       M_POOL = 1 << 2, /* on a socket; else all or nothing */
       M_MORE = 1 << 3, /* … both that and what is not said with it */
       M_AGAIN = 1 << 4,
       M_LIMIT = 1 << 5, /* a deadline */
       M_LINK = 1 << 6,  /* another one waits for it */
       M_OTHER = 1 << 7  /* the second loop; a read: where the file stands */
};
enum { STOP_LONGEST = 1000000000 /* nanoseconds */, STOP_CALLS = 3 };

static struct deed *act_deed (const struct act *act)
{
    return &stage.deeds[act->a % DEEDS];
}

static int deed_number (const struct deed *deed)
{
    return (int) (deed - stage.deeds);
}

static int deed_busy (const struct deed *deed)
{
    return deed->started || ev_is_active (&deed->w) || ev_is_pending (&deed->w);
}

/* ---- what it is ---- */

static int deed_size (int manner)
{
    static const int sizes[] = { 4, 1, STREAM_ROOM, DEED_ROOM };

    return sizes[manner & M_SIZE];
}

static ev_pool *pool_of_first (void)
{
    if (!stage.pool)
        stage.pool = ev_pool_new (stage.loop[0], BUF_SIZE, BUFS);
    return stage.pool;
}

static void deed_set_socket (struct deed *deed, int fd)
{
    uint8_t *data = deed->data[deed->area];

    if (deed->way == GIVES) {
        ev_send_set (&deed->w, fd, data, (size_t) deed->size, 0);
    } else if (deed->manner & M_POOL && !deed->loop && pool_of_first ()) {
        deed->pool = 1;
        ev_recv_pool_set (&deed->w, fd, stage.pool, 0);
    } else {
        deed->whole = (deed->manner & M_MORE) != 0;
        ev_recv_set (&deed->w, fd, data, (size_t) deed->size, deed->whole ? MSG_WAITALL : 0);
    }
}

static void deed_whole (struct deed *deed)
{
    if (!(deed->manner & M_MORE) || !ev_op_flags)
        return;
    deed->whole = 1;
    ev_op_flags (&deed->w, EV_OP_WHOLE);
}

/* Nonzero: there is something to do. */
static int deed_set (struct deed *deed, int fd)
{
    uint8_t *data = deed->data[deed->area];
    size_t size = (size_t) deed->size;

    switch (deed->kind) {
    case K_SOCKET:
        deed_set_socket (deed, fd);
        return 1;
    case K_LISTENER:
        ev_accept_set (&deed->w, fd, 0);
        return deed->way == TAKES;
    case K_PIPE_READ:
        ev_read_set (&deed->w, fd, data, size, -1);
        deed_whole (deed);
        return deed->way == TAKES;
    case K_PIPE_WRITE:
        ev_write_set (&deed->w, fd, data, size, -1);
        deed_whole (deed);
        return deed->way == GIVES;
    case K_REGULAR:
        ev_read_set (&deed->w, fd, data, size, deed->manner & M_OTHER ? -1 : (deed->manner & 7) * 8);
        deed_whole (deed);
        return deed->way == TAKES && ev_backend (loop_of (deed->loop)) == EVBACKEND_IOURING;
    default:
        return 0;
    }
}

static void deed_fill (struct deed *deed)
{
    deed->area = (int8_t) !deed->area;
    for (int i = 0; i < DEED_ROOM; i++)
        deed->data[deed->area][i] = (uint8_t) (deed->way == GIVES ? i + 1 : 0xc3);
}

/* Nonzero: it can be started, or linked. */
static int deed_prepare (struct deed *deed, int way, int fd, int manner)
{
    int file = fd_file (fd);

    if (file < 0 || !k.files[file].ours)
        return 0;
    deed->way = (int8_t) way;
    deed->manner = (uint8_t) manner;
    deed->kind = (int8_t) k.files[file].kind;
    deed->file = file;
    deed->serial = k.files[file].serial;
    deed->size = deed_size (manner);
    deed->keeps = manner / 8 % 2;
    deed->linked = deed->pool = deed->whole = 0;
    deed->after = -1;
    deed->due = NEVER;
    deed_fill (deed);
    return deed_set (deed, fd);
}

static void deed_limit (struct deed *deed)
{
    double after = act_delay (1 + deed->manner % 6);

    if (!(deed->manner & M_LIMIT))
        return;
    ev_now_update (loop_of (deed->loop));
    deed->due = deed->due_high = k.now + (nanos) (after * 1e9);
    ev_op_deadline (&deed->w, after);
}

/* The next one, if it has nothing to do. */
static void deed_link (struct deed *deed)
{
    struct deed *next = &stage.deeds[(deed_number (deed) + 1) % DEEDS];
    int way = deed->kind == K_SOCKET ? !deed->way : deed->way;

    if (!(deed->manner & M_LINK) || deed_busy (next))
        return;
    next->loop = deed->loop;
    if (!deed_prepare (next, way, deed->w.fd, deed->manner & M_SIZE))
        return;
    next->again = 0;
    next->linked = 1;
    next->after = (int8_t) deed_number (deed);
    ev_op_link (&deed->w, &next->w);
    law_deed_starts (next);
}

static void deed_start (struct deed *deed)
{
    law_deed_starts (deed);
    stage.starting = deed;
    ev_op_start (loop_of (deed->loop), &deed->w);
    stage.starting = NULL;
    for (int calls = deed->whole ? WHOLE_CALLS : START_CALLS; calls > 0; calls--)
        counted ();
}

static void deed_begin (const struct act *act, int way)
{
    struct deed *deed = act_deed (act);
    int fd = stage.hand[act->b % HANDS];

    if (fd < 0 || deed_busy (deed) || !ev_op_start)
        return;
    deed->loop = (int8_t) (stage.loop[1] && act->c & M_OTHER);
    if (!deed_prepare (deed, way, fd, act->c))
        return;
    deed->again = act->c & M_AGAIN ? 3 : 0;
    deed_limit (deed);
    deed_link (deed);
    deed_start (deed);
}

void act_take (const struct act *act)
{
    deed_begin (act, TAKES);
}

void act_give (const struct act *act)
{
    deed_begin (act, GIVES);
}

void act_nothing (const struct act *act)
{
    struct deed *deed = act_deed (act);

    if (deed_busy (deed) || !ev_op_start)
        return;
    deed->loop = (int8_t) (stage.loop[1] && act->c & M_OTHER);
    deed->manner = act->c & M_LIMIT;
    deed->kind = K_NONE;
    deed->linked = deed->pool = deed->whole = 0;
    deed->after = -1;
    deed->due = NEVER;
    deed->again = act->c & M_AGAIN ? 3 : 0;
    deed->entry = (struct sqe){ .opcode = IORING_OP_NOP, .fd = -1 };
    ev_sqe_set (&deed->w, &deed->entry);
    deed_limit (deed);
    deed_start (deed);
}

/* ---- ending ---- */

void act_cancel (const struct act *act)
{
    struct deed *deed = act_deed (act);

    if (!deed->started || !ev_is_active (&deed->w))
        return;
    deed->cancelled = 1;
    law_excuse (1); /* the library asks again, later */
    ev_op_cancel (loop_of (deed->loop), &deed->w);
    counted ();
}

static nanos block_begin (void)
{
    stage.may_block++;
    return k.now;
}

/* A child that keeps the ring may be waited for. */
static void block_end (nanos began, const char *what)
{
    nanos from = k.children_until > began ? k.children_until : began;

    stage.may_block--;
    if (k.now > from + STOP_LONGEST)
        fail (13, "%s took %lld us", what, (long long) (k.now - began) / 1000);
}

static void deed_stop (struct deed *deed)
{
    int was_active;
    nanos began;

    if (!deed->started)
        return;
    was_active = ev_is_active (&deed->w);
    began = block_begin ();
    ev_op_stop (loop_of (deed->loop), &deed->w);
    block_end (began, "ev_op_stop");
    for (int calls = 0; calls < STOP_CALLS; calls++)
        counted ();
    law_deed_stopped (deed, was_active);
}

void act_halt (const struct act *act)
{
    deed_stop (act_deed (act));
}

void deeds_stop_fd (int fd)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].started && stage.deeds[i].w.fd == fd)
            deed_stop (&stage.deeds[i]);
}

static nanos ending_began;

void deeds_loop_ends (int loop)
{
    (void) loop;
    ending_began = block_begin ();
}

void deeds_loop_ended (int loop)
{
    block_end (ending_began, "ev_loop_destroy");
    for (int i = 0; i < DEEDS; i++)
        if (stage.deeds[i].started && stage.deeds[i].loop == loop)
            law_deed_stopped (&stage.deeds[i], 1);
    if (loop)
        return;
    stage.pool = NULL;
    memset (stage.arrivals, 0, sizeof stage.arrivals);
}

/* ---- the pool ---- */

void act_hand_back (const struct act *act)
{
    (void) act;
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].state == A_KEPT) {
            void *buf = stage.arrivals[i].at;

            law_buffer_given (buf);
            ev_pool_give (stage.pool, buf);
            counted ();
            return;
        }
}

static void deed_keep (const struct deed *deed)
{
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].state == A_SHOWN && stage.arrivals[i].at == deed->w.buf && deed->keeps) {
            stage.arrivals[i].state = A_KEPT;
            ev_pool_keep (stage.pool, deed->w.buf);
        }
}

/* ---- callbacks ---- */

/* A raw entry is started as it is. */
static int deed_renew (struct deed *deed)
{
    if (deed->kind == K_NONE)
        return deed->w.result == 0;
    return (deed->w.result > 0 || deed->disturbed)
           && deed_prepare (deed, deed->way, deed->w.fd, deed->manner & ~M_LINK);
}

static void deed_again (struct deed *deed)
{
    if (!deed->again || deed->cancelled || deed_busy (deed) || !deed_renew (deed))
        return;
    deed->again--;
    deed_limit (deed);
    deed_start (deed);
}

static void on_deed (struct ev_loop *loop, ev_op *w, int revents)
{
    struct deed *deed = w->data;
    int made = deed->kind == K_LISTENER && w->result >= 0 ? (int) w->result : -1;

    stage.in_callback++;
    TRACE ("-- deed %d is told %#x, result %ld\n", deed_number (deed), revents, (long) w->result);
    called (loop);
    law_deed_told (deed, revents);
    if (made >= 0) {
        number_changes (made, 0); /* who had been left on that number */
        fd_close (made);
    }
    if (deed->pool && w->buf)
        deed_keep (deed);
    if (!(revents & EV_OP_MORE))
        deed_again (deed);
    act_queued (FEW + TIMERS + ASYNCS + deed_number (deed));
    law_buffers_seen ();
    stage.in_callback--;
}

void act_lend_ring (const struct act *act)
{
    struct ev_loop *loop = loop_of (loop_choose (act->a));

    if (ev_op_ring)
        ev_op_ring (loop);
    law_excuse (0);
}

void deeds_open (void)
{
    for (int i = 0; i < DEEDS; i++) {
        ev_init (&stage.deeds[i].w, on_deed);
        stage.deeds[i].w.data = &stage.deeds[i];
        stage.deeds[i].after = -1;
        stage.deeds[i].due = NEVER;
    }
}
