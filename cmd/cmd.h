/* cmd.h: what the files of the evring command share.
 * main.c chooses a verb, run.c and program.c are `evring run`, probe.c is `evring probe`; words.c has what all of them say.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef CMD_H
#define CMD_H

/* Exit codes as env(1), nohup(1) and timeout(1) use them, so that scripts can tell who failed. */
enum {
    EXIT_OWN = 125,       /* evring itself could not do its part */
    EXIT_UNUSABLE = 126,  /* the program is there, but cannot be run on evring */
    EXIT_NOT_FOUND = 127, /* there is no such program */
};

int cmd_run (int argc, char **argv);
int cmd_probe (int argc, char **argv);
int cmd_bench (int argc, char **argv);
int cmd_help (void);
int cmd_version (void);

/* Prints "evring: …" on stderr and exits. */
_Noreturn void cmd_fail (int code, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/* All has been printed: 0, or the reason why it was not, and exits. */
int cmd_said (void);
/* A formatted string the caller may keep; memory running out ends the program. */
char *cmd_text (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* The folder that holds our libev.so.4: EVRING_LIBDIR, else found from where this executable lies. */
const char *cmd_libdir (void);

/* "io_uring" for EVBACKEND_IOURING and so on; NULL or 0 when there is none. */
const char *cmd_backend_name (unsigned backend);
unsigned cmd_backend_bit (const char *name);

/* Runs question (arg) in a child, for questions a sandbox may answer by killing. Returns its result, 0 to
 * 255, or minus the signal that ended it. */
int cmd_ask_child (int (*question) (void *arg), void *arg);
/* Whether a loop of that backend can be made: 0 yes, > 0 no, < 0 minus the signal the attempt was killed by. */
int cmd_try_backend (unsigned backend);

/* program.c: what `evring run` must know of a program before it starts it. */
struct program {
    char *path;         /* what will be executed */
    char *binary;       /* the ELF file that will run: path itself, or the interpreter of a script */
    char *loader;       /* the dynamic loader it asks for */
    int script;         /* binary is an interpreter */
    const char *rights; /* "is set-user-ID" …, though it gains nothing by it here; NULL: it has none */
};
/* Finds name like a shell would and examines it. Exits with the reason when evring cannot help it. */
struct program program_find (const char *name);

enum program_libev { LIBEV_ABSENT, LIBEV_OTHER, LIBEV_OURS };
/* Which libev.so.4 the loader would give the program under the present environment. */
enum program_libev program_libev (const struct program *program, const char *our_library);

#endif
