#include "bind.h"

#include "die.h"
#include "memory.h"
#include "status.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* libnuma reports a failed policy call here and nowhere else; both are weak, made to be replaced.
 * Its own version of the second prints; what matters is found by reading back. */
static int policy_error;

void numa_error(char *where)
{
    (void)where;
    policy_error = errno;
}

void numa_warn(int number, char *format, ...)
{
    (void)number;
    (void)format;
}

/* Masks are made by libnuma for this kernel's widths and touched through its functions only:
 * *maskp is the first 64 ids and no more. Ids beyond the mask are left out, as the kernel does. */
static void fill_mask(struct bitmask *mask, const struct idlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        for (unsigned int id = list->ranges[i].first; id <= list->ranges[i].last; id++)
            numa_bitmask_setbit(mask, id);
}

static void read_mask(struct idlist *list, const struct bitmask *mask)
{
    const unsigned int bits = numa_bitmask_nbytes((struct bitmask *)mask) * 8;

    list->count = 0;
    for (unsigned int id = 0; id < bits; id++)
        if (numa_bitmask_isbitset(mask, id))
            idlist_append(list, id);
}

static const char *plural(const struct idlist *list)
{
    return idlist_size(list) == 1 ? "" : "s";
}

static void current_cpus(struct idlist *cpus)
{
    struct bitmask *mask = numa_allocate_cpumask();

    if (numa_sched_getaffinity(0, mask) < 0)
        die_errno("cannot read the CPUs of this process");
    read_mask(cpus, mask);
    numa_bitmask_free(mask);
}

/* Says which CPUs cannot be had. What can be had is what is left after asking for all. */
static _Noreturn void refuse_cpus(const struct idlist *cpus, const char *source)
{
    struct bitmask *every = numa_bitmask_setall(numa_allocate_cpumask());
    struct idlist usable = {0};
    struct idlist missing = {0};

    if (numa_sched_setaffinity(0, every) < 0)
        die_errno("%s: cannot set the CPUs of this process", source);
    current_cpus(&usable);
    idlist_subtract(&missing, cpus, &usable);
    die("%s %s: CPU%s %s cannot be used here: this container or machine has CPU%s %s online and "
        "allowed; take CPUs from these",
        source, idlist_format(cpus), plural(&missing), idlist_format(&missing), plural(&usable),
        idlist_format(&usable));
}

void bind_cpus(const struct idlist *cpus, const char *source)
{
    struct bitmask *mask = numa_allocate_cpumask();
    struct idlist bound = {0};

    fill_mask(mask, cpus);
    /* EINVAL: none of them is usable. */
    if (numa_sched_setaffinity(0, mask) < 0 && errno != EINVAL)
        die_errno("%s: cannot set the CPUs of this process", source);
    current_cpus(&bound);
    if (!idlist_equal(&bound, cpus))
        refuse_cpus(cpus, source);
    idlist_free(&bound);
    numa_bitmask_free(mask);
}

/* Refuses ids that `available` lacks, for the reason given. */
static void refuse_nodes_outside(const struct idlist *available, const struct idlist *mems,
                                 const char *source, const char *reason)
{
    struct idlist missing = {0};

    idlist_subtract(&missing, mems, available);
    if (missing.count > 0)
        die("%s %s: NUMA node%s %s %s; take nodes from %s", source, idlist_format(mems),
            plural(&missing), idlist_format(&missing), reason, idlist_format(available));
    idlist_free(&missing);
}

/* Asked of the kernel afresh: libnuma's own set of allowed nodes dates from its start. */
static void refuse_unusable_nodes(const struct idlist *mems, const char *source)
{
    struct idlist with_memory = {0};
    struct status status;

    memory_nodes("", &with_memory);
    refuse_nodes_outside(&with_memory, mems, source,
                         "cannot be used: no such node has memory here");
    idlist_free(&with_memory);
    status_read(&status, "");
    refuse_nodes_outside(&status.mems_allowed, mems, source,
                         "cannot be used: not allowed to this container by its cpuset.mems");
    status_free(&status);
}

/* Returns the mode that the kernel must report afterwards. */
static int set_policy(struct bitmask *nodes, const struct idlist *mems, enum policy policy)
{
    switch (policy) {
    case POLICY_BIND:
        numa_set_membind(nodes);
        return MPOL_BIND;
    case POLICY_INTERLEAVE:
        numa_set_interleave_mask(nodes);
        return MPOL_INTERLEAVE;
    case POLICY_PREFERRED:
        if (idlist_size(mems) == 1) {
            numa_set_preferred((int)mems->ranges[0].first);
            return MPOL_PREFERRED;
        }
        numa_set_preferred_many(nodes);
        return MPOL_PREFERRED_MANY;
    case POLICY_NONE:
        break;
    }
    return MPOL_DEFAULT;
}

static void current_nodes(struct idlist *nodes, int mode)
{
    struct bitmask *mask = NULL;

    if (mode == MPOL_PREFERRED) {
        idlist_append(nodes, (unsigned int)numa_preferred());
        return;
    }
    if (mode == MPOL_BIND)
        mask = numa_get_membind();
    else if (mode == MPOL_INTERLEAVE)
        mask = numa_get_interleave_mask();
    else
        mask = numa_preferred_many();
    read_mask(nodes, mask);
    numa_bitmask_free(mask);
}

static void verify_policy(int wanted_mode, const struct idlist *mems, const char *source)
{
    struct idlist nodes = {0};
    int mode = MPOL_DEFAULT;

    if (get_mempolicy(&mode, NULL, 0, NULL, 0) != 0) {
        complain("warning: the memory policy was set but cannot be read back: %s", strerror(errno));
        return;
    }
    if (mode == wanted_mode)
        current_nodes(&nodes, mode);
    if (!idlist_equal(&nodes, mems))
        die("%s %s: after memory policy %d was set the kernel reports policy %d on NUMA nodes "
            "\"%s\"; if the cpuset changed meanwhile start again, else take --policy bind",
            source, idlist_format(mems), wanted_mode, mode, idlist_format(&nodes));
    idlist_free(&nodes);
}

static void apply_policy(const struct idlist *mems, enum policy policy, const char *source)
{
    struct bitmask *nodes = numa_allocate_nodemask();

    policy_error = 0;
    fill_mask(nodes, mems);
    const int mode = set_policy(nodes, mems, policy);
    numa_bitmask_free(nodes);
    if (policy_error == 0) {
        verify_policy(mode, mems, source);
        return;
    }
    char *text = idlist_format(mems);
    if (policy_error != EPERM && policy_error != ENOSYS)
        die("%s %s: cannot set the memory policy: %s", source, text, strerror(policy_error));
    complain("warning: %s %s: no memory policy was set (set_mempolicy: %s): memory comes from the "
             "nodes that cpuset.mems allows; allow set_mempolicy in the container's seccomp "
             "profile",
             source, text, strerror(policy_error));
    free(text);
}

void bind_memory(const struct idlist *mems, enum policy policy, const char *source)
{
    if (policy == POLICY_NONE)
        return;
    refuse_unusable_nodes(mems, source);
    if (memory_has_nodes(""))
        apply_policy(mems, policy, source);
}
