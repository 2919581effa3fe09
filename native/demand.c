#include "demand.h"

#include "text.h"

#include <stdlib.h>

uint64_t demand_bytes(const struct plan *plan, const struct idlist *ranks)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow(plan->memory_per_rank_bytes, idlist_size(ranks), &bytes))
        return UINT64_MAX;
    return bytes;
}

char *demand_text(const struct plan *plan, const struct idlist *ranks)
{
    const struct amount each = text_bytes(plan->memory_per_rank_bytes);
    const struct amount sum = text_bytes(demand_bytes(plan, ranks));
    char *numbers = idlist_format(ranks);
    char *demand = idlist_size(ranks) == 1
                       ? text_format("rank %s asks for %s", numbers, each.text)
                       : text_format("ranks %s ask for %s (%s each)", numbers, sum.text, each.text);

    free(numbers);
    return demand;
}

char *demand_shortage(const struct plan *plan, const struct idlist *ranks, const char *where,
                      const struct memory *memory)
{
    const struct amount available = text_bytes(memory->available_bytes);
    const struct amount total = text_bytes(memory->total_bytes);
    char *demand = demand_text(plan, ranks);
    char *sentence =
        memory->total_bytes == 0
            ? text_format("%s but %s no memory: take a pool whose CPU sets have memory beside "
                          "them",
                          demand, where)
            : text_format("%s but %s %s available of %s: lower spec.memory.perRank, or use a "
                          "node with more memory",
                          demand, where, available.text, total.text);

    free(demand);
    return sentence;
}
