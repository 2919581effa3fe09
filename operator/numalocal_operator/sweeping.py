"""Let the store hold what there is: all of it at the start, and later what no event told of."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes.client.exceptions import ApiException

from numalocal import names
from numalocal_operator.api.answers import sentence
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.api.paths import COMPANIONS, NODES, PLURAL, PODS, SELECTOR
from numalocal_operator.observing.companions import KINDS
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Keys, Store
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.observing.versions import key_of, version_of

_EARLIER = (names.LABEL_WORKER, names.LABEL_INJECTED)
"""Labels of the pods of a release that did not know the one by which we see them."""

_FORBIDDEN = 403
_UNKNOWN = -2
"""Older than any version, and than none."""

_log = logging.getLogger(__name__)

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Compares what is known with what there is; an empty namespace means all."""

    cluster: Cluster
    namespace: str
    store: Store
    topologies: Topologies
    nodes: Nodes

    def fill(self) -> None:
        """Take all there is: until then a pod seems to be missing, and a pool to be none's."""
        known = self.store.versions()
        there = set()
        for raw in self.cluster.pods(self.namespace):
            self.store.put_pod(raw)
            there.add(raw["metadata"]["uid"])
        for kind in KINDS:
            for raw in self.cluster.companions(kind, self.namespace):
                self.store.companions.put(kind, raw)
                there.add(raw["metadata"]["uid"])
        self.topologies.listed(self.cluster.topologies())
        self._fill_nodes()
        for raw in self.cluster.workers(self.namespace):
            self.store.put_worker(raw)
            there.add(raw["metadata"]["uid"])
        self.store.keep(known, frozenset(there))

    def sweep(self) -> Keys:
        """Look at what there is by its metadata; give the workers of what had been missed.

        A watch that begins anew tells neither what is gone nor what it skipped.
        """
        self._mark()
        known = self.store.versions()
        workers = list(self.cluster.metadata(PLURAL, self.namespace))
        pods = list(self.cluster.metadata(PODS, self.namespace, SELECTOR))
        beside = {kind: self._companions(kind) for kind in KINDS}
        there = (*workers, *pods, *(one for found in beside.values() for one in found))
        concerned = self.store.keep(known, frozenset(one["uid"] for one in there))
        for metadata in self._missed(workers, known):
            raw = self.cluster.worker(*key_of(metadata))
            if raw is not None and self.store.put_worker(raw):
                concerned |= {key_of(metadata)}
        for metadata in self._missed(pods, known):
            raw = self.cluster.pod(*key_of(metadata))
            concerned |= self.store.put_pod(raw) if raw is not None else frozenset()
        for kind, found in beside.items():
            for metadata in self._missed(found, known):
                raw = self.cluster.companion(kind, *key_of(metadata))
                if raw is not None and self.store.companions.put(kind, raw):
                    concerned |= {key_of(metadata)}
        return concerned | self.store.of_pods(self._nodes())

    def _companions(self, kind: str) -> list[Raw]:
        return list(self.cluster.metadata(COMPANIONS[kind], self.namespace, names.LABEL_WORKER))

    def _fill_nodes(self) -> None:
        """Take all nodes there are, where they may be seen: without it the agents' word does."""
        try:
            self.nodes.listed(list(self.cluster.nodes()))
        except ApiException as error:
            if error.status != _FORBIDDEN:
                raise
            self.nodes.unknown()
            what = "nodes are not seen: pods are sized by all that tell of CPU sets"
            _log.warning(what, extra={"err": sentence(error)})

    def _mark(self) -> None:
        """Give the pods that lack it the label by which we see them: an earlier release made them.

        Somebody may have removed it, too.
        """
        for label in _EARLIER:
            selector = f"{label},{SELECTOR.replace('=', '!=')}"
            for one in self.cluster.metadata(PODS, self.namespace, selector):
                self.cluster.mark_pod(one["namespace"], one["name"], one["uid"])

    def _missed(self, there: list[Raw], known: Mapping[str, int]) -> list[Raw]:
        """Pick what was older when it was listed, and still is: events have come meanwhile."""
        now = self.store.versions()

        def newest(uid: str) -> int:
            return max(known.get(uid, _UNKNOWN), now.get(uid, _UNKNOWN))

        return [one for one in there if newest(one["uid"]) < version_of(one)]

    def _nodes(self) -> Pods:
        """Compare the nodes; what the known ones tell is left to the watch, which may be newer."""
        known = self.topologies.names()
        there = {one["name"] for one in self.cluster.metadata(names.TOPOLOGIES)}
        told = [self.topologies.gone(name) for name in known - there]
        for name in there - self.topologies.names():
            raw = self.cluster.topology(name)
            told += [self.topologies.observed(raw)] if raw is not None else []
        if known := self.nodes.names():
            for name in known - {one["name"] for one in self.cluster.metadata(NODES)}:
                self.nodes.gone(name)
        return frozenset().union(*told)
