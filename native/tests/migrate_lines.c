/* A test's view of migration: takes memory, moves it to the nodes of argument 1, and prints on how
 * many nodes its pages lie, and on which, as "PAGES NODE". */
#include "die.h"
#include "migrate.h"

#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 4096, MOST_NODES = 1024 };

static void print_nodes(char *memory, size_t page_size)
{
    static void *pages[PAGES];
    static int node_of[PAGES];
    static unsigned int counts[MOST_NODES];

    for (size_t i = 0; i < PAGES; i++)
        pages[i] = memory + i * page_size;
    if (move_pages(0, PAGES, pages, NULL, node_of, 0) != 0)
        die_errno("cannot look where the pages are");
    for (size_t i = 0; i < PAGES; i++)
        if (node_of[i] >= 0 && node_of[i] < MOST_NODES)
            counts[node_of[i]]++;
    for (unsigned int node = 0; node < MOST_NODES; node++)
        if (counts[node] > 0)
            printf("%u %u\n", counts[node], node);
}

int main(int argc, char **argv)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    char error[IDLIST_ERROR_SIZE];
    struct idlist nodes = {0};

    if (argc != 2 || !idlist_parse(&nodes, argv[1], strlen(argv[1]), error))
        die("write one list of nodes");
    char *memory = mmap(NULL, PAGES * page_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die_errno("cannot take memory");
    memset(memory, 1, PAGES * page_size);
    migrate_memory(&nodes, "test");
    print_nodes(memory, page_size);
    munmap(memory, PAGES * page_size);
    idlist_free(&nodes);
    return EXIT_SUCCESS;
}
