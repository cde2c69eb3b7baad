/* names_test.c: addresses of names. Promises the results of getaddrinfo and getnameinfo, and that an end comes at once, however long the
 * C library takes. The resolver here is ours: it knows names that are never answered until a gate opens. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <dlfcn.h>
#include <netdb.h>

static struct {
    int open, entered, left; /* atomic */
} gate;

int getaddrinfo (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    static int (*next) (const char *node, const char *service, const struct addrinfo *hints,
                        struct addrinfo **list);
    int slow = node && !strcmp (node, "slow"), result;

    if (slow) {
        __atomic_add_fetch (&gate.entered, 1, __ATOMIC_SEQ_CST);
        while (!__atomic_load_n (&gate.open, __ATOMIC_SEQ_CST))
            usleep (200);
    }
    *(void **) &next = dlsym (RTLD_NEXT, "getaddrinfo");
    result = next (slow ? "127.0.0.9" : node, service, hints, list);
    if (slow)
        __atomic_add_fetch (&gate.left, 1, __ATOMIC_SEQ_CST);
    return result;
}

static void until_entered (int count)
{
    while (__atomic_load_n (&gate.entered, __ATOMIC_SEQ_CST) < count) /* the deadline is the guard */
        usleep (200);
}

static void *do_nothing (void *arg)
{
    return arg;
}

/* A sanitizer has one of its own from the first one on. */
static int threads_before (void)
{
    pthread_t thread;

    ck_assert_int_eq (pthread_create (&thread, NULL, do_nothing, NULL), 0);
    pthread_join (thread, NULL);
    return test_thread_count ();
}

/* And the threads that were left behind are gone. */
static void gate_opens (int threads)
{
    __atomic_store_n (&gate.open, 1, __ATOMIC_SEQ_CST);
    while (test_thread_count () > threads)
        usleep (200);
    ck_assert_int_eq (__atomic_load_n (&gate.left, __ATOMIC_SEQ_CST),
                      __atomic_load_n (&gate.entered, __ATOMIC_SEQ_CST));
}

static const struct addrinfo numeric = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                         .ai_socktype = SOCK_STREAM };
static struct addrinfo *const nothing = (struct addrinfo *) &gate; /* what a list is that was not written */

TEST_ENGINES (addresses_of_a_name_are_told)
{
    struct ev_loop *loop = test_loop (0);
    struct addrinfo *list = nothing;
    const struct sockaddr_in *address;

    for (int i = 0; i < 2; i++) {
        if (!i)
            ck_result (op_do (loop, getaddrinfo, "127.0.0.1", "80", &numeric, &list), 0);
        else {
            op_one.ends = 0;
            ck_result (op_started_end (loop, &op_one), 0); /* again, as it is */
        }
        address = (const struct sockaddr_in *) list->ai_addr;
        ck_assert_int_eq (address->sin_port, htons (80));
        ck_assert_int_eq (address->sin_addr.s_addr, htonl (INADDR_LOOPBACK));
        freeaddrinfo (list);
    }
    ck_result (op_do (loop, getaddrinfo, NULL, "81", NULL, &list), 0);
    freeaddrinfo (list);
    op_all_over (loop);
}

TEST_ENGINES (errors_of_names_have_numbers_and_words)
{
    struct ev_loop *loop = test_loop (0);
    struct addrinfo *list = nothing;

    ck_result (op_do (loop, getaddrinfo, "no.number", "80", &numeric, &list), -3000 + EAI_NONAME);
    ck_assert_ptr_eq (list, nothing);
    ck_assert_str_eq (ev_op_strerror (op_one.result), gai_strerror (EAI_NONAME));
    ck_assert_str_eq (ev_op_strerror (-ENOENT), strerror (ENOENT));
    ck_result (op_do (loop, getaddrinfo, "127.0.0.1", NULL, NULL, NULL), -EINVAL);
    ck_result (op_do (loop, getnameinfo, NULL, 0, NULL, 0, NULL, 0, 0), -EINVAL);
}

TEST_ENGINES (name_of_an_address_is_told)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl (INADDR_LOOPBACK),
                                   .sin_port = htons (8080) };
    char host[20] = "x", service[10] = "y";
    const int flags = NI_NUMERICHOST | NI_NUMERICSERV;

    ck_result (op_do (loop, getnameinfo, (struct sockaddr *) &address, sizeof address, host, sizeof host,
                      service, sizeof service, flags),
               0);
    ck_assert_str_eq (host, "127.0.0.1");
    ck_assert_str_eq (service, "8080");
    ck_result (
        op_do (loop, getnameinfo, (struct sockaddr *) &address, sizeof address, host, 5, NULL, 0, flags),
        -3000 + EAI_OVERFLOW);
    ck_assert_str_eq (host, "127.0.0.1");
    ck_result (op_do (loop, getnameinfo, (struct sockaddr *) &address, sizeof address, NULL, 0, service,
                      sizeof service, flags),
               0);
}

/* ---- ends ---- */

static int entered (void)
{
    return __atomic_load_n (&gate.entered, __ATOMIC_SEQ_CST);
}

static struct addrinfo *found;

static void begin_slow (struct ev_loop *loop, struct op *look, const char *name, int count)
{
    op_begin (loop, look, getaddrinfo, name, NULL, &numeric, &found);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (count);
}

TEST_ENGINES (cancel_deadline_and_stop_end_a_look_up_at_once)
{
    struct ev_loop *loop = test_loop (0);
    int threads = threads_before ();
    char name[] = "slow";
    struct op look;

    found = nothing;
    begin_slow (loop, &look, name, 1);
    memcpy (name, "gone", 4); /* it is not looked at any more */
    op_cancel (loop, &look);
    ck_result (op_end (loop, &look), -ECANCELED);
    memcpy (name, "slow", 4);
    begin_slow (loop, &look, name, 2);
    ck_result (op_stop (loop, &look), -ECANCELED);
    for (double seconds = 0.02; entered () < 3; seconds *= 2) { /* it may be over before a thread has it */
        ev_getaddrinfo_set (op_new (&look), name, NULL, &numeric, &found);
        ev_op_deadline (&look.w, seconds);
        ck_result (op_started_end (loop, &look), -ETIMEDOUT);
    }
    ck_assert_ptr_eq (found, nothing);
    /* and others find threads */
    ck_result (op_do (loop, getaddrinfo, "127.0.0.1", NULL, &numeric, &found), 0);
    freeaddrinfo (found);
    found = nothing;
    op_all_over (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    gate_opens (threads);
    ck_assert_ptr_eq (found, nothing);
}

TEST_ENGINES (destroy_waits_for_no_look_up_and_pools_can_begin_anew)
{
    int threads = threads_before ();
    struct addrinfo *list = nothing;

    for (int round = 0; round < 3; round++) {
        struct ev_loop *loop = test_loop (0);
        struct op looks[4];

        for (int i = 0; i < 4; i++) /* two run, and two wait for a thread */
            op_begin (loop, &looks[i], getaddrinfo, "slow", NULL, &numeric, &list);
        ev_run (loop, EVRUN_NOWAIT);
        until_entered (2 * (round + 1));
        test_loop_gone (loop);
        ev_loop_destroy (loop);
    }
    gate_opens (threads);
    ck_assert_int_eq (__atomic_load_n (&gate.entered, __ATOMIC_SEQ_CST), 6);
    ck_assert_ptr_eq (list, nothing);
}

enum { ORPHANS = 16 };

TEST_ENGINES (so_many_may_be_left_behind_and_the_next_is_waited_for)
{
    struct ev_loop *loop = test_loop (0);
    int threads = threads_before ();
    struct addrinfo *list = nothing, *late = nothing;
    struct op look;

    for (int i = 0; i < ORPHANS; i++) {
        op_begin (loop, &look, getaddrinfo, "slow", NULL, &numeric, &list);
        ev_run (loop, EVRUN_NOWAIT);
        until_entered (i + 1);
        op_cancel (loop, &look);
        ck_result (op_end (loop, &look), -ECANCELED);
    }
    op_begin (loop, &look, getaddrinfo, "slow", NULL, &numeric, &late);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (ORPHANS + 1);
    op_cancel (loop, &look);
    op_settle (loop);
    ck_assert_int_eq (look.ends, 0);
    __atomic_store_n (&gate.open, 1, __ATOMIC_SEQ_CST);
    ck_result (op_end (loop, &look), 0); /* the real result */
    ck_assert_ptr_ne (late, nothing);
    freeaddrinfo (late);
    ck_assert_ptr_eq (list, nothing);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    gate_opens (threads);
}

TEST_ENGINES (look_ups_keep_no_file_and_no_work_waiting)
{
    struct ev_loop *loop = test_loop (0);
    int threads = threads_before (), fd = op_file (10);
    struct addrinfo *list = nothing;
    struct op looks[6];

    for (int i = 0; i < 6; i++)
        op_begin (loop, &looks[i], getaddrinfo, "slow", NULL, &numeric, &list);
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (2);
    for (int i = 0; i < 10; i++)
        ck_result (op_do (loop, fsync, fd, 0), 0);
    ck_assert_int_eq (entered (), 2); /* and the other four wait for their turn */
    for (int i = 0; i < 6; i++)
        ck_result (op_stop (loop, &looks[i]), -ECANCELED);
    close (fd);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    gate_opens (threads);
}

/* ---- forks ---- */

static void cancelled_in_child (void *arg)
{
    struct op *look = arg;
    struct ev_loop *loop = look->arg;
    struct addrinfo *list;

    ev_loop_fork (loop);
    if (op_end (loop, look) != -ECANCELED)
        _exit (1);
    if (op_do (loop, getaddrinfo, "127.0.0.1", NULL, &numeric, &list))
        _exit (2);
    freeaddrinfo (list);
}

TEST_ENGINES (look_up_is_the_parents_in_a_fork_child)
{
    struct ev_loop *loop = test_loop (0);
    struct addrinfo *list = nothing;
    struct op look;

    op_begin (loop, &look, getaddrinfo, "slow", NULL, &numeric, &list);
    look.arg = loop;
    ev_run (loop, EVRUN_NOWAIT);
    until_entered (1);
    ck_assert_int_eq (test_child (cancelled_in_child, &look, NULL, 0), 0);
    __atomic_store_n (&gate.open, 1, __ATOMIC_SEQ_CST);
    ck_result (op_end (loop, &look), 0);
    freeaddrinfo (list);
}
