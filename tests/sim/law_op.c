/* law_op.c: the statements about operations, of which there are none yet. */
#include "stage.h"

#include <errno.h>

void law_put (void *to, const uint8_t *bytes, int count, int file)
{
    (void) to, (void) bytes, (void) count, (void) file;
    fail (14, "the kernel writes to memory that nobody has lent");
}

void law_get (const void *from, int count, int file)
{
    (void) from, (void) count, (void) file;
    fail (14, "the kernel reads memory that nobody has lent");
}

int law_blocks (int file)
{
    if (!k.files[file].nonblock)
        fail (6, "a call on a blocking descriptor stands still");
    return -EAGAIN;
}

int law_has_rings (void)
{
    for (int i = 0; i < LOOPS; i++)
        if (stage.loop[i] && ev_backend (stage.loop[i]) != EVBACKEND_IOURING)
            return 0;
    return !k.ring_refused;
}
