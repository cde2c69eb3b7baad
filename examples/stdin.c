/* stdin.c: reads lines from standard input as they come, and says how long each is. Gives up after ten
 * seconds of silence.
 *
 * Build:  cc stdin.c $(pkg-config --cflags --libs evring)
 * Run:    ./a.out          or: echo hello | ./a.out          or: ./a.out <stdin.c
 */
#include <ev.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char buffer[4096];
static size_t filled;
static ev_timer silence;

/* What came may be less than a line, or several: cut off what is whole, keep the rest. */
static void take_lines (void)
{
    char *start = buffer, *newline;

    while ((newline = memchr (start, '\n', filled - (size_t) (start - buffer)))) {
        printf ("%td\n", newline - start);
        start = newline + 1;
    }
    filled -= (size_t) (start - buffer);
    memmove (buffer, start, filled);
    if (filled == sizeof buffer)
        filled = 0; /* a line nobody can hold is thrown away */
}

static void on_input (struct ev_loop *loop, ev_io *w, int revents)
{
    ssize_t size;

    if (revents & EV_ERROR) { /* standard input is closed; the watcher has been stopped */
        ev_break (loop, EVBREAK_ALL);
        return;
    }
    size = read (w->fd, buffer + filled, sizeof buffer - filled);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        ev_break (loop, EVBREAK_ALL);
        return;
    }
    filled += (size_t) size;
    take_lines ();
    ev_timer_again (loop, &silence);
}

static void on_silence (struct ev_loop *loop, ev_timer *w, int revents)
{
    puts ("no input");
    ev_break (loop, EVBREAK_ALL);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_io input;

    if (!loop)
        return 1;
    ev_io_init (&input, on_input, STDIN_FILENO, EV_READ);
    ev_io_start (loop, &input);
    ev_init (&silence, on_silence);
    silence.repeat = 10.;
    ev_timer_again (loop, &silence);
    ev_run (loop, 0);
    ev_loop_destroy (loop);
    return 0;
}
