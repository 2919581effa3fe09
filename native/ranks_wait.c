/* The life of the ranks: their output, and signals to them. */
#include "die.h"
#include "ranks.h"
#include "ranks_end.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { SINKS_AT = 1, STREAMS_AT = 3 };

/* What a terminal sends (Ctrl-C) its whole foreground group has got: once is enough. */
static void forward(struct ranks *ranks, const struct signalfd_siginfo *sent)
{
    if (sent->ssi_signo == SIGTERM)
        ranks->asked_to_end = true;
    for (size_t i = 0; i < ranks->count; i++)
        if (ranks->pids[i] != 0 &&
            (sent->ssi_code != SI_KERNEL || getpgid(ranks->pids[i]) != getpgrp()))
            kill(ranks->pids[i], (int)sent->ssi_signo);
}

/* True: a signal came that somebody sent. */
static bool take_signals(struct ranks *ranks)
{
    struct signalfd_siginfo sent;
    bool any = false;

    while (read(ranks->signals, &sent, sizeof sent) == sizeof sent) {
        if (sent.ssi_signo == SIGCHLD) {
            ranks_reap(ranks);
        } else {
            forward(ranks, &sent);
            any = true;
        }
    }
    return any;
}

/* Waits for something to do; writes what can be written. */
static void poll_all(struct ranks *ranks, struct pollfd *polled)
{
    polled[0] = (struct pollfd){.fd = ranks->signals, .events = POLLIN};
    for (size_t i = 0; i < 2; i++)
        polled[SINKS_AT + i] = (struct pollfd){
            .fd = ranks->sinks[i].used > 0 ? ranks->sinks[i].file : -1, .events = POLLOUT};
    for (size_t i = 0; i < 2 * ranks->count; i++)
        polled[STREAMS_AT + i] = (struct pollfd){
            .fd = ranks->streams[i].sink->used < SINK_FULL ? ranks->streams[i].file : -1,
            .events = POLLIN};
    if (poll(polled, (nfds_t)(STREAMS_AT + 2 * ranks->count), ranks_time_left_ms(ranks)) < 0 &&
        errno != EINTR)
        die_errno("run: cannot wait for the ranks");
    for (size_t i = 0; i < 2; i++)
        if (polled[SINKS_AT + i].revents != 0)
            sink_write(&ranks->sinks[i]);
}

int ranks_wait(struct ranks *ranks)
{
    struct pollfd *polled = allocate(NULL, STREAMS_AT + 2 * ranks->count, sizeof *polled);

    while (ranks->running > 0) {
        poll_all(ranks, polled);
        for (size_t i = 0; i < 2 * ranks->count; i++)
            if (polled[STREAMS_AT + i].revents != 0)
                stream_read(&ranks->streams[i]);
        take_signals(ranks);
        ranks_kill_late(ranks);
    }
    for (size_t i = 0; i < 2 * ranks->count; i++)
        stream_close(&ranks->streams[i]);
    ranks->kill_at_ms = 0;
    /* A signal now is for this process alone: it ends the waiting for a reader that sleeps. */
    while (ranks->sinks[0].used + ranks->sinks[1].used > 0 && !take_signals(ranks))
        poll_all(ranks, polled);
    sink_free(&ranks->sinks[0]);
    sink_free(&ranks->sinks[1]);
    close(ranks->signals);
    free(polled);
    free(ranks->streams);
    free(ranks->pids);
    return ranks->status;
}
