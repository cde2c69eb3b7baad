/* ev_op_process.c: starts programs and learns how they ended; one
 * that takes too long is killed.
 * cc ev_op_process.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static siginfo_t info; /* belongs to the loop until the callback */
static pid_t pid;

static void on_end (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result == -ETIMEDOUT) {
        kill (pid, SIGKILL);
        ev_op_deadline (op, 0.);
        ev_op_start (loop, op); /* it still has to be waited for */
    } else if (op->result < 0)
        printf ("error %d\n", (int) -op->result);
    else if (info.si_code == CLD_EXITED)
        printf ("exit code %d\n", info.si_status);
    else
        printf ("killed by signal %d\n", info.si_status);
}

static pid_t start (const char *script)
{
    pid_t child = fork ();

    if (!child) {
        execl ("/bin/sh", "sh", "-c", script, (char *) NULL);
        _exit (127);
    }
    return child;
}

int main (void)
{
    const char *const scripts[] = { "exit 3", "exec sleep 600" };
    struct ev_loop *loop = ev_default_loop (0);
    ev_op waiting;

    for (int i = 0; loop && i < 2; i++) {
        pid = start (scripts[i]);
        if (pid < 0)
            return 1;
        ev_waitid_init (&waiting, on_end, P_PID, pid, &info, WEXITED);
        if (i)
            ev_op_deadline (&waiting, 0.1);
        ev_op_start (loop, &waiting);
        ev_run (loop, 0);
    }
    return !loop;
}
