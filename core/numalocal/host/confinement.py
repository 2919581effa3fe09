"""Hold replicas on their CPUs: claimed between runs, and in a cgroup where one can be made."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from numalocal.errors import LaunchFailed, SetsUnavailable
from numalocal.host import cgroups
from numalocal.host.cgroups import Cgroup
from numalocal.host.claims import Claims
from numalocal.host.placement import Placement
from numalocal.idset import IdSet, union

Placements = tuple[Placement, ...]
_TRIES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """Replicas, the cgroup of each, if any, and what binds them, as people are told."""

    placements: Placements
    groups: Sequence[Cgroup | None]
    bound_by: str


def claimed(claims: Claims, allowed: IdSet, place: Callable[[IdSet], Placements]) -> Placements:
    """Place on CPUs that no other run holds, and hold them; `place` is told what is held.

    Raises:
        SetsUnavailable: where that does not suffice.
    """
    for _ in range(_TRIES):
        placements = place(claims.taken(allowed))
        if claims.take(union(one.assignment.cpus for one in placements)):
            return placements
    raise SetsUnavailable(f"other runs took the free CPUs first, {_TRIES} times: try again")


@contextmanager
def confined(
    name: str, placements: Placements, unconfined: Callable[[], Placements]
) -> Iterator[Confinement]:
    """Make a cgroup for every replica and remove them at the end.

    Where one is refused there is none, and what is told for that case is asked for.
    """
    groups: list[Cgroup] = []
    try:
        if why := cgroups.obstacle(os.getuid()) or _obstacle_met(name, placements, groups):
            bound_by = f"the process itself (no cgroup: {why})"
            others = unconfined()
            yield Confinement(placements=others, groups=[None] * len(others), bound_by=bound_by)
        else:
            folder = groups[0].path.parent if groups else cgroups.ROOT
            bound_by = f"a cgroup of its own, {folder}"
            yield Confinement(placements=placements, groups=groups, bound_by=bound_by)
    finally:
        _remove(groups)


def _obstacle_met(name: str, placements: Placements, groups: list[Cgroup]) -> str:
    """Add a cgroup for every replica; says why where one is refused, and then leaves none."""
    cgroups.remove_stale()
    try:
        for one in placements:
            own = f"{name}-{one.replica}-{os.getpid()}"
            groups.append(Cgroup(own, one.assignment.cpus, one.reach.mems))
    except LaunchFailed as error:
        _remove(groups)
        return str(error)
    return ""


def _remove(groups: list[Cgroup]) -> None:
    while groups:
        groups.pop().remove()
