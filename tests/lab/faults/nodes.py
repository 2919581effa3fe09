"""A node with two sets, as its kernel and the API server tell of it."""

from dataclasses import replace
from typing import Any

from faults.cluster import Cluster, Pod
from faults.judging import Expected
from faults.kernel import Kernel, Running
from numalocal.idset import IdSet

EXPECTED = Expected(
    sets={IdSet.parse("2-3"): 0, IdSet.parse("6-7"): 1},
    replicas={"worker": 1, "annotated": 1, "ordinary": 1},
    engines=frozenset({"worker", "annotated"}),
    worker="worker",
)


def running(pod: str, cpus: str, mems: str = "0-1", **fields: Any) -> Running:
    made = Running(
        pod_uid=pod,
        id=f"{pod}-container",
        cpus=IdSet.parse(cpus),
        mems=IdSet.parse(mems),
        thread_cpus=frozenset({IdSet.parse(cpus)}),
        thread_mems=frozenset({IdSet.parse(mems)}),
        told_threads=True,
        sandbox=False,
    )
    return replace(made, **fields)


def pod(name: str, app: str = "", **fields: Any) -> Pod:
    made = Pod(
        uid=name,
        name=name,
        app=app or name,
        ready=True,
        leaving=False,
        bound=True,
        containers=(f"{name}-container",),
    )
    return replace(made, **fields)


WORKER = running("worker", "2-3", "0")
ANNOTATED = running("annotated", "6-7", "1")
ORDINARY = running("ordinary", "0-1,4-5")
PAUSE = running("worker", "0-7", id="worker-pause", sandbox=True)


def kernel(*containers: Running, **fields: Any) -> Kernel:
    made = Kernel(
        containers=containers or (WORKER, ANNOTATED, ORDINARY, PAUSE),
        online=IdSet.parse("0-7"),
        kubelet_healthy=True,
        units_active=True,
    )
    return replace(made, **fields)


def cluster(*pods: Pod, **fields: Any) -> Cluster:
    made = Cluster(
        pods=pods or (pod("worker"), pod("annotated"), pod("ordinary")),
        verified=("worker",),
        available=True,
        offered=2,
        node_ready=True,
    )
    return replace(made, **fields)
