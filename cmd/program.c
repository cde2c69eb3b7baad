/* program.c: finds the program to run and says whether another libev.so.4 can be put under it.
 * Reads ELF headers only as far as needed to name what is wrong; which libraries will be loaded is asked of
 * the dynamic loader (`LOADER --list PROGRAM`, which never runs the program, with glibc or musl).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "cmd.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPTS_MAX = 4 }; /* interpreters that are scripts themselves; the kernel stops there too */

/* ---- finding ---------------------------------------------------------------------------------- */

static int is_file (const char *path)
{
    struct stat st = { 0 };

    return !stat (path, &st) && S_ISREG (st.st_mode);
}

/* The first executable file of that name along PATH. Otherwise NULL, and *found is one that is not executable. */
static char *search_path (const char *name, char **found)
{
    const char *path = getenv ("PATH");

    if (!path)
        path = "/usr/local/bin:/usr/bin:/bin";
    for (;; path++) {
        size_t size = strcspn (path, ":");
        char *file = size ? cmd_text ("%.*s/%s", (int) size, path, name) : cmd_text ("./%s", name);

        if (is_file (file)) {
            if (!access (file, X_OK))
                return file;
            *found = file;
        } else
            free (file);
        path += size;
        if (!*path)
            return NULL;
    }
}

static char *locate (const char *name)
{
    char *refused = NULL, *file;

    if (!*name)
        cmd_fail (EXIT_NOT_FOUND, "the name of the program is empty");
    if (!strchr (name, '/')) {
        file = search_path (name, &refused);
        if (!file && !refused)
            cmd_fail (EXIT_NOT_FOUND, "%s: not found along PATH", name);
        if (!file)
            cmd_fail (EXIT_UNUSABLE, "%s: not executable", refused);
        return file;
    }
    if (access (name, F_OK))
        cmd_fail (errno == ENOENT ? EXIT_NOT_FOUND : EXIT_UNUSABLE, "%s: %m", name);
    if (!is_file (name))
        cmd_fail (EXIT_UNUSABLE, "%s: not a file", name);
    if (access (name, X_OK))
        cmd_fail (EXIT_UNUSABLE, "%s: not executable", name);
    return cmd_text ("%s", name);
}

/* ---- who would be ignored by the loader -------------------------------------------------------- */

static void refuse_rights (const char *file, const char *what)
{
    cmd_fail (EXIT_UNUSABLE, "%s %s: the loader puts no library under it; a plain copy runs, without rights",
              file, what);
}

/* What rights the file has for those who run it, if any. */
static const char *name_rights (const char *file)
{
    struct stat st = { 0 };

    if (!stat (file, &st) && st.st_mode & S_ISUID)
        return "is set-user-ID";
    if (!stat (file, &st) && st.st_mode & S_ISGID && st.st_mode & S_IXGRP)
        return "is set-group-ID";
    return getxattr (file, "security.capability", NULL, 0) > 0 ? "has file capabilities" : NULL;
}

/* The loader ignores LD_LIBRARY_PATH in a program that gains rights by being executed. It gains none where
 * they are forbidden, and none it has already; but file capabilities make the loader wary even where
 * no_new_privs takes them away. */
static void refuse_privileged (const char *file)
{
    struct statvfs fs = { 0 };
    struct stat st = { 0 };
    int set_id;

    if (stat (file, &st) || statvfs (file, &fs))
        cmd_fail (EXIT_UNUSABLE, "%s: %m", file);
    if (fs.f_flag & ST_NOSUID)
        return;
    set_id = prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
    if (set_id && (st.st_mode & S_ISUID) && st.st_uid != getuid ())
        refuse_rights (file, "is set-user-ID");
    if (set_id && (st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid ())
        refuse_rights (file, "is set-group-ID");
    if (getuid () != 0 && getxattr (file, "security.capability", NULL, 0) > 0)
        refuse_rights (file, "has file capabilities");
}

/* ---- reading ELF ------------------------------------------------------------------------------- */

static int read_at (int fd, void *to, size_t size, off_t at)
{
    return pread (fd, to, size, at) == (ssize_t) size;
}

static const char *machine_name (unsigned machine)
{
    switch (machine) {
    case EM_386:
        return "x86";
    case EM_X86_64:
        return "x86-64";
    case EM_ARM:
        return "ARM";
    case EM_AARCH64:
        return "ARM64";
    case EM_RISCV:
        return "RISC-V";
    default:
        return cmd_text ("machine %u", machine);
    }
}

/* This executable was built with our library, so its own header says what fits. The linker names it. */
extern const ElfW (Ehdr) __ehdr_start __attribute__ ((visibility ("hidden")));

static void refuse_other_machine (const char *file, const ElfW (Ehdr) * header)
{
    const ElfW (Ehdr) own = __ehdr_start;

    if (header->e_ident[EI_CLASS] != own.e_ident[EI_CLASS] || header->e_ident[EI_DATA] != own.e_ident[EI_DATA]
        || header->e_machine != own.e_machine)
        cmd_fail (EXIT_UNUSABLE, "%s is a %s-bit %s program, this evring is %s-bit %s", file,
                  header->e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64", machine_name (header->e_machine),
                  own.e_ident[EI_CLASS] == ELFCLASS32 ? "32" : "64", machine_name (own.e_machine));
}

/* PT_INTERP: the dynamic loader. A program without one loads nothing, so nothing can be put under it. */
static char *read_loader (const char *file, int fd, const ElfW (Ehdr) * header)
{
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW (Phdr) part;
        char loader[PATH_MAX] = "";

        if (header->e_phentsize != sizeof part
            || !read_at (fd, &part, sizeof part, header->e_phoff + i * sizeof part))
            cmd_fail (EXIT_UNUSABLE, "%s: damaged ELF program headers", file);
        if (part.p_type != PT_INTERP)
            continue;
        if (part.p_filesz < 2 || part.p_filesz > sizeof loader
            || !read_at (fd, loader, part.p_filesz, part.p_offset) || loader[part.p_filesz - 1])
            cmd_fail (EXIT_UNUSABLE, "%s: damaged name of its dynamic loader", file);
        return cmd_text ("%s", loader);
    }
    cmd_fail (EXIT_UNUSABLE, "%s is statically linked: no library can be put under it", file);
}

/* "#!  /bin/sh -e" → "/bin/sh" */
static char *script_interpreter (const char *file, char *line)
{
    char *name = line + 2 + strspn (line + 2, " \t");

    name[strcspn (name, " \t\n")] = 0;
    if (!*name)
        cmd_fail (EXIT_UNUSABLE, "%s: its first line names no interpreter", file);
    if (access (name, F_OK))
        cmd_fail (EXIT_UNUSABLE, "%s is a script for %s: %m", file, name);
    return cmd_text ("%s", name);
}

/* Follows scripts to the ELF file that runs them, and reads what that one needs. */
static void examine (struct program *program)
{
    for (int scripts = 0;; scripts++) {
        ElfW (Ehdr) header = { 0 };
        char *file = program->binary, line[256] = "";
        int fd = open (file, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO shall not make us wait */

        if (fd < 0 || pread (fd, line, sizeof line - 1, 0) < 0)
            cmd_fail (EXIT_UNUSABLE, "%s: cannot be examined: %m", file);
        if (!strncmp (line, "#!", 2) && scripts < SCRIPTS_MAX) {
            close (fd);
            program->binary = script_interpreter (file, line);
            program->script = 1;
            continue;
        }
        if (strncmp (line, ELFMAG, SELFMAG))
            cmd_fail (EXIT_UNUSABLE, "%s: neither an ELF program nor a script that starts with #!", file);
        memcpy (&header, line, sizeof header < sizeof line ? sizeof header : sizeof line);
        refuse_other_machine (file, &header);
        program->loader = read_loader (file, fd, &header);
        close (fd);
        refuse_privileged (file); /* of a script only the interpreter's rights count */
        program->rights = name_rights (file);
        return;
    }
}

struct program program_find (const char *name)
{
    struct program program = { .path = locate (name) };

    program.binary = program.path;
    examine (&program);
    return program;
}

/* ---- asking the loader -------------------------------------------------------------------------- */

static FILE *start_listing (const struct program *program, pid_t *pid)
{
    char *real = realpath (program->binary, NULL); /* what $ORIGIN will be: the kernel resolves links */
    int fd[2];

    if (!real || pipe (fd))
        cmd_fail (EXIT_OWN, "%s: cannot ask its loader: %m", program->binary);
    fflush (NULL);
    *pid = fork ();
    if (*pid < 0)
        cmd_fail (EXIT_OWN, "cannot fork: %m");
    if (!*pid) {
        dup2 (fd[1], 1);
        close (fd[0]);
        close (fd[1]);
        execl (program->loader, program->loader, "--list", real, (char *) NULL);
        fprintf (stderr, "evring: cannot run the dynamic loader %s: %m\n", program->loader);
        _exit (EXIT_OWN);
    }
    close (fd[1]);
    free (real);
    return fdopen (fd[0], "r");
}

static int same_file (const char *a, const char *b)
{
    struct stat one = { 0 }, other = { 0 };

    return !stat (a, &one) && !stat (b, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Lines are "NAME => PATH (0xADDRESS)", "NAME => not found", or "PATH (0xADDRESS)" for a preloaded library. */
static enum program_libev judge_line (char *line, const char *our_library)
{
    char *name = line + strspn (line, " \t"), *arrow = strstr (name, " => "),
         *file = arrow ? arrow + 4 : name;
    char *address = strstr (file, " (0x"), *base;

    if (arrow)
        *arrow = 0;
    if (address)
        *address = 0;
    base = strrchr (name, '/');
    if (strcmp (base ? base + 1 : name, "libev.so.4"))
        return LIBEV_ABSENT;
    return same_file (file, our_library) ? LIBEV_OURS : LIBEV_OTHER;
}

enum program_libev program_libev (const struct program *program, const char *our_library)
{
    enum program_libev found = LIBEV_ABSENT;
    pid_t pid;
    FILE *listing = start_listing (program, &pid);
    char *line = NULL;
    size_t size = 0;
    int status;

    while (listing && getline (&line, &size, listing) > 0) {
        enum program_libev here = judge_line (line, our_library);

        if (here > found)
            found = here;
    }
    free (line);
    if (listing)
        fclose (listing);
    if (waitpid (pid, &status, 0) < 0 || !WIFEXITED (status) || WEXITSTATUS (status) == EXIT_OWN)
        cmd_fail (EXIT_OWN, "%s: its dynamic loader %s does not tell what it would load", program->binary,
                  program->loader);
    return found;
}
