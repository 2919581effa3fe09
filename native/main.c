/* numalocal-bind: picks the command. */
#include "commands.h"
#include "die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "Usage:\n"
    "  numalocal-bind exec [OPTION...] -- COMMAND [ARGUMENT...]\n"
    "  numalocal-bind run [--policy NAME] [--openmp NAME] -- COMMAND [ARGUMENT...]\n"
    "  numalocal-bind check [--wait SECONDS] [--root DIR] [--report FILE]\n"
    "  numalocal-bind --help | --version\n"
    "\n"
    "exec binds this process, reads back that the kernel did it, and becomes COMMAND.\n"
    "  --cpus LIST    run on these CPUs, such as 2-3,8\n"
    "  --mems LIST    take memory from these NUMA nodes\n"
    "  --policy NAME  how to use the nodes: bind (the default), preferred, interleave,\n"
    "                 weighted-interleave (Linux 6.9; evenly where the kernel has no weights)\n"
    "                 or none; of a rank NUMALOCAL_MEMORY_POLICY is the default\n"
    "  --migrate      also move the memory that this process has taken before; COMMAND begins\n"
    "                 with none of it, so this is for what outlives that, as pages of files\n"
    "  --rank N       take CPUs and nodes from part N of NUMALOCAL_RANK_CPUS and\n"
    "                 NUMALOCAL_RANK_MEMS, and set NUMALOCAL_RANK\n"
    "  --rank-from VARIABLE\n"
    "                 the same with N from a variable, such as OMPI_COMM_WORLD_LOCAL_RANK\n"
    "  --openmp NAME  with NUMALOCAL_RANK_COMPUTE_CPUS, put one thread of the rank on each of\n"
    "                 these CPUs, in the variables of one runtime: auto (the default), gnu,\n"
    "                 llvm, intel, or none for a number of threads only; auto is what\n"
    "                 LD_PRELOAD names, then what COMMAND is linked to, then OMP_PLACES and\n"
    "                 OMP_PROC_BIND; what you have set stands\n"
    "  Where seccomp denies memory policies one line on standard error says so, and COMMAND runs.\n"
    "  Exit status: COMMAND's; 125 not bound, 126 COMMAND cannot be run, 127 not found.\n"
    "\n"
    "run starts COMMAND once for each rank of the plan in NUMALOCAL_CPUS, NUMALOCAL_MEMS,\n"
    "NUMALOCAL_RANKS, NUMALOCAL_RANK_CPUS and NUMALOCAL_RANK_MEMS, each as exec --rank N does.\n"
    "  With two ranks or more every line of their output begins with [rank N], and rank 0 alone\n"
    "  has the standard input. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed\n"
    "  on to all. Where one rank fails the others get SIGTERM, and SIGKILL after 10 s.\n"
    "  Exit status: of the rank that failed first, 128 and the signal if it was one; 0 if all\n"
    "  succeeded; 125 to 127 as exec.\n"
    "\n"
    "check compares this container with the plan in NUMALOCAL_CPUS, NUMALOCAL_MEMS,\n"
    "NUMALOCAL_RANKS, NUMALOCAL_RANK_CPUS, NUMALOCAL_RANK_MEMS and, if set,\n"
    "NUMALOCAL_MEMORY_PER_RANK_BYTES, NUMALOCAL_MEMORY_POLICY and\n"
    "NUMALOCAL_MEMORY_POLICY_NODES: its CPUs, its NUMA nodes, the memory policy that it was\n"
    "created with, the memory of its nodes and the memory limits of its cgroups. With\n"
    "NUMALOCAL_ENFORCEMENT=BestEffort (it is Required by default) a container that is not bound\n"
    "as planned is told and not refused; memory that does not fit is. With\n"
    "NUMALOCAL_MEMORY_OVERFLOW=1 it measures for 2 s at most how fast memory is that lies on\n"
    "several nodes in turn, and that of the near node. It tries which calls of memory\n"
    "policies are allowed, and changes nothing. It prints one JSON object.\n"
    "  --report FILE  write the object here too; by default to /dev/termination-log, if there is\n"
    "                 one\n"
    "  --root DIR     read /proc and /sys below DIR\n"
    "  --wait SECONDS\n"
    "                 look again for as long, at most 3600, while the CPUs or nodes are not the\n"
    "                 plan's, or there is none: the agent may come back and bind the container.\n"
    "                 It cannot tell a container that runs its plan any more, so then the plan is\n"
    "                 what the container's own cgroup was set to. SIGTERM and SIGINT end the wait\n"
    "  Exit status: 0 verified or let pass, 1 refused, 125 the plan cannot be read, or the object\n"
    "  could not be written to both the file and the standard output.\n";

static int print(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return EXIT_SUCCESS;
    die_errno("cannot write to standard output");
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("no command: write exec, run or check; see numalocal-bind --help");
    if (strcmp(argv[1], "exec") == 0)
        return exec_command(argc - 1, argv + 1);
    if (strcmp(argv[1], "run") == 0)
        return run_command(argc - 1, argv + 1);
    if (strcmp(argv[1], "check") == 0)
        return check_command(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        return print("numalocal-bind " NUMALOCAL_VERSION "\n");
    if (strcmp(argv[1], "--help") == 0)
        return print(USAGE);
    die("unknown command %.60s: write exec, run or check; see numalocal-bind --help", argv[1]);
}
