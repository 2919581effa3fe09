#include "numa_maps.h"

#include "files.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char PATH[] = "/proc/self/numa_maps";

/* show_numa_map() has 64 bytes for a policy, and cuts what is longer. */
enum { LONGEST_POLICY = 63 };

/* The words of mpol_to_str(), and ours. A word before what it begins with. */
static const struct {
    const char *word;
    const char *mode;
} MODES[] = {
    {"weighted interleave", "weighted-interleave"},
    {"interleave", "interleave"},
    {"prefer (many)", "preferred"},
    {"prefer", "preferred"},
    {"bind", "bind"},
    {"local", "local"},
    {"default", "default"},
};

/* Of MPOL_MODE_FLAGS. Before Linux 6.13 balancing leaves nothing behind its mark. */
static const char *const FLAGS[] = {"",          "static",           "relative",
                                    "balancing", "static|balancing", "relative|balancing"};

static bool starts_with(const char *text, size_t length, const char *start)
{
    return strlen(start) <= length && memcmp(text, start, strlen(start)) == 0;
}

static bool is_flags(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof FLAGS / sizeof *FLAGS; i++)
        if (strlen(FLAGS[i]) == length && memcmp(text, FLAGS[i], length) == 0)
            return true;
    return false;
}

/* What is behind the last comma of a list that was cut may be half a number. */
static size_t whole_ids(const char *list, size_t length)
{
    const char *comma = memrchr(list, ',', length);

    return comma == NULL ? 0 : (size_t)(comma - list);
}

/* The nodes behind a mode: "", ":0-1", "=static:0,2". */
static bool parse_nodes(struct task_policy *policy, const char *text, size_t length, bool is_cut)
{
    const char *colon = memchr(text, ':', length);
    const size_t before = colon == NULL ? length : (size_t)(colon - text);
    char error[IDLIST_ERROR_SIZE];

    if (before > 0 && (text[0] != '=' || !is_flags(text + 1, before - 1)))
        return false;
    const bool named = strcmp(policy->mode, "default") != 0 && strcmp(policy->mode, "local") != 0;
    if (colon == NULL)
        return !named;
    policy->is_cut = is_cut;
    const size_t rest = length - before - 1;
    const size_t whole = is_cut ? whole_ids(colon + 1, rest) : rest;
    return named && (is_cut || whole > 0) &&
           idlist_parse(&policy->nodes, colon + 1, whole, error);
}

static bool parse_policy(struct task_policy *policy, const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (starts_with(text, length, MODES[i].word)) {
            const size_t word = strlen(MODES[i].word);

            policy->mode = MODES[i].mode;
            return parse_nodes(policy, text + word, length - word, length == LONGEST_POLICY);
        }
    return false;
}

/* The line of the stack: every process has one, and its policy is the process's own. Other
 * mappings may have another: mbind(2) gives them one, and tmpfs the files on it. In names of files
 * the kernel writes blanks as \040. */
static const char *stack_policy(const char *maps, size_t *length)
{
    static const char MARK[] = " stack";

    for (const char *line = maps; line != NULL && *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *blank = memchr(line, ' ', (size_t)(end - line));
        const char *mark = blank == NULL
                               ? NULL
                               : memmem(blank, (size_t)(end - blank), MARK, sizeof MARK - 1);
        const char *after = mark == NULL ? NULL : mark + sizeof MARK - 1;

        if (after != NULL && mark > blank && (after == end || *after == ' ')) {
            *length = (size_t)(mark - blank - 1);
            return blank + 1;
        }
        line = *end == '\0' ? end : end + 1;
    }
    return NULL;
}

static void parse_maps(struct task_policy *policy, const char *maps)
{
    size_t length = 0;
    const char *text = stack_policy(maps, &length);

    if (text == NULL) {
        policy->why_unknown = text_format("%s has no line of the stack", PATH);
    } else if (!parse_policy(policy, text, length)) {
        idlist_free(&policy->nodes);
        policy->mode = NULL;
        policy->is_cut = false;
        policy->why_unknown =
            text_format("%s says \"%.*s\", which is no policy that is known", PATH,
                        length < 64 ? (int)length : 64, text);
    }
}

void task_policy_read(struct task_policy *policy, const char *root)
{
    char *maps = file_read(root, PATH);

    *policy = (struct task_policy){0};
    if (maps != NULL)
        parse_maps(policy, maps);
    else if (file_is_absent(errno))
        policy->why_unknown = text_format("this kernel has no %s", PATH);
    else
        policy->why_unknown = text_format("%s cannot be read: %s", PATH, strerror(errno));
    free(maps);
}

uint64_t numa_maps_pages(uintptr_t start, unsigned int node)
{
    char *maps = file_read("", PATH);
    char *begin = text_format("%08" PRIxPTR " ", start);
    char *key = text_format("N%u=", node);
    char *line = maps == NULL ? NULL : file_value(maps, begin);
    uint64_t pages = 0;

    if (line != NULL)
        file_number(line, key, &pages);
    free(line);
    free(key);
    free(begin);
    free(maps);
    return pages;
}

void task_policy_free(struct task_policy *policy)
{
    idlist_free(&policy->nodes);
    free(policy->why_unknown);
    *policy = (struct task_policy){0};
}

char *task_policy_text(const char *mode, const struct idlist *nodes)
{
    char *list = idlist_format(nodes);
    char *text = nodes->count == 0 ? text_format("%s", mode)
                                   : text_format("%s on NUMA node%s %s", mode,
                                                 plural(idlist_size(nodes)), list);

    free(list);
    return text;
}
