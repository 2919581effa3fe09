"""kopf's part: watch workers and their pods, and hand on the workers that they name.

Only plain event handlers are used.  kopf's change handlers would put finalizers and annotations
on the objects, and a worker could then not be deleted while the operator is down.
"""

from collections.abc import Mapping
from typing import Any

import kopf

from numalocal import names
from numalocal_operator.cluster import GROUP, PLURAL, VERSION
from numalocal_operator.controller import Controller


def register(registry: kopf.OperatorRegistry, controller: Controller) -> None:
    """Put our handlers into kopf's registry."""

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # As the client that makes our calls; a registry of one's own has no log-in otherwise.
        return kopf.login_via_client(**kwargs)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.peering.standalone = True
        # A watch that the network forgot would stay silent for ever.
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        controller.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        controller.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def worker_changed(namespace: str | None, name: str, **_: Any) -> None:
        controller.observed((str(namespace), name))

    @kopf.on.event("pods", labels={names.LABEL_WORKER: kopf.PRESENT}, registry=registry)
    async def pod_changed(namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        controller.observed((str(namespace), labels[names.LABEL_WORKER]))
