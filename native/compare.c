#include "compare.h"

#include <stdlib.h>
#include <string.h>

const char CHECK_AGENT[] = "check that the numalocal agent is ready on this node and that "
                           "its container runtime has NRI enabled";

void compare_ids(struct sentences *problems, const char *kind, const struct idlist *planned,
                 const struct idlist *allowed)
{
    if (idlist_equal(planned, allowed))
        return;
    char *planned_text = idlist_format(planned);
    char *allowed_text = idlist_format(allowed);
    sentences_add(problems, text_format("this container may use %s%s %s but its plan says %s: %s",
                                        kind, plural(idlist_size(allowed)), allowed_text,
                                        planned_text, CHECK_AGENT));
    free(allowed_text);
    free(planned_text);
}

/* Whether these nodes leave each rank its own. */
static bool has_every_rank(const struct plan *plan, const struct idlist *nodes)
{
    for (size_t i = 0; i < plan->rank_count; i++)
        if (!idlist_is_subset(&plan->ranks[i].mems, nodes))
            return false;
    return true;
}

/* Whether pages lie where they would without any policy: on the nearest allowed node first. */
static bool is_plain(const struct task_policy *found, const struct plan *plan)
{
    return found->mode == NULL || idlist_size(&plan->mems) < 2 ||
           strcmp(found->mode, "default") == 0 || strcmp(found->mode, "local") == 0 ||
           (strcmp(found->mode, "bind") == 0 && has_every_rank(plan, &found->nodes));
}

static bool is_planned(const struct task_policy *found, const struct plan *plan)
{
    return strcmp(found->mode, policy_name(plan->policy)) == 0 &&
           (found->is_cut ? idlist_begins(&plan->policy_nodes, &found->nodes)
                          : idlist_equal(&plan->policy_nodes, &found->nodes));
}

/* What to change, where the policy that was found is not the plan's. */
static const char *policy_cure(const struct task_policy *found, const struct plan *plan)
{
    if (found->mode == NULL)
        return "use a node whose kernel tells it, or spec.memory.policy Bind, which needs none";
    if (plan->policy != POLICY_NONE && found->nodes.count == 0)
        return "this node's container runtime left it out, as runc before 1.4 does: update its OCI "
               "runtime, or take spec.memory.policy Bind, or spec.enforcement BestEffort";
    return "something else sets it: look for another NRI plugin, or for numactl before the "
           "container runtime or `numalocal run`";
}

void compare_policy(struct sentences *problems, const struct plan *plan,
                    const struct task_policy *found)
{
    const bool none = plan->policy == POLICY_NONE;

    if (none ? is_plain(found, plan) : found->mode != NULL && is_planned(found, plan))
        return;
    char *is = found->mode == NULL ? text_format("cannot be known, as %s,", found->why_unknown)
                                   : task_policy_text(found->mode, &found->nodes);
    char *planned = none ? text_format("none")
                         : task_policy_text(policy_name(plan->policy), &plan->policy_nodes);
    sentences_add(problems,
                  text_format("this container's memory policy %s%s but its plan says %s: %s",
                              found->mode == NULL ? "" : "is ", is, planned,
                              policy_cure(found, plan)));
    free(planned);
    free(is);
}
