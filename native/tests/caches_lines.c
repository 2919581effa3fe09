/* A test's view of caches: the bytes of the last level of those beside CPUS, below ROOT. */
#include "caches.h"
#include "die.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist cpus = {0};

    if (argc != 3 || !idlist_parse(&cpus, argv[2], strlen(argv[2]), error))
        die("usage: caches_lines ROOT CPUS");
    printf("%" PRIu64 "\n", caches_last_level_bytes(argv[1], &cpus));
    idlist_free(&cpus);
    return EXIT_SUCCESS;
}
