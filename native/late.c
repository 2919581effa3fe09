#include "late.h"

#include "cgroup.h"
#include "files.h"
#include "text.h"

#include <stdlib.h>

static bool read_own(const struct cgroup *cgroup, const char *root, const char *name,
                     struct idlist *list)
{
    char *path = text_format("%s/%s", cgroup->folder, name);
    const bool good = file_idlist(root, path, list) && list->count > 0;

    free(path);
    return good;
}

bool late_binding(struct idlist *cpus, struct idlist *mems, const char *root)
{
    struct sentences findings = {0};
    struct cgroup cgroup;

    *cpus = (struct idlist){0};
    *mems = (struct idlist){0};
    /* In version 1 the files are never empty: they begin as the parent's. */
    const bool bound = cgroup_find(&cgroup, root, "cpuset", &findings) && cgroup.version == 2 &&
                       read_own(&cgroup, root, "cpuset.cpus", cpus) &&
                       read_own(&cgroup, root, "cpuset.mems", mems);
    cgroup_free(&cgroup);
    sentences_free(&findings);
    return bound;
}
