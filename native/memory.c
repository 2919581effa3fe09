#include "memory.h"

#include "files.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES "/sys/devices/system/node"

static const char MACHINE[] = "/proc/meminfo";

/* What is there and cannot be read is no kernel without NUMA. */
bool memory_has_nodes(const char *root)
{
    return file_is_folder(root, NODES) || errno != ENOENT;
}

void memory_nodes(const char *root, struct idlist *nodes)
{
    nodes->count = 0;
    if (!memory_has_nodes(root))
        idlist_append(nodes, 0);
    else if (!file_idlist(root, NODES "/has_memory", nodes))
        file_idlist(root, NODES "/online", nodes);
}

static void note_cpus(const char *root, unsigned int node, const unsigned int *cpus,
                      unsigned int *nodes, size_t count)
{
    struct idlist here = {0};
    char *path = text_format(NODES "/node%u/cpulist", node);

    if (file_idlist(root, path, &here))
        for (size_t i = 0; i < count; i++)
            if (idlist_contains(&here, cpus[i]))
                nodes[i] = node;
    idlist_free(&here);
    free(path);
}

/* From the last: of several that say they have a CPU the first is believed. */
void memory_nodes_of(const char *root, const unsigned int *cpus, unsigned int *nodes, size_t count)
{
    struct idlist online = {0};

    if (file_idlist(root, NODES "/online", &online))
        for (size_t i = online.count; i-- > 0;)
            for (unsigned int id = online.ranges[i].last + 1; id-- > online.ranges[i].first;)
                note_cpus(root, id, cpus, nodes, count);
    idlist_free(&online);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

/* Saturates: what a broken file says must not wrap around. */
static uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t result = 0;

    return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

uint64_t memory_sum(uint64_t a, uint64_t b)
{
    uint64_t result = 0;

    return __builtin_add_overflow(a, b, &result) ? UINT64_MAX : result;
}

/* The value of a line in kB; 0 where there is none. */
static uint64_t kilobytes(const char *meminfo, const char *key)
{
    uint64_t value = 0;

    file_number(meminfo, key, &value);
    return product(value, 1024);
}

/* NULL, or that the line is not there. */
static char *missing_line(const char *meminfo, const char *key, const char *path)
{
    uint64_t value = 0;

    if (file_number(meminfo, key, &value))
        return NULL;
    return text_format("%s has no line %s with a number: mount /proc and /sys of this machine",
                       path, key);
}

static char *unreadable(const char *path)
{
    return text_format("%s cannot be read: %s", path, strerror(errno));
}

/* The size in a folder's name, "hugepages-2048kB". */
static bool parse_page_size(const char *name, uint64_t *bytes)
{
    static const char BEFORE[] = "hugepages-";
    const size_t length = strlen(name);

    if (strncmp(name, BEFORE, sizeof BEFORE - 1) != 0 || length < 2 ||
        strcmp(name + length - 2, "kB") != 0)
        return false;
    char *digits = text_format("%.*s", (int)(length - sizeof BEFORE - 1), name + sizeof BEFORE - 1);
    const bool good = text_parse_number(digits, bytes);
    free(digits);
    *bytes = good ? product(*bytes, 1024) : 0;
    return good;
}

/* Adds the pages of one size. NULL, or a sentence. */
static char *add_pages(const char *root, const char *folder, const char *name, uint64_t *bytes)
{
    uint64_t page_bytes = 0;
    uint64_t pages = 0;
    char *error = NULL;

    if (!parse_page_size(name, &page_bytes))
        return NULL;
    char *path = text_format("%s/%s/nr_hugepages", folder, name);
    char *text = file_read(root, path);
    if (text == NULL)
        error = file_is_absent(errno) ? NULL : unreadable(path);
    else if (!file_number(text, "", &pages))
        error = text_format("%s says \"%.*s\": it must be a number of pages", path,
                            (int)at_most(strcspn(text, "\n"), 40), text);
    *bytes = memory_sum(*bytes, product(pages, page_bytes));
    free(text);
    free(path);
    return error;
}

/* node<N>/hugepages has one folder per page size; meminfo's HugePages_Total counts one size only
 * and does not say which. */
static char *huge_page_bytes(const char *root, unsigned int node, uint64_t *bytes)
{
    char *path = text_format(NODES "/node%u/hugepages", node);
    char *full = text_format("%s%s", root, path);
    DIR *folder = opendir(full);
    char *error = folder != NULL || file_is_absent(errno) ? NULL : unreadable(path);

    *bytes = 0;
    for (struct dirent *entry;
         folder != NULL && error == NULL && (entry = readdir(folder)) != NULL;)
        error = add_pages(root, path, entry->d_name, bytes);
    if (folder != NULL)
        closedir(folder);
    free(full);
    free(path);
    return error;
}

static char *missing_node(const char *root, unsigned int node, const char *path)
{
    const int error = errno;
    char *folder = text_format(NODES "/node%u", node);
    const bool there = file_is_folder(root, folder) || errno != ENOENT;

    free(folder);
    errno = error;
    return there ? unreadable(path)
                 : text_format("NUMA node %u of the plan does not exist on this machine: delete "
                               "the pod so that it is placed again",
                               node);
}

/* A node of a virtual machine that grows may tell less than it has: alone, it has all. */
static bool is_alone(const char *root, unsigned int node)
{
    struct idlist online = {0};
    const bool alone = file_idlist(root, NODES "/online", &online) && idlist_size(&online) == 1 &&
                       idlist_contains(&online, node);

    idlist_free(&online);
    return alone;
}

static char *parse_node(struct memory *memory, const char *meminfo, const char *path,
                        uint64_t huge_bytes)
{
    const uint64_t total = kilobytes(meminfo, "MemTotal:");
    char *error = missing_line(meminfo, "MemTotal:", path);

    if (error == NULL && total > 0)
        error = missing_line(meminfo, "MemFree:", path);
    memory->total_bytes = total - at_most(huge_bytes, total);
    memory->available_bytes = kilobytes(meminfo, "MemFree:");
    static const char *const reclaimable[] = {"Active(file):", "Inactive(file):", "SReclaimable:"};
    for (size_t i = 0; i < sizeof reclaimable / sizeof *reclaimable; i++)
        memory->available_bytes =
            memory_sum(memory->available_bytes, kilobytes(meminfo, reclaimable[i]));
    memory->available_bytes = at_most(memory->available_bytes, memory->total_bytes);
    return error;
}

char *memory_of_node(struct memory *memory, const char *root, unsigned int node)
{
    char *path = text_format(NODES "/node%u/meminfo", node);
    char *text = file_read(root, path);
    uint64_t huge_bytes = 0;

    *memory = (struct memory){0};
    char *error = text == NULL ? missing_node(root, node, path) : NULL;
    if (error == NULL)
        error = huge_page_bytes(root, node, &huge_bytes);
    if (error == NULL && is_alone(root, node) && file_exists(root, MACHINE))
        error = memory_of_machine(memory, root);
    else if (error == NULL)
        error = parse_node(memory, text, path, huge_bytes);
    free(text);
    free(path);
    return error;
}

char *memory_of_machine(struct memory *memory, const char *root)
{
    char *text = file_read(root, MACHINE);

    *memory = (struct memory){0};
    if (text == NULL)
        return unreadable(MACHINE);
    const uint64_t total = kilobytes(text, "MemTotal:");
    char *error = missing_line(text, "MemTotal:", MACHINE);
    if (error == NULL && total > 0)
        error = missing_line(text, "MemAvailable:", MACHINE);
    memory->total_bytes = total - at_most(kilobytes(text, "Hugetlb:"), total);
    memory->available_bytes = at_most(kilobytes(text, "MemAvailable:"), memory->total_bytes);
    free(text);
    return error;
}
