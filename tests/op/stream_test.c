/* stream_test.c: ev_stream as a program sees it. Promises order, one done per chunk and one EV_END, descriptors closed. */
#define _GNU_SOURCE
#include "op_kit.h"

#include <ev_stream.h>

struct peer {
    ev_stream s; /* first, so that the watcher is the peer */
    size_t got;  /* bytes, which are those of op_data */
    int datas, eofs, drains, ends, chunks;
    ssize_t done; /* result of the last chunk */
    int echoes, closes_at_eof, leaves, stops, aborts;
};

static void peer_told (EV_P_ ev_stream *s, int revents)
{
    struct peer *peer = (struct peer *) s;

    ck_assert_msg (!peer->ends, "told after the end: 0x%x", (unsigned) revents);
    if (revents & EV_DATA) {
        peer->datas++;
        s->left = peer->leaves && s->size < (size_t) peer->leaves ? s->size : 0;
        if (!s->left) {
            ck_assert (op_data_is (s->buf, s->size, peer->got));
            peer->got += s->size;
        }
        if (peer->echoes)
            ck_assert (ev_stream_give (loop, s, s->buf, s->size) >= 0 || s->error);
    }
    peer->eofs += !!(revents & EV_EOF);
    peer->drains += !!(revents & EV_DRAIN);
    peer->ends += !!(revents & EV_END);
    if (revents & EV_END)
        ck_assert (!ev_is_active (s) && s->fd == -1);
    if (revents & EV_EOF && peer->closes_at_eof)
        ev_stream_close (loop, s);
    if (revents & EV_DATA && peer->stops)
        ev_stream_stop (loop, s);
    if (revents & EV_DATA && peer->aborts)
        ev_stream_abort (loop, s, -EPROTO);
}

static void peer_done (EV_P_ ev_stream *s, ev_chunk *chunk, ssize_t result)
{
    struct peer *peer = (struct peer *) s;

    ck_assert (!peer->ends);
    peer->chunks++;
    peer->done = result;
}

static ev_stream *peer_new (struct peer *peer, int fd, ev_pool *pool)
{
    memset (peer, 0, sizeof *peer);
    ev_stream_init (&peer->s, peer_told, fd, pool);
    return &peer->s;
}

static void peer_write (struct ev_loop *loop, struct peer *peer, size_t from, size_t size)
{
    char *data = op_memory (size);

    op_data (data, size, from);
    ck_assert_int_ge (ev_stream_write (loop, &peer->s, data, size), 0);
    free (data);
}

static void both_echo (struct ev_loop *loop, int fd[2], size_t size)
{
    ev_pool *pool = ev_pool_new (loop, 4096, 16);
    struct peer here, there;

    peer_new (&here, fd[0], pool);
    ev_stream_feeds (peer_new (&there, fd[1], pool), &there.s);
    there.echoes = there.closes_at_eof = here.closes_at_eof = 1;
    ev_stream_start (loop, &here.s);
    ev_stream_start (loop, &there.s);
    for (size_t at = 0; at < size; at += 1000)
        peer_write (loop, &here, at, 1000);
    ev_stream_shutdown (loop, &here.s);
    op_until (loop, &here.ends, 1);
    op_until (loop, &there.ends, 1);
    ck_assert_uint_eq (here.got, size);
    ck_assert_int_eq (here.eofs, 1);
    ck_assert_int_eq (here.s.error, 0);
    ck_assert_int_eq (there.s.error, 0);
    ev_pool_free (loop, pool);
    op_all_over (loop);
}

TEST_ENGINES (stream_echoes_every_byte_in_order_over_a_socket_pair)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    op_pair (fd);
    both_echo (loop, fd, 500000);
}

TEST_ENGINES (stream_echoes_every_byte_in_order_over_tcp)
{
    struct ev_loop *loop = test_loop (0);
    int fd[2];

    op_tcp_pair (fd);
    both_echo (loop, fd, 500000);
}

TEST_ENGINES (stream_reads_one_pipe_and_writes_another)
{
    struct ev_loop *loop = test_loop (0);
    int in[2], out[2];
    struct peer cat;
    char buf[64];

    ck_assert_int_eq (pipe (in), 0);
    ck_assert_int_eq (pipe (out), 0);
    ev_stream_set_pair (peer_new (&cat, -1, NULL), in[0], out[1]);
    cat.echoes = cat.closes_at_eof = 1;
    ev_stream_start (loop, &cat.s);
    op_data (buf, 50, 0);
    ck_assert_int_eq (write (in[1], buf, 50), 50);
    op_until (loop, &cat.datas, 1);
    close (in[1]);
    op_until (loop, &cat.ends, 1);
    ck_assert_int_eq (read (out[0], buf, sizeof buf), 50);
    ck_assert (op_data_is (buf, 50, 0));
    ck_assert_int_eq (read (out[0], buf, sizeof buf), 0);
    close (out[0]);
}

TEST_ENGINES (stream_that_is_paused_is_told_nothing_until_it_is_resumed)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    char buf[64];
    int fd[2];

    op_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], pool));
    ev_stream_pause (loop, &peer.s);
    op_data (buf, 50, 0);
    ck_assert_int_eq (write (fd[1], buf, 50), 50);
    op_settle (loop);
    ck_assert_int_eq (peer.datas, 0);
    ev_stream_resume (loop, &peer.s);
    op_until (loop, &peer.datas, 1);
    ck_assert_uint_eq (peer.got, 50);
    ev_stream_stop (loop, &peer.s);
    ck_assert_int_eq (peer.s.fd, -1);
    close (fd[1]);
    op_all_over (loop);
}

TEST_ENGINES (stream_gives_what_was_left_again_in_front_of_what_comes_next)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    char buf[64];
    int fd[2];

    op_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], pool));
    peer.leaves = 30;
    op_data (buf, 30, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq (write (fd[1], buf + 10 * i, 10), 10);
        op_until (loop, &peer.datas, i + 1);
    }
    ck_assert_uint_eq (peer.got, 30);
    ev_stream_stop (loop, &peer.s);
    close (fd[1]);
}

TEST_ENGINES (stream_that_nobody_reads_owes_a_drain_and_loses_patience)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    static char data[1 << 22];
    struct iovec vec = { data, sizeof data };
    ev_chunk chunk = { .vec = &vec, .count = 1, .done = peer_done };
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_patience (peer_new (&peer, fd[0], pool), 0., 0., .05);
    ev_stream_start (loop, &peer.s);
    ck_assert_int_eq (ev_stream_chunk (loop, &peer.s, &chunk), sizeof data);
    op_until (loop, &peer.ends, 1);
    ck_assert_int_eq (peer.s.error, -ETIMEDOUT);
    ck_assert_int_eq (peer.chunks, 1);
    ck_result (peer.done, -ETIMEDOUT);
    ck_assert_int_eq (peer.drains, 0);
    ck_assert_int_eq (ev_stream_write (loop, &peer.s, "x", 1), -ETIMEDOUT);
    close (fd[1]);
}

TEST_ENGINES (stream_that_drains_says_so_once)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 16);
    struct peer here, there;
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_start (loop, peer_new (&here, fd[0], pool));
    ev_stream_start (loop, peer_new (&there, fd[1], pool));
    peer_write (loop, &here, 0, 300000);
    op_until (loop, &here.drains, 1);
    ev_stream_close (loop, &here.s);
    there.closes_at_eof = 1;
    op_until (loop, &here.ends, 1);
    op_until (loop, &there.ends, 1);
    ck_assert_uint_eq (there.got, 300000);
    ck_assert_int_eq (here.drains, 1);
}

TEST_ENGINES (stream_closed_with_unread_input_does_not_cost_the_peer_its_answer)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    char buf[300];
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], pool));
    ck_assert_int_eq (write (fd[1], buf, sizeof buf), sizeof buf);
    peer_write (loop, &peer, 0, 200);
    ev_stream_close (loop, &peer.s);
    ck_assert_int_eq (ev_stream_write (loop, &peer.s, "x", 1), -EPIPE);
    op_settle (loop);
    ck_assert_int_eq (write (fd[1], buf, sizeof buf), sizeof buf);
    op_settle (loop);
    ck_assert_int_eq (recv (fd[1], buf, sizeof buf, MSG_WAITALL), 200);
    ck_assert (op_data_is (buf, 200, 0));
    close (fd[1]);
    op_until (loop, &peer.ends, 1);
    ck_assert_int_eq (peer.s.error, 0);
}

TEST_ENGINES (stream_can_be_stopped_and_aborted_from_its_callback)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    char buf[8];
    int fd[2];

    op_data (buf, 5, 0);
    for (int how = 0; how < 2; how++) {
        op_tcp_pair (fd);
        ev_stream_start (loop, peer_new (&peer, fd[0], pool));
        peer.stops = how;
        peer.aborts = !how;
        ck_assert_int_eq (write (fd[1], buf, 5), 5);
        op_until (loop, &peer.datas, 1);
        op_settle (loop);
        ck_assert_int_eq (peer.ends, !how);
        ck_assert (!ev_is_active (&peer.s));
        ck_assert_int_eq (read (fd[1], buf, 5), how ? 0 : -1);
        close (fd[1]);
    }
    op_all_over (loop);
}

TEST_ENGINES (stream_ends_in_a_fork_child_and_goes_on_in_the_parent)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    int fd[2], status;
    char buf[8];
    pid_t child;

    op_data (buf, 5, 0);
    op_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], pool));
    op_settle (loop);
    child = fork ();
    if (!child) {
        ev_loop_fork (loop);
        while (!peer.ends && ev_run (loop, EVRUN_ONCE))
            ;
        _exit (peer.ends == 1 && peer.s.error == -ECANCELED ? 0 : 1);
    }
    ck_assert_int_eq (waitpid (child, &status, 0), child);
    ck_assert_int_eq (status, 0);
    ck_assert_int_eq (write (fd[1], buf, 5), 5);
    op_until (loop, &peer.datas, 1);
    ev_stream_close (loop, &peer.s);
    close (fd[1]);
    op_until (loop, &peer.ends, 1);
    ck_assert_int_eq (peer.s.error, 0);
}

TEST_ENGINES (stream_whose_peer_resets_ends_once_with_the_reason_and_each_chunk_is_told)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 4);
    struct peer peer;
    static char data[1 << 22];
    struct iovec vec = { data, sizeof data };
    ev_chunk chunk[2] = { { .vec = &vec, .count = 1, .done = peer_done },
                          { .vec = &vec, .count = 1, .done = peer_done } };
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], pool));
    ck_assert_int_eq (ev_stream_chunk (loop, &peer.s, &chunk[0]), sizeof data);
    ck_assert_int_eq (ev_stream_chunk (loop, &peer.s, &chunk[1]), 2 * sizeof data);
    op_settle (loop);
    ck_assert_int_eq (
        setsockopt (fd[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof (struct linger)), 0);
    close (fd[1]);
    op_until (loop, &peer.ends, 1);
    ck_assert (peer.s.error == -ECONNRESET || peer.s.error == -EPIPE);
    ck_assert_int_eq (peer.chunks, 2);
    ck_result (peer.done, peer.s.error);
    op_all_over (loop);
}

TEST_ENGINES (stream_takes_any_order_of_calls_and_ends_once)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 512, 8);
    unsigned random = 12345;

    for (int round = 0; round < 60; round++) {
        struct peer pair[2];
        size_t written[2] = { 0, 0 };
        int fd[2], aborted = 0;

        round & 1 ? op_pair (fd) : op_tcp_pair (fd);
        for (int i = 0; i < 2; i++) {
            ev_stream_water (peer_new (&pair[i], fd[i], pool), 3000, 1000);
            ev_stream_feeds (&pair[i].s, random >> 20 & 1 ? &pair[i].s : NULL);
            pair[i].closes_at_eof = 1;
            ev_stream_start (loop, &pair[i].s);
        }
        for (int step = 0; step < 40; step++) {
            unsigned what = (random = random * 1103515245 + 12345) >> 16, which = what & 1;
            struct peer *peer = &pair[which];
            size_t size = 1 + what % 1500;

            switch (what >> 1 & 7) {
            case 0:
                ev_stream_pause (loop, &peer->s);
                break;
            case 1:
            case 2:
                ev_stream_resume (loop, &peer->s);
                break;
            case 3:
                ev_run (loop, EVRUN_NOWAIT);
                break;
            case 4:
                if (what % 37 == 0)
                    ev_stream_shutdown (loop, &peer->s);
                if (what % 41 == 0)
                    ev_stream_abort (loop, &peer->s, -EPROTO), aborted = 1;
                break;
            default: {
                char data[1500];

                op_data (data, size, written[which]);
                if (ev_stream_write (loop, &peer->s, data, size) >= 0)
                    written[which] += size;
            }
            }
        }
        for (int i = 0; i < 2; i++) {
            ev_stream_resume (loop, &pair[i].s);
            ev_stream_shutdown (loop, &pair[i].s);
        }
        for (int i = 0; i < 2; i++) {
            op_until (loop, &pair[i].ends, 1);
            ck_assert (aborted ? pair[!i].got <= written[i] : pair[i].s.error == 0);
        }
        if (!aborted)
            for (int i = 0; i < 2; i++)
                ck_assert_msg (pair[!i].got == written[i] && pair[i].eofs == 1, "round %d: %zu of %zu", round,
                               pair[!i].got, written[i]);
    }
    ev_pool_free (loop, pool);
    op_all_over (loop);
}

/* All that comes to the end of it; the loop goes on meanwhile. */
static size_t read_to_the_end (struct ev_loop *loop, int fd)
{
    char some[4096];
    size_t got = 0;
    ssize_t size = 1;

    for (double until = test_clock () + OP_PATIENCE; size && test_clock () < until;) {
        ev_run (loop, EVRUN_NOWAIT);
        size = recv (fd, some, sizeof some, MSG_DONTWAIT);
        ck_assert_msg (size >= 0 || errno == EAGAIN, "after %zu bytes: %s", got, strerror (errno));
        got += size > 0 ? (size_t) size : 0;
    }
    return got;
}

TEST_ENGINES (peer_that_talks_to_a_closed_stream_gets_all_of_its_answer)
{
    struct ev_loop *loop = test_loop (0);
    enum { ANSWER = 80000 };
    struct peer peer;
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_start (loop, peer_new (&peer, fd[0], ev_pool_new (loop, 4096, 16)));
    peer_write (loop, &peer, 0, ANSWER);
    for (double until = test_clock () + OP_PATIENCE; ev_stream_backlog (&peer.s) && test_clock () < until;)
        ev_run (loop, EVRUN_NOWAIT);
    ev_stream_close (loop, &peer.s);
    op_settle (loop); /* the end of writing is out */
    ck_assert_int_eq (send (fd[1], "and another thing", 17, MSG_NOSIGNAL), 17);
    op_settle (loop);
    ck_assert_uint_eq (read_to_the_end (loop, fd[1]), ANSWER);
    close (fd[1]);
    op_until (loop, &peer.ends, 1);
    ck_assert_int_eq (peer.s.error, 0);
}

/* ---- from one to another ---- */

struct relay {
    struct peer from; /* what it reads goes to to */
    struct peer to;
};

static void relay_told (EV_P_ ev_stream *s, int revents)
{
    struct relay *relay = (struct relay *) s;

    if (revents & EV_DATA)
        ck_assert_int_ge (ev_stream_write (loop, &relay->to.s, s->buf, s->size), 0);
    if (revents & EV_EOF)
        ev_stream_shutdown (loop, &relay->to.s);
    relay->from.ends += !!(revents & EV_END);
}

/* near sends to a relay, which passes on to far, which reads late. */
TEST_ENGINES (stream_that_feeds_another_is_not_read_while_that_is_above_its_mark)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 64);
    enum { ALL = 1500000 };
    struct peer near, far;
    struct relay relay;
    int in[2], out[2];

    op_tcp_pair (in);
    op_tcp_pair (out);
    peer_new (&relay.from, in[1], pool);
    ev_set_cb (&relay.from.s, relay_told);
    ev_stream_feeds (&relay.from.s, peer_new (&relay.to, out[0], pool));
    ev_stream_start (loop, peer_new (&near, in[0], pool));
    ev_stream_start (loop, &relay.from.s);
    ev_stream_start (loop, &relay.to.s);
    peer_write (loop, &near, 0, ALL);
    ev_stream_shutdown (loop, &near.s);
    kit_run_for (loop, 0.05); /* nobody reads at the far end */
    ck_assert_uint_le (ev_stream_backlog (&relay.to.s), 65536 + 64 * 4096);
    ck_assert_uint_gt (ev_stream_backlog (&near.s), 0);
    ev_stream_start (loop, peer_new (&far, out[1], pool));
    op_until (loop, &far.eofs, 1);
    ck_assert_uint_eq (far.got, ALL);
    ev_stream_stop (loop, &near.s);
    ev_stream_stop (loop, &relay.to.s); /* who is fed goes first */
    ev_stream_stop (loop, &relay.from.s);
    ev_stream_stop (loop, &far.s);
    op_all_over (loop);
}

TEST_ENGINES (chunk_of_many_pieces_that_no_single_send_takes_arrives_as_it_was)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 16);
    enum { PIECES = 30, SIZE = 50021 }; /* a send ends inside one */
    static unsigned char data[PIECES * SIZE];
    struct iovec vec[PIECES];
    ev_chunk chunk = { .vec = vec, .count = PIECES, .done = peer_done };
    struct peer here, there;
    int fd[2];

    op_data (data, sizeof data, 0);
    for (int i = 0; i < PIECES; i++)
        vec[i] = (struct iovec){ data + (size_t) i * SIZE, SIZE };
    op_pair (fd);
    ev_stream_start (loop, peer_new (&here, fd[0], pool));
    ev_stream_start (loop, peer_new (&there, fd[1], pool));
    ck_assert_int_eq (ev_stream_chunk (loop, &here.s, &chunk), sizeof data);
    peer_write (loop, &here, sizeof data, 5);
    ev_stream_shutdown (loop, &here.s);
    op_until (loop, &there.eofs, 1);
    ck_assert_uint_eq (there.got, sizeof data + 5);
    ck_assert_int_eq (here.chunks, 1);
    ck_result (here.done, sizeof data);
    ev_stream_stop (loop, &here.s);
    ev_stream_stop (loop, &there.s);
}

/* ---- ends ---- */

TEST_ENGINES (stream_without_traffic_or_a_first_byte_loses_patience)
{
    struct ev_loop *loop = test_loop (0);

    for (int first = 0; first < 2; first++) {
        struct peer peer;
        int fd[2];

        op_pair (fd);
        ev_stream_patience (peer_new (&peer, fd[0], NULL), first ? 0. : .02, first ? .02 : 0., 0.);
        ev_stream_start (loop, &peer.s);
        op_until (loop, &peer.ends, 1);
        ck_result (peer.s.error, -ETIMEDOUT);
        close (fd[1]);
    }
    op_all_over (loop);
}

TEST_ENGINES (stream_that_leaves_more_than_it_may_ends_with_emsgsize)
{
    struct ev_loop *loop = test_loop (0);
    struct peer peer;
    int fd[2];

    op_pair (fd);
    ev_stream_most (peer_new (&peer, fd[0], ev_pool_new (loop, 4096, 4)), 100);
    peer.leaves = 1000;
    ev_stream_start (loop, &peer.s);
    for (int i = 0; i < 11 && !peer.ends; i++) {
        ck_assert_int_eq (send (fd[1], "0123456789", 10, MSG_NOSIGNAL), 10);
        op_until (loop, &peer.datas, i + 1);
    }
    op_until (loop, &peer.ends, 1);
    ck_result (peer.s.error, -EMSGSIZE);
    close (fd[1]);
}

TEST_ENGINES (loop_that_is_destroyed_ends_its_streams_without_a_callback)
{
    struct ev_loop *loop = test_loop (0);
    struct peer here, fed;
    int fd[2], other[2];
    char byte;

    op_pair (fd);
    op_pair (other);
    peer_new (&here, fd[0], ev_pool_new (loop, 4096, 4));
    ev_stream_feeds (&here.s, peer_new (&fed, other[0], NULL));
    ev_stream_start (loop, &here.s);
    ev_stream_start (loop, &fed.s);
    peer_write (loop, &here, 0, 100000);
    op_settle (loop);
    test_loop_gone (loop);
    ev_loop_destroy (loop);
    ck_assert_int_eq (here.ends + fed.ends, 0);
    ck_assert (!ev_is_active (&here.s) && !ev_is_active (&fed.s));
    op_drain (fd[1]);
    ck_assert_int_eq (recv (fd[1], &byte, 1, MSG_DONTWAIT), 0); /* closed */
    ck_assert_int_eq (recv (other[1], &byte, 1, MSG_DONTWAIT), 0);
    close (fd[1]);
    close (other[1]);
}

/* ---- from thread to thread ---- */

static void *some_iterations (void *loop)
{
    for (int i = 0; i < 5; i++)
        ev_run ((struct ev_loop *) loop, EVRUN_NOWAIT);
    return NULL;
}

/* Of some rings that are lost nobody knows what they did: then a stream ends. */
TEST_ENGINES (streams_of_a_loop_that_moves_between_threads_lose_nothing_unsaid)
{
    struct ev_loop *loop = test_loop (0);
    ev_pool *pool = ev_pool_new (loop, 4096, 64);
    enum { ALL = 2000000 };
    struct peer here, there;
    int fd[2];

    op_tcp_pair (fd);
    ev_stream_feeds (peer_new (&there, fd[1], pool), &there.s);
    peer_new (&here, fd[0], pool);
    there.echoes = there.closes_at_eof = here.closes_at_eof = 1;
    ev_stream_start (loop, &here.s);
    ev_stream_start (loop, &there.s);
    peer_write (loop, &here, 0, ALL);
    ev_stream_shutdown (loop, &here.s);
    for (int i = 0; i < 40 && !here.ends; i++) {
        pthread_t thread;

        ck_assert_int_eq (pthread_create (&thread, NULL, some_iterations, loop), 0);
        pthread_join (thread, NULL);
        some_iterations (loop);
    }
    op_until (loop, &there.ends, 1);
    op_until (loop, &here.ends, 1);
    if (op_stats (loop).ops_lost) {
        ck_assert (here.s.error || there.s.error);
        return;
    }
    ck_assert_int_eq (here.s.error, 0);
    ck_assert_int_eq (there.s.error, 0);
    ck_assert_uint_eq (here.got, ALL);
}
