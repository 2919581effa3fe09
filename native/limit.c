#include "limit.h"

#include "cgroup.h"
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As good as none: version 1 writes the largest number of whole pages. */
static const uint64_t NO_LIMIT_BYTES = UINT64_C(1) << 62;

static const char LIMIT_FORM[] = "which is no memory limit: it must be max or a number of bytes";
static const char USE_FORM[] = "which is no use of memory: it must be a number of bytes";

/* The files of one level, by version. */
static const struct {
    const char *limits[2];
    const char *use;
    const char *reclaimable[3]; /* of memory.stat */
} FILES[] = {
    [1] = {{"memory.limit_in_bytes", NULL},
           "memory.usage_in_bytes",
           {"total_inactive_file ", "total_active_file ", NULL}},
    [2] = {{"memory.max", "memory.high"},
           "memory.current",
           {"inactive_file ", "active_file ", "slab_reclaimable "}},
};
enum { LIMITS = 2, RECLAIMABLE = 3, DIGITS = 20 };

/* "max", or digits, no more than a number of 64 bits has; above such a number is no limit. */
static bool parse_limit(const char *text, uint64_t *bytes)
{
    const size_t digits = strspn(text, "0123456789");

    *bytes = UINT64_MAX;
    if (strcmp(text, "max") == 0 || text_parse_number(text, bytes))
        return true;
    return digits > 0 && digits <= DIGITS && text[digits] == '\0';
}

enum reading { ABSENT, GOOD, BAD };

/* BAD: a finding was made. */
static enum reading read_bytes(struct memory_limit *limit, const char *root, const char *path,
                               const char *form, uint64_t *bytes)
{
    char *text = file_read(root, path);

    if (text == NULL) {
        if (file_is_absent(errno))
            return ABSENT;
        sentences_add(&limit->findings,
                      text_format("%s cannot be read: %s", path, strerror(errno)));
        return BAD;
    }
    text[strcspn(text, "\n")] = '\0';
    const bool good =
        form == LIMIT_FORM ? parse_limit(text, bytes) : text_parse_number(text, bytes);
    if (!good)
        sentences_add(&limit->findings,
                      text_format("%s says \"%.40s\", %s", path, text, form));
    free(text);
    return good ? GOOD : BAD;
}

/*
 * A process that is alone in its cgroup is the only one that uses memory there, and its use ends
 * with it: the engine's container starts from nothing, with the same limit.
 */
static bool is_alone(const struct cgroup *cgroup, const char *root)
{
    char *path = text_format("%s/cgroup.procs", cgroup->folder);
    char *text = file_read(root, path);
    const size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
    const bool one = digits > 0 && strspn(text + digits, "\n") == strlen(text + digits);

    free(text);
    free(path);
    return one;
}

static uint64_t less_reclaimable(const struct cgroup *cgroup, const char *root, uint64_t used)
{
    char *path = text_format("%s/memory.stat", cgroup->folder);
    char *stat = file_read(root, path);

    for (size_t i = 0; stat != NULL && i < RECLAIMABLE; i++) {
        const char *key = FILES[cgroup->version].reclaimable[i];
        uint64_t bytes = 0;

        if (key != NULL)
            file_number(stat, key, &bytes);
        used -= bytes < used ? bytes : used;
    }
    free(stat);
    free(path);
    return used;
}

/* What is used at this level. It is asked for where there is a limit, in the file named. */
static uint64_t used_bytes(struct memory_limit *limit, const struct cgroup *cgroup,
                           const char *root, const char *limit_file)
{
    char *path = text_format("%s/%s", cgroup->folder, FILES[cgroup->version].use);
    uint64_t used = 0;
    const enum reading reading = read_bytes(limit, root, path, USE_FORM, &used);

    if (reading == ABSENT)
        sentences_add(&limit->notes, text_format("%s is not there: nothing is counted as used of "
                                                 "the memory limit in %s",
                                                 path, limit_file));
    free(path);
    return reading == GOOD ? less_reclaimable(cgroup, root, used) : 0;
}

static void tighten(struct memory_limit *limit, uint64_t bytes, uint64_t used, const char *path)
{
    const uint64_t room = bytes > used ? bytes - used : 0;

    if (!limit->limited || bytes < limit->limit_bytes)
        limit->limit_bytes = bytes;
    if (!limit->limited || room < limit->room_bytes) {
        limit->room_bytes = room;
        limit->room_limit_bytes = bytes;
        free(limit->room_file);
        limit->room_file = text_format("%s", path);
    }
    limit->limited = true;
}

static void read_level(struct memory_limit *limit, const struct cgroup *cgroup, const char *root,
                       bool alone)
{
    uint64_t used = 0;
    bool known = alone;

    for (size_t i = 0; i < LIMITS && FILES[cgroup->version].limits[i] != NULL; i++) {
        char *path = text_format("%s/%s", cgroup->folder, FILES[cgroup->version].limits[i]);
        uint64_t bytes = 0;

        if (read_bytes(limit, root, path, LIMIT_FORM, &bytes) == GOOD && bytes < NO_LIMIT_BYTES) {
            if (!known)
                used = used_bytes(limit, cgroup, root, path);
            known = true;
            tighten(limit, bytes, used, path);
        }
        free(path);
    }
}

/* A level of version 1 may say that it does not count what is used below it. */
static bool counts_below(const struct cgroup *cgroup, const char *root)
{
    char *path = text_format("%s/memory.use_hierarchy", cgroup->folder);
    char *text = cgroup->version == 1 ? file_read(root, path) : NULL;
    const bool counts = text == NULL || text[0] != '0' || (text[1] != '\n' && text[1] != '\0');

    free(text);
    free(path);
    return counts;
}

void memory_limit_read(struct memory_limit *limit, const char *root)
{
    struct cgroup cgroup;

    *limit = (struct memory_limit){0};
    if (!cgroup_find(&cgroup, root, "memory", &limit->findings))
        return;
    read_level(limit, &cgroup, root, is_alone(&cgroup, root));
    while (cgroup_up(&cgroup) && counts_below(&cgroup, root))
        read_level(limit, &cgroup, root, false);
    cgroup_free(&cgroup);
}

void memory_limit_free(struct memory_limit *limit)
{
    free(limit->room_file);
    sentences_free(&limit->findings);
    sentences_free(&limit->notes);
    *limit = (struct memory_limit){0};
}
