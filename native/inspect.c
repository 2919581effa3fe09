#include "inspect.h"

#include "budget.h"
#include "compare.h"
#include "die.h"
#include "late.h"
#include "memory.h"
#include "policy.h"
#include "quota.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const char AWAY[] = ", by its cgroup, as the numalocal agent was away when this container "
                           "was created";

static struct rank_report *report_ranks(const struct plan *plan, const char *root)
{
    struct rank_report *ranks = allocate(NULL, plan->rank_count, sizeof *ranks);
    unsigned int *cpus = allocate(NULL, plan->rank_count, sizeof *cpus);
    unsigned int *nodes = allocate(NULL, plan->rank_count, sizeof *nodes);

    for (size_t i = 0; i < plan->rank_count; i++) {
        const struct idlist *own = &plan->ranks[i].cpus;

        cpus[i] = own->count > 0 ? own->ranges[0].first : IDLIST_MAX_ID + 1;
        nodes[i] = plan->ranks[i].mems.ranges[0].first;
    }
    memory_nodes_of(root, cpus, nodes, plan->rank_count);
    for (size_t i = 0; i < plan->rank_count; i++)
        ranks[i] = (struct rank_report){
            .cpus = &plan->ranks[i].cpus,
            .mems = &plan->ranks[i].mems,
            .numa_node = nodes[i],
            .memory_bytes = plan->memory_per_rank_bytes,
        };
    free(nodes);
    free(cpus);
    return ranks;
}

/* "bound to CPUs 2-3 and NUMA node 0; 1 rank of 64.0 MiB fits". */
static char *format_verified(const struct plan *plan, bool late)
{
    const struct amount each = text_bytes(plan->memory_per_rank_bytes);
    const bool one = plan->rank_count == 1;
    char *cpus = idlist_format(&plan->cpus);
    char *mems = idlist_format(&plan->mems);
    char *memory = plan->memory_per_rank_bytes == 0
                       ? text_format("no memory per rank is asked for")
                       : text_format("%zu rank%s of %s %s", plan->rank_count,
                                     plural(plan->rank_count), each.text, one ? "fits" : "fit");
    char *policy = plan->policy == POLICY_NONE
                       ? text_format("%s", "")
                       : task_policy_text(policy_name(plan->policy), &plan->policy_nodes);
    char *message = text_format("bound %sto CPU%s %s and NUMA node%s %s%s%s%s; %s",
                                late ? "late " : "", plural(idlist_size(&plan->cpus)), cpus,
                                plural(idlist_size(&plan->mems)), mems, late ? AWAY : "",
                                policy[0] == '\0' ? "" : ", memory policy ", policy, memory);

    free(policy);
    free(memory);
    free(mems);
    free(cpus);
    return message;
}

/* A quota makes an engine slow and refuses nothing. */
static void note_quota(struct sentences *notes, const struct plan *plan, const char *root)
{
    struct cpu_quota quota;
    size_t threads = 0;

    for (size_t i = 0; i < plan->rank_count; i++)
        threads += idlist_size(&plan->ranks[i].compute_cpus);
    cpu_quota_read(&quota, root);
    sentences_copy(notes, &quota.findings);
    char *note = cpu_quota_note(&quota, threads > 0 ? threads : idlist_size(&plan->cpus));
    if (note != NULL)
        sentences_add(notes, note);
    cpu_quota_free(&quota);
}

/* What of the binding does not hold: BestEffort lets it pass. */
static struct sentences *binding_problems(struct inspection *inspection)
{
    return inspection->best_effort ? &inspection->report.unbound : &inspection->report.problems;
}

static void compare_binding(struct inspection *inspection)
{
    const struct plan *plan = &inspection->plan;
    const struct report *report = &inspection->report;
    struct sentences *problems = binding_problems(inspection);

    compare_ids(problems, "CPU", &plan->cpus, report->cpus);
    compare_ids(problems, "NUMA node", &plan->mems, report->mems);
    inspection->bound = problems->count == 0;
    /* A policy is of a container's creation: nothing sets it later, and no wait helps. */
    if (!inspection->late)
        compare_policy(problems, plan, report->policy);
}

static void check_memory(struct inspection *inspection, const char *root)
{
    struct report *report = &inspection->report;

    inspection->ranks = report_ranks(&inspection->plan, root);
    budget_check(&inspection->plan, root, &report->limit, inspection->ranks, &report->problems,
                 &report->notes);
    report->ranks = inspection->ranks;
}

/* Adds to the report what a plan asks for and what of it does not hold. */
static void compare_plan(struct inspection *inspection, const char *root)
{
    const struct plan *plan = &inspection->plan;
    struct report *report = &inspection->report;

    report->overflowed = plan->overflowed;
    compare_binding(inspection);
    check_memory(inspection, root);
    note_quota(&report->notes, plan, root);
    report->rank_count = plan->shares_known ? plan->rank_count : 0;
    inspection->verified_message = format_verified(plan, inspection->late);
    report->verified_message = inspection->verified_message;
}

/* Takes for the plan what the agent has set this container's cgroup to since it began. */
static enum plan_result read_late(struct inspection *inspection, const char *root)
{
    const struct status *status = &inspection->status;
    struct idlist cpus;
    struct idlist mems;
    enum plan_result result = PLAN_MISSING;

    if (late_binding(&cpus, &mems, root) && idlist_equal(&cpus, &status->cpus_allowed) &&
        idlist_equal(&mems, &status->mems_allowed)) {
        inspection->late = true;
        result = plan_of_binding(&inspection->plan, &cpus, &mems, &inspection->malformed);
    }
    idlist_free(&mems);
    idlist_free(&cpus);
    return result;
}

static enum plan_result read_plan(struct inspection *inspection, const char *root,
                                  bool may_be_late)
{
    const enum plan_result result = plan_read(&inspection->plan, &inspection->malformed);

    return result == PLAN_MISSING && may_be_late ? read_late(inspection, root) : result;
}

/* What a check of a late binding cannot know. */
static void note_late(struct sentences *notes, const struct plan *plan)
{
    sentences_add(notes,
                  text_format("NUMALOCAL_CPUS is not set in this container, so that its CPUs and "
                              "NUMA nodes could be compared with its cgroup alone and not with "
                              "its plan%s; the engine's container is created later, and the "
                              "agent binds it then or refuses it",
                              plan->shares_known ? "" : ", and which rank has which is not known"));
}

static void tell_malformed(struct inspection *inspection)
{
    sentences_add(&inspection->report.problems, text_format("%s", inspection->malformed));
}

/* Nobody bound this container. With BestEffort it may run so, on all that it is allowed. */
static void tell_missing(struct inspection *inspection, const char *root)
{
    const struct status *status = &inspection->status;

    sentences_add(binding_problems(inspection),
                  text_format("the node agent did not bind this container: NUMALOCAL_CPUS is not "
                              "set; %s",
                              CHECK_AGENT));
    if (!inspection->best_effort || status->mems_allowed.count == 0)
        return;
    if (plan_of_binding(&inspection->plan, &status->cpus_allowed, &status->mems_allowed,
                        &inspection->malformed) == PLAN_READ)
        check_memory(inspection, root);
    else
        tell_malformed(inspection);
}

static void read_machine(struct inspection *inspection, const char *root)
{
    struct report *report = &inspection->report;

    *inspection = (struct inspection){0};
    status_read(&inspection->status, root);
    report->cpus = &inspection->status.cpus_allowed;
    report->mems = &inspection->status.mems_allowed;
    task_policy_read(&inspection->policy, root);
    report->policy = &inspection->policy;
    memory_limit_read(&report->limit, root);
}

void inspect(struct inspection *inspection, const char *root, bool may_be_late)
{
    read_machine(inspection, root);
    inspection->malformed = plan_enforcement(&inspection->best_effort);
    if (inspection->malformed != NULL) {
        tell_malformed(inspection);
        return;
    }
    switch (read_plan(inspection, root, may_be_late)) {
    case PLAN_READ:
        compare_plan(inspection, root);
        if (inspection->late)
            note_late(&inspection->report.notes, &inspection->plan);
        break;
    case PLAN_MISSING:
        tell_missing(inspection, root);
        break;
    case PLAN_MALFORMED:
        tell_malformed(inspection);
    }
}

void inspection_free(struct inspection *inspection)
{
    sentences_free(&inspection->report.problems);
    sentences_free(&inspection->report.unbound);
    sentences_free(&inspection->report.notes);
    memory_limit_free(&inspection->report.limit);
    free(inspection->ranks);
    free(inspection->verified_message);
    free(inspection->malformed);
    plan_free(&inspection->plan);
    task_policy_free(&inspection->policy);
    status_free(&inspection->status);
    *inspection = (struct inspection){0};
}
