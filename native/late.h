/* A container that was bound after it began: what the agent has written into its cgroup. */
#ifndef NUMALOCAL_LATE_H
#define NUMALOCAL_LATE_H

#include "idlist.h"

#include <stdbool.h>

/* Reads cpuset.cpus and cpuset.mems of this process's own cgroup, version 2, where both are empty
 * until somebody sets them: the kubelet sets neither, and the agent both for a container that it
 * binds, and no nodes for any other. False: one is empty, or cannot be read; the lists are to be
 * freed all the same. */
bool late_binding(struct idlist *cpus, struct idlist *mems, const char *root);

#endif
