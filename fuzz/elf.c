/* elf.c: the fuzzer's bytes are a program that `evring run` is asked to run: an ELF file, or a script. Promises to find what
 * makes cmd/program.c crash, read beyond what it has, or hang; a refusal is as good as an answer. Nothing is run.
 *
 * With FUZZ_MAIN it performs the files it is given, as program.c does. */
#include "../cmd/program.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

enum { FUZZ_TEXTS = 16 };

static jmp_buf fuzz_refused;
static char *fuzz_texts[FUZZ_TEXTS]; /* what cmd_text gave, which the command never frees */
static int fuzz_text_count, fuzz_fd = -1;

_Noreturn void cmd_fail (int code, const char *format, ...)
{
    char message[PATH_MAX * 2];
    va_list arguments;

    va_start (arguments, format);
    vsnprintf (message, sizeof message, format, arguments);
    va_end (arguments);
    longjmp (fuzz_refused, code);
}

char *cmd_text (const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start (arguments, format);
    if (vasprintf (&text, format, arguments) < 0 || fuzz_text_count == FUZZ_TEXTS)
        abort ();
    va_end (arguments);
    return fuzz_texts[fuzz_text_count++] = text;
}

static void fuzz_one (const uint8_t *data, size_t size)
{
    char path[40];
    struct program program = { .path = path, .binary = path };

    if (fuzz_fd < 0)
        fuzz_fd = memfd_create ("program", MFD_CLOEXEC);
    if (ftruncate (fuzz_fd, 0) || pwrite (fuzz_fd, data, size, 0) != (ssize_t) size)
        abort ();
    snprintf (path, sizeof path, "/proc/self/fd/%d", fuzz_fd);
    fuzz_text_count = 0;
    if (!setjmp (fuzz_refused))
        examine (&program);
    while (fuzz_text_count)
        free (fuzz_texts[--fuzz_text_count]);
    for (int fd = fuzz_fd + 1; fd < fuzz_fd + 8; fd++) /* a refusal leaves them to the end of the command */
        close (fd);
}

#ifdef FUZZ_MAIN

int main (int argc, char **argv)
{
    static uint8_t data[1 << 16];

    (void) program_find;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen (argv[i], "rb");
        size_t size;

        if (!file) {
            perror (argv[i]);
            return 2;
        }
        size = fread (data, 1, sizeof data, file);
        fclose (file);
        fuzz_one (data, size);
    }
    printf ("%d programs examined\n", argc - 1);
    return 0;
}

#else

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    fuzz_one (data, size);
    return 0;
}

#endif
