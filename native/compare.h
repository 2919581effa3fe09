/* Compares what the kernel lets a container use with its plan, and says what is another. */
#ifndef NUMALOCAL_COMPARE_H
#define NUMALOCAL_COMPARE_H

#include "numa_maps.h"
#include "plan.h"
#include "text.h"

/* What to do where a container is not bound as it should be. */
extern const char CHECK_AGENT[];

/* `kind` is what the ids are of, for the sentence: "CPU" or "NUMA node". */
void compare_ids(struct sentences *problems, const char *kind, const struct idlist *planned,
                 const struct idlist *allowed);

void compare_policy(struct sentences *problems, const struct plan *plan,
                    const struct task_policy *found);

#endif
