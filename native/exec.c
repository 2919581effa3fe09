/* numalocal-bind exec: options -> what to become -> become it. */
#include "commands.h"
#include "die.h"
#include "launch.h"
#include "options.h"
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The options as written; NULL: not given. */
struct options {
    const char *cpus;
    const char *mems;
    const char *policy;
    const char *openmp;
    const char *rank;
    const char *rank_from;
    bool migrate;
};

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"cpus", required_argument, NULL, 'c'},   {"mems", required_argument, NULL, 'm'},
        {"policy", required_argument, NULL, 'p'}, {"rank", required_argument, NULL, 'r'},
        {"openmp", required_argument, NULL, 'o'},
        {"rank-from", required_argument, NULL, 'f'},
        {"migrate", no_argument, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = option_next(argc, argv, known)) != -1;) {
        if (option == 'c')
            options->cpus = optarg;
        else if (option == 'm')
            options->mems = optarg;
        else if (option == 'p')
            options->policy = optarg;
        else if (option == 'o')
            options->openmp = optarg;
        else if (option == 'r')
            options->rank = optarg;
        else if (option == 'f')
            options->rank_from = optarg;
        else if (option == 'g')
            options->migrate = true;
    }
    if (optind == argc)
        die("exec: no command to run: write it behind --; see numalocal-bind --help");
}

static bool has_rank(const struct options *options)
{
    return options->rank != NULL || options->rank_from != NULL;
}

static enum policy parse_policy(const struct options *options)
{
    enum policy policy = POLICY_BIND;

    if (options->policy == NULL) {
        char *error = has_rank(options) ? plan_policy(&policy, POLICY_BIND) : NULL;

        if (error != NULL)
            die("exec: %s", error);
        return policy;
    }
    if (options->mems == NULL && !has_rank(options))
        die("exec: --policy %.60s says how to use nodes, but none are given: add --mems or --rank",
            options->policy);
    if (!policy_parse(&policy, options->policy))
        die("exec: --policy %.60s is unknown: write %s", options->policy, POLICY_NAMES);
    return policy;
}

static enum openmp parse_openmp(const struct options *options)
{
    enum openmp openmp = OPENMP_AUTO;

    if (options->openmp == NULL)
        return openmp;
    if (!has_rank(options))
        die("exec: --openmp %.60s says how to place a rank's threads, but there is no rank: add "
            "--rank",
            options->openmp);
    if (!openmp_parse(&openmp, options->openmp))
        die("exec: --openmp %.60s is unknown: write %s", options->openmp, OPENMP_NAMES);
    return openmp;
}

static void parse_list(struct idlist *list, const char *option, const char *text)
{
    char error[IDLIST_ERROR_SIZE];

    if (text == NULL)
        return;
    if (text[0] == '\0')
        die("exec: %s is empty: write ids and ranges such as 2-3,8", option);
    if (!idlist_parse(list, text, strlen(text), error))
        die("exec: %s \"%.60s\" is no list of ids (%s): write ids and ranges such as 2-3,8", option,
            text, error);
}

/* The rank's number: written here, or in the variable of whoever started this process. */
static size_t parse_rank(const struct options *options, const char *option)
{
    const char *text = options->rank_from == NULL ? options->rank : getenv(options->rank_from);
    uint64_t rank = 0;

    if (options->rank != NULL && options->rank_from != NULL)
        die("exec: --rank %.60s and --rank-from %.60s both say which rank this is: leave one out",
            options->rank, options->rank_from);
    if (options->cpus != NULL || options->mems != NULL)
        die("exec: %s takes CPUs and nodes from NUMALOCAL_RANK_CPUS and NUMALOCAL_RANK_MEMS: "
            "leave out --cpus and --mems",
            option);
    if (text == NULL)
        die("exec: %s: this variable is not set: start under a launcher that sets it, or write "
            "--rank N",
            option);
    if (text_parse_number(text, &rank))
        return (size_t)rank;
    if (options->rank_from == NULL)
        die("exec: --rank %.60s is no rank: write 0 or more", text);
    die("exec: %s: its value \"%.60s\" is no rank: name a variable that holds 0 or more", option,
        text);
}

static void plan_rank(struct launch *launch, const struct options *options)
{
    char *option = options->rank == NULL ? text_format("--rank-from %.60s", options->rank_from)
                                         : text_format("--rank %.60s", options->rank);
    char *error = launch_plan_rank(launch, parse_rank(options, option));

    if (error != NULL)
        die("exec: %s: %s", option, error);
    if (options->openmp != NULL && launch->share.compute_cpus.count == 0)
        complain("warning: exec: --openmp %.60s: no thread is placed, as "
                 "NUMALOCAL_RANK_COMPUTE_CPUS is not set: the node agent sets it, or "
                 "`numalocal run`",
                 options->openmp);
    free(option);
}

int exec_command(int argc, char **argv)
{
    struct options options = {0};

    parse_options(&options, argc, argv);
    struct launch launch = {.policy = parse_policy(&options),
                            .openmp = parse_openmp(&options),
                            .migrate = options.migrate};
    if (launch.migrate && options.mems == NULL && !has_rank(&options))
        die("exec: --migrate moves memory to nodes, but none are given: add --mems or --rank");
    if (has_rank(&options)) {
        plan_rank(&launch, &options);
    } else {
        parse_list(&launch.share.cpus, "--cpus", options.cpus);
        parse_list(&launch.share.mems, "--mems", options.mems);
        launch.cpus_source = text_format("--cpus");
        launch.mems_source = text_format("--mems");
    }
    return launch_become(&launch, argv + optind);
}
