/* What this container has, beside what its plan says: the report of a check. */
#ifndef NUMALOCAL_INSPECT_H
#define NUMALOCAL_INSPECT_H

#include "plan.h"
#include "report.h"
#include "status.h"

struct inspection {
    struct report report; /* less its mempolicy; points into what follows */
    struct status status;
    struct plan plan;
    struct rank_report *ranks;
    char *verified_message;
    char *malformed; /* why the plan cannot be read; NULL: it can */
};

/* Reads the plan in the environment, and /proc and /sys below the root. Ends the program where the
 * kernel does not say what this process may use. */
void inspect(struct inspection *inspection, const char *root);
void inspection_free(struct inspection *inspection);

#endif
