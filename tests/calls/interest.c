/* interest.c: a program whose system calls are counted by interest_test.py. It plays scenes, each on a loop of its own;
 * what lies between the two marks of a scene is what the library does about a usual pattern of starting, changing and
 * stopping. Callbacks neither read nor write, so that nothing but the library's calls is there, and what a scene
 * itself calls (close, socketpair) is told in the test.
 *
 * usage: interest BACKEND (the number of its bit; the library comes by LD_LIBRARY_PATH) */
#include <ev.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMES = 8 }; /* interest_test.py knows it as well */

static struct ev_loop *loop;
static int ends[TIMES][2];
static ev_io watchers[TIMES], *const own = &watchers[0], *const other = &watchers[1];
static int left; /* so often is something still to be done */

static void die (const char *what)
{
    perror (what);
    exit (1);
}

/* A call that fails and does nothing, for strace to see. */
static void mark (const char *what, const char *scene)
{
    char text[64];
    int size = snprintf (text, sizeof text, "%s %s", what, scene);

    if (write (-1, text, (size_t) size) >= 0 || errno != EBADF)
        die ("mark");
}

static void nothing (EV_P_ ev_io *w, int revents)
{
    (void) loop;
    (void) w;
    (void) revents;
}

static void set (ev_io *w, int events)
{
    ev_io_stop (loop, w);
    ev_io_set (w, w->fd, events);
    ev_io_start (loop, w);
}

static void modify (ev_io *w, int events)
{
    ev_io_stop (loop, w);
    ev_io_modify (w, events);
    ev_io_start (loop, w);
}

static int turned (const ev_io *w)
{
    return (w->events & EV_READ) ? EV_WRITE : EV_READ;
}

/* ---- what callbacks do: once each, until enough was done ---------------------------------------- */

static void in_own (EV_P_ ev_io *w, int revents)
{
    if (left && left--)
        set (w, turned (w));
}

static void in_own_modify (EV_P_ ev_io *w, int revents)
{
    if (left && left--)
        modify (w, turned (w));
}

static void in_own_twice (EV_P_ ev_io *w, int revents)
{
    if (left && left--) {
        int wanted = turned (w);

        set (w, EV_READ | EV_WRITE);
        set (w, wanted);
    }
}

static void in_own_there_and_back (EV_P_ ev_io *w, int revents)
{
    if (left && left--) {
        set (w, turned (w));
        set (w, turned (w));
    }
}

static void in_own_same (EV_P_ ev_io *w, int revents)
{
    if (left && left--)
        set (w, w->events & (EV_READ | EV_WRITE));
}

static void in_own_restart (EV_P_ ev_io *w, int revents)
{
    if (left && left--) {
        ev_io_stop (loop, w);
        ev_io_start (loop, w);
    }
}

static void in_another (EV_P_ ev_io *w, int revents)
{
    if (left && left--)
        set (other, turned (other));
}

static void only_counts (EV_P_ ev_io *w, int revents)
{
    left -= left > 0;
}

/* ---- scenes --------------------------------------------------------------------------------------- */

static void pair_open (int at)
{
    if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends[at]))
        die ("socketpair");
    ev_io_init (&watchers[at], nothing, ends[at][0], EV_READ);
}

static void settle (void)
{
    ev_run (loop, EVRUN_NOWAIT);
    ev_run (loop, EVRUN_NOWAIT);
}

/* Until the callback has done its part, and once more, for the kernel to hear of the last of it. */
static void run_callback (const char *scene, void (*callback) (EV_P_ ev_io *w, int revents))
{
    ev_set_cb (own, callback);
    if (write (ends[0][1], "x", 1) != 1)
        die ("write");
    ev_io_start (loop, own);
    ev_io_start (loop, other);
    settle ();
    mark ("begin", scene);
    left = TIMES;
    while (left)
        ev_run (loop, EVRUN_ONCE);
    ev_run (loop, EVRUN_NOWAIT);
    mark ("end", scene);
}

static void start_all (void)
{
    for (int i = 0; i < TIMES; i++)
        ev_io_start (loop, &watchers[i]);
}

/* One was there before: what is counted is not the birth of the loop. */
static void first_start (const char *scene)
{
    ev_io_start (loop, own);
    settle ();
    mark ("begin", scene);
    start_all ();
    ev_run (loop, EVRUN_NOWAIT);
    mark ("end", scene);
}

static void restart_idle (const char *scene)
{
    start_all ();
    settle ();
    mark ("begin", scene);
    for (int i = 0; i < TIMES; i++) {
        ev_io_stop (loop, own);
        ev_io_start (loop, own);
        ev_run (loop, EVRUN_NOWAIT);
    }
    mark ("end", scene);
}

static void restart_idle_later (const char *scene)
{
    start_all ();
    settle ();
    mark ("begin", scene);
    for (int i = 0; i < TIMES; i++) {
        ev_io_stop (loop, own);
        ev_run (loop, EVRUN_NOWAIT);
        ev_io_start (loop, own);
        ev_run (loop, EVRUN_NOWAIT);
    }
    mark ("end", scene);
}

static void stop_and_close (const char *scene)
{
    start_all ();
    settle ();
    mark ("begin", scene);
    for (int i = 0; i < TIMES; i++) {
        ev_io_stop (loop, &watchers[i]);
        close (ends[i][0]);
        ev_run (loop, EVRUN_NOWAIT);
    }
    mark ("end", scene);
}

static void close_and_open (const char *scene)
{
    start_all ();
    settle ();
    mark ("begin", scene);
    for (int i = 0; i < TIMES; i++) {
        ev_io_stop (loop, own);
        close (ends[0][0]);
        close (ends[0][1]);
        pair_open (0);
        ev_io_start (loop, own);
        ev_run (loop, EVRUN_NOWAIT);
    }
    mark ("end", scene);
}

static const struct {
    const char *name;
    void (*play) (const char *scene);
    void (*callback) (EV_P_ ev_io *w, int revents); /* instead of play */
} scenes[] = {
    { "answers", 0, only_counts },
    { "changed_in_its_own_callback", 0, in_own },
    { "modified_in_its_own_callback", 0, in_own_modify },
    { "changed_twice_in_an_iteration", 0, in_own_twice },
    { "changed_there_and_back", 0, in_own_there_and_back },
    { "set_to_the_same_again", 0, in_own_same },
    { "restarted_in_its_own_callback", 0, in_own_restart },
    { "changed_in_another_callback", 0, in_another },
    { "started_for_the_first_time", first_start, 0 },
    { "restarted_while_idle", restart_idle, 0 },
    { "restarted_while_idle_an_iteration_later", restart_idle_later, 0 },
    { "stopped_and_closed", stop_and_close, 0 },
    { "closed_and_opened_anew", close_and_open, 0 },
};

static void play (int at, unsigned backend)
{
    loop = ev_loop_new (backend | EVFLAG_NOENV);
    if (!loop || ev_backend (loop) != backend)
        exit (77);
    for (int i = 0; i < TIMES; i++)
        pair_open (i);
    if (scenes[at].callback)
        run_callback (scenes[at].name, scenes[at].callback);
    else
        scenes[at].play (scenes[at].name);
    ev_loop_destroy (loop);
    for (int i = 0; i < TIMES; i++) {
        close (ends[i][0]);
        close (ends[i][1]);
    }
}

int main (int argc, char **argv)
{
    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++)
        play ((int) i, (unsigned) atoi (argv[1]));
    return 0;
}
