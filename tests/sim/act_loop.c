/* act_loop.c: acts on loops. */
#include "act.h"

/* ---- loops ---- */

static void on_prepare (struct ev_loop *loop, ev_prepare *w, int revents)
{
    (void) loop, (void) revents;
    law_prepare ((int) (w - stage.prepare));
}

static void on_check (struct ev_loop *loop, ev_check *w, int revents)
{
    (void) loop, (void) revents;
    law_checked ((int) (w - stage.check));
}

void stage_loop_new (int which)
{
    struct ev_loop *loop = ev_loop_new (stage.program->backend);

    stage.api_calls++;
    stage.loop[which] = loop;
    if (!loop)
        return;
    ev_prepare_init (&stage.prepare[which], on_prepare);
    ev_prepare_start (loop, &stage.prepare[which]);
    ev_unref (loop);
    ev_check_init (&stage.check[which], on_check);
    ev_set_priority (&stage.check[which], EV_MAXPRI);
    ev_check_start (loop, &stage.check[which]);
    ev_unref (loop);
}

/* Its watchers stop first. */
void stage_loop_end (int which)
{
    struct ev_loop *loop = stage.loop[which];

    if (!loop)
        return;
    for (int i = 0; i < stage.io_top; i++)
        if (io_active (&stage.ios[i]) && stage.ios[i].loop == which) {
            ev_io_stop (loop, &stage.ios[i].w);
            stage.ios[i].started = 0;
        }
    for (int i = 0; i < TIMERS; i++)
        if (stage.timers[i].loop == which)
            ev_timer_stop (loop, &stage.timers[i].w);
    for (int i = 0; i < ASYNCS; i++)
        if (stage.asyncs[i].loop == which)
            ev_async_stop (loop, &stage.asyncs[i].w);
    for (int i = 0; i < SIGNALS_USED; i++)
        if (stage.signals[i].loop == which)
            ev_signal_stop (loop, &stage.signals[i].w);
    ev_ref (loop);
    ev_prepare_stop (loop, &stage.prepare[which]);
    ev_ref (loop);
    ev_check_stop (loop, &stage.check[which]);
    stage.loop[which] = NULL;
    deeds_loop_ends (which);
    ev_loop_destroy (loop);
    deeds_loop_ended (which);
}

void act_loop_new (const struct act *act)
{
    (void) act;
    if (!stage.loop[1] && stage.running < 0)
        stage_loop_new (1);
}

void act_loop_end (const struct act *act)
{
    int which = act->a % LOOPS;

    if (stage.running >= 0)
        return;
    stage_loop_end (which);
    if (!stage.loop[0])
        stage_loop_new (0);
}

/* Everything is told again. */
static void loop_is_new (int which)
{
    law_forked (which);
    for (int i = 0; i < stage.io_top; i++)
        if (stage.ios[i].started && stage.ios[i].loop == which)
            law_touch (which, stage.ios[i].w.fd);
}

void act_loop_fork (const struct act *act)
{
    int which = loop_choose (act->a);

    ev_loop_fork (loop_of (which));
    loop_is_new (which);
    law_deeds_disturbed (0);
}

/* The new one makes the rings anew. What lies in the old ones cannot be taken back by it. */
void act_move (const struct act *act)
{
    if (stage.running >= 0 || k.thread + 1 >= THREADS)
        return;
    if (act->a % 2)
        k.threads_gone |= (uint64_t) 1 << k.thread;
    k.thread++;
    for (int file = 0; file < k.file_top; file++)
        k.files[file].stuck |= k.files[file].pins != 0;
    for (int which = 0; which < LOOPS; which++)
        if (loop_of (which))
            loop_is_new (which);
    law_deeds_disturbed (1);
    for (int which = 0; which < LOOPS; which++)
        stage.moved[which] = 1;
}

/* One that was made without the handlers that a fork runs, say. */
void act_child (const struct act *act)
{
    ring_keep (k.now + (nanos) (act_delay (act->b % 6) * 1e9) + MILLI);
}

void act_run (const struct act *act)
{
    int which = loop_choose (act->a), manner = act->b % 4, answer;
    struct ev_loop *loop = loop_of (which);

    if (stage.running >= 0)
        return;
    stage.running = which;
    stage.callbacks = 0;
    stage.may_sleep = manner != 0;
    if (manner == 3) {
        ev_now_update (loop);
        ev_timer_set (&stage.guard, act_delay (act->c), 0);
        ev_timer_start (loop, &stage.guard);
    }
    answer = ev_run (loop, manner == 3 ? 0 : manner ? EVRUN_ONCE : EVRUN_NOWAIT);
    law_run_over (which, answer);
    stage.moved[which] -= stage.moved[which] > 0;
    if (manner == 3)
        ev_timer_stop (loop, &stage.guard);
    stage.running = -1;
}

void act_update (const struct act *act)
{
    ev_now_update (loop_of (loop_choose (act->a)));
}

void act_suspend (const struct act *act)
{
    int which = loop_choose (act->a);
    nanos length = (nanos) (act_delay (act->b) * 1e9);

    ev_suspend (loop_of (which));
    time_pass (length);
    ev_resume (loop_of (which));
    for (int i = 0; i < TIMERS; i++)
        if (stage.timers[i].loop == which && ev_is_active (&stage.timers[i].w))
            stage.timers[i].high += length + 1000;
    for (int i = 0; i < DEEDS; i++)
        if (stage.deeds[i].loop == which && stage.deeds[i].due != NEVER)
            stage.deeds[i].due_high += length + 1000;
}

void act_leave (const struct act *act)
{
    (void) act;
    if (stage.running >= 0 && stage.in_callback) {
        law_excuse (0); /* when it is not in the queue's turn, this iteration does not poll */
        ev_break (loop_of (stage.running), EVBREAK_ONE);
    }
}
