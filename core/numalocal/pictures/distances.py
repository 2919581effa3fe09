"""How far NUMA nodes are from each other, as far as a reader can take it in."""

from typing import Final

from numalocal.machine.model import Machine

_NODES: Final = range(2, 9)
"""Of more nodes a table cannot be read; of one there is nothing to tell."""

DistanceRow = tuple[int, tuple[int, ...]]


def rows(machine: Machine) -> tuple[DistanceRow, ...]:
    """Give each node's distances in the order of the nodes; nothing where `even` says it all."""
    return () if even(machine) else _known(machine)


def even(machine: Machine) -> str:
    """Say the distance where all nodes are as far from each other; else nothing."""
    table = _known(machine)
    local = {far[column] for column, (_, far) in enumerate(table)}
    remote = {
        one
        for column, (_, far) in enumerate(table)
        for other, one in enumerate(far)
        if other != column
    }
    if len(local) == len(remote) == 1:
        return f"{min(local)} within a node, {min(remote)} to any other"
    return ""


def _known(machine: Machine) -> tuple[DistanceRow, ...]:
    ids = [node.id for node in machine.nodes]
    if len(ids) not in _NODES or any(set(ids) - set(node.distances) for node in machine.nodes):
        return ()
    return tuple((node.id, tuple(node.distances[one] for one in ids)) for node in machine.nodes)
