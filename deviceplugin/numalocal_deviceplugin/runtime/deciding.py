"""What a container is bound to that is created or updated now, and what others lose for it."""

from collections.abc import Callable, Iterable
from typing import Final

from numalocal import names
from numalocal.sets.memoryask import BINDER_WORDS
from numalocal_deviceplugin import assigning, binding, correcting
from numalocal_deviceplugin.assigning import DevicesOf
from numalocal_deviceplugin.binding import Binding
from numalocal_deviceplugin.correcting import Correction, Cpuset
from numalocal_deviceplugin.pods import Container, Pod, resident
from numalocal_deviceplugin.state import State

DevicesWithin = Callable[[str, str, float], Iterable[str]]
"""Look up the device ids of a pod by namespace and name within so many seconds."""

LOOKUP_LIMIT_S: Final = 1.0
"""Longest wait for the kubelet; the runtime's own limit is 2 s, after which it starts unbound."""


def create(
    state: State, pod: Pod, container: Container, devices_of: DevicesOf
) -> tuple[Binding | None, tuple[Correction, ...]]:
    """Bind a container, and take its CPUs from those that they were lent to.

    From then on its pod holds them, whatever becomes of the container.

    Raises:
        AgentError: where it must not start; the sentence is for the pod's events.
    """
    node = state.snapshot().node
    given = assigning.assignment_of(pod, container, node, devices_of)
    node = state.admit(pod, container, given).node
    bound = binding.born(pod, container, given, node)
    back = () if given is None else correcting.taken_back(node, given.cpus)
    state.created(pod, _as_born(container, bound), back)
    return bound, back


def update(state: State, pod: Pod, container: Container, asked: Cpuset) -> Binding | None:
    """Keep a container's binding whatever is asked; None = it gets what was asked."""
    now = state.snapshot()
    tenant = now.node.ledger.tenants.get(pod.uid)
    claim = None if tenant is None else tenant.claims.get(container.name)
    bound = binding.kept(pod, container, claim, now.node)
    if container.id in now.facts.undecided:
        bound = None
    left = bound or Binding(cpus=asked.cpus or container.cpus, mems=asked.mems, environment={})
    was = Cpuset(container.cpus, container.mems)
    state.applied([Correction(pod=pod, container=resident(container), now=was, binding=left)])
    return bound


def within(devices_within: DevicesWithin, budget_s: float) -> DevicesOf:
    """Leave half of the runtime's time for everything but the look-up."""
    limit_s = min(LOOKUP_LIMIT_S, budget_s / 2)
    return lambda namespace, name: devices_within(namespace, name, limit_s)


def _as_born(container: Container, bound: Binding | None) -> Container:
    """Give a container as the runtime will have it, with the answer applied."""
    if bound is None:
        return resident(container)
    # Its own variables may hide ours: the answer itself is the proof of how it was born.
    variables = {names.ENV_RANK_COMPUTE_CPUS: ""} if bound.mems else {}
    if bound.policy_nodes:
        variables[names.ENV_MEMORY_POLICY] = BINDER_WORDS[bound.policy]
        variables[names.ENV_MEMORY_POLICY_NODES] = str(bound.policy_nodes)
    born = container._replace(cpus=bound.cpus, mems=bound.mems, variables=variables)
    return resident(born)._replace(live=True, runs=False)
