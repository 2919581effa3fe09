/* Reading the kernel's small text files, under a root so that tests can lay out any machine. */
#ifndef NUMALOCAL_FILES_H
#define NUMALOCAL_FILES_H

#include "idlist.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads root + path whole. NULL with errno when it cannot be read, or is no text of a kernel: a
 * folder, a device, a FIFO, more than a mebibyte, with a NUL in it. The caller frees it. */
char *file_read(const char *root, const char *path);

/* Whether an errno says that there is no such file, and not that it cannot be read. */
bool file_is_absent(int error);

/* Whatever it is. */
bool file_exists(const char *root, const char *path);

/* False with errno. */
bool file_is_folder(const char *root, const char *path);

/* The value of the first line with this key: the text behind "key", blanks trimmed on both sides.
 * The key stands at the start of the line or behind a blank ("Node 0 MemFree:"), with its own
 * end mark: "MemFree:", "inactive_file ". NULL: no such line. The caller frees it. */
char *file_value(const char *text, const char *key);

/* The same as a number, what follows it ignored ("kB"). */
bool file_number(const char *text, const char *key, uint64_t *number);

/* Reads a file of one id list, as /sys/devices/system/node/has_memory. False: not there, or not a
 * list. */
bool file_idlist(const char *root, const char *path, struct idlist *list);

#endif
