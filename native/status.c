#include "status.h"

#include "die.h"
#include "files.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

static const char PATH[] = "/proc/self/status";

static bool read_list(const char *root, const char *text, const char *key, struct idlist *list)
{
    char error[IDLIST_ERROR_SIZE];
    char *value = file_value(text, key);

    if (value == NULL)
        return false;
    if (!idlist_parse(list, value, strlen(value), error))
        die("%s%s: %s \"%.60s\" is no list of ids: %s", root, PATH, key, value, error);
    free(value);
    return true;
}

void status_read(struct status *status, const char *root)
{
    char *text = file_read(root, PATH);

    *status = (struct status){0};
    if (text == NULL)
        die_errno("cannot read %s%s", root, PATH);
    if (!read_list(root, text, "Cpus_allowed_list:", &status->cpus_allowed))
        die("%s%s has no line Cpus_allowed_list: mount /proc of this machine", root, PATH);
    if (!read_list(root, text, "Mems_allowed_list:", &status->mems_allowed))
        memory_nodes(root, &status->mems_allowed);
    free(text);
}

void status_free(struct status *status)
{
    idlist_free(&status->cpus_allowed);
    idlist_free(&status->mems_allowed);
}
