"""What a machine can do: bandwidth between NUMA nodes, and rate by threads, measured."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from numalocal.engines import openmp
from numalocal.engines.compute import rule
from numalocal.errors import LaunchFailed
from numalocal.host import binder
from numalocal.host.rates import Bandwidth, Scaling
from numalocal.idset import IdSet
from numalocal.machine.model import Machine, NumaNode

_DONE = re.compile(r"\bdone\b.*\btokens_per_s=(\S+) gb_per_s=(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the example engine: on which CPUs, with what memory, and how many threads.

    `memory_node` None leaves memory where it is touched first; threads that are not `pinned` each
    to a CPU of its own may run on all of them.
    """

    title: str
    cpus: IdSet
    memory_node: int | None
    threads: int
    pinned: bool = True


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run printed at its end."""

    tokens_per_s: float
    gb_per_s: float


Measure = Callable[[Step], Rate]


@dataclass(frozen=True, slots=True)
class BandwidthStep:
    """The run that measures what one node's cores read from the memory of another."""

    cpu_node: int
    memory_node: int
    step: Step

    def measured(self, measure: Measure) -> Bandwidth:
        """Measure it."""
        rate = measure(self.step).gb_per_s
        return Bandwidth(cpu_node=self.cpu_node, memory_node=self.memory_node, gb_per_s=rate)


@dataclass(frozen=True, slots=True)
class ScalingStep:
    """The two runs with so many threads."""

    threads: int
    bound: Step
    unbound: Step

    def measured(self, measure: Measure) -> Scaling:
        """Measure both."""
        bound, unbound = measure(self.bound), measure(self.unbound)
        return Scaling(threads=self.threads, bound=bound.tokens_per_s, unbound=unbound.tokens_per_s)


def computing_cpus(machine: Machine, node: NumaNode) -> IdSet:
    """Give one CPU of each core of a node, that which the architecture computes on."""
    highest = rule(machine.architecture).highest
    online = [core.cpus & machine.allowed for core in machine.cores_of(node.id)]
    return IdSet(max(cpus) if highest else cpus.first for cpus in online if cpus)


def bandwidth_steps(machine: Machine) -> tuple[BandwidthStep, ...]:
    """Plan a run of every node's cores on every node's memory."""
    memories = [
        node.id
        for node in machine.nodes
        if node.id in machine.allowed_nodes and node.memory_bytes != 0
    ]
    return tuple(
        BandwidthStep(
            node.id,
            memory,
            Step(
                title=f"node {node.id} reads node {memory}",
                cpus=cpus,
                memory_node=memory,
                threads=len(cpus),
            ),
        )
        for node in machine.nodes
        if (cpus := computing_cpus(machine, node))
        for memory in memories
    )


def scaling_steps(machine: Machine) -> tuple[ScalingStep, ...]:
    """Plan runs with 1, 2, 4 ... all cores of the first node that has some.

    Unbound threads go where the kernel puts them, on all CPUs that are allowed.
    """
    node = next((node for node in machine.nodes if computing_cpus(machine, node)), None)
    if node is None:
        return ()
    cpus = list(computing_cpus(machine, node))
    return tuple(
        ScalingStep(
            threads,
            Step(
                title=f"{threads} bound",
                cpus=IdSet(cpus[:threads]),
                memory_node=node.id,
                threads=threads,
            ),
            Step(
                title=f"{threads} unbound",
                cpus=machine.allowed,
                memory_node=None,
                threads=threads,
                pinned=False,
            ),
        )
        for threads in thread_counts(len(cpus))
    )


def thread_counts(most: int) -> tuple[int, ...]:
    """Give 1, 2, 4 ... and the most itself."""
    doubled = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return (*doubled, most)


def run(binder_path: Path, step: Step, *, weights: int, seconds: float) -> Rate:
    """Run the example engine once.

    Raises:
        LaunchFailed: where it cannot be started or says no rate, with what it said.
    """
    engine = ("numalocal-decode", "--weights", str(weights), "--seconds", f"{seconds:g}")
    environment = binder.environment(binder_path, {"OMP_NUM_THREADS": str(step.threads)})
    if step.pinned:
        environment |= openmp.threads("gnu", step.cpus)
    mems = None if step.memory_node is None else IdSet.of([step.memory_node])
    command = binder.exec_command(binder_path, step.cpus, mems, engine)
    try:
        done = subprocess.run(  # our own engine
            command, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise LaunchFailed(f"{command[0]}: cannot be started: {error.strerror}") from error
    if match := _DONE.search(done.stdout):
        return Rate(float(match[1]), float(match[2]))
    said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
    raise LaunchFailed(f"{step.title}: {engine[0]} told no rate: {said}")
