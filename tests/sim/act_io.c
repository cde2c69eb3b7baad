/* act_io.c: acts on descriptors and on their watchers. */
#include "act.h"

/* ---- descriptors ---- */

enum { THINGS = 10 };

static int thing_pair (int unix_like, int both)
{
    int file[2];

    stream_pair (file, unix_like);
    k.files[file[0]].ours = k.files[file[1]].ours = 1;
    if (both)
        for (int hand = 0; hand < HANDS; hand++)
            if (stage.hand[hand] < 0) {
                stage.hand[hand] = fd_new (file[1]);
                return file[0];
            }
    file_take (file[1]);
    return file[0];
}

static int thing_pipe (int end)
{
    int file[2];

    stream_pipe (file);
    k.files[file[0]].ours = k.files[file[1]].ours = 1;
    file_take (file[!end]);
    return file[end];
}

int thing_new (int kind)
{
    int file;

    switch (kind % THINGS) {
    case 0:
    case 1:
        return thing_pair (0, 0);
    case 2:
        return thing_pair (1, 0);
    case 3:
        return thing_pair (1, 1);
    case 4:
        return thing_pipe (0);
    case 5:
        return thing_pipe (1);
    case 6:
        file = file_new (K_EVENTFD);
        k.files[file].nonblock = k.files[file].given = 1;
        break;
    case 7:
        file = file_new (K_REGULAR);
        k.files[file].cold = roll (4) != 1;
        break;
    case 8:
        file = file_new (K_ODD);
        break;
    default:
        file = file_new (K_LISTENER);
    }
    k.files[file].ours = 1;
    return file;
}

int hand_open (int hand, int kind)
{
    int file;

    stage.hand[hand] = -2; /* not for the other end of it */
    file = thing_new (kind);
    stage.hand[hand] = fd_new (file);
    for (int i = 0; i < stage.io_top; i++) /* who was left on that number watches this from now on */
        k.files[file].in_place |=
            (uint8_t) (io_active (&stage.ios[i]) && stage.ios[i].w.fd == stage.hand[hand]);
    return stage.hand[hand];
}

void act_open (const struct act *act)
{
    if (stage.hand[act->a % HANDS] < 0)
        hand_open (act->a % HANDS, act->b);
}

void io_stop (struct io *io)
{
    int file = io->file, fd = io->w.fd;
    uint32_t serial = io->serial;

    if (!io_active (io))
        return;
    law_touch (io->loop, fd);
    ev_io_stop (loop_of (io->loop), &io->w);
    io->started = 0;
    io->fed = 0;
    counted ();
    if (!io->unsure && k.files[file].serial == serial)
        law_stopped (file);
}

/* The watchers of a number stop. Which ones is told by bits. */
uint64_t stop_fd (int fd)
{
    uint64_t stopped = 0;

    for (int i = 0; i < stage.io_top; i++)
        if (io_active (&stage.ios[i]) && stage.ios[i].w.fd == fd) {
            stopped |= (uint64_t) 1 << i;
            io_stop (&stage.ios[i]);
        }
    deeds_stop_fd (fd);
    return stopped;
}

void act_stop_fd (int fd)
{
    stop_fd (fd);
}

/* Who watched the old file under this number now stands on another. */
void number_changes (int fd, int dirty)
{
    for (int i = 0; i < stage.io_top; i++)
        if (io_active (&stage.ios[i]) && stage.ios[i].w.fd == fd) {
            stage.ios[i].unsure = 1;
            if (dirty)
                k.files[stage.ios[i].file].dirty = k.files[fd_file (fd)].dirty = 1;
        }
}

void close_fd (int fd)
{
    int file = fd_file (fd);
    uint32_t serial = k.files[file].serial;

    stage.renumbered[fd] = stage.in_callback != 0;
    number_changes (fd, 1);
    fd_close (fd);
    ring_switch ();
    law_closed (file, serial);
}

void act_close_hand (int hand)
{
    if (stage.hand[hand] < 0)
        return;
    stop_fd (stage.hand[hand]);
    law_given_back (fd_file (stage.hand[hand]));
    close_fd (stage.hand[hand]);
    stage.hand[hand] = -1;
}

void act_close (const struct act *act)
{
    act_close_hand (act->a % HANDS);
}

void act_abandon (const struct act *act)
{
    int hand = act->a % HANDS;

    if (stage.hand[hand] < 0)
        return;
    deeds_stop_fd (stage.hand[hand]);
    close_fd (stage.hand[hand]);
    stage.hand[hand] = -1;
}

/* ---- io watchers ---- */

/* Has the number stood for another file, which was told of in this iteration, or was to be? */
static int told_as_another (int fd, int file)
{
    if (stage.renumbered[fd])
        return 1;
    for (int i = 0; i < stage.io_top; i++)
        if (stage.ios[i].called && stage.ios[i].w.fd == fd && stage.ios[i].serial != k.files[file].serial)
            return 1;
    return 0;
}

void io_start (struct io *io)
{
    int file = fd_file (io->w.fd);

    if (file >= 0 && !k.files[file].ours) /* a number that was given up, and became the library's */
        return;
    if (file >= 0)
        k.files[file].in_place |= (uint8_t) told_as_another (io->w.fd, file);
    io->started = 1;
    io->unsure = 0;
    io->error_ok = file < 0 ? 2 : 0;
    io->file = file < 0 ? 0 : file;
    io->serial = k.files[io->file].serial;
    io->fed = 0;
    io->ready_at_prepare = 0;
    io->untold[0] = io->untold[1] = 0;
    law_touch (io->loop, io->w.fd);
    ev_io_start (loop_of (io->loop), &io->w);
    counted ();
}

void io_start_anew (struct io *io, int fd, int events)
{
    ev_io_set (&io->w, fd, events);
    io_start (io);
}

/* It may have been stopped by an error that it has not been told yet. */
static void io_forget (struct io *io)
{
    if (ev_is_pending (&io->w) && loop_of (io->loop))
        ev_clear_pending (loop_of (io->loop), &io->w);
}

int events_of (int choice)
{
    return choice % 3 + 1;
}

static void start_bits (uint64_t which, int fd)
{
    for (int i = 0; i < stage.io_top; i++)
        if (which & (uint64_t) 1 << i)
            io_start_anew (&stage.ios[i], fd, stage.ios[i].w.events & (EV_READ | EV_WRITE));
}

void act_again (const struct act *act)
{
    int hand = act->a % HANDS;
    uint64_t stopped;

    if (stage.hand[hand] < 0)
        return;
    stopped = stop_fd (stage.hand[hand]);
    close_fd (stage.hand[hand]);
    start_bits (stopped, hand_open (hand, act->b));
}

void act_dup (const struct act *act)
{
    int from = act->a % HANDS, to = act->b % HANDS;

    if (stage.hand[from] >= 0 && stage.hand[to] < 0)
        stage.hand[to] = fd_dup (stage.hand[from]);
}

void act_dup_onto (const struct act *act)
{
    int from = stage.hand[act->a % HANDS], to = stage.hand[act->b % HANDS], file;
    uint64_t stopped;
    uint32_t serial;

    if (from < 0 || to < 0 || from == to)
        return;
    stopped = stop_fd (to);
    file = fd_file (to);
    serial = k.files[file].serial;
    stage.renumbered[to] = stage.in_callback != 0;
    fd_dup_onto (from, to);
    ring_switch ();
    law_closed (file, serial);
    start_bits (stopped, to);
}

void act_start (const struct act *act)
{
    struct io *io = act_io (act);
    int fd = stage.hand[act->b % HANDS];

    if (fd < 0 || io_active (io))
        return;
    io_forget (io);
    io->loop = (int8_t) loop_choose (act->c / 64);
    io->habit = (int8_t) (act->c / 3 % 5);
    ev_set_priority (&io->w, act->c / 15 % 3 - 1);
    io_start_anew (io, fd, events_of (act->c));
}

void act_start_bad (const struct act *act)
{
    struct io *io = act_io (act);

    if (io_active (io))
        return;
    io_forget (io);
    io->loop = (int8_t) loop_choose (act->c / 64);
    io_start_anew (io, FDS - 2 - act->b % 2, events_of (act->c));
}

void act_stop (const struct act *act)
{
    io_stop (act_io (act));
}

void act_set (const struct act *act)
{
    struct io *io = act_io (act);

    if (!io_active (io))
        return;
    io_stop (io);
    io_start_anew (io, io->w.fd, events_of (act->c));
}

void act_modify (const struct act *act)
{
    struct io *io = act_io (act);

    if (!io_active (io) || io->unsure)
        return;
    io_stop (io);
    ev_io_modify (&io->w, events_of (act->c));
    io_start (io);
}

void act_restart (const struct act *act)
{
    struct io *io = act_io (act);

    if (!io_active (io) || io->unsure)
        return;
    io_stop (io);
    io_start (io);
}

void act_feed (const struct act *act)
{
    struct io *io = act_io (act);

    if (!io_active (io))
        return;
    io->fed |= events_of (act->c);
    ev_feed_event (loop_of (io->loop), &io->w, events_of (act->c));
    counted ();
}

void act_feed_fd (const struct act *act)
{
    int fd = stage.hand[act->b % HANDS];

    if (fd < 0)
        return;
    for (int i = 0; i < stage.io_top; i++)
        if (io_active (&stage.ios[i]) && stage.ios[i].w.fd == fd && stage.ios[i].loop == 0)
            stage.ios[i].fed |= events_of (act->c) & stage.ios[i].w.events;
    ev_feed_fd_event (loop_of (0), fd, events_of (act->c));
    counted ();
}

/* ---- a crowd ---- */

void act_disperse (const struct act *act)
{
    (void) act;
    for (int i = 0; i < CROWD; i++)
        if (stage.crowd[i] >= 0) {
            stop_fd (stage.crowd[i]);
            close_fd (stage.crowd[i]);
            stage.crowd[i] = -1;
        }
}

void act_crowd (const struct act *act)
{
    int count = act->a % CROWD;

    for (int i = 0; i < count; i++) {
        struct io *io = &stage.ios[FEW + i];
        int file;

        if (stage.crowd[i] >= 0)
            continue;
        file = file_new (K_EVENTFD);
        k.files[file].ours = 1;
        k.files[file].count = act->b % 4 != 3;
        stage.crowd[i] = fd_new (file);
        if (FEW + i >= stage.io_top)
            stage.io_top = FEW + i + 1;
        io->loop = 0;
        io->habit = act->b & 1;
        io_start_anew (io, stage.crowd[i], act->b & 4 ? EV_READ | EV_WRITE : EV_READ);
    }
}
