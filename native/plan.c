#include "plan.h"

#include "die.h"
#include "text.h"
#include "variable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* No machine has room for more; enough to be told from a mistake. */
enum { MOST_RANKS = IDLIST_MAX_ID + 1 };

/* A rank's share must lie within the whole, and its memory somewhere. */
static char *check_rank(const struct plan *plan, const struct rank *rank, size_t number)
{
    char *error =
        variable_within("NUMALOCAL_RANK_CPUS", &rank->cpus, "NUMALOCAL_CPUS", &plan->cpus);

    if (error == NULL)
        error = variable_within("NUMALOCAL_RANK_MEMS", &rank->mems, "NUMALOCAL_MEMS", &plan->mems);
    if (error == NULL && idlist_size(&rank->mems) == 0)
        error = text_format("NUMALOCAL_RANK_MEMS gives rank %zu no NUMA node: name at least one",
                            number);
    return error;
}

static char *parse_rank_count(const char *text, uint64_t *count)
{
    if (!text_parse_number(text, count) || *count == 0 || *count > MOST_RANKS)
        return text_format("NUMALOCAL_RANKS \"%.60s\" is no count: write 1 to %d", text,
                           MOST_RANKS);
    return NULL;
}

static char *read_rank_count(struct plan *plan)
{
    const char *text = getenv("NUMALOCAL_RANKS");
    const char *shares = getenv("NUMALOCAL_RANK_CPUS");
    uint64_t count = 0;

    if (text == NULL)
        return text_format("NUMALOCAL_RANKS is not set: %s", VARIABLE_SET_BY);
    char *error = parse_rank_count(text, &count);
    if (error != NULL)
        return error;
    if (shares != NULL && count != shares_count(shares))
        return text_format("NUMALOCAL_RANKS says %" PRIu64 " but NUMALOCAL_RANK_CPUS \"%.60s\" has "
                           "%zu parts: write one per rank, with | between",
                           count, shares, shares_count(shares));
    plan->rank_count = shares == NULL ? 1 : (size_t)count;
    return NULL;
}

static char *read_ranks(struct plan *plan)
{
    struct shares shares;
    char *error = read_rank_count(plan);

    if (error == NULL)
        error = shares_start(&shares, 0);
    if (error != NULL)
        return error;
    plan->ranks = allocate(NULL, plan->rank_count, sizeof *plan->ranks);
    memset(plan->ranks, 0, plan->rank_count * sizeof *plan->ranks);
    for (size_t i = 0; error == NULL && i < plan->rank_count; i++) {
        error = shares_take(&shares, &plan->ranks[i]);
        if (error == NULL)
            error = check_rank(plan, &plan->ranks[i], i);
    }
    return error;
}

static char *read_memory(struct plan *plan)
{
    static const char NAME[] = "NUMALOCAL_MEMORY_PER_RANK_BYTES";
    const char *text = getenv(NAME);

    if (text != NULL && !text_parse_number(text, &plan->memory_per_rank_bytes))
        return text_format("%s \"%.60s\" is no number of bytes: write digits only", NAME, text);
    return NULL;
}

static char *read_policy_nodes(struct plan *plan)
{
    static const char NAME[] = "NUMALOCAL_MEMORY_POLICY_NODES";
    char *error = variable_read(&plan->policy_nodes, NAME);

    if (error == NULL)
        error = variable_within(NAME, &plan->policy_nodes, "NUMALOCAL_MEMS", &plan->mems);
    return error;
}

char *plan_policy(enum policy *policy, enum policy otherwise)
{
    static const char NAME[] = "NUMALOCAL_MEMORY_POLICY";
    const char *text = getenv(NAME);

    *policy = otherwise;
    if (text == NULL || policy_parse(policy, text))
        return NULL;
    return text_format("%s \"%.60s\" is unknown: write %s", NAME, text, POLICY_NAMES);
}

static char *read_policy(struct plan *plan)
{
    char *error = plan_policy(&plan->policy, POLICY_NONE);

    return error != NULL || plan->policy == POLICY_NONE ? error : read_policy_nodes(plan);
}

static char *read_overflow(struct plan *plan)
{
    static const char NAME[] = "NUMALOCAL_MEMORY_OVERFLOW";
    const char *text = getenv(NAME);

    plan->overflowed = text != NULL;
    if (text == NULL || strcmp(text, "1") == 0)
        return NULL;
    return text_format("%s \"%.60s\" is unknown: write 1, or leave it out", NAME, text);
}

char *plan_enforcement(bool *best_effort)
{
    static const char NAME[] = "NUMALOCAL_ENFORCEMENT";
    const char *text = getenv(NAME);

    *best_effort = text != NULL && strcmp(text, "BestEffort") == 0;
    if (text == NULL || *best_effort || strcmp(text, "Required") == 0)
        return NULL;
    return text_format("%s \"%.60s\" is unknown: write Required or BestEffort", NAME, text);
}

static void copy(struct idlist *to, const struct idlist *from)
{
    static const struct idlist NOTHING;

    idlist_subtract(to, from, &NOTHING);
}

/* As many ranks as a variable says that the agent has not written; each may have the whole. */
static char *take_ranks(struct plan *plan)
{
    const char *text = getenv("NUMALOCAL_RANKS");
    uint64_t count = 1;
    char *error = text == NULL ? NULL : parse_rank_count(text, &count);

    if (error != NULL)
        return error;
    plan->ranks = allocate(NULL, (size_t)count, sizeof *plan->ranks);
    for (plan->rank_count = 0; plan->rank_count < count; plan->rank_count++) {
        struct rank *rank = &plan->ranks[plan->rank_count];

        *rank = (struct rank){0};
        copy(&rank->cpus, &plan->cpus);
        copy(&rank->mems, &plan->mems);
    }
    plan->shares_known = text != NULL && count == 1;
    return NULL;
}

enum plan_result plan_of_binding(struct plan *plan, const struct idlist *cpus,
                                 const struct idlist *mems, char **error)
{
    *plan = (struct plan){0};
    copy(&plan->cpus, cpus);
    copy(&plan->mems, mems);
    plan->policy = POLICY_NONE;
    *error = take_ranks(plan);
    if (*error == NULL)
        *error = read_memory(plan);
    return *error == NULL ? PLAN_READ : PLAN_MALFORMED;
}

enum plan_result plan_read(struct plan *plan, char **error)
{
    *plan = (struct plan){.shares_known = true};
    *error = NULL;
    if (getenv("NUMALOCAL_CPUS") == NULL)
        return PLAN_MISSING;
    *error = variable_read(&plan->cpus, "NUMALOCAL_CPUS");
    if (*error == NULL)
        *error = variable_read(&plan->mems, "NUMALOCAL_MEMS");
    if (*error == NULL)
        *error = read_ranks(plan);
    if (*error == NULL)
        *error = read_memory(plan);
    if (*error == NULL)
        *error = read_policy(plan);
    if (*error == NULL)
        *error = read_overflow(plan);
    return *error == NULL ? PLAN_READ : PLAN_MALFORMED;
}

void plan_compute_cpus(const struct plan *plan, struct idlist *cpus)
{
    *cpus = (struct idlist){0};
    for (unsigned int cpu = 0; cpu <= IDLIST_MAX_ID; cpu++)
        for (size_t i = 0; i < plan->rank_count; i++)
            if (idlist_contains(&plan->ranks[i].compute_cpus, cpu)) {
                idlist_append(cpus, cpu);
                break;
            }
    if (cpus->count == 0)
        copy(cpus, &plan->cpus);
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->rank_count && plan->ranks != NULL; i++)
        shares_free_rank(&plan->ranks[i]);
    free(plan->ranks);
    idlist_free(&plan->cpus);
    idlist_free(&plan->mems);
    idlist_free(&plan->policy_nodes);
    *plan = (struct plan){0};
}
