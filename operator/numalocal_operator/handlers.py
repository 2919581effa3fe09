"""kopf's part: watch workers, their pods and what nodes tell, and hand on the workers concerned.

Only plain event handlers are used.  kopf's change handlers would put finalizers and annotations
on the objects, and a worker could then not be deleted while the operator is down.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import kopf

from numalocal import names
from numalocal_operator.api.paths import GROUP, NODES, PLURAL, SELECTOR, VERSION
from numalocal_operator.controller import Controller
from numalocal_operator.observing.companions import BUDGET, SERVICE
from numalocal_operator.observing.nodes import Nodes
from numalocal_operator.observing.store import Store
from numalocal_operator.observing.topologies import Pods, Topologies
from numalocal_operator.observing.versions import key_of, version_of
from numalocal_operator.session import paced
from numalocal_operator.sweeping import Sweep

Raw = Mapping[str, Any]
Hear = Callable[[Pods], None]
"""Is told of the pods of which a node tells something new; does not wait."""

_RETRY_S: Final = 2.0
_RETRIES_S: Final = (1, 1, 2, 3, 5, 5, 5)
"""When a call of a watch is tried again.  The longest is how long it may be blind once all is well
again: kopf's own is 21 s."""
_CHUNK: Final = 100
"""Objects of a list that are in memory at once: what a large node tells is 100 KB."""
_IDLE_S: Final = 0.1
"""How long kopf keeps a task, with the last event, for each object; it is 5 s by default."""


class _Nothing(kopf.DiffBaseStorage):
    """Keeps nothing of an object: kopf would copy each whole, twice an event, to find changes."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Write nothing."""


def configure(settings: kopf.OperatorSettings) -> None:
    """Let kopf watch what is ours, keep nothing of it, and write nothing."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    # A watch that the network forgot would stay silent for ever.
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.chunk_size = _CHUNK
    settings.networking.error_backoffs = _RETRIES_S
    settings.watching.label_selectors["pods"] = SELECTOR
    settings.watching.label_selectors["services"] = names.LABEL_WORKER
    settings.watching.label_selectors["poddisruptionbudgets"] = names.LABEL_WORKER
    settings.queueing.idle_timeout = _IDLE_S
    settings.persistence.diffbase_storage = _Nothing()


@dataclass(frozen=True, slots=True)
class Ears:
    """Hears kopf's events, whose type is None where they come of a list; takes no time."""

    store: Store
    topologies: Topologies
    nodes: Nodes
    controller: Controller
    hearers: Sequence[Hear] = ()

    def worker(self, kind: str | None, raw: Raw) -> None:
        """Hear of a worker."""
        metadata = raw["metadata"]
        gone = kind == "DELETED"
        if self.store.drop_worker(metadata) if gone else self.store.put_worker(raw):
            self.controller.observed(key_of(metadata))
        self.controller.heard(kind)

    def pod(self, kind: str | None, raw: Raw) -> None:
        """Hear of a pod, of a worker or not."""
        metadata = raw["metadata"]
        if kind == "DELETED":
            concerned = self.store.drop_pod(metadata["uid"], version_of(metadata))
        else:
            concerned = self.store.put_pod(raw)
        for key in concerned:
            self.controller.observed(key)
        self.controller.heard(kind)

    def companion(self, kind: str | None, what: str, raw: Raw) -> None:
        """Hear of a Service or a PodDisruptionBudget."""
        metadata = raw["metadata"]
        key, known = key_of(metadata), self.store.companions
        gone = kind == "DELETED"
        version = version_of(metadata)
        if known.drop(what, key, metadata["uid"], version) if gone else known.put(what, raw):
            self.controller.observed(key)
        self.controller.heard(kind)

    def topology(self, kind: str | None, raw: Raw) -> None:
        """Hear what a node tells."""
        name, version = raw["metadata"]["name"], self.topologies.version
        gone = kind == "DELETED"
        pods = self.topologies.gone(name) if gone else self.topologies.observed(raw)
        for hear in (self.controller.told, *self.hearers):
            hear(pods)
        if self.topologies.version != version:
            self.controller.nodes_changed()
        self.controller.heard(kind)

    def node(self, kind: str | None, raw: Raw) -> None:
        """Hear of a node."""
        gone = kind == "DELETED"
        name = raw["metadata"]["name"]
        if self.nodes.gone(name) if gone else self.nodes.observed(raw):
            self.controller.nodes_changed()
        self.controller.heard(kind)


def register(
    registry: kopf.OperatorRegistry, sweep: Sweep, ears: Ears, filled: Callable[[], None]
) -> None:
    """Put our handlers into kopf's registry; `filled` is called once all that there is is known."""

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        # As the client that makes our calls; a registry of one's own has no log-in otherwise.
        found = kopf.login_via_client(**kwargs)
        return None if found is None else paced(found)

    @kopf.on.startup(registry=registry, backoff=_RETRY_S)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        # The watch tells of one object after another: until the last, a pod could seem to be
        # missing, and a pool to be none's.
        await asyncio.to_thread(sweep.fill)
        if ears.nodes.now() is not None:
            # A watch of what may not be seen would be the end of all.
            _watch_nodes(registry, ears)
        filled()

    _hear(registry, ears)


def _hear(registry: kopf.OperatorRegistry, ears: Ears) -> None:
    """Let all that is watched be heard."""

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def worker_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002 - kopf's name
        ears.worker(type, dict(body))

    @kopf.on.event("pods", registry=registry)
    async def pod_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002
        ears.pod(type, body)

    @kopf.on.event("v1", "services", registry=registry)
    async def service_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002
        ears.companion(type, SERVICE, body)

    @kopf.on.event("policy", "v1", "poddisruptionbudgets", registry=registry)
    async def budget_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002
        ears.companion(type, BUDGET, body)

    @kopf.on.event(GROUP, VERSION, names.TOPOLOGIES, registry=registry)
    async def topology_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002
        ears.topology(type, body)


def _watch_nodes(registry: kopf.OperatorRegistry, ears: Ears) -> None:
    @kopf.on.event("", "v1", NODES, registry=registry)
    async def node_changed(type: str | None, body: Raw, **_: Any) -> None:  # noqa: A002
        ears.node(type, body)
