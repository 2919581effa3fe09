"""What is wrong with the node at one look, by its kernel and by what the cluster says of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from faults.cluster import Cluster, Pod
from faults.kernel import Kernel, Running
from numalocal.idset import IdSet, union


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be there in the end."""

    sets: Mapping[IdSet, int]
    """The CPUs of each set, with its NUMA node."""
    replicas: Mapping[str, int]
    """How many pods each name of the population has."""
    engines: frozenset[str]
    """The names whose containers are engines, with a set each."""
    worker: str
    """The one of them that is a CpuInferenceWorker."""


def given_twice(expected: Expected, kernel: Kernel) -> tuple[str, ...]:
    """Name CPUs on which two pods are bound; at no moment may there be any.

    A container is bound where it may run on CPUs of sets alone: one that was created while the
    agent was away runs everywhere, and is a finding of the other kind.
    """
    sets = union(expected.sets)
    bound = [one for one in kernel.containers if not one.sandbox and one.cpus <= sets]
    return tuple(
        f"CPUs {one.cpus & other.cpus} are given twice: "
        f"to pod {one.pod_uid} and to pod {other.pod_uid}"
        for one, other in combinations(bound, 2)
        if one.pod_uid != other.pod_uid and one.cpus & other.cpus
    )


def unsettled(expected: Expected, kernel: Kernel, cluster: Cluster) -> tuple[str, ...]:
    """Name what is not as it was before any fault, in sentences without end."""
    return (
        *_node(expected, kernel, cluster),
        *_replicas(expected, cluster),
        *_told(expected, cluster),
        *_engines(expected, kernel, cluster),
        *_others(expected, kernel, cluster),
    )


def _node(expected: Expected, kernel: Kernel, cluster: Cluster) -> Iterator[str]:
    if not kernel.units_active:
        yield "a unit of the node is not active"
    if not kernel.kubelet_healthy:
        yield "the kubelet is not healthy"
    if not cluster.node_ready:
        yield "the node is not Ready"
    if cluster.offered != len(expected.sets):
        yield f"the node offers {cluster.offered} CPU sets, and has {len(expected.sets)}"
    if missing := union(expected.sets) - kernel.online:
        yield f"CPUs {missing} are offline"


def _replicas(expected: Expected, cluster: Cluster) -> Iterator[str]:
    for app, count in expected.replicas.items():
        pods = cluster.of(app)
        ready = [one for one in pods if one.ready and not one.leaving]
        if len(ready) != count or len(pods) != count:
            yield f"{app} has {len(pods)} pods, {len(ready)} of them ready; {count} are wanted"


def _told(expected: Expected, cluster: Cluster) -> Iterator[str]:
    for app in sorted(expected.engines):
        for pod in cluster.of(app):
            worker = app == expected.worker
            if not (pod.name in cluster.verified if worker else pod.bound):
                yield f"{pod.name} is not told to be verified"
    if not cluster.available:
        yield f"{expected.worker} is not Available"


def _engines(expected: Expected, kernel: Kernel, cluster: Cluster) -> Iterator[str]:
    running = {one.id: one for one in kernel.containers}
    for app in sorted(expected.replicas):
        for pod in cluster.of(app):
            for identity in pod.containers:
                one = running.get(identity)
                if one is None:
                    yield f"{pod.name} has no process of container {identity[:12]}"
                elif app in expected.engines:
                    yield from _engine(expected, pod, one)


def _engine(expected: Expected, pod: Pod, one: Running) -> Iterator[str]:
    node = expected.sets.get(one.cpus)
    if node is None or one.thread_cpus != frozenset({one.cpus}):
        yield f"{pod.name} is on CPUs {one.used}, which are no set"
    elif one.mems != IdSet.of([node]) or one.thread_mems != {one.mems}:
        yield f"{pod.name} has memory of nodes {union((one.mems, *one.thread_mems))}, not {node}"
    if not one.told_threads:
        yield f"{pod.name} has started without its engine's variables"


def _others(expected: Expected, kernel: Kernel, cluster: Cluster) -> Iterator[str]:
    """Name whoever else can run on an engine's CPUs, a pod that the API server forgot included."""
    pods = {pod.uid: pod for pod in cluster.pods}
    engines = [
        one
        for one in kernel.containers
        if (pod := pods.get(one.pod_uid)) and pod.app in expected.engines and not one.sandbox
    ]
    held = union(one.cpus for one in engines if one.cpus in expected.sets)
    for one in kernel.containers:
        if one.sandbox or one in engines:
            continue
        name = pods[one.pod_uid].name if one.pod_uid in pods else f"forgotten pod {one.pod_uid}"
        if common := one.used & held:
            yield f"{name} is on CPUs {common} of an engine"
