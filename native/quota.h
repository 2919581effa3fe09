/* The CPU time that this process may use: the tightest quota of its cgroup and those above it. */
#ifndef NUMALOCAL_QUOTA_H
#define NUMALOCAL_QUOTA_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu_quota {
    char *file; /* where it is written; NULL: no quota */
    uint64_t quota_us;
    uint64_t period_us;
    struct sentences findings; /* what is there and cannot be read */
};

/* Reads cpu.max of version 2, cpu.cfs_quota_us and cpu.cfs_period_us of version 1. */
void cpu_quota_read(struct cpu_quota *quota, const char *root);

/* NULL, or that so many threads cannot all run all the time; the caller frees it. */
char *cpu_quota_note(const struct cpu_quota *quota, size_t threads);

void cpu_quota_free(struct cpu_quota *quota);

#endif
