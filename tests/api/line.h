/* line.h: what was called, in order, as one line of names. Owns the line of a test process. A watcher made
 * here adds its name when it is called; a test then says what the line must be. */
#ifndef LINE_H
#define LINE_H

#include "harness.h"

#include <stdio.h>
#include <string.h>

static char line[1024];
static int line_revents; /* of the last named call */

static inline void line_add (const char *name)
{
    size_t used = strlen (line);

    snprintf (line + used, sizeof line - used, used ? " %s" : "%s", name);
}

/* Compares, and begins a new line. */
#define LINE_IS(wanted)                    \
    do {                                   \
        ck_assert_str_eq (line, (wanted)); \
        line[0] = 0;                       \
    } while (0)

#define LINE_KIND(kind)                                                                     \
    static inline void line_##kind (struct ev_loop *loop, struct ev_##kind *w, int revents) \
    {                                                                                       \
        line_add (w->data);                                                                 \
        line_revents = revents;                                                             \
    }
LINE_KIND (io)
LINE_KIND (timer)
LINE_KIND (periodic)
LINE_KIND (signal)
LINE_KIND (idle)
LINE_KIND (prepare)
LINE_KIND (check)
LINE_KIND (fork)
LINE_KIND (cleanup)
LINE_KIND (async)

/* ev_KIND_init with the callback above and a name; further arguments are those of ev_KIND_set. */
#define LINE_INIT(kind, w, name, ...)                       \
    do {                                                    \
        ev_##kind##_init ((w), line_##kind, ##__VA_ARGS__); \
        (w)->data = (void *) (name);                        \
    } while (0)

/* The same, and started on loop. */
#define LINE_START(kind, w, name, ...)                \
    do {                                              \
        LINE_INIT (kind, (w), (name), ##__VA_ARGS__); \
        ev_##kind##_start (loop, (w));                \
    } while (0)

/* What follows is a promise of evring that the reference is known to break on these backends. */
static inline void not_stock (unsigned backends, const char *why)
{
#ifdef STOCK_LIBEV
    if (!test_backend || backends & test_backend)
        test_skip (why);
#endif
}

#endif
