/* Memory of a NUMA node, or of a machine whose kernel has none: what there is, what is free. */
#ifndef NUMALOCAL_MEMORY_H
#define NUMALOCAL_MEMORY_H

#include "idlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
    uint64_t total_bytes;     /* less the huge pages, which nobody can use as ordinary memory */
    uint64_t available_bytes; /* free, or given back by the kernel when asked: page cache, slab */
};

/* Whether the kernel has NUMA at all: /sys/devices/system/node. */
bool memory_has_nodes(const char *root);

/* Sets *nodes to the nodes that have memory; node 0 on a kernel without NUMA. */
void memory_nodes(const char *root, struct idlist *nodes);

/* Sets nodes[i] to the node of cpus[i]; leaves it where none has that CPU, as on a kernel without
 * NUMA. */
void memory_nodes_of(const char *root, const unsigned int *cpus, unsigned int *nodes, size_t count);

/* Reads /sys/devices/system/node/node<N>/meminfo and hugepages; of the only node that is online
 * /proc/meminfo, if there is one. NULL, or a sentence to be freed by the caller: no such node, or
 * what cannot be read of it. */
char *memory_of_node(struct memory *memory, const char *root, unsigned int node);

/* Reads /proc/meminfo: MemAvailable, and MemTotal less Hugetlb. NULL, or a sentence. */
char *memory_of_machine(struct memory *memory, const char *root);

/* Saturates. */
uint64_t memory_sum(uint64_t a, uint64_t b);

#endif
