#include "die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *format, va_list arguments, int error)
    __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list arguments, int error)
{
    fputs("numalocal-bind: ", stderr);
    vfprintf(stderr, format, arguments);
    if (error != 0)
        fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
}

/* _exit: stderr is unbuffered and nothing half done is worth flushing. */
void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments, 0);
    va_end(arguments);
    _exit(EXIT_OURS);
}

void die_errno(const char *format, ...)
{
    const int error = errno;
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments, error);
    va_end(arguments);
    _exit(EXIT_OURS);
}

void complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments, 0);
    va_end(arguments);
}

void *allocate(void *memory, size_t count, size_t item_size)
{
    void *resized = NULL;

    if (item_size == 0 || count <= (SIZE_MAX - 1) / item_size)
        resized = realloc(memory, count * item_size + 1); /* + 1: zero items are no NULL */
    if (resized == NULL)
        die("out of memory: %zu items of %zu bytes", count, item_size);
    return resized;
}
