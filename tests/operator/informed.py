"""What the operator knows of a fake API server: told of all that it holds before each round."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from numalocal import names
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Topologies
from numalocal_operator.reconcile import Rounds, reconcile
from numalocal_operator.sizing import Sizing

from .builders import CONFIG, NOW_S
from .fake_api import PODS, WORKERS, FakeApi

START = datetime.fromtimestamp(NOW_S, UTC)
LLAMA = ("serving", "llama")


@dataclass
class Informed:
    """Runs rounds; `clock_s` is that of the store, and goes on by two seconds with each."""

    api: FakeApi
    cluster: Cluster
    topologies: Topologies = field(default_factory=Topologies)
    nodes: Nodes = field(default_factory=Nodes)
    clock_s: float = 0.0

    def __post_init__(self) -> None:
        self.sizing = Sizing(self.topologies, self.nodes)
        self.store = Store(lambda: self.clock_s)

    @property
    def rounds(self) -> Rounds:
        return Rounds(self.cluster, CONFIG, self.topologies, self.sizing, self.store)

    def hear(self) -> None:
        """Tell of everything, as the watches do; pods without our label are none of theirs."""
        there = set()
        for path, raw in self.api.objects.items():
            collection, labels = path.rpartition("/")[0], raw["metadata"].get("labels", {})
            if collection == WORKERS:
                there.add(raw["metadata"]["uid"])
                self.store.put_worker(raw)
            if collection == PODS and labels.get(names.LABEL_BOUND) == "true":
                there.add(raw["metadata"]["uid"])
                self.store.put_pod(raw)
        self.store.keep(self.store.versions(), frozenset(there))

    def __call__(self, passed_s: float = 0) -> float | None:
        """Hear of everything, and do a round so many seconds after the start."""
        self.hear()
        self.clock_s += 2
        return self.round(passed_s)

    def round(self, passed_s: float = 0) -> float | None:
        """Do a round by what was heard before."""
        return reconcile(self.rounds, LLAMA, now=START + timedelta(seconds=passed_s))
