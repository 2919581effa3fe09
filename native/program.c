#include "program.h"

#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* An empty part of PATH is the working directory. */
static char *in_folder(const char *folder, size_t length, const char *command)
{
    return text_format("%.*s%s%s", (int)length, folder, length == 0 ? "" : "/", command);
}

char *program_find(const char *command)
{
    const char *folder = getenv("PATH");

    if (strchr(command, '/') != NULL)
        return text_format("%s", command);
    if (folder == NULL)
        folder = "/bin:/usr/bin"; /* what execvp takes */
    for (;;) {
        const size_t length = strcspn(folder, ":");
        char *path = in_folder(folder, length, command);

        if (is_program(path))
            return path;
        free(path);
        if (folder[length] == '\0')
            return NULL;
        folder += length + 1;
    }
}
