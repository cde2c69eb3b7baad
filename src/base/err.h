/* err.h: what happens when something is wrong. Inside the house errors are -errno; here they become policy. */
#ifndef EVI_ERR_H
#define EVI_ERR_H

#include "base.h"

/* A system call failed that the loop cannot do without: ev_set_syserr_cb, or message and abort (AB-2, GL-8).
 * err is a positive errno. */
EVI void evi_syserr (const char *call, int err);
EVI int evi_syserr_watched (void); /* the program has set a callback */

/* The program broke a rule, and there is no watcher to tell: message and abort. */
EVI_COLD EVI void evi_misuse (const char *call, const char *rule);

/* We broke one: what ev_verify finds that is no doing of the program's. Message and abort. */
EVI_COLD EVI void evi_broken (const char *call, const char *what);

/* The program broke a rule; the caller goes on to tell the watcher. */
EVI_COLD EVI void evi_complain (const char *call, const char *rule);

#endif
