/* run.c: ev_run, as a list of phases, and what steers it: break, references, suspend.
 * The numbers of the steps are those of ev(7). */
#include "../ops/ops.h"
#include "loop_private.h"

#include <errno.h>

/* The longest sleep: without a descriptor that tells of clock changes the loop looks itself, once a minute.
 * Seconds, as programs have always seen them in a trace (RN-4). */
#define RUN_SLEEP_MAX 59.743
#define RUN_SLEEP_MAX_TOLD 1500001.07

enum {
    RUN_RETRIES = 4, /* waits per iteration, when the backend has to be made anew in between */
    RUN_OP_ROUNDS =
        8 /* callbacks of operations that start others that are done at once; then all have a turn */
};

static void run_update_time (struct ev_loop *loop)
{
    if (EVI_UNLIKELY (evi_clock_update (&loop->clock)))
        evi_periodic_reschedule (loop);
}

static int run_feed (struct ev_loop *loop, const struct evi_list *list, int revents)
{
    if (!list->count)
        return 0;
    evi_list_feed (loop, list, revents);
    evi_pending_invoke (loop);
    return 1;
}

/* FORKCHECK keeps its own account: after a fork in a prepare callback kernel state is made anew in that iteration, if
 * ev_loop_fork was called, and the fork watchers have their turn in the next. */
EVI_APART static void run_check_fork (struct ev_loop *loop)
{
    if (loop->origflags & EVFLAG_FORKCHECK && loop->checked != evi_sys_process ()) {
        loop->checked = evi_sys_process ();
        loop->forked |= EVI_FORKED;
    }
    if (loop->forked & EVI_FORKED)
        run_feed (loop, &loop->fork, EV_FORK);
}

static void run_forked (struct ev_loop *loop)
{
    if (EVI_UNLIKELY (loop->origflags & EVFLAG_FORKCHECK || loop->forked))
        run_check_fork (loop);
}

static void run_tell (struct ev_loop *loop)
{
    if (EVI_UNLIKELY (loop->forked))
        evi_loop_reborn (loop);
    if (loop->ops)
        evi_ops_reify (loop);
    evi_fd_reify (loop);
}

/* How long until the nearest timer or periodic. */
static ev_tstamp run_nearest (const struct ev_loop *loop, ev_tstamp left)
{
    if (loop->timers.count) {
        ev_tstamp to = loop->timers.nodes[EVI_HEAP_TOP].at - loop->clock.mono;

        left = to < left ? to : left;
    }
    if (loop->periodics.count) {
        ev_tstamp to = loop->periodics.nodes[EVI_HEAP_TOP].at - loop->clock.wall;

        left = to < left ? to : left;
    }
    return left;
}

/* How long the loop may sleep, within what the collect interval allows. */
static ev_tstamp run_time_left (const struct ev_loop *loop)
{
    ev_tstamp left = loop->jump.fd >= 0 ? RUN_SLEEP_MAX_TOLD : RUN_SLEEP_MAX;

    if (EVI_LIKELY (!loop->exact))
        return left;
    left = run_nearest (loop, left);
    if (left < loop->timeout_interval)
        left = loop->timeout_interval < RUN_SLEEP_MAX_TOLD ? loop->timeout_interval : RUN_SLEEP_MAX_TOLD;
    if (left < loop->backend->grain)
        left = left <= 0 ? 0 : loop->backend->grain;
    return left;
}

/* Lets events gather: polls are at least io_interval apart, but no timer is made later (HK-2). */
EVI_APART static ev_tstamp run_collect (struct ev_loop *loop, ev_tstamp left, ev_tstamp polled_at)
{
    ev_tstamp pause = loop->io_interval - (loop->clock.mono - polled_at);

    if (pause > left - loop->backend->grain)
        pause = left - loop->backend->grain;
    if (pause <= 0)
        return left;
    ev_sleep (pause);
    run_update_time (loop); /* limits may be points in time, counted from here */
    return left - pause;
}

/* Does the length of a sleep depend on how long the callbacks took? If not, the loop looks at the clock once,
 * afterwards. */
static int run_counts_time (const struct ev_loop *loop)
{
    return (loop->timers.count | loop->periodics.count | (unsigned) loop->collects) != 0;
}

/* Nonzero: something is to be told, or to be done, without sleeping. */
static int run_is_restless (const struct ev_loop *loop, int flags, int knocked)
{
    return (flags & EVRUN_NOWAIT) | (int) loop->idle_count | !loop->activecnt | knocked
           | loop->fds.told_broken | loop->op_told | loop->op_started;
}

static ev_tstamp run_limit (struct ev_loop *loop, int flags, int knocked, ev_tstamp polled_at)
{
    ev_tstamp left;

    if (run_is_restless (loop, flags, knocked))
        return 0;
    left = run_time_left (loop);
    return EVI_UNLIKELY (loop->collects) ? run_collect (loop, left, polled_at) : left;
}

/* Sleeps, with the program's hooks around the system call (HK-4). */
EVI_INLINE_HOT int run_backend_wait (struct ev_loop *loop, ev_tstamp limit)
{
    int err;

    EVI_ASSERT (!loop->waiting && limit >= 0);
    loop->deadline = loop->clock.mono + limit; /* behind the hook another thread may look at the clock */
    loop->waiting = 1;
    if (loop->release)
        loop->release (EV_A);
    loop->stats.waits++;
    err = loop->backend->wait (loop, limit);
    if (loop->acquire)
        loop->acquire (EV_A);
    loop->waiting = 0;
    return err;
}

/* The program has closed the backend's descriptor, or may have fewer of them now than poll is to watch. */
EVI_COLD static void run_without (struct ev_loop *loop, int err)
{
    if (evi_syserr_watched ())
        evi_syserr (loop->backend->call, -err);
    loop->stats.fallback_error = -err;
    if (loop->backend->reopen)
        evi_loop_rebuild (loop);
    else
        evi_loop_fall (loop);
}

/* What a failing wait means. Nonzero: the kernel knows nothing yet, tell and wait again. */
EVI_COLD static int run_recover (struct ev_loop *loop, int err)
{
    switch (err) {
    case -EINTR: /* a signal: the handler, if it is ours, has knocked */
        return 0;
    case EVI_REBUILD:
        evi_loop_rebuild (loop);
        break;
    case EVI_FALL:
        evi_loop_fall (loop);
        break;
    case -ENOMEM: /* too many descriptors for the kernel: give one up, unless the program wants to know (IO-15) */
        if (evi_syserr_watched ())
            evi_syserr (loop->backend->call, -err);
        else
            evi_fd_break_highest (loop);
        return 0;
    case EVI_CHECK: /* one of many descriptors is invalid, and the call does not say which */
        evi_fd_check_all (loop);
        return 0;
    case -EBADF:
    case -EINVAL:
        run_without (loop, err);
        break;
    default:
        evi_syserr (loop->backend->call, -err);
        return 0;
    }
    evi_fd_reify (loop);
    return 1;
}

/* What is left of the sleep. Operations may have to go on elsewhere, and descriptors be refused by the new backend: that is
 * seen to at once. */
static ev_tstamp run_rest (struct ev_loop *loop, ev_tstamp limit)
{
    ev_tstamp deadline = loop->deadline;

    if (limit <= 0 || loop->op_told || loop->op_started || loop->fds.told_broken)
        return 0;
    run_update_time (loop);
    return deadline > loop->clock.mono ? deadline - loop->clock.mono : 0;
}

EVI_COLD static void run_wait_again (struct ev_loop *loop, ev_tstamp limit, int err)
{
    for (int tries = 1; err < 0 && run_recover (loop, err) && tries < RUN_RETRIES; tries++)
        err = run_backend_wait (loop, run_rest (loop, limit));
}

/* The one place that sleeps. */
static void run_wait (struct ev_loop *loop, ev_tstamp limit)
{
    int err = run_backend_wait (loop, limit);

    if (EVI_UNLIKELY (err < 0))
        run_wait_again (loop, limit, err);
    EVI_ASSERT (!loop->waiting);
    loop->backend->reap (loop);
}

static void run_poll (struct ev_loop *loop, int flags)
{
    ev_tstamp polled_at = loop->clock.mono, limit;
    int knocked;

    loop->exact = run_counts_time (loop);
    if (loop->exact)
        run_update_time (loop);
    knocked = evi_wake_sleep (loop);
    limit = run_limit (loop, flags, knocked, polled_at);
    loop->fds.told_broken = 0;
    loop->iteration++;
    loop->stats.iterations++;
    run_wait (loop, limit);
    evi_wake_slept (loop);
}

static void run_invoke (struct ev_loop *loop)
{
    EVI_ASSERT (!loop->waiting); /* no callback comes inside a sleep, or a reap */
    evi_pending_invoke (loop);
    loop->op_told = 0;
    if (EVI_LIKELY (!loop->pending.busy)) /* the program's hook may have left some */
        loop->op_tellings++;
}

/* What the callbacks have started and can be done without sleeping is done, and told, now: another poll in between
 * would find nothing. On a ring nothing is: it rides in the next call. */
static void run_ops (struct ev_loop *loop)
{
    for (int round = 0; loop->op_started && !loop->breaking && round < RUN_OP_ROUNDS; round++)
        if (!evi_ops_reify (loop))
            return;
        else
            run_invoke (loop);
}

static void run_timers (struct ev_loop *loop)
{
    if (evi_heap_due (&loop->timers, loop->clock.mono))
        evi_timer_due (loop);
}

static void run_periodics (struct ev_loop *loop)
{
    if (evi_heap_due (&loop->periodics, loop->clock.wall))
        evi_periodic_due (loop);
}

/* Step 11 is ev_run's: again, unless break, once, or nothing left. */
EVI_INLINE_HOT void run_once (struct ev_loop *loop, int flags)
{
#if EV_VERIFY >= 2
    ev_verify (EV_A);
#endif
    run_forked (loop);                           /*  1  EV_FORK, if this is a child          */
    run_feed (loop, &loop->prepare, EV_PREPARE); /*  2  EV_PREPARE; an ev_break there        */
    if (EVI_UNLIKELY (loop->breaking))           /*     skips all that follows               */
        return;
    run_tell (loop);                              /*  3  the kernel learns which rows changed */
    run_poll (loop, flags);                       /*  4  sleep, and collect what is ready     */
    run_update_time (loop);                       /*  5  it is later now                      */
    run_timers (loop);                            /*  6  expired timers                       */
    run_periodics (loop);                         /*  7  … and periodics                      */
    evi_idle_due (loop);                          /*  8  idle, if nothing above it is pending */
    evi_list_feed (loop, &loop->check, EV_CHECK); /*  9  EV_CHECK                             */
    run_invoke (loop);                            /* 10  user code runs here                  */
    run_ops (loop);                               /*     … and what it has started            */
}

int ev_run (EV_P_ int flags)
{
    EVI_DOOR;

    if (EVI_UNLIKELY (loop->waiting))
        evi_misuse ("ev_run", "not allowed from a release or acquire hook of the same loop");
    loop->depth++;
    loop->breaking = EVBREAK_CANCEL;
    evi_pending_invoke (loop); /* what was fed from outside comes first, and shortens no sleep (RN-2) */
    do
        run_once (loop, flags);
    while (EVI_LIKELY ((loop->activecnt || evi_mailbox_holds (loop)) && !loop->breaking
                       && !(flags & (EVRUN_ONCE | EVRUN_NOWAIT))));
    if (loop->breaking == EVBREAK_ONE)
        loop->breaking = EVBREAK_CANCEL;
    loop->depth--;
    return loop->activecnt;
}

void ev_break (EV_P_ int how) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->breaking = how;
}

void ev_ref (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_ref (loop);
}

void ev_unref (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    evi_unref (loop);
}

void ev_now_update (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    run_update_time (loop);
}

void ev_suspend (EV_P) EV_NOEXCEPT
{
    ev_now_update (EV_A);
}

/* Timers did not run meanwhile, the wall clock did (TM-6). */
void ev_resume (EV_P) EV_NOEXCEPT
{
    ev_tstamp before;
    EVI_DOOR;

    before = loop->clock.mono;
    run_update_time (loop);
    evi_timer_shift (loop, loop->clock.mono - before);
    evi_ops_shift (loop, loop->clock.mono - before);
    evi_periodic_reschedule (loop);
}
