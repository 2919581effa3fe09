#include "regions.h"

#include "die.h"
#include "numa_maps.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the pages; the rest may have found their node full. */
enum { PURE_PERCENT = 95 };

/* Addresses of a region and of what keeps its mapping apart from the next. */
static size_t span_bytes(const struct regions *regions, size_t pages)
{
    return (pages + 1) * regions->count * regions->page_bytes;
}

static bool open_region(const struct regions *regions, size_t number, char *start)
{
    struct region *region = &regions->each[number];
    const size_t length = span_bytes(regions, region->pages);
    const size_t rest = (uintptr_t)start / regions->page_bytes % regions->count;
    const size_t skipped = (number + regions->count - rest) % regions->count;

    region->start = start;
    region->first = start + skipped * regions->page_bytes;
    if (mprotect(start, length, PROT_READ | PROT_WRITE) != 0)
        return false;
    /* Huge, it would be of one node. A kernel that cannot make it so has nothing to be told. */
    madvise(start, length, MADV_NOHUGEPAGE);
    return true;
}

static void list_regions(struct regions *regions, const struct idlist *nodes, const size_t *pages)
{
    *regions = (struct regions){
        .count = idlist_size(nodes),
        .page_bytes = (size_t)sysconf(_SC_PAGESIZE),
    };
    regions->each = allocate(NULL, regions->count, sizeof *regions->each);
    size_t number = 0;
    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            regions->each[number] = (struct region){.node = id, .pages = pages[number]};
            number++;
        }
}

bool regions_map(struct regions *regions, const struct idlist *nodes, const size_t *pages)
{
    size_t length = 0;
    bool good = true;

    list_regions(regions, nodes, pages);
    for (size_t i = 0; i < regions->count; i++)
        length += span_bytes(regions, pages[i]) + regions->page_bytes;
    char *at = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    for (size_t i = 0; i < regions->count && good; i++) {
        at += regions->page_bytes; /* stays closed: mappings of a kind that touch become one */
        good = open_region(regions, i, at);
        at += span_bytes(regions, pages[i]);
    }
    return good;
}

char *regions_page(const struct regions *regions, size_t region, size_t page)
{
    return regions->each[region].first + page * regions->count * regions->page_bytes;
}

bool regions_are_pure(const struct regions *regions)
{
    for (size_t i = 0; i < regions->count; i++) {
        const struct region *region = &regions->each[i];
        const uint64_t there = numa_maps_pages((uintptr_t)region->start, region->node);

        if (there * 100 < (uint64_t)region->pages * PURE_PERCENT)
            return false;
    }
    return true;
}
