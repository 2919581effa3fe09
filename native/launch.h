/* What this process becomes: its CPUs, its memory, its environment, and the command. */
#ifndef NUMALOCAL_LAUNCH_H
#define NUMALOCAL_LAUNCH_H

#include "openmp.h"
#include "plan.h"
#include "policy.h"

#include <stdbool.h>

/* Empty lists leave the CPUs, the memory or the threads as they are. Start with {0}. */
struct launch {
    struct rank share;
    enum policy policy;
    enum openmp openmp;
    bool migrate; /* what this process has already */
    char *cpus_source; /* where the lists were written, for sentences */
    char *mems_source;
    char *rank; /* NULL: none */
};

/* Takes a rank's share of the plan. NULL, or a sentence to be freed by the caller. */
char *launch_plan_rank(struct launch *launch, size_t rank);

/* Binds this process and becomes the command; the value is the exit status if that fails. */
int launch_become(struct launch *launch, char **command);

void launch_free(struct launch *launch);

#endif
