#include "budget.h"

#include "memory.h"
#include "text.h"

#include <stdbool.h>
#include <stdlib.h>

/* Saturates: a sum too large for 64 bits is too large for any machine. */
static uint64_t demand_bytes(const struct plan *plan, const struct idlist *ranks)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow(plan->memory_per_rank_bytes, idlist_size(ranks), &bytes))
        return UINT64_MAX;
    return bytes;
}

/* "rank 1 asks for 64.0 GiB", "ranks 0-1 ask for 128.0 GiB (64.0 GiB each)". */
static char *format_demand(const struct plan *plan, const struct idlist *ranks)
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

static char *format_shortage(const struct plan *plan, const struct idlist *ranks, const char *where,
                             const struct memory *memory)
{
    const struct amount available = text_bytes(memory->available_bytes);
    const struct amount total = text_bytes(memory->total_bytes);
    char *demand = format_demand(plan, ranks);
    char *sentence =
        memory->total_bytes == 0
            ? text_format("%s but %s has no memory: take a pool whose CPU sets have memory beside "
                          "them",
                          demand, where)
            : text_format("%s but %s has %s available of %s: lower spec.memory.perRank, or use a "
                          "node with more memory",
                          demand, where, available.text, total.text);

    free(demand);
    return sentence;
}

/* What these ranks share, and whether it is enough. */
static void check_shared(const struct plan *plan, const struct idlist *group, const char *where,
                         const struct memory *memory, struct rank_report *ranks,
                         struct problems *problems)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_contains(group, i)) {
            ranks[i].available_bytes = memory->available_bytes;
            ranks[i].has_available = true;
        }
    if (demand_bytes(plan, group) > memory->available_bytes)
        problems_add(problems, format_shortage(plan, group, where, memory));
}

static void check_machine(const struct plan *plan, const char *root, struct rank_report *ranks,
                          struct problems *problems)
{
    struct idlist group = {0};
    struct memory memory;

    for (unsigned int i = 0; i < plan->rank_count; i++)
        idlist_append(&group, i);
    if (memory_of_machine(root, &memory))
        check_shared(plan, &group, "this machine", &memory, ranks, problems);
    else
        problems_add(problems, text_format("%s/proc/meminfo cannot be read: mount /proc", root));
    idlist_free(&group);
}

static void check_node(const struct plan *plan, const char *root, const struct idlist *node,
                       struct rank_report *ranks, struct problems *problems)
{
    const unsigned int id = node->ranges[0].first;
    char *where = text_format("NUMA node %u", id);
    struct idlist group = {0};
    struct memory memory;

    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_equal(&plan->ranks[i].mems, node))
            idlist_append(&group, i);
    if (memory_of_node(root, id, &memory))
        check_shared(plan, &group, where, &memory, ranks, problems);
    else
        problems_add(problems, text_format("%s of the plan does not exist on this machine: delete "
                                           "the pod so that it is placed again",
                                           where));
    idlist_free(&group);
    free(where);
}

static bool is_first_on_its_node(const struct plan *plan, size_t rank)
{
    for (size_t i = 0; i < rank; i++)
        if (idlist_equal(&plan->ranks[i].mems, &plan->ranks[rank].mems))
            return false;
    return true;
}

static void check_limit(const struct plan *plan, const struct memory_limit *limit,
                        struct problems *problems)
{
    struct idlist group = {0};

    for (unsigned int i = 0; i < plan->rank_count; i++)
        idlist_append(&group, i);
    if (limit->limited && demand_bytes(plan, &group) > limit->room_bytes) {
        const struct amount room = text_bytes(limit->room_bytes);
        const struct amount total = text_bytes(limit->room_limit_bytes);
        char *demand = format_demand(plan, &group);

        problems_add(problems, text_format("%s but this container has %s left of its memory limit "
                                           "of %s: raise the container's memory limit, or lower "
                                           "spec.memory.perRank",
                                           demand, room.text, total.text));
        free(demand);
    }
    idlist_free(&group);
}

void budget_check(const struct plan *plan, const char *root, const struct memory_limit *limit,
                  struct rank_report *ranks, struct problems *problems)
{
    if (!memory_has_nodes(root))
        check_machine(plan, root, ranks, problems);
    else
        for (size_t i = 0; i < plan->rank_count; i++)
            if (is_first_on_its_node(plan, i))
                check_node(plan, root, &plan->ranks[i].mems, ranks, problems);
    check_limit(plan, limit, problems);
}
