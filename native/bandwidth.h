/* What it costs that memory lies on several nodes in turn: measured, or not told. */
#ifndef NUMALOCAL_BANDWIDTH_H
#define NUMALOCAL_BANDWIDTH_H

#include "idlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bandwidth {
    bool measured; /* false: the next two are not set */
    uint64_t interleaved_bytes_per_s;
    uint64_t near_bytes_per_s;
};

/* Reads memory of these nodes in turn, and of each CPU's own node, as decoding a token does: one
 * thread on each CPU. This process must be under the policy to interleave over these nodes, by
 * weights[i] the ith. Takes at most 2 s and half of `room_bytes`, which each node must have, in a
 * process of its own. Not measured: there is no time or room for more memory than the caches hide,
 * a CPU's own node is not among these, the weights are too large, or the pages did not come to lie
 * where they should. */
struct bandwidth bandwidth_measure(const struct idlist *cpus, const struct idlist *nodes,
                                   const size_t *weights, uint64_t room_bytes);

#endif
