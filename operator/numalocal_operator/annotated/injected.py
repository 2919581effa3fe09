"""kopf's part for pods that ask by annotation: the webhook, and what is told on the pods."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import kopf

from numalocal import names
from numalocal.worker.admission import asks
from numalocal_operator.annotated import bound
from numalocal_operator.annotated.bound import Condition
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.observing.observed import ObservedPod, observe
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

_RETRY_S: Final = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """A pod that asked: `metadata` is what an Event needs to name it, `said` what stands on it."""

    metadata: Mapping[str, str]
    pod: ObservedPod
    said: Condition | None


class Injected:
    """The pods that got their CPU sets by annotation, and the condition on each of them.

    Their own events and their nodes' come in any order, so both are kept: of each pod also what
    its node has said last of its engine, by container.
    """

    def __init__(self, cluster: Cluster, topologies: Topologies) -> None:
        self._cluster = cluster
        self._topologies = topologies
        self._known: dict[str, _Known] = {}
        self._heard: dict[str, tuple[str, bool]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def observed(self, raw: Mapping[str, Any], *, gone: bool) -> None:
        """Take a pod as it is now.

        A label alone, which anybody can put on a pod, is no pod that asked.
        """
        metadata = raw["metadata"]
        uid = metadata["uid"]
        if gone or "deletionTimestamp" in metadata or not asks(raw):
            self._known.pop(uid, None)
            self._heard.pop(uid, None)
            return
        named = {field: metadata[field] for field in ("name", "namespace", "uid")}
        if uid not in self._known and (heard := bound.said_of_engine(raw)):
            self._heard[uid] = heard
        pod = observe(raw, self._started)
        self._known[uid] = _Known(named, pod, bound.said(raw))
        await self._tell(uid)

    def told(self, pods: Pods) -> None:
        """Look again at the pods of which their nodes tell something new."""
        for uid in pods & self._known.keys():
            task = asyncio.create_task(self._look_again(uid))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _look_again(self, uid: str) -> None:
        known = self._known.get(uid)
        if known is None:
            return
        pod = known.pod
        if container_id := pod.engine_id or pod.engine_ended:
            started = self._started(pod.node, uid, container_id)
            self._known[uid] = replace(known, pod=replace(pod, started=started))
        await self._tell(uid)

    def _started(self, node: str, uid: str, container_id: str) -> bool | None:
        """Tell what a node says of a container, or has said: of one that ends it says no more."""
        told = self._topologies.started(node, uid, container_id)
        if told is not None:
            self._heard[uid] = container_id, told
        heard_of, heard = self._heard.get(uid, ("", None))
        return heard if heard_of == container_id else None

    async def _tell(self, uid: str) -> None:
        known = self._known[uid]
        found = bound.condition(known.pod)
        said = known.said
        holds = said is not None and said.known and known.pod.terminal and not found.known
        if found == said or holds:  # what was known of a pod that has ended is still true
            return
        # What is written comes back as an event; where it was not, the next event tries again.
        self._known[uid] = replace(known, said=found)
        await asyncio.to_thread(tell, self._cluster, known.metadata, found, datetime.now(UTC))


def register(
    registry: kopf.OperatorRegistry, injected: Injected, server: Server, keeper: Keeper
) -> None:
    """Put our handlers into kopf's registry."""
    keeping: list[asyncio.Task[None]] = []

    @kopf.on.startup(registry=registry, backoff=_RETRY_S)
    async def serve(**_: Any) -> None:
        await server.start()
        keeping.append(asyncio.create_task(keeper.run()))

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        for task in keeping:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await server.stop()

    @kopf.on.event("pods", labels={names.LABEL_INJECTED: "true"}, registry=registry)
    async def injected_changed(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        await injected.observed(body, gone=type == "DELETED")


def tell(cluster: Cluster, pod: Mapping[str, str], found: Condition, now: datetime) -> None:
    """Write a pod's condition, and an Event once it is known; what fails comes with the next."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"status": found.status, "reason": found.reason, "message": found.message}
    try:
        cluster.tell_pod(pod, {"type": bound.CONDITION, **said, "lastTransitionTime": stamp})
        if found.status != "Unknown":
            kind = "Normal" if found.status == "True" else "Warning"
            reference = {"apiVersion": "v1", "kind": "Pod", "metadata": pod}
            cluster.event(reference, kind, found.reason, found.message, stamp)
    except Exception as error:  # one pod's trouble must not stop the others
        fields = {"namespace": pod["namespace"], "pod": pod["name"]}
        _log.warning("condition not told", extra={**fields, "err": str(error)[:500]})
