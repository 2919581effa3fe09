/* numalocal-bind exec: options -> binding -> apply -> execvp. */
#include "bind.h"
#include "commands.h"
#include "die.h"
#include "openmp.h"
#include "plan.h"
#include "policy.h"
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
    const char *rank_from;
};

/* What to apply. Empty lists leave the CPUs or the memory as they are. */
struct binding {
    struct rank share;
    char *cpus_source;
    char *mems_source;
    enum policy policy;
    char *rank; /* NULL: none */
};

static void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"cpus", required_argument, NULL, 'c'},   {"mems", required_argument, NULL, 'm'},
        {"policy", required_argument, NULL, 'p'}, {"rank", required_argument, NULL, 'r'},
        {"rank-from", required_argument, NULL, 'f'},
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
        else if (option == 'f')
            options->rank_from = optarg;
        else if (option == ':')
            die("exec: %s needs a value; see numalocal-bind --help", argv[optind - 1]);
        else
            die("exec: unknown option %s; see numalocal-bind --help", argv[optind - 1]);
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

    if (options->policy == NULL)
        return policy;
    if (options->mems == NULL && !has_rank(options))
        die("exec: --policy %s says how to use nodes, but none are given: add --mems or --rank",
            options->policy);
    if (!policy_parse(&policy, options->policy))
        die("exec: --policy %s is unknown: write %s", options->policy, POLICY_NAMES);
    return policy;
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
        die("exec: --rank %s and --rank-from %s both say which rank this is: leave one out",
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

static void plan_rank(struct binding *binding, const struct options *options)
{
    char *option = options->rank == NULL ? text_format("--rank-from %s", options->rank_from)
                                         : text_format("--rank %s", options->rank);
    const size_t rank = parse_rank(options, option);
    char *error = plan_read_rank(&binding->share, rank);

    if (error != NULL)
        die("exec: %s: %s", option, error);
    free(option);
    binding->cpus_source = text_format("NUMALOCAL_RANK_CPUS, rank %zu:", rank);
    binding->mems_source = text_format("NUMALOCAL_RANK_MEMS, rank %zu:", rank);
    binding->rank = text_format("%zu", rank);
}

static struct binding plan_binding(const struct options *options)
{
    struct binding binding = {.policy = parse_policy(options)};

    if (has_rank(options)) {
        plan_rank(&binding, options);
        return binding;
    }
    parse_list(&binding.share.cpus, "--cpus", options->cpus);
    parse_list(&binding.share.mems, "--mems", options->mems);
    binding.cpus_source = text_format("--cpus");
    binding.mems_source = text_format("--mems");
    return binding;
}

static void apply(const struct binding *binding)
{
    if (binding->share.cpus.count > 0)
        bind_cpus(&binding->share.cpus, binding->cpus_source);
    if (binding->share.mems.count > 0)
        bind_memory(&binding->share.mems, binding->policy, binding->mems_source);
    if (binding->share.compute_cpus.count > 0)
        openmp_environment(&binding->share.compute_cpus);
    if (binding->rank != NULL && setenv("NUMALOCAL_RANK", binding->rank, 1) != 0)
        die_errno("cannot set NUMALOCAL_RANK");
}

static void free_binding(struct binding *binding)
{
    plan_free_rank(&binding->share);
    free(binding->cpus_source);
    free(binding->mems_source);
    free(binding->rank);
}

int exec_command(int argc, char **argv)
{
    struct options options = {0};

    parse_options(&options, argc, argv);
    struct binding binding = plan_binding(&options);
    apply(&binding);
    free_binding(&binding);
    execvp(argv[optind], argv + optind);
    const int status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    complain("cannot run %s: %s", argv[optind], strerror(errno));
    return status;
}
