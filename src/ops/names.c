/* names.c: ev_getaddrinfo and ev_getnameinfo, by a thread. Nothing ends the C library's call once it has begun, so the thread
 * has copies of all it is given and keeps what it finds to itself: the loop's thread hands that over. An operation that ends early
 * leaves the call behind, and whoever is in it frees it. */
#include "op.h"

#if EV_OP_ENABLE

#include "../base/sys_op.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

enum { NAMES_HOST = 1025, NAMES_SERVICE = 256 }; /* longer ones there are not */

struct evi_names {
    struct evi_job job; /* first */
    char *node, *service;
    struct addrinfo hints, *with; /* NULL: without */
    struct addrinfo *list;
    struct sockaddr_storage address;
    unsigned size, host_size, service_size;
    int flags;
    char found_host[NAMES_HOST], found_service[NAMES_SERVICE];
};

static char *names_copy (const char *text)
{
    size_t size = text ? strlen (text) + 1 : 0;

    return text ? memcpy (evi_resize (NULL, (long) size), text, size) : NULL;
}

static void names_free (struct evi_names *names)
{
    if (names->list)
        evi_sys_freeaddrinfo (names->list);
    if (names->node)
        evi_resize (names->node, 0);
    if (names->service)
        evi_resize (names->service, 0);
    evi_resize (names, 0);
}

static void names_drop (struct evi_job *job)
{
    names_free ((struct evi_names *) job);
}

/* ---- in a thread ---- */

static ssize_t names_ask_address (struct evi_job *job)
{
    struct evi_names *names = (struct evi_names *) job;

    return evi_sys_getaddrinfo (names->node, names->service, names->with, &names->list);
}

static ssize_t names_ask_name (struct evi_job *job)
{
    struct evi_names *names = (struct evi_names *) job;

    return evi_sys_getnameinfo ((struct sockaddr *) &names->address, names->size, names->found_host,
                                names->host_size, names->found_service, names->service_size, names->flags);
}

/* ---- in the loop's ---- */

static struct evi_names *names_new (ssize_t (*call) (struct evi_job *job))
{
    struct evi_names *names = evi_resize (NULL, sizeof *names);

    memset (names, 0, sizeof *names);
    names->job.call = call;
    names->job.drop = names_drop;
    names->job.threads = EVI_THREADS_NAMES;
    return names;
}

static void names_submit (struct ev_loop *loop, ev_op *op, struct evi_names *names)
{
    struct evi_side *side = evi_op_side (loop, op);
    int err;

    names->job.of = side;
    side->names = &names->job;
    err = evi_ready_submit (loop, op, side->names);
    if (EVI_LIKELY (err >= 0))
        return;
    side->names = NULL;
    names_free (names);
    evi_op_done (loop, op, err);
}

EVI void evi_names_begin_address (struct ev_loop *loop, ev_op *op)
{
    const struct addrinfo *hints = (const struct addrinfo *) (uintptr_t) op->offset;
    struct evi_names *names = names_new (names_ask_address);

    names->node = names_copy (op->buf);
    names->service = names_copy (op->more);
    if (hints) { /* the rest of it must be 0 */
        names->hints.ai_flags = hints->ai_flags;
        names->hints.ai_family = hints->ai_family;
        names->hints.ai_socktype = hints->ai_socktype;
        names->hints.ai_protocol = hints->ai_protocol;
        names->with = &names->hints;
    }
    names_submit (loop, op, names);
}

static unsigned names_room (size_t wanted, unsigned most)
{
    return wanted < most ? (unsigned) wanted : most;
}

EVI void evi_names_begin_name (struct ev_loop *loop, ev_op *op)
{
    struct evi_names *names = names_new (names_ask_name);

    names->size = names_room ((size_t) op->fd_to, sizeof names->address);
    memcpy (&names->address, (const void *) (uintptr_t) op->offset, names->size);
    names->host_size = op->buf ? names_room (op->size, NAMES_HOST) : 0;
    names->service_size = op->more ? names_room ((size_t) op->offset_to, NAMES_SERVICE) : 0;
    names->flags = (int) op->flags;
    names_submit (loop, op, names);
}

static void names_tell_name (ev_op *op, const struct evi_names *names)
{
    if (names->host_size)
        memcpy (op->buf, names->found_host, strlen (names->found_host) + 1);
    if (names->service_size)
        memcpy (op->more, names->found_service, strlen (names->found_service) + 1);
}

/* With the result 0 the list is the program's, also if it only reads that after a stop. */
EVI void evi_names_take (ev_op *op)
{
    struct evi_names *names = (struct evi_names *) op->side->names;

    op->side->names = NULL;
    if (names->job.result == 0 && names->job.call == names_ask_name)
        names_tell_name (op, names);
    else if (names->job.result == 0) {
        *(struct addrinfo **) (uintptr_t) op->offset_to = names->list;
        names->list = NULL;
    }
    names_free (names);
}

/* The thread has stayed in the parent. */
EVI void evi_names_disown (ev_op *op)
{
    if (op->side->names)
        names_drop (op->side->names);
    op->side->names = NULL;
}

const char *ev_op_strerror (ssize_t result) EV_NOEXCEPT
{
    return evi_sys_strerror (result);
}

#endif
