#include "turns.h"

#include "die.h"
#include "files.h"
#include "memory.h"

#include <stdlib.h>

/* Of a node of weighted interleave (mm/mempolicy.c: a byte). */
enum { MOST_WEIGHT = 255 };

bool turns_are_of(enum policy policy)
{
    return policy == POLICY_INTERLEAVE || policy == POLICY_WEIGHTED_INTERLEAVE;
}

/* The kernel takes a node without a weight for one of 1. */
static size_t weight_of(const char *root, unsigned int node)
{
    char *path = text_format("/sys/kernel/mm/mempolicy/weighted_interleave/node%u", node);
    char *text = file_read(root, path);
    uint64_t weight = 1;

    if (text == NULL || !file_number(text, "", &weight) || weight == 0 || weight > MOST_WEIGHT)
        weight = 1;
    free(text);
    free(path);
    return (size_t)weight;
}

size_t *turns_weights(enum policy policy, const char *root, const struct idlist *nodes)
{
    size_t *weights = allocate(NULL, idlist_size(nodes), sizeof *weights);
    size_t number = 0;

    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++)
            weights[number++] = policy == POLICY_WEIGHTED_INTERLEAVE ? weight_of(root, id) : 1;
    return weights;
}

uint64_t turns_room_bytes(const char *root, const struct idlist *nodes)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            struct memory memory;
            char *error = memory_of_node(&memory, root, id);
            const uint64_t bytes = error == NULL ? memory.available_bytes : 0;

            free(error);
            least = bytes < least ? bytes : least;
        }
    return least;
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
    size_t number = 0;
    uint64_t turn = 0;

    if (!turns_are_of(plan->policy))
        return;
    size_t *weights = turns_weights(plan->policy, root, nodes);
    for (size_t i = 0; i < idlist_size(nodes); i++)
        turn += weights[i];
    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            const uint64_t weight = weights[number++];

            note_part(root, id, bytes / turn * weight + bytes % turn * weight / turn, notes);
        }
    free(weights);
}
