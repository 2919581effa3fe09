/* Tells an OpenMP program its threads, in the language of the runtime that it will load. */
#ifndef NUMALOCAL_OPENMP_H
#define NUMALOCAL_OPENMP_H

#include "idlist.h"

#include <stdbool.h>

enum openmp {
    OPENMP_AUTO, /* of the program; the standard's variables where it does not say */
    OPENMP_GNU,
    OPENMP_LLVM,
    OPENMP_INTEL,
    OPENMP_NONE, /* a number of threads, and no places */
};

/* Reads what follows --openmp. False: no such name; OPENMP_NAMES says which there are. */
extern const char OPENMP_NAMES[];
bool openmp_parse(enum openmp *openmp, const char *name);

/* The runtime that LD_PRELOAD names, or that the program is linked to; OPENMP_AUTO where neither
 * does: a script, a static program, one that loads its libraries later. */
enum openmp openmp_of_program(const char *program);

/* Sets OMP_NUM_THREADS, and one family of variables that puts one thread on each of these CPUs:
 * two families in one process fight. What the user has set stands; any variable of his that
 * places threads keeps all of ours that do away. */
void openmp_environment(const struct idlist *compute_cpus, enum openmp openmp,
                        const char *program);

#endif
