#include "policy.h"

#include "die.h"
#include "masks.h"
#include "memory.h"
#include "status.h"
#include "text.h"

#include <errno.h>
#include <numaif.h>
#include <stdlib.h>
#include <string.h>

/* Younger than the libnuma that this may be built with (linux/mempolicy.h). */
enum { PREFERRED_MANY = 5, WEIGHTED_INTERLEAVE = 6 };

const char POLICY_NAMES[] = "bind, preferred, interleave, weighted-interleave or none";

static const char *const NAMES[] = {
    [POLICY_BIND] = "bind",
    [POLICY_PREFERRED] = "preferred",
    [POLICY_INTERLEAVE] = "interleave",
    [POLICY_WEIGHTED_INTERLEAVE] = "weighted-interleave",
    [POLICY_NONE] = "none",
};

bool policy_parse(enum policy *policy, const char *name)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *policy = (enum policy)i;
            return true;
        }
    return false;
}

const char *policy_name(enum policy policy)
{
    return NAMES[policy];
}

/* Refuses ids that `available` lacks, for the reason given. */
static void refuse_nodes_outside(const struct idlist *available, const struct idlist *mems,
                                 const char *source, const char *reason)
{
    struct idlist missing = {0};

    idlist_subtract(&missing, mems, available);
    if (missing.count > 0)
        die("%s %.60s: NUMA node%s %.60s %s; take nodes from %.60s", source, idlist_format(mems),
            plural(idlist_size(&missing)), idlist_format(&missing), reason,
            idlist_format(available));
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

static int mode_of(enum policy policy, const struct idlist *mems)
{
    switch (policy) {
    case POLICY_BIND:
        return MPOL_BIND;
    case POLICY_PREFERRED:
        return idlist_size(mems) == 1 ? MPOL_PREFERRED : PREFERRED_MANY;
    case POLICY_INTERLEAVE:
        return MPOL_INTERLEAVE;
    case POLICY_WEIGHTED_INTERLEAVE:
        return WEIGHTED_INTERLEAVE;
    case POLICY_NONE:
        break;
    }
    return MPOL_DEFAULT;
}

/* *mode becomes what was set: a kernel before 6.9 has no weights and spreads evenly instead. */
static bool set_mode(int *mode, const struct idlist *mems, const char *source)
{
    struct bitmask *mask = mask_of_nodes(mems);
    long failed = set_mempolicy(*mode, mask->maskp, mask->size + 1);

    if (failed != 0 && errno == EINVAL && *mode == WEIGHTED_INTERLEAVE) {
        char *text = idlist_format(mems);

        complain("warning: %s %.60s: this kernel does not interleave by weight (set_mempolicy: %s; "
                 "Linux 6.9 does): pages are spread evenly",
                 source, text, text_error(EINVAL).text);
        free(text);
        *mode = MPOL_INTERLEAVE;
        failed = set_mempolicy(*mode, mask->maskp, mask->size + 1);
    }
    const int error = errno;
    numa_bitmask_free(mask);
    errno = error;
    return failed == 0;
}

static void verify_mode(int wanted_mode, const struct idlist *mems, const char *source)
{
    struct bitmask *mask = mask_of_nodes(&(struct idlist){0});
    struct idlist nodes = {0};
    int mode = MPOL_DEFAULT;

    if (get_mempolicy(&mode, mask->maskp, mask->size + 1, NULL, 0) != 0) {
        complain("warning: the memory policy was set but cannot be read back (get_mempolicy: %s)",
                 text_error(errno).text);
        numa_bitmask_free(mask);
        return;
    }
    mask_read(&nodes, mask);
    numa_bitmask_free(mask);
    if (mode != wanted_mode || !idlist_equal(&nodes, mems))
        die("%s %.60s: after memory policy %d was set the kernel reports policy %d on NUMA nodes "
            "\"%.60s\"; if the cpuset changed meanwhile start again, else take --policy bind",
            source, idlist_format(mems), wanted_mode, mode, idlist_format(&nodes));
    idlist_free(&nodes);
}

void bind_memory(const struct idlist *mems, enum policy policy, const char *source)
{
    int mode = mode_of(policy, mems);

    if (policy == POLICY_NONE)
        return;
    refuse_unusable_nodes(mems, source);
    if (!memory_has_nodes(""))
        return; /* one node, and no calls */
    if (set_mode(&mode, mems, source)) {
        verify_mode(mode, mems, source);
        return;
    }
    const struct error_text error = text_error(errno);
    char *text = idlist_format(mems);
    if (errno != EPERM && errno != ENOSYS)
        die("%s %.60s: cannot set memory policy %d (set_mempolicy: %s): several preferred nodes "
            "need Linux 5.15, and a cpuset that changed meanwhile another start; else take "
            "--policy bind",
            source, text, mode, error.text);
    complain("warning: %s %.60s: no memory policy was set (set_mempolicy: %s): memory comes from "
             "the nodes that cpuset.mems allows; allow set_mempolicy in the container's seccomp "
             "profile",
             source, text, error.text);
    free(text);
}
