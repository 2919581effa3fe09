/* What comes to each node where pages are taken from several in turn. */
#ifndef NUMALOCAL_TURNS_H
#define NUMALOCAL_TURNS_H

#include "plan.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it takes pages in turn. */
bool turns_are_of(enum policy policy);

/* How many pages are the ith node's in each turn: 1 where they come evenly, and of a kernel that
 * does not tell. The caller frees it. */
size_t *turns_weights(enum policy policy, const char *root, const struct idlist *nodes);

/* What each of these nodes has available; 0 where one does not tell. */
uint64_t turns_room_bytes(const char *root, const struct idlist *nodes);

/* Notes each node of an interleaving policy that is too small for its part of these bytes. That is
 * no shortage: the kernel goes on with the next node that has room (it asks with the node's zone
 * list and without a mask), so only all together can be too small. */
void turns_note(const struct plan *plan, const char *root, uint64_t bytes,
                struct sentences *notes);

#endif
