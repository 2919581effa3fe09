"""Pods that ask by annotation: what is told on them, by whom, and when."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import kopf

from numalocal import names
from numalocal.worker.admission import asks
from numalocal_operator.annotated import bound
from numalocal_operator.annotated.bound import Condition
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.api.gate import NotLeading
from numalocal_operator.observing.observed import ObservedPod
from numalocal_operator.observing.reading import observe
from numalocal_operator.observing.topologies import Pods, Topologies

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """A pod that asked: `metadata` is what an Event needs to name it, `said` what stands on it."""

    metadata: Mapping[str, str]
    pod: ObservedPod
    said: Condition | None


class Injected:
    """The pods that got their CPU sets by annotation, and the condition on each of them.

    Their own events and their nodes' come in any order and by any thread, so both are kept: of each
    pod also what its node has said last of its engine, by container.  The leader tells, by threads
    that are not those of events; what it cannot tell stays untold until it is asked again.
    """

    def __init__(
        self,
        cluster: Cluster,
        topologies: Topologies,
        leads: Callable[[], bool],
        threads: Executor,
    ) -> None:
        self._cluster = cluster
        self._topologies = topologies
        self._leads = leads
        self._threads = threads
        self._known: dict[str, _Known] = {}
        self._heard: dict[str, tuple[str, bool]] = {}
        self._untold: set[str] = set()
        self._written: dict[str, Condition] = {}
        self._lock = threading.Lock()

    def observed(self, raw: Mapping[str, Any], *, gone: bool) -> None:
        """Take a pod as it is now.

        A label alone, which anybody can put on a pod, is no pod that asked.
        """
        metadata = raw["metadata"]
        uid = metadata["uid"]
        with self._lock:
            if gone or "deletionTimestamp" in metadata or not asks(raw):
                self._known.pop(uid, None)
                self._heard.pop(uid, None)
                self._untold.discard(uid)
                self._written.pop(uid, None)
                return
            named = {field: metadata[field] for field in ("name", "namespace", "uid")}
            if uid not in self._known and (heard := bound.said_of_engine(raw)):
                self._heard[uid] = heard
            self._known[uid] = _Known(named, observe(raw, self._started), bound.said(raw))
        self._consider(uid)

    def told(self, pods: Pods) -> None:
        """Look again at the pods of which their nodes tell something new."""
        for uid in pods:
            with self._lock:
                if (known := self._known.get(uid)) is None:
                    continue
                pod = known.pod
                if container_id := pod.engine_id or pod.engine_ended:
                    started = self._started(pod.node, uid, container_id)
                    self._known[uid] = replace(known, pod=replace(pod, started=started))
            self._consider(uid)

    def tell_untold(self) -> None:
        """Tell what nobody could be told yet: we did not lead, or the API server was away."""
        with self._lock:
            untold = list(self._untold)
        for uid in untold:
            self._consider(uid)

    def _started(self, node: str, uid: str, container_id: str) -> bool | None:
        """Tell what a node says of a container, or has said: of one that ends it says no more."""
        told = self._topologies.started(node, uid, container_id)
        if told is not None:
            self._heard[uid] = container_id, told
        heard_of, heard = self._heard.get(uid, ("", None))
        return heard if heard_of == container_id else None

    def _consider(self, uid: str) -> None:
        with self._lock:
            if _news(self._known.get(uid)) is None:
                self._untold.discard(uid)
                return
            self._untold.add(uid)
        if self._leads():
            with suppress(RuntimeError):  # the process ends
                self._threads.submit(self._tell, uid)

    def _tell(self, uid: str) -> None:
        """Tell what is new; a pod as it was before may come meanwhile, which has its Event."""
        if not self._leads():
            return
        with self._lock:
            known = self._known.get(uid)
            found = _news(known)
            if known is None or found is None:
                return
            was, self._written[uid] = self._written.get(uid), found
        is_told = tell(self._cluster, known.metadata, found, datetime.now(UTC), again=was == found)
        with self._lock:
            if not is_told:
                if was != found:
                    self._written.pop(uid, None)
                return
            self._untold.discard(uid)
            if self._known.get(uid) is known:  # else an event has come, which tells what stands now
                self._known[uid] = replace(known, said=found)


def _news(known: _Known | None) -> Condition | None:
    """Give the condition that a pod should have and has not; None where all is said."""
    if known is None:
        return None
    found, said = bound.condition(known.pod), known.said
    # What was known of a pod that has ended is still true.
    holds = said is not None and said.known and known.pod.terminal and not found.known
    return None if found == said or holds else found


def register(registry: kopf.OperatorRegistry, injected: Injected) -> None:
    """Put our handler into kopf's registry."""

    @kopf.on.event("pods", labels={names.LABEL_INJECTED: "true"}, registry=registry)
    async def injected_changed(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        injected.observed(body, gone=type == "DELETED")


def tell(
    cluster: Cluster,
    pod: Mapping[str, str],
    found: Condition,
    now: datetime,
    *,
    again: bool = False,
) -> bool:
    """Write a pod's condition, and an Event once it is known; False where that failed.

    What is told `again` has its Event already.
    """
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"status": found.status, "reason": found.reason, "message": found.message}
    try:
        cluster.tell_pod(pod, {"type": bound.CONDITION, **said, "lastTransitionTime": stamp})
        if found.status != "Unknown" and not again:
            kind = "Normal" if found.status == "True" else "Warning"
            reference = {"apiVersion": "v1", "kind": "Pod", "metadata": pod}
            cluster.event(reference, kind, found.reason, found.message, stamp)
    except NotLeading:
        return False
    except Exception as error:  # one pod's trouble must not stop the others
        fields = {"namespace": pod["namespace"], "pod": pod["name"]}
        _log.warning("condition not told", extra={**fields, "err": str(error)[:500]})
        return False
    return True
