#include "masks.h"

/* Kernels have at most 1024 nodes (CONFIG_NODES_SHIFT 10), and take masks of a page at most. */
enum { LEAST_BITS = 4096 };

struct bitmask *mask_of_nodes(const struct idlist *nodes)
{
    unsigned int bits = LEAST_BITS;

    if (nodes->count > 0 && nodes->ranges[nodes->count - 1].last >= bits)
        bits = nodes->ranges[nodes->count - 1].last + 1;
    struct bitmask *mask = numa_bitmask_alloc(bits);
    mask_fill(mask, nodes);
    return mask;
}

void mask_fill(struct bitmask *mask, const struct idlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        for (unsigned int id = list->ranges[i].first; id <= list->ranges[i].last; id++)
            numa_bitmask_setbit(mask, id);
}

void mask_read(struct idlist *list, const struct bitmask *mask)
{
    const unsigned int bits = numa_bitmask_nbytes((struct bitmask *)mask) * 8;

    list->count = 0;
    for (unsigned int id = 0; id < bits; id++)
        if (numa_bitmask_isbitset(mask, id))
            idlist_append(list, id);
}
