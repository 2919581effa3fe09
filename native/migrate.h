/* Moves the memory that this process has already to the nodes it is bound to. */
#ifndef NUMALOCAL_MIGRATE_H
#define NUMALOCAL_MIGRATE_H

#include "idlist.h"

/* From every allowed node that is not in `mems`. Where migrate_pages is denied it moves mapping by
 * mapping; where that is denied too, or pages stay, one warning says so. `source` says where the
 * list was written. */
void migrate_memory(const struct idlist *mems, const char *source);

#endif
