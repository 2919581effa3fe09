#include "launch.h"

#include "bind.h"
#include "die.h"
#include "migrate.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *launch_plan_rank(struct launch *launch, size_t rank)
{
    char *error = shares_read_rank(&launch->share, rank);

    if (error != NULL)
        return error;
    launch->cpus_source = text_format("NUMALOCAL_RANK_CPUS, rank %zu:", rank);
    launch->mems_source = text_format("NUMALOCAL_RANK_MEMS, rank %zu:", rank);
    launch->rank = text_format("%zu", rank);
    return NULL;
}

static void apply(const struct launch *launch, const char *program)
{
    if (launch->share.cpus.count > 0)
        bind_cpus(&launch->share.cpus, launch->cpus_source);
    if (launch->share.mems.count > 0)
        bind_memory(&launch->share.mems, launch->policy, launch->mems_source);
    if (launch->migrate)
        migrate_memory(&launch->share.mems, launch->mems_source);
    if (launch->share.compute_cpus.count > 0)
        openmp_environment(&launch->share.compute_cpus, launch->openmp, program);
    if (launch->rank != NULL && setenv("NUMALOCAL_RANK", launch->rank, 1) != 0)
        die_errno("cannot set NUMALOCAL_RANK");
}

void launch_free(struct launch *launch)
{
    shares_free_rank(&launch->share);
    free(launch->cpus_source);
    free(launch->mems_source);
    free(launch->rank);
    *launch = (struct launch){0};
}

int launch_become(struct launch *launch, char **command)
{
    apply(launch, command[0]);
    launch_free(launch);
    execvp(command[0], command);
    const int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    complain("cannot run %.200s: %s", command[0], strerror(errno));
    return status;
}
