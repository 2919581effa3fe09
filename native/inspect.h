/* What this container has, beside what its plan says: the report of a check. */
#ifndef NUMALOCAL_INSPECT_H
#define NUMALOCAL_INSPECT_H

#include "plan.h"
#include "report.h"
#include "status.h"

#include <stdbool.h>

struct inspection {
    struct report report; /* less its mempolicy; points into what follows */
    struct status status;
    struct task_policy policy;
    struct plan plan;
    struct rank_report *ranks;
    char *verified_message;
    char *malformed; /* why the plan cannot be read; NULL: it can */
    bool best_effort; /* what of its binding does not hold is told, and refuses nothing */
    bool bound;      /* to the CPUs and nodes of its plan, whatever else is wrong */
    bool late;       /* its plan is not in the environment: it is what its cgroup was set to */
};

/* Reads the plan in the environment, and /proc and /sys below the root. With `may_be_late` a
 * container without a plan may have been bound since it began. Ends the program where the kernel
 * does not say what this process may use. */
void inspect(struct inspection *inspection, const char *root, bool may_be_late);
void inspection_free(struct inspection *inspection);

#endif
