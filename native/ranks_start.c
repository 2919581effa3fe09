/* The start of the ranks: their pipes, their signals, what they must not inherit. */
#include "die.h"
#include "ranks.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a standard file is closed the next pipe would become it. */
static void open_standard_files(void)
{
    int file = -1;

    do
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (file >= 0 && file <= STDERR_FILENO);
    close(file);
}

static bool same_file(int a, int b)
{
    struct stat left;
    struct stat right;

    return fstat(a, &left) == 0 && fstat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* SIGPIPE is blocked too: a reader that went away is an error of write(2). */
static void block_signals(struct ranks *ranks)
{
    static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGCHLD};
    sigset_t mask;

    signal(SIGCHLD, SIG_DFL); /* ignored, as some parents leave it, there is nothing to wait for */
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
        sigaddset(&mask, forwarded[i]);
    ranks->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    sigaddset(&mask, SIGPIPE);
    if (ranks->signals < 0 || sigprocmask(SIG_BLOCK, &mask, &ranks->inherited_mask) != 0)
        die_errno("run: cannot take signals");
}

void ranks_prepare(struct ranks *ranks, size_t count)
{
    open_standard_files();
    *ranks = (struct ranks){
        .pids = allocate(NULL, count, sizeof *ranks->pids),
        .count = count,
        .sinks = {{.file = STDOUT_FILENO}, {.file = STDERR_FILENO}},
        .streams = allocate(NULL, 2 * count, sizeof *ranks->streams),
    };
    /* Of one file there is one sink, or a long line would have the other's in it. */
    const bool one = same_file(STDOUT_FILENO, STDERR_FILENO);
    for (size_t i = 0; i < count; i++)
        ranks->pids[i] = 0;
    for (size_t i = 0; i < 2 * count; i++)
        ranks->streams[i] = (struct stream){.file = -1, .sink = &ranks->sinks[one ? 0 : i % 2]};
    block_signals(ranks);
}

static int open_stream(struct stream *stream, size_t number)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        die_errno("run: cannot take the output of rank %zu", number);
    stream->file = ends[0];
    stream->prefix = text_format("[rank %zu] ", number);
    return ends[1];
}

/* One terminal or file cannot be read by all: the first rank has it. */
static void become_rank(const struct ranks *ranks, size_t number, pid_t parent,
                        const int outputs[2])
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        die_errno("run: cannot tie rank %zu to this process", number);
    if (getppid() != parent)
        _exit(EXIT_OURS); /* it was gone before that */
    for (int i = 0; i < 2; i++)
        if (outputs[i] >= 0 && dup2(outputs[i], STDOUT_FILENO + i) < 0)
            die_errno("run: cannot take the output of rank %zu", number);
    if (number > 0) {
        const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
            die_errno("run: cannot open /dev/null for rank %zu", number);
    }
    sigprocmask(SIG_SETMASK, &ranks->inherited_mask, NULL);
}

pid_t ranks_fork(struct ranks *ranks, size_t number)
{
    const pid_t parent = getpid();
    int outputs[2] = {-1, -1};

    for (size_t i = 0; i < 2 && ranks->count > 1; i++)
        outputs[i] = open_stream(&ranks->streams[2 * number + i], number);
    const pid_t pid = fork();
    if (pid < 0)
        die_errno("run: cannot start rank %zu", number);
    if (pid == 0) {
        become_rank(ranks, number, parent, outputs);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        if (outputs[i] >= 0)
            close(outputs[i]);
    ranks->pids[number] = pid;
    ranks->running++;
    return pid;
}
