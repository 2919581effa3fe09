/* How ranks end, and what that means for the others. */
#include "ranks_end.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

enum { GRACE_MS = 10000 };

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Through the sink, so that no rank's line is cut in two; keeps and frees the text. */
static void say(struct ranks *ranks, char *text)
{
    struct sink *sink = ranks->streams[1].sink;
    char *line = text_format("numalocal-bind: run: %s\n", text);

    sink_add(sink, line, strlen(line));
    free(line);
    free(text);
}

static void send_all(const struct ranks *ranks, int number)
{
    for (size_t i = 0; i < ranks->count; i++)
        if (ranks->pids[i] != 0)
            kill(ranks->pids[i], number);
}

/* What is in the pipe now. No end of file is waited for: a process that the rank left behind may
 * hold the pipe open for ever. */
static void read_rest(struct stream *stream)
{
    int left = 0;

    if (stream->file >= 0 && ioctl(stream->file, FIONREAD, &left) == 0)
        for (size_t got = 1; left > 0 && got > 0; left -= (int)got)
            got = stream_read(stream);
}

/* One rank's own words and status say enough, but a shell is silent on most signals. */
static void say_end(struct ranks *ranks, size_t number, int status, bool stop)
{
    char *how = WIFSIGNALED(status) ? text_format("was ended by signal %d", WTERMSIG(status))
                                    : text_format("exited with %d", WEXITSTATUS(status));

    if (ranks->count > 1 || WIFSIGNALED(status))
        say(ranks, text_format("rank %zu %s%s", number, how,
                               stop ? ": SIGTERM to the others, and SIGKILL in 10 s" : ""));
    free(how);
}

static void take_end(struct ranks *ranks, size_t number, int status)
{
    ranks->pids[number] = 0;
    ranks->running--;
    read_rest(&ranks->streams[2 * number]); /* its last words go before ours */
    read_rest(&ranks->streams[2 * number + 1]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    const bool first = ranks->status == 0;
    const bool stop = first && ranks->running > 0 && !ranks->asked_to_end;
    say_end(ranks, number, status, stop);
    if (first)
        ranks->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (stop) {
        send_all(ranks, SIGTERM);
        ranks->kill_at_ms = now_ms() + GRACE_MS;
    }
}

/* All children: as PID 1 of a container also those that their parents left behind. */
void ranks_reap(struct ranks *ranks)
{
    int status = 0;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < ranks->count; i++)
            if (ranks->pids[i] == pid)
                take_end(ranks, i, status);
}

int ranks_time_left_ms(const struct ranks *ranks)
{
    const uint64_t now = now_ms();

    if (ranks->kill_at_ms == 0)
        return -1;
    return ranks->kill_at_ms > now ? (int)(ranks->kill_at_ms - now) : 0;
}

void ranks_kill_late(struct ranks *ranks)
{
    if (ranks->kill_at_ms == 0 || now_ms() < ranks->kill_at_ms)
        return;
    ranks->kill_at_ms = 0;
    say(ranks, text_format("%zu rank%s still running: SIGKILL", ranks->running,
                           ranks->running == 1 ? " is" : "s are"));
    send_all(ranks, SIGKILL);
}
