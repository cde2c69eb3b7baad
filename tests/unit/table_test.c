/* table_test.c: backend/table.c: the kernels that are not to be trusted. */
#include "unit.h"

TEST (kernels_that_miss_wakeups_are_known_by_their_version) // rule 1
{
    ck_assert (table_denied ("6.1.123"));
    ck_assert (table_denied ("6.1.127-1 (2025-01-15)"));
    ck_assert (!table_denied ("6.1.122-1"));
    ck_assert (!table_denied ("6.1.128-1"));
    ck_assert (!table_denied ("6.12.125"));
    ck_assert (!table_denied ("6.1-rc1"));
}

static int setups_refused;

static int no_descriptors (const char *call)
{
    if (strcmp (call, "io_uring_setup"))
        return 0;
    setups_refused++;
    return -EMFILE;
}

TEST (ring_refused_for_want_of_descriptors_is_tried_again_later) // rule 1
{
    int reason;

    if (evi_sys_seccomp ())
        test_skip ("a filter watches this process");
    evi_sys_fault = no_descriptors;
    ck_assert (!evi_uring_recommended (&reason));
    ck_assert_int_eq (reason, -EMFILE);
    ck_assert (!evi_uring_recommended (&reason));
    ck_assert_int_eq (setups_refused, 2);
}
