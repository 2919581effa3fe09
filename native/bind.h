/* Binds this process to CPUs, read back from the kernel. */
#ifndef NUMALOCAL_BIND_H
#define NUMALOCAL_BIND_H

#include "idlist.h"

/* Sets the affinity mask. The kernel silently leaves out CPUs that are offline or outside the
 * cpuset: here that ends the program, with a sentence that names them. `source` says where the
 * list was written ("--cpus"). */
void bind_cpus(const struct idlist *cpus, const char *source);

#endif
