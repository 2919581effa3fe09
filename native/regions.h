/* Memory of one NUMA node each, without a call of memory policies.
 *
 * Under an interleaving policy of the whole process the kernel takes a page of an anonymous mapping
 * from the node that its address says (mm/mempolicy.c: by vm_pgoff and the offset in the mapping).
 * Of pages whose number is a multiple of the sum of all weights on, the first node has as many as
 * its weight, then the second, and so on; all weights are 1 where pages come evenly. So of each
 * region only the pages of its own node are ever touched. What came of it is read in numa_maps,
 * and not believed. */
#ifndef NUMALOCAL_REGIONS_H
#define NUMALOCAL_REGIONS_H

#include "idlist.h"

#include <stdbool.h>
#include <stddef.h>

struct region {
    char *start;       /* of its mapping, which is no other's */
    char *first;       /* page */
    unsigned int node; /* where all its pages should be */
    size_t weight;     /* that many pages of each turn are of that node, */
    size_t offset;     /* behind so many of others */
    size_t pages;
};

struct regions {
    struct region *each; /* in the order of the nodes */
    size_t count;
    size_t turn; /* the sum of all weights */
    size_t page_bytes;
};

/* Lists them, all empty. weights[i] is that of the ith node, 1 or more. */
void regions_list(struct regions *regions, const struct idlist *nodes, const size_t *weights);

/* Reserves pages[i] pages for the ith node and touches none. False: there is no room for the
 * addresses. */
bool regions_map(struct regions *regions, const size_t *pages);

/* The region that has page N of each turn, and which of its own it is there. */
struct regions_slot {
    size_t region;
    size_t page;
};
struct regions_slot regions_slot(const struct regions *regions, size_t number);

/* The address of a page of region R, 0 to pages - 1. */
char *regions_page(const struct regions *regions, size_t region, size_t page);

/* Whether 95 % of each region's pages, all of them touched, are on its node. */
bool regions_are_pure(const struct regions *regions);

#endif
