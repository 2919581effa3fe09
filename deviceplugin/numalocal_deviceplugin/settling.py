"""What a ledger's live containers claim: their annotations and the kubelet's list -> the ledger.

Needed where containers were created while the agent was away, and as long as some of them could not
be judged: the kubelet was silent, or the CPUs were another pod's still.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin import assigning
from numalocal_deviceplugin.assigning import assignment_of
from numalocal_deviceplugin.errors import AgentError, BindingRefused, KubeletSilent
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import (
    CONFIG_SOURCE,
    Container,
    Pod,
    bound_containers,
    has_assignment,
    subject,
    where,
)
from numalocal_deviceplugin.refusals import Refusal, reason_of
from numalocal_deviceplugin.thisnode import Node

Listing = Mapping[tuple[str, str], frozenset[str]]
"""What the kubelet lists: (namespace, pod) -> device ids of ours, none for most pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`refused` are live containers that have not what they say or should have, by id.

    `undecided` are the ids of those that are left as they are until the kubelet tells.
    """

    ledger: Ledger
    refused: Mapping[str, Refusal]
    undecided: frozenset[str]


def settled(node: Node, listing: Listing | None) -> Settled:
    """Let every live container that has no claim yet make its own; `listing` None = not known.

    Where two pods have an assignment to the same CPUs, the one that runs on them already holds
    them, then the one that the kubelet lists for them.
    """
    if listing is not None and not is_whole(listing, node.ledger):
        listing = None
    ledger, refused, undecided = node.ledger, dict[str, Refusal](), set[str]()
    for pod, container in sorted(
        _unclaimed(ledger), key=lambda pair: _rank(pair[0], pair[1], listing)
    ):
        try:
            given = _believed(pod, container, node, listing)
            if given is not None:
                ledger = ledger.claim(pod, container, given)
        except KubeletSilent:
            undecided.add(container.id)
        except Exception as error:
            refused[container.id] = _refusal(pod, container, error)
    if listing is not None:
        ledger = _with_listed(ledger, node, listing)
    return Settled(ledger=ledger, refused=refused, undecided=frozenset(undecided))


def _refusal(pod: Pod, container: Container, error: Exception) -> Refusal:
    message = str(error)
    if not isinstance(error, AgentError):
        message = f"{where(pod, container)}: it cannot be judged ({type(error).__name__})"
    return Refusal(
        reason=reason_of(error),
        message=message,
        subject=subject(pod, container),
    )


def _unclaimed(ledger: Ledger) -> Iterable[tuple[Pod, Container]]:
    return (
        (pod, container)
        for pod, container in ledger.containers
        if (has_assignment(container) or container.name in bound_containers(pod))
        and container.name not in ledger.tenants[pod.uid].claims
    )


def _rank(pod: Pod, container: Container, listing: Listing | None) -> tuple[bool, bool, bool]:
    """Sort those first that sit on their own CPUs, then those that the kubelet lists."""
    try:
        given = assigning.told(pod, container)
    except Exception:
        given = None
    if given is None:
        return True, True, True
    of_pod = (listing or {}).get((pod.namespace, pod.name), frozenset())
    return False, not _sits(container, given), not all(one.id in of_pod for one in given.sets)


def _sits(container: Container, given: Assignment) -> bool:
    return bool(container.cpus) and container.cpus <= given.cpus


def _believed(
    pod: Pod, container: Container, node: Node, listing: Listing | None
) -> Assignment | None:
    """Find out what a container that lives already is to have.

    Its own annotation is believed while the kubelet is silent, and where it sits on these very CPUs
    though nobody vouches for them any more: it came by no other way.
    """

    def devices_of(namespace: str, name: str) -> Iterable[str]:
        if listing is None:
            raise KubeletSilent(f"pod {namespace}/{name}: the kubelet has not listed its devices")
        return sorted(listing.get((namespace, name), frozenset()))

    try:
        return assignment_of(pod, container, node, devices_of)
    except (KubeletSilent, BindingRefused) as error:
        given = assigning.told(pod, container)
        if given is None or (isinstance(error, BindingRefused) and not _sits(container, given)):
            raise
        return given


def _with_listed(ledger: Ledger, node: Node, listing: Listing) -> Ledger:
    sets = node.partition.by_id
    for uid, tenant in ledger.tenants.items():
        ids = listing.get((tenant.pod.namespace, tenant.pod.name), frozenset())
        known = [sets[one] for one in ids if one in sets]
        ledger = ledger.listed(uid, Assignment.of(known) if known else None)
    return ledger


def is_whole(listing: Listing, ledger: Ledger) -> bool:
    """Tell whether the kubelet knows its pods yet: the API server's come to it some time later.

    One that has just started lists none of them, or for as long as the API server is away only
    those that it finds on its disk.  The agent's own pod is always one that it must know.
    """
    due = [
        (one.pod.namespace, one.pod.name)
        for one in ledger.tenants.values()
        if one.pod.annotations.get(CONFIG_SOURCE) == "api"
    ]
    return not due or any(one in listing for one in due)


def contested(node: Node, listing: Listing, before: Ledger) -> Mapping[str, str]:
    """Name the sets whose CPUs a pod holds for which the kubelet does not list them: id -> why.

    `before` is the ledger from before the kubelet was asked: it may have given a set since.
    """
    found: dict[str, str] = {}
    for uid, tenant in node.ledger.tenants.items():
        if uid not in before.tenants or before.tenants[uid].cpus != tenant.cpus:
            continue
        listed = listing.get((tenant.pod.namespace, tenant.pod.name), frozenset())
        for one in node.partition.sets:
            if one.id not in listed and not one.present.isdisjoint(tenant.cpus):
                found[one.id] = (
                    f"CPU {one.present & tenant.cpus} is still held by pod "
                    f"{tenant.pod.namespace}/{tenant.pod.name}, for which the kubelet does not "
                    "list it; the set is given out again when that pod has gone"
                )
    return found
