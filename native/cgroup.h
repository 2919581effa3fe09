/* Where this process is among the cgroups of a controller, version 1 or 2. */
#ifndef NUMALOCAL_CGROUP_H
#define NUMALOCAL_CGROUP_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

struct cgroup {
    int version;         /* 1, 2; 0: none */
    char *folder;        /* of one level, its own first: "/sys/fs/cgroup/pod1/engine" */
    size_t mount_length; /* of "/sys/fs/cgroup" in it */
};

/* Finds this process's own level from /proc/self/cgroup: the hierarchy of version 1 that has the
 * controller, else version 2. Levels that a container cannot see are left out. False: no
 * cgroup, or `findings` says what cannot be read. */
bool cgroup_find(struct cgroup *cgroup, const char *root, const char *controller,
                 struct sentences *findings);

/* Goes to the level above. False: this was the mount itself. */
bool cgroup_up(struct cgroup *cgroup);

void cgroup_free(struct cgroup *cgroup);

#endif
