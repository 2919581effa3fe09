#include "notes.h"

#include "text.h"

#include <stdlib.h>

static const char *plural(const struct idlist *list)
{
    return idlist_size(list) == 1 ? "" : "s";
}

/* What it costs that a call of the binder's own is not to be had. */
static void note_access(struct problems *notes, const char *call, enum access access,
                        const char *cost)
{
    if (access == ACCESS_ALLOWED)
        return;
    problems_add(notes,
                 text_format("%s is %s here: %s; %s", call, access_name(access), cost,
                             access == ACCESS_DENIED
                                 ? "the container's seccomp profile can allow it"
                                 : "neither this kernel nor a sandbox around it has it"));
}

void notes_mempolicy(struct problems *notes, const struct probe *probe)
{
    note_access(notes, "set_mempolicy", probe->set,
                "memory comes from any node that cpuset.mems allows, and ranks that share nodes "
                "are not kept on their own");
    note_access(notes, "migrate_pages", probe->migrate,
                "pages that were touched before a process was bound stay where they are");
}

void notes_interleaving(struct problems *notes, const struct rank_report *ranks, size_t count,
                        const struct idlist *nodes)
{
    struct idlist interleaved = {0};

    for (unsigned int i = 0; i < count; i++)
        if (ranks[i].interleave)
            idlist_append(&interleaved, i);
    if (interleaved.count > 0) {
        char *numbers = idlist_format(&interleaved);
        char *list = idlist_format(nodes);

        problems_add(notes,
                     text_format("rank%s %s cannot be held by one NUMA node: start with --policy "
                                 "auto, which takes memory from NUMA node%s %s in turn, more "
                                 "slowly",
                                 plural(&interleaved), numbers, plural(nodes), list));
        free(list);
        free(numbers);
    }
    idlist_free(&interleaved);
}
