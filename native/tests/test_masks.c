/* Unit tests of the node masks, in TAP: every id of every word, and sets across words. */
#include "masks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests;
static int failures;

static void ok(bool good, const char *what)
{
    tests++;
    failures += good ? 0 : 1;
    printf("%sok %d - %s\n", good ? "" : "not ", tests, what);
}

/* A list that becomes a mask and a list again. */
static bool comes_back(const char *text)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist list = {0};
    struct idlist back = {0};

    if (!idlist_parse(&list, text, strlen(text), error))
        return false;
    struct bitmask *mask = mask_of_nodes(&list);
    mask_read(&back, mask);
    const bool same = idlist_equal(&list, &back) && numa_bitmask_weight(mask) == idlist_size(&list);
    numa_bitmask_free(mask);
    idlist_free(&back);
    idlist_free(&list);
    return same;
}

/* What migrate_memory() moves from: the cases in which an XOR of first words goes wrong. */
static bool leaves(const char *allowed, const char *target, const char *wanted)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist lists[2] = {{0}, {0}};
    struct idlist from = {0};
    struct idlist back = {0};

    if (!idlist_parse(&lists[0], allowed, strlen(allowed), error) ||
        !idlist_parse(&lists[1], target, strlen(target), error))
        return false;
    idlist_subtract(&from, &lists[0], &lists[1]);
    struct bitmask *mask = mask_of_nodes(&from);
    mask_read(&back, mask);
    char *text = idlist_format(&back);
    const bool same = strcmp(text, wanted) == 0;
    free(text);
    numa_bitmask_free(mask);
    idlist_free(&back);
    idlist_free(&from);
    idlist_free(&lists[1]);
    idlist_free(&lists[0]);
    return same;
}

int main(void)
{
    bool all = true;

    for (unsigned int id = 0; id < 5000; id++) {
        char text[16];

        snprintf(text, sizeof text, "%u", id);
        all &= comes_back(text);
    }
    ok(all, "every id alone");
    ok(comes_back(""), "nothing");
    ok(comes_back("0-4095"), "every node of the least width");
    ok(comes_back("0-4096,8191"), "more than that");
    ok(comes_back("0,63-64,70,127-128,1023"), "ids on both sides of words");
    ok(leaves("0,1,2,3", "2", "0-1,3"), "a target within one word");
    ok(leaves("0,65,70", "70", "0,65"), "a target of the second word");
    ok(leaves("0,65,70", "0,65", "70"), "a target of two words");
    ok(leaves("0", "1", "0"), "a target that is not allowed adds nothing");
    printf("1..%d\n", tests);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
