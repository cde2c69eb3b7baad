/* run.c: evring run: starts an existing program with our libev.so.4 in place of the system's.
 * Promises that it either replaces itself by the program, so that arguments, exit code and signals are the
 * program's own, or says on stderr why evring cannot serve it and exits with a code of cmd.h.
 *
 * The loader is told by LD_LIBRARY_PATH: the folder holds nothing but libev.so.4, so whatever the program
 * starts in turn is touched only if it uses libev too. LD_PRELOAD would load it into every shell and helper,
 * and make programs of another machine complain; it is added only for a program whose DT_RPATH goes first.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <ev.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wishes {
    unsigned backend;  /* 0: the program's, or the library's, choice */
    const char *stats; /* value for EVRING_STATS, or NULL */
    int force;
};

static const char *absolute (const char *path)
{
    char here[PATH_MAX];

    if (*path == '/')
        return path;
    if (!getcwd (here, sizeof here))
        cmd_fail (EXIT_OWN, "cannot find the current folder: %m");
    return cmd_text ("%s/%s", here, path); /* daemons change their folder */
}

static unsigned backend_wish (const char *name)
{
    unsigned backend = cmd_backend_bit (name);

    if (!backend)
        cmd_fail (EXIT_OWN, "there is no backend \"%s\": io_uring, epoll, poll or select", name);
    return backend;
}

/* Fills wishes and returns the index of the program's name. */
static int read_options (int argc, char **argv, struct wishes *wishes)
{
    static const struct option options[] = {
        { "backend", required_argument, NULL, 'b' }, { "stats", optional_argument, NULL, 's' },
        { "force", no_argument, NULL, 'f' },         { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },       { NULL, 0, NULL, 0 },
    };

    opterr = 0;
    for (int option; (option = getopt_long (argc, argv, "+h", options, NULL)) != -1;)
        switch (option) {
        case 'b':
            wishes->backend = backend_wish (optarg);
            break;
        case 's':
            wishes->stats = optarg ? absolute (optarg) : "1";
            break;
        case 'f':
            wishes->force = 1;
            break;
        case 'h':
            exit (cmd_help ());
        case 'V':
            exit (cmd_version ());
        default:
            cmd_fail (EXIT_OWN, "run does not know %s, or it lacks its value (see evring --help)",
                      argv[optind - 1]);
        }
    if (optind == argc)
        cmd_fail (EXIT_OWN, "run needs a program (see evring --help)");
    return optind;
}

static char *our_library (void)
{
    const char *folder = cmd_libdir ();
    char *library = cmd_text ("%s/libev.so.4", folder), *real = realpath (library, NULL);

    if (!real)
        cmd_fail (EXIT_OWN, "my own library is missing: %s: %m", library);
    if (strpbrk (real, ":; "))
        cmd_fail (EXIT_OWN, "the loader cannot be given a path with a colon, semicolon or space: %s", real);
    free (library);
    /* The real folder, but the name the loader will look for: real may end in libev.so.4.0.0. */
    *strrchr (real, '/') = 0;
    library = cmd_text ("%s/libev.so.4", real);
    free (real);
    return library;
}

static void set (const char *name, const char *value)
{
    if (setenv (name, value, 1))
        cmd_fail (EXIT_OWN, "cannot set %s: %m", name);
}

/* An empty part of such a list means the current folder, so none is left behind. */
static void put_first (const char *list, const char *value)
{
    const char *old = getenv (list);

    set (list, old && *old ? cmd_text ("%s:%s", value, old) : value);
}

static void set_wishes (const struct wishes *wishes)
{
    int refused;

    if (wishes->stats)
        set ("EVRING_STATS", wishes->stats);
    if (!wishes->backend)
        return;
    refused = cmd_try_backend (wishes->backend);
    if (refused)
        cmd_fail (EXIT_OWN, "no loop can be made with %s here%s; evring probe tells why",
                  cmd_backend_name (wishes->backend), refused < 0 ? " (the attempt is killed)" : "");
    set ("LIBEV_FLAGS", cmd_text ("%u", wishes->backend));
}

/* Who will load libev.so.4 is asked of the loader itself: no copy of its search rules could be right forever. */
static void set_library (const struct program *program, int force)
{
    char *library = our_library (), *folder = cmd_text ("%s", library);
    enum program_libev got;

    *strrchr (folder, '/') = 0;
    put_first ("LD_LIBRARY_PATH", folder);
    got = program_libev (program, library);
    if (got == LIBEV_OTHER) {
        put_first ("LD_PRELOAD", library);
        got = program_libev (program, library);
    }
    if (got != LIBEV_OURS && force && program->rights)
        fprintf (stderr,
                 "evring: %s %s: such programs drop what the loader is told; what it starts may run on the "
                 "system's libev\n",
                 program->binary, program->rights);
    if (got == LIBEV_OURS || force)
        return;
    if (got == LIBEV_OTHER)
        cmd_fail (EXIT_UNUSABLE, "%s: the loader insists on another libev.so.4", program->binary);
    if (program->script)
        cmd_fail (
            EXIT_UNUSABLE,
            "%s is a script for %s, which does not use libev.so.4; with --force it is run, and the libev "
            "programs it starts use evring",
            program->path, program->binary);
    cmd_fail (
        EXIT_UNUSABLE,
        "%s does not use libev.so.4, nor does any library it names. If a plugin loads it later, say --force; "
        "a libev compiled into the program cannot be replaced",
        program->path);
}

/* The library would say so only when the program has ended. A pipe that nobody reads yet may have a reader by then. */
static void try_statistics (const char *path)
{
    int fd = open (path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);

    if (fd < 0 && errno != ENXIO)
        cmd_fail (EXIT_OWN, "cannot write statistics to %s: %m", path);
    if (fd >= 0)
        close (fd);
}

int cmd_run (int argc, char **argv)
{
    struct wishes wishes = { 0 };
    int first = read_options (argc, argv, &wishes);
    struct program program = program_find (argv[first]);

    set_wishes (&wishes);
    set_library (&program, wishes.force);
    if (wishes.stats && *wishes.stats == '/')
        try_statistics (wishes.stats);
    execv (program.path, argv + first);
    cmd_fail (errno == ENOENT ? EXIT_NOT_FOUND : EXIT_UNUSABLE, "cannot execute %s: %m", program.path);
}
