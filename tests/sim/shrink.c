/* shrink.c: makes a failing program short: acts go, in runs, from the end on; then what is left becomes tame. A program still
 * counts if it breaks the same statement. */
#include "stage.h"

#include <string.h>

static int tries;
enum { SHRINK_TRIES = 60000 };

static int still_fails (const struct program *program, int statement)
{
    struct verdict verdict;

    if (tries++ > SHRINK_TRIES)
        return 0;
    play (program, &verdict);
    return verdict.statement == statement;
}

/* Nonzero: it is shorter now. */
static int shrink_runs (struct program *program, int statement, int length)
{
    struct program less;
    int better = 0;

    for (int at = program->count - length; at >= 0; at--) {
        if (at + length > program->count)
            continue;
        less = *program;
        memmove (&less.acts[at], &less.acts[at + length],
                 (size_t) (less.count - at - length) * sizeof *less.acts);
        less.count -= length;
        if (still_fails (&less, statement)) {
            *program = less;
            better = 1;
        }
    }
    return better;
}

static int shrink_byte (struct program *program, int statement, uint8_t *byte)
{
    uint8_t was = *byte;

    for (unsigned value = 0; value < was; value = value ? value * 2 : 1) {
        *byte = (uint8_t) value;
        if (still_fails (program, statement))
            return 1;
    }
    *byte = was;
    return 0;
}

static int shrink_act (struct program *program, int statement, struct act *act)
{
    struct act was = *act;
    int better = 0;

    if (act->dice) {
        act->dice = 0;
        if (still_fails (program, statement))
            better = 1;
        else
            *act = was;
    }
    was = *act;
    if (act->where != NOW) {
        act->where = NOW;
        if (still_fails (program, statement))
            better = 1;
        else
            *act = was;
    }
    better |= shrink_byte (program, statement, &act->whose);
    better |= shrink_byte (program, statement, &act->a);
    better |= shrink_byte (program, statement, &act->b);
    better |= shrink_byte (program, statement, &act->c);
    return better;
}

static int shrink_settings (struct program *program, int statement)
{
    struct program less = *program;
    int better = 0;

    for (unsigned bit = 1; bit <= T_RING_DIES; bit *= 2)
        if (program->trouble & bit) {
            less.trouble = program->trouble & ~bit;
            if (still_fails (&less, statement))
                *program = less, better = 1;
            less = *program;
        }
    less.idle_hour = 0;
    less.ending = E_DESTROY;
    if ((program->idle_hour || program->ending) && still_fails (&less, statement))
        *program = less, better = 1;
    return better;
}

void shrink (struct program *program, int statement)
{
    int better = 1;

    tries = 0;
    while (better) {
        better = shrink_settings (program, statement);
        for (int length = program->count / 2; length; length = length > 8 ? length / 2 : length - 1)
            better |= shrink_runs (program, statement, length);
        for (int i = 0; i < program->count; i++)
            better |= shrink_act (program, statement, &program->acts[i]);
    }
}
