/* numalocal-bind check: plan and kernel -> problems -> report. */
#include "budget.h"
#include "commands.h"
#include "die.h"
#include "limit.h"
#include "options.h"
#include "plan.h"
#include "report.h"
#include "status.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *root;
    const char *report; /* NULL: the termination log */
};

static const char CHECK_AGENT[] = "check that the numalocal agent is ready on this node and that "
                                  "its container runtime has NRI enabled";

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"root", required_argument, NULL, 'o'},
        {"report", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = option_next(argc, argv, known)) != -1;) {
        if (option == 'o')
            options->root = optarg;
        else
            options->report = optarg;
    }
    if (optind != argc)
        die("check: unexpected argument %.60s; see numalocal-bind --help", argv[optind]);
}

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
static char *format_verified(const struct plan *plan)
{
    const struct amount each = text_bytes(plan->memory_per_rank_bytes);
    const bool one = plan->rank_count == 1;
    char *cpus = idlist_format(&plan->cpus);
    char *mems = idlist_format(&plan->mems);
    char *memory = plan->memory_per_rank_bytes == 0
                       ? text_format("no memory per rank is asked for")
                       : text_format("%zu rank%s of %s %s", plan->rank_count,
                                     plural(plan->rank_count), each.text, one ? "fits" : "fit");
    char *message = text_format("bound to CPU%s %s and NUMA node%s %s; %s",
                                plural(idlist_size(&plan->cpus)), cpus,
                                plural(idlist_size(&plan->mems)), mems, memory);

    free(memory);
    free(mems);
    free(cpus);
    return message;
}

/* What it costs that a call of the binder's own is not to be had. */
static void note_permission(struct sentences *notes, const char *call, enum permission permission,
                            const char *cost)
{
    if (permission == PERMISSION_ALLOWED)
        return;
    sentences_add(notes,
                 text_format("%s is %s here: %s; %s", call, permission_name(permission), cost,
                             permission == PERMISSION_DENIED
                                 ? "the container's seccomp profile can allow it"
                                 : "neither this kernel nor a sandbox around it has it"));
}

/* What it costs that calls of the binder's own are denied. */
static void note_mempolicy(struct sentences *notes, const struct probe *probe)
{
    note_permission(notes, "set_mempolicy", probe->set,
                "memory comes from any node that cpuset.mems allows, and ranks that share nodes "
                "are not kept on their own");
    note_permission(notes, "migrate_pages", probe->migrate,
                "pages that were touched before a process was bound stay where they are");
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

/* To the file first: a reader of standard output that has gone away must not lose it. False: one of
 * the two has not got it, and a sentence has said which. */
static bool publish(const struct report *report, const char *path)
{
    char json[REPORT_SIZE + 1];
    const size_t length = report_format(report, json);
    const bool published = report_publish(json, length, path);

    if (report_write(STDOUT_FILENO, json, length))
        return published;
    complain("cannot write the report to standard output: %s", strerror(errno));
    return false;
}

/* Adds to the report what a plan asks for and what of it does not hold. */
static void check_plan(struct report *report, const struct plan *plan, const char *root)
{
    struct rank_report *ranks = report_ranks(plan);

    compare(&report->problems, "CPU", &plan->cpus, report->cpus);
    compare(&report->problems, "NUMA node", &plan->mems, report->mems);
    budget_check(plan, root, report->mems, &report->limit, ranks, &report->problems,
                 &report->notes);
    note_interleaving(&report->notes, ranks, plan->rank_count, report->mems);
    report->ranks = ranks;
    report->rank_count = plan->rank_count;
}

static int finish(struct report *report, const struct plan *plan, enum plan_result result,
                  const char *report_path)
{
    char *message = result == PLAN_READ ? format_verified(plan) : NULL;

    report->verified_message = message;
    const bool published = publish(report, report_path);
    free(message);
    if (result == PLAN_MALFORMED || !published)
        return EXIT_OURS;
    return report->problems.count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int check_command(int argc, char **argv)
{
    struct options options = {.root = ""};
    struct status status;
    struct plan plan;
    char *malformed = NULL;

    parse_options(&options, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* an error of write(2) */
    status_read(&status, options.root);
    struct report report = {.cpus = &status.cpus_allowed, .mems = &status.mems_allowed};
    memory_limit_read(&report.limit, options.root);
    report.mempolicy = probe_mempolicy();
    note_mempolicy(&report.notes, &report.mempolicy);
    const enum plan_result result = plan_read(&plan, &malformed);
    if (result == PLAN_READ)
        check_plan(&report, &plan, options.root);
    else if (result == PLAN_MISSING)
        sentences_add(&report.problems,
                     text_format("the node agent did not bind this container: NUMALOCAL_CPUS is "
                                 "not set; %s",
                                 CHECK_AGENT));
    else {
        complain("check: %s", malformed);
        sentences_add(&report.problems, malformed);
    }
    const int exit_status = finish(&report, &plan, result, options.report);
    free((void *)report.ranks);
    sentences_free(&report.problems);
    sentences_free(&report.notes);
    memory_limit_free(&report.limit);
    plan_free(&plan);
    status_free(&status);
    return exit_status;
}
