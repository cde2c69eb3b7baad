/* words.c: the few words all verbs of the evring command share.
 * Promises: messages of its own go to stderr and start with "evring:"; exit codes are those of cmd.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <errno.h>
#include <ev.h>
#include <ev_op.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

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

int cmd_said (void)
{
    if (fflush (stdout) || ferror (stdout))
        cmd_fail (EXIT_OWN, "cannot write to standard output: %s", strerror (errno));
    return 0;
}

/* Where there is no /proc, the name that was executed will do: our folder is still what it was then. */
static char *own_path (void)
{
    char *self = realpath ("/proc/self/exe", NULL);
    const char *executed = (const char *) getauxval (AT_EXECFN);

    if (!self && executed)
        self = realpath (executed, NULL);
    if (!self)
        cmd_fail (EXIT_OWN,
                  "cannot find out where I am installed (/proc is not readable); set EVRING_LIBDIR");
    return self;
}

const char *cmd_libdir (void)
{
    const char *given = getenv ("EVRING_LIBDIR");
    char *self;

    if (given && *given)
        return given;
    self = own_path ();
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
