/* numalocal-bind check: options -> report -> its file and the standard output. */
#include "await.h"
#include "commands.h"
#include "die.h"
#include "inspect.h"
#include "options.h"
#include "probe.h"
#include "report.h"
#include "text.h"
#include "turns.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *root;
    const char *report; /* NULL: the termination log */
    bool may_wait;
    unsigned int wait_s;
};

/* Nobody waits an hour for an agent that comes back in seconds. */
enum { LONGEST_WAIT_S = 3600 };

static unsigned int parse_wait(const char *text)
{
    uint64_t wait_s = 0;

    if (!text_parse_number(text, &wait_s) || wait_s > LONGEST_WAIT_S)
        die("check: --wait \"%.60s\" is no number of seconds: write 0 to %d; see numalocal-bind "
            "--help",
            text, LONGEST_WAIT_S);
    return (unsigned int)wait_s;
}

static void take_option(struct options *options, int option)
{
    switch (option) {
    case 'o':
        options->root = optarg;
        break;
    case 'r':
        options->report = optarg;
        break;
    default:
        options->may_wait = true;
        options->wait_s = parse_wait(optarg);
    }
}

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"root", required_argument, NULL, 'o'},
        {"report", required_argument, NULL, 'r'},
        {"wait", required_argument, NULL, 'w'},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = option_next(argc, argv, known)) != -1;)
        take_option(options, option);
    if (optind != argc)
        die("check: unexpected argument %.60s; see numalocal-bind --help", argv[optind]);
}

/* What it costs that a call of the binder's own is not to be had. */
static void note_permission(struct sentences *notes, const char *call, enum permission permission,
                            const char *cost)
{
    if (permission == PERMISSION_ALLOWED)
        return;
    sentences_add(notes, text_format("%s is %s here: %s; %s", call, permission_name(permission),
                                     cost,
                                     permission == PERMISSION_DENIED
                                         ? "the container's seccomp profile can allow it"
                                         : "neither this kernel nor a sandbox around it has it"));
}

/* What it costs that calls of the binder's own are denied. */
static void note_mempolicy(struct sentences *notes, const struct probe *probe)
{
    note_permission(notes, "set_mempolicy", probe->set,
                    "memory comes from any node that cpuset.mems allows, as the policy of this "
                    "container says, and ranks that share nodes are not kept on their own");
    note_permission(notes, "migrate_pages", probe->migrate,
                    "pages that were touched before a process was bound stay where they are");
}

/* What an engine that interleaves because it must will lose by it. */
static void measure_overflow(struct inspection *inspection)
{
    const struct plan *plan = &inspection->plan;
    struct report *report = &inspection->report;
    struct idlist cpus = {0};

    if (!plan->overflowed || !turns_are_of(plan->policy) || !report_is_verified(report))
        return;
    const uint64_t room_bytes = turns_room_bytes("", &plan->policy_nodes);
    size_t *weights = turns_weights(plan->policy, "", &plan->policy_nodes);
    plan_compute_cpus(plan, &cpus);
    report->overflow = bandwidth_measure(
        &cpus, &plan->policy_nodes, weights,
        report->limit.limited && report->limit.room_bytes < room_bytes ? report->limit.room_bytes
                                                                       : room_bytes);
    free(weights);
    idlist_free(&cpus);
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

int check_command(int argc, char **argv)
{
    struct options options = {.root = ""};
    struct inspection inspection;

    parse_options(&options, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* an error of write(2) */
    if (options.may_wait)
        await_binding(&inspection, options.root, options.wait_s);
    else
        inspect(&inspection, options.root, false);
    struct report *report = &inspection.report;
    report->mempolicy = probe_mempolicy();
    note_mempolicy(&report->notes, &report->mempolicy);
    if (options.root[0] == '\0')
        measure_overflow(&inspection);
    if (inspection.malformed != NULL)
        complain("check: %s", inspection.malformed);
    const bool published = publish(report, options.report);
    const bool good = inspection.malformed == NULL && published;
    const bool refused = report->problems.count > 0;
    inspection_free(&inspection);
    if (!good)
        return EXIT_OURS;
    return refused ? EXIT_FAILURE : EXIT_SUCCESS;
}
