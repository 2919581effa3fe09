/* A test's view of the choice of an OpenMP runtime: for every line a command, one line with the
 * name of what it is linked to. */
#include "openmp.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    static const char *const names[] = {
        [OPENMP_AUTO] = "unknown", [OPENMP_GNU] = "gnu",   [OPENMP_LLVM] = "llvm",
        [OPENMP_INTEL] = "intel",  [OPENMP_NONE] = "none",
    };
    char *line = NULL;
    size_t size = 0;

    for (ssize_t length; (length = getline(&line, &size, stdin)) > 0;) {
        line[length - 1] = '\0';
        puts(names[openmp_of_program(line)]);
        fflush(stdout);
    }
    free(line);
    return EXIT_SUCCESS;
}
