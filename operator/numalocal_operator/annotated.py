"""kopf's part for pods that ask by annotation: the nodes' offers, and what is told on the pods."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import kopf

from numalocal import names
from numalocal_operator import bound
from numalocal_operator.bound import Condition
from numalocal_operator.cluster import Cluster
from numalocal_operator.offers import Offers
from numalocal_operator.webhook.keeper import Keeper
from numalocal_operator.webhook.server import Server

_RETRY_S: Final = 2.0

_log = logging.getLogger(__name__)


def register(
    registry: kopf.OperatorRegistry,
    cluster: Cluster,
    offers: Offers,
    server: Server,
    keeper: Keeper,
) -> None:
    """Put our handlers into kopf's registry."""
    keeping: list[asyncio.Task[None]] = []

    @kopf.on.startup(registry=registry, backoff=_RETRY_S)
    async def serve(**_: Any) -> None:
        # The watch tells of one node after another: until the last, a pool could seem to be none's.
        offers.listed(await asyncio.to_thread(cluster.nodes))
        await server.start()
        keeping.append(asyncio.create_task(keeper.run()))

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        for task in keeping:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await server.stop()

    @kopf.on.event("nodes", registry=registry)
    async def node_changed(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        if type == "DELETED":
            offers.gone(body["metadata"]["name"])
        else:
            offers.observed(body)

    @kopf.on.event("pods", labels={names.LABEL_INJECTED: "true"}, registry=registry)
    async def injected_changed(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        going = type == "DELETED" or "deletionTimestamp" in body["metadata"]
        found = None if going else bound.condition(body)
        if found is not None:
            await asyncio.to_thread(tell, cluster, body, found, datetime.now(UTC))


def tell(cluster: Cluster, pod: Mapping[str, Any], found: Condition, now: datetime) -> None:
    """Write a pod's condition, and an Event once it is known; what fails comes with the next."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = pod["metadata"]
    said = {"status": found.status, "reason": found.reason, "message": found.message}
    try:
        cluster.tell_pod(pod, {"type": bound.CONDITION, **said, "lastTransitionTime": stamp})
        if found.status != "Unknown":
            kind = "Normal" if found.status == "True" else "Warning"
            reference = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
            cluster.event(reference, kind, found.reason, found.message, stamp)
    except Exception as error:  # one pod's trouble must not stop the others
        fields = {"namespace": metadata["namespace"], "pod": metadata["name"]}
        _log.warning("condition not told", extra={**fields, "err": str(error)[:500]})
