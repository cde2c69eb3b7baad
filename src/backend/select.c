/* select.c: the select backend.
 *
 * What select does badly: it looks at every number up to the highest, the sets must be built anew for each
 * call, and one invalid descriptor spoils the call without being named. It is everywhere, and good for a
 * handful of low descriptors. The bit arrays are our own: any descriptor fits, not only the first 1024. */
#include "../core/loop.h"

#if EV_USE_SELECT

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>

typedef unsigned long select_word; /* as the kernel and fd_set see it */

enum { SELECT_BITS = sizeof (select_word) * CHAR_BIT };

struct select {
    select_word *sets[4]; /* wanted reads, writes; their copies that the kernel overwrites */
    unsigned room[4];     /* words in each */
    int words;            /* up to the highest descriptor ever wanted */
    int count;            /* what select answered */
};

enum { SELECT_READ, SELECT_WRITE, SELECT_READ_OUT, SELECT_WRITE_OUT };

static int select_open (struct ev_loop *loop)
{
    loop->backend_data = evi_resize (NULL, sizeof (struct select));
    memset (loop->backend_data, 0, sizeof (struct select));
    return 0;
}

static void select_close (struct ev_loop *loop)
{
    struct select *self = loop->backend_data;

    for (int i = 0; i < 4; i++)
        evi_resize (self->sets[i], 0);
    evi_resize (self, 0);
}

static void select_put (select_word *set, int fd, int on)
{
    select_word bit = (select_word) 1 << (fd % SELECT_BITS);

    if (on)
        set[fd / SELECT_BITS] |= bit;
    else
        set[fd / SELECT_BITS] &= ~bit;
}

static int select_has (const select_word *set, int fd)
{
    return (int) (set[fd / SELECT_BITS] >> (fd % SELECT_BITS) & 1);
}

static int select_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    struct select *self = loop->backend_data;

    (void) told, (void) why;
    if (fd / SELECT_BITS >= self->words) {
        self->words = fd / SELECT_BITS + 1;
        for (int i = 0; i < 4; i++)
            EVI_FIT_ZEROED (self->sets[i], self->room[i], self->words);
    }
    select_put (self->sets[SELECT_READ], fd, want & EV_READ);
    select_put (self->sets[SELECT_WRITE], fd, want & EV_WRITE);
    return 0;
}

static struct timeval select_timeval (ev_tstamp limit)
{
    struct timeval tv;

    tv.tv_sec = (time_t) limit;
    tv.tv_usec = (suseconds_t) ((limit - (ev_tstamp) tv.tv_sec) * 1e6);
    return tv;
}

static int select_wait (struct ev_loop *loop, ev_tstamp limit)
{
    struct select *self = loop->backend_data;
    struct timeval tv = select_timeval (limit);
    size_t size = (size_t) self->words * sizeof (select_word);

    if (size) {
        memcpy (self->sets[SELECT_READ_OUT], self->sets[SELECT_READ], size);
        memcpy (self->sets[SELECT_WRITE_OUT], self->sets[SELECT_WRITE], size);
    }
    self->count = evi_sys_select (self->words * SELECT_BITS, self->sets[SELECT_READ_OUT],
                                  self->sets[SELECT_WRITE_OUT], &tv);
    if (self->count == -EBADF)
        return EVI_CHECK;
    return self->count < 0 ? self->count : 0;
}

static void select_reap_word (struct ev_loop *loop, const struct select *self, int word)
{
    for (int fd = word * SELECT_BITS; fd < (word + 1) * SELECT_BITS; fd++) {
        int got = (select_has (self->sets[SELECT_READ_OUT], fd) ? EV_READ : 0)
                  | (select_has (self->sets[SELECT_WRITE_OUT], fd) ? EV_WRITE : 0);

        if (got)
            evi_fd_ready (loop, fd, got);
    }
}

/* From the highest down: the queue is a stack, so the lowest is called first. */
static void select_reap (struct ev_loop *loop)
{
    const struct select *self = loop->backend_data;

    if (self->count <= 0)
        return;
    for (int word = self->words; word-- > 0;)
        if (self->sets[SELECT_READ_OUT][word] | self->sets[SELECT_WRITE_OUT][word])
            select_reap_word (loop, self, word);
}

EVI_HOME const struct evi_backend evi_select = {
    .name = "select",
    .call = "select",
    .bit = EVBACKEND_SELECT,
    .grain = 1e-6,
    .open = select_open,
    .close = select_close,
    .modify = select_modify,
    .wait = select_wait,
    .reap = select_reap,
};

#endif
