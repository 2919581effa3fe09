/* How this process takes memory from NUMA nodes, read back from the kernel. */
#ifndef NUMALOCAL_POLICY_H
#define NUMALOCAL_POLICY_H

#include "idlist.h"

#include <stdbool.h>

enum policy {
    POLICY_BIND,
    POLICY_PREFERRED,
    POLICY_INTERLEAVE,
    POLICY_WEIGHTED_INTERLEAVE, /* by /sys/kernel/mm/mempolicy/weighted_interleave */
    POLICY_NONE,
};

/* Reads what follows --policy. False: no such name; POLICY_NAMES says which there are. */
extern const char POLICY_NAMES[];
bool policy_parse(enum policy *policy, const char *name);
const char *policy_name(enum policy policy);

/* Sets the memory policy of this thread, which everything after exec inherits. Nodes that are not
 * allowed, or have no memory, end the program with a sentence: the kernel would leave them out and
 * say nothing. `source` says where the list was written ("--mems"). Where the policy calls are
 * denied (EPERM, ENOSYS) it says so in one warning and goes on: cpuset.mems holds without them. */
void bind_memory(const struct idlist *mems, enum policy policy, const char *source);

#endif
