/* numalocal-bind exec: options -> binding -> apply -> execvp. */
#include "bind.h"
#include "commands.h"
#include "die.h"
#include "openmp.h"
#include "plan.h"
#include "text.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The options as written; NULL: not given. */
struct options {
    const char *cpus;
    const char *mems;
    const char *policy;
    const char *rank;
};

/* What to apply. Empty lists leave the CPUs or the memory as they are. */
struct binding {
    struct rank share;
    char *cpus_source;
    char *mems_source;
    enum policy policy;
};

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"cpus", required_argument, NULL, 'c'},   {"mems", required_argument, NULL, 'm'},
        {"policy", required_argument, NULL, 'p'}, {"rank", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };

    opterr = 0;
    /* '+': the options of the command to run are its own. ':': a missing value is told apart. */
    for (int option; (option = getopt_long(argc, argv, "+:", known, NULL)) != -1;) {
        if (option == 'c')
            options->cpus = optarg;
        else if (option == 'm')
            options->mems = optarg;
        else if (option == 'p')
            options->policy = optarg;
        else if (option == 'r')
            options->rank = optarg;
        else if (option == ':')
            die("exec: %s needs a value; see numalocal-bind --help", argv[optind - 1]);
        else
            die("exec: unknown option %s; see numalocal-bind --help", argv[optind - 1]);
    }
    if (optind == argc)
        die("exec: no command to run: write it behind --; see numalocal-bind --help");
}

static enum policy parse_policy(const struct options *options)
{
    static const char *const names[] = {"bind", "preferred", "interleave", "none"};
    static const enum policy policies[] = {POLICY_BIND, POLICY_PREFERRED, POLICY_INTERLEAVE,
                                           POLICY_NONE};

    if (options->policy == NULL)
        return POLICY_BIND;
    if (options->mems == NULL && options->rank == NULL)
        die("exec: --policy %s says how to use nodes, but none are given: add --mems or --rank",
            options->policy);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(options->policy, names[i]) == 0)
            return policies[i];
    die("exec: --policy %s is unknown: write bind, preferred, interleave or none", options->policy);
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

static void plan_rank(struct binding *binding, const struct options *options)
{
    uint64_t rank = 0;

    if (options->cpus != NULL || options->mems != NULL)
        die("exec: --rank %s takes CPUs and nodes from NUMALOCAL_RANK_CPUS and "
            "NUMALOCAL_RANK_MEMS: leave out --cpus and --mems",
            options->rank);
    if (!text_parse_number(options->rank, &rank))
        die("exec: --rank %s is no rank: write 0 or more", options->rank);
    char *error = plan_read_rank(&binding->share, (size_t)rank);
    if (error != NULL)
        die("exec: --rank %s: %s", options->rank, error);
    binding->cpus_source = text_format("NUMALOCAL_RANK_CPUS, rank %s:", options->rank);
    binding->mems_source = text_format("NUMALOCAL_RANK_MEMS, rank %s:", options->rank);
}

static struct binding plan_binding(const struct options *options)
{
    struct binding binding = {.policy = parse_policy(options)};

    if (options->rank != NULL) {
        plan_rank(&binding, options);
        return binding;
    }
    parse_list(&binding.share.cpus, "--cpus", options->cpus);
    parse_list(&binding.share.mems, "--mems", options->mems);
    binding.cpus_source = text_format("--cpus");
    binding.mems_source = text_format("--mems");
    return binding;
}

static void apply(const struct binding *binding, const struct options *options)
{
    if (binding->share.cpus.count > 0)
        bind_cpus(&binding->share.cpus, binding->cpus_source);
    if (binding->share.mems.count > 0)
        bind_memory(&binding->share.mems, binding->policy, binding->mems_source);
    if (binding->share.compute_cpus.count > 0)
        openmp_environment(&binding->share.compute_cpus);
    if (options->rank != NULL && setenv("NUMALOCAL_RANK", options->rank, 1) != 0)
        die_errno("cannot set NUMALOCAL_RANK");
}

static void free_binding(struct binding *binding)
{
    plan_free_rank(&binding->share);
    free(binding->cpus_source);
    free(binding->mems_source);
}

int exec_command(int argc, char **argv)
{
    struct options options = {0};

    parse_options(&options, argc, argv);
    struct binding binding = plan_binding(&options);
    apply(&binding, &options);
    free_binding(&binding);
    execvp(argv[optind], argv + optind);
    const int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    complain("cannot run %s: %s", argv[optind], strerror(errno));
    return status;
}
