/* op_supervisor.c: keeps commands running. One that ends with code 0 has done its work; one that fails is started
 * again, later each time. On SIGINT or SIGTERM all are asked to end, and two seconds later it insists.
 *
 * Build:  cc op_supervisor.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out 'sleep 60' 'sleep 1; exit 3'          and press ^C
 */
#define _GNU_SOURCE
#include <ev_op.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MIN 0.1 /* seconds before the first restart, twice as many before the next … */
#define PAUSE_MAX 10. /* … but not more than these; who has lived so long begins anew */

struct service {
    ev_op wait; /* first: a pointer to one points to both */
    ev_timer again;
    char *command;
    pid_t pid; /* 0: it does not run */
    siginfo_t end;
    ev_tstamp started, pause;
};

static struct service *services;
static int count, stopping;
static ev_signal interrupt, terminate;
static ev_timer patience;

static void on_end (struct ev_loop *loop, ev_op *op, int revents);

static void service_pause (struct ev_loop *loop, struct service *service)
{
    service->pause *= 2;
    if (service->pause > PAUSE_MAX)
        service->pause = PAUSE_MAX;
    if (!service->pause || ev_now (loop) - service->started > PAUSE_MAX)
        service->pause = PAUSE_MIN;
    ev_timer_set (&service->again, service->pause, 0.);
    ev_timer_start (loop, &service->again);
}

/* In a process group of its own, so that what the shell starts is stopped with it. The loop may have blocked
 * signals for itself: they are not for the command. */
static int service_spawn (struct service *service)
{
    char *argv[] = { "sh", "-c", service->command, NULL };
    posix_spawnattr_t how;
    sigset_t none;
    int error;

    sigemptyset (&none);
    posix_spawnattr_init (&how);
    posix_spawnattr_setflags (&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask (&how, &none);
    error = posix_spawn (&service->pid, "/bin/sh", NULL, &how, argv, environ);
    posix_spawnattr_destroy (&how);
    return error;
}

static void on_start (struct ev_loop *loop, ev_timer *w, int revents)
{
    struct service *service = w->data;
    int error = service_spawn (service);

    service->started = ev_now (loop);
    if (error) {
        printf ("%s: cannot be started: %s\n", service->command, strerror (error));
        service->pid = 0;
        service_pause (loop, service);
        return;
    }
    printf ("%s: started as %d\n", service->command, (int) service->pid);
    ev_waitid_init (&service->wait, on_end, P_PID, service->pid, &service->end, WEXITED);
    ev_op_start (loop, &service->wait);
}

static void on_end (struct ev_loop *loop, ev_op *op, int revents)
{
    struct service *service = (struct service *) op;
    int killed = service->end.si_code != CLD_EXITED, status = service->end.si_status;

    printf ("%s: ended %s %d\n", service->command, killed ? "by signal" : "with code", status);
    service->pid = 0;
    if (!stopping && (killed || status))
        service_pause (loop, service);
}

static void services_kill (int signal)
{
    for (int i = 0; i < count; i++)
        if (services[i].pid)
            kill (-services[i].pid, signal);
}

static void on_patience (struct ev_loop *loop, ev_timer *w, int revents)
{
    services_kill (SIGKILL);
}

static void on_signal (struct ev_loop *loop, ev_signal *w, int revents)
{
    printf ("signal %d: stopping\n", w->signum);
    stopping = 1;
    for (int i = 0; i < count; i++)
        ev_timer_stop (loop, &services[i].again);
    services_kill (SIGTERM);
    if (!ev_is_active (&patience)) {
        ev_timer_start (loop, &patience);
        ev_unref (loop);
    }
}

static void signal_start (struct ev_loop *loop, ev_signal *w, int signal)
{
    ev_signal_init (w, on_signal, signal);
    ev_signal_start (loop, w);
    ev_unref (loop); /* the loop ends with the last service */
}

int main (int argc, char **argv)
{
    struct ev_loop *loop =
        ev_loop_new (0); /* the default loop collects all children for its ev_child watchers */

    count = argc - 1;
    services = calloc ((size_t) argc, sizeof *services);
    if (!loop || !services)
        return 1;
    setvbuf (stdout, NULL, _IOLBF, 0);
    signal_start (loop, &interrupt, SIGINT);
    signal_start (loop, &terminate, SIGTERM);
    ev_timer_init (&patience, on_patience, 2., 2.);
    for (int i = 0; i < count; i++) {
        services[i].command = argv[i + 1];
        ev_timer_init (&services[i].again, on_start, 0., 0.);
        services[i].again.data = &services[i];
        ev_timer_start (loop, &services[i].again);
    }
    return ev_run (loop, 0);
}
