/* known.h: what the library is known to break, with the reason. Whoever mends it takes the line off (found/ has what
 * failed once, of what is mended, too); with --strict all are 0. */
#ifndef SIM_KNOWN_H
#define SIM_KNOWN_H

extern int strict;
#define KNOWN(is) ((is) && !strict)

/* A socket that has just been told of, or would have been, is closed, a listener gets its number, and is watched, all in one iteration: the ring
 * holds it, and when the process is killed its port stays taken for a while. To ask of each number that is started whether it
 * listens would cost a call for each change of interest (decision 0011). */
#define KNOWN_LISTENER_IN_PLACE KNOWN (1)

/* A loop that has lost its ring (it moved to another thread, io_uring was refused) tells ECANCELED, at once: what the kernel has
 * moved meanwhile is lost, and it may go on, in memory that has been given back (moved_read, thread_child). */
#define KNOWN_RING_LOST KNOWN (1)

/* … and what it had not sent yet, or is started before it runs there, waits until it wakes up for something else; so does what a
 * ring beside the backend refuses for the moment. */
#define KNOWN_UNSENT KNOWN (1)

/* … and waits for the end of the ring, or of a worker, if a file was being read: up to two seconds. */
#define KNOWN_STANDS_STILL KNOWN (1)

/* What is done right after its predecessor, before that is told, is told first: in a lane when a ring is made anew, in a link also
 * without a ring. */
#define KNOWN_SWAPPED KNOWN (1)

/* A process is killed while an accept lies in its ring: the port stays taken for a while. */
#define KNOWN_ACCEPT_KEEPS_PORT KNOWN (1)

/* A blocking listener that has two numbers is blocking again when the accept on one of them ends. */
#define KNOWN_BLOCKS_AGAIN KNOWN (1)

/* An operation that is done when its loop is destroyed stays pending. */
#define KNOWN_PENDING_AFTER KNOWN (1)

#endif
