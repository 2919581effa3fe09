/* The memory limit of this process's cgroup, version 2. */
#ifndef NUMALOCAL_CGROUP_H
#define NUMALOCAL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct memory_limit {
    bool limited;              /* false: nothing below is set */
    uint64_t limit_bytes;      /* the smallest memory.max from this cgroup up to the root */
    uint64_t room_bytes;       /* what may still be used under the tightest of them */
    uint64_t room_limit_bytes; /* memory.max of that one */
};

/* Walks up from the path in /proc/self/cgroup (0::/path) under /sys/fs/cgroup. Room is the limit
 * less what cannot be reclaimed there: memory.current - inactive_file - active_file -
 * slab_reclaimable of memory.stat. Page cache is no use that would stand in anyone's way. */
struct memory_limit cgroup_memory_limit(const char *root);

#endif
