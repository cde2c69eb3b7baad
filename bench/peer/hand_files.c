/* hand_files.c: reads on a ring by hand: `depth` of them under way, each completion begins the next. */
#include "hand.h"

static struct files *files;

static void read_next (int slot)
{
    int64_t offset = files_next (files, slot);
    struct io_uring_sqe *sqe;

    if (offset < 0)
        return;
    sqe = hand_sqe ();
    io_uring_prep_read (sqe, files->fd, files_memory (files, slot), FILES_BLOCK, (uint64_t) offset);
    sqe->user_data = hand_tag (0, slot);
}

static bool read_ready (const struct io_uring_cqe *cqe)
{
    int slot = hand_number (cqe->user_data);

    if (files_done (files, slot, cqe->res))
        return true;
    read_next (slot);
    return false;
}

void hand_files_run (struct files *work)
{
    files = work;
    for (int i = 0; i < work->depth; i++)
        read_next (i);
    hand_run (read_ready);
}
