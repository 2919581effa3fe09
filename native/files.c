#include "files.h"

#include "die.h"
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some containers' status has 65536 groups in it; no file that is read here is longer. */
enum { LONGEST_TEXT = 1 << 20 };

/* Reads to the end whatever the size says: kernel files say 0 or 4096. NULL with errno. */
static char *read_all(int file)
{
    size_t size = 4096;
    size_t used = 0;
    char *text = allocate(NULL, size, 1);

    for (;;) {
        const ssize_t got = read(file, text + used, size - used - 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || used > LONGEST_TEXT) {
            const int error = got < 0 ? errno : EFBIG;

            free(text);
            errno = error;
            return NULL;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (size - used < 2) {
            size *= 2;
            text = allocate(text, size, 1);
        }
    }
    text[used] = '\0';
    if (strlen(text) == used)
        return text;
    free(text); /* a NUL would hide what is behind it */
    errno = EILSEQ;
    return NULL;
}

/* A FIFO would wait for its writer, and a device may do anything. False with errno. */
static bool is_plain(int file)
{
    struct stat status;

    if (fstat(file, &status) != 0)
        return false;
    errno = S_ISDIR(status.st_mode) ? EISDIR : ENOTSUP;
    return S_ISREG(status.st_mode);
}

char *file_read(const char *root, const char *path)
{
    char *full = text_format("%s%s", root, path);
    const int file = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    free(full);
    if (file < 0)
        return NULL;
    char *text = is_plain(file) ? read_all(file) : NULL;
    const int error = errno;
    close(file);
    errno = error;
    return text;
}

bool file_is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

bool file_exists(const char *root, const char *path)
{
    char *full = text_format("%s%s", root, path);
    const bool exists = access(full, F_OK) == 0;

    free(full);
    return exists;
}

bool file_is_folder(const char *root, const char *path)
{
    char *full = text_format("%s%s", root, path);
    struct stat status;
    const bool there = stat(full, &status) == 0;
    const int error = there ? ENOTDIR : errno;

    free(full);
    errno = error;
    return there && S_ISDIR(status.st_mode);
}

/* Finds the key where a word may start: "Active(file):" is no part of "Inactive(file):". */
static const char *behind_key(const char *text, const char *key)
{
    const char *found = strstr(text, key);

    while (found != NULL && found != text && strchr(" \t\n", found[-1]) == NULL)
        found = strstr(found + 1, key);
    return found == NULL ? NULL : found + strlen(key);
}

char *file_value(const char *text, const char *key)
{
    const char *start = behind_key(text, key);

    if (start == NULL)
        return NULL;
    start += strspn(start, " \t");
    size_t length = strcspn(start, "\n");
    while (length > 0 && isspace((unsigned char)start[length - 1]))
        length--;
    return text_format("%.*s", (int)length, start);
}

bool file_number(const char *text, const char *key, uint64_t *number)
{
    char *value = file_value(text, key);
    char *end = NULL;

    if (value == NULL)
        return false;
    errno = 0;
    const uintmax_t parsed = strtoumax(value, &end, 10);
    const bool good = isdigit((unsigned char)value[0]) && errno == 0;
    free(value);
    if (good)
        *number = parsed;
    return good;
}

bool file_idlist(const char *root, const char *path, struct idlist *list)
{
    char error[IDLIST_ERROR_SIZE];
    char *text = file_read(root, path);

    if (text == NULL)
        return false;
    const bool good = idlist_parse(list, text, strcspn(text, "\n"), error);
    free(text);
    return good;
}
