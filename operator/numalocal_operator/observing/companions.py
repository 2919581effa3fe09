"""Services and PodDisruptionBudgets: the raw object in, what tells ours from others' out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from numalocal import names

SERVICE: Final = "Service"
BUDGET: Final = "PodDisruptionBudget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A Service or a PodDisruptionBudget that has a worker's name.

    `label` is the worker that it is labelled with, `owner_uid` and `owner_kind` are its
    controller's, all empty where there is none.  `owners` and `spec` are as the API server has
    them.
    """

    kind: str
    name: str
    uid: str
    version: str
    label: str
    owner_uid: str
    owner_kind: str
    owners: tuple[Mapping[str, Any], ...]
    deleting: bool
    spec: Mapping[str, Any]


def observe(kind: str, raw: Mapping[str, Any]) -> Companion:
    """Keep what is needed; the largest part of such an object tells who wrote which field."""
    metadata = raw["metadata"]
    owners = tuple(metadata.get("ownerReferences") or ())
    owner: Mapping[str, Any] = next((one for one in owners if one.get("controller")), {})
    return Companion(
        kind=kind,
        name=metadata["name"],
        uid=metadata["uid"],
        version=str(metadata.get("resourceVersion") or ""),
        label=(metadata.get("labels") or {}).get(names.LABEL_WORKER, ""),
        owner_uid=owner.get("uid", ""),
        owner_kind=owner.get("kind", ""),
        owners=owners,
        deleting="deletionTimestamp" in metadata,
        spec=raw.get("spec") or {},
    )
