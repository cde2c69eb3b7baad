/* stage.h: the other side: a program of acts on the library's public interface, and the statements it is held to.
 *
 * program.c makes programs and writes them down, act.c performs acts, law.c has the statements, play.c runs a whole program,
 * shrink.c makes a failing one short, sim.c is the command. */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include "kernel.h"

#include <ev_op.h>
#include <setjmp.h>
#include <stdio.h>

enum {
    HANDS = 8, /* descriptors the program has in hand */
    FEW = 10,  /* io watchers it plays with; the others are a crowd */
    CROWD = 48,
    IOS = FEW + CROWD,
    TIMERS = 4,
    ASYNCS = 2,
    SIGNALS_USED = 2,
    LOOPS = 2,
    ACTS_MAX = 400,
    ACTS_QUEUED = 8,
    DEEDS = 5,                               /* operations */
    DEED_ROOM = 12,                          /* bytes each moves at most */
    SUBJECTS = FEW + TIMERS + ASYNCS + DEEDS /* whose callbacks perform acts */
};

/* name, weight, who may do it, sentence. A: anybody (also the world, later); P: the program; T: only at top level. */
#define ACTS(ACT)                                                                                   \
    ACT (run, 40, T, "run loop %a, manner %b")                                                      \
    ACT (open, 12, P, "hand %a opens a thing of kind %b")                                           \
    ACT (close, 7, P, "hand %a: its watchers stop, it is closed")                                   \
    ACT (abandon, 1, P, "hand %a is closed under its watchers")                                     \
    ACT (again, 6, P, "hand %a: its watchers stop, it is closed and opened as kind %b, they start") \
    ACT (dup, 2, P, "hand %b becomes a duplicate of hand %a")                                       \
    ACT (dup_onto, 2, P, "hand %b: its watchers stop, hand %a is duplicated onto it, they start")   \
    ACT (start, 16, P, "io %a starts on hand %b: events %c")                                        \
    ACT (stop, 7, P, "io %a stops")                                                                 \
    ACT (set, 4, P, "io %a is set to events %c")                                                    \
    ACT (modify, 4, P, "io %a is modified to events %c")                                            \
    ACT (restart, 3, P, "io %a stops and starts")                                                   \
    ACT (start_bad, 1, P, "io %a starts on a number that is not open")                              \
    ACT (feed, 1, P, "io %a is fed events %c")                                                      \
    ACT (feed_fd, 1, P, "hand %b is fed events %c")                                                 \
    ACT (crowd, 1, P, "a crowd of %a, kind %b, appears")                                            \
    ACT (disperse, 1, P, "the crowd goes")                                                          \
    ACT (timer, 4, P, "timer %a starts: after %b, repeating %c")                                    \
    ACT (timer_stop, 1, P, "timer %a stops")                                                        \
    ACT (timer_again, 2, P, "timer %a again: repeating %c")                                         \
    ACT (async, 1, P, "async %a starts")                                                            \
    ACT (async_stop, 1, P, "async %a stops")                                                        \
    ACT (send, 3, A, "async %a is sent")                                                            \
    ACT (signal, 1, P, "signal watcher %a starts")                                                  \
    ACT (signal_stop, 1, P, "signal watcher %a stops")                                              \
    ACT (raise, 1, A, "signal %a is raised")                                                        \
    ACT (peer_write, 14, A, "the peer of hand %a writes %c")                                        \
    ACT (peer_read, 8, A, "the peer of hand %a reads %c")                                           \
    ACT (peer_shut, 3, A, "the peer of hand %a says that it writes no more")                        \
    ACT (peer_close, 2, A, "the peer of hand %a closes")                                            \
    ACT (write, 5, P, "hand %a writes %c")                                                          \
    ACT (fill, 4, P, "hand %a writes all it can")                                                   \
    ACT (read, 5, P, "hand %a reads %c")                                                            \
    ACT (shut, 2, P, "hand %a is shut, manner %c")                                                  \
    ACT (spend, 3, P, "time %b is spent")                                                           \
    ACT (wall, 1, A, "the wall clock jumps by %b")                                                  \
    ACT (update, 1, P, "loop %a looks at the clock")                                                \
    ACT (suspend, 1, P, "loop %a is suspended for %b")                                              \
    ACT (loop_new, 1, T, "a second loop is made")                                                   \
    ACT (loop_end, 1, T, "loop %a is destroyed")                                                    \
    ACT (loop_fork, 2, P, "loop %a is told of a fork")                                              \
    ACT (ring_dies, 1, A, "io_uring is refused from now on")                                        \
    ACT (leave, 1, P, "ev_break")                                                                   \
    ACT (take, 16, P, "deed %a takes from hand %b, manner %c")                                      \
    ACT (give, 12, P, "deed %a gives to hand %b, manner %c")                                        \
    ACT (nothing, 2, P, "deed %a is a raw entry that does nothing, manner %c")                      \
    ACT (cancel, 4, P, "deed %a is cancelled")                                                      \
    ACT (halt, 4, P, "deed %a is stopped")                                                          \
    ACT (hand_back, 4, P, "a buffer that was kept goes back")                                       \
    ACT (lend_ring, 1, P, "loop %a is given a ring for its deeds")                                  \
    ACT (move, 1, T, "all loops move to another thread, manner %a")                                 \
    ACT (child, 1, P, "a child that closes nothing is born, and lives for %b")

enum op {
#define ACT_NUMBER(name, weight, who, sentence) OP_##name,
    ACTS (ACT_NUMBER)
#undef ACT_NUMBER
        OPS
};

enum where { NOW, IN_CALLBACK, LATER };

struct act {
    uint8_t op, where;
    uint8_t whose;   /* callback of that subject; or how much later */
    uint8_t a, b, c; /* what it is about */
    uint32_t dice;   /* what the kernel does about it; 0: as expected */
};

enum ending { E_DESTROY, E_EXIT, E_KILL, ENDINGS };

struct program {
    int profile;
    unsigned backend; /* EVBACKEND_*, 0: what the library takes */
    char flavour[32];
    unsigned trouble;
    int ending, idle_hour;
    int count;
    struct act acts[ACTS_MAX];
};

/* ---- program.c ---- */

void program_make (struct program *program, uint64_t seed);
void program_print (const struct program *program, FILE *out);
int program_read (struct program *program, FILE *in); /* zero: not a program */
const char *act_name (const struct act *act);
const char *program_backend (unsigned backend);

/* ---- the cast ---- */

struct io {
    ev_io w;
    int8_t loop, habit, started; /* habit: what its callback does besides */
    int file;
    uint32_t serial;
    int fed;      /* events the program has fed */
    int error_ok; /* it may be told an error */
    int unsure;   /* the number stands for another file than it was started on */
    int untold[2];
    int ready_at_prepare, called;
    unsigned touched; /* law.touches when the program changed something about its row last */
};

struct timer {
    ev_timer w;
    int8_t loop;
    nanos low, high; /* between these it is due */
};

struct async {
    ev_async w;
    int8_t loop;
    unsigned sent, told;
    int owed;
};

struct sig {
    ev_signal w;
    int8_t loop;
    unsigned raised, told;
};

enum way { TAKES, GIVES };

struct deed { /* an operation */
    ev_op w;
    int8_t loop, started, area;
    int8_t way, kind;    /* TAKES or GIVES; K_ of its file, K_NONE: none */
    int8_t pool, whole;  /* receives into the pool; … all or nothing */
    int8_t again, keeps; /* its callback starts it again, so often; keeps buffers */
    int8_t linked;       /* behind another one, */
    int8_t after;        /* … which has to succeed before, or -1 */
    int8_t cut;          /* … has not */
    int8_t cancelled;
    int8_t disturbed; /* it may end with ECANCELED, though nobody has asked for that */
    int8_t lost;      /* … and the ring it was in could not be spoken to */
    uint8_t manner;
    int8_t spoiled; /* nobody knows any more which buffers of the pool are its own */
    int8_t could;   /* when the calm began */
    int tells, moved_before;
    int file, size, moved; /* moved: bytes that the kernel copied */
    uint32_t serial, order;
    unsigned makings;
    nanos due, due_high, late; /* NEVER: no deadline; when the loop slept first though it was to end */
    uint8_t data[2][DEED_ROOM], shadow[DEED_ROOM];
    struct sqe entry;
};

enum { BUFS = 2, BUF_SIZE = 4, ARRIVALS = 8 };

struct arrival { /* a buffer of the pool that has something in it */
    enum { A_NONE, A_HERE, A_SHOWN, A_KEPT } state;
    uint8_t *at;
    int count, file, deed; /* whose it is, by the order of its lane */
    uint32_t serial, order;
    uint8_t bytes[BUF_SIZE];
};

struct stage {
    const struct program *program;
    struct ev_loop *loop[LOOPS];
    ev_prepare prepare[LOOPS];
    ev_check check[LOOPS];
    int hand[HANDS]; /* -1, or a descriptor */
    struct io ios[IOS];
    int io_top; /* none above is used */
    struct timer timers[TIMERS];
    struct async asyncs[ASYNCS];
    struct sig signals[SIGNALS_USED];
    ev_timer guard; /* ends an ev_run that would go on */
    int crowd[CROWD];
    uint8_t renumbered[FDS]; /* in a callback of this iteration */
    struct deed deeds[DEEDS];
    uint32_t deed_order;
    int deeds_used;
    ev_pool *pool; /* of the first loop */
    struct arrival arrivals[ARRIVALS];
    const struct deed *starting;
    int moved
        [LOOPS]; /* so many runs ago the loops moved to another thread, or lost their rings: counts down */
    nanos pool_lost_until; /* a ring that was lost may write to it */
    int may_block;         /* a call that may */
    short queue[SUBJECTS][ACTS_QUEUED];
    int queued[SUBJECTS];
    int running; /* the loop that is in ev_run, or -1 */
    int may_sleep, world_over, in_callback;
    unsigned callbacks; /* of this ev_run */
    uint64_t api_calls;
};
extern struct stage stage;

/* ---- act.c ---- */

void act_perform (const struct act *act); /* now */
void act_schedule (int number);           /* wherever the program wants it */
void act_queued (int subject);            /* those for the callback that runs */
void act_stop_fd (int fd);
void act_close_hand (int hand);
int act_ready (const struct io *io); /* which of its events are ready: EV_READ | EV_WRITE */
void stage_open (const struct program *program);
void stage_loop_new (int which);
void stage_loop_end (int which);

/* ---- act_op.c ---- */

void deeds_open (void);
void deeds_stop_fd (int fd);
void deeds_loop_ends (int loop); /* before */
void deeds_loop_ended (int loop);

/* ---- law.c ---- */

void law_open (void);
int law_clean (const struct io *io);
void law_prepare (int loop);
void law_checked (int loop);
void law_run_over (int loop, int answer);
void law_touch (int loop, int fd);
void law_io (struct io *io, int revents);
void law_timer (struct timer *timer);
void law_stopped (int file); /* a watcher of it has stopped */
void law_closed (int file, uint32_t serial);
void law_given_back (int file); /* nothing of the library's is about it any more */
void law_forked (int loop);
void law_changed (void); /* the program has asked for something */
void law_ended (void);   /* all loops are gone */
void law_exited (int killed);
void law_event (int loop); /* somebody is called */

/* ---- law_op.c ---- */

void law_deed_starts (struct deed *deed);
void law_deed_told (struct deed *deed, int revents);
void law_deed_stopped (struct deed *deed, int was_active);
int law_deeds_still (nanos until); /* is known to block */
void law_deeds_sleep (nanos until);
void law_deeds_calm (int over);
int law_deeds_active (int loop);
int law_deeds_calls (int loop);
enum {
    START_CALLS = 2,
    WHOLE_CALLS = 6
};                            /* API calls that starting one counts as; system calls of one done whole */
int law_deed_on (int file);   /* somebody's request may hold the file */
void law_buffers_seen (void); /* its callback is over */
void law_buffer_given (const void *buf);
void law_deeds_disturbed (int lost);

/* ---- play.c ---- */

struct verdict {
    int statement; /* -1: all is well */
    char text[256];
    uint64_t hash; /* of all calls */
};

void play (const struct program *program, struct verdict *verdict);
void play_report (const struct program *program, const struct verdict *verdict, FILE *out);

/* ---- shrink.c ---- */

void shrink (struct program *program, int statement);

#endif
