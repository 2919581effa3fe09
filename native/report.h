/* The check's findings as one JSON object that fits a container's termination message. */
#ifndef NUMALOCAL_REPORT_H
#define NUMALOCAL_REPORT_H

#include "bandwidth.h"
#include "limit.h"
#include "idlist.h"
#include "numa_maps.h"
#include "probe.h"
#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kubelet cuts a termination message at 4096 bytes, and cut JSON is no JSON. */
enum { REPORT_SIZE = 4096 };

struct rank_report {
    const struct idlist *cpus;
    const struct idlist *mems; /* where its memory is, by the plan */
    unsigned int numa_node;    /* of its CPUs */
    uint64_t memory_bytes;    /* asked for; 0: nothing, written null */
    uint64_t available_bytes; /* on all its nodes, which ranks may share */
    bool has_available;       /* false: there is no such node; written null */
};

struct report {
    const struct idlist *cpus; /* what the kernel says, not what was planned */
    const struct idlist *mems;
    const struct rank_report *ranks;
    size_t rank_count;
    struct memory_limit limit;
    struct probe mempolicy;
    const struct task_policy *policy;
    bool overflowed;           /* its own nodes cannot hold it: pages are on several in turn */
    struct bandwidth overflow; /* what that costs */
    struct sentences problems; /* these refuse it */
    struct sentences unbound;  /* these BestEffort lets pass; none of both: verified */
    struct sentences notes;    /* what is good to know, and refuses nothing */
    const char *verified_message;
};

bool report_is_verified(const struct report *report);

/* Writes the object, one line with its newline, and returns its length, at most REPORT_SIZE.
 * What would not fit is shortened (texts end in "...", lists lose their end) and the object says
 * "truncated":true. */
size_t report_format(const struct report *report, char json[static REPORT_SIZE + 1]);

/* Writes all of it. False with errno. */
bool report_write(int file, const char *json, size_t length);

/* Writes to `path`, or to the container's termination log where there is one when path is NULL.
 * False: it could not, and has said so. */
bool report_publish(const char *json, size_t length, const char *path);

#endif
