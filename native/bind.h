/* Binds this process: its CPUs and its memory policy, each read back from the kernel. */
#ifndef NUMALOCAL_BIND_H
#define NUMALOCAL_BIND_H

#include "idlist.h"

enum policy { POLICY_BIND, POLICY_PREFERRED, POLICY_INTERLEAVE, POLICY_NONE };

/* Sets the affinity mask. The kernel silently leaves out CPUs that are offline or outside the
 * cpuset: here that ends the program, with a sentence that names them. `source` says where the
 * list was written ("--cpus"). */
void bind_cpus(const struct idlist *cpus, const char *source);

/* Sets the memory policy of this thread, which everything after exec inherits. Nodes that are not
 * allowed end the program likewise. Where the policy calls are denied (EPERM, ENOSYS) it says so
 * in one warning and goes on: cpuset.mems holds without them. */
void bind_memory(const struct idlist *mems, enum policy policy, const char *source);

#endif
