/* unit.h: white box. Includes the library whole, so that tests reach what is static, and lets a test make any
 * system call fail. Each unit test is a program of its own with its own copy of the library. */
#ifndef UNIT_H
#define UNIT_H

#define EV_API_STATIC 1
#define EV_STANDALONE 1
#define EV_WALK_ENABLE 1
#define EVI_TEST 1
#define EVI_CHECK_ABI 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../src/ev.c"
#pragma GCC diagnostic pop

#include "../harness/harness.h"

#endif
