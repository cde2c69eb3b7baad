/* mailboxes_test.c: many threads that send to loops which come and go.
 * Promises that each post is told once, in its sender's order, or refused, whatever the loop is doing: running, being destroyed,
 * gone. Meant for ThreadSanitizer too: what a sender wrote is ordered before the callback by the mailbox alone. */
#include "trace.h"

#include <ev_mailbox.h>

enum { SENDERS = 4, POSTS = 5000 };

struct letter {
    ev_post post;
    int number, told, lost, refused; /* plain: the mailbox orders them */
    struct sender *sender;
};

struct sender {
    pthread_t thread;
    ev_mailbox *box;
    struct letter *letters;
    int next, wrong, sent;
};

static struct sender senders[SENDERS];
static int told; /* in the loop's thread */

static void read_letter (EV_P_ ev_post *post, int revents)
{
    struct letter *letter = (struct letter *) post;
    struct sender *sender = post->data;

    letter->told += revents == EV_CUSTOM;
    letter->lost += revents == EV_ERROR;
    sender->wrong += letter->number != sender->next++;
    told++;
}

static void *send_letters (void *arg)
{
    struct sender *self = arg;

    for (int i = 0; i < POSTS; i++) {
        struct letter *letter = &self->letters[i];

        letter->number = i;
        letter->post = (ev_post){ NULL, read_letter, self };
        if (ev_mailbox_send (self->box, &letter->post) == -ESHUTDOWN)
            letter->refused++;
        __atomic_store_n (&self->sent, i + 1, __ATOMIC_RELEASE);
        if (i % 512 == 0)
            sleep_ms (1); /* lets the loop fall asleep */
    }
    ev_mailbox_unhold (self->box);
    ev_mailbox_free (self->box);
    return NULL;
}

static void senders_begin (struct ev_loop *loop)
{
    told = 0;
    for (int i = 0; i < SENDERS; i++) {
        struct letter *letters = calloc (POSTS, sizeof *letters);

        senders[i] = (struct sender){ .box = ev_mailbox_of (loop), .letters = letters };
        ev_mailbox_hold (senders[i].box);
        ck_assert_int_eq (pthread_create (&senders[i].thread, NULL, send_letters, &senders[i]), 0);
    }
}

/* Joins them; each letter has met one fate. Returns how many were refused. */
static int senders_end (void)
{
    int refused = 0;

    for (int i = 0; i < SENDERS; i++) {
        pthread_join (senders[i].thread, NULL);
        ck_assert_int_eq (senders[i].wrong, 0);
        for (int j = 0; j < POSTS; j++) {
            const struct letter *letter = &senders[i].letters[j];

            ck_assert_int_eq (letter->told + letter->lost + letter->refused, 1);
            refused += letter->refused;
        }
        free (senders[i].letters);
    }
    return refused;
}

TEST_BACKENDS (each_post_of_many_threads_is_told_once_in_its_senders_order)
{
    struct ev_loop *loop = test_loop (0);

    TEST_SECONDS (60);
    senders_begin (loop);
    ev_run (loop, 0); /* until the last of them holds no more */
    ck_assert_int_eq (senders_end (), 0);
    ck_assert_int_eq (told, SENDERS * POSTS);
}

TEST_BACKENDS (loop_destroyed_amid_posts_tells_or_refuses_each)
{
    TEST_SECONDS (60);
    for (int round = 0; round < 12; round++) {
        struct ev_loop *loop = test_loop (0);

        senders_begin (loop);
        while (__atomic_load_n (&senders[0].sent, __ATOMIC_ACQUIRE) < 300 * round)
            ev_run (loop, EVRUN_NOWAIT);
        test_loop_gone (loop);
        ev_loop_destroy (loop);
        senders_end ();
    }
}

/* ---- ping-pong: nothing but posts orders what the two loops do ---- */

enum { STROKES = 4000 };

static struct player {
    struct ev_loop *loop;
    ev_mailbox *box;
    struct player *opponent;
} players[2];
static ev_post ball;
static int strokes; /* plain: whoever has the ball has it */

static void stroke (EV_P_ ev_post *post, int revents)
{
    struct player *self = post->data;

    if (++strokes > STROKES) {
        for (int i = 0; i < 2; i++)
            ev_mailbox_unhold (players[i].box);
        return;
    }
    post->data = self->opponent;
    ev_mailbox_send (self->opponent->box, post);
}

static void *play (void *arg)
{
    struct player *self = arg;

    ev_run (self->loop, 0);
    return NULL;
}

TEST_BACKENDS (ball_between_two_mailboxes_is_never_lost)
{
    pthread_t threads[2];

    TEST_SECONDS (60);
    for (int i = 0; i < 2; i++) {
        players[i].loop = test_loop (0);
        players[i].opponent = &players[!i];
        players[i].box = ev_mailbox_of (players[i].loop);
        ev_mailbox_hold (players[i].box);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq (pthread_create (&threads[i], NULL, play, &players[i]), 0);
    ball = (ev_post){ NULL, stroke, &players[0] };
    ev_mailbox_send (players[0].box, &ball);
    for (int i = 0; i < 2; i++)
        pthread_join (threads[i], NULL);
    ck_assert_int_eq (strokes, STROKES + 1);
    for (int i = 0; i < 2; i++)
        ev_mailbox_free (players[i].box);
}
