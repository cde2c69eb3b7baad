/* version.c: the version stands in meson.build, and the header and the library say the same. */
#include <ev_op.h>

#include <stdio.h>
#include <string.h>

#if EVRING_VERSION < 0x000100 || EVRING_VERSION >= 0x7f0000
#error "EVRING_VERSION is a number for #if"
#endif

_Static_assert(EVRING_VERSION_MINOR < 256 && EVRING_VERSION_PATCH < 256, "EVRING_VERSION grows");

int main (void)
{
    char text[40];

    snprintf (text, sizeof text, "%d.%d.%d", EVRING_VERSION_MAJOR, EVRING_VERSION_MINOR,
              EVRING_VERSION_PATCH);
    printf ("meson.build: %s, ev_op.h: %s, the library: 0x%06x\n", PROJECT_VERSION, text,
            (unsigned) evring_version ());
    return strcmp (text, PROJECT_VERSION) != 0 || evring_version () != EVRING_VERSION;
}
