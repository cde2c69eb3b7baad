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

/* A blocking listener that has two numbers is blocking again when the accept on one of them ends. */
#define KNOWN_BLOCKS_AGAIN KNOWN (1)

#endif
