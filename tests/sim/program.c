/* program.c: random programs, and programs on paper. */
#include "stage.h"

#include <stdlib.h>
#include <string.h>

enum who { A, P, T };

static const struct {
    const char *name;
    int weight;
    enum who who;
    const char *sentence;
} plans[OPS] = {
#define ACT_PLAN(name, weight, who, sentence) { #name, weight, who, sentence },
    ACTS (ACT_PLAN)
#undef ACT_PLAN
};

/* ---- choices ---- */

struct source {
    uint64_t state;
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
    return (int) (source_next (source) % (unsigned) choices);
}

/* ---- generation: each program is about a few things, so that they meet often ---- */

struct swarm {
    int weight[OPS], total;
    int in_callback, later; /* in a hundred */
    int hands, watchers;
    int hand, watcher; /* what the next acts are mostly about */
};

static void swarm_draw (struct swarm *swarm, struct source *source)
{
    int operates = draw (source, 3) == 0;

    swarm->total = swarm->hand = swarm->watcher = 0;
    for (int op = 0; op < OPS; op++) {
        int factor = draw (source, 4) ? draw (source, 100) + 1 : 0;

        if (op <= OP_close || op == OP_start)
            factor = 50 + draw (source, 50);
        if (op >= OP_take && !operates)
            factor = 0;
        swarm->weight[op] = plans[op].weight * factor;
        swarm->total += swarm->weight[op];
    }
    swarm->in_callback = draw (source, 60);
    swarm->later = draw (source, 60);
    swarm->hands = 1 + draw (source, draw (source, 2) ? 2 : HANDS); /* few: they meet more often */
    swarm->watchers = 1 + draw (source, draw (source, 2) ? 2 : FEW);
}

static int swarm_op (const struct swarm *swarm, struct source *source)
{
    int at = draw (source, swarm->total), op = 0;

    while (at >= swarm->weight[op])
        at -= swarm->weight[op++];
    return op;
}

static int is_about_hand (int op)
{
    return strncmp (plans[op].sentence, "hand", 4) == 0 || strncmp (plans[op].sentence, "the peer", 8) == 0;
}

static uint8_t focus_draw (int focus, int count, struct source *source)
{
    return (uint8_t) (draw (source, 2) ? focus : draw (source, count));
}

static void act_draw_about (struct act *act, struct swarm *swarm, struct source *source)
{
    if (!draw (source, 8)) {
        swarm->hand = draw (source, swarm->hands);
        swarm->watcher = draw (source, swarm->watchers);
    }
    if (is_about_hand (act->op))
        act->a = focus_draw (swarm->hand, swarm->hands, source);
    else if ((act->op >= OP_start && act->op <= OP_feed) || (act->op >= OP_take && act->op <= OP_halt))
        act->a = focus_draw (swarm->watcher, swarm->watchers, source);
    else
        act->a = (uint8_t) draw (source, 256);
    act->b = (act->op >= OP_dup && act->op <= OP_start) || act->op == OP_take || act->op == OP_give
                 ? focus_draw (swarm->hand, swarm->hands, source)
                 : (uint8_t) draw (source, 256);
}

static void act_draw (struct act *act, struct swarm *swarm, struct source *source, int tame)
{
    int chance = draw (source, 100);

    act->op = (uint8_t) swarm_op (swarm, source);
    act_draw_about (act, swarm, source);
    act->c = (uint8_t) draw (source, 256);
    act->where = NOW;
    if (plans[act->op].who != T && chance < swarm->in_callback)
        act->where = IN_CALLBACK;
    else if (plans[act->op].who == A && chance < swarm->in_callback + swarm->later)
        act->where = LATER;
    act->whose = (uint8_t) draw (source, act->where == IN_CALLBACK ? swarm->watchers : 256);
    if (act->where == IN_CALLBACK && !draw (source, 4))
        act->whose = (uint8_t) (FEW + draw (source, SUBJECTS - FEW));
    act->dice = tame ? 0 : (uint32_t) source_next (source);
}

static const char *const flavours[] = { "",
                                        "sq=2,cq=4",
                                        "sq=4,cq=8",
                                        "sq=8,cq=16",
                                        "sq=8,cq=16,guests=0",
                                        "sq=8,cq=16,guests=2",
                                        "sq=8,cq=16,guests=2",
                                        "sq=4,cq=16,limit",
                                        "coop",
                                        "coop,sq=4,cq=8",
                                        "plain",
                                        "plain,sq=4,cq=8",
                                        "guests=1,polled",
                                        "guests=0" };

static unsigned backend_draw (struct source *source)
{
    static const unsigned backends[] = {
        EVBACKEND_IOURING, EVBACKEND_IOURING, EVBACKEND_IOURING, EVBACKEND_IOURING, EVBACKEND_IOURING,
        EVBACKEND_EPOLL,   EVBACKEND_EPOLL,   EVBACKEND_POLL,    EVBACKEND_SELECT,  0
    };

    return backends[draw (source, sizeof backends / sizeof *backends)];
}

static void setting_draw (struct program *program, struct source *source)
{
    const char *flavour = flavours[draw (source, sizeof flavours / sizeof *flavours)];

    program->profile = draw (source, 2) ? 0 : draw (source, profile_count);
    program->backend = backend_draw (source);
    if (profiles[program->profile].bits & P_MISSES_WAKES)
        program->backend = 0; /* whoever names io_uring there gets what he asked for */
    snprintf (program->flavour, sizeof program->flavour, "%s", flavour);
    program->trouble = 0;
    if (!draw (source, 2))
        for (unsigned bit = 1; bit <= T_RING_DIES; bit *= 2)
            program->trouble |= draw (source, 4) ? 0 : bit;
    program->ending = draw (source, 8) ? E_DESTROY : draw (source, ENDINGS);
    program->idle_hour = !draw (source, 4);
}

void program_make (struct program *program, uint64_t seed)
{
    struct source source = { seed * 0x2545f4914f6cdd1d + 1 };
    struct swarm swarm;
    int tame;

    setting_draw (program, &source);
    swarm_draw (&swarm, &source);
    tame = !program->trouble;
    program->count = draw (&source, 100) ? 30 + draw (&source, 120) : ACTS_MAX;
    for (int i = 0; i < program->count; i++)
        act_draw (&program->acts[i], &swarm, &source, tame);
}

/* ---- on paper ---- */

static const struct {
    const char *name;
    unsigned bit;
} backends[] = { { "any", 0 },
                 { "io_uring", EVBACKEND_IOURING },
                 { "epoll", EVBACKEND_EPOLL },
                 { "poll", EVBACKEND_POLL },
                 { "select", EVBACKEND_SELECT } };
enum { BACKENDS = sizeof backends / sizeof *backends };
static const char *const endings[ENDINGS] = { "destroy", "exit", "kill" };
static const char *const wheres[] = { "now", "callback", "later" };

const char *program_backend (unsigned backend)
{
    for (int i = 0; i < BACKENDS; i++)
        if (backends[i].bit == backend)
            return backends[i].name;
    return "?";
}

static void sentence_print (const struct act *act, FILE *out)
{
    static const char *const after[] = { "0", "100 us", "1 ms", "10 ms", "0.3 s", "2 s", "70 s" };

    if (act->where == IN_CALLBACK)
        fprintf (out, "when subject %d is called: ", act->whose % SUBJECTS);
    if (act->where == LATER)
        fprintf (out, "%s later: ", after[act->whose % 7]);
    for (const char *at = plans[act->op].sentence; *at; at++)
        if (*at == '%' && at++)
            fprintf (out, "%d", *at == 'a' ? act->a : *at == 'b' ? act->b : act->c);
        else
            fputc (*at, out);
}

void program_print (const struct program *program, FILE *out)
{
    fprintf (out, "profile %s\nbackend %s\nflavour %s\ntrouble %u\nending %s\nidle %d\n",
             profiles[program->profile].name, program_backend (program->backend),
             *program->flavour ? program->flavour : "-", program->trouble, endings[program->ending],
             program->idle_hour);
    for (int i = 0; i < program->count; i++) {
        const struct act *act = &program->acts[i];

        fprintf (out, "%s %s %d %d %d %d %u # ", wheres[act->where], plans[act->op].name, act->whose, act->a,
                 act->b, act->c, act->dice);
        sentence_print (act, out);
        fputc ('\n', out);
    }
}

const char *act_name (const struct act *act)
{
    return plans[act->op].name;
}

/* The place of a word in a list, or -1. */
static int word_find (const char *word, const char *const *list, size_t stride, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp (word, *(const char *const *) ((const char *) list + (size_t) i * stride)) == 0)
            return i;
    return -1;
}

static int read_setting (struct program *program, const char *name, const char *value)
{
    int at;

    if (strcmp (name, "profile") == 0)
        at = program->profile = word_find (value, &profiles[0].name, sizeof *profiles, profile_count);
    else if (strcmp (name, "backend") == 0) {
        at = word_find (value, &backends[0].name, sizeof *backends, BACKENDS);
        program->backend = at < 0 ? 0 : backends[at].bit;
    } else if (strcmp (name, "ending") == 0)
        at = program->ending = word_find (value, endings, sizeof *endings, ENDINGS);
    else if (strcmp (name, "flavour") == 0)
        at = snprintf (program->flavour, sizeof program->flavour, "%s", *value == '-' ? "" : value);
    else if (strcmp (name, "trouble") == 0)
        at = (int) (program->trouble = (unsigned) atoi (value));
    else if (strcmp (name, "idle") == 0)
        at = program->idle_hour = atoi (value);
    else
        return 0;
    return at >= 0;
}

static int read_act (struct program *program, int where, const char *rest)
{
    char name[32];
    int whose, a, b, c, op;
    unsigned dice;
    struct act *act = &program->acts[program->count];

    if (program->count == ACTS_MAX
        || sscanf (rest, "%31s %d %d %d %d %u", name, &whose, &a, &b, &c, &dice) != 6)
        return 0;
    op = word_find (name, &plans[0].name, sizeof *plans, OPS);
    if (op < 0)
        return 0;
    *act =
        (struct act){ (uint8_t) op, (uint8_t) where, (uint8_t) whose, (uint8_t) a, (uint8_t) b, (uint8_t) c,
                      dice };
    if (plans[op].who == T || (plans[op].who == P && where == LATER))
        act->where = NOW;
    program->count++;
    return 1;
}

int program_read (struct program *program, FILE *in)
{
    char line[256], word[32], value[64];

    memset (program, 0, sizeof *program);
    while (fgets (line, sizeof line, in)) {
        int where, used;

        if (*line == '#' || *line == '\n')
            continue;
        if (sscanf (line, "%31s %n%63s", word, &used, value) < 2)
            return 0;
        where = word_find (word, wheres, sizeof *wheres, 3);
        if (where >= 0 ? !read_act (program, where, line + used) : !read_setting (program, word, value))
            return 0;
    }
    return 1;
}
