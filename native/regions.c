#include "regions.h"

#include "die.h"
#include "numa_maps.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the pages; the rest may have found their node full. */
enum { PURE_PERCENT = 95 };

/* Addresses of a region, which begins within a turn and fills its last one. */
static size_t span_bytes(const struct regions *regions, const struct region *region)
{
    return (region->pages / region->weight + 2) * regions->turn * regions->page_bytes;
}

static bool open_region(const struct regions *regions, size_t number, char *start)
{
    struct region *region = &regions->each[number];
    const size_t length = span_bytes(regions, region);
    const size_t rest = (uintptr_t)start / regions->page_bytes % regions->turn;
    const size_t skipped = (regions->turn - rest) % regions->turn + region->offset;

    region->start = start;
    region->first = start + skipped * regions->page_bytes;
    if (mprotect(start, length, PROT_READ | PROT_WRITE) != 0)
        return false;
    /* Huge, it would be of one node. A kernel that cannot make it so has nothing to be told. */
    madvise(start, length, MADV_NOHUGEPAGE);
    return true;
}

void regions_list(struct regions *regions, const struct idlist *nodes, const size_t *weights)
{
    *regions = (struct regions){
        .count = idlist_size(nodes),
        .page_bytes = (size_t)sysconf(_SC_PAGESIZE),
    };
    regions->each = allocate(NULL, regions->count, sizeof *regions->each);
    size_t number = 0;
    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            regions->each[number] = (struct region){
                .node = id, .weight = weights[number], .offset = regions->turn};
            regions->turn += weights[number++];
        }
}

bool regions_map(struct regions *regions, const size_t *pages)
{
    size_t length = 0;
    bool good = true;

    for (size_t i = 0; i < regions->count; i++) {
        regions->each[i].pages = pages[i];
        length += span_bytes(regions, &regions->each[i]) + regions->page_bytes;
    }
    char *at = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return false;
    for (size_t i = 0; i < regions->count && good; i++) {
        at += regions->page_bytes; /* stays closed: mappings of a kind that touch become one */
        good = open_region(regions, i, at);
        at += span_bytes(regions, &regions->each[i]);
    }
    return good;
}

char *regions_page(const struct regions *regions, size_t region, size_t page)
{
    const struct region *one = &regions->each[region];
    const size_t number = page / one->weight * regions->turn + page % one->weight;

    return one->first + number * regions->page_bytes;
}

struct regions_slot regions_slot(const struct regions *regions, size_t number)
{
    size_t region = regions->count - 1;

    while (regions->each[region].offset > number)
        region--;
    return (struct regions_slot){region, number - regions->each[region].offset};
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
