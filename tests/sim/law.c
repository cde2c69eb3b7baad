/* law.c: the statements. README.md lists them; a failure gives the number. */
#include "stage.h"

#include "known.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    TIMER_LATE = 1050000, /* nanoseconds */
    TIMER_HAIR = 10000,
    MINUTE_NEARLY = 59, /* seconds after which a sleep may end for nothing */
    CALLS_ALWAYS = 4,
    CALLS_PER_EVENT = 2,
    CALLS_PER_COMPLETION = 20,
    SPINS_MAX = 100,
    MAKINGS_MAX = 3
};

int strict; /* nothing is excused */

static struct {
    unsigned touches; /* counts what the program does */
    struct {
        uint32_t marks[3]; /* k.wakes when callbacks began, of the last three iterations */
        int forked, making;
        int open;    /* an iteration is under way */
        int has_bad; /* select says nothing of the others then */
        unsigned calls, makings, changes, events, did_before, iterations;
        nanos slept, began;
    } loop[LOOPS];
    int futile, excuses, spins;
    int disturbed; /* in this iteration the kernel has misbehaved */
} law;

void law_open (void)
{
    memset (&law, 0, sizeof law);
}

/* ---- what is ready ---- */

static int bits (unsigned polled)
{
    return (polled & (POLLIN | POLLERR | POLLHUP) ? EV_READ : 0)
           | (polled & (POLLOUT | POLLERR | POLLHUP) ? EV_WRITE : 0);
}

/* Nonzero: the statements about readiness hold for it: it watches the file that it was started on. */
int law_clean (const struct io *io)
{
    const struct file *f;

    if (!io->started || io->unsure || !ev_is_active (&io->w))
        return 0;
    f = &k.files[io->file];
    return f->serial == io->serial && f->ours && !f->dirty && !f->faulted && fd_file (io->w.fd) == io->file;
}

/* Which of its events such poll bits are. */
static int law_bits (const struct io *io, unsigned polled)
{
    if (polled & POLLHUP
        && ev_backend (stage.loop[io->loop]) == EVBACKEND_SELECT) /* that lets nobody write */
        polled = (polled & ~(unsigned) POLLHUP) | POLLIN;
    return bits (polled) & io->w.events & (EV_READ | EV_WRITE);
}

int act_ready (const struct io *io)
{
    return law_clean (io) ? law_bits (io, file_poll (io->file)) : 0;
}

static int law_steady (const struct io *io)
{
    return law_clean (io) ? law_bits (io, k.files[io->file].steady) & act_ready (io) : 0;
}

static int on_ring (int loop)
{
    return ev_backend (stage.loop[loop]) == EVBACKEND_IOURING;
}

/* Some of its descriptors are in an epoll set, which keeps what is stopped until it is reported in vain. */
static int has_lazy_ones (int loop)
{
    struct ev_stats stats;

    ev_stats (stage.loop[loop], &stats, sizeof stats);
    return !on_ring (loop) || stats.parked;
}

/* ---- sleeping: 4, 5, 6 ---- */

void law_excuse (int kind)
{
    if (kind == 0)
        law.disturbed = 1;
    law.excuses++;
}

/* Nonzero: its callback is still to come. */
static int law_pending (const struct io *io)
{
    return io->started && io->loop == stage.running && ev_is_pending (&io->w);
}

static void law_sleeps_over (nanos until)
{
    for (int i = 0; i < stage.io_top; i++) {
        const struct io *io = &stage.ios[i];

        if (law_pending (io))
            fail (4, "sleeps though the callback of io %d is still to come", i);
        if (io->started && io->loop == stage.running && act_ready (io))
            fail (4, "sleeps though io %d (fd %d) is ready for %d", i, io->w.fd, act_ready (io));
        if (io->started && io->loop == stage.running && io->error_ok == 2 && !io->unsure
            && ev_is_active (&io->w) && fd_file (io->w.fd) < 0)
            fail (4, "sleeps though io %d is on a number that is not open", i);
    }
    for (int i = 0; i < TIMERS; i++) {
        const struct timer *timer = &stage.timers[i];

        if (ev_is_active (&timer->w) && timer->loop == stage.running && until > timer->high + TIMER_LATE)
            fail (5, "sleeps until %lld us after timer %d is due", (long long) (until - timer->high) / 1000,
                  i);
    }
    for (int i = 0; i < ASYNCS; i++)
        if (ev_is_active (&stage.asyncs[i].w) && stage.asyncs[i].loop == stage.running
            && stage.asyncs[i].owed)
            fail (21, "sleeps though async %d was sent", i);
}

void law_sleeps (nanos until)
{
    if (stage.may_block || law_deeds_still (until))
        return;
    if (stage.running < 0)
        fail (6, "sleeps outside ev_run");
    if (stage.in_callback)
        fail (6, "sleeps in a call made by a callback");
    if (!stage.may_sleep)
        fail (6, "sleeps though it was told not to");
    law_sleeps_over (until);
    law_deeds_sleep (until);
    law.loop[stage.running].slept += until - k.now;
}

/* ---- iterations: 3, 5, 8 ---- */

static int law_row_told (const struct io *io)
{
    for (int i = 0; i < stage.io_top; i++)
        if (stage.ios[i].called && stage.ios[i].loop == io->loop && stage.ios[i].w.fd == io->w.fd)
            return 1;
    return 0;
}

/* A file that the ring refuses is told in the iteration after that in which it says so; and a one-shot request, once it has
 * been woken for one thing, does not hear of another. One that is changed in that moment is changed once more. */
static int law_patience (const struct io *io)
{
    const struct file *f = &k.files[io->file];

    return f->kept || (on_ring (io->loop) && (f->kind == K_ODD || law_row_told (io)));
}

static void law_untold (int loop)
{
    int disturbed = law.disturbed || law.loop[loop].makings != k.makings || law.loop[loop].has_bad;

    for (int i = 0; i < stage.io_top; i++) {
        struct io *io = &stage.ios[i];
        int ready = io->started && io->loop == loop ? law_steady (io) & io->ready_at_prepare : 0;

        for (int bit = 0; bit < 2; bit++) {
            if (!(ready & (1 << bit)) || io->called || disturbed)
                io->untold[bit] = 0;
            else if (++io->untold[bit] > law_patience (io))
                fail (3, "io %d (fd %d) has been ready for %d in %d iterations and was not told", i, io->w.fd,
                      1 << bit, io->untold[bit]);
        }
    }
}

/* Woken for a timer by a hair too early: the next sleep is as short. */
static int law_almost_due (int loop)
{
    for (int i = 0; i < TIMERS; i++) {
        const struct timer *timer = &stage.timers[i];

        if (ev_is_active (&timer->w) && timer->loop == loop && timer->low - k.now < TIMER_HAIR)
            return 1;
    }
    return 0;
}

static void law_futile (int loop)
{
    nanos slept = law.loop[loop].slept;

    if (!slept || law.loop[loop].events || slept >= MINUTE_NEARLY * SECOND || law_almost_due (loop))
        return;
    if (++law.futile > law.excuses)
        fail (5, "slept %lld us and woke for nothing (%d times, with %d excuses)", (long long) slept / 1000,
              law.futile, law.excuses);
}

/* A flag that says that there is work, and lies, may cost a call. */
static unsigned rings_left_over (void)
{
    unsigned count = 0;

    for (int i = 0; i < k.ring_top; i++)
        count += k.rings[i].used && k.rings[i].left_over;
    return count;
}

static void law_calls (int loop)
{
    unsigned calls = k.hot_count - law.loop[loop].calls, now = law.loop[loop].events + law.loop[loop].changes,
             did = now + law.loop[loop].did_before;

    law.loop[loop].did_before = now;
    if (law.loop[loop].makings != k.makings) /* all has to be told again */
        law.loop[loop].did_before += IOS;
    else if (!law.disturbed
             && calls > CALLS_ALWAYS + rings_left_over () + law_deeds_calls (loop)
                            + (CALLS_PER_EVENT + (on_ring (loop) && has_lazy_ones (loop))) * did
                            + did / CALLS_PER_COMPLETION) /* it may change its place, too */
        fail (8, "%u system calls in an iteration, with %u events and changes in it and the one before",
              calls, did);
}

/* A ring, or a set, that is made anew and again. */
static void law_makings (int loop)
{
    int forked = law.loop[loop].forked;

    law.loop[loop].forked = 0;
    if (law.loop[loop].makings == k.makings || forked || law.disturbed)
        law.loop[loop].making = 0;
    else if (++law.loop[loop].making > MAKINGS_MAX)
        fail (8, "the backend is made anew in %d iterations in a row", law.loop[loop].making);
}

static void law_iteration_over (int loop)
{
    if (!law.loop[loop].open)
        return;
    law.loop[loop].open = 0;
    law_untold (loop);
    law_futile (loop);
    law_calls (loop);
    law_makings (loop);
    law.loop[loop].changes = 0;
    law.disturbed = 0;
}

/* Round and round, and neither time passes nor is anybody called. */
static void law_spins (int loop)
{
    if (law.loop[loop].events || law.loop[loop].slept) {
        law.spins = 0;
        return;
    }
    if (++law.spins >= SPINS_MAX)
        fail (8, "%d iterations in which nothing happens", law.spins);
}

void law_prepare (int loop)
{
    int selects = ev_backend (stage.loop[loop]) == EVBACKEND_SELECT;

    if (law.loop[loop].open)
        law_spins (loop);
    law_iteration_over (loop);
    law.loop[loop].open = 1;
    memset (stage.renumbered, 0, sizeof stage.renumbered);
    law.loop[loop].calls = k.hot_count;
    law.loop[loop].makings = k.makings;
    law.loop[loop].slept = 0;
    law.loop[loop].has_bad = 0;
    law.loop[loop].iterations++;
    law.loop[loop].events = 0;
    for (int i = 0; i < stage.io_top; i++) {
        struct io *io = &stage.ios[i];

        if (!io->started || io->loop != loop)
            continue;
        if (k.files[io->file].serial == io->serial)
            k.files[io->file].seen = k.files[io->file].steady = (uint8_t) file_poll (io->file);
        io->ready_at_prepare = act_ready (io);
        io->called = 0;
        io->unsure |= io->error_ok == 2 && fd_file (io->w.fd) >= 0; /* somebody's; it may go without a word */
        law.loop[loop].has_bad |= selects && fd_file (io->w.fd) < 0;
    }
}

/* The wait is over, callbacks begin. */
void law_checked (int loop)
{
    law.loop[loop].marks[0] = law.loop[loop].marks[1];
    law.loop[loop].marks[1] = law.loop[loop].marks[2];
    law.loop[loop].marks[2] = k.wakes;
}

static int law_active (int loop)
{
    int count = 0;

    for (int i = 0; i < stage.io_top; i++)
        count += stage.ios[i].started && stage.ios[i].loop == loop && ev_is_active (&stage.ios[i].w);
    for (int i = 0; i < TIMERS; i++)
        count += stage.timers[i].loop == loop && ev_is_active (&stage.timers[i].w);
    for (int i = 0; i < ASYNCS; i++)
        count += stage.asyncs[i].loop == loop && ev_is_active (&stage.asyncs[i].w);
    for (int i = 0; i < SIGNALS_USED; i++)
        count += stage.signals[i].loop == loop && ev_is_active (&stage.signals[i].w);
    return count + law_deeds_active (loop) + (ev_is_active (&stage.guard) != 0);
}

void law_run_over (int loop, int answer)
{
    law_iteration_over (loop);
    if (answer != law_active (loop))
        fail (23, "ev_run says that %d watchers are active, there are %d", answer, law_active (loop));
}

/* ---- what the program does ---- */

void law_changed (void)
{
    law.touches++;
    for (int loop = 0; loop < LOOPS; loop++)
        law.loop[loop].changes++;
}

void law_touch (int loop, int fd)
{
    for (int i = 0; i < stage.io_top; i++) {
        struct io *io = &stage.ios[i];

        if (io->started && io->loop == loop && io->w.fd == fd) {
            io->untold[0] = io->untold[1] = 0;
            io->ready_at_prepare = 0;
        }
    }
    if (stage.loop[loop] && has_lazy_ones (loop))
        law.excuses++;
}

void law_event (int loop)
{
    law.loop[loop].events++;
}

void law_given_back (int file)
{
    const struct file *f = &k.files[file];

    if (file >= 0 && f->nonblock != f->given && !law_deed_on (file))
        fail (19, "a file of kind %d was left %s", f->kind, f->nonblock ? "non-blocking" : "blocking");
}

/* What is watched is told again in the next iteration. */
void law_forked (int loop)
{
    law_excuse (1);
    law.loop[loop].forked = 1;
    law.loop[loop].changes += IOS;
}

/* ---- callbacks: 1, 2, 7 ---- */

/* A request is over, outside of a wait: what it was woken for may be read before it is told, so it has to be asked for
 * again. (The ring may be the other loop's, who is in no callback.) */
void law_answered (int file)
{
    if ((stage.running < 0 || stage.in_callback) && !stage.loop[1])
        k.files[file].woken[0] = k.files[file].woken[1] = 0;
}

static int law_was_ready (const struct io *io, int bit)
{
    const struct file *f = &k.files[io->file];

    if (bits (f->seen) & (1 << bit))
        return 1;
    /* A request that was woken tells what it was woken for, even if that has been read meanwhile; by another watcher of the
     * file, say, which is told of its level one iteration earlier, because it is a guest. */
    return on_ring (io->loop) && f->woken[bit] > law.loop[io->loop].marks[has_lazy_ones (io->loop) ? 0 : 1];
}

/* What epoll refuses the ring may serve: only what both refuse is an error. */
static int law_refused (const struct io *io)
{
    const struct file *f = &k.files[io->file];

    return f->dirty || (f->faulted && !(on_ring (io->loop) && f->kind != K_ODD));
}

static void law_io_error (struct io *io, int number)
{
    int same = k.files[io->file].kind
               && k.files[io->file].serial == io->serial; /* else it was about a file that is gone */

    if (!io->error_ok && !io->unsure && same && !law_refused (io) && !k.sets_refused)
        fail (1, "io %d (fd %d) is told an error, and there was none", number, io->w.fd);
    io->started = 0;
}

void law_io (struct io *io, int revents)
{
    int number = (int) (io - stage.ios), asked = io->w.events & (EV_READ | EV_WRITE), fed = io->fed;

    law.loop[io->loop].events++;
    io->called = 1;
    io->fed = 0;
    if (revents & EV_ERROR) {
        law_io_error (io, number);
        return;
    }
    if (!ev_is_active (&io->w) && !fed)
        fail (1, "io %d is called and is not active", number);
    if (revents & ~asked & ~fed)
        fail (1, "io %d is told %#x and asked for %#x", number, revents, asked);
    if (!law_clean (io))
        return;
    for (int bit = 0; bit < 2; bit++)
        if (revents & ~fed & (1 << bit) && !law_was_ready (io, bit))
            fail (2, "io %d (fd %d) is told %d, for which it was not ready", number, io->w.fd, 1 << bit);
}

void law_timer (struct timer *timer)
{
    law.loop[timer->loop].events++;
    if (k.now < timer->low - MICRO)
        fail (7, "timer %d is called %lld us early", (int) (timer - stage.timers),
              (long long) (timer->low - k.now) / 1000);
}

/* ---- closing: 16 ---- */

static int law_watched (int file)
{
    for (int i = 0; i < stage.io_top; i++) {
        const struct io *io = &stage.ios[i];

        if (io->started && ev_is_active (&io->w)
            && (io->file == file || fd_file (io->w.fd) == file || io->unsure))
            return 1;
    }
    return 0;
}

void law_stopped (int file)
{
    const struct file *f = file_at (file);

    if (!f || f->dirty || f->stuck || !f->pins || law_watched (file) || law_deed_on (file))
        return;
    fail (16, "nobody watches a file any more, and %d requests of rings hold it", f->pins);
}

void law_closed (int file, uint32_t serial)
{
    const struct file *f = &k.files[file];

    if (f->serial == serial && f->kind && !f->refs && !f->dirty && !f->stuck)
        fail (16, "closed, and %d requests of rings hold the file", f->pins);
}

/* ---- the end: 17 ---- */

void law_ended (void)
{
    for (int fd = 3; fd < FDS; fd++)
        if (k.fds[fd] >= 0 && !k.files[k.fds[fd]].ours)
            fail (17, "descriptor %d is still open after the loops are gone", fd);
    if (memory_live ())
        fail (17, "%d allocations are live after the loops are gone", memory_live ());
    if (memory_mappings () > 1) /* the page that tells forks stays */
        fail (17, "%d mappings are there after the loops are gone", memory_mappings ());
}

/* The process is gone, and so are its descriptors. */
void law_exited (int killed)
{
    for (int file = 0; file < k.file_top; file++) {
        const struct file *f = &k.files[file];

        if (!f->kind || !f->ours || !f->pins || f->dirty || f->stuck || k.children_until > k.now)
            continue;
        if (!killed && f->kind == K_REGULAR) /* a worker reads it, to the end */
            continue;
        if (!killed || (f->kind == K_LISTENER && !f->faulted && !(KNOWN_LISTENER_IN_PLACE && f->in_place)))
            fail (16, "the process has ended, and a ring holds a file of kind %d", f->kind);
    }
}
