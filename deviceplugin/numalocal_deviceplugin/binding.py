"""What every container of this node is bound to: pod, container and node -> Binding.

A CPU set belongs to the container that it was assigned to, and to the containers of the same pod
that the pod names as bound; their pod says from which nodes their memory is taken, and how.  Every
other container gets the node's other CPUs and keeps its memory nodes: taking a node away would move
its memory at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from numalocal import names
from numalocal.errors import MemoryUnreachable
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement, MemoryPolicy
from numalocal.sets.partition import Partition
from numalocal.sets.reach import Reach, reach
from numalocal_deviceplugin import asking, assigning
from numalocal_deviceplugin.abilities import Abilities
from numalocal_deviceplugin.asking import MemoryOf
from numalocal_deviceplugin.assigning import DevicesOf
from numalocal_deviceplugin.environment import environment
from numalocal_deviceplugin.errors import BindingRefused, UnknownDevice
from numalocal_deviceplugin.ledger import Ledger
from numalocal_deviceplugin.pods import (
    Container,
    Pod,
    bound_containers,
    unserved,
    where,
)
from numalocal_deviceplugin.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class Node:
    """This node at one moment.

    `lent` are CPUs of sets that nobody holds, and that others may use until somebody does.
    `left_alone` are namespaces whose containers are moved nowhere.  `abilities` are the memory
    policies that can be set here.  `barred` says why nobody is adjusted now, None = the agent
    binds.
    """

    machine: Machine
    partition: Partition
    ledger: Ledger
    lent: IdSet = IdSet()  # noqa: RUF009 - immutable
    left_alone: frozenset[str] = frozenset()
    abilities: Abilities = Abilities()  # noqa: RUF009 - frozen
    barred: Refusal | None = None

    @cached_property
    def others(self) -> IdSet:
        """The CPUs of all that holds none: never empty while a CPU is free, and all online."""
        free = self.machine.online - self.ledger.held
        return (self.partition.shared | self.lent) & free or free

    @cached_property
    def reaches(self) -> dict[tuple[Assignment, MemoryOf], Reach]:
        """What was found already: a node at rest is looked at over and over."""
        return {}


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


def assignment_of(
    pod: Pod, container: Container, node: Node, devices_of: DevicesOf
) -> Assignment | None:
    """Give the CPU sets that a container is to have; None for one that has none.

    Raises:
        AgentError: where what it is said to have cannot be believed or found out.
    """
    given = assigning.told(pod, container)
    if given is not None:
        return assigning.vouched(pod, container, given, node.partition.by_id, devices_of)
    if container.name in bound_containers(pod):
        return _pods_assignment(pod, container, node, devices_of)
    return None


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
    left = _online(pod, container, given, node, new=False)
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
    left = _online(pod, container, given, node, new=True)
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


def _pods_assignment(
    pod: Pod, container: Container, node: Node, devices_of: DevicesOf
) -> Assignment:
    """Give a container that requests nothing all the sets of its pod's other containers."""
    ids = tuple(dict.fromkeys(devices_of(pod.namespace, pod.name)))
    if not ids:
        raise BindingRefused(
            f"{where(pod, container)}: annotation {names.ANNOTATION_BOUND_CONTAINERS} names it, "
            f"but the pod has no CPU set; a container of the pod must request a pool's resource, "
            f"such as {names.resource('cpuset')}"
        )
    try:
        sets = assigning.sets_named(node.partition.sets, ids)
    except UnknownDevice:
        # The pools have changed since, and no container of the pod that was told lives.
        sets = assigning.sets_seated(node.machine, container, ids)
        if not sets:
            raise
    return Assignment.of(assigning.sets_born(sets, container))


def _online(
    pod: Pod, container: Container, assignment: Assignment, node: Node, *, new: bool
) -> Assignment:
    """Keep what is there; refuse where nothing is: silently the kernel would give the parent's."""
    left = assignment.on(node.machine.online)
    missing = _missing(assignment, node) if new else IdSet()
    if missing or not left.cpus:
        raise _not_online(pod, container, missing or assignment.cpus, node)
    nodes = IdSet.of(numa.id for numa in node.machine.nodes)
    if not assignment.mems <= nodes:
        raise BindingRefused(
            f"{where(pod, container)}: NUMA node {assignment.mems - nodes} of its CPU sets is "
            f"not in this machine (nodes: {nodes}); delete the pod so that it gets other CPU sets"
        )
    return left


def _missing(assignment: Assignment, node: Node) -> IdSet:
    """Give the CPUs of cores that the sets need and lack; one of other pools needs all it had."""
    ours = node.partition.by_id
    return union(
        ours[one.id].missing if one.id in ours else one.cpus & _gone(one.cpus, node.machine)
        for one in assignment.sets
    )


def _gone(cpus: IdSet, machine: Machine) -> IdSet:
    """Give the CPUs of those cores of which none is online."""
    cores = machine.cores_of_cpus(cpus)
    return union(core.cpus for core in cores if core.cpus.isdisjoint(machine.online))


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


def _not_online(pod: Pod, container: Container, cpus: IdSet, node: Node) -> BindingRefused:
    online = node.machine.online
    why = f"is not online on this machine (online: {online})"
    if cpus <= online:
        why = "stays shared for one that is offline"
    return BindingRefused(
        f"{where(pod, container)}: CPU {cpus} of its CPU sets {why}; bring it online, or delete "
        "the pod so that it gets other CPU sets"
    )
