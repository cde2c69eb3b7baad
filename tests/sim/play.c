/* play.c: one program from the beginning to the end: its acts, then calm, then an idle hour, then the end; and what is said
 * when that goes wrong. */
#include "stage.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>

enum {
    CALM_RUNS = 4,
    HOUR = 3600,
    HOUR_WAKES = 64,
    HANG_SECONDS = 4
};                             /* one a minute, and those of deadlines that were met */
enum { RINGS_END = 20000000 }; /* nanoseconds after which those that nobody holds have ended */

static sigjmp_buf wrong;
static int playing;
static volatile unsigned plays; /* counts programs, for the watchdog */
static int failed_statement;
static char failed_text[256];

void fail (int statement, const char *format, ...)
{
    va_list arguments;

    failed_statement = statement;
    va_start (arguments, format);
    vsnprintf (failed_text, sizeof failed_text, format, arguments);
    va_end (arguments);
    if (!playing)
        fprintf (stderr, "sim: %s\n", failed_text), _Exit (3);
    siglongjmp (wrong, 1);
}

/* ---- what even the model cannot stop ---- */

static void on_fault (int signum)
{
    if (!playing)
        signal (signum, SIG_DFL), raise (signum);
    fail (15, "signal %d: the library touches what is not there", signum);
}

static void on_tick (int signum)
{
    static unsigned seen, times;

    (void) signum;
    times = seen == plays ? times + 1 : 0;
    seen = plays;
    if (times >= HANG_SECONDS && playing) {
        times = 0;
        fail (8, "it never ends");
    }
}

static void watch_over (void)
{
    static char stack[65536];
    stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER };
    struct sigaction tick = { .sa_handler = on_tick, .sa_flags = SA_NODEFER };
    struct itimerval every = { { 1, 0 }, { 1, 0 } };

    sigaltstack (&other, NULL);
    sigaction (SIGSEGV, &fault, NULL);
    sigaction (SIGBUS, &fault, NULL);
    sigaction (SIGFPE, &fault, NULL);
    sigaction (SIGVTALRM, &tick, NULL);
    setitimer (ITIMER_VIRTUAL, &every, NULL);
}

/* ---- the phases ---- */

static void run_loop (int which, int manner)
{
    if (stage.loop[which])
        act_perform (&(struct act){ .op = OP_run, .a = (uint8_t) which, .b = (uint8_t) manner });
}

/* No trouble, no world: whatever is owed has to come now. */
static void play_calm (void)
{
    k.calm = 1;
    stage.world_over = 1;
    for (int i = 0; i < CALM_RUNS; i++) {
        if (i == CALM_RUNS / 2)
            law_deeds_calm (0);
        for (int loop = 0; loop < LOOPS; loop++)
            run_loop (loop, 0);
    }
    law_deeds_calm (1);
}

/* What its callback does could keep a deed busy. */
static int meets_deed (const struct io *io)
{
    const struct file *f = &k.files[io->file];

    return law_deed_on (io->file) || (f->peer >= 0 && law_deed_on (f->peer));
}

static void stop_what_is_ready (void)
{
    for (int i = 0; i < stage.io_top; i++)
        if (stage.ios[i].started
            && (meets_deed (&stage.ios[i]) || act_ready (&stage.ios[i]) || !law_clean (&stage.ios[i])))
            act_stop_fd (stage.ios[i].w.fd);
    for (int i = 0; i < TIMERS; i++)
        act_perform (&(struct act){ .op = OP_timer_stop, .a = (uint8_t) i });
}

/* With nothing to do but to watch. */
static void play_idle_hour (void)
{
    nanos end;
    int wakes = 0, most;

    time_pass ((k.children_until > k.now ? k.children_until - k.now : 0) + RINGS_END);
    stop_what_is_ready ();
    run_loop (0, 0); /* what answers now had been asked before */
    stop_what_is_ready ();
    run_loop (0, 0);
    end = k.now + HOUR * SECOND;
    most = HOUR_WAKES + 4 * law_deeds_active (0); /* these may end, and begin again */
    while (k.now < end && wakes++ <= most) {
        stage.guard.data = NULL;
        act_perform (&(struct act){ .op = OP_timer, .a = 0, .b = 7 }); /* an hour and more */
        run_loop (0, 1);
    }
    if (k.now < end)
        fail (9, "%d wake-ups in %lld s of an idle hour", wakes, (long long) (HOUR - (end - k.now) / SECOND));
    act_perform (&(struct act){ .op = OP_timer_stop });
}

static void play_close (void)
{
    for (int hand = 0; hand < HANDS; hand++)
        act_close_hand (hand);
    act_perform (&(struct act){ .op = OP_disperse });
}

static void play_end (int ending)
{
    if (ending == E_DESTROY) {
        play_close ();
        for (int loop = 0; loop < LOOPS; loop++)
            stage_loop_end (loop);
        law_ended ();
        return;
    }
    if (ending == E_EXIT && !(k.profile->bits & P_SYNC_CANCEL))
        return;
    if (ending == E_EXIT)
        process_exit ();
    for (int fd = 0; fd < FDS; fd++)
        if (k.fds[fd] >= 0)
            fd_close (fd);
    memory_unmap_all ();
    law_exited (ending == E_KILL);
}

static void play_all (const struct program *program)
{
    stage_open (program);
    if (!stage.loop[0])
        return;
    for (int i = 0; i < program->count; i++) {
        stage.may_sleep = 0;
        act_schedule (i);
        if (!stage.loop[0])
            return;
    }
    play_calm ();
    if (program->idle_hour)
        play_idle_hour ();
    play_end (program->ending);
}

void play (const struct program *program, struct verdict *verdict)
{
    static int watched;

    if (!watched)
        watch_over ();
    watched = 1;
    plays++;
    kernel_open ();
    law_open ();
    k.profile = &profiles[program->profile];
    k.flavour = program->flavour;
    k.trouble = program->trouble;
    k.dice = program->count ? program->acts[0].dice : 0;
    verdict->statement = -1;
    *verdict->text = 0;
    if (sigsetjmp (wrong, 0) == 0) {
        playing = 1;
        play_all (program);
    } else {
        verdict->statement = failed_statement;
        memcpy (verdict->text, failed_text, sizeof failed_text);
    }
    playing = 0;
    verdict->hash = k.hash;
}

/* ---- the report ---- */

void play_report (const struct program *program, const struct verdict *verdict, FILE *out)
{
    program_print (program, out);
    fprintf (out, "# the last calls:\n");
    for (unsigned i = k.log_count > CALLS ? k.log_count - CALLS : 0; i < k.log_count; i++) {
        const struct call *call = &k.calls[i % CALLS];

        fprintf (out, "#   %10lld us  %s (%lld, %lld, %lld) = %lld\n",
                 (long long) (call->at - 1000 * SECOND) / 1000, call->name, (long long) call->a,
                 (long long) call->b, (long long) call->c, (long long) call->result);
    }
    fprintf (out, "# statement %d: %s\n", verdict->statement, verdict->text);
}
