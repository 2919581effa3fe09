/* The memory policy of this process and where its pages are, from /proc/self/numa_maps: it can be
 * read where seccomp denies get_mempolicy. */
#ifndef NUMALOCAL_NUMA_MAPS_H
#define NUMALOCAL_NUMA_MAPS_H

#include "idlist.h"

#include <stdbool.h>
#include <stdint.h>

/* Start with {0}. */
struct task_policy {
    const char *mode;    /* "default", "local", or a name of policy.h; NULL: not known */
    struct idlist nodes; /* none of default and local */
    bool is_cut;         /* the kernel has written the first of the nodes only */
    char *why_unknown;   /* what stands in the way, where mode is NULL */
};

/* Reads the policy that this process was given, as the kernel's mpol_to_str writes it (Linux 5.15
 * to 6.18). Flags are left out: the nodes are those in force with them. */
void task_policy_read(struct task_policy *policy, const char *root);
void task_policy_free(struct task_policy *policy);

/* How many pages of this process's mapping that starts there are on a node, in its own pages of the
 * system's size. */
uint64_t numa_maps_pages(uintptr_t start, unsigned int node);

/* "interleave on NUMA nodes 0-1", "default". The caller frees it. */
char *task_policy_text(const char *mode, const struct idlist *nodes);

#endif
