/* stat_test.c: ev_stat seen from outside, contract section 14.
 * Promises a test for each of ST-1 to ST-11. Files live on a file system whose changes inotify reports (tmpfs
 * where there is one); "at once" means within the patience of run_until, far below the 5 s of polling by default. */
#include "trace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define POLL_MIN 0.1074891
#define POLL_DEFAULT 5.0074891
#define POLL_REMOTE 30.1074891

static char dir[64], path[80], other[80];

/* The file systems both libraries trust: ext, tmpfs, xfs, btrfs. */
static int trusted (const char *where)
{
    struct statfs info;
    unsigned type;

    if (statfs (where, &info))
        return 0;
    type = (unsigned) info.f_type; /* an int on some machines */
    return type == 0xef53 || type == 0x01021994 || type == 0x58465342 || type == 0x9123683e;
}

static void files_begin (void)
{
    const char *base = trusted ("/dev/shm") ? "/dev/shm" : "/tmp";

    if (!trusted (base))
        test_skip ("no local file system to work on");
    snprintf (dir, sizeof dir, "%s/evring-stat-XXXXXX", base);
    ck_assert_ptr_nonnull (mkdtemp (dir));
    snprintf (path, sizeof path, "%s/file", dir);
    snprintf (other, sizeof other, "%s/other", dir);
}

static void files_end (void)
{
    unlink (path);
    unlink (other);
    ck_assert_int_eq (rmdir (dir), 0);
}

static void append (const char *where, const char *text)
{
    int fd = open (where, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);

    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (write (fd, text, strlen (text)), (int) strlen (text));
    close (fd);
}

static void stat_begin (struct ev_loop *loop, ev_stat *w, const char *where, double interval)
{
    ev_stat_init (w, trace_stat, where, interval);
    w->data = (void *) "stat";
    ev_stat_start (loop, w);
}

static int close_to (double value, double wanted)
{
    return value > wanted - 1e-9 && value < wanted + 1e-9;
}

/* ---- what is looked at ---- */

/* ST-1 */
TEST_BACKENDS (symbolic_link_is_watched_itself)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    append (other, "target");
    ck_assert_int_eq (symlink (other, path), 0);
    stat_begin (loop, &w, path, 0.);
    ck_assert (S_ISLNK (w.attr.st_mode));
    append (other, " changes");
    run_for (loop, 0.03);
    ck_trace ("");
    unlink (path);
    ck_assert_int_eq (symlink ("elsewhere and longer than before", path), 0);
    ck_run_until (loop, 1);
    ck_assert (S_ISLNK (w.attr.st_mode));
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-2: attr is filled by start, prev waits for the first change */
TEST_BACKENDS (start_fills_attr_and_leaves_prev_alone)
{
    struct ev_loop *loop = test_loop (0);
    ev_statdata poison;
    ev_stat w;

    files_begin ();
    append (path, "a");
    memset (&poison, 0x5a, sizeof poison);
    w.prev = poison;
    stat_begin (loop, &w, path, 0.);
    ck_assert_int_eq (w.attr.st_size, 1);
    ck_assert_int_eq (w.attr.st_nlink, 1);
    ck_assert_int_eq (memcmp (&w.prev, &poison, sizeof poison), 0);
    append (path, "b");
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.prev.st_size, 1);
    ck_assert_int_eq (w.attr.st_size, 2);
    ck_assert_int_eq (trace_events, EV_STAT);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-2: a missing file has no links; the other fields are those of before */
TEST_BACKENDS (missing_file_has_no_links_and_keeps_its_other_attributes)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat gone, never;

    files_begin ();
    append (path, "abc");
    stat_begin (loop, &gone, path, 0.);
    never.attr.st_size = 77;
    stat_begin (loop, &never, other, 0.);
    ck_assert_int_eq (never.attr.st_nlink, 0);
    ck_assert_int_eq (never.attr.st_size, 77);
    unlink (path);
    ck_run_until (loop, 1);
    ck_assert_int_eq (gone.prev.st_nlink, 1);
    ck_assert_int_eq (gone.attr.st_nlink, 0);
    ck_assert_int_eq (gone.attr.st_size, 3);
    ev_stat_stop (loop, &gone);
    ev_stat_stop (loop, &never);
    files_end ();
}

static void rewrite (const char *where, char byte)
{
    int fd = open (where, O_WRONLY | O_CLOEXEC);

    ck_assert_int_ge (fd, 0);
    ck_assert_int_eq (pwrite (fd, &byte, 1, 0), 1);
    close (fd);
}

/* Rewrites the file after start. Returns 0 if a second ended in between, which makes it no example. */
static int same_second_example (struct ev_loop *loop)
{
    struct stat first, second;
    ev_stat w;

    unlink (path);
    append (path, "a");
    stat_begin (loop, &w, path, POLL_MIN);
    first = w.attr;
    sleep_ms (20); /* file times advance in steps of some milliseconds */
    rewrite (path, 'b');
    run_for (loop, 3 * POLL_MIN);
    ev_stat_stop (loop, &w);
    ck_assert_int_eq (lstat (path, &second), 0);
    if (first.st_ctim.tv_sec != second.st_ctim.tv_sec || first.st_mtim.tv_sec != second.st_mtim.tv_sec) {
        trace_clear ();
        return 0;
    }
    ck_assert_int_ne (first.st_mtim.tv_nsec, second.st_mtim.tv_nsec);
    ck_assert_int_eq (w.attr.st_mtim.tv_nsec, second.st_mtim.tv_nsec);
    return 1;
}

/* ST-3 */
TEST_BACKENDS (rewrite_within_the_second_updates_attr_and_calls_nobody)
{
    struct ev_loop *loop = test_loop (EVFLAG_NOINOTIFY);
    int tries = 5;

    files_begin ();
    while (!same_second_example (loop))
        ck_assert_int_gt (--tries, 0);
    ck_trace ("");
    files_end ();
}

static void later_mtime (void)
{
    struct timespec times[2] = { { 0, UTIME_OMIT }, { 1000000000, 0 } };

    ck_assert_int_eq (utimensat (AT_FDCWD, path, times, 0), 0);
}

static void other_mode (void)
{
    ck_assert_int_eq (chmod (path, 0600), 0);
}

static void second_link (void)
{
    ck_assert_int_eq (link (path, other), 0);
}

static void larger (void)
{
    ck_assert_int_eq (truncate (path, 100), 0);
}

static void other_file (void)
{
    append (other, "other");
    ck_assert_int_eq (rename (other, path), 0);
}

/* ST-3: each kind of change by itself, seen by inotify and by polling */
TEST_BACKENDS (changes_of_time_mode_links_size_and_file_are_seen)
{
    void (*const changes[]) (void) = { later_mtime, other_mode, second_link, larger, other_file };
    struct ev_loop *loops[] = { test_loop (0), test_loop (EVFLAG_NOINOTIFY) };
    ev_stat w[2];

    files_begin ();
    append (path, "x");
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        for (int k = 0; k < 2; k++)
            stat_begin (loops[k], &w[k], path, k ? POLL_MIN : 0.);
        changes[i]();
        for (int k = 0; k < 2; k++) {
            trace_clear ();
            ck_run_until (loops[k], 1);
            ev_stat_stop (loops[k], &w[k]);
        }
    }
    files_end ();
}

/* ST-4 */
TEST_BACKENDS (changes_before_the_callback_are_one_event)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.);
    append (path, "b");
    append (path, "c");
    ck_run_until (loop, 1);
    run_for (loop, 0.03);
    ck_trace ("stat");
    ck_assert_int_eq (w.prev.st_size, 1);
    ck_assert_int_eq (w.attr.st_size, 3);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ---- intervals ---- */

static double polling (struct ev_loop *loop, const char *where, double interval)
{
    ev_stat w;
    double repeat;

    stat_begin (loop, &w, where, interval);
    repeat = w.timer.repeat;
    ck_assert_int_eq (!ev_is_active (&w.timer), repeat == 0.);
    if (interval != 0. && interval < POLL_MIN)
        ck_assert (close_to (w.interval, POLL_MIN));
    else
        ck_assert (close_to (w.interval, interval));
    ev_stat_stop (loop, &w);
    ck_assert (!ev_is_active (&w.timer));
    return repeat;
}

/* ST-5, ST-11 */
TEST_BACKENDS (interval_has_a_default_and_a_minimum)
{
    struct ev_loop *loop = test_loop (EVFLAG_NOINOTIFY);
    struct {
        double asked, got;
    } cases[] = {
        { 0., POLL_DEFAULT }, { 0.01, POLL_MIN },  { POLL_MIN, POLL_MIN }, { 0.5, 0.5 },
        { 100., 100. },       { -0.01, POLL_MIN }, { -5., POLL_MIN },
    };

    files_begin ();
    append (path, "a");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert (close_to (polling (loop, path, cases[i].asked), cases[i].got));
        ck_assert (close_to (polling (loop, other, cases[i].asked), cases[i].got));
    }
    files_end ();
}

/* ST-6, ST-7: no polling where inotify can be trusted; slow polling where it cannot; 5 s for what is missing */
TEST_BACKENDS (inotify_replaces_polling_on_local_file_systems_only)
{
    struct ev_loop *loop = test_loop (0);

    files_begin ();
    append (path, "a");
    ck_assert (polling (loop, path, 0.) == 0.);
    ck_assert (polling (loop, path, 0.5) == 0.);
    ck_assert (close_to (polling (loop, other, 0.), POLL_DEFAULT));
    ck_assert (close_to (polling (loop, other, 0.5), 0.5));
    ck_assert (close_to (polling (loop, "/proc/self/status", 0.), POLL_REMOTE));
    ck_assert (close_to (polling (loop, "/proc/self/status", 0.5), 0.5));
    files_end ();
}

/* ST-11, LP-11 */
TEST_BACKENDS (noinotify_polls_and_opens_nothing)
{
    struct ev_loop *loop = test_loop (EVFLAG_NOINOTIFY);
    int before = test_fd_count ();
    ev_stat w;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.01);
    ck_assert_int_eq (test_fd_count (), before);
    append (path, "b");
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.attr.st_size, 2);
    unlink (path);
    ck_run_until (loop, 2);
    ck_assert_int_eq (w.attr.st_nlink, 0);
    append (path, "ccc");
    ck_run_until (loop, 3);
    ck_assert_int_eq (w.attr.st_size, 3);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* LP-11, RF-3: one inotify descriptor for all; a watcher is one reference, its timer none */
TEST_BACKENDS (stat_watchers_share_one_inotify_and_count_one_reference_each)
{
    struct ev_loop *loop = test_loop (0);
    int before = test_fd_count ();
    ev_stat a, b;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &a, path, 0.);
    ck_assert_int_eq (test_fd_count (), before + 1);
    ck_assert_int_eq (fds_of ("inotify", NULL), 1);
    stat_begin (loop, &b, other, 0.);
    ck_assert_int_eq (test_fd_count (), before + 1);
    ck_assert_int_eq (ev_run (loop, EVRUN_NOWAIT), 2);
    ev_stat_stop (loop, &a);
    ev_stat_stop (loop, &b);
    ck_assert_int_eq (ev_run (loop, 0), 0);
    files_end ();
}

/* ---- a path in time ---- */

/* ST-7, ST-8: the watch survives everything that can happen to the name */
TEST_BACKENDS (deletion_creation_and_renaming_are_seen_and_the_watch_goes_on)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.);
    unlink (path);
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.attr.st_nlink, 0);
    append (path, "bb");
    ck_run_until (loop, 2);
    ck_assert_int_eq (w.attr.st_nlink, 1);
    run_for (loop, 0.02);
    ck_assert_int_eq (rename (path, other), 0);
    trace_clear ();
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.attr.st_nlink, 0);
    ck_assert_int_eq (rename (other, path), 0);
    ck_run_until (loop, 2);
    ck_assert_int_eq (w.attr.st_nlink, 1);
    append (path, "c");
    ck_run_until (loop, 3);
    ck_assert_int_eq (w.attr.st_size, 3);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-7: where two levels are missing inotify is only a hint; polling finds the file */
TEST_BACKENDS (file_below_missing_directories_is_found_by_polling)
{
    struct ev_loop *loop = test_loop (0);
    char deep[100], file[120];
    ev_stat w;

    files_begin ();
    snprintf (deep, sizeof deep, "%s/one", dir);
    snprintf (file, sizeof file, "%s/two/file", deep);
    stat_begin (loop, &w, file, 0.01);
    ck_assert (close_to (w.timer.repeat, POLL_MIN));
    ck_assert_int_eq (mkdir (deep, 0755), 0);
    run_for (loop, 0.02);
    snprintf (deep, sizeof deep, "%s/one/two", dir);
    ck_assert_int_eq (mkdir (deep, 0755), 0);
    append (file, "x");
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.attr.st_nlink, 1);
    ev_stat_stop (loop, &w);
    unlink (file);
    rmdir (deep);
    *strrchr (deep, '/') = 0;
    rmdir (deep);
    files_end ();
}

/* ST-8 */
TEST_BACKENDS (stop_ends_the_watch_and_start_begins_anew)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.);
    ck_assert_int_ge (w.wd, 0);
    ev_stat_stop (loop, &w);
    ck_assert_int_eq (w.wd, -2);
    ck_assert (!ev_is_active (&w) && !ev_is_active (&w.timer));
    append (path, "b");
    run_for (loop, 0.03);
    ck_trace ("");
    ev_stat_start (loop, &w);
    ck_assert_int_eq (w.attr.st_size, 2);
    append (path, "c");
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.prev.st_size, 2);
    ck_assert_int_eq (w.attr.st_size, 3);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-9 */
TEST_BACKENDS (ev_stat_stat_makes_changes_so_far_known)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.);
    append (path, "b");
    ev_stat_stat (loop, &w);
    ck_assert_int_eq (w.attr.st_size, 2);
    run_for (loop, 0.03);
    ck_trace ("");
    append (path, "c");
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.prev.st_size, 2);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-10 */
TEST_BACKENDS (the_polling_timer_has_the_watchers_priority)
{
    struct ev_loop *loop = test_loop (EVFLAG_NOINOTIFY);
    ev_stat w;

    files_begin ();
    append (path, "a");
    ev_stat_init (&w, trace_stat, path, 0.);
    ev_set_priority (&w, 1);
    ev_stat_start (loop, &w);
    ck_assert_int_eq (ev_priority (&w.timer), 1);
    ev_stat_stop (loop, &w);
    files_end ();
}

/* ST-10, FK-3 */
TEST_BACKENDS (changes_are_seen_without_polling_after_ev_loop_fork)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w, missing;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &w, path, 0.);
    stat_begin (loop, &missing, other, 0.);
    for (int i = 0; i < 3; i++) {
        trace_clear ();
        ev_loop_fork (loop);
        ev_run (loop, EVRUN_NOWAIT);
        ck_assert (w.timer.repeat == 0.);
        ck_assert_int_eq (fds_of ("inotify", NULL), 1);
        append (path, "b");
        ck_run_until (loop, 1);
        ck_assert_int_eq (w.attr.st_size, 2 + i);
    }
    append (other, "now there");
    ck_run_until (loop, 2);
    ck_assert_int_eq (missing.attr.st_nlink, 1);
    ev_stat_stop (loop, &w);
    ev_stat_stop (loop, &missing);
    files_end ();
}

static struct {
    struct ev_loop *loop;
    ev_stat *w;
} in_child;

static void see_change_in_child (void *arg)
{
    ev_loop_fork (in_child.loop);
    ev_run (in_child.loop, EVRUN_NOWAIT);
    append (path, "b");
    child_must (run_until (in_child.loop, 1));
    child_must (in_child.w->attr.st_size == 2);
}

/* ST-10, FK-3: parent and child each have an inotify of their own */
TEST_BACKENDS (parent_and_child_both_see_the_change)
{
    ev_stat w;

    in_child.loop = test_loop (0);
    in_child.w = &w;
    files_begin ();
    append (path, "a");
    stat_begin (in_child.loop, &w, path, 0.);
    ev_run (in_child.loop, EVRUN_NOWAIT);
    check_in_child (see_change_in_child, NULL);
    ck_run_until (in_child.loop, 1);
    ck_assert_int_eq (w.attr.st_size, 2);
    ev_stat_stop (in_child.loop, &w);
    files_end ();
}

/* ---- several ---- */

/* ST-8: watchers of one path share what the kernel knows of it; one that stops takes nothing from the others */
TEST_BACKENDS (stopping_one_watcher_of_a_path_leaves_the_others)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat a, b;

    files_begin ();
    append (path, "a");
    stat_begin (loop, &a, path, 0.);
    stat_begin (loop, &b, path, 0.);
    append (path, "b");
    ck_run_until (loop, 2);
    ck_assert_int_eq (a.attr.st_size, 2);
    ck_assert_int_eq (b.attr.st_size, 2);
    ev_stat_stop (loop, &a);
    append (path, "c");
    ck_run_until (loop, 3);
    run_for (loop, 0.02);
    ck_assert_int_eq (trace_count, 3);
    ck_assert_int_eq (b.attr.st_size, 3);
    ev_stat_stop (loop, &b);
    files_end ();
}

/* ST-7: more paths than any table of watches has slots, each with its own news */
TEST_BACKENDS (each_of_many_paths_reaches_its_own_watcher)
{
    enum { MANY = 100 };
    struct ev_loop *loop = test_loop (0);
    static char names[MANY][90];
    static ev_stat w[MANY];

    files_begin ();
    for (int i = 0; i < MANY; i++) {
        snprintf (names[i], sizeof names[i], "%s/%d", dir, i);
        if (i % 2)
            append (names[i], "a");
        stat_begin (loop, &w[i], names[i], 0.);
    }
    for (int i = 0; i < MANY; i += 3)
        append (names[i], "bc");
    ck_run_until (loop, (MANY + 2) / 3);
    run_for (loop, 0.03);
    ck_assert_int_eq (trace_count, (MANY + 2) / 3);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq (w[i].attr.st_nlink, i % 2 || i % 3 == 0);
        ev_stat_stop (loop, &w[i]);
        unlink (names[i]);
    }
    files_end ();
}

static void stop_and_forget (EV_P_ ev_stat *w, int revents)
{
    trace_add ("stat", revents);
    ev_stat_stop (EV_A_ w);
    free ((void *) w->path);
    free (w);
}

/* PQ-5: the watcher may go in its own callback */
TEST_BACKENDS (stat_watcher_may_be_freed_in_its_callback)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat *w = malloc (sizeof *w);

    files_begin ();
    append (path, "a");
    ev_stat_init (w, stop_and_forget, strdup (path), 0.);
    ev_stat_start (loop, w);
    append (path, "b");
    ck_run_until (loop, 1);
    append (path, "c");
    ck_assert_int_eq (ev_run (loop, 0), 0);
    ck_trace ("stat");
    files_end ();
}

/* ST-8: a directory is a path like any other */
TEST_BACKENDS (new_directory_inside_changes_the_directory)
{
    struct ev_loop *loop = test_loop (0);
    ev_stat w;

    files_begin ();
    stat_begin (loop, &w, dir, 0.);
    ck_assert_int_eq (mkdir (path, 0755), 0);
    ck_run_until (loop, 1);
    ck_assert_int_eq (w.attr.st_nlink, w.prev.st_nlink + 1);
    ev_stat_stop (loop, &w);
    rmdir (path);
    files_end ();
}

/* ST-8: more events at once than one read of inotify brings; what comes last is told like what comes first */
TEST_BACKENDS (change_behind_a_burst_of_others_is_told_at_once)
{
    enum { BURST = 200 };
    struct ev_loop *loop = test_loop (0);
    char name[160];
    ev_stat folder, file;

    files_begin ();
    append (other, "a");
    ck_assert_int_eq (mkdir (path, 0755), 0);
    stat_begin (loop, &folder, path, 3600.); /* nobody looks by himself meanwhile */
    stat_begin (loop, &file, other, 3600.);
    for (int i = 0; i < BURST; i++) {
        snprintf (name, sizeof name, "%s/a-name-that-makes-an-event-longer-%d", path, i);
        append (name, "a");
        unlink (name);
    }
    append (other, "b");
    for (int i = 0; i < 100 && file.attr.st_size != 2; i++)
        run_for (loop, 0.03);
    ck_assert_int_eq (file.attr.st_size, 2);
    ev_stat_stop (loop, &folder);
    ev_stat_stop (loop, &file);
    rmdir (path);
    files_end ();
}
