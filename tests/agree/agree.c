/* agree.c: does evring behave like libev? Random programs are performed on stock libev with epoll, the
 * reference, and on evring with each backend; their traces must be equal. Every performance has a process of
 * its own, so that a crash, or a hang, belongs to a seed.
 *
 *     agree [--seeds N] [--from SEED] [--backend NAME]…     many programs
 *     agree --seed S [--backend NAME] [-v]                  one program; -v shows it and its traces
 *
 * NAME: select poll epoll uring (these four by default), uring-coop uring-plain uring-small (lesser rings),
 * stock-select stock-poll (stock libev against itself: tests this test).
 * --stock FILE and --evring FILE name the libraries. See README.md. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AGREE_EVRING
#define AGREE_EVRING "libevring.so.1"
#endif

enum { SECONDS = 10, WORKERS_MAX = 16, SHRINKS_MAX = 1500, CONTEXT = 14, SKIP = 77 };

static struct lib stock, evring;

static const struct variant {
    const char *name;
    const struct lib *lib;
    unsigned backend;
    int by_default;
    const char *
        ring; /* for EVRING_RING, see src/backend/loopring.c; limit: an alarm in the ring would go by real time;
                 alone: a guest that was stopped wakes its loop once for nothing, as on epoll */
} variants[] = {
    { "select", &evring, EVBACKEND_SELECT, 1, "" },
    { "poll", &evring, EVBACKEND_POLL, 1, "" },
    { "epoll", &evring, EVBACKEND_EPOLL, 1, "" },
    { "uring", &evring, EVBACKEND_IOURING, 1, "limit,alone" },
    { "uring-coop", &evring, EVBACKEND_IOURING, 0, "limit,alone,coop" },
    { "uring-plain", &evring, EVBACKEND_IOURING, 0, "limit,alone,plain" },
    { "uring-small", &evring, EVBACKEND_IOURING, 0, "limit,alone,sq=1,cq=2" },
    { "uring-guests", &evring, EVBACKEND_IOURING, 0, "limit,guests=0" },
    { "uring-few", &evring, EVBACKEND_IOURING, 0, "limit,guests=2,polled" },
    { "stock-select", &stock, EVBACKEND_SELECT, 0, "" },
    { "stock-poll", &stock, EVBACKEND_POLL, 0, "" },
};
enum { VARIANTS = sizeof variants / sizeof *variants };
static const struct variant references[] = {
    { "stock-epoll", &stock, EVBACKEND_EPOLL, 1, "" },
    { "stock-poll", &stock, EVBACKEND_POLL, 1, "" },
};

/* With epoll, libev keeps a file that epoll refuses "ready" for one more iteration after its watcher has stopped
 * (IO-10); evring does so on epoll, too, and only there. */
static const struct variant *reference_of (const struct program *program, const struct variant *variant)
{
    return &references[program->features & F_FILEFD && variant->backend != EVBACKEND_EPOLL];
}

/* Is the program one that this backend must perform like the reference? */
static int comparable (const struct program *program, const struct variant *variant)
{
    if (variant->backend != EVBACKEND_IOURING)
        return 1;
    return !(program->features & F_STEAL) /* what was ready for a moment is reported there once */
           && (program->features & (F_EMBED | F_SIGNALFD)) != (F_EMBED | F_SIGNALFD);
}

static struct {
    unsigned long seeds, from;
    int chosen; /* bits of variants */
    int single, verbose, details;
    const char *stock, *evring;
} options = { .seeds = 10000, .from = 1, .details = 4, .stock = "libev.so.4", .evring = AGREE_EVRING };

/* Shared by all processes. */
static struct tally {
    unsigned long compared, differing, detailed, refused;
} * tally;

static void *shared (size_t size)
{
    void *memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror ("mmap");
        exit (2);
    }
    return memory;
}

/* ---- one performance ---- */

static void perform_here (const struct program *program, const struct variant *variant, struct trace *trace)
{
    int null = open ("/dev/null", O_WRONLY);

    if (!options.verbose)
        dup2 (null, 2);
    close (null);
    setenv ("EVRING_RING", variant->ring, 1);
    alarm (SECONDS);
    play (program, variant->lib, variant->backend, trace, 0);
    _exit (0);
}

static void perform_apart (const struct program *program, const struct variant *variant, struct trace *trace)
{
    int status;
    pid_t pid;

    trace->length = 0;
    trace->done = 0;
    trace->text[0] = 0;
    pid = fork ();
    if (!pid)
        perform_here (program, variant, trace);
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED (status))
        trace->length +=
            (unsigned) snprintf (trace->text + trace->length, 100, "*** %s\n",
                                 WTERMSIG (status) == SIGALRM ? "hangs" : strsignal (WTERMSIG (status)));
    else if (!trace->done)
        trace->length +=
            (unsigned) snprintf (trace->text + trace->length, 100, "*** exit %d\n", WEXITSTATUS (status));
}

static int traces_equal (const struct trace *a, const struct trace *b)
{
    return a->length == b->length && !memcmp (a->text, b->text, a->length);
}

/* ---- a difference: made small, and shown ---- */

static int still_differs (const struct program *program, const struct variant *variant, struct trace *wanted,
                          struct trace *got)
{
    perform_apart (program, reference_of (program, variant), wanted);
    if (!wanted->done)
        return 0;
    perform_apart (program, variant, got);
    return !traces_equal (wanted, got);
}

/* Takes operations away, many at a time, then fewer, as long as the difference stays. */
static void shrink (struct program *program, const struct variant *variant, struct trace *wanted,
                    struct trace *got)
{
    int runs = 0;

    for (int chunk = program->count / 2 + 1; chunk; chunk /= 2)
        for (int at = 0; at < program->count && runs < SHRINKS_MAX; runs++) {
            struct program less = *program;
            int end = at + chunk < less.count ? at + chunk : less.count;

            memmove (less.ops + at, less.ops + end, (size_t) (less.count - end) * sizeof *less.ops);
            less.count -= end - at;
            if (still_differs (&less, variant, wanted, got))
                *program = less;
            else
                at += chunk;
        }
    still_differs (program, variant, wanted, got);
}

/* Position of the first differing line. */
static size_t first_difference (const struct trace *a, const struct trace *b)
{
    size_t line = 0, i = 0;

    for (; i < a->length && i < b->length && a->text[i] == b->text[i]; i++)
        if (a->text[i] == '\n')
            line = i + 1;
    return line;
}

static void print_lines (FILE *out, const char *mark, const char *text, int lines)
{
    for (; lines && *text; lines--) {
        size_t length = strcspn (text, "\n");

        fprintf (out, "%s%.*s\n", mark, (int) length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_difference (FILE *out, const char *reference, const char *name, struct trace *wanted,
                              struct trace *got, int before, int after)
{
    size_t at = first_difference (wanted, got), begin = at;

    for (int lines = 0; begin && lines <= before; begin--)
        lines += wanted->text[begin - 1] == '\n';
    fprintf (out, "  around the first difference (- %s, + %s):\n", reference, name);
    fprintf (out, "%.*s", (int) (at - begin), wanted->text + begin);
    print_lines (out, "- ", wanted->text + at, after);
    print_lines (out, "+ ", got->text + at, after);
}

static void report_in_detail (FILE *out, const struct program *program, const struct variant *variant,
                              struct trace *wanted, struct trace *got)
{
    struct program small = *program;

    fprintf (out, "  repeat: agree --seed %llu --backend %s -v\n", (unsigned long long) program->seed,
             variant->name);
    shrink (&small, variant, wanted, got);
    fprintf (out, "  reduced from %d to %d operations; ", program->count, small.count);
    program_print (&small, out);
    print_difference (out, reference_of (program, variant)->name, variant->name, wanted, got, CONTEXT, 6);
}

static void report (const struct program *program, const struct variant *variant, struct trace *wanted,
                    struct trace *got)
{
    static unsigned long long last_seed;
    static size_t last_at;
    char *text = NULL;
    size_t size = 0, at = first_difference (wanted, got);
    FILE *out;

    if (program->seed == last_seed && at == last_at) { /* on another backend, at the same place */
        printf ("seed %llu on %s differs there, too\n", last_seed, variant->name);
        fflush (stdout);
        return;
    }
    last_seed = program->seed;
    last_at = at;
    out = open_memstream (&text, &size);
    fprintf (out, "seed %llu on %s differs\n", (unsigned long long) program->seed, variant->name);
    print_lines (out, "  - ", wanted->text + at, 1);
    print_lines (out, "  + ", got->text + at, 1);
    if (__atomic_fetch_add (&tally->detailed, 1, __ATOMIC_RELAXED) < (unsigned long) options.details)
        report_in_detail (out, program, variant, wanted, got);
    fclose (out);
    if (write (1, text, size) < 0)
        perror ("write");
    free (text);
}

/* ---- one seed ---- */

static void reference_fails (const struct program *program, const struct trace *wanted)
{
    __atomic_fetch_add (&tally->refused, 1, __ATOMIC_RELAXED);
    printf ("seed %llu: the reference itself fails: a fault of the generator\n",
            (unsigned long long) program->seed);
    print_lines (stdout, "  ", wanted->text + (wanted->length > 300 ? wanted->length - 300 : 0), 20);
    fflush (stdout);
}

static void show (const struct program *program, const struct trace *wanted)
{
    program_print (program, stdout);
    fputs (wanted->text, stdout);
    fflush (stdout);
}

static void compare (uint64_t seed, struct trace *wanted, struct trace *got)
{
    const struct variant *last = NULL;
    struct program program;
    int differs = 0;

    program_from_seed (&program, seed);
    for (int i = 0; i < VARIANTS; i++) {
        const struct variant *variant = &variants[i], *against = reference_of (&program, variant);

        if (!(options.chosen & (1 << i)) || !comparable (&program, variant))
            continue;
        if (against != last)
            perform_apart (&program, against, wanted);
        if (!wanted->done) {
            reference_fails (&program, wanted);
            return;
        }
        if (options.verbose && against != last)
            show (&program, wanted);
        last = against;
        perform_apart (&program, variant, got);
        if (traces_equal (wanted, got))
            continue;
        differs = 1;
        report (&program, variant, wanted, got);
        last = NULL; /* reporting may have used the trace */
    }
    __atomic_fetch_add (&tally->compared, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add (&tally->differing, (unsigned long) differs, __ATOMIC_RELAXED);
}

static void work (int worker, int workers)
{
    struct trace *wanted = shared (sizeof *wanted), *got = shared (sizeof *got);

    for (unsigned long i = (unsigned long) worker; i < options.seeds; i += (unsigned long) workers)
        compare (options.from + i, wanted, got);
}

/* ---- all seeds ---- */

static int work_all (void)
{
    int workers = (int) sysconf (_SC_NPROCESSORS_ONLN), status, bad = 0;

    if (workers > WORKERS_MAX)
        workers = WORKERS_MAX;
    if (options.seeds < 10)
        workers = 1;
    for (int i = 0; i < workers; i++)
        if (!fork ()) {
            work (i, workers);
            _exit (0);
        }
    for (int i = 0; i < workers; i++) {
        if (wait (&status) < 0 || status)
            bad = 1;
    }
    return bad;
}

static void choose (const char *name)
{
    for (int i = 0; i < VARIANTS; i++)
        if (!strcmp (variants[i].name, name)) {
            options.chosen |= 1 << i;
            return;
        }
    fprintf (stderr, "agree: no backend is called %s\n", name);
    exit (2);
}

static void read_options (int argc, char **argv)
{
    static const struct option known[] = {
        { "seeds", 1, NULL, 'n' },   { "from", 1, NULL, 'f' },    { "seed", 1, NULL, 's' },
        { "backend", 1, NULL, 'b' }, { "stock", 1, NULL, 'S' },   { "evring", 1, NULL, 'E' },
        { "details", 1, NULL, 'd' }, { "verbose", 0, NULL, 'v' }, { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long (argc, argv, "n:f:s:b:S:E:d:v", known, NULL)) >= 0)
        switch (c) {
        case 'n':
            options.seeds = strtoul (optarg, NULL, 0);
            break;
        case 's':
            options.single = 1;
            options.seeds = 1; /* falls through */
        case 'f':
            options.from = strtoul (optarg, NULL, 0);
            break;
        case 'b':
            choose (optarg);
            break;
        case 'S':
            options.stock = optarg;
            break;
        case 'E':
            options.evring = optarg;
            break;
        case 'd':
            options.details = atoi (optarg);
            break;
        case 'v':
            options.verbose = 1;
            break;
        default:
            exit (2);
        }
}

/* The kernel may not let us have a ring. */
static void check_ring (void)
{
    struct ev_loop *loop = evring.ev_loop_new (EVFLAG_NOENV | EVBACKEND_IOURING);

    if (loop) {
        evring.ev_loop_destroy (loop);
        return;
    }
    printf ("io_uring is not to be had: not compared\n");
    fflush (stdout);
    for (int i = 0; i < VARIANTS; i++)
        if (variants[i].backend == EVBACKEND_IOURING)
            options.chosen &= ~(1 << i);
}

/* A library that nobody asks for need not be there. */
static void load (void)
{
    int chosen = options.chosen;

    for (int i = 0; i < VARIANTS && !chosen; i++)
        options.chosen |= variants[i].by_default << i;
    lib_load (&stock, options.stock, SKIP);
    for (int i = 0; i < VARIANTS; i++)
        if (options.chosen & (1 << i) && variants[i].lib == &evring) {
            lib_load (&evring, options.evring, 2);
            check_ring ();
            return;
        }
}

int main (int argc, char **argv)
{
    struct rlimit files = { 4096, 4096 };
    int bad;

    read_options (argc, argv);
    setrlimit (RLIMIT_NOFILE, &files);
    load ();
    tally = shared (sizeof *tally);
    bad = work_all ();
    printf ("%lu programs compared, %lu differ, %lu refused\n", tally->compared, tally->differing,
            tally->refused);
    return bad || tally->differing || tally->refused || tally->compared < options.seeds;
}
