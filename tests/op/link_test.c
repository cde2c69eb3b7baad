/* link_test.c: operations that follow each other. Promises that a chain runs in order while it succeeds, that one
 * failure ends all behind it with -ECANCELED, that each member has one completion, and that a member that was
 * taken out is never touched again. */
#define _GNU_SOURCE
#include "op_kit.h"

enum { LINKS = 20 };

static struct op chain[LINKS];

static void tie (int count)
{
    for (int i = 0; i + 1 < count; i++)
        ev_op_link (&chain[i].w, &chain[i + 1].w);
}

/* As op_start does for one: all of them may be told from now on. */
static void chain_start (struct ev_loop *loop, int count)
{
    for (int i = 0; i < count; i++)
        chain[i].started = 1;
    op_start (loop, &chain[0]);
    for (int i = 0; i < count; i++)
        ck_assert_msg (ev_is_active (&chain[i].w), "member %d is not active", i);
}

static void chain_end (struct ev_loop *loop, int count, int good)
{
    op_until (loop, &chain[count - 1].ends, 1);
    op_all_over (loop);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq (chain[i].calls, 1);
        ck_assert_msg (i < good ? chain[i].result >= 0 : chain[i].result < 0, "member %d: result %zd", i,
                       chain[i].result);
        if (i > good)
            ck_result (chain[i].result, -ECANCELED);
    }
    for (int i = 1; i < good; i++)
        ck_assert_int_gt (chain[i].turn, chain[i - 1].turn);
}

TEST_ENGINES (chain_of_file_operations_runs_in_order)
{
    struct ev_loop *loop = test_loop (0);
    int folder = op_folder_begin (), fd = openat (folder, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char buf[8] = "";

    ev_write_set (op_new (&chain[0]), fd, "hello", 5, 0);
    ev_fsync_set (op_new (&chain[1]), fd, 0);
    ev_renameat_set (op_new (&chain[2]), folder, "new", folder, "file", 0);
    ev_read_set (op_new (&chain[3]), fd, buf, sizeof buf, 0);
    ev_close_set (op_new (&chain[4]), fd);
    ev_unlinkat_set (op_new (&chain[5]), folder, "file", 0);
    tie (6);
    chain_start (loop, 6);
    chain_end (loop, 6, 6);
    ck_assert_int_eq (memcmp (buf, "hello", 5), 0);
    ck_result (chain[3].result, 5); /* short, and a success */
    ck_assert_int_lt (fcntl (fd, F_GETFD), 0);
    op_folder_end (folder);
}

TEST_ENGINES (chain_of_socket_operations_runs_in_order)
{
    struct ev_loop *loop = test_loop (0);
    struct sockaddr_in address;
    int listener = op_listen (&address, 5), fd = socket (AF_INET, SOCK_STREAM, 0), peer;
    char buf[16];

    ev_connect_set (op_new (&chain[0]), fd, (struct sockaddr *) &address, sizeof address);
    ev_send_set (op_new (&chain[1]), fd, "request", 7, 0);
    ev_recv_set (op_new (&chain[2]), fd, buf, sizeof buf, 0);
    ev_shutdown_set (op_new (&chain[3]), fd, SHUT_WR);
    tie (4);
    chain_start (loop, 4);
    op_until (loop, &chain[1].ends, 1);
    ck_assert_int_eq (chain[2].calls + chain[3].calls, 0);
    peer = accept (listener, NULL, NULL);
    ck_assert_int_eq (recv (peer, buf, 7, MSG_WAITALL), 7);
    ck_assert_int_eq (send (peer, "answer", 6, 0), 6);
    chain_end (loop, 4, 4);
    ck_assert_int_eq (memcmp (buf, "answer", 6), 0);
    ck_assert_int_eq (recv (peer, buf, 1, 0), 0);
    close (peer);
    close (fd);
    close (listener);
}

TEST_ENGINES (failure_in_the_middle_ends_all_behind_it)
{
    struct ev_loop *loop = test_loop (0);
    char buf[LINKS];
    int fd = op_file (LINKS);

    for (int bad = 0; bad < LINKS; bad++) {
        for (int i = 0; i < LINKS; i++)
            ev_read_set (op_new (&chain[i]), i == bad ? -1 : fd, &buf[i], 1, i);
        tie (LINKS);
        chain_start (loop, LINKS);
        chain_end (loop, LINKS, bad);
        ck_result (chain[bad].result, -EBADF);
    }
    close (fd);
}

TEST_ENGINES (chain_of_thousands_runs)
{
    enum { THOUSANDS = 3000 };
    static struct op members[THOUSANDS];
    struct ev_loop *loop = test_loop (0);
    char *buf = op_memory (THOUSANDS);
    int fd = op_file (THOUSANDS);

    TEST_SECONDS (30);
    for (int fails = 0; fails < 2; fails++) {
        for (int i = 0; i < THOUSANDS; i++)
            ev_read_set (op_new (&members[i]), fails && !i ? -1 : fd, buf + i, 1, i);
        for (int i = 0; i + 1 < THOUSANDS; i++)
            ev_op_link (&members[i].w, &members[i + 1].w);
        for (int i = 0; i < THOUSANDS; i++)
            members[i].started = 1;
        op_start (loop, &members[0]);
        op_until (loop, &members[THOUSANDS - 1].ends, 1);
        op_all_over (loop);
        for (int i = 0; i < THOUSANDS; i++)
            ck_result (members[i].result, !fails ? 1 : i ? -ECANCELED : -EBADF);
    }
    ck_assert (op_data_is (buf, THOUSANDS, 0));
    close (fd);
    free (buf);
}

TEST_ENGINES (links_hold_for_later_starts_until_set_anew)
{
    struct ev_loop *loop = test_loop (0);
    char buf[3];
    int fd = op_file (3);

    for (int i = 0; i < 3; i++)
        ev_read_set (op_new (&chain[i]), fd, &buf[i], 1, i);
    tie (3);
    for (int round = 1; round <= 3; round++) {
        chain_start (loop, 3);
        op_until (loop, &chain[2].ends, round);
        ck_assert_int_eq (chain[0].ends + chain[1].ends, 2 * round);
    }
    ev_op_link (&chain[1].w, NULL);
    chain_start (loop, 2);
    op_until (loop, &chain[1].ends, 4);
    op_settle (loop);
    ck_assert_int_eq (chain[2].ends, 3);
    ev_read_set (&chain[0].w, fd, &buf[0], 1, 0); /* clears the link */
    chain_start (loop, 1);
    op_until (loop, &chain[0].ends, 5);
    op_settle (loop);
    ck_assert_int_eq (chain[1].ends, 4);
    op_all_over (loop);
    close (fd);
}

TEST_ENGINES (start_of_a_waiting_member_changes_nothing)
{
    struct ev_loop *loop = test_loop (0);
    char buf[2];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 2; i++)
        ev_recv_set (op_new (&chain[i]), fd[0], &buf[i], 1, 0);
    tie (2);
    chain_start (loop, 2);
    ev_op_start (loop, &chain[1].w);
    op_settle (loop);
    kit_put (fd[1]);
    op_end (loop, &chain[0]);
    op_settle (loop);
    ck_assert_int_eq (chain[1].calls, 0);
    kit_put (fd[1]);
    chain_end (loop, 2, 2);
    op_close_both (fd);
}

/* ---- members that are taken out: a head that waits for data, three that wait for it -------------- */

static struct {
    int fd[2], file;
    char buf[8];
} stage;

static void stage_set (void)
{
    op_pair (stage.fd);
    stage.file = op_file (8);
    ev_recv_set (op_new (&chain[0]), stage.fd[0], &stage.buf[0], 1, 0);
    for (int i = 1; i < 4; i++)
        ev_read_set (op_new (&chain[i]), stage.file, &stage.buf[i], 1, i);
    tie (4);
}

static void stage_begin (struct ev_loop *loop)
{
    stage_set ();
    chain_start (loop, 4);
    op_settle (loop);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq (chain[i].calls, 0);
}

static void stage_end (struct ev_loop *loop)
{
    op_settle (loop);
    op_all_over (loop);
    op_close_both (stage.fd);
    close (stage.file);
}

TEST_ENGINES (cancelled_head_ends_the_chain)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    op_cancel (loop, &chain[0]);
    chain_end (loop, 4, 0);
    ck_result (chain[0].result, -ECANCELED);
    stage_end (loop);
}

TEST_ENGINES (stopped_head_ends_the_chain)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    ck_result (op_stop (loop, &chain[0]), -ECANCELED);
    for (int i = 1; i < 4; i++)
        ck_result (op_end (loop, &chain[i]), -ECANCELED);
    ck_assert_int_eq (chain[0].calls, 0);
    stage_end (loop);
}

TEST_ENGINES (cancelled_member_ends_those_behind_it_and_not_those_before)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    op_cancel (loop, &chain[2]);
    ck_result (op_end (loop, &chain[2]), -ECANCELED); /* without waiting for the head */
    ck_assert_int_eq (chain[0].calls + chain[1].calls, 0);
    kit_put (stage.fd[1]);
    ck_result (op_end (loop, &chain[0]), 1);
    ck_result (op_end (loop, &chain[1]), 1);
    ck_result (op_end (loop, &chain[3]), -ECANCELED);
    stage_end (loop);
}

/* The same with a member that lies elsewhere, and is gone after its stop. */
static void check_stop_member (struct ev_loop *loop, int which)
{
    struct op *member = op_memory (sizeof *member);

    stage_set ();
    ev_read_set (op_new (member), stage.file, &stage.buf[7], 1, 0);
    ev_op_link (&chain[which - 1].w, &member->w);
    if (which < 3)
        ev_op_link (&member->w, &chain[which + 1].w);
    for (int i = 0; i < 4; i++)
        chain[i].started = i != which;
    op_start (loop, &chain[0]);
    op_settle (loop);
    ck_result (op_stop (loop, member), -ECANCELED);
    memset (member, 0xdb, sizeof *member);
    free (member);
    kit_put (stage.fd[1]);
    for (int i = 0; i < 4; i++)
        if (i != which)
            ck_result (op_end (loop, &chain[i]), i < which ? 1 : -ECANCELED);
    stage_end (loop);
}

TEST_ENGINES (stopped_member_is_never_touched_again)
{
    struct ev_loop *loop = test_loop (0);

    for (int which = 1; which < 4; which++)
        check_stop_member (loop, which);
}

TEST_ENGINES (stopped_from_tail_to_head_is_silence)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    for (int i = 3; i >= 0; i--)
        ck_result (op_stop (loop, &chain[i]), -ECANCELED);
    memset (chain, 0xdb, sizeof chain);
    kit_put (stage.fd[1]);
    stage_end (loop);
}

static void stop_next (struct ev_loop *loop, struct op *op)
{
    op_stop (loop, &chain[1]);
}

TEST_ENGINES (member_stopped_in_the_callback_of_the_head_is_stopped)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    chain[0].then = stop_next;
    kit_put (stage.fd[1]);
    ck_result (op_end (loop, &chain[0]), 1);
    for (int i = 2; i < 4; i++) {
        op_end (loop, &chain[i]);
        ck_assert_msg (chain[i].result == -ECANCELED || chain[1].w.result == 1, "result %zd",
                       chain[i].result);
    }
    ck_assert_int_eq (chain[1].calls, 0);
    stage_end (loop);
}

TEST_ENGINES (deadline_of_the_head_ends_the_chain)
{
    struct ev_loop *loop = test_loop (0);
    char buf[2];
    int fd[2];

    op_pair (fd);
    for (int i = 0; i < 2; i++)
        ev_recv_set (op_new (&chain[i]), fd[0], &buf[i], 1, 0);
    tie (2);
    ev_op_deadline (&chain[0].w, 0.02);
    chain_start (loop, 2);
    chain_end (loop, 2, 0);
    ck_result (chain[0].result, -ETIMEDOUT);
    op_close_both (fd);
}

TEST_ENGINES (repeating_one_links_to_what_follows_its_end)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 16, 4);
    int fd[2], file = op_file (4);
    char buf[4];

    for (int cancel = 0; cancel < 2; cancel++) {
        op_pair (fd);
        ev_recv_pool_set (op_new (&chain[0]), fd[0], pool, 0);
        ev_read_set (op_new (&chain[1]), file, buf, 4, 0);
        tie (2);
        chain_start (loop, 2);
        kit_put (fd[1]);
        op_until (loop, &chain[0].calls, 1);
        op_settle (loop);
        ck_assert_int_eq (chain[1].calls, 0);
        if (cancel)
            op_cancel (loop, &chain[0]);
        else
            shutdown (fd[1], SHUT_WR);
        ck_result (op_end (loop, &chain[1]), cancel ? -ECANCELED : 4);
        ck_result (chain[0].result, cancel ? -ECANCELED : 0);
        op_close_both (fd);
    }
    op_all_over (loop);
    close (file);
}

TEST_ENGINES (chains_end_with_their_loop)
{
    struct ev_loop *loop = test_loop (0);

    stage_begin (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq (chain[i].calls, 0);
    op_close_both (stage.fd);
    close (stage.file);
}

TEST_ENGINES (many_chains_run_side_by_side)
{
    enum { CHAINS = 50, LENGTH = 5 };
    static struct op side[CHAINS][LENGTH];
    struct ev_loop *loop = test_loop (0);
    char *buf = op_memory (CHAINS * LENGTH);
    int fd = op_file (CHAINS * LENGTH);

    for (int c = 0; c < CHAINS; c++) {
        for (int i = LENGTH - 1; i >= 0; i--) {
            int bad = c % 5 == 3 && i == 2;

            ev_read_set (op_new (&side[c][i]), bad ? -1 : fd, buf + c * LENGTH + i, 1, c * LENGTH + i);
            if (i + 1 < LENGTH)
                ev_op_link (&side[c][i].w, &side[c][i + 1].w);
            side[c][i].started = 1;
        }
        op_start (loop, &side[c][0]);
    }
    for (int c = 0; c < CHAINS; c++)
        for (int i = 0; i < LENGTH; i++) {
            int bad = c % 5 == 3;

            ck_result (op_end (loop, &side[c][i]), !bad || i < 2 ? 1 : i == 2 ? -EBADF : -ECANCELED);
        }
    op_all_over (loop);
    close (fd);
    free (buf);
}
