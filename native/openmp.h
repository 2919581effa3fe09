/* Tells an OpenMP program its threads, in the variables that every OpenMP runtime reads. */
#ifndef NUMALOCAL_OPENMP_H
#define NUMALOCAL_OPENMP_H

#include "idlist.h"

/* Sets OMP_NUM_THREADS, and OMP_PLACES with OMP_PROC_BIND: one thread on each of these CPUs.
 * What the user has set stands; any of the four variables that place threads keeps both of ours
 * away, as the runtimes do not agree on which of two wins. */
void openmp_environment(const struct idlist *compute_cpus);

#endif
