"""What one pod holds on this node, and which of its containers live."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from numalocal.idset import IdSet, union
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.pods import Container, Pod


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A pod whose sandbox runs, and what it holds.

    `sandboxes` are ids: a runtime's full list may name one that was stopped beside the one that
    took its place.  `claims` are by container name: what each was bound to, whether it still runs
    or not.  `listed` are CPU sets that the kubelet lists for a pod of which no container told its
    own.  `containers` are those that are not stopped, by id.
    """

    pod: Pod
    sandboxes: frozenset[str]
    claims: Mapping[str, Assignment] = field(default_factory=dict)
    listed: Assignment | None = None
    containers: Mapping[str, Container] = field(default_factory=dict)

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """What it holds, several times where containers share it."""
        return tuple(self.claims.values()) or (() if self.listed is None else (self.listed,))

    @property
    def holds(self) -> bool:
        """Whether it holds any CPUs, as few pods do."""
        return bool(self.claims) or self.listed is not None

    @cached_property
    def cpus(self) -> IdSet:
        """All CPUs that it holds, online or not."""
        return union(one.cpus for one in self.assignments)

    def claim_of(self, container: Container) -> Mapping[str, Assignment]:
        """Give by its name what this very container claims; none where it claims nothing."""
        claim = self.claims.get(container.name)
        known = container.id in self.containers
        return {container.name: claim} if known and claim is not None else {}
