/* loop.c: opens a loop with exactly one backend. See loop.h.
 * The programs are linked with "some libev.so.4"; LD_LIBRARY_PATH decides which, so the peers that share the ev API
 * also share every byte of the program. Called by: every program of the ev API. */
#define _GNU_SOURCE
#include "loop.h"
#include "bench.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static unsigned backend_bit (const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {
        { "select", EVBACKEND_SELECT },
        { "poll", EVBACKEND_POLL },
        { "epoll", EVBACKEND_EPOLL },
        { "iouring", EVBACKEND_IOURING },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp (name, known[i].name))
            return known[i].bit;
    bench_skip ("unknown backend");
}

static struct ev_loop *only_with (unsigned bit, struct ev_loop *loop)
{
    if (!loop || ev_backend (loop) != bit)
        bench_skip ("this libev has no such backend here");
    return loop;
}

struct ev_loop *bench_loop (const char *backend)
{
    unsigned bit = backend_bit (backend);

    return only_with (bit, ev_loop_new (bit | EVFLAG_NOENV));
}

struct ev_loop *bench_loop_default (const char *backend)
{
    unsigned bit = backend_bit (backend);

    return only_with (bit, ev_default_loop (bit | EVFLAG_NOENV));
}

const char *bench_loop_library (void)
{
    void *address = dlsym (RTLD_DEFAULT, "ev_run");
    Dl_info info;

    if (!address || !dladdr (address, &info))
        bench_die ("which libev is this?");
    return realpath (info.dli_fname, 0);
}
