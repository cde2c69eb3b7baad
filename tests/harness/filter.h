/* filter.h: seccomp filters, for tests of what a loop does under them. */
#ifndef FILTER_H
#define FILTER_H

#include "harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

enum { RING_SETUP = 425, RING_ENTER = 426, RING_REGISTER = 427 }; /* the same on all architectures */

/* From now on these system calls get that answer, in this process and its children. */
static void filter_calls (const int *calls, unsigned count, unsigned answer)
{
    struct sock_filter code[16];
    struct sock_fprog program = { .filter = code };
    unsigned at = 0;

    code[at++] = (struct sock_filter) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr));
    for (unsigned i = 0; i < count; i++) {
        code[at++] = (struct sock_filter) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) calls[i], 0, 1);
        code[at++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, answer);
    }
    code[at++] = (struct sock_filter) BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = (unsigned short) at;
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        test_skip ("seccomp filters are not available here");
}

#endif
