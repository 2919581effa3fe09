/* Sentences for people: formatted text of any length, and amounts of memory. */
#ifndef NUMALOCAL_TEXT_H
#define NUMALOCAL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* printf into new memory; the caller frees it. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "" where there is one, else "s". */
const char *plural(size_t count);

/* An amount as people read it: "512 B", "64.0 GiB". */
struct amount {
    char text[16];
};
struct amount text_bytes(uint64_t bytes);

/* An error of a system call as people look it up: "EPERM (Operation not permitted)". Leaves errno
 * as it is. */
struct error_text {
    char text[96];
};
struct error_text text_error(int error);

/* Reads decimal digits and nothing else; false if there is more, or more than INT64_MAX. */
_Bool text_parse_number(const char *text, uint64_t *number);

/* Sentences, each saying what, where, which value and what to change. Start with {0}. */
struct sentences {
    char **texts;
    size_t count;
};
void sentences_add(struct sentences *sentences, char *text); /* keeps and frees it */
void sentences_copy(struct sentences *to, const struct sentences *from); /* behind its own */
void sentences_free(struct sentences *sentences);

#endif
