#include "cgroup.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MOUNTS "/sys/fs/cgroup"

static const char OWN[] = "/proc/self/cgroup";

/* Whether `names`, up to its length, has the controller between its commas. */
static bool has_name(const char *names, size_t length, const char *controller)
{
    const size_t name_length = strlen(controller);

    for (const char *end = names + length; names < end;) {
        const char *comma = memchr(names, ',', (size_t)(end - names));
        const size_t part = (size_t)((comma == NULL ? end : comma) - names);

        if (part == name_length && memcmp(names, controller, part) == 0)
            return true;
        names += part + 1;
    }
    return false;
}

/* One line, ID:CONTROLLERS:PATH. Keeps the path of version 1 with the controller before that of
 * version 2. False: no such line. */
static bool read_line(struct cgroup *cgroup, const char *line, size_t length,
                      const char *controller)
{
    const char *end = line + length;
    const char *controllers = memchr(line, ':', length);
    const char *path = NULL;

    if (controllers != NULL)
        path = memchr(controllers + 1, ':', (size_t)(end - controllers - 1));
    if (path == NULL || path[1] != '/' || end - path > PATH_MAX)
        return false;
    controllers++;
    int version = 0;
    if (cgroup->version == 1)
        return true; /* there is one such line at most */
    if (has_name(controllers, (size_t)(path - controllers), controller))
        version = 1;
    else if (controllers == path)
        version = 2;
    if (version != 0) {
        free(cgroup->folder);
        cgroup->folder = text_format("%.*s", (int)(end - path - 1), path + 1);
        cgroup->version = version;
    }
    return true;
}

static void read_own(struct cgroup *cgroup, const char *root, const char *controller,
                     struct sentences *findings)
{
    char *text = file_read(root, OWN);

    if (text == NULL && !file_is_absent(errno))
        sentences_add(findings, text_format("%s cannot be read: %s", OWN, strerror(errno)));
    for (const char *line = text; line != NULL && *line != '\0';) {
        const size_t length = strcspn(line, "\n");

        if (!read_line(cgroup, line, length, controller)) {
            sentences_add(findings, text_format("%s says \"%.*s\": it must be "
                                                "ID:CONTROLLERS:PATH",
                                                OWN, length < 60 ? (int)length : 60, line));
            break;
        }
        line += length + (line[length] == '\n');
    }
    free(text);
}

/* The folder of MOUNTS that is first in the order of its bytes; NULL: none has it. */
static char *find_joined(const char *root, const char *controller)
{
    char *path = text_format("%s" MOUNTS, root);
    DIR *folder = opendir(path);
    char *first = NULL;

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (has_name(entry->d_name, strlen(entry->d_name), controller) &&
            (first == NULL || strcmp(entry->d_name, first) < 0)) {
            free(first);
            first = text_format("%s", entry->d_name);
        }
    if (folder != NULL)
        closedir(folder);
    free(path);
    return first;
}

static char *find_mount(const char *root, const char *controller, int version)
{
    char *usual = text_format(MOUNTS "/%s", version == 2 ? "unified" : controller);

    if (file_is_folder(root, usual))
        return usual;
    free(usual);
    char *joined = version == 2 ? NULL : find_joined(root, controller);
    char *mount = joined == NULL ? text_format(MOUNTS) : text_format(MOUNTS "/%s", joined);
    free(joined);
    return mount;
}

/* Out of what a cgroup namespace can see: "/../x". */
static bool leads_out(const char *path)
{
    for (const char *dots = path; (dots = strstr(dots, "/..")) != NULL; dots++)
        if (dots[3] == '/' || dots[3] == '\0')
            return true;
    return false;
}

/* The longest tail of the path that is there: a container sees its own files at the mount, and may
 * see the path that they have on the host. NULL: `findings` says what cannot be looked at. */
static char *find_folder(const char *root, const char *mount, const char *path,
                         struct sentences *findings)
{
    for (const char *tail = leads_out(path) ? NULL : path; tail != NULL;
         tail = strchr(tail + 1, '/')) {
        char *folder = text_format("%s%s", mount, tail);

        for (size_t end = strlen(folder); end > 0 && folder[end - 1] == '/'; end--)
            folder[end - 1] = '\0';
        if (file_is_folder(root, folder))
            return folder;
        if (!file_is_absent(errno)) {
            sentences_add(findings, text_format("%s cannot be read: %s", folder, strerror(errno)));
            free(folder);
            return NULL;
        }
        free(folder);
    }
    return text_format("%s", mount);
}

bool cgroup_find(struct cgroup *cgroup, const char *root, const char *controller,
                 struct sentences *findings)
{
    *cgroup = (struct cgroup){0};
    read_own(cgroup, root, controller, findings);
    if (cgroup->version == 0 || findings->count > 0) {
        cgroup_free(cgroup);
        return false;
    }
    char *mount = find_mount(root, controller, cgroup->version);
    char *folder = find_folder(root, mount, cgroup->folder, findings);
    free(cgroup->folder);
    cgroup->folder = folder;
    cgroup->mount_length = strlen(mount);
    free(mount);
    return folder != NULL;
}

bool cgroup_up(struct cgroup *cgroup)
{
    if (strlen(cgroup->folder) <= cgroup->mount_length)
        return false;
    *strrchr(cgroup->folder, '/') = '\0';
    return true;
}

void cgroup_free(struct cgroup *cgroup)
{
    free(cgroup->folder);
    *cgroup = (struct cgroup){0};
}
