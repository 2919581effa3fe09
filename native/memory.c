#include "memory.h"

#include "files.h"
#include "text.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NODES "/sys/devices/system/node"

bool memory_has_nodes(const char *root)
{
    return file_exists(root, NODES);
}

void memory_nodes(const char *root, struct idlist *nodes)
{
    nodes->count = 0;
    if (!memory_has_nodes(root))
        idlist_append(nodes, 0);
    else if (!file_idlist(root, NODES "/has_memory", nodes))
        file_idlist(root, NODES "/online", nodes);
}

static uint64_t kilobytes(const char *meminfo, const char *key)
{
    uint64_t value = 0;

    file_number(meminfo, key, &value);
    return value * 1024;
}

/* node<N>/hugepages has one folder per page size; meminfo's HugePages_Total counts one size only
 * and does not say which. */
static uint64_t huge_page_bytes(const char *root, unsigned int node)
{
    char *path = text_format("%s" NODES "/node%u/hugepages", root, node);
    DIR *folder = opendir(path);
    uint64_t bytes = 0;

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        uint64_t page_kilobytes = 0;
        uint64_t pages = 0;

        if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &page_kilobytes) != 1)
            continue;
        char *file = text_format("/%s/nr_hugepages", entry->d_name);
        char *text = file_read(path, file);
        if (text != NULL && file_number(text, "", &pages))
            bytes += pages * page_kilobytes * 1024;
        free(text);
        free(file);
    }
    if (folder != NULL)
        closedir(folder);
    free(path);
    return bytes;
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
    return value < limit ? value : limit;
}

bool memory_of_node(const char *root, unsigned int node, struct memory *memory)
{
    char *path = text_format(NODES "/node%u/meminfo", node);
    char *text = file_read(root, path);

    free(path);
    if (text == NULL)
        return false;
    const uint64_t total = kilobytes(text, "MemTotal:");
    memory->total_bytes = total - at_most(huge_page_bytes(root, node), total);
    memory->available_bytes =
        at_most(kilobytes(text, "MemFree:") + kilobytes(text, "Active(file):") +
                    kilobytes(text, "Inactive(file):") + kilobytes(text, "SReclaimable:"),
                memory->total_bytes);
    free(text);
    return true;
}

bool memory_of_machine(const char *root, struct memory *memory)
{
    char *text = file_read(root, "/proc/meminfo");

    if (text == NULL)
        return false;
    const uint64_t total = kilobytes(text, "MemTotal:");
    memory->total_bytes = total - at_most(kilobytes(text, "Hugetlb:"), total);
    memory->available_bytes = at_most(kilobytes(text, "MemAvailable:"), memory->total_bytes);
    free(text);
    return true;
}
