"""The CPU sets of a machine as a document: what `numalocal topology -o json` has of them."""

from collections.abc import Container

from numalocal.machine.model import Machine
from numalocal.machine.topology import Document
from numalocal.sets.partition import Partition
from numalocal.sets.setstate import state


def document(machine: Machine, partition: Partition, used: Container[str]) -> Document:
    """Describe the sets, by node and lowest CPU; lists of CPUs and nodes are in list format.

    `state` is free, used, offline or not allowed; only free ones are given.  `used` holds the ids
    of those that somebody has.  `no_sets` is null, and `pool_notes` are what of the pools does not
    suit this machine.
    """
    return {
        "sets": [
            {
                "id": one.id,
                "pool": one.pool,
                "cpus": str(one.cpus),
                "numa_node": one.numa_node,
                "memory_nodes": str(one.memory_nodes),
                "memory_bytes": one.memory_bytes,
                "state": state(one, machine, used).value,
            }
            for one in partition.sets
        ],
        "shared_cpus": str(partition.shared),
        "no_sets": None,
        "pool_notes": list(partition.notes),
    }


def without_sets(machine: Machine, reason: str) -> Document:
    """Describe a machine that gives no set, and say why as `no_sets`."""
    return {"sets": [], "shared_cpus": str(machine.allowed), "no_sets": reason, "pool_notes": []}
