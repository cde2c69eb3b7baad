/* events.c: prints every number of event.h that is compiled into programs.
 * The output must equal events.txt: the numbers of libev 4.33's event.h (contract: libev-abi.json). */
#include <event.h>

#include <stddef.h>
#include <stdio.h>

#define FIELD(field)                                                        \
    printf ("F event.%s %zu %zu\n", #field, offsetof (struct event, field), \
            sizeof (((struct event *) 0)->field))
#define CONSTANT(name) printf ("C %s %lld\n", #name, (long long) (name))

static void structure (void)
{
    printf ("S event %zu %zu\n", sizeof (struct event), _Alignof(struct event));
    FIELD (iosig);
    FIELD (iosig.io);
    FIELD (iosig.sig);
    FIELD (to);
    FIELD (ev_base);
    FIELD (ev_callback);
    FIELD (ev_arg);
    FIELD (ev_fd);
    FIELD (ev_pri);
    FIELD (ev_res);
    FIELD (ev_flags);
    FIELD (ev_events);
}

static void constants (void)
{
    CONSTANT (EVLIST_TIMEOUT);
    CONSTANT (EVLIST_INSERTED);
    CONSTANT (EVLIST_SIGNAL);
    CONSTANT (EVLIST_ACTIVE);
    CONSTANT (EVLIST_INTERNAL);
    CONSTANT (EVLIST_INIT);
    CONSTANT (EV_PERSIST);
    CONSTANT (EV_ET);
    CONSTANT (EVLOOP_ONCE);
    CONSTANT (EVLOOP_NONBLOCK);
    CONSTANT (EVLOOP_ONESHOT);
    CONSTANT (_EVENT_LOG_DEBUG);
    CONSTANT (_EVENT_LOG_MSG);
    CONSTANT (_EVENT_LOG_WARN);
    CONSTANT (_EVENT_LOG_ERR);
}

/* Programs ask with #ifdef whether these are there. */
static void defined_as_macros (void)
{
#ifdef EV_READ
    CONSTANT (EV_READ);
#endif
#ifdef EV_WRITE
    CONSTANT (EV_WRITE);
#endif
}

int main (void)
{
    structure ();
    constants ();
    defined_as_macros ();
    return 0;
}
