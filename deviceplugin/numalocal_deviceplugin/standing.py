"""Everything that is not served on this node now, and why: the facts -> refusals."""

from collections.abc import Iterator, Mapping
from enum import Enum

from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement
from numalocal.sets.setstate import why_not
from numalocal_deviceplugin.asking import takes_less
from numalocal_deviceplugin.binding import place
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import (
    Container,
    Pod,
    has_assignment,
    requires_agent,
    subject,
    unserved,
    was_born_bound,
    where,
)
from numalocal_deviceplugin.refusals import Reason, Refusal
from numalocal_deviceplugin.thisnode import Node


class Policy(Enum):
    """The kubelet's CPU manager policy, as far as it matters: whether it pins."""

    UNKNOWN = "unknown"
    NONE = "none"
    STATIC = "static"


POLICY_UNKNOWN = Refusal(
    reason=Reason.POLICY_UNKNOWN,
    message="the kubelet has not told yet whether it pins CPUs itself; until it has, no CPU set is "
    "given out and no container is adjusted",
)
POLICY_STATIC = Refusal(
    reason=Reason.POLICY_STATIC,
    message="this node's kubelet pins CPUs itself (CPU manager policy static), and two pinners "
    "must not fight: no CPU set is given out and no container is adjusted; set cpuManagerPolicy: "
    "none in the kubelet's configuration, delete cpu_manager_state and restart the kubelet",
)
RUNTIME_AWAY = Refusal(
    reason=Reason.RUNTIME_AWAY,
    message="the container runtime's NRI is not there, without which nothing can be bound; enable "
    'it (containerd 1.7: plugins."io.containerd.nri.v1.nri" disable = false) and mount its '
    "socket directory",
)


NOT_ENFORCED = Refusal(
    reason=Reason.NOT_ENFORCED,
    message="the container runtime's NRI is not there: CPU sets are given out all the same, as the "
    "agent has --enforcement=BestEffort, and nothing but a worker's own image can bind to "
    'them; to have them bound, enable NRI (containerd 1.7: plugins."io.containerd.nri.v1.nri" '
    "disable = false) and mount its socket directory",
)


def of_node(policy: Policy, enforcement: Enforcement, *, binds: bool) -> Iterator[Refusal]:
    """Say why the node gives nothing out, as far as kubelet and container runtime are concerned.

    And what it gives all the same, where it may without the runtime.
    """
    if policy is Policy.UNKNOWN:
        yield POLICY_UNKNOWN
    elif policy is Policy.STATIC:
        yield POLICY_STATIC
    if not binds:
        yield RUNTIME_AWAY if enforcement is Enforcement.REQUIRED else NOT_ENFORCED


def of_sets(node: Node, contested: Mapping[str, str]) -> Iterator[Refusal]:
    """Say of every set that cannot be given out now why."""
    for one in node.partition.sets:
        if one.missing:
            why = f"{why_not(one, node.machine)}; bring it online to have the set again"
            yield Refusal(reason=Reason.SET_OFFLINE, message=why, subject=one.id)
        elif one.id in contested:
            yield Refusal(reason=Reason.SET_CONTESTED, message=contested[one.id], subject=one.id)


def of_containers(node: Node, refused: Mapping[str, Refusal]) -> Iterator[Refusal]:
    """Say of every live container that has not what it is to have why."""
    for pod, container in node.ledger.containers:
        claim = node.ledger.tenants[pod.uid].claims.get(container.name)
        if container.id in refused:
            yield refused[container.id]
        elif error := unserved(pod, container):
            named = subject(pod, container)
            yield Refusal(reason=Reason.NOT_BOUND, message=str(error), subject=named)
        elif claim is not None:
            yield from _of_bound(pod, container, claim, node)


def started_unbound(ledger: Ledger) -> frozenset[str]:
    """Give the ids of live containers that have CPU sets and were created without the agent.

    Those whose pods take less than they ask for are left out.
    """
    return frozenset(
        container.id
        for pod, container in ledger.containers
        if container.name in ledger.tenants[pod.uid].claims and _is_unbound(pod, container)
    )


def required_in_vain(ledger: Ledger) -> bool:
    """Tell whether a live container was created without the agent though its pod requires it."""
    return any(
        requires_agent(pod) and has_assignment(container) and not was_born_bound(container)
        for pod, container in ledger.containers
    )


def _is_unbound(pod: Pod, container: Container) -> bool:
    born_without = has_assignment(container) and not was_born_bound(container)
    return born_without and not takes_less(pod)


def _of_bound(pod: Pod, container: Container, claim: Assignment, node: Node) -> Iterator[Refusal]:
    named = subject(pod, container)
    try:
        place(pod, container, claim, node)
    except BindingRefused as error:
        yield Refusal(reason=Reason.NOT_BOUND, message=str(error), subject=named)
    if _is_unbound(pod, container):
        yield Refusal(
            reason=Reason.STARTED_UNBOUND,
            message=f"{where(pod, container)}: it was created while the agent was away, and will "
            "never have its engine's variables; delete the pod so that it is made again",
            subject=named,
        )
