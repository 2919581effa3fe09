#include "budget.h"

#include "memory.h"
#include "text.h"
#include "turns.h"

#include <stdbool.h>
#include <stdlib.h>

/* Sets of nodes of one container that are tried with each other; of more, all together only. */
enum { MOST_JOINED = 10 };

/* What some ranks ask for together. Saturates: too large for 64 bits is too large for any
 * machine. */
static uint64_t demand_bytes(const struct plan *plan, const struct idlist *ranks)
{
    uint64_t bytes = 0;

    if (__builtin_mul_overflow(plan->memory_per_rank_bytes, idlist_size(ranks), &bytes))
        return UINT64_MAX;
    return bytes;
}

/* "rank 1 asks for 64.0 GiB", "ranks 0-1 ask for 128.0 GiB (64.0 GiB each)". */
static char *demand_text(const struct plan *plan, const struct idlist *ranks)
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

/* That it is too much for `where`, which has its verb: "NUMA node 0 has". */
static char *demand_shortage(const struct plan *plan, const struct idlist *ranks, const char *where,
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

/* Every rank of the plan. */
static void all_ranks(const struct plan *plan, struct idlist *ranks)
{
    ranks->count = 0;
    for (unsigned int i = 0; i < plan->rank_count; i++)
        idlist_append(ranks, i);
}

static uint64_t all_demand_bytes(const struct plan *plan)
{
    struct idlist ranks = {0};

    all_ranks(plan, &ranks);
    const uint64_t bytes = demand_bytes(plan, &ranks);
    idlist_free(&ranks);
    return bytes;
}

static void report_available(const struct plan *plan, const struct idlist *ranks,
                             const struct memory *memory, struct rank_report *reports)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_contains(ranks, i)) {
            reports[i].available_bytes = memory->available_bytes;
            reports[i].has_available = true;
        }
}

static void check_machine(const struct plan *plan, const char *root, struct rank_report *reports,
                          struct sentences *problems)
{
    struct idlist ranks = {0};
    struct memory memory;

    all_ranks(plan, &ranks);
    char *error = memory_of_machine(&memory, root);
    if (error != NULL) {
        sentences_add(problems, error);
    } else {
        report_available(plan, &ranks, &memory, reports);
        if (demand_bytes(plan, &ranks) > memory.available_bytes)
            sentences_add(problems, demand_shortage(plan, &ranks, "this machine has", &memory));
    }
    idlist_free(&ranks);
}

/* Where a rank's pages may come to lie. Preferred nodes that are full leave the others. */
static const struct idlist *nodes_of(const struct plan *plan, size_t rank)
{
    return plan->policy == POLICY_PREFERRED ? &plan->mems : &plan->ranks[rank].mems;
}

/* The ranks that have no memory but on these nodes. */
static void ranks_of_nodes(const struct plan *plan, const struct idlist *nodes,
                           struct idlist *ranks)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_is_subset(nodes_of(plan, i), nodes))
            idlist_append(ranks, i);
}

/* The ranks that have their memory on just these nodes. */
static void ranks_on(const struct plan *plan, const struct idlist *nodes, struct idlist *ranks)
{
    for (unsigned int i = 0; i < plan->rank_count; i++)
        if (idlist_equal(nodes_of(plan, i), nodes))
            idlist_append(ranks, i);
}

/* Adds up what the nodes have. The first that cannot be read is an error, and counts as nothing. */
static char *memory_of_nodes(struct memory *sum, const char *root, const struct idlist *nodes)
{
    char *first_error = NULL;

    *sum = (struct memory){0};
    for (size_t i = 0; i < nodes->count; i++)
        for (unsigned int id = nodes->ranges[i].first; id <= nodes->ranges[i].last; id++) {
            struct memory memory;

            char *error = memory_of_node(&memory, root, id);
            if (error == NULL) {
                sum->total_bytes = memory_sum(sum->total_bytes, memory.total_bytes);
                sum->available_bytes = memory_sum(sum->available_bytes, memory.available_bytes);
            } else if (first_error == NULL) {
                first_error = error;
            } else {
                free(error);
            }
        }
    return first_error;
}

static char *nodes_have(const struct idlist *nodes)
{
    char *list = idlist_format(nodes);
    char *words = idlist_size(nodes) == 1 ? text_format("NUMA node %s has", list)
                                          : text_format("NUMA nodes %s together have", list);

    free(list);
    return words;
}

/* Nodes of one rank or more, together: whatever the policy, the kernel takes from one of them what
 * another has not. */
static void check_nodes(const struct plan *plan, const char *root, const struct idlist *nodes,
                        struct rank_report *reports, struct sentences *problems)
{
    char *where = nodes_have(nodes);
    struct idlist ranks = {0};
    struct idlist own = {0};
    struct memory memory;

    ranks_of_nodes(plan, nodes, &ranks);
    ranks_on(plan, nodes, &own);
    char *error = memory_of_nodes(&memory, root, nodes);
    if (error != NULL) {
        sentences_add(problems, error);
    } else {
        report_available(plan, &own, &memory, reports);
        if (demand_bytes(plan, &ranks) > memory.available_bytes)
            sentences_add(problems, demand_shortage(plan, &ranks, where, &memory));
    }
    idlist_free(&own);
    idlist_free(&ranks);
    free(where);
}

static bool is_first_on_its_nodes(const struct plan *plan, size_t rank)
{
    for (size_t i = 0; i < rank; i++)
        if (idlist_equal(nodes_of(plan, i), nodes_of(plan, rank)))
            return false;
    return true;
}

/* Of the plan's nodes those that are in any of some sets: bit N of `chosen` is the set of the Nth
 * of the ranks. */
static void join_nodes(const struct plan *plan, const size_t *ranks, unsigned int chosen,
                       struct idlist *nodes)
{
    nodes->count = 0;
    for (size_t i = 0; i < plan->mems.count; i++)
        for (unsigned int id = plan->mems.ranges[i].first; id <= plan->mems.ranges[i].last; id++)
            for (unsigned int bits = chosen; bits != 0; bits &= bits - 1)
                if (idlist_contains(nodes_of(plan, ranks[__builtin_ctz(bits)]), id)) {
                    idlist_append(nodes, id);
                    break;
                }
}

/* True: these nodes hold the ranks that have no other. */
static bool check_joined(const struct plan *plan, const char *root, const struct idlist *nodes,
                         struct sentences *problems)
{
    struct memory sum;
    struct idlist ranks = {0};

    free(memory_of_nodes(&sum, root, nodes));
    ranks_of_nodes(plan, nodes, &ranks);
    const bool fits = demand_bytes(plan, &ranks) <= sum.available_bytes;
    if (!fits) {
        char *where = nodes_have(nodes);

        sentences_add(problems, demand_shortage(plan, &ranks, where, &sum));
        free(where);
    }
    idlist_free(&ranks);
    return fits;
}

/* Each set of nodes may hold its ranks where several together do not, as two count on one node.
 * All can be held just where any sets together can hold theirs (Hall's theorem), the smallest
 * number of sets being told first. */
static void check_together(const struct plan *plan, const char *root, struct sentences *problems)
{
    size_t ranks[MOST_JOINED];
    size_t count = 0;
    bool fits = true;
    struct idlist nodes = {0};

    for (size_t i = 0; i < plan->rank_count && count <= MOST_JOINED; i++)
        if (is_first_on_its_nodes(plan, i) && count++ < MOST_JOINED)
            ranks[count - 1] = i;
    if (count > MOST_JOINED)
        fits = check_joined(plan, root, &plan->mems, problems);
    for (int size = 2; count <= MOST_JOINED && size <= (int)count && fits; size++)
        for (unsigned int chosen = 0; chosen < 1U << count && fits; chosen++)
            if (__builtin_popcount(chosen) == size) {
                join_nodes(plan, ranks, chosen, &nodes);
                fits = check_joined(plan, root, &nodes, problems);
            }
    idlist_free(&nodes);
}

static void check_every_node(const struct plan *plan, const char *root,
                             struct rank_report *reports, struct sentences *problems,
                             struct sentences *notes)
{
    const size_t before = problems->count;

    for (size_t i = 0; i < plan->rank_count; i++)
        if (is_first_on_its_nodes(plan, i))
            check_nodes(plan, root, nodes_of(plan, i), reports, problems);
    if (problems->count > before)
        return;
    check_together(plan, root, problems);
    if (problems->count == before)
        turns_note(plan, root, all_demand_bytes(plan), notes);
}

/* Where memory is asked for, a limit that cannot be read is as bad as one that is too small. */
static void check_limit(const struct plan *plan, const struct memory_limit *limit,
                        struct sentences *problems, struct sentences *notes)
{
    struct idlist ranks = {0};

    sentences_copy(plan->memory_per_rank_bytes > 0 ? problems : notes, &limit->findings);
    sentences_copy(notes, &limit->notes);
    all_ranks(plan, &ranks);
    if (limit->limited && demand_bytes(plan, &ranks) > limit->room_bytes) {
        const struct amount room = text_bytes(limit->room_bytes);
        const struct amount whole = text_bytes(limit->room_limit_bytes);
        char *demand = demand_text(plan, &ranks);

        sentences_add(problems,
                      text_format("%s but %s is left of the memory limit of %s in %s: raise that "
                                  "limit (in a pod: the container's memory limit), or lower "
                                  "spec.memory.perRank",
                                  demand, room.text, whole.text, limit->room_file));
        free(demand);
    }
    idlist_free(&ranks);
}

void budget_check(const struct plan *plan, const char *root, const struct memory_limit *limit,
                  struct rank_report *reports, struct sentences *problems, struct sentences *notes)
{
    if (memory_has_nodes(root))
        check_every_node(plan, root, reports, problems, notes);
    else
        check_machine(plan, root, reports, problems);
    check_limit(plan, limit, problems, notes);
}
