#include "bind.h"

#include "die.h"
#include "masks.h"
#include "text.h"

#include <errno.h>
#include <numa.h>

static void current_cpus(struct idlist *cpus)
{
    struct bitmask *mask = numa_allocate_cpumask();

    if (numa_sched_getaffinity(0, mask) < 0)
        die_errno("cannot read the CPUs of this process");
    mask_read(cpus, mask);
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
    die("%s %.60s: CPU%s %.60s cannot be used here: this container or machine has CPU%s "
        "%.60s online and allowed; take CPUs from these",
        source, idlist_format(cpus), plural(idlist_size(&missing)), idlist_format(&missing),
        plural(idlist_size(&usable)), idlist_format(&usable));
}

void bind_cpus(const struct idlist *cpus, const char *source)
{
    struct bitmask *mask = numa_allocate_cpumask();
    struct idlist bound = {0};

    mask_fill(mask, cpus);
    /* EINVAL: none of them is usable. */
    if (numa_sched_setaffinity(0, mask) < 0 && errno != EINVAL)
        die_errno("%s: cannot set the CPUs of this process", source);
    current_cpus(&bound);
    if (!idlist_equal(&bound, cpus))
        refuse_cpus(cpus, source);
    idlist_free(&bound);
    numa_bitmask_free(mask);
}
