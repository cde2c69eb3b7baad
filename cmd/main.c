/* main.c: the evring command: chooses a verb, and holds the few words all verbs share.
 * Promises: messages of its own go to stderr and start with "evring:"; exit codes are those of cmd.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <ev.h>
#include <ev_op.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static const struct {
    unsigned bit;
    const char *name;
} backends[] = {
    { EVBACKEND_IOURING, "io_uring" },
    { EVBACKEND_EPOLL, "epoll" },
    { EVBACKEND_POLL, "poll" },
    { EVBACKEND_SELECT, "select" },
};
enum { BACKENDS = sizeof backends / sizeof *backends };

void cmd_fail (int code, const char *format, ...)
{
    va_list list;

    fflush (stdout);
    fputs ("evring: ", stderr);
    va_start (list, format);
    vfprintf (stderr, format, list);
    va_end (list);
    fputc ('\n', stderr);
    exit (code);
}

char *cmd_text (const char *format, ...)
{
    char *text;
    va_list list;
    int size;

    va_start (list, format);
    size = vasprintf (&text, format, list);
    va_end (list);
    if (size < 0)
        cmd_fail (EXIT_OWN, "out of memory");
    return text;
}

const char *cmd_libdir (void)
{
    const char *given = getenv ("EVRING_LIBDIR");
    char self[4096];
    ssize_t size;

    if (given && *given)
        return given;
    size = readlink ("/proc/self/exe", self, sizeof self - 1);
    if (size < 0)
        cmd_fail (EXIT_OWN,
                  "cannot find out where I am installed (/proc is not readable); set EVRING_LIBDIR");
    self[size] = 0;
    *strrchr (self, '/') = 0;
    return cmd_text ("%s/../%s", self, EVRING_LIBDIR_FROM_PREFIX);
}

const char *cmd_backend_name (unsigned backend)
{
    for (int i = 0; i < BACKENDS; i++)
        if (backends[i].bit == backend)
            return backends[i].name;
    return NULL;
}

unsigned cmd_backend_bit (const char *name)
{
    for (int i = 0; i < BACKENDS; i++)
        if (!strcmp (backends[i].name, name))
            return backends[i].bit;
    return 0;
}

int cmd_ask_child (int (*question) (void *arg), void *arg)
{
    int status;
    pid_t pid;

    fflush (NULL);
    pid = fork ();
    if (pid < 0)
        cmd_fail (EXIT_OWN, "cannot fork: %m");
    if (!pid) {
        unsetenv ("EVRING_STATS"); /* these loops are nobody's business */
        _exit (question (arg));
    }
    if (waitpid (pid, &status, 0) < 0)
        cmd_fail (EXIT_OWN, "cannot wait for a child: %m");
    return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

static int make_loop (void *arg)
{
    struct ev_loop *loop = ev_loop_new (*(unsigned *) arg | EVFLAG_NOENV);

    if (loop)
        ev_loop_destroy (loop);
    return !loop;
}

int cmd_try_backend (unsigned backend)
{
    return cmd_ask_child (make_loop, &backend);
}

/* The benchmarks are a program of their own: bench in a folder beside the library. */
int cmd_bench (int argc, char **argv)
{
    char *program = cmd_text ("%s/bench/bench", cmd_libdir ());

    (void) argc;
    execv (program, argv);
    cmd_fail (EXIT_OWN, "the benchmarks are not installed here (%s: %m); in a source tree: ./dev bench",
              program);
}

int cmd_said (void)
{
    if (fflush (stdout) || ferror (stdout))
        cmd_fail (EXIT_OWN, "cannot write to standard output: %s", strerror (errno));
    return 0;
}

static int say_version (void)
{
    printf ("evring %s (API and ABI of libev %d.%d)\n", EVRING_VERSION, ev_version_major (),
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
        return say_version ();
    if (!strcmp (verb, "--help") || !strcmp (verb, "-h") || !strcmp (verb, "help")) {
        fputs (usage, stdout);
        return cmd_said ();
    }
    fputs (usage, stderr);
    if (*verb)
        cmd_fail (EXIT_OWN, "there is no verb \"%s\"", verb);
    return EXIT_OWN;
}
