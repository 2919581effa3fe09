"""Device ids -> which to prefer, and the assignment that a container gets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from numalocal import names
from numalocal.engines.compute import thread_variables
from numalocal.errors import SetsUnavailable
from numalocal.machine.model import Machine
from numalocal.sets.assignment import MAX_SETS, Assignment
from numalocal.sets.cpusets import CpuSet
from numalocal.sets.pools import Preference
from numalocal.sets.preference import prefer
from numalocal.sets.setstate import why_not
from numalocal_deviceplugin.deviceids import sets_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What the kubelet puts into a container for its devices.

    The annotation is the container's, seen by the container runtime alone; the kubelet repeats it
    at every restart of the container, so nobody has to remember the assignment.
    """

    assignment: Assignment
    environment: Mapping[str, str]
    annotations: Mapping[str, str]


def preferred_ids(
    sets: Sequence[CpuSet],
    available: Iterable[str],
    *,
    must_include: Iterable[str],
    size: int,
    machine: Machine,
    placement: Preference,
) -> tuple[str, ...]:
    """Choose `size` of the available ids, laid over NUMA nodes as the pool says.

    Raises:
        UnknownDevice: where an id is none of the sets'.
        SetsUnavailable: where fewer than `size` are available.
    """
    chosen = prefer(
        sets_named(sets, dict.fromkeys(available)),
        must_include=sets_named(sets, dict.fromkeys(must_include)),
        size=size,
        machine=machine,
        placement=placement,
    )
    return tuple(one.id for one in chosen)


def assign(sets: Sequence[CpuSet], ids: Iterable[str], machine: Machine) -> Assignment:
    """Turn the ids that somebody chose, in any order, into an assignment.

    Raises:
        UnknownDevice: where an id is none of the sets'.
        SetsUnavailable: where CPUs of a set have gone offline since it was chosen, or where one
            container is to have none, one twice, or more sets than its annotation may.
    """
    chosen = sets_named(sets, ids)
    if not chosen or len({one.id for one in chosen}) < len(chosen):
        raise SetsUnavailable(
            f"{len(chosen)} CPU sets are asked for by one container, which must be different ones, "
            "one at least"
        )
    assignment = Assignment.of(chosen)
    if len(assignment.sets) > MAX_SETS:
        raise SetsUnavailable(
            f"{len(assignment.sets)} CPU sets are asked for by one container, which can have "
            f"{MAX_SETS}; ask for fewer, or have them cut larger by the pool's size"
        )
    for one in assignment.sets:
        if one.missing:
            raise SetsUnavailable(
                f"device {one.id}: {why_not(one, machine)}; bring it online, or delete the pod so "
                "that it gets other CPU sets"
            )
    return assignment


def answer(pool: str, assignment: Assignment, machine: Machine) -> Allocation:
    """Say in the kubelet's terms what a container gets for its sets of a pool."""
    return Allocation(
        assignment=assignment,
        environment={**assignment.environment(), **thread_variables(assignment, machine)},
        annotations={names.assignment(pool): assignment.to_json()},
    )
