#include "turns.h"

#include "files.h"
#include "memory.h"

#include <stdlib.h>

/* Of a node of weighted interleave (mm/mempolicy.c: a byte). */
enum { MOST_WEIGHT = 255 };

/* The kernel takes a node without a weight for one of 1. */
static uint64_t weight_of(const struct plan *plan, const char *root, unsigned int node)
{
    uint64_t weight = 1;

    if (plan->policy == POLICY_WEIGHTED_INTERLEAVE) {
        char *path = text_format("/sys/kernel/mm/mempolicy/weighted_interleave/node%u", node);
        char *text = file_read(root, path);

        if (text == NULL || !file_number(text, "", &weight) || weight == 0 || weight > MOST_WEIGHT)
            weight = 1;
        free(text);
        free(path);
    }
    return weight;
}

static uint64_t sum_of_weights(const struct plan *plan, const char *root)
{
    const struct idlist *nodes = &plan->policy_nodes;
    uint64_t sum = 0;

    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++)
            sum += weight_of(plan, root, id);
    return sum;
}

static void note_part(const char *root, unsigned int node, uint64_t part_bytes,
                      struct sentences *notes)
{
    const struct amount part = text_bytes(part_bytes);
    struct memory memory;
    char *error = memory_of_node(&memory, root, node);

    if (error == NULL && part_bytes > memory.available_bytes)
        sentences_add(notes,
                      text_format("in turn %s of what the ranks ask for come to NUMA node %u, "
                                  "which has %s available: the kernel takes the rest from the "
                                  "other nodes, which makes them busier",
                                  part.text, node, text_bytes(memory.available_bytes).text));
    free(error);
}

void turns_note(const struct plan *plan, const char *root, uint64_t bytes,
                struct sentences *notes)
{
    const struct idlist *nodes = &plan->policy_nodes;
    const uint64_t weights = sum_of_weights(plan, root);

    if (plan->policy != POLICY_INTERLEAVE && plan->policy != POLICY_WEIGHTED_INTERLEAVE)
        return;
    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            const uint64_t weight = weight_of(plan, root, id);

            note_part(root, id, bytes / weights * weight + bytes % weights * weight / weights,
                      notes);
        }
}
