/* A test's view of memory of one node each: touches PAGES pages for each of NODES, under the policy
 * that this program was started with, and says for each node how many came to lie there, and at
 * which numbers of a turn they are. All nodes but the first have the weight 1. Ends with 0 where
 * that is pure enough to be measured. */
#include "die.h"
#include "numa_maps.h"
#include "regions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHOWN = 8 };

int main(int argc, char **argv)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist nodes = {0};
    struct regions regions;

    if (argc != 4 || !idlist_parse(&nodes, argv[1], strlen(argv[1]), error))
        die("usage: regions_lines NODES PAGES WEIGHT");
    const size_t count = idlist_size(&nodes);
    size_t *pages = allocate(NULL, count, sizeof *pages);
    size_t *weights = allocate(NULL, count, sizeof *weights);
    for (size_t i = 0; i < count; i++) {
        pages[i] = strtoul(argv[2], NULL, 10);
        weights[i] = i == 0 ? strtoul(argv[3], NULL, 10) : 1;
    }
    regions_list(&regions, &nodes, weights);
    if (!regions_map(&regions, pages))
        die_errno("cannot map the regions");
    for (size_t i = 0; i < count; i++)
        for (size_t page = 0; page < pages[i]; page++)
            *regions_page(&regions, i, page) = 1;
    for (size_t i = 0; i < count; i++) {
        printf("%u %" PRIu64, regions.each[i].node,
               numa_maps_pages((uintptr_t)regions.each[i].start, regions.each[i].node));
        for (size_t page = 0; page < pages[i] && page < MOST_SHOWN; page++) {
            const uintptr_t address = (uintptr_t)regions_page(&regions, i, page);

            printf(" %zu", address / regions.page_bytes % regions.turn);
        }
        printf("\n");
    }
    const bool pure = regions_are_pure(&regions);
    free(regions.each);
    free(weights);
    free(pages);
    idlist_free(&nodes);
    return pure ? EXIT_SUCCESS : EXIT_FAILURE;
}
