/* err.c: the one place where a failure becomes a message, a callback or the end.
 * Owns the syserr callback. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*err_callback) (const char *msg) EV_NOEXCEPT;

void ev_set_syserr_cb (void (*cb) (const char *msg) EV_NOEXCEPT) EV_NOEXCEPT
{
    err_callback = cb;
}

EVI int evi_syserr_watched (void)
{
    return err_callback != NULL;
}

EVI void evi_syserr (const char *call, int err)
{
    char message[80];

    snprintf (message, sizeof message, "(evring) %s", call);
    errno = err;
    if (err_callback) {
        err_callback (message);
        return;
    }
    perror (message);
    abort ();
}

EVI void evi_complain (const char *call, const char *rule)
{
    fprintf (stderr, "evring: %s: %s\n", call, rule);
}

EVI void evi_misuse (const char *call, const char *rule)
{
    evi_complain (call, rule);
    abort ();
}

EVI void evi_broken (const char *call, const char *what)
{
    fprintf (stderr, "evring: %s has found a fault of the library's own: %s\n", call, what);
    abort ();
}
