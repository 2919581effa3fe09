/* Which system calls of NUMA memory policies this process may make. */
#ifndef NUMALOCAL_PROBE_H
#define NUMALOCAL_PROBE_H

/* Denied: EPERM, as of the seccomp profile of most container runtimes. Unavailable: ENOSYS, of a
 * kernel without NUMA, an emulation, or another seccomp profile. */
enum access { ACCESS_ALLOWED, ACCESS_DENIED, ACCESS_UNAVAILABLE };

struct probe {
    enum access get;     /* get_mempolicy */
    enum access set;     /* set_mempolicy */
    enum access mbind;   /* mbind */
    enum access migrate; /* migrate_pages */
    enum access move;    /* move_pages */
};

/* Makes each call so that it changes nothing. */
struct probe probe_mempolicy(void);

/* "allowed", "denied", "unavailable". */
const char *access_name(enum access access);

#endif
