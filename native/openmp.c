#include "openmp.h"

#include "die.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char OPENMP_NAMES[] = "auto, gnu, llvm, intel or none";

bool openmp_parse(enum openmp *openmp, const char *name)
{
    static const char *const names[] = {"auto", "gnu", "llvm", "intel", "none"};
    static const enum openmp runtimes[] = {OPENMP_AUTO, OPENMP_GNU, OPENMP_LLVM, OPENMP_INTEL,
                                           OPENMP_NONE};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *openmp = runtimes[i];
            return true;
        }
    return false;
}

/* How long a thread waits hot: from one token to the next, and not between requests. libgomp does
 * so by itself, the others would for 200 ms. */
enum { WAIT_MS = 5 };

static bool user_places_threads(void)
{
    static const char *const names[] = {"OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY",
                                        "KMP_AFFINITY"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]) != NULL)
            return true;
    return false;
}

/* Keeps the value, frees it. */
static void set(const char *name, char *value)
{
    if (setenv(name, value, 1) != 0)
        die_errno("cannot set %s", name);
    free(value);
}

/* Every CPU between `open` and `close`, with `between` from one to the next. */
static char *join(const struct idlist *cpus, const char *open, const char *between,
                  const char *close)
{
    enum { CPU_SIZE = 10 }; /* seven digits, and three marks around them */
    const size_t size = idlist_size(cpus) * CPU_SIZE + 1;
    char *text = allocate(NULL, size, 1);
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < cpus->count; i++)
        for (unsigned int cpu = cpus->ranges[i].first; cpu <= cpus->ranges[i].last; cpu++)
            used += (size_t)snprintf(text + used, size - used, "%s%s%u%s",
                                     used == 0 ? "" : between, open, cpu, close);
    return text;
}

static void place_threads(const struct idlist *cpus, enum openmp openmp)
{
    if (openmp == OPENMP_GNU) {
        set("GOMP_CPU_AFFINITY", join(cpus, "", " ", ""));
    } else if (openmp == OPENMP_LLVM || openmp == OPENMP_INTEL) {
        char *list = join(cpus, "", ",", "");

        set("KMP_AFFINITY", text_format("granularity=fine,explicit,proclist=[%s]", list));
        free(list);
        if (getenv("KMP_BLOCKTIME") == NULL && getenv("OMP_WAIT_POLICY") == NULL)
            set("KMP_BLOCKTIME", text_format("%d", WAIT_MS));
    } else {
        set("OMP_PLACES", join(cpus, "{", ",", "}"));
        set("OMP_PROC_BIND", text_format("true"));
    }
}

void openmp_environment(const struct idlist *compute_cpus, enum openmp openmp,
                        const char *program)
{
    if (getenv("OMP_NUM_THREADS") == NULL)
        set("OMP_NUM_THREADS", text_format("%zu", idlist_size(compute_cpus)));
    if (openmp == OPENMP_NONE || user_places_threads())
        return;
    if (openmp == OPENMP_AUTO)
        openmp = openmp_of_program(program);
    place_threads(compute_cpus, openmp);
}
