/* act.h: between the files that perform acts. */
#ifndef SIM_ACT_H
#define SIM_ACT_H

#include "stage.h"

#define ACT_DECLARED(name, weight, who, sentence) void act_##name (const struct act *act);
ACTS (ACT_DECLARED)
#undef ACT_DECLARED

double act_delay (int choice); /* seconds */
int hand_file (int hand);
struct io *act_io (const struct act *act);
struct ev_loop *loop_of (int which);
int loop_choose (int choice);
int io_active (const struct io *io);
void called (struct ev_loop *loop);
void close_fd (int fd);
void number_changes (int fd, int dirty);
void counted (void); /* the program has asked for something */

#endif
