/* stage.h: where a program is performed. Owns the loops, watchers and descriptors of the one performance that
 * goes on in this process, and its trace. play.c raises the curtain and answers callbacks, acts.c does the
 * operations. The trace holds what the program could see, one line per event, nothing a library may choose. */
#ifndef AGREE_STAGE_H
#define AGREE_STAGE_H

#include "program.h"

enum {
    TRACE_SIZE = 1 << 18,
    FRAMES_MAX = 64,
    STAGE_BUDGET = 500,
    DEPTH_MAX = 4,
    RUN_POLLS = 12,
    POLLS_MAX = 250
};

struct trace {
    unsigned length;
    int done; /* the performance came to its end */
    char text[TRACE_SIZE];
};

struct slot {
    union ev_any_watcher w;
    int calls;        /* of the callback */
    int reschedules;  /* of a periodic's reschedule callback */
    int span, jitter; /* of that callback: steps, microseconds */
    int tie;          /* expires together with others of the same nonzero number */
};

struct stage {
    const struct program *program;
    const struct lib *lib;
    unsigned backend;
    int verify;   /* ev_verify after each operation */
    int is_child; /* of a process that waits for it, and has all its descriptors */
    struct trace *trace;

    struct ev_loop *loops[LOOPS];
    struct slot slots[SLOTS];
    int pid; /* who began */
    struct {
        ev_prepare prepare;
        ev_check check;
        int limit;              /* iteration at which ev_run (0) is to be ended */
        int refs;               /* ours: ev_ref minus ev_unref */
        int async_known;        /* the loop has had an async watcher */
        unsigned ambiguous;     /* order was open in this iteration, counted from 1 */
        unsigned reborn;        /* made anew after a fork in this iteration, counted from 1 */
        int released, acquired; /* iteration in which the hooks were last called */
    } of[LOOPS];
    int fd_base;
    int peer_open[FDS];
    int once_count, once_watching; /* all, and those that wait for FD_ONCE */
    int budget;                    /* operations left */
    int polls;
    int ending;               /* ev_loop_destroy is at work */
    int direct;               /* the next callback was asked for by ev_invoke */
    int invoked;              /* ev_invoke is at work */
    short frames[FRAMES_MAX]; /* slots whose callbacks are running */
    int frame_count;
    int world_at; /* first operation of the world not yet done, by position */
    char directory[64];
};

extern struct stage stage;

/* The library that performs and the loop a slot belongs to. */
#define LIB (stage.lib)
#define W(slot) ((ev_watcher *) &stage.slots[slot].w)

void note (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
long coarse (double seconds); /* times as they appear in the trace: eighths of a step */
const char *stage_pending (int loop);

struct ev_loop *stage_loop (int slot);
int stage_run (int loop, int flags);
void stage_open_loop (int loop);
void stage_close_loop (int loop);
void stage_fd_open (int fd);
int stage_fd (int fd);   /* our end */
int stage_peer (int fd); /* the other */
void stage_watch_defaults (int slot);
int signal_number (int index);
void act (const struct op *op);
void act_set (int slot, int x, int y, int z);
void on_event (struct ev_loop *loop, ev_watcher *w, int revents);
void on_other_event (struct ev_loop *loop, ev_watcher *w, int revents);

/* Performs the program once, in this process: leaves nothing behind but the trace. */
void play (const struct program *program, const struct lib *lib, unsigned backend, struct trace *trace,
           int verify);

#endif
