"""What a worker asked when its spec could be read last, as an object that outlives the operator."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from numalocal import names
from numalocal.worker.inject import Manifest

MOST_BYTES: Final = 1 << 20
"""Of a spec that is kept: etcd takes 1.5 MiB, and the object has more than the spec."""

Raw = Mapping[str, Any]


def revision_name(raw: Raw) -> str:
    """Name what a worker asks now, by its hash; empty where that is too large to be kept.

    One that a deleted worker of the name left behind must not stand for it.
    """
    text = raw["metadata"]["uid"] + json.dumps(raw["spec"], sort_keys=True)
    if len(text) > MOST_BYTES:
        return ""
    return f"{raw['metadata']['name']}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def kept(raw: Raw, owner: Manifest) -> Manifest:
    """Make the ControllerRevision of what a worker asks now."""
    metadata = raw["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(raw),
            "namespace": metadata["namespace"],
            "labels": {names.LABEL_WORKER: metadata["name"]},
            "ownerReferences": [owner],
        },
        "revision": int(metadata.get("generation", 0)),
        "data": {"spec": _text(raw["spec"])},
    }


def _text(spec: Any) -> str:
    """Write a spec as text that Go writes byte for byte the same.

    The API server compares the bytes of a revision's data, which must not change, with what becomes
    of them when it reads and writes them: the garbage collector could else not take an owner off,
    and a worker whose pods are orphaned would never be gone.
    """
    text = json.dumps(spec, separators=(",", ":"))
    for one in "<>&":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return text


def is_of(revision: Raw, raw: Raw) -> bool:
    """Tell whether a ControllerRevision is a worker's own."""
    owners = revision["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == raw["metadata"]["uid"] for one in owners)


def asked(revision: Raw, raw: Raw) -> Raw | None:
    """Give a worker as it asked when a revision of it was kept; None for one of another's."""
    data = revision.get("data")
    if not isinstance(data, Mapping) or not is_of(revision, raw):
        return None
    try:
        return {**raw, "spec": json.loads(data.get("spec") or "")}
    except (TypeError, ValueError):  # nobody of us has kept it
        return None
