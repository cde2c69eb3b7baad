/* plain.c: the peer that just calls pread(2), one read after the other, whatever the depth. It waits for every
 * read: no event loop could be built so. The floor for what reading costs the processor. */
#include "peer.h"

static const char *peer_version (void)
{
    return "kernel";
}

static void peer_open (void)
{
}

static void peer_files_run (struct files *work)
{
    ssize_t size;

    do
        size = pread (work->fd, files_memory (work, 0), FILES_BLOCK, files_next (work, 0));
    while (!files_done (work, 0, size));
}

const struct peer peer = {
    .version = peer_version,
    .open = peer_open,
    .files_run = peer_files_run,
};
