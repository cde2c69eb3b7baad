/* sim.c: the command: seeds, seconds, programs on paper. */
#include "stage.h"

#include "known.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TWICE = 50 }; /* one program in so many is run again, and has to make the same calls */

static struct {
    uint64_t programs, calls, entered;
    const char *found; /* where failing programs are put */
    int no_shrink, keep_going, trace;
} run;

static double seconds (void)
{
    struct timespec now;

    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void tell (struct program *program, struct verdict *verdict, const char *name)
{
    struct verdict again;

    printf ("%s fails statement %d: %s\n", name, verdict->statement, verdict->text);
    if (!run.no_shrink)
        shrink (program, verdict->statement);
    trace = run.trace;
    play (program, &again);
    trace = 0;
    play_report (program, &again, stdout);
}

static int check_twice (const struct program *program, const struct verdict *first)
{
    struct verdict second;

    play (program, &second);
    if (second.statement == first->statement && second.hash == first->hash)
        return 0;
    printf ("the same program makes other calls the second time\n");
    return 1;
}

/* Nonzero: it fails. */
static int run_seed (uint64_t seed)
{
    static struct program program;
    struct verdict verdict;
    char name[32];

    program_make (&program, seed);
    play (&program, &verdict);
    run.programs++;
    run.calls += stage.api_calls;
    run.entered += k.call_count;
    snprintf (name, sizeof name, "seed %llu", (unsigned long long) seed);
    if (verdict.statement < 0 && seed % TWICE == 0 && check_twice (&program, &verdict)) {
        program_print (&program, stdout);
        return 1;
    }
    if (verdict.statement < 0)
        return 0;
    if (run.keep_going)
        printf ("%s fails statement %d: %s [%s %s %s]\n", name, verdict.statement, verdict.text,
                profiles[program.profile].name, program_backend (program.backend), program.flavour);
    else
        tell (&program, &verdict, name);
    return 1;
}

static int run_file (const char *name)
{
    static struct program program;
    struct verdict verdict;
    FILE *in = fopen (name, "r");
    int good = in && program_read (&program, in);

    if (in)
        fclose (in);
    if (!good) {
        fprintf (stderr, "sim: %s is not a program\n", name);
        return 1;
    }
    play (&program, &verdict);
    if (verdict.statement < 0)
        return 0;
    tell (&program, &verdict, name);
    return 1;
}

static int run_seeds (uint64_t first, uint64_t count, double limit)
{
    double start = seconds (), took;
    int failed = 0;

    for (uint64_t seed = first; count ? seed < first + count : 1; seed++) {
        if (run_seed (seed) && (failed = 1) && !run.keep_going)
            break;
        if (!count && seed % 64 == 0 && seconds () - start > limit)
            break;
    }
    took = seconds () - start;
    printf ("%llu programs, %llu calls of the API (%.0f a second), %llu system calls, in %.1f s\n",
            (unsigned long long) run.programs, (unsigned long long) run.calls, (double) run.calls / took,
            (unsigned long long) run.entered, took);
    return failed;
}

static int usage (void)
{
    fprintf (stderr, "usage: sim SEED | --seeds FIRST COUNT | --seconds N [FIRST] | --program FILE…\n"
                     "       --no-shrink, --keep-going, --trace, --strict come first\n");
    return 2;
}

static int *option_find (const char *word)
{
    if (strcmp (word, "--no-shrink") == 0)
        return &run.no_shrink;
    if (strcmp (word, "--keep-going") == 0)
        return &run.keep_going;
    if (strcmp (word, "--strict") == 0)
        return &strict;
    return strcmp (word, "--trace") == 0 ? &run.trace : NULL;
}

int main (int count, char **arguments)
{
    int failed = 0;

    setvbuf (stdout, NULL, _IOLBF, 0);
    for (int *option; count > 1 && (option = option_find (arguments[1])); count--, arguments++)
        *option = 1;
    if (count < 2)
        return usage ();
    if (strcmp (arguments[1], "--program") == 0) {
        for (int i = 2; i < count; i++)
            failed |= run_file (arguments[i]);
        return failed;
    }
    if (strcmp (arguments[1], "--seeds") == 0 && count == 4)
        return run_seeds (strtoull (arguments[2], NULL, 0), strtoull (arguments[3], NULL, 0), 0);
    if (strcmp (arguments[1], "--seconds") == 0 && count >= 3)
        return run_seeds (count > 3 ? strtoull (arguments[3], NULL, 0) : (uint64_t) time (NULL) << 20, 0,
                          atof (arguments[2]));
    if (arguments[1][0] == '-')
        return usage ();
    return run_seeds (strtoull (arguments[1], NULL, 0), 1, 0);
}
