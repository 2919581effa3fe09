#include "await.h"

#include "die.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 250 };

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The number of a signal that came, or 0. */
static int rest(const sigset_t *ending, uint64_t rest_ms)
{
    const struct timespec time = {(time_t)(rest_ms / 1000), (long)(rest_ms % 1000) * 1000000};
    const int came = sigtimedwait(ending, NULL, &time);

    return came > 0 ? came : 0;
}

/* The variables of a process never change: a plan that cannot be read stays so. */
static bool is_settled(const struct inspection *inspection)
{
    return inspection->bound || inspection->malformed != NULL;
}

static void say_end(const struct inspection *inspection, uint64_t waited_ms, int came)
{
    const double waited_s = (double)waited_ms / 1000;

    if (is_settled(inspection))
        complain("check: bound after %.1f s", waited_s);
    else if (came != 0)
        complain("check: not bound after %.1f s, when SIG%s came", waited_s, sigabbrev_np(came));
    else
        complain("check: not bound after %.1f s", waited_s);
}

void await_binding(struct inspection *inspection, const char *root, unsigned int wait_s)
{
    const uint64_t start_ms = now_ms();
    const uint64_t wait_ms = (uint64_t)wait_s * 1000;
    uint64_t waited_ms = 0;
    sigset_t ending;
    sigset_t before;
    int came = 0;

    inspect(inspection, root, true);
    if (wait_s == 0 || is_settled(inspection))
        return;
    /* Blocked, a signal is kept even for process 1 of a container, which is else spared it. */
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, &before);
    complain("check: this container is not bound: waiting up to %u s for the numalocal agent of "
             "this node",
             wait_s);
    while (came == 0 && waited_ms < wait_ms && !is_settled(inspection)) {
        const uint64_t left_ms = wait_ms - waited_ms;

        came = rest(&ending, left_ms < LOOK_MS ? left_ms : LOOK_MS);
        inspection_free(inspection);
        inspect(inspection, root, true);
        waited_ms = now_ms() - start_ms;
    }
    say_end(inspection, waited_ms, came);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
