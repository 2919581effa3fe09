#include "quota.h"

#include "cgroup.h"
#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line; NULL: not there, or a finding. */
static char *read_line(struct cpu_quota *quota, const char *root, const char *path)
{
    char *text = file_read(root, path);

    if (text == NULL && !file_is_absent(errno))
        sentences_add(&quota->findings,
                      text_format("%s cannot be read: %s", path, strerror(errno)));
    if (text != NULL)
        text[strcspn(text, "\n")] = '\0';
    return text;
}

/* "400000 100000"; "max 100000", and of version 1 "-1 100000", are 0. False: no such thing. */
static bool parse_quota(const char *text, uint64_t *quota_us, uint64_t *period_us)
{
    char words[2][24];
    char more = '\0';
    const int count = sscanf(text, "%23s %23s %c", words[0], words[1], &more);

    *quota_us = 0;
    if (count > 0 && (strcmp(words[0], "max") == 0 || strcmp(words[0], "-1") == 0))
        return true;
    return count == 2 && text_parse_number(words[0], quota_us) &&
           text_parse_number(words[1], period_us) && *quota_us > 0 && *period_us > 0;
}

static bool is_tighter(const struct cpu_quota *than, uint64_t quota_us, uint64_t period_us)
{
    return than->file == NULL || (unsigned __int128)quota_us * than->period_us <
                                     (unsigned __int128)than->quota_us * period_us;
}

static void tighten(struct cpu_quota *quota, const char *path, const char *text)
{
    uint64_t quota_us = 0;
    uint64_t period_us = 0;

    if (!parse_quota(text, &quota_us, &period_us)) {
        sentences_add(&quota->findings, text_format("%s says \"%.40s\", which is no quota and its "
                                                    "period in microseconds",
                                                    path, text));
    } else if (quota_us > 0 && is_tighter(quota, quota_us, period_us)) {
        free(quota->file);
        quota->file = text_format("%s", path);
        quota->quota_us = quota_us;
        quota->period_us = period_us;
    }
}

static void read_quota(struct cpu_quota *quota, const char *root, const struct cgroup *cgroup)
{
    const char *name = cgroup->version == 1 ? "cpu.cfs_quota_us" : "cpu.max";
    char *path = text_format("%s/%s", cgroup->folder, name);
    char *text = read_line(quota, root, path);

    if (text != NULL && cgroup->version == 1) {
        char *period_path = text_format("%s/cpu.cfs_period_us", cgroup->folder);
        char *period = read_line(quota, root, period_path);
        char *both = text_format("%s %s", text, period == NULL ? "" : period);

        free(period);
        free(period_path);
        free(text);
        text = both;
    }
    if (text != NULL)
        tighten(quota, path, text);
    free(text);
    free(path);
}

void cpu_quota_read(struct cpu_quota *quota, const char *root)
{
    struct sentences said = {0}; /* of the memory limits already */
    struct cgroup cgroup;

    *quota = (struct cpu_quota){0};
    if (cgroup_find(&cgroup, root, "cpu", &said)) {
        do
            read_quota(quota, root, &cgroup);
        while (cgroup_up(&cgroup));
        cgroup_free(&cgroup);
    }
    sentences_free(&said);
}

char *cpu_quota_note(const struct cpu_quota *quota, size_t threads)
{
    if (quota->file == NULL ||
        quota->quota_us >= (unsigned __int128)quota->period_us * threads)
        return NULL;
    char cpus[32];
    snprintf(cpus, sizeof cpus, "%.2f", (double)quota->quota_us / (double)quota->period_us);
    for (size_t end = strlen(cpus); cpus[end - 1] == '0' || cpus[end - 1] == '.'; end--) {
        const bool point = cpus[end - 1] == '.';

        cpus[end - 1] = '\0';
        if (point)
            break;
    }
    return text_format("the CPU quota of %s CPU%s in %s is less than the %zu compute threads of "
                       "the plan: all stand still for a part of every period; leave out the "
                       "container's CPU limit",
                       cpus, strcmp(cpus, "1") == 0 ? "" : "s", quota->file, threads);
}

void cpu_quota_free(struct cpu_quota *quota)
{
    free(quota->file);
    sentences_free(&quota->findings);
    *quota = (struct cpu_quota){0};
}
