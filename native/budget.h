/* Compares the memory that the ranks ask for with what their nodes and their cgroup have. */
#ifndef NUMALOCAL_BUDGET_H
#define NUMALOCAL_BUDGET_H

#include "limit.h"
#include "plan.h"
#include "report.h"

#include <stdbool.h>

/* Says what is available in each rank's report, and adds a problem for every node, and
 * for the limit, that cannot hold what its ranks ask for together. Where the plan lets ranks
 * interleave, a node that is too small is no problem, and its ranks' reports say so; but all
 * allowed nodes together must hold all ranks. What cannot be read of the limit is a problem where
 * memory is asked for, and else a note. */
void budget_check(const struct plan *plan, const char *root, const struct idlist *allowed_nodes,
                  const struct memory_limit *limit, struct rank_report *reports,
                  struct sentences *problems, struct sentences *notes);

/* Whether this rank's node cannot hold it now, and the plan lets it interleave. */
bool budget_interleaves(const struct plan *plan, const char *root, size_t rank);

#endif
