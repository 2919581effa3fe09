/* numalocal-bind run: plan -> one bound process per rank -> their common exit status. */
#include "commands.h"
#include "die.h"
#include "launch.h"
#include "options.h"
#include "ranks.h"

#include <stdlib.h>
#include <unistd.h>

struct options {
    const char *policy;
    enum openmp openmp;
};

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"policy", required_argument, NULL, 'p'},
        {"openmp", required_argument, NULL, 'o'},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = option_next(argc, argv, known)) != -1;) {
        if (option == 'p')
            options->policy = optarg;
        if (option == 'o' && !openmp_parse(&options->openmp, optarg))
            die("run: --openmp %.60s is unknown: write %s", optarg, OPENMP_NAMES);
    }
    if (optind == argc)
        die("run: no command to run: write it behind --; see numalocal-bind --help");
}

/* The plan's, where none is written. */
static enum policy parse_policy(const struct options *options)
{
    enum policy policy = POLICY_BIND;
    char *error = options->policy == NULL ? plan_policy(&policy, POLICY_BIND) : NULL;

    if (error != NULL)
        die("run: %s", error);
    if (options->policy != NULL && !policy_parse(&policy, options->policy))
        die("run: --policy %.60s is unknown: write %s", options->policy, POLICY_NAMES);
    return policy;
}

static size_t count_ranks(void)
{
    struct plan plan;
    char *malformed = NULL;

    switch (plan_read(&plan, &malformed)) {
    case PLAN_READ:
        break;
    case PLAN_MISSING:
        die("run: NUMALOCAL_CPUS is not set: the node agent sets it, or `numalocal run`");
    case PLAN_MALFORMED:
        die("run: %s", malformed);
    }
    const size_t count = plan.rank_count;
    plan_free(&plan);
    return count;
}

/* All before the first starts: what one takes must not decide for the next. */
static struct launch *plan_ranks(size_t count, const struct options *options)
{
    const enum policy policy = parse_policy(options);
    struct launch *launches = allocate(NULL, count, sizeof *launches);

    for (size_t i = 0; i < count; i++) {
        launches[i] = (struct launch){.policy = policy, .openmp = options->openmp};
        char *error = launch_plan_rank(&launches[i], i);
        if (error != NULL)
            die("run: %s", error);
    }
    return launches;
}

int run_command(int argc, char **argv)
{
    struct options options = {.openmp = OPENMP_AUTO};
    struct ranks ranks;

    parse_options(&options, argc, argv);
    const size_t count = count_ranks();
    struct launch *launches = plan_ranks(count, &options);
    ranks_prepare(&ranks, count);
    for (size_t i = 0; i < count; i++) {
        if (ranks_fork(&ranks, i) == 0)
            _exit(launch_become(&launches[i], argv + optind));
        launch_free(&launches[i]);
    }
    free(launches);
    return ranks_wait(&ranks);
}
