#include "probe.h"

#include "die.h"
#include "masks.h"
#include "status.h"

#include <errno.h>
#include <numaif.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

const char *permission_name(enum permission permission)
{
    static const char *const names[] = {
        [PERMISSION_ALLOWED] = "allowed",
        [PERMISSION_DENIED] = "denied",
        [PERMISSION_UNAVAILABLE] = "unavailable",
    };

    return names[permission];
}

/* Any other error is the kernel's opinion on the arguments: it has looked at them. */
static enum permission permission_of(long result)
{
    if (result >= 0)
        return PERMISSION_ALLOWED;
    if (errno == ENOSYS)
        return PERMISSION_UNAVAILABLE;
    return errno == EPERM || errno == EACCES ? PERMISSION_DENIED : PERMISSION_ALLOWED;
}

static enum permission probe_get(void)
{
    int mode = MPOL_DEFAULT;

    return permission_of(get_mempolicy(&mode, NULL, 0, NULL, 0));
}

/* Sets again what is set, and the default where that cannot be read. */
static enum permission probe_set(void)
{
    struct bitmask *mask = mask_of_nodes(&(struct idlist){0});
    int mode = MPOL_DEFAULT;

    const long got = get_mempolicy(&mode, mask->maskp, mask->size + 1, NULL, 0);
    if (got == 0 && numa_bitmask_weight(mask) > 0)
        return permission_of(set_mempolicy(mode, mask->maskp, mask->size + 1));
    return permission_of(set_mempolicy(mode, NULL, 0));
}

/* Of its own, and touched: else it is nowhere. */
static void *new_page(size_t size)
{
    char *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        die_errno("check: cannot map a page");
    page[0] = 1;
    return page;
}

static enum permission probe_mbind(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);

    return permission_of(mbind(new_page(size), size, MPOL_DEFAULT, NULL, 0, 0));
}

/* To the node where it is. */
static enum permission probe_move(void)
{
    void *pages[] = {new_page((size_t)sysconf(_SC_PAGESIZE))};
    int node = -1;
    int moved = -1;

    const enum permission permission = permission_of(move_pages(0, 1, pages, NULL, &node, 0));
    if (permission != PERMISSION_ALLOWED || node < 0)
        return permission;
    return permission_of(move_pages(0, 1, pages, &node, &moved, MPOL_MF_MOVE));
}

/* From one allowed node to the same: the kernel refuses others with EPERM. */
static enum permission probe_migrate(void)
{
    struct idlist node = {0};
    struct status status;

    status_read(&status, "");
    if (status.mems_allowed.count > 0)
        idlist_append(&node, status.mems_allowed.ranges[0].first);
    struct bitmask *mask = mask_of_nodes(&node);
    return permission_of(migrate_pages(0, mask->size + 1, mask->maskp, mask->maskp));
}

/* In a process of its own: some seccomp profiles end who makes a denied call. */
static enum permission ask(enum permission (*probe)(void))
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit((int)probe());
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die_errno("check: cannot wait for its own process");
    if (pid < 0)
        die_errno("check: cannot start a process");
    if (WIFSIGNALED(status))
        return PERMISSION_DENIED;
    if (WEXITSTATUS(status) > PERMISSION_UNAVAILABLE)
        _exit(EXIT_OURS); /* it has said why */
    return (enum permission)WEXITSTATUS(status);
}

struct probe probe_mempolicy(void)
{
    return (struct probe){
        .get = ask(probe_get),
        .set = ask(probe_set),
        .mbind = ask(probe_mbind),
        .migrate = ask(probe_migrate),
        .move = ask(probe_move),
    };
}
