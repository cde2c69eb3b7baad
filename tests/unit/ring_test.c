/* ring_test.c: backend/ring.c on memory that only looks like a ring, and on the kernel's. */
#include "unit.h"

enum { FAKE_SQ = 8, FAKE_CQ = 16 };

static struct {
    uint32_t sq_head, sq_tail, sq_flags, cq_head, cq_tail, overflow;
    struct evi_sqe sqes[FAKE_SQ];
    struct evi_cqe cqes[FAKE_CQ];
} fake;

/* A ring whose indices begin at start. */
static struct evi_ring fake_ring (uint32_t start)
{
    struct evi_ring ring = {
        .fd = -1,
        .sq_head = &fake.sq_head,
        .sq_tail = &fake.sq_tail,
        .sq_flags = &fake.sq_flags,
        .cq_head = &fake.cq_head,
        .cq_tail = &fake.cq_tail,
        .cq_overflow = &fake.overflow,
        .sqes = fake.sqes,
        .cqes = fake.cqes,
        .sq_entries = FAKE_SQ,
        .cq_entries = FAKE_CQ,
        .sq_next = start,
        .enabled = 1,
    };

    fake.sq_head = fake.sq_tail = fake.cq_head = fake.cq_tail = start;
    return ring;
}

/* enter fails before the kernel sees it, having published the tail. */
static int no_enter (const char *call)
{
    return strcmp (call, "io_uring_enter") ? 0 : -EBUSY;
}

TEST (ring_gives_as_many_submissions_as_it_has_and_no_more_across_the_wrap) // U-16
{
    for (uint32_t start = UINT32_MAX - 3; start != 3; start++) {
        struct evi_ring ring = fake_ring (start);

        for (int i = 0; i < FAKE_SQ; i++) {
            ck_assert_uint_eq (evi_ring_queued (&ring), i);
            ck_assert_ptr_nonnull (evi_ring_sqe (&ring));
        }
        ck_assert_ptr_null (evi_ring_sqe (&ring));
        fake.sq_head += 3; /* the kernel takes three */
        ck_assert_uint_eq (evi_ring_queued (&ring), FAKE_SQ - 3);
        ck_assert_ptr_nonnull (evi_ring_sqe (&ring));
    }
}

TEST (ring_submissions_are_zeroed_whatever_was_there_before) // 27.3: entries recycled after the wrap
{
    static const struct evi_sqe zero;
    struct evi_ring ring = fake_ring (0);

    memset (fake.sqes, 0xff, sizeof fake.sqes);
    ck_assert_mem_eq (evi_ring_sqe (&ring), &zero, sizeof zero);
}

TEST (ring_shows_its_tail_to_the_kernel_only_when_it_enters)
{
    struct evi_ring ring = fake_ring (UINT32_MAX);

    evi_ring_sqe (&ring);
    ck_assert_uint_eq (fake.sq_tail, UINT32_MAX);
    evi_sys_fault = no_enter;
    ck_assert_int_eq (evi_ring_enter (&ring, 0, NULL, 0), -EBUSY);
    ck_assert_uint_eq (fake.sq_tail, 0);
    ck_assert_uint_eq (evi_ring_queued (&ring), 1); /* refused, so still to be submitted */
}

TEST (ring_completions_are_read_in_order_across_the_wrap)
{
    struct evi_ring ring = fake_ring (UINT32_MAX - 1);

    for (uint32_t i = 0; i < 5; i++)
        fake.cqes[(fake.cq_head + i) % FAKE_CQ].user_data = i;
    fake.cq_tail += 5;
    ck_assert_uint_eq (evi_ring_ready (&ring), 5);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_eq (evi_ring_peek (&ring, i)->user_data, i);
    evi_ring_advance (&ring, 2);
    ck_assert_uint_eq (evi_ring_ready (&ring), 3);
    ck_assert_uint_eq (evi_ring_peek (&ring, 0)->user_data, 2);
    evi_ring_advance (&ring, 3);
    ck_assert_uint_eq (evi_ring_ready (&ring), 0);
}

/* ---- the ladder, on the kernel ---- */

static int setups, refuse_setups, refuse_with;

static int refuse_first_setups (const char *call)
{
    if (strcmp (call, "io_uring_setup"))
        return 0;
    return setups++ < refuse_setups ? refuse_with : 0;
}

static int ring_after (int refusals, int error, struct evi_ring *ring)
{
    setups = 0;
    refuse_setups = refusals;
    refuse_with = error;
    evi_sys_fault = refuse_first_setups;
    return evi_ring_open (ring, 64, 256, 0);
}

static void need_a_ring (void)
{
    struct evi_ring ring;

    if (evi_ring_open (&ring, 8, 16, 0) < 0)
        test_skip ("no io_uring here");
    evi_ring_close (&ring);
}

TEST (ring_set_up_steps_down_one_flag_set_per_einval) // rule 2
{
    unsigned plain = EVI_SETUP_CQSIZE | EVI_SETUP_CLAMP;

    need_a_ring ();
    for (int refusals = 0; refusals < (int) EVI_COUNT (ring_ladder); refusals++) {
        struct evi_ring ring;
        int known; /* the step that was taken: the kernel may refuse further ones by itself */

        ck_assert_int_eq (ring_after (refusals, -EINVAL, &ring), 0);
        known = setups - 1;
        ck_assert_int_ge (known, refusals);
        ck_assert_uint_eq (ring.setup & ~EVI_SETUP_NO_MMAP, ring_ladder[known] | plain);
        evi_ring_close (&ring);
    }
    ck_assert_uint_eq (ring_ladder[EVI_COUNT (ring_ladder) - 1], 0); /* the last step is a plain ring */
}

TEST (ring_that_no_flag_set_can_make_is_no_ring) // rule 2
{
    struct evi_ring ring;

    ck_assert_int_eq (ring_after (1000, -EINVAL, &ring), -EINVAL);
    ck_assert_int_eq (ring.fd, -1);
    ck_assert_int_eq (ring_after (1000, -EPERM, &ring), -EPERM);
    ck_assert_int_eq (setups, 1); /* any other failure means "no ring" at once */
}

TEST (ring_sizes_are_halved_while_memory_is_refused) // rule 2
{
    struct evi_ring ring;

    need_a_ring ();
    ck_assert_int_eq (ring_after (2, -ENOMEM, &ring), 0);
    ck_assert_uint_eq (ring.sq_entries, 16);
    ck_assert_uint_eq (ring.cq_entries, 64);
    evi_ring_close (&ring);
    ck_assert_int_eq (ring_after (1000, -ENOMEM, &ring), -ENOMEM);
}

TEST (ring_is_closed_twice_without_harm_and_leaves_no_descriptor)
{
    struct evi_ring ring;
    int before = test_fd_count ();

    need_a_ring ();
    ck_assert_int_eq (evi_ring_open (&ring, 8, 16, 0), 0);
    ck_assert_int_eq (test_fd_count (), before + 1);
    evi_ring_close (&ring);
    evi_ring_close (&ring);
    ck_assert_int_eq (test_fd_count (), before);
}
