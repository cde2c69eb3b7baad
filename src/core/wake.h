/* wake.h: ends a sleep from outside: from another thread or a signal handler. */
#ifndef EVI_WAKE_H
#define EVI_WAKE_H

#include "../base/base.h"

struct evi_wake {
    void (*answer) (struct ev_loop *loop); /* feeds what was knocked for; set when the loop is made */
    ev_io io;                              /* watches fd[0] */
    int fd[2];                             /* an eventfd twice, or a pipe; -1: nobody has needed it yet */
    int sleeping; /* the loop is, or is about to be, in the kernel: a knock must write */
    int knocked;  /* someone knocked and the loop has not answered yet */
    int written;  /* … and had to write: the descriptor is to be drained */
    int watched;  /* an outer loop sleeps on what this one sleeps on, or did */
    int roused;   /* someone who knocked wants an outer loop to know */
    int opened;
};

EVI void evi_wake_open (struct ev_loop *loop);   /* from now on knocks end sleeps */
EVI void evi_wake_reopen (struct ev_loop *loop); /* after a fork: the same descriptor numbers, not shared */
EVI void evi_wake_close (struct ev_loop *loop);
EVI void evi_wake_knock (struct ev_loop *loop); /* any thread, any signal handler; errno is kept */
/* The same for what must not wait until the loop runs again by itself: an outer loop is woken too. */
EVI void evi_wake_rouse (struct ev_loop *loop);
EVI void evi_wake_watch (struct ev_loop *loop);

EVI int evi_wake_sleep (struct ev_loop *loop);  /* before the kernel is entered; nonzero: do not block */
EVI void evi_wake_slept (struct ev_loop *loop); /* after: feeds the answer if someone knocked */

#endif
