#include "text.h"

#include "die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    const int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        die("out of memory for a message");
    return text;
}

const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

struct amount text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct amount amount;
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(amount.text, sizeof amount.text, "%u B", (unsigned int)bytes);
        return amount;
    }
    /* 1023.95 would be written 1024.0. */
    for (; value >= 1023.95; value /= 1024)
        unit++;
    snprintf(amount.text, sizeof amount.text, "%.1f %s", value, units[unit]);
    return amount;
}

struct error_text text_error(int error)
{
    const int before = errno;
    const char *name = strerrorname_np(error);
    struct error_text text;

    snprintf(text.text, sizeof text.text, "%s (%s)", name == NULL ? "error" : name,
             strerror(error));
    errno = before;
    return text;
}

bool text_parse_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        const uint64_t digit = (uint64_t)(*text - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

void sentences_add(struct sentences *sentences, char *text)
{
    sentences->texts = allocate(sentences->texts, sentences->count + 1, sizeof *sentences->texts);
    sentences->texts[sentences->count++] = text;
}

void sentences_copy(struct sentences *to, const struct sentences *from)
{
    for (size_t i = 0; i < from->count; i++)
        sentences_add(to, text_format("%s", from->texts[i]));
}

void sentences_free(struct sentences *sentences)
{
    for (size_t i = 0; i < sentences->count; i++)
        free(sentences->texts[i]);
    free(sentences->texts);
    *sentences = (struct sentences){0};
}
