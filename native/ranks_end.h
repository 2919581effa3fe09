/* The ends of ranks. */
#ifndef NUMALOCAL_RANKS_END_H
#define NUMALOCAL_RANKS_END_H

#include "ranks.h"

/* Takes every child that has ended; where the first rank failed it asks the others to end. */
void ranks_reap(struct ranks *ranks);

/* For poll(2): until those that were asked are killed; -1 where none were. */
int ranks_time_left_ms(const struct ranks *ranks);

/* Kills those whose time is over. */
void ranks_kill_late(struct ranks *ranks);

#endif
