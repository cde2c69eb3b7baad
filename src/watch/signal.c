/* signal.c: ev_signal. Owns the process-wide table of signals, and each loop's signalfd.
 * A signal belongs to one loop at a time: the first watcher takes it, the last one gives it back (SG-1).
 * It comes through a handler that knocks, or, with EVFLAG_SIGNALFD, through a descriptor. */
#include "watch.h"

#include <errno.h>
#include <string.h>
#if EV_USE_SIGNALFD
#include <sys/signalfd.h>
#endif

#if EV_SIGNAL_ENABLE

static struct signal_entry {
    struct ev_loop *loop; /* who it belongs to; read by the handler */
    ev_watcher_list *head;
    int arrived; /* set by the handler, cleared by the loop */
} signals[EV_NSIG - 1];

static struct signal_entry *signal_entry (int signum)
{
    return signum > 0 && signum < (int) EV_NSIG ? &signals[signum - 1] : NULL;
}

/* ---- arriving ---- */

/* Any thread, any signal handler (TH-2). */
void ev_feed_signal (int signum) EV_NOEXCEPT
{
    struct signal_entry *entry = signal_entry (signum);
    struct ev_loop *loop = entry ? __atomic_load_n (&entry->loop, __ATOMIC_ACQUIRE) : NULL;

    if (!loop)
        return;
    __atomic_store_n (&entry->arrived, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n (&loop->sig_pending, 1, __ATOMIC_SEQ_CST);
    evi_wake_knock (loop);
}

static void signal_handler (int signum)
{
    ev_feed_signal (signum);
}

void ev_feed_signal_event (EV_P_ int signum) EV_NOEXCEPT
{
    struct signal_entry *entry = signal_entry (signum);
    EVI_DOOR;

    if (!entry || entry->loop != loop)
        return;
    __atomic_store_n (&entry->arrived, 0, __ATOMIC_SEQ_CST);
    for (ev_watcher_list *w = entry->head; w; w = w->next) /* latest first: the queue turns them round */
        evi_feed (loop, w, EV_SIGNAL);
}

/* From the highest down, so that the lowest number is called first (SG-7). */
EVI void evi_signal_answer (struct ev_loop *loop)
{
    if (!__atomic_exchange_n (&loop->sig_pending, 0, __ATOMIC_SEQ_CST))
        return;
    for (int signum = EV_NSIG; --signum > 0;) {
        const struct signal_entry *entry = &signals[signum - 1];

        if (entry->loop == loop && __atomic_load_n (&entry->arrived, __ATOMIC_SEQ_CST))
            ev_feed_signal_event (EV_A_ signum);
    }
}

/* ---- through a descriptor ---- */

#if EV_USE_SIGNALFD

struct evi_signalfd {
    ev_io io;
    sigset_t set;
};

static void signal_read (EV_P_ ev_io *w, int revents)
{
    struct signalfd_siginfo infos[4];
    ssize_t size;
    EVI_DOOR;

    (void) w, (void) revents;
    do {
        size = evi_sys_read (loop->sigfd, infos, sizeof infos);
        for (ssize_t i = 0; i < size / (ssize_t) sizeof *infos; i++)
            ev_feed_signal_event (EV_A_ (int) infos[i].ssi_signo);
    } while (size == (ssize_t) sizeof infos);
}

static int signal_fd_open (struct ev_loop *loop)
{
    struct evi_signalfd *self;
    sigset_t none;
    int fd;

    sigemptyset (&none);
    fd = evi_sys_signalfd (-1, &none);
    if (fd < 0)
        return fd;
    loop->signalfd = self = evi_resize (NULL, sizeof *self);
    self->set = none;
    loop->sigfd = fd;
    evi_fd_own (loop, &self->io, signal_read, fd, EV_MAXPRI);
    return 0;
}

static void signal_mask (int how, int signum)
{
    sigset_t set;

    sigemptyset (&set);
    sigaddset (&set, signum);
    sigprocmask (how, &set, NULL); /* of this thread, on Linux */
}

/* 0: the loop does not read this signal from a descriptor. */
static int signal_fd_add (struct ev_loop *loop, int signum)
{
    if (!(loop->origflags & EVFLAG_SIGNALFD) || (!loop->signalfd && signal_fd_open (loop) < 0))
        return 0;
    sigaddset (&loop->signalfd->set, signum);
    if (evi_sys_signalfd (loop->sigfd, &loop->signalfd->set) < 0) {
        sigdelset (&loop->signalfd->set, signum);
        return 0;
    }
    signal_mask (SIG_BLOCK, signum);
    return 1;
}

static int signal_fd_remove (struct ev_loop *loop, int signum)
{
    if (!loop->signalfd || sigismember (&loop->signalfd->set, signum) != 1)
        return 0;
    sigdelset (&loop->signalfd->set, signum);
    evi_sys_signalfd (loop->sigfd, &loop->signalfd->set);
    signal_mask (SIG_UNBLOCK, signum);
    return 1;
}

static void signal_fd_close (struct ev_loop *loop)
{
    if (!loop->signalfd)
        return;
    evi_fd_disown (loop, &loop->signalfd->io);
    evi_sys_close (loop->sigfd);
    evi_resize (loop->signalfd, 0);
    loop->signalfd = NULL;
    loop->sigfd = -1;
}

#else
static int signal_fd_add (struct ev_loop *loop, int signum)
{
    (void) loop, (void) signum;
    return 0;
}
static int signal_fd_remove (struct ev_loop *loop, int signum)
{
    (void) loop, (void) signum;
    return 0;
}
static void signal_fd_close (struct ev_loop *loop)
{
    (void) loop;
}
#endif

/* ---- taking and giving back ---- */

static void signal_take (struct ev_loop *loop, int signum)
{
    struct sigaction action;

    __atomic_store_n (&signals[signum - 1].loop, loop, __ATOMIC_RELEASE);
    if (signal_fd_add (loop, signum))
        return;
    evi_wake_open (loop);
    memset (&action, 0, sizeof action);
    action.sa_handler = signal_handler;
    sigfillset (&action.sa_mask);
    action.sa_flags = SA_RESTART; /* the program's own calls go on as if nothing had happened (SG-2) */
    sigaction (signum, &action, NULL);
    if (loop->origflags & EVFLAG_NOSIGMASK) { /* SG-4: what this flag does, whatever its name suggests */
        sigset_t set;

        sigemptyset (&set);
        sigaddset (&set, signum);
        sigprocmask (SIG_UNBLOCK, &set, NULL);
    }
}

static void signal_give_back (struct ev_loop *loop, int signum)
{
    if (!signal_fd_remove (loop, signum))
        signal (signum, SIG_DFL);
    __atomic_store_n (&signals[signum - 1].loop, NULL, __ATOMIC_RELEASE);
    __atomic_store_n (&signals[signum - 1].arrived, 0, __ATOMIC_RELAXED);
}

void ev_signal_start (EV_P_ ev_signal *w) EV_NOEXCEPT
{
    struct signal_entry *entry = signal_entry (w->signum);
    EVI_DOOR;

    if (evi_is_active (w))
        return;
    if (EVI_UNLIKELY (!entry)) {
        evi_reject (loop, w, EV_SIGNAL, "ev_signal_start", "no such signal number");
        return;
    }
    if (EVI_UNLIKELY (entry->loop && entry->loop != loop)) {
        evi_reject (loop, w, EV_SIGNAL, "ev_signal_start", "the signal has watchers in another loop");
        return;
    }
    if (!entry->loop)
        signal_take (loop, w->signum);
    evi_watcher_start (loop, w, 1);
    evi_chain_add (&entry->head, w);
    EVI_VERIFY_CHANGE (loop);
}

void ev_signal_stop (EV_P_ ev_signal *w) EV_NOEXCEPT
{
    struct signal_entry *entry = signal_entry (w->signum);
    EVI_DOOR;

    evi_pending_clear (loop, (ev_watcher *) w);
    if (!evi_is_active (w))
        return;
    evi_chain_remove (&entry->head, w);
    evi_watcher_stop (loop, w);
    if (!entry->head)
        signal_give_back (loop, w->signum);
    EVI_VERIFY_CHANGE (loop);
}

/* A signal that arrives later must not find a loop that is gone (the original leaves it there, LP-8). Its
 * handler stays: a signal the program has caught so far shall not kill it now. */
EVI void evi_signal_close (struct ev_loop *loop)
{
    for (int signum = 1; signum < (int) EV_NSIG; signum++)
        if (signals[signum - 1].loop == loop) {
            signals[signum - 1].head = NULL;
            __atomic_store_n (&signals[signum - 1].loop, NULL, __ATOMIC_RELEASE);
        }
    signal_fd_close (loop);
}

EVI void evi_signal_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    for (int signum = 1; signum < (int) EV_NSIG; signum++)
        if (signals[signum - 1].loop == loop)
            for (ev_watcher_list *w = signals[signum - 1].head, *next; w; w = next) {
                next = w->next;
                if (!evi_child_owns (w))
                    cb (EV_A_ EV_SIGNAL, w);
            }
}

#else
EVI void evi_signal_answer (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_signal_close (struct ev_loop *loop)
{
    (void) loop;
}
EVI void evi_signal_walk (struct ev_loop *loop, void (*cb) (EV_P_ int type, void *w))
{
    (void) loop, (void) cb;
}
#endif
