/* The plan that the node agent wrote into the environment: which CPUs and NUMA nodes are whose. */
#ifndef NUMALOCAL_PLAN_H
#define NUMALOCAL_PLAN_H

#include "idlist.h"
#include "policy.h"
#include "shares.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan {
    struct idlist cpus;             /* NUMALOCAL_CPUS */
    struct idlist mems;             /* NUMALOCAL_MEMS */
    struct rank *ranks;             /* NUMALOCAL_RANKS of them */
    size_t rank_count;
    uint64_t memory_per_rank_bytes; /* NUMALOCAL_MEMORY_PER_RANK_BYTES; 0: not asked for */
    bool shares_known;              /* false: every rank has the whole, as its own share is not told */
    enum policy policy;             /* NUMALOCAL_MEMORY_POLICY, which the runtime sets; else none */
    struct idlist policy_nodes;     /* NUMALOCAL_MEMORY_POLICY_NODES */
    bool overflowed;                /* NUMALOCAL_MEMORY_OVERFLOW: its own nodes cannot hold it */
};

/* Reads the whole plan. PLAN_MALFORMED: *error is a sentence, to be freed by the caller. */
enum plan_result { PLAN_READ, PLAN_MISSING, PLAN_MALFORMED };
enum plan_result plan_read(struct plan *plan, char **error);

/* Makes a plan of what a container is bound to that was told none. Its ranks are as many as
 * NUMALOCAL_RANKS says, one without it, and each has all CPUs and nodes; the rest is read as by
 * plan_read. Never PLAN_MISSING. */
enum plan_result plan_of_binding(struct plan *plan, const struct idlist *cpus,
                                 const struct idlist *mems, char **error);
void plan_free(struct plan *plan);

/* The CPUs of the OpenMP threads of all ranks, or all CPUs where the plan does not say which. */
void plan_compute_cpus(const struct plan *plan, struct idlist *cpus);

/* Reads NUMALOCAL_MEMORY_POLICY, by which each rank takes memory from its nodes. NULL, or a
 * sentence to be freed by the caller. */
char *plan_policy(enum policy *policy, enum policy otherwise);

/* Reads NUMALOCAL_ENFORCEMENT, which a container has without a plan too. NULL, or a sentence to be
 * freed by the caller; then it is Required. */
char *plan_enforcement(bool *best_effort);

#endif
