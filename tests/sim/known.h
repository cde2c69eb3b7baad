/* known.h: what the library is known to break, with the reason. Whoever mends it sets the line to 0 (found/ has a
 * program for each); with --strict all are 0. */
#ifndef SIM_KNOWN_H
#define SIM_KNOWN_H

extern int strict;
#define KNOWN(is) ((is) && !strict)

/* Ready, and told one iteration later than it could be: an answer with RDHUP alone lay in the stash (simulation, seed
 * story), so the row was not armed when the next iteration began. */
#define KNOWN_LATE_BY_ONE KNOWN (0)

/* POLL_REMOVE answers EALREADY for a one-shot request that has been woken; the kernel then looks again, and if it finds
 * nothing arms the request once more: stopped, closed, and the file is held. So after shutdown of one's own socket, which
 * wakes without a mask (seen on 6.18: TCP, EV_READ, shutdown, stop, close), or when what came was read outside of the
 * watcher's callback. */
#define KNOWN_REMOVE_MISSES KNOWN (0)

/* A request that was queued early, or makes a row busy, is withdrawn from the queue by the very call that is to fetch its
 * end: 64 calls look for it in vain. */
#define KNOWN_EARLY_SEARCH KNOWN (0)

/* A listener, or a file that the ring refuses, is closed under its watchers while a duplicate lives: its registration in
 * the parking set cannot be removed, and is reported for ever; also to whoever watches the number next. */
#define KNOWN_PARKED_SPINS KNOWN (0)

/* A listener whose watcher stops and starts without ev_io_set, or that another watcher joins, is armed on the ring from then
 * on, and not asked again whether it listens: when the process is killed its port stays taken for a while. */
#define KNOWN_LISTENER_RESTARTS KNOWN (0)

/* A backend that is left, or made anew, in the middle of a wait: the loop then sleeps its full time once more, past timers, and
 * over the callbacks of rows that were refused when they were told again. */
#define KNOWN_FALL_SLEEPS_AGAIN KNOWN (0)

/* The same with POLL_UPDATE: the kernel arms the request once more, for what was asked before, and the library believes that
 * it waits for more. What is ready then is never told (seen on 6.18: TCP, EV_READ, shutdown, start EV_WRITE). */
#define KNOWN_UPDATE_MISSES KNOWN (0)

/* A socket that has just been told of is closed, a listener gets its number, and is watched, all in one iteration: the ring
 * holds it, and when the process is killed its port stays taken for a while. To ask of each number that is started whether it
 * listens would cost a call for each change of interest (decision 0011). */
#define KNOWN_LISTENER_IN_PLACE KNOWN (1)

/* epoll: a number stands again for a file that it stood for before, and that has lived on: EPOLL_CTL_ADD answers EEXIST. If the
 * file in between was watched for what is wanted now, the old registration is taken to be for that, too. */
#define KNOWN_EPOLL_SAME_MASK KNOWN (1)

#endif
