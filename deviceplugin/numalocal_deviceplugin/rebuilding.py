"""The runtime's full list of pods and containers -> the ledger, at each connection to it."""

from collections.abc import Iterable
from dataclasses import replace

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.tenant import Tenant


def rebuilt(
    pods: Iterable[Pod],
    containers: Iterable[tuple[Pod, Container]],
    before: Ledger,
) -> Ledger:
    """Make the ledger of a runtime's full list.

    In it nobody claims anything but what the same container did `before`: it was judged when it was
    created, and what the kubelet listed last may be older than it.
    """
    sandboxes: dict[str, list[Pod]] = {}
    for pod in pods:
        sandboxes.setdefault(pod.uid, []).append(pod)
    tenants = {
        uid: Tenant(pod=some[-1], sandboxes=frozenset(one.id for one in some))
        for uid, some in sandboxes.items()
    }
    live: dict[str, dict[str, Container]] = {}
    claims: dict[str, dict[str, Assignment]] = {}
    for pod, container in containers:
        if container.live:
            live.setdefault(pod.uid, {})[container.id] = container
            was = before.tenants.get(pod.uid, tenants[pod.uid])
            claims.setdefault(pod.uid, {}).update(was.claim_of(container))
            tenants[pod.uid] = replace(
                tenants[pod.uid],
                pod=pod,
                sandboxes=frozenset({pod.id}),
                claims=claims[pod.uid],
                containers=live[pod.uid],
            )
    return Ledger(tenants)
