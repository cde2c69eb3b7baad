/* ev_work.c: sums are made on all cores, one is given up.
 * cc ev_work.c $(pkg-config --cflags --libs evring) */
#include <ev_op.h>
#include <errno.h>
#include <stdio.h>

enum { SUMS = 8 };

struct sum {
    ev_op op; /* first: a pointer to one points to both */
    long from, to, result;
};

/* In a thread: the loop goes on meanwhile. It touches what is in
 * its argument, and nothing that belongs to others. */
static ssize_t add (void *arg)
{
    struct sum *sum = arg;

    for (long i = sum->from; i != sum->to; i++) {
        sum->result += i;
        if (i % 1000 == 0 && ev_work_asked ())
            return -ECANCELED; /* nobody wants it any more */
    }
    return 0;
}

static long total;
static int done;

static void on_sum (struct ev_loop *loop, ev_op *op, int revents)
{
    if (op->result < 0)
        printf ("one was given up\n");
    else
        total += ((struct sum *) op)->result;
    if (++done == SUMS)
        printf ("the sum of all is %ld\n", total);
}

int main (void)
{
    struct ev_loop *loop = ev_default_loop (0);
    struct sum sums[SUMS + 1] = { 0 };

    if (!loop)
        return 1;
    for (int i = 0; i < SUMS; i++) {
        sums[i].from = i * 100000;
        sums[i].to = (i + 1) * 100000;
        ev_work_init (&sums[i].op, on_sum, add, &sums[i]);
        ev_op_start (loop, &sums[i].op);
    }
    /* without an end: only its deadline makes one */
    sums[SUMS].to = -1;
    ev_work_init (&sums[SUMS].op, on_sum, add, &sums[SUMS]);
    ev_op_deadline (&sums[SUMS].op, 0.2);
    ev_op_start (loop, &sums[SUMS].op);
    ev_run (loop, 0);
    return 0;
}
