/* peer.h: what another event library must be able to do to answer the pipes and the echo question.
 * Each peer is one .c file beside this one, written in that library's own manner, linked with peer.c. */
#ifndef BENCH_PEER_H_
#define BENCH_PEER_H_

#include "../work.h"

const char *peer_version (void);
void peer_open (void);
void peer_pipes_watch (struct pipes *work); /* watches every pair for reading, to stay so */
void peer_pipes_run (void);                 /* runs until pipes_ready is true */
void peer_echo_run (struct echo *work);     /* runs until echo_serve says ECHO_FINISHED */

#endif
