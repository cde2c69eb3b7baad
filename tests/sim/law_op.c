/* law_op.c: the statements about operations. */
#include "stage.h"

#include "known.h"

#include <errno.h>
#include <string.h>

enum {
    DEED_LATE = 1050000, /* nanoseconds after a deadline at which it is asked to end */
    DEED_CALLS = 4,
    DEED_EARLY = 1000,        /* how much a clock may differ */
    LOST_LONGEST = 100000000, /* so long a ring may live that nobody holds */
    DEED_ENDS = 250000000     /* … after which it has ended */
};

static int number_of (const struct deed *deed)
{
    return (int) (deed - stage.deeds);
}

/* One at a time, in the order of their starts; of one that is linked the start is not known. */
static int has_lane (const struct deed *deed)
{
    return deed->kind != K_NONE && (deed->kind != K_REGULAR || deed->w.offset < 0);
}

static int is_behind (const struct deed *deed, const struct deed *other)
{
    return other != deed && other->started && other->w.fd == deed->w.fd && other->way == deed->way
           && other->loop == deed->loop && other->order < deed->order && !other->linked && !deed->linked
           && has_lane (deed) && has_lane (other);
}

/* The one that has to come before it in its lane, or NULL. */
static const struct deed *deed_before (const struct deed *deed)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (is_behind (deed, &stage.deeds[i]))
            return &stage.deeds[i];
    return NULL;
}

static int is_of_file (const struct deed *deed, int file)
{
    return deed->started && deed->kind != K_NONE && deed->file == file
           && k.files[file].serial == deed->serial;
}

/* ---- copies: 11, 14, 22 ---- */

/* The deed that has this in one of its buffers, or NULL. */
static struct deed *deed_at (const void *memory)
{
    const uint8_t *at = memory;

    for (int i = 0; i < stage.deeds_used; i++)
        if (at >= stage.deeds[i].data[0] && at < stage.deeds[i].data[0] + sizeof stage.deeds[i].data)
            return &stage.deeds[i];
    return NULL;
}

static void put_into (struct deed *deed, const uint8_t *to, const uint8_t *bytes, int count)
{
    const uint8_t *data = deed->data[deed->area];

    if (!deed->started || to < data || to >= data + DEED_ROOM)
        fail (14, "the kernel writes to memory that deed %d has been given back", number_of (deed));
    if (deed->kind == K_REGULAR && to == data) /* read once more */
        deed->moved = 0;
    if (to != data + deed->moved || deed->moved + count > deed->size)
        fail (11, "deed %d has %d of %d bytes, and %d more come to place %d", number_of (deed), deed->moved,
              deed->size, count, (int) (to - data));
    memcpy (deed->shadow + deed->moved, bytes, (size_t) count);
    deed->moved += count;
}

/* What comes while a deed is stopped may be dropped at once. */
static int is_taken (const struct arrival *arrival)
{
    return arrival->state != A_NONE && !(arrival->state == A_HERE && stage.may_block);
}

static struct arrival *arrival_room (const uint8_t *at, int count)
{
    struct arrival *room = NULL;

    for (int i = 0; i < ARRIVALS; i++) {
        struct arrival *arrival = &stage.arrivals[i];
        int meets = at < arrival->at + BUF_SIZE && at + count > arrival->at;

        if (is_taken (arrival) && meets)
            fail (22, "the kernel writes to a buffer that %s",
                  arrival->state == A_KEPT ? "the program has kept" : "has not been told yet");
        if (arrival->state == A_NONE || meets)
            room = arrival;
    }
    return room;
}

/* Who receives into the pool from that file: the first that was started, or -1. */
static int pool_user (int file)
{
    int first = -1;

    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].pool && is_of_file (&stage.deeds[i], file)
            && (first < 0 || stage.deeds[i].order < stage.deeds[first].order))
            first = i;
    return first;
}

/* What a ring did before it was over can be read if its queues are in memory of the library. */
static int can_tell_what_a_lost_ring_did (void)
{
    return k.profile->setup >> 14 & 1; /* NO_MMAP */
}

/* A ring that was lost chooses buffers: nobody hears of it. */
static int is_pool_excused (void)
{
    int lost = k.now < stage.pool_lost_until;

    for (int i = 0; i < stage.deeds_used; i++)
        lost |= stage.deeds[i].started && stage.deeds[i].pool && stage.deeds[i].lost;
    return lost && !can_tell_what_a_lost_ring_did ();
}

/* Nobody knows any more which buffer is whose. */
static void pool_spoil (void)
{
    for (int i = 0; i < stage.deeds_used; i++)
        stage.deeds[i].spoiled |= stage.deeds[i].started && stage.deeds[i].pool;
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].state == A_HERE)
            stage.arrivals[i].state = A_NONE;
}

static void put_into_pool (uint8_t *to, const uint8_t *bytes, int count, int file)
{
    struct arrival *arrival;
    int user;

    if (is_pool_excused ()) {
        pool_spoil ();
        return;
    }
    if (!memory_maps (to, (size_t) count))
        fail (14, "the kernel writes to memory that is nobody's");
    user = pool_user (file);
    if (user < 0)
        fail (14, "the kernel receives into a buffer of the pool for nobody");
    arrival = arrival_room (to, count);
    if (!arrival || count > BUF_SIZE)
        fail (22, "more buffers have something in them than the pool has, or bigger ones");
    *arrival =
        (struct arrival){ A_HERE, to, count, file, user, k.files[file].serial, ++stage.deed_order, { 0 } };
    memcpy (arrival->bytes, bytes, (size_t) count);
}

void law_put (void *to, const uint8_t *bytes, int count, int file)
{
    struct deed *deed = deed_at (to);

    if (!stage.program) { /* real.c has none */
        memcpy (to, bytes, (size_t) count);
        return;
    }
    if (deed)
        put_into (deed, to, bytes, count);
    else
        put_into_pool (to, bytes, count, file);
    memcpy (to, bytes, (size_t) count);
    law_excuse (1);
}

void law_get (const void *from, int count, int file)
{
    struct deed *deed = deed_at (from);
    const struct deed *before;

    (void) file;
    law_excuse (1);
    if (!deed)
        fail (14, "the kernel sends what nobody has given it");
    if (!deed->started || (const uint8_t *) from - deed->data[deed->area] < 0
        || (const uint8_t *) from >= deed->data[deed->area] + DEED_ROOM)
        fail (14, "the kernel reads memory that deed %d has been given back", number_of (deed));
    if ((const uint8_t *) from != deed->data[deed->area] + deed->moved)
        fail (11, "deed %d has sent %d bytes, and goes on at place %d", number_of (deed), deed->moved,
              (int) ((const uint8_t *) from - deed->data[deed->area]));
    before = deed_before (deed);
    if (before && before->moved < before->size && ev_is_active (&before->w) && !before->cancelled)
        fail (12, "deed %d is sent before deed %d is done", number_of (deed), number_of (before));
    deed->moved += count;
}

/* ---- life: 10, 12 ---- */

void law_deed_starts (struct deed *deed)
{
    int number = number_of (deed);

    if (number >= stage.deeds_used)
        stage.deeds_used = number + 1;
    deed->started = 1;
    deed->moved = 0;
    deed->cancelled = deed->cut = deed->spoiled = 0;
    deed->disturbed = deed->lost =
        (int8_t) (stage.moved[deed->loop] != 0); /* the ring it is put in is the old one */
    deed->late = NEVER;
    deed->order = ++stage.deed_order;
    deed->makings = k.makings;
    law_excuse (1);
    if (deed->due != NEVER) /* that wakes it up, and again when it is asked for once more */
        law_excuse (1), law_excuse (1);
}

/* Calls that they may cost while nothing happens. One that is to be done whole asks, at each step, what it is about, whether it
 * can be asked without sleeping, and whether there is more. */
int law_deeds_calls (int loop)
{
    int count = 0;

    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].started && stage.deeds[i].loop == loop && ev_is_active (&stage.deeds[i].w))
            count += stage.deeds[i].whole ? WHOLE_CALLS : 1;
    return count;
}

int law_deeds_active (int loop)
{
    int count = 0;

    for (int i = 0; i < stage.deeds_used; i++)
        count += stage.deeds[i].started && stage.deeds[i].loop == loop && ev_is_active (&stage.deeds[i].w);
    return count;
}

int law_deed_on (int file)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (is_of_file (&stage.deeds[i], file))
            return 1;
    return 0;
}

void law_deeds_disturbed (int lost)
{
    for (int i = 0; i < stage.deeds_used; i++) {
        stage.deeds[i].disturbed |= stage.deeds[i].started;
        if (stage.deeds[i].started && lost)
            stage.deeds[i].lost = 1;
    }
}

/* What was to come after it. */
static void deed_over (struct deed *deed, int succeeded)
{
    struct deed *next = NULL;

    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].started && stage.deeds[i].after == number_of (deed))
            next = &stage.deeds[i];
    if (deed->lost && deed->started && deed->pool)
        stage.pool_lost_until = (k.now > k.children_until ? k.now : k.children_until) + LOST_LONGEST;
    deed->started = 0;
    deed->after = -1;
    deed->due = NEVER;
    if (!next)
        return;
    next->after = -1;
    next->cut = !succeeded;
}

/* ---- results: 11, 13, 18 ---- */

static int may_be_cancelled (const struct deed *deed)
{
    return deed->cancelled || deed->cut || deed->disturbed || deed->makings != k.makings
           || k.trouble & T_REQUEST || k.ring_refused;
}

/* Zero: that could not be. */
static int may_be_told (const struct deed *deed, int error)
{
    switch (error) {
    case -ECANCELED:
        return may_be_cancelled (deed);
    case -ETIMEDOUT:
        return deed->due != NEVER && k.now >= deed->due - DEED_EARLY;
    case -EBADF:
        return k.files[deed->file].faulted;
    case -EPIPE:
        return deed->way == GIVES;
    case -ENODATA:
        return deed->whole && deed->way == TAKES && deed->kind != K_SOCKET;
    case -EINTR:
        return k.trouble & T_REQUEST;
    case -EOPNOTSUPP: /* there is no ring */
        return deed->kind == K_NONE;
    case -EAGAIN: /* there is no thread for it */
        return deed->kind == K_REGULAR;
    default:
        return 0;
    }
}

static void told_error (const struct deed *deed, int error)
{
    if (!may_be_told (deed, error))
        fail (error == -ETIMEDOUT ? 13 : 11, "deed %d is told error %d, which nobody has caused",
              number_of (deed), -error);
}

/* … of its own buffer. */
static int moves_bytes (const struct deed *deed)
{
    return !deed->pool && deed->kind != K_LISTENER && deed->kind != K_NONE;
}

/* It may move less than it was to. */
static int ends_short (const struct deed *deed)
{
    const struct file *f = &k.files[deed->file];

    if (deed->kind == K_SOCKET && deed->way == GIVES)
        return 0;
    return !deed->whole || may_be_cancelled (deed) || deed->due <= k.now || f->serial != deed->serial
           || f->eof || f->reset || f->shut_read;
}

/* What the kernel has copied is what is told. */
static void told_bytes (const struct deed *deed)
{
    ssize_t result = deed->w.result;
    int counts = deed->kind == K_SOCKET || deed->whole;
    int moved = (int) (result > 0 ? result : counts ? (ssize_t) deed->w.moved : 0);

    if ((deed->kind == K_REGULAR && result < 0)
        || (deed->lost && result < 0 && !can_tell_what_a_lost_ring_did ()))
        return;
    if (moved != deed->moved)
        fail (11, "deed %d is told %ld, %lu moved, and the kernel has moved %d", number_of (deed),
              (long) result, (unsigned long) deed->w.moved, deed->moved);
    if (deed->way == TAKES && memcmp (deed->data[deed->area], deed->shadow, (size_t) moved))
        fail (11, "deed %d has other bytes than the kernel gave it", number_of (deed));
}

/* The earliest that has come for it. */
static struct arrival *arrival_first (const struct deed *deed)
{
    struct arrival *first = NULL;

    for (int i = 0; i < ARRIVALS; i++) {
        struct arrival *arrival = &stage.arrivals[i];

        if (arrival->state == A_HERE && arrival->file == deed->file && arrival->serial == deed->serial
            && (!first || arrival->order < first->order))
            first = arrival;
    }
    return first;
}

static int is_shared (const struct deed *deed)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (&stage.deeds[i] != deed && stage.deeds[i].pool && is_of_file (&stage.deeds[i], deed->file))
            return 1;
    return 0;
}

static void told_buffer (const struct deed *deed)
{
    struct arrival *arrival = arrival_first (deed);

    if (is_shared (deed)) /* with one of its lane, or of a duplicate */
        for (int i = 0; i < ARRIVALS; i++)
            if (stage.arrivals[i].state == A_HERE && stage.arrivals[i].at == deed->w.buf)
                arrival = &stage.arrivals[i];
    if (!arrival)
        fail (11, "deed %d is told %ld bytes that have not come", number_of (deed), (long) deed->w.result);
    if (arrival->at != deed->w.buf || arrival->count != deed->w.result)
        fail (11, "deed %d is told %ld bytes, and others came before", number_of (deed),
              (long) deed->w.result);
    if (memcmp (arrival->bytes, arrival->at, (size_t) arrival->count))
        fail (11, "a buffer of the pool has other bytes than the kernel gave it");
    arrival->state = A_SHOWN;
}

static void told_some_buffer (const struct deed *deed)
{
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].state == A_HERE && stage.arrivals[i].at == deed->w.buf)
            stage.arrivals[i].state = A_SHOWN;
}

static void told_last (struct deed *deed)
{
    int result = (int) deed->w.result;

    if (result < 0)
        told_error (deed, result);
    if (deed->pool && !is_shared (deed) && arrival_first (deed) && !deed->spoiled)
        fail (11, "deed %d is over, and %d bytes have come that it was not told", number_of (deed),
              arrival_first (deed)->count);
    if (moves_bytes (deed))
        told_bytes (deed);
    if (result > 0 && moves_bytes (deed) && result != deed->size && !ends_short (deed))
        fail (11, "deed %d is told %d, which is not all of it", number_of (deed), result);
    if (deed->cut && (result >= 0 || deed->moved))
        fail (12, "deed %d was to come after one that has failed", number_of (deed));
}

static void told_life (const struct deed *deed, int revents)
{
    int number = number_of (deed), repeats = deed->pool || deed->kind == K_LISTENER;

    if (!deed->started)
        fail (10, "deed %d is called, and is over", number);
    if (stage.starting)
        fail (10, "deed %d is called in a start", number);
    if (revents & ~(EV_OP | (repeats ? EV_OP_MORE : 0)) || !(revents & EV_OP))
        fail (10, "deed %d is told %#x", number, (unsigned) revents);
}

/* One that was taken back while it waited may be told at once. */
static void told_order (const struct deed *deed)
{
    const struct deed *before = deed_before (deed);
    int ended_early = deed->cancelled || deed->w.result == -ECANCELED || deed->w.result == -ETIMEDOUT;

    if (before && !ended_early)
        fail (12, "deed %d is told before deed %d", number_of (deed), number_of (before));
    if (deed->after >= 0 && !deed->cancelled)
        fail (12, "deed %d is told before the one it is linked to, deed %d", number_of (deed), deed->after);
}

void law_deed_told (struct deed *deed, int revents)
{
    for (int calls = 0; calls < DEED_CALLS; calls++) /* to find out what the file is, and what there is */
        law_event (deed->loop);
    deed->tells++;
    told_life (deed, revents);
    told_order (deed);
    if (deed->pool && is_pool_excused ())
        pool_spoil ();
    if (deed->pool && deed->w.result > 0 && deed->spoiled)
        told_some_buffer (deed);
    else if (deed->pool && deed->w.result > 0)
        told_buffer (deed);
    if (revents & EV_OP_MORE)
        return;
    told_last (deed);
    deed_over (deed, deed->w.result >= 0);
}

/* They may be those of a duplicate's deed, if there is one. */
static void drop_arrivals (const struct deed *deed)
{
    for (int i = 0; i < stage.deeds_used; i++) {
        struct deed *other = &stage.deeds[i];

        other->spoiled |=
            deed->pool && other->pool && is_of_file (other, deed->file) && other->w.fd != deed->w.fd;
    }
    for (int i = 0; i < ARRIVALS; i++) {
        struct arrival *arrival = &stage.arrivals[i];
        const struct deed *other = &stage.deeds[arrival->deed];

        if (deed->pool && arrival->state == A_HERE && arrival->file == deed->file
            && (other == deed || other->w.fd != deed->w.fd))
            arrival->state = A_NONE;
    }
}

void law_deed_stopped (struct deed *deed, int was_active)
{
    if (ev_is_active (&deed->w) || ev_is_pending (&deed->w))
        fail (10, "deed %d is stopped, and active or pending", number_of (deed));
    if (moves_bytes (deed))
        told_bytes (deed);
    drop_arrivals (deed);
    deed_over (deed, !was_active && deed->w.result >= 0);
    if (stage.loop[deed->loop] && deed->kind != K_NONE && !law_deed_on (deed->file))
        law_stopped (deed->file);
}

/* ---- the pool ---- */

void law_buffers_seen (void)
{
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].state == A_SHOWN)
            stage.arrivals[i].state = A_NONE;
}

void law_buffer_given (const void *buf)
{
    for (int i = 0; i < ARRIVALS; i++)
        if (stage.arrivals[i].at == buf)
            stage.arrivals[i].state = A_NONE;
}

static int pool_has_any (void)
{
    int full = 0;

    for (int i = 0; i < ARRIVALS; i++)
        full += stage.arrivals[i].state != A_NONE;
    return full < BUFS;
}

/* ---- sleeping: 11, 13 ---- */

int law_deeds_still (nanos until)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].started && stage.deeds[i].kind == K_REGULAR)
            return k.polls_one || until <= k.now + LOST_LONGEST;
    return 0;
}

/* Of those that are linked nobody knows whether they are before or behind it. */
static int lane_has_linked (const struct deed *deed)
{
    for (int i = 0; i < stage.deeds_used; i++) {
        const struct deed *other = &stage.deeds[i];

        if (other != deed && other->started && other->w.fd == deed->w.fd && other->after < 0
            && (other->linked || deed->linked))
            return 1;
    }
    return 0;
}

/* Nonzero: it is its turn, and there is something for it. (What lies in a ring that was closed may be waited for.) */
static int deed_could (const struct deed *deed)
{
    const struct file *f = &k.files[deed->file];

    if (!is_of_file (deed, deed->file) || deed->after >= 0 || deed_before (deed) || lane_has_linked (deed)
        || (deed->pool && !pool_has_any ()))
        return 0;
    switch (deed->kind) {
    case K_SOCKET:
    case K_PIPE_READ:
    case K_PIPE_WRITE:
    case K_LISTENER:
        return (stream_poll (f) & (deed->way == TAKES ? 1u : 4u)) != 0 && !transfer_is_lost (deed->file);
    default:
        return 0;
    }
}

/* What it had begun there may still do something; so may the buffers that the ring has. */
static int waits_for_lost_ring (const struct deed *deed)
{
    return (deed->lost || deed->pool) && (k.now < k.children_until || ring_any_ending ());
}

static void deed_sleeps (struct deed *deed, nanos until)
{
    int number = number_of (deed);

    if (ev_is_pending (&deed->w))
        fail (11, "sleeps though the callback of deed %d is still to come", number);
    if (deed_could (deed) && !waits_for_lost_ring (deed))
        fail (11, "sleeps though deed %d could %s", number, deed->way == TAKES ? "take" : "give");
    if (deed->due != NEVER && deed->due > k.now && until > deed->due_high + DEED_LATE && !deed->cancelled
        && deed->after < 0)
        fail (13, "sleeps until %lld us after the deadline of deed %d",
              (long long) (until - deed->due_high) / 1000, number);
    if ((deed->cancelled || (deed->due != NEVER && deed->due_high <= k.now)) && deed->late == NEVER
        && deed->after < 0)
        deed->late = k.now;
    if (deed->late != NEVER && until > deed->late + DEED_ENDS && until > k.children_until + DEED_ENDS)
        fail (13, "deed %d was to end %lld us ago", number, (long long) (until - deed->late) / 1000);
}

void law_deeds_sleep (nanos until)
{
    for (int i = 0; i < stage.deeds_used; i++)
        if (stage.deeds[i].started && stage.deeds[i].loop == stage.running)
            deed_sleeps (&stage.deeds[i], until);
}

/* A watcher's callback may be at its file as well, always first. */
static int is_disputed (const struct deed *deed)
{
    for (int i = 0; i < stage.io_top; i++)
        if (stage.ios[i].started
            && (stage.ios[i].file == deed->file || stage.ios[i].file == k.files[deed->file].peer))
            return 1;
    return 0;
}

/* Between two calls in which nothing disturbs them each has its turn. */
void law_deeds_calm (int over)
{
    for (int i = 0; i < stage.deeds_used; i++) {
        struct deed *deed = &stage.deeds[i];
        int could =
            stage.loop[deed->loop] && deed_could (deed) && !is_disputed (deed) && !waits_for_lost_ring (deed);

        if (!over || deed->tells || deed->moved != deed->moved_before)
            deed->could = (int8_t) could;
        else if (could && deed->could)
            fail (11, "deed %d could %s, and does not", i, deed->way == TAKES ? "take" : "give");
        deed->tells = 0;
        deed->moved_before = deed->moved;
    }
}

int law_blocks (int file)
{
    const struct file *f = &k.files[file];

    if (!f->nonblock && !(KNOWN_BLOCKS_AGAIN && f->kind == K_LISTENER))
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
