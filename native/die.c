#include "die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer is no sentence: some value was not cut. */
enum { LINE_SIZE = 4096 };

struct line {
    char text[LINE_SIZE];
    size_t used;
    bool cut;
};

/* A value may hold anything, and a terminal obeys some of it: what is no printable ASCII is shown
 * as \xNN. */
static void add(struct line *line, const char *text)
{
    static const char DIGITS[] = "0123456789abcdef";
    const size_t end = LINE_SIZE - sizeof "...\n" - 4;

    for (; *text != '\0' && line->used <= end && !line->cut; text++) {
        const unsigned char byte = (unsigned char)*text;
        const char escape[] = {'\\', 'x', DIGITS[byte >> 4], DIGITS[byte & 15]};
        const bool printable = byte >= 0x20 && byte < 0x7f;

        memcpy(line->text + line->used, printable ? text : escape, printable ? 1 : sizeof escape);
        line->used += printable ? 1 : sizeof escape;
    }
    if (*text != '\0' && !line->cut) {
        memcpy(line->text + line->used, "...", 3);
        line->used += 3;
        line->cut = true;
    }
}

static void say(const char *format, va_list arguments, int error)
    __attribute__((format(printf, 1, 0)));

/* In one write: several processes may say something at once. */
static void say(const char *format, va_list arguments, int error)
{
    struct line line = {.used = 0};
    char *text = NULL;

    add(&line, "numalocal-bind: ");
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    add(&line, text == NULL ? "out of memory for a message" : text);
    free(text);
    if (error != 0) {
        add(&line, ": ");
        add(&line, strerror(error));
    }
    line.text[line.used++] = '\n';
    if (write(STDERR_FILENO, line.text, line.used) < 0)
        return; /* there is nobody to tell */
}

/* _exit: nothing half done is worth flushing. */
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
