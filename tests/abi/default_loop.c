/* default_loop.c: a program looks at ev_default_loop_ptr, a variable of the library, through inline functions
 * of the header. Linkers move such a variable into the program (a copy relocation), so the library has to write
 * to the program's copy. Built as a position-independent program and as one that is not. Contract: data_symbol. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_DEFAULT */
#endif
#include <ev.h>

#include <dlfcn.h>
#include <stdio.h>

static int failures;

static void expect (int holds, const char *what)
{
    if (holds)
        return;
    printf ("does not hold: %s\n", what);
    failures++;
}

static void pointer_follows_the_default_loop (void)
{
    struct ev_loop *other = ev_loop_new (EVFLAG_NOENV), *loop;

    expect (EV_DEFAULT_UC == NULL, "there is no default loop at first");
    expect (ev_is_default_loop (NULL), "no loop is the default loop while there is none");
    loop = ev_default_loop (EVFLAG_NOENV);
    expect (loop != NULL && EV_DEFAULT_UC == loop, "the program sees the default loop");
    expect (EV_DEFAULT == loop, "there is only one default loop");
    expect (ev_is_default_loop (loop), "it is the default loop");
    expect (!ev_is_default_loop (other), "another loop is not");
    ev_loop_destroy (other);
    expect (EV_DEFAULT_UC == loop, "the end of another loop does not matter");
    ev_loop_destroy (loop);
    expect (EV_DEFAULT_UC == NULL, "there is none when it has ended");
}

static void everybody_has_the_same_pointer (void)
{
    struct ev_loop **theirs = (struct ev_loop **) dlsym (RTLD_DEFAULT, "ev_default_loop_ptr");
    struct ev_loop *loop = ev_default_loop (EVFLAG_NOENV);

    expect (theirs != NULL && *theirs == loop, "a plugin sees the default loop");
    expect (EV_DEFAULT_UC == loop, "and so does the program");
    ev_loop_destroy (loop);
}

int main (void)
{
    pointer_follows_the_default_loop ();
    everybody_has_the_same_pointer ();
    return failures != 0;
}
