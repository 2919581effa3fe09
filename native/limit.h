/* The memory limits of this process: of its cgroup, and of every one above it. */
#ifndef NUMALOCAL_LIMIT_H
#define NUMALOCAL_LIMIT_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct memory_limit {
    bool limited;               /* false: the next four are not set */
    uint64_t limit_bytes;       /* the smallest */
    uint64_t room_bytes;        /* the least that may still be used under any of them */
    uint64_t room_limit_bytes;  /* the limit that leaves it */
    char *room_file;            /* where that is written */
    struct sentences findings;  /* what is there and cannot be read: limits are not known */
    struct sentences notes;
};

/* Reads memory.max and memory.high of version 2, memory.limit_in_bytes of version 1, and what is
 * used under each that cannot be reclaimed: page cache is no use that would stand in anyone's way.
 * docs/binder.md has the rules. */
void memory_limit_read(struct memory_limit *limit, const char *root);

void memory_limit_free(struct memory_limit *limit);

#endif
