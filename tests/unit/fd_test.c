/* fd_test.c: core/fd.c on a backend that only writes down what it is told. */
#include "unit.h"

#include <unistd.h>

static char told_text[512];
static int refuse; /* a descriptor the backend refuses */
static int feed_error;

static int mock_modify (struct ev_loop *loop, int fd, int told, int want, int why)
{
    char line[64];

    (void) loop;
    snprintf (line, sizeof line, "%d:%d>%d%s ", fd, told, want, why & EVI_WHY_FRESH ? "!" : "");
    strncat (told_text, line, sizeof told_text - strlen (told_text) - 1);
    return fd == refuse ? -EBADF : 0;
}

static void mock_close (struct ev_loop *loop)
{
    (void) loop;
}

static const struct evi_backend mock = { .name = "mock", .close = mock_close, .modify = mock_modify };

static void note (struct ev_loop *loop, ev_io *w, int revents)
{
    (void) loop, (void) w;
    feed_error |= revents;
}

static struct ev_loop *mock_loop (void)
{
    struct ev_loop *loop = ev_loop_new (EVBACKEND_SELECT | EVFLAG_NOENV);

    loop->backend->close (loop);
    loop->backend = &mock;
    refuse = -1;
    told_text[0] = 0;
    return loop;
}

static const char *reified (struct ev_loop *loop)
{
    told_text[0] = 0;
    evi_fd_reify (loop);
    return told_text;
}

static void watch (struct ev_loop *loop, ev_io *w, int fd, int events)
{
    ev_io_init (w, note, fd, events);
    ev_io_start (loop, w);
}

TEST (row_is_told_once_with_the_union_of_what_its_watchers_want) // IO-4, IO-6
{
    struct ev_loop *loop = mock_loop ();
    ev_io reader, writer;

    watch (loop, &reader, 0, EV_READ);
    watch (loop, &writer, 0, EV_WRITE);
    ck_assert_str_eq (reified (loop), "0:0>3! ");
    ck_assert_str_eq (reified (loop), "");
    ev_io_stop (loop, &writer);
    ck_assert_str_eq (reified (loop), "0:3>1 ");
    ev_io_stop (loop, &reader);
    ck_assert_str_eq (reified (loop), "0:1>0 ");
    ev_loop_destroy (loop);
}

TEST (stop_and_start_in_between_cost_no_call_but_a_fresh_number_is_told_again) // IO-6, IO-7
{
    struct ev_loop *loop = mock_loop ();
    ev_io w;

    watch (loop, &w, 0, EV_READ);
    reified (loop);
    ev_io_stop (loop, &w);
    ev_io_start (loop, &w);
    ck_assert_str_eq (reified (loop), "");
    ev_io_stop (loop, &w);
    ev_io_set (&w, 0, EV_READ);
    ev_io_start (loop, &w);
    ck_assert_str_eq (reified (loop), "0:1>1! ");
    ev_io_stop (loop, &w);
    ev_loop_destroy (loop);
}

TEST (watcher_that_came_and_went_is_never_told)
{
    struct ev_loop *loop = mock_loop ();
    ev_io w;

    watch (loop, &w, 0, EV_READ);
    ev_io_stop (loop, &w);
    ck_assert_str_eq (reified (loop), "");
    ev_loop_destroy (loop);
}

TEST (row_that_must_be_told_again_is) // design 4: evi_fd_again
{
    struct ev_loop *loop = mock_loop ();
    ev_io w;

    watch (loop, &w, 0, EV_READ);
    reified (loop);
    evi_fd_again (loop, 0);
    ck_assert_str_eq (reified (loop), "0:0>1 ");
    ev_io_stop (loop, &w);
    ev_loop_destroy (loop);
}

TEST (report_reaches_the_watchers_that_want_it_and_only_them) // IO-2
{
    struct ev_loop *loop = mock_loop ();
    ev_io reader, writer, none;

    watch (loop, &reader, 0, EV_READ);
    watch (loop, &writer, 0, EV_WRITE);
    watch (loop, &none, 0, 0);
    reified (loop);
    evi_fd_ready (loop, 0, EV_READ);
    ck_assert (ev_is_pending (&reader) && !ev_is_pending (&writer) && !ev_is_pending (&none));
    ck_assert_int_eq (ev_clear_pending (loop, &reader), EV_READ);
    ev_io_stop (loop, &reader);
    ev_io_stop (loop, &writer);
    ev_io_stop (loop, &none);
    ev_loop_destroy (loop);
}

TEST (report_about_a_row_with_a_change_not_yet_told_is_dropped) // IO-8
{
    struct ev_loop *loop = mock_loop ();
    ev_io w;

    watch (loop, &w, 0, EV_READ);
    evi_fd_ready (loop, 0, EV_READ);
    ck_assert (!ev_is_pending (&w));
    reified (loop);
    evi_fd_again (loop, 0); /* but this is no change of the program's */
    evi_fd_ready (loop, 0, EV_READ);
    ck_assert (ev_is_pending (&w));
    ev_io_stop (loop, &w);
    ev_loop_destroy (loop);
}

TEST (refused_row_stops_its_watchers_and_tells_each) // IO-14
{
    struct ev_loop *loop = mock_loop ();
    ev_io one, two;

    refuse = 1;
    watch (loop, &one, 1, EV_READ);
    watch (loop, &two, 1, EV_WRITE);
    reified (loop);
    ck_assert (!ev_is_active (&one) && !ev_is_active (&two));
    ck_assert_int_eq (loop->activecnt, 0);
    ck_assert_int_eq (loop->fds.told_broken, 1);
    ev_invoke_pending (loop);
    ck_assert_int_eq (feed_error, EV_ERROR | EV_READ | EV_WRITE);
    ev_loop_destroy (loop);
}

TEST (everything_is_told_again_to_a_new_kernel_object_under_a_new_generation)
{
    struct ev_loop *loop = mock_loop ();
    uint32_t before;
    ev_io w;

    watch (loop, &w, 0, EV_READ);
    reified (loop);
    before = loop->fds.rows[0].gen;
    evi_fd_retell_all (loop);
    ck_assert_uint_ne (loop->fds.rows[0].gen, before);
    ck_assert_str_eq (reified (loop), "0:0>1! ");
    ev_io_stop (loop, &w);
    ev_loop_destroy (loop);
}

TEST (number_beyond_any_open_file_costs_no_memory)
{
    struct ev_loop *loop = mock_loop ();
    unsigned before = loop->fds.count;
    ev_io w;

    watch (loop, &w, 1000000000, EV_READ);
    ck_assert_uint_eq (loop->fds.count, before);
    reified (loop);
    ck_assert (!ev_is_active (&w) && ev_is_pending (&w));
    ev_invoke_pending (loop);
    ev_loop_destroy (loop);
}
