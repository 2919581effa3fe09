/* How this program ends when it cannot do its job: one sentence on stderr and status 125. */
#ifndef NUMALOCAL_DIE_H
#define NUMALOCAL_DIE_H

#include <stddef.h>

/* 125 is ours; 126 and 127 say what env(1) and sh(1) say: found but not executable, not found. */
enum { EXIT_OURS = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

/* Says the sentence and ends with 125. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, ": " and the text of errno added. */
_Noreturn void die_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says one line that does not end the program. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Resizes `memory` (NULL: new) to `count` items; never returns NULL. */
void *allocate(void *memory, size_t count, size_t item_size);

#endif
