#include "inspect.h"

#include "budget.h"
#include "die.h"
#include "late.h"
#include "quota.h"
#include "text.h"

#include <stdlib.h>

static const char CHECK_AGENT[] = "check that the numalocal agent is ready on this node and that "
                                  "its container runtime has NRI enabled";

static const char AWAY[] = ", by its cgroup, as the numalocal agent was away when this container "
                           "was created";

static void compare(struct sentences *problems, const char *kind, const struct idlist *planned,
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

static struct rank_report *report_ranks(const struct plan *plan)
{
    struct rank_report *ranks = allocate(NULL, plan->rank_count, sizeof *ranks);

    for (size_t i = 0; i < plan->rank_count; i++)
        ranks[i] = (struct rank_report){
            .cpus = &plan->ranks[i].cpus,
            .numa_node = plan->ranks[i].mems.ranges[0].first,
            .memory_bytes = plan->memory_per_rank_bytes,
        };
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
    char *message = text_format("bound %sto CPU%s %s and NUMA node%s %s%s; %s", late ? "late " : "",
                                plural(idlist_size(&plan->cpus)), cpus,
                                plural(idlist_size(&plan->mems)), mems, late ? AWAY : "", memory);

    free(memory);
    free(mems);
    free(cpus);
    return message;
}

/* Which ranks would have to interleave over these nodes. */
static void note_interleaving(struct sentences *notes, const struct rank_report *ranks,
                              size_t count, const struct idlist *nodes)
{
    struct idlist interleaved = {0};

    for (unsigned int i = 0; i < count; i++)
        if (ranks[i].interleave)
            idlist_append(&interleaved, i);
    if (interleaved.count > 0) {
        char *numbers = idlist_format(&interleaved);
        char *list = idlist_format(nodes);

        sentences_add(notes,
                      text_format("rank%s %s cannot be held by one NUMA node: start with --policy "
                                  "auto, which takes memory from NUMA node%s %s in turn, more "
                                  "slowly",
                                  plural(idlist_size(&interleaved)), numbers,
                                  plural(idlist_size(nodes)), list));
        free(list);
        free(numbers);
    }
    idlist_free(&interleaved);
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

/* Adds to the report what a plan asks for and what of it does not hold. */
static void compare_plan(struct inspection *inspection, const char *root)
{
    const struct plan *plan = &inspection->plan;
    struct report *report = &inspection->report;

    inspection->ranks = report_ranks(plan);
    compare(&report->problems, "CPU", &plan->cpus, report->cpus);
    compare(&report->problems, "NUMA node", &plan->mems, report->mems);
    inspection->bound = report->problems.count == 0;
    budget_check(plan, root, report->mems, &report->limit, inspection->ranks, &report->problems,
                 &report->notes);
    note_quota(&report->notes, plan, root);
    note_interleaving(&report->notes, inspection->ranks, plan->rank_count, report->mems);
    report->ranks = inspection->ranks;
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

void inspect(struct inspection *inspection, const char *root, bool may_be_late)
{
    struct report *report = &inspection->report;

    *inspection = (struct inspection){0};
    status_read(&inspection->status, root);
    report->cpus = &inspection->status.cpus_allowed;
    report->mems = &inspection->status.mems_allowed;
    memory_limit_read(&report->limit, root);
    switch (read_plan(inspection, root, may_be_late)) {
    case PLAN_READ:
        compare_plan(inspection, root);
        if (inspection->late)
            note_late(&report->notes, &inspection->plan);
        break;
    case PLAN_MISSING:
        sentences_add(&report->problems,
                      text_format("the node agent did not bind this container: NUMALOCAL_CPUS is "
                                  "not set; %s",
                                  CHECK_AGENT));
        break;
    case PLAN_MALFORMED:
        sentences_add(&report->problems, text_format("%s", inspection->malformed));
    }
}

void inspection_free(struct inspection *inspection)
{
    sentences_free(&inspection->report.problems);
    sentences_free(&inspection->report.notes);
    memory_limit_free(&inspection->report.limit);
    free(inspection->ranks);
    free(inspection->verified_message);
    free(inspection->malformed);
    plan_free(&inspection->plan);
    status_free(&inspection->status);
    *inspection = (struct inspection){0};
}
