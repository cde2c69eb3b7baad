/* probe.c: evring probe: what io_uring offers here, which backend a loop gets, and why not a better one.
 * Promises to find out by asking the kernel and by making loops, and to survive a sandbox that kills whoever
 * tries io_uring: the ring is examined in a child. Prints for people, or as one JSON object.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <ev.h>
#include <ev_op.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Every set-up flag known, with what it cannot be tried without. */
static const struct flag {
    const char *name;
    unsigned bit, needs;
} flags[] = {
    { "IOPOLL", 1u << 0, 0 },
    { "SQPOLL", 1u << 1, 0 },
    { "SQ_AFF", 1u << 2, 1u << 1 },
    { "CQSIZE", 1u << 3, 0 },
    { "CLAMP", 1u << 4, 0 },
    { "ATTACH_WQ", 1u << 5, 0 },
    { "R_DISABLED", 1u << 6, 0 },
    { "SUBMIT_ALL", 1u << 7, 0 },
    { "COOP_TASKRUN", 1u << 8, 0 },
    { "TASKRUN_FLAG", 1u << 9, 1u << 8 },
    { "SQE128", 1u << 10, 0 },
    { "CQE32", 1u << 11, 0 },
    { "SINGLE_ISSUER", 1u << 12, 0 },
    { "DEFER_TASKRUN", 1u << 13, 1u << 12 },
    { "NO_MMAP", 1u << 14, 0 },
    { "REGISTERED_FD_ONLY", 1u << 15, 1u << 14 },
    { "NO_SQARRAY", 1u << 16, 0 },
    { "HYBRID_IOPOLL", 1u << 17, 1u << 0 },
    { "CQE_MIXED", 1u << 18, 0 },
    { "SQE_MIXED", 1u << 19, 0 },
    { "SQ_REWIND", 1u << 20, 1u << 16 },
};
enum {
    FLAGS = sizeof flags / sizeof *flags,
    ATTACH_WQ = 1 << 5,
    CQSIZE = 1 << 3,
    DEFER_TASKRUN = 1 << 13,
    NO_MMAP = 1 << 14,
};

static const char *const features[] = {
    "SINGLE_MMAP", "NODROP",          "SUBMIT_STABLE",   "RW_CUR_POS",     "CUR_PERSONALITY", "FAST_POLL",
    "POLL_32BITS", "SQPOLL_NONFIXED", "EXT_ARG",         "NATIVE_WORKERS", "RSRC_TAGS",       "CQE_SKIP",
    "LINKED_FILE", "REG_REG_RING",    "RECVSEND_BUNDLE", "MIN_TIMEOUT",    "RW_ATTR",         "NO_IOWAIT",
};
enum { FEATURES = sizeof features / sizeof *features };

static const unsigned backends[] = { EVBACKEND_IOURING, EVBACKEND_EPOLL, EVBACKEND_POLL, EVBACKEND_SELECT };
enum { BACKENDS = sizeof backends / sizeof *backends };

struct params { /* the kernel's struct io_uring_params */
    uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
    struct {
        uint32_t offsets[8];
        uint64_t user_addr;
    } sq_off, cq_off;
};
_Static_assert(sizeof (struct params) == 120, "as the kernel has it");

struct op_probe { /* the kernel's struct io_uring_probe */
    uint8_t last_op, ops_len;
    uint16_t resv;
    uint32_t resv2[3];
    struct {
        uint8_t op, resv;
        uint16_t flags;
        uint32_t resv2;
    } ops[256];
};
enum { REGISTER_PROBE = 8, OP_SUPPORTED = 1 };

/* The calls of a ring, in the order in which they are tried. */
enum call { SETUP, REGISTER, ENTER };
static const char *const calls[] = { "io_uring_setup", "io_uring_register", "io_uring_enter" };

/* What the child finds out about the ring: errno values, 0 for yes. Shared memory. */
struct ring {
    enum call trying; /* the last one that was tried */
    int setup, not_a_ring;
    int refused; /* by that call, when set-up had succeeded */
    unsigned features, ops, ops_known;
    int flag_error[FLAGS];
};

struct findings {
    struct utsname system;
    const char *kernel; /* the kernel's own version, where the release is a distribution's */
    int denied;         /* on the list of kernels that lose wake-ups */
    int disabled;       /* sysctl kernel.io_uring_disabled; -1: there is none */
    int seccomp, no_new_privs;
    struct rlimit memlock, nofile;
    struct ring *ring;
    int killed; /* the signal that ended the child */
    const char *environment;
    unsigned recommended, backend;
    struct ev_stats stats;
    int loops[BACKENDS]; /* as cmd_try_backend says */
};

/* ---- asking the kernel --------------------------------------------------------------------------- */

static int setup (unsigned entries, struct params *params)
{
    return (int) syscall (SYS_io_uring_setup, entries, params);
}

static int try_flag (const struct flag *flag, int ring_fd)
{
    struct params params = { .flags = flag->bit | flag->needs };
    int fd;

    if (params.flags & CQSIZE)
        params.cq_entries = 16;
    if (params.flags & ATTACH_WQ)
        params.wq_fd = (uint32_t) ring_fd;
    if (params.flags & NO_MMAP) { /* a page each for the two queues */
        char *memory = mmap (NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        params.sq_off.user_addr = (uintptr_t) memory;
        params.cq_off.user_addr = (uintptr_t) (memory + 4096);
    }
    fd = setup (4, &params);
    if (fd < 0)
        return errno;
    close (fd);
    return 0;
}

static void count_ops (struct ring *ring, int fd)
{
    static struct op_probe probe;

    ring->trying = REGISTER;
    if (syscall (SYS_io_uring_register, fd, REGISTER_PROBE, &probe, 256) < 0) {
        ring->refused = errno;
        return;
    }
    ring->ops_known = probe.last_op + 1u;
    for (unsigned i = 0; i < probe.ops_len; i++)
        ring->ops += probe.ops[i].flags & OP_SUPPORTED;
}

/* With nothing to submit and nothing to wait for. */
static void try_enter (struct ring *ring, int fd)
{
    ring->trying = ENTER;
    if (syscall (SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0) < 0)
        ring->refused = errno;
}

/* In a child. */
static int examine_ring (void *arg)
{
    struct ring *ring = arg;
    struct params params = { 0 };
    int fd = setup (8, &params);

    ring->setup = fd < 0 ? errno : 0;
    if (fd < 0)
        return 0;
    ring->not_a_ring = params.sq_entries != 8; /* a filter may answer "0" without asking the kernel */
    if (ring->not_a_ring)
        return 0;
    ring->features = params.features;
    count_ops (ring, fd);
    if (!ring->refused)
        try_enter (ring, fd);
    for (int i = 0; i < FLAGS; i++)
        ring->flag_error[i] = try_flag (&flags[i], fd);
    return 0;
}

/* A number from a file of the kernel, after a label if there is one; -1 if it is not there. */
static int number_in (const char *path, const char *label)
{
    FILE *file = fopen (path, "r");
    char line[256];
    int number = -1;

    while (file && fgets (line, sizeof line, file))
        if (!strncmp (line, label, strlen (label))) {
            number = atoi (line + strlen (label));
            break;
        }
    if (file)
        fclose (file);
    return number;
}

/* Debian's release says 6.1.0-31 for a 6.1.128: the true version stands in the build string. */
static const char *kernel_version (const struct utsname *system)
{
    const char *debian = strstr (system->version, "Debian ");

    return debian ? debian + strlen ("Debian ") : system->release;
}

static int kernel_denied (const char *version)
{
    unsigned major = 0, minor = 0, patch = 0;

    sscanf (version, "%u.%u.%u", &major, &minor, &patch);
    return major == 6 && minor == 1 && patch >= 123 && patch <= 127;
}

static void ask_ring (struct findings *found)
{
    int result;

    found->ring = mmap (NULL, sizeof *found->ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (found->ring == MAP_FAILED)
        cmd_fail (EXIT_OWN, "out of memory");
    result = cmd_ask_child (examine_ring, found->ring);
    found->killed = result < 0 ? -result : 0;
}

/* What a program gets that says nothing: ev_loop_new (0), in this very environment. */
static void ask_loops (struct findings *found)
{
    struct ev_loop *loop = NULL;

    found->environment = getenv ("LIBEV_FLAGS");
    found->recommended = ev_recommended_backends ();
    if (!found->killed || !found->environment) /* LIBEV_FLAGS may name the backend that gets us killed */
        loop = ev_loop_new (0);
    if (loop) {
        found->backend = ev_backend (loop);
        ev_stats (loop, &found->stats, sizeof found->stats);
        ev_loop_destroy (loop);
    }
    for (int i = 0; i < BACKENDS; i++)
        found->loops[i] = cmd_try_backend (backends[i]);
}

static void gather (struct findings *found)
{
    unsetenv ("EVRING_STATS"); /* the loops made here are nobody's business */
    uname (&found->system);
    found->kernel = kernel_version (&found->system);
    found->denied = kernel_denied (found->kernel);
    found->disabled = number_in ("/proc/sys/kernel/io_uring_disabled", "");
    found->seccomp = number_in ("/proc/self/status", "Seccomp:");
    found->no_new_privs = number_in ("/proc/self/status", "NoNewPrivs:");
    getrlimit (RLIMIT_MEMLOCK, &found->memlock);
    getrlimit (RLIMIT_NOFILE, &found->nofile);
    ask_ring (found);
    ask_loops (found);
}

/* ---- judging ------------------------------------------------------------------------------------- */

static const char *seccomp_words (int mode)
{
    switch (mode) {
    case 0:
        return "none";
    case 1:
        return "strict";
    case 2:
        return "filter";
    default:
        return "unknown";
    }
}

static const char *not_permitted (const struct findings *found)
{
    if (found->disabled == 2)
        return "the sysctl kernel.io_uring_disabled is 2: nobody may use it";
    if (found->disabled == 1)
        return "the sysctl kernel.io_uring_disabled is 1: only CAP_SYS_ADMIN and one group may use it";
    if (found->seccomp == 2)
        return "a seccomp filter forbids io_uring_setup (containers come with one)";
    return "it is not permitted (EPERM)";
}

/* Set-up succeeds, and another call does not: only a filter does that. */
static const char *call_trouble (const struct findings *found)
{
    if (!found->ring->refused)
        return NULL;
    return cmd_text ("io_uring_setup succeeds, but %s is refused: %s%s", calls[found->ring->trying],
                     strerror (found->ring->refused),
                     found->seccomp == 2 ? " (a seccomp filter does that)" : "");
}

/* Why there is no ring; NULL if there is one. */
static const char *ring_trouble (const struct findings *found)
{
    if (found->killed)
        return found->killed == SIGSYS
                   ? cmd_text ("a seccomp filter kills whoever tries it (%s)", calls[found->ring->trying])
                   : cmd_text ("the attempt was killed: %s", strsignal (found->killed));
    if (found->ring->not_a_ring)
        return "set-up says yes, but what it returns is no ring (a seccomp filter that answers 0)";
    switch (found->ring->setup) {
    case 0:
        return call_trouble (found);
    case EPERM:
    case EACCES:
        return not_permitted (found);
    case ENOSYS:
        return "this kernel does not have it, or something in between says so (ENOSYS)";
    case ENOMEM:
        return "no memory for it: RLIMIT_MEMLOCK is too small (ENOMEM)";
    case EMFILE:
    case ENFILE:
        return "no descriptor left for it: RLIMIT_NOFILE";
    default:
        return cmd_text ("io_uring_setup fails: %s", strerror (found->ring->setup));
    }
}

static int flag_works (const struct findings *found, unsigned bit)
{
    for (int i = 0; i < FLAGS; i++)
        if (flags[i].bit == bit)
            return !found->ring->flag_error[i];
    return 0;
}

/* Why a loop gets something else than io_uring by default; NULL if it gets it. */
static const char *why_not (const struct findings *found)
{
    const char *trouble = ring_trouble (found);

    if (found->backend == EVBACKEND_IOURING)
        return NULL;
    if (trouble)
        return trouble;
    if (found->environment)
        return cmd_text ("LIBEV_FLAGS=%s in the environment chooses", found->environment);
    if (found->denied)
        return "kernels 6.1.123 to 6.1.127 lose wake-ups; use a newer one";
    if (found->seccomp == 2)
        return "the process is under a seccomp filter, which may kill: io_uring has to be asked for by name";
    if (found->seccomp < 0)
        return "without /proc nobody knows of seccomp filters, which may kill: io_uring has to be asked for by name";
    if (found->no_new_privs == 1)
        return "no_new_privs is set, so a seccomp filter is to be expected: io_uring has to be asked for by name";
    if (found->loops[0])
        return "this kernel's io_uring lacks what a loop needs (Linux 5.13 has it)";
    if (!flag_works (found, DEFER_TASKRUN))
        return "this kernel's io_uring lacks DEFER_TASKRUN (Linux 6.1): it has to be asked for by name";
    if (found->stats.fallback_error)
        return cmd_text ("the ring could not be made: %s", strerror (found->stats.fallback_error));
    return "unknown; please report this";
}

/* ---- printing for people --------------------------------------------------------------------------- */

enum { LABEL = 17, COLUMNS = 100 };

static void line (const char *label, const char *text)
{
    printf ("%-*s%s\n", LABEL, label, text);
}

/* Words in a paragraph of their own beside the label. */
static int word (const char *label, int column, const char *text)
{
    int size = (int) strlen (text);

    if (!column)
        column = printf ("%-*s", LABEL, label);
    else if (column + size > COLUMNS)
        column = printf ("\n%-*s", LABEL, "") - 1;
    else
        column += printf (" ");
    return column + printf ("%s", text);
}

static void flag_words (const char *label, unsigned set)
{
    int column = 0;

    for (int i = 0; i < FLAGS; i++)
        if (set & flags[i].bit)
            column = word (label, column, flags[i].name);
    if (column)
        puts ("");
}

static const char *limit_text (rlim_t limit)
{
    if (limit == RLIM_INFINITY)
        return "unlimited";
    return limit % 1024 || limit < 65536 ? cmd_text ("%llu", (unsigned long long) limit)
                                         : cmd_text ("%llu KiB", (unsigned long long) limit / 1024);
}

static void print_ring (const struct findings *found)
{
    unsigned good = 0, bad = 0;
    int column = 0;

    for (int i = 0; i < FEATURES; i++)
        if (found->ring->features & (1u << i))
            column = word ("  features", column, features[i]);
    if (found->ring->features >> FEATURES)
        column =
            word ("  features", column, cmd_text ("(0x%x)", found->ring->features >> FEATURES << FEATURES));
    if (column)
        puts ("");
    for (int i = 0; i < FLAGS; i++)
        *(found->ring->flag_error[i] ? &bad : &good) |= flags[i].bit;
    flag_words ("  set-up flags", good);
    flag_words ("  refused flags", bad);
    line ("  operations",
          cmd_text ("%u of the %u this kernel knows", found->ring->ops, found->ring->ops_known));
}

static const char *loops_text (const struct findings *found)
{
    const char *text = "";

    for (int i = 0; i < BACKENDS; i++)
        text = cmd_text ("%s%s%s %s", text, i ? ", " : "", cmd_backend_name (backends[i]),
                         found->loops[i] < 0 ? "kills"
                         : found->loops[i]   ? "no"
                                             : "yes");
    return text;
}

static void print_text (const struct findings *found)
{
    const char *trouble = ring_trouble (found), *why = why_not (found);

    line ("kernel",
          found->kernel == found->system.release
              ? cmd_text ("%s, %s", found->system.release, found->system.machine)
              : cmd_text ("%s (%s), %s", found->system.release, found->kernel, found->system.machine));
    line ("seccomp", seccomp_words (found->seccomp));
    line ("limits", cmd_text ("locked memory %s, descriptors %s", limit_text (found->memlock.rlim_cur),
                              cmd_text ("%llu", (unsigned long long) found->nofile.rlim_cur)));
    line ("io_uring", trouble ? cmd_text ("not available: %s", trouble) : "available");
    line ("  sysctl", found->disabled < 0 ? "kernel.io_uring_disabled does not exist (before Linux 6.6)"
                                          : cmd_text ("kernel.io_uring_disabled = %d", found->disabled));
    if (found->denied)
        line ("  deny-list", "this kernel loses wake-ups of io_uring; it is never chosen by itself");
    if (!trouble)
        print_ring (found);
    line ("loops can use", loops_text (found));
    if (found->environment)
        line ("environment", cmd_text ("LIBEV_FLAGS=%s", found->environment));
    line ("default loop", found->backend ? cmd_backend_name (found->backend) : "none can be made");
    flag_words ("  ring", found->stats.ring_flags);
    if (why)
        line ("  not io_uring", cmd_text ("because %s", why));
}

/* ---- printing JSON --------------------------------------------------------------------------------- */

static void json_string (const char *text)
{
    putchar ('"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char) *text < 0x20)
            printf ("\\u%04x", (unsigned char) *text);
        else
            putchar (*text);
    putchar ('"');
}

static void json_key (const char *key)
{
    printf (",\n  ");
    json_string (key);
    printf (": ");
}

static void json_text (const char *key, const char *text)
{
    json_key (key);
    if (text)
        json_string (text);
    else
        printf ("null");
}

static void json_number (const char *key, long long number)
{
    json_key (key);
    printf ("%lld", number);
}

static void json_truth (const char *key, int truth)
{
    json_key (key);
    printf (truth ? "true" : "false");
}

static void json_limit (const char *key, const struct rlimit *limit)
{
    json_key (key);
    if (limit->rlim_cur == RLIM_INFINITY)
        printf ("null");
    else
        printf ("%llu", (unsigned long long) limit->rlim_cur);
}

static void json_flags (const char *key, unsigned set)
{
    const char *comma = "";

    json_key (key);
    printf ("[");
    for (int i = 0; i < FLAGS; i++)
        if (set & flags[i].bit) {
            printf ("%s", comma);
            json_string (flags[i].name);
            comma = ", ";
        }
    printf ("]");
}

static void json_features (const struct findings *found)
{
    const char *comma = "";

    json_key ("features");
    printf ("[");
    for (int i = 0; i < FEATURES; i++)
        if (found->ring->features & (1u << i)) {
            printf ("%s", comma);
            json_string (features[i]);
            comma = ", ";
        }
    printf ("]");
}

/* Name → 0, or the errno it was refused with. */
static void json_setup_flags (const struct findings *found)
{
    json_key ("setup_flags");
    printf ("{");
    for (int i = 0; i < FLAGS; i++) {
        printf (i ? ", " : "");
        json_string (flags[i].name);
        printf (": %d", found->ring->flag_error[i]);
    }
    printf ("}");
}

static void json_loops (const struct findings *found)
{
    json_key ("loops");
    printf ("{");
    for (int i = 0; i < BACKENDS; i++) {
        printf (i ? ", " : "");
        json_string (cmd_backend_name (backends[i]));
        printf (": %s", found->loops[i] ? "false" : "true");
    }
    printf ("}");
}

static void print_json (const struct findings *found)
{
    const char *trouble = ring_trouble (found);

    printf ("{\n  \"evring\": ");
    json_string (EVRING_VERSION_TEXT);
    json_text ("kernel_release", found->system.release);
    json_text ("kernel_version", found->kernel);
    json_text ("machine", found->system.machine);
    json_truth ("denied_kernel", found->denied);
    json_text ("seccomp", seccomp_words (found->seccomp));
    json_number ("no_new_privs", found->no_new_privs);
    json_limit ("rlimit_memlock", &found->memlock);
    json_limit ("rlimit_nofile", &found->nofile);
    json_number ("io_uring_disabled", found->disabled);
    json_truth ("io_uring", !trouble);
    json_number ("io_uring_setup_errno", found->ring->setup);
    json_text ("io_uring_trouble", trouble);
    json_text ("io_uring_refused_call",
               trouble && !found->ring->not_a_ring ? calls[found->ring->trying] : NULL);
    json_number ("features_mask", found->ring->features);
    json_features (found);
    if (!trouble)
        json_setup_flags (found);
    json_number ("operations", found->ring->ops);
    json_loops (found);
    json_text ("libev_flags", found->environment);
    json_number ("recommended_backends", found->recommended);
    json_text ("default_backend", found->backend ? cmd_backend_name (found->backend) : NULL);
    json_flags ("default_ring_flags", found->stats.ring_flags);
    json_number ("fallback_errno", found->stats.fallback_error);
    json_text ("why_not_io_uring", why_not (found));
    printf ("\n}\n");
}

int cmd_probe (int argc, char **argv)
{
    struct findings found = { 0 };
    int json = argc > 1 && !strcmp (argv[1], "--json");

    if (argc == 2 && !strcmp (argv[1], "--help"))
        return cmd_help ();
    if (argc > 1 + json)
        cmd_fail (EXIT_OWN, "probe knows only --json, not %s", argv[1 + json]);
    gather (&found);
    (json ? print_json : print_text) (&found);
    return cmd_said ();
}
