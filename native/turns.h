/* What comes to each node where pages are taken from several in turn. */
#ifndef NUMALOCAL_TURNS_H
#define NUMALOCAL_TURNS_H

#include "plan.h"
#include "text.h"

#include <stdint.h>

/* Notes each node of an interleaving policy that is too small for its part of these bytes. That is
 * no shortage: the kernel goes on with the next node that has room (it asks with the node's zone
 * list and without a mask), so only all together can be too small. */
void turns_note(const struct plan *plan, const char *root, uint64_t bytes,
                struct sentences *notes);

#endif
