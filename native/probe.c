#include "probe.h"

#include "die.h"
#include "masks.h"
#include "status.h"

#include <errno.h>
#include <numaif.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

const char *access_name(enum access access)
{
    static const char *const names[] = {
        [ACCESS_ALLOWED] = "allowed",
        [ACCESS_DENIED] = "denied",
        [ACCESS_UNAVAILABLE] = "unavailable",
    };

    return names[access];
}

/* Any other error is the kernel's opinion on the arguments: it has looked at them. */
static enum access access_of(long result)
{
    if (result >= 0)
        return ACCESS_ALLOWED;
    if (errno == ENOSYS)
        return ACCESS_UNAVAILABLE;
    return errno == EPERM || errno == EACCES ? ACCESS_DENIED : ACCESS_ALLOWED;
}

/* Sets again what is set; the default where that cannot be read, as check takes no memory after
 * this that would matter. */
static void probe_policy(struct probe *probe)
{
    struct bitmask *mask = mask_of_nodes(&(struct idlist){0});
    int mode = MPOL_DEFAULT;

    probe->get = access_of(get_mempolicy(&mode, mask->maskp, mask->size + 1, NULL, 0));
    if (probe->get == ACCESS_ALLOWED && numa_bitmask_weight(mask) > 0)
        probe->set = access_of(set_mempolicy(mode, mask->maskp, mask->size + 1));
    else
        probe->set = access_of(set_mempolicy(mode, NULL, 0));
    numa_bitmask_free(mask);
}

/* A page of its own gets the default policy, and goes where it is. */
static void probe_page(struct probe *probe)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *pages[] = {page};
    int node = -1;
    int moved = -1;

    if (page == MAP_FAILED)
        die_errno("check: cannot map a page");
    page[0] = 1;
    probe->mbind = access_of(mbind(page, size, MPOL_DEFAULT, NULL, 0, 0));
    probe->move = access_of(move_pages(0, 1, pages, NULL, &node, 0));
    if (probe->move == ACCESS_ALLOWED && node >= 0)
        probe->move = access_of(move_pages(0, 1, pages, &node, &moved, MPOL_MF_MOVE));
    munmap(page, size);
}

/* From one allowed node to the same: the kernel refuses others with EPERM. */
static void probe_migration(struct probe *probe)
{
    struct idlist node = {0};
    struct status status;

    status_read(&status, "");
    if (status.mems_allowed.count > 0)
        idlist_append(&node, status.mems_allowed.ranges[0].first);
    struct bitmask *mask = mask_of_nodes(&node);
    probe->migrate = access_of(migrate_pages(0, mask->size + 1, mask->maskp, mask->maskp));
    numa_bitmask_free(mask);
    idlist_free(&node);
    status_free(&status);
}

struct probe probe_mempolicy(void)
{
    struct probe probe = {0};

    probe_policy(&probe);
    probe_page(&probe);
    probe_migration(&probe);
    return probe;
}
