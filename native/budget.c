#include "budget.h"

#include "demand.h"
#include "memory.h"
#include "text.h"

#include <stdbool.h>
#include <stdlib.h>

/* Every rank of the plan. */
static void all_ranks(const struct plan *plan, struct idlist *ranks)
{
    ranks->count = 0;
    for (unsigned int i = 0; i < plan->rank_count; i++)
        idlist_append(ranks, i);
}

static void note_available(const struct plan *plan, const struct idlist *group,
                           const struct memory *memory, struct rank_report *ranks)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_contains(group, i)) {
            ranks[i].available_bytes = memory->available_bytes;
            ranks[i].has_available = true;
        }
}

static void note_interleave(const struct plan *plan, const struct idlist *group,
                            struct rank_report *ranks)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        ranks[i].interleave |= idlist_contains(group, i);
}

static void check_machine(const struct plan *plan, const char *root, struct rank_report *ranks,
                          struct problems *problems)
{
    struct idlist group = {0};
    struct memory memory;

    all_ranks(plan, &group);
    if (memory_of_machine(root, &memory)) {
        note_available(plan, &group, &memory, ranks);
        if (demand_bytes(plan, &group) > memory.available_bytes)
            problems_add(problems, demand_shortage(plan, &group, "this machine has", &memory));
    } else {
        problems_add(problems, text_format("%s/proc/meminfo cannot be read: mount /proc", root));
    }
    idlist_free(&group);
}

/* The ranks whose memory is on this node. */
static void ranks_of_node(const struct plan *plan, const struct idlist *node, struct idlist *ranks)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_equal(&plan->ranks[i].mems, node))
            idlist_append(ranks, i);
}

static void check_node(const struct plan *plan, const char *root, const struct idlist *node,
                       struct rank_report *ranks, struct problems *problems)
{
    const unsigned int id = node->ranges[0].first;
    char *where = text_format("NUMA node %u has", id);
    struct idlist group = {0};
    struct memory memory;

    ranks_of_node(plan, node, &group);
    if (memory_of_node(root, id, &memory)) {
        note_available(plan, &group, &memory, ranks);
        const bool fits = demand_bytes(plan, &group) <= memory.available_bytes;

        if (!fits && plan->may_interleave)
            note_interleave(plan, &group, ranks);
        else if (!fits)
            problems_add(problems, demand_shortage(plan, &group, where, &memory));
    } else {
        problems_add(problems, text_format("NUMA node %u of the plan does not exist on this "
                                           "machine: delete the pod so that it is placed again",
                                           id));
    }
    idlist_free(&group);
    free(where);
}

/* Pages that no longer fit on one node take room from the ranks of another. */
static void check_together(const struct plan *plan, const char *root, const struct idlist *nodes,
                           struct problems *problems)
{
    struct memory sum = {0};
    struct idlist group = {0};

    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            struct memory memory;

            if (memory_of_node(root, id, &memory)) {
                sum.total_bytes += memory.total_bytes;
                sum.available_bytes += memory.available_bytes;
            }
        }
    all_ranks(plan, &group);
    if (demand_bytes(plan, &group) > sum.available_bytes) {
        char *list = idlist_format(nodes);
        char *where = idlist_size(nodes) == 1 ? text_format("NUMA node %s has", list)
                                              : text_format("NUMA nodes %s together have", list);

        problems_add(problems, demand_shortage(plan, &group, where, &sum));
        free(where);
        free(list);
    }
    idlist_free(&group);
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

    all_ranks(plan, &group);
    if (limit->limited && demand_bytes(plan, &group) > limit->room_bytes) {
        const struct amount room = text_bytes(limit->room_bytes);
        const struct amount total = text_bytes(limit->room_limit_bytes);
        char *demand = demand_text(plan, &group);

        problems_add(problems, text_format("%s but this container has %s left of its memory limit "
                                           "of %s: raise the container's memory limit, or lower "
                                           "spec.memory.perRank",
                                           demand, room.text, total.text));
        free(demand);
    }
    idlist_free(&group);
}

void budget_check(const struct plan *plan, const char *root, const struct idlist *allowed_nodes,
                  const struct memory_limit *limit, struct rank_report *ranks,
                  struct problems *problems)
{
    bool interleave = false;

    if (!memory_has_nodes(root))
        check_machine(plan, root, ranks, problems);
    else
        for (size_t i = 0; i < plan->rank_count; i++) {
            if (is_first_on_its_node(plan, i))
                check_node(plan, root, &plan->ranks[i].mems, ranks, problems);
            interleave |= ranks[i].interleave;
        }
    if (interleave)
        check_together(plan, root, allowed_nodes, problems);
    check_limit(plan, limit, problems);
}

bool budget_interleaves(const struct plan *plan, const char *root, size_t rank)
{
    struct idlist group = {0};
    struct memory memory;

    if (!plan->may_interleave || !memory_has_nodes(root))
        return false;
    ranks_of_node(plan, &plan->ranks[rank].mems, &group);
    const bool small = memory_of_node(root, plan->ranks[rank].mems.ranges[0].first, &memory) &&
                       demand_bytes(plan, &group) > memory.available_bytes;
    idlist_free(&group);
    return small;
}
