/* process.c: what is asked of the process rather than of the kernel: signals, environment, endings, threads (there is one). */
#include "kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* ---- signals ---- */

static uint64_t signal_bit (int signum)
{
    return (uint64_t) 1 << signum;
}

void process_raise (int signum)
{
    if (k.blocked & signal_bit (signum)) {
        k.pending |= signal_bit (signum);
        notify_signal (signum);
    } else if (k.handlers[signum]) {
        k.interrupted = 1;
        law_excuse (0);
        k.handlers[signum](signum);
    }
}

int sim_sigaction (int signum, const struct sigaction *action, struct sigaction *before)
{
    if (before) {
        memset (before, 0, sizeof *before);
        before->sa_handler = k.handlers[signum];
    }
    if (action)
        k.handlers[signum] = action->sa_handler == SIG_IGN ? NULL : action->sa_handler;
    return 0;
}

void (*sim_signal (int signum, void (*handler) (int))) (int)
{
    void (*before) (int) = k.handlers[signum];

    k.handlers[signum] = handler == SIG_IGN ? NULL : handler;
    return before;
}

static void process_take_pending (void)
{
    for (int signum = 1; signum < SIGNALS - 1; signum++)
        if (k.pending & ~k.blocked & signal_bit (signum)) {
            k.pending &= ~signal_bit (signum);
            process_raise (signum);
        }
}

int sim_sigprocmask (int how, const sigset_t *set, sigset_t *before)
{
    uint64_t wanted = 0;

    if (before)
        sigemptyset (before);
    for (int signum = 1; signum < SIGNALS - 1; signum++) {
        if (before && k.blocked & signal_bit (signum))
            sigaddset (before, signum);
        if (set && sigismember (set, signum) == 1)
            wanted |= signal_bit (signum);
    }
    if (!set)
        return 0;
    k.blocked = how == SIG_BLOCK ? k.blocked | wanted : how == SIG_UNBLOCK ? k.blocked & ~wanted : wanted;
    process_take_pending ();
    return 0;
}

int sim_pthread_sigmask (int how, const sigset_t *set, sigset_t *before)
{
    return sim_sigprocmask (how, set, before);
}

int sim_sigpending (sigset_t *set)
{
    sigemptyset (set);
    for (int signum = 1; signum < SIGNALS - 1; signum++)
        if (k.pending & signal_bit (signum))
            sigaddset (set, signum);
    return 0;
}

int sim_sigtimedwait (const sigset_t *set, siginfo_t *info, const struct timespec *limit)
{
    (void) set, (void) info, (void) limit;
    k.error = EAGAIN;
    return -1;
}

int sim_waitpid (int pid, int *status, int options)
{
    (void) pid, (void) status, (void) options;
    k.error = ECHILD;
    return -1;
}

int sim_waitid (int type, unsigned id, siginfo_t *info, int options)
{
    (void) type, (void) id, (void) info, (void) options;
    k.error = ECHILD;
    return -1;
}

/* ---- who and where ---- */

int *sim___errno_location (void)
{
    return &k.error;
}

char *sim_getenv (const char *name)
{
    return strcmp (name, "EVRING_RING") == 0 && k.flavour && *k.flavour ? (char *) (uintptr_t) k.flavour
                                                                        : NULL;
}

int sim_getpid (void)
{
    return 1000;
}

unsigned sim_getuid (void)
{
    return 1000;
}

unsigned long sim_getauxval (unsigned long type)
{
    (void) type; /* AT_SECURE: no rights were gained */
    return 0;
}

unsigned sim_geteuid (void)
{
    return 1000;
}

unsigned sim_getgid (void)
{
    return 1000;
}

unsigned sim_getegid (void)
{
    return 1000;
}

long sim_sysconf (int name)
{
    return name == _SC_PAGESIZE ? 4096 : -1;
}

int sim_uname (struct utsname *name)
{
    memset (name, 0, sizeof *name);
    snprintf (name->release, sizeof name->release, "%s", k.profile->release);
    snprintf (name->version, sizeof name->version, "#1 SMP model");
    return 0;
}

/* ---- endings ---- */

extern void (*__start_sim_fini[]) (void) __attribute__ ((weak));
extern void (*__stop_sim_fini[]) (void) __attribute__ ((weak));

int sim_atexit (void (*run) (void))
{
    if (k.at_exit_count == (int) (sizeof k.at_exit / sizeof *k.at_exit))
        return -1;
    k.at_exit[k.at_exit_count++] = run;
    return 0;
}

void process_exit (void)
{
    while (k.at_exit_count)
        k.at_exit[--k.at_exit_count]();
    if (__start_sim_fini)
        for (void (**run) (void) = __start_sim_fini; run < __stop_sim_fini; run++)
            (*run) ();
}

static char said[256]; /* the last message */

int sim_fprintf (FILE *file, const char *format, ...)
{
    va_list arguments;

    (void) file;
    va_start (arguments, format);
    vsnprintf (said, sizeof said, format, arguments);
    va_end (arguments);
    return 0;
}

int sim_fputc (int c, FILE *file)
{
    (void) file;
    return c;
}

FILE *sim_fopen (const char *name, const char *mode)
{
    (void) name, (void) mode;
    k.error = EACCES;
    return NULL;
}

int sim_fclose (FILE *file)
{
    (void) file;
    return 0;
}

void sim_perror (const char *message)
{
    snprintf (said, sizeof said, "%s: %s", message, strerror (k.error));
}

void sim_abort (void)
{
    fail (25, "the library aborts: %s", said);
}

void sim___assert_fail (const char *what, const char *file, unsigned line, const char *function)
{
    (void) function;
    fail (25, "assertion failed at %s:%u: %s", file, line, what);
}

/* ---- threads: one runs at a time, and the library makes none ---- */

unsigned long sim_pthread_self (void)
{
    return (unsigned long) k.thread;
}

int sim_pthread_create (void *thread, const void *attributes, void *(*run) (void *), void *argument)
{
    (void) thread, (void) attributes, (void) run, (void) argument;
    law_excuse (0);
    return EAGAIN;
}

#define NOTHING(name)            \
    int name (void *a, void *b); \
    int name (void *a, void *b)  \
    {                            \
        (void) a, (void) b;      \
        return 0;                \
    }
NOTHING (sim_pthread_atfork)
NOTHING (sim_pthread_attr_destroy)
NOTHING (sim_pthread_attr_init)
NOTHING (sim_pthread_attr_setstacksize)
NOTHING (sim_pthread_cond_broadcast)
NOTHING (sim_pthread_cond_signal)
NOTHING (sim_pthread_cond_wait)
NOTHING (sim_pthread_join) /* of groups of loops, which no program of the model has, like these: */
NOTHING (sim_bind)
NOTHING (sim_freeaddrinfo)
NOTHING (sim_getaddrinfo)
NOTHING (sim_getnameinfo)
NOTHING (sim_fstatat) /* in threads, of which there are none */
NOTHING (sim_pthread_detach)
NOTHING (sim_getsockname)
NOTHING (sim_listen)
NOTHING (sim_setsockopt)
NOTHING (sim_pthread_mutex_lock)
NOTHING (sim_pthread_mutex_unlock)
