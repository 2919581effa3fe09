#include "cgroup.h"

#include "files.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static char *read_in(const char *root, const char *group, const char *name)
{
    char *path = text_format("/sys/fs/cgroup%s/%s", group, name);
    char *text = file_read(root, path);

    free(path);
    return text;
}

static uint64_t unreclaimable_bytes(const char *root, const char *group)
{
    static const char *const reclaimable[] = {"inactive_file ", "active_file ",
                                              "slab_reclaimable "};
    char *current = read_in(root, group, "memory.current");
    char *stat = read_in(root, group, "memory.stat");
    uint64_t used = 0;

    if (current != NULL)
        file_number(current, "", &used);
    for (size_t i = 0; stat != NULL && i < sizeof reclaimable / sizeof *reclaimable; i++) {
        uint64_t bytes = 0;

        file_number(stat, reclaimable[i], &bytes);
        used -= bytes < used ? bytes : used;
    }
    free(stat);
    free(current);
    return used;
}

/*
 * A process that is alone in its cgroup is the only one that uses memory there, and its use ends
 * with it: the engine's container starts from nothing, with the same limit.
 */
static bool alone(const char *root, const char *group)
{
    char *text = read_in(root, group, "cgroup.procs");
    const char *end = text == NULL ? NULL : strchr(text, '\n');
    const bool one = end != NULL && end != text && end[1] == '\0';

    free(text);
    return one;
}

static void tighten(struct memory_limit *limit, const char *root, const char *group)
{
    char *text = read_in(root, group, "memory.max");
    uint64_t bytes = 0;

    /* "max" is no number: no limit at this level. */
    if (text != NULL && file_number(text, "", &bytes)) {
        const uint64_t used = alone(root, group) ? 0 : unreclaimable_bytes(root, group);
        const uint64_t room = bytes > used ? bytes - used : 0;

        if (!limit->limited || bytes < limit->limit_bytes)
            limit->limit_bytes = bytes;
        if (!limit->limited || room < limit->room_bytes) {
            limit->room_bytes = room;
            limit->room_limit_bytes = bytes;
        }
        limit->limited = true;
    }
    free(text);
}

/* The path of cgroup v2 in /proc/self/cgroup, without a last slash; "" is the root. */
static char *own_group(const char *root)
{
    char *text = file_read(root, "/proc/self/cgroup");
    char *group = text == NULL ? NULL : file_value(text, "0::");

    free(text);
    /* A path out of the cgroup namespace ("/../x") cannot be seen from in here. */
    if (group == NULL || group[0] != '/' || strstr(group, "/..") != NULL) {
        free(group);
        return text_format("%s", "");
    }
    for (size_t end = strlen(group); end > 0 && group[end - 1] == '/'; end--)
        group[end - 1] = '\0';
    return group;
}

struct memory_limit cgroup_memory_limit(const char *root)
{
    struct memory_limit limit = {0};
    char *group = own_group(root);

    for (;;) {
        tighten(&limit, root, group);
        char *last = strrchr(group, '/');
        if (last == NULL)
            break;
        *last = '\0';
    }
    free(group);
    return limit;
}
