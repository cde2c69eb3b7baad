/* acts.c: what each operation of a program does, and when it makes no sense and is skipped.
 * Owns the meaning of x, y and z. Promises never to do what the contract calls misuse (AB-1) or leaves open. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stage.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- when is it allowed? ---- */

static int frames_of (enum kind kind)
{
    int count = 0;

    for (int i = 0; i < stage.frame_count; i++)
        count += slot_kind (stage.frames[i]) == kind;
    return count;
}

/* Not from callbacks that come between the steps of an iteration (PC-4), not while a loop is destroyed. */
static int between_steps (void)
{
    return stage.ending || frames_of (KIND_prepare) || frames_of (KIND_check) || frames_of (KIND_fork)
           || frames_of (KIND_cleanup);
}

/* A loop may be run by the top level, by its own callbacks, and by those of a loop it has nothing to do with. */
static int may_run (int loop)
{
    int own = 0, foreign = 0;

    for (int i = 0; i < stage.frame_count; i++)
        if (slot_loop (stage.frames[i]) == loop)
            own++;
        else
            foreign++;
    if (between_steps () || LIB->ev_depth (stage.loops[loop]) >= DEPTH_MAX || (own && foreign))
        return 0;
    return !(stage.program->features & F_EMBED) || !stage.frame_count || (!loop && !foreign);
}

/* What an embedded loop does by itself is taken away from the loop around it. */
static int may_run_inner (void)
{
    return !(stage.program->features & F_EMBED) || stage.program->features & F_STEAL;
}

/* A signal belongs to one loop at a time (SG-1). */
static int signal_free (int slot)
{
    for (int other = 0; other < SLOTS; other++)
        if (slot_kind (other) == KIND_signal && slot_loop (other) != slot_loop (slot)
            && ev_is_active (W (other))
            && stage.slots[other].w.signal.signum == stage.slots[slot].w.signal.signum)
            return 0;
    return 1;
}

static int inner_frame (void)
{
    for (int i = 0; i < stage.frame_count; i++)
        if (slot_loop (stage.frames[i]))
            return 1;
    return 0;
}

/* How often an embedded loop is run until it changes nothing any more is open (EM-4). What makes it watch a new
 * descriptor, be it the first of its own helpers, is a change. */
static int changes_inner (int slot)
{
    return stage.program->features & F_EMBED && slot_loop (slot) && inner_frame ();
}

static int may_start (int slot)
{
    switch (slot_kind (slot)) {
    case KIND_signal:
        return signal_free (slot) && !changes_inner (slot);
    case KIND_child:
        return !!(stage.program->features & F_DEFAULT);
    case KIND_cleanup:
        return !stage.ending; /* CL-3 */
    case KIND_embed:
        return !!(stage.program->features & F_EMBED) && !stage.ending;
    case KIND_io:
    case KIND_async:
    case KIND_periodic:
    case KIND_stat:
        return !changes_inner (slot);
    default:
        return 1;
    }
}

static int quiet (int slot) /* neither active nor pending: may be given a priority (WA-3) */
{
    return !ev_is_active (W (slot)) && !ev_is_pending (W (slot));
}

static int has_callback (int slot)
{
    return W (slot)->cb != NULL;
}

/* ---- watchers ---- */

static void start (int slot)
{
    if (!may_start (slot)) {
        note ("skipped");
        return;
    }
    if (slot_kind (slot) == KIND_async)
        stage.of[slot_loop (slot)].async_known = 1;
    if (slot_kind (slot) == KIND_periodic) /* libev looks at the clock when the first is started */
        LIB->ev_now_update (stage_loop (slot));
    LIB->start_kind[slot_kind (slot)](stage_loop (slot), W (slot));
    if (slot_kind (slot) == KIND_stat)
        note ("nlink %d interval %.4f repeat %.4f", (int) stage.slots[slot].w.stat.attr.st_nlink,
              stage.slots[slot].w.stat.interval, stage.slots[slot].w.stat.timer.repeat);
}

/* A file that an embedded epoll loop no longer watches still makes that loop's own descriptor readable until
 * the loop looks (IO-9), and so wakes the outer loop for nothing: such a watcher stays. */
static int must_stay (int slot)
{
    return slot_kind (slot) == KIND_io && slot_loop (slot) && stage.program->features & F_EMBED;
}

static void stop (int slot)
{
    if (must_stay (slot))
        return;
    LIB->stop_kind[slot_kind (slot)](stage_loop (slot), W (slot));
}

static double delay (int steps, int jitter)
{
    return steps ? steps * WORLD_STEP_SECONDS - jitter * 1e-6 : 0.;
}

static ev_tstamp on_reschedule (ev_periodic *w, ev_tstamp at)
{
    struct slot *s = (struct slot *) (void *) w;

    s->reschedules++;
    return at + delay (s->span, s->jitter);
}

static void set_periodic (int slot, int x, int y, int z)
{
    struct slot *s = &stage.slots[slot];

    s->span = y;
    s->jitter = z;
    if (x == 0)
        ev_periodic_set (&s->w.periodic, WORLD_WALL_SECONDS + delay (4 * y, z), 0., NULL);
    else if (x == 1)
        ev_periodic_set (&s->w.periodic, WORLD_STEP_SECONDS - z * 1e-6, y * WORLD_STEP_SECONDS, NULL);
    else
        ev_periodic_set (&s->w.periodic, 0., 0., on_reschedule);
}

static void set_stat (int slot, int x, int y)
{
    static const double intervals[] = { 0., 0.599, 1.499 }; /* just before a lattice point; 0: the default */
    static char paths[FILES][80];

    if (!(stage.program->features & F_NOINOTIFY))
        x = slot_number (
            slot); /* two that share an inotify watch have more wake-ups in libev: its own affair */
    snprintf (paths[x], sizeof *paths, "%s/%c/file", stage.directory, 'a' + x);
    ev_stat_set (&stage.slots[slot].w.stat, paths[x], intervals[y]);
}

/* The loops have different descriptors. */
static int fd_of_loop (int loop, int x)
{
    static const int fds[] = { 0, 1, FD_PIPE, FD_FILE };

    return loop ? 2 + x % 2 : fds[x % 4];
}

/* x, y, z as program.c's draw_set draws them. */
void act_set (int slot, int x, int y, int z)
{
    static const int pids[] = { 0, 50001, 50002 };
    union ev_any_watcher *w = &stage.slots[slot].w;

    switch (slot_kind (slot)) {
    case KIND_io:
        ev_io_set (&w->io, stage_fd (fd_of_loop (slot_loop (slot), x)), y);
        break;
    case KIND_timer:
        ev_timer_set (&w->timer, delay (x, z), delay (y, z));
        break;
    case KIND_periodic:
        set_periodic (slot, x, y, z);
        break;
    case KIND_signal:
        ev_signal_set (&w->signal, signal_number (x));
        break;
    case KIND_child:
        ev_child_set (&w->child, pids[x], y);
        break;
    case KIND_stat:
        set_stat (slot, x % FILES, y);
        break;
    case KIND_embed:
        ev_embed_set (&w->embed, stage.loops[1]);
        if (!ev_is_pending (W (slot)))
            W (slot)->cb = x ? on_event : NULL;
        break;
    default:
        break;
    }
}

static void set (const struct op *op)
{
    if (ev_is_active (W (op->subject)) && slot_kind (op->subject) != KIND_periodic) /* PE-5: those may */
        note ("skipped");
    else
        act_set (op->subject, op->x, op->y, op->z);
}

static void wild_priority (const struct op *op)
{
    static const int wild[] = { 100, -7 };
    int slot = op->subject;
    enum kind kind = slot_kind (slot);

    /* PQ-8: clamped by start, and undefined for feeding before; so start at once. Only kinds that may have any. */
    if (!quiet (slot) || !may_start (slot) || kind == KIND_io || kind == KIND_embed || kind == KIND_stat
        || kind == KIND_signal || kind == KIND_async) {
        note ("skipped");
        return;
    }
    ev_set_priority (W (slot), wild[op->x]);
    start (slot);
    note ("priority %d", ev_priority (W (slot)));
}

static void watcher_op (const struct op *op)
{
    int slot = op->subject;
    struct ev_loop *loop = stage_loop (slot);

    switch (op->what) {
    case OP_START:
        start (slot);
        break;
    case OP_STOP:
        stop (slot);
        break;
    case OP_SET:
        set (op);
        break;
    case OP_PRIORITY:
        if (quiet (slot))
            ev_set_priority (W (slot), op->x);
        break;
    case OP_WILD_PRIORITY:
        wild_priority (op);
        break;
    case OP_OTHER_CB:
        if (has_callback (slot))
            W (slot)->cb = W (slot)->cb == on_event ? on_other_event : on_event;
        break;
    case OP_FEED:
        if (has_callback (slot))
            LIB->ev_feed_event (loop, W (slot), op->x);
        break;
    case OP_CLEAR:
        note ("cleared %x", (unsigned) LIB->ev_clear_pending (loop, W (slot)));
        break;
    case OP_INVOKE:
        if (has_callback (slot)) {
            stage.direct = 1;
            stage.invoked++;
            LIB->ev_invoke (loop, W (slot), op->x);
            stage.invoked--;
        }
        break;
    default:
        break;
    }
}

static void kind_op (const struct op *op)
{
    struct slot *s = &stage.slots[op->subject];
    struct ev_loop *loop = stage_loop (op->subject);

    switch (op->what) {
    case OP_MODIFY:
        if (!ev_is_active (&s->w.io))
            ev_io_modify (&s->w.io, op->x);
        break;
    case OP_AGAIN:
        LIB->ev_timer_again (loop, s);
        note ("remaining %ld", coarse (LIB->ev_timer_remaining (loop, s)));
        break;
    case OP_REPEAT:
        s->w.timer.repeat = delay (op->x, op->z);
        break;
    case OP_REMAINING:
        note ("remaining %ld", coarse (LIB->ev_timer_remaining (loop, s)));
        break;
    case OP_PERIODIC_AGAIN:
        LIB->ev_now_update (loop);
        LIB->ev_periodic_again (loop, s);
        note ("at %ld reschedules %d", coarse (ev_periodic_at (&s->w.periodic) - WORLD_WALL_SECONDS),
              s->reschedules);
        break;
    case OP_SEND:
        if (stage.of[slot_loop (op->subject)].async_known) /* else AS-7 */
            LIB->ev_async_send (loop, s);
        note ("sent %d", !!ev_async_pending (&s->w.async));
        break;
    case OP_SWEEP:
        if (!may_run_inner ())
            break;
        if (!stage.frame_count || (!between_steps () && !slot_loop (stage.frames[stage.frame_count - 1])))
            LIB->ev_embed_sweep (loop, s);
        break;
    case OP_STAT_STAT:
        LIB->ev_stat_stat (loop, s);
        note ("nlink %d size %d", (int) s->w.stat.attr.st_nlink, (int) s->w.stat.attr.st_size);
        break;
    default:
        break;
    }
}

static int drain (int fd, int at_most)
{
    static char data[65536];
    int total = 0;
    ssize_t got;

    do {
        got = read (fd, data, at_most ? (size_t) at_most : sizeof data);
        if (got > 0)
            total += (int) got;
    } while (got > 0 && !at_most);
    return total;
}

/* ---- loops ---- */

static void run (const struct op *op)
{
    if ((stage.frame_count && !may_run (op->subject)) || (op->subject && !may_run_inner ())) {
        note ("skipped");
        return;
    }
    note ("ran, %d references", stage_run (op->subject, op->x));
}

static void reference (int loop, int more)
{
    if (abs (stage.of[loop].refs + more) > 1) /* ev_verify objects to less than -1 */
        return;
    stage.of[loop].refs += more;
    (more > 0 ? LIB->ev_ref : LIB->ev_unref) (stage.loops[loop]);
}

enum { ONCE_WITH_FD = 1000 };

static void on_once (int revents, void *arg)
{
    int number = (int) (intptr_t) arg;

    note ("once %d %x", number, (unsigned) revents);
    if (revents & EV_READ)
        drain (stage_fd (FD_ONCE), 0);
    if (number >= ONCE_WITH_FD)
        stage.once_watching--;
}

/* The loop an operation is about does not exist (any more). */
static int loop_gone (const struct op *op)
{
    if (op_subject (op) == ON_LOOP)
        return !stage.loops[op->subject];
    return op_subject (op) != ON_NOTHING && !stage_loop (op->subject);
}

/* x: with the descriptor that is for this only (loop 0); z: steps, 0 no timeout. No two expire at the same time. */
static void once (const struct op *op)
{
    int number = ++stage.once_count;
    double timeout = op->z <= 0 ? -1. : delay (op->z, 2 * number + 31);
    int fd = op->x && !op->subject ? stage_fd (FD_ONCE) : -1;

    if (fd >= 0) {
        stage.once_watching++;
        number += ONCE_WITH_FD;
    }
    LIB->ev_once (stage.loops[op->subject], fd, op->y, timeout, on_once, (void *) (intptr_t) number);
}

/* Polls are not compared one by one: a library may look at the kernel more than once in an iteration. */
static void on_release (struct ev_loop *loop)
{
    int number = loop == stage.loops[1], iteration = (int) LIB->ev_iteration (loop);

    if (stage.of[number].released != iteration)
        note ("released");
    stage.of[number].released = iteration;
}

static void on_acquire (struct ev_loop *loop)
{
    int number = loop == stage.loops[1], iteration = (int) LIB->ev_iteration (loop);

    if (stage.of[number].acquired != iteration)
        note ("acquired");
    stage.of[number].acquired = iteration;
}

static void on_invoke_pending (struct ev_loop *loop)
{
    note ("pass of %s", stage_pending (loop == stage.loops[1]));
    LIB->ev_invoke_pending (loop);
}

/* How many watchers of its own a loop feeds when it makes its descriptors anew is its own affair: for one
 * iteration pending counts are not compared. */
static void forked (int loop)
{
    stage.of[loop].reborn = LIB->ev_iteration (stage.loops[loop]) + 2;
    if (!(stage.program->features & F_FORKCHECK) || getpid () == stage.pid)
        LIB->ev_loop_fork (stage.loops[loop]);
}

static void fork_really (void)
{
    pid_t pid;
    int status = 0;

    if (between_steps () || !(stage.program->features & F_REALFORK))
        return;
    pid = fork ();
    if (pid > 0) { /* the performance goes on in the child */
        if (syscall (SYS_wait4, pid, &status, 0, NULL) != pid)
            status = 1;
        if (WIFSIGNALED (status))
            kill (getpid (), WTERMSIG (status));
        _exit (WEXITSTATUS (status));
    }
    stage.is_child = 1;
    alarm (10);
    for (int loop = 0; loop < LOOPS; loop++)
        if (stage.loops[loop])
            forked (loop);
}

/* Destroyed and made again, with all its watchers: what was active before must not matter (LP-6, LP-7). */
static void reborn (int loop)
{
    if (stage.frame_count || stage.program->features & F_EMBED)
        return;
    for (int slot = 0; slot < SLOTS; slot++) /* libev's default loop goes on counting idle watchers (LP-7) */
        if (slot_kind (slot) == KIND_idle && slot_loop (slot) == loop)
            stop (slot);
    LIB->ev_set_loop_release_cb (stage.loops[loop], NULL,
                                 NULL); /* these, too, outlive libev's default loop */
    LIB->ev_set_invoke_pending_cb (stage.loops[loop], LIB->ev_invoke_pending);
    LIB->ev_set_io_collect_interval (stage.loops[loop], 0.);
    LIB->ev_set_timeout_collect_interval (stage.loops[loop], 0.);
    stage_close_loop (loop);
    note ("destroyed");
    stage.of[loop].refs = 0;
    stage_open_loop (loop);
}

static void loop_op (const struct op *op)
{
    struct ev_loop *loop = stage.loops[op->subject];

    switch (op->what) {
    case OP_BREAK:
        LIB->ev_break (loop, op->x);
        break;
    case OP_RUN:
        run (op);
        break;
    case OP_REF:
        reference (op->subject, 1);
        break;
    case OP_UNREF:
        reference (op->subject, -1);
        break;
    case OP_NOW_UPDATE:
        LIB->ev_now_update (loop);
        break;
    case OP_SUSPEND:
        LIB->ev_suspend (loop);
        world_pass (op->x);
        LIB->ev_resume (loop);
        break;
    case OP_FEED_FD:
        LIB->ev_feed_fd_event (loop, op->x < 0 ? -1 : op->x < FDS ? stage_fd (op->x) : 100000, op->y);
        break;
    case OP_FEED_SIGNAL_EVENT:
        LIB->ev_feed_signal_event (loop, signal_number (op->x));
        break;
    case OP_LOOP_FORK:
        /* an embedding loop does not notice when the embedded one alone is made anew */
        if (!between_steps () && !(op->subject && stage.program->features & F_EMBED))
            forked (op->subject);
        break;
    case OP_INVOKE_PENDING:
        if (!stage.ending)
            LIB->ev_invoke_pending (loop);
        break;
    case OP_VERIFY:
        LIB->ev_verify (loop);
        break;
    case OP_ONCE:
        once (op);
        break;
    case OP_IO_COLLECT:
        /* no whole number of steps: a pause that is just over or not quite is a matter of rounding */
        LIB->ev_set_io_collect_interval (loop, op->x ? (op->x - 0.4) * WORLD_STEP_SECONDS : 0.);
        break;
    case OP_TIMEOUT_COLLECT:
        LIB->ev_set_timeout_collect_interval (loop, op->x * WORLD_STEP_SECONDS);
        break;
    case OP_RELEASE_CB:
        LIB->ev_set_loop_release_cb (loop, op->x ? on_release : NULL, op->x ? on_acquire : NULL);
        break;
    case OP_INVOKE_CB:
        LIB->ev_set_invoke_pending_cb (loop, op->x ? on_invoke_pending : LIB->ev_invoke_pending);
        break;
    case OP_USERDATA:
        note ("userdata was %d", (int) (intptr_t) LIB->ev_userdata (loop));
        LIB->ev_set_userdata (loop, (void *) (intptr_t) op->x);
        break;
    case OP_REBORN:
        reborn (op->subject);
        break;
    default:
        break;
    }
}

/* ---- descriptors ---- */

static int is_socket (int fd)
{
    return fd != FD_PIPE && !(fd == FD_FILE && stage.program->features & F_FILEFD);
}

static void fill (int fd)
{
    static const char data[4096];

    if (is_socket (fd) && stage.peer_open[fd])
        while (send (stage_fd (fd), data, sizeof data, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            ;
}

static void unwatch (int fd)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        ev_io *w = &stage.slots[slot].w.io;

        if (slot_kind (slot) != KIND_io || w->fd != stage_fd (fd) || !stage_loop (slot))
            continue;
        stop (slot);
        ev_io_set (w, w->fd, w->events & (EV_READ | EV_WRITE));
    }
}

/* Another file under the same number: watchers are stopped, and set again as the rules want (IO-7). The old file
 * must be closed then: its peer sees the end at once (U-2). */
static void replace (int fd, int restart)
{
    int old = is_socket (fd) && stage.peer_open[fd] ? dup (stage_peer (fd)) : -1;

    unwatch (fd);
    stage_fd_open (fd);
    if (old >= 0) {
        drain (old, 0);
        note ("the old peer sees %d", (int) recv (old, &(char){ 0 }, 1, MSG_DONTWAIT));
        close (old);
    }
    for (int slot = 0; slot < SLOTS && restart; slot++)
        if (slot_kind (slot) == KIND_io && stage.slots[slot].w.io.fd == stage_fd (fd) && stage_loop (slot))
            start (slot);
}

/* io_uring reports a readiness that was there once, even if it has gone before the loop looks (README.md). It
 * cannot go while the watcher's own callback runs. Elsewhere, taking it away needs the feature STEAL. */
static int may_take (int fd)
{
    int frame = stage.frame_count ? stage.frames[stage.frame_count - 1] : -1;

    return stage.program->features & F_STEAL
           || (frame >= 0 && slot_kind (frame) == KIND_io && stage.slots[frame].w.io.fd == stage_fd (fd)
               && !stage.invoked);
}

static void fd_op (const struct op *op)
{
    int fd = op->x;

    switch (op->what) {
    case OP_PUT:
        if (stage.peer_open[fd])
            (void) !write (stage_peer (fd), "some data", (size_t) op->y + 1);
        break;
    case OP_GET:
        if (may_take (fd))
            note ("got %d", fd == FD_FILE ? 0 : drain (stage_fd (fd), op->y == 2));
        break;
    case OP_FILL:
        if (may_take (fd))
            fill (fd);
        break;
    case OP_PEER_GET:
        if (is_socket (fd) && stage.peer_open[fd])
            drain (stage_peer (fd), 0);
        break;
    case OP_PEER_SHUT:
        if (is_socket (fd) && stage.peer_open[fd])
            shutdown (stage_peer (fd), SHUT_WR);
        break;
    case OP_PEER_CLOSE:
        if (is_socket (fd) && stage.peer_open[fd]) {
            close (stage_peer (fd));
            stage.peer_open[fd] = 0;
        }
        break;
    case OP_REPLACE:
        /* an ev_once cannot be stopped; and what the parent has still, libev's epoll set goes on reporting */
        if (fd != FD_ONCE && !stage.is_child && !((fd == 2 || fd == 3) && stage.program->features & F_EMBED))
            replace (fd, op->y);
        break;
    default:
        break;
    }
}

/* ---- everything else ---- */

static int signal_watched (int signum)
{
    for (int slot = 0; slot < SLOTS; slot++)
        if (slot_kind (slot) == KIND_signal && ev_is_active (W (slot))
            && stage.slots[slot].w.signal.signum == signum)
            return 1;
    return 0;
}

static void child (int which, int how)
{
    static const int statuses[] = { 0x0300, 9, 0x137f, 0xffff }; /* exit 3, killed, stopped, continued */

    world_child (50000 + which, statuses[how]);
    raise (SIGCHLD);
}

/* Sizes change with every write: times of files stand still here. */
static void file_op (int file, int how)
{
    char path[80];
    int fd;

    snprintf (path, sizeof path, "%s/%c/file", stage.directory, 'a' + file);
    switch (how) {
    case 0:
        unlink (path);
        break;
    case 1:
        chmod (path, stage.budget % 2 ? 0600 : 0640);
        break;
    case 2:
        fd = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        close (fd);
        break;
    default:
        fd = open (path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void) !write (fd, "abcd", (size_t) how);
        close (fd);
        break;
    }
}

static void other_op (const struct op *op)
{
    switch (op->what) {
    case OP_FEED_SIGNAL:
        if (!(stage.program->features & F_SIGNALFD)) /* else SG-12 */
            LIB->ev_feed_signal (signal_number (op->x));
        break;
    case OP_RAISE:
        if (signal_watched (signal_number (op->x)))
            raise (signal_number (op->x));
        break;
    case OP_REAL_FORK:
        fork_really ();
        break;
    case OP_BURN:
        world_pass (op->x);
        break;
    case OP_SLEEP:
        LIB->ev_sleep (op->x * WORLD_STEP_SECONDS);
        break;
    case OP_CHILD:
        child (op->x, op->y);
        break;
    case OP_FILE_OP:
        file_op (op->x, op->y);
        break;
    case OP_JUMP:
        world_set_wall (op->x);
        break;
    default:
        fd_op (op);
        break;
    }
}

void act (const struct op *op)
{
    char text[80];

    if (stage.budget-- <= 0 || loop_gone (op))
        return;
    if (stage.frame_count || op->owner == OWNER_WORLD) {
        op_print (op, text, sizeof text);
        note (op->owner == OWNER_WORLD ? "world: %s" : "%s", text);
    }
    if (op->what <= OP_INVOKE)
        watcher_op (op);
    else if (op_subject (op) == ON_LOOP)
        loop_op (op);
    else if (op_subject (op) >= 0)
        kind_op (op);
    else
        other_op (op);
    for (int loop = 0; loop < LOOPS && stage.verify; loop++)
        if (stage.loops[loop])
            LIB->ev_verify (stage.loops[loop]);
}
