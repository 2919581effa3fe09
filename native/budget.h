/* Compares the memory that the ranks ask for with what their nodes and their cgroup have. */
#ifndef NUMALOCAL_BUDGET_H
#define NUMALOCAL_BUDGET_H

#include "cgroup.h"
#include "plan.h"
#include "report.h"

/* Says what is available in each rank's report, and adds a problem for every node, and
 * for the limit, that cannot hold what its ranks ask for together. */
void budget_check(const struct plan *plan, const char *root, const struct memory_limit *limit,
                  struct rank_report *ranks, struct problems *problems);

#endif
