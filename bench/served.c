/* served.c: the echo question for a server that is a program of its own: --program PATH is started with port 0, says its port
 * in the first line, and gets the load of this process. What is reported is its processor time. So the examples that
 * people copy are measured as they stand. */
#include "bench.h"
#include "work.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static pid_t start (const struct bench_options *o, FILE **said)
{
    int ends[2];
    pid_t pid;

    if (pipe (ends) || (pid = fork ()) < 0)
        bench_die ("fork");
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        dup2 (ends[1], STDOUT_FILENO);
        close (ends[0]);
        close (ends[1]);
        execl (o->program, o->program, "0", (char *) 0);
        bench_die (o->program);
    }
    close (ends[1]);
    *said = fdopen (ends[0], "r");
    return pid;
}

int main (int argc, char **argv)
{
    struct bench_options o = bench_options (argc, argv);
    struct echo work;
    int port = 0;
    FILE *said;
    pid_t server;

    bench_need_fds (o.connections + 64); /* what the server inherits */
    server = start (&o, &said);
    if (!said || fscanf (said, "%d", &port) != 1)
        bench_skip ("the server does not start here");
    bench_pin (o.client_cpu);
    served_run (&work, &o, server, port);
    echo_report (&work, o.program);
    kill (server, SIGKILL);
    waitpid (server, 0, 0);
    return 0;
}
