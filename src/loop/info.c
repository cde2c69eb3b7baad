/* info.c: small questions and settings. */
#include "loop_private.h"

int ev_version_major (void) EV_NOEXCEPT
{
    return EV_VERSION_MAJOR;
}

int ev_version_minor (void) EV_NOEXCEPT
{
    return EV_VERSION_MINOR;
}

int evring_version (void) EV_NOEXCEPT
{
    return EVRING_VERSION;
}

#if EV_MULTIPLICITY
ev_tstamp ev_now (EV_P) EV_NOEXCEPT
{
    return loop->clock.wall;
}
#endif

unsigned int ev_iteration (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    return loop->iteration;
}

unsigned int ev_depth (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    return loop->depth;
}

static void info_collects (struct ev_loop *loop)
{
    loop->collects = loop->io_interval > 0 || loop->timeout_interval > 0;
}

void ev_set_io_collect_interval (EV_P_ ev_tstamp interval) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->io_interval = interval;
    info_collects (loop);
}

void ev_set_timeout_collect_interval (EV_P_ ev_tstamp interval) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->timeout_interval = interval;
    info_collects (loop);
}

void ev_set_userdata (EV_P_ void *data) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->userdata = data;
}

void *ev_userdata (EV_P) EV_NOEXCEPT
{
    EVI_DOOR;

    return loop->userdata;
}

void ev_set_invoke_pending_cb (EV_P_ ev_loop_callback invoke_pending_cb) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->invoke = invoke_pending_cb;
}

void ev_set_loop_release_cb (EV_P_ void (*release) (EV_P) EV_NOEXCEPT,
                             void (*acquire) (EV_P) EV_NOEXCEPT) EV_NOEXCEPT
{
    EVI_DOOR;

    loop->release = release;
    loop->acquire = acquire;
}
