#include "idlist.h"

#include "die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *start;
    const char *next;
    const char *end;
    char *error;
};

static void add_range(struct idlist *list, unsigned int first, unsigned int last)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        list->ranges = allocate(list->ranges, list->capacity, sizeof *list->ranges);
    }
    list->ranges[list->count++] = (struct id_range){first, last};
}

static int by_first(const void *a, const void *b)
{
    const struct id_range *left = a;
    const struct id_range *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

/* Sorts, and joins ranges that overlap or touch. */
static void normalise(struct idlist *list)
{
    size_t kept = 0;

    if (list->count < 2)
        return;
    qsort(list->ranges, list->count, sizeof *list->ranges, by_first);
    for (size_t i = 1; i < list->count; i++) {
        struct id_range *last = &list->ranges[kept];

        if (list->ranges[i].first > last->last + 1)
            list->ranges[++kept] = list->ranges[i];
        else if (list->ranges[i].last > last->last)
            last->last = list->ranges[i].last;
    }
    list->count = kept + 1;
}

static bool parse_id(struct cursor *cursor, unsigned int *id)
{
    const char *digits = cursor->next;
    unsigned int value = 0;

    for (; cursor->next < cursor->end; cursor->next++) {
        const char c = *cursor->next;

        if (c < '0' || c > '9')
            break;
        value = value * 10 + (unsigned int)(c - '0');
        if (value > IDLIST_MAX_ID) {
            snprintf(cursor->error, IDLIST_ERROR_SIZE, "the number at character %td is above %d",
                     digits - cursor->start + 1, IDLIST_MAX_ID);
            return false;
        }
    }
    if (cursor->next == digits) {
        snprintf(cursor->error, IDLIST_ERROR_SIZE, "a number is missing at character %td",
                 digits - cursor->start + 1);
        return false;
    }
    *id = value;
    return true;
}

static bool parse_range(struct cursor *cursor, struct idlist *list)
{
    unsigned int first = 0;
    unsigned int last = 0;

    if (!parse_id(cursor, &first))
        return false;
    last = first;
    if (cursor->next < cursor->end && *cursor->next == '-') {
        cursor->next++;
        if (!parse_id(cursor, &last))
            return false;
    }
    if (last < first) {
        snprintf(cursor->error, IDLIST_ERROR_SIZE, "the range %u-%u runs backwards", first, last);
        return false;
    }
    add_range(list, first, last);
    return true;
}

static bool parse_ranges(struct cursor *cursor, struct idlist *list)
{
    while (parse_range(cursor, list)) {
        if (cursor->next == cursor->end)
            return true;
        if (*cursor->next != ',') {
            snprintf(cursor->error, IDLIST_ERROR_SIZE, "character %td is neither digit, - nor ,",
                     cursor->next - cursor->start + 1);
            return false;
        }
        cursor->next++;
    }
    return false;
}

bool idlist_parse(struct idlist *list, const char *text, size_t length,
                  char error[static IDLIST_ERROR_SIZE])
{
    struct cursor cursor = {text, text, text + length, error};

    list->count = 0;
    if (length == 0)
        return true;
    if (!parse_ranges(&cursor, list)) {
        list->count = 0;
        return false;
    }
    normalise(list);
    return true;
}

char *idlist_format(const struct idlist *list)
{
    /* Two ids of at most seven digits, '-' and ','. */
    enum { RANGE_SIZE = 16 };
    const size_t size = list->count * RANGE_SIZE + 1;
    char *text = allocate(NULL, size, 1);
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        const struct id_range range = list->ranges[i];
        const char *comma = i == 0 ? "" : ",";
        int written = 0;

        if (range.first == range.last)
            written = snprintf(text + used, size - used, "%s%u", comma, range.first);
        else
            written = snprintf(text + used, size - used, "%s%u-%u", comma, range.first, range.last);
        used += (size_t)written;
    }
    return text;
}

void idlist_append(struct idlist *list, unsigned int id)
{
    if (list->count > 0 && list->ranges[list->count - 1].last + 1 == id)
        list->ranges[list->count - 1].last = id;
    else
        add_range(list, id, id);
}

void idlist_free(struct idlist *list)
{
    free(list->ranges);
    *list = (struct idlist){0};
}

size_t idlist_size(const struct idlist *list)
{
    size_t size = 0;

    for (size_t i = 0; i < list->count; i++)
        size += list->ranges[i].last - list->ranges[i].first + 1;
    return size;
}

bool idlist_equal(const struct idlist *a, const struct idlist *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->ranges[i].first != b->ranges[i].first || a->ranges[i].last != b->ranges[i].last)
            return false;
    return true;
}

bool idlist_contains(const struct idlist *list, unsigned int id)
{
    for (size_t i = 0; i < list->count; i++)
        if (id >= list->ranges[i].first && id <= list->ranges[i].last)
            return true;
    return false;
}

void idlist_subtract(struct idlist *difference, const struct idlist *a, const struct idlist *b)
{
    size_t taken = 0;

    difference->count = 0;
    for (size_t i = 0; i < a->count; i++) {
        unsigned int first = a->ranges[i].first;
        const unsigned int last = a->ranges[i].last;

        while (taken < b->count && b->ranges[taken].last < first)
            taken++;
        for (size_t j = taken; j < b->count && b->ranges[j].first <= last; j++) {
            if (b->ranges[j].first > first)
                add_range(difference, first, b->ranges[j].first - 1);
            first = b->ranges[j].last + 1;
        }
        if (first <= last)
            add_range(difference, first, last);
    }
}

bool idlist_is_subset(const struct idlist *inner, const struct idlist *outer)
{
    struct idlist outside = {0};

    idlist_subtract(&outside, inner, outer);
    const bool subset = outside.count == 0;
    idlist_free(&outside);
    return subset;
}

bool idlist_begins(const struct idlist *list, const struct idlist *start)
{
    struct idlist rest = {0};

    idlist_subtract(&rest, list, start);
    const bool begins =
        idlist_is_subset(start, list) &&
        (start->count == 0 || rest.count == 0 ||
         rest.ranges[0].first > start->ranges[start->count - 1].last);
    idlist_free(&rest);
    return begins;
}
