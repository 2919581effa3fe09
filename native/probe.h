/* Which system calls of NUMA memory policies this process may make. */
#ifndef NUMALOCAL_PROBE_H
#define NUMALOCAL_PROBE_H

/* Denied: EPERM, as of the seccomp profile of most container runtimes. Unavailable: ENOSYS, of a
 * kernel without NUMA, an emulation, or another seccomp profile. */
enum permission { PERMISSION_ALLOWED, PERMISSION_DENIED, PERMISSION_UNAVAILABLE };

struct probe {
    enum permission get;     /* get_mempolicy */
    enum permission set;     /* set_mempolicy */
    enum permission mbind;   /* mbind */
    enum permission migrate; /* migrate_pages */
    enum permission move;    /* move_pages */
};

/* Makes each call so that it changes nothing. */
struct probe probe_mempolicy(void);

/* "allowed", "denied", "unavailable". */
const char *permission_name(enum permission permission);

#endif
