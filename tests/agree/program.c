/* program.c: see program.h. Generation asks a source for choices: a seeded generator or somebody's bytes. */
#include "program.h"

#include <string.h>

/* ---- the cast ---- */

static const struct {
    enum kind kind;
    int loop, count;
} cast[] = {
    { KIND_io, 0, 5 },      { KIND_timer, 0, 5 },   { KIND_periodic, 0, 3 }, { KIND_signal, 0, 3 },
    { KIND_child, 0, 2 },   { KIND_stat, 0, 2 },    { KIND_idle, 0, 3 },     { KIND_prepare, 0, 3 },
    { KIND_check, 0, 3 },   { KIND_embed, 0, 1 },   { KIND_fork, 0, 2 },     { KIND_cleanup, 0, 2 },
    { KIND_async, 0, 3 },   { KIND_io, 1, 2 },      { KIND_timer, 1, 2 },    { KIND_signal, 1, 1 },
    { KIND_idle, 1, 1 },    { KIND_prepare, 1, 1 }, { KIND_check, 1, 1 },    { KIND_fork, 1, 1 },
    { KIND_cleanup, 1, 1 }, { KIND_async, 1, 1 },
};
enum { CAST = sizeof cast / sizeof *cast };

/* Which row of the cast, and which of its members. */
static int cast_of (int slot, int *number)
{
    int row = 0;

    while (slot >= cast[row].count)
        slot -= cast[row++].count;
    *number = slot;
    return row;
}

enum kind slot_kind (int slot)
{
    int number;

    return cast[cast_of (slot, &number)].kind;
}

int slot_loop (int slot)
{
    int number;

    return cast[cast_of (slot, &number)].loop;
}

int slot_number (int slot)
{
    int number;

    cast_of (slot, &number);
    return number;
}

const char *slot_name (int slot)
{
    static char names[SLOTS][24];

    if (!names[slot][0])
        snprintf (names[slot], sizeof *names, "%s%d%s", lib_kind_names[slot_kind (slot)], slot_number (slot),
                  slot_loop (slot) ? "'" : "");
    return names[slot];
}

/* ---- tables ---- */

#define FEATURE_NAME(name) #name,
static const char *const feature_names[] = { PROGRAM_FEATURES (FEATURE_NAME) };

#define OP_PLAN(name, subject, places, feature, weight) { #name, subject, places, F_##feature, weight },
static const struct {
    const char *name;
    int subject, places;
    unsigned feature;
    int weight;
} plans[OPS] = { PROGRAM_OPS (OP_PLAN) };

/* Kinds that are there only with a feature. */
static const unsigned kind_feature[KINDS] = {
    [KIND_periodic] = F_PERIODIC, [KIND_signal] = F_SIGNAL,   [KIND_child] = F_CHILD,  [KIND_stat] = F_STAT,
    [KIND_idle] = F_IDLE,         [KIND_prepare] = F_PHASES,  [KIND_check] = F_PHASES, [KIND_embed] = F_EMBED,
    [KIND_fork] = F_FORK,         [KIND_cleanup] = F_CLEANUP, [KIND_async] = F_ASYNC,
};

/* ---- choices ---- */

struct source {
    uint64_t state;
    const uint8_t *bytes; /* NULL: from the state */
    size_t left;
};

static uint64_t source_next (struct source *source)
{
    uint64_t z = (source->state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int draw (struct source *source, int choices)
{
    if (!source->bytes)
        return (int) (source_next (source) % (unsigned) choices);
    if (!source->left)
        return 0;
    source->left--;
    return *source->bytes++ % choices;
}

static int pick (struct source *source, const int *values, int count)
{
    return values[draw (source, count)];
}
#define PICK(source, ...) \
    pick (source, (const int[]){ __VA_ARGS__ }, (int) (sizeof (int[]){ __VA_ARGS__ } / sizeof (int)))

/* ---- features ---- */

static unsigned features_sane (unsigned features)
{
    if (features & F_EMBED) /* an outer loop does not see the inner one made anew */
        features = (features | F_LOOP1) & ~(unsigned) F_REALFORK;
    if (features & F_JUMP) { /* with a timerfd libev notices at once, and half a second later once more */
        features |= F_PERIODIC | F_NOTIMERFD;
        features &=
            ~(unsigned) F_COLLECT; /* evring looks at the clock again after the pause: notices sooner */
    }
    /* a fork makes a new timerfd, and libev look at the clock more often */
    if (features & (F_FORK | F_REALFORK))
        features |= F_NOTIMERFD;
    if (features & F_CHILD)
        features |= F_DEFAULT;
    if (!(features & F_STAT))
        features &= ~(unsigned) (F_REMOTE | F_NOINOTIFY);
    if (features & F_SIGNALFD) /* its descriptor and the wake-up's come in no particular order */
        features &= ~(unsigned) (F_STAT | (features & F_CHILD ? F_ASYNC : 0));
    return features;
}

/* Each program is about a few things, so that they meet often. */
static unsigned features_draw (struct source *source)
{
    unsigned features = 0;

    for (int i = 0; i < FEATURES; i++)
        features |= (unsigned) (draw (source, 4) == 1) << i;
    if (draw (source, 5))
        features |= F_GUARD;
    if (draw (source, 2))
        features |= F_WORLD;
    if (draw (source, 2))
        features &= ~(unsigned) (F_SIGNALFD | F_REBORN | F_REALFORK | F_REMOTE);
    return features_sane (features);
}

static int kind_there (unsigned features, int slot)
{
    unsigned needed = kind_feature[slot_kind (slot)];

    return (!needed || (features & needed)) && (!slot_loop (slot) || (features & F_LOOP1));
}

/* ---- priorities: kept apart where the order of sources is nobody's promise ---- */

static int priority_fits (unsigned features, int slot, int priority)
{
    enum kind kind = slot_kind (slot);

    switch (kind) {
    case KIND_io: /* 0 belongs to ev_once, 2 to the loop's own descriptors */
        return priority && priority != 2 && !(priority == -1 && (features & F_EMBED));
    case KIND_embed:
        return priority == -1;
    case KIND_stat:
        return priority != 2;
    case KIND_signal:
    case KIND_async:
        return priority != 2 || !(features & (F_STAT | F_SIGNALFD));
    default:
        return 1;
    }
}

static int priority_draw (struct source *source, unsigned features, int slot)
{
    int priority = draw (source, 5) - 2;

    for (int i = 0; i < 5; i++) {
        if (priority_fits (features, slot, priority))
            return priority;
        priority = priority == 2 ? -2 : priority + 1;
    }
    return 0;
}

/* ---- one operation ---- */

/* Parameters of ev_KIND_set; what they mean is known to acts.c. */
static void draw_set (struct source *source, const struct program *program, struct op *op)
{
    switch (slot_kind (op->subject)) {
    case KIND_io:
        op->x = draw (source, 6);
        op->y = PICK (source, 1, 1, 2, 3, 1, 0);
        break;
    case KIND_timer:
        op->x = PICK (source, 0, 1, 1, 2, 3, 5, 8, -2);
        op->y = PICK (source, 0, 0, 1, 2, 3, 6);
        op->z = 2 * (1 + draw (source, 120));
        break;
    case KIND_periodic:
        op->x = draw (source, 3);
        op->y = 1 + draw (source, 10);
        op->z = 2 * (1 + draw (source, 120));
        break;
    case KIND_signal:
        op->x = draw (source, SIGNALS);
        break;
    case KIND_child:
        op->x = draw (source, 3);
        op->y = draw (source, 2);
        break;
    case KIND_stat:
        op->x = draw (source, FILES);
        op->y = draw (source, 3);
        break;
    case KIND_embed:
        op->x = draw (source, 2);
        break;
    default:
        break;
    }
    (void) program;
}

static int feed_bits (struct source *source, int slot)
{
    return PICK (source, lib_kind_bits[slot_kind (slot)], EV_READ, EV_READ | EV_WRITE, EV_CUSTOM,
                 EV_TIMER | EV_READ);
}

static void draw_parameters (struct source *source, const struct program *program, struct op *op)
{
    switch (op->what) {
    case OP_SET:
        draw_set (source, program, op);
        break;
    case OP_PRIORITY:
        op->x = priority_draw (source, program->features, op->subject);
        break;
    case OP_WILD_PRIORITY:
        op->x = draw (source, 2);
        break;
    case OP_FEED:
    case OP_INVOKE:
        op->x = feed_bits (source, op->subject);
        break;
    case OP_MODIFY:
        op->x = draw (source, 4);
        break;
    case OP_REPEAT:
        op->x = draw (source, 4);
        op->z = 2 * (1 + draw (source, 120));
        break;
    case OP_BREAK:
        op->x = PICK (source, EVBREAK_ONE, EVBREAK_ONE, EVBREAK_ALL, EVBREAK_CANCEL);
        break;
    case OP_RUN:
        op->x = PICK (source, EVRUN_NOWAIT, EVRUN_NOWAIT, EVRUN_ONCE, EVRUN_ONCE, 0, 0,
                      EVRUN_NOWAIT | EVRUN_ONCE);
        break;
    case OP_SUSPEND:
    case OP_BURN:
    case OP_SLEEP:
        op->x = 1 + draw (source, 4);
        break;
    case OP_FEED_FD:
        op->x = draw (source, 8) - 1;
        op->y = 1 + draw (source, 3);
        break;
    case OP_FEED_SIGNAL:
    case OP_FEED_SIGNAL_EVENT:
    case OP_RAISE:
        op->x = draw (source, SIGNALS);
        break;
    case OP_ONCE:
        op->x = draw (source, 2);
        op->y = 1 + draw (source, 3);
        op->z = draw (source, 5);
        break;
    case OP_IO_COLLECT:
    case OP_TIMEOUT_COLLECT:
        op->x = PICK (source, 0, 1, 3);
        break;
    case OP_RELEASE_CB:
    case OP_INVOKE_CB:
        op->x = draw (source, 2);
        break;
    case OP_USERDATA:
        op->x = draw (source, 10);
        break;
    case OP_PUT:
    case OP_GET:
    case OP_FILL:
    case OP_PEER_GET:
    case OP_PEER_SHUT:
    case OP_PEER_CLOSE:
    case OP_REPLACE:
        op->x = draw (source, program->features & F_ONCE ? FDS : FDS - 1);
        op->y = draw (source, 3);
        break;
    case OP_CHILD:
        op->x = 1 + draw (source, 3);
        op->y = draw (source, 4);
        break;
    case OP_FILE_OP:
        op->x = draw (source, FILES);
        op->y = draw (source, 5);
        break;
    case OP_JUMP:
        op->x = PICK (source, 400, -400, 40, -40, 8, -8);
        break;
    default:
        break;
    }
}

static int draw_slot (struct source *source, unsigned features, int subject)
{
    int slot = draw (source, SLOTS);

    for (int i = 0; i < SLOTS; i++, slot = (slot + 1) % SLOTS)
        if (kind_there (features, slot) && (subject == ON_WATCHER || (int) slot_kind (slot) == subject))
            return slot;
    return -1;
}

static int draw_what (struct source *source, unsigned features, int place)
{
    int total = 0, choice, what;

    for (what = 0; what < OPS; what++)
        if ((plans[what].places & place) && (features & plans[what].feature) == plans[what].feature)
            total += plans[what].weight;
    choice = draw (source, total);
    for (what = 0; what < OPS; what++)
        if ((plans[what].places & place) && (features & plans[what].feature) == plans[what].feature) {
            if (choice < plans[what].weight)
                break;
            choice -= plans[what].weight;
        }
    return what;
}

static void program_add (struct source *source, struct program *program, int what, int subject, int owner,
                         int when)
{
    struct op op = { .what = (short) what, .owner = (short) owner, .when = (short) when };

    if (plans[what].subject == ON_LOOP)
        subject = program->features & F_LOOP1 && draw (source, 4) == 1;
    else if (plans[what].subject != ON_NOTHING && subject < 0)
        subject = draw_slot (source, program->features, plans[what].subject);
    op.subject = (short) subject;
    if (program->count == PROGRAM_OPS_MAX || (plans[what].subject != ON_NOTHING && subject < 0))
        return;
    draw_parameters (source, program, &op);
    program->ops[program->count++] = op;
}

/* ---- the program ---- */

static void program_set_up (struct source *source, struct program *program)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        if (!kind_there (program->features, slot) || !draw (source, 3))
            continue;
        program_add (source, program, OP_SET, slot, OWNER_TOP, 0);
        if (slot_kind (slot) == KIND_io || slot_kind (slot) == KIND_embed || draw (source, 2))
            program_add (source, program, OP_PRIORITY, slot, OWNER_TOP, 0);
        if (draw (source, 2))
            program_add (source, program, OP_START, slot, OWNER_TOP, 0);
    }
}

static void program_scripts (struct source *source, struct program *program)
{
    for (int slot = 0; slot < SLOTS; slot++) {
        if (!kind_there (program->features, slot) || draw (source, 2))
            continue;
        for (int n = 1 + draw (source, 3); n; n--)
            program_add (source, program, draw_what (source, program->features, CALLBACK), -1, slot,
                         PICK (source, 0, 1, 1, 2, 3));
    }
}

static void program_world (struct source *source, struct program *program)
{
    int step = 0;

    if (program->features & F_WORLD)
        for (int n = draw (source, 7); n; n--) {
            step += 1 + draw (source, 6);
            program_add (source, program, draw_what (source, program->features, WORLD), -1, OWNER_WORLD,
                         step);
        }
}

static void program_body (struct source *source, struct program *program)
{
    for (int n = 6 + draw (source, 26); n; n--)
        program_add (source, program, draw (source, 3) ? draw_what (source, program->features, TOP) : OP_RUN,
                     -1, OWNER_TOP, 0);
}

static void program_draw (struct source *source, struct program *program)
{
    program->count = 0;
    program->features = features_draw (source);
    program_set_up (source, program);
    program_scripts (source, program);
    program_world (source, program);
    program_body (source, program);
}

void program_from_seed (struct program *program, uint64_t seed)
{
    struct source source = { .state = seed * 0x2545f4914f6cdd1d };

    program->seed = seed;
    program_draw (&source, program);
}

void program_from_bytes (struct program *program, const uint8_t *bytes, size_t size)
{
    static const uint8_t nothing[1];
    struct source source = { .bytes = bytes ? bytes : nothing, .left = size };

    program->seed = 0;
    program_draw (&source, program);
}

/* ---- for people ---- */

int op_subject (const struct op *op)
{
    return plans[op->what].subject;
}

void op_print (const struct op *op, char *text, size_t size)
{
    const char *subject = "";

    if (plans[op->what].subject == ON_LOOP)
        subject = op->subject ? " loop1" : " loop0";
    else if (plans[op->what].subject != ON_NOTHING)
        subject = slot_name (op->subject);
    snprintf (text, size, "%s %s %d %d %d", plans[op->what].name, subject, op->x, op->y, op->z);
}

static void op_print_owner (const struct op *op, FILE *out)
{
    if (op->owner == OWNER_TOP)
        fprintf (out, "    top            ");
    else if (op->owner == OWNER_WORLD)
        fprintf (out, "    world at %-3d   ", op->when);
    else if (op->when)
        fprintf (out, "    %-9s #%-3d ", slot_name (op->owner), op->when);
    else
        fprintf (out, "    %-9s each ", slot_name (op->owner));
}

void program_print (const struct program *program, FILE *out)
{
    char text[80];

    fprintf (out, "program of seed %llu:", (unsigned long long) program->seed);
    for (int i = 0; i < FEATURES; i++)
        if (program->features & (1U << i))
            fprintf (out, " %s", feature_names[i]);
    fprintf (out, "\n");
    for (int i = 0; i < program->count; i++) {
        op_print_owner (&program->ops[i], out);
        op_print (&program->ops[i], text, sizeof text);
        fprintf (out, "%s\n", text);
    }
}
