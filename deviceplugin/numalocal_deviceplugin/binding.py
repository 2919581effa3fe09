"""What every container of this node is bound to: pod, container and node -> Binding.

A CPU set belongs to the container that it was assigned to, and to the containers of the same pod
that the pod names as bound.  Every other container gets the shared CPUs and keeps its memory nodes:
taking a node away would move its memory at once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from numalocal import engines, names
from numalocal.engines import EngineSettings, Job
from numalocal.errors import AssignmentInvalid
from numalocal.idset import IdSet, union
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.partition import Partition
from numalocal_deviceplugin.errors import AgentError, BindingRefused
from numalocal_deviceplugin.kubelet.allocation import sets_named
from numalocal_deviceplugin.pods import (
    Container,
    Pod,
    bound_containers,
    engine_settings,
    unserved,
    where,
)

DevicesOf = Callable[[str, str], Iterable[str]]
"""Look up the device ids of a pod by its namespace and name; AgentError where that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """This node at one moment.

    `held` are CPUs of running containers whose sets are none of the partition's.
    """

    machine: Machine
    partition: Partition
    held: IdSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a container gets; `mems` empty = left alone; `environment` holds additions only."""

    cpus: IdSet
    mems: IdSet
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A running container and what it should be bound to."""

    pod: Pod
    container: Container
    binding: Binding


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a runtime's full list of containers calls for.

    `refusals` say who is not bound as its pod asks.
    """

    needed: tuple[Correction, ...]
    refusals: tuple[AgentError, ...]


def bind(
    pod: Pod, container: Container, node: Node, devices_of: DevicesOf, *, new: bool = False
) -> Binding:
    """Decide what one container is bound to: of its CPU sets, what is online.

    A `new` one needs every core of them, where one that runs keeps what is left, and what its pod
    asks for by annotation: one that runs without is better off bound as it is.

    Raises:
        AgentError: where it must not start; the sentence is for the pod's events.
    """
    if new and (refusal := unserved(pod, container)):
        raise refusal
    if names.ANNOTATION_ASSIGNMENT in container.annotations:
        given = _assigned(pod, container)
        assignment = _online(pod, container, given, node, new=new)
        job = _job(pod, container, assignment)
        variables = engines.variables(
            job, assignment, node.machine, quota_cpus=container.quota_cpus
        )
    elif container.name in bound_containers(pod):
        given = _pods_assignment(pod, container, node, devices_of)
        assignment = _online(pod, container, given, node, new=new)
        job = Job(settings=engine_settings(pod), ranks=len(assignment.sets))
        variables = _own_variables(job, container, assignment, node)
    else:
        return Binding(cpus=_shared(node), mems=IdSet(), environment={})
    return Binding(
        cpus=assignment.cpus,
        mems=assignment.mems,
        environment=variables,
    )


def corrections(
    containers: Iterable[tuple[Pod, Container]], node: Node, devices_of: DevicesOf
) -> Corrections:
    """Compare every container that is created or running with what it should be bound to.

    One that has not what its pod asks for is reported, and kept off the sets of others.
    Those that are right already are left out: the runtime pays for every update, changed or not.
    """
    needed: list[Correction] = []
    refusals: list[AgentError] = []
    for pod, container in containers:
        if not container.live:
            continue
        if refusal := unserved(pod, container):
            refusals.append(refusal)
        try:
            binding = bind(pod, container, node, devices_of)
        except AgentError as error:
            refusals.append(error)
            continue
        if not is_bound(container.cpus, container.mems, binding):
            needed.append(Correction(pod=pod, container=container, binding=binding))
    return Corrections(tuple(needed), tuple(refusals))


def is_bound(cpus: IdSet, mems: IdSet, binding: Binding) -> bool:
    """Tell whether these CPUs and memory nodes are the binding's."""
    return cpus == binding.cpus and (not binding.mems or mems == binding.mems)


def foreign_cpus(container: Container, partition: Partition) -> IdSet:
    """Give the CPUs that a container holds by sets that the partition does not have.

    They are left from another configuration of the pools, and may overlap the sets of this one.
    An assignment that cannot be read holds nothing: its container is refused where it starts.
    """
    try:
        assignment = Assignment.parse(container.annotations[names.ANNOTATION_ASSIGNMENT])
    except (KeyError, AssignmentInvalid):
        return IdSet()
    # Not by the CPUs online then, nor by memory_bytes, which change with the kernel and huge pages.
    ours = {one.id: one.present for one in partition.sets}
    return union(one.cpus for one in assignment.sets if not one.cpus <= ours.get(one.id, IdSet()))


def _assigned(pod: Pod, container: Container) -> Assignment:
    try:
        return Assignment.parse(container.annotations[names.ANNOTATION_ASSIGNMENT])
    except AssignmentInvalid as error:
        raise BindingRefused(f"{where(pod, container)}: {error}") from error


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
    return Assignment.of(sets_named(node.partition.sets, ids))


def _job(pod: Pod, container: Container, assignment: Assignment) -> Job:
    """Make the engine's job in the engine's container, and no engine's in any other."""
    engines_own = pod.annotations.get(names.ANNOTATION_CONTAINER, container.name) == container.name
    return Job(
        settings=engine_settings(pod) if engines_own else EngineSettings(),
        ranks=len(assignment.sets),
        command=container.command,
        variables=container.variables,
    )


def _own_variables(
    job: Job, container: Container, assignment: Assignment, node: Node
) -> Mapping[str, str]:
    """Give a bound container what the binding is, without the engine's variables."""
    told = engines.variables(job, assignment, node.machine)
    own = {*assignment.environment(), names.ENV_RANK_COMPUTE_CPUS} - container.variables.keys()
    return {name: value for name, value in told.items() if name in own}


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
    ours = {one.id: one.missing for one in node.partition.sets}
    cores = node.machine.cores_of_cpus(assignment.cpus)
    gone = union(core.cpus for core in cores if core.cpus.isdisjoint(node.machine.online))
    return union(ours.get(one.id, one.cpus & gone) for one in assignment.sets)


def _not_online(pod: Pod, container: Container, cpus: IdSet, node: Node) -> BindingRefused:
    online = node.machine.online
    why = f"is not online on this machine (online: {online})"
    if cpus <= online:
        why = "stays shared for one that is offline"
    return BindingRefused(
        f"{where(pod, container)}: CPU {cpus} of its CPU sets {why}; bring it online, or delete "
        "the pod so that it gets other CPU sets"
    )


def _shared(node: Node) -> IdSet:
    """Keep others off held CPUs as well, unless nothing would be left."""
    return node.partition.shared - node.held or node.partition.shared
