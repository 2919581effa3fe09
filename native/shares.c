#include "shares.h"

#include "text.h"
#include "variable.h"

#include <stdlib.h>
#include <string.h>

size_t shares_count(const char *text)
{
    size_t count = 1;

    while ((text = strchr(text, '|')) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* NULL, or that the variable does not have this part. */
static char *parts_start(struct parts *parts, const char *name, size_t number)
{
    const char *text = getenv(name);

    if (text == NULL)
        return text_format("%s is not set: %s", name, VARIABLE_SET_BY);
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
        const size_t count = shares_count(text);

        return text_format("rank %zu has no part in %s \"%.60s\": it has %zu, for rank 0 to %zu",
                           parts->number, parts->name, text, count, count - 1);
    }
    const size_t length = strcspn(parts->next, "|");
    char *part = text_format("%s, rank %zu:", parts->name, parts->number);
    char *error = variable_parse(list, part, parts->next, length);
    free(part);
    parts->next = parts->next[length] == '\0' ? NULL : parts->next + length + 1;
    parts->number++;
    return error;
}

static const char COMPUTE[] = "NUMALOCAL_RANK_COMPUTE_CPUS";

char *shares_start(struct shares *shares, size_t number)
{
    *shares = (struct shares){0};
    char *error = parts_start(&shares->cpus, "NUMALOCAL_RANK_CPUS", number);
    if (error == NULL)
        error = parts_start(&shares->mems, "NUMALOCAL_RANK_MEMS", number);
    if (error == NULL && getenv(COMPUTE) != NULL)
        error = parts_start(&shares->compute_cpus, COMPUTE, number);
    return error;
}

char *shares_take(struct shares *shares, struct rank *rank)
{
    char *error = parts_take(&shares->cpus, &rank->cpus);

    if (error == NULL)
        error = parts_take(&shares->mems, &rank->mems);
    if (error == NULL && shares->compute_cpus.name != NULL) {
        error = parts_take(&shares->compute_cpus, &rank->compute_cpus);
        if (error == NULL)
            error = variable_within(COMPUTE, &rank->compute_cpus, "NUMALOCAL_RANK_CPUS",
                                    &rank->cpus);
    }
    return error;
}

char *shares_read_rank(struct rank *rank, size_t number)
{
    struct shares shares;

    *rank = (struct rank){0};
    char *error = shares_start(&shares, number);
    return error == NULL ? shares_take(&shares, rank) : error;
}

void shares_free_rank(struct rank *rank)
{
    idlist_free(&rank->cpus);
    idlist_free(&rank->mems);
    idlist_free(&rank->compute_cpus);
}
