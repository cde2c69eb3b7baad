/* client.c: a program as people write them for libev, for the command's tests. It says what it sees:
 * its arguments, which libev.so.4 is mapped, the backend of its loop. Then it does what it is told.
 * First argument: exit=N, raise=SIGNAL, wait (until SIGTERM, which ends it with 7), cat, noenv (its loop heeds
 * no environment), or anything.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_timer (struct ev_loop *loop, ev_timer *timer, int revents)
{
    ev_timer_stop (loop, timer);
}

static void on_signal (struct ev_loop *loop, ev_signal *watcher, int revents)
{
    exit (7);
}

static void print_library (void)
{
    FILE *maps = fopen ("/proc/self/maps", "r");
    char line[4096], last[4096] = "";

    while (maps && fgets (line, sizeof line, maps)) {
        char *path = strchr (line, '/');

        if (path && strstr (path, "/libev.so.") && strcmp (path, last))
            printf ("library %s", strcpy (last, path));
    }
    if (maps)
        fclose (maps);
}

static void wait_for_term (struct ev_loop *loop)
{
    ev_signal term;

    ev_signal_init (&term, on_signal, SIGTERM);
    ev_signal_start (loop, &term);
    puts ("waiting");
    fflush (stdout);
    ev_run (loop, 0);
}

static void obey (struct ev_loop *loop, const char *order)
{
    if (!strncmp (order, "exit=", 5))
        exit (atoi (order + 5));
    if (!strncmp (order, "raise=", 6))
        kill (getpid (), atoi (order + 6));
    if (!strcmp (order, "wait"))
        wait_for_term (loop);
    if (!strcmp (order, "cat"))
        for (int c; (c = getchar ()) != EOF;)
            putchar (c);
}

int main (int argc, char **argv)
{
    struct ev_loop *loop =
        ev_default_loop (argc > 1 && !strcmp (argv[1], "noenv") ? EVFLAG_NOENV | EVBACKEND_POLL : 0);
    ev_timer timer;

    if (!loop)
        return 3;
    if (chdir ("/"))
        return 4;
    ev_timer_init (&timer, on_timer, 0.001, 0.);
    ev_timer_start (loop, &timer);
    ev_run (loop, 0);
    for (int i = 0; i < argc; i++)
        printf ("argument %d <%s>\n", i, argv[i]);
    print_library ();
    printf ("backend %u\n", ev_backend (loop));
    printf ("LD_LIBRARY_PATH=%s\n", getenv ("LD_LIBRARY_PATH"));
    printf ("LD_PRELOAD=%s\n", getenv ("LD_PRELOAD"));
    fflush (stdout);
    obey (loop, argc > 1 ? argv[1] : "");
    return 0;
}
