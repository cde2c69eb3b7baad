/* larger.c: a program of one file that includes the library into itself, privately, somewhere in the middle: after
 * system headers, without _GNU_SOURCE, and beside names of its own. Nothing of the library may leave the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef _GNU_SOURCE
#error "this recipe is about programs that do not ask for GNU extensions"
#endif

/* Words a program may well use itself. */
struct heap {
    int size;
};
struct ring {
    struct heap heap;
};
static struct ring ring, loop, fds, backend_ops;
static int clock_now, wake, pending, row, memory, timers_count;

#define EV_API_STATIC 1
#define EV_STANDALONE 1
#include "ev.c"

static int own_words (void)
{
    ring.heap.size = loop.heap.size + fds.heap.size + backend_ops.heap.size;
    return ring.heap.size + clock_now + wake + pending + row + memory + timers_count;
}

/* The rest of the program: the tour. It includes ev.h again, which must not matter. */
#define main tour_main
#include "tour.c"
#undef main

int main (void)
{
    return own_words () + tour_main ();
}
