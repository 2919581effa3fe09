#include "caches.h"

#include "files.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* More levels, with instructions apart, than any machine has. */
enum { MOST_INDICES = 16 };

static char *cache_file(const char *root, unsigned int cpu, int index, const char *name)
{
    char *path = text_format("/sys/devices/system/cpu/cpu%u/cache/index%d/%s", cpu, index, name);
    char *text = file_read(root, path);

    free(path);
    return text;
}

static uint64_t cache_number(const char *root, unsigned int cpu, int index, const char *name)
{
    char *text = cache_file(root, cpu, index, name);
    uint64_t number = 0;

    if (text != NULL)
        number = strtoull(text, NULL, 10);
    free(text);
    return number;
}

/* The index of the highest level; -1: there is none. */
static int last_level(const char *root, unsigned int cpu)
{
    uint64_t highest = 0;
    int last = -1;

    for (int index = 0; index < MOST_INDICES; index++) {
        const uint64_t level = cache_number(root, cpu, index, "level");

        if (level > highest) {
            highest = level;
            last = index;
        }
    }
    return last;
}

/* Whether no lower one of these CPUs shares the cache: one of them counts it. */
static bool is_first(const char *root, unsigned int cpu, int index, const struct idlist *cpus)
{
    char *path =
        text_format("/sys/devices/system/cpu/cpu%u/cache/index%d/shared_cpu_list", cpu, index);
    struct idlist shared = {0};
    bool first = true;

    if (file_idlist(root, path, &shared))
        for (unsigned int other = 0; other < cpu && first; other++)
            first = !(idlist_contains(&shared, other) && idlist_contains(cpus, other));
    idlist_free(&shared);
    free(path);
    return first;
}

uint64_t caches_last_level_bytes(const char *root, const struct idlist *cpus)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < cpus->count; i++)
        for (unsigned int cpu = cpus->ranges[i].first; cpu <= cpus->ranges[i].last; cpu++) {
            const int index = last_level(root, cpu);
            const uint64_t size = index < 0 ? 0 : cache_number(root, cpu, index, "size");

            if (size == 0)
                return 0;
            if (is_first(root, cpu, index, cpus))
                bytes += size * 1024; /* the kernel writes "32768K" always */
        }
    return bytes;
}
