/* peer.h: what another event library, or none, must be able to do to answer a question of the benchmarks.
 * Each peer is one program: .c files beside this one, written in that library's own manner, linked with peer.c. */
#ifndef BENCH_PEER_H_
#define BENCH_PEER_H_

#include "../work.h"

/* What it has no answer to is NULL. */
struct peer {
    const char *(*version) (void);
    void (*open) (void);
    void (*pipes_watch) (struct pipes *work); /* watches every pair for reading, to stay so */
    void (*pipes_run) (void);                 /* runs until pipes_ready is true */
    void (*toggle_run) (void);            /* interest changes for every byte: runs until pipes_pass is true */
    void (*echo_run) (struct echo *work); /* runs until echo_over says ECHO_FINISHED */
    void (*churn_run) (struct echo *work);     /* runs until churn_count is true */
    void (*files_run) (struct files *work);    /* runs until files_done is true */
    void (*datagrams_run) (struct echo *work); /* runs until datagrams_ready is true */
    void (*wake_run) (struct wake *work);      /* calls wake_start; runs until wake_ready is true */
    void (*wake_send) (void);                  /* called by another thread meanwhile */
    void (*life) (void); /* a loop is made, looks once whether anything has happened, and ends */
};

extern const struct peer peer; /* the one that is linked in */

#endif
