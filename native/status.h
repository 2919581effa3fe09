/* What the kernel lets this process use: /proc/self/status (proc_pid_status(5)). */
#ifndef NUMALOCAL_STATUS_H
#define NUMALOCAL_STATUS_H

#include "idlist.h"

#include <stdbool.h>

struct status {
    struct idlist cpus_allowed; /* Cpus_allowed_list: the affinity mask within the cpuset */
    struct idlist mems_allowed; /* Mems_allowed_list: the cpuset's memory nodes */
};

/* Reads it fresh. Without Mems_allowed_list (a kernel without cpusets) the nodes are node 0, or
 * all that have memory. Ends the program if the file is not as the kernel writes it. */
void status_read(struct status *status, const char *root);
void status_free(struct status *status);

#endif
