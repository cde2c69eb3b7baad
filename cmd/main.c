/* main.c: the evring command: chooses a verb.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: evring run [--backend=NAME] [--stats[=PATH]] [--force] [--] PROGRAM [ARGUMENT…]\n"
    "       evring probe [--json]\n"
    "       evring bench [ARGUMENT…]\n"
    "       evring --help | --version\n"
    "\n"
    "run     starts a program that is linked with libev.so.4 on evring instead\n"
    "          --backend=NAME   io_uring, epoll, poll or select (default: the best one here)\n"
    "          --stats[=PATH]   the loops say what they did when they end: on stderr, or appended to PATH\n"
    "          --force          also run a program that does not name libev.so.4: a script, or one that\n"
    "                           loads it later, for instance with a plugin\n"
    "probe   says what io_uring offers here, which backend a loop gets, and why not a better one\n"
    "bench   runs the benchmarks\n"
    "\n"
    "Exit code of run: the program's; 125 when evring fails, 126 when the program cannot run on evring,\n"
    "127 when there is no such program.\n";

/* The benchmarks are a program of their own: bench in a folder beside the library. */
int cmd_bench (int argc, char **argv)
{
    char *program = cmd_text ("%s/bench/bench", cmd_libdir ());

    (void) argc;
    execv (program, argv);
    cmd_fail (EXIT_OWN, "the benchmarks are not installed here (%s: %m); in a source tree: ./dev bench",
              program);
}

int cmd_help (void)
{
    fputs (usage, stdout);
    return cmd_said ();
}

int cmd_version (void)
{
    printf ("evring %s (API and ABI of libev %d.%d)\n", EVRING_VERSION_TEXT, ev_version_major (),
            ev_version_minor ());
    return cmd_said ();
}

/* Standard descriptors that are closed would be given to pipes and rings of ours. What is put in their place takes and
 * gives nothing, and the program that is run finds them closed. */
static void hold_standard_descriptors (void)
{
    int fd;

    do
        fd = open ("/", O_PATH | O_CLOEXEC);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close (fd);
}

int main (int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    hold_standard_descriptors ();
    if (!strcmp (verb, "run"))
        return cmd_run (argc - 1, argv + 1);
    if (!strcmp (verb, "probe"))
        return cmd_probe (argc - 1, argv + 1);
    if (!strcmp (verb, "bench"))
        return cmd_bench (argc - 1, argv + 1);
    if (!strcmp (verb, "--version") || !strcmp (verb, "version"))
        return cmd_version ();
    if (!strcmp (verb, "--help") || !strcmp (verb, "-h") || !strcmp (verb, "help"))
        return cmd_help ();
    fputs (usage, stderr);
    if (*verb)
        cmd_fail (EXIT_OWN, "there is no verb \"%s\"", verb);
    return EXIT_OWN;
}
