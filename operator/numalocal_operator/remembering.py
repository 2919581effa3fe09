"""Keep what a worker asked last where the next operator finds it, and find it there."""

import logging
from collections.abc import Mapping
from typing import Any

from numalocal.worker.inject import Manifest
from numalocal_operator.api.answers import TROUBLE, sentence
from numalocal_operator.api.cluster import Cluster
from numalocal_operator.planning import revisions

Raw = Mapping[str, Any]

_log = logging.getLogger(__name__)


def keep(cluster: Cluster, raw: Raw, owner: Manifest) -> str:
    """Keep what a worker asks now; give the name by which it is kept, or that of the last.

    It helps only when the operator starts with a spec that cannot be read: it must hinder nothing.
    """
    before = told(raw)
    name = revisions.revision_name(raw)
    if name in ("", before):
        return before
    try:
        cluster.create_revision(revisions.kept(raw, owner))
    except TROUBLE as error:
        _lost(raw, "the spec is not kept for a restart", error)
        return before
    return name


def forget(cluster: Cluster, raw: Raw, name: str) -> None:
    """Delete what a worker's status named before, now that another stands."""
    before, namespace = told(raw), raw["metadata"]["namespace"]
    if before in ("", name):
        return
    try:
        # Whoever may write the status must not have us delete what is another's.
        found = cluster.revision(namespace, before)
        if found is not None and revisions.is_of(found, raw):
            cluster.delete_revision(namespace, before, found["metadata"]["uid"])
    except TROUBLE as error:
        _lost(raw, "a spec that was kept is left", error)


def recall(cluster: Cluster, raw: Raw) -> Raw | None:
    """Give a worker as it asked when its spec could be read last; None where nothing is kept."""
    name = told(raw)
    found = cluster.revision(raw["metadata"]["namespace"], name) if name else None
    return None if found is None else revisions.asked(found, raw)


def told(raw: Raw) -> str:
    """Give the name by which a worker's spec is kept, as its status says; empty where none is."""
    name = (raw.get("status") or {}).get("currentRevision")
    return name if isinstance(name, str) and name.startswith(f"{raw['metadata']['name']}-") else ""


def _lost(raw: Raw, what: str, error: Exception) -> None:
    metadata = raw["metadata"]
    fields = {"namespace": metadata["namespace"], "worker": metadata["name"]}
    _log.warning(what, extra={**fields, "err": sentence(error)})
