"""Which live containers are not on the CPUs that they should be on: node -> corrections."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from numalocal.idset import IdSet
from numalocal_deviceplugin.binding import Binding, kept
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.thisnode import Node


class Cpuset(NamedTuple):
    """CPUs and memory nodes of a cgroup."""

    cpus: IdSet
    mems: IdSet


class Correction(NamedTuple):
    """A live container, what it is bound to and what it should be bound to."""

    pod: Pod
    container: Container
    now: Cpuset
    binding: Binding

    @property
    def moves_memory(self) -> bool:
        """Whether memory moves with it, which takes seconds for gigabytes."""
        moves = self.now.mems != self.binding.mems
        return self.container.runs and bool(self.binding.mems) and moves

    @property
    def at_once(self) -> "Correction":
        """What of it can be done without moving memory."""
        if not self.moves_memory:
            return self
        return self._replace(binding=replace(self.binding, mems=IdSet()))


def corrections(
    node: Node,
    *,
    undecided: Collection[str] = (),
    seen: Mapping[str, Cpuset] | None = None,
    others: bool = True,
) -> tuple[Correction, ...]:
    """Compare all live containers but the undecided with what they should be bound to.

    `seen` is what the kernel says, by container id; without it what the runtime was told counts.
    `others` are those without CPU sets.
    CPUs that are offline count for nothing: the kernel leaves them out by itself.
    """
    needed: list[Correction] = []
    for pod, container in node.ledger.containers:
        claim = node.ledger.tenants[pod.uid].claims.get(container.name)
        if container.id in undecided or (claim is None and not others):
            continue
        binding = kept(pod, container, claim, node)
        now = (seen or {}).get(container.id) or Cpuset(container.cpus, container.mems)
        if binding is not None and not _right(now, binding, node, is_other=claim is None):
            needed.append(Correction(pod=pod, container=container, now=now, binding=binding))
    return tuple(needed)


def taken_back(node: Node, claimed: IdSet) -> tuple[Correction, ...]:
    """List the containers that use CPUs which a pod has claimed just now: they were lent."""
    if node.barred or not node.others:
        return ()
    lost, apart = frozenset(claimed), frozenset.isdisjoint  # the fastest that there is
    narrow = Binding(cpus=node.others, mems=IdSet(), environment={})
    return tuple(
        Correction(
            pod=pod,
            container=container,
            now=Cpuset(container.cpus, container.mems),
            binding=narrow,
        )
        for pod, container in node.ledger.containers
        if not apart(container.cpus or node.machine.online, lost)
        and container.name not in node.ledger.tenants[pod.uid].claims
        and pod.namespace not in node.left_alone
    )


def _right(now: Cpuset, binding: Binding, node: Node, *, is_other: bool) -> bool:
    """Tell whether a cpuset is right; that of others may be unset, which is all that is online."""
    online = node.machine.online
    cpus = now.cpus & online or (online if is_other and not now.cpus else now.cpus)
    return cpus == binding.cpus and (not binding.mems or now.mems == binding.mems)
