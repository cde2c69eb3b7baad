/* stream.h: what streams need of the house: its loop, memory and thin calls; of operations no more than programs have. */
#ifndef EVI_STREAM_H
#define EVI_STREAM_H

#include "../core/loop.h"
#include "ev_stream.h"

#endif
