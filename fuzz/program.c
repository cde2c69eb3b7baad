/* program.c: the fuzzer's bytes are a program of API calls (tests/agree/program.h), performed on one backend in
 * virtual time, with ev_verify after each operation. Promises to find only what is wrong with evring: programs
 * contain no misuse. The first byte chooses the backend.
 *
 * With FUZZ_MAIN it is a program of its own, without libFuzzer, that performs the files it is given: the corpus
 * as a test, and the way to repeat a finding under a debugger. -v also prints what happens. */
#include "../tests/agree/stage.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef FUZZ_EVRING
#define FUZZ_EVRING NULL /* evring is linked in */
#endif

static struct lib lib;
static struct trace trace;
static struct program program;

enum { FUZZ_SECONDS = 20 };

/* libFuzzer's own time-out would look at the clock of our world. */
static void fuzz_hangs (int signum)
{
    (void) signum;
    abort ();
}

static void fuzz_begin (void)
{
    struct rlimit files = { 4096, 4096 };

    signal (SIGALRM, fuzz_hangs);
    setrlimit (RLIMIT_NOFILE, &files);
    lib_load (&lib, FUZZ_EVRING, 2);
}

static void fuzz_one (const uint8_t *data, size_t size)
{
    static const unsigned backends[] = { EVBACKEND_IOURING, EVBACKEND_EPOLL, EVBACKEND_POLL,
                                         EVBACKEND_SELECT };

    if (!size)
        return;
    program_from_bytes (&program, data + 1, size - 1);
    program.features &= ~(unsigned) F_REALFORK; /* the fuzzer's process stays one */
    alarm (FUZZ_SECONDS);
    play (&program, &lib, backends[*data % 4], &trace, 1);
    alarm (0);
}

#ifdef FUZZ_MAIN

static void fuzz_file (const char *path, int verbose)
{
    static uint8_t data[1 << 16];
    FILE *file = fopen (path, "rb");
    size_t size;

    if (!file) {
        perror (path);
        exit (2);
    }
    size = fread (data, 1, sizeof data, file);
    fclose (file);
    fuzz_one (data, size);
    if (verbose) {
        program_print (&program, stdout);
        fputs (trace.text, stdout);
    }
}

int main (int argc, char **argv)
{
    int verbose = argc > 1 && argv[1][0] == '-' && argv[1][1] == 'v';

    fuzz_begin ();
    for (int i = 1 + verbose; i < argc; i++)
        fuzz_file (argv[i], verbose);
    printf ("%d programs performed\n", argc - 1 - verbose);
    return 0;
}

#else

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerInitialize (int *argc, char ***argv)
{
    (void) argc;
    (void) argv;
    fuzz_begin ();
    return 0;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    fuzz_one (data, size);
    return 0;
}

#endif
