/* Id lists as the bit masks that system calls take, of any width.
 *
 * A mask is read and written through libnuma's functions only: its first word is the first 64 ids
 * and no more. The kernel takes one off the width that it is told, so a node mask is passed as
 * `mask->maskp, mask->size + 1`. */
#ifndef NUMALOCAL_MASKS_H
#define NUMALOCAL_MASKS_H

#include "idlist.h"

#include <numa.h>

/* A mask of these nodes, wider than any kernel's (which refuses to fill one narrower than its
 * own). Ended with numa_bitmask_free(). */
struct bitmask *mask_of_nodes(const struct idlist *nodes);

/* Sets the bits of the list. Ids beyond the mask are left out, as the kernel does. */
void mask_fill(struct bitmask *mask, const struct idlist *list);

/* Sets *list to the ids of the mask. */
void mask_read(struct idlist *list, const struct bitmask *mask);

#endif
