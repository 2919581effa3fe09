/* A fuzz target of the list parser (libFuzzer): any text is refused with a reason, or comes back
 * as a text that means the same and comes back as it is. */
#include "idlist.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good)
{
    if (!good)
        abort();
}

/* Sorted, disjoint and not adjacent, within bounds. */
static void require_order(const struct idlist *list)
{
    for (size_t i = 0; i < list->count; i++) {
        require(list->ranges[i].first <= list->ranges[i].last);
        require(list->ranges[i].last <= IDLIST_MAX_ID);
        require(i == 0 || list->ranges[i].first > list->ranges[i - 1].last + 1);
    }
}

static void require_same_again(const struct idlist *list)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist again = {0};
    char *text = idlist_format(list);

    require(idlist_parse(&again, text, strlen(text), error));
    require(idlist_equal(list, &again) && idlist_is_subset(list, &again));
    char *text_again = idlist_format(&again);
    require(strcmp(text, text_again) == 0);
    free(text_again);
    free(text);
    idlist_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[IDLIST_ERROR_SIZE] = "";
    struct idlist list = {0};

    if (idlist_parse(&list, (const char *)data, size, error)) {
        require_order(&list);
        require_same_again(&list);
    } else {
        require(list.count == 0 && error[0] != '\0');
        require(memchr(error, '\0', sizeof error) != NULL);
    }
    idlist_free(&list);
    return 0;
}
