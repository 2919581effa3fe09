/* Which OpenMP runtime a command will load. */
#include "elf_needed.h"
#include "openmp.h"
#include "program.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they win: libgomp beside one of the others (a program of gcc with another
 * runtime preloaded) ignores KMP_AFFINITY, and all of them obey the variables of libgomp at once,
 * which stacks every thread on one core. */
static const struct {
    const char *stem;
    enum openmp runtime;
} LIBRARIES[] = {
    {"libiomp", OPENMP_INTEL},
    {"libomp", OPENMP_LLVM},
    {"libgomp", OPENMP_GNU},
};
enum { LIBRARY_COUNT = sizeof LIBRARIES / sizeof *LIBRARIES };

/* "libomp.so.5" and "libgomp-a34b3233.so.1" are, "libompitrace.so" is not. */
static bool is_library(const char *name, size_t length, const char *stem)
{
    const size_t stem_length = strlen(stem);

    return length > stem_length && strncmp(name, stem, stem_length) == 0 &&
           !isalpha((unsigned char)name[stem_length]);
}

/* Lowers *best, an index of LIBRARIES, to the one that has this file name. */
static void prefer_library(const char *name, size_t length, size_t *best)
{
    for (size_t i = 0; i < *best; i++)
        if (is_library(name, length, LIBRARIES[i].stem))
            *best = i;
}

static void prefer_needed(const char *name, void *best)
{
    prefer_library(name, strlen(name), best);
}

/* ld.so(8): separated by blanks or colons, each a path or a name. */
static void prefer_preloaded(const char *list, size_t *best)
{
    static const char SEPARATORS[] = " :";

    for (list += strspn(list, SEPARATORS); *list != '\0'; list += strspn(list, SEPARATORS)) {
        const size_t length = strcspn(list, SEPARATORS);
        const char *slash = memrchr(list, '/', length);
        const char *name = slash == NULL ? list : slash + 1;

        prefer_library(name, (size_t)(list + length - name), best);
        list += length;
    }
}

enum openmp openmp_of_program(const char *program)
{
    const char *preloaded = getenv("LD_PRELOAD");
    size_t best = LIBRARY_COUNT;

    if (preloaded != NULL)
        prefer_preloaded(preloaded, &best);
    if (best == LIBRARY_COUNT) {
        char *path = program_find(program);

        if (path != NULL)
            elf_needed(path, prefer_needed, &best);
        free(path);
    }
    return best == LIBRARY_COUNT ? OPENMP_AUTO : LIBRARIES[best].runtime;
}
