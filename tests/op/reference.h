/* reference.h: for random tests that do the same twice: the loop that is right, and what the environment says of seeds. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "op_kit.h"

/* A number from the environment. */
static unsigned number_of (const char *name, unsigned otherwise)
{
    const char *text = getenv (name);

    return text ? (unsigned) strtoul (text, NULL, 10) : otherwise;
}

/* The reference: readiness on poll, which every system has. */
static struct ev_loop *reference_begin (void)
{
    unsigned turn = test_backend;
    struct ev_loop *loop;

    setenv ("EVRING_OPS", "ready", 1);
    test_backend = EVBACKEND_POLL;
    loop = ev_loop_new (EVBACKEND_POLL | EVFLAG_NOENV);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 0);
    test_backend = turn;
    return loop;
}

#endif
