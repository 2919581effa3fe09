"""What the API server's audit log says: who held the Lease when, and who wrote."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {
            "level": "Request",
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
        },
        {"level": "Metadata"},
    ],
}


def flags(folder: Path) -> list[str]:
    """Give the API server's flags for a log of all that is written."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = folder / "policy.json"
    policy.write_text(json.dumps(POLICY))
    where = f"--audit-log-path={folder / 'audit.log'}"
    return [f"--audit-policy-file={policy}", where, "--audit-log-mode=blocking"]


@dataclass(frozen=True, slots=True)
class Write:
    """One request that changes something: when it came and when it was answered, in seconds."""

    came_s: float
    answered_s: float
    user: str
    verb: str
    what: str
    code: int
    holder: str | None
    """Whom a Lease is given to; None where this is no write of a Lease that was done."""


def writes(folder: Path, users: Sequence[str]) -> list[Write]:
    """Read what these users have written, in the order in which it came."""
    # The last line may be one of which the rest is yet to come.
    *lines, _ = (folder / "audit.log").read_text().split("\n")
    found = (_write(json.loads(line)) for line in lines if line)
    return sorted((one for one in found if one.user in users), key=lambda one: one.came_s)


def _write(event: dict[str, Any]) -> Write:
    about = event.get("objectRef") or {}
    name = "/".join(about.get(field, "") for field in ("resource", "namespace", "name"))
    code = event["responseStatus"]["code"]
    spec = (event.get("requestObject") or {}).get("spec") or {}
    is_lease = about.get("resource") == "leases" and code in (200, 201)
    return Write(
        _seconds(event["requestReceivedTimestamp"]),
        _seconds(event["stageTimestamp"]),
        event["user"]["username"],
        event["verb"],
        name,
        code,
        str(spec.get("holderIdentity") or "") if is_lease else None,
    )


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def usurped(found: Sequence[Write]) -> Iterator[str]:
    """Name every write that came while its writer did not hold the Lease."""
    turns = sorted((one for one in found if one.holder is not None), key=lambda one: one.answered_s)
    for one in found:
        if one.what.startswith("leases/"):
            continue
        before = [turn for turn in turns if turn.answered_s <= one.came_s]
        if not before or before[-1].user != one.user or not before[-1].holder:
            holder = f"{before[-1].user} ({before[-1].holder})" if before else "nobody"
            yield f"{one.user} wrote {one.verb} {one.what} while {holder} held the Lease"


def first_after(found: Sequence[Write], when_s: float, other_than: str) -> Write | None:
    """Give the first write that another has made after a moment, Leases apart."""
    return next(
        (
            one
            for one in found
            if one.came_s > when_s and one.user != other_than and not one.what.startswith("leases/")
        ),
        None,
    )
