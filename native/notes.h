/* What check says beside its verdict. */
#ifndef NUMALOCAL_NOTES_H
#define NUMALOCAL_NOTES_H

#include "probe.h"
#include "report.h"

/* What it costs that calls of the binder's own are denied. */
void notes_mempolicy(struct problems *notes, const struct probe *probe);

/* Which ranks would have to interleave over these nodes. */
void notes_interleaving(struct problems *notes, const struct rank_report *ranks, size_t count,
                        const struct idlist *nodes);

#endif
