#include "plan.h"

#include "die.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char LIST_FORM[] = "write ids and ranges such as 2-3,8";
/* No machine has room for more; enough to be told from a mistake. */
enum { MOST_RANKS = IDLIST_MAX_ID + 1 };

static const char SET_BY[] = "the node agent sets it, or `numalocal run`";

/* A list that must not be empty. NULL, or what is wrong, with at most 60 characters of it. */
static char *read_list(struct idlist *list, const char *name, const char *text, size_t length)
{
    char error[IDLIST_ERROR_SIZE];

    if (length == 0)
        return text_format("%s names no id: %s", name, LIST_FORM);
    if (!idlist_parse(list, text, length, error))
        return text_format("%s \"%.*s\" is no list of ids (%s): %s", name,
                           length < 60 ? (int)length : 60, text, error, LIST_FORM);
    return NULL;
}

static char *read_variable(struct idlist *list, const char *name)
{
    const char *text = getenv(name);

    if (text == NULL)
        return text_format("%s is not set: %s", name, SET_BY);
    return read_list(list, name, text, strlen(text));
}

static size_t count_parts(const char *text)
{
    size_t count = 1;

    while ((text = strchr(text, '|')) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* A variable with one part per rank, and the part that is read next. */
struct parts {
    const char *name;
    const char *next; /* NULL: there are no more */
    size_t number;
};

/* NULL, or that the variable does not have this part. */
static char *parts_start(struct parts *parts, const char *name, size_t number)
{
    const char *text = getenv(name);

    if (text == NULL)
        return text_format("%s is not set: %s", name, SET_BY);
    *parts = (struct parts){name, text, number};
    for (size_t i = 0; i < number && parts->next != NULL; i++) {
        const char *end = strchr(parts->next, '|');

        parts->next = end == NULL ? NULL : end + 1;
    }
    return NULL;
}

static char *parts_take(struct parts *parts, struct idlist *list)
{
    if (parts->next == NULL) {
        const char *text = getenv(parts->name);
        const size_t count = count_parts(text);

        return text_format("rank %zu has no part in %s \"%.60s\": it has %zu, for rank 0 to %zu",
                           parts->number, parts->name, text, count, count - 1);
    }
    const size_t length = strcspn(parts->next, "|");
    char *part = text_format("%s, rank %zu:", parts->name, parts->number);
    char *error = read_list(list, part, parts->next, length);
    free(part);
    parts->next = parts->next[length] == '\0' ? NULL : parts->next + length + 1;
    parts->number++;
    return error;
}

/* NULL if every id of `inner` is in `outer`. */
static char *outside(const char *inner_name, const struct idlist *inner, const char *outer_name,
                     const struct idlist *outer)
{
    struct idlist extra = {0};
    char *error = NULL;

    idlist_subtract(&extra, inner, outer);
    if (extra.count > 0) {
        char *extra_text = idlist_format(&extra);
        char *outer_text = idlist_format(outer);

        error = text_format("%s names %.60s, which is not in %s \"%.60s\": %s", inner_name,
                            extra_text, outer_name, outer_text,
                            "every share lies within the whole");
        free(outer_text);
        free(extra_text);
    }
    idlist_free(&extra);
    return error;
}

static const char COMPUTE[] = "NUMALOCAL_RANK_COMPUTE_CPUS";

/* What all ranks are read from, one behind the other. */
struct shares {
    struct parts cpus;
    struct parts mems;
    struct parts compute_cpus; /* no name: the plan does not say */
};

static char *shares_start(struct shares *shares, size_t number)
{
    *shares = (struct shares){0};
    char *error = parts_start(&shares->cpus, "NUMALOCAL_RANK_CPUS", number);
    if (error == NULL)
        error = parts_start(&shares->mems, "NUMALOCAL_RANK_MEMS", number);
    if (error == NULL && getenv(COMPUTE) != NULL)
        error = parts_start(&shares->compute_cpus, COMPUTE, number);
    return error;
}

static char *shares_take(struct shares *shares, struct rank *rank)
{
    char *error = parts_take(&shares->cpus, &rank->cpus);

    if (error == NULL)
        error = parts_take(&shares->mems, &rank->mems);
    if (error == NULL && shares->compute_cpus.name != NULL) {
        error = parts_take(&shares->compute_cpus, &rank->compute_cpus);
        if (error == NULL)
            error = outside(COMPUTE, &rank->compute_cpus, "NUMALOCAL_RANK_CPUS", &rank->cpus);
    }
    return error;
}

char *plan_read_rank(struct rank *rank, size_t number)
{
    struct shares shares;

    *rank = (struct rank){0};
    char *error = shares_start(&shares, number);
    return error == NULL ? shares_take(&shares, rank) : error;
}

void plan_free_rank(struct rank *rank)
{
    idlist_free(&rank->cpus);
    idlist_free(&rank->mems);
    idlist_free(&rank->compute_cpus);
}

/* A rank's share must lie within the whole, and its memory somewhere. */
static char *check_rank(const struct plan *plan, const struct rank *rank, size_t number)
{
    char *error = outside("NUMALOCAL_RANK_CPUS", &rank->cpus, "NUMALOCAL_CPUS", &plan->cpus);

    if (error == NULL)
        error = outside("NUMALOCAL_RANK_MEMS", &rank->mems, "NUMALOCAL_MEMS", &plan->mems);
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
        return text_format("NUMALOCAL_RANKS is not set: %s", SET_BY);
    char *error = parse_rank_count(text, &count);
    if (error != NULL)
        return error;
    if (shares != NULL && count != count_parts(shares))
        return text_format("NUMALOCAL_RANKS says %" PRIu64 " but NUMALOCAL_RANK_CPUS \"%.60s\" has "
                           "%zu parts: write one per rank, with | between",
                           count, shares, count_parts(shares));
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
    char *error = read_variable(&plan->policy_nodes, NAME);

    if (error == NULL)
        error = outside(NAME, &plan->policy_nodes, "NUMALOCAL_MEMS", &plan->mems);
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
    *error = read_variable(&plan->cpus, "NUMALOCAL_CPUS");
    if (*error == NULL)
        *error = read_variable(&plan->mems, "NUMALOCAL_MEMS");
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
        plan_free_rank(&plan->ranks[i]);
    free(plan->ranks);
    idlist_free(&plan->cpus);
    idlist_free(&plan->mems);
    idlist_free(&plan->policy_nodes);
    *plan = (struct plan){0};
}
