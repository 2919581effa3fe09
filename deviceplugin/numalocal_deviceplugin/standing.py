"""Everything that is not served on this node now, and why: the facts -> refusals."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from numalocal.sets.setstate import why_not
from numalocal_deviceplugin.binding import Node
from numalocal_deviceplugin.errors import AgentError, CpusHeld
from numalocal_deviceplugin.pods import subject, was_born_bound
from numalocal_deviceplugin.refusals import Reason, Refusal


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


def of_node(policy: Policy, *, binds: bool) -> Iterator[Refusal]:
    """Say why the node gives nothing out, as far as kubelet and container runtime are concerned."""
    if policy is Policy.UNKNOWN:
        yield POLICY_UNKNOWN
    elif policy is Policy.STATIC:
        yield POLICY_STATIC
    if not binds:
        yield RUNTIME_AWAY


def of_sets(node: Node, contested: Mapping[str, str]) -> Iterator[Refusal]:
    """Say of every set that cannot be given out now why."""
    for one in node.partition.sets:
        if one.missing:
            why = f"{why_not(one, node.machine)}; bring it online to have the set again"
            yield Refusal(reason=Reason.SET_OFFLINE, message=why, subject=one.id)
        elif one.id in contested:
            yield Refusal(reason=Reason.SET_CONTESTED, message=contested[one.id], subject=one.id)


def of_containers(node: Node, refused: Mapping[str, AgentError]) -> Iterator[Refusal]:
    """Say of every live container that has not what it is to have why."""
    for pod, container in node.ledger.containers():
        if error := refused.get(container.id):
            reason = Reason.CPUS_HELD if isinstance(error, CpusHeld) else Reason.NOT_BOUND
            yield Refusal(reason=reason, message=str(error), subject=subject(pod, container))
        elif container.name in node.ledger.tenants[pod.uid].claims and not was_born_bound(
            container
        ):
            yield Refusal(
                reason=Reason.STARTED_UNBOUND,
                message=f"pod {pod.namespace}/{pod.name}, container {container.name}: it was "
                "created while the agent was away, and will never have its engine's variables; "
                "delete the pod so that it is made again",
                subject=subject(pod, container),
            )


def refusals(
    of_node: Iterable[Refusal],
    node: Node,
    contested: Mapping[str, str],
    refused: Mapping[str, AgentError],
) -> Iterator[Refusal]:
    """List all, the node's own first, then those of sets, then those of containers."""
    yield from of_node
    yield from of_sets(node, contested)
    yield from of_containers(node, refused)
