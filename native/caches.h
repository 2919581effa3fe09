/* How much memory the caches beside some CPUs can hide. */
#ifndef NUMALOCAL_CACHES_H
#define NUMALOCAL_CACHES_H

#include "idlist.h"

#include <stdint.h>

/* The last level of cache of these CPUs, each cache once, by /sys/devices/system/cpu. 0: the kernel
 * does not say of one of them. */
uint64_t caches_last_level_bytes(const char *root, const struct idlist *cpus);

#endif
