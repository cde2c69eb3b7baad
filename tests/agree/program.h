/* program.h: a random program of API calls, as data. Owns the list of operations and who performs them (the
 * top level, a watcher's callback, or the world at a given time) and their generation from a seed or from
 * bytes. Promises that every subset of a program is a program: an operation that makes no sense at the moment
 * it is reached is skipped, and whether it makes sense depends on nothing a library may do its own way. */
#ifndef AGREE_PROGRAM_H
#define AGREE_PROGRAM_H

#include "lib.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- the cast ---- */

enum { LOOPS = 2, SLOTS = 48, FDS = 7, FD_PIPE = 4, FD_FILE = 5, FD_ONCE = 6, SIGNALS = 3, FILES = 2 };

enum kind slot_kind (int slot);
int slot_loop (int slot);
int slot_number (int slot); /* within its kind and loop */
const char *slot_name (int slot);

/* ---- what a program is about ---- */

/* clang-format off */
#define PROGRAM_FEATURES(F) \
    F (GUARD) /* loops have a prepare and a check watcher of ours, so that ev_run (0) can be ended */ \
    F (DEFAULT) /* loop 0 is the default loop */ \
    F (LOOP1) /* there is a second loop … */ \
    F (EMBED) /* … for an embed watcher */ \
    F (PERIODIC) \
    F (SIGNAL) \
    F (CHILD) \
    F (STAT) \
    F (IDLE) \
    F (PHASES) \
    F (FORK) \
    F (CLEANUP) \
    F (ASYNC) \
    F (ONCE) \
    F (SIGNALFD) \
    F (FORKCHECK) \
    F (NOTIMERFD) \
    F (NOINOTIFY) \
    F (REMOTE) /* files are on a file system that inotify does not see */ \
    F (HIGHFD) /* descriptors above 1024 */ \
    F (FILEFD) /* one descriptor is a file, always ready */ \
    F (COLLECT) \
    F (HOOKS) \
    F (JUMP) /* somebody sets the clock */ \
    F (RECURSE) \
    F (REALFORK) \
    F (REBORN) \
    F (STEAL) /* readiness may vanish before the loop has reported it; not compared on io_uring */ \
    F (WORLD) /* things happen by themselves, while the loop sleeps */
/* clang-format on */

#define FEATURE_INDEX(name) FI_##name,
enum { PROGRAM_FEATURES (FEATURE_INDEX) FEATURES };
#define FEATURE_BIT(name) F_##name = 1 << FI_##name,
enum feature { F_NONE = 0, PROGRAM_FEATURES (FEATURE_BIT) };

/* ---- operations: name, subject, who may do it, feature it belongs to, how often ---- */

enum subject { ON_NOTHING = -3, ON_WATCHER = -2, ON_LOOP = -1 /* or a kind */ };
enum place { TOP = 1, CALLBACK = 2, WORLD = 4, BOTH = TOP | CALLBACK, ALL = 7 };

#define PROGRAM_OPS(O)                                   \
    O (START, ON_WATCHER, BOTH, NONE, 14)                \
    O (STOP, ON_WATCHER, BOTH, NONE, 10)                 \
    O (SET, ON_WATCHER, BOTH, NONE, 6)                   \
    O (PRIORITY, ON_WATCHER, BOTH, NONE, 3)              \
    O (WILD_PRIORITY, ON_WATCHER, BOTH, NONE, 1)         \
    O (OTHER_CB, ON_WATCHER, BOTH, NONE, 1)              \
    O (FEED, ON_WATCHER, BOTH, NONE, 5)                  \
    O (CLEAR, ON_WATCHER, BOTH, NONE, 4)                 \
    O (INVOKE, ON_WATCHER, BOTH, NONE, 2)                \
    O (MODIFY, KIND_io, BOTH, NONE, 2)                   \
    O (AGAIN, KIND_timer, BOTH, NONE, 5)                 \
    O (REPEAT, KIND_timer, BOTH, NONE, 2)                \
    O (REMAINING, KIND_timer, BOTH, NONE, 2)             \
    O (PERIODIC_AGAIN, KIND_periodic, BOTH, PERIODIC, 3) \
    O (BREAK, ON_LOOP, BOTH, NONE, 2)                    \
    O (RUN, ON_LOOP, BOTH, RECURSE, 2)                   \
    O (REF, ON_LOOP, BOTH, NONE, 1)                      \
    O (UNREF, ON_LOOP, BOTH, NONE, 1)                    \
    O (NOW_UPDATE, ON_LOOP, BOTH, NONE, 2)               \
    O (SUSPEND, ON_LOOP, BOTH, NONE, 1)                  \
    O (FEED_FD, ON_LOOP, BOTH, NONE, 3)                  \
    O (FEED_SIGNAL, ON_NOTHING, ALL, SIGNAL, 2)          \
    O (FEED_SIGNAL_EVENT, ON_LOOP, BOTH, SIGNAL, 2)      \
    O (RAISE, ON_NOTHING, ALL, SIGNAL, 5)                \
    O (SEND, KIND_async, ALL, ASYNC, 6)                  \
    O (LOOP_FORK, ON_LOOP, BOTH, FORK, 2)                \
    O (REAL_FORK, ON_NOTHING, BOTH, REALFORK, 2)         \
    O (INVOKE_PENDING, ON_LOOP, BOTH, NONE, 2)           \
    O (VERIFY, ON_LOOP, BOTH, NONE, 1)                   \
    O (ONCE, ON_LOOP, BOTH, ONCE, 4)                     \
    O (SWEEP, KIND_embed, BOTH, EMBED, 5)                \
    O (IO_COLLECT, ON_LOOP, BOTH, COLLECT, 2)            \
    O (TIMEOUT_COLLECT, ON_LOOP, BOTH, COLLECT, 2)       \
    O (RELEASE_CB, ON_LOOP, BOTH, HOOKS, 2)              \
    O (INVOKE_CB, ON_LOOP, BOTH, HOOKS, 2)               \
    O (USERDATA, ON_LOOP, BOTH, NONE, 1)                 \
    O (PUT, ON_NOTHING, ALL, NONE, 6)                    \
    O (GET, ON_NOTHING, BOTH, NONE, 5)                   \
    O (FILL, ON_NOTHING, BOTH, NONE, 2)                  \
    O (PEER_GET, ON_NOTHING, ALL, NONE, 2)               \
    O (PEER_SHUT, ON_NOTHING, ALL, NONE, 1)              \
    O (PEER_CLOSE, ON_NOTHING, ALL, NONE, 1)             \
    O (REPLACE, ON_NOTHING, BOTH, NONE, 2)               \
    O (BURN, ON_NOTHING, BOTH, NONE, 3)                  \
    O (SLEEP, ON_NOTHING, BOTH, NONE, 1)                 \
    O (CHILD, ON_NOTHING, ALL, CHILD, 6)                 \
    O (FILE_OP, ON_NOTHING, ALL, STAT, 8)                \
    O (STAT_STAT, KIND_stat, BOTH, STAT, 2)              \
    O (JUMP, ON_NOTHING, ALL, JUMP, 2)                   \
    O (REBORN, ON_LOOP, TOP, REBORN, 2)

#define OP_NUMBER(name, subject, places, feature, weight) OP_##name,
enum what { PROGRAM_OPS (OP_NUMBER) OPS };

enum { OWNER_TOP = -1, OWNER_WORLD = -2, PROGRAM_OPS_MAX = 256, CONDITION_STEPS = 40 };

struct op {
    short what;
    short owner;   /* the slot whose callback does it, or OWNER_* */
    short when;    /* callback: at the when-th call, 0 always; world: at this step of time */
    short subject; /* a slot or a loop */
    int x, y, z;
};

struct program {
    uint64_t seed;
    unsigned features;
    int count;
    struct op ops[PROGRAM_OPS_MAX];
};

void program_from_seed (struct program *program, uint64_t seed);
void program_from_bytes (struct program *program, const uint8_t *bytes, size_t size);
void program_print (const struct program *program, FILE *out);
int op_subject (const struct op *op); /* enum subject, or a kind */
void op_print (const struct op *op, char *text, size_t size);

#endif
