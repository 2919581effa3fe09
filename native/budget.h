/* Compares the memory that the ranks ask for with what their nodes and their cgroup have. */
#ifndef NUMALOCAL_BUDGET_H
#define NUMALOCAL_BUDGET_H

#include "limit.h"
#include "plan.h"
#include "report.h"

/* Says what is available in each rank's report, and adds a problem for every set of nodes, and for
 * the limit, that cannot hold what its ranks ask for together. Of nodes that are taken in turn one
 * may be too small where all together are not: that is a note. What cannot be read of the limit is
 * a problem where memory is asked for, and else a note. */
void budget_check(const struct plan *plan, const char *root, const struct memory_limit *limit,
                  struct rank_report *reports, struct sentences *problems, struct sentences *notes);

#endif
