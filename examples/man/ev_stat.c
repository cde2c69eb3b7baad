/* ev_stat.c: watches a path: it appears, grows and disappears.
 * cc ev_stat.c $(pkg-config --cflags --libs evring) */
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/ev_stat-XXXXXX", path[64];

static void append (const char *text, size_t size)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd < 0 || write (fd, text, size) < 0)
        perror (path);
    close (fd);
}

static void on_change (struct ev_loop *loop, ev_stat *w, int revents)
{
    if (!w->attr.st_nlink) { /* 0: there is no such path */
        printf ("gone\n");
        ev_stat_stop (loop, w);
    } else if (!w->prev.st_nlink) {
        printf ("here\n");
        append ("hello\n", 6);
    } else {
        printf ("%d bytes, formerly %d\n", (int) w->attr.st_size,
                (int) w->prev.st_size);
        unlink (path);
    }
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    ev_stat file;

    if (!loop || !mkdtemp (folder))
        return 1;
    snprintf (path, sizeof path, "%s/file", folder);
    ev_stat_init (&file, on_change, path, 0.); /* path must stay */
    ev_stat_start (loop, &file);
    append ("", 0);
    ev_run (loop, 0);
    return rmdir (folder);
}
