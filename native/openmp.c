#include "openmp.h"

#include "die.h"
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool user_places_threads(void)
{
    static const char *const names[] = {"OMP_PLACES", "OMP_PROC_BIND", "GOMP_CPU_AFFINITY",
                                        "KMP_AFFINITY"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]) != NULL)
            return true;
    return false;
}

static void set(const char *name, const char *value)
{
    if (setenv(name, value, 1) != 0)
        die_errno("cannot set %s", name);
}

/* "{2},{6}": a place per CPU. */
static char *format_places(const struct idlist *cpus)
{
    enum { PLACE_SIZE = 10 }; /* seven digits, braces, comma */
    const size_t size = idlist_size(cpus) * PLACE_SIZE + 1;
    char *places = allocate(NULL, size, 1);
    size_t used = 0;

    places[0] = '\0';
    for (size_t i = 0; i < cpus->count; i++)
        for (unsigned int cpu = cpus->ranges[i].first; cpu <= cpus->ranges[i].last; cpu++)
            used += (size_t)snprintf(places + used, size - used, "%s{%u}", used == 0 ? "" : ",",
                                     cpu);
    return places;
}

void openmp_environment(const struct idlist *compute_cpus)
{
    if (getenv("OMP_NUM_THREADS") == NULL) {
        char *threads = text_format("%zu", idlist_size(compute_cpus));

        set("OMP_NUM_THREADS", threads);
        free(threads);
    }
    if (!user_places_threads()) {
        char *places = format_places(compute_cpus);

        set("OMP_PLACES", places);
        set("OMP_PROC_BIND", "true");
        free(places);
    }
}
