"""What can be done with a CPU set now: one answer for planner, picture and document."""

from collections.abc import Container
from enum import Enum

from numalocal.machine.model import Machine
from numalocal.sets.cpusets import CpuSet


class SetState(Enum):
    """Whether a set can be given, or why not; the value is how documents write it."""

    FREE = "free"
    USED = "used"
    OFFLINE = "offline"
    NOT_ALLOWED = "not allowed"


def state(one: CpuSet, machine: Machine, used: Container[str] = ()) -> SetState:
    """Tell a set's state; `used` holds the ids of those that somebody has.

    OFFLINE is a set without a core that it needs.  NOT_ALLOWED is one with a CPU or a memory node
    that this process may not use.
    """
    if one.id in used:
        return SetState.USED
    if one.missing:
        return SetState.OFFLINE
    if one.cpus <= machine.allowed and one.memory_nodes <= machine.allowed_nodes:
        return SetState.FREE
    return SetState.NOT_ALLOWED


def why_not(one: CpuSet, machine: Machine) -> str:
    """Say why nobody can have a set, as the rest of a sentence; empty where it can be had."""
    match state(one, machine):
        case SetState.OFFLINE if offline := one.missing & machine.offline:
            return f"CPU {offline} is offline"
        case SetState.OFFLINE:
            return f"CPU {one.missing} stays shared for one that is offline"
        case SetState.NOT_ALLOWED if forbidden := one.cpus - machine.allowed:
            return f"CPU {forbidden} is not allowed"
        case SetState.NOT_ALLOWED:
            nodes = one.memory_nodes - machine.allowed_nodes
            return f"memory of node {nodes} is not allowed"
        case _:
            return ""
