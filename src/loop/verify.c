/* verify.c: ev_verify: every room looks whether its own data is whole. */
#include "../ops/ops.h"
#include "loop_private.h"

void ev_verify (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    if (loop->activecnt < -1)
        evi_misuse ("ev_verify", "more references were given back than taken (ev_unref)");
    evi_fd_verify (loop);
    if (loop->backend->verify)
        loop->backend->verify (loop);
    evi_heap_verify (&loop->timers);
    evi_heap_verify (&loop->periodics);
    evi_pending_verify (loop);
    evi_hooks_verify (loop);
    evi_ops_verify (loop);
}
