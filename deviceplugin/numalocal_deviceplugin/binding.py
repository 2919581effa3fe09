"""What every container of this node is bound to: pod, container, assignment and node -> Binding.

A CPU set belongs to the container that it was assigned to, and to the containers of the same pod
that the pod names as bound; their pod says from which nodes their memory is taken, and how.  Every
other container gets the node's other CPUs and keeps its memory nodes: taking a node away would move
its memory at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from numalocal import names
from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement, MemoryPolicy
from numalocal.sets.reach import Reach, reach
from numalocal_deviceplugin import asking
from numalocal_deviceplugin.environment import environment
from numalocal_deviceplugin.errors import BindingRefused
from numalocal_deviceplugin.online import online_of
from numalocal_deviceplugin.pods import Container, Pod, unserved, where
from numalocal_deviceplugin.thisnode import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a container gets; `mems` empty = left alone; `environment` holds additions only.

    `policy` is set over `policy_nodes` at its creation; none is where these are empty.
    """

    cpus: IdSet
    mems: IdSet
    environment: Mapping[str, str]
    policy: MemoryPolicy = MemoryPolicy.BIND
    policy_nodes: IdSet = IdSet()  # noqa: RUF009 - immutable


def refuse_unserved(pod: Pod, container: Container, given: Assignment | None, node: Node) -> None:
    """Refuse a new container that is to have CPU sets and does not, or that nobody may bind now.

    Raises:
        BindingRefused: with what to do.
    """
    if refusal := unserved(pod, container):
        raise refusal
    tenant = node.ledger.tenants.get(pod.uid)
    if given is None and tenant is not None and container.name in tenant.claims:
        raise BindingRefused(
            f"{where(pod, container)}: it had CPU {tenant.claims[container.name].cpus}, and the "
            "kubelet has forgotten that it gave them; delete the pod so that it gets other CPU sets"
        )
    if given is not None and node.barred is not None:
        raise BindingRefused(f"{where(pod, container)}: {node.barred.message}")


def place(pod: Pod, container: Container, given: Assignment | None, node: Node) -> Binding | None:
    """Decide where one container runs: of its CPU sets, what is online; None = left alone.

    Raises:
        BindingRefused: where nothing is left of them; the sentence is for the pod's events.
    """
    if given is None:
        if node.barred or pod.namespace in node.left_alone or not node.others:
            return None
        return Binding(cpus=node.others, mems=IdSet(), environment={})
    if node.barred:
        return None
    left = online_of(pod, container, given, node, new=False)
    mems = reached(pod, container, left, node).mems
    return Binding(cpus=left.cpus, mems=mems, environment={})


def kept(pod: Pod, container: Container, given: Assignment | None, node: Node) -> Binding | None:
    """Decide where a container runs that lives already; None = left alone.

    One whose memory is not to be had stays on its own CPUs all the same: else it would run on those
    of others.
    """
    try:
        return place(pod, container, given, node)
    except BindingRefused:
        left = IdSet() if given is None else given.cpus & node.machine.online
        return Binding(cpus=left, mems=IdSet(), environment={}) if left else None


def born(pod: Pod, container: Container, given: Assignment | None, node: Node) -> Binding | None:
    """Decide what a new container is bound to and told; it needs every core of its CPU sets.

    Raises:
        BindingRefused: where it must not start; the sentence is for the pod's events.
    """
    if given is None or node.barred:
        return place(pod, container, given, node)
    left = online_of(pod, container, given, node, new=True)
    is_required = asking.enforcement(pod) is Enforcement.REQUIRED  # wrong words on every node
    found = reached(pod, container, left, node)
    told = environment(pod, container, given, found, node.machine)
    bound = Binding(cpus=left.cpus, mems=found.mems, environment=told)
    if not node.abilities.lacks(found):
        return replace(bound, policy=found.policy, policy_nodes=found.policy_nodes)
    if is_required:
        raise _policy_refused(pod, container, found, node)
    return replace(bound, environment={**told, names.ENV_MEMORY_POLICY_UNSET: "1"})


def reached(pod: Pod, container: Container, given: Assignment, node: Node) -> Reach:
    """Tell which NUMA nodes a container takes memory from, as its pod asks.

    Raises:
        BindingRefused: where the pod asks for what is none of the words, or for nodes that the
            machine does not have.
    """
    asked = asking.memory(pod)
    if found := node.reaches.get((given, asked)):
        return found
    try:
        found = reach(given, node.machine, asked.ask, asked.per_rank_bytes)
    except MemoryUnreachable as error:
        raise BindingRefused(f"{where(pod, container)}: {error}") from error
    node.reaches[given, asked] = found
    return found


def _policy_refused(pod: Pod, container: Container, found: Reach, node: Node) -> BindingRefused:
    by = names.ANNOTATION_MEMORY_POLICY
    if found.policy is MemoryPolicy.BIND:
        by = names.ANNOTATION_MEMORY_NODES
    elif asking.memory(pod).ask.policy is not found.policy:
        by = names.ANNOTATION_ON_OVERFLOW
    return BindingRefused(
        f"{where(pod, container)}: memory policy {found.policy} (for annotation {by}) cannot be "
        f"set on this node: {node.abilities.lacks(found)}; or let it run without, by annotation "
        f"{names.ANNOTATION_ENFORCEMENT}: {Enforcement.BEST_EFFORT}"
    )
