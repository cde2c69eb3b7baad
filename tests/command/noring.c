/* noring.c: runs a program in a sandbox that denies io_uring_setup: noring ERRNO|kill PROGRAM [ARGUMENT…].
 * With 0 the call seems to succeed although the kernel is never asked. Exits with 77 where there is no seccomp.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main (int argc, char **argv)
{
    if (argc < 3) {
        fprintf (stderr, "usage: noring ERRNO|kill[:CALL] PROGRAM [ARGUMENT…]\n");
        return 2;
    }
    const char *call = strchr (argv[1], ':'); /* by number; else io_uring_setup */
    unsigned answer = strncmp (argv[1], "kill", 4) ? SECCOMP_RET_ERRNO | (unsigned) atoi (argv[1])
                                                   : SECCOMP_RET_KILL_PROCESS;
    struct sock_filter code[] = {
        BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
        BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, (unsigned) (call ? atoi (call + 1) : SYS_io_uring_setup), 0, 1),
        BPF_STMT (BPF_RET | BPF_K, answer),
        BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = { sizeof code / sizeof *code, code };

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
        perror ("noring: seccomp");
        return 77;
    }
    execvp (argv[2], argv + 2);
    perror (argv[2]);
    return 127;
}
