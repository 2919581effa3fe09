/* Sets of CPU or NUMA node ids, read and written in the kernel's list format: "0-3,8".
 *
 * The format is that of /proc/<pid>/status (Cpus_allowed_list) and of cpuset.cpus. No libnuma here:
 * numa_parse_cpustring() refuses ids that this machine lacks, and says so on stderr only. */
#ifndef NUMALOCAL_IDLIST_H
#define NUMALOCAL_IDLIST_H

#include <stdbool.h>
#include <stddef.h>

/* The highest id that Linux can give: CONFIG_NR_CPUS is at most 8192, and nodes are at most 1024.
 * core/numalocal/idset.py has the same. */
enum { IDLIST_MAX_ID = 8191, IDLIST_ERROR_SIZE = 160 };

struct id_range {
    unsigned int first;
    unsigned int last; /* included */
};

/* Ranges are sorted, disjoint and not adjacent, so equal sets have equal ranges. Start with {0}. */
struct idlist {
    struct id_range *ranges;
    size_t count;
    size_t capacity;
};

/* Reads `length` characters. "" is the empty set; order and repeats do not matter; blanks are
 * refused. On failure *list is empty and `error` says what was wrong and where. */
bool idlist_parse(struct idlist *list, const char *text, size_t length,
                  char error[static IDLIST_ERROR_SIZE]);

/* Writes the shortest list, "" for the empty set. The caller frees it. */
char *idlist_format(const struct idlist *list);

/* Adds an id larger than every id in the list. */
void idlist_append(struct idlist *list, unsigned int id);

void idlist_free(struct idlist *list);

size_t idlist_size(const struct idlist *list);
bool idlist_equal(const struct idlist *a, const struct idlist *b);
bool idlist_contains(const struct idlist *list, unsigned int id);

/* Sets *difference to the ids of `a` that are not in `b`; it must be neither of them. */
void idlist_subtract(struct idlist *difference, const struct idlist *a, const struct idlist *b);
bool idlist_is_subset(const struct idlist *inner, const struct idlist *outer);

/* Whether `start` is the first ids of `list`, and none of it is left out between them. */
bool idlist_begins(const struct idlist *list, const struct idlist *start);

#endif
