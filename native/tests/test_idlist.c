/* Unit tests of the id lists, in TAP. */
#include "idlist.h"

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

/* Parses a list that must be good. */
static struct idlist list_of(const char *text)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist list = {0};

    if (!idlist_parse(&list, text, strlen(text), error)) {
        printf("Bail out! \"%s\" is refused: %s\n", text, error);
        exit(EXIT_FAILURE);
    }
    return list;
}

static void writes(const char *text, const char *wanted, const char *what)
{
    struct idlist list = list_of(text);
    char *written = idlist_format(&list);

    ok(strcmp(written, wanted) == 0, what);
    if (strcmp(written, wanted) != 0)
        printf("# \"%s\" became \"%s\", not \"%s\"\n", text, written, wanted);
    free(written);
    idlist_free(&list);
}

static void refuses(const char *text, const char *wanted, const char *what)
{
    char error[IDLIST_ERROR_SIZE] = "";
    struct idlist list = {0};
    const bool parsed = idlist_parse(&list, text, strlen(text), error);

    ok(!parsed && strcmp(error, wanted) == 0 && list.count == 0, what);
    if (parsed || strcmp(error, wanted) != 0)
        printf("# \"%s\" said \"%s\", not \"%s\"\n", text, error, wanted);
    idlist_free(&list);
}

static void subtracts(const char *a, const char *b, const char *wanted, const char *what)
{
    struct idlist left = list_of(a);
    struct idlist right = list_of(b);
    struct idlist difference = {0};

    idlist_subtract(&difference, &left, &right);
    char *written = idlist_format(&difference);
    ok(strcmp(written, wanted) == 0, what);
    ok(idlist_is_subset(&left, &right) == (wanted[0] == '\0'), "and a subset leaves nothing");
    free(written);
    idlist_free(&difference);
    idlist_free(&right);
    idlist_free(&left);
}

static void test_reading(void)
{
    writes("", "", "nothing is the empty set");
    writes("0", "0", "one id");
    writes("2-3,8", "2-3,8", "the kernel's own form comes back as it was");
    writes("3,1,2,1", "1-3", "order and repeats do not matter");
    writes("0-4,2-3,4-9", "0-9", "ranges that overlap are joined");
    writes("0-1,2-3", "0-3", "ranges that touch are joined");
    writes("5-5", "5", "a range of one id is one id");
    writes("007", "7", "zeros in front are nothing");
    writes("0,64,70,1024-2047", "0,64,70,1024-2047", "ids beyond a word and beyond 1024");
    writes("8191", "8191", "the largest id");
    writes("0-8191", "0-8191", "every id at once");
}

static void test_refusing(void)
{
    refuses(",", "a number is missing at character 1", "a comma alone");
    refuses("1,", "a number is missing at character 3", "a comma at the end");
    refuses("1,,2", "a number is missing at character 3", "two commas");
    refuses("-1", "a number is missing at character 1", "a minus in front");
    refuses("1-", "a number is missing at character 3", "half a range");
    refuses("1-2-3", "character 4 is neither digit, - nor ,", "a range of three");
    refuses("5-3", "the range 5-3 runs backwards", "a range that runs backwards");
    refuses("0-8:2", "character 4 is neither digit, - nor ,", "a stride");
    refuses("1 2", "character 2 is neither digit, - nor ,", "a blank");
    refuses(" 1", "a number is missing at character 1", "a blank in front");
    refuses("0x1", "character 2 is neither digit, - nor ,", "another base");
    refuses("all", "a number is missing at character 1", "a word");
    refuses("8192", "the number at character 1 is above 8191", "an id too large");
    refuses("99999999999999999999", "the number at character 1 is above 8191",
            "a number beyond any integer");
}

static void test_length(void)
{
    char error[IDLIST_ERROR_SIZE];
    struct idlist list = {0};

    ok(idlist_parse(&list, "2-3|6-7", 3, error) && idlist_size(&list) == 2 &&
           !idlist_contains(&list, 6),
       "no character behind the length is read");
    idlist_free(&list);
}

static void test_sets(void)
{
    subtracts("0-7", "2-3", "0-1,4-7", "a hole in the middle");
    subtracts("0-7", "0-7", "", "a set less itself");
    subtracts("2-3", "0-7", "", "an inner set");
    subtracts("0-3,8-11", "2-9", "0-1,10-11", "across two ranges");
    subtracts("0-9", "1,3,5,7,9", "0,2,4,6,8", "every other id");
    subtracts("0-8191", "0-8190", "8191", "up to the last id");
    subtracts("", "1", "", "nothing less something");
    subtracts("1", "", "1", "something less nothing");
}

static void test_building(void)
{
    struct idlist list = {0};
    struct idlist other = list_of("2-4");

    idlist_append(&list, 0);
    idlist_append(&list, 1);
    idlist_append(&list, 3);
    ok(list.count == 2 && idlist_size(&list) == 3, "appended ids join the range they follow");
    ok(idlist_contains(&list, 1) && !idlist_contains(&list, 2), "a hole is no member");
    ok(!idlist_equal(&list, &other), "other ids are another set");
    idlist_free(&other);
    other = list_of("3,0-1");
    ok(idlist_equal(&list, &other), "the same ids are the same set");
    idlist_free(&other);
    idlist_free(&list);
}

int main(void)
{
    test_reading();
    test_refusing();
    test_length();
    test_sets();
    test_building();
    printf("1..%d\n", tests);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
