/* lib.c: fills a struct lib from a shared object. Each object is opened locally: its names stay its own. */
#include "lib.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define LIB_STRING(name, bit) #name,
#define LIB_BIT(name, bit) bit,
const char *const lib_kind_names[KINDS] = { LIB_KINDS (LIB_STRING) };
const int lib_kind_bits[KINDS] = { LIB_KINDS (LIB_BIT) };

static void *lib_symbol (void *object, const char *name)
{
    void *symbol = dlsym (object, name);

    if (!symbol) {
        fprintf (stderr, "agree: %s\n", dlerror ());
        exit (2);
    }
    return symbol;
}

static void *lib_kind_symbol (void *object, int kind, const char *verb)
{
    char name[64];

    snprintf (name, sizeof name, "ev_%s_%s", lib_kind_names[kind], verb);
    return lib_symbol (object, name);
}

void lib_load (struct lib *lib, const char *path, int missing)
{
    void *object = dlopen (path, RTLD_NOW | RTLD_LOCAL);

    if (!object) {
        fprintf (stderr, "agree: %s\n", dlerror ());
        exit (missing);
    }
#define LIB_FIND(result, name, parameters) *(void **) &lib->name = lib_symbol (object, #name);
    LIB_FUNCTIONS (LIB_FIND)
    for (int kind = 0; kind < KINDS; kind++) {
        *(void **) &lib->start_kind[kind] = lib_kind_symbol (object, kind, "start");
        *(void **) &lib->stop_kind[kind] = lib_kind_symbol (object, kind, "stop");
    }
}
