/* What some ranks ask for together, and sentences on it. */
#ifndef NUMALOCAL_DEMAND_H
#define NUMALOCAL_DEMAND_H

#include "memory.h"
#include "plan.h"

/* Saturates: a sum too large for 64 bits is too large for any machine. */
uint64_t demand_bytes(const struct plan *plan, const struct idlist *ranks);

/* "rank 1 asks for 64.0 GiB", "ranks 0-1 ask for 128.0 GiB (64.0 GiB each)". */
char *demand_text(const struct plan *plan, const struct idlist *ranks);

/* That it is too much for `where`, which has its verb: "NUMA node 0 has". */
char *demand_shortage(const struct plan *plan, const struct idlist *ranks, const char *where,
                      const struct memory *memory);

#endif
