/* act.c: performing acts: now, later, in callbacks; and the callbacks. Whatever an act asks for that makes no sense at the
 * moment is left undone, so that every part of a program is a program. */
#include "act.h"

#include <signal.h>
#include <string.h>

struct stage stage;

static const double delays[] = { 0, 0.0001, 0.001, 0.01, 0.3, 2, 70, 4000 };

double act_delay (int choice)
{
    return delays[choice % 8];
}

/* ---- looking things up ---- */

int hand_file (int hand)
{
    return fd_file (stage.hand[hand % HANDS]);
}

struct io *act_io (const struct act *act)
{
    return &stage.ios[act->a % FEW];
}

struct ev_loop *loop_of (int which)
{
    return stage.loop[which];
}

int loop_choose (int choice)
{
    return choice % LOOPS && stage.loop[1] ? 1 : 0;
}

int io_active (const struct io *io)
{
    return io->started && ev_is_active (&io->w);
}

void counted (void)
{
    stage.api_calls++;
    law_changed ();
}

static void verify_all (void)
{
    for (int i = 0; i < LOOPS; i++)
        if (stage.loop[i]) {
            ev_verify (stage.loop[i]);
            stage.api_calls++;
        }
}

/* ---- callbacks ---- */

static void habit (struct io *io)
{
    int file = fd_file (io->w.fd);

    if (file < 0 || io->unsure)
        return;
    switch (io->habit) {
    case 1:
        act_perform (&(struct act){ .op = OP_stop, .a = (uint8_t) (io - stage.ios) });
        break;
    case 2:
        stream_read (file, 1);
        break;
    case 3:
        stream_read (file, STREAM_ROOM);
        break;
    case 4:
        stream_write (file, STREAM_ROOM);
        break;
    }
}

static void habit_crowd (struct io *io)
{
    int file = fd_file (io->w.fd);

    if (file >= 0 && k.files[file].kind == K_EVENTFD && io->habit) {
        k.files[file].count = 0;
        file_note (file);
        ring_switch ();
    }
}

void called (struct ev_loop *loop)
{
    if (++stage.callbacks >= 64) /* enough of this ev_run */
        ev_break (loop, EVBREAK_ALL);
}

static void on_io (struct ev_loop *loop, ev_io *w, int revents)
{
    struct io *io = w->data;
    int number = (int) (io - stage.ios);

    stage.in_callback++;
    TRACE ("-- io %d is told %#x\n", number, revents);
    law_io (io, revents);
    called (loop);
    if (number < FEW) {
        if (!(revents & EV_ERROR))
            habit (io);
        act_queued (number);
    } else {
        habit_crowd (io);
    }
    stage.in_callback--;
}

static void on_timer (struct ev_loop *loop, ev_timer *w, int revents)
{
    struct timer *timer = w->data;

    (void) revents;
    stage.in_callback++;
    law_timer (timer);
    called (loop);
    if (w->repeat > 0) { /* from when it was due, or from now if that is over already */
        timer->low += (nanos) (w->repeat * 1e9) - 1000;
        timer->high = (timer->high > k.now ? timer->high : k.now) + (nanos) (w->repeat * 1e9);
    }
    act_queued (FEW + (int) (timer - stage.timers));
    stage.in_callback--;
}

static void on_async (struct ev_loop *loop, ev_async *w, int revents)
{
    struct async *async = w->data;

    (void) revents;
    stage.in_callback++;
    called (loop);
    if (async->told >= async->sent)
        fail (21, "async %d is told more often than it was sent", (int) (async - stage.asyncs));
    async->told++;
    async->owed = 0;
    law_excuse (1); /* counts as an event */
    act_queued (FEW + TIMERS + (int) (async - stage.asyncs));
    stage.in_callback--;
}

static void on_signal (struct ev_loop *loop, ev_signal *w, int revents)
{
    struct sig *sig = w->data;

    (void) revents;
    stage.in_callback++;
    called (loop);
    if (sig->told >= sig->raised)
        fail (21, "signal %d is told more often than it was raised", w->signum);
    sig->told++;
    stage.in_callback--;
}

static void on_guard (struct ev_loop *loop, ev_timer *w, int revents)
{
    (void) w, (void) revents;
    law_excuse (1);
    ev_break (loop, EVBREAK_ALL);
}

/* ---- all of them ---- */

static void (*const performers[OPS]) (const struct act *act) = {
#define ACT_PERFORMER(name, weight, who, sentence) act_##name,
    ACTS (ACT_PERFORMER)
#undef ACT_PERFORMER
};

void act_perform (const struct act *act)
{
    TRACE ("-- %s %d %d %d\n", act_name (act), act->a, act->b, act->c);
    performers[act->op](act);
    stage.api_calls++;
    ring_switch ();
    verify_all ();
}

static void act_later (int64_t number, int64_t unused, int64_t unused2)
{
    (void) unused, (void) unused2;
    if (!stage.world_over)
        performers[stage.program->acts[number].op](&stage.program->acts[number]);
}

void act_schedule (int number)
{
    const struct act *act = &stage.program->acts[number];
    int subject = act->whose % SUBJECTS;

    switch (act->where) {
    case IN_CALLBACK:
        if (stage.queued[subject] < ACTS_QUEUED)
            stage.queue[subject][stage.queued[subject]++] = (short) number;
        break;
    case LATER:
        if (k.doing_count < DOINGS / 2)
            time_plan (k.now + (nanos) (act_delay (act->whose % 7) * 1e9), act_later, number, 0, 0);
        break;
    default:
        k.dice = act->dice;
        k.rolls = 0;
        act_perform (act);
    }
}

/* Two at a time: so that what one does meets what the next does in the same callback. */
void act_queued (int subject)
{
    for (int i = 0; i < 2 && stage.queued[subject] && !stage.world_over; i++) {
        int number = stage.queue[subject][0];

        stage.queued[subject]--;
        memmove (stage.queue[subject], stage.queue[subject] + 1,
                 (size_t) stage.queued[subject] * sizeof (short));
        act_perform (&stage.program->acts[number]);
    }
}

/* ---- the cast ---- */

/* The kernel has refused something that the library cannot do without: it says so, and goes on. */
static void on_syserr (const char *message) EV_NOEXCEPT
{
    (void) message;
    law_excuse (0);
}

void stage_open (const struct program *program)
{
    memset (&stage, 0, sizeof stage);
    stage.program = program;
    stage.running = -1;
    stage.io_top = FEW;
    memset (stage.hand, -1, sizeof stage.hand);
    memset (stage.crowd, -1, sizeof stage.crowd);
    for (int i = 0; i < IOS; i++) {
        ev_io_init (&stage.ios[i].w, on_io, 0, EV_READ);
        stage.ios[i].w.data = &stage.ios[i];
    }
    for (int i = 0; i < TIMERS; i++) {
        ev_timer_init (&stage.timers[i].w, on_timer, 0, 0);
        stage.timers[i].w.data = &stage.timers[i];
    }
    for (int i = 0; i < ASYNCS; i++) {
        ev_async_init (&stage.asyncs[i].w, on_async);
        stage.asyncs[i].w.data = &stage.asyncs[i];
    }
    for (int i = 0; i < SIGNALS_USED; i++) {
        ev_signal_init (&stage.signals[i].w, on_signal, SIGUSR1 + i * 2);
        stage.signals[i].w.data = &stage.signals[i];
    }
    ev_init (&stage.guard, on_guard);
    deeds_open ();
    if (program->trouble)
        ev_set_syserr_cb (on_syserr);
    stage_loop_new (0);
}
