"""What a machine can do: bandwidth between NUMA nodes, rate by threads; measured and as a table."""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from numalocal.engines import openmp
from numalocal.engines.compute import rule
from numalocal.errors import LaunchFailed
from numalocal.host import binder
from numalocal.idset import IdSet
from numalocal.machine.model import Machine, NumaNode

_DONE = re.compile(r"\bdone\b.*\btokens_per_s=(\S+) gb_per_s=(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """What all cores of one node read from the memory of another, in 10^9 bytes per second."""

    cpu_node: int
    memory_node: int
    gb_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Decoded tokens per second of so many threads on one node, each on its own core and not."""

    threads: int
    bound: float
    unbound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One run of the example engine: where, with what memory, and how many threads.

    `cpus` None = not bound at all.
    """

    title: str
    cpus: IdSet | None
    memory_node: int | None
    threads: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run printed at its end."""

    tokens_per_s: float
    gb_per_s: float


def computing_cpus(machine: Machine, node: NumaNode) -> IdSet:
    """Give one CPU of each core of a node, that which the architecture computes on."""
    highest = rule(machine.architecture).highest
    online = [core.cpus & machine.allowed for core in machine.cores_of(node.id)]
    return IdSet(max(cpus) if highest else cpus.first for cpus in online if cpus)


def bandwidth_steps(machine: Machine) -> Iterator[tuple[int, int, Step]]:
    """Plan a run of every node's cores on every node's memory: CPU node, memory node, run."""
    memories = [
        node.id
        for node in machine.nodes
        if node.id in machine.allowed_nodes and node.memory_bytes != 0
    ]
    for node in machine.nodes:
        cpus = computing_cpus(machine, node)
        for memory in memories if cpus else ():
            title = f"node {node.id} reads node {memory}"
            yield (
                node.id,
                memory,
                Step(title=title, cpus=cpus, memory_node=memory, threads=len(cpus)),
            )


def scaling_steps(machine: Machine) -> Iterator[tuple[int, Step, Step]]:
    """Plan runs with 1, 2, 4 ... all cores of the first node: threads, bound and unbound."""
    node = next(node for node in machine.nodes if computing_cpus(machine, node))
    cpus = list(computing_cpus(machine, node))
    for threads in thread_counts(len(cpus)):
        own = IdSet(cpus[:threads])
        bound = Step(title=f"{threads} bound", cpus=own, memory_node=node.id, threads=threads)
        unbound = Step(title=f"{threads} unbound", cpus=None, memory_node=None, threads=threads)
        yield threads, bound, unbound


def thread_counts(most: int) -> tuple[int, ...]:
    """Give 1, 2, 4 ... and the most itself."""
    doubled = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return (*doubled, most)


def run(binder_path: Path, step: Step, *, weights: str, seconds: float) -> Rate:
    """Run the example engine once.

    Raises:
        LaunchFailed: where it cannot be started or says no rate, with what it said.
    """
    engine = ("numalocal-decode", "--weights", weights, "--seconds", f"{seconds:g}")
    command: Sequence[str] = engine
    environment = binder.environment(binder_path, {"OMP_NUM_THREADS": str(step.threads)})
    if step.cpus is not None:
        mems = None if step.memory_node is None else IdSet.of([step.memory_node])
        command = binder.exec_command(binder_path, step.cpus, mems, engine)
        environment |= openmp.threads("gnu", step.cpus)
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


def table(bandwidths: Sequence[Bandwidth], scalings: Sequence[Scaling]) -> str:
    """Show both measurements."""
    memories = sorted({one.memory_node for one in bandwidths})
    by_nodes = {(one.cpu_node, one.memory_node): one.gb_per_s for one in bandwidths}
    lines = ["GB/s read by all cores of a node, from the memory of another"]
    heading = "".join(f"node {node}".rjust(10) for node in memories)
    lines.append(f"  {'':12}{heading}")
    for cpu_node in sorted({one.cpu_node for one in bandwidths}):
        cells = "".join(f"{by_nodes[cpu_node, memory]:>10.1f}" for memory in memories)
        lines.append(f"  cores of {cpu_node:<3}{cells}")
    lines += ["", "tokens/s of the example engine by threads"]
    lines.append(f"  {'threads':>8}{'bound':>10}{'unbound':>10}{'bound/unbound':>15}")
    for one in scalings:
        ratio = f"{one.bound / one.unbound:.2f}" if one.unbound else "-"
        lines.append(f"  {one.threads:>8}{one.bound:>10.1f}{one.unbound:>10.1f}{ratio:>15}")
    return "\n".join(lines)


def document(bandwidths: Sequence[Bandwidth], scalings: Sequence[Scaling]) -> Mapping[str, object]:
    """Describe both measurements."""
    return {
        "bandwidth": [
            {"cpu_node": one.cpu_node, "memory_node": one.memory_node, "gb_per_s": one.gb_per_s}
            for one in bandwidths
        ],
        "scaling": [
            {"threads": one.threads, "bound": one.bound, "unbound": one.unbound} for one in scalings
        ],
    }
