#include "migrate.h"

#include "die.h"
#include "files.h"
#include "masks.h"
#include "memory.h"
#include "status.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_denied(int error)
{
    return error == EPERM || error == ENOSYS;
}

static void warn(const char *source, const struct idlist *mems, const char *why)
{
    char *text = idlist_format(mems);

    complain("warning: %s %.60s: memory that was taken before may stay on other nodes: %s", source,
             text, why);
    free(text);
}

/* False with errno: the call itself is denied. A mapping that cannot be moved, as the kernel's
 * own, is left where it is. */
static bool move_mappings(const struct bitmask *target)
{
    char *maps = file_read("", "/proc/self/maps");

    for (const char *line = maps; line != NULL && *line != '\0';) {
        uintptr_t start = 0;
        uintptr_t end = 0;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 && end > start &&
            mbind((void *)start, end - start, MPOL_BIND, target->maskp, target->size + 1,
                  MPOL_MF_MOVE) != 0 &&
            is_denied(errno)) {
            const int error = errno;

            free(maps);
            errno = error;
            return false;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    free(maps);
    return true;
}

static void migrate(const struct idlist *from, const struct idlist *mems, const char *source)
{
    struct bitmask *others = mask_of_nodes(from);
    struct bitmask *target = mask_of_nodes(mems);
    const long left = migrate_pages(0, others->size + 1, others->maskp, target->maskp);
    const struct error_text error = text_error(errno);
    char *why = NULL;

    if (left > 0)
        why = text_format("%ld pages could not be moved", left);
    else if (left < 0 && !is_denied(errno))
        why = text_format("migrate_pages: %s", error.text);
    else if (left < 0 && !move_mappings(target))
        why = text_format("migrate_pages: %s, mbind: %s; allow them in the container's seccomp "
                          "profile",
                          error.text, text_error(errno).text);
    if (why != NULL)
        warn(source, mems, why);
    free(why);
    numa_bitmask_free(target);
    numa_bitmask_free(others);
}

void migrate_memory(const struct idlist *mems, const char *source)
{
    struct idlist from = {0};
    struct status status;

    if (!memory_has_nodes(""))
        return;
    status_read(&status, "");
    idlist_subtract(&from, &status.mems_allowed, mems);
    if (from.count > 0)
        migrate(&from, mems, source);
    idlist_free(&from);
    status_free(&status);
}
