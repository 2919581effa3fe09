/* One process per rank, from its start to the end of the last one. */
#ifndef NUMALOCAL_RANKS_H
#define NUMALOCAL_RANKS_H

#include "relay.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ranks {
    pid_t *pids; /* 0: ended */
    size_t count;
    size_t running;
    struct sink sinks[2];    /* standard output and error; the first alone where both are one */
    struct stream *streams;  /* two for each rank; all closed where there is one rank */
    int signals;             /* a signalfd */
    sigset_t inherited_mask; /* for the ranks */
    int status;              /* of the first that failed; 0 until then */
    uint64_t kill_at_ms;     /* 0: nothing to kill */
    bool asked_to_end;       /* all have got SIGTERM, and as long as its sender gives them */
};

/* Blocks the signals that are forwarded, and makes room for so many ranks. */
void ranks_prepare(struct ranks *ranks, size_t count);

/* Forks. In the rank itself 0: its output goes to its streams and it dies with its parent. */
pid_t ranks_fork(struct ranks *ranks, size_t number);

/* Waits for all, and answers the exit status: of the first that failed (128 and the signal, if it
 * was one), or 0. Forwards signals. Where one fails the others get SIGTERM, and SIGKILL later,
 * unless SIGTERM was forwarded before: a second one makes many programs drop what they are
 * finishing. Frees everything. */
int ranks_wait(struct ranks *ranks);

#endif
