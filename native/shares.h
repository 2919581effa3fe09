/* What each rank has of a plan: the Nth part, by '|', of NUMALOCAL_RANK_CPUS and so on. */
#ifndef NUMALOCAL_SHARES_H
#define NUMALOCAL_SHARES_H

#include "idlist.h"

#include <stddef.h>

/* One rank's share. */
struct rank {
    struct idlist cpus;
    struct idlist mems;
    struct idlist compute_cpus; /* one OpenMP thread each; empty: the plan does not say */
};

/* A variable with one part per rank, and the part that is read next. */
struct parts {
    const char *name;
    const char *next; /* NULL: there are no more */
    size_t number;
};

/* What all ranks are read from, one behind the other. */
struct shares {
    struct parts cpus;
    struct parts mems;
    struct parts compute_cpus; /* no name: the plan does not say */
};

/* Begins with the rank of a number; then takes one rank after the other. NULL, or a sentence to be
 * freed by the caller. */
char *shares_start(struct shares *shares, size_t number);
char *shares_take(struct shares *shares, struct rank *rank);

/* How many parts a variable's text has. */
size_t shares_count(const char *text);

/* Reads one rank's share. NULL, or a sentence to be freed by the caller. */
char *shares_read_rank(struct rank *rank, size_t number);
void shares_free_rank(struct rank *rank);

#endif
