"""A node that has something of everything that is counted or shown, and what it answers."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from numalocal.idset import IdSet
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin.counters import Cause, Counters, Creation, Duration
from numalocal_deviceplugin.node import table
from numalocal_deviceplugin.node.metrics import Metrics
from numalocal_deviceplugin.pods import Container, Pod
from numalocal_deviceplugin.refusals import Reason
from numalocal_deviceplugin.state import State

from ..nodes import N1, make_container, make_machine, make_pod, make_state
from .cgroup_files import write


def bind(state: State, pod: Pod, container: Container, *ids: str) -> None:
    """Let a container live on its CPU sets."""
    sets = {one.id: one for one in state.snapshot().node.partition.sets}
    state.admit(pod, container, Assignment.of(sets[one] for one in ids))
    state.created(pod, container._replace(cgroup=container.cgroup or f"/{container.id}"))


def scrape(state: State, root: Path) -> bytes:
    """Ask once; a container's cgroup is the directory of its id."""
    return Metrics(state, root, "1.2.3", "node-1").text()


def samples(text: bytes) -> list[Sample]:
    families = text_string_to_metric_families(text.decode())
    return [one for family in families for one in family.samples]


def count_everything(counters: Counters) -> None:
    for count, metric in table.COUNTS.items():
        label = {
            "pool": "cpuset",
            "reason": Reason.CPUS_HELD,
            "result": Creation.BOUND,
            "cause": Cause.DRIFT,
        }
        counters.add(count, label[metric.labels[0]] if metric.labels else "", by=2)
    for at, duration in enumerate(Duration, start=1):
        for took_s in (0.0001, 0.0015, 0.0015, 3.0):
            counters.observe(duration, took_s * at)


def busy_node(root: Path) -> bytes:
    """Scrape a node with a worker on node 1, of whose memory a fifth is on node 0."""
    state = make_state()
    bind(state, make_pod(), make_container(), N1)
    write(root / "id-of-engine")
    state.set_machine(make_machine().with_online(IdSet.parse("0-1,4-7")))
    count_everything(state.counters)
    return scrape(state, root)
