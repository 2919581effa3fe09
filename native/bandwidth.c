#include "bandwidth.h"

#include "caches.h"
#include "readers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of one way of reading, for all threads together. */
static const uint64_t LEAST_BYTES = (uint64_t)32 << 20;
static const uint64_t MOST_BYTES = (uint64_t)1 << 30;

/* Of a page of one node so many lie between two of another at most: of each page of a page table,
 * which has 512, 8 are used then. */
enum { LONGEST_MS = 2000, LONGEST_TURN = 64 };

/* Twice what the caches hold: of what is read again nothing is left in them. 0: there is no room,
 * or nobody knows the caches. */
static uint64_t bytes_to_read(const struct idlist *cpus, uint64_t room_bytes)
{
    const uint64_t caches = caches_last_level_bytes("", cpus);
    const uint64_t bytes = caches < LEAST_BYTES / 2 ? LEAST_BYTES : 2 * caches;

    /* Both ways have their own, and half of the room is left. */
    return caches == 0 || bytes > MOST_BYTES || bytes > room_bytes / 4 ? 0 : bytes;
}

static bool is_short(size_t count, const size_t *weights)
{
    size_t turn = 0;

    for (size_t i = 0; i < count; i++)
        turn += weights[i];
    return turn <= LONGEST_TURN;
}

static _Noreturn void measure(int to, const struct idlist *cpus, const struct idlist *nodes,
                              const size_t *weights, uint64_t bytes)
{
    struct team *team = readers_place(cpus, nodes, weights, bytes);

    if (team == NULL || !readers_run(team))
        _exit(EXIT_FAILURE);
    const struct bandwidth found = {
        .measured = true,
        .interleaved_bytes_per_s = readers_bytes_per_s(team, INTERLEAVED),
        .near_bytes_per_s = readers_bytes_per_s(team, NEAR),
    };
    const ssize_t written = write(to, &found, sizeof found);
    _exit(written == (ssize_t)sizeof found ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Whatever becomes of the process, the check goes on. */
static void await_result(struct bandwidth *found, pid_t pid, int from)
{
    struct pollfd result = {.fd = from, .events = POLLIN};
    struct bandwidth got = {0};

    if (poll(&result, 1, LONGEST_MS) == 1 && read(from, &got, sizeof got) == (ssize_t)sizeof got)
        *found = got;
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

struct bandwidth bandwidth_measure(const struct idlist *cpus, const struct idlist *nodes,
                                   const size_t *weights, uint64_t room_bytes)
{
    const uint64_t bytes = bytes_to_read(cpus, room_bytes);
    struct bandwidth found = {0};
    int ends[2];

    if (bytes == 0 || !is_short(idlist_size(nodes), weights) || pipe(ends) != 0)
        return found;
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        measure(ends[1], cpus, nodes, weights, bytes);
    }
    close(ends[1]);
    if (pid > 0)
        await_result(&found, pid, ends[0]);
    close(ends[0]);
    return found;
}
