"""kopf's part: watch workers, their pods and what nodes tell, and hand on the workers concerned.

Only plain event handlers are used.  kopf's change handlers would put finalizers and annotations
on the objects, and a worker could then not be deleted while the operator is down.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import kopf

from numalocal import names
from numalocal_operator.api.cluster import GROUP, PLURAL, VERSION, Cluster
from numalocal_operator.controller import Controller
from numalocal_operator.observing.topologies import Pods, Topologies

Hear = Callable[[Pods], None]
"""Is told of the pods of which a node tells something new; does not wait."""

_RETRY_S: Final = 2.0


def register(
    registry: kopf.OperatorRegistry,
    cluster: Cluster,
    controller: Controller,
    topologies: Topologies,
    hearers: Sequence[Hear] = (),
) -> None:
    """Put our handlers into kopf's registry; `hearers` are told of pods beside the controller."""

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # As the client that makes our calls; a registry of one's own has no log-in otherwise.
        return kopf.login_via_client(**kwargs)

    @kopf.on.startup(registry=registry, backoff=_RETRY_S)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.peering.standalone = True
        # A watch that the network forgot would stay silent for ever.
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        # The watch tells of one node after another: until the last, a pool could seem to be none's.
        await asyncio.to_thread(lambda: topologies.listed(cluster.topologies()))
        controller.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        controller.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def worker_changed(namespace: str | None, name: str, **_: Any) -> None:
        controller.observed((str(namespace), name))

    @kopf.on.event("pods", labels={names.LABEL_WORKER: kopf.PRESENT}, registry=registry)
    async def pod_changed(
        type: str | None,  # noqa: A002 - kopf's name
        namespace: str | None,
        labels: Mapping[str, str],
        uid: str | None,
        **_: Any,
    ) -> None:
        key = str(namespace), labels[names.LABEL_WORKER]
        controller.pod_observed(str(uid), key, gone=type == "DELETED")

    @kopf.on.event(GROUP, VERSION, names.TOPOLOGIES, registry=registry)
    async def topology_changed(type: str | None, body: Mapping[str, Any], **_: Any) -> None:  # noqa: A002
        gone = type == "DELETED"
        name = body["metadata"]["name"]
        pods = topologies.gone(name) if gone else topologies.observed(body)
        for hear in (controller.told, *hearers):
            hear(pods)
