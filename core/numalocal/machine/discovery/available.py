"""How much memory of each node is available now, counted as `numalocal-bind check` counts it."""

from typing import Final

from numalocal.machine.discovery.findings import Findings
from numalocal.machine.model import Machine
from numalocal.machine.sysfs import NODE, Sysfs

_AVAILABLE: Final = ("MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
"""What is free, and what the kernel gives back when it is asked."""


def read_available(sysfs: Sysfs, machine: Machine) -> dict[int, int]:
    """Read each node's meminfo, at most what is usable of it; nodes that do not tell are left out.

    A node that is alone has what /proc/meminfo says: that of a virtual machine which grows may
    tell less.
    """
    found = {}
    for node in machine.nodes:
        told = Findings().read(sysfs.meminfo, f"{NODE}/node{node.id}/meminfo") or {}
        available = sum(told.get(name, 0) for name in _AVAILABLE) if "MemFree" in told else None
        if len(machine.nodes) == 1:
            whole = Findings().read(sysfs.meminfo, "proc/meminfo") or {}
            available = whole.get("MemAvailable", available)
        if available is not None and node.memory_bytes is not None:
            found[node.id] = min(available, node.usable_memory_bytes)
    return found
