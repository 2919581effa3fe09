/* A thread on each of some CPUs, which read memory of their own node, and of all nodes in turn. */
#ifndef NUMALOCAL_READERS_H
#define NUMALOCAL_READERS_H

#include "idlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum way { NEAR, INTERLEAVED, WAYS };

struct team;

/* Gives each thread its pages of both ways, of each way so many bytes for all together; weights[i]
 * is how many pages in turn are the ith node's. NULL: a CPU is not to be had, its own node is not
 * among these, or there is no room for the addresses. Neither this nor what follows leaves anything
 * as it was: it is for a process of its own, which ends after it. */
struct team *readers_place(const struct idlist *cpus, const struct idlist *nodes,
                           const size_t *weights, uint64_t bytes);

/* Touches all pages, and reads them for a second. False: there was no thread to be had, or no time
 * for both ways in which all readers had their CPUs. Ends the process where the pages did not come
 * to lie where they should. */
bool readers_run(struct team *team);

/* Of all threads together, once they have run. */
uint64_t readers_bytes_per_s(const struct team *team, enum way way);

#endif
