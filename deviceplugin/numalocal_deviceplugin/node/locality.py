"""The proof of locality: who holds CPU sets, and what of their memory is beside their CPUs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from numalocal.idset import IdSet, union
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.binding import reached
from numalocal_deviceplugin.correcting import Cpuset
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.node import table
from numalocal_deviceplugin.node.table import Sample
from numalocal_deviceplugin.node.usage import Cpu, Usage
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.thisnode import Node

MOST_SHOWN: Final = 256
"""Containers: twice as many as a kubelet runs pods by default; a series costs everybody."""
_MOST_NODES: Final = 64
_NAME_LENGTH: Final = 253
"""The longest name that Kubernetes allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A live container that has CPU sets; `assignment` is what is online of them.

    `mems` are the NUMA nodes that it may use, `local` those that its memory is asked from.
    """

    names: tuple[str, str, str]
    container: Container
    assignment: Assignment
    mems: IdSet
    local: IdSet


def bound(node: Node) -> tuple[Bound, ...]:
    """List who has CPU sets, by namespace, pod and container.

    Of two with the same names the later one counts: a pod that was deleted by force may still run
    beside its successor, and no two series may have the same labels.
    """
    found = {}
    for pod, container in node.ledger.containers:
        claim = node.ledger.tenants[pod.uid].claims.get(container.name)
        if claim is not None:
            names = (_clipped(pod.namespace), _clipped(pod.name), _clipped(container.name))
            assignment = claim.on(node.machine.online)
            mems, local = _memory_nodes(pod, container, assignment, node)
            found[names] = Bound(
                names=names, container=container, assignment=assignment, mems=mems, local=local
            )
    return tuple(found[names] for names in sorted(found))


def _memory_nodes(
    pod: Pod, container: Container, assignment: Assignment, node: Node
) -> tuple[IdSet, IdSet]:
    """Give the nodes that it may use, and those asked for; its sets' own where it asks nonsense."""
    try:
        found = reached(pod, container, assignment, node)
    except BindingRefused:
        return assignment.mems, assignment.mems
    return found.mems, union(found.rank_mems)


def ranks(one: Bound) -> Iterator[Sample]:
    """Say which CPU set and NUMA node each rank has."""
    for rank, owned in enumerate(one.assignment.sets):
        labels = (*one.names, str(rank), owned.id, str(owned.numa_node))
        yield Sample(table.RANK_CPUS, labels, len(owned.cpus))


def used(one: Bound, usage: Usage) -> Iterator[Sample]:
    """Say what a container uses; what was not read is left out."""
    if usage.cpuset is not None:
        yield _drifted(one, usage.cpuset)
    yield from _memory(one, usage)
    if usage.cpu is not None:
        yield from _cpu(one, usage.cpu)
    for (resource, kind), stalled_s in usage.stalled_s.items():
        yield Sample(table.STALLED, (*one.names, resource, kind), stalled_s)


def _drifted(one: Bound, now: Cpuset) -> Sample:
    """Say whether a container may use anything else than what is online of its CPU sets."""
    return Sample(table.DRIFTED, one.names, now != Cpuset(one.assignment.cpus, one.mems))


def _memory(one: Bound, usage: Usage) -> Iterator[Sample]:
    shown = sorted(usage.memory_bytes.items())[:_MOST_NODES]
    for node, size in shown:
        yield Sample(table.MEMORY, (*one.names, str(node)), size)
    if everywhere := sum(usage.memory_bytes.values()):
        local = sum(usage.memory_bytes.get(node, 0) for node in one.local)
        yield Sample(table.LOCAL, one.names, local / everywhere)


def _cpu(one: Bound, cpu: Cpu) -> Iterator[Sample]:
    yield Sample(table.CPU_SECONDS, one.names, cpu.used_s)
    yield Sample(table.PERIODS, one.names, cpu.periods)
    yield Sample(table.THROTTLED_PERIODS, one.names, cpu.throttled_periods)
    yield Sample(table.THROTTLED_SECONDS, one.names, cpu.throttled_s)


def _clipped(name: str) -> str:
    return name[:_NAME_LENGTH]
