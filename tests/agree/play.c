/* play.c: performs a program: sets the stage, runs the top level, answers callbacks, clears up.
 * Owns the one place where orders that are nobody's promise are made the same (canonical, below). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stage.h"
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage stage;

/* ---- the trace ---- */

void note (const char *format, ...)
{
    struct trace *trace = stage.trace;
    unsigned room = TRACE_SIZE - trace->length;
    va_list list;
    int length;

    if (room < 1000)
        return;
    memset (trace->text + trace->length, ' ', (size_t) (2 * stage.frame_count));
    trace->length += (unsigned) (2 * stage.frame_count);
    va_start (list, format);
    length = vsnprintf (trace->text + trace->length, 500, format, list);
    va_end (list);
    trace->length += (unsigned) (length < 500 ? length : 499);
    trace->text[trace->length++] = '\n';
    trace->text[trace->length] = 0;
}

long coarse (double seconds)
{
    return lround (seconds / (WORLD_STEP_SECONDS / 8));
}

/* Which watchers are active (A), pending (P) or both (B); what the loops say. */
static void note_state (void)
{
    char states[SLOTS + 1] = "";

    for (int slot = 0; slot < SLOTS; slot++)
        states[slot] = ".APB"[!!ev_is_active (W (slot)) + 2 * !!ev_is_pending (W (slot))];
    note ("  %s", states);
    for (int loop = 0; loop < LOOPS; loop++)
        if (stage.loops[loop]) {
            note ("  loop%d iteration %u depth %u pending %s now %ld", loop,
                  LIB->ev_iteration (stage.loops[loop]), LIB->ev_depth (stage.loops[loop]),
                  stage_pending (loop), coarse (LIB->ev_now (stage.loops[loop]) - WORLD_WALL_SECONDS));
        }
}

/* ---- who is who ---- */

struct ev_loop *stage_loop (int slot)
{
    return stage.loops[slot_loop (slot)];
}

static int loop_of (struct ev_loop *loop)
{
    return loop == stage.loops[1];
}

int stage_fd (int fd)
{
    return stage.fd_base + fd;
}

int stage_peer (int fd)
{
    return stage.fd_base + FDS + fd;
}

int signal_number (int index)
{
    static const int numbers[SIGNALS] = { SIGURG, SIGCONT, SIGWINCH }; /* by default nothing happens */

    return numbers[index];
}

/* ---- orders nobody promises ----
 *
 * Contract and experiment leave these orders within one priority open; a library may invoke
 *     watchers of different descriptors (IO-4),
 *     timers, or periodics, that expire at the same time (PQ-7),
 *     child watchers for any pid and for this pid (CH-6), stat watchers of different paths,
 *     what came by the wake-up descriptor, by the signalfd and by inotify (two descriptors, as IO-4)
 * in any order. So that callbacks which act nevertheless act in the same order, the callback that is invoked
 * first out of such a group gives way to the first member by number: that one is taken off the queue and
 * called, while the one invoked is put back, on top of the queue: it comes next, as if nothing had happened.
 * A slot taken off stays counted until the pass ends (PQ-4), therefore pending counts are not compared then.
 * Everything else must come in the very order stock libev has. */

enum { SOURCE_WAKE = 1000, SOURCE_SIGNALFD, SOURCE_STAT };

/* Members of one group have different sources; -1: no member of any group. */
static int source_of (int slot, int *group)
{
    struct slot *s = &stage.slots[slot];

    *group = slot_kind (slot);
    switch (slot_kind (slot)) {
    case KIND_io:
        return s->w.io.fd;
    case KIND_timer:
    case KIND_periodic:
        *group = KINDS + s->tie;
        return s->tie ? slot : -1;
    case KIND_child:
        return slot;
    case KIND_stat:
        *group = KIND_async;
        return SOURCE_STAT + slot;
    case KIND_signal:
        *group = KIND_async;
        return stage.program->features & F_SIGNALFD ? SOURCE_SIGNALFD : SOURCE_WAKE;
    case KIND_async:
        return SOURCE_WAKE;
    default:
        return -1;
    }
}

static int same_group (int slot, int other)
{
    int group, other_group;

    return source_of (slot, &group) >= 0 && source_of (other, &other_group) >= 0 && group == other_group
           && slot_loop (slot) == slot_loop (other) && ev_is_pending (W (other))
           && ev_priority (W (slot)) == ev_priority (W (other));
}

/* Does the order of what is pending now depend on the library? */
static int order_open (int loop)
{
    int group, other_group;

    for (int slot = 0; slot < SLOTS; slot++)
        for (int other = 0; other < slot && ev_is_pending (W (slot)) && slot_loop (slot) == loop; other++)
            if (same_group (slot, other) && source_of (slot, &group) != source_of (other, &other_group))
                return 1;
    return 0;
}

/* ev_pending_count as text; for the rest of an iteration in which order was open: ? */
const char *stage_pending (int loop)
{
    static char text[16];
    unsigned iteration = LIB->ev_iteration (stage.loops[loop]);

    if (order_open (loop))
        stage.of[loop].ambiguous = iteration + 1;
    if (stage.of[loop].ambiguous == iteration + 1 || stage.of[loop].reborn == iteration + 1)
        return "?";
    snprintf (text, sizeof text, "%u", LIB->ev_pending_count (stage.loops[loop]));
    return text;
}

/* The slot that is to act instead of the one invoked: maybe itself. */
static int canonical (int slot)
{
    int group, own = source_of (slot, &group), first_source = own, first = slot, others = 0;

    for (int other = 0; other < SLOTS; other++) {
        int source = source_of (other, &group);

        if (other == slot || !same_group (slot, other))
            continue;
        others |= source != own;
        if (source < first_source || (source == first_source && other < first)) {
            first = other;
            first_source = source;
        }
    }
    if (!others)
        return slot;
    stage.of[slot_loop (slot)].ambiguous = LIB->ev_iteration (stage_loop (slot)) + 1;
    return first;
}

/* Who will expire together? Asked whenever a loop looks at the clock, as it does before each poll, and nothing
 * is pending. */
static void mark_ties (int slot)
{
    struct slot *s = &stage.slots[slot];
    enum kind kind = slot_kind (slot);

    s->tie = 0;
    for (int other = 0; other < slot && !s->tie; other++)
        if (slot_kind (other) == kind && slot_loop (other) == slot_loop (slot) && ev_is_active (W (other))
            && ev_is_active (W (slot)) && fabs (stage.slots[other].w.timer.at - s->w.timer.at) < 1e-6)
            s->tie = stage.slots[other].tie =
                kind * 100 + (stage.slots[other].tie ? stage.slots[other].tie % 100 : other + 1);
}

static void on_look (void)
{
    for (int loop = 0; loop < LOOPS; loop++) {
        if (!stage.loops[loop] || LIB->ev_pending_count (stage.loops[loop]))
            continue;
        for (int slot = 0; slot < SLOTS; slot++)
            if (slot_loop (slot) == loop
                && (slot_kind (slot) == KIND_timer || slot_kind (slot) == KIND_periodic))
                mark_ties (slot);
    }
}

/* ---- callbacks ---- */

static void note_call (int slot, int revents)
{
    struct slot *s = &stage.slots[slot];
    int loop = slot_loop (slot);

    note ("%s %x active %d pending %d/%s iteration %u depth %u now %ld", slot_name (slot), (unsigned) revents,
          !!ev_is_active (W (slot)), !!ev_is_pending (W (slot)), stage_pending (loop),
          LIB->ev_iteration (stage.loops[loop]), LIB->ev_depth (stage.loops[loop]),
          coarse (LIB->ev_now (stage.loops[loop]) - WORLD_WALL_SECONDS));
    if (slot_kind (slot) == KIND_child)
        note ("  rpid %d rstatus %x priority %d", s->w.child.rpid, (unsigned) s->w.child.rstatus,
              ev_priority (W (slot)));
    if (slot_kind (slot) == KIND_stat)
        note ("  nlink %d size %d was %d %d", (int) s->w.stat.attr.st_nlink, (int) s->w.stat.attr.st_size,
              (int) s->w.stat.prev.st_nlink, (int) s->w.stat.prev.st_size);
    if (slot_kind (slot) == KIND_periodic)
        note ("  at %ld reschedules %d", coarse (ev_periodic_at (&s->w.periodic) - WORLD_WALL_SECONDS),
              s->reschedules);
}

static void slot_called (int slot, int revents)
{
    const struct program *program = stage.program;
    int call = ++stage.slots[slot].calls;

    note_call (slot, revents);
    if (stage.frame_count == FRAMES_MAX)
        return;
    stage.frames[stage.frame_count++] = (short) slot;
    for (int i = 0; i < program->count; i++)
        if (program->ops[i].owner == slot && (!program->ops[i].when || program->ops[i].when == call))
            act (&program->ops[i]);
    stage.frame_count--;
}

/* Either of the two callbacks a watcher may have. */
static void on_either (struct ev_loop *loop, ev_watcher *w, int revents)
{
    int slot = (int) ((struct slot *) (void *) w - stage.slots), first = slot;

    if (stage.direct)
        stage.direct = 0;
    else
        first = canonical (slot);
    if (first != slot) {
        int bits = LIB->ev_clear_pending (loop, W (first));

        LIB->ev_feed_event (loop, w, revents);
        revents = bits;
    }
    slot_called (first, revents);
}

void on_event (struct ev_loop *loop, ev_watcher *w, int revents)
{
    if (w->cb != on_event)
        note ("an old callback of %s", slot_name ((int) ((struct slot *) (void *) w - stage.slots)));
    on_either (loop, w, revents);
}

void on_other_event (struct ev_loop *loop, ev_watcher *w, int revents)
{
    if (w->cb != on_other_event)
        note ("an old callback of %s", slot_name ((int) ((struct slot *) (void *) w - stage.slots)));
    on_either (loop, w, revents);
}

/* ---- our own watchers, which end what would go on for ever ---- */

static void on_guard_prepare (struct ev_loop *loop, ev_prepare *w, int revents)
{
    (void) loop;
    (void) w;
    (void) revents;
}

static void on_guard_check (struct ev_loop *loop, ev_check *w, int revents)
{
    int number = loop_of (loop);

    note ("-- loop%d iteration %u pending %s now %ld", number, LIB->ev_iteration (loop),
          stage_pending (number), coarse (LIB->ev_now (loop) - WORLD_WALL_SECONDS));
    if (++stage.polls > POLLS_MAX)
        LIB->ev_break (loop, EVBREAK_ALL);
    else if ((int) LIB->ev_iteration (loop) >= stage.of[number].limit)
        LIB->ev_break (loop, EVBREAK_ONE);
    (void) w;
    (void) revents;
}

static void guard_start (int loop)
{
    ev_init (&stage.of[loop].prepare, on_guard_prepare);
    ev_set_priority (&stage.of[loop].prepare, -2);
    ev_init (&stage.of[loop].check, on_guard_check);
    ev_set_priority (&stage.of[loop].check, 2);
    LIB->start_kind[KIND_prepare](stage.loops[loop], &stage.of[loop].prepare);
    LIB->start_kind[KIND_check](stage.loops[loop], &stage.of[loop].check);
    LIB->ev_unref (stage.loops[loop]);
    LIB->ev_unref (stage.loops[loop]);
}

int stage_run (int loop, int flags)
{
    int before = stage.of[loop].limit, refs;

    if (!(stage.program->features & F_GUARD) && !flags)
        flags = EVRUN_ONCE;
    stage.of[loop].limit = (int) LIB->ev_iteration (stage.loops[loop]) + RUN_POLLS;
    refs = LIB->ev_run (stage.loops[loop], flags);
    stage.of[loop].limit = before;
    return refs;
}

/* ---- the world outside ---- */

static const struct op *world_op (void)
{
    for (int i = stage.world_at; i < stage.program->count; i++)
        if (stage.program->ops[i].owner == OWNER_WORLD)
            return &stage.program->ops[i];
    return NULL;
}

static int64_t world_next (void)
{
    const struct op *op = world_op ();

    return op ? op->when * WORLD_STEP : INT64_MAX;
}

static void world_happen (void)
{
    const struct op *op = world_op ();

    stage.world_at = (int) (op - stage.program->ops) + 1;
    act (op);
}

static int embedding (void)
{
    for (int slot = 0; slot < SLOTS; slot++)
        if (slot_kind (slot) == KIND_embed && ev_is_active (W (slot)))
            return 1;
    return 0;
}

static int fd_stale (int number, unsigned bits)
{
    int seen = 0, wanted = 0;

    if (number == -1)
        return !embedding ();
    if (number == stage_fd (FD_ONCE))
        return !stage.once_watching;
    if (number < stage_fd (0) || number > stage_fd (FD_ONCE))
        return 0;
    seen |= bits & (EPOLLIN | EPOLLERR | EPOLLHUP) ? EV_READ : 0;
    seen |= bits & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? EV_WRITE : 0;
    for (int slot = 0; slot < SLOTS; slot++)
        if (slot_kind (slot) == KIND_io && stage.slots[slot].w.io.fd == number && ev_is_active (W (slot)))
            wanted |= stage.slots[slot].w.io.events;
    return !(seen & wanted);
}

static const struct world_hooks world = { world_next, world_happen, on_look, fd_stale };

/* ---- scenery ---- */

static void must (int ok, const char *what)
{
    if (ok)
        return;
    perror (what);
    _exit (3);
}

/* Both ends at their fixed numbers, so that a library's own descriptors do not matter. */
static void place_pair (int fd, const int pair[2])
{
    must (dup2 (pair[0], stage_fd (fd)) >= 0 && dup2 (pair[1], stage_peer (fd)) >= 0, "dup2");
    close (pair[0]);
    close (pair[1]);
    fcntl (stage_fd (fd), F_SETFL, O_NONBLOCK);
    fcntl (stage_peer (fd), F_SETFL, O_NONBLOCK);
}

void stage_fd_open (int fd)
{
    int pair[2], small = 4096;

    if (fd == FD_PIPE) {
        must (!pipe (pair), "pipe");
    } else if (fd == FD_FILE && stage.program->features & F_FILEFD) {
        pair[0] = open ("/dev/null", O_RDWR);
        pair[1] = open ("/dev/null", O_RDWR);
        must (pair[0] >= 0 && pair[1] >= 0, "/dev/null");
    } else {
        must (!socketpair (AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
        setsockopt (pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    }
    place_pair (fd, pair);
    stage.peer_open[fd] = 1;
}

/* A directory for each file. */
static void scenery_directories (int make)
{
    char path[100];

    for (int file = 0; file < FILES; file++) {
        snprintf (path, sizeof path, "%s/%c/file", stage.directory, 'a' + file);
        unlink (path);
        *strrchr (path, '/') = 0;
        must (make ? !mkdir (path, 0700) : !rmdir (path), path);
    }
}

static void scenery_set (void)
{
    stage.fd_base = stage.program->features & F_HIGHFD ? 1100 : 40;
    for (int fd = 0; fd < FDS; fd++)
        stage_fd_open (fd);
    if (stage.program->features & F_STAT) {
        snprintf (stage.directory, sizeof stage.directory, "/tmp/agree.XXXXXX");
        must (mkdtemp (stage.directory) != NULL, "mkdtemp");
        scenery_directories (1);
    }
}

static void scenery_clear (void)
{
    for (int fd = 0; fd < 2 * FDS; fd++)
        close (stage_fd (fd));
    if (!*stage.directory)
        return;
    scenery_directories (0);
    rmdir (stage.directory);
}

static int fd_count (void)
{
    int count = 0;

    for (int fd = 0; fd < 40; fd++)
        count += fcntl (fd, F_GETFD) >= 0;
    return count;
}

/* ---- loops ---- */

static unsigned loop_flags (int loop)
{
    static const struct {
        unsigned feature, flag;
    } map[] = { { F_SIGNALFD, EVFLAG_SIGNALFD },
                { F_FORKCHECK, EVFLAG_FORKCHECK },
                { F_NOTIMERFD, EVFLAG_NOTIMERFD },
                { F_NOINOTIFY, EVFLAG_NOINOTIFY } };
    unsigned flags = EVFLAG_NOENV | stage.backend;

    for (unsigned i = 0; i < sizeof map / sizeof *map; i++)
        if (stage.program->features & map[i].feature)
            flags |= map[i].flag;
    if (loop && stage.program->features & F_EMBED)
        flags = (flags & ~(unsigned) EVBACKEND_MASK) | EVBACKEND_EPOLL; /* all that libev can embed */
    return flags;
}

void stage_open_loop (int loop)
{
    if (!loop && stage.program->features & F_DEFAULT)
        stage.loops[loop] = LIB->ev_default_loop (loop_flags (loop));
    else
        stage.loops[loop] = LIB->ev_loop_new (loop_flags (loop));
    must (stage.loops[loop] != NULL, "loop");
    if (stage.program->features & F_GUARD)
        guard_start (loop);
    for (int slot = 0; slot < SLOTS; slot++)
        if (slot_loop (slot) == loop)
            stage_watch_defaults (slot);
}

void stage_watch_defaults (int slot)
{
    ev_init (W (slot), on_event);
    act_set (slot, slot_kind (slot) == KIND_io ? slot_number (slot) : slot_kind (slot) == KIND_signal, 1, 20);
    if (slot_kind (slot) == KIND_io)
        ev_set_priority (W (slot), 1);
    if (slot_kind (slot) == KIND_embed)
        ev_set_priority (W (slot), -1);
}

/* Signal watchers and embedding watchers must not outlive their loops (LP-8); other watchers may. */
void stage_close_loop (int loop)
{
    for (int slot = 0; slot < SLOTS; slot++)
        if ((slot_kind (slot) == KIND_signal && slot_loop (slot) == loop)
            || (slot_kind (slot) == KIND_embed && stage.loops[0]))
            LIB->stop_kind[slot_kind (slot)](stage_loop (slot), W (slot));
    stage.ending++;
    LIB->ev_loop_destroy (stage.loops[loop]);
    stage.ending--;
    stage.loops[loop] = NULL;
    stage.of[loop].async_known = 0;
}

/* ---- the performance ---- */

static void perform (void)
{
    char text[80];

    for (int i = 0; i < stage.program->count; i++) {
        const struct op *op = &stage.program->ops[i];

        if (op->owner != OWNER_TOP)
            continue;
        op_print (op, text, sizeof text);
        note ("> %s", text);
        act (op);
        note_state ();
    }
}

static void stage_begin (const struct program *program, const struct lib *lib, unsigned backend,
                         struct trace *trace)
{
    memset (&stage, 0, sizeof stage);
    trace->length = 0;
    trace->done = 0;
    stage.program = program;
    stage.lib = lib;
    stage.backend = backend;
    stage.trace = trace;
    stage.budget = STAGE_BUDGET;
    stage.pid = getpid ();
    signal (SIGPIPE, SIG_IGN);
    scenery_set ();
    world_begin (&world, !!(program->features & F_REMOTE));
}

/* Where many programs share a process, what a default loop remembers must not pass on (LP-7). */
static void stop_all (void)
{
    for (int slot = 0; slot < SLOTS; slot++)
        if (stage_loop (slot))
            LIB->stop_kind[slot_kind (slot)](stage_loop (slot), W (slot));
}

static void stage_end (int fds_before)
{
    note ("> end");
    if (stage.verify)
        stop_all ();
    for (int loop = LOOPS - 1; loop >= 0; loop--)
        if (stage.loops[loop])
            stage_close_loop (loop);
    note_state ();
    note ("descriptors left open: %d", fd_count () - fds_before);
    world_end ();
    scenery_clear ();
    stage.trace->done = 1;
}

void play (const struct program *program, const struct lib *lib, unsigned backend, struct trace *trace,
           int verify)
{
    int fds_before = fd_count ();

    stage_begin (program, lib, backend, trace);
    stage.verify = verify;
    if (program->features & F_LOOP1)
        stage_open_loop (1); /* first: the embed watcher names it */
    stage_open_loop (0);
    perform ();
    stage_end (fds_before);
}
